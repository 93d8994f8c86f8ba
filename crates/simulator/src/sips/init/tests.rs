use super::super::rig::{Bench, PLATFORM_MERCHANT, PLATFORM_S10_MERCHANT, S10_MERCHANT, lay, secret};
use super::super::services::{INIT, READ};
use super::*;
use crate::PayerAction;

/// The fields of the last notification.
fn notice(bench: &Bench) -> Map<String, Value> {
    let sent = bench.rig.control.notices().pop().unwrap();
    assert_eq!(
        (sent.provider.as_str(), sent.content_type.as_str()),
        ("sips", "application/x-www-form-urlencoded")
    );
    let pairs = url::form_urlencoded::parse(sent.body.as_bytes());
    pairs.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect()
}

fn pay(bench: &Bench, id: &str) -> String {
    bench.rig.control.payer("sips", "sherlocks", id, PayerAction::Pay).unwrap()
}

#[tokio::test]
async fn a_page_is_opened_and_there_is_nothing_to_read_before_it_is_paid() {
    let bench = Bench::new().await;
    let answer = bench.call(INIT, json!({"transactionReference": "ORDER0005", "orderId": "cart-1"})).await;
    assert_eq!(answer["redirectionStatusCode"], "00");
    assert_eq!(answer["redirectionStatusMessage"], "INITIALISATION REQUEST ACCEPTED");
    assert_eq!(answer["redirectionVersion"], "IR_WS_2.0");
    assert_eq!(answer["redirectionUrl"], bench.url("paypage"));
    let data = answer["redirectionData"].as_str().unwrap();
    assert!((2000..3000).contains(&data.len()));
    assert!(data.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    assert_eq!(bench.read("ORDER0005").await["responseCode"], "25");
    let shown = bench.rig.control.order("sips", "sherlocks", "ORDER0005").unwrap();
    assert_eq!((&shown["transactionStatus"], &shown["redirectionData"]), (&json!(PAGE_OPEN), &json!(data)));
    assert_eq!(pay(&bench, "ORDER0005"), "TO_CAPTURE");
    let read = bench.read("ORDER0005").await;
    assert_eq!((&read["transactionStatus"], &read["orderId"]), (&json!("TO_CAPTURE"), &json!("cart-1")));
    let effects = bench.rig.control.effects();
    assert_eq!(
        (effects[0].action.as_str(), effects[0].request, effects[0].currency.as_str()),
        ("create", Some(1), "EUR")
    );
    assert_eq!(
        (effects[1].action.as_str(), effects[1].amount_before, effects[1].amount_after),
        ("pay", Some(1500), 1500)
    );
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_path_does_not_matter() {
    let bench = Bench::new().await;
    let answer = bench
        .call(
            "paymentInit/",
            json!({"amount": 5, "currencyCode": "978", "normalReturnUrl": "https://shop.example/",
        "interfaceVersion": "IR_WS_2.35", "transactionReference": "A1", "operationAmount": null}),
        )
        .await;
    assert_eq!(answer["redirectionStatusCode"], "00");
}

#[tokio::test]
async fn the_capture_mode_decides_what_a_payment_is() {
    let bench = Bench::new().await;
    for (reference, mode, day, status) in [
        ("A1", "AUTHOR_CAPTURE", "0", "TO_CAPTURE"),
        ("A2", "AUTHOR_CAPTURE", "30", "TO_AUTHORIZE"),
        ("A3", "VALIDATION", "3", "TO_VALIDATE"),
        ("A4", "IMMEDIATE", "0", "CAPTURED"),
    ] {
        let body = json!({"transactionReference": reference, "captureMode": mode, "captureDay": day});
        assert_eq!(bench.code(INIT, body).await.0, "00");
        assert_eq!(pay(&bench, reference), status);
    }
}

#[tokio::test]
async fn wrong_requests_are_refused_with_the_codes_of_the_page() {
    let bench = Bench::seeded().await;
    for (patch, code, field) in [
        (json!({"amount": null}), "12", Some("amount")),
        (json!({"amount": "0"}), "12", Some("amount")),
        (json!({"amount": "1.5"}), "30", Some("amount")),
        (json!({"currencyCode": "EUR"}), "12", Some("currencyCode")),
        (json!({"normalReturnUrl": null}), "12", Some("normalReturnUrl")),
        (json!({"normalReturnUrl": "shop"}), "30", Some("normalReturnUrl")),
        (json!({"automaticResponseUrl": "https://shop.example:99999/"}), "30", Some("automaticResponseUrl")),
        (json!({"captureMode": "LATER"}), "12", Some("captureMode")),
        (json!({"captureDay": "100"}), "30", Some("captureDay")),
        (json!({"responseEncoding": "rot13"}), "12", Some("responseEncoding")),
        (json!({"responseKeyVersion": "9"}), "12", Some("responseKeyVersion")),
        (json!({"transactionReference": null}), "12", Some("transactionReference")),
        (json!({"transactionReference": ""}), "12", Some("transactionReference")),
        (json!({"transactionReference": "A-1"}), "30", Some("transactionReference")),
        (json!({"transactionReference": "ORDER0001"}), "94", None),
        (
            json!({"s10TransactionReference": {"s10TransactionId": "1"}}),
            "12",
            Some("s10TransactionReference"),
        ),
        (
            json!({"interfaceVersionNormalResponse": "HP_2.3"}),
            "12",
            Some("interfaceVersionAutomaticResponse"),
        ),
        (
            json!({"interfaceVersionAutomaticResponse": "HP_2.3"}),
            "12",
            Some("interfaceVersionNormalResponse"),
        ),
        (
            json!({"interfaceVersionAutomaticResponse": "XX_2.3", "interfaceVersionNormalResponse": "HP_2.3"}),
            "30",
            Some("interfaceVersionAutomaticResponse"),
        ),
        (json!({"interfaceVersion": "IR_WS_3.5"}), "12", Some("interfaceVersion")),
    ] {
        let mut body = json!({"transactionReference": "NEW1"});
        lay(&mut body, &patch);
        let (got, named) = bench.code(INIT, body).await;
        assert_eq!((got.as_str(), named.as_deref()), (code, field), "{patch}");
    }
    assert!(bench.effects().is_empty());
    assert_eq!(bench.code(INIT, json!({"transactionReference": "NEW1"})).await.0, "00");
    assert_eq!(
        bench.code(INIT, json!({"transactionReference": "NEW1"})).await.0,
        "94",
        "a reference works once"
    );
}

#[tokio::test]
async fn all_members_of_the_samples_are_taken() {
    let bench = Bench::new().await;
    // The request of seal vector C8, with what the guides' samples have besides.
    let body = json!({"transactionReference": "ORDER0005", "customerContact": {"email": "zoe@example.fr", "lastname": "Ôter"},
        "orderId": "ORD-77", "paymentMeanBrandList": ["VISA", "CB"], "paypageData": {"bypassReceiptPage": "true"},
        "returnContext": "panier=77", "shoppingCartDetail": {"shoppingCartTotalAmount": "1500",
            "shoppingCartItemList": [{"productName": "mango", "productCode": "456"}, {"productName": "apple"}]},
        "customerAddress": {"city": "Lille"}, "customerId": "c@1", "customerLanguage": "fr", "paymentPattern": "ONE_SHOT",
        "fraudData": {"challengeMode3DS": "CHALLENGE"}, "statementReference": "s", "templateName": "t",
        "holderContact": {"firstname": "Zoë"}, "holderAddress": {"city": "Lille"},
        "deliveryContact": {"lastname": "Ôter"}, "deliveryAddress": {"city": "Lille"}, "customerEmail": "zoe@example.fr",
        "customerIpAddress": "192.0.2.1", "merchantSessionId": "s-1", "merchantWalletId": "w-1",
        "instalmentData": {"number": "2"}, "normalReturnUrl": "https://shop.example/back?cart=77",
        "automaticResponseUrl": "https://shop.example/auto?cart=77",
        "transactionOrigin": "SO_WEBAPPLI", "captureDay": 0, "captureMode": "AUTHOR_CAPTURE", "amount": 1500});
    assert_eq!(bench.code(INIT, body).await, ("00".into(), None));
}

#[tokio::test]
async fn each_shop_makes_references_in_its_own_way() {
    let bench = Bench::new().await;
    let given = json!({"s10TransactionId": "77"});
    for (merchant, reference, s10, code) in [
        (PLATFORM_MERCHANT, Value::Null, Value::Null, "00"),
        (PLATFORM_MERCHANT, json!(""), Value::Null, "00"),
        (PLATFORM_MERCHANT, json!("A1"), Value::Null, "00"),
        (PLATFORM_MERCHANT, json!("A1"), Value::Null, "94"),
        (S10_MERCHANT, json!(""), json!({"s10TransactionId": "78"}), "00"),
        (S10_MERCHANT, Value::Null, given.clone(), "00"),
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
    assert_eq!(made[0].len(), 20);
    assert_eq!(
        (made[1].len(), made[2].as_str()),
        (20, "A1"),
        "an empty reference is none, a given one is kept"
    );
    assert!(made[3].starts_with("s10.000078.20"), "{}", made[3]);
    assert!(made[4].starts_with("s10.000077.20"), "{}", made[4]);
    // The merchant learns from the notification what the platform chose.
    pay(&bench, &made[0]);
    let data = notice(&bench)["Data"].as_str().unwrap().to_owned();
    assert!(data.contains(&format!("|transactionReference={}|", made[0])), "{data}");
    let read =
        bench.call(READ, json!({"merchantId": PLATFORM_MERCHANT, "transactionReference": made[0]})).await;
    assert_eq!(read["transactionStatus"], "TO_CAPTURE");
}

#[tokio::test]
async fn the_notification_has_the_form_that_the_request_chose() {
    let bench = Bench::new().await;
    let chosen =
        json!({"interfaceVersionAutomaticResponse": "HP_3.4", "interfaceVersionNormalResponse": "JS_3.4"});
    for (reference, patch, version, encode, is_json, algorithm) in [
        ("A1", json!({}), "HP_2.35", "", false, Algorithm::Sha256),
        ("A2", json!({"sealAlgorithm": "HMAC-SHA-256"}), "HP_2.35", "", false, Algorithm::HmacSha256),
        (
            "A3",
            json!({"sealAlgorithm": "HMAC-SHA-512", "responseEncoding": "base64"}),
            "HP_2.35",
            "base64",
            false,
            Algorithm::HmacSha512,
        ),
        ("A4", json!({"interfaceVersion": "IR_WS_3.4"}), "JS_3.4", "", true, Algorithm::Sha256),
        (
            "A5",
            json!({"interfaceVersion": "IR_WS_3.0", "responseEncoding": "base64url"}),
            "JS_3.0",
            "base64url",
            true,
            Algorithm::Sha256,
        ),
        (
            "A6",
            {
                let mut body = json!({"interfaceVersion": "IR_WS_3.4"});
                lay(&mut body, &chosen);
                body
            },
            "HP_3.4",
            "",
            false,
            Algorithm::Sha256,
        ),
    ] {
        let mut body = json!({"transactionReference": reference, "returnContext": "café=1"});
        lay(&mut body, &patch);
        assert_eq!(bench.code(INIT, body).await.0, "00");
        pay(&bench, reference);
        let fields = notice(&bench);
        let text = |name: &str| fields[name].as_str().unwrap();
        assert_eq!((text("InterfaceVersion"), text("Encode")), (version, encode), "{reference}");
        assert_eq!(text("Seal"), algorithm.seal(text("Data"), &secret("002001000000001")), "{reference}");
        let data = match encode {
            "base64" => {
                String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text("Data")).unwrap())
                    .unwrap()
            }
            "base64url" => String::from_utf8(URL_SAFE_NO_PAD.decode(text("Data")).unwrap()).unwrap(),
            _ => text("Data").to_owned(),
        };
        assert_eq!(serde_json::from_str::<Value>(&data).is_ok(), is_json, "{data}");
        assert!(data.contains("café=1") && data.contains(reference), "{data}");
    }
}

#[tokio::test]
async fn the_result_is_sealed_with_the_key_that_the_request_chose() {
    let bench = Bench::new().await;
    assert_eq!(
        bench.code(INIT, json!({"transactionReference": "A1", "responseKeyVersion": "2"})).await.0,
        "00"
    );
    pay(&bench, "A1");
    let fields = notice(&bench);
    let data = fields["Data"].as_str().unwrap();
    assert_eq!(fields["Seal"], Algorithm::Sha256.seal(data, "002001000000001_KEY2"));
    assert!(data.contains("|keyVersion=2|"));
}

#[tokio::test]
async fn operations_are_not_notified_and_no_address_means_no_notice() {
    let bench = Bench::new().await;
    assert_eq!(bench.code(INIT, json!({"transactionReference": "A1"})).await.0, "00");
    pay(&bench, "A1");
    bench.call("cashManagement/cancel", json!({"transactionReference": "A1", "operationAmount": 1500})).await;
    assert_eq!(bench.rig.control.notices().len(), 1);
    assert_eq!(
        bench.code(INIT, json!({"transactionReference": "A2", "automaticResponseUrl": null})).await.0,
        "00"
    );
    pay(&bench, "A2");
    assert_eq!(bench.rig.control.notices().len(), 1);
}
