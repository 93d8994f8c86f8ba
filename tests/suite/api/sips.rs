//! Worldline Sips: the life of a transaction, its statuses, its names and its currencies.

use guichet::domain::Currency;
use guichet_simulator::{FaultKind, Moment};
use serde_json::{Value, json};

use super::sips_rig::{CANCEL, CHANGES, READ, REFUND, Sips, VALIDATE, action, add_account, done, seen};
use crate::rig::{Reply, amounts};

/// The example of the provider page: 10.00 accepted, 3.00 canceled, 7.00 left.
#[tokio::test]
async fn the_example_of_the_cancel_page() {
    let rig = Sips::new().await;
    let read = rig.read("ORDER0001").await;
    seen(&read, "paid", [1_000, 1_000, 0, 0, 0]);
    assert_eq!(read.json["provider_status"]["code"], "TO_CAPTURE");
    let part = rig.act("cancel", "ORDER0001", "part", Some(300)).await;
    done(&part, "paid", [1_000, 1_000, 0, 300, 0]);
    assert_eq!(part.json["amount"], json!({"value": 1_000, "currency": "EUR"}));
    assert_eq!(part.json["provider_data"]["currentAmount"], 700);
    assert_eq!(action(&part, "cancel")["max"], 700);
    let above = rig.act("cancel", "ORDER0001", "above", Some(701)).await;
    assert_eq!(above.problem(), (422, "amount_exceeds_remaining"));

    let rest = rig.act("cancel", "ORDER0001", "rest", None).await;
    done(&rest, "canceled", [1_000, 1_000, 0, 1_000, 0]);
    assert_eq!(rest.json["final"], true);
    let again = rig.act("cancel", "ORDER0001", "again", None).await;
    assert_eq!((again.status, &again.json["operation"]["outcome"]), (200, &json!("already_done")));
    seen(&again, "canceled", [1_000, 1_000, 0, 1_000, 0]);
    assert_eq!(rig.moved("cancel", "ORDER0001"), [Some(300), Some(700)]);
    assert_eq!(rig.sent(CANCEL, "ORDER0001"), 2);
    let log = rig.control.request_log();
    let sent: Vec<_> = log.iter().filter(|one| one.service == CANCEL).collect();
    for (request, amount) in sent.iter().zip(["300", "700"]) {
        assert_eq!(request.body["operationAmount"], amount, "what is taken off, not what shall remain");
        assert_eq!(
            (&request.body["currencyCode"], &request.body["interfaceVersion"]),
            (&json!("978"), &json!("CR_WS_2.55"))
        );
    }
    rig.0.stop().await;
}

#[tokio::test]
async fn what_was_canceled_before_the_night_was_not_given_back() {
    let rig = Sips::new().await;
    // By us, and by somebody else before we knew the order.
    let ours = rig.in_status("TO_CAPTURE");
    done(&rig.act("cancel", &ours, "c", Some(300)).await, "paid", [1_000, 1_000, 0, 300, 0]);
    let theirs = rig.order(&json!({"amount": 700, "originAmount": 1_000, "lastOperationName": "CANCEL"}));
    for order in [&ours, &theirs] {
        rig.night(order, "remit");
        let read = rig.read(order).await;
        seen(&read, "paid", [1_000, 1_000, 700, 300, 0]);
        assert_eq!(read.json["provider_status"]["code"], "CAPTURED");
        let above = rig.act("refund", order, &format!("{order}-0"), Some(701)).await;
        assert_eq!(above.problem(), (422, "amount_exceeds_remaining"));
        let part = rig.act("refund", order, &format!("{order}-1"), Some(200)).await;
        done(&part, "partially_refunded", [1_000, 1_000, 700, 300, 200]);
        rig.night(order, "remit");
        let read = rig.read(order).await;
        seen(&read, "partially_refunded", [1_000, 1_000, 700, 300, 200]);
        assert_eq!(read.json["provider_status"]["code"], "CAPTURED");
        let rest = rig.act("refund", order, &format!("{order}-2"), None).await;
        done(&rest, "refunded", [1_000, 1_000, 700, 300, 700]);
        rig.night(order, "remit");
        let read = rig.read(order).await;
        seen(&read, "refunded", [1_000, 1_000, 700, 300, 700]);
        assert_eq!(
            (&read.json["provider_status"]["code"], &read.json["final"]),
            (&json!("CREDITED"), &json!(false)),
            "the bank may still reject it"
        );
        let more = rig.act("refund", order, &format!("{order}-3"), None).await;
        assert_eq!(more.problem(), (409, "already_refunded"));
        assert_eq!(rig.moved("refund", order), [Some(200), Some(500)]);
        assert_eq!(rig.sent(REFUND, order), 2);
    }
}

