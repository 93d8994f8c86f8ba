//! What callers send, for the fuzz targets of `crate::fuzz`: only with the cargo feature `faults`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a property that does not hold must stop the fuzzer"
)]

use std::{collections::BTreeSet, sync::LazyLock};

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Map, Value, json};

use super::{
    body::{fingerprint, read_members},
    create,
    cursor::{self, Cursors},
    events::Asked,
    every_request, jwt, movements, operations, orders,
    query::read_limit,
    requests::JSON_OR_MERGE_PATCH,
    webhooks,
};
use crate::{
    config::{AllowedAccounts, JwtSettings, Scope},
    domain::{Money, NewOrder, money::MAX_MINOR},
    orders::Caller,
    problem::{Problem, ProblemCode},
    store::outbox::CursorKey,
    trace,
};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "guichet";
const KEY_ID: &str = "k1";

fn is_in_range(amount: &Money) {
    assert!((1..=MAX_MINOR).contains(&amount.value()), "{amount:?}");
}

/// A refusal of a body is one of these, and names where and why.
fn is_refusal(problem: &Problem) {
    if problem.code == ProblemCode::InvalidJson {
        return;
    }
    assert_eq!(problem.code, ProblemCode::ValidationFailed, "a body is refused with {problem:?}");
    assert!(!problem.errors.is_empty(), "a violation without a place");
    for error in &problem.errors {
        assert!(error.pointer.is_empty() || error.pointer.starts_with('/'), "{}", error.pointer);
    }
}

/// The members of a body, which mean the same however they are written.
fn members(data: &[u8], media: &'static str) -> Option<Map<String, Value>> {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media))]);
    let read = |bytes: &[u8]| read_members(&headers, bytes, JSON_OR_MERGE_PATCH);
    let members = match read(data) {
        Ok(members) => members,
        Err(problem) => {
            is_refusal(&problem);
            return None;
        }
    };
    let print = |members: &Map<String, Value>| fingerprint("POST", "/orders", "", members, true);
    let mut turned = Map::new();
    for (name, value) in members.iter().rev() {
        turned.insert(name.clone(), value.clone());
    }
    let again = read(Value::Object(turned).to_string().as_bytes()).expect("it is JSON");
    assert_eq!(print(&members), print(&again), "the same body has two fingerprints");
    Some(members)
}

/// The body of a creation.
pub fn create_body(data: &[u8]) -> Option<NewOrder> {
    match create::read(&members(data, "application/json")?) {
        Ok((_, order)) => {
            is_in_range(&order.amount);
            assert!((1..=64).contains(&order.merchant_reference.chars().count()));
            assert!(order.metadata.len() <= 50);
            Some(order)
        }
        Err(problem) => {
            is_refusal(&problem);
            None
        }
    }
}

/// The bodies of PATCH, of a cancel, capture or refund, and of a person's decision.
pub fn change_body(data: &[u8]) {
    let Some(members) = members(data, "application/merge-patch+json") else { return };
    match orders::patch(&members) {
        Ok(patch) => {
            if let Some(amount) = patch.amount.value() {
                is_in_range(amount);
            }
            let stored = serde_json::to_string(&patch).expect("a patch can be stored");
            assert_eq!(
                Some(&patch),
                serde_json::from_str(&stored).ok().as_ref(),
                "a patch changes in the store"
            );
            // A merge patch does once what it does twice.
            if let Some(mut order) =
                create_body(br#"{"amount":{"value":1,"currency":"EUR"},"merchant_reference":"a"}"#)
            {
                order.apply(&patch);
                let once = order.clone();
                order.apply(&patch);
                assert_eq!(order, once);
                is_in_range(&order.amount);
            }
        }
        Err(problem) => is_refusal(&problem),
    }
    match movements::part(&members) {
        Ok(amount) => amount.iter().for_each(is_in_range),
        Err(problem) => is_refusal(&problem),
    }
    match operations::decision(&members) {
        Ok((status, reason)) => assert!(status.is_final() && !reason.is_empty()),
        Err(problem) => is_refusal(&problem),
    }
}

/// The bodies of webhook endpoints: making and changing one, rotating its secret, replaying.
pub fn endpoint_body(data: &[u8]) {
    let Some(members) = members(data, "application/json") else { return };
    for problem in [
        webhooks::read_new(&members).err(),
        webhooks::read_patch(&members).err(),
        webhooks::read_overlap(&members).err(),
        webhooks::read_selection(&members).err(),
    ]
    .into_iter()
    .flatten()
    {
        is_refusal(&problem);
    }
}

/// Query strings of lists, reads and the feed.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match orders::read_options(Some(text)) {
        Ok(options) => assert!(options.max_age.is_none_or(|age| age.as_secs() <= 86_400)),
        Err(problem) => is_refusal(&problem),
    }
    match Asked::read(Some(text)) {
        Ok(asked) => {
            assert!((1..=200).contains(&asked.limit));
            if let Some(cursor) = &asked.cursor {
                refuses_or_gave(&asked, cursor);
            }
        }
        Err(problem) => is_refusal(&problem),
    }
    if let Some(limit) = read_limit(text) {
        assert!((1..=200).contains(&limit));
    }
}

