//! Signatures of requests and notifications; answers have none.
//!
//! Source: YabandPay v3 API, signature: fields sorted by name in byte order, `name=value` joined by `&`, HMAC-SHA256
//! with the secret's ASCII text as key, lower-case hexadecimal. Confirmed by the official PHP library. The library
//! also shows that a notification signs the fields of its `data` only.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::signing;

/// Name of the object in a card notification whose inner fields are signed as if they stood beside it. Source:
/// third-party integrations, not the official pages.
const LIFTED: &str = "3ds";

/// The fields that a signature covers, sorted by name: the order of `String` is that of the bytes.
pub(super) type Fields = BTreeMap<String, String>;

/// How a value stands in the signed string; `None` for an object or an array, for which no rule exists.
///
/// Strings and integers are certain. The rest is how PHP turns a value into text, inferred: null and false are
/// empty, true is `1`, a decimal number has its shortest form.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").map_or(text.clone(), str::to_owned))
        }
        Value::Null | Value::Bool(false) => Some(String::new()),
        Value::Bool(true) => Some("1".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a request signs: everything but `sign` and `data`, and every field of `data`, which wins over an equal name
/// outside. `None` when a value is nested or `data` is no object.
pub(super) fn of_request(body: &Map<String, Value>) -> Option<Fields> {
    let outside = body.iter().filter(|(name, _)| !matches!(name.as_str(), "sign" | "data"));
    let data = body.get("data")?.as_object()?;
    outside.chain(data).map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

/// What a notification signs: the fields of its `data`, those of the object `3ds` lifted to the top.
pub(super) fn of_notice(data: &Map<String, Value>) -> Fields {
    let lifted = data.get(LIFTED).and_then(Value::as_object).into_iter().flatten();
    let beside = data.iter().filter(|(name, _)| *name != LIFTED);
    beside.chain(lifted).filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

/// The string that is signed. Nothing is encoded or trimmed; empty values stay as `name=`.
fn message(fields: &Fields) -> String {
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// The signature.
pub(super) fn sign(fields: &Fields, secret_key: &str) -> String {
    signing::sha256(&message(fields), secret_key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Requests and notifications, the text that is signed, and its signature.
    #[test]
    fn the_vectors_verify() {
        let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors.json")).unwrap();
        for vector in &vectors {
            let notice = vector["notice"].as_object().map(of_notice);
            let fields = notice.or_else(|| of_request(vector["request"].as_object()?)).unwrap();
            assert_eq!(message(&fields), vector["message"], "{}", vector["name"]);
            assert_eq!(
                sign(&fields, "made-up-secret-for-tests-0001"),
                vector["signature"],
                "{}",
                vector["name"]
            );
        }
        assert_eq!(vectors.len(), 11);
    }

    #[test]
    fn values_that_are_not_texts_follow_php() {
        for (value, expected) in [
            (json!(12.50), "12.5"),
            (json!(100.00), "100"),
            (json!(7), "7"),
            (json!(null), ""),
            (json!(false), ""),
            (json!(true), "1"),
        ] {
            assert_eq!(text(&value).as_deref(), Some(expected), "{value}");
        }
        let nested = json!({"user": "900001", "data": {"a": {"b": 1}}});
        assert_eq!(of_request(nested.as_object().unwrap()), None);
        let both = json!({"user": "outside", "data": {"user": "inside"}});
        assert_eq!(message(&of_request(both.as_object().unwrap()).unwrap()), "user=inside");
    }
}
