//! Worldline Sips: from the creation over the payer's browser to the money, and what goes wrong on the way.

use std::time::Duration;

use guichet_simulator::{Fault, FaultKind, PayerAction};
use reqwest::{Method, redirect::Policy};
use serde_json::{Value, json};

use super::sips_rig::{INIT, READ, Sips, VALIDATE, action, done, seen, unknown};
use crate::rig::{Reply, amounts, new_order};

/// A browser, which posts what a form holds.
async fn browse(method: Method, address: &str, form: &[(String, String)]) -> Reply {
    let browser = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = browser.request(method, address);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, text: response.text().await.unwrap(), json: Value::Null }
}

fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for (escaped, character) in
        [("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
    {
        text = text.replace(escaped, character);
    }
    text
}

/// The value of an attribute behind this text, with or without quotes.
fn attribute<'a>(text: &'a str, before: &str) -> Option<(String, &'a str)> {
    let (_, rest) = text.split_once(before)?;
    let (value, rest) = rest.strip_prefix('"')?.split_once('"')?;
    Some((plain(value), rest))
}

/// The address and the hidden fields of the form on a page.
fn form(page: &str) -> (String, Vec<(String, String)>) {
    let address = attribute(page, "action=").map(|(address, _)| address).unwrap_or_default();
    let (mut fields, mut rest) = (Vec::new(), page);
    while let Some((name, after)) =
        attribute(rest, "hidden\" name=").or_else(|| attribute(rest, "hidden name="))
    {
        let (value, after) = attribute(after, "value=").unwrap();
        fields.push((name, value));
        rest = after;
    }
    (address, fields)
}

