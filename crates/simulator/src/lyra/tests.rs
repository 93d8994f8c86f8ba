//! The platform over real HTTP: what conformance doesn't ask of it.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::demo_shop;
use super::services::{
    CANCEL_OR_REFUND, OF_TRANSACTIONS, REFUND, TRANSACTION_CANCEL, TRANSACTION_UPDATE, VALIDATE,
};
use crate::rig::{CANCEL, CREATE, GET, Inbox, Rig, UPDATE, read};
use crate::{PayerAction, SentNotice, signing};

const BRAND: &str = "systempay";
const ORDER_GET: &str = "Order/Get";
const TRANSACTION_GET: &str = "Transaction/Get";

fn add(rig: &Rig, draft: &Value) -> String {
    rig.control.add_order("lyra", BRAND, draft).unwrap()
}

fn payer(rig: &Rig, id: &str, action: PayerAction) -> String {
    rig.control.payer("lyra", BRAND, id, action).unwrap()
}

/// A paid order, and the reference that its transactions are listed by.
fn paid(rig: &Rig, reference: &str) -> String {
    let id = add(rig, &json!({"orderId": reference}));
    payer(rig, &id, PayerAction::Pay);
    id
}

/// A transaction of 1000 EUR cents in this state.
fn transaction(rig: &Rig, detailed: &str) -> String {
    let order = add(rig, &json!({"amount": 1000, "orderId": "cart-1", "status": "PAID"}));
    rig.control.add_transaction("lyra", BRAND, &order, &json!({"detailedStatus": detailed})).unwrap()
}

fn euros(uuid: &str, amount: i64) -> Value {
    json!({"uuid": uuid, "amount": amount, "currency": "EUR"})
}

#[tokio::test]
async fn credentials_decide_the_mode_and_wrong_ones_are_http_200() {
    let rig = Rig::new().await;
    let shop = demo_shop("epaync").unwrap();
    let ask = async |user: &str, password: &str, service: &str, body: Value| {
        let url = format!("{}V4/{service}", rig.running.lyra_base_url("epaync"));
        let request = rig.client.post(url).basic_auth(user, Some(password));
        read(request.header("content-type", "application/json").body(body.to_string())).await
    };
    let test =
        async |password: &str| ask(shop.shop_id, password, "Charge/SDKTest", json!({"value": "x"})).await;
    let answer = test(shop.password).await;
    assert_eq!(answer["answer"], json!({"value": "x", "_type": "V4/Type/String"}));
    assert_eq!(answer["serverUrl"], format!("{}/lyra/epaync", rig.running.base_url()));
    assert_eq!(test(shop.production_password).await["mode"], "PRODUCTION");
    let wrong = test("testpassword_wrong").await;
    assert_eq!((&wrong["answer"]["errorCode"], &wrong["mode"]), (&json!("INT_905"), &Value::Null));
    assert_eq!(ask("69876357", shop.password, GET, json!({})).await["answer"]["shopId"], Value::Null);
    rig.control.act("lyra", "epaync", None, "other_mode").unwrap();
    assert_eq!(test(shop.password).await["mode"], "PRODUCTION");
    rig.control.act("lyra", "epaync", None, "own_mode").unwrap();
    assert_eq!(test(shop.password).await["mode"], "TEST");
    // Each mode sees its own orders only.
    let id = rig.control.add_order("lyra", "epaync", &json!({"production": true})).unwrap();
    let order = json!({"paymentOrderId": id});
    assert_eq!(rig.refused("epaync", GET, &order).await, "PSP_1000");
    let change = json!({"paymentOrderId": id, "amount": 1, "currency": "EUR"});
    assert_eq!(rig.refused("epaync", UPDATE, &change).await, "PSP_1011");
    let seen = ask(shop.shop_id, shop.production_password, GET, order).await;
    assert_eq!(seen["answer"]["paymentOrderId"], id);
}

