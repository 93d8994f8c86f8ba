//! Seals: the signature of every message in both directions.
//!
//! Source: provider page `cashManagement/cancel` (`seal`, `sealAlgorithm`); Paypage JSON guide and Paypage POST guide,
//! "seal calculation".

use hmac::Hmac;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};

use crate::signing;

/// Members that the sealed text leaves out. Source: Paypage JSON guide.
const UNSEALED: [&str; 3] = ["keyVersion", "sealAlgorithm", "seal"];

/// `sealAlgorithm`. HMAC-SHA-512 is on the page without an example: the formula is inferred from HMAC-SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    HmacSha256,
    HmacSha512,
    Sha256,
}

impl Algorithm {
    /// What seals a JSON message that names no algorithm.
    pub(super) const JSON_DEFAULT: Self = Self::HmacSha256;
    /// What seals the result of a payment whose request named no algorithm: another one than for JSON messages.
    pub(super) const FORM_DEFAULT: Self = Self::Sha256;

    pub(super) fn named(word: &str) -> Option<Self> {
        [Self::HmacSha256, Self::HmacSha512, Self::Sha256]
            .into_iter()
            .find(|algorithm| algorithm.word() == word)
    }

    /// The platform's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::HmacSha256 => "HMAC-SHA-256",
            Self::HmacSha512 => "HMAC-SHA-512",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The seal of a text, in lower-case hexadecimal digits. The key is the secret's text itself, not decoded.
    pub(super) fn seal(self, text: &str, secret: &str) -> String {
        match self {
            Self::HmacSha256 => signing::sha256(text, secret),
            Self::HmacSha512 => signing::keyed::<Hmac<Sha512>>(text, secret),
            Self::Sha256 => hex::encode(Sha256::digest(format!("{text}{secret}"))),
        }
    }
}

/// The text that the seal of a JSON message covers: the values, in the ASCII order of their names.
pub(super) fn sealed_text(message: &Map<String, Value>) -> String {
    let mut text = String::new();
    let sealed = message.iter().filter(|(name, _)| !UNSEALED.contains(&name.as_str()));
    append_members(&mut text, sealed);
    text
}

fn append_members<'a>(text: &mut String, members: impl Iterator<Item = (&'a String, &'a Value)>) {
    let mut members: Vec<_> = members.collect();
    members.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
    for (_, value) in members {
        append(text, value);
    }
}

fn append(text: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(words) => text.push_str(words),
        // Booleans as JSON booleans occur in no sample; the guides send them as text.
        Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
        Value::Array(items) => items.iter().for_each(|item| append(text, item)),
        Value::Object(members) => append_members(text, members.iter()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors published by the provider (p), and computed with the public test key (c, n).
    ///
    /// Source: Paypage JSON guide and Paypage POST guide (samples); tests of the SDKs that Worldline publishes.
    #[test]
    fn the_vectors_verify() {
        let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors.json")).unwrap();
        for vector in &vectors {
            let written = || vector["text"].as_str().unwrap().to_owned();
            let text = vector["message"].as_object().map_or_else(written, sealed_text);
            assert!(vector["text"].is_null() || vector["text"] == text, "{vector}");
            for (algorithm, seal) in vector["seals"].as_object().unwrap() {
                let made = Algorithm::named(algorithm).unwrap().seal(&text, vector["key"].as_str().unwrap());
                assert_eq!(*seal, made, "{} {algorithm}", vector["name"]);
            }
        }
        assert_eq!(vectors.len(), 24);
    }
}
