//! Small texts: ids, amounts, instants. What is read is written the same way again.

use std::str::FromStr;

use super::world::{is_a_place_to_pay, stays, world};
use guichet_providers::yabandpay;

use guichet::domain::{
    AccountName, Currency, EndpointId, EventId, Money, OperationId, OrderId, PayerAddress, ProviderReference,
    Timestamp, money::MAX_MINOR, payer_address::Schemes,
};

/// Ids of every kind: one spelling each, with nothing in it that a path, a header or a log would understand.
pub(super) fn ids(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    one_spelling::<AccountName>(&text);
    one_spelling::<ProviderReference>(&text);
    one_spelling::<OperationId>(&text);
    one_spelling::<EventId>(&text);
    one_spelling::<EndpointId>(&text);
    one_spelling::<OrderId>(&text);
    if let Ok(id) = text.parse::<OrderId>() {
        stays(&id);
        assert!(!id.account.as_str().contains('_'), "the first underscore ends the account");
    }
    if let Ok(reference) = text.parse::<ProviderReference>() {
        for account in world().registry.accounts() {
            // An order has one id: another spelling that means the same is not taken.
            let accepts =
                |text: String| text.parse().is_ok_and(|other| account.adapter.accepts_reference(&other));
            let other = reference.as_str().to_ascii_uppercase();
            let is_sips = account.adapter.provider() == "sips";
            let twice = other != reference.as_str() && accepts(reference.to_string()) && accepts(other);
            assert!(is_sips || !twice, "two spellings of {reference}");
        }
    }
}

fn one_spelling<T: FromStr + ToString>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert_eq!(id.to_string(), text, "another spelling");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        assert!(text.len() <= 97 && text.bytes().all(is_plain), "{text}");
    }
}

/// An address of a payer's page: it goes on as it is, and no reader of headers, HTML or addresses sees another one in it.
pub(super) fn payer_address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for http in [false, true] {
        for wallets in [false, true] {
            let Ok(address) = PayerAddress::read(&text, Schemes { http, wallets }) else { continue };
            assert_eq!(*address, text, "it changes");
            is_a_place_to_pay(&address);
            let (scheme, _) = address.split_once(':').expect("an absolute address");
            let scheme = scheme.to_ascii_lowercase();
            assert!(scheme == "https" || if scheme == "http" { http } else { wallets }, "{address:?}");
            assert_eq!(PayerAddress::try_from(text.to_string()), Ok(address), "a stored one is not read");
        }
    }
}

/// A decimal text in every currency: exact, within range, and the same text's amount when written and read again.
pub(super) fn money(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for currency in Currency::all() {
        let Some((money, written)) = yabandpay::amount(&text, currency) else { continue };
        assert!((0..=MAX_MINOR).contains(&money.value()), "{text}: {}", money.value());
        assert_eq!(exact(&text, currency.exponent()), Some(i128::from(money.value())), "{text} {currency}");
        if let Some(written) = written {
            let again = yabandpay::amount(&written, currency).map(|(money, _)| money);
            assert_eq!(again, Some(money), "{text} is written {written}");
        }
        stays(&money);
    }
    if let Ok(currency) = text.parse::<Currency>() {
        assert_eq!(currency.code(), text);
    }
    if let Ok(value) = text.parse::<i64>()
        && let Ok(currency) = Currency::new("EUR")
    {
        assert_eq!(Money::new(value, currency).is_ok(), (1..=MAX_MINOR).contains(&value));
        if let Ok(money) = Money::balance(value, currency) {
            // What people are shown means the same amount.
            let shown = money.to_string();
            let shown = shown.strip_suffix(" EUR").unwrap_or(&shown);
            assert_eq!(yabandpay::amount(shown, currency).map(|(money, _)| money), Some(money), "{shown}");
        }
    }
}

/// The minor units of a decimal text, by whole numbers alone; `None` for what is no exact amount.
fn exact(text: &str, exponent: u8) -> Option<i128> {
    let (major, decimals) = text.split_once('.').unwrap_or((text, ""));
    let scale = 10_i128.checked_pow(exponent.into())?;
    let decimals = decimals.trim_end_matches('0');
    let fraction: i128 = if decimals.is_empty() { 0 } else { decimals.parse().ok()? };
    let unit = 10_i128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let minor = fraction.checked_mul(scale)?;
    let is_exact = minor.checked_rem(unit)? == 0;
    let major: i128 = major.parse().ok()?;
    is_exact.then_some(())?;
    major.checked_mul(scale)?.checked_add(minor.checked_div(unit)?)
}

/// An instant is written in RFC 3339 with milliseconds and `Z`, and means the same when it is read again.
pub(super) fn instant(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(instant) = text.parse::<Timestamp>() else { return };
    let written = instant.to_string();
    assert_eq!(written.parse::<Timestamp>(), Ok(instant), "{text} is written {written}");
    assert!(written.ends_with('Z'), "{written}");
    assert_eq!(Timestamp::from_millis(instant.as_millis()), instant);
    stays(&instant);
    // RFC 3339 has four digits of a year; more could not be told from other dates by those who read it.
    assert_eq!(written.len(), "2026-11-22T10:00:00.000Z".len(), "{text} is written {written}");
}