#[tokio::test]
async fn malformed_calls_have_their_codes() {
    let rig = Rig::new().await;
    let order = add(&rig, &json!({}));
    for (service, body, code) in [
        ("Charge/Nothing", json!({}), "INT_901"),
        (GET, json!([]), "INT_902"),
        (GET, json!({"paymentOrderId": order.to_uppercase()}), "INT_902"),
        (GET, json!({"paymentOrderId": "0".repeat(32)}), "PSP_1000"),
        (GET, json!({"paymentOrderId": order, "x": 1}), "INT_900"),
        (CANCEL, json!({"paymentOrderId": "x"}), "INT_902"),
        (ORDER_GET, json!({}), "INT_013"),
        (ORDER_GET, json!({"orderId": "cart-1"}), "PSP_010"),
        (ORDER_GET, json!({"orderId": "cart-1", "operationType": "DEBITS"}), "INT_902"),
    ] {
        assert_eq!(rig.refused(BRAND, service, &body).await, code, "{service} {body}");
    }
    let uuid = transaction(&rig, "CAPTURED");
    for service in OF_TRANSACTIONS {
        let named = |uuid: Value, more: Value| {
            let mut body = json!({"uuid": uuid});
            if service == TRANSACTION_UPDATE {
                body["cardUpdate"] = json!({"amount": 1, "currency": "EUR"});
            }
            crate::platform::merge(&mut body, &more);
            body
        };
        for (body, code) in [
            (named(json!("123"), json!({})), "INT_902"),
            (named(json!("0".repeat(32)), json!({})), "PSP_010"),
            (named(json!(uuid), json!({"comment": 1})), "INT_902"),
            (named(json!(uuid), json!({"comment": "by hand", "colour": "red"})), "INT_900"),
        ] {
            assert_eq!(rig.refused(BRAND, service, &body).await, code, "{service} {body}");
        }
    }
    for (patch, code) in [
        (json!({"amount": 0}), "INT_009"),
        (json!({"amount": null}), "INT_009"),
        (json!({"currency": null}), "INT_010"),
        (json!({"currency": "ZZZ"}), "INT_010"),
        (json!({"currency": "XAU"}), "PSP_519"),
        (json!({"currency": "USD"}), "PSP_521"),
        (json!({"resolutionMode": "MAYBE"}), "INT_902"),
    ] {
        let mut body = euros(&uuid, 100);
        crate::platform::merge(&mut body, &patch);
        assert_eq!(rig.refused(BRAND, CANCEL_OR_REFUND, &body).await, code, "{patch}");
    }
    for (card, code) in [
        (json!({}), "INT_902"),
        (json!({"amount": 5}), "INT_010"),
        (json!({"manualValidation": true}), "INT_005"),
        (json!({"expectedCaptureDate": "tomorrow"}), "INT_902"),
    ] {
        let body = json!({"uuid": uuid, "cardUpdate": card});
        assert_eq!(rig.refused(BRAND, TRANSACTION_UPDATE, &body).await, code, "{card}");
    }
    assert!(rig.effects().is_empty());
}

#[tokio::test]
async fn a_change_needs_a_running_order_and_its_channel_again() {
    let rig = Rig::new().await;
    for (status, code) in
        [("PAID", "PSP_1005"), ("REFUSED", "PSP_1005"), ("EXPIRED", "PSP_1006"), ("CANCELED", "PSP_1101")]
    {
        let id = add(&rig, &json!({"status": status}));
        let change = json!({"paymentOrderId": id, "amount": 5, "currency": "EUR"});
        assert_eq!(rig.refused(BRAND, UPDATE, &change).await, code, "{status}");
        assert_eq!(rig.refused(BRAND, CANCEL, &json!({"paymentOrderId": id})).await, code, "{status}");
    }
    let change = |id: &str, options: Value| json!({"paymentOrderId": id, "amount": 5, "currency": "EUR", "channelOptions": options});
    let sms = json!({"channelType": "SMS", "smsOptions": {"phoneNumber": "+33611111111"}});
    for (channel, code) in [("MAIL", "INT_841"), ("SMS", "INT_836"), ("WHATSAPP", "INT_839")] {
        let id = add(&rig, &json!({"channel": channel}));
        assert_eq!(rig.refused(BRAND, UPDATE, &change(&id, Value::Null)).await, code);
        assert_eq!(rig.refused(BRAND, UPDATE, &change(&id, json!({"channelType": "URL"}))).await, "PSP_1017");
        if channel == "SMS" {
            rig.done(BRAND, UPDATE, &change(&id, sms.clone())).await;
        } else {
            assert_eq!(rig.refused(BRAND, UPDATE, &change(&id, sms.clone())).await, "PSP_1017");
        }
    }
    assert_eq!(rig.effects(), [("update".into(), Some(10_000), 5)]);
    assert!(rig.control.mailbox()[0].text.contains("0,05 EUR"), "the words name the new amount");
}

