//! Reading the members of a request, strictly.
//!
//! The platform knows two codes for a wrong member, 12 and 30, and its pages do not say where one ends and the other
//! begins. Decided here, in one place: 30 for a value whose form is wrong; 12 for a member that is missing, unknown or
//! newer than the interface asked for, and for a value outside a list. Two samples of the provider agree: letters in
//! `currencyCode` give 12, a malformed address gives 30 (Paypage JSON guide).

use serde_json::{Map, Value};

use super::currency;
use crate::platform::Refusal;

/// Names a transaction.
const REFERENCE: &str = "transactionReference";

/// The number in an `interfaceVersion`, `2.55`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl Version {
    pub(super) const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Prefix and number of `CR_WS_2.55`.
    pub(super) fn split(text: &str) -> Option<(&str, Self)> {
        let (prefix, number) = text.rsplit_once('_')?;
        let (major, minor) = number.split_once('.')?;
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let parsed = is_number(major) && is_number(minor);
        parsed.then(|| Some((prefix, Self::new(major.parse().ok()?, minor.parse().ok()?)))).flatten()
    }
}

/// What a member may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Text of this many digits.
    Exactly(usize),
    /// Digits, as text or as a JSON number, of at most this length.
    Number(usize),
    /// Letters and digits, of at most this length.
    Alphanumeric(usize),
    /// Printable text without control characters, of at most this length.
    Text(usize),
    Word(&'static [&'static str]),
    Currency,
    /// An `http` or `https` address.
    Url,
    /// A list of texts.
    Texts,
    /// An object with these members.
    Container(&'static [Fields]),
    /// An object whose members are not looked at.
    Object,
}

/// Members that a request may have, alike but for their names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    names: &'static [&'static str],
    kind: Kind,
    needed: bool,
    /// The interface that brought them.
    since: Version,
}

impl Fields {
    pub(super) const fn needed(kind: Kind, names: &'static [&'static str]) -> Self {
        Self { names, kind, needed: true, since: Version::new(2, 0) }
    }

    pub(super) const fn optional(kind: Kind, names: &'static [&'static str]) -> Self {
        Self { names, kind, needed: false, since: Version::new(2, 0) }
    }

    pub(super) const fn since(self, minor: u32) -> Self {
        Self { since: Version::new(2, minor), ..self }
    }
}

/// Members of every request.
pub(super) const ENVELOPE: &[Fields] = &[
    Fields::needed(Kind::Text(20), &["interfaceVersion"]),
    Fields::needed(Kind::Number(10), &["keyVersion"]),
    Fields::needed(Kind::Exactly(15), &["merchantId"]),
    Fields::needed(Kind::Text(128), &["seal"]),
    Fields::optional(Kind::Alphanumeric(35), &[REFERENCE]),
];

/// Members of every request about a transaction, and the interfaces that brought them. Source: provider page
/// `cashManagement/cancel`.
pub(super) const ABOUT: &[Fields] = &[
    Fields::optional(Kind::Text(20), &["sealAlgorithm"]).since(12),
    Fields::optional(Kind::Container(S10_PAIR), &["s10TransactionReference"]).since(6),
];

/// `s10TransactionReference` of requests about a transaction. Source: provider page `cashManagement/cancel`.
const S10_PAIR: &[Fields] = &[
    Fields::needed(Kind::Number(6), &["s10TransactionId"]),
    Fields::needed(Kind::Exactly(8), &["s10TransactionIdDate"]),
];

/// `customerContact`. Source: provider page `cashManagement/cancel`. The lengths are those of the data dictionary
/// where it was read (`email`), else a guess.
pub(super) const CONTACT: &[Fields] = &[
    Fields::optional(Kind::Text(128), &["email"]),
    Fields::optional(Kind::Text(50), &["firstname", "lastname"]),
    Fields::optional(Kind::Word(&["M", "F"]), &["gender"]),
    Fields::optional(Kind::Text(20), &["initials", "title"]),
    Fields::optional(Kind::Text(30), &["mobile", "phone"]),
];