/// Waits until the timeline of an order has an event of this type, and gives the types so far.
async fn until(rig: &Sips, order: &str, event_type: &str) -> Vec<String> {
    let look = async {
        loop {
            let types = timeline(rig, order).await;
            if types.iter().any(|found| found == event_type) {
                return types;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), look).await.unwrap()
}

async fn timeline(rig: &Sips, order: &str) -> Vec<String> {
    let events = rig.get(&format!("/orders/sherlocks_{order}/events")).await;
    let items = events.json["items"].as_array().unwrap();
    items.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

fn body_of(rig: &Sips, service: &str) -> Value {
    let log = rig.control.request_log();
    log.iter().rev().find(|one| one.service == service).unwrap().body.clone()
}

#[tokio::test]
async fn a_page_is_opened_and_told() {
    let rig = Sips::new().await;
    let made = rig
        .ask(
            "cart-42",
            &json!({
                "locale": "fr-FR", "payment_method": "card", "metadata": {"cart": "42"},
                "customer": {"email": "zoe@example.com", "first_name": "Zoë", "last_name": "Lévêque"},
                "provider_options": {"capture_day": 3}
            }),
        )
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    seen_pending(&made);
    let reference = made.json["provider_reference"].as_str().unwrap();
    assert_eq!(made.header("location"), Some(format!("/orders/sherlocks_{reference}").as_str()));
    let checkout = &made.json["checkout"];
    let at_platform = rig.control.order("sips", "sherlocks", reference).unwrap();
    assert_eq!((&checkout["method"], &checkout["url"]), (&json!("POST"), &at_platform["redirectionUrl"]));
    assert_eq!(
        checkout["fields"],
        json!({"redirectionVersion": "IR_WS_2.0", "redirectionData": at_platform["redirectionData"]})
    );
    let link = checkout["link"].as_str().unwrap();
    let token = link.strip_prefix("http://127.0.0.1:1/pay/").unwrap();
    assert_eq!(token.len(), 43);

    let sent = body_of(&rig, INIT);
    for (member, value) in [
        ("amount", json!("1000")),
        ("currencyCode", json!("978")),
        ("orderId", json!("cart-42")),
        ("captureMode", json!("AUTHOR_CAPTURE")),
        ("captureDay", json!("3")),
        ("customerLanguage", json!("fr")),
        ("orderChannel", json!("INTERNET")),
        ("interfaceVersion", json!("IR_WS_2.55")),
        ("customerContact", json!({"email": "zoe@example.com", "firstname": "Zoë", "lastname": "Lévêque"})),
        ("paymentMeanBrandList", json!(["CB", "VISA", "MASTERCARD"])),
        ("automaticResponseUrl", json!("http://127.0.0.1:1/notifications/sherlocks")),
        ("normalReturnUrl", json!(format!("http://127.0.0.1:1/return/{token}"))),
        ("returnContext", made.json["operation"]["id"].clone()),
        ("transactionReference", json!(reference)),
    ] {
        assert_eq!(sent[member], value, "{member}");
    }
    // Nobody has paid: the platform says 25, and the order is what was asked for.
    let read = rig.read(reference).await;
    seen_pending(&read);
    for member in ["id", "amount", "checkout", "metadata", "locale", "expires_at", "merchant_reference"] {
        assert_eq!(read.json[member], made.json[member], "{member}");
    }
    let life = instant(&read.json["expires_at"]) - instant(&read.json["created_at"]);
    assert!((898..=900).contains(&life), "{life}");
    for name in ["cancel", "capture", "refund"] {
        assert_eq!(action(&read, name)["reason"], "not_paid", "{name}");
        let reply = rig.act(name, reference, name, None).await;
        assert_eq!(reply.problem(), (409, "order_state_conflict"), "{name}");
        assert_eq!(reply.json["outcome"], "not_executed");
    }
    assert_eq!(rig.control.effects().len(), 1, "the page");
}

fn instant(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
}

#[track_caller]
fn seen_pending(reply: &Reply) {
    assert_eq!(
        (&reply.json["status"], &reply.json["final"]),
        (&json!("pending"), &json!(false)),
        "{reply:?}"
    );
    assert_eq!(amounts(reply), [Some(1_000), Some(0), Some(0), Some(0), Some(0)], "{reply:?}");
    assert_eq!(reply.json["provider_status"]["code"], "25");
}

#[tokio::test]
async fn what_a_page_cannot_have_is_refused_before_anything_is_sent() {
    let rig = Sips::new().await;
    let long = "x".repeat(33);
    for (changes, pointer) in [
        (json!({"expires_at": "2030-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"description": "Cart 42"}), "/description"),
        (json!({"delivery": {"channel": "email", "recipient": "zoe@example.com"}}), "/delivery/channel"),
        (json!({"merchant_reference": long}), "/merchant_reference"),
        (json!({"merchant_reference": "a|b"}), "/merchant_reference"),
        (json!({"merchant_reference": "pané"}), "/merchant_reference"),
        (json!({"payment_method": "ideal"}), "/payment_method"),
        (json!({"locale": "fil-PH"}), "/locale"),
        (json!({"customer": {"first_name": "a|b"}}), "/customer/first_name"),
    ] {
        let reply = rig.ask("a", &changes).await;
        assert_eq!(
            (reply.problem(), reply.pointer()),
            ((422, "unsupported_by_provider"), Some(pointer)),
            "{changes}"
        );
        assert_eq!(
            (&reply.json["outcome"], &reply.json["retryable"]),
            (&json!("not_executed"), &json!(false))
        );
    }
    let wrong = rig.ask("a", &json!({"provider_options": {"capture_day": 100}})).await;
    assert_eq!(
        (wrong.problem(), wrong.pointer()),
        ((400, "validation_failed"), Some("/provider_options/capture_day"))
    );
    assert_eq!(rig.control.total_requests(), 0);
}

/// The page is open at the platform, so the creation was executed; nobody is shown or sent to the address.
#[tokio::test]
async fn a_page_that_no_payer_may_be_sent_to_is_not_shown() {
    const ADDRESS: &str = "javascript:alert(1)";
    let rig = Sips::new().await;
    rig.control.add_fault(
        Fault::new("sips", FaultKind::PayerAddress { address: ADDRESS.to_owned() }).on_service(INIT),
    );
    let made = rig.ask("cart-42", &json!({})).await;
    assert_eq!(
        (made.status, &made.json["operation"]["outcome"], &made.json["checkout"]),
        (201, &json!("executed"), &Value::Null),
        "{made:?}"
    );
    let reference = made.json["provider_reference"].as_str().unwrap();
    let again = rig.ask("cart-42", &json!({})).await;
    let token =
        body_of(&rig, INIT)["normalReturnUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let page = rig.get(&format!("/pay/{token}")).await;
    assert_eq!(page.problem(), (404, "not_found"));
    for reply in [&made, &again, &rig.read(reference).await, &page] {
        assert!(!reply.text.contains("alert"), "{reply:?}");
    }
    let metrics = rig.get(&format!("{}/metrics", rig.ops_url)).await.text;
    let counted = r#"gateway_payer_addresses_refused_total{provider="sips"} "#;
    assert!(metrics.contains(counted), "{metrics}");
    assert_eq!(rig.control.requests(INIT), 1, "asked for once");
}

/// The link, the page that submits itself, the platform's page, and back with the signed result.
#[tokio::test]
async fn a_payer_goes_to_the_page_and_comes_back() {
    let rig = Sips::reachable().await;
    let order = rig.made("cart-42", &json!({})).await;
    let checkout = rig.read(&order).await.json["checkout"].clone();
    let link = checkout["link"].as_str().unwrap();
    assert!(link.starts_with(&format!("{}/pay/", rig.url)), "{link}");
    // The platform's own notification never comes: the browser alone brings the news.
    rig.control.add_fault(Fault::new("sips", FaultKind::NotifyNever).on_service("notification").times(0));

    let page = browse(Method::GET, link, &[]).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(
        (page.header("cache-control"), page.header("x-content-type-options")),
        (Some("no-store"), Some("nosniff"))
    );
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "script-src 'sha256-"] {
        assert!(policy.contains(part), "{policy}");
    }
    // It stops a browser when the platform answers the form with a redirect to another host.
    assert!(!policy.contains("form-action"), "{policy}");
    assert!(!policy.contains("script-src 'unsafe"), "{policy}");
    let (address, fields) = form(&page.text);
    assert_eq!(address, checkout["url"].as_str().unwrap());
    let expected: Vec<_> = checkout["fields"].as_object().unwrap().iter().collect();
    assert_eq!(fields.len(), expected.len());
    assert!(expected.iter().all(|(name, value)| {
        fields.iter().any(|(field, text)| field == *name && value.as_str() == Some(text))
    }));
    assert_eq!(browse(Method::POST, link, &[]).await.status, 200, "some browsers come by POST");

    let shown = browse(Method::POST, &address, &fields).await;
    assert!(shown.text.contains("10.00 EUR"), "{}", shown.text);
    seen_pending(&rig.read(&order).await);
    let mut paying = fields.clone();
    paying.push(("action".to_owned(), "pay".to_owned()));
    let paid = browse(Method::POST, &address, &paying).await;
    let (back, result) = form(&paid.text);
    assert_eq!(back, link.replace("/pay/", "/return/"));
    let before = timeline(&rig, &order).await;

    // Somebody else's result changes nothing, and the payer is sent on all the same.
    let reads = rig.sent(READ, &order);
    for (member, value) in
        [("Seal", "0".repeat(64)), ("Seal", String::new()), ("Data", "responseCode=00".to_owned())]
    {
        let mut forged = result.clone();
        forged.iter_mut().find(|(name, _)| name == member).unwrap().1 = value;
        let sent_on = browse(Method::POST, &back, &forged).await;
        assert_eq!(
            (sent_on.status, sent_on.header("location")),
            (303, Some("https://shop.example/back?cart=42"))
        );
    }
    assert_eq!((timeline(&rig, &order).await, rig.sent(READ, &order)), (before, reads));

    for _ in 0..2 {
        let sent_on = browse(Method::POST, &back, &result).await;
        assert_eq!(
            (sent_on.status, sent_on.header("location")),
            (303, Some("https://shop.example/back?cart=42"))
        );
    }
    let types = until(&rig, &order, "notification.received").await;
    assert_eq!(types, ["order.created", "operation.succeeded", "order.paid", "notification.received"]);
    let refreshed = browse(Method::GET, &back, &[]).await;
    assert_eq!(
        (refreshed.status, refreshed.header("location")),
        (303, Some("https://shop.example/back?cart=42"))
    );
    seen(&rig.read(&order).await, "paid", [1_000, 1_000, 0, 0, 0]);

    rig.night(&order, "remit");
    done(&rig.act("refund", &order, "r", None).await, "refunded", [1_000, 1_000, 1_000, 0, 1_000]);
    for path in ["/pay/nobody", "/return/nobody"] {
        assert_eq!(rig.get(path).await.problem(), (404, "not_found"), "{path}");
    }
}

/// The browser and the platform bring the same news: it is applied once.
#[tokio::test]
async fn the_notification_and_the_browser_are_one_piece_of_news() {
    let rig = Sips::reachable().await;
    let order = rig.made("cart-42", &json!({})).await;
    rig.pay(&order);
    rig.control.wait_for_notices(1).await;
    let notice = rig.control.notices().remove(0);
    assert_eq!(notice.attempts[0].status, Some(200), "{notice:?}");
    let types = until(&rig, &order, "notification.received").await;
    assert_eq!(types, ["order.created", "operation.succeeded", "order.paid", "notification.received"]);
    rig.control.resend_notice(notice.sequence).unwrap();
    rig.control.wait_for_notices(2).await;
    assert_eq!(timeline(&rig, &order).await, types);
    seen(&rig.read(&order).await, "paid", [1_000, 1_000, 0, 0, 0]);
}

#[tokio::test]
async fn forged_and_altered_notifications_change_nothing() {
    let rig = Sips::reachable().await;
    for kind in [FaultKind::NotifyForged, FaultKind::NotifyAltered] {
        let order = rig.made(&format!("{kind:?}"), &json!({})).await;
        let before = (timeline(&rig, &order).await, rig.sent(READ, &order));
        let attempts: usize = rig.control.notices().iter().map(|notice| notice.attempts.len()).sum();
        let attempts = u64::try_from(attempts).unwrap();
        rig.control.add_fault(Fault::new("sips", kind.clone()).on_service("notification"));
        rig.pay(&order);
        rig.control.wait_for_notices(attempts + 1).await;
        let notices = rig.control.notices();
        let attempt = &notices.last().unwrap().attempts[0];
        assert!(matches!(attempt.status, Some(400 | 401)), "{kind:?}: {attempt:?}");
        assert_eq!((timeline(&rig, &order).await, rig.sent(READ, &order)), before, "{kind:?}");
    }
}

/// How a payment ends on the page, without anybody reading the order.
#[tokio::test]
async fn every_end_of_a_page_is_told() {
    let rig = Sips::reachable().await;
    for (end, status, words) in [
        ("decline", "declined", "insufficient funds"),
        ("abort", "failed", "gave up"),
        ("expire", "failed", "expired"),
    ] {
        let order = rig.made(end, &json!({})).await;
        match end {
            "decline" => {
                rig.control.payer("sips", "sherlocks", &order, PayerAction::Decline).unwrap();
            }
            _ => rig.night(&order, end),
        }
        until(&rig, &order, &format!("order.{status}")).await;
        let read = rig.read(&order).await;
        seen(&read, status, [1_000, 0, 0, 0, 0]);
        assert_eq!(read.json["final"], true, "{end}");
        let message = read.json["provider_status"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{end}: {message}");
        assert_eq!(
            rig.act("refund", &order, "r", None).await.problem(),
            (409, "order_state_conflict"),
            "{end}"
        );
    }
}

/// The platform stores payments late: what its verified notification says holds until then.
#[tokio::test]
async fn a_paid_notification_holds_until_the_platform_has_stored_it() {
    let rig = Sips::reachable().await;
    rig.control.act("sips", "sherlocks", None, "delay_storage").unwrap();
    let forged = rig.made("forged", &json!({})).await;
    rig.control.add_fault(Fault::new("sips", FaultKind::NotifyForged).on_service("notification"));
    rig.pay(&forged);
    rig.control.wait_for_notices(1).await;
    seen_pending(&rig.read(&forged).await);

    for (capture, status, stored) in
        [("automatic", "paid", "TO_CAPTURE"), ("manual", "authorized", "TO_VALIDATE")]
    {
        let order = rig.made(capture, &json!({"capture": capture})).await;
        rig.pay(&order);
        until(&rig, &order, &format!("order.{status}")).await;
        for _ in 0..2 {
            let read = rig.read(&order).await;
            assert_eq!((read.status, &read.json["status"]), (200, &json!(status)), "{read:?}");
            assert_eq!((&read.json["amount"]["value"], &read.json["final"]), (&json!(1_000), &json!(false)));
            assert_eq!(amounts(&read)[1..], [None; 4], "nobody tells them yet");
        }
        for name in ["cancel", "capture", "refund"] {
            let reply = rig.act(name, &order, name, None).await;
            assert_eq!(reply.problem(), (409, "order_state_conflict"), "{name}");
            assert_eq!(
                (&reply.json["reason"], &reply.json["outcome"]),
                (&json!("not_stored_yet"), &json!("not_executed"))
            );
        }
        rig.night(&order, "store");
        let read = rig.read(&order).await;
        seen(&read, status, [1_000, 1_000, 0, 0, 0]);
        assert_eq!(read.json["provider_status"]["code"], stored);
        done(&rig.act("cancel", &order, "c", None).await, "canceled", [1_000, 1_000, 0, 1_000, 0]);
        // Its store falls behind again: what was known stays known.
        rig.night(&order, "delay_storage");
        seen(&rig.read(&order).await, "canceled", [1_000, 1_000, 0, 1_000, 0]);
    }
}

#[tokio::test]
async fn a_page_ends_after_fifteen_minutes() {
    let rig = Sips::reachable().await;
    let made = rig.ask("cart-42", &json!({})).await;
    let order = made.json["provider_reference"].as_str().unwrap();
    let link = made.json["checkout"]["link"].as_str().unwrap();
    let operation = made.json["operation"]["id"].as_str().unwrap();
    rig.expire_page(operation, 1);
    let page = browse(Method::GET, link, &[]).await;
    assert_eq!(page.status, 410, "{page:?}");
    assert!(page.text.contains("expired") && !page.text.contains("redirectionData"), "{}", page.text);
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    let read = rig.read(order).await;
    assert_eq!((&read.json["status"], &read.json["final"]), (&json!("expired"), &json!(false)), "{read:?}");
    assert_eq!(read.json["checkout"], Value::Null);
    // A payer who was on the page already may still have paid.
    rig.pay(order);
    seen(&rig.read(order).await, "paid", [1_000, 1_000, 0, 0, 0]);

    let made = rig.ask("cart-43", &json!({})).await;
    let order = made.json["provider_reference"].as_str().unwrap();
    // Our own clock alone tells the end of a page, and it may be hours ahead.
    for (hours, is_final) in [(2, false), (26, true)] {
        rig.expire_page(made.json["operation"]["id"].as_str().unwrap(), hours * 3_600);
        let read = rig.read(order).await;
        let told = (&read.json["status"], &read.json["final"]);
        assert_eq!(told, (&json!("expired"), &json!(is_final)), "{hours}: {read:?}");
    }
}

#[tokio::test]
async fn a_manual_capture_of_all_or_a_part() {
    let rig = Sips::new().await;
    for (cents, taken) in [(None, 1_000), (Some(400), 400)] {
        let name = format!("manual-{taken}");
        let order = rig.made(&name, &json!({"capture": "manual"})).await;
        assert_eq!(body_of(&rig, INIT)["captureMode"], "VALIDATION");
        rig.pay(&order);
        let read = rig.read(&order).await;
        seen(&read, "authorized", [1_000, 1_000, 0, 0, 0]);
        let offered = json!({"action": "capture", "allowed": true, "partial": true, "max": 1_000});
        assert_eq!(action(&read, "capture"), &offered);
        let early = rig.act("refund", &order, "early", None).await;
        assert_eq!(early.problem(), (409, "order_state_conflict"));
        let above = rig.act("capture", &order, "above", Some(1_001)).await;
        assert_eq!(above.problem(), (422, "amount_exceeds_remaining"));
        let captured = rig.act("capture", &order, "c", cents).await;
        done(&captured, "paid", [1_000, 1_000, 0, 1_000 - taken, 0]);
        let again = rig.act("capture", &order, "again", None).await;
        assert_eq!(
            (again.problem(), &again.json["reason"]),
            ((409, "order_state_conflict"), &json!("already_captured"))
        );
        rig.night(&order, "remit");
        seen(&rig.read(&order).await, "paid", [1_000, 1_000, taken, 1_000 - taken, 0]);
        let part = rig.act("refund", &order, "part", Some(100)).await;
        done(&part, "partially_refunded", [1_000, 1_000, taken, 1_000 - taken, 100]);
        let rest = rig.act("refund", &order, "rest", None).await;
        done(&rest, "refunded", [1_000, 1_000, taken, 1_000 - taken, taken]);
        assert_eq!((rig.sent(VALIDATE, &order), rig.moved("capture", &order).len()), (1, 1));
    }
    // What was not captured in time.
    let order = rig.made("late", &json!({"capture": "manual"})).await;
    rig.pay(&order);
    rig.night(&order, "expire");
    let read = rig.read(&order).await;
    assert_eq!((&read.json["status"], &read.json["final"]), (&json!("expired"), &json!(true)), "{read:?}");
    // A validation that asks for a new authorization.
    let order =
        rig.made("replay", &json!({"capture": "manual", "provider_options": {"capture_day": 30}})).await;
    rig.pay(&order);
    assert_eq!(rig.read(&order).await.json["provider_status"]["code"], "TO_REPLAY");
    assert_eq!(rig.act("cancel", &order, "c", None).await.problem(), (409, "order_state_conflict"));
    done(&rig.act("capture", &order, "v", None).await, "paid", [1_000, 1_000, 0, 0, 0]);
}

/// Nobody was shown the page, so nobody can pay it: another one may be made at once.
#[tokio::test]
async fn a_lost_creation_is_harmless_to_repeat() {
    let rig = Sips::new().await;
    for (number, kind) in [
        FaultKind::LoseAnswer,
        FaultKind::CutBefore,
        FaultKind::CutMidAnswer,
        FaultKind::Garbage { effect: true },
        FaultKind::WrongEnvelope { effect: true },
        FaultKind::BadSignature { effect: true },
        FaultKind::Unsigned { effect: true },
        FaultKind::BadSignature { effect: false },
        FaultKind::Unsigned { effect: false },
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("cart-{number}");
        rig.spoil(INIT, &name, kind.clone());
        let lost = rig.ask(&name, &json!({})).await;
        let id = unknown(&lost, &format!("{kind:?}"));
        assert_eq!(lost.json["operation"]["repeat"], "harmless", "{kind:?}");
        let same = rig.ask(&name, &json!({})).await;
        assert_eq!((same.status, same.header("idempotent-replayed")), (202, Some("true")), "{kind:?}");
        assert_eq!(rig.sent(INIT, &name), 1, "{kind:?}: never sent again by itself");
        let mut body = new_order(&name);
        body["account"] = json!("sherlocks");
        let other = rig.create(&format!("another-{number}"), &body).await;
        assert_eq!(other.status, 201, "{kind:?}: {other:?}");
        assert_eq!(rig.aged(&id, 60).await["status"], "unknown", "{kind:?}");
        let ended = rig.aged(&id, 600).await;
        assert_eq!(
            (&ended["status"], &ended["outcome"]),
            (&json!("not_executed"), &json!("not_executed")),
            "{kind:?}"
        );
        assert_eq!(rig.sent(INIT, &name), 2, "{kind:?}");
    }
}

/// Should the lost page be paid all the same, its notification settles the creation.
#[tokio::test]
async fn a_lost_creation_that_was_paid_is_found() {
    let rig = Sips::reachable().await;
    for delayed in [false, true] {
        let name = format!("cart-{delayed}");
        rig.spoil(INIT, &name, FaultKind::LoseAnswer);
        let id = unknown(&rig.ask(&name, &json!({})).await, &name);
        let order = body_of(&rig, INIT)["transactionReference"].as_str().unwrap().to_owned();
        if delayed {
            rig.control.act("sips", "sherlocks", None, "delay_storage").unwrap();
        }
        rig.pay(&order);
        let ended = rig.ended(&id).await;
        assert_eq!(
            (&ended["status"], &ended["outcome"]),
            (&json!("succeeded"), &json!("executed")),
            "{name}: {ended}"
        );
        assert_eq!(ended["order_id"], format!("sherlocks_{order}"), "{name}");
        let read = rig.read(&order).await;
        assert_eq!(
            (&read.json["status"], &read.json["merchant_reference"]),
            (&json!("paid"), &json!(name)),
            "{read:?}"
        );
        assert_eq!(rig.sent(INIT, &name), 1, "{name}");
    }
}

/// A transaction of another amount than was asked for is not the order's.
#[tokio::test]
async fn a_transaction_of_another_amount_is_none() {
    let rig = Sips::new().await;
    let order = rig.made("cart-1", &json!({})).await;
    rig.pay(&order);
    for wrong in [json!({"originAmount": 1}), json!({"currencyCode": "840"})] {
        rig.control.patch_answer("sips", "sherlocks", &order, &wrong).unwrap();
        assert_eq!(rig.read(&order).await.problem(), (502, "provider_bad_response"), "{wrong}");
    }
}

#[tokio::test]
async fn one_reference_is_one_open_order() {
    let rig = Sips::new().await;
    let order = rig.made("cart-1", &json!({})).await;
    let mut body = new_order("cart-1");
    body["account"] = json!("sherlocks");
    let twice = rig.create("another", &body).await;
    assert_eq!(
        (twice.problem(), twice.pointer()),
        ((409, "merchant_reference_in_use"), Some("/merchant_reference"))
    );
    rig.pay(&order);
    rig.read(&order).await;
    done(&rig.act("cancel", &order, "c", None).await, "canceled", [1_000, 1_000, 0, 1_000, 0]);
    assert_eq!(rig.create("another", &body).await.status, 201, "free again");
    assert_eq!(rig.sent(INIT, "cart-1"), 2);
}
