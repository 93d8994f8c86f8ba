//! Reading the parameters of a request: every value of `data` is a text by now that is not empty.

use serde_json::{Map, Value};

use super::merchant::CURRENCIES;
use super::{amount as decimal, codes};
use crate::members::Members;
use crate::platform::Refusal;

/// The same members with numbers as their text, which is what the signature covers, and without empty ones, which count as
/// absent. Any other value is wrong. Source: YabandPay v3 API, facts of 1 December 2026: the official plug-in sends numbers.
pub(super) fn texts(data: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let mut texts = Map::new();
    for (name, value) in data {
        let text = match value {
            Value::String(_) | Value::Number(_) => super::sign::text(value),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let text = text.ok_or_else(|| codes::parameter(name))?;
        if !text.is_empty() {
            texts.insert(name.clone(), text.into());
        }
    }
    Ok(texts)
}

pub(super) fn reader(texts: &Map<String, Value>) -> Members<'_> {
    Members::new(texts, |name, _| name.to_owned())
}

pub(super) fn known(members: &Members<'_>, names: &[&[&str]]) -> Result<(), Refusal> {
    members.known(codes::BAD_PARAMETER, names)
}

pub(super) fn text(members: &Members<'_>, name: &str) -> Result<Option<String>, Refusal> {
    members.text(name, codes::BAD_PARAMETER)
}

pub(super) fn needed(members: &Members<'_>, name: &str) -> Result<String, Refusal> {
    members.needed_text(name, codes::BAD_PARAMETER)
}

/// A decimal string above zero, in minor units.
pub(super) fn amount(members: &Members<'_>, name: &str) -> Result<i64, Refusal> {
    let minor = decimal::parse(&needed(members, name)?).filter(|minor| *minor > 0);
    minor.ok_or_else(|| codes::parameter(name))
}

/// A currency of the contract.
pub(super) fn currency(members: &Members<'_>, name: &str) -> Result<String, Refusal> {
    let code = needed(members, name)?;
    if CURRENCIES.contains(&code.as_str()) { Ok(code) } else { Err(Refusal::new(codes::BAD_CURRENCY)) }
}

/// A web address. The documentation asks for https; plain http passes too, because nothing in a sandbox has TLS.
pub(super) fn url(members: &Members<'_>, name: &str) -> Result<Option<String>, Refusal> {
    let is_web =
        |text: &String| url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    match text(members, name)? {
        Some(address) if !is_web(&address) => Err(codes::parameter(name)),
        address => Ok(address),
    }
}
