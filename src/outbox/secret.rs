//! Secrets and signatures of Standard Webhooks 1.0.
//!
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, sections
//! "Signature scheme" and "Symmetric signatures": `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`, the key
//! being the base64 after `whsec_`; several signatures are separated by spaces.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRngCore, rngs::OsRng};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use sha2::Sha256;

/// Starts every secret.
const PREFIX: &str = "whsec_";
/// Random bytes of a key; the standard asks for 24 to 64.
const KEY_BYTES: usize = 32;

/// A new secret from the operating system's random numbers.
///
/// # Errors
/// The operating system has none to give.
pub(super) fn generate() -> Result<SecretString, rand::rand_core::OsError> {
    let mut random = Zeroizing::new([0_u8; KEY_BYTES]);
    OsRng.try_fill_bytes(random.as_mut_slice())?;
    let encoded = Zeroizing::new(STANDARD.encode(*random));
    Ok(SecretString::from(format!("{PREFIX}{}", *encoded)))
}

/// The `webhook-signature` of a message: one signature for each secret.
///
/// `None` when a secret is not one of ours.
pub(super) fn signatures<'a>(
    secrets: impl IntoIterator<Item = &'a SecretString>,
    id: &str,
    timestamp_seconds: i64,
    body: &[u8],
) -> Option<String> {
    let mut all = Vec::new();
    for secret in secrets {
        all.push(format!("v1,{}", signature(secret, id, timestamp_seconds, body)?));
    }
    Some(all.join(" "))
}

fn signature(secret: &SecretString, id: &str, timestamp_seconds: i64, body: &[u8]) -> Option<String> {
    let encoded = secret.expose_secret().strip_prefix(PREFIX)?;
    let key = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp_seconds}.").as_bytes());
    mac.update(body);
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the tests of the standard's own libraries (`libraries/rust/src/lib.rs`, `test_sign`).
    #[test]
    fn signs_the_published_vector() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed =
            signatures([&secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_independent_library_takes_both_signatures_of_a_rotation() {
        let (old, new) = (generate().unwrap(), generate().unwrap());
        let now = jiff::Timestamp::now().as_second();
        let body = br#"{"type":"order.paid"}"#;
        let signed = signatures([&new, &old], "evt_1", now, body).unwrap();
        let mut headers = http::HeaderMap::new();
        for (name, value) in
            [("webhook-id", "evt_1"), ("webhook-timestamp", &now.to_string()), ("webhook-signature", &signed)]
        {
            headers.insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        for secret in [&old, &new] {
            let receiver = standardwebhooks::Webhook::new(secret.expose_secret()).unwrap();
            receiver.verify(body, &headers).unwrap();
            receiver.verify(b"{}", &headers).unwrap_err();
        }
        let stranger = generate().unwrap();
        standardwebhooks::Webhook::new(stranger.expose_secret()).unwrap().verify(body, &headers).unwrap_err();
    }

    #[test]
    fn secrets_are_long_different_and_hidden() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one.expose_secret(), two.expose_secret());
        let key = one.expose_secret().strip_prefix(PREFIX).unwrap();
        assert_eq!(STANDARD.decode(key).unwrap().len(), KEY_BYTES);
        assert!(!format!("{one:?}").contains(key));
        assert!(signatures([&SecretString::from("other")], "a", 1, b"").is_none());
    }
}
