//! Answers to calls: an answer counts only when it is about what was asked, and nothing that a provider says makes an
//! order of guichet one that cannot be.
//!
//! The first byte says what is called and what is remembered, the rest is what comes back; a zero byte, which no JSON
//! holds, ends one answer and begins the next.

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use sha2::Sha256;
use tokio::time::Instant;

use super::world::{Remembered, SIPS_KEY, answered, check_order, object, world};
use guichet::{
    adapter::{ErrorKind, Performed, ProviderError, Verdict},
    domain::{
        Creation, Currency, Intent, Money, Operation, OperationId, OperationKind, OperationStatus, Order,
        OrderId, OrderMemory, OrderPatch, OrderStatus, Part, PlannedOrder, Timestamp,
        request::{CaptureMode, Customer, Field, NewDelivery, NewOrder},
    },
};

/// What the first byte says.
const CALLS: u8 = 0x0f;
const REMEMBERED: u8 = 0x10;
const S10: u8 = 0x20;

/// Orders of one account in the states from which they are changed, and one that is to be made.
struct Scene {
    account: &'static str,
    open: Order,
    authorized: Order,
    captured: Order,
    planned: PlannedOrder,
    creation: OperationId,
    /// Makes of what the fuzzer invents what the platform would have sent.
    prepare: fn(Vec<u8>) -> Vec<u8>,
}

fn euros(cents: i64) -> Money {
    Money::new(cents, Currency::new("EUR").expect("a currency")).expect("an amount")
}

fn part(order: &Order, full: bool) -> Part {
    let whole = Money::new(order.amount, order.currency).expect("an amount");
    let half = Money::new(order.amount / 2, order.currency).expect("an amount");
    Part { amount: if full { whole } else { half }, full }
}

impl Scene {
    /// The account's scene: `answers` tell an open, an authorized and a captured order.
    fn new(
        account: &'static str,
        reference: &str,
        answers: [Vec<Value>; 3],
        prepare: fn(Vec<u8>) -> Vec<u8>,
    ) -> Self {
        let adapter = world().adapter(account);
        let reference = reference.parse().expect("a reference");
        let [open, authorized, captured] = answers.map(|bodies| {
            let bodies = bodies.into_iter().map(|body| prepare(body.to_string().into_bytes())).collect();
            let memory = Remembered(OrderMemory::default());
            answered(bodies, adapter.fetch(&reference, &memory, Instant::now())).expect("a genuine answer")
        });
        let order = NewOrder {
            amount: euros(2_000),
            merchant_reference: "cart42".to_owned(),
            description: Some("Cart 42".to_owned()),
            capture: CaptureMode::Automatic,
            payment_method: None,
            expires_at: None,
            locale: None,
            delivery: NewDelivery::default(),
            customer: Customer::default(),
            return_url: Some("https://shop.example/back".to_owned()),
            metadata: [("cart".to_owned(), "42".to_owned())].into(),
            provider_options: Map::new(),
        };
        let creation = "op_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c".parse().expect("an id");
        let planned = adapter.plan_create(order.clone(), creation, Timestamp::now());
        // An account that cannot make orders is asked all the same what it makes of an answer.
        let planned = planned.unwrap_or(PlannedOrder {
            order,
            expires_at: Timestamp::now(),
            reference: None,
            page_token: None,
        });
        Self { account, open, authorized, captured, planned, creation, prepare }
    }

