//! Orders that the control API puts in place as they stand: any status, any amount, no checks, no effect. And the
//! sample order of the sandbox.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::init::names;
use super::members::Version;
use super::result::{Format, Page};
use super::seal::Algorithm;
use super::shops::{DEMO_MERCHANT, known_shop};
use super::transaction::{ABORTED, PAGE_OPEN, REFUSED, TO_CAPTURE, Transaction};
use super::{Book, Sips};
use crate::platform::ControlError;
use crate::site;

/// Members of a draft; only those that matter need to be named.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Draft {
    merchant_id: Option<String>,
    transaction_reference: Option<String>,
    /// With `s10TransactionIdDate`.
    s10_transaction_id: Option<String>,
    s10_transaction_id_date: Option<String>,
    /// `PAGE_OPEN` for a page where nobody has paid yet.
    status: Option<String>,
    amount: Option<i64>,
    origin_amount: Option<i64>,
    currency_code: Option<String>,
    capture_mode: Option<String>,
    capture_day: i64,
    response_code: Option<String>,
    last_operation_name: Option<String>,
    order_id: Option<String>,
    customer_id: Option<String>,
    return_context: Option<String>,
    transaction_date_time: Option<Timestamp>,
    normal_return_url: Option<String>,
    automatic_response_url: Option<String>,
    seal_algorithm: Option<String>,
}

/// Adds the order and returns its identifier.
pub(super) fn add(sips: &Sips, book: &Book, draft: &Value) -> Result<String, ControlError> {
    let draft: Draft = site::draft(draft)?;
    let shop = known_shop(draft.merchant_id.as_deref().unwrap_or(DEMO_MERCHANT))?;
    let now = sips.now();
    let mut orders = book.orders();
    let s10 = match (draft.s10_transaction_id, draft.s10_transaction_id_date) {
        (Some(id), Some(date)) => Some((id, date)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(ControlError::Invalid("order: the s10 members go together".to_owned()));
        }
    };
    let names = names(&mut orders.rest, shop.naming, draft.transaction_reference, s10, now);
    let algorithm = draft.seal_algorithm.map(|word| {
        let unknown = || ControlError::Invalid(format!("order: sealAlgorithm {word}"));
        Algorithm::named(&word).ok_or_else(unknown)
    });
    let status = draft.status.unwrap_or_else(|| TO_CAPTURE.to_owned());
    let usual_code = match status.as_str() {
        PAGE_OPEN => "",
        REFUSED => "05",
        ABORTED => "97",
        _ => "00",
    };
    let is_paid = usual_code == "00";
    let at = draft.transaction_date_time.unwrap_or(now);
    let page = Page {
        normal_url: draft.normal_return_url,
        automatic_url: draft.automatic_response_url,
        algorithm: algorithm.transpose()?,
        ..Page::usual(Format::usual(Version::new(2, 55)), now)
    };
    let usual = Transaction::open(shop.merchant_id, names, draft.amount.unwrap_or(1000), page, at);
    orders.add(Transaction {
        stored: status != PAGE_OPEN,
        status,
        origin_amount: draft.origin_amount.unwrap_or(usual.amount),
        currency: draft.currency_code.unwrap_or(usual.currency),
        capture_mode: draft.capture_mode.unwrap_or(usual.capture_mode),
        capture_day: draft.capture_day,
        response_code: draft.response_code.unwrap_or_else(|| usual_code.to_owned()),
        acquirer_code: is_paid.then(|| "00".to_owned()),
        authorisation_id: is_paid.then(|| "654321".to_owned()),
        order_id: draft.order_id,
        customer_id: draft.customer_id,
        return_context: draft.return_context,
        last_operation: (draft.last_operation_name.unwrap_or_else(|| "AUTHOR".to_owned()), at),
        ..usual
    })
}

/// Puts the sandbox's sample order into a fresh book. The provider page `cashManagement/cancel` has no sample with
/// values; this one is named as in the seal vectors.
pub(super) fn add_sample(sips: &Sips) {
    if let Some(book) = sips.book("sherlocks") {
        let added = add(sips, book, &json!({"transactionReference": "ORDER0001", "orderId": "cart-1"}));
        debug_assert!(added.is_ok(), "{added:?}");
    }
}
