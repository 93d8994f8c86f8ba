//! The transactions that a payment leaves, and the answer that lists them.
//!
//! Source: Lyra REST API V4, `Order/Get` and the transaction object.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::envelope::date;
use super::order::Order;
use super::shops::DemoShop;
use crate::simulator::platform::merge;

/// One transaction.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) uuid: String,
    pub(super) created: Timestamp,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) detailed_status: String,
    pub(super) operation_type: &'static str,
    pub(super) metadata: Option<Value>,
    /// Code of the acquirer that refused it.
    pub(super) acquirer_code: Option<String>,
    /// Merge patch of the control API over the answer.
    pub(super) patch: Option<Value>,
}

/// 32 lower-case hexadecimal digits, as the platform names orders and transactions.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// `status` that goes with a `detailedStatus`. Source: Lyra REST API V4, transaction statuses.
fn status_of(detailed: &str) -> &'static str {
    match detailed {
        "AUTHORISED" | "CAPTURED" | "PARTIALLY_AUTHORISED" | "ACCEPTED" | "PRE_AUTHORISED" => "PAID",
        "REFUSED" | "CANCELLED" | "EXPIRED" | "CAPTURE_FAILED" | "ERROR" => "UNPAID",
        "ABANDONED" => "ABANDONED",
        _ => "RUNNING",
    }
}

impl Transaction {
    /// A payment of the order's whole amount.
    pub(super) fn debit(order: &Order, detailed_status: &str, now: Timestamp) -> Self {
        Self {
            uuid: new_id(),
            created: now,
            amount: order.amount,
            currency: order.currency.clone(),
            detailed_status: detailed_status.to_owned(),
            operation_type: "DEBIT",
            metadata: order.metadata.clone(),
            acquirer_code: None,
            patch: None,
        }
    }

    /// The `V4/PaymentTransaction` of the answers, with the control API's patch over it.
    pub(super) fn answer(&self, shop: &DemoShop) -> Value {
        let refused = self.acquirer_code.is_some();
        let mut answer = json!({
            "shopId": shop.shop_id,
            "uuid": self.uuid,
            "amount": self.amount,
            "currency": self.currency,
            "paymentMethodType": "CARD",
            "paymentMethodToken": null,
            "status": status_of(&self.detailed_status),
            "detailedStatus": self.detailed_status,
            "operationType": self.operation_type,
            "effectiveStrongAuthentication": "DISABLED",
            "creationDate": date(self.created),
            "errorCode": refused.then_some("ACQ_001"),
            "errorMessage": refused.then_some("payment refused"),
            "detailedErrorCode": self.acquirer_code,
            "detailedErrorMessage": null,
            "metadata": self.metadata,
            "transactionDetails": {
                "liabilityShift": "NO",
                "effectiveAmount": self.amount,
                "effectiveCurrency": self.currency,
                "creationContext": "CHARGE",
                "cardDetails": {
                    "effectiveBrand": "VISA",
                    "pan": "497010XXXXXX0055",
                    "expiryMonth": 12,
                    "expiryYear": 2030,
                    "country": "FR",
                    "captureResponse": {
                        "refundAmount": null, "refundCurrency": null, "captureDate": null,
                        "_type": "V4/PaymentMethod/Details/Cards/CardCaptureResponse"
                    },
                    "_type": "V4/PaymentMethod/Details/CardDetails",
                },
                "parentTransactionUuid": null,
                "_type": "V4/TransactionDetails",
            },
            "_type": "V4/PaymentTransaction",
        });
        if let Some(patch) = &self.patch {
            merge(&mut answer, patch);
        }
        answer
    }
}

/// The `V4/OrderTransactions` of the orders that share one merchant reference, for these transactions.
pub(super) fn order_transactions(
    orders: &[&Order],
    listed: Vec<Value>,
    shop: &DemoShop,
    now: Timestamp,
) -> Value {
    let has = |status: &str| listed.iter().any(|one| one.get("status").is_some_and(|word| word == status));
    let order_status = if has("PAID") {
        "PAID"
    } else if has("RUNNING") {
        "RUNNING"
    } else {
        "UNPAID"
    };
    let first = orders.first();
    json!({
        "shopId": shop.shop_id,
        "orderCycle": if order_status == "UNPAID" { "OPEN" } else { "CLOSED" },
        "orderStatus": order_status,
        "serverDate": date(now),
        "orderDetails": {
            "orderTotalAmount": first.map(|order| order.amount),
            "orderEffectiveAmount": first.map(|order| order.amount),
            "orderCurrency": first.map(|order| order.currency.as_str()),
            "mode": first.map(|order| order.mode.word()),
            "orderId": first.and_then(|order| order.order_id.as_deref()),
            "metadata": first.and_then(|order| order.metadata.as_ref()),
            "_type": "V4/OrderDetails",
        },
        "customer": first.and_then(|order| order.customer.as_ref()),
        "transactions": listed,
        "_type": "V4/OrderTransactions",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_32_lower_case_hexadecimal_digits() {
        let id = new_id();
        assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)));
    }

    #[test]
    fn statuses_follow_the_detailed_ones() {
        for (detailed, status) in [
            ("AUTHORISED", "PAID"),
            ("AUTHORISED_TO_VALIDATE", "RUNNING"),
            ("REFUSED", "UNPAID"),
            ("CANCELLED", "UNPAID"),
            ("ABANDONED", "ABANDONED"),
            ("UNDER_VERIFICATION", "RUNNING"),
        ] {
            assert_eq!(status_of(detailed), status, "{detailed}");
        }
    }
}
