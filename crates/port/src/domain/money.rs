//! Money: integers in minor units with an ISO 4217 currency, checked arithmetic, no floats.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest amount accepted, in minor units.
pub const MAX_MINOR: i64 = 999_999_999_999;

/// Every active ISO 4217 currency of a payment with its exponent (number of decimals).
/// Source: ISO 4217 list one, as published 2026; funds codes, metals and test codes are left out. The withdrawn kuna
/// is kept, because a provider still lists it: orders of its time can be read and given back.
const CURRENCIES: &[(&str, u8)] = &[
    ("AED", 2),
    ("AFN", 2),
    ("ALL", 2),
    ("AMD", 2),
    ("AOA", 2),
    ("ARS", 2),
    ("AUD", 2),
    ("AWG", 2),
    ("AZN", 2),
    ("BAM", 2),
    ("BBD", 2),
    ("BDT", 2),
    ("BGN", 2),
    ("BHD", 3),
    ("BIF", 0),
    ("BMD", 2),
    ("BND", 2),
    ("BOB", 2),
    ("BRL", 2),
    ("BSD", 2),
    ("BTN", 2),
    ("BWP", 2),
    ("BYN", 2),
    ("BZD", 2),
    ("CAD", 2),
    ("CDF", 2),
    ("CHF", 2),
    ("CLP", 0),
    ("CNY", 2),
    ("COP", 2),
    ("CRC", 2),
    ("CUP", 2),
    ("CVE", 2),
    ("CZK", 2),
    ("DJF", 0),
    ("DKK", 2),
    ("DOP", 2),
    ("DZD", 2),
    ("EGP", 2),
    ("ERN", 2),
    ("ETB", 2),
    ("EUR", 2),
    ("FJD", 2),
    ("FKP", 2),
    ("GBP", 2),
    ("GEL", 2),
    ("GHS", 2),
    ("GIP", 2),
    ("GMD", 2),
    ("GNF", 0),
    ("GTQ", 2),
    ("GYD", 2),
    ("HKD", 2),
    ("HNL", 2),
    ("HRK", 2),
    ("HTG", 2),
    ("HUF", 2),
    ("IDR", 2),
    ("ILS", 2),
    ("INR", 2),
    ("IQD", 3),
    ("IRR", 2),
    ("ISK", 0),
    ("JMD", 2),
    ("JOD", 3),
    ("JPY", 0),
    ("KES", 2),
    ("KGS", 2),
    ("KHR", 2),
    ("KMF", 0),
    ("KPW", 2),
    ("KRW", 0),
    ("KWD", 3),
    ("KYD", 2),
    ("KZT", 2),
    ("LAK", 2),
    ("LBP", 2),
    ("LKR", 2),
    ("LRD", 2),
    ("LSL", 2),
    ("LYD", 3),
    ("MAD", 2),
    ("MDL", 2),
    ("MGA", 2),
    ("MKD", 2),
    ("MMK", 2),
    ("MNT", 2),
    ("MOP", 2),
    ("MRU", 2),
    ("MUR", 2),
    ("MVR", 2),
    ("MWK", 2),
    ("MXN", 2),
    ("MYR", 2),
    ("MZN", 2),
    ("NAD", 2),
    ("NGN", 2),
    ("NIO", 2),
    ("NOK", 2),
    ("NPR", 2),
    ("NZD", 2),
    ("OMR", 3),
    ("PAB", 2),
    ("PEN", 2),
    ("PGK", 2),
    ("PHP", 2),
    ("PKR", 2),
    ("PLN", 2),
    ("PYG", 0),
    ("QAR", 2),
    ("RON", 2),
    ("RSD", 2),
    ("RUB", 2),
    ("RWF", 0),
    ("SAR", 2),
    ("SBD", 2),
    ("SCR", 2),
    ("SDG", 2),
    ("SEK", 2),
    ("SGD", 2),
    ("SHP", 2),
    ("SLE", 2),
    ("SOS", 2),
    ("SRD", 2),
    ("SSP", 2),
    ("STN", 2),
    ("SVC", 2),
    ("SYP", 2),
    ("SZL", 2),
    ("THB", 2),
    ("TJS", 2),
    ("TMT", 2),
    ("TND", 3),
    ("TOP", 2),
    ("TRY", 2),
    ("TTD", 2),
    ("TWD", 2),
    ("TZS", 2),
    ("UAH", 2),
    ("UGX", 0),
    ("USD", 2),
    ("UYU", 2),
    ("UZS", 2),
    ("VED", 2),
    ("VES", 2),
    ("VND", 0),
    ("VUV", 0),
    ("WST", 2),
    ("XAF", 0),
    ("XCD", 2),
    ("XCG", 2),
    ("XOF", 0),
    ("XPF", 0),
    ("YER", 2),
    ("ZAR", 2),
    ("ZMW", 2),
    ("ZWG", 2),
];