#[tokio::test]
async fn the_wrong_moment_is_told_before_anything_is_sent() {
    let rig = Sips::new().await;
    let order = rig.in_status("TO_CAPTURE");
    for (name, reason) in [("capture", "already_captured"), ("refund", "not_captured")] {
        let reply = rig.act(name, &order, name, None).await;
        assert_eq!(reply.problem(), (409, "order_state_conflict"), "{name}");
        assert_eq!((&reply.json["reason"], &reply.json["outcome"]), (&json!(reason), &json!("not_executed")));
    }
    let dollars = json!({"amount": {"value": 300, "currency": "USD"}});
    let path = format!("/orders/sherlocks_{order}/cancel");
    let reply = rig.post(&path, &[("idempotency-key", "d")], Some(&dollars)).await;
    assert_eq!(reply.problem(), (422, "currency_mismatch"));
    let patched = rig.patch(&format!("/orders/sherlocks_{order}"), &[], &crate::rig::amount_patch()).await;
    assert_eq!(patched.problem(), (422, "unsupported_by_provider"));
    for change in CHANGES {
        assert_eq!(rig.sent(change.service, &order), 0);
    }
}

/// Every word of `newStatus`, as a read shows it.
#[tokio::test]
async fn every_status_is_read() {
    let rig = Sips::new().await;
    for (word, status, is_final, allowed) in [
        ("ABORTED", "failed", true, ""),
        ("CANCELLED", "canceled", true, ""),
        ("CAPTURED", "paid", false, "refund"),
        ("CAPTURE_REFUSED", "failed", true, ""),
        ("CREDITED", "refunded", false, ""),
        ("ENDED", "unknown", true, ""),
        ("EXPIRED", "expired", true, ""),
        ("PENDING", "processing", false, ""),
        ("PREPROD", "unknown", true, ""),
        ("REFUSED", "declined", true, ""),
        ("TO_AUTHORIZE", "processing", false, "cancel"),
        ("TO_CAPTURE", "paid", false, "cancel"),
        ("TO_CHALLENGE", "in_review", false, "cancel"),
        ("TO_CONFIRM_AUTHOR", "processing", false, ""),
        ("TO_CONFIRM_CAPTURE", "paid", false, ""),
        ("TO_CONFIRM_CREDIT", "paid", false, ""),
        ("TO_CREDIT", "partially_refunded", false, "refund"),
        ("TO_REPLAY", "authorized", false, "capture"),
        ("TO_VALIDATE", "authorized", false, "cancel capture"),
        ("UNDEFINED", "unknown", false, ""),
        ("WAITING_AUTHOR", "processing", false, ""),
        ("SOMETHING_NEW", "unknown", false, ""),
    ] {
        let left = if matches!(word, "CANCELLED" | "CREDITED") { 0 } else { 700 };
        let order = rig.order(&json!({"status": word, "amount": left, "originAmount": 1_000}));
        let read = rig.read(&order).await;
        assert_eq!((read.status, &read.json["status"]), (200, &json!(status)), "{word}: {read:?}");
        assert_eq!(
            (&read.json["final"], &read.json["provider_status"]["code"]),
            (&json!(is_final), &json!(word))
        );
        assert_eq!(read.json["amount"]["value"], 1_000, "{word}");
        for name in ["update", "cancel", "capture", "refund"] {
            let is_allowed = allowed.split(' ').any(|one| one == name);
            assert_eq!(action(&read, name)["allowed"], is_allowed, "{word} {name}");
            if name == "update" || is_allowed {
                continue;
            }
            let canceled = name == "cancel" && word == "CANCELLED";
            let reply = rig.act(name, &order, &format!("{word}-{name}"), None).await;
            if canceled {
                assert_eq!(
                    (reply.status, &reply.json["operation"]["outcome"]),
                    (200, &json!("already_done"))
                );
            } else {
                let code = if word == "CREDITED" && name == "refund" {
                    "already_refunded"
                } else {
                    "order_state_conflict"
                };
                assert_eq!(reply.problem(), (409, code), "{word} {name}");
                assert_eq!(reply.json["outcome"], "not_executed", "{word} {name}");
            }
        }
    }
    for service in [CANCEL, VALIDATE, REFUND] {
        assert_eq!(rig.control.requests(service), 0);
    }
}

