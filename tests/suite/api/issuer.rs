//! An issuer of tokens: its keys on a port of its own, and tokens signed with ring, not with what checks them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaKeyPair,
    },
};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://issuer.example";
pub const AUDIENCE: &str = "guichet";

/// Made for these tests; it opens nothing.
const RSA: &[u8] = include_bytes!("issuer_test_key.der");

#[derive(Debug)]
pub struct Issuer {
    pub url: String,
    pub fetches: Arc<AtomicUsize>,
    keys: Arc<Mutex<Value>>,
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    all: Value,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a token that may do everything everywhere.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": [AUDIENCE, "another"], "sub": "service-account-7", "client_id": "shop",
        "iat": now(), "nbf": now(), "exp": now() + 300, "accounts": "*",
        "scope": "openid orders:read orders:create orders:update orders:cancel orders:refund orders:capture \
                  events:read endpoints:admin operations:settle",
    })
}

/// The claims with some members changed; `null` removes one.
pub fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

impl Issuer {
    pub async fn start() -> Self {
        let random = SystemRandom::new();
        let rsa = RsaKeyPair::from_pkcs8(RSA).unwrap();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let ed =
            Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(rsa.public());
        let point = ec.public_key().as_ref();
        let all = json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "use": "sig", "n": encode(&n), "e": encode(&e)},
            {"kty": "RSA", "kid": "rsa-rs256-only", "alg": "RS256", "n": encode(&n), "e": encode(&e)},
            {"kty": "RSA", "kid": "rsa-enc", "use": "enc", "n": encode(&n), "e": encode(&e)},
            {"kty": "EC", "crv": "P-256", "kid": "ec", "x": encode(&point[1..33]), "y": encode(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encode(ed.public_key())},
            {"kty": "oct", "kid": "secret", "k": encode("a secret in a public place")},
            {"kty": "quantum", "kid": "later"},
        ]});
        let keys = Arc::new(Mutex::new(all.clone()));
        let fetches = Arc::new(AtomicUsize::new(0));
        let served = {
            let (keys, fetches) = (Arc::clone(&keys), Arc::clone(&fetches));
            move || async move {
                fetches.fetch_add(1, Ordering::SeqCst);
                keys.lock().unwrap().to_string()
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/keys", get(served))).await });
        Self { url, fetches, keys, rsa, ec, ed, all }
    }

    /// Publishes only the keys with these ids.
    pub fn publish(&self, ids: &[&str]) {
        let mut set = self.all.clone();
        set["keys"].as_array_mut().unwrap().retain(|key| ids.contains(&key["kid"].as_str().unwrap()));
        *self.keys.lock().unwrap() = set;
    }

    /// A token with this algorithm and key id.
    pub fn token(&self, algorithm: &str, kid: &str, claims: &Value) -> String {
        self.token_with(&json!({"alg": algorithm, "typ": "at+jwt", "kid": kid}), claims)
    }

    /// A token with any header.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let random = SystemRandom::new();
        let mut long = vec![0; self.rsa.public().modulus_len()];
        let signature = match header["alg"].as_str().unwrap() {
            "RS256" => {
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut long).unwrap();
                long
            }
            "PS256" => {
                self.rsa.sign(&RSA_PSS_SHA256, &random, message.as_bytes(), &mut long).unwrap();
                long
            }
            "ES256" => self.ec.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed.sign(message.as_bytes()).as_ref().to_vec(),
            // With the public key as the secret: the classic confusion.
            "HS256" => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.rsa.public().as_ref());
                hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
            }
            _ => Vec::new(),
        };
        format!("{message}.{}", encode(signature))
    }

    /// A good token.
    pub fn good(&self) -> String {
        self.token("RS256", "rsa", &claims())
    }

    /// Settings for `auth.mode = "jwt"` with this issuer.
    pub fn settings(&self, auth: &mut guichet::config::AuthSettings) {
        auth.mode = guichet::config::AuthMode::Jwt;
        auth.jwt.issuer = Some(ISSUER.to_owned());
        auth.jwt.audience = Some(AUDIENCE.to_owned());
        auth.jwt.jwks_url = Some(self.url.clone());
    }
}
