//! The body of a creation.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    options,
    wire::{
        BillingDetails, CardOptions, ChannelOptions, Customer, MailOptions, OUR_LABEL, OrderRequest,
        PhoneOptions, TransactionOptions,
    },
};
use guichet_port::domain::{
    self, CaptureMode, DeliveryChannel, Field, NewDelivery, OperationId, PlannedOrder,
};

/// How long a new order lives when the caller does not say.
pub(super) const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Payment methods by our word and the platform's. That `CARDS` stands for all cards is the platform's usage in its
/// forms; the page of this service names no values.
pub(super) const PAYMENT_METHODS: &[(&str, &str)] = &[("card", "CARDS")];
/// Our words for them.
pub(super) const PAYMENT_METHOD_WORDS: &[&str] = &["card"];

/// The body. Source: Lyra REST API V4, `Charge/CreatePaymentOrder`.
pub(super) fn request(operation: OperationId, planned: &PlannedOrder, notifications: String) -> OrderRequest {
    let order = &planned.order;
    let mut named = options::named(&Field::Set(order.provider_options.clone()));
    let mut option = |wire: &str| named.remove(wire);
    let validation = match order.capture {
        CaptureMode::Automatic => "NO",
        CaptureMode::Manual => "YES",
    };
    let card_options = CardOptions {
        manual_validation: option("manualValidation").or_else(|| Some(Value::from(validation))),
        capture_delay: option("captureDelay"),
    };
    let method = order.payment_method.as_deref();
    OrderRequest {
        payment_order_id: None,
        amount: order.amount.value(),
        currency: order.amount.currency().code(),
        channel_options: channel(&order.delivery, option("bcc")),
        order_id: Some(order.merchant_reference.clone()),
        expiration_date: Some(planned.expires_at.to_seconds_with_offset()),
        locale: order.locale.as_ref().map(|locale| locale.replace('-', "_")),
        merchant_comment: order.description.clone(),
        payment_receipt_email: option("paymentReceiptEmail"),
        data_collection_form: option("dataCollectionForm"),
        strong_authentication: option("strongAuthentication"),
        tax_rate: option("taxRate"),
        tax_amount: option("taxAmount"),
        transaction_options: Some(TransactionOptions { card_options }),
        customer: customer(&order.customer),
        metadata: metadata(operation, &order.metadata),
        return_url: order.return_url.clone(),
        ipn_target_url: Some(notifications),
        payment_methods: PAYMENT_METHODS
            .iter()
            .find(|(word, _)| Some(*word) == method)
            .map(|(_, theirs)| vec![*theirs]),
    }
}

/// The caller's labels and ours.
pub(super) fn metadata(
    operation: OperationId,
    labels: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut metadata = labels.clone();
    metadata.insert(OUR_LABEL.to_owned(), operation.to_string());
    metadata
}

fn channel(delivery: &NewDelivery, bcc: Option<Value>) -> ChannelOptions {
    let NewDelivery { channel, recipient, subject, message, template } = delivery.clone();
    match channel {
        DeliveryChannel::Link => ChannelOptions { channel_type: "URL", ..ChannelOptions::default() },
        DeliveryChannel::Email => ChannelOptions {
            channel_type: "MAIL",
            mail_options: Some(MailOptions {
                recipient,
                bcc,
                template: template.map(Value::from),
                subject,
                body: message,
            }),
            ..ChannelOptions::default()
        },
        DeliveryChannel::Sms => ChannelOptions {
            channel_type: "SMS",
            sms_options: Some(PhoneOptions { phone_number: recipient, message }),
            ..ChannelOptions::default()
        },
        DeliveryChannel::Whatsapp => ChannelOptions {
            channel_type: "WHATSAPP",
            whats_app_options: Some(PhoneOptions { phone_number: recipient, message: None }),
            ..ChannelOptions::default()
        },
    }
}

/// The payer, as far as anything is known.
pub(super) fn customer(customer: &domain::Customer) -> Option<Customer> {
    let domain::Customer { email, first_name, last_name } = customer.clone();
    let has_name = first_name.is_some() || last_name.is_some();
    (has_name || email.is_some()).then(|| Customer {
        email,
        billing_details: has_name.then_some(BillingDetails { first_name, last_name }),
    })
}