/// The status changes between our read and the request: 24 tells the new one in `newStatus`.
#[tokio::test]
async fn every_status_that_a_cancel_finds() {
    let rig = Sips::new().await;
    for (word, status) in [
        ("ABORTED", "failed"),
        ("CANCELLED", "already_done"),
        ("CAPTURED", "paid"),
        ("CAPTURE_REFUSED", "failed"),
        ("CREDITED", "refunded"),
        ("ENDED", "unknown"),
        ("EXPIRED", "expired"),
        ("PENDING", "processing"),
        ("PREPROD", "unknown"),
        ("REFUSED", "declined"),
        ("TO_AUTHORIZE", "executed"),
        ("TO_CAPTURE", "executed"),
        ("TO_CHALLENGE", "executed"),
        ("TO_CONFIRM_AUTHOR", "processing"),
        ("TO_CONFIRM_CAPTURE", "paid"),
        ("TO_CONFIRM_CREDIT", "paid"),
        ("TO_CREDIT", "partially_refunded"),
        ("TO_REPLAY", "authorized"),
        ("TO_VALIDATE", "executed"),
        ("UNDEFINED", "unknown"),
        ("WAITING_AUTHOR", "processing"),
        ("SOMETHING_NEW", "unknown"),
    ] {
        for cents in [None, Some(300)] {
            let name = format!("{word} {cents:?}");
            let order = rig.in_status("TO_CAPTURE");
            let hold = rig.spoil(CANCEL, &order, FaultKind::Hold { when: Moment::Before });
            let (reply, ()) = tokio::join!(rig.act("cancel", &order, "c", cents), async {
                assert!(rig.control.held(hold).await);
                rig.control.set_order_status("sips", "sherlocks", &order, word).unwrap();
                if matches!(word, "CANCELLED" | "CREDITED") {
                    let nothing_left = json!({"currentAmount": 0, "newAmount": 0});
                    rig.control.patch_answer("sips", "sherlocks", &order, &nothing_left).unwrap();
                }
                rig.control.release(hold);
            });
            let moved = rig.moved("cancel", &order);
            match (status, cents) {
                ("executed", _) => {
                    assert_eq!(
                        (reply.status, &reply.json["operation"]["outcome"]),
                        (200, &json!("executed")),
                        "{name}: {reply:?}"
                    );
                    assert_eq!(reply.json["amounts"]["canceled"], cents.unwrap_or(1_000), "{name}");
                    assert_eq!(moved, [Some(cents.unwrap_or(1_000))], "{name}");
                }
                ("already_done", None) => {
                    assert_eq!(
                        (reply.status, &reply.json["operation"]["outcome"]),
                        (200, &json!("already_done")),
                        "{name}: {reply:?}"
                    );
                    assert_eq!(moved, [], "{name}");
                }
                _ => {
                    assert_eq!(reply.problem(), (409, "order_state_conflict"), "{name}: {reply:?}");
                    let reason = if status == "already_done" { "canceled" } else { status };
                    assert_eq!(
                        (&reply.json["reason"], &reply.json["outcome"]),
                        (&json!(reason), &json!("refused")),
                        "{name}"
                    );
                    assert_eq!(reply.json["provider"]["code"], "24", "{name}");
                    assert_eq!(moved, [], "{name}");
                }
            }
            assert_eq!(rig.sent(CANCEL, &order), 1, "{name}: sent once");
        }
    }
}