fn caller(client: &str) -> Caller {
    Caller {
        client: client.to_owned(),
        accounts: AllowedAccounts::All,
        scopes: BTreeSet::new(),
        request_id: String::new(),
    }
}

/// Cursors under a key that the fuzzer does not know.
fn cursors() -> Cursors {
    Cursors::new(CursorKey::new(vec![7; CursorKey::BYTES]).expect("a key"))
}

/// A cursor of the feed, or a `Last-Event-ID`: taken only in the spelling in which it was given to this client.
fn refuses_or_gave(asked: &Asked, text: &str) {
    let scope = asked.scope(&caller("shop"));
    if let Ok(place) = cursors().decode(text, &scope) {
        assert_eq!(cursors().encode(&place, &scope), text, "another spelling of a cursor");
        assert!(cursors().decode(text, &asked.scope(&caller("other"))).is_err(), "somebody else's cursor");
    }
}

/// Cursors of lists and of the feed, as they come, and what was given out for any place.
pub fn cursor(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let asked = Asked::read(None).expect("the feed can be asked for without a query");
    refuses_or_gave(&asked, text);
    let scopes = ["orders", "operations", "deliveries"]
        .map(|list| cursor::scope(list, &caller("shop"), &[("filter", Some("value"))]));
    for scope in &scopes {
        if let Ok(place) = cursors().decode(text, scope) {
            assert_eq!(cursors().encode(&place, scope), text, "another spelling of a cursor");
        }
    }
    if let Some(position) = text.parse::<i64>().ok().filter(|position| *position >= 0) {
        let cursor = cursors().encode_event(position, None, &asked.scope(&caller("shop")));
        refuses_or_gave(&asked, &cursor);
        let place = (position, text.to_owned());
        for (scope, other) in scopes.iter().zip(scopes.iter().cycle().skip(1)) {
            let cursor = cursors().encode(&place, scope);
            assert_eq!(cursors().decode(&cursor, scope).ok().as_ref(), Some(&place));
            assert!(cursors().decode(&cursor, other).is_err(), "the cursor of another list");
        }
    }
}

/// `Idempotency-Key`, `X-Request-Id`, `traceparent` and `If-Match`, all with this value.
pub fn headers(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let mut headers = HeaderMap::new();
    for name in ["idempotency-key", "x-request-id", "traceparent", "if-match"] {
        headers.insert(name, value.clone());
    }
    match orders::idempotency_key(&headers, true) {
        Ok(key) => {
            let key = key.expect("a key that is required");
            assert!(
                (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()),
                "{key}"
            );
            // Written as RFC 8941 wants a string, it is the same key; and nothing else in quotes is.
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            let given = value.to_str().unwrap_or_default().trim();
            assert!(!given.starts_with('"') || given == quoted, "{given} is taken for {key}");
            headers.insert("idempotency-key", HeaderValue::from_str(&quoted).expect("visible characters"));
            assert_eq!(orders::idempotency_key(&headers, true).ok().flatten(), Some(key));
        }
        Err(problem) => assert_eq!(problem.code, ProblemCode::IdempotencyKeyInvalid),
    }
    let id = every_request::request_id(&headers);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    assert!((1..=128).contains(&id.len()) && id.bytes().all(is_plain), "{id}");
    if let Some(place) = trace::caller(&headers) {
        let text = place.to_string();
        let is_hex = |byte: u8| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        assert!(text.len() == 55 && text.bytes().all(is_hex), "{text}");
        assert_eq!(text.parse().ok(), Some(place));
    }
    if let Err(problem) = orders::precondition(&headers) {
        assert_eq!(problem.code, ProblemCode::InvalidHeader);
    }
}

/// The issuer of the tokens below; its key is made of a known seed.
struct Issuer {
    key: Ed25519KeyPair,
    tokens: jwt::Tokens,
}

