//! Orders that the control API puts in place as they stand: any status, any amount, no checks, no effect.

use serde::Deserialize;
use serde_json::Value;

use super::order::{Channel, Mail, Order};
use super::shops::Mode;
use super::{Book, Lyra};
use crate::platform::ControlError;
use crate::site;

/// Members of a draft; only those that matter need to be named.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Draft {
    id: Option<String>,
    /// Last segment of the payment page's path.
    token: Option<String>,
    /// `RUNNING` when absent.
    status: Option<String>,
    /// 10000 when absent.
    amount: Option<i64>,
    currency: Option<String>,
    /// `URL`, `MAIL`, `SMS` or `WHATSAPP`.
    channel: Option<String>,
    /// For `MAIL`.
    recipient: Option<String>,
    /// For `SMS` and `WHATSAPP`.
    phone_number: Option<String>,
    order_id: Option<String>,
    locale: Option<String>,
    payment_receipt_email: Option<String>,
    creation_date: Option<jiff::Timestamp>,
    update_date: Option<jiff::Timestamp>,
    expiration_date: Option<jiff::Timestamp>,
    production: bool,
    manual_validation: bool,
    merchant_comment: Option<String>,
    metadata: Option<Value>,
    return_url: Option<String>,
    ipn_target_url: Option<String>,
    /// Days until the remittance takes the payment.
    capture_delay: i64,
}

/// Adds the order and returns its identifier.
pub(super) fn add(lyra: &Lyra, book: &Book, draft: &Value) -> Result<String, ControlError> {
    let draft: Draft = site::draft(draft)?;
    let recipient = draft.recipient.unwrap_or_else(|| "sample@example.com".to_owned());
    let phone = draft.phone_number.unwrap_or_else(|| "+33611111111".to_owned());
    let channel = match draft.channel.as_deref().unwrap_or("URL") {
        "URL" => Channel::Url,
        "MAIL" => Channel::Mail(Mail { recipient, ..Mail::default() }),
        "SMS" => Channel::Sms { phone, message: None },
        "WHATSAPP" => Channel::WhatsApp { phone },
        other => return Err(ControlError::Invalid(format!("order: channel {other}"))),
    };
    let mut orders = book.orders();
    let token = draft.token.unwrap_or_else(|| orders.new_token());
    let mode = if draft.production { Mode::Production } else { Mode::Test };
    let usual = Order::usual(&book.shop, token, mode, lyra.now());
    let mut order = Order {
        id: draft.id.unwrap_or(usual.id),
        status: draft.status.unwrap_or(usual.status),
        created: draft.creation_date.unwrap_or(usual.created),
        updated: draft.update_date,
        expires: draft.expiration_date.unwrap_or(usual.expires),
        amount: draft.amount.unwrap_or(10_000),
        currency: draft.currency.unwrap_or(usual.currency),
        locale: draft.locale.unwrap_or(usual.locale),
        order_id: draft.order_id,
        channel,
        receipt_email: draft.payment_receipt_email,
        manual_validation: draft.manual_validation,
        capture_delay: draft.capture_delay,
        merchant_comment: draft.merchant_comment,
        metadata: draft.metadata,
        return_url: draft.return_url,
        ipn_url: draft.ipn_target_url,
        ..usual
    };
    order.render(&book.shop, &lyra.link(book, &order));
    orders.add(order)
}