fn code(code: &str, field: &str) -> Refusal {
    Refusal::new(code).detail(field)
}

pub(super) fn missing(field: &str) -> Refusal {
    code("12", field)
}

pub(super) fn unknown(field: &str) -> Refusal {
    code("12", field)
}

/// A value that the list of the member does not have, or that does not fit the transaction or the shop.
pub(super) fn unfit(field: &str) -> Refusal {
    code("12", field)
}

pub(super) fn malformed(field: &str) -> Refusal {
    code("30", field)
}

/// Whether a member counts as absent: null, and an empty `transactionReference`. Source for the second: facts of
/// 1 December 2026, published code.
pub(super) fn is_absent(name: &str, value: &Value) -> bool {
    value.is_null() || (name == REFERENCE && value.as_str() == Some(""))
}

/// The reference of a transaction, if the request has one.
pub(super) fn reference(members: &Map<String, Value>) -> Option<String> {
    text(members, REFERENCE).filter(|reference| !reference.is_empty())
}

/// Looks at every member.
pub(super) fn check(
    members: &Map<String, Value>,
    known: &[&[Fields]],
    version: Version,
) -> Result<(), Refusal> {
    let fields = || known.iter().copied().flatten();
    let present = |name: &str| members.get(name).filter(|value| !is_absent(name, value));
    for name in members.keys().filter(|name| present(name).is_some()) {
        if !fields().any(|field| field.names.contains(&name.as_str()) && field.since <= version) {
            return Err(unknown(name));
        }
    }
    for field in fields() {
        for name in field.names {
            match present(name) {
                Some(value) => check_value(name, field.kind, value, version)?,
                None if field.needed => return Err(missing(name)),
                None => {}
            }
        }
    }
    Ok(())
}

fn check_value(name: &str, kind: Kind, value: &Value, version: Version) -> Result<(), Refusal> {
    let text = value.as_str();
    let right = match kind {
        Kind::Exactly(length) => text.is_some_and(|text| text.len() == length && is_digits(text)),
        Kind::Number(most) => digits(value).is_some_and(|text| text.len() <= most),
        Kind::Alphanumeric(most) => text.is_some_and(|text| {
            !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_alphanumeric())
        }),
        Kind::Text(most) => text.is_some_and(|text| {
            !text.is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
        }),
        Kind::Word(words) => match text {
            Some(word) if !words.contains(&word) => return Err(unfit(name)),
            word => word.is_some(),
        },
        Kind::Currency => match text.and_then(currency::currency) {
            Some(_) => true,
            None => return Err(unfit(name)),
        },
        Kind::Url => text.is_some_and(is_url),
        Kind::Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        Kind::Container(fields) => match value.as_object() {
            Some(inner) => return check(inner, &[fields], version),
            None => false,
        },
        Kind::Object => value.is_object(),
    };
    if right { Ok(()) } else { Err(malformed(name)) }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Digits, sent as text or as a number.
pub(super) fn digits(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    is_digits(&text).then_some(text)
}

/// A web address of at most 512 characters, on a port from 80 to 9999. Loopback hosts may have any port, which the
/// platform could not reach anyway: tests listen on free ones.
///
/// Source: Paypage JSON guide, `normalReturnUrl`. The guide wants no query; shop modules send one in production (facts of
/// 1 December 2026). Inferred: that an address against the other rules is refused.
fn is_url(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    let port = url.port_or_known_default().is_some_and(|port| local || (80..=9999).contains(&port));
    matches!(url.scheme(), "http" | "https") && port && text.chars().count() <= 512
}

/// The text of a member that has been checked.
pub(super) fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// The number of a member that has been checked.
pub(super) fn number(members: &Map<String, Value>, name: &str) -> Option<i64> {
    members.get(name).and_then(digits).and_then(|digits| digits.parse().ok())
}