    fn run(&self, data: &[u8]) {
        let Some((first, rest)) = data.split_first() else { return };
        let bodies: Vec<Vec<u8>> =
            rest.split(|byte| *byte == 0).map(|body| (self.prepare)(body.to_vec())).collect();
        let is_json = bodies.first().is_some_and(|body| is_object(body));
        let memory = OrderMemory {
            creation: (first & REMEMBERED != 0).then(|| Creation {
                operation: self.creation,
                at: Timestamp::from_millis(1_700_000_000_000),
                planned: self.planned.clone(),
            }),
            ..OrderMemory::default()
        };
        let (memory, deadline) = (Remembered(memory), Instant::now());
        let (adapter, id) = (world().adapter(self.account), self.creation);
        match first & CALLS {
            0 => {
                let order = answered(bodies, adapter.fetch(self.open.reference(), &memory, deadline));
                check_read(&order, is_json);
                if let Ok(order) = order {
                    assert_eq!(order.id, self.open.id, "another order than was asked for");
                    check_order(&order);
                }
            }
            1 => {
                let made = answered(bodies, adapter.create(id, &self.planned));
                check_change(&made, is_json);
                if let Ok(order) = made {
                    let wanted = self.planned.order.amount;
                    assert_eq!((order.amount, order.currency), (wanted.value(), wanted.currency()));
                    assert_eq!(order.metadata, self.planned.order.metadata);
                    check_order(&order);
                }
            }
            2 => {
                let patch = OrderPatch { amount: Field::Set(euros(15_000)), ..OrderPatch::default() };
                let after = answered(bodies, adapter.update(id, &self.open, &patch, &memory));
                check_change(&after, is_json);
                if let Ok(order) = after {
                    assert_eq!(
                        (&order.id, order.amount),
                        (&self.open.id, 15_000),
                        "another change than asked for"
                    );
                    check_order(&order);
                }
            }
            call @ 3..=6 => {
                let before = if call < 5 { &self.open } else { &self.authorized };
                let part = part(before, call % 2 == 1);
                let done = answered(bodies, adapter.cancel(id, before, part));
                check_performed(before, &done, is_json);
                if let Ok(Performed { order: Some(order), .. }) = done {
                    assert!(!part.full || order.status == OrderStatus::Canceled, "{:?}", order.status);
                }
            }
            call @ 7..=8 => {
                let part = part(&self.authorized, call == 7);
                let done = answered(bodies, adapter.capture(id, &self.authorized, part));
                check_performed(&self.authorized, &done, is_json);
            }
            call @ 9..=10 => {
                let part = part(&self.captured, call == 9);
                let done = answered(bodies, adapter.refund(id, &self.captured, part));
                check_performed(&self.captured, &done, is_json);
            }
            call => {
                let intent = self.intent(call);
                let verdict = answered(bodies, adapter.shows(&self.operation(intent), &memory, deadline));
                // Some can be asked nothing: then nothing is learned.
                check_read(&verdict, is_json || matches!(verdict, Ok(Verdict::NoTrace(None))));
                if let Ok(
                    Verdict::Done(now)
                    | Verdict::Accepted(now)
                    | Verdict::Unclear(now)
                    | Verdict::NoTrace(now),
                ) = verdict
                    && let Some(now) = now
                {
                    check_order(&now);
                }
            }
        }
    }

    fn intent(&self, call: u8) -> Intent {
        let boxed = |order: &Order| Box::new(order.clone());
        match call {
            11 => Intent::Create { planned: Box::new(self.planned.clone()) },
            12 => Intent::Cancel { before: boxed(&self.open), part: part(&self.open, true) },
            13 => Intent::Capture { before: boxed(&self.authorized), part: part(&self.authorized, true) },
            14 => Intent::Refund { before: boxed(&self.captured), part: part(&self.captured, false) },
            _ => {
                let patch = OrderPatch { amount: Field::Set(euros(15_000)), ..OrderPatch::default() };
                Intent::Update { before: boxed(&self.open), patch: Box::new(patch) }
            }
        }
    }

    fn operation(&self, intent: Intent) -> Operation {
        let then = Timestamp::from_millis(1_700_000_000_000);
        let account = self.open.account().clone();
        let order_id = intent.before().map(|before| before.id.clone()).or_else(|| {
            let reference = self.planned.reference.clone()?;
            Some(OrderId { account: account.clone(), reference })
        });
        Operation {
            id: self.creation,
            kind: intent.kind(),
            order_id,
            account,
            provider: self.open.provider.clone(),
            client: "shop".to_owned(),
            request_id: "r".to_owned(),
            traceparent: None,
            amount: intent.amount(),
            status: OperationStatus::Unknown,
            already_done: false,
            // A refund that was accepted is asked for by the number the platform gave it.
            order_after: (intent.kind() == OperationKind::Refund).then(|| {
                let mut after = self.captured.clone();
                after.provider_data.insert("refund_id".to_owned(), Value::from("R1"));
                after
            }),
            intent,
            repeat_harmless: false,
            failure: None,
            created_at: then,
            updated_at: then,
            checks: 1,
            next_check_at: None,
            provider_id: None,
            claimed_done: false,
            contradiction: None,
            reversed: None,
        }
    }
}

/// Whether this is an object at all, whatever its members hold.
fn is_object(body: &[u8]) -> bool {
    serde_json::from_slice::<std::collections::BTreeMap<String, IgnoredAny>>(body).is_ok()
}

/// A read never claims that something may have happened, and learns nothing from nonsense.
fn check_read<T>(read: &Result<T, ProviderError>, is_json: bool) {
    match read {
        Ok(_) => assert!(is_json, "something is learned from nonsense"),
        Err(error) => assert!(error.kind != ErrorKind::OutcomeUnknown, "{error:?}"),
    }
}

/// A change whose answer proves nothing may have happened, and says so in the one way there is.
fn check_change<T>(change: &Result<T, ProviderError>, is_json: bool) {
    match change {
        Ok(_) => assert!(is_json, "nonsense is taken for success"),
        Err(error) => {
            let may_have_moved = error.kind.money_may_have_moved();
            assert!(!may_have_moved || error.kind == ErrorKind::OutcomeUnknown, "{error:?}");
            let is_answer = !matches!(error.kind, ErrorKind::Unsupported | ErrorKind::OutcomeUnknown);
            let is_ours = error.code.is_none() && error.kind == ErrorKind::NotExecuted;
            assert!(is_json || !is_answer || is_ours, "nonsense is taken for a refusal: {error:?}");
        }
    }
}

