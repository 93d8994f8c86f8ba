//! YabandPay through the whole stack: the published cancel, its codes, every state, and the time to cancel.

use std::time::Duration;

use guichet::config::Settings;
use guichet_simulator::{Fault, FaultId, FaultKind, Moment, PayerAction};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{Reply, Rig, refusal};

/// The payment of the provider's page: 0.10 EUR, paid today.
pub(super) const SAMPLE: &str = "4a49ffb3-a30f-ba92-9422-1969afb6f121";
pub(super) const CREATE: &str = "v3.CreatePayments";
pub(super) const CARDS: &str = "v3.CreateCardPayments";
pub(super) const QUERY: &str = "v3.QueryOrder";
pub(super) const CANCEL: &str = "v3.CancelPayment";
pub(super) const CAPTURE: &str = "v3.Capture";
pub(super) const REFUND: &str = "v3.CreateRefund";
pub(super) const QUERY_REFUND: &str = "v3.QueryRefundOrder";
const NAME: &str = "yabandpay";

/// The rig, seen from its account `yabandpay`.
pub(super) struct Shop(pub(super) Rig);

impl Shop {
    /// Nobody receives its notifications.
    pub(super) async fn new() -> Self {
        Self(Rig::new().await)
    }

    /// Notifications come to where the service is bound.
    pub(super) async fn notified() -> Self {
        let tweak =
            |settings: &mut Settings| "http://127.0.0.1:8080".clone_into(&mut settings.server.public_url);
        Self(Rig::with(tweak).await)
    }

    /// The same, and a change is listened for no longer than this many milliseconds.
    pub(super) async fn notified_within(ms: u64) -> Self {
        let tweak = |settings: &mut Settings| {
            "http://127.0.0.1:8080".clone_into(&mut settings.server.public_url);
            settings.resilience.provider_timeout = Duration::from_millis(ms);
        };
        Self(Rig::with(tweak).await)
    }

    /// Makes an order of 10.00 EUR, its body changed by these members.
    pub(super) async fn create(&self, reference: &str, changes: &Value) -> Reply {
        self.0.create(&format!("create-{reference}"), &body(reference, changes)).await
    }

    /// The same, which must work; its reference at the platform.
    pub(super) async fn made(&self, reference: &str, changes: &Value) -> String {
        let reply = self.create(reference, changes).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json["provider_reference"].as_str().unwrap().to_owned()
    }

    pub(super) async fn paid(&self, reference: &str) -> String {
        let order = self.made(reference, &json!({})).await;
        self.pay(&order);
        order
    }

    /// Reserved by card, to be captured by hand.
    pub(super) async fn authorized(&self, reference: &str) -> String {
        let order = self.made(reference, &manual()).await;
        self.pay(&order);
        order
    }

    pub(super) fn pay(&self, order: &str) {
        self.0.control.payer(NAME, NAME, order, PayerAction::Pay).unwrap();
    }

    /// The back office; without an order it sets something.
    pub(super) fn office(&self, order: Option<&str>, action: &str) {
        self.0.control.act(NAME, NAME, order, action).unwrap();
    }

    pub(super) fn set(&self, order: &str, state: &str) {
        self.0.control.set_order_status(NAME, NAME, order, state).unwrap();
    }

    pub(super) async fn read(&self, order: &str) -> Reply {
        self.0.get(&format!("/orders/yabandpay_{order}")).await
    }

    /// `cancel`, `capture` or `refund` of all that is left, or of this many cents.
    pub(super) async fn ask(
        &self,
        action: &str,
        order: &str,
        key: Option<&str>,
        cents: Option<i64>,
    ) -> Reply {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        let body = cents.map(|cents| json!({"amount": {"value": cents, "currency": "EUR"}}));
        self.0.post(&format!("/orders/yabandpay_{order}/{action}"), &headers, body.as_ref()).await
    }

    pub(super) fn fault(&self, service: &str, kind: FaultKind) -> FaultId {
        self.0.control.add_fault(Fault::new(NAME, kind).on_service(service))
    }

    /// A fault that lasts until the plan is cleared.
    pub(super) fn always(&self, service: &str, kind: FaultKind) {
        self.0.control.add_fault(Fault::new(NAME, kind).on_service(service).times(0));
    }

    /// The `data` of every request to a method.
    pub(super) fn sent(&self, method: &str) -> Vec<Value> {
        let log = self.0.control.request_log().into_iter();
        log.filter(|one| one.service == method).map(|one| one.body["data"].clone()).collect()
    }

