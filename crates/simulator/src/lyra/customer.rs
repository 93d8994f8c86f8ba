//! The customer of an answer.
//!
//! Source: Lyra REST API V4, facts of 1 December 2026: it is always an object. Its members are those that the request
//! documents; the `_type`s are those of the published notification vector.

use serde_json::{Value, json};

use super::order::Order;
use crate::platform::merge;

impl Order {
    /// The `V4/Customer/Customer`: what the request said over members without a value. The language is the order's
    /// (inferred).
    pub(super) fn customer_object(&self) -> Value {
        let language = self.locale.split('_').next().unwrap_or_default().to_ascii_uppercase();
        let mut customer = json!({
            "email": null,
            "reference": null,
            "billingDetails": {
                "category": null,
                "firstName": null,
                "lastName": null,
                "phoneNumber": null,
                "address": null,
                "zipCode": null,
                "city": null,
                "country": null,
                "language": language,
                "_type": "V4/Customer/BillingDetails",
            },
            "shippingDetails": null,
            "shoppingCart": null,
            "_type": "V4/Customer/Customer",
        });
        if let Some(sent) = &self.customer {
            merge(&mut customer, sent);
        }
        customer
    }
}
