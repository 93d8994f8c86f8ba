//! What is signed here are notifications; REST requests are not (Basic authentication only).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether `hash` (hexadecimal) is the HMAC-SHA-256 of `message` under `key`, compared in constant time.
/// Source: Lyra REST API V4, "IPN: verify the hash": both are used as text, the key is not decoded.
pub(super) fn verifies(key: &str, message: &str, hash: &str) -> bool {
    let (Ok(mut mac), Ok(hash)) = (Hmac::<Sha256>::new_from_slice(key.as_bytes()), hex::decode(hash)) else {
        return false;
    };
    mac.update(message.as_bytes());
    mac.verify_slice(&hash).is_ok()
}

/// The hash that the platform would send with this text.
#[cfg(test)]
pub(super) fn sign(key: &str, message: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    hex::encode(mac.chain_update(message).finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "testpassword_DEMOPRIVATEKEY23G4475zXZQ2UA5x7M";
    const HMAC_KEY: &str = "38453613e7f44dc58732bad3dca2bca3";

    /// Published keys of Lyra's demonstration shop, and texts signed with them.
    #[test]
    fn the_vectors_verify_and_nothing_else_does() {
        let v1 = r#"{"orderStatus":"PAID","_type":"V4/Payment"}"#;
        let v2 = r#"{"customer":{"lastName":"Noël"},"u":"a/b","_type":"V4/Payment"}"#;
        for (key, text, hash) in [
            (PASSWORD, v1, "2f8e7ae3f600aa2a0d84920a79811fcb2be324b030237bf1a79d536964c09136"),
            (HMAC_KEY, v1, "65c08800e2493be08b78f1250beeaeef3383e767659c41256c98af16f7693557"),
            (PASSWORD, v2, "0706aab910837780056dc72cded6173565bf9e5a23cf77445620852e12c8d810"),
        ] {
            assert!(verifies(key, text, hash));
            assert!(!verifies(key, &text.replace('P', "Q"), hash));
            assert!(!verifies(&format!("{key}x"), text, hash));
            assert!(!verifies(key, text, &hash[..62]));
            assert!(!verifies(key, text, "zz"));
        }
    }
}
