//! Creates, captures and refunds: declared means that it works, undeclared means that nothing is sent.

use std::collections::BTreeMap;

use async_trait::async_trait;
use guichet::{
    adapter::{self, ErrorKind, ProviderAdapter, ProviderError, Recall, Verdict},
    domain::{
        Action, CaptureMode, Creation, Customer, Intent, Money, Movement, NewDelivery, NewOrder, Operation,
        OperationId, OperationKind, OperationStatus, Order, OrderMemory, OrderStatus, Part, PlannedOrder,
        ProviderReference, Timestamp,
    },
};
use guichet_simulator::{FaultKind, SimulatorControl};
use serde_json::{Map, Value};

use super::{Nothing, Rig, Stage, soon};

/// What the house would remember of an order.
struct Remembered(OrderMemory);

#[async_trait]
impl Recall for Remembered {
    async fn recall(&self) -> adapter::Result<OrderMemory> {
        Ok(self.0.clone())
    }
}

fn cents(value: i64) -> Money {
    Money::new(value, "EUR".parse().unwrap()).unwrap()
}

/// 10.00 EUR by link, and nothing else.
fn new_order() -> NewOrder {
    NewOrder {
        amount: cents(1_000),
        merchant_reference: "conformance1".to_owned(),
        description: None,
        capture: CaptureMode::Automatic,
        payment_method: None,
        expires_at: None,
        locale: None,
        delivery: NewDelivery::default(),
        customer: Customer::default(),
        return_url: None,
        metadata: BTreeMap::new(),
        provider_options: Map::new(),
    }
}

/// How often a service was asked, and how much was really done.
fn counts(control: &SimulatorControl, service: &str) -> (u64, usize) {
    (control.requests(service), control.effects().len())
}

impl Rig {
    fn plan(&self, operation: OperationId) -> PlannedOrder {
        self.adapter.plan_create(new_order(), operation, Timestamp::now()).unwrap()
    }

    /// A fresh order that has come so far, as read.
    async fn at(&self, stage: Stage) -> Order {
        let reference = (self.provider.make)(&self.simulators.control(), stage);
        let reference: ProviderReference =
            reference.expect("a declared operation has its stage").parse().unwrap();
        self.adapter.fetch(&reference, &Nothing, soon()).await.unwrap()
    }

    async fn again(&self, order: &Order, memory: OrderMemory) -> Order {
        self.adapter.fetch(order.reference(), &Remembered(memory), soon()).await.unwrap()
    }

    async fn movement(&self, kind: OperationKind, before: &Order, part: Part) -> Result<(), ProviderError> {
        movement(&*self.adapter, OperationId::generate(), kind, before, part).await
    }

    /// It is refused here and nobody is asked.
    async fn sends_nothing(&self, kind: OperationKind, before: &Order, part: Part) {
        let control = self.simulators.control();
        let asked = (control.total_requests(), control.effects().len());
        let error = self.movement(kind, before, part).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
        assert_eq!((control.total_requests(), control.effects().len()), asked);
    }
}

async fn movement(
    adapter: &dyn ProviderAdapter,
    id: OperationId,
    kind: OperationKind,
    before: &Order,
    part: Part,
) -> Result<(), ProviderError> {
    let performed = match kind {
        OperationKind::Capture => adapter.capture(id, before, part).await,
        OperationKind::Refund => adapter.refund(id, before, part).await,
        OperationKind::Cancel => adapter.cancel(id, before, part).await,
        OperationKind::Create | OperationKind::Update => unreachable!("they move nothing"),
    };
    performed.map(|_| ())
}

/// The most an action may move now.
fn most(order: &Order, action: Action) -> i64 {
    let offered = order.action(action).unwrap();
    assert!(offered.allowed, "{offered:?}");
    offered.max.unwrap()
}

/// What the house remembers after these amounts were moved.
fn moved(kind: OperationKind, copy: &Order, amounts: &[i64]) -> OrderMemory {
    let movements = amounts
        .iter()
        .map(|amount| Movement {
            operation: OperationId::generate(),
            kind,
            amount: cents(*amount),
            status: OperationStatus::Succeeded,
            at: Timestamp::now(),
            provider_id: None,
            is_reversed: false,
        })
        .collect();
    OrderMemory { movements, copy: Some(copy.clone()), ..OrderMemory::default() }
}

