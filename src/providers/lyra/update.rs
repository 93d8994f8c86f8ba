//! The body of an update: what was read, with what the caller wants changed on top.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    options,
    wire::{
        BillingDetails, CardOptions, ChannelOptions, Customer, MailOptions, PhoneOptions, TransactionOptions,
        UpdateRequest,
    },
};
use crate::domain::{DeliveryChannel, Field, Order, OrderPatch};

/// The body, or `None` when the order's channel is one guichet cannot name again.
pub(super) fn request(before: &Order, patch: &OrderPatch) -> Option<UpdateRequest> {
    let named = options::named(&patch.provider_options);
    let option = |wire: &str| named.get(wire).or_else(|| before.provider_data.get(wire)).cloned();
    let (amount, currency) = patch
        .amount
        .value()
        .map_or((before.amount, before.currency), |money| (money.value(), money.currency()));
    let card_options =
        CardOptions { manual_validation: option("manualValidation"), capture_delay: option("captureDelay") };
    let has_card_options = card_options.manual_validation.is_some() || card_options.capture_delay.is_some();
    // `false` is the platform's default: it is sent only when the caller says so.
    let form_is_due = |form: &Value| named.contains_key("dataCollectionForm") || *form == Value::Bool(true);
    Some(UpdateRequest {
        payment_order_id: before.reference().to_string(),
        amount,
        currency: currency.code(),
        channel_options: channel(before, patch, option("bcc"))?,
        order_id: merged(&patch.merchant_reference, before.merchant_reference.as_ref()),
        expiration_date: merged(&patch.expires_at, before.expires_at.as_ref())
            .map(|instant| instant.to_seconds_with_offset()),
        locale: merged(&patch.locale, before.locale.as_ref()).map(|locale| locale.replace('-', "_")),
        merchant_comment: merged(&patch.description, before.description.as_ref()),
        payment_receipt_email: option("paymentReceiptEmail"),
        data_collection_form: option("dataCollectionForm").filter(form_is_due),
        strong_authentication: option("strongAuthentication"),
        tax_rate: option("taxRate"),
        tax_amount: option("taxAmount"),
        transaction_options: has_card_options.then_some(TransactionOptions { card_options }),
        customer: customer(patch),
        metadata: metadata(before, patch),
        return_url: patch.return_url.value().cloned(),
    })
}

/// What a member will be: named, kept, or none when cleared.
fn merged<T: Clone>(field: &Field<T>, before: Option<&T>) -> Option<T> {
    match field {
        Field::Keep => before.cloned(),
        Field::Clear => None,
        Field::Set(value) => Some(value.clone()),
    }
}

/// The whole channel, which an update must name. Texts only when this caller gave them.
fn channel(before: &Order, patch: &OrderPatch, bcc: Option<Value>) -> Option<ChannelOptions> {
    let delivery = before.delivery.as_ref()?;
    let named = patch.delivery.value().cloned().unwrap_or_default();
    let recipient = merged(&named.recipient, delivery.recipient.as_ref());
    let message = named.message.value().cloned();
    Some(match delivery.channel? {
        DeliveryChannel::Link => ChannelOptions { channel_type: "URL", ..ChannelOptions::default() },
        DeliveryChannel::Email => ChannelOptions {
            channel_type: "MAIL",
            mail_options: Some(MailOptions {
                recipient,
                bcc,
                template: match named.template {
                    Field::Keep => before.provider_data.get("template").cloned(),
                    Field::Clear => None,
                    Field::Set(template) => Some(Value::from(template)),
                },
                subject: named.subject.value().cloned(),
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
    })
}

fn customer(patch: &OrderPatch) -> Option<Customer> {
    let customer = patch.customer.value()?;
    let first_name = customer.first_name.value().cloned();
    let last_name = customer.last_name.value().cloned();
    let has_name = first_name.is_some() || last_name.is_some();
    let email = customer.email.value().cloned();
    (has_name || email.is_some()).then(|| Customer {
        email,
        billing_details: has_name.then_some(BillingDetails { first_name, last_name }),
    })
}

/// The platform does not tell an order's labels; what is known of them is sent with the new ones.
fn metadata(before: &Order, patch: &OrderPatch) -> BTreeMap<String, String> {
    let mut metadata = before.metadata.clone();
    for (name, value) in patch.metadata.value().into_iter().flatten() {
        if let Some(value) = value {
            metadata.insert(name.clone(), value.clone());
        }
    }
    metadata
}