/// 24 also says that another operation is running: the state would allow ours, so it is tried again later.
#[tokio::test]
async fn another_operation_that_is_running_is_waited_for() {
    let rig = Sips::new().await;
    for change in CHANGES {
        for cents in [None, Some(300)] {
            let order = rig.in_status(change.from);
            rig.night(&order, "lock");
            let reply = rig.act(change.action, &order, "k", cents).await;
            assert_eq!(reply.problem(), (409, "operation_in_progress"), "{change:?}: {reply:?}");
            assert_eq!(
                (&reply.json["outcome"], &reply.json["retryable"]),
                (&json!("not_executed"), &json!(true))
            );
            assert_eq!(reply.json["provider"]["code"], "24", "{change:?}");
            assert_eq!((rig.sent(change.service, &order), rig.moved(change.effect, &order)), (1, vec![]));
            rig.night(&order, "unlock");
            // The same key runs again: nothing was done.
            let reply = rig.act(change.action, &order, "k", cents).await;
            assert_eq!(
                (reply.status, &reply.json["operation"]["outcome"]),
                (200, &json!("executed")),
                "{reply:?}"
            );
            assert_eq!((rig.sent(change.service, &order), rig.moved(change.effect, &order).len()), (2, 1));
        }
    }
}

/// 60 and 62: the platform has it and does it later.
#[tokio::test]
async fn what_the_platform_does_later_is_accepted_and_reserved() {
    let rig = Sips::new().await;
    for code in ["60", "62"] {
        for change in CHANGES {
            let name = format!("{code} {}", change.action);
            let order = rig.in_status(change.from);
            rig.deny(change.service, &order, code, None, None);
            let reply = rig.act(change.action, &order, "k", Some(300)).await;
            assert_eq!(reply.status, 202, "{name}: {reply:?}");
            let told = &reply.json["operation"];
            assert_eq!(
                (&told["status"], &told["outcome"]),
                (&json!("accepted"), &json!("accepted")),
                "{name}"
            );
            let same = rig.act(change.action, &order, "k", Some(300)).await;
            assert_eq!((same.status, same.header("idempotent-replayed")), (202, Some("true")), "{name}");
            let above = rig.act(change.action, &order, "above", Some(701)).await;
            assert_eq!(above.problem(), (422, "amount_exceeds_remaining"), "{name}: its amount is reserved");
            assert_eq!(
                (rig.sent(change.service, &order), rig.moved(change.effect, &order)),
                (1, vec![]),
                "{name}"
            );
            let beside = rig.act(change.action, &order, "beside", Some(700)).await;
            assert_eq!(beside.status, 200, "{name}: it does not block: {beside:?}");
            assert_eq!(rig.moved(change.effect, &order).len(), 1, "{name}");
        }
    }
}

/// The platform does not show an accepted refund yet: who asks for all that is left gets the rest beside it.
#[tokio::test]
async fn all_that_is_left_leaves_out_what_is_reserved() {
    let rig = Sips::new().await;
    let order = rig.in_status("CAPTURED");
    rig.deny(REFUND, &order, "60", None, None);
    assert_eq!(rig.act("refund", &order, "k", Some(300)).await.status, 202);
    let rest = rig.act("refund", &order, "rest", None).await;
    assert_eq!((rest.status, &rest.json["operation"]["amount"]["value"]), (200, &json!(700)), "{rest:?}");
    assert_eq!(rig.moved("refund", &order), [Some(700)]);
    let more = rig.act("refund", &order, "more", None).await;
    assert!(matches!(more.problem().0, 409 | 422), "nothing is left: {more:?}");
}

/// What an accepted refund became is found by reading, however late.
#[tokio::test]
async fn an_accepted_refund_is_found_done() {
    let rig = Sips::new().await;
    let order = rig.in_status("CAPTURED");
    rig.deny(REFUND, &order, "60", None, None);
    let reply = rig.act("refund", &order, "k", Some(300)).await;
    let id = reply.json["operation"]["id"].as_str().unwrap().to_owned();
    let later = jiff::Timestamp::now().to_string();
    let done = json!({
        "transactionStatus": "TO_CREDIT", "currentAmount": 700, "lastOperationName": "CREDIT", "lastOperationDateTime": later
    });
    rig.control.patch_answer("sips", "sherlocks", &order, &done).unwrap();
    let ended = rig.ended(&id).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("succeeded"), &json!("executed")));
    seen(&rig.read(&order).await, "partially_refunded", [1_000, 1_000, 1_000, 0, 300]);
    assert_eq!(rig.sent(REFUND, &order), 1);
}