    /// What really happened to an order under this word.
    pub(super) fn moved(&self, action: &str, order: &str) -> Vec<Option<i64>> {
        let effects = self.0.effects(action).into_iter();
        effects.filter(|effect| effect.order == order).map(|effect| effect.amount).collect()
    }

    /// Types of the events of an order so far.
    pub(super) async fn events(&self, order: &str) -> Vec<String> {
        let events = self.0.get(&format!("/orders/yabandpay_{order}/events")).await;
        let items = events.json["items"].as_array().unwrap().iter();
        items.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until so many events of this type are in the timeline of an order, and gives all types.
    pub(super) async fn until(&self, order: &str, kind: &str, times: usize) -> Vec<String> {
        let look = async {
            loop {
                let types = self.events(order).await;
                if count(&types, kind) >= times {
                    return types;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), look).await;
        match found {
            Ok(types) => types,
            Err(_) => panic!("no {times} times {kind}: {:?}", self.events(order).await),
        }
    }

    /// Sends a message to where the platform notifies.
    pub(super) async fn notify(&self, content_type: &str, body: &str) -> Reply {
        let headers = [("content-type", content_type)];
        self.0.send(Method::POST, "/notifications/yabandpay", &headers, Some(body)).await
    }
}

/// A creation of 10.00 EUR with these members.
pub(super) fn body(reference: &str, changes: &Value) -> Value {
    let mut body = json!({
        "account": NAME, "amount": {"value": 1_000, "currency": "EUR"}, "merchant_reference": reference
    });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

pub(super) fn manual() -> Value {
    json!({"payment_method": "card", "capture": "manual", "return_url": "https://shop.example/back"})
}

pub(super) fn count(types: &[String], kind: &str) -> usize {
    types.iter().filter(|word| *word == kind).count()
}

pub(super) fn operation(reply: &Reply) -> String {
    reply.json["operation"]["id"].as_str().unwrap().to_owned()
}

pub(super) fn action<'a>(reply: &'a Reply, name: &str) -> &'a Value {
    let actions = reply.json["available_actions"].as_array().unwrap();
    actions.iter().find(|action| action["action"] == name).unwrap()
}

#[tokio::test]
async fn the_published_cancel() {
    let shop = Shop::new().await;
    let before = shop.read(SAMPLE).await;
    assert_eq!((before.status, &before.json["status"]), (200, &json!("paid")), "{before:?}");
    assert_eq!(before.json["amount"], json!({"value": 10, "currency": "EUR"}));
    assert_eq!(before.json["merchant_reference"], "280244567856723026");
    assert_eq!(
        (&before.json["description"], &before.json["mode"]),
        (&json!("YabandPay test"), &json!("test"))
    );

    let canceled = shop.ask("cancel", SAMPLE, None, None).await;
    assert_eq!((canceled.status, &canceled.json["status"]), (200, &json!("canceled")), "{canceled:?}");
    assert_eq!((&canceled.json["final"], &canceled.json["amounts"]["canceled"]), (&json!(true), &json!(10)));
    assert_eq!(canceled.json["provider_status"]["code"], "cancelled");
    assert_eq!(canceled.json["operation"]["outcome"], "executed");
    assert_eq!(canceled.json["operation"]["amount"], json!({"value": 10, "currency": "EUR"}));
    assert_eq!(shop.sent(CANCEL), [json!({"trade_id": SAMPLE})]);

    let again = shop.ask("cancel", SAMPLE, None, None).await;
    assert_eq!(
        (again.status, &again.json["operation"]["outcome"]),
        (200, &json!("already_done")),
        "{again:?}"
    );
    assert_eq!(again.json["status"], "canceled");
    assert_eq!((shop.0.control.requests(CANCEL), shop.0.effects("cancel").len()), (1, 1));
    let refund = shop.ask("refund", SAMPLE, Some("r"), None).await;
    assert_eq!(refund.problem(), (409, "order_state_conflict"));
    shop.0.stop().await;
}

/// Every code of the provider's page but -4116, one that it leaves out, and one that nobody knows.
#[tokio::test]
async fn every_refusal_of_a_cancel() {
    let shop = Shop::new().await;
    for (code, status, problem, outcome) in [
        ("-4111", 409, "window_closed", "refused"),
        ("-4112", 409, "order_state_conflict", "refused"),
        ("-4113", 422, "provider_refused", "refused"),
        ("-4114", 404, "not_found", "not_executed"),
        ("-4115", 409, "order_state_conflict", "refused"),
        ("-4117", 409, "order_state_conflict", "refused"),
        ("-7777", 422, "provider_refused", "refused"),
    ] {
        shop.0.control.reset();
        shop.fault(CANCEL, refusal(code));
        let reply = shop.ask("cancel", SAMPLE, None, None).await;
        assert_eq!(reply.problem(), (status, problem), "{code}: {reply:?}");
        assert_eq!(
            (&reply.json["outcome"], &reply.json["retryable"]),
            (&json!(outcome), &json!(false)),
            "{code}"
        );
        assert_eq!(
            (&reply.json["provider"]["name"], &reply.json["provider"]["code"]),
            (&json!(NAME), &json!(code))
        );
        assert_eq!((shop.0.control.requests(CANCEL), shop.0.control.effects().len()), (1, 0), "{code}");
        assert_eq!(shop.read(SAMPLE).await.json["status"], "paid", "{code}");
    }
}

/// The payment is canceled elsewhere between the read and the cancel: -4116 says that what was wanted is so. A read must
/// confirm that; until one does, nothing is known.
#[tokio::test]
async fn canceled_by_somebody_else_meanwhile() {
    for readable in [true, false] {
        let shop = Shop::new().await;
        let hold = shop.fault(CANCEL, FaultKind::Hold { when: Moment::Before });
        let meanwhile = async {
            assert!(shop.0.control.held(hold).await);
            shop.set(SAMPLE, "cancelled");
            if !readable {
                shop.always(QUERY, FaultKind::Garbage { effect: false });
            }
            shop.0.control.release(hold);
        };
        let (reply, ()) = tokio::join!(shop.ask("cancel", SAMPLE, None, None), meanwhile);
        let (status, outcome) = if readable { (200, "already_done") } else { (202, "unknown") };
        assert_eq!(reply.status, status, "{readable}: {reply:?}");
        assert_eq!(reply.json["operation"]["outcome"], outcome, "{readable}: {reply:?}");
        shop.0.control.clear_faults();
        let id = reply.json["operation"]["id"].as_str().unwrap();
        let ended = shop.0.ended(id).await;
        assert_eq!((&ended["status"], &ended["outcome"]), (&json!("succeeded"), &json!("already_done")));
        assert_eq!(shop.read(SAMPLE).await.json["status"], "canceled", "{readable}");
        assert_eq!((shop.0.control.requests(CANCEL), shop.0.control.effects().len()), (1, 0));
    }
}

/// -4116 against a read that goes on saying "paid": neither done nor refused, and absence never settles it.
#[tokio::test]
async fn done_before_that_no_read_confirms_stays_unknown() {
    let shop = Shop::new().await;
    shop.fault(CANCEL, refusal("-4116"));
    let reply = shop.ask("cancel", SAMPLE, None, None).await;
    assert_eq!((reply.status, &reply.json["operation"]["outcome"]), (202, &json!("unknown")), "{reply:?}");
    let id = reply.json["operation"]["id"].as_str().unwrap();
    let later = shop.0.aged(id, 3_600).await;
    assert_eq!(later["status"], "unknown", "its absence proves nothing: {later}");
    let much_later = shop.0.aged(id, 25 * 3_600).await;
    assert_eq!(much_later["status"], "needs_review");
    assert_eq!(shop.0.control.requests(CANCEL), 1);
}

#[tokio::test]
async fn every_refusal_of_a_read() {
    let shop = Shop::new().await;
    for (code, status, problem) in [
        ("-4114", 404, "not_found"),
        ("-4111", 502, "provider_bad_response"),
        ("-9999", 502, "provider_bad_response"),
    ] {
        shop.0.control.reset();
        shop.fault(QUERY, refusal(code));
        let reply = shop.read(SAMPLE).await;
        assert_eq!(reply.problem(), (status, problem), "{code}: {reply:?}");
        shop.fault(QUERY, refusal(code));
        let reply = shop.ask("cancel", SAMPLE, None, None).await;
        let wanted = if status == 404 { (404, "not_found") } else { (503, "provider_unavailable") };
        assert_eq!((reply.problem(), &reply.json["outcome"]), (wanted, &json!("not_executed")), "{code}");
        assert_eq!(shop.0.control.requests(CANCEL), 0, "{code}");
    }
    let absent = "00000000-0000-4000-8000-000000000001";
    assert_eq!(shop.read(absent).await.problem(), (404, "not_found"));
    for other in [SAMPLE.to_uppercase(), SAMPLE.replace('-', ""), format!("{SAMPLE}0")] {
        let asked = shop.0.control.total_requests();
        assert_eq!(shop.read(&other).await.problem(), (404, "not_found"), "{other}");
        assert_eq!(shop.0.control.total_requests(), asked, "{other}");
    }
}

#[tokio::test]
async fn every_state_in_every_spelling() {
    let shop = Shop::new().await;
    for (word, status, is_final, cancel, refund) in [
        ("pending", "pending", false, true, false),
        ("processing", "pending", false, true, false),
        ("new", "pending", false, true, false),
        ("verify", "in_review", false, true, false),
        ("authorized", "authorized", false, true, false),
        ("paid", "paid", false, true, true),
        ("completed", "paid", false, true, true),
        ("refunded", "refunded", true, false, false),
        ("cancelled", "canceled", true, false, false),
        ("canceled", "canceled", true, false, false),
        ("expired", "expired", true, false, false),
        ("declined", "declined", true, false, false),
        ("failed", "failed", true, false, false),
        ("on_the_moon", "unknown", false, false, false),
    ] {
        let capital = format!("{}{}", word[..1].to_uppercase(), &word[1..]);
        for spelling in [word.to_owned(), word.to_uppercase(), capital] {
            shop.set(SAMPLE, &spelling);
            let seen = shop.read(SAMPLE).await;
            assert_eq!((seen.status, &seen.json["status"]), (200, &json!(status)), "{spelling}");
            assert_eq!(seen.json["final"], is_final, "{spelling}");
            assert_eq!(seen.json["provider_status"]["code"], spelling);
            for (name, allowed) in [("cancel", cancel), ("refund", refund), ("update", false)] {
                assert_eq!(action(&seen, name)["allowed"], allowed, "{spelling} {name}");
            }
            assert_eq!(action(&seen, "capture")["allowed"], status == "authorized", "{spelling}");
        }
        // What cannot be canceled is not sent; what is canceled is no mistake.
        let asked = shop.0.control.requests(CANCEL);
        if !cancel {
            let reply = shop.ask("cancel", SAMPLE, None, None).await;
            if status == "canceled" {
                assert_eq!(reply.json["operation"]["outcome"], "already_done", "{word}: {reply:?}");
            } else {
                assert_eq!(reply.problem(), (409, "order_state_conflict"), "{word}");
            }
            assert_eq!(shop.0.control.requests(CANCEL), asked, "{word}");
        }
    }
}

/// 00:30 of the day after this one in Amsterdam, computed apart from the service: two offsets are possible, and the
/// right one is the one at which the clock there shows half past midnight.
fn window(created_at: &Value) -> Vec<String> {
    let created: jiff::Timestamp = created_at.as_str().unwrap().parse().unwrap();
    [1, 2]
        .map(|hours| {
            let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(hours));
            let next = created.to_zoned(zone.clone()).date().tomorrow().unwrap();
            let end = next.at(0, 30, 0, 0).to_zoned(zone).unwrap().timestamp();
            format!("{end:.3}")
        })
        .into()
}

