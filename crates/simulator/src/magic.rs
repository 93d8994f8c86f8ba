//! Amounts that stand for faults, so that a person can order one from Swagger UI. The same ones at every platform, in minor
//! units.
//!
//! One range for changes, one for reads, one for cancellations, one for notifications and one for what is done to the
//! transactions of a paid order: after a change with a lost answer the order has that amount and can still be read; and an
//! order can be made, and paid, first of which a later step goes wrong.

use serde_json::{Value, json};

use super::faults::{FaultKind, Moment};

/// How late a late answer is: longer than a caller of guichet waits, shorter than guichet does.
const LATE_MS: u64 = 20_000;
/// How late a late notification is.
const LATE_NOTICE_MS: u64 = 3_000;

/// What a magic amount is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Changes,
    Reads,
    Cancels,
    Transactions,
    Notifications,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Refused,
    Late,
    Lost,
    Cut,
    Nonsense,
    Http500,
    DoneAndHttp500,
    DoneAndError,
    Half,
    BadSignature,
    Unsigned,
    NeverSent,
    SentTwice,
    SentLate,
    Forged,
    Altered,
    OutOfOrder,
}

use On::{Cancels, Changes, Notifications, Reads, Transactions};
use Trouble::{
    Altered, BadSignature, Cut, DoneAndError, DoneAndHttp500, Forged, Half, Http500, Late, Lost, NeverSent,
    Nonsense, OutOfOrder, Refused, SentLate, SentTwice, Unsigned,
};

const TABLE: [(i64, On, Trouble); 39] = [
    (990_001, Changes, Refused),
    (990_002, Changes, Late),
    (990_003, Changes, Lost),
    (990_004, Changes, Cut),
    (990_005, Changes, Nonsense),
    (990_006, Changes, Http500),
    (990_007, Changes, DoneAndHttp500),
    (990_008, Changes, DoneAndError),
    (990_009, Changes, Half),
    (990_010, Changes, BadSignature),
    (990_011, Changes, Unsigned),
    (990_012, Reads, Late),
    (990_013, Reads, Lost),
    (990_015, Reads, Nonsense),
    (990_016, Reads, DoneAndHttp500),
    (990_017, Reads, BadSignature),
    (990_018, Reads, Unsigned),
    (990_021, Cancels, Refused),
    (990_022, Cancels, Late),
    (990_023, Cancels, Lost),
    (990_024, Cancels, Cut),
    (990_025, Cancels, Nonsense),
    (990_026, Cancels, Http500),
    (990_027, Cancels, BadSignature),
    (990_028, Cancels, Unsigned),
    (990_029, Cancels, DoneAndError),
    (990_031, Notifications, NeverSent),
    (990_032, Notifications, SentTwice),
    (990_033, Notifications, SentLate),
    (990_034, Notifications, Forged),
    (990_035, Notifications, Altered),
    (990_036, Notifications, OutOfOrder),
    (990_041, Transactions, Refused),
    (990_042, Transactions, Late),
    (990_043, Transactions, Lost),
    (990_044, Transactions, Cut),
    (990_045, Transactions, Nonsense),
    (990_046, Transactions, Http500),
    (990_048, Transactions, DoneAndError),
];

/// What the table is at one platform.
#[derive(Debug)]
pub(crate) struct Magic {
    /// The services that each range is for, and the code of its refusals. A range that is not here has no amounts.
    pub(crate) ranges: &'static [(On, &'static [&'static str], &'static str)],
    /// The code of an incident.
    pub(crate) incident: &'static str,
    /// Whether answers are signed.
    pub(crate) is_signed: bool,
}

impl Magic {
    fn rows(&self) -> impl Iterator<Item = (i64, On, Trouble, &'static [&'static str], &'static str)> {
        TABLE.into_iter().filter_map(|(amount, on, trouble)| {
            let (_, services, code) = self.ranges.iter().find(|(range, ..)| *range == on)?;
            let exists = self.is_signed || !matches!(trouble, BadSignature | Unsigned);
            exists.then_some((amount, on, trouble, *services, *code))
        })
    }

    /// The fault that an amount stands for at this service.
    pub(crate) fn fault(&self, service: &str, amount: Option<i64>) -> Option<FaultKind> {
        let wanted = amount?;
        let mut rows = self.rows();
        let (_, _, trouble, _, code) =
            rows.find(|(amount, _, _, services, _)| *amount == wanted && services.contains(&service))?;
        Some(trouble.fault(code, self.incident))
    }

    /// The table, for `GET /_control`.
    pub(crate) fn help(&self) -> Value {
        let row = |(amount, on, trouble, services, code): (i64, On, Trouble, &[&str], &str)| json!({"amount": amount, "services": services, "meaning": trouble.meaning(on, code, self.incident)});
        self.rows().map(row).collect()
    }
}

