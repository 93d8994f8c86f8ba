//! Signed messages to the merchant: the notification (IPN) and the data of a browser return.
//!
//! Source: Lyra REST API V4, notification; the signature as in code published by Lyra. Inferred: `transactions`
//! lists the one transaction that the message is about, and no member names the payment order.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::Value;
use sha2::Sha256;

use super::order::Order;
use super::shops::DemoShop;
use super::transaction::summary;
use super::{Book, Lyra};
use crate::simulator::notices::Notice;

/// What somebody signs with who does not know the password.
const FORGERS_KEY: &str = "testpassword_FORGEDFORGEDFORGEDFORGEDFORGED";

/// A form, name by name.
pub(super) type Fields = [(&'static str, String); 5];

/// Which of the shop's secrets signs, `kr-hash-key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// The REST password: notifications.
    Password,
    /// The HMAC key, as text: browser returns.
    Hmac,
}

/// 64 lower-case hexadecimal digits.
fn hash(key: &str, text: &str) -> String {
    // A key of any length will do: the error never comes, and would show as an empty hash.
    let signed = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map(|mut mac| {
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    });
    signed.unwrap_or_default()
}

fn fields(kind: Key, secret: &str, answer: &str) -> Fields {
    let name = if kind == Key::Password { "password" } else { "sha256_hmac" };
    [
        ("kr-hash-key", name.to_owned()),
        ("kr-hash-algorithm", "sha256_hmac".to_owned()),
        ("kr-hash", hash(secret, answer)),
        ("kr-answer-type", "V4/Payment".to_owned()),
        ("kr-answer", answer.to_owned()),
    ]
}

fn form(fields: &Fields) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The `V4/Payment` about one transaction; about none when the payer left.
fn payment(order: &Order, uuid: Option<&str>, shop: &DemoShop, now: Timestamp) -> String {
    let listed: Vec<Value> = order
        .transactions
        .iter()
        .filter(|one| Some(one.uuid.as_str()) == uuid)
        .map(|one| order.listed(one, shop))
        .collect();
    summary("V4/Payment", &[order], listed, shop, now).to_string()
}

/// The return address with the signed data in its query; as it is when it is no address.
pub(super) fn with_query(address: &str, fields: &Fields) -> String {
    url::Url::parse(address).map_or_else(
        |_| address.to_owned(),
        |mut address| {
            address.query_pairs_mut().extend_pairs(fields);
            address.into()
        },
    )
}

/// What the browser carries to the return address.
pub(super) fn return_fields(order: &Order, uuid: Option<&str>, shop: &DemoShop, now: Timestamp) -> Fields {
    fields(Key::Hmac, shop.return_key(order.mode), &payment(order, uuid, shop, now))
}

impl Lyra {
    /// Sends a notification about one transaction to the order's address, or else to the Back Office's.
    pub(super) fn notify(&self, book: &Book, order: &Order, uuid: &str, now: Timestamp) {
        let answer = payment(order, Some(uuid), &book.shop, now);
        let signed = |key| form(&fields(Key::Password, key, &answer));
        let notice = Notice {
            provider: "lyra",
            brand: book.shop.brand.to_owned(),
            order: order.id.clone(),
            url: order.ipn_url.clone().unwrap_or_default(),
            content_type: "application/x-www-form-urlencoded",
            body: signed(book.shop.secret(order.mode)).into(),
            forged: signed(FORGERS_KEY).into(),
            expected: None,
        };
        self.frame.notices.send(notice, now);
    }
}
