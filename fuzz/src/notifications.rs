//! Notifications: what is signed with another key, or altered, is never taken; what is taken says the same in every
//! form the platform writes it in.

use std::collections::BTreeMap;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::form_urlencoded::{Serializer, parse};

use super::world::{LYRA_KEY, SIPS_KEY, YABANDPAY_KEY, world};
use guichet::{
    adapter::{Notification, NotificationError, RawNotification},
    domain::money::MAX_MINOR,
};

type Verdict = Result<Notification, NotificationError>;

fn read(account: &str, body: &[u8]) -> Verdict {
    let raw = RawNotification {
        content_type: Some("application/x-www-form-urlencoded".to_owned()),
        body: Bytes::copy_from_slice(body),
    };
    let said = world().adapter(account).verify_notification(&raw);
    if let Ok(said) = &said {
        assert!(!said.dedup_key.is_empty(), "news without a key would be kept once for all");
        assert!(said.amount.is_none_or(|amount| (0..=MAX_MINOR).contains(&amount.value())), "{said:?}");
    }
    said
}

fn hmac(text: &[u8], key: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key of any length");
    hex::encode(mac.chain_update(text).finalize().into_bytes())
}

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

fn fields(body: &[u8]) -> BTreeMap<String, String> {
    parse(body).into_owned().collect()
}

/// The text with one character changed, at a place that the text itself decides.
fn altered(text: &str) -> Option<String> {
    let count = text.chars().count();
    let at = text.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let at = at.checked_rem(count)?;
    // Never a slash or its escape, which are the same to one platform.
    let other = |c: char| if c == 'x' || c == '/' || c == '\\' { 'y' } else { 'x' };
    Some(text.chars().enumerate().map(|(place, c)| if place == at { other(c) } else { c }).collect())
}

fn is_refused(verdict: &Verdict) -> bool {
    matches!(verdict, Err(NotificationError::BadSignature(_)))
}

fn is_signed(verdict: &Verdict) -> bool {
    !is_refused(verdict)
}

/// The form with `kr-answer`.
pub(super) fn lyra(data: &[u8]) {
    // As it came: taken only with the hash of its own text.
    if read("lyra", data).is_ok() {
        let fields = fields(data);
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        let hash = field("kr-hash").to_ascii_lowercase();
        let texts = [field("kr-answer").to_owned(), field("kr-answer").replace("\\/", "/")];
        let is_genuine = texts.iter().any(|text| hmac(text.as_bytes(), LYRA_KEY) == hash);
        assert!(is_genuine, "a forged notification is taken");
    }
    // As the text that the platform signs.
    let text = String::from_utf8_lossy(data).into_owned();
    let signed = |text: &str, hash: &str| {
        let pairs = [("kr-hash", hash), ("kr-hash-algorithm", "sha256_hmac"), ("kr-hash-key", "password")];
        read("lyra", &form(&[&pairs[..], &[("kr-answer-type", "V4/Payment"), ("kr-answer", text)]].concat()))
    };
    let hash = hmac(text.as_bytes(), LYRA_KEY);
    let said = signed(&text, &hash);
    assert!(is_signed(&said), "a genuine notification is refused");
    if let Some(altered) = altered(&text) {
        assert!(is_refused(&signed(&altered, &hash)), "an altered notification is taken");
    }
    // Servers that escape slashes again change nothing of the news.
    if said.is_ok() && !text.contains('\\') {
        assert_eq!(signed(&text.replace('/', "\\/"), &hash), said);
    }
}

