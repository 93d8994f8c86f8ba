//! The platform's signature: HMAC-SHA256 in lower-case hex over sorted `name=value` pairs.
//!
//! Source: "Cancel Payment Order" of API v3 (example string), the other method pages (rules) and the official
//! PHP library (code). Requests sign all envelope members but `sign` and `data`, and every member of `data`;
//! notifications sign the members of `data` only. Answers are not signed.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::Sha256;

/// The one member whose inner members are signed in its place: that of 3-D Secure in card notifications.
/// Source: an integration of a third party.
const LIFTED: &str = "3ds";

/// Joins pairs with `&` in the order given. Nothing is escaped or trimmed.
pub(super) fn joined<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

/// The string of a request. Names are sorted by bytes, which `BTreeMap` does. A name that is in both places
/// does not occur; the member of `data` would win, as in the official PHP library.
pub(super) fn of_request(
    user: &str,
    method: &str,
    time: i64,
    data: &BTreeMap<&'static str, String>,
) -> String {
    let time = time.to_string();
    let mut pairs = BTreeMap::from([("user", user), ("method", method), ("time", time.as_str())]);
    pairs.extend(data.iter().map(|(name, value)| (*name, value.as_str())));
    joined(pairs)
}

/// `sign`. The secret is used as its text, not as hex. `None` cannot happen: HMAC takes keys of any length.
pub(super) fn sign(secret: &SecretString, message: &str) -> Option<String> {
    Some(hex::encode(mac(secret, message)?.finalize().into_bytes()))
}

/// Compares in constant time.
pub(super) fn verifies(secret: &SecretString, message: &str, signature: &[u8]) -> bool {
    mac(secret, message).is_some_and(|mac| mac.verify_slice(signature).is_ok())
}

fn mac(secret: &SecretString, message: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(message.as_bytes());
    Some(mac)
}

/// The members of a notification as they are signed, in the order given: texts of scalars, with `3ds` lifted.
/// `None` when another member is not a scalar, for which there is no rule.
pub(super) fn signed_members<'a>(
    data: impl IntoIterator<Item = (&'a String, &'a Value)>,
) -> Option<Vec<(String, String)>> {
    let mut members = Vec::new();
    for (name, value) in data {
        let lifted = value.as_object().filter(|_| name == LIFTED);
        match lifted {
            Some(inner) => {
                for (name, value) in inner {
                    members.push((name.clone(), text_of(value)?));
                }
            }
            None => members.push((name.clone(), text_of(value)?)),
        }
    }
    Some(members)
}