impl Trouble {
    fn fault(self, code: &str, incident: &str) -> FaultKind {
        match self {
            Self::Refused => FaultKind::refuse(code),
            Self::Late => FaultKind::Delay { ms: LATE_MS, when: Moment::After },
            Self::Lost => FaultKind::LoseAnswer,
            Self::Cut => FaultKind::CutBefore,
            Self::Nonsense => FaultKind::Garbage { effect: true },
            Self::Http500 => http_500(false),
            Self::DoneAndHttp500 => http_500(true),
            Self::DoneAndError => FaultKind::ErrorAfterEffect { code: incident.to_owned() },
            Self::Half => FaultKind::CutMidAnswer,
            Self::BadSignature => FaultKind::BadSignature { effect: true },
            Self::Unsigned => FaultKind::Unsigned { effect: true },
            Self::NeverSent => FaultKind::NotifyNever,
            Self::SentTwice => FaultKind::NotifyTwice,
            Self::SentLate => FaultKind::NotifyLate { ms: LATE_NOTICE_MS },
            Self::Forged => FaultKind::NotifyForged,
            Self::Altered => FaultKind::NotifyAltered,
            Self::OutOfOrder => FaultKind::NotifyOutOfOrder,
        }
    }

    fn meaning(self, on: On, code: &str, incident: &str) -> String {
        let done = |what: &str| {
            if on == On::Reads { what.to_owned() } else { format!("takes effect, {what}") }
        };
        match self {
            Self::Refused => format!("refused with {code}, no effect"),
            Self::Late => done("answers 20 s late"),
            Self::Lost => done("the answer is lost"),
            Self::Cut => "connection cut, no effect".to_owned(),
            Self::Nonsense => done("answers nonsense"),
            Self::Http500 => "HTTP 500 with HTML, no effect".to_owned(),
            Self::DoneAndHttp500 => done("HTTP 500 with HTML"),
            Self::DoneAndError => done(&format!("answers error {incident}")),
            Self::Half => done("half of the answer"),
            Self::BadSignature => done("the answer's signature is wrong"),
            Self::Unsigned => done("the answer has no signature"),
            Self::NeverSent => "never sent".to_owned(),
            Self::SentTwice => "sent twice".to_owned(),
            Self::SentLate => "sent 3 s late".to_owned(),
            Self::Forged => "forged".to_owned(),
            Self::Altered => "one byte altered".to_owned(),
            Self::OutOfOrder => "out of order: the first one comes after the second".to_owned(),
        }
    }
}

fn http_500(effect: bool) -> FaultKind {
    FaultKind::HttpStatus {
        code: 500,
        body: "<html><body><h1>500 Internal Server Error</h1></body></html>".to_owned(),
        content_type: "text/html".to_owned(),
        effect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: Magic = Magic {
        ranges: &[
            (Changes, &["Create", "Cancel"], "12"),
            (Reads, &["Get"], ""),
            (Cancels, &["Cancel"], "24"),
        ],
        incident: "99",
        is_signed: false,
    };

    #[test]
    fn an_amount_goes_wrong_at_its_services_only() {
        for (service, amount, fault) in [
            ("Create", 990_003, Some(FaultKind::LoseAnswer)),
            ("Cancel", 990_003, Some(FaultKind::LoseAnswer)),
            ("Get", 990_003, None),
            ("Get", 990_015, Some(FaultKind::Garbage { effect: true })),
            ("Create", 990_021, None),
            ("Cancel", 990_021, Some(FaultKind::refuse("24"))),
            ("Create", 990_008, Some(FaultKind::ErrorAfterEffect { code: "99".to_owned() })),
            ("Create", 990_010, None),
            ("Create", 1, None),
        ] {
            assert_eq!(MAGIC.fault(service, Some(amount)), fault, "{service} {amount}");
        }
        assert_eq!(MAGIC.help()[0]["meaning"], "refused with 12, no effect");
        assert!(TABLE.is_sorted_by(|one, next| one.0 < next.0), "every amount once");
    }
}
