//! What every test of a store needs: a store that can be opened again, orders, operations.

use std::{collections::BTreeMap, sync::Arc};

use guichet::{
    config::AllowedAccounts,
    domain::{
        Amounts, CaptureMode, Cause, Currency, Customer, Delivery, DeliveryChannel, EndpointId, Event,
        EventFilter, Field, Intent, Mode, Money, NewDelivery, NewOrder, Operation, OperationId,
        OperationStatus, Order, OrderId, OrderPatch, OrderStatus, Part, PlannedOrder, ProviderStatus,
        Reading, Timestamp, WaitsFor,
    },
    store::{
        Begun, IdempotencyKey, NewOperation, Settled, Settlement, Store, StoreError, outbox::Endpoint,
        sqlite::SqliteStore,
    },
};
use secrecy::SecretString;
use serde_json::json;

/// A kind of store under test, with its data in a place of its own.
pub(crate) trait Kind {
    fn new() -> Self;
    fn open(&self) -> Result<Arc<dyn Store>, StoreError>;
}

pub(crate) struct Sqlite {
    pub(crate) directory: tempfile::TempDir,
}

impl Sqlite {
    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}/data/store.db", self.directory.path().display())
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("data/store.db")
    }
}

impl Kind for Sqlite {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(SqliteStore::open(&self.url())?))
    }
}

pub(crate) const ALL: u32 = 1_000_000;

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

pub(crate) fn order_id(name: &str) -> OrderId {
    format!("shop_{name}").parse().unwrap()
}

/// A copy of an order with something in every member, read at `as_of`.
pub(crate) fn copy(name: &str, status: OrderStatus, as_of: i64) -> Order {
    Order {
        id: order_id(name),
        provider: "lyra".to_owned(),
        mode: Mode::Test,
        merchant_reference: Some(format!("ref-{name}")),
        status,
        is_final: false,
        provider_status: ProviderStatus { code: "RUNNING".to_owned(), message: None },
        amount: 1_250,
        currency: "EUR".parse::<Currency>().unwrap(),
        amounts: Amounts::unpaid(1_250),
        checkout: None,
        delivery: Some(Delivery {
            channel: Some(DeliveryChannel::Email),
            recipient: Some("claire@example.com".to_owned()),
        }),
        description: Some("d'été 🧾".to_owned()),
        locale: Some("fr-FR".to_owned()),
        metadata: BTreeMap::from([("cart".to_owned(), "7".to_owned())]),
        created_at: Some(at(0)),
        updated_at: None,
        expires_at: Some(at(86_400_000)),
        as_of: at(as_of),
        waits_for: WaitsFor::default(),
        deadline_at: None,
        news: Vec::new(),
        available_actions: Vec::new(),
        provider_data: json!({"nested": {"list": [1, null, "x"]}}).as_object().unwrap().clone(),
    }
}

/// A copy asked for at its own time, of an order that nothing was changed of.
pub(crate) fn read(order: Order) -> Reading {
    Reading { asked: order.as_of.as_millis(), change_count: Some(0), at: order.as_of, order }
}

/// The same, read under the present change count.
pub(crate) async fn read_now(store: &dyn Store, reading: Reading) -> Reading {
    let change_count = Some(store.change_count(&reading.order.id).await.unwrap());
    Reading { change_count, ..reading }
}

/// Keeps copies as read now.
pub(crate) async fn keep(store: &dyn Store, orders: Vec<Order>) -> Vec<OrderId> {
    let mut readings = Vec::new();
    for order in orders {
        readings.push(read_now(store, read(order)).await);
    }
    store.save_copies(readings, Cause::default()).await.unwrap()
}

/// An operation as it is begun.
pub(crate) fn operation(intent: Intent) -> Operation {
    let at = intent.before().map_or(at(0), |before| before.as_of);
    Operation {
        id: OperationId::generate(),
        kind: intent.kind(),
        account: intent.before().map_or_else(|| "shop".parse().unwrap(), |before| before.account().clone()),
        order_id: intent.before().map(|before| before.id.clone()),
        provider: "lyra".to_owned(),
        client: "till".to_owned(),
        request_id: "req-1".to_owned(),
        traceparent: None,
        amount: intent.amount(),
        status: OperationStatus::Sending,
        already_done: false,
        repeat_harmless: false,
        failure: None,
        order_after: None,
        created_at: at,
        updated_at: at,
        checks: 0,
        next_check_at: None,
        provider_id: None,
        claimed_done: false,
        contradiction: None,
        reversed: None,
        intent,
    }
}

/// An operation with nothing special.
pub(crate) fn begin(intent: Intent) -> NewOperation {
    NewOperation {
        asked: intent.before().map_or(0, |before| before.as_of.as_millis()),
        now: intent.before().map_or(at(0), |before| before.as_of),
        operation: operation(intent),
        key: None,
        change_count: 0,
        claims_reference: None,
        limit: None,
    }
}

/// A full cancel of an order as read.
pub(crate) fn cancel(before: Order) -> NewOperation {
    let amount = Money::new(before.amount, before.currency).unwrap();
    begin(Intent::Cancel { before: Box::new(before), part: Part { amount, full: true } })
}

/// A refund of a part of an order as read, of which no more than `limit` may be given back.
pub(crate) fn refund(before: Order, value: i64, limit: i64) -> NewOperation {
    let amount = Money::new(value, before.currency).unwrap();
    let part = Part { amount, full: false };
    NewOperation { limit: Some(limit), ..begin(Intent::Refund { before: Box::new(before), part }) }
}