#[tokio::test]
async fn the_state_of_a_transaction_decides() {
    const CANCELLED: &str = "DEBIT CANCELLED";
    const CREDIT: &str = "CREDIT AUTHORISED";
    let rig = Rig::new().await;
    let check = async |service: &str, detailed: &str, mode: Option<&str>, expected: &str| {
        let body = json!({"uuid": transaction(&rig, detailed), "resolutionMode": mode});
        let body = if mode.is_none() { json!({"uuid": body["uuid"]}) } else { body };
        let before = rig.control.effects().len();
        let answer = rig.call(BRAND, service, &body).await["answer"].clone();
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let done = answer.get("errorCode").is_none_or(Value::is_null);
        let said = if done {
            format!("{} {}", text("operationType"), text("detailedStatus"))
        } else {
            text("errorCode")
        };
        assert_eq!(said, expected, "{service} {detailed} {mode:?}");
        assert_eq!(rig.control.effects().len(), before + usize::from(done), "{service} {detailed}");
    };
    for (detailed, auto, cancellation, refund) in [
        ("AUTHORISED", CANCELLED, CANCELLED, "PSP_076"),
        ("WAITING_AUTHORISATION_TO_VALIDATE", CANCELLED, CANCELLED, "PSP_076"),
        ("CAPTURED", CREDIT, "PSP_075", CREDIT),
        ("CANCELLED", "PSP_105", "PSP_105", "PSP_083"),
        ("REFUSED", "PSP_083", "PSP_083", "PSP_083"),
        ("SOMETHING_NEW", "PSP_011", "PSP_011", "PSP_011"),
    ] {
        check(CANCEL_OR_REFUND, detailed, None, auto).await;
        check(CANCEL_OR_REFUND, detailed, Some("CANCELLATION_ONLY"), cancellation).await;
        check(CANCEL_OR_REFUND, detailed, Some("REFUND_ONLY"), refund).await;
    }
    for (service, detailed, expected) in [
        (TRANSACTION_CANCEL, "AUTHORISED", CANCELLED),
        (TRANSACTION_CANCEL, "CAPTURED", "PSP_075"),
        (TRANSACTION_CANCEL, "REFUSED", "PSP_102"),
        (REFUND, "CAPTURED", CREDIT),
        (REFUND, "AUTHORISED", "PSP_076"),
        (REFUND, "SUSPENDED", "PSP_011"),
        (VALIDATE, "AUTHORISED_TO_VALIDATE", "DEBIT AUTHORISED"),
        (VALIDATE, "AUTHORISED", "PSP_011"),
        (VALIDATE, "CANCELLED", "PSP_105"),
    ] {
        check(service, detailed, None, expected).await;
    }
}

#[tokio::test]
async fn refunds_follow_one_another_up_to_the_total_and_updates_lower_it() {
    let rig = Rig::new().await;
    let uuid = transaction(&rig, "AUTHORISED");
    let lower = async |amount: i64| {
        let update =
            json!({"uuid": uuid, "orderId": "other", "cardUpdate": {"amount": amount, "currency": "EUR"}});
        rig.call(BRAND, TRANSACTION_UPDATE, &update).await["answer"].clone()
    };
    let answer = lower(700).await;
    let details = &answer["orderDetails"];
    assert_eq!([&details["orderTotalAmount"], &details["orderEffectiveAmount"]], [&json!(1000), &json!(700)]);
    assert_eq!(answer["transactionDetails"]["cardDetails"]["authorizationResponse"]["amount"], 1000);
    assert_eq!(lower(701).await["errorCode"], "PSP_510");
    rig.control.act("lyra", BRAND, None, "remit").unwrap();
    assert_eq!(lower(600).await["errorCode"], "PSP_011");
    let refund = async |amount| rig.call(BRAND, REFUND, &euros(&uuid, amount)).await["answer"].clone();
    assert_eq!(refund(701).await["errorCode"], "PSP_510");
    let first = refund(400).await;
    assert_eq!(first["transactionDetails"]["parentTransactionUuid"], json!(uuid));
    assert_eq!(refund(301).await["errorCode"], "PSP_511");
    // No idempotency: the same request again is another refund. A cancelled one can be made again.
    rig.done(BRAND, TRANSACTION_CANCEL, &json!({"uuid": first["uuid"]})).await;
    assert_eq!(refund(400).await["amount"], 400);
    assert_eq!(rig.done(BRAND, REFUND, &json!({"uuid": uuid})).await["amount"], 300, "all that is left");
    assert_eq!(refund(1).await["errorCode"], "PSP_104");
    let payment = rig.done(BRAND, TRANSACTION_GET, &json!({"uuid": uuid})).await;
    let details = &payment["transactionDetails"];
    assert_eq!(details["cardDetails"]["captureResponse"]["refundAmount"], 700);
    assert_eq!(details["paymentMethodDetails"], details["cardDetails"], "twins");
    let credits = json!({"orderId": "cart-1", "operationType": "CREDIT"});
    assert_eq!(rig.done(BRAND, ORDER_GET, &credits).await["transactions"].as_array().unwrap().len(), 3);
    for _ in 0..27 {
        let order = rig.control.effects()[0].order.clone();
        rig.control.add_transaction("lyra", BRAND, &order, &json!({})).unwrap();
    }
    assert_eq!(rig.refused(BRAND, ORDER_GET, &json!({"orderId": "cart-1"})).await, "PSP_015", "above 30");
}

