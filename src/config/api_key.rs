//! API keys of callers: `gk_` and 43 base64url characters, which are 256 random bits. Only the SHA-256 is configured.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rand_core::OsError;
use rand::rngs::OsRng;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Starts every key, so that a leaked one is recognised.
const PREFIX: &str = "gk_";
/// Base64url characters of 256 bits.
const RANDOM_CHARACTERS: usize = 43;

/// A new key and what to configure for it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The whole key, which the client keeps.
    pub secret: SecretString,
    /// The hex SHA-256 of the whole key, for `key_sha256`.
    pub sha256_hex: String,
}

/// Makes a key from the operating system's random numbers.
///
/// # Errors
/// The operating system has none to give.
pub fn generate() -> Result<ApiKey, OsError> {
    let mut random = Zeroizing::new([0_u8; 32]);
    OsRng.try_fill_bytes(random.as_mut_slice())?;
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(*random));
    let secret = SecretString::from(format!("{PREFIX}{}", *encoded));
    let sha256_hex = sha256_hex(secret.expose_secret());
    Ok(ApiKey { secret, sha256_hex })
}

/// The SHA-256 of a whole key.
pub fn sha256(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The SHA-256 of a whole key in lower-case hex.
pub fn sha256_hex(key: &str) -> String {
    hex::encode(sha256(key))
}

/// Whether text has the form of a key. It says nothing about whether anybody has that key.
pub fn is_well_formed(key: &str) -> bool {
    key.strip_prefix(PREFIX).is_some_and(|random| {
        random.len() == RANDOM_CHARACTERS
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and its hash by Python: `hashlib.sha256(key.encode()).hexdigest()`, where the key is
    /// `"gk_" + base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")`.
    const VECTOR: (&str, &str) = (
        "gk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "999569557d88fe149bff6e6bddfcf262ee6de120b13f83a07301a836de3ca5ec",
    );

    #[test]
    fn the_hash_is_over_the_whole_key() {
        assert!(is_well_formed(VECTOR.0));
        assert_eq!(sha256_hex(VECTOR.0), VECTOR.1);
    }

    #[test]
    fn new_keys_are_well_formed_hidden_and_different() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        let secret = one.secret.expose_secret();
        assert!(is_well_formed(secret), "{secret}");
        assert_eq!(sha256_hex(secret), one.sha256_hex);
        assert_ne!(one.sha256_hex, two.sha256_hex);
        assert!(!format!("{one:?}").contains(secret));
    }

    #[test]
    fn other_text_is_not_a_key() {
        let random = &VECTOR.0[PREFIX.len()..];
        for wrong in [
            "",
            "gk_",
            random,
            &format!("GK_{random}"),
            &VECTOR.0[..VECTOR.0.len() - 1],
            &format!("{}A", VECTOR.0),
            &format!("{}=", &VECTOR.0[..VECTOR.0.len() - 1]),
            &format!("{}+", &VECTOR.0[..VECTOR.0.len() - 1]),
        ] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }
}