pub(super) async fn create_works_where_declared_and_else_sends_nothing(rig: Rig) {
    let control = rig.simulators.control();
    let operation = OperationId::generate();
    if !rig.adapter.capabilities().create.supported {
        assert_ne!(rig.adapter.plan_create(new_order(), operation, Timestamp::now()), Err(Vec::new()));
        let expires_at = Timestamp::now();
        let planned = PlannedOrder { order: new_order(), expires_at, reference: None, page_token: None };
        assert_eq!(rig.adapter.create(operation, &planned).await.unwrap_err().kind, ErrorKind::Unsupported);
        assert_eq!((control.total_requests(), control.effects().len()), (0, 0));
        return;
    }
    let planned = rig.plan(operation);
    assert!(planned.expires_at > Timestamp::now(), "there is always an end to work with");
    assert_eq!(control.total_requests(), 0, "planning asks nobody");
    let made = rig.adapter.create(operation, &planned).await.unwrap();
    assert_eq!(counts(&control, rig.provider.create), (1, 1));
    assert!(planned.reference.as_ref().is_none_or(|reference| reference == made.reference()));
    assert!(rig.adapter.accepts_reference(made.reference()));
    assert_eq!((made.status, made.amount, made.currency.code()), (OrderStatus::Pending, 1_000, "EUR"));
    assert_eq!(made.merchant_reference.as_deref(), Some("conformance1"), "unchanged");
    assert!(made.checkout.is_some(), "the payer can be sent somewhere");

    let creation = Creation { operation, at: Timestamp::now(), planned };
    let memory = OrderMemory { creation: Some(creation), copy: Some(made.clone()), ..OrderMemory::default() };
    let read = rig.again(&made, memory).await;
    assert_eq!((&read.id, read.status, read.amount), (&made.id, made.status, made.amount));
    assert_eq!(read.merchant_reference, made.merchant_reference);
    assert_eq!(control.requests(rig.provider.create), 1);
}

/// The order exists at the provider, so its creation was executed, and nobody is shown where to pay it.
pub(super) async fn an_address_that_no_payer_may_be_sent_to_is_never_shown(rig: Rig) {
    let control = rig.simulators.control();
    let long = format!("https://pay.example/{}", "x".repeat(5_000));
    let addresses = [
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "https://pay.example/\r\nset-cookie: a=b",
        "https://pay.example/\"><script>alert(1)</script>",
        "https://pay.example@evil.example/",
        "//evil.example/t/1",
        "https://",
        "ftp://evil.example/",
        long.as_str(),
    ];
    for (made_before, address) in addresses.into_iter().enumerate() {
        let spoil = |service| rig.fault(service, FaultKind::PayerAddress { address: address.to_owned() });
        spoil(rig.provider.create);
        let operation = OperationId::generate();
        let made = rig.adapter.create(operation, &rig.plan(operation)).await.unwrap();
        assert_eq!(control.effects().len(), made_before + 1, "{address}");
        assert_eq!((made.status, &made.checkout), (OrderStatus::Pending, &None), "{address}");
        let stored = serde_json::to_value(&made).unwrap();
        assert!(!holds(&stored, address), "{address} in {stored}");
        // The same where a read tells the page.
        spoil(rig.provider.get);
        let read = rig.order().await;
        assert!(!holds(&serde_json::to_value(&read).unwrap(), address), "{address}");
    }
}

