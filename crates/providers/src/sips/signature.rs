//! The seal: what proves that a request is ours and an answer the platform's.
//!
//! Source: Worldline Sips 2.0, Paypage JSON guide and Office JSON guide, "Sealing", release 25.2, and the SDKs
//! Worldline publishes. The rules that are easy to get wrong:
//! - Only values are sealed, ordered by the names of their members in ASCII order: capitals before small letters.
//! - `keyVersion`, `sealAlgorithm` and `seal` are left out, everything else is in, members not known here too.
//! - The key is the text of the secret, not what it would mean as hexadecimal or base64.
//!
//! Since names and boundaries are not sealed, a digit moved from the end of one value to the start of the next
//! keeps the seal. That is why an answer is also checked against what was asked.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// Members that are not sealed (Office JSON guide, "Sealing", step 1).
const UNSEALED: [&str; 3] = ["keyVersion", "sealAlgorithm", "seal"];

/// How a seal is computed (cancel page of the Sherlock's reference, 2.55, `sealAlgorithm`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SealAlgorithm {
    /// HMAC with the secret: what a JSON interface uses when the request names none.
    HmacSha256,
    /// The same with SHA-512. Listed, but without a published example: its formula is by analogy.
    HmacSha512,
    /// SHA-256 over text and secret: old and discouraged, and what a notification is sealed with when the payment
    /// request named none.
    Sha256,
}

impl SealAlgorithm {
    /// Every algorithm.
    pub(super) const ALL: [Self; 3] = [Self::HmacSha256, Self::HmacSha512, Self::Sha256];

    /// The platform's word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "HMAC-SHA-256",
            Self::HmacSha512 => "HMAC-SHA-512",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The algorithm with this word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == word)
    }

    fn digest(self, text: &[u8], key: &SecretString) -> Vec<u8> {
        let key = key.expose_secret().as_bytes();
        match self {
            // An HMAC takes keys of any length.
            Self::HmacSha256 => Hmac::<Sha256>::new_from_slice(key)
                .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
                .unwrap_or_default(),
            Self::HmacSha512 => Hmac::<Sha512>::new_from_slice(key)
                .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
                .unwrap_or_default(),
            Self::Sha256 => Sha256::new().chain_update(text).chain_update(key).finalize().to_vec(),
        }
    }

    /// The seal over a text, in lower-case hexadecimal.
    pub(super) fn seal(self, text: &str, key: &SecretString) -> String {
        hex::encode(self.digest(text.as_bytes(), key))
    }

    /// Whether a seal is of this text, compared in constant time. Capitals are accepted: they seal the same.
    pub(super) fn matches(self, text: &[u8], key: &SecretString, seal: &str) -> bool {
        let Ok(seal) = hex::decode(seal) else { return false };
        let right = self.digest(text, key);
        !right.is_empty() && bool::from(right.ct_eq(&seal))
    }
}

/// The text that is sealed for the members of a JSON request or answer.
pub(super) fn sealed_text(members: &Map<String, Value>) -> String {
    let mut text = String::new();
    write_members(members.iter().filter(|(name, _)| !UNSEALED.contains(&name.as_str())), &mut text);
    text
}

fn write_members<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>, text: &mut String) {
    let mut members: Vec<_> = members.collect();
    // Text compares by its bytes, which for names is ASCII order.
    members.sort_unstable_by_key(|(name, _)| *name);
    for (_, value) in members {
        write_value(value, text);
    }
}

/// Containers stand where their own name sorts; items of lists keep the order they are sent in.
fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => text.push_str(string),
        Value::Array(items) => items.iter().for_each(|item| write_value(item, text)),
        Value::Object(members) => write_members(members.iter(), text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::vectors, *};

    fn members(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_vector_of_members_holds() {
        let all = vectors::all().sealed;
        assert_eq!(all.len(), 17);
        for vector in all {
            assert_eq!(sealed_text(&vector.members), vector.text, "{}", vector.name);
            let key = vector.key.into();
            for (word, seal) in &vector.seals {
                let algorithm = vectors::algorithm(word);
                assert_eq!(algorithm.seal(&vector.text, &key), *seal, "{} {word}", vector.name);
                assert!(algorithm.matches(vector.text.as_bytes(), &key, seal), "{} {word}", vector.name);
                assert!(algorithm.matches(vector.text.as_bytes(), &key, &seal.to_uppercase()));
            }
        }
    }

    #[test]
    fn every_vector_of_a_text_holds() {
        let all = vectors::all().texts;
        assert_eq!(all.len(), 8);
        for vector in all {
            let (key, other) = (vector.key.into(), "another key".into());
            for (word, seal) in &vector.seals {
                let algorithm = vectors::algorithm(word);
                assert_eq!(algorithm.seal(&vector.text, &key), *seal, "{} {word}", vector.name);
                assert!(!algorithm.matches(vector.text.as_bytes(), &other, seal), "{}", vector.name);
            }
        }
    }

    #[test]
    fn what_is_not_a_seal_never_matches() {
        let key = "k".into();
        for algorithm in SealAlgorithm::ALL {
            assert_eq!(SealAlgorithm::from_word(algorithm.as_str()), Some(algorithm));
            let right = algorithm.seal("text", &key);
            for seal in
                ["", "0", "xyz", &right[1..], &right[2..], &format!("{right}00"), &format!(" {right}")]
            {
                assert!(!algorithm.matches(b"text", &key, seal), "{algorithm:?} {seal}");
            }
        }
        assert_eq!(SealAlgorithm::from_word("sha256"), None);
    }

    #[test]
    fn flags_nulls_and_nesting_are_written_as_the_guides_say() {
        let all = json!({
            "b": {"Z": 2, "a": [true, null, {"y": "3", "x": 4}]}, "B": false, "1": "first", "none": null,
            "seal": "no", "sealAlgorithm": "no", "keyVersion": "no",
        });
        assert_eq!(sealed_text(&members(all)), "firstfalse2true43");
        assert_eq!(sealed_text(&Map::new()), "");
    }
}