fn check_performed(before: &Order, done: &Result<Performed, ProviderError>, is_json: bool) {
    check_change(done, is_json);
    if let Ok(Performed { order: Some(order), .. }) = done {
        assert_eq!(order.id, before.id, "another order than was changed");
        check_order(order);
    }
}

/// Lyra.
pub(super) fn lyra(data: &[u8]) {
    static SCENE: LazyLock<Scene> = LazyLock::new(|| {
        let text = include_str!("../../crates/providers/src/lyra/fixtures/update_success.json");
        let open: Value = serde_json::from_str(text).expect("JSON");
        let mut paid = open.clone();
        paid["answer"]["paymentOrderStatus"] = json!("PAID");
        let payment = |status: &str| {
            json!({"status": "SUCCESS", "answer": {"transactions": [{
                "uuid": "0123456789abcdef0123456789abcdef", "amount": 20_000, "currency": "EUR",
                "detailedStatus": status, "operationType": "DEBIT",
            }]}})
        };
        let states = [
            vec![open],
            vec![paid.clone(), payment("AUTHORISED_TO_VALIDATE")],
            vec![paid, payment("CAPTURED")],
        ];
        Scene::new("lyra", "d63e7f507a6f4dfa86cb40a833ecfd85", states, |body| body)
    });
    SCENE.run(data);
}

/// Sips, once as the answer came and once with the seal it should have had.
pub(super) fn sips(data: &[u8]) {
    fn scene(account: &'static str, reference: &str, merchant: &str) -> Scene {
        let text = include_str!("../../crates/providers/src/sips/fixtures/get_to_capture.json");
        let mut captured: Value = serde_json::from_str(text).expect("JSON");
        captured["merchantId"] = json!(merchant);
        let mut authorized = captured.clone();
        authorized["transactionStatus"] = json!("TO_VALIDATE");
        let open = captured.clone();
        captured["transactionStatus"] = json!("CAPTURED");
        Scene::new(account, reference, [vec![open], vec![authorized], vec![captured]], sealed)
    }
    static NAMED: LazyLock<Scene> = LazyLock::new(|| scene("sips", "ORDER0001", "002001000000001"));
    static PAIR: LazyLock<Scene> =
        LazyLock::new(|| scene("sips-s10", "s10.000123.20260114", "002001000000009"));
    let scene = if data.first().is_some_and(|first| first & S10 != 0) { &*PAIR } else { &*NAMED };
    scene.run(data);
    unsealed_proves_nothing(scene, data);
}

/// The body with the seal that the platform would give it.
fn sealed(body: Vec<u8>) -> Vec<u8> {
    let Some(mut members) = object(&body) else { return body };
    members.remove("seal");
    let text = sealed_text(&members);
    let mac = Hmac::<Sha256>::new_from_slice(SIPS_KEY.as_bytes()).expect("a key of any length");
    let seal = hex::encode(mac.chain_update(text).finalize().into_bytes());
    members.insert("seal".to_owned(), Value::from(seal));
    Value::Object(members).to_string().into_bytes()
}

fn sealed_text(members: &Map<String, Value>) -> String {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let sealed = sorted
        .into_iter()
        .filter(|(name, _)| !["keyVersion", "sealAlgorithm", "seal"].contains(&name.as_str()));
    sealed.map(|(_, value)| text_of(value)).collect()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect(),
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            sorted.into_iter().map(|(_, value)| text_of(value)).collect()
        }
    }
}

/// The same answer without the platform's seal is no evidence of anything.
fn unsealed_proves_nothing(scene: &Scene, data: &[u8]) {
    let Some((_, body)) = data.split_first() else { return };
    let is_sealed = object(body).is_some_and(|members| {
        let mut right = object(&sealed(body.to_vec())).unwrap_or_default();
        right.remove("seal") == members.get("seal").cloned()
    });
    if is_sealed {
        return;
    }
    let adapter = world().adapter(scene.account);
    let part = part(&scene.captured, false);
    let refund = answered(vec![body.to_vec()], adapter.refund(scene.creation, &scene.captured, part));
    match refund {
        Ok(_) => panic!("an answer without its seal is taken for success"),
        Err(error) => {
            let proves = !matches!(error.kind, ErrorKind::OutcomeUnknown | ErrorKind::Misconfigured);
            assert!(!proves, "an answer without its seal is taken for a refusal: {error:?}");
        }
    }
}

/// YabandPay.
pub(super) fn yabandpay(data: &[u8]) {
    static SCENE: LazyLock<Scene> = LazyLock::new(|| {
        let text = include_str!("../../crates/providers/src/yabandpay/fixtures/query_success.json");
        let paid: Value = serde_json::from_str(text).expect("JSON");
        let state = |word: &str| {
            let mut answer = paid.clone();
            answer["data"]["transaction_info"]["state"] = json!(word);
            vec![answer]
        };
        let states = [state("pending"), state("authorized"), vec![paid.clone()]];
        Scene::new("yabandpay", "11111111-2222-4333-8444-555555555555", states, |body| body)
    });
    SCENE.run(data);
}