fn settings() -> JwtSettings {
    JwtSettings {
        issuer: Some(ISSUER.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        jwks_url: Some("https://issuer.example/keys".to_owned()),
        algorithms: vec!["EdDSA".to_owned(), "ES256".to_owned(), "RS256".to_owned()],
    }
}

fn issuer() -> &'static Issuer {
    static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed of 32 bytes");
        let x = URL_SAFE_NO_PAD.encode(key.public_key());
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": KEY_ID, "use": "sig", "alg": "EdDSA", "x": x}]});
        let (tokens, count) =
            jwt::Tokens::fixed(&settings(), set.to_string().as_bytes()).expect("a set of keys");
        assert_eq!(count, 1);
        Issuer { key, tokens }
    });
    &ISSUER
}

fn bearer(token: &str) -> Result<jwt::Bearer, jwt::Denied> {
    // No key is ever fetched, so nothing waits.
    issuer().tokens.bearer(token).now_or_never().expect("the keys are known")
}

/// A token as it comes; and, of two JSON texts with a zero byte between, the token of that head and those claims with
/// the issuer's true signature.
pub fn token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if bearer(&text).is_ok() {
        let (message, signature) = text.rsplit_once('.').expect("a token has three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("a signature");
        let key =
            ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, issuer().key.public_key());
        assert!(key.verify(message.as_bytes(), &signature).is_ok(), "a forged token is taken");
    }
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (Some(head), Some(claims)) = (parts.next(), parts.next()) else { return };
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(issuer().key.sign(message.as_bytes()));
    let token = format!("{message}.{signature}");
    let Ok(taken) = bearer(&token) else { return };
    is_entitled(head, claims, &taken);
    // A few places of head, claims and signature; checking a signature is slow.
    for (at, c) in token.char_indices().step_by(token.len() / 8 + 1) {
        let other = if c == 'A' { 'B' } else { 'A' };
        let altered: String =
            token.char_indices().map(|(place, c)| if place == at { other } else { c }).collect();
        assert!(bearer(&altered).is_err(), "an altered token is taken");
    }
    let unsigned = format!("{message}.");
    assert!(bearer(&unsigned).is_err(), "an unsigned token is taken");
}

/// What a token must say that is taken.
fn is_entitled(head: &[u8], claims: &[u8], taken: &jwt::Bearer) {
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text);
    // Members that nobody asks for are passed over, and may hold half a surrogate, which no `Value` can.
    let (Ok(head), Ok(claims)) = (read(head), read(claims)) else { return };
    assert_eq!((&head["alg"], &head["kid"]), (&json!("EdDSA"), &json!(KEY_ID)));
    assert!(head["typ"].as_str().is_some_and(|typ| typ.to_ascii_lowercase().contains("jwt")), "{head}");
    assert!(head["crit"].is_null(), "{head}");
    assert!(is_or_has(&claims["iss"], ISSUER) && is_or_has(&claims["aud"], AUDIENCE), "{claims}");
    let now = crate::domain::Timestamp::now().as_millis().checked_div(1_000).unwrap_or_default();
    let seconds = |name: &str| claims[name].as_f64().map(|seconds| format!("{seconds:.0}"));
    let seconds = |name: &str| seconds(name).and_then(|text| text.parse::<i128>().ok());
    assert!(seconds("exp").is_some_and(|exp| exp >= i128::from(now) - 32), "{claims}");
    assert!(seconds("nbf").is_none_or(|nbf| nbf <= i128::from(now) + 32), "{claims}");
    let name = taken.name.strip_prefix("jwt:").unwrap_or_default();
    assert!((1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()), "{taken:?}");
    let text = claims.to_string();
    for scope in Scope::ALL {
        assert!(!taken.scopes.contains(&scope) || text.contains(scope.as_str()), "{taken:?}");
    }
    assert!(taken.accounts != AllowedAccounts::All || text.contains('*'), "{taken:?}");
}

fn is_or_has(claim: &Value, wanted: &str) -> bool {
    claim == wanted || claim.as_array().is_some_and(|list| list.iter().any(|item| item == wanted))
}

/// A set of an issuer's keys: secrets are never among those that are used.
pub fn issuer_keys(data: &[u8]) {
    let Some((_, count)) = jwt::Tokens::fixed(&settings(), data) else { return };
    // As for tokens: what is passed over may hold anything.
    let Ok(set) = serde_json::from_slice::<Value>(data) else { return };
    let keys = set["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    let public = keys.iter().filter(|key| matches!(key["kty"].as_str(), Some("RSA" | "EC" | "OKP")));
    assert!(count <= public.count(), "a key that is not public");
}