#[tokio::test]
async fn the_time_to_cancel() {
    let shop = Shop::new().await;
    let order = shop.paid("cart-1").await;
    let seen = shop.read(&order).await;
    let cancel = action(&seen, "cancel");
    assert_eq!(
        (&cancel["allowed"], &cancel["partial"], &cancel["max"]),
        (&json!(true), &json!(false), &json!(1_000))
    );
    let until = cancel["until"].as_str().unwrap().to_owned();
    assert!(window(&seen.json["created_at"]).contains(&until), "{until}: {}", seen.json["created_at"]);

    // A moment before it the platform takes it, a moment after it no more: its own clock counts, not guichet's.
    let end: jiff::Timestamp = until.parse().unwrap();
    let left = end.duration_since(shop.0.control.now());
    shop.0.control.advance(Duration::from_secs(u64::try_from(left.as_secs()).unwrap().saturating_sub(60)));
    let other = shop.paid("cart-2").await;
    assert_eq!(shop.ask("cancel", &other, None, None).await.json["status"], "canceled");
    shop.0.control.advance(Duration::from_secs(120));
    let late = shop.ask("cancel", &order, None, None).await;
    assert_eq!(late.problem(), (409, "window_closed"), "{late:?}");
    assert_eq!((&late.json["outcome"], &late.json["provider"]["code"]), (&json!("refused"), &json!("-4111")));
    assert_eq!(shop.moved("cancel", &order), []);
    // A refund instead.
    assert_eq!(shop.ask("refund", &order, Some("r"), None).await.status, 202);

    // Known to be over: told, not enforced.
    let old = json!({"status": "paid", "created_at": "2026-01-14T22:59:59Z"});
    let old = shop.0.control.add_order(NAME, NAME, &old).unwrap();
    let seen = shop.read(&old).await;
    let cancel = action(&seen, "cancel");
    assert_eq!((&cancel["allowed"], &cancel["reason"]), (&json!(false), &json!("window_closed")));
    assert_eq!(cancel["until"], "2026-01-14T23:30:00.000Z");
    let asked = shop.0.control.requests(CANCEL);
    assert_eq!(shop.ask("cancel", &old, None, None).await.problem(), (409, "window_closed"));
    assert_eq!(shop.0.control.requests(CANCEL), asked + 1);
}

