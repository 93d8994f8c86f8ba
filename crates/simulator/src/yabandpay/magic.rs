//! Amounts that stand for faults, so that a person can order one from Swagger UI: the same as at the other platforms,
//! with YabandPay's codes. In minor units: 990001 is 9900.01.
//!
//! One range for changes, one for reads, one for cancellations and one for notifications: after a change with a lost answer the payment has
//! that amount and can still be read; and a payment can be made first whose cancellation goes wrong.

use serde_json::{Value, json};

use super::methods::{CANCEL, CAPTURE, DECREMENT, QUERY, QUERY_REFUND, REFUND, data_text};
use super::{amount, codes, create};
use crate::delivery::NOTIFICATION;
use crate::faults::{FaultKind, Moment};
use crate::platform::Call;

/// How late a late answer is: longer than a caller of guichet waits, shorter than guichet does.
const LATE_MS: u64 = 20_000;
/// How late a late notification is.
const LATE_NOTICE_MS: u64 = 3_000;

/// What a magic amount is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// Creations, captures, reductions and refunds by the amount in the request, cancellations by the payment's.
    Changes,
    /// Queries: the payment's amount, or the refund's.
    Reads,
    /// Cancellations only, by the payment's amount.
    Cancels,
    /// Every notification of a payment of this amount, those of its refunds included.
    Notifications,
}

impl On {
    fn covers(self, method: &str) -> bool {
        match self {
            Self::Changes => method == CANCEL || changes_by_request(method),
            Self::Reads => method == QUERY || method == QUERY_REFUND,
            Self::Cancels => method == CANCEL,
            Self::Notifications => method == NOTIFICATION,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Reads => "reads",
            Self::Cancels => "cancels",
            Self::Notifications => "notifications",
        }
    }
}

#[derive(Debug)]
struct Magic {
    amount: i64,
    on: On,
    meaning: &'static str,
    fault: fn() -> FaultKind,
}

const fn magic(amount: i64, on: On, meaning: &'static str, fault: fn() -> FaultKind) -> Magic {
    Magic { amount, on, meaning, fault }
}

const TABLE: [Magic; 25] = [
    magic(990_001, On::Changes, "refused with -4113, no effect", || refuse(codes::UNPUBLISHED)),
    magic(990_002, On::Changes, "takes effect, answers 20 s late", late),
    magic(990_003, On::Changes, "takes effect, the answer is lost", lose),
    magic(990_004, On::Changes, "connection cut, no effect", cut),
    magic(990_005, On::Changes, "takes effect, answers nonsense", nonsense),
    magic(990_006, On::Changes, "HTTP 500 with HTML, no effect", || http_500(false)),
    magic(990_007, On::Changes, "takes effect, HTTP 500 with HTML", || http_500(true)),
    magic(990_008, On::Changes, "takes effect, answers error -9999", wrong_error),
    magic(990_009, On::Changes, "takes effect, half of the answer", || FaultKind::CutMidAnswer),
    magic(990_012, On::Reads, "answers 20 s late", late),
    magic(990_013, On::Reads, "the answer is lost", lose),
    magic(990_015, On::Reads, "answers nonsense", nonsense),
    magic(990_016, On::Reads, "HTTP 500 with HTML", || http_500(true)),
    magic(990_021, On::Cancels, "refused with -4115, no effect", || refuse(codes::NOT_CANCELLABLE)),
    magic(990_022, On::Cancels, "takes effect, answers 20 s late", late),
    magic(990_023, On::Cancels, "takes effect, the answer is lost", lose),
    magic(990_024, On::Cancels, "connection cut, no effect", cut),
    magic(990_025, On::Cancels, "takes effect, answers nonsense", nonsense),
    magic(990_026, On::Cancels, "HTTP 500 with HTML, no effect", || http_500(false)),
    magic(990_031, On::Notifications, "never sent", || FaultKind::NotifyNever),
    magic(990_032, On::Notifications, "sent twice", || FaultKind::NotifyTwice),
    magic(990_033, On::Notifications, "sent 3 s late", || FaultKind::NotifyLate { ms: LATE_NOTICE_MS }),
    magic(990_034, On::Notifications, "forged", || FaultKind::NotifyForged),
    magic(990_035, On::Notifications, "one byte altered", || FaultKind::NotifyAltered),
    magic(990_036, On::Notifications, "out of order: the first one comes after the second", || {
        FaultKind::NotifyOutOfOrder
    }),
];