#[tokio::test]
async fn transactions_named_by_the_platform_or_by_the_old_pair() {
    let rig = Sips::with(|settings| {
        for (name, by, merchant, key) in [
            ("platform", "platform", "002001000000002", "002001000000002_KEY1"),
            ("old", "s10", "002001000000003", "002001000000003_KEY1"),
            ("older", "s10", "002001000000004", "002001000000004_KEY1"),
        ] {
            let changes = [("reference_by", by), ("merchant_id", merchant), ("secret_key", key)];
            add_account(settings, name, &changes);
        }
    })
    .await;
    for (account, draft, foreign) in [
        ("platform", json!({"merchantId": "002001000000002"}), "s10.000123.20260114"),
        (
            "old",
            json!({"merchantId": "002001000000003", "s10TransactionId": "123", "s10TransactionIdDate": "20260114"}),
            "ORDER0001",
        ),
        ("older", json!({"merchantId": "002001000000004"}), "s10.123.20260114"),
    ] {
        let order = rig.order(&draft);
        let path = format!("/orders/{account}_{order}");
        let read = rig.get(&path).await;
        seen(&read, "paid", [1_000, 1_000, 0, 0, 0]);
        assert_eq!(
            (&read.json["id"], &read.json["account"]),
            (&json!(format!("{account}_{order}")), &json!(account))
        );
        let part = json!({"amount": {"value": 300, "currency": "EUR"}});
        let reply = rig
            .post(&format!("{path}/cancel"), &[("idempotency-key", &format!("c-{account}"))], Some(&part))
            .await;
        done(&reply, "paid", [1_000, 1_000, 0, 300, 0]);
        let reply = rig.post(&format!("{path}/cancel"), &[], None).await;
        done(&reply, "canceled", [1_000, 1_000, 0, 1_000, 0]);
        assert_eq!(rig.moved("cancel", &order), [Some(300), Some(700)]);
        let total = rig.control.total_requests();
        assert_eq!(rig.get(&format!("/orders/{account}_{foreign}")).await.problem(), (404, "not_found"));
        let mut body = crate::rig::new_order("a");
        body["account"] = json!(account);
        let refused = rig.create(account, &body).await;
        assert_eq!(refused.problem(), (422, "unsupported_by_provider"), "{refused:?}");
        assert_eq!(refused.json["outcome"], "not_executed");
        assert_eq!(rig.control.total_requests(), total, "{account}: nothing was sent");
        let shown = rig.get(&format!("/accounts/{account}")).await;
        assert_eq!(shown.json["capabilities"]["create"]["supported"], false, "{}", shown.text);
    }
}

/// Every currency of the provider page, by number, with its decimals.
const CURRENCIES: [(&str, &str, u32); 47] = [
    ("032", "ARS", 2),
    ("036", "AUD", 2),
    ("048", "BHD", 3),
    ("116", "KHR", 2),
    ("124", "CAD", 2),
    ("144", "LKR", 2),
    ("156", "CNY", 2),
    ("191", "HRK", 2),
    ("203", "CZK", 2),
    ("208", "DKK", 2),
    ("344", "HKD", 2),
    ("348", "HUF", 2),
    ("352", "ISK", 0),
    ("356", "INR", 2),
    ("376", "ILS", 2),
    ("392", "JPY", 0),
    ("410", "KRW", 0),
    ("414", "KWD", 3),
    ("458", "MYR", 2),
    ("480", "MUR", 2),
    ("484", "MXN", 2),
    ("524", "NPR", 2),
    ("554", "NZD", 2),
    ("578", "NOK", 2),
    ("634", "QAR", 2),
    ("643", "RUB", 2),
    ("682", "SAR", 2),
    ("702", "SGD", 2),
    ("710", "ZAR", 2),
    ("752", "SEK", 2),
    ("756", "CHF", 2),
    ("764", "THB", 2),
    ("784", "AED", 2),
    ("788", "TND", 3),
    ("826", "GBP", 2),
    ("840", "USD", 2),
    ("901", "TWD", 2),
    ("941", "RSD", 2),
    ("946", "RON", 2),
    ("949", "TRY", 2),
    ("952", "XOF", 0),
    ("953", "XPF", 0),
    ("975", "BGN", 2),
    ("978", "EUR", 2),
    ("980", "UAH", 2),
    ("985", "PLN", 2),
    ("986", "BRL", 2),
];

