//! Amounts that stand for faults, so that a person can order one from Swagger UI.
//!
//! One range for changes, one for reads, one for cancellations, one for what is done to the transactions of a paid
//! order and one for its notifications: after a change with a lost answer the order has that amount and can still be
//! read; and an order can be made, and paid, first of which a later step goes wrong.

use serde_json::{Value, json};

use super::services::{
    CANCEL, CANCEL_OR_REFUND, CREATE, GET, REFUND, TRANSACTION_CANCEL, TRANSACTION_UPDATE, UPDATE, VALIDATE,
};
use crate::delivery::NOTIFICATION;
use crate::faults::{FaultKind, Moment};
use crate::platform::Call;

/// How late a late answer is: longer than a caller of guichet waits, shorter than guichet does.
const LATE_MS: u64 = 20_000;

const CHANGES: &[&str] = &[CREATE, UPDATE, CANCEL];
const READS: &[&str] = &[GET];
const CANCELS: &[&str] = &[CANCEL];
const TRANSACTIONS: &[&str] = &[CANCEL_OR_REFUND, TRANSACTION_CANCEL, REFUND, VALIDATE, TRANSACTION_UPDATE];
const NOTIFICATIONS: &[&str] = &[NOTIFICATION];

/// How late a late notification is.
const LATE_NOTICE_MS: u64 = 3_000;

/// One magic amount, in minor units: the amount of the request for a creation or a change of the payment order, the
/// payment order's present amount for everything else, whatever became of its transactions.
#[derive(Debug)]
struct Magic {
    amount: i64,
    services: &'static [&'static str],
    meaning: &'static str,
    fault: fn() -> FaultKind,
}

