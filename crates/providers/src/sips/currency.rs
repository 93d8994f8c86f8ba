//! Currencies by their ISO 4217 number, which the platform writes as text with its leading zeros.

use guichet_port::domain::Currency;

/// Every currency the platform takes, by number. Source: cancel page of the Sherlock's reference, 2.55,
/// `currencyCode`. The page names countries and currencies in words; the letters are ISO 4217's, and so are the
/// decimals ("smallest unit" is all it says of them). A shop's contract may allow fewer.
///
/// `191`, the Croatian kuna, was withdrawn on 2023-01-01, and `975`, the Bulgarian lev, on 2026-01-01: orders of before
/// can still be read and refunded.
pub const CURRENCY_NUMBERS: [(&str, &str); 47] = [
    ("032", "ARS"),
    ("036", "AUD"),
    ("048", "BHD"),
    ("116", "KHR"),
    ("124", "CAD"),
    ("144", "LKR"),
    ("156", "CNY"),
    ("191", "HRK"),
    ("203", "CZK"),
    ("208", "DKK"),
    ("344", "HKD"),
    ("348", "HUF"),
    ("352", "ISK"),
    ("356", "INR"),
    ("376", "ILS"),
    ("392", "JPY"),
    ("410", "KRW"),
    ("414", "KWD"),
    ("458", "MYR"),
    ("480", "MUR"),
    ("484", "MXN"),
    ("524", "NPR"),
    ("554", "NZD"),
    ("578", "NOK"),
    ("634", "QAR"),
    ("643", "RUB"),
    ("682", "SAR"),
    ("702", "SGD"),
    ("710", "ZAR"),
    ("752", "SEK"),
    ("756", "CHF"),
    ("764", "THB"),
    ("784", "AED"),
    ("788", "TND"),
    ("826", "GBP"),
    ("840", "USD"),
    ("901", "TWD"),
    ("941", "RSD"),
    ("946", "RON"),
    ("949", "TRY"),
    ("952", "XOF"),
    ("953", "XPF"),
    ("975", "BGN"),
    ("978", "EUR"),
    ("980", "UAH"),
    ("985", "PLN"),
    ("986", "BRL"),
];

/// The letters of all of them, for the capabilities; without the withdrawn kuna, in which nobody can be asked to pay.
pub(super) const CODES: &[&str] = &[
    "ARS", "AUD", "BHD", "KHR", "CAD", "LKR", "CNY", "CZK", "DKK", "HKD", "HUF", "ISK", "INR", "ILS", "JPY",
    "KRW", "KWD", "MYR", "MUR", "MXN", "NPR", "NZD", "NOK", "QAR", "RUB", "SAR", "SGD", "ZAR", "SEK", "CHF",
    "THB", "AED", "TND", "GBP", "USD", "TWD", "RSD", "RON", "TRY", "XOF", "XPF", "BGN", "EUR", "UAH", "PLN",
    "BRL",
];

/// The number of a currency; `None` when the platform does not take it.
pub(super) fn number(currency: Currency) -> Option<&'static str> {
    CURRENCY_NUMBERS.iter().find(|(_, code)| *code == currency.code()).map(|(number, _)| *number)
}

/// The currency with this number; `None` for numbers the platform does not list.
pub(super) fn by_number(number: &str) -> Option<Currency> {
    let (_, code) = CURRENCY_NUMBERS.iter().find(|(known, _)| *known == number)?;
    Currency::new(code).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_its_currency_and_back() {
        for (digits, code) in CURRENCY_NUMBERS {
            assert!(digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
            let currency = by_number(digits).unwrap();
            assert_eq!((currency.code(), number(currency)), (code, Some(digits)));
            let exponent = match code {
                "ISK" | "JPY" | "KRW" | "XOF" | "XPF" => 0,
                "BHD" | "KWD" | "TND" => 3,
                _ => 2,
            };
            assert_eq!(currency.exponent(), exponent, "{code}");
            assert_eq!(CODES.contains(&code), code != "HRK", "{code}");
        }
        assert_eq!(CODES.len() + 1, CURRENCY_NUMBERS.len());
        assert!(CURRENCY_NUMBERS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for foreign in ["36", "48", "0978", "999", "EUR", "", "020"] {
            assert_eq!(by_number(foreign), None, "{foreign}");
        }
        assert_eq!(number(Currency::new("VND").unwrap()), None);
    }
}
