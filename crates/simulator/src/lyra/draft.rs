//! Orders that the control API puts in place as they stand: any status, any amount, no checks, no effect.

use serde::Deserialize;
use serde_json::Value;

use super::change::days_after;
use super::order::{Channel, Mail, Order, RUNNING, Returns};
use super::shops::Mode;
use super::transaction::new_id;
use super::wishes::PAYMENT;
use super::{Book, Lyra};
use crate::platform::ControlError;

/// Members of a draft; only those that matter need to be named.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Draft {
    id: Option<String>,
    /// Last segment of the payment page's path.
    token: Option<String>,
    status: String,
    amount: i64,
    currency: Option<String>,
    /// `URL`, `MAIL`, `SMS` or `WHATSAPP`.
    channel: String,
    /// For `MAIL`.
    recipient: String,
    /// For `SMS` and `WHATSAPP`.
    phone_number: String,
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

impl Default for Draft {
    fn default() -> Self {
        Self {
            id: None,
            token: None,
            status: RUNNING.to_owned(),
            amount: 10_000,
            currency: None,
            channel: "URL".to_owned(),
            recipient: "sample@example.com".to_owned(),
            phone_number: "+33611111111".to_owned(),
            order_id: None,
            locale: None,
            payment_receipt_email: None,
            creation_date: None,
            update_date: None,
            expiration_date: None,
            production: false,
            manual_validation: false,
            merchant_comment: None,
            metadata: None,
            return_url: None,
            ipn_target_url: None,
            capture_delay: 0,
        }
    }
}

/// Adds the order and returns its identifier.
pub(super) fn add(lyra: &Lyra, book: &Book, draft: &Value) -> Result<String, ControlError> {
    let draft =
        Draft::deserialize(draft).map_err(|error| ControlError::Invalid(format!("order: {error}")))?;
    let channel = match draft.channel.as_str() {
        "URL" => Channel::Url,
        "MAIL" => Channel::Mail(Mail { recipient: draft.recipient, ..Mail::default() }),
        "SMS" => Channel::Sms { phone: draft.phone_number, message: None },
        "WHATSAPP" => Channel::WhatsApp { phone: draft.phone_number },
        other => return Err(ControlError::Invalid(format!("order: channel {other}"))),
    };
    let now = lyra.frame.clock.now();
    let mut orders = book.orders();
    let id = draft.id.unwrap_or_else(new_id);
    let token = draft.token.unwrap_or_else(|| orders.new_token());
    if orders.by_id.contains_key(&id) || orders.by_token.contains_key(&token) {
        return Err(ControlError::Invalid(format!("order: {id} or its token {token} exists already")));
    }
    let first_currency = || book.shop.currencies.first().copied().unwrap_or("EUR").to_owned();
    let mut order = Order {
        id: id.clone(),
        token,
        mode: if draft.production { Mode::Production } else { Mode::Test },
        status: draft.status,
        created: draft.creation_date.unwrap_or(now),
        updated: draft.update_date,
        expires: draft.expiration_date.unwrap_or_else(|| days_after(now, 30)),
        amount: draft.amount,
        currency: draft.currency.unwrap_or_else(first_currency),
        locale: draft.locale.unwrap_or_else(|| book.shop.locale.to_owned()),
        strong_authentication: "AUTO".to_owned(),
        order_id: draft.order_id,
        channel,
        subject: None,
        message: String::new(),
        receipt_email: draft.payment_receipt_email,
        tax_rate: None,
        tax_amount: None,
        manual_validation: draft.manual_validation,
        capture_delay: draft.capture_delay,
        data_form: false,
        merchant_comment: draft.merchant_comment,
        metadata: draft.metadata,
        customer: None,
        form_action: PAYMENT.to_owned(),
        returns: Returns { any: draft.return_url, ..Returns::default() },
        ipn_url: draft.ipn_target_url,
        transactions: Vec::new(),
        closed: false,
        patch: None,
    };
    let link = lyra.link(book, &order.token);
    order.render(&book.shop, &link);
    orders.insert(order);
    Ok(id)
}
