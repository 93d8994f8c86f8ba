//! What the platform's rules say about a change, before anything is sent.

use std::time::Duration;

use serde_json::Value;

use super::{options, wire::OUR_LABEL};
use guichet_port::{
    adapter::Violation,
    domain::{
        CaptureMode, DeliveryChannel, Field, NewOrder, Order, OrderPatch, Timestamp, request::DeliveryPatch,
    },
};

/// Currencies of the platform. IDR, KHR and CNY are left out: the platform's documentation and its published
/// code disagree on their decimals, and a wrong guess is an amount ten or a hundred times too high.
pub(super) const CURRENCIES: &[&str] = &[
    "ARS", "AUD", "BRL", "CAD", "CHF", "COP", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "INR", "JPY", "KRW",
    "KWD", "MAD", "MXN", "MYR", "NOK", "NZD", "PEN", "PHP", "PLN", "RUB", "SEK", "SGD", "THB", "TND", "TRY",
    "TWD", "USD", "XOF", "XPF", "ZAR",
];

/// The same with the currencies that only the brands of Latin America have besides. Source: Lyra's published plugin for
/// them (CLP without decimals, the others with two), read 2026-12-01.
pub(super) const CURRENCIES_OF_LATIN_AMERICA: &[&str] = &[
    "ARS", "AUD", "BRL", "CAD", "CHF", "CLP", "COP", "CRC", "CZK", "DKK", "EUR", "GBP", "GTQ", "HKD", "HNL",
    "HUF", "INR", "JPY", "KRW", "KWD", "MAD", "MXN", "MYR", "NIO", "NOK", "NZD", "PEN", "PHP", "PLN", "RUB",
    "SEK", "SGD", "SVC", "THB", "TND", "TRY", "TWD", "USD", "UYU", "XOF", "XPF", "ZAR",
];

/// Longest merchant reference.
const REFERENCE_CHARS_MAX: usize = 64;
/// Furthest end of an order's life.
const LIFE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

const LOCALE_RULE: &str = "must be a language and a country, such as fr-FR";
const NOT_CLEARED: &str = "cannot be cleared at this provider";

/// Everything that is wrong with a new order that capabilities do not say.
pub(super) fn create(order: &NewOrder, now: Timestamp) -> Vec<Violation> {
    let mut violations = Vec::new();
    reference(&order.merchant_reference, &mut violations);
    if let Some(expires_at) = order.expires_at {
        expiry(expires_at, now, &mut violations);
    }
    if let Some(locale) = &order.locale
        && !is_locale(locale)
    {
        violations.push(Violation::invalid("/locale", LOCALE_RULE));
    }
    let delivery = &order.delivery;
    let taken = taken(Some(delivery.channel));
    for (name, text) in
        [("subject", &delivery.subject), ("message", &delivery.message), ("template", &delivery.template)]
    {
        if text.is_some() && !taken.contains(&name) {
            violations.push(Violation::unsupported(
                &format!("/delivery/{name}"),
                "is not for this delivery channel",
            ));
        }
    }
    if order.metadata.contains_key(OUR_LABEL) {
        violations.push(Violation::invalid(
            &format!("/metadata/{OUR_LABEL}"),
            "is the label guichet itself puts on orders; take another name",
        ));
    }
    options::check(&order.provider_options, order.amount.value(), &mut violations);
    if order.provider_options.contains_key("bcc") && delivery.channel != DeliveryChannel::Email {
        violations.push(Violation::unsupported("/provider_options/bcc", "is for orders sent by e-mail"));
    }
    let validates = order.provider_options.get("manual_validation").and_then(Value::as_bool);
    if validates.is_some_and(|validates| validates != (order.capture == CaptureMode::Manual)) {
        violations.push(Violation::invalid(
            "/provider_options/manual_validation",
            "contradicts `capture`, which says the same thing",
        ));
    }
    violations
}

fn reference(reference: &str, violations: &mut Vec<Violation>) {
    if !((1..=REFERENCE_CHARS_MAX).contains(&reference.len())
        && reference.bytes().all(|byte| matches!(byte, b' '..=b'~')))
    {
        violations
            .push(Violation::invalid("/merchant_reference", "must be 1 to 64 printable ASCII characters"));
    }
}

fn expiry(expires_at: Timestamp, now: Timestamp, violations: &mut Vec<Violation>) {
    if expires_at <= now || expires_at > now.plus(LIFE_MAX) {
        violations.push(Violation::invalid("/expires_at", "must be in the future, at most 90 days ahead"));
    }
}

/// The members of `delivery` that a channel has, besides itself.
fn taken(channel: Option<DeliveryChannel>) -> &'static [&'static str] {
    match channel {
        None | Some(DeliveryChannel::Link) => &[],
        Some(DeliveryChannel::Email) => &["recipient", "subject", "message", "template"],
        Some(DeliveryChannel::Sms) => &["recipient", "message"],
        Some(DeliveryChannel::Whatsapp) => &["recipient"],
    }
}

