//! Notifications of the platform, and what a payer's browser brings back: verified over the bytes received,
//! then read.
//!
//! Source: "Notification" of API v3 and the official PHP library: JSON `{"sign", "data"}`, or in an older
//! form a form field `resultData` with that JSON. The signature is over the members of `data` alone. Nothing
//! in it protects against replay, so what money depends on is read at the platform.
//!
//! Whether empty members are signed is told in two ways: the official library keeps them, a shipping product drops
//! them (real clients, read 2026-12-01). Both are taken. An empty member says nothing here in either case.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::{
    config::Settings,
    diagnosis, mapping,
    signature::{joined, signed_members, verifies},
    status::{RefundProgress, payment_state, refund_state},
};
use guichet_port::{
    adapter::{Acknowledgement, Notification, NotificationError, RawNotification},
    domain::{OperationId, OperationStatus},
};

/// What the platform expects to hear. Source: the official PHP library and shop plugins.
const OK: Acknowledgement = Acknowledgement { content_type: "text/plain; charset=utf-8", body: "ok" };

/// The form field of the older form.
const FORM_FIELD: &str = "resultData";

/// Members that decide something. A text holding `&` and one of these names could have been cut out of
/// another message with the same signed string, because the platform escapes nothing.
const DECIDING: [&str; 12] = [
    "type",
    "state",
    "trade_id",
    "order_id",
    "demo",
    "amount",
    "currency",
    "paid_time",
    "m_refund_id",
    "refund_id",
    "refund_amount",
    "refund_currency",
];

/// Members a message may have at most.
const MEMBERS_MAX: usize = 128;

#[derive(Deserialize)]
struct Signed {
    #[serde(default)]
    sign: Value,
    data: IndexMap<String, Value>,
}

/// Verifies and reads.
pub(super) fn read(settings: &Settings, raw: &RawNotification) -> Result<Notification, NotificationError> {
    let unreadable = |why: &str| NotificationError::Unreadable(why.to_owned());
    let body = std::str::from_utf8(&raw.body).map_err(|_| unreadable("the body is not UTF-8"))?;
    let json = if body.trim_start().starts_with('{') {
        // Never decoded: `+` and `%` are what they are.
        body.to_owned()
    } else {
        form_urlencoded::parse(body.as_bytes())
            .find(|(name, _)| name == FORM_FIELD)
            .map(|(_, value)| value.into_owned())
            .ok_or_else(|| unreadable("neither a JSON object nor a form with `resultData`"))?
    };
    let signed: Signed =
        serde_json::from_str(&json).map_err(|_| unreadable("not a JSON object with an object `data`"))?;
    if signed.data.len() > MEMBERS_MAX {
        return Err(unreadable("`data` has too many members"));
    }
    let (members, signed_with) = verified(settings, &signed)?;
    Ok(Notification { signed_with, ..notification(&members) })
}

/// The members that say something, all of them signed, and what they were signed with.
fn verified(
    settings: &Settings,
    signed: &Signed,
) -> Result<(BTreeMap<String, String>, String), NotificationError> {
    let bad = |why: &str| NotificationError::BadSignature(why.to_owned());
    let sign = signed.sign.as_str().ok_or_else(|| bad("there is no `sign`"))?;
    let signature = hex::decode(sign)
        .ok()
        .filter(|bytes| bytes.len() == 32)
        .ok_or_else(|| bad("`sign` is not 64 hexadecimal digits"))?;
    let in_order = signed_members(&signed.data).ok_or_else(|| {
        bad("a member of `data` is a list or an object, for which no signing rule is known")
    })?;
    let members: BTreeMap<String, String> = in_order.iter().cloned().collect();
    if members.len() != in_order.len() {
        return Err(bad("a member of `3ds` has the name of another one"));
    }
    let is_plain =
        |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if !members.keys().all(is_plain) {
        return Err(bad("a member's name has characters that could hide another one"));
    }
    let mut filled = members.clone();
    filled.retain(|_, value| !value.is_empty());
    let rules = [(text(&members), "all members"), (text(&filled), "its filled members only")];
    let mut secrets: Vec<(&str, &SecretString)> = vec![("secret_key", &settings.secret_key)];
    secrets.extend(settings.previous_secret_key.as_ref().map(|secret| ("previous_secret_key", secret)));
    for (message, rule) in &rules {
        for (name, secret) in &secrets {
            if verifies(secret, message, &signature) {
                return Ok((filled, format!("the {name} over {rule}")));
            }
        }
    }
    Err(NotificationError::BadSignature(diagnosis::explain(&secrets, &in_order, &signature)))
}

fn text(members: &BTreeMap<String, String>) -> String {
    joined(members.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// What these members say; none of them is empty.
fn notification(members: &BTreeMap<String, String>) -> Notification {
    let get = |name: &str| members.get(name).map(String::as_str);
    let is_doubtful =
        members.values().any(|value| DECIDING.iter().any(|name| value.contains(&format!("&{name}="))));
    let reference = mapping::reference(get("trade_id")).ok();
    let nothing = Notification {
        // The message has no id: the same news is the same text of the members that say something. There is no time of
        // sending in it, so a change of any member, an amount alone too, is other news.
        dedup_key: hex::encode(Sha256::digest(text(members).as_bytes())),
        reference,
        merchant_reference: get("order_id").map(str::to_owned),
        operation: None,
        status: None,
        provider_status: None,
        amount: None,
        occurred_at: None,
        settles: None,
        signed_with: String::new(),
        closes: false,
        acknowledgement: OK,
    };
    if is_doubtful {
        // The order is read all the same.
        return nothing;
    }
    let provider_status = get("state").map(str::to_owned);
    if is_refund(members) {
        let currency = get("refund_currency").or(get("currency"));
        let amount = get("refund_amount").map(|text| mapping::amount(Some(text), currency));
        // An amount that cannot be compared ends nothing.
        let is_readable = amount.as_ref().is_none_or(Result::is_ok);
        return Notification {
            operation: get("m_refund_id").and_then(|number| number.parse().ok()),
            settles: settles(get("m_refund_id"), get("state")).filter(|_| is_readable),
            amount: amount.and_then(Result::ok),
            occurred_at: mapping::seconds(get("refund_time")),
            provider_status,
            ..nothing
        };
    }
    Notification {
        operation: get("demo").and_then(|demo| demo.parse().ok()),
        status: get("state").and_then(payment_state).map(|state| state.status),
        amount: mapping::amount(get("amount"), get("currency")).ok(),
        occurred_at: mapping::seconds(get("paid_time")),
        provider_status,
        ..nothing
    }
}

/// `type` says so; where it is missing, the members of a refund do. Their names are probable only.
fn is_refund(members: &BTreeMap<String, String>) -> bool {
    match members.get("type") {
        Some(kind) => kind.eq_ignore_ascii_case("refund"),
        None => ["m_refund_id", "refund_id", "refund_amount"].iter().any(|name| members.contains_key(*name)),
    }
}

/// How a refund of ours ended, once the platform has said its last word of it. What may still be done has not ended.
fn settles(number: Option<&str>, state: Option<&str>) -> Option<(OperationId, OperationStatus)> {
    let operation = number?.parse().ok()?;
    match refund_state(state?)?.progress {
        RefundProgress::Done => Some((operation, OperationStatus::Succeeded)),
        RefundProgress::Refused => Some((operation, OperationStatus::Refused)),
        RefundProgress::Accepted => None,
    }
}