#[tokio::test]
async fn a_part_is_not_canceled_and_nothing_after_a_refund() {
    let shop = Shop::new().await;
    let order = shop.paid("cart-1").await;
    assert_eq!(shop.ask("cancel", &order, None, Some(10)).await.problem(), (400, "idempotency_key_missing"));
    let part = shop.ask("cancel", &order, Some("c"), Some(10)).await;
    assert_eq!(
        (part.problem(), part.pointer()),
        ((422, "unsupported_by_provider"), Some("/amount")),
        "{part:?}"
    );
    assert_eq!(part.json["outcome"], "not_executed");
    let above = shop.ask("cancel", &order, Some("c"), Some(1_001)).await;
    assert_eq!(above.problem(), (422, "amount_exceeds_remaining"));

    assert_eq!(shop.ask("refund", &order, Some("r"), Some(10)).await.status, 202);
    let seen = shop.read(&order).await;
    assert_eq!((&seen.json["status"], &action(&seen, "cancel")["allowed"]), (&json!("paid"), &json!(false)));
    assert_eq!(shop.ask("cancel", &order, None, None).await.problem(), (409, "order_state_conflict"));
    assert_eq!(shop.0.control.requests(CANCEL), 0, "nothing was sent");
    // All of it by its amount is a whole cancel.
    let whole = shop.paid("cart-2").await;
    let canceled = shop.ask("cancel", &whole, Some("w"), Some(1_000)).await;
    assert_eq!((canceled.status, &canceled.json["status"]), (200, &json!("canceled")), "{canceled:?}");

    // Refunded in the portal, which nobody tells: the platform's refusal counts.
    let portal = shop.paid("cart-3").await;
    shop.0.control.add_transaction(NAME, NAME, &portal, &json!({"refund_amount": "1.00"})).unwrap();
    let refused = shop.ask("cancel", &portal, None, None).await;
    assert_eq!(refused.problem(), (409, "order_state_conflict"), "{refused:?}");
    assert_eq!(
        (&refused.json["outcome"], &refused.json["provider"]["code"]),
        (&json!("refused"), &json!("-4115"))
    );
    // Cleared, and expired between the read and the cancel.
    let cleared = shop.paid("cart-4").await;
    shop.office(Some(&cleared), "clear");
    let refused = shop.ask("cancel", &cleared, None, None).await;
    assert_eq!(
        (refused.problem(), &refused.json["provider"]["code"]),
        ((409, "order_state_conflict"), &json!("-4112"))
    );
}