/// What a notification says, signed with this key: cycle, status, and state and amount of its transaction; and its `kr-src`.
fn told(notice: &SentNotice, key: &str) -> (String, Option<String>) {
    let fields: HashMap<String, String> =
        url::form_urlencoded::parse(notice.body.as_bytes()).into_owned().collect();
    assert_eq!(fields["kr-hash"], signing::sha256(&fields["kr-answer"], key));
    let answer: Value = serde_json::from_str(&fields["kr-answer"]).unwrap();
    let one = &answer["transactions"][0];
    let words =
        [&answer["orderCycle"], &answer["orderStatus"], &one["operationType"], &one["detailedStatus"]];
    let words: Vec<_> = words.iter().map(|word| word.as_str().unwrap()).collect();
    (format!("{} {}", words.join(" "), one["amount"]), fields.get("kr-src").cloned())
}

#[tokio::test]
async fn every_action_leaves_its_state_and_a_signed_notification() {
    let rig = Rig::new().await;
    let key = demo_shop(BRAND).unwrap().password;
    let act = |id: &str, action: &str| rig.control.act("lyra", BRAND, Some(id), action);
    for (place, (before, action, told_after, by_a_person)) in [
        (&["pay"][..], "remit", "CLOSED PAID DEBIT CAPTURED 10000", false),
        (&["pay"], "fail_capture", "CLOSED UNPAID DEBIT CAPTURE_FAILED 10000", false),
        (&["pay", "remit"], "reject_capture", "CLOSED UNPAID DEBIT CAPTURE_FAILED 10000", false),
        (&["pay", "remit"], "back_office_refund", "CLOSED PAID CREDIT AUTHORISED 10000", true),
        (&["pay", "remit", "back_office_refund"], "remit", "CLOSED PAID CREDIT CAPTURED 10000", false),
        (&["pay", "remit", "back_office_refund"], "reject_refund", "CLOSED PAID CREDIT REFUSED 10000", false),
        (
            &["pay", "remit", "back_office_refund"],
            "fail_refund",
            "CLOSED PAID CREDIT CAPTURE_FAILED 10000",
            false,
        ),
        (&["pay", "remit", "back_office_refund"], "error_refund", "CLOSED PAID CREDIT ERROR 10000", false),
        (&["wait"], "expire", "CLOSED UNPAID DEBIT EXPIRED 10000", false),
        (&["wait"], "back_office_validate", "CLOSED PAID DEBIT AUTHORISED 10000", true),
        (&["pay"], "back_office_cancel", "CLOSED UNPAID DEBIT CANCELLED 10000", true),
        (&[], "attempt_error", "OPEN UNPAID DEBIT ERROR 10000", false),
        (&[], "attempt_abandoned", "OPEN UNPAID DEBIT ABANDONED 10000", false),
        (&["decline"], "close_cycle", "CLOSED UNPAID DEBIT REFUSED 10000", false),
    ]
    .into_iter()
    .enumerate()
    {
        let waits = before.first() == Some(&"wait");
        let id = add(&rig, &json!({"orderId": format!("cart-{place}"), "manualValidation": waits}));
        for step in before {
            match *step {
                "pay" | "wait" => drop(payer(&rig, &id, PayerAction::Pay)),
                "decline" => drop(payer(&rig, &id, PayerAction::Decline)),
                action => drop(act(&id, action).unwrap()),
            }
        }
        act(&id, action).unwrap();
        let source = by_a_person.then(|| "MERCH_BO".to_owned());
        assert_eq!(
            told(rig.control.notices().last().unwrap(), key),
            (told_after.to_owned(), source),
            "{action}"
        );
        assert!(act(&id, "expire").is_err(), "{action}");
    }
    let id = paid(&rig, "lowered");
    let lower = |amount| rig.control.act_amount("lyra", BRAND, &id, "back_office_lower", amount);
    assert!(lower(0).is_err() && lower(10_001).is_err() && act(&id, "back_office_lower").is_err());
    lower(7000).unwrap();
    assert_eq!(told(rig.control.notices().last().unwrap(), key).0, "CLOSED PAID DEBIT AUTHORISED 7000");
    let id = add(&rig, &json!({"amount": 5000}));
    rig.control.act_amount("lyra", BRAND, &id, "pay_amount", 3000).unwrap();
    assert_eq!(rig.control.effects().last().unwrap().amount, Some(3000));
    let later = add(&rig, &json!({"captureDelay": 2}));
    payer(&rig, &later, PayerAction::Pay);
    assert!(act(&later, "remit").is_err(), "not due");
    rig.control.advance(std::time::Duration::from_secs(49 * 3600));
    act(&later, "remit").unwrap();
    assert_eq!(
        rig.control.act("lyra", BRAND, None, "dance").unwrap_err().to_string(),
        "not found: action dance"
    );
}

