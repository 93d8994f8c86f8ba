//! HMAC-SHA-256, which all platforms sign with.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// 64 lower-case hexadecimal digits. The key is the secret's text itself, not decoded.
pub(crate) fn sha256(text: &str, key: &str) -> String {
    keyed::<Hmac<Sha256>>(text, key)
}

/// The same with another hash.
pub(crate) fn keyed<M: Mac + KeyInit>(text: &str, key: &str) -> String {
    // HMAC takes keys of any length, so the empty result, which is never a signature, is never seen.
    let keyed = <M as KeyInit>::new_from_slice(key.as_bytes());
    keyed.map(|keyed| hex::encode(keyed.chain_update(text).finalize().into_bytes())).unwrap_or_default()
}
