//! The currencies that the platform takes.
//!
//! Source: provider page `cashManagement/cancel`, `currencyCode`, list of values. The letters and the decimals are
//! those of ISO 4217; the page only says "smallest unit", so that units other than hundredths are inferred.

/// One currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Currency {
    /// Three digits, leading zeros included.
    pub(super) code: &'static str,
    pub(super) letters: &'static str,
    /// Digits after the decimal point.
    pub(super) decimals: usize,
}

/// Digits and letters of all that have hundredths.
const HUNDREDTHS: [(&str, &str); 38] = [
    ("032", "ARS"),
    ("036", "AUD"),
    ("116", "KHR"),
    ("124", "CAD"),
    ("144", "LKR"),
    ("156", "CNY"),
    ("191", "HRK"),
    ("203", "CZK"),
    ("208", "DKK"),
    ("344", "HKD"),
    ("348", "HUF"),
    ("356", "INR"),
    ("376", "ILS"),
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
    ("826", "GBP"),
    ("840", "USD"),
    ("901", "TWD"),
    ("941", "RSD"),
    ("946", "RON"),
    ("949", "TRY"),
    ("975", "BGN"),
    ("978", "EUR"),
    ("980", "UAH"),
    ("985", "PLN"),
];

/// Those of other units, and the real, which brings the list to 47 with the ones above.
const OTHERS: [(&str, &str, usize); 9] = [
    ("048", "BHD", 3),
    ("352", "ISK", 0),
    ("392", "JPY", 0),
    ("410", "KRW", 0),
    ("414", "KWD", 3),
    ("788", "TND", 3),
    ("952", "XOF", 0),
    ("953", "XPF", 0),
    ("986", "BRL", 2),
];

/// The currency of a code, if the platform takes it.
pub(super) fn currency(code: &str) -> Option<Currency> {
    let usual = HUNDREDTHS.iter().map(|(code, letters)| Currency { code, letters, decimals: 2 });
    let others =
        OTHERS.iter().map(|(code, letters, decimals)| Currency { code, letters, decimals: *decimals });
    usual.chain(others).find(|currency| currency.code == code)
}

/// An amount as a person reads it, `10.00 EUR`; of an unknown currency the bare minor units.
pub(super) fn readable(minor: i64, code: &str) -> String {
    let Some(currency) = currency(code) else { return format!("{minor} ({code})") };
    let digits = format!("{minor:0width$}", width = currency.decimals.saturating_add(1));
    let (whole, part) = digits.split_at(digits.len().saturating_sub(currency.decimals));
    let point = if part.is_empty() { "" } else { "." };
    format!("{whole}{point}{part} {}", currency.letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_count_and_decimals_differ() {
        assert_eq!(currency("036").unwrap().letters, "AUD");
        for unknown in ["36", "999", "EUR", "950", ""] {
            assert_eq!(currency(unknown), None, "{unknown}");
        }
        for (minor, code, text) in [
            (1000, "978", "10.00 EUR"),
            (7, "978", "0.07 EUR"),
            (1000, "953", "1000 XPF"),
            (1, "048", "0.001 BHD"),
            (5, "000", "5 (000)"),
        ] {
            assert_eq!(readable(minor, code), text);
        }
    }
}