#[tokio::test]
async fn an_orders_own_address_comes_first_and_each_mode_signs_with_its_password() {
    let rig = Rig::new().await;
    let [own, shops] = [Inbox::answering(&[]).await, Inbox::answering(&[(303, "")]).await];
    rig.control.set_notification_url("lyra", BRAND, &shops.url).unwrap();
    let shop = demo_shop(BRAND).unwrap();
    for (draft, key) in [
        (json!({"ipnTargetUrl": own.url}), shop.password),
        (json!({"production": true}), shop.production_password),
    ] {
        let id = add(&rig, &draft);
        payer(&rig, &id, PayerAction::Pay);
        let notices = rig.control.notices();
        told(notices.last().unwrap(), key);
        rig.control.wait_for_notices(u64::try_from(notices.len()).unwrap()).await;
    }
    assert_eq!((own.bodies().len(), shops.bodies().len()), (1, 1));
    assert!(rig.control.notices()[1].attempts[0].delivered, "a redirection counts");
}

#[tokio::test]
async fn the_page_pays_once_and_sends_the_browser_back() {
    let rig = Rig::new().await;
    let open = async |more: Value| {
        let mut body = json!({"amount": 100, "currency": "EUR", "orderId": "<b>cart</b>"});
        crate::platform::merge(&mut body, &more);
        rig.done(BRAND, CREATE, &body).await["paymentURL"].as_str().unwrap().to_owned()
    };
    let click = async |url: &str, action: &str| {
        rig.client.post(url).body(format!("action={action}")).send().await.unwrap()
    };
    let url = open(json!({})).await;
    let page = rig.client.get(&url).send().await.unwrap().text().await.unwrap();
    for text in ["simulator", "1,00 EUR", "&lt;b&gt;cart&lt;/b&gt;", "Pay</button>", "Decline", "Leave"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("src=") && !page.contains("http"), "no outside resource");
    for (action, says) in [
        ("leave", "link stays open"),
        ("decline", "can be tried again"),
        ("", "action must be"),
        ("pay", "was accepted"),
        ("pay", "has been paid"),
    ] {
        let text = click(&url, action).await.text().await.unwrap();
        assert!(text.contains(says), "{action}: {text}");
    }
    let back = open(json!({"returnUrl": "https://shop.example/back?a=1"})).await;
    assert_eq!(rig.client.delete(&back).send().await.unwrap().status(), 405);
    for action in ["leave", "decline", "pay"] {
        let answer = click(&back, action).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["location"]),
            (303, &"https://shop.example/back?a=1".parse().unwrap())
        );
    }
    assert_eq!(rig.client.get(format!("{url}x")).send().await.unwrap().status(), 404);
    assert_eq!(rig.control.total_requests(), 2, "the page is not a service call");
}