const TABLE: [Magic; 32] = [
    Magic {
        amount: 990_001,
        services: CHANGES,
        meaning: "refused with PSP_606, no effect",
        fault: || refuse("PSP_606"),
    },
    Magic { amount: 990_002, services: CHANGES, meaning: "takes effect, answers 20 s late", fault: late },
    Magic { amount: 990_003, services: CHANGES, meaning: "takes effect, the answer is lost", fault: lose },
    Magic { amount: 990_004, services: CHANGES, meaning: "connection cut, no effect", fault: cut },
    Magic { amount: 990_005, services: CHANGES, meaning: "takes effect, answers nonsense", fault: nonsense },
    Magic {
        amount: 990_006,
        services: CHANGES,
        meaning: "HTTP 500 with HTML, no effect",
        fault: || http_500(false),
    },
    Magic {
        amount: 990_007,
        services: CHANGES,
        meaning: "takes effect, HTTP 500 with HTML",
        fault: || http_500(true),
    },
    Magic {
        amount: 990_008,
        services: CHANGES,
        meaning: "takes effect, answers error PSP_999",
        fault: wrong_error,
    },
    Magic {
        amount: 990_009,
        services: CHANGES,
        meaning: "takes effect, half of the answer",
        fault: || FaultKind::CutMidAnswer,
    },
    Magic { amount: 990_012, services: READS, meaning: "answers 20 s late", fault: late },
    Magic { amount: 990_013, services: READS, meaning: "the answer is lost", fault: lose },
    Magic { amount: 990_015, services: READS, meaning: "answers nonsense", fault: nonsense },
    Magic { amount: 990_016, services: READS, meaning: "HTTP 500 with HTML", fault: || http_500(true) },
    Magic {
        amount: 990_021,
        services: CANCELS,
        meaning: "refused with PSP_1005, no effect",
        fault: || refuse("PSP_1005"),
    },
    Magic { amount: 990_022, services: CANCELS, meaning: "takes effect, answers 20 s late", fault: late },
    Magic { amount: 990_023, services: CANCELS, meaning: "takes effect, the answer is lost", fault: lose },
    Magic { amount: 990_024, services: CANCELS, meaning: "connection cut, no effect", fault: cut },
    Magic { amount: 990_025, services: CANCELS, meaning: "takes effect, answers nonsense", fault: nonsense },
    Magic {
        amount: 990_026,
        services: CANCELS,
        meaning: "HTTP 500 with HTML, no effect",
        fault: || http_500(false),
    },
    Magic {
        amount: 990_031,
        services: NOTIFICATIONS,
        meaning: "never sent",
        fault: || FaultKind::NotifyNever,
    },
    Magic {
        amount: 990_032,
        services: NOTIFICATIONS,
        meaning: "sent twice",
        fault: || FaultKind::NotifyTwice,
    },
    Magic {
        amount: 990_033,
        services: NOTIFICATIONS,
        meaning: "sent 3 s late",
        fault: || FaultKind::NotifyLate { ms: LATE_NOTICE_MS },
    },
    Magic { amount: 990_034, services: NOTIFICATIONS, meaning: "forged", fault: || FaultKind::NotifyForged },
    Magic {
        amount: 990_035,
        services: NOTIFICATIONS,
        meaning: "one byte altered",
        fault: || FaultKind::NotifyAltered,
    },
    Magic {
        amount: 990_036,
        services: NOTIFICATIONS,
        meaning: "out of order: the first one comes after the second",
        fault: || FaultKind::NotifyOutOfOrder,
    },
    Magic {
        amount: 990_041,
        services: TRANSACTIONS,
        meaning: "refused with PSP_011, no effect",
        fault: || refuse("PSP_011"),
    },
    Magic {
        amount: 990_042,
        services: TRANSACTIONS,
        meaning: "takes effect, answers 20 s late",
        fault: late,
    },
    Magic {
        amount: 990_043,
        services: TRANSACTIONS,
        meaning: "takes effect, the answer is lost",
        fault: lose,
    },
    Magic { amount: 990_044, services: TRANSACTIONS, meaning: "connection cut, no effect", fault: cut },
    Magic {
        amount: 990_045,
        services: TRANSACTIONS,
        meaning: "takes effect, answers nonsense",
        fault: nonsense,
    },
    Magic {
        amount: 990_046,
        services: TRANSACTIONS,
        meaning: "HTTP 500 with HTML, no effect",
        fault: || http_500(false),
    },
    Magic {
        amount: 990_048,
        services: TRANSACTIONS,
        meaning: "takes effect, answers error PSP_999",
        fault: wrong_error,
    },
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
    FaultKind::ErrorAfterEffect { code: "PSP_999".to_owned() }
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
    let service = call.service.as_str();
    let amount = if service == CREATE || service == UPDATE {
        call.body.get("amount").and_then(Value::as_i64)
    } else {
        present()
    }?;
    let hit = TABLE.iter().find(|magic| magic.amount == amount && magic.services.contains(&service))?;
    Some((hit.fault)())
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

    fn call(service: &str, amount: i64) -> Call {
        Call { service: service.to_owned(), body: json!({"amount": amount}), ..Call::default() }
    }

    #[test]
    fn the_request_decides_for_changes_and_the_order_for_the_rest() {
        assert_eq!(fault(&call(UPDATE, 990_003), || Some(1)), Some(FaultKind::LoseAnswer));
        assert_eq!(fault(&call(UPDATE, 1), || Some(990_003)), None);
        assert_eq!(fault(&call(CANCEL, 1), || Some(990_023)), Some(FaultKind::LoseAnswer));
        assert_eq!(fault(&call(GET, 1), || Some(990_015)), Some(FaultKind::Garbage { effect: true }));
        assert_eq!(fault(&call("Order/Get", 990_003), || Some(990_003)), None);
        assert_eq!(fault(&call(REFUND, 1), || Some(990_043)), Some(FaultKind::LoseAnswer));
        assert_eq!(fault(&call(NOTIFICATION, 1), || Some(990_032)), Some(FaultKind::NotifyTwice));
    }

    #[test]
    fn what_a_change_lost_can_be_read_and_what_a_cancel_will_lose_can_be_made() {
        for magic in &TABLE {
            let is_change = magic.services.contains(&UPDATE);
            assert_eq!(fault(&call(GET, 0), || Some(magic.amount)).is_some(), magic.services == READS);
            assert_eq!(fault(&call(CREATE, magic.amount), || None).is_some(), is_change);
        }
    }

    #[test]
    fn every_amount_is_listed_once() {
        let amounts: std::collections::BTreeSet<_> = TABLE.iter().map(|magic| magic.amount).collect();
        assert_eq!(amounts.len(), TABLE.len());
        assert_eq!(help().as_array().unwrap().len(), TABLE.len());
    }
}
