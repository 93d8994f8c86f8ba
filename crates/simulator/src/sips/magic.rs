//! Amounts that stand for faults, so that a person can order one from Swagger UI.
//!
//! One range for changes, one for reads and one for cash operations: after a change with a lost answer the order has
//! that amount and can still be read; and an order can be made and paid first whose operation goes wrong.

use serde_json::{Value, json};

use super::members::digits;
use super::services::{CANCEL, INIT, READ, REFUND, VALIDATE};
use crate::faults::{FaultKind, Moment};
use crate::platform::Call;

/// How late a late answer is: longer than a caller of guichet waits, shorter than guichet does.
const LATE_MS: u64 = 20_000;

const CHANGES: &[&str] = &[INIT, CANCEL, VALIDATE, REFUND];
const READS: &[&str] = &[READ];
const CASH: &[&str] = &[CANCEL, VALIDATE, REFUND];

/// One magic amount, in minor units: the amount of the request for a creation, else the order's present amount.
#[derive(Debug)]
struct Magic {
    amount: i64,
    services: &'static [&'static str],
    meaning: &'static str,
    fault: fn() -> FaultKind,
}

const fn magic(
    amount: i64,
    services: &'static [&'static str],
    meaning: &'static str,
    fault: fn() -> FaultKind,
) -> Magic {
    Magic { amount, services, meaning, fault }
}

const TABLE: [Magic; 26] = [
    magic(990_001, CHANGES, "refused with 12, no effect", || refuse("12")),
    magic(990_002, CHANGES, "takes effect, answers 20 s late", late),
    magic(990_003, CHANGES, "takes effect, the answer is lost", lose),
    magic(990_004, CHANGES, "connection cut, no effect", cut),
    magic(990_005, CHANGES, "takes effect, answers nonsense", nonsense),
    magic(990_006, CHANGES, "HTTP 500 with HTML, no effect", || http_500(false)),
    magic(990_007, CHANGES, "takes effect, HTTP 500 with HTML", || http_500(true)),
    magic(990_008, CHANGES, "takes effect, answers 99", wrong_error),
    magic(990_009, CHANGES, "takes effect, half of the answer", || FaultKind::CutMidAnswer),
    magic(990_010, CHANGES, "takes effect, the answer's seal is wrong", wrong_seal),
    magic(990_011, CHANGES, "takes effect, the answer has no seal", no_seal),
    magic(990_012, READS, "answers 20 s late", late),
    magic(990_013, READS, "the answer is lost", lose),
    magic(990_015, READS, "answers nonsense", nonsense),
    magic(990_016, READS, "HTTP 500 with HTML", || http_500(true)),
    magic(990_017, READS, "the answer's seal is wrong", wrong_seal),
    magic(990_018, READS, "the answer has no seal", no_seal),
    magic(990_021, CASH, "refused with 24, no effect", || refuse("24")),
    magic(990_022, CASH, "takes effect, answers 20 s late", late),
    magic(990_023, CASH, "takes effect, the answer is lost", lose),
    magic(990_024, CASH, "connection cut, no effect", cut),
    magic(990_025, CASH, "takes effect, answers nonsense", nonsense),
    magic(990_026, CASH, "HTTP 500 with HTML, no effect", || http_500(false)),
    magic(990_027, CASH, "takes effect, the answer's seal is wrong", wrong_seal),
    magic(990_028, CASH, "takes effect, the answer has no seal", no_seal),
    magic(990_029, CASH, "takes effect, answers 99", wrong_error),
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
    FaultKind::ErrorAfterEffect { code: "99".to_owned() }
}

fn wrong_seal() -> FaultKind {
    FaultKind::BadSignature { effect: true }
}

fn no_seal() -> FaultKind {
    FaultKind::Unsigned { effect: true }
}

fn http_500(effect: bool) -> FaultKind {
    FaultKind::HttpStatus {
        code: 500,
        body: "<html><body><h1>500 Internal Server Error</h1></body></html>".to_owned(),
        content_type: "text/html".to_owned(),
        effect,
    }
}

/// The fault that this call's amount stands for; `present` looks up the amount of the order it names.
pub(super) fn fault(call: &Call, present: impl FnOnce() -> Option<i64>) -> Option<FaultKind> {
    let amount = if call.service == INIT {
        call.body.get("amount").and_then(digits).and_then(|digits| digits.parse().ok())
    } else {
        present()
    }?;
    let fits = |magic: &&Magic| magic.amount == amount && magic.services.contains(&call.service.as_str());
    TABLE.iter().find(fits).map(|hit| (hit.fault)())
}

/// The table, for `GET /_control`.
pub(super) fn help() -> Value {
    TABLE
        .iter()
        .map(|magic| json!({"amount": magic.amount, "services": magic.services, "meaning": magic.meaning}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(service: &str, amount: Value) -> Call {
        Call { service: service.to_owned(), body: json!({"amount": amount}), ..Call::default() }
    }

    #[test]
    fn the_request_decides_for_a_creation_and_the_order_for_the_rest() {
        assert_eq!(fault(&call(INIT, json!("990003")), || None), Some(FaultKind::LoseAnswer));
        assert_eq!(fault(&call(INIT, json!(990_003)), || None), Some(FaultKind::LoseAnswer));
        assert_eq!(fault(&call(INIT, json!(1)), || Some(990_003)), None);
        assert_eq!(fault(&call(CANCEL, json!(1)), || Some(990_023)), Some(FaultKind::LoseAnswer));
        assert_eq!(fault(&call(READ, json!(1)), || Some(990_015)), Some(FaultKind::Garbage { effect: true }));
        assert_eq!(fault(&call(REFUND, json!(990_023)), || None), None);
    }

    #[test]
    fn what_a_change_lost_can_be_read_and_what_an_operation_will_lose_can_be_made() {
        for magic in &TABLE {
            let made = fault(&call(INIT, json!(magic.amount)), || None).is_some();
            assert_eq!(made, magic.services == CHANGES, "{}", magic.amount);
            let read = fault(&call(READ, Value::Null), || Some(magic.amount)).is_some();
            assert_eq!(read, magic.services == READS, "{}", magic.amount);
        }
    }

    #[test]
    fn every_amount_is_listed_once() {
        let amounts: std::collections::BTreeSet<_> = TABLE.iter().map(|magic| magic.amount).collect();
        assert_eq!(amounts.len(), TABLE.len());
        assert_eq!(help().as_array().unwrap().len(), TABLE.len());
    }
}