/// An ISO 4217 currency that guichet knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency {
    code: &'static str,
    exponent: u8,
}

impl Currency {
    /// The currency with this alphabetic code, in capitals.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`] when ISO 4217 has no such code.
    pub fn new(code: &str) -> Result<Self, MoneyError> {
        CURRENCIES
            .iter()
            .find(|(known, _)| *known == code)
            .map(|&(code, exponent)| Self { code, exponent })
            .ok_or(MoneyError::UnknownCurrency)
    }

    /// Every currency guichet knows, by code.
    pub fn all() -> impl Iterator<Item = Self> {
        CURRENCIES.iter().map(|&(code, exponent)| Self { code, exponent })
    }

    /// The three capital letters.
    pub fn code(self) -> &'static str {
        self.code
    }

    /// Number of decimals: 0 for XPF, 2 for EUR, 3 for TND.
    pub fn exponent(self) -> u8 {
        self.exponent
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(code: &str) -> Result<Self, MoneyError> {
        Self::new(code)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&code).map_err(serde::de::Error::custom)
    }
}

/// An amount in minor units of one currency: `1250 EUR` is twelve euros and fifty cents. Zero or more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    value: i64,
    currency: Currency,
}

impl Money {
    /// An amount a caller may ask for: 1 to [`MAX_MINOR`] minor units.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] outside these bounds.
    pub fn new(value: i64, currency: Currency) -> Result<Self, MoneyError> {
        if value < 1 { Err(MoneyError::OutOfRange) } else { Self::balance(value, currency) }
    }

    /// An amount that may also be zero, such as what is left.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] below zero or above [`MAX_MINOR`].
    pub fn balance(value: i64, currency: Currency) -> Result<Self, MoneyError> {
        if (0..=MAX_MINOR).contains(&value) {
            Ok(Self { value, currency })
        } else {
            Err(MoneyError::OutOfRange)
        }
    }

    /// Minor units.
    pub fn value(self) -> i64 {
        self.value
    }

    /// The currency both sides of any arithmetic must share.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The sum.
    ///
    /// # Errors
    /// The currencies differ, or the sum is out of range.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::balance(self.value.checked_add(other.value).ok_or(MoneyError::OutOfRange)?, self.currency)
    }

    /// The difference.
    ///
    /// # Errors
    /// The currencies differ, or the result would be negative.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::balance(self.value.checked_sub(other.value).ok_or(MoneyError::OutOfRange)?, self.currency)
    }

    /// Whether `self` is more than `other`.
    ///
    /// # Errors
    /// The currencies differ.
    pub fn exceeds(self, other: Self) -> Result<bool, MoneyError> {
        self.same_currency(other)?;
        Ok(self.value > other.value)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency { Ok(()) } else { Err(MoneyError::CurrencyMismatch) }
    }
}

