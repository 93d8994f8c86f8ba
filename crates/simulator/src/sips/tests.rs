//! The platform over real HTTP: what conformance and other people's clients don't ask of it.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::rig::{Bench, opened, sealed, unsealed};
use super::seal::{Algorithm, sealed_text};
use super::services::{CANCEL, INIT, READ, REFUND, SERVICES, VALIDATE};
use crate::platform::merge;
use crate::{ControlError, FaultKind, PayerAction};

const PLATFORM_MERCHANT: &str = "002001000000002";
const S10_MERCHANT: &str = "002001000000003";
const PLATFORM_S10_MERCHANT: &str = "002001000000004";
const POOR_MERCHANT: &str = "002001000000009";
const KEY: &str = "002001000000001_KEY1";

/// The service answers this request with this code and field; `is_signed` says whether the answer has a seal.
async fn check(bench: &Bench, service: &str, body: &Value, code: &str, field: Option<&str>, is_signed: bool) {
    let mut answer = bench.send(service, body).await;
    assert_eq!(answer.contains_key("seal"), is_signed, "{body} {answer:?}");
    if is_signed {
        answer = opened(answer, body);
    }
    let member = if service == INIT { "redirectionStatusCode" } else { "responseCode" };
    assert_eq!(answer[member], code, "{body} {answer:?}");
    assert_eq!(answer.get("errorFieldName").and_then(Value::as_str), field, "{body}");
}

