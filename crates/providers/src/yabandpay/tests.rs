//! The adapter against the published samples and against a provider that answers so.

mod calls;
mod creating;
mod notifications;
mod reading;
mod refunds;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
    time::Instant,
};

use super::{DESCRIPTION, mapping, wire};
use guichet_port::{
    adapter::{AccountSettings, AdapterContext, Deadline, ErrorKind, ProviderAdapter, ProviderError, Recall},
    domain::{
        Creation, Currency, DeliveryChannel, Intent, Mode, Money, Movement, NewOrder, Operation, OperationId,
        OperationKind, OperationStatus, Order, OrderMemory, Part, PlannedOrder, Timestamp,
        request::{CaptureMode, Customer, NewDelivery},
    },
};

const SECRET: &str = "made-up-secret-for-tests-0001";
const PREVIOUS: &str = "made-up-secret-for-tests-0000";
const TRADE: &str = "11111111-2222-4333-8444-555555555555";
const QUERIED: &str = include_str!("fixtures/query_success.json");
const CANCELED: &str = include_str!("fixtures/cancel_success.json");
const CREATED: &str = include_str!("fixtures/create_success.json");
const REFUND: &str = include_str!("fixtures/query_refund_success.json");
/// When the payment of the samples was made.
const BIRTH: &str = "2023-11-14T22:13:20Z";

/// What is remembered, and whether the store is away.
struct Remembered(Option<OrderMemory>);

#[async_trait]
impl Recall for Remembered {
    async fn recall(&self) -> Result<OrderMemory, ProviderError> {
        let away = || ProviderError::new("guichet", "recall", ErrorKind::NotExecuted, "the store is away");
        self.0.clone().ok_or_else(away)
    }
}

fn nothing() -> Remembered {
    Remembered(Some(OrderMemory::default()))
}

/// A provider that answers one call after another so; the task gives the bodies it got.
async fn provider(answers: Vec<(u16, String)>) -> (String, JoinHandle<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/Payments", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut bodies = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let body_of = |request: &[u8]| {
                let text = String::from_utf8_lossy(request).into_owned();
                let (head, body) = text.split_once("\r\n\r\n")?;
                assert!(head.starts_with("POST /Payments HTTP/1.1\r\n"), "{head}");
                assert!(head.contains("content-type: application/json"), "{head}");
                serde_json::from_str::<Value>(body).ok()
            };
            while body_of(&request).is_none() {
                let mut part = [0; 4096];
                let length = stream.read(&mut part).await.unwrap();
                assert!(length > 0);
                request.extend_from_slice(&part[..length]);
            }
            bodies.push(body_of(&request).unwrap());
            // PHP's own media type: the documentation names none.
            let head =
                format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: text/html; charset=UTF-8");
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        bodies
    });
    (url, task)
}

fn adapter(url: &str) -> Arc<dyn ProviderAdapter> {
    let pairs = [
        ("base_url", url),
        ("user", "900001"),
        ("secret_key", SECRET),
        ("previous_secret_key", PREVIOUS),
        ("mode", "test"),
    ];
    let account = AccountSettings::from_pairs("shop", "yabandpay", pairs);
    let second = Duration::from_secs(1);
    let context = AdapterContext::new("https://pay.example/g", second, second);
    (DESCRIPTION.build)(&"shop".parse().unwrap(), &account, &context).unwrap()
}

/// An adapter whose provider answers its calls so.
async fn against(answers: &[&Value]) -> (Arc<dyn ProviderAdapter>, JoinHandle<Vec<Value>>) {
    let answers = answers.iter().map(|answer| (200, answer.to_string())).collect();
    let (url, task) = provider(answers).await;
    (adapter(&url), task)
}

fn soon() -> Deadline {
    Instant::now() + Duration::from_secs(1)
}

/// A sample with some members of its `data`, or of the payment in it, replaced; null leaves them out.
fn sample(fixture: &str, changes: &[(&str, Value)]) -> Value {
    let mut answer: Value = serde_json::from_str(fixture).unwrap();
    let data = answer["data"].as_object_mut().unwrap();
    let members = if data.contains_key("transaction_info") {
        data["transaction_info"].as_object_mut().unwrap()
    } else {
        data
    };
    for (member, value) in changes {
        if value.is_null() {
            members.remove(*member);
        } else {
            members.insert((*member).to_owned(), value.clone());
        }
    }
    answer
}

fn failure(code: &Value) -> Value {
    json!({"status": false, "code": code, "message": "refused for zoe@example.com"})
}

fn money(value: i64, code: &str) -> Money {
    Money::new(value, Currency::new(code).unwrap()).unwrap()
}

fn part(value: i64, full: bool) -> Part {
    Part { amount: money(value, "EUR"), full }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The sample payment, some of its members replaced, as it is mapped at this moment.
fn mapped(changes: &[(&str, Value)], memory: &OrderMemory, as_of: &str) -> Result<Order, &'static str> {
    let answer = sample(QUERIED, changes);
    let payment: wire::Payment = serde_json::from_value(answer["data"]["transaction_info"].clone()).unwrap();
    let account = "shop".parse().unwrap();
    mapping::order(
        &mapping::Context { account: &account, mode: Mode::Test, as_of: at(as_of) },
        payment,
        memory,
    )
}

/// The sample payment ten minutes after it was made.
fn order(changes: &[(&str, Value)]) -> Order {
    mapped(changes, &OrderMemory::default(), "2023-11-14T22:23:20Z").unwrap()
}

fn new_order() -> NewOrder {
    NewOrder {
        amount: money(1_250, "EUR"),
        merchant_reference: "ORD-0001".to_owned(),
        description: Some("Test order 1".to_owned()),
        capture: CaptureMode::Automatic,
        payment_method: Some("wechat_pay".to_owned()),
        expires_at: None,
        locale: None,
        delivery: NewDelivery { channel: DeliveryChannel::Link, ..NewDelivery::default() },
        customer: Customer::default(),
        return_url: None,
        metadata: [("cart".to_owned(), "42".to_owned())].into(),
        provider_options: Map::new(),
    }
}

fn planned(order: NewOrder) -> PlannedOrder {
    super::create::plan(order, Timestamp::now()).unwrap()
}

fn movement(kind: OperationKind, value: i64, status: OperationStatus) -> Movement {
    let operation = OperationId::generate();
    Movement {
        operation,
        kind,
        amount: money(value, "EUR"),
        status,
        at: at(BIRTH),
        provider_id: None,
        is_reversed: false,
    }
}

fn creation(order: NewOrder) -> Creation {
    Creation { operation: OperationId::generate(), at: at(BIRTH), planned: planned(order) }
}

fn operation(intent: Intent, status: OperationStatus, order_after: Option<Order>) -> Operation {
    Operation {
        id: OperationId::generate(),
        kind: intent.kind(),
        account: "shop".parse().unwrap(),
        order_id: intent.before().map(|order| order.id.clone()),
        provider: "yabandpay".to_owned(),
        client: "test".to_owned(),
        request_id: "test".to_owned(),
        traceparent: None,
        amount: intent.amount(),
        status,
        already_done: false,
        repeat_harmless: false,
        intent,
        failure: None,
        order_after,
        created_at: Timestamp::now(),
        updated_at: Timestamp::now(),
        checks: 0,
        next_check_at: None,
        provider_id: None,
        claimed_done: false,
        contradiction: None,
        reversed: None,
    }
}
