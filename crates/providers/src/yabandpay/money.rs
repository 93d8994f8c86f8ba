//! Decimal texts in major units to and from minor units, exactly.
//!
//! Source: the method pages of API v3: "decimal in major units, point as separator", two decimals; "format in
//! cents" there means with cents, not in cents.

use guichet_port::domain::{Currency, Money};

/// The amount as the platform wants it: two decimals, `12.50`. `None` for a currency without two decimals,
/// none of which the platform takes for payments.
pub(super) fn to_wire(amount: Money) -> Option<String> {
    (amount.currency().exponent() == 2).then(|| minor_to_wire(amount.value()))
}

/// Hundredths as a decimal text.
fn minor_to_wire(minor: i64) -> String {
    let digits = format!("{minor:0>3}");
    let (major, cents) = digits.split_at(digits.len().saturating_sub(2));
    format!("{major}.{cents}")
}

/// The minor units that a decimal text means, or `None` when it is no plain decimal, has more decimals than
/// the currency (zeros do not count: answers always show two), or is out of range.
pub(super) fn from_wire(text: &str, currency: Currency) -> Option<Money> {
    let (major, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let has_point = text.contains('.');
    if major.is_empty() || (has_point && decimals.is_empty()) || !is_plain(major) || !is_plain(decimals) {
        return None;
    }
    let exponent = usize::from(currency.exponent());
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > exponent {
        return None;
    }
    let minor: i64 = format!("{major}{decimals:0<exponent$}").parse().ok()?;
    Money::balance(minor, currency).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::flow::CURRENCIES, *};

    fn currency(code: &str) -> Currency {
        Currency::new(code).unwrap()
    }

    #[test]
    fn every_currency_of_the_platform_converts_both_ways() {
        for code in CURRENCIES {
            for (value, text) in [
                (10, "0.10"),
                (1, "0.01"),
                (1_250, "12.50"),
                (2_499, "24.99"),
                (999_999_999_999, "9999999999.99"),
            ] {
                let amount = Money::new(value, currency(code)).unwrap();
                assert_eq!(to_wire(amount).unwrap(), text, "{code}");
                assert_eq!(from_wire(text, amount.currency()), Some(amount), "{code}");
            }
        }
        for code in ["JPY", "TND"] {
            assert_eq!(to_wire(Money::new(5, currency(code)).unwrap()), None, "{code}");
        }
    }

    #[test]
    fn texts_are_compared_as_decimals() {
        for (text, code, value) in [
            ("0.1", "EUR", Some(10)),
            ("0.10", "EUR", Some(10)),
            ("1", "EUR", Some(100)),
            ("0.100", "EUR", Some(10)),
            ("00.10", "EUR", Some(10)),
            ("1000.00", "JPY", Some(1_000)),
            ("0", "EUR", Some(0)),
            ("1000.50", "JPY", None),
            ("0.101", "EUR", None),
            ("-1.00", "EUR", None),
            ("+1.00", "EUR", None),
            ("1,00", "EUR", None),
            ("1.", "EUR", None),
            (".5", "EUR", None),
            ("1e2", "EUR", None),
            (" 1", "EUR", None),
            ("", "EUR", None),
            ("1.0.0", "EUR", None),
            ("10000000000.00", "EUR", None),
            ("99999999999999999999", "EUR", None),
        ] {
            assert_eq!(from_wire(text, currency(code)).map(Money::value), value, "{text} {code}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in 1..=999_999_999_999_i64) {
            let amount = Money::new(value, currency("EUR")).unwrap();
            prop_assert_eq!(from_wire(&to_wire(amount).unwrap(), amount.currency()), Some(amount));
        }

        #[test]
        fn no_text_is_guessed(text in "\\PC{0,24}") {
            if let Some(money) = from_wire(&text, currency("EUR")) {
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
                prop_assert!(money.value() >= 0);
            }
        }
    }
}
