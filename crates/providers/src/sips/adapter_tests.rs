//! The adapter against answers from a socket: what goes out, and what each answer proves.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

use super::{
    super::{
        tests::{
            KEY, MERCHANT, OPENED, account, context, members, money, new_order, planned, sample, sealed,
            settings, shop_name,
        },
        vectors,
    },
    *,
};
use guichet_port::domain::{Amounts, Creation, OperationStatus};

#[path = "adapter_settling_tests.rs"]
mod settling;

/// A provider that gives these answers, one per connection, and keeps the requests it got.
struct Provider {
    adapter: Arc<dyn ProviderAdapter>,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

/// A status line's number, a media type and a body.
type Raw = (u16, &'static str, String);

impl Provider {
    async fn answering(changes: &[(&str, &str)], answers: Vec<Raw>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sips/sherlocks", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut answers = VecDeque::from(answers);
            while let Some((status, media, body)) = answers.pop_front() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                let (head, json) = loop {
                    let mut part = [0; 4096];
                    let length = stream.read(&mut part).await.unwrap();
                    request.extend_from_slice(&part[..length]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    if let Some((head, body)) = text.split_once("\r\n\r\n")
                        && let Ok(json) = serde_json::from_str::<Value>(body)
                    {
                        break (head.to_owned(), json);
                    }
                };
                seen.lock().unwrap().push((head, json));
                if status == 0 {
                    continue;
                }
                let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: {media}");
                let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let mut own = vec![("office_url", url.as_str()), ("paypage_url", url.as_str())];
        own.extend_from_slice(changes);
        Self { adapter: build(&shop_name(), &account(&own), &context()).unwrap(), requests }
    }

    /// With answers sealed by the platform.
    async fn telling(answers: &[Value]) -> Self {
        Self::answering(&[], answers.iter().map(signed).collect()).await
    }

    fn request(&self, index: usize) -> (String, Value) {
        self.requests.lock().unwrap()[index].clone()
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    async fn fetch(&self, reference: &str, memory: OrderMemory) -> Result<Order> {
        self.adapter.fetch(&reference.parse().unwrap(), &Memory(memory), soon()).await
    }

    async fn change(&self, kind: OperationKind, before: &Order, part: Part) -> Result<Performed> {
        let id = OperationId::generate();
        match kind {
            OperationKind::Cancel => self.adapter.cancel(id, before, part).await,
            OperationKind::Capture => self.adapter.capture(id, before, part).await,
            OperationKind::Create | OperationKind::Update | OperationKind::Refund => {
                self.adapter.refund(id, before, part).await
            }
        }
    }
}

fn signed(members: &Value) -> Raw {
    (200, "application/json;charset=UTF-8", sealed(members, SealAlgorithm::HmacSha256, KEY).to_string())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

struct Memory(OrderMemory);

#[async_trait]
impl Recall for Memory {
    async fn recall(&self) -> Result<OrderMemory> {
        Ok(self.0.clone())
    }
}

/// The store is away, or must not be asked.
struct Away;

#[async_trait]
impl Recall for Away {
    async fn recall(&self) -> Result<OrderMemory> {
        Err(ProviderError::new("guichet", "recall", ErrorKind::NotExecuted, "away"))
    }
}

fn order(reference: &str, changes: &Value) -> Order {
    let mut data = sample(changes);
    data["transactionReference"] = json!(reference);
    let data: wire::TransactionData = serde_json::from_value(data).unwrap();
    let (settings, account) = (settings(&[]), shop_name());
    let shop = mapping::Shop { account: &account, settings: &settings };
    mapping::order(shop, &reference.parse().unwrap(), &data, &OrderMemory::default(), Timestamp::now())
        .unwrap()
}

fn part(value: i64, full: bool) -> Part {
    Part { amount: money(value, "EUR"), full }
}

fn adapter_operation(intent: Intent) -> Operation {
    let now = Timestamp::now();
    Operation {
        id: OperationId::generate(),
        kind: intent.kind(),
        account: shop_name(),
        order_id: None,
        provider: PROVIDER.to_owned(),
        client: "c".to_owned(),
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

fn with_seal(vector: &str, algorithm: SealAlgorithm) -> Value {
    let vector = vectors::members(vector);
    let mut members = vector.members;
    members.insert("seal".to_owned(), json!(vector.seals[algorithm.as_str()]));
    if algorithm != SealAlgorithm::HmacSha256 {
        members.insert("sealAlgorithm".to_owned(), json!(algorithm.as_str()));
    }
    Value::Object(members)
}

#[tokio::test]
async fn requests_are_those_of_the_documentation_to_the_byte_of_their_seal() {
    let done = json!({"responseCode": "00"});
    for algorithm in SealAlgorithm::ALL {
        let answer = (200, "application/json", sealed(&done, algorithm, KEY).to_string());
        let provider = Provider::answering(&[("seal_algorithm", algorithm.as_str())], vec![answer]).await;
        let before = order("ORDER0001", &json!({}));
        let performed = provider.change(OperationKind::Cancel, &before, part(1000, true)).await.unwrap();
        assert_eq!(performed, Performed::default());
        let (head, body) = provider.request(0);
        assert!(
            head.starts_with("POST /sips/sherlocks/rs-services/v2/cashManagement/cancel HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        assert_eq!(body, with_seal("C1", algorithm));
    }
    let provider = Provider::telling(std::slice::from_ref(&done)).await;
    let before = order("ORDER0004", &json!({"currencyCode": "840", "transactionStatus": "TO_VALIDATE"}));
    let dollars = Part { amount: money(999, "USD"), full: false };
    provider.change(OperationKind::Capture, &before, dollars).await.unwrap();
    let (head, body) = provider.request(0);
    assert!(head.starts_with("POST /sips/sherlocks/rs-services/v2/cashManagement/validate "), "{head}");
    assert_eq!(body, with_seal("C6", SealAlgorithm::HmacSha256));

    let provider = Provider::telling(&[sample(&json!({"transactionReference": "ORDER0004"}))]).await;
    provider.fetch("ORDER0004", OrderMemory::default()).await.unwrap();
    let (head, body) = provider.request(0);
    assert!(head.starts_with("POST /sips/sherlocks/rs-services/v2/diagnostic/getTransactionData "), "{head}");
    assert_eq!(body, with_seal("C7", SealAlgorithm::HmacSha256));

    let pair =
        Provider::answering(&[("reference_by", "s10")], vec![signed(&sample(&json!({}))), signed(&done)])
            .await;
    let before = pair.fetch("s10.000123.20260114", OrderMemory::default()).await.unwrap();
    assert_eq!(before.id.to_string(), "shop_s10.000123.20260114");
    pair.change(OperationKind::Cancel, &before, part(1000, true)).await.unwrap();
    assert_eq!(pair.request(1).1, with_seal("C3", SealAlgorithm::HmacSha256));

    let provider = Provider::telling(std::slice::from_ref(&done)).await;
    let before = order("ORDER0003", &json!({"transactionStatus": "CAPTURED"}));
    provider.change(OperationKind::Refund, &before, part(250, false)).await.unwrap();
    let (head, body) = provider.request(0);
    assert!(head.starts_with("POST /sips/sherlocks/rs-services/v2/cashManagement/refund "), "{head}");
    assert_eq!(body["operationAmount"], "250");
}

#[tokio::test]
async fn an_answer_counts_only_when_it_is_what_was_asked() {
    use OperationKind::{Cancel, Capture, Refund};
    let unknown = Err(ErrorKind::OutcomeUnknown);
    for (kind, was, amount, answer, expected) in [
        (
            Cancel,
            "TO_CAPTURE",
            1000,
            json!({"responseCode": "00", "newAmount": 0, "newStatus": "CANCELLED"}),
            Ok(false),
        ),
        (Cancel, "TO_CAPTURE", 1000, json!({"responseCode": "00", "newAmount": "0"}), Ok(false)),
        (Cancel, "TO_CAPTURE", 1000, json!({"responseCode": "00"}), Ok(false)),
        (
            Cancel,
            "TO_CAPTURE",
            1000,
            json!({"responseCode": "00", "newAmount": 1, "newStatus": "CANCELLED"}),
            unknown,
        ),
        (
            Cancel,
            "TO_CAPTURE",
            1000,
            json!({"responseCode": "00", "newAmount": 0, "newStatus": "TO_CAPTURE"}),
            unknown,
        ),
        (
            Cancel,
            "TO_CAPTURE",
            300,
            json!({"responseCode": "00", "newAmount": 700, "newStatus": "TO_CAPTURE"}),
            Ok(false),
        ),
        (
            Cancel,
            "TO_CAPTURE",
            300,
            json!({"responseCode": "00", "newAmount": 300, "newStatus": "TO_CAPTURE"}),
            unknown,
        ),
        (
            Cancel,
            "TO_CAPTURE",
            300,
            json!({"responseCode": "00", "newAmount": 700, "newStatus": "CANCELLED"}),
            unknown,
        ),
        (Cancel, "TO_CAPTURE", 300, json!({"newAmount": 700, "newStatus": "TO_CAPTURE"}), unknown),
        (Cancel, "TO_CAPTURE", 300, json!({"responseCode": "00", "newAmount": 7.5}), unknown),
        (Cancel, "TO_CAPTURE", 300, json!({"responseCode": "60"}), Ok(true)),
        (Cancel, "TO_CAPTURE", 300, json!({"responseCode": "62"}), Ok(true)),
        (Cancel, "TO_CAPTURE", 300, json!({"responseCode": "25"}), Err(ErrorKind::NotFound)),
        (Cancel, "TO_CAPTURE", 300, json!({"responseCode": "51"}), Err(ErrorKind::AmountExceeded)),
        (Cancel, "TO_CAPTURE", 300, json!({"responseCode": "90"}), unknown),
        (Cancel, "TO_CAPTURE", 300, json!({"responseCode": "99"}), unknown),
        (Cancel, "TO_CAPTURE", 300, json!({"responseCode": "40"}), Err(ErrorKind::Misconfigured)),
        (
            Cancel,
            "TO_CAPTURE",
            1000,
            json!({"responseCode": "24", "newAmount": 0, "newStatus": "CANCELLED"}),
            Err(ErrorKind::StateConflict),
        ),
        (Cancel, "TO_CAPTURE", 1000, json!({"responseCode": "24"}), Err(ErrorKind::StateConflict)),
        (
            Cancel,
            "TO_CAPTURE",
            1000,
            json!({"responseCode": "24", "newAmount": 1000, "newStatus": "TO_CAPTURE"}),
            Err(ErrorKind::Busy),
        ),
        (
            Cancel,
            "TO_CAPTURE",
            1000,
            json!({"responseCode": "24", "newAmount": 700, "newStatus": "TO_CAPTURE"}),
            Err(ErrorKind::StateConflict),
        ),
        (
            Refund,
            "CAPTURED",
            300,
            json!({"responseCode": "24", "newStatus": "TO_CAPTURE"}),
            Err(ErrorKind::StateConflict),
        ),
        (
            Refund,
            "CAPTURED",
            300,
            json!({"responseCode": "24", "newStatus": "CAPTURED"}),
            Err(ErrorKind::Busy),
        ),
        (
            Refund,
            "CAPTURED",
            300,
            json!({"responseCode": "00", "newAmount": 700, "newStatus": "TO_CREDIT"}),
            Ok(false),
        ),
        (
            Refund,
            "CAPTURED",
            300,
            json!({"responseCode": "00", "newAmount": 1000, "newStatus": "CAPTURED"}),
            Ok(false),
        ),
        (
            Refund,
            "CAPTURED",
            1000,
            json!({"responseCode": "00", "newAmount": 0, "newStatus": "CREDITED"}),
            Ok(false),
        ),
        (
            Refund,
            "CAPTURED",
            300,
            json!({"responseCode": "00", "newAmount": 500, "newStatus": "TO_CREDIT"}),
            unknown,
        ),
        (
            Refund,
            "CAPTURED",
            300,
            json!({"responseCode": "00", "newAmount": 700, "newStatus": "CANCELLED"}),
            unknown,
        ),
        (
            Refund,
            "CAPTURED",
            300,
            json!({"responseCode": "57", "newStatus": "CAPTURED", "newAmount": 1000}),
            Err(ErrorKind::StateConflict),
        ),
        (
            Refund,
            "CAPTURED",
            300,
            json!({"responseCode": "00", "newAmount": 700, "newStatus": "TO_CONFIRM_CREDIT"}),
            Ok(true),
        ),
        (
            Capture,
            "TO_REPLAY",
            1000,
            json!({"responseCode": "00", "newAmount": 1000, "newStatus": "PENDING"}),
            Ok(true),
        ),
        (Capture, "TO_VALIDATE", 1000, json!({"responseCode": "00", "newStatus": "PENDING"}), unknown),
        (
            Capture,
            "TO_VALIDATE",
            700,
            json!({"responseCode": "00", "newAmount": 700, "newStatus": "TO_CAPTURE"}),
            Ok(false),
        ),
        (
            Capture,
            "TO_VALIDATE",
            700,
            json!({"responseCode": "00", "newAmount": 1000, "newStatus": "TO_CAPTURE"}),
            unknown,
        ),
        (
            Capture,
            "TO_VALIDATE",
            700,
            json!({"responseCode": "00", "newAmount": 700, "newStatus": "TO_VALIDATE"}),
            unknown,
        ),
        (
            Capture,
            "TO_REPLAY",
            1000,
            json!({"responseCode": "05", "acquirerResponseCode": "51"}),
            Err(ErrorKind::Declined),
        ),
        (Capture, "TO_REPLAY", 1000, json!({"responseCode": "05", "acquirerResponseCode": "68"}), unknown),
    ] {
        let provider = Provider::telling(std::slice::from_ref(&answer)).await;
        let before = order("ORDER0001", &json!({"transactionStatus": was}));
        let result = provider.change(kind, &before, part(amount, amount == 1000)).await;
        let result = result.map(|performed| performed.accepted).map_err(|error| error.kind);
        assert_eq!(result, expected, "{kind:?} {amount} {answer}");
        assert_eq!(provider.count(), 1, "sent once");
    }
}

#[tokio::test]
async fn declines_come_with_the_reason_of_the_bank() {
    let answer = json!({"responseCode": "05", "acquirerResponseCode": "A1", "newStatus": "REFUSED"});
    let provider = Provider::telling(&[answer]).await;
    let before = order("ORDER0001", &json!({"transactionStatus": "TO_REPLAY"}));
    let error = provider.change(OperationKind::Capture, &before, part(1000, true)).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("05"));
    let words = "the authorization was refused; the bank: strong authentication is missing (A1)";
    assert_eq!(error.message.as_deref(), Some(words));
}

#[tokio::test]
async fn what_cannot_be_verified_proves_nothing() {
    let done = json!({"responseCode": "00", "newAmount": 0, "newStatus": "CANCELLED"});
    let json = "application/json";
    let with = |algorithm, key: &str| sealed(&done, algorithm, key).to_string();
    let good = with(SealAlgorithm::HmacSha256, KEY);
    for (case, answer) in [
        ("no seal", (200, json, done.to_string())),
        ("empty seal", (200, json, good.replace("\"seal\":\"", "\"seal\":\"\",\"old\":\""))),
        ("another key", (200, json, with(SealAlgorithm::HmacSha256, "another"))),
        ("another algorithm", (200, json, with(SealAlgorithm::Sha256, KEY))),
        ("another status", (200, json, good.replace("CANCELLED", "CANCELLEE"))),
        ("not JSON", (200, json, "<html>".to_owned())),
        ("a list", (200, json, format!("[{good}]"))),
        ("a page", (200, "text/html", good.clone())),
        ("a server error", (500, json, good.clone())),
        ("a wrong media type", (415, "text/html", "<html>".to_owned())),
        ("cut off", (0, json, String::new())),
    ] {
        let provider = Provider::answering(&[], vec![answer.clone()]).await;
        let before = order("ORDER0001", &json!({}));
        let error = provider.change(OperationKind::Cancel, &before, part(1000, true)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown, "{case}");
        assert_eq!(provider.count(), 1, "{case}");
        if answer.0 != 0 {
            let provider = Provider::answering(&[], vec![answer]).await;
            let error = provider.fetch("ORDER0001", OrderMemory::default()).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Protocol, "{case}");
        }
    }
    let fraud = sample(&json!({"getTransDataResponseCode": null, "responseCode": "34"}));
    let provider = Provider::answering(&[], vec![(200, json, fraud.to_string())]).await;
    let error = provider.fetch("ORDER0001", OrderMemory::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "a payment's own result is no setting");
    for code in ["03", "34", "40"] {
        let bare = json!({"responseCode": code});
        for body in [bare.to_string(), sealed(&bare, SealAlgorithm::HmacSha256, "another").to_string()] {
            let provider = Provider::answering(&[], vec![(200, json, body.clone()), (200, json, body)]).await;
            let before = order("ORDER0001", &json!({}));
            let change = provider.change(OperationKind::Cancel, &before, part(1000, true)).await.unwrap_err();
            let read = provider.fetch("ORDER0001", OrderMemory::default()).await.unwrap_err();
            assert_eq!(
                (change.kind, read.kind),
                (ErrorKind::Misconfigured, ErrorKind::Misconfigured),
                "{code}"
            );
        }
    }
}

proptest! {
    /// Whatever is done to a sealed answer on its way, it is no success any more.
    #[test]
    fn tampered_answers_are_never_successes(
        kind in 0..6,
        amount in 0_i64..1_000_000,
        name in "[A-Za-z]{1,12}",
        value in "[ -~]{1,12}",
        other_key in "[a-z0-9_]{1,20}",
    ) {
        let settings = settings(&[]);
        let good = json!({"responseCode": "00", "newAmount": amount, "newStatus": "CANCELLED",
                          "operationDateTime": "2026-01-14T10:31:07+01:00"});
        let mut answer = members(&sealed(&good, SealAlgorithm::HmacSha256, KEY));
        let text = sealed_text(&answer);
        match kind {
            0 => { answer.insert("newAmount".to_owned(), json!(value)); }
            1 => { answer.remove("seal"); }
            2 => answer = members(&sealed(&good, SealAlgorithm::HmacSha256, &other_key)),
            3 => answer = members(&sealed(&good, SealAlgorithm::Sha256, KEY)),
            4 => answer = members(&sealed(&good, SealAlgorithm::HmacSha512, KEY)),
            _ => { answer.insert(name.clone(), json!(value)); }
        }
        // What changes nothing that is sealed is no tampering: unsealed names, equal values, a shifted boundary.
        prop_assume!(other_key != KEY && (matches!(kind, 1..=4) || sealed_text(&answer) != text || name == "seal"));
        let raw = Answer {
            status: 200,
            content_type: Some("application/json".to_owned()),
            body: Bytes::from(Value::Object(answer).to_string()),
        };
        let expected = |called| verified(&settings, "test", called, &raw).map(|_| ()).map_err(|error| error.kind);
        // A code that tells of a wrong setting, put there by chance, is at least no success.
        for (called, unverified) in [(Called::Cash, ErrorKind::OutcomeUnknown), (Called::Read, ErrorKind::Protocol)] {
            let is = expected(called);
            prop_assert!(is == Err(unverified) || is == Err(ErrorKind::Misconfigured), "{is:?}");
        }
    }
}

#[tokio::test]
async fn reads_go_by_the_status_then_by_the_codes() {
    let bare = |members: Value| members;
    for (answer, expected) in [
        (sample(&json!({})), Ok(OrderStatus::Paid)),
        (sample(&json!({"transactionStatus": "REFUSED", "responseCode": "05"})), Ok(OrderStatus::Declined)),
        (sample(&json!({"getTransDataResponseCode": null, "responseCode": "00"})), Ok(OrderStatus::Paid)),
        (bare(json!({"getTransDataResponseCode": "25", "responseCode": "00"})), Err(ErrorKind::NotFound)),
        (bare(json!({"responseCode": "25"})), Err(ErrorKind::NotFound)),
        (bare(json!({"responseCode": "00"})), Err(ErrorKind::Protocol)),
        (bare(json!({})), Err(ErrorKind::Protocol)),
        (bare(json!({"responseCode": "99"})), Err(ErrorKind::Incident)),
        (bare(json!({"responseCode": "90"})), Err(ErrorKind::Incident)),
        (bare(json!({"responseCode": "34"})), Err(ErrorKind::Misconfigured)),
        (bare(json!({"responseCode": "30", "errorFieldName": "x"})), Err(ErrorKind::Refused)),
        (sample(&json!({"transactionReference": "ORDER0002"})), Err(ErrorKind::Protocol)),
        (sample(&json!({"currencyCode": "191"})), Ok(OrderStatus::Paid)),
        (sample(&json!({"currencyCode": "999"})), Err(ErrorKind::Protocol)),
    ] {
        let provider = Provider::telling(std::slice::from_ref(&answer)).await;
        let result = provider.fetch("ORDER0001", OrderMemory::default()).await;
        let result = result.map(|order| order.status).map_err(|error| error.kind);
        assert_eq!(result, expected, "{answer}");
    }
    let provider = Provider::telling(&[sample(&json!({})), json!({"responseCode": "25"})]).await;
    let reference = "ORDER0001".parse().unwrap();
    assert!(provider.adapter.fetch(&reference, &Away, soon()).await.is_ok(), "the store need not be asked");
    let away = provider.adapter.fetch(&reference, &Away, soon()).await.unwrap_err();
    assert_eq!(away.kind, ErrorKind::NotExecuted);
    let provider = Provider::telling(&[json!({"responseCode": "25"}), json!({"responseCode": "34"})]).await;
    assert!(provider.adapter.test_connection(soon()).await.is_ok());
    assert_eq!(provider.adapter.test_connection(soon()).await.unwrap_err().kind, ErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_page_is_opened_and_its_order_is_remembered_until_it_is_over() {
    let operation = OperationId::generate();
    let plan = planned(new_order(), operation);
    let opened: Value = serde_json::from_str(OPENED).unwrap();
    let none = json!({"getTransDataResponseCode": "25"});
    let provider =
        Provider::telling(&[opened, none.clone(), none.clone(), none.clone(), none.clone(), none]).await;
    let order = provider.adapter.create(operation, &plan).await.unwrap();
    let (head, body) = provider.request(0);
    assert!(head.starts_with("POST /sips/sherlocks/rs-services/v2/paymentInit "), "{head}");
    assert_eq!((&body["sealAlgorithm"], &body["keyVersion"]), (&json!("HMAC-SHA-256"), &json!("1")));
    let reference = plan.reference.clone().unwrap();
    assert_eq!((order.reference(), order.status, order.is_final), (&reference, OrderStatus::Pending, false));
    assert_eq!((order.amounts, order.expires_at), (Amounts::unpaid(1990), Some(plan.expires_at)));
    assert_eq!(order.metadata["cart"], "42");
    let checkout = order.checkout.clone().unwrap();
    assert_eq!(*checkout.link, format!("https://pay.example/g/pay/{}", plan.page_token.as_ref().unwrap()));

    let at = Timestamp::now();
    let remembered = |planned: &PlannedOrder, copy: Option<Order>| OrderMemory {
        change_count: 0,
        ended: Vec::new(),
        creation: Some(Creation { operation, at, planned: planned.clone() }),
        movements: Vec::new(),
        copy,
        notified: None,
    };
    let text = reference.as_str();
    let read = provider.fetch(text, remembered(&plan, Some(order.clone()))).await.unwrap();
    assert_eq!(Order { as_of: order.as_of, ..read }, order, "as it was made");

    let over = PlannedOrder { expires_at: Timestamp::from_millis(at.as_millis() - 1000), ..plan.clone() };
    let read = provider.fetch(text, remembered(&over, Some(order.clone()))).await.unwrap();
    assert_eq!((read.status, read.is_final, read.checkout), (OrderStatus::Expired, false, None));
    // Our own clock alone tells that a page is over: hours are not enough to call it final.
    for (hours, is_final) in [(12, false), (25, true)] {
        let expires_at = at.minus(Duration::from_secs(hours * 3_600));
        let long_over = PlannedOrder { expires_at, ..plan.clone() };
        let read = provider.fetch(text, remembered(&long_over, None)).await.unwrap();
        assert_eq!((read.status, read.is_final), (OrderStatus::Expired, is_final), "{hours}");
        assert_eq!(read.waits_for, WaitsFor::Payment, "{hours}");
    }

    let paid = Order { status: OrderStatus::Paid, ..order };
    let read = provider.fetch(text, remembered(&over, Some(paid.clone()))).await.unwrap();
    assert_eq!(Order { as_of: paid.as_of, ..read }, paid, "a verified notification is ahead of the store");
}

#[tokio::test]
async fn the_transaction_of_a_page_is_completed_from_memory_and_must_be_of_its_amount() {
    let operation = OperationId::generate();
    let plan = planned(new_order(), operation);
    let reference = plan.reference.clone().unwrap();
    let data = |amount: i64| {
        sample(
            &json!({"transactionReference": reference.as_str(), "originAmount": amount, "currentAmount": amount}),
        )
    };
    let memory = OrderMemory {
        creation: Some(Creation { operation, at: Timestamp::now(), planned: plan.clone() }),
        ..OrderMemory::default()
    };
    let provider = Provider::telling(&[data(1990), data(1991), data(1990), data(1991)]).await;
    let order = provider.fetch(reference.as_str(), memory.clone()).await.unwrap();
    assert_eq!((order.status, order.metadata["cart"].as_str()), (OrderStatus::Paid, "42"));
    assert_eq!((order.locale.as_deref(), order.checkout), (Some("fr-FR"), None));
    let error = provider.fetch(reference.as_str(), memory).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);

    let lost = adapter_operation(Intent::Create { planned: Box::new(plan) });
    let verdict = provider.adapter.settle(&lost, &Memory(OrderMemory::default()), soon()).await.unwrap();
    assert!(matches!(verdict, Verdict::Done(Some(order)) if order.metadata["cart"] == "42"));
    let error = provider.adapter.settle(&lost, &Memory(OrderMemory::default()), soon()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
}

#[tokio::test]
async fn a_page_that_was_not_opened_is_no_order() {
    let opened: Value = serde_json::from_str(OPENED).unwrap();
    let without = |name: &str| {
        let mut answer = opened.clone();
        answer.as_object_mut().unwrap().remove(name);
        answer
    };
    for (answer, expected) in [
        (json!({"redirectionStatusCode": "99"}), ErrorKind::Temporary),
        (json!({"redirectionStatusCode": "94"}), ErrorKind::Refused),
        (json!({"redirectionStatusCode": "03"}), ErrorKind::Misconfigured),
        (json!({"redirectionStatusCode": "34", "redirectionVersion": "IR_WS_2.0"}), ErrorKind::Misconfigured),
        (json!({"redirectionStatusCode": "12", "errorFieldName": "orderId"}), ErrorKind::InvalidRequest),
        (json!({"redirectionStatusCode": "77"}), ErrorKind::OutcomeUnknown),
        (without("redirectionUrl"), ErrorKind::OutcomeUnknown),
        (without("redirectionStatusCode"), ErrorKind::OutcomeUnknown),
    ] {
        let operation = OperationId::generate();
        let provider = Provider::telling(std::slice::from_ref(&answer)).await;
        let error = provider.adapter.create(operation, &planned(new_order(), operation)).await.unwrap_err();
        assert_eq!(error.kind, expected, "{answer}");
        assert_eq!(provider.count(), 1, "sent once");
    }
    for changes in [&[("reference_by", "platform")][..], &[("reference_by", "s10")]] {
        let provider = Provider::answering(changes, Vec::new()).await;
        assert!(!provider.adapter.capabilities().create.supported);
        let plan = provider.adapter.plan_create(new_order(), OperationId::generate(), Timestamp::now());
        assert_eq!(plan.unwrap_err()[0].pointer, "/account");
    }
}
