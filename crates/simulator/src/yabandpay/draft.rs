//! Payments that the control API puts in place as they stand: any state, any amount, no checks, no effect.

use serde::Deserialize;
use serde_json::{Value, json};

use super::order::{AUTHORIZED, Order, PAID, VERIFY, new_number};
use super::{BRAND, Book, YabandPay};
use crate::platform::ControlError;
use crate::site;

/// The sample of the page `v3.CancelPayment`.
const SAMPLE: &str = "4a49ffb3-a30f-ba92-9422-1969afb6f121";

/// Members of a draft; only those that matter need to be named.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Draft {
    id: Option<String>,
    status: Option<String>,
    /// Minor units.
    amount: Option<i64>,
    currency: Option<String>,
    pay_method: Option<String>,
    sub_pay_method: Option<String>,
    order_id: Option<String>,
    description: Option<String>,
    notify_url: Option<String>,
    redirect_url: Option<String>,
    demo: Option<String>,
    timeout_minutes: Option<i64>,
    /// Whether paying only authorises.
    authorizes: bool,
    created_at: Option<jiff::Timestamp>,
}

/// Puts the sample into a fresh book: paid today, so that it can still be cancelled.
pub(super) fn add_sample(platform: &YabandPay) {
    let sample = json!({
        "id": SAMPLE,
        "status": PAID,
        "amount": 10,
        "order_id": "280244567856723026",
        "description": "YabandPay test",
        "demo": "test",
    });
    let added = platform.known(BRAND).and_then(|book| add(platform, book, &sample));
    debug_assert!(added.is_ok(), "{added:?}");
}

/// Adds the payment and returns its identifier.
pub(super) fn add(platform: &YabandPay, book: &Book, draft: &Value) -> Result<String, ControlError> {
    let draft: Draft = site::draft(draft)?;
    let usual = Order::usual(draft.created_at.unwrap_or_else(|| platform.now()));
    let state = draft.status.unwrap_or(usual.state);
    let is_paid = [PAID, AUTHORIZED, VERIFY].contains(&state.as_str());
    book.orders().add(Order {
        id: draft.id.unwrap_or(usual.id),
        state,
        pay_method: draft.pay_method.unwrap_or(usual.pay_method),
        sub_pay_method: draft.sub_pay_method.unwrap_or(usual.sub_pay_method),
        order_id: draft.order_id.unwrap_or(usual.order_id),
        description: draft.description.unwrap_or(usual.description),
        amount: draft.amount.unwrap_or(usual.amount),
        currency: draft.currency.unwrap_or(usual.currency),
        notify_url: draft.notify_url,
        redirect_url: draft.redirect_url,
        demo: draft.demo,
        timeout_minutes: draft.timeout_minutes.unwrap_or(usual.timeout_minutes),
        authorizes: draft.authorizes,
        paid: is_paid.then(|| (usual.created, new_number())),
        ..usual
    })
}