/// `Data`, `Encode` and `Seal`.
pub(super) fn sips(data: &[u8]) {
    if read("sips", data).is_ok() {
        let fields = fields(data);
        let pairs: Vec<_> = parse(data).into_owned().collect();
        let sealed = pairs.iter().find(|(name, _)| name == "Data").map_or("", |(_, value)| value.as_str());
        let seal = fields.get("Seal").map(|seal| seal.to_ascii_lowercase()).unwrap_or_default();
        let plain = hex::encode(Sha256::digest(format!("{sealed}{SIPS_KEY}")));
        assert!(seal == hmac(sealed.as_bytes(), SIPS_KEY) || seal == plain, "a forged notification is taken");
    }
    let text = String::from_utf8_lossy(data).into_owned();
    if text.is_empty() {
        return;
    }
    for account in ["sips", "sips-s10"] {
        let sealed = |data: &str, encode: &str, seal: &str| {
            read(account, &form(&[("Data", data), ("Encode", encode), ("Seal", seal)]))
        };
        let seal = hmac(text.as_bytes(), SIPS_KEY);
        let said = sealed(&text, "", &seal);
        assert!(is_signed(&said), "a genuine notification is refused");
        if let Some(altered) = altered(&text) {
            assert!(is_refused(&sealed(&altered, "", &seal)), "an altered notification is taken");
        }
        // The seal is over the text as received: an encoding is sealed encoded, and says the same.
        for (name, encoded) in
            [("base64", STANDARD.encode(&text)), ("base64url", URL_SAFE_NO_PAD.encode(&text))]
        {
            assert_eq!(sealed(&encoded, name, &hmac(encoded.as_bytes(), SIPS_KEY)), said, "{name}");
            assert!(is_refused(&sealed(&encoded, name, &seal)), "sealed over the decoded text");
        }
    }
}

/// `{"sign", "data"}`, or a form with that.
pub(super) fn yabandpay(data: &[u8]) {
    if read("yabandpay", data).is_ok() {
        assert!(is_genuine(data), "a forged notification is taken");
    }
    let Ok(members) = serde_json::from_slice::<Map<String, Value>>(data) else { return };
    let Some(text) = signed_text(&members) else { return };
    let body = |members: &Map<String, Value>, sign: &str| {
        serde_json::json!({"sign": sign, "data": members}).to_string()
    };
    let sign = hmac(text.as_bytes(), YABANDPAY_KEY);
    let json = body(&members, &sign);
    let said = read("yabandpay", json.as_bytes());
    // The older form says the same.
    assert_eq!(read("yabandpay", &form(&[("resultData", &json)])), said);
    for (name, value) in &members {
        let mut changed = members.clone();
        let other = altered(value.as_str().unwrap_or_default()).unwrap_or_else(|| "x".to_owned());
        changed.insert(name.clone(), Value::from(other));
        if signed_text(&changed).as_ref() != Some(&text) {
            let verdict = read("yabandpay", body(&changed, &sign).as_bytes());
            assert!(verdict.is_err(), "an altered notification is taken: {name}");
        }
    }
}

fn is_genuine(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).into_owned();
    let found = || parse(body).find(|(name, _)| name == "resultData").map(|(_, value)| value.into_owned());
    let json = if text.trim_start().starts_with('{') { Some(text) } else { found() };
    let signed: Option<Value> = json.and_then(|json| serde_json::from_str(&json).ok());
    let sign = signed.as_ref().and_then(|signed| signed["sign"].as_str().map(str::to_ascii_lowercase));
    let text = signed.as_ref().and_then(|signed| signed_text(signed["data"].as_object()?));
    text.is_some_and(|text| sign == Some(hmac(text.as_bytes(), YABANDPAY_KEY)))
}

/// The text that is signed: members of `3ds` stand among the others, sorted by name. `None` for what has no rule.
fn signed_text(data: &Map<String, Value>) -> Option<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Bool(false) => Some(String::new()),
        Value::Bool(true) => Some("1".to_owned()),
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").map(str::to_owned).unwrap_or(text))
        }
        Value::Array(_) | Value::Object(_) => None,
    };
    let mut members = BTreeMap::new();
    for (name, value) in data {
        let lifted = value.as_object().filter(|_| name == "3ds");
        for (name, value) in lifted.into_iter().flatten() {
            members.insert(name.clone(), text(value)?);
        }
        if lifted.is_none() {
            members.insert(name.clone(), text(value)?);
        }
    }
    let pairs: Vec<String> = members.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(pairs.join("&"))
}
