//! Card numbers have no place here: free text is masked where it looks like one before it is stored, logged or shown.
//!
//! Only free text is looked at. References are never tested: a numeric order number can look like a card.

use std::{collections::BTreeMap, ops::Range};

use serde_json::{Map, Value};

/// Digits of a card number (ISO/IEC 7812: up to 19; no scheme in use has fewer than 13).
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// Digits that stay readable.
const SHOWN: usize = 4;

/// The text with all but the last four digits hidden of whatever looks like a card number; `None` when nothing does.
///
/// A card number is 13 to 19 digits, single spaces or dashes between them, that satisfy Luhn's check. Groups of digits
/// beside it do not hide it.
pub fn masked(text: &str) -> Option<String> {
    // Most texts end here: this runs for every text of every order.
    if text.bytes().filter(u8::is_ascii_digit).count() < *DIGITS.start() {
        return None;
    }
    let mut hidden = Vec::new();
    for run in runs(text) {
        hide(&run, &mut hidden);
    }
    if hidden.is_empty() {
        return None;
    }
    Some(text.char_indices().map(|(at, c)| if hidden.contains(&at) { '*' } else { c }).collect())
}

/// Masks a text in place.
pub fn mask(text: &mut String) {
    if let Some(masked) = masked(text) {
        *text = masked;
    }
}

/// Masks a text in place, if there is one.
pub(super) fn mask_some(text: &mut Option<String>) {
    if let Some(text) = text {
        mask(text);
    }
}

/// Masks every label. Their names stay.
pub(super) fn mask_labels(labels: &mut BTreeMap<String, String>) {
    labels.values_mut().for_each(mask);
}

/// Masks every text in a JSON object, at any depth.
pub(super) fn mask_members(members: &mut Map<String, Value>) {
    members.values_mut().for_each(mask_value);
}

