//! Orders that the control API puts in place as they stand: any status, any amount, no checks, no effect. And the
//! sample order of the sandbox.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::init::{Names, names, new_redirection_data, page_end};
use super::members::Version;
use super::result::{Encoding, Format, Page};
use super::seal::Algorithm;
use super::shops::{DEMO_MERCHANT, known_shop};
use super::transaction::{ABORTED, AUTHOR_CAPTURE, PAGE_OPEN, REFUSED, TO_CAPTURE, Transaction};
use super::{Book, Sips};
use crate::platform::ControlError;

/// Members of a draft; only those that matter need to be named.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Draft {
    merchant_id: String,
    transaction_reference: Option<String>,
    /// With `s10TransactionIdDate`.
    s10_transaction_id: Option<String>,
    s10_transaction_id_date: Option<String>,
    /// `PAGE_OPEN` for a page where nobody has paid yet.
    status: String,
    amount: i64,
    origin_amount: Option<i64>,
    currency_code: String,
    capture_mode: String,
    capture_day: i64,
    response_code: Option<String>,
    last_operation_name: String,
    order_id: Option<String>,
    customer_id: Option<String>,
    return_context: Option<String>,
    transaction_date_time: Option<Timestamp>,
    normal_return_url: Option<String>,
    automatic_response_url: Option<String>,
    seal_algorithm: Option<String>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            merchant_id: DEMO_MERCHANT.to_owned(),
            transaction_reference: None,
            s10_transaction_id: None,
            s10_transaction_id_date: None,
            status: TO_CAPTURE.to_owned(),
            amount: 1000,
            origin_amount: None,
            currency_code: "978".to_owned(),
            capture_mode: AUTHOR_CAPTURE.to_owned(),
            capture_day: 0,
            response_code: None,
            last_operation_name: "AUTHOR".to_owned(),
            order_id: None,
            customer_id: None,
            return_context: None,
            transaction_date_time: None,
            normal_return_url: None,
            automatic_response_url: None,
            seal_algorithm: None,
        }
    }
}

/// Adds the order and returns its identifier.
pub(super) fn add(sips: &Sips, book: &Book, draft: &Value) -> Result<String, ControlError> {
    let mut draft =
        Draft::deserialize(draft).map_err(|error| ControlError::Invalid(format!("order: {error}")))?;
    let shop = known_shop(&draft.merchant_id)?;
    let now = sips.frame.clock.now();
    let mut transactions = book.transactions();
    let s10 = match (draft.s10_transaction_id.take(), draft.s10_transaction_id_date.take()) {
        (Some(id), Some(date)) => Some((id, date)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(ControlError::Invalid("order: the s10 members go together".to_owned()));
        }
    };
    let names = names(&mut transactions, shop.naming, draft.transaction_reference.take(), s10, now);
    let made = build(draft, names, now)?;
    if transactions.get(shop.merchant_id, &made.id).is_some() {
        return Err(ControlError::Invalid(format!("order: {} exists already", made.id)));
    }
    let id = made.id.clone();
    transactions.insert(made);
    Ok(id)
}

fn build(draft: Draft, names: Names, now: Timestamp) -> Result<Transaction, ControlError> {
    let algorithm = draft.seal_algorithm.map(|word| {
        let unknown = || ControlError::Invalid(format!("order: sealAlgorithm {word}"));
        Algorithm::named(&word).ok_or_else(unknown)
    });
    let usual_code = match draft.status.as_str() {
        PAGE_OPEN => "",
        REFUSED => "05",
        ABORTED => "97",
        _ => "00",
    };
    let is_paid = usual_code == "00";
    let at = draft.transaction_date_time.unwrap_or(now);
    let format = Format::usual(Version::new(2, 55));
    Ok(Transaction {
        merchant_id: draft.merchant_id,
        id: names.id,
        reference: names.reference,
        s10_id: names.s10_id,
        s10_date: names.s10_date,
        stored: draft.status != PAGE_OPEN,
        status: draft.status,
        origin_amount: draft.origin_amount.unwrap_or(draft.amount),
        amount: draft.amount,
        currency: draft.currency_code,
        capture_mode: draft.capture_mode,
        capture_day: draft.capture_day,
        response_code: draft.response_code.unwrap_or_else(|| usual_code.to_owned()),
        acquirer_code: is_paid.then(|| "00".to_owned()),
        authorisation_id: is_paid.then(|| "654321".to_owned()),
        order_id: draft.order_id,
        order_channel: "INTERNET".to_owned(),
        customer_id: draft.customer_id,
        return_context: draft.return_context,
        transaction_origin: None,
        made: at,
        last_operation: (draft.last_operation_name, at),
        page: Page {
            data: new_redirection_data(),
            until: page_end(now),
            normal_url: draft.normal_return_url,
            automatic_url: draft.automatic_response_url,
            key_version: "1".to_owned(),
            algorithm: algorithm.transpose()?,
            encoding: Encoding::Plain,
            normal_format: format,
            automatic_format: format,
        },
        locked: false,
        charged_back: false,
        credits: Vec::new(),
        patch: None,
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

/// A transaction for tests.
#[cfg(test)]
pub(super) fn sample() -> Transaction {
    let names = Names {
        id: "ORDER0001".into(),
        reference: "ORDER0001".into(),
        s10_id: "000123".into(),
        s10_date: "20260114".into(),
    };
    build(Draft::default(), names, "2026-01-14T09:31:07Z".parse().unwrap()).unwrap()
}
