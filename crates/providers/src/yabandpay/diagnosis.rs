//! What a message that does not verify was signed with, as far as it can be told. For operators; nothing is
//! accepted by it.
//!
//! The mistakes are those that integrations are known to make: the official documentation contradicts itself.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::form_urlencoded::byte_serialize;

use super::signature::{joined, verifies};

type Pair = (String, String);

/// Names the secret and the mistake, if it is a known one. `members` are in the order of the message.
pub(super) fn explain(secrets: &[(&str, &SecretString)], members: &[Pair], signature: &[u8]) -> String {
    let mut sorted = members.to_vec();
    sorted.sort();
    let mut by_letter = members.to_vec();
    by_letter.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    let escaped: Vec<Pair> = sorted
        .iter()
        .map(|(name, value)| (name.clone(), byte_serialize(value.as_bytes()).collect()))
        .collect();
    let message = text(&sorted);
    for (key, secret) in secrets {
        for (members, mistake) in [
            (&members.to_vec(), "its members in the order of the message instead of sorted"),
            (&by_letter, "its members sorted without regard to case"),
            (&escaped, "its values URL-encoded"),
        ] {
            if verifies(secret, &text(members), signature) {
                return format!("signed with the {key}, but with {mistake}");
            }
        }
        let plain = secret.expose_secret();
        for (message, mistake) in [
            (format!("{message}&key={plain}"), "`&key=` and the secret appended"),
            (format!("{message}{plain}"), "the secret appended"),
        ] {
            if Sha256::digest(message.as_bytes()).as_slice() == signature {
                return format!("a plain SHA-256 with {mistake}, not HMAC-SHA256, of the {key}");
            }
        }
    }
    let names = secrets.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" nor the ");
    format!("signed with neither the {names} in any known way: another secret, or the message was altered")
}

fn text(members: &[Pair]) -> String {
    joined(members.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(message: &[(&str, &str)]) -> Vec<Pair> {
        message.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The published wrong results of the vectors 1 and 3. That of the vector 5 is a rule that is taken.
    #[test]
    fn the_known_mistakes_are_named() {
        let first = [
            ("method", "v3.CancelPayment"),
            ("time", "1700000000"),
            ("trade_id", "11111111-2222-4333-8444-555555555555"),
            ("user", "900001"),
        ];
        let third = [
            ("amount", "12.50"),
            ("currency", "EUR"),
            ("description", "Test order 1"),
            ("method", "v3.CreatePayments"),
            ("notify_url", "https://shop.example/notify"),
            ("order_id", "ORD-0001"),
            ("pay_method", "online"),
            ("redirect_url", "https://shop.example/return?o=1&x=a b"),
            ("sub_pay_method", "WeChat Pay"),
            ("time", "1700000000"),
            ("timeout", "30"),
            ("user", "900001"),
        ];
        let current = SecretString::from("other");
        let previous = SecretString::from("made-up-secret-for-tests-0001");
        let secrets = [("secret_key", &current), ("previous_secret_key", &previous)];
        for (message, signature, words) in [
            (
                &first[..],
                "a398bd165d02e70f92fe29f1037500ed12eac94f262004536173d44972b2494e",
                "`&key=` and the secret appended",
            ),
            (
                &first[..],
                "7550971205b34bf650a423b9f7f3acb1cb014ec4c7bbcc6a598ac36c8f54b1b5",
                "with the secret appended",
            ),
            (
                &third[..],
                "f7b7aa0bc6a59bbd802f7b68078edd53750c1bbd8d83d927a1ad6896dbb75775",
                "its values URL-encoded",
            ),
        ] {
            let told = explain(&secrets, &pairs(message), &hex::decode(signature).unwrap());
            assert!(told.contains(words) && told.contains("previous_secret_key"), "{told}");
            assert!(!told.contains("made-up"), "{told}");
        }
        let told = explain(&secrets[..1], &pairs(&first), &[0; 32]);
        assert!(told.contains("another secret, or the message was altered"), "{told}");
    }
}