fn refuse(code: &str) -> FaultKind {
    FaultKind::Refuse { code: code.to_owned(), message: None, detailed_code: None, detailed_message: None }
}

fn late() -> FaultKind {
    FaultKind::Delay { ms: LATE_MS, when: Moment::After }
}

fn lose() -> FaultKind {
    FaultKind::LoseAnswer
}

fn cut() -> FaultKind {
    FaultKind::CutBefore
}

fn nonsense() -> FaultKind {
    FaultKind::Garbage { effect: true }
}

fn wrong_error() -> FaultKind {
    FaultKind::ErrorAfterEffect { code: codes::INCIDENT.to_owned() }
}

fn http_500(effect: bool) -> FaultKind {
    FaultKind::HttpStatus {
        code: 500,
        body: "<html><body><h1>500 Internal Server Error</h1></body></html>".to_owned(),
        content_type: "text/html".to_owned(),
        effect,
    }
}

/// Whether the amount that counts is the one in the request.
fn changes_by_request(method: &str) -> bool {
    [CAPTURE, DECREMENT, REFUND].contains(&method) || create::methods().any(|create| create == method)
}

/// The fault that this call's amount stands for; `present` looks up the amount of the payment or refund it names.
pub(super) fn fault(call: &Call, present: impl FnOnce() -> Option<i64>) -> Option<FaultKind> {
    let method = call.service.as_str();
    let minor = if changes_by_request(method) {
        let name = if method == REFUND { "refund_amount" } else { "amount" };
        data_text(call, name).and_then(|text| amount::parse(&text))
    } else {
        present()
    }?;
    let hit = TABLE.iter().find(|magic| magic.amount == minor && magic.on.covers(method))?;
    Some((hit.fault)())
}

/// The table, for `GET /_control`.
pub(super) fn help() -> Value {
    TABLE
        .iter()
        .map(|magic| json!({"amount": magic.amount, "on": magic.on.word(), "meaning": magic.meaning}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: &str = "v3.CreatePayments";

    fn call(service: &str, data: Value) -> Call {
        Call { service: service.to_owned(), body: json!({"data": data}), ..Call::default() }
    }

    #[test]
    fn the_request_decides_for_changes_and_the_order_for_the_rest() {
        let lose = Some(FaultKind::LoseAnswer);
        assert_eq!(fault(&call(CREATE, json!({"amount": "9900.03"})), || None), lose);
        assert_eq!(fault(&call(REFUND, json!({"refund_amount": "9900.03"})), || None), lose);
        assert_eq!(fault(&call(REFUND, json!({"refund_amount": "1.00"})), || Some(990_003)), None);
        assert_eq!(fault(&call(CANCEL, json!({})), || Some(990_023)), lose);
        assert_eq!(fault(&call(QUERY, json!({})), || Some(990_013)), lose);
        assert_eq!(fault(&call(QUERY, json!({})), || Some(990_003)), None, "a lost creation can be read");
        assert_eq!(fault(&call(NOTIFICATION, json!({})), || Some(990_032)), Some(FaultKind::NotifyTwice));
        assert_eq!(fault(&call("v3.POS", json!({"amount": "9900.03"})), || Some(990_003)), None);
    }

    #[test]
    fn the_amounts_are_those_of_the_other_platforms() {
        let amounts: Vec<_> = TABLE.iter().map(|magic| magic.amount.rem_euclid(990_000)).collect();
        let expected =
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16, 21, 22, 23, 24, 25, 26, 31, 32, 33, 34, 35, 36];
        assert_eq!(amounts, expected);
        assert_eq!(help().as_array().unwrap().len(), TABLE.len());
    }
}
