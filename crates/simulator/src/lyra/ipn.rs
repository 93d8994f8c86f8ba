//! The signed notification to the merchant (IPN).
//!
//! Source: Lyra REST API V4, notification; the signature as in code published by Lyra. Inferred: `transactions`
//! lists the one transaction that the message is about, and no member names the payment order.

use jiff::Timestamp;
use serde_json::Value;

use super::order::Order;
use super::shops::DemoShop;
use super::transaction::summary;
use super::{Book, Lyra};
use crate::notices::Notice;
use crate::signing;

/// What somebody signs with who does not know the password.
const FORGERS_KEY: &str = "testpassword_FORGEDFORGEDFORGEDFORGEDFORGED";

/// Statuses of the merchant's answer that count as delivered. Source: Lyra REST API V4, notification.
const DELIVERED: [u16; 12] = [200, 201, 202, 203, 204, 205, 206, 301, 302, 303, 307, 308];

/// What a notification comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The payment itself, the night or a bank.
    Platform,
    /// A person in the merchant's Back Office.
    BackOffice,
}

impl Source {
    /// `kr-src`, a field of the form that the signature does not cover. Source: Lyra REST API V4, facts of 1 December
    /// 2026, official code. Only the word of the Back Office is known, so the others leave the field out; that it is a
    /// field of the form is inferred from its name.
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Platform => None,
            Self::BackOffice => Some("MERCH_BO"),
        }
    }
}

/// The form of a message, signed with the REST password.
fn form(password: &str, answer: &str, source: Source) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([
        ("kr-hash-key", "password"),
        ("kr-hash-algorithm", "sha256_hmac"),
        ("kr-hash", &signing::sha256(answer, password)),
        ("kr-answer-type", "V4/Payment"),
        ("kr-answer", answer),
    ]);
    if let Some(word) = source.word() {
        form.append_pair("kr-src", word);
    }
    form.finish()
}

/// The `V4/Payment` about one transaction.
fn payment(order: &Order, uuid: Option<&str>, shop: &DemoShop, now: Timestamp) -> String {
    let listed: Vec<Value> = order
        .transactions
        .iter()
        .filter(|one| Some(one.uuid.as_str()) == uuid)
        .map(|one| order.listed(one, shop))
        .collect();
    summary("V4/Payment", &[order], listed, shop, now).to_string()
}

impl Lyra {
    /// Sends a notification about one transaction to the order's address, or else to the Back Office's.
    pub(super) fn notify(&self, book: &Book, order: &Order, uuid: Option<&str>, source: Source) {
        let answer = payment(order, uuid, &book.shop, self.now());
        let signed = |key| form(key, &answer, source);
        let notice = Notice {
            url: order.ipn_url.clone().unwrap_or_default(),
            content_type: "application/x-www-form-urlencoded",
            body: signed(book.shop.secret(order.mode)).into(),
            forged: signed(FORGERS_KEY).into(),
            statuses: &DELIVERED,
            ..Notice::default()
        };
        self.send(book, order, notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lyra::demo_shop;

    /// The demo key of browser returns that Lyra publishes.
    const HMAC_KEY: &str = "38453613e7f44dc58732bad3dca2bca3";

    /// Vectors of the documentation, made with the demo keys that Lyra publishes.
    const V1: &str = r#"{"orderStatus":"PAID","_type":"V4/Payment"}"#;
    const V2: &str = r#"{"customer":{"lastName":"Noël"},"u":"a/b","_type":"V4/Payment"}"#;
    const V3: &str = concat!(
        r#"{"shopId":"69876357","orderCycle":"CLOSED","orderStatus":"PAID","serverDate":"2026-01-15T10:00:00+00:00","#,
        r#""orderDetails":{"orderTotalAmount":2000,"orderEffectiveAmount":2000,"orderCurrency":"XPF","mode":"TEST","#,
        r#""orderId":"order-42","metadata":null,"_type":"V4/OrderDetails"},"customer":{"email":"zoe@example.com","#,
        r#""billingDetails":{"lastName":"Noël","_type":"V4/Customer/BillingDetails"},"_type":"V4/Customer/Customer"},"#,
        r#""transactions":[{"uuid":"0123456789abcdef0123456789abcdef","amount":2000,"currency":"XPF","status":"PAID","#,
        r#""detailedStatus":"AUTHORISED","operationType":"DEBIT","_type":"V4/PaymentTransaction"}],"_type":"V4/Payment"}"#
    );

    #[test]
    fn the_published_vectors_verify() {
        let shop = demo_shop("systempay").unwrap();
        for (key, text, expected) in [
            (shop.password, V1, "2f8e7ae3f600aa2a0d84920a79811fcb2be324b030237bf1a79d536964c09136"),
            (HMAC_KEY, V1, "65c08800e2493be08b78f1250beeaeef3383e767659c41256c98af16f7693557"),
            (shop.password, V2, "0706aab910837780056dc72cded6173565bf9e5a23cf77445620852e12c8d810"),
            (shop.password, V3, "36dabf91587da7b748c277fea8c649a5e05071870a2c36d0899d1edf627d04a7"),
            (HMAC_KEY, V3, "78895045be38a0f05901616fb3674df50a0ca33ea302480f0247ac926b4d9a23"),
        ] {
            assert_eq!(signing::sha256(text, key), expected, "{text}");
        }
        assert_eq!((V2.len(), V3.len()), (64, 633));
    }

    #[test]
    fn the_published_forms_are_written() {
        let shop = demo_shop("systempay").unwrap();
        assert_eq!(
            form(shop.password, V1, Source::Platform),
            "kr-hash-key=password&kr-hash-algorithm=sha256_hmac&kr-hash=2f8e7ae3f600aa2a0d84920a79811fcb2be324b030\
             237bf1a79d536964c09136&kr-answer-type=V4%2FPayment&kr-answer=%7B%22orderStatus%22%3A%22PAID%22%2C%22_type\
             %22%3A%22V4%2FPayment%22%7D"
        );
        let second = form(shop.password, V2, Source::Platform);
        assert!(second.ends_with(
            "kr-answer=%7B%22customer%22%3A%7B%22lastName%22%3A%22No%C3%ABl%22%7D%2C%22u%22%3A%22a%2Fb%22%2C\
             %22_type%22%3A%22V4%2FPayment%22%7D"
        ));
    }
}