/// A creation by link with this merchant reference.
pub(crate) fn create(reference: &str) -> NewOperation {
    let order = NewOrder {
        amount: Money::new(1_250, "EUR".parse().unwrap()).unwrap(),
        merchant_reference: reference.to_owned(),
        description: None,
        capture: CaptureMode::Automatic,
        payment_method: None,
        expires_at: None,
        locale: None,
        delivery: NewDelivery::default(),
        customer: Customer::default(),
        return_url: None,
        metadata: BTreeMap::from([("cart".to_owned(), "7".to_owned())]),
        provider_options: serde_json::Map::new(),
    };
    let page_token = Some(format!("token-{reference}"));
    let planned = PlannedOrder { order, expires_at: at(86_400_000), reference: None, page_token };
    let new = begin(Intent::Create { planned: Box::new(planned) });
    NewOperation { claims_reference: Some(reference.to_owned()), ..new }
}

/// An update of the merchant reference of an order as read.
pub(crate) fn rename(before: Order, reference: &str) -> NewOperation {
    let patch = OrderPatch { merchant_reference: Field::Set(reference.to_owned()), ..OrderPatch::default() };
    let intent = Intent::Update { before: Box::new(before), patch: Box::new(patch) };
    NewOperation { claims_reference: Some(reference.to_owned()), ..begin(intent) }
}

pub(crate) fn with_key(new: NewOperation, key: &str, fingerprint: &str) -> NewOperation {
    let client = new.operation.client.clone();
    let key = IdempotencyKey { client, key: key.to_owned(), fingerprint: fingerprint.to_owned() };
    NewOperation { key: Some(key), ..new }
}

pub(crate) fn settlement(id: OperationId, status: OperationStatus, millis: i64) -> Settlement {
    Settlement {
        id,
        status,
        already_done: false,
        failure: None,
        order_after: None,
        asked: at(millis).as_millis(),
        now: at(millis),
        provider_id: None,
        claimed_done: false,
        proof: None,
        at: at(millis),
        checks: 0,
        next_check_at: None,
        releases_reference: false,
        reason: None,
        settled_by: "answer".to_owned(),
        cause: None,
    }
}

/// Begins with the change count as it is now and expects that to work.
pub(crate) async fn start(store: &dyn Store, mut new: NewOperation) -> OperationId {
    new.change_count = store.look(new.operation.order_id.as_ref(), None).await.unwrap().change_count;
    let id = new.operation.id;
    assert_eq!(store.begin(new).await.unwrap(), Begun::Started);
    id
}

/// Settles with the order after it read under the present change count.
pub(crate) async fn try_to_settle(store: &dyn Store, mut settlement: Settlement) -> Settled {
    if let Some(reading) = settlement.order_after.take() {
        settlement.order_after = Some(read_now(store, reading).await);
    }
    store.settle(settlement).await.unwrap()
}

/// Settles and expects that to work.
pub(crate) async fn settle(store: &dyn Store, settlement: Settlement) -> Operation {
    match try_to_settle(store, settlement).await {
        Settled::Done(operation) => *operation,
        Settled::NotAllowed(operation) => panic!("not allowed on {operation:?}"),
    }
}

/// Begins a cancel of a fresh order and brings it to `status`.
pub(crate) async fn cancel_in(store: &dyn Store, name: &str, status: OperationStatus) -> OperationId {
    let mut new = cancel(copy(name, OrderStatus::Pending, 0));
    if status == OperationStatus::Pending {
        new.operation.status = status;
    }
    let id = start(store, new).await;
    if status == OperationStatus::NeedsReview {
        settle(store, settlement(id, OperationStatus::Unknown, 1)).await;
    }
    if !matches!(status, OperationStatus::Pending | OperationStatus::Sending) {
        settle(store, settlement(id, status, 1)).await;
    }
    id
}

pub(crate) async fn events(store: &dyn Store, name: &str) -> Vec<Event> {
    store.order_events(&order_id(name), 0, ALL).await.unwrap()
}

/// The events of an order as words, each with whether an operation stands behind it; proves that the
/// sequence has no gap.
pub(crate) async fn event_words(store: &dyn Store, name: &str) -> Vec<(String, bool)> {
    let events = events(store, name).await;
    let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    events
        .into_iter()
        .map(|event| (event.event.event_type.as_str().to_owned(), event.event.operation_id.is_some()))
        .collect()
}

/// Expected event words.
pub(crate) fn words(expected: &[(&str, bool)]) -> Vec<(String, bool)> {
    expected.iter().map(|(word, behind)| ((*word).to_owned(), *behind)).collect()
}

/// A new webhook endpoint of a client that gets everything.
pub(crate) fn endpoint() -> Endpoint {
    Endpoint {
        id: EndpointId::generate(),
        client: "till".to_owned(),
        accounts: AllowedAccounts::All,
        url: "https://shop.example/hook".to_owned(),
        description: None,
        event_types: EventFilter::default(),
        enabled: true,
        disabled_reason: None,
        secret: SecretString::from("whsec_AAAA"),
        previous_secret: None,
        position: 0,
        slow_until: None,
        slow_count: 0,
        created_at: at(0),
        updated_at: at(0),
    }
}
