//! The issuer's public keys (RFC 7517): fetched, kept, fetched again in the background and when a token names a key that
//! is not among them.

use std::{
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};

/// How often keys are fetched although nothing asks for it. A key the issuer has withdrawn is refused after this long.
const REFRESH: Duration = Duration::from_secs(300);
/// How soon a failed fetch is tried again in the background.
const RETRY: Duration = Duration::from_secs(15);
/// Shortest time between two fetches, whatever tokens name: a stranger must not make us call the issuer at will.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest time for one fetch.
const FETCH_TIME: Duration = Duration::from_secs(5);
/// Largest set of keys, in bytes.
const BYTES_MAX: usize = 256 * 1024;
/// Most keys of one set.
const KEYS_MAX: usize = 100;

#[derive(Clone)]
struct Key {
    id: String,
    /// What the issuer says it is for.
    algorithm: Option<KeyAlgorithm>,
    key: DecodingKey,
}

/// The keys of one issuer.
pub(super) struct IssuerKeys {
    url: String,
    keys: RwLock<Arc<Vec<Key>>>,
    /// When the last fetch began. Held while fetching, so that there is one at a time.
    fetched: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerKeys").field("url", &self.url).finish_non_exhaustive()
    }
}

impl IssuerKeys {
    /// Begins to fetch, and goes on until the keys are dropped.
    pub(super) fn start(url: String) -> Arc<Self> {
        let keys = Arc::new(Self { url, keys: RwLock::default(), fetched: Mutex::default() });
        tokio::spawn(keep_fresh(Arc::downgrade(&keys)));
        keys
    }

    /// The keys of this set, which are never fetched; for the fuzz targets.
    #[cfg(feature = "faults")]
    pub(super) fn fixed(set: &[u8]) -> Result<Arc<Self>, &'static str> {
        // Fetched in the far future, so never due.
        let fetched = Instant::now() + Duration::from_secs(1_000_000_000);
        let keys = RwLock::new(Arc::new(keys_of(set)?));
        Ok(Arc::new(Self { url: String::new(), keys, fetched: Mutex::new(Some(fetched)) }))
    }

    /// How many there are.
    #[cfg(feature = "faults")]
    pub(super) fn count(&self) -> usize {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The key with this id that is for this algorithm. Asks the issuer when it is not known.
    pub(super) async fn find(&self, id: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        if let Some(key) = self.known(id, algorithm) {
            return Some(key);
        }
        let mut fetched = self.fetched.lock().await;
        // Somebody else may have fetched it while this one waited.
        if let Some(key) = self.known(id, algorithm) {
            return Some(key);
        }
        if fetched.is_some_and(|at| at.elapsed() < PAUSE) {
            return None;
        }
        *fetched = Some(Instant::now());
        self.fetch().await;
        drop(fetched);
        self.known(id, algorithm)
    }

    fn known(&self, id: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let is_for = |key: &&Key| {
            key.id == id
                && key.key.family() == algorithm.family()
                && key.algorithm.is_none_or(|said| said.to_string() == format!("{algorithm:?}"))
        };
        keys.iter().find(is_for).map(|key| key.key.clone())
    }

    /// Fetches the set and puts it in force as a whole; on failure the old one stays.
    async fn fetch(&self) -> bool {
        match tokio::time::timeout(FETCH_TIME, read(&self.url)).await {
            Ok(Ok(keys)) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                true
            }
            Ok(Err(problem)) => failed(problem),
            Err(_) => failed("the issuer answered too late"),
        }
    }
}

fn failed(problem: &str) -> bool {
    tracing::error!(alert = "issuer_keys", reason = problem, "the issuer's keys could not be fetched");
    false
}

async fn keep_fresh(keys: Weak<IssuerKeys>) {
    loop {
        let pause = {
            let Some(keys) = keys.upgrade() else { return };
            let mut fetched = keys.fetched.lock().await;
            *fetched = Some(Instant::now());
            if keys.fetch().await { REFRESH } else { RETRY }
        };
        tokio::time::sleep(pause).await;
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

async fn read(url: &str) -> Result<Vec<Key>, &'static str> {
    // Whoever comes first installs the provider; a second attempt fails harmlessly.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(FETCH_TIME)
        .user_agent(concat!("guichet/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| "the HTTP client cannot be built")?;
    let mut response = client.get(url).send().await.map_err(|_| "the issuer cannot be reached")?;
    if response.status() != reqwest::StatusCode::OK {
        return Err("the issuer did not answer with 200");
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| "the connection broke")? {
        if body.len().saturating_add(chunk.len()) > BYTES_MAX {
            return Err("the set of keys is larger than 256 KiB");
        }
        body.extend_from_slice(&chunk);
    }
    keys_of(&body)
}

/// The keys of a set that may check signatures.
fn keys_of(body: &[u8]) -> Result<Vec<Key>, &'static str> {
    let set: Set = serde_json::from_slice(body).map_err(|_| "the answer is no set of keys")?;
    if set.keys.len() > KEYS_MAX {
        return Err("there are more than 100 keys");
    }
    Ok(set.keys.into_iter().filter_map(key).collect())
}

/// A key that may check signatures. Others, and those of kinds we do not know, are passed over.
fn key(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    // Not `OctetKey`: a secret in a public set is known to everybody.
    let is_public = matches!(
        jwk.algorithm,
        AlgorithmParameters::RSA(_)
            | AlgorithmParameters::EllipticCurve(_)
            | AlgorithmParameters::OctetKeyPair(_)
    );
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    if !is_public || !signs {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { id: jwk.common.key_id?, algorithm: jwk.common.key_algorithm, key })
}