fn mask_value(value: &mut Value) {
    match value {
        Value::String(text) => mask(text),
        Value::Array(items) => items.iter_mut().for_each(mask_value),
        Value::Object(members) => mask_members(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A digit with its place in the text.
type Digit = (usize, u8);

/// Groups of digits with nothing but one space or dash between them.
fn runs(text: &str) -> Vec<Vec<Vec<Digit>>> {
    let mut runs = vec![vec![Vec::new()]];
    let mut separators = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_digit() {
            if let Some(group) = runs.last_mut().and_then(|run| run.last_mut()) {
                group.push((at, byte.wrapping_sub(b'0')));
            }
            separators = 0;
            continue;
        }
        separators = separators.saturating_add(1);
        let joins = separators == 1 && matches!(byte, b' ' | b'-');
        match runs.last_mut() {
            Some(run) if joins => run.push(Vec::new()),
            _ => runs.push(vec![Vec::new()]),
        }
    }
    runs
}

/// Hides the longest card number that begins at each group and ends with one. What a number covers is not looked at
/// again.
fn hide(run: &[Vec<Digit>], hidden: &mut Vec<usize>) {
    let mut first = 0_usize;
    while first < run.len() {
        match longest(run, first) {
            Some((digits, groups)) => {
                let covered = digits.len().saturating_sub(SHOWN);
                hidden.extend(digits.iter().take(covered).map(|(at, _)| *at));
                first = groups.end;
            }
            None => first = first.saturating_add(1),
        }
    }
}

/// The longest card number of whole groups from the group `first` on, and the groups that it is made of.
fn longest(run: &[Vec<Digit>], first: usize) -> Option<(Vec<Digit>, Range<usize>)> {
    let mut digits = Vec::new();
    let mut found = None;
    for (index, group) in run.iter().enumerate().skip(first) {
        digits.extend_from_slice(group);
        if digits.len() > *DIGITS.end() {
            break;
        }
        if DIGITS.contains(&digits.len()) && satisfies_luhn(&digits) {
            found = Some((digits.clone(), first..index.saturating_add(1)));
        }
    }
    found
}

/// Luhn's check; all zeros pass it and are no card.
fn satisfies_luhn(digits: &[Digit]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0_u32, |sum, (place, (_, digit))| {
        let digit = u32::from(*digit);
        let doubled = if place % 2 == 0 { digit } else { digit.saturating_mul(2) };
        sum.saturating_add(if doubled > 9 { doubled.saturating_sub(9) } else { doubled })
    });
    sum > 0 && sum % 10 == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(masked(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn what_looks_like_a_card_is_hidden_but_for_its_end() {
        check("4111111111111111", Some("************1111"));
        check("paid with 4970 1000 0000 0055, thanks", Some("paid with **** **** **** 0055, thanks"));
        check("4970-1000-0000-0055", Some("****-****-****-0055"));
        check("AMEX 378282246310005.", Some("AMEX ***********0005."));
        check("13 digits: 4222222222222", Some("13 digits: *********2222"));
        check("19 digits 6304000000000000000", Some("19 digits ***************0000"));
        check("Zoë: 4111111111111111 é", Some("Zoë: ************1111 é"));
        check("4111111111111111 and 5555555555554444", Some("************1111 and ************4444"));
    }

    #[test]
    fn a_group_beside_it_does_not_hide_it() {
        check("12 4111 1111 1111 1111", Some("12 **** **** **** 1111"));
        check("4111 1111 1111 1111 12", Some("**** **** **** 1111 12"));
        check("7-4111111111111111-7", Some("7-************1111-7"));
    }

    #[test]
    fn everything_else_stays() {
        for text in [
            "",
            "Cart 42",
            "4111111111111112",
            "+33 6 12 34 56 78",
            "0000000000000000",
            "4111  1111  1111  1111",
            "41111111111111110000000",
            "2026-11-23T15:49:01.000Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn json_is_masked_at_any_depth() {
        let Value::Object(mut members) = serde_json::json!({"a": ["4111111111111111"], "b": {"c": "4111 1111 1111 1111"}, "d": 4_111_111_111_111_111_i64})
        else {
            unreachable!()
        };
        mask_members(&mut members);
        let text = Value::Object(members).to_string();
        assert!(
            !text.contains("\"4111") && text.contains("**** 1111") && text.contains("4111111111111111"),
            "{text}"
        );
    }

    /// A card number with its check digit, in groups of four or in one piece.
    fn card(mut digits: Vec<u8>, separator: &str) -> String {
        digits.push(0);
        let placed: Vec<Digit> = digits.iter().map(|digit| (0, *digit)).collect();
        let last = (0..10).find(|last| {
            let mut placed = placed.clone();
            placed.last_mut().unwrap().1 = *last;
            satisfies_luhn(&placed)
        });
        *digits.last_mut().unwrap() = last.unwrap();
        let groups: Vec<String> =
            digits.chunks(4).map(|group| group.iter().map(u8::to_string).collect()).collect();
        groups.join(separator)
    }

    proptest! {
        #[test]
        fn no_card_survives(
            digits in proptest::collection::vec(0_u8..10, 12..19).prop_filter("not zeros", |d| d.iter().any(|d| *d > 0)),
            separator in prop_oneof![Just(""), Just(" "), Just("-")],
            before in "[a-zé ,]{0,5}[a-z,:]", after in "[a-z,.][a-zé ,]{0,5}",
        ) {
            let card = card(digits, separator);
            let text = format!("{before}{card}{after}");
            let masked = masked(&text).unwrap();
            prop_assert!(!masked.contains(&card));
            prop_assert_eq!(masked.chars().count(), text.chars().count());
            prop_assert_eq!(super::masked(&masked), None);
        }

        #[test]
        fn any_text_is_taken(text in ".*") {
            if let Some(masked) = masked(&text) {
                prop_assert_eq!(masked.chars().count(), text.chars().count());
            }
        }
    }
}