/// Everything that is wrong with a change; `currencies` are those of the account.
pub(super) fn update(
    before: &Order,
    patch: &OrderPatch,
    currencies: &[&str],
    now: Timestamp,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    cleared(patch, &mut violations);
    if let Some(money) = patch.amount.value()
        && !currencies.contains(&money.currency().code())
    {
        violations.push(Violation::unsupported(
            "/amount/currency",
            &format!("must be one of {}", currencies.join(", ")),
        ));
    }
    if let Some(wanted) = patch.merchant_reference.value() {
        reference(wanted, &mut violations);
    }
    if patch.payment_method.is_named() {
        violations.push(Violation::unsupported(
            "/payment_method",
            "cannot be changed on an order of this provider",
        ));
    }
    if let Some(expires_at) = patch.expires_at.value() {
        expiry(*expires_at, now, &mut violations);
    }
    if let Some(locale) = patch.locale.value()
        && !is_locale(locale)
    {
        violations.push(Violation::invalid("/locale", LOCALE_RULE));
    }
    if let Some(patch) = patch.delivery.value() {
        delivery(before, patch, &mut violations);
    }
    for (name, value) in patch.metadata.value().into_iter().flatten() {
        if name == OUR_LABEL {
            violations.push(Violation::invalid(
                &format!("/metadata/{OUR_LABEL}"),
                "is the label guichet itself puts on orders; take another name",
            ));
        } else if value.is_none() {
            let pointer = format!("/metadata/{}", name.replace('~', "~0").replace('/', "~1"));
            violations.push(Violation::unsupported(&pointer, NOT_CLEARED));
        }
    }
    if let Some(named) = patch.provider_options.value() {
        let amount = patch.amount.value().map_or(before.amount, |money| money.value());
        options::check(named, amount, &mut violations);
        if named.contains_key("bcc") && channel_of(before) != Some(DeliveryChannel::Email) {
            violations.push(Violation::unsupported("/provider_options/bcc", "is for orders sent by e-mail"));
        }
    }
    violations
}

/// What is not sent stays as it is, so nothing can be taken away.
fn cleared(patch: &OrderPatch, violations: &mut Vec<Violation>) {
    let customer = patch.customer.value().cloned().unwrap_or_default();
    for (pointer, is_cleared) in [
        ("/amount", patch.amount.is_cleared()),
        ("/merchant_reference", patch.merchant_reference.is_cleared()),
        ("/description", patch.description.is_cleared()),
        ("/expires_at", patch.expires_at.is_cleared()),
        ("/locale", patch.locale.is_cleared()),
        ("/delivery", patch.delivery.is_cleared()),
        ("/customer", patch.customer.is_cleared()),
        ("/customer/email", customer.email.is_cleared()),
        ("/customer/first_name", customer.first_name.is_cleared()),
        ("/customer/last_name", customer.last_name.is_cleared()),
        ("/return_url", patch.return_url.is_cleared()),
        ("/metadata", patch.metadata.is_cleared()),
        ("/provider_options", patch.provider_options.is_cleared()),
    ] {
        if is_cleared {
            violations.push(Violation::unsupported(pointer, NOT_CLEARED));
        }
    }
}

fn channel_of(order: &Order) -> Option<DeliveryChannel> {
    order.delivery.as_ref().and_then(|delivery| delivery.channel)
}

/// Cleared texts mean the platform's own, which is what it uses when none are sent.
fn delivery(before: &Order, patch: &DeliveryPatch, violations: &mut Vec<Violation>) {
    let present = channel_of(before);
    let channel_stays = match &patch.channel {
        Field::Keep => true,
        Field::Clear => false,
        Field::Set(channel) => Some(*channel) == present,
    };
    if !channel_stays {
        violations.push(Violation::unsupported("/delivery/channel", "cannot be changed at this provider"));
    }
    if patch.recipient.is_cleared() {
        violations.push(Violation::unsupported("/delivery/recipient", NOT_CLEARED));
    }
    let taken = taken(present);
    for (name, field) in [
        ("recipient", &patch.recipient),
        ("subject", &patch.subject),
        ("message", &patch.message),
        ("template", &patch.template),
    ] {
        if field.value().is_some() && !taken.contains(&name) {
            violations.push(Violation::unsupported(
                &format!("/delivery/{name}"),
                "is not for this order's delivery channel",
            ));
        }
    }
}

/// `xx-YY`: the platform knows languages only with a country.
fn is_locale(text: &str) -> bool {
    text.split_once('-').is_some_and(|(language, country)| {
        language.len() == 2
            && country.len() == 2
            && language.bytes().all(|byte| byte.is_ascii_lowercase())
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
    })
}
