//! Request bodies: strict JSON, every violation at once, each with its pointer; never the value.

use std::{collections::BTreeSet, fmt};

use axum::http::{HeaderMap, HeaderValue, header};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::arrival::{Arriving, NotWhole};
use crate::{
    adapter::Violation,
    problem::{Problem, ProblemCode},
};

/// Deepest nesting: reading deeper JSON would use up the stack.
const DEPTH_MAX: usize = 32;

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
}