fn holds(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text.contains(wanted),
        Value::Array(items) => items.iter().any(|item| holds(item, wanted)),
        Value::Object(members) => members.values().any(|item| holds(item, wanted)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

pub(super) async fn capture_works_where_declared_and_else_sends_nothing(rig: Rig) {
    let capability = rig.adapter.capabilities().capture;
    if !capability.supported {
        let before = rig.order().await;
        let whole = super::whole(&before);
        return rig.sends_nothing(OperationKind::Capture, &before, whole).await;
    }
    let before = rig.at(Stage::Reserved).await;
    assert_eq!((before.status, most(&before, Action::Capture)), (OrderStatus::Authorized, 1_000));
    if !capability.partial {
        rig.sends_nothing(OperationKind::Capture, &before, Part { amount: cents(400), full: false }).await;
    }
    let control = rig.simulators.control();
    let (requests, effects) = counts(&control, rig.provider.capture);
    let whole = Part { amount: cents(1_000), full: true };
    rig.movement(OperationKind::Capture, &before, whole).await.unwrap();
    assert_eq!(counts(&control, rig.provider.capture), (requests + 1, effects + 1));
    let after = rig.again(&before, moved(OperationKind::Capture, &before, &[1_000])).await;
    assert_eq!(after.status, OrderStatus::Paid);
    assert!(!after.action(Action::Capture).unwrap().allowed, "once");
}

pub(super) async fn refund_works_where_declared_and_else_sends_nothing(rig: Rig) {
    let capability = rig.adapter.capabilities().refund;
    if !capability.supported {
        let before = rig.order().await;
        let whole = super::whole(&before);
        return rig.sends_nothing(OperationKind::Refund, &before, whole).await;
    }
    let control = rig.simulators.control();
    let mut before = rig.at(Stage::Captured).await;
    assert_eq!((before.status, most(&before, Action::Refund)), (OrderStatus::Paid, 1_000));
    let (requests, effects) = counts(&control, rig.provider.refund);
    let part = Part { amount: cents(400), full: false };
    let mut rest = 1_000;
    let mut all = Vec::new();
    if capability.partial {
        rig.movement(OperationKind::Refund, &before, part).await.unwrap();
        all.push(400);
        rest = 600;
        before = rig.again(&before, moved(OperationKind::Refund, &before, &all)).await;
        assert_eq!(before.status, OrderStatus::PartiallyRefunded);
        assert_eq!((before.amounts.refunded, most(&before, Action::Refund)), (Some(400), rest));
    } else {
        rig.sends_nothing(OperationKind::Refund, &before, part).await;
    }
    rig.movement(OperationKind::Refund, &before, Part { amount: cents(rest), full: true }).await.unwrap();
    all.push(rest);
    let after = rig.again(&before, moved(OperationKind::Refund, &before, &all)).await;
    assert_eq!((after.status, after.amounts.refunded), (OrderStatus::Refunded, Some(1_000)));
    assert!(!after.action(Action::Refund).unwrap().allowed);
    let sent = u64::try_from(all.len()).unwrap();
    assert_eq!(counts(&control, rig.provider.refund), (requests + sent, effects + all.len()));
    let told: Vec<_> = control.effects().iter().skip(effects).map(|effect| effect.amount).collect();
    assert_eq!(told, all.into_iter().map(Some).collect::<Vec<_>>(), "each of its amount");
}

pub(super) async fn a_part_is_canceled_of_a_payment_where_declared(rig: Rig) {
    if !rig.adapter.capabilities().cancel.partial {
        return;
    }
    let before = rig.at(Stage::Accepted).await;
    assert_eq!(before.action(Action::Cancel).unwrap().partial, Some(true));
    let effects = rig.simulators.control().effects().len();
    rig.movement(OperationKind::Cancel, &before, Part { amount: cents(300), full: false }).await.unwrap();
    let after = rig.again(&before, moved(OperationKind::Cancel, &before, &[300])).await;
    // What is left will be captured: nothing has been given back.
    assert_eq!((after.status, after.amounts.canceled), (OrderStatus::Paid, Some(300)));
    assert_eq!(after.amounts.refunded, Some(0));
    assert_eq!(most(&after, Action::Cancel), 700);
    rig.movement(OperationKind::Cancel, &after, Part { amount: cents(700), full: true }).await.unwrap();
    let last = rig.again(&before, moved(OperationKind::Cancel, &before, &[300, 700])).await;
    assert_eq!((last.status, last.amounts.canceled), (OrderStatus::Canceled, Some(1_000)));
    assert_eq!(rig.simulators.control().effects().len(), effects + 2);
}

/// Faults after which the effect is there.
fn lost() -> [FaultKind; 4] {
    [
        FaultKind::LoseAnswer,
        FaultKind::CutMidAnswer,
        FaultKind::Garbage { effect: true },
        FaultKind::WrongEnvelope { effect: true },
    ]
}

/// An operation whose answer was lost.
fn unknown(rig: &Rig, id: OperationId, intent: Intent) -> Operation {
    let now = Timestamp::now();
    Operation {
        id,
        kind: intent.kind(),
        account: rig.provider.account.parse().unwrap(),
        order_id: intent.before().map(|before| before.id.clone()),
        provider: rig.provider.id.to_owned(),
        client: "till".to_owned(),
        request_id: "r".to_owned(),
        traceparent: None,
        amount: intent.amount(),
        status: OperationStatus::Unknown,
        already_done: false,
        intent,
        repeat_harmless: false,
        failure: None,
        order_after: None,
        created_at: now,
        updated_at: now,
        checks: 0,
        next_check_at: None,
        provider_id: None,
        claimed_done: false,
        contradiction: None,
        reversed: None,
    }
}

pub(super) async fn a_lost_creation_is_outcome_unknown_and_sent_once(rig: Rig) {
    if !rig.adapter.capabilities().create.supported {
        return;
    }
    let control = rig.simulators.control();
    for (kind, effects) in lost().map(|kind| (kind, 1)).into_iter().chain([(FaultKind::CutBefore, 0)]) {
        control.reset();
        let operation = OperationId::generate();
        let planned = rig.plan(operation);
        rig.fault(rig.provider.create, kind.clone());
        let error = rig.adapter.create(operation, &planned).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown, "{kind:?}: {error}");
        assert_eq!(counts(&control, rig.provider.create), (1, effects), "{kind:?}");
        let intent = Intent::Create { planned: Box::new(planned) };
        let verdict = rig.adapter.shows(&unknown(&rig, operation, intent), &Nothing, soon()).await.unwrap();
        let claimed = matches!(verdict, Verdict::Done(_) | Verdict::Accepted(_));
        assert!(effects == 1 || !claimed, "{kind:?}: claimed without an effect: {verdict:?}");
        assert!(!matches!(verdict, Verdict::Refused(_)), "{kind:?}: {verdict:?}");
    }
}

pub(super) async fn a_lost_movement_is_outcome_unknown_and_found_by_reading(rig: Rig) {
    let control = rig.simulators.control();
    for (kind, stage, service) in [
        (OperationKind::Capture, Stage::Reserved, rig.provider.capture),
        (OperationKind::Refund, Stage::Captured, rig.provider.refund),
    ] {
        let capability = rig.adapter.capabilities().operation(kind);
        if !capability.supported {
            continue;
        }
        for (fault, effects) in lost().map(|fault| (fault, 1)).into_iter().chain([(FaultKind::CutBefore, 0)])
        {
            let name = format!("{kind:?} {fault:?}");
            control.reset();
            let before = rig.at(stage).await;
            let already = control.effects().len();
            let part = Part { amount: cents(1_000), full: true };
            rig.fault(service, fault);
            let id = OperationId::generate();
            let intent = if kind == OperationKind::Capture {
                Intent::Capture { before: Box::new(before.clone()), part }
            } else {
                Intent::Refund { before: Box::new(before.clone()), part }
            };
            // As it is written down before it is sent.
            let operation = unknown(&rig, id, intent);
            let result = movement(&*rig.adapter, id, kind, &before, part).await;
            let error = result.unwrap_err();
            assert_eq!(error.kind, ErrorKind::OutcomeUnknown, "{name}: {error}");
            assert_eq!(counts(&control, service), (1, already + effects), "{name}");
            let verdict = rig.adapter.shows(&operation, &Nothing, soon()).await.unwrap();
            let is_right = match effects {
                1 => matches!(verdict, Verdict::Done(_)) || !capability.findable,
                _ => matches!(verdict, Verdict::NoTrace(_)),
            };
            assert!(is_right, "{name}: {verdict:?}");
            assert_eq!(counts(&control, service), (1, already + effects), "{name}: settling only reads");
        }
    }
}

pub(super) async fn nothing_is_executed_at_an_unreachable_provider(rig: Rig) {
    let capabilities = *rig.adapter.capabilities();
    let whole = Part { amount: cents(1_000), full: true };
    let mut ready = Vec::new();
    for (kind, stage) in [(OperationKind::Capture, Stage::Reserved), (OperationKind::Refund, Stage::Captured)]
    {
        if capabilities.operation(kind).supported {
            ready.push((kind, rig.at(stage).await));
        }
    }
    let Rig { adapter, simulators, .. } = rig;
    simulators.stop().await;
    for (kind, before) in ready {
        let error = movement(&*adapter, OperationId::generate(), kind, &before, whole).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotExecuted, "{kind:?}: {error}");
    }
    if capabilities.create.supported {
        let id = OperationId::generate();
        let planned = adapter.plan_create(new_order(), id, Timestamp::now()).unwrap();
        assert_eq!(adapter.create(id, &planned).await.unwrap_err().kind, ErrorKind::NotExecuted);
    }
}
