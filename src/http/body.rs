//! Request bodies: strict JSON, every violation at once, each with its pointer; never the value.

use std::{collections::BTreeSet, fmt};

use axum::http::{HeaderMap, HeaderValue, header};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::arrival::{Arriving, NotWhole};
use crate::{
    adapter::{VIOLATIONS_MAX, Violation, member_pointer},
    domain::{Currency, Field, Money, Timestamp, money::MAX_MINOR},
    problem::{Problem, ProblemCode},
};

/// Deepest nesting: reading deeper JSON would use up the stack.
const DEPTH_MAX: usize = 32;
/// Longest name of an unknown member for which the nearest known one is looked for, in bytes.
const GUESSED_MAX: usize = 64;

/// Refuses a body that is compressed, whatever its bytes: read as they are they would be nonsense, and none of them would
/// mean "all that is left".
pub(super) fn refuse_compressed(headers: &HeaderMap) -> Result<(), Problem> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let is_plain = |value: &HeaderValue| {
        let codings = value.to_str().unwrap_or("unreadable").split(',').map(str::trim);
        codings.into_iter().all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
    };
    if codings.into_iter().all(is_plain) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::UnsupportedMediaType,
        "send the body as it is, without `Content-Encoding`: compressed ones are not read",
    ))
}

/// Reads the body as one JSON object; no body is an empty object.
pub(super) async fn read_object(
    headers: &HeaderMap,
    body: Arriving,
    bytes_max: usize,
    media_types: &[&str],
) -> Result<Map<String, Value>, Problem> {
    refuse_compressed(headers)?;
    let bytes = body.whole(bytes_max).await.map_err(|not_whole| match not_whole {
        NotWhole::TooLarge => Problem::plain(ProblemCode::BodyTooLarge),
        NotWhole::Broken => Problem::new(ProblemCode::InvalidJson, "the body ended before it was complete"),
        NotWhole::Late => Problem::new(ProblemCode::InvalidJson, "the body did not arrive within 10 seconds"),
        NotWhole::Refused(problem) => *problem,
    })?;
    read_members(headers, &bytes, media_types)
}

/// The members of a body that has arrived.
pub(super) fn read_members(
    headers: &HeaderMap,
    bytes: &[u8],
    media_types: &[&str],
) -> Result<Map<String, Value>, Problem> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !media_types.contains(&media.as_str()) {
        return Err(Problem::new(
            ProblemCode::UnsupportedMediaType,
            format!("send `Content-Type: {}`", media_types.join("` or `")),
        ));
    }
    if depth(bytes) > DEPTH_MAX {
        return Err(Problem::new(
            ProblemCode::InvalidJson,
            format!("the body is nested deeper than {DEPTH_MAX} levels"),
        ));
    }
    let Strict(value) = serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        let what = if text.starts_with("a member is repeated") { text } else { "not valid JSON".to_owned() };
        Problem::new(
            ProblemCode::InvalidJson,
            format!("line {}, column {}: {what}", error.line(), error.column()),
        )
    })?;
    match value {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Problem::invalid(vec![Violation::invalid("", "the body must be a JSON object")]))
        }
    }
}

fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut deepest, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in bytes {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'{' | b'[') => {
                now = now.saturating_add(1);
                deepest = deepest.max(now);
            }
            (false, b'}' | b']') => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A JSON value whose objects repeat no member: two amounts in one request would be a guess.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Strict(value) = members.next_value()?;
            if map.insert(name, value).is_some() {
                return Err(serde::de::Error::custom("a member is repeated"));
            }
        }
        Ok(Value::Object(map))
    }
}

