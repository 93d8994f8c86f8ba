//! An adapter whose platform answers as a test says, and what the house would remember.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{NOTIFICATIONS, UPDATED, money};
use crate::lyra::DESCRIPTION;
use guichet_port::{
    adapter::{AccountSettings, AdapterContext, ProviderAdapter, Recall, Result, Verdict},
    domain::{
        Intent, Movement, Notified, Operation, OperationId, OperationKind, OperationStatus, Order,
        OrderMemory, OrderStatus, Part, ProviderReference, Timestamp,
    },
};

/// The number of the payment that most tests are about.
pub(in crate::lyra) const DEBIT: &str = "0123456789abcdef0123456789abcdef";
/// The order of every sample used here, whose amount is 200.00 EUR.
pub(in crate::lyra) const REFERENCE: &str = "d63e7f507a6f4dfa86cb40a833ecfd85";
/// The operation that a test is about.
pub(in crate::lyra) const OURS: &str = "op_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c";

/// Remembers what a test says.
pub(in crate::lyra) struct Remembered(pub(in crate::lyra) OrderMemory);

#[async_trait]
impl Recall for Remembered {
    async fn recall(&self) -> Result<OrderMemory> {
        Ok(self.0.clone())
    }
}

/// What the platform of one thread answers next, and what it was asked.
#[derive(Default)]
struct Script {
    answers: VecDeque<Value>,
    requests: Vec<String>,
}

/// An adapter, and its platform with one script at a time.
#[derive(Clone)]
pub(in crate::lyra) struct Scripted {
    pub(in crate::lyra) adapter: Arc<dyn ProviderAdapter>,
    script: Arc<Mutex<Script>>,
}

thread_local! {
    // An adapter loads the certificates of the system, which takes longer than a test.
    static PLATFORM: Scripted = Scripted::start();
}

/// One request, head and body.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut request = String::new();
    loop {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).ok().filter(|length| *length > 0)?;
        request.push_str(std::str::from_utf8(&part[..length]).unwrap());
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let told = head.to_ascii_lowercase();
            let told = told.lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
            if told.and_then(|told| told.parse().ok()) == Some(body.len()) {
                return Some(request);
            }
        }
    }
}

impl Scripted {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api-payment", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let asked = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = request(&mut stream) else { continue };
                let mut script = asked.lock().unwrap();
                script.requests.push(request);
                // Without an answer the connection ends, which fails the call.
                if let Some(answer) = script.answers.pop_front() {
                    let body = answer.to_string();
                    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
                    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        let pairs = [("base_url", url.as_str()), ("shop_id", "69876357"), ("password", "testpassword_x")];
        let account = AccountSettings::from_pairs("shop", "lyra", pairs);
        let second = Duration::from_secs(10);
        let context =
            AdapterContext::new(NOTIFICATIONS.trim_end_matches("/notifications/shop"), second, second);
        let adapter = (DESCRIPTION.build)(&"shop".parse().unwrap(), &account, &context).unwrap();
        Self { adapter, script }
    }

    /// A platform that gives these answers, one to each call, and none then. The one before it is forgotten.
    pub(in crate::lyra) fn new(answers: Vec<Value>) -> Self {
        let platform = PLATFORM.with(Clone::clone);
        *platform.script.lock().unwrap() = Script { answers: answers.into(), requests: Vec::new() };
        platform
    }

    /// What was sent.
    pub(in crate::lyra) fn requests(&self) -> Vec<String> {
        self.script.lock().unwrap().requests.clone()
    }

    pub(in crate::lyra) async fn fetch(&self, memory: OrderMemory) -> Result<Order> {
        self.adapter.fetch(&reference(), &Remembered(memory), soon()).await
    }
}

pub(in crate::lyra) fn reference() -> ProviderReference {
    REFERENCE.parse().unwrap()
}

pub(in crate::lyra) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// An envelope around this.
pub(in crate::lyra) fn success(answer: Value) -> Value {
    json!({"status": "SUCCESS", "mode": "TEST", "serverDate": "2026-11-20T10:00:00+00:00", "answer": answer})
}

pub(in crate::lyra) fn refusal(code: &str) -> Value {
    json!({"status": "ERROR", "answer": {"errorCode": code, "errorMessage": "no"}})
}