#[tokio::test]
async fn who_asks_is_found_out_first() {
    let bench = Bench::seeded().await;
    for service in SERVICES {
        let patched = |patch: Value| {
            let mut body = unsealed(service, &json!({"transactionReference": "ORDER0001"}));
            merge(&mut body, &patch);
            sealed(body)
        };
        for (patch, code, field, is_signed) in [
            (json!({"merchantId": null}), "12", Some("merchantId"), false),
            (json!({"merchantId": "12"}), "30", Some("merchantId"), false),
            (json!({"merchantId": "002001000000777"}), "03", None, false),
            (json!({"intermediateServiceProviderId": "p"}), "03", None, false),
            (json!({"keyVersion": "one"}), "30", Some("keyVersion"), false),
            (json!({"keyVersion": "3"}), "34", None, false),
            (json!({"sealAlgorithm": "MD5"}), "12", Some("sealAlgorithm"), true),
            (json!({"interfaceVersion": "2.55"}), "30", Some("interfaceVersion"), true),
            (json!({"interfaceVersion": "XX_WS_2.55"}), "12", Some("interfaceVersion"), true),
            (json!({"interfaceVersion": "CR_WS_9.1"}), "12", Some("interfaceVersion"), true),
            (json!({"brandNew": "x"}), "12", Some("brandNew"), true),
        ] {
            check(&bench, service, &patched(patch), code, field, is_signed).await;
        }
        let mut upper = patched(json!({}));
        upper["seal"] = upper["seal"].as_str().unwrap().to_uppercase().into();
        check(&bench, service, &upper, "34", None, true).await;
        let mut other = patched(json!({}));
        other["transactionReference"] = "ORDER0002".into();
        check(&bench, service, &other, "34", None, true).await;
    }
    for algorithm in ["HMAC-SHA-256", "HMAC-SHA-512", "SHA-256"] {
        let patch =
            json!({"transactionReference": "ORDER0001", "sealAlgorithm": algorithm, "keyVersion": "2"});
        assert_eq!(bench.call(READ, patch).await["responseCode"], "00", "{algorithm}");
    }
    let url = bench.url(&format!("rs-services/v2/{READ}"));
    for (request, status) in [
        (bench.rig.client.post(&url).body("{}"), 415),
        (bench.rig.client.get(&url), 404),
        (bench.request(READ, "[]"), 400),
        (bench.request("cashManagement/duplicate", "{}"), 404),
    ] {
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    assert!(bench.effects().is_empty());
}

#[tokio::test]
async fn wrong_members_have_the_codes_of_the_pages() {
    let bench = Bench::seeded().await;
    let pair = |id: &str| json!({"s10TransactionReference": {"s10TransactionId": id, "s10TransactionIdDate": "20260114"}});
    for (service, patch, code, field) in [
        (INIT, json!({"amount": null}), "12", Some("amount")),
        (INIT, json!({"amount": "0"}), "12", Some("amount")),
        (INIT, json!({"amount": "1.5"}), "30", Some("amount")),
        (INIT, json!({"amount": -1}), "30", Some("amount")),
        (INIT, json!({"amount": true}), "30", Some("amount")),
        (INIT, json!({"amount": "1234567890123"}), "30", Some("amount")),
        (INIT, json!({"currencyCode": "EUR"}), "12", Some("currencyCode")),
        (INIT, json!({"normalReturnUrl": "shop"}), "30", Some("normalReturnUrl")),
        (INIT, json!({"normalReturnUrl": "https://shop.example:10000/"}), "30", Some("normalReturnUrl")),
        (INIT, json!({"normalReturnUrl": "https://shop.example:8443/?a=1"}), "00", None),
        (INIT, json!({"captureMode": "LATER"}), "12", Some("captureMode")),
        (INIT, json!({"responseKeyVersion": "9"}), "12", Some("responseKeyVersion")),
        (INIT, json!({"transactionReference": ""}), "12", Some("transactionReference")),
        (INIT, json!({"transactionReference": "A-1"}), "30", Some("transactionReference")),
        (INIT, json!({"transactionReference": "ORDER0001"}), "94", None),
        (INIT, json!({"paymentMeanBrandList": "VISA"}), "30", Some("paymentMeanBrandList")),
        (INIT, json!({"orderId": "a\nb"}), "30", Some("orderId")),
        (
            INIT,
            json!({"interfaceVersionNormalResponse": "HP_2.3"}),
            "12",
            Some("interfaceVersionAutomaticResponse"),
        ),
        (CANCEL, json!({"operationAmount": "ten"}), "30", Some("operationAmount")),
        (CANCEL, json!({"operationAmount": "0"}), "12", Some("operationAmount")),
        (CANCEL, json!({"currencyCode": "840"}), "12", Some("currencyCode")),
        (CANCEL, json!({"transactionReference": "NOBODY"}), "25", None),
        (CANCEL, json!({"customerContact": {"gender": "X"}}), "12", Some("gender")),
        (CANCEL, pair("1"), "12", Some("s10TransactionReference")),
        (CANCEL, pair("1234567"), "30", Some("s10TransactionId")),
        (CANCEL, json!({"interfaceVersion": "CR_WS_2.19", "customerContact": {}}), "12", None),
        (VALIDATE, json!({"customerContact": {"gender": "F"}}), "12", Some("customerContact")),
        (REFUND, json!({"transactionReference": null}), "12", Some("transactionReference")),
    ] {
        let reference = if service == INIT { "NEW1" } else { "ORDER0001" };
        let mut body = json!({"transactionReference": reference});
        // Null takes a member away when the request is made.
        body.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        let (got, named) = bench.code(service, body).await;
        assert_eq!((got.as_str(), named.as_deref()), (code, field), "{service} {patch}");
    }
}

#[tokio::test]
async fn a_read_tells_everything_about_the_sample() {
    let bench = Bench::seeded().await;
    let mut answer = bench.read("ORDER0001").await;
    for moving in
        ["transactionDateTime", "lastOperationDateTime", "captureLimitDate", "s10TransactionReference"]
    {
        assert!(answer.remove(moving).is_some(), "{moving}");
    }
    assert_eq!(
        Value::Object(answer),
        json!({
            "transactionStatus": "TO_CAPTURE", "responseCode": "00", "getTransDataResponseCode": "00",
            "acquirerResponseCode": "00", "authorisationId": "654321", "originAmount": 1000, "currentAmount": 1000,
            "remainingAmount": 1000, "currencyCode": "978", "merchantId": "002001000000001",
            "transactionReference": "ORDER0001", "orderId": "cart-1", "orderChannel": "INTERNET",
            "lastOperationName": "AUTHOR", "paymentMeanBrand": "VISA", "paymentMeanType": "CARD",
            "paymentPattern": "ONE_SHOT", "maskedPan": "4100##########00", "panExpiryDate": "203012",
            "holderAuthentStatus": "3D_SUCCESS", "paymentAttemptNumber": 1,
        })
    );
    let id = bench.add(&json!({"status": "REFUSED"}));
    for (interface, own, code) in [("DR_WS_2.26", None, "00"), ("DR_WS_2.27", Some("00"), "05")] {
        let answer =
            bench.call(READ, json!({"interfaceVersion": interface, "transactionReference": id})).await;
        assert_eq!(answer.get("getTransDataResponseCode").and_then(Value::as_str), own, "{interface}");
        assert_eq!(answer["responseCode"], code, "{interface}");
    }
}

#[tokio::test]
async fn each_shop_names_its_transactions_in_its_own_way() {
    let bench = Bench::new().await;
    let given = json!({"s10TransactionId": "77"});
    for (merchant, reference, s10, code) in [
        (PLATFORM_MERCHANT, Value::Null, Value::Null, "00"),
        (PLATFORM_MERCHANT, json!("A1"), Value::Null, "00"),
        (PLATFORM_MERCHANT, json!("A1"), Value::Null, "94"),
        (S10_MERCHANT, json!(""), given.clone(), "00"),
        (S10_MERCHANT, Value::Null, given.clone(), "94"),
        (S10_MERCHANT, Value::Null, Value::Null, "12"),
        (S10_MERCHANT, json!("A1"), given.clone(), "12"),
        (PLATFORM_S10_MERCHANT, Value::Null, Value::Null, "00"),
        (PLATFORM_S10_MERCHANT, Value::Null, given, "12"),
    ] {
        let body = json!({"merchantId": merchant, "transactionReference": reference, "s10TransactionReference": s10});
        assert_eq!(bench.code(INIT, body.clone()).await.0, code, "{body}");
    }
    let made: Vec<_> = bench.rig.control.effects().into_iter().map(|effect| effect.order).collect();
    assert_eq!((made[0].len(), made[1].as_str()), (20, "A1"));
    assert!(made[2].starts_with("s10.000077.20"), "{}", made[2]);
    bench.add(
        &json!({"merchantId": S10_MERCHANT, "s10TransactionId": "123", "s10TransactionIdDate": "20260114"}),
    );
    let pair = json!({"s10TransactionId": "000123", "s10TransactionIdDate": "20260114"});
    let body = json!({"merchantId": S10_MERCHANT, "s10TransactionReference": pair});
    assert_eq!(bench.call(READ, body.clone()).await["s10TransactionReference"], pair);
    assert_eq!(bench.call(CANCEL, body).await["newStatus"], "CANCELLED");
    // Shops do not see each other's transactions.
    bench.add(&json!({"merchantId": PLATFORM_MERCHANT, "transactionReference": "SAME", "amount": 7}));
    assert_eq!(bench.read("SAME").await["responseCode"], "25");
}

#[tokio::test]
async fn a_status_allows_what_the_guide_says() {
    for (status, cancel, refund, validate) in [
        ("TO_AUTHORIZE", true, false, false),
        ("PENDING", false, false, false),
        ("TO_CHALLENGE", true, false, false),
        ("TO_VALIDATE", true, false, true),
        ("TO_REPLAY", false, false, true),
        ("TO_CAPTURE", true, false, false),
        ("CAPTURED", false, true, false),
        ("TO_CREDIT", false, true, false),
        ("CREDITED", false, false, false),
        ("CANCELLED", false, false, false),
    ] {
        for (service, allowed, after, left) in [
            (CANCEL, cancel, status, 700),
            (REFUND, refund, "TO_CREDIT", 700),
            (VALIDATE, validate, "TO_CAPTURE", 300),
        ] {
            let bench = Bench::new().await;
            let id = bench.add(&json!({"status": status, "captureDay": 30}));
            let answer =
                bench.call(service, json!({"transactionReference": id, "operationAmount": 300})).await;
            let (code, after, left) = if allowed { ("00", after, left) } else { ("24", status, 1000) };
            let said = [&answer["responseCode"], &answer["newStatus"], &answer["newAmount"]];
            assert_eq!(said, [&json!(code), &json!(after), &json!(left)], "{service} {status}");
            assert_eq!(
                answer.contains_key("authorisationId"),
                allowed && service != CANCEL,
                "{service} {status}"
            );
            assert_eq!(answer.contains_key("captureLimitDate"), allowed && service == VALIDATE);
            let moved: Vec<_> = bench.rig.control.effects().iter().map(|effect| effect.amount).collect();
            assert_eq!(moved, if allowed { vec![Some(300)] } else { vec![] }, "{service} {status}");
            assert_eq!(bench.read(&id).await["currentAmount"], left);
        }
    }
}

#[tokio::test]
async fn what_is_in_the_way_of_an_operation() {
    let bench = Bench::new().await;
    let id = bench.add(&json!({"status": "CAPTURED"}));
    let refund = || json!({"transactionReference": id});
    bench.act(&id, "lock");
    assert_eq!(bench.code(REFUND, refund()).await.0, "24");
    bench.act(&id, "unlock");
    bench.act(&id, "charge_back");
    assert_eq!(bench.code(REFUND, refund()).await.0, "57");
    for (service, code) in [(CANCEL, "40"), (REFUND, "40"), (VALIDATE, "00")] {
        let poor = bench.add(&json!({"merchantId": POOR_MERCHANT, "status": "TO_VALIDATE", "captureDay": 5}));
        let body = json!({"merchantId": POOR_MERCHANT, "transactionReference": poor});
        assert_eq!(bench.code(service, body).await.0, code, "{service}");
    }
    let late = bench.add(&json!({"status": "TO_VALIDATE", "captureDay": 3}));
    bench.rig.control.advance(Duration::from_secs(3 * 86_400));
    let answer = bench.call(VALIDATE, json!({"transactionReference": late})).await;
    assert_eq!([&answer["responseCode"], &answer["newStatus"]], ["24", "EXPIRED"]);
    bench.rig.control.act("sips", "sherlocks", None, "delay_storage").unwrap();
    assert_eq!(bench.code(INIT, json!({"transactionReference": "A1"})).await.0, "00");
    bench.rig.control.payer("sips", "sherlocks", "A1", PayerAction::Pay).unwrap();
    assert_eq!(bench.read("A1").await["responseCode"], "25");
    bench.rig.control.act("sips", "sherlocks", None, "store").unwrap();
    assert_eq!(bench.read("A1").await["responseCode"], "00");
}

#[tokio::test]
async fn each_action_moves_the_statuses_that_it_fits() {
    let bench = Bench::new().await;
    for (status, amount, action, after, operation) in [
        ("TO_CAPTURE", 1000, "remit", "CAPTURED", "DEBIT_CAPTURE"),
        ("TO_CREDIT", 0, "remit", "CREDITED", "CREDIT_CAPTURE"),
        ("TO_CREDIT", 700, "remit", "CAPTURED", "CREDIT_CAPTURE"),
        ("TO_AUTHORIZE", 1000, "remit", "TO_CAPTURE", "AUTHOR_BATCH"),
        ("TO_CAPTURE", 1000, "refuse_remittance", "CAPTURE_REFUSED", "DEBIT_CAPTURE"),
        ("CAPTURED", 1000, "reject_capture", "CAPTURE_REFUSED", "DEBIT_CAPTURE"),
        ("TO_VALIDATE", 1000, "expire", "EXPIRED", "EXPIRED"),
        ("TO_CAPTURE", 1000, "challenge", "TO_CHALLENGE", "AUTHOR"),
        ("TO_CHALLENGE", 1000, "accept_challenge", "TO_CAPTURE", "ACCEPT_CHALLENGE"),
        ("TO_CHALLENGE", 1000, "refuse_challenge", "REFUSED", "REFUSE_CHALLENGE"),
    ] {
        let id = bench.add(&json!({"status": status, "amount": amount, "captureDay": 5}));
        assert_eq!(bench.act(&id, action), json!({"changed": [id]}));
        let read = bench.read(&id).await;
        assert_eq!([&read["transactionStatus"], &read["lastOperationName"]], [after, operation]);
        assert_eq!(
            bench.effects().pop().unwrap(),
            (action.to_owned(), Some(amount), amount, after.to_owned())
        );
        let again = bench.rig.control.act("sips", "sherlocks", Some(&id), "abort");
        assert!(matches!(again, Err(ControlError::Invalid(_))), "{again:?}");
    }
    // A bank can reject one refund of several, before and after the night.
    let id = bench.add(&json!({"status": "CAPTURED"}));
    let refund = async |amount: i64| {
        let body = json!({"transactionReference": id, "operationAmount": amount});
        assert_eq!(bench.code(REFUND, body).await.0, "00");
    };
    let state = async || {
        let read = bench.read(&id).await;
        format!("{} {}", read["transactionStatus"].as_str().unwrap(), read["currentAmount"])
    };
    let reject = |amount| bench.rig.control.act_amount("sips", "sherlocks", &id, "reject_credit", amount);
    refund(300).await;
    refund(200).await;
    reject(300).unwrap();
    assert_eq!(state().await, "TO_CREDIT 800", "the other one waits");
    refund(800).await;
    bench.act(&id, "remit");
    assert_eq!(state().await, "CREDITED 0");
    bench.act(&id, "reject_credit");
    assert_eq!(state().await, "CAPTURED 800");
    assert!(reject(800).is_err(), "it is gone");
}

/// The fields of the last notification.
fn notice(bench: &Bench) -> HashMap<String, String> {
    let sent = bench.rig.control.notices().pop().unwrap();
    url::form_urlencoded::parse(sent.body.as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn the_result_has_the_form_that_the_request_chose() {
    let bench = Bench::new().await;
    for (reference, patch, version, encode, is_json, algorithm, key) in [
        ("A1", json!({}), "HP_2.35", "", false, Algorithm::Sha256, KEY),
        ("A2", json!({"sealAlgorithm": "HMAC-SHA-256"}), "HP_2.35", "", false, Algorithm::HmacSha256, KEY),
        ("A3", json!({"responseEncoding": "base64"}), "HP_2.35", "base64", false, Algorithm::Sha256, KEY),
        ("A4", json!({"interfaceVersion": "IR_WS_3.4"}), "JS_3.4", "", true, Algorithm::Sha256, KEY),
        (
            "A5",
            json!({"interfaceVersion": "IR_WS_3.0", "responseEncoding": "base64url", "responseKeyVersion": "2"}),
            "JS_3.0",
            "base64url",
            true,
            Algorithm::Sha256,
            "002001000000001_KEY2",
        ),
        (
            "A6",
            json!({"interfaceVersion": "IR_WS_3.4", "interfaceVersionAutomaticResponse": "HP_3.4",
                "interfaceVersionNormalResponse": "JS_3.4"}),
            "HP_3.4",
            "",
            false,
            Algorithm::Sha256,
            KEY,
        ),
    ] {
        let mut body = json!({"transactionReference": reference, "returnContext": "café=1"});
        merge(&mut body, &patch);
        assert_eq!(bench.code(INIT, body).await.0, "00");
        bench.rig.control.payer("sips", "sherlocks", reference, PayerAction::Pay).unwrap();
        let fields = notice(&bench);
        assert_eq!([&fields["InterfaceVersion"], &fields["Encode"]], [version, encode], "{reference}");
        assert_eq!(fields["Seal"], algorithm.seal(&fields["Data"], key), "{reference}");
        let data = match encode {
            "base64" => String::from_utf8(STANDARD.decode(&fields["Data"]).unwrap()).unwrap(),
            "base64url" => String::from_utf8(URL_SAFE_NO_PAD.decode(&fields["Data"]).unwrap()).unwrap(),
            _ => fields["Data"].clone(),
        };
        assert_eq!(serde_json::from_str::<Value>(&data).is_ok(), is_json, "{data}");
        assert!(data.contains("café=1") && data.contains(reference), "{data}");
    }
    let silent = json!({"transactionReference": "A7", "automaticResponseUrl": null});
    assert_eq!(bench.code(INIT, silent).await.0, "00");
    bench.rig.control.payer("sips", "sherlocks", "A7", PayerAction::Pay).unwrap();
    assert_eq!(bench.rig.control.notices().len(), 6, "no address, no notice");
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
    rest.split('"')
        .next()
        .unwrap()
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[tokio::test]
async fn a_page_ends_once_or_waits_15_minutes() {
    for (action, code, word, after) in [
        ("pay", "00", "pay", "TO_CAPTURE"),
        ("decline", "05", "decline", "REFUSED"),
        ("cancel", "17", "abort", "ABORTED"),
        ("leave", "97", "expire", "ABORTED"),
    ] {
        let bench = Bench::new().await;
        let body = json!({"transactionReference": "A1", "orderId": "<b>7</b>", "returnContext": "a\"b"});
        let data = bench.call(INIT, body).await["redirectionData"].as_str().unwrap().to_owned();
        let post = async |action: &str| {
            let form = format!("redirectionVersion=IR_WS_2.0&redirectionData={data}&action={action}");
            let answer = bench.rig.client.post(bench.url("paypage")).body(form).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        let (_, shown) = post("").await;
        for text in ["15.00 EUR", "&lt;b&gt;7&lt;/b&gt;", "Pay</button>", "Decline", "Leave", "Cancel"] {
            assert!(shown.contains(text), "{text}");
        }
        assert_eq!((field(&shown, "redirectionData"), post("steal").await.0), (data.clone(), 400));
        let (_, page) = post(action).await;
        if action == "leave" {
            bench.rig.control.advance(Duration::from_secs(15 * 60));
            assert!(post("pay").await.1.contains("Nobody paid"));
            bench.act("A1", "expire");
        } else {
            assert!(
                page.contains("action=\"https://shop.example/back\"") && page.contains("submit()"),
                "{page}"
            );
            let result = field(&page, "Data");
            assert!(
                result.contains(&format!("|responseCode={code}|")) && result.contains("a\"b"),
                "{result}"
            );
            assert_eq!(field(&page, "Seal"), Algorithm::Sha256.seal(&result, KEY));
        }
        assert_eq!(bench.effects()[1], (word.to_owned(), Some(1500), 1500, after.to_owned()));
        assert!(post("pay").await.1.contains(&format!("status is {after}")));
        assert_eq!((bench.effects().len(), bench.rig.control.notices().len()), (2, 1), "a payment ends once");
        assert_eq!(bench.read("A1").await["responseCode"], code);
    }
}

#[tokio::test]
async fn any_code_can_be_ordered_and_seals_can_be_wrong_or_missing() {
    let bench = Bench::seeded().await;
    let reference = || json!({"transactionReference": "ORDER0001"});
    for code in ["05", "24", "ZZ"] {
        let detailed_code = Some("51".into());
        let refuse =
            FaultKind::Refuse { code: code.into(), message: None, detailed_code, detailed_message: None };
        bench.fault(CANCEL, refuse);
        let answer = bench.call(CANCEL, reference()).await;
        assert_eq!([&answer["responseCode"], &answer["acquirerResponseCode"]], [code, "51"]);
        assert_eq!(answer.get("newStatus").and_then(Value::as_str), (code == "24").then_some("TO_CAPTURE"));
    }
    for (effect, code) in [(false, "99"), (true, "00")] {
        bench.fault(CANCEL, FaultKind::Unsigned { effect });
        let mut body = reference();
        body["operationAmount"] = 1.into();
        let answer = bench.send(CANCEL, &sealed(unsealed(CANCEL, &body))).await;
        assert_eq!((&answer["responseCode"], answer.get("seal")), (&json!(code), None));
        bench.fault(CANCEL, FaultKind::BadSignature { effect });
        let mut answer = bench.send(CANCEL, &sealed(unsealed(CANCEL, &body))).await;
        let seal = answer.remove("seal").unwrap();
        assert_ne!(seal, Algorithm::HmacSha256.seal(&sealed_text(&answer), KEY));
        assert_eq!(bench.effects().len(), if effect { 2 } else { 0 });
    }
}