/// Major units with the currency's decimals, for people: `12.50 EUR`, `10000 XPF`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.currency.exponent);
        if decimals == 0 {
            return write!(f, "{} {}", self.value, self.currency);
        }
        let digits = format!("{:0>width$}", self.value, width = decimals.saturating_add(1));
        let (major, minor) = digits.split_at(digits.len().saturating_sub(decimals));
        write!(f, "{major}.{minor} {}", self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why an amount or an arithmetic step is impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// ISO 4217 has no such alphabetic code.
    #[error("not an ISO 4217 currency code in capitals, such as EUR")]
    UnknownCurrency,
    /// Below the minimum or above [`MAX_MINOR`].
    #[error("an amount is an integer from 1 to 999999999999 minor units")]
    OutOfRange,
    /// Two amounts of different currencies met.
    #[error("the currencies differ")]
    CurrencyMismatch,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(value: i64, code: &str) -> Money {
        Money::balance(value, Currency::new(code).unwrap()).unwrap()
    }

    #[test]
    fn exponents_follow_iso_4217() {
        for (code, exponent) in [
            ("EUR", 2),
            ("XPF", 0),
            ("XOF", 0),
            ("XAF", 0),
            ("JPY", 0),
            ("KRW", 0),
            ("VND", 0),
            ("CLP", 0),
            ("ISK", 0),
            ("UGX", 0),
            ("TND", 3),
            ("KWD", 3),
            ("BHD", 3),
            ("IQD", 3),
            ("JOD", 3),
            ("LYD", 3),
            ("OMR", 3),
        ] {
            assert_eq!(Currency::new(code).unwrap().exponent(), exponent, "{code}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_has_no_doubles() {
        assert!(CURRENCIES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn refuses_codes_that_are_not_currencies() {
        for code in ["eur", "EURO", "", "XXX", "ZZZ", "978"] {
            assert_eq!(Currency::new(code), Err(MoneyError::UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn people_see_the_decimals_of_the_currency() {
        for (value, code, text) in [
            (20000, "EUR", "200.00 EUR"),
            (5, "EUR", "0.05 EUR"),
            (10000, "XPF", "10000 XPF"),
            (1, "TND", "0.001 TND"),
        ] {
            assert_eq!(money(value, code).to_string(), text);
        }
    }

    #[test]
    fn callers_cannot_ask_for_nothing_or_too_much() {
        let eur = Currency::new("EUR").unwrap();
        for value in [0, -1, MAX_MINOR + 1, i64::MIN, i64::MAX] {
            assert_eq!(Money::new(value, eur), Err(MoneyError::OutOfRange), "{value}");
        }
        assert!(Money::new(1, eur).is_ok() && Money::new(MAX_MINOR, eur).is_ok());
    }

    #[test]
    fn currencies_never_mix() {
        let (eur, xpf) = (money(5, "EUR"), money(5, "XPF"));
        assert_eq!(eur.plus(xpf), Err(MoneyError::CurrencyMismatch));
        assert_eq!(eur.minus(xpf), Err(MoneyError::CurrencyMismatch));
        assert_eq!(eur.exceeds(xpf), Err(MoneyError::CurrencyMismatch));
    }

    proptest! {
        #[test]
        fn taking_off_what_was_added_gives_the_same(a in 0..=MAX_MINOR, b in 0..=MAX_MINOR) {
            let (a, b) = (money(a, "EUR"), money(b, "EUR"));
            match a.plus(b) {
                Ok(sum) => prop_assert_eq!(sum.minus(b), Ok(a)),
                Err(error) => prop_assert_eq!(error, MoneyError::OutOfRange),
            }
        }

        #[test]
        fn a_difference_is_never_negative(a in 0..=MAX_MINOR, b in 0..=MAX_MINOR) {
            let (a, b) = (money(a, "EUR"), money(b, "EUR"));
            prop_assert_eq!(a.minus(b).is_err(), b.exceeds(a).unwrap());
        }
    }
}
