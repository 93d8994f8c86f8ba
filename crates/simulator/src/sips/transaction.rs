//! A transaction as the platform keeps it, from the opening of its payment page on.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answer::OWN_READ_CODE_SINCE;
use super::dates::{date_time, day};
use super::init::Names;
use super::members::Version;
use super::result::Page;
use crate::clock::days_after;
use crate::platform::merge;

/// The payment page is open and nobody has paid: there is no transaction to read yet. The simulator's own word, for
/// the ledger and the control API only.
pub(super) const PAGE_OPEN: &str = "PAGE_OPEN";

/// Statuses that some rule here names; others can be set by the control API.
/// Source: provider page `cashManagement/cancel`, `newStatus`.
pub(super) const TO_AUTHORIZE: &str = "TO_AUTHORIZE";
pub(super) const TO_CHALLENGE: &str = "TO_CHALLENGE";
pub(super) const TO_VALIDATE: &str = "TO_VALIDATE";
pub(super) const TO_REPLAY: &str = "TO_REPLAY";
pub(super) const TO_CAPTURE: &str = "TO_CAPTURE";
pub(super) const CAPTURED: &str = "CAPTURED";
pub(super) const CAPTURE_REFUSED: &str = "CAPTURE_REFUSED";
pub(super) const TO_CREDIT: &str = "TO_CREDIT";
pub(super) const CREDITED: &str = "CREDITED";
pub(super) const CANCELLED: &str = "CANCELLED";
pub(super) const EXPIRED: &str = "EXPIRED";
pub(super) const REFUSED: &str = "REFUSED";
pub(super) const ABORTED: &str = "ABORTED";

/// `captureMode`. The first is the usual one (inferred: the default is not written down).
pub(super) const CAPTURE_MODES: [&str; 3] = [AUTHOR_CAPTURE, VALIDATION, IMMEDIATE];
pub(super) const AUTHOR_CAPTURE: &str = "AUTHOR_CAPTURE";
pub(super) const VALIDATION: &str = "VALIDATION";
pub(super) const IMMEDIATE: &str = "IMMEDIATE";

/// Days that an authorisation lasts: with a longer deferral it is asked for later. A guess, the pages name none.
const AUTHORISATION_DAYS: i64 = 6;

/// A transaction.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    pub(super) merchant_id: String,
    /// What the control API, the ledger and the fault plan call it: the `transactionReference`, or for a shop of the
    /// other kind `s10.000123.20260114`.
    pub(super) id: String,
    pub(super) reference: String,
    /// Six digits.
    pub(super) s10_id: String,
    /// `YYYYMMDD`.
    pub(super) s10_date: String,
    /// As stored; ask `status_at` for the one that counts.
    pub(super) status: String,
    /// Minor units, before any operation.
    pub(super) origin_amount: i64,
    /// Minor units, after all operations so far.
    pub(super) amount: i64,
    /// Three digits, leading zeros included.
    pub(super) currency: String,
    pub(super) capture_mode: String,
    /// Days from the payment to the remittance, or to the end of the validation.
    pub(super) capture_day: i64,
    /// The payment's own result; empty while the page is open.
    pub(super) response_code: String,
    pub(super) acquirer_code: Option<String>,
    pub(super) authorisation_id: Option<String>,
    pub(super) order_id: Option<String>,
    pub(super) order_channel: String,
    pub(super) customer_id: Option<String>,
    pub(super) return_context: Option<String>,
    pub(super) transaction_origin: Option<String>,
    /// The payment, or the opening of the page while nobody has paid.
    pub(super) made: Timestamp,
    /// `lastOperationName` and its time.
    pub(super) last_operation: (String, Timestamp),
    pub(super) page: Page,
    /// Whether the platform's database has it already; the payment itself does not wait for it.
    pub(super) stored: bool,
    /// Whether another operation is running on it.
    pub(super) locked: bool,
    /// Whether the payer's bank has taken the payment back.
    pub(super) charged_back: bool,
    /// What was refunded and not rejected, oldest first.
    pub(super) credits: Vec<Credit>,
    /// Merge patch of the control API over the answers.
    pub(super) patch: Option<Value>,
}

/// One refund of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credit {
    /// Minor units.
    pub(super) amount: i64,
    /// Whether a remittance has taken it.
    pub(super) is_remitted: bool,
}

/// What names a transaction among those of all shops.
pub(super) fn key(merchant_id: &str, id: &str) -> String {
    format!("{merchant_id}/{id}")
}

/// `s10.000123.20260114`.
pub(super) fn s10_name(id: &str, date: &str) -> String {
    format!("s10.{id:0>6}.{date}")
}

impl Transaction {
    /// A page that has just been opened, with usual values.
    pub(super) fn open(merchant_id: &str, names: Names, amount: i64, page: Page, now: Timestamp) -> Self {
        Self {
            merchant_id: merchant_id.to_owned(),
            id: names.id,
            reference: names.reference,
            s10_id: names.s10_id,
            s10_date: names.s10_date,
            status: PAGE_OPEN.to_owned(),
            origin_amount: amount,
            amount,
            currency: "978".to_owned(),
            capture_mode: AUTHOR_CAPTURE.to_owned(),
            capture_day: 0,
            response_code: String::new(),
            acquirer_code: None,
            authorisation_id: None,
            order_id: None,
            order_channel: "INTERNET".to_owned(),
            customer_id: None,
            return_context: None,
            transaction_origin: None,
            made: now,
            last_operation: ("TRANSACTION".to_owned(), now),
            page,
            stored: false,
            locked: false,
            charged_back: false,
            credits: Vec::new(),
            patch: None,
        }
    }

