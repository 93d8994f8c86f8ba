//! The issuer's public keys (RFC 7517): fetched, kept, fetched again in the background and when a token names a key that
//! is not among them.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
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
/// Requests that may wait for a fetch, of those whose tokens name a key that is not known. The others are refused at once:
/// an issuer that answers slowly must not hold their places.
const WAITING_MAX: usize = 1;
/// The same while no key is known at all, so that the first requests after a start need not come again.
const WAITING_AT_FIRST: usize = 16;
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
    keys: ArcSwap<Vec<Key>>,
    /// When the last fetch began. Held while fetching, so that there is one at a time.
    fetched: Arc<Mutex<Option<Instant>>>,
    /// Requests that wait for a fetch.
    waiting: AtomicUsize,
}

/// A request that waits for a fetch, until this is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerKeys").field("url", &self.url).finish_non_exhaustive()
    }
}

impl IssuerKeys {
    /// Begins to fetch, and goes on until the keys are dropped.
    pub(super) fn start(url: String) -> Arc<Self> {
        let keys = Arc::new(Self::of(url, ArcSwap::default(), None));
        tokio::spawn(keep_fresh(Arc::downgrade(&keys)));
        keys
    }

    fn of(url: String, keys: ArcSwap<Vec<Key>>, fetched: Option<Instant>) -> Self {
        Self { url, keys, fetched: Arc::new(Mutex::new(fetched)), waiting: AtomicUsize::default() }
    }

    /// Takes over what these know of the same issuer, until the first fetch. A reload must not make every key unknown.
    pub(super) fn begin_with(&self, before: &Self) {
        if self.url == before.url {
            let known = before.keys.load_full();
            self.keys.rcu(|keys| Arc::clone(if keys.is_empty() { &known } else { keys }));
        }
    }

    /// The keys of this set, which are never fetched; for the fuzz targets.
    #[cfg(feature = "faults")]
    pub(super) fn fixed(set: &[u8]) -> Result<Arc<Self>, &'static str> {
        // Fetched in the far future, so never due.
        let fetched = Instant::now() + Duration::from_secs(1_000_000_000);
        let keys = ArcSwap::from_pointee(keys_of(set)?);
        Ok(Arc::new(Self::of(String::new(), keys, Some(fetched))))
    }

    /// How many there are.
    #[cfg(feature = "faults")]
    pub(super) fn count(&self) -> usize {
        self.keys.load().len()
    }

    /// The key with this id that is for this algorithm. Asks the issuer when it is not known; while one request waits for
    /// that, what is not known does not exist for the others.
    pub(super) async fn find(self: &Arc<Self>, id: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        if let Some(key) = self.known(id, algorithm) {
            return Some(key);
        }
        let _waits = self.wait()?;
        let mut fetched = Arc::clone(&self.fetched).lock_owned().await;
        // Somebody else may have fetched it while this one waited.
        if let Some(key) = self.known(id, algorithm) {
            return Some(key);
        }
        if fetched.is_some_and(|at| at.elapsed() < PAUSE) {
            return None;
        }
        *fetched = Some(Instant::now());
        let keys = Arc::clone(self);
        // A caller that hangs up must not end it: the next fetch may only come after the pause.
        let fetch = tokio::spawn(async move {
            keys.fetch().await;
            drop(fetched);
        });
        let _ = fetch.await;
        self.known(id, algorithm)
    }

    /// Whether one more request may wait for a fetch.
    fn wait(&self) -> Option<Waits<'_>> {
        let is_first = self.keys.load().is_empty();
        let most = if is_first { WAITING_AT_FIRST } else { WAITING_MAX };
        let one_more = |waiting: usize| (waiting < most).then_some(waiting.saturating_add(1));
        self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        Some(Waits(&self.waiting))
    }

    fn known(&self, id: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        let keys = self.keys.load();
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
                self.keys.store(Arc::new(keys));
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    /// A set with this key.
    fn set(id: &str) -> Vec<u8> {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x}]}).to_string().into_bytes()
    }

    fn keys(url: &str, known: Option<&str>) -> Arc<IssuerKeys> {
        let known = known.map(|id| keys_of(&set(id)).unwrap()).unwrap_or_default();
        Arc::new(IssuerKeys::of(url.to_owned(), ArcSwap::from_pointee(known), None))
    }

    /// Polls once; whether it is over.
    fn is_over<F: Future<Output = Option<DecodingKey>> + Unpin>(find: &mut F) -> bool {
        find.now_or_never().is_some()
    }

    #[tokio::test]
    async fn one_request_waits_for_a_slow_issuer_and_the_others_are_refused_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let keys = keys(&format!("http://{}/", listener.local_addr().unwrap()), Some("known"));
        let find = |id: &'static str| Box::pin(keys.find(id, Algorithm::EdDSA));
        let mut first = find("new");
        assert!(!is_over(&mut first), "it waits for the issuer, which never answers");
        for _ in 0..100 {
            assert!(find("new").now_or_never().unwrap().is_none());
            assert!(find("other").now_or_never().unwrap().is_none());
            assert!(find("known").now_or_never().unwrap().is_some(), "known keys go on");
        }
        // A caller that goes away makes room, and the fetch that it began goes on.
        drop(first);
        assert_eq!(keys.waiting.load(Ordering::SeqCst), 0);
        assert!(!is_over(&mut find("new")));
        assert!(keys.fetched.try_lock().is_err());
    }

    #[tokio::test]
    async fn a_few_wait_while_no_key_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let keys = keys(&format!("http://{}/", listener.local_addr().unwrap()), None);
        let mut waiting = Vec::new();
        for _ in 0..100 {
            let mut find = Box::pin(keys.find("new", Algorithm::EdDSA));
            if !is_over(&mut find) {
                waiting.push(find);
            }
        }
        assert_eq!(waiting.len(), WAITING_AT_FIRST);
    }

    #[test]
    fn a_reload_keeps_the_keys_of_the_same_issuer() {
        let before = keys("https://a.example/", Some("known"));
        let is_known = |after: &IssuerKeys| after.known("known", Algorithm::EdDSA).is_some();
        for (url, kept) in [("https://a.example/", true), ("https://b.example/", false)] {
            let after = keys(url, None);
            after.begin_with(&before);
            assert_eq!(is_known(&after), kept, "{url}");
        }
        let after = keys("https://a.example/", Some("newer"));
        after.begin_with(&before);
        assert!(!is_known(&after), "what was fetched since goes first");
    }
}