#[tokio::test]
async fn every_currency_by_its_number() {
    let rig = Sips::new().await;
    for (number, code, decimals) in CURRENCIES {
        let currency = Currency::new(code).unwrap();
        assert_eq!(u32::from(currency.exponent()), decimals, "{code}");
        let order = rig.order(&json!({"currencyCode": number, "amount": 1_050}));
        let read = rig.read(&order).await;
        assert_eq!(
            (read.status, &read.json["amount"]),
            (200, &json!({"value": 1_050, "currency": code})),
            "{read:?}"
        );
        let part = json!({"amount": {"value": 50, "currency": code}});
        let path = format!("/orders/sherlocks_{order}/cancel");
        let reply = rig.post(&path, &[("idempotency-key", code)], Some(&part)).await;
        assert_eq!(amounts(&reply)[3], Some(50), "{code}: {reply:?}");
        let log = rig.control.request_log();
        let sent = &log.iter().rev().find(|one| one.service == CANCEL).unwrap().body;
        assert_eq!(
            (&sent["currencyCode"], &sent["operationAmount"]),
            (&json!(number), &json!("50")),
            "{code}"
        );

        let mut body = crate::rig::new_order(code);
        body["account"] = json!("sherlocks");
        body["amount"] = json!({"value": 1_050, "currency": code});
        let made = rig.create(&format!("create-{code}"), &body).await;
        if code == "HRK" {
            // Withdrawn: what was paid in it can be read and given back, and nothing new is asked for in it.
            assert_eq!(
                (made.problem(), made.pointer()),
                ((422, "currency_not_supported"), Some("/amount/currency"))
            );
            continue;
        }
        assert_eq!(
            (made.status, &made.json["amount"]),
            (201, &json!({"value": 1_050, "currency": code})),
            "{made:?}"
        );
        let log = rig.control.request_log();
        let sent = &log.last().unwrap().body;
        assert_eq!((&sent["currencyCode"], &sent["amount"]), (&json!(number), &json!("1050")), "{code}");
    }
    let mut body = crate::rig::new_order("v");
    body["account"] = json!("sherlocks");
    body["amount"] = json!({"value": 1_050, "currency": "VND"});
    assert_eq!(rig.create("v", &body).await.problem(), (422, "currency_not_supported"));
}

/// A read that nobody can understand is 502, never another order's data.
#[tokio::test]
async fn an_answer_about_something_else_is_none() {
    let rig = Sips::new().await;
    for wrong in [
        json!({"transactionReference": "ORDER0002"}),
        json!({"merchantId": "002001000000002"}),
        json!({"currencyCode": "999"}),
        json!({"currencyCode": "36"}),
        json!({"originAmount": null, "currentAmount": null, "remainingAmount": null}),
    ] {
        rig.control.patch_answer("sips", "sherlocks", "ORDER0001", &wrong).unwrap();
        let reply: Reply = rig.read("ORDER0001").await;
        assert_eq!(reply.problem(), (502, "provider_bad_response"), "{wrong}");
        let reply = rig.act("cancel", "ORDER0001", "k", None).await;
        assert_eq!(reply.problem(), (503, "provider_unavailable"), "{wrong}");
        assert_eq!(reply.json["outcome"], "not_executed");
    }
    assert_eq!(rig.control.requests(CANCEL), 0);
    // Amounts may be text.
    let text = json!({"originAmount": "1000", "currentAmount": "1000"});
    rig.control.patch_answer("sips", "sherlocks", "ORDER0001", &text).unwrap();
    seen(&rig.read("ORDER0001").await, "paid", [1_000, 1_000, 0, 0, 0]);
    rig.control.patch_answer("sips", "sherlocks", "ORDER0001", &Value::Null).unwrap();
    assert!(rig.sent(READ, "ORDER0001") > 0);
}
