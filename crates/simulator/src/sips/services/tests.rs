use super::*;
use crate::rig::read as read_json;
use crate::sips::rig::{
    Bench, PLATFORM_MERCHANT, PLATFORM_S10_MERCHANT, S10_MERCHANT, opened, sealed as with_seal, unsealed,
};
use crate::{Fault, FaultKind};
use serde_json::json;

#[tokio::test]
async fn a_read_tells_everything_about_the_sample() {
    let bench = Bench::seeded().await;
    let mut answer = bench.read("ORDER0001").await;
    let date = answer.remove("transactionDateTime").unwrap();
    assert_eq!(answer.remove("lastOperationDateTime"), Some(date));
    for moving in ["captureLimitDate", "s10TransactionReference"] {
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
    assert!(bench.effects().is_empty(), "a read has no effect");
}

#[tokio::test]
async fn the_result_of_a_read_has_its_own_member_in_newer_interfaces() {
    let bench = Bench::new().await;
    let id = bench.add(&json!({"status": "REFUSED"}));
    for (interface, own, code) in [("DR_WS_2.26", None, "00"), ("DR_WS_2.27", Some("00"), "05")] {
        let answer =
            bench.call(READ, json!({"interfaceVersion": interface, "transactionReference": id})).await;
        assert_eq!(answer.get("getTransDataResponseCode").and_then(Value::as_str), own, "{interface}");
        assert_eq!(answer["responseCode"], code, "{interface}");
    }
    let unknown = bench.read("NOBODY").await;
    assert_eq!(Value::Object(unknown), json!({"responseCode": "25", "getTransDataResponseCode": "25"}));
}

#[tokio::test]
async fn every_algorithm_and_key_version_seals_both_ways() {
    let bench = Bench::seeded().await;
    for algorithm in ["HMAC-SHA-256", "HMAC-SHA-512", "SHA-256"] {
        for key_version in ["1", "2"] {
            let patch = json!({"transactionReference": "ORDER0001", "sealAlgorithm": algorithm,
                "keyVersion": key_version});
            assert_eq!(bench.call(READ, patch).await["responseCode"], "00", "{algorithm} {key_version}");
        }
    }
}

/// The service answers this request with this code and field; `signed` says whether the answer has a seal.
async fn check(bench: &Bench, service: &str, body: &Value, code: &str, field: Option<&str>, signed: bool) {
    let mut answer = bench.send(service, body).await;
    assert_eq!(answer.contains_key("seal"), signed, "{body} {answer:?}");
    if signed {
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
        let good = || unsealed(service, &json!({"transactionReference": "ORDER0001"}));
        let patched = |patch: Value| {
            let mut body = good();
            crate::platform::merge(&mut body, &patch);
            with_seal(body)
        };
        for (patch, code, field, signed) in [
            (json!({"merchantId": null}), "12", Some("merchantId"), false),
            (json!({"merchantId": 2}), "30", Some("merchantId"), false),
            (json!({"merchantId": "12"}), "30", Some("merchantId"), false),
            (json!({"merchantId": "002001000000777"}), "03", None, false),
            (json!({"intermediateServiceProviderId": "p"}), "03", None, false),
            (json!({"keyVersion": null}), "12", Some("keyVersion"), false),
            (json!({"keyVersion": "one"}), "30", Some("keyVersion"), false),
            (json!({"keyVersion": "3"}), "34", None, false),
            (json!({"sealAlgorithm": "MD5"}), "12", Some("sealAlgorithm"), true),
            (json!({"interfaceVersion": null}), "12", Some("interfaceVersion"), true),
            (json!({"interfaceVersion": "2.55"}), "30", Some("interfaceVersion"), true),
            (json!({"interfaceVersion": "XX_WS_2.55"}), "12", Some("interfaceVersion"), true),
            (json!({"interfaceVersion": "CR_WS_9.1"}), "12", Some("interfaceVersion"), true),
            (json!({"brandNew": "x"}), "12", Some("brandNew"), true),
        ] {
            check(&bench, service, &patched(patch), code, field, signed).await;
        }
        check(&bench, service, &good(), "12", Some("seal"), true).await;
        let mut wrong = patched(json!({}));
        wrong["seal"] = "0".repeat(64).into();
        check(&bench, service, &wrong, "34", None, true).await;
        let mut upper = patched(json!({}));
        upper["seal"] = upper["seal"].as_str().unwrap().to_uppercase().into();
        check(&bench, service, &upper, "34", None, true).await;
        let mut other = patched(json!({}));
        other["transactionReference"] = "ORDER0002".into();
        check(&bench, service, &other, "34", None, true).await;
    }
    assert!(bench.effects().is_empty());
}

#[tokio::test]
async fn a_seal_of_another_shops_key_is_wrong() {
    let bench = Bench::seeded().await;
    let mut body =
        with_seal(unsealed(READ, &json!({"merchantId": PLATFORM_MERCHANT, "transactionReference": "X"})));
    body["merchantId"] = "002001000000001".into();
    assert_eq!(bench.send(READ, &body).await["responseCode"], "34");
}

#[tokio::test]
async fn an_empty_reference_is_an_absent_one() {
    let bench = Bench::new().await;
    let named = json!({"s10TransactionId": "7", "s10TransactionIdDate": "20260114"});
    let draft =
        json!({"merchantId": S10_MERCHANT, "s10TransactionId": "7", "s10TransactionIdDate": "20260114"});
    let id = bench.add(&draft);
    let body =
        json!({"merchantId": S10_MERCHANT, "transactionReference": "", "s10TransactionReference": named});
    assert_eq!(bench.call(READ, body.clone()).await["transactionStatus"], "TO_CAPTURE");
    assert_eq!(bench.code(CANCEL, body).await.0, "00");
    assert_eq!(bench.rig.control.request_log()[0].order, Some(id));
    let (code, field) = bench.code(READ, json!({"transactionReference": ""})).await;
    assert_eq!((code.as_str(), field.as_deref()), ("12", Some("transactionReference")), "missing");
}

#[tokio::test]
async fn old_interfaces_do_not_know_newer_members() {
    let bench = Bench::seeded().await;
    let old = |interface: &str, patch: Value| {
        let mut body = json!({"interfaceVersion": interface, "transactionReference": "ORDER0001"});
        crate::platform::merge(&mut body, &patch);
        body
    };
    for (interface, patch) in [
        ("CR_WS_2.11", json!({"sealAlgorithm": "HMAC-SHA-256"})),
        ("CR_WS_2.19", json!({"customerContact": {"email": "a@b.c"}})),
        (
            "CR_WS_2.5",
            json!({"s10TransactionReference": {"s10TransactionId": "1", "s10TransactionIdDate": "20260114"}}),
        ),
    ] {
        let (code, field) = bench.code(CANCEL, old(interface, patch)).await;
        assert_eq!((code.as_str(), field), ("12", None), "{interface} has no errorFieldName either");
    }
    let answer = bench.call(CANCEL, old("CR_WS_2.19", json!({}))).await;
    assert!(!answer.contains_key("acquirerResponseCode"));
    assert_eq!(answer["responseCode"], "00");
}

#[tokio::test]
async fn the_infrastructure_answers_before_the_services() {
    let bench = Bench::new().await;
    let body = with_seal(unsealed(READ, &json!({"transactionReference": "X"}))).to_string();
    let url = bench.url(&format!("rs-services/v2/{READ}"));
    let client = &bench.rig.client;
    for (request, status) in [
        (client.post(&url).body(body.clone()), 415),
        (client.post(&url).header("content-type", "text/plain").body(body.clone()), 415),
        (client.get(&url), 404),
        (bench.request(READ, "{"), 400),
        (bench.request(READ, "[]"), 400),
        (bench.request("cashManagement/duplicate", &body), 404),
        (client.post(format!("{}/sips/nobody/rs-services/v2/{READ}", bench.rig.running.base_url())), 404),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
    }
    let charset = client.post(&url).header("content-type", "Application/JSON; charset=UTF-8").body(body);
    assert_eq!(read_json(charset).await["responseCode"], "25");
}

#[tokio::test]
async fn each_shop_names_its_transactions_in_its_own_way() {
    let bench = Bench::new().await;
    let pair = json!({"s10TransactionId": "123", "s10TransactionIdDate": "20260114"});
    for merchant in [S10_MERCHANT, PLATFORM_S10_MERCHANT] {
        let id = bench.add(&json!({"merchantId": merchant, "s10TransactionId": "000123",
            "s10TransactionIdDate": "20260114", "status": if merchant == S10_MERCHANT { "TO_CAPTURE" } else { "ENDED" }}));
        assert_eq!(id, "s10.000123.20260114");
        let answer = bench.call(READ, json!({"merchantId": merchant, "s10TransactionReference": pair})).await;
        assert_eq!(
            answer["s10TransactionReference"],
            json!({"s10TransactionId": "000123", "s10TransactionIdDate": "20260114"})
        );
        let (code, field) =
            bench.code(READ, json!({"merchantId": merchant, "transactionReference": "X"})).await;
        assert_eq!((code.as_str(), field.as_deref()), ("12", Some("transactionReference")));
        let (code, field) = bench.code(READ, json!({"merchantId": merchant})).await;
        assert_eq!((code.as_str(), field.as_deref()), ("12", Some("s10TransactionReference")));
    }
    let (code, field) = bench.code(READ, json!({"s10TransactionReference": pair})).await;
    assert_eq!((code.as_str(), field.as_deref()), ("12", Some("s10TransactionReference")));
    let (code, field) = bench.code(READ, json!({})).await;
    assert_eq!((code.as_str(), field.as_deref()), ("12", Some("transactionReference")));
    let log = bench.rig.control.request_log();
    assert_eq!(
        (log[0].order.as_deref(), log[0].shop.as_deref()),
        (Some("s10.000123.20260114"), Some(S10_MERCHANT))
    );
    assert_eq!(log[0].body["seal"], "***");
}

#[tokio::test]
async fn any_code_can_be_ordered_and_is_sealed() {
    let bench = Bench::seeded().await;
    for code in ["05", "24", "25", "40", "51", "57", "60", "62", "90", "99", "ZZ"] {
        bench.fault(
            CANCEL,
            FaultKind::Refuse {
                code: code.into(),
                message: None,
                detailed_code: Some("51".into()),
                detailed_message: None,
            },
        );
        let answer = bench.call(CANCEL, json!({"transactionReference": "ORDER0001"})).await;
        assert_eq!((&answer["responseCode"], &answer["acquirerResponseCode"]), (&json!(code), &json!("51")));
        assert_eq!(answer.get("newStatus").and_then(Value::as_str), (code == "24").then_some("TO_CAPTURE"));
    }
    let refuse = FaultKind::Refuse {
        code: "30".into(),
        message: Some("NO".into()),
        detailed_code: None,
        detailed_message: Some("amount".into()),
    };
    bench.fault(INIT, refuse);
    let answer = bench.call(INIT, json!({"transactionReference": "NEW1"})).await;
    assert_eq!(
        Value::Object(answer),
        json!({"redirectionStatusCode": "30", "redirectionStatusMessage": "NO", "redirectionVersion": "IR_WS_2.0",
            "errorFieldName": "amount"})
    );
    assert!(bench.effects().is_empty());
}

#[tokio::test]
async fn seals_can_be_wrong_or_missing_with_and_without_effect() {
    for (effect, code) in [(true, "00"), (false, "99")] {
        for kind in [FaultKind::BadSignature { effect }, FaultKind::Unsigned { effect }] {
            let bench = Bench::seeded().await;
            bench.fault(CANCEL, kind.clone());
            let body = with_seal(unsealed(CANCEL, &json!({"transactionReference": "ORDER0001"})));
            let mut answer = bench.send(CANCEL, &body).await;
            assert_eq!(answer["responseCode"], code, "{kind:?}");
            let seal = answer.remove("seal");
            let right = Algorithm::HmacSha256.seal(&sealed_text(&answer), "002001000000001_KEY1");
            if matches!(kind, FaultKind::Unsigned { .. }) {
                assert_eq!(seal, None);
            } else {
                let seal = seal.unwrap();
                assert!(seal != right.as_str() && seal.as_str().unwrap().len() == 64, "{seal}");
            }
            assert_eq!(bench.effects().len(), usize::from(effect));
        }
    }
}

#[tokio::test]
async fn answers_nobody_signs_are_plain() {
    let bench = Bench::seeded().await;
    let rig = &bench.rig;
    for kind in [FaultKind::BadSignature { effect: true }, FaultKind::Unsigned { effect: true }] {
        rig.control.add_fault(Fault::new("lyra", kind));
        let order = json!({"paymentOrderId": "d63e7f507a6f4dfa86cb40a833ecfd85"});
        assert_eq!(rig.done("systempay", crate::rig::GET, &order).await["amount"], 10_000);
    }
}

#[tokio::test]
async fn magic_amounts_are_faults_without_a_plan() {
    let bench = Bench::new().await;
    let id = bench.add(&json!({"amount": 990_023}));
    let body = with_seal(unsealed(CANCEL, &json!({"transactionReference": id, "operationAmount": 990_023})));
    assert!(bench.request(CANCEL, &body.to_string()).send().await.is_err(), "the answer is lost");
    assert_eq!(bench.read(&id).await["transactionStatus"], "CANCELLED");
    let (code, _) = bench.code(INIT, json!({"transactionReference": "M1", "amount": "990001"})).await;
    assert_eq!(code, "12");
    let wrong = bench.add(&json!({"amount": 990_018}));
    let body = with_seal(unsealed(READ, &json!({"transactionReference": wrong})));
    assert!(!bench.send(READ, &body).await.contains_key("seal"));
    assert_eq!(bench.effects().len(), 1);
}

#[tokio::test]
async fn shops_and_brands_do_not_see_each_others_transactions() {
    let bench = Bench::seeded().await;
    bench.add(&json!({"merchantId": PLATFORM_MERCHANT, "transactionReference": "ORDER0001", "amount": 7}));
    let theirs = json!({"merchantId": PLATFORM_MERCHANT, "transactionReference": "ORDER0001"});
    assert_eq!(bench.call(READ, theirs).await["currentAmount"], 7);
    assert_eq!(bench.read("ORDER0001").await["currentAmount"], 1000);
    let body = with_seal(unsealed(READ, &json!({"transactionReference": "ORDER0001"})));
    let elsewhere = format!("{}/sips/mercanet/rs-services/v2/{READ}", bench.rig.running.base_url());
    let request = bench.rig.client.post(elsewhere).header("content-type", "application/json");
    assert_eq!(read_json(request.body(body.to_string())).await["responseCode"], "25");
}
