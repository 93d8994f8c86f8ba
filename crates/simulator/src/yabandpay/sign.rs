//! Signatures of requests and notifications; answers have none.
//!
//! Source: YabandPay v3 API, signature: fields sorted by name in byte order, `name=value` joined by `&`, HMAC-SHA256
//! with the secret's ASCII text as key, lower-case hexadecimal. Confirmed by the official PHP library. The library
//! also shows that a notification signs the fields of its `data` only.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::signing;

/// Name of the object in a card notification whose inner fields are signed as if they stood beside it. Source:
/// third-party integrations, not the official pages.
const LIFTED: &str = "3ds";

/// The fields that a signature covers, sorted by name: the order of `String` is that of the bytes.
pub(super) type Fields = BTreeMap<String, String>;

/// How a value stands in the signed string; `None` for an object or an array, for which no rule exists.
///
/// Strings and integers are certain. The rest is how PHP turns a value into text, inferred: null and false are
/// empty, true is `1`, a decimal number has its shortest form.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").map_or(text.clone(), str::to_owned))
        }
        Value::Null | Value::Bool(false) => Some(String::new()),
        Value::Bool(true) => Some("1".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a request signs: everything but `sign` and `data`, and every field of `data`, which wins over an equal name
/// outside. `None` when a value is nested or `data` is no object.
pub(super) fn of_request(body: &Map<String, Value>) -> Option<Fields> {
    let outside = body.iter().filter(|(name, _)| !matches!(name.as_str(), "sign" | "data"));
    let data = body.get("data")?.as_object()?;
    outside.chain(data).map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

/// What a notification signs: the fields of its `data`, those of the object `3ds` lifted to the top.
pub(super) fn of_notice(data: &Map<String, Value>) -> Fields {
    let lifted = data.get(LIFTED).and_then(Value::as_object).into_iter().flatten();
    let beside = data.iter().filter(|(name, _)| *name != LIFTED);
    beside.chain(lifted).filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

/// The string that is signed. Nothing is encoded or trimmed; empty values stay as `name=`.
fn message(fields: &Fields) -> String {
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// The signature.
pub(super) fn sign(fields: &Fields, secret_key: &str) -> String {
    signing::sha256(&message(fields), secret_key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "made-up-secret-for-tests-0001";
    const TRADE: &str = "11111111-2222-4333-8444-555555555555";

    #[track_caller]
    fn check(fields: &Fields, expected_message: &str, expected: &str) {
        assert_eq!(message(fields), expected_message);
        assert_eq!(sign(fields, SECRET), expected);
    }

    #[track_caller]
    fn request(method: &str, time: i64, data: Value, expected_message: &str, expected: &str) {
        let body = json!({"user": "900001", "sign": "?", "method": method, "time": time, "data": data});
        check(&of_request(body.as_object().unwrap()).unwrap(), expected_message, expected);
    }

    #[track_caller]
    fn notice(data: &Value, expected_message: &str, expected: &str) {
        check(&of_notice(data.as_object().unwrap()), expected_message, expected);
    }

    #[test]
    fn vectors_1_and_2_cancel_and_query() {
        request(
            "v3.CancelPayment",
            1_700_000_000,
            json!({"trade_id": TRADE}),
            "method=v3.CancelPayment&time=1700000000&trade_id=11111111-2222-4333-8444-555555555555&user=900001",
            "0498efb50bd615f305abbbaee97d8f9b17b8b1913483470a53187d33344df778",
        );
        request(
            "v3.QueryOrder",
            1_700_000_060,
            json!({"trade_id": TRADE}),
            "method=v3.QueryOrder&time=1700000060&trade_id=11111111-2222-4333-8444-555555555555&user=900001",
            "fc60743371868e0f9f350429fe1151b0defa323adf7e05b1c6c116ed838f7e77",
        );
    }

    #[test]
    fn vector_3_nothing_is_escaped() {
        let data = json!({
            "pay_method": "online", "sub_pay_method": "WeChat Pay", "order_id": "ORD-0001", "amount": "12.50",
            "currency": "EUR", "description": "Test order 1", "timeout": "30",
            "notify_url": "https://shop.example/notify", "redirect_url": "https://shop.example/return?o=1&x=a b",
        });
        request(
            "v3.CreatePayments",
            1_700_000_000,
            data,
            "amount=12.50&currency=EUR&description=Test order 1&method=v3.CreatePayments\
             &notify_url=https://shop.example/notify&order_id=ORD-0001&pay_method=online\
             &redirect_url=https://shop.example/return?o=1&x=a b&sub_pay_method=WeChat Pay&time=1700000000\
             &timeout=30&user=900001",
            "de3857eb227ab15207856455c600d281b836468d12b281063074b91b72b61725",
        );
    }

    #[test]
    fn vector_4_texts_are_utf_8() {
        let data = json!({
            "pay_method": "online", "sub_pay_method": "iDEAL", "order_id": "ORD-0002", "amount": "0.10",
            "currency": "EUR", "description": "Café – 订单 7", "timeout": "0",
            "notify_url": "https://shop.example/notify",
        });
        request(
            "v3.CreatePayments",
            1_700_000_000,
            data,
            "amount=0.10&currency=EUR&description=Café – 订单 7&method=v3.CreatePayments\
             &notify_url=https://shop.example/notify&order_id=ORD-0002&pay_method=online&sub_pay_method=iDEAL\
             &time=1700000000&timeout=0&user=900001",
            "2f19fece761b84815ca82bfd8ac844cbf6c032afcbc518f99861411d5ec61ea8",
        );
    }

    #[test]
    fn vector_5_empty_values_are_kept() {
        let data = json!({
            "pay_method": "online", "sub_pay_method": "Alipay", "order_id": "ORD-0003", "amount": "1.00",
            "currency": "CNY", "description": "x", "demo": "", "redirect_url": "",
            "notify_url": "https://shop.example/notify",
        });
        request(
            "v3.CreatePayments",
            1_700_000_000,
            data,
            "amount=1.00&currency=CNY&demo=&description=x&method=v3.CreatePayments\
             &notify_url=https://shop.example/notify&order_id=ORD-0003&pay_method=online&redirect_url=\
             &sub_pay_method=Alipay&time=1700000000&user=900001",
            "df6e0ed07ed95a401329f36783144ece4cdba9dbacea06fead1ff00a37923588",
        );
    }

    #[test]
    fn vector_6_digits_sort_before_letters() {
        let data = json!({
            "pay_method": "online", "sub_pay_method": "Cards HPP", "order_id": "ORD-0004", "amount": "25.00",
            "currency": "EUR", "description": "auth", "operation": "2", "3ds_initiate": "01", "timeout": "0",
            "iDeal_email": "a@b.example", "request_id": "abcdefghijklmnopqrstuvwx",
            "notify_url": "https://shop.example/n", "redirect_url": "https://shop.example/r",
        });
        request(
            "v3.CreateCardPayments",
            1_700_000_000,
            data,
            "3ds_initiate=01&amount=25.00&currency=EUR&description=auth&iDeal_email=a@b.example\
             &method=v3.CreateCardPayments&notify_url=https://shop.example/n&operation=2&order_id=ORD-0004\
             &pay_method=online&redirect_url=https://shop.example/r&request_id=abcdefghijklmnopqrstuvwx\
             &sub_pay_method=Cards HPP&time=1700000000&timeout=0&user=900001",
            "e2a92e1d6120b832e2a9b2876a95ee7b3302f56a4ef7fd40242c16e2b0d1020d",
        );
    }

    #[test]
    fn vectors_7_and_8_refund_and_its_query() {
        let data = json!({
            "trade_id": TRADE, "refund_amount": "2.50", "refund_currency": "EUR", "refund_description": "partial",
            "m_refund_id": "RF-1", "notify_url": "https://shop.example/notify/refund",
        });
        request(
            "v3.CreateRefund",
            1_700_003_600,
            data,
            "m_refund_id=RF-1&method=v3.CreateRefund&notify_url=https://shop.example/notify/refund\
             &refund_amount=2.50&refund_currency=EUR&refund_description=partial&time=1700003600\
             &trade_id=11111111-2222-4333-8444-555555555555&user=900001",
            "3726e18766c337037c463f463ef90dc76df0bc6a11da41f38c5b58f53f8d4240",
        );
        request(
            "v3.QueryRefundOrder",
            1_700_003_660,
            json!({"refund_id": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"}),
            "method=v3.QueryRefundOrder&refund_id=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee&time=1700003660&user=900001",
            "b5ad6ade2d3818e3cae1045e0b7d2fea9c17f5f3d5b7d0c723017aef6256c644",
        );
    }

    #[test]
    fn vector_9_a_number_has_its_shortest_form() {
        let data = json!({
            "amount": 100.01, "command": "payout", "currency": "EUR", "nonce_string": "n0nce",
            "notify_url": "https://shop.example/n", "reference": "ref 1",
        });
        request(
            "v3.MerchantBalance",
            1_700_000_000,
            data,
            "amount=100.01&command=payout&currency=EUR&method=v3.MerchantBalance&nonce_string=n0nce\
             &notify_url=https://shop.example/n&reference=ref 1&time=1700000000&user=900001",
            "f47457fc7db3cbd020e951137b7d5e1b3ea3751b7ef2dd6f0c20d8f5961cb7f4",
        );
    }

    #[test]
    fn vectors_10_and_11_notifications_sign_their_data_only() {
        let paid = json!({
            "type": "payment", "user": "900001", "trade_id": TRADE, "order_id": "ORD-0001", "amount": "12.50",
            "currency": "EUR", "createDate": "1700000000", "demo": "", "description": "Test order 1",
            "exchange_rate": "1", "paid_time": "1700000042", "pay_method": "online", "settlement_amount": "12.50",
            "settlement_currency": "EUR", "state": "paid", "sub_pay_method": "WeChat Pay",
            "transaction_id": "4200000000000000001",
        });
        notice(
            &paid,
            "amount=12.50&createDate=1700000000&currency=EUR&demo=&description=Test order 1&exchange_rate=1\
             &order_id=ORD-0001&paid_time=1700000042&pay_method=online&settlement_amount=12.50\
             &settlement_currency=EUR&state=paid&sub_pay_method=WeChat Pay\
             &trade_id=11111111-2222-4333-8444-555555555555&transaction_id=4200000000000000001&type=payment\
             &user=900001",
            "6b89a8bcd221c14be8d3c35fcfc006edae06b9141ec80511871f4706b88e1930",
        );
        let card = json!({
            "3ds": {"3ds_status": "Y", "3ds_trxid": "t-1", "3ds_version": "2.2.0"},
            "type": "payment", "user": "900001", "trade_id": TRADE, "order_id": "ORD-0004", "amount": "25.00",
            "currency": "EUR", "state": "authorized",
        });
        notice(
            &card,
            "3ds_status=Y&3ds_trxid=t-1&3ds_version=2.2.0&amount=25.00&currency=EUR&order_id=ORD-0004\
             &state=authorized&trade_id=11111111-2222-4333-8444-555555555555&type=payment&user=900001",
            "8a63bff80b319f41dc388a6342f98817e651669549d9f6f321f26983076ad3d7",
        );
    }

    #[test]
    fn values_that_are_not_texts_follow_php() {
        for (value, expected) in [
            (json!(12.50), "12.5"),
            (json!(100.00), "100"),
            (json!(7), "7"),
            (json!(null), ""),
            (json!(false), ""),
            (json!(true), "1"),
        ] {
            assert_eq!(text(&value).as_deref(), Some(expected), "{value}");
        }
        let nested = json!({"user": "900001", "data": {"a": {"b": 1}}});
        assert_eq!(of_request(nested.as_object().unwrap()), None);
        let both = json!({"user": "outside", "data": {"user": "inside"}});
        assert_eq!(message(&of_request(both.as_object().unwrap()).unwrap()), "user=inside");
    }
}