/// SHA-256 over method, route, id and canonical body: what an `Idempotency-Key` belongs to. Where absent and
/// `null` mean the same, `null` members are left out.
pub(super) fn fingerprint(
    method: &str,
    route: &str,
    id: &str,
    body: &Map<String, Value>,
    keep_null: bool,
) -> String {
    let mut text = format!("{method}\n{route}\n{id}\n");
    canonical(&Value::Object(body.clone()), keep_null, &mut text);
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn canonical(value: &Value, keep_null: bool, out: &mut String) {
    match value {
        Value::Object(members) => {
            out.push('{');
            let names: BTreeSet<&String> = members.keys().collect();
            for name in names {
                let Some(member) = members.get(name) else { continue };
                if member.is_null() && !keep_null {
                    continue;
                }
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                canonical(member, keep_null, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, keep_null, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => match integer(number) {
            Some(integer) => out.push_str(&integer.to_string()),
            None => out.push_str(&number.to_string()),
        },
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

/// JSON Schema calls `7425786.0` an integer, so it is one here.
pub(super) fn integer(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() < 1e15).then(|| format!("{float:.0}").parse().ok()).flatten()
    })
}

/// Reads the members of one object and collects everything that is wrong with them.
pub(super) struct Members<'a> {
    object: &'a Map<String, Value>,
    pointer: String,
    known: BTreeSet<&'static str>,
}

impl std::fmt::Debug for Members<'_> {
    /// Never the values: they name payers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Members").field("pointer", &self.pointer).finish_non_exhaustive()
    }
}

impl<'a> Members<'a> {
    pub(super) fn new(object: &'a Map<String, Value>, pointer: &str) -> Self {
        Self { object, pointer: pointer.to_owned(), known: BTreeSet::new() }
    }

    fn at(&self, name: &str) -> String {
        member_pointer(&self.pointer, name)
    }

    /// A member read by `read`, which says what would be right.
    pub(super) fn field<T>(
        &mut self,
        name: &'static str,
        errors: &mut Vec<Violation>,
        read: impl FnOnce(&'a Value, &str, &mut Vec<Violation>) -> Option<T>,
    ) -> Field<T> {
        self.known.insert(name);
        match self.object.get(name) {
            None => Field::Keep,
            Some(Value::Null) => Field::Clear,
            Some(value) => read(value, &self.at(name), errors).map_or(Field::Keep, Field::Set),
        }
    }

    /// The known member that may be meant. Of a long name none is looked for: that costs time, and ours are short.
    fn nearest(&self, name: &str) -> Option<&'static str> {
        let known = self.known.iter().filter(|_| name.len() <= GUESSED_MAX);
        known.max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name))).copied()
    }

    /// Refuses what was not read: a typo must not change money.
    pub(super) fn end(self, errors: &mut Vec<Violation>) {
        for name in self.object.keys().filter(|name| !self.known.contains(name.as_str())) {
            if errors.len() > VIOLATIONS_MAX {
                return;
            }
            let hint = self
                .nearest(name)
                .map(|known| format!("; the nearest known one is `{known}`"))
                .unwrap_or_default();
            errors.push(Violation::invalid(&self.at(name), &format!("unknown member{hint}")));
        }
    }
}

/// A text of `min` to `max` characters without control characters other than line breaks.
pub(super) fn text(min: usize, max: usize) -> impl Fn(&Value, &str, &mut Vec<Violation>) -> Option<String> {
    move |value, pointer, errors| {
        let text = value.as_str().filter(|text| {
            (min..=max).contains(&text.chars().count())
                && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        });
        if text.is_none() {
            errors.push(Violation::invalid(pointer, &format!("a text of {min} to {max} characters")));
        }
        text.map(str::to_owned)
    }
}

/// A word from a list.
pub(super) fn word<T>(
    words: &'static [&'static str],
    find: impl Fn(&str) -> Option<T>,
) -> impl Fn(&Value, &str, &mut Vec<Violation>) -> Option<T> {
    move |value, pointer, errors| {
        let found = value.as_str().and_then(&find);
        if found.is_none() {
            errors.push(Violation::invalid(pointer, &format!("one of: {}", words.join(", "))));
        }
        found
    }
}

/// An instant with an offset.
pub(super) fn instant(value: &Value, pointer: &str, errors: &mut Vec<Violation>) -> Option<Timestamp> {
    let instant = value.as_str().and_then(|text| Timestamp::parse(text).ok());
    if instant.is_none() {
        errors.push(Violation::invalid(
            pointer,
            "an RFC 3339 date and time with an offset, such as 2026-12-01T00:00:00Z",
        ));
    }
    instant
}