/// The text of a value in the signed string, as PHP converts it. Certain for texts and integers; the rest is
/// inferred.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Bool(false) => Some(String::new()),
        Value::Bool(true) => Some("1".to_owned()),
        // 100.00 is written "100", 12.50 is written "12.5".
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").unwrap_or(&text).to_owned())
        }
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use sha2::Digest;

    use super::*;

    const TRADE: &str = "11111111-2222-4333-8444-555555555555";

    fn secret() -> SecretString {
        SecretString::from("made-up-secret-for-tests-0001")
    }

    /// Method, time, members of `data`, signature.
    type Request = (&'static str, i64, &'static [(&'static str, &'static str)], &'static str);

    /// The vectors of requests, 1 to 8.
    const REQUESTS: &[Request] = &[
        (
            "v3.CancelPayment",
            1_700_000_000,
            &[("trade_id", TRADE)],
            "0498efb50bd615f305abbbaee97d8f9b17b8b1913483470a53187d33344df778",
        ),
        (
            "v3.QueryOrder",
            1_700_000_060,
            &[("trade_id", TRADE)],
            "fc60743371868e0f9f350429fe1151b0defa323adf7e05b1c6c116ed838f7e77",
        ),
        (
            "v3.CreatePayments",
            1_700_000_000,
            &[
                ("pay_method", "online"),
                ("sub_pay_method", "WeChat Pay"),
                ("order_id", "ORD-0001"),
                ("amount", "12.50"),
                ("currency", "EUR"),
                ("description", "Test order 1"),
                ("notify_url", "https://shop.example/notify"),
                ("redirect_url", "https://shop.example/return?o=1&x=a b"),
                ("timeout", "30"),
            ],
            "de3857eb227ab15207856455c600d281b836468d12b281063074b91b72b61725",
        ),
        (
            "v3.CreatePayments",
            1_700_000_000,
            &[
                ("pay_method", "online"),
                ("sub_pay_method", "iDEAL"),
                ("order_id", "ORD-0002"),
                ("amount", "0.10"),
                ("currency", "EUR"),
                ("description", "Café – 订单 7"),
                ("notify_url", "https://shop.example/notify"),
                ("timeout", "0"),
            ],
            "2f19fece761b84815ca82bfd8ac844cbf6c032afcbc518f99861411d5ec61ea8",
        ),
        (
            "v3.CreatePayments",
            1_700_000_000,
            &[
                ("amount", "1.00"),
                ("currency", "CNY"),
                ("demo", ""),
                ("description", "x"),
                ("notify_url", "https://shop.example/notify"),
                ("order_id", "ORD-0003"),
                ("pay_method", "online"),
                ("redirect_url", ""),
                ("sub_pay_method", "Alipay"),
            ],
            "df6e0ed07ed95a401329f36783144ece4cdba9dbacea06fead1ff00a37923588",
        ),
        (
            "v3.CreateCardPayments",
            1_700_000_000,
            &[
                ("sub_pay_method", "Cards HPP"),
                ("3ds_initiate", "01"),
                ("amount", "25.00"),
                ("currency", "EUR"),
                ("description", "auth"),
                ("iDeal_email", "a@b.example"),
                ("notify_url", "https://shop.example/n"),
                ("operation", "2"),
                ("order_id", "ORD-0004"),
                ("pay_method", "online"),
                ("redirect_url", "https://shop.example/r"),
                ("request_id", "abcdefghijklmnopqrstuvwx"),
                ("timeout", "0"),
            ],
            "e2a92e1d6120b832e2a9b2876a95ee7b3302f56a4ef7fd40242c16e2b0d1020d",
        ),
        (
            "v3.CreateRefund",
            1_700_003_600,
            &[
                ("trade_id", TRADE),
                ("refund_amount", "2.50"),
                ("refund_currency", "EUR"),
                ("refund_description", "partial"),
                ("m_refund_id", "RF-1"),
                ("notify_url", "https://shop.example/notify/refund"),
            ],
            "3726e18766c337037c463f463ef90dc76df0bc6a11da41f38c5b58f53f8d4240",
        ),
        (
            "v3.QueryRefundOrder",
            1_700_003_660,
            &[("refund_id", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")],
            "b5ad6ade2d3818e3cae1045e0b7d2fea9c17f5f3d5b7d0c723017aef6256c644",
        ),
    ];

    fn message(request: &Request) -> String {
        let data: BTreeMap<_, _> =
            request.2.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        of_request("900001", request.0, request.1, &data)
    }

    #[test]
    fn requests_are_signed_as_the_vectors_are() {
        for request in REQUESTS {
            let message = message(request);
            assert_eq!(sign(&secret(), &message).unwrap(), request.3, "{message}");
            assert!(verifies(&secret(), &message, &hex::decode(request.3).unwrap()), "{message}");
        }
        assert_eq!(
            message(&REQUESTS[0]),
            format!("method=v3.CancelPayment&time=1700000000&trade_id={TRADE}&user=900001")
        );
        assert!(message(&REQUESTS[2]).contains("&redirect_url=https://shop.example/return?o=1&x=a b&"));
        assert!(message(&REQUESTS[5]).starts_with("3ds_initiate=01&amount=25.00&"));
    }

    /// The published example string; its signature cannot be recomputed, since no secret is published.
    #[test]
    fn the_published_string_is_built() {
        let data = BTreeMap::from([("trade_id", "4a49ffb3-a30f-ba92-9422-1969afb6f121".to_owned())]);
        assert_eq!(
            of_request("016683", "v3.CancelPayment", 1_546_588_959, &data),
            "method=v3.CancelPayment&time=1546588959&trade_id=4a49ffb3-a30f-ba92-9422-1969afb6f121&user=016683"
        );
    }

    fn of_data(data: &Value) -> String {
        let mut members = signed_members(data.as_object().unwrap()).unwrap();
        members.sort();
        joined(members.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Vectors 9 to 11, and the text of each kind of value.
    #[test]
    fn members_of_data_become_text() {
        let vector_9 = json!({"amount": 100.01, "command": "payout", "currency": "EUR", "method": "v3.MerchantBalance",
            "nonce_string": "n0nce", "notify_url": "https://shop.example/n", "reference": "ref 1", "time": 1_700_000_000,
            "user": "900001"});
        let vector_10 = json!({"type": "payment", "user": "900001", "trade_id": TRADE, "order_id": "ORD-0001",
            "amount": "12.50", "currency": "EUR", "settlement_amount": "12.50", "settlement_currency": "EUR",
            "exchange_rate": "1", "transaction_id": "4200000000000000001", "description": "Test order 1",
            "createDate": "1700000000", "paid_time": "1700000042", "state": "paid", "demo": "", "pay_method": "online",
            "sub_pay_method": "WeChat Pay"});
        let vector_11 = json!({"type": "payment", "trade_id": TRADE, "order_id": "ORD-0004", "amount": "25.00",
            "currency": "EUR", "state": "authorized", "user": "900001",
            "3ds": {"3ds_status": "Y", "3ds_trxid": "t-1", "3ds_version": "2.2.0"}});
        for (data, signature) in [
            (vector_9, "f47457fc7db3cbd020e951137b7d5e1b3ea3751b7ef2dd6f0c20d8f5961cb7f4"),
            (vector_10, "6b89a8bcd221c14be8d3c35fcfc006edae06b9141ec80511871f4706b88e1930"),
            (vector_11, "8a63bff80b319f41dc388a6342f98817e651669549d9f6f321f26983076ad3d7"),
        ] {
            assert_eq!(sign(&secret(), &of_data(&data)).unwrap(), signature, "{}", of_data(&data));
        }
        let all = json!({"a": true, "b": false, "c": null, "d": 12.50, "e": 100.00, "f": "", "g": 7, "A": "x", "_": "y"});
        assert_eq!(of_data(&all), "A=x&_=y&a=1&b=&c=&d=12.5&e=100&f=&g=7");
        let nested = json!({"payment_token_object": {"token": "x"}});
        assert_eq!(signed_members(nested.as_object().unwrap()), None);
    }

    /// The wrong results are those of the mistakes they are published for, and never ours.
    #[test]
    fn mistakes_are_recognised() {
        let first = message(&REQUESTS[0]);
        let digest = |text: String| hex::encode(Sha256::digest(text.as_bytes()));
        let key = "made-up-secret-for-tests-0001";
        assert_eq!(
            digest(format!("{first}&key={key}")),
            "a398bd165d02e70f92fe29f1037500ed12eac94f262004536173d44972b2494e"
        );
        assert_eq!(
            digest(format!("{first}{key}")),
            "7550971205b34bf650a423b9f7f3acb1cb014ec4c7bbcc6a598ac36c8f54b1b5"
        );
        let escaped = message(&REQUESTS[2])
            .split("&redirect_url=https://shop.example/return?o=1&x=a b")
            .collect::<Vec<_>>()
            .join("&redirect_url=https%3A%2F%2Fshop.example%2Freturn%3Fo%3D1%26x%3Da+b")
            .replace(
                "notify_url=https://shop.example/notify",
                "notify_url=https%3A%2F%2Fshop.example%2Fnotify",
            )
            .replace("WeChat Pay", "WeChat+Pay")
            .replace("Test order 1", "Test+order+1");
        assert_eq!(
            sign(&secret(), &escaped).unwrap(),
            "f7b7aa0bc6a59bbd802f7b68078edd53750c1bbd8d83d927a1ad6896dbb75775"
        );
        let dropped = message(&REQUESTS[4]).replace("&demo=&", "&").replace("&redirect_url=&", "&");
        assert_eq!(
            sign(&secret(), &dropped).unwrap(),
            "d3507cd05873b2673c9db6b1f7922886d603d379ce92f21d98d1e5abd43d6ffd"
        );
    }
}
