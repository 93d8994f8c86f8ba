//! Amounts: decimal strings in major units on the wire, minor units (cents) inside.
//!
//! Source: YabandPay v3 API, amounts: a point as separator, at most two decimals; answers always show two.

/// Longest whole part: far above any payment, far below what 64 bits hold.
const WHOLE_DIGITS: usize = 10;

/// Minor units of a decimal string; `None` for anything but digits with at most two decimals behind a point.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
        Some(_) => return None,
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let has_idle_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || whole.len() > WHOLE_DIGITS || has_idle_zero || decimals.len() > 2 {
        return None;
    }
    if !digits(whole) || !digits(decimals) {
        return None;
    }
    format!("{whole}{decimals:0<2}").parse().ok()
}

/// A decimal string with two decimals, as answers have it.
pub(super) fn text(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let size = minor.unsigned_abs();
    format!("{sign}{}.{:02}", size.div_euclid(100), size.rem_euclid(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_are_read_as_minor_units() {
        for (decimal, minor) in
            [("0.10", 10), ("0.1", 10), ("1", 100), ("24.99", 2499), ("9900.01", 990_001), ("0", 0)]
        {
            assert_eq!(parse(decimal), Some(minor), "{decimal}");
        }
        for bad in ["", ".", "1.", ".5", "1,50", "1.505", "+1", "-1", "1e2", " 1", "01.00", "12345678901"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn answers_always_show_two_decimals() {
        for (minor, decimal) in [(100, "1.00"), (5, "0.05"), (990_001, "9900.01"), (-5, "-0.05")] {
            assert_eq!(text(minor), decimal);
        }
    }
}
