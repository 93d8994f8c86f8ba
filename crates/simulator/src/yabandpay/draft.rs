//! Payments that the control API puts in place as they stand: any state, any amount, no checks, no effect.

use serde::Deserialize;
use serde_json::{Value, json};

use super::YabandPay;
use super::create::LONGEST_TIMEOUT;
use super::order::{AUTHORIZED, Order, PAID, PENDING, VERIFY, new_id, new_number};
use crate::platform::ControlError;

/// The sample of the page `v3.CancelPayment`.
const SAMPLE: &str = "4a49ffb3-a30f-ba92-9422-1969afb6f121";

/// Members of a draft; only those that matter need to be named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Draft {
    id: Option<String>,
    status: String,
    /// Minor units.
    amount: i64,
    currency: String,
    pay_method: String,
    sub_pay_method: String,
    order_id: String,
    description: String,
    notify_url: Option<String>,
    redirect_url: Option<String>,
    demo: Option<String>,
    timeout_minutes: i64,
    /// Whether paying only authorises.
    authorizes: bool,
    created_at: Option<jiff::Timestamp>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            id: None,
            status: PENDING.to_owned(),
            amount: 10_000,
            currency: "EUR".to_owned(),
            pay_method: "online".to_owned(),
            sub_pay_method: "WeChat Pay".to_owned(),
            order_id: "ORDER-1".to_owned(),
            description: "An order of the control API".to_owned(),
            notify_url: None,
            redirect_url: None,
            demo: None,
            timeout_minutes: LONGEST_TIMEOUT,
            authorizes: false,
            created_at: None,
        }
    }
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
    let added = add(platform, &sample);
    debug_assert!(added.is_ok(), "{added:?}");
}

/// Adds the payment and returns its identifier.
pub(super) fn add(platform: &YabandPay, draft: &Value) -> Result<String, ControlError> {
    let draft =
        Draft::deserialize(draft).map_err(|error| ControlError::Invalid(format!("order: {error}")))?;
    let mut book = platform.book();
    let id = draft.id.unwrap_or_else(new_id);
    if book.orders.contains_key(&id) {
        return Err(ControlError::Invalid(format!("order: {id} exists already")));
    }
    let created = draft.created_at.unwrap_or_else(|| platform.frame.clock.now());
    let is_paid = [PAID, AUTHORIZED, VERIFY].contains(&draft.status.as_str());
    let order = Order {
        id: id.clone(),
        state: draft.status,
        pay_method: draft.pay_method,
        sub_pay_method: draft.sub_pay_method,
        order_id: draft.order_id,
        description: draft.description,
        amount: draft.amount,
        tip_amount: None,
        currency: draft.currency,
        notify_url: draft.notify_url,
        redirect_url: draft.redirect_url,
        cancel_url: None,
        demo: draft.demo,
        timeout_minutes: draft.timeout_minutes,
        authorizes: draft.authorizes,
        three_ds: false,
        created,
        shown: None,
        paid: is_paid.then(|| (created, new_number())),
        cleared: false,
        refunds: Vec::new(),
        patch: None,
    };
    book.orders.insert(id.clone(), order);
    Ok(id)
}