/// Unpaid, under review, authorized and paid payments can all be released.
#[tokio::test]
async fn what_can_be_canceled() {
    let shop = Shop::new().await;
    for (reference, manual_capture, steps) in
        [("a", false, &[][..]), ("b", false, &["verify"]), ("c", true, &["pay"]), ("d", false, &["pay"])]
    {
        let changes = if manual_capture { manual() } else { json!({}) };
        let order = shop.made(reference, &changes).await;
        for step in steps {
            match *step {
                "pay" => shop.pay(&order),
                other => shop.office(Some(&order), other),
            }
        }
        let canceled = shop.ask("cancel", &order, None, None).await;
        assert_eq!(
            (canceled.status, &canceled.json["status"]),
            (200, &json!("canceled")),
            "{reference}: {canceled:?}"
        );
        assert_eq!(canceled.json["metadata"], json!({}));
        let read = shop.read(&order).await;
        for member in
            ["status", "final", "amount", "amounts", "merchant_reference", "created_at", "expires_at"]
        {
            assert_eq!(read.json[member], canceled.json[member], "{reference} {member}");
        }
        assert_eq!(shop.moved("cancel", &order).len(), 1, "{reference}");
    }
    // Over without money: nothing to cancel.
    let order = shop.made("e", &json!({})).await;
    shop.office(Some(&order), "expire");
    let refused = shop.ask("cancel", &order, None, None).await;
    assert_eq!(
        (refused.problem(), &refused.json["reason"]),
        ((409, "order_state_conflict"), &json!("expired"))
    );
}
