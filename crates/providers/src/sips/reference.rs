//! How a transaction is named: in our ids, on the wire, and by orders made here.

use uuid::Uuid;

use super::{config::ReferenceBy, wire};
use guichet_port::domain::{OperationId, ProviderReference};

/// Longest `transactionReference` (data dictionary: AN35).
const REFERENCE_CHARS_MAX: usize = 35;
/// What a reference made here starts with. With the 32 digits of an operation's id it is as long as the platform
/// takes, unique for the life of the shop, and recognized again.
const OURS: &str = "gui";
/// What our spelling of a 1.0 pair starts with.
const S10: &str = "s10";

/// The reference of an order that this operation makes.
pub(super) fn of_operation(operation: OperationId) -> Option<ProviderReference> {
    format!("{OURS}{}", operation.simple()).parse().ok()
}

/// The operation that made the order of this reference, if it was made here.
pub(super) fn operation_of(reference: &ProviderReference) -> Option<OperationId> {
    let digits = reference.as_str().strip_prefix(OURS)?;
    let is_ours = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_ours {
        return None;
    }
    format!("op_{}", Uuid::parse_str(digits).ok()?).parse().ok()
}

/// Whether this is the one accepted spelling: letters and digits as the platform has them, whose capitals count; or
/// `s10.`, the six digits of the number, a dot and the eight of the day.
pub(super) fn is_accepted(by: ReferenceBy, reference: &ProviderReference) -> bool {
    let text = reference.as_str();
    match by {
        ReferenceBy::Merchant | ReferenceBy::Platform => {
            text.len() <= REFERENCE_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
        ReferenceBy::S10 => pair(text).is_some(),
    }
}

/// The number and the day of a pair in our spelling.
fn pair(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.split('.');
    let (S10, number, day, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let are_digits = [number, day].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let is_day = day.len() == 8
        && day.get(4..6).is_some_and(|month| ("01"..="12").contains(&month))
        && day.get(6..8).is_some_and(|day| ("01"..="31").contains(&day));
    (are_digits && number.len() == 6 && is_day).then_some((number, day))
}

/// How a request names it.
pub(super) fn on_the_wire(by: ReferenceBy, reference: &ProviderReference) -> wire::Identification {
    let text = reference.as_str();
    match (by, pair(text)) {
        (ReferenceBy::S10, Some((number, day))) => wire::Identification {
            transaction_reference: None,
            s10_transaction_reference: Some(wire::S10Reference {
                s10_transaction_id: number.to_owned(),
                s10_transaction_id_date: day.to_owned(),
            }),
        },
        (ReferenceBy::Merchant | ReferenceBy::Platform | ReferenceBy::S10, _) => wire::Identification {
            transaction_reference: Some(text.to_owned()),
            s10_transaction_reference: None,
        },
    }
}

/// The reference in our spelling for what a message names. A number may come without its zeros: a notification of
/// the JSON format shows `6`.
pub(super) fn from_wire(
    by: ReferenceBy,
    transaction_reference: Option<&str>,
    pair: Option<(&str, &str)>,
) -> Option<ProviderReference> {
    let text = match by {
        ReferenceBy::Merchant | ReferenceBy::Platform => transaction_reference?.to_owned(),
        ReferenceBy::S10 => pair.map(|(number, day)| format!("{S10}.{number:0>6}.{day}"))?,
    };
    text.parse().ok().filter(|reference| is_accepted(by, reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ProviderReference {
        text.parse().unwrap()
    }

    #[test]
    fn each_transaction_has_one_spelling() {
        let long = "A".repeat(36);
        for (text, named, s10) in [
            ("ORDER0001", true, false),
            ("e1445438c15", true, false),
            (&long[..35], true, false),
            (&long, false, false),
            ("ORDER-1", false, false),
            ("s10.000123.20260114", false, true),
            ("s10.123.20260114", false, false),
            ("s10.0000123.20260114", false, false),
            ("s10.000123.2026114", false, false),
            ("s10.000123.20261301", false, false),
            ("s10.000123.20260100", false, false),
            ("s10.000123.20260132", false, false),
            ("s10.00012x.20260114", false, false),
            ("S10.000123.20260114", false, false),
            ("s10.000123.20260114.1", false, false),
        ] {
            let reference = parsed(text);
            assert_eq!(is_accepted(ReferenceBy::Merchant, &reference), named, "{text}");
            assert_eq!(is_accepted(ReferenceBy::Platform, &reference), named, "{text}");
            assert_eq!(is_accepted(ReferenceBy::S10, &reference), s10, "{text}");
        }
    }

    #[test]
    fn a_pair_is_found_again_without_its_zeros() {
        let reference = from_wire(ReferenceBy::S10, Some("ORDER1"), Some(("6", "20230315"))).unwrap();
        assert_eq!(reference.as_str(), "s10.000006.20230315");
        assert_eq!(from_wire(ReferenceBy::S10, Some("ORDER1"), None), None);
        assert_eq!(from_wire(ReferenceBy::Merchant, Some("ORDER1"), None), Some(parsed("ORDER1")));
        assert_eq!(from_wire(ReferenceBy::Merchant, Some("é"), None), None);
    }

    #[test]
    fn a_reference_made_here_is_recognized() {
        let operation = OperationId::generate();
        let reference = of_operation(operation).unwrap();
        assert!(reference.as_str().len() == 35 && is_accepted(ReferenceBy::Merchant, &reference));
        assert_eq!(operation_of(&reference), Some(operation));
        for foreign in ["ORDER0001", "gui", &reference.as_str().to_uppercase()] {
            assert_eq!(operation_of(&parsed(foreign)), None, "{foreign}");
        }
    }
}