    /// Whether the services see it: the payer has finished on the page, and the database has it.
    pub(super) fn is_visible(&self) -> bool {
        self.status != PAGE_OPEN && self.stored
    }

    /// The status at this time: what waits for a validation expires by the clock.
    pub(super) fn status_at(&self, now: Timestamp) -> &str {
        let waits = self.status == TO_VALIDATE || self.status == TO_REPLAY;
        if waits && self.validation_ends() <= now { EXPIRED } else { &self.status }
    }

    /// Inferred for a `captureDay` of 0: a day, like that of 1.
    fn validation_ends(&self) -> Timestamp {
        days_after(self.made, self.capture_day.max(1))
    }

    /// `captureLimitDate`. Its form is inferred from that of the other dates without a time.
    pub(super) fn capture_limit(&self) -> String {
        day(days_after(self.made, self.capture_day))
    }

    /// The status that an accepted payment has. Source: data dictionary, `captureMode`; inferred for `IMMEDIATE` and
    /// for a deferral longer than the authorisation.
    pub(super) fn accepted_status(&self) -> &'static str {
        let later = self.capture_day > AUTHORISATION_DAYS;
        match self.capture_mode.as_str() {
            VALIDATION if later => TO_REPLAY,
            VALIDATION => TO_VALIDATE,
            IMMEDIATE => CAPTURED,
            _ if later => TO_AUTHORIZE,
            _ => TO_CAPTURE,
        }
    }

    /// Moves on to another status, with the name and time of what was done.
    pub(super) fn set(&mut self, status: &str, operation: &str, now: Timestamp) {
        status.clone_into(&mut self.status);
        self.last_operation = (operation.to_owned(), now);
    }

    /// Amount and status.
    pub(super) fn present(&self, now: Timestamp) -> (i64, String) {
        (self.amount, self.status_at(now).to_owned())
    }

    /// Tells how it stands after an operation, or where the operation is impossible.
    pub(super) fn write_state(&self, answer: &mut Map<String, Value>, now: Timestamp) {
        answer.insert("newStatus".to_owned(), self.status_at(now).into());
        answer.insert("newAmount".to_owned(), self.amount.into());
        answer.insert("operationDateTime".to_owned(), date_time(now).into());
    }

    /// Lays the control API's patch over an answer about this transaction.
    pub(super) fn patched(&self, answer: Map<String, Value>) -> Map<String, Value> {
        let Some(patch) = &self.patch else { return answer };
        let mut answer = Value::Object(answer);
        merge(&mut answer, patch);
        members(answer)
    }

    /// What may still be cancelled, validated or refunded. Inferred: the pages name `remainingAmount` and no meaning.
    fn remaining(&self, now: Timestamp) -> i64 {
        let over = [REFUSED, ABORTED, EXPIRED, CANCELLED, CREDITED, CAPTURE_REFUSED];
        if over.contains(&self.status_at(now)) { 0 } else { self.amount }
    }

    /// The answer of `getTransactionData`, without its seal.
    pub(super) fn answer(&self, version: Version, now: Timestamp) -> Map<String, Value> {
        let status = self.status_at(now);
        let lapsed = status != self.status;
        let (operation, operation_at) = &self.last_operation;
        let operation = if lapsed { "EXPIRED" } else { operation };
        let operation_at = if lapsed { self.validation_ends() } else { *operation_at };
        let own_code = version >= OWN_READ_CODE_SINCE;
        let answer = json!({
            "transactionStatus": status,
            "responseCode": if own_code { self.response_code.as_str() } else { "00" },
            "getTransDataResponseCode": own_code.then_some("00"),
            "acquirerResponseCode": self.acquirer_code,
            "authorisationId": self.authorisation_id,
            "originAmount": self.origin_amount,
            "currentAmount": self.amount,
            "remainingAmount": self.remaining(now),
            "currencyCode": self.currency,
            "merchantId": self.merchant_id,
            "transactionReference": self.reference,
            "s10TransactionReference": {
                "s10TransactionId": self.s10_id,
                "s10TransactionIdDate": self.s10_date,
            },
            "orderId": self.order_id,
            "orderChannel": self.order_channel,
            "customerId": self.customer_id,
            "transactionDateTime": date_time(self.made),
            "lastOperationName": operation,
            "lastOperationDateTime": date_time(operation_at),
            "captureLimitDate": self.capture_limit(),
            "paymentMeanBrand": "VISA",
            "paymentMeanType": "CARD",
            "paymentPattern": "ONE_SHOT",
            "maskedPan": "4100##########00",
            "panExpiryDate": "203012",
            "holderAuthentStatus": "3D_SUCCESS",
            "paymentAttemptNumber": 1,
        });
        self.patched(without_nulls(answer))
    }
}

/// Absent members are left out of the platform's answers.
pub(super) fn without_nulls(answer: Value) -> Map<String, Value> {
    members(answer).into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn members(answer: Value) -> Map<String, Value> {
    match answer {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