/// `{"value": 1250, "currency": "EUR"}`.
pub(super) fn money(value: &Value, pointer: &str, errors: &mut Vec<Violation>) -> Option<Money> {
    let object = object(value, pointer, errors)?;
    let mut members = Members::new(object, pointer);
    let amount = members.field("value", errors, |value, pointer, errors| {
        let whole = value.as_number().and_then(integer).filter(|value| (1..=MAX_MINOR).contains(value));
        if whole.is_none() {
            errors.push(Violation::invalid(
                pointer,
                "an integer from 1 to 999999999999, in minor units of the currency",
            ));
        }
        whole
    });
    let currency = members.field("currency", errors, |value, pointer, errors| {
        let currency = value.as_str().and_then(|code| Currency::new(code).ok());
        if currency.is_none() {
            errors.push(Violation::invalid(pointer, "an ISO 4217 currency code in capitals, such as EUR"));
        }
        currency
    });
    for name in ["value", "currency"] {
        if object.get(name).is_none_or(Value::is_null) {
            errors.push(Violation::invalid(&members.at(name), "is required"));
        }
    }
    members.end(errors);
    Money::new(*amount.value()?, *currency.value()?).ok()
}

/// An object.
pub(super) fn object<'a>(
    value: &'a Value,
    pointer: &str,
    errors: &mut Vec<Violation>,
) -> Option<&'a Map<String, Value>> {
    let object = value.as_object();
    if object.is_none() {
        errors.push(Violation::invalid(pointer, "a JSON object"));
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &str) -> Result<Value, String> {
        serde_json::from_str::<Strict>(body).map(|strict| strict.0).map_err(|error| error.to_string())
    }

    #[test]
    fn repeated_members_are_refused_at_every_depth() {
        assert_eq!(read(r#"{"a":[1,{"b":null}]}"#).unwrap(), json!({"a": [1, {"b": null}]}));
        for body in [r#"{"a":1,"a":2}"#, r#"{"x":{"a":1,"a":1}}"#, r#"[{"a":1,"\u0061":1}]"#] {
            assert!(read(body).unwrap_err().starts_with("a member is repeated"), "{body}");
        }
    }

    #[test]
    fn depth_ignores_brackets_in_texts() {
        assert_eq!(depth(br#"{"a":"[[[[\"[["}"#), 1);
        assert_eq!(depth(b"[[[]]]"), 3);
    }

    #[test]
    fn fingerprints_ignore_spelling_but_not_meaning() {
        let print = |body: Value, keep_null| {
            fingerprint("POST", "/orders/{id}/cancel", "a_b", body.as_object().unwrap(), keep_null)
        };
        let plain = print(json!({"amount": {"value": 5, "currency": "EUR"}}), false);
        assert_eq!(plain, print(json!({"amount": {"currency": "EUR", "value": 5.0}}), false));
        assert_eq!(plain, print(json!({"amount": {"currency": "EUR", "value": 5}, "x": null}), false));
        assert_ne!(plain, print(json!({"amount": {"currency": "EUR", "value": 6}}), false));
        assert_ne!(print(json!({}), true), print(json!({"locale": null}), true));
    }

    #[test]
    fn money_names_every_violation() {
        let check = |value: Value| {
            let mut errors = Vec::new();
            let money = money(&value, "/amount", &mut errors);
            (money.is_some(), errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>())
        };
        assert_eq!(check(json!({"value": 1250, "currency": "EUR"})), (true, vec![]));
        assert_eq!(check(json!({"value": 1250.0, "currency": "EUR"})), (true, vec![]));
        assert_eq!(check(json!({"value": 12.5, "currency": "eur"})).1, ["/amount/value", "/amount/currency"]);
        assert_eq!(check(json!({"value": "1250", "currency": "EUR"})).1, ["/amount/value"]);
        assert_eq!(check(json!({"value": 0, "currency": "EUR"})).1, ["/amount/value"]);
        assert_eq!(check(json!({"value": 1_000_000_000_000_i64, "currency": "EUR"})).1, ["/amount/value"]);
        assert_eq!(check(json!({"currency": "EUR", "amount": 1})).1, ["/amount/value", "/amount/amount"]);
        assert_eq!(check(json!(12)).1, ["/amount"]);
    }
}
