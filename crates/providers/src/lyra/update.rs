//! The body of an update: what was read, with what the caller wants changed on top.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    create, options,
    wire::{CardOptions, ChannelOptions, MailOptions, OrderRequest, PhoneOptions, TransactionOptions},
};
use guichet_port::domain::{Creation, Customer, DeliveryChannel, Field, NewDelivery, Order, OrderPatch};

/// The body, or `None` when the order's channel is one guichet cannot name again. `creation` is how the order was made
/// here, if it was: what the platform does not tell back is sent again from it.
pub(super) fn request(
    before: &Order,
    patch: &OrderPatch,
    creation: Option<&Creation>,
    notifications: &str,
) -> Option<OrderRequest> {
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
    let stored = stored(creation, patch);
    Some(OrderRequest {
        payment_order_id: Some(before.reference().to_string()),
        amount,
        currency: currency.code(),
        channel_options: channel(before, patch, &stored.delivery, option("bcc"))?,
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
        customer: create::customer(&stored.customer),
        metadata: match creation {
            Some(creation) => create::metadata(creation.operation, &stored.metadata),
            None => stored.metadata,
        },
        return_url: stored.return_url,
        ipn_target_url: creation.map(|_| notifications.to_owned()),
        payment_methods: None,
    })
}

/// What the platform does not tell back: the caller's own texts, labels, payer and return address, as they will be.
#[derive(Default)]
struct Stored {
    delivery: NewDelivery,
    customer: Customer,
    metadata: BTreeMap<String, String>,
    return_url: Option<String>,
}

fn stored(creation: Option<&Creation>, patch: &OrderPatch) -> Stored {
    if let Some(creation) = creation {
        let mut order = creation.planned.order.clone();
        order.apply(patch);
        return Stored {
            delivery: order.delivery,
            customer: order.customer,
            metadata: order.metadata,
            return_url: order.return_url,
        };
    }
    let customer = patch.customer.value().cloned().unwrap_or_default();
    let delivery = patch.delivery.value().cloned().unwrap_or_default();
    Stored {
        delivery: NewDelivery {
            subject: delivery.subject.value().cloned(),
            message: delivery.message.value().cloned(),
            ..NewDelivery::default()
        },
        customer: Customer {
            email: customer.email.value().cloned(),
            first_name: customer.first_name.value().cloned(),
            last_name: customer.last_name.value().cloned(),
        },
        metadata: patch
            .metadata
            .value()
            .into_iter()
            .flatten()
            .filter_map(|(name, label)| Some((name.clone(), label.clone()?)))
            .collect(),
        return_url: patch.return_url.value().cloned(),
    }
}

/// What a member will be: named, kept, or none when cleared.
fn merged<T: Clone>(field: &Field<T>, before: Option<&T>) -> Option<T> {
    match field {
        Field::Keep => before.cloned(),
        Field::Clear => None,
        Field::Set(value) => Some(value.clone()),
    }
}

/// The whole channel, which an update must name. Texts are the callers' own, never those the platform rendered.
fn channel(
    before: &Order,
    patch: &OrderPatch,
    texts: &NewDelivery,
    bcc: Option<Value>,
) -> Option<ChannelOptions> {
    let delivery = before.delivery.as_ref()?;
    let named = patch.delivery.value().cloned().unwrap_or_default();
    let recipient = merged(&named.recipient, delivery.recipient.as_ref());
    let message = texts.message.clone();
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
                subject: texts.subject.clone(),
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