/// The sample order in this state.
pub(in crate::lyra) fn order_in(state: &str) -> Value {
    let sample: Value = serde_json::from_str(UPDATED).unwrap();
    let mut answer = sample["answer"].clone();
    answer["paymentOrderStatus"] = json!(state);
    success(answer)
}

/// A payment of 200.00 EUR that the platform authorized in full.
pub(in crate::lyra) fn debit(uuid: &str, status: &str) -> Value {
    json!({
        "uuid": uuid, "amount": 20_000, "currency": "EUR", "detailedStatus": status, "operationType": "DEBIT",
        "creationDate": "2026-11-19T10:00:00+00:00",
        "transactionDetails": {"cardDetails": {"authorizationResponse": {"amount": 20_000, "currency": "EUR"}}},
    })
}

/// A refund of the payment.
pub(in crate::lyra) fn credit(uuid: &str, amount: i64, status: &str) -> Value {
    json!({
        "uuid": uuid, "amount": amount, "currency": "EUR", "detailedStatus": status, "operationType": "CREDIT",
        "creationDate": "2026-11-19T12:00:00+00:00", "transactionDetails": {"parentTransactionUuid": DEBIT},
    })
}

/// The value with some of its members changed; the names are JSON pointers.
pub(in crate::lyra) fn but(mut value: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, change) in changes {
        *value.pointer_mut(pointer).unwrap() = change.clone();
    }
    value
}

/// The transaction list as the platform answers it.
pub(in crate::lyra) fn transactions(list: &[Value]) -> Value {
    success(json!({"transactions": list}))
}

/// The order as read when it is `PAID` with these transactions.
pub(in crate::lyra) async fn paid_with(list: &[Value], memory: OrderMemory) -> Order {
    let scripted = Scripted::new(vec![order_in("PAID"), transactions(list)]);
    scripted.fetch(memory).await.unwrap()
}

/// A movement of ours that the provider gave this id.
pub(in crate::lyra) fn movement(kind: OperationKind, amount: i64, id: Option<&str>) -> Movement {
    Movement {
        operation: OURS.parse().unwrap(),
        kind,
        amount: money(amount, "EUR"),
        status: OperationStatus::Succeeded,
        at: Timestamp::from_millis(0),
        provider_id: id.map(str::to_owned),
        is_reversed: false,
    }
}

pub(in crate::lyra) fn moved(movements: Vec<Movement>) -> OrderMemory {
    OrderMemory { movements, ..OrderMemory::default() }
}

pub(in crate::lyra) fn notified(status: OrderStatus, closes: bool) -> OrderMemory {
    let at = Timestamp::from_millis(0);
    OrderMemory {
        notified: Some(Notified { status, provider_status: None, closes, at }),
        ..OrderMemory::default()
    }
}

pub(in crate::lyra) fn part(value: i64, full: bool) -> Part {
    Part { amount: money(value, "EUR"), full }
}

/// An operation of this intent, asked for at this moment of our clock.
pub(in crate::lyra) fn operation(intent: Intent, created_at: Timestamp, id: Option<&str>) -> Operation {
    Operation {
        id: OURS.parse::<OperationId>().unwrap(),
        kind: intent.kind(),
        account: "shop".parse().unwrap(),
        order_id: intent.before().map(|before| before.id.clone()),
        provider: "lyra".to_owned(),
        client: "shop".to_owned(),
        request_id: "r".to_owned(),
        traceparent: None,
        amount: intent.amount(),
        status: OperationStatus::Unknown,
        already_done: false,
        intent,
        repeat_harmless: false,
        failure: None,
        order_after: None,
        created_at,
        updated_at: created_at,
        checks: 0,
        next_check_at: None,
        provider_id: id.map(str::to_owned),
        claimed_done: false,
        contradiction: None,
        reversed: None,
    }
}

/// What a read of the paid order with these transactions proves of an operation.
pub(in crate::lyra) async fn verdict(operation: &Operation, list: &[Value], memory: OrderMemory) -> Verdict {
    let scripted = Scripted::new(vec![order_in("PAID"), transactions(list)]);
    scripted.adapter.settle(operation, &Remembered(memory), soon()).await.unwrap()
}
