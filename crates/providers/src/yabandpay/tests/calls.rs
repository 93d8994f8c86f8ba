//! Calls and their answers, over HTTP.

use super::{super::adapter::read_answer, *};
use guichet_port::{
    adapter::{Answer, Verdict},
    domain::OrderStatus,
};

fn answered(status: u16, body: &str) -> Answer {
    Answer { status, content_type: None, body: bytes::Bytes::copy_from_slice(body.as_bytes()) }
}

#[test]
fn only_the_envelope_says_what_happened() {
    for (status, body, change, read) in [
        (200, r#"{"status":true,"code":"200","data":{"a":1},"message":""}"#, None, None),
        (200, r#"{"status":true,"code":200,"data":{"a":1},"response_id":"x"}"#, None, None),
        (
            200,
            r#"{"status":true,"code":"200","data":{}}"#,
            Some(ErrorKind::OutcomeUnknown),
            Some(ErrorKind::Protocol),
        ),
        (
            200,
            r#"{"status":true,"code":"200","data":[]}"#,
            Some(ErrorKind::OutcomeUnknown),
            Some(ErrorKind::Protocol),
        ),
        (200, r#"{"code":"-4116"}"#, Some(ErrorKind::OutcomeUnknown), Some(ErrorKind::Protocol)),
        (200, "", Some(ErrorKind::OutcomeUnknown), Some(ErrorKind::Protocol)),
        (200, "<html>", Some(ErrorKind::OutcomeUnknown), Some(ErrorKind::Protocol)),
        (
            502,
            r#"{"status":false,"code":"-4116"}"#,
            Some(ErrorKind::OutcomeUnknown),
            Some(ErrorKind::Protocol),
        ),
        (
            400,
            r#"{"status":false,"code":"-4116"}"#,
            Some(ErrorKind::OutcomeUnknown),
            Some(ErrorKind::Protocol),
        ),
        (
            200,
            r#"{"status":false,"code":"-4116","data":null}"#,
            Some(ErrorKind::AlreadyDone),
            Some(ErrorKind::Refused),
        ),
        (
            200,
            r#"{"status":false,"code":-4114,"data":[]}"#,
            Some(ErrorKind::NotFound),
            Some(ErrorKind::NotFound),
        ),
        (
            200,
            r#"{"status":false,"code":-4111,"data":{}}"#,
            Some(ErrorKind::WindowClosed),
            Some(ErrorKind::Refused),
        ),
        (200, r#"{"status":false,"message":"no"}"#, Some(ErrorKind::Refused), Some(ErrorKind::Refused)),
    ] {
        for (is_change, expected) in [(true, change), (false, read)] {
            let result = read_answer("v3.CancelPayment", is_change, &answered(status, body));
            assert_eq!(result.err().map(|error| error.kind), expected, "{status} {body} {is_change}");
        }
    }
}

#[tokio::test]
async fn reads_are_about_what_was_asked() {
    for (answer, expected) in [
        (sample(QUERIED, &[]), None),
        (
            sample(QUERIED, &[("trade_id", json!("4a49ffb3-a30f-ba92-9422-1969afb6f121"))]),
            Some(ErrorKind::Protocol),
        ),
        (sample(CREATED, &[]), Some(ErrorKind::Protocol)),
        (failure(&json!("-4114")), Some(ErrorKind::NotFound)),
        (failure(&json!("-1")), Some(ErrorKind::Refused)),
    ] {
        let (adapter, requests) = against(&[&answer]).await;
        let result = adapter.fetch(&TRADE.parse().unwrap(), &nothing(), soon()).await;
        assert_eq!(result.err().map(|error| error.kind), expected, "{answer}");
        let body = &requests.await.unwrap()[0];
        assert_eq!(body["method"], "v3.QueryOrder");
        assert_eq!(body["data"], json!({"trade_id": TRADE}));
        assert!(body["time"].is_i64() && body["sign"].as_str().unwrap().len() == 64);
    }
}

/// Money is not told without what is remembered; an open payment is.
#[tokio::test]
async fn a_store_that_is_away_hides_only_what_it_knows() {
    for (state, expected) in [
        ("paid", Some(ErrorKind::NotExecuted)),
        ("refunded", Some(ErrorKind::NotExecuted)),
        ("pending", None),
        ("cancelled", None),
    ] {
        let (adapter, _requests) = against(&[&sample(QUERIED, &[("state", json!(state))])]).await;
        let result = adapter.fetch(&TRADE.parse().unwrap(), &Remembered(None), soon()).await;
        assert_eq!(result.err().map(|error| error.kind), expected, "{state}");
    }
}

/// The request of the first vector, member by member.
#[test]
fn the_cancel_request_is_the_published_one() {
    let expected: Value = serde_json::from_str(include_str!("../fixtures/cancel_request.json")).unwrap();
    let data = std::collections::BTreeMap::from([("trade_id", TRADE.to_owned())]);
    let message = super::super::signature::of_request("900001", "v3.CancelPayment", 1_700_000_000, &data);
    let sign = super::super::signature::sign(&SECRET.into(), &message).unwrap();
    let request =
        wire::Request { user: "900001", sign, method: "v3.CancelPayment", time: 1_700_000_000, data };
    assert_eq!(serde_json::to_value(&request).unwrap(), expected);
}

#[tokio::test]
async fn a_cancel_counts_only_when_it_is_told() {
    let ours = ("trade_id", json!(TRADE));
    let amount = ("amount", json!("12.50"));
    let unknown = Some(ErrorKind::OutcomeUnknown);
    for (answer, expected) in [
        (sample(CANCELED, &[ours.clone(), amount.clone()]), None),
        (sample(CANCELED, &[ours.clone(), ("amount", json!("12.5")), ("state", json!("Canceled"))]), None),
        (
            sample(
                CANCELED,
                &[
                    ours.clone(),
                    amount.clone(),
                    ("settlement_amount", Value::Null),
                    ("settlement_currency", Value::Null),
                    ("exchange_rate", Value::Null),
                ],
            ),
            None,
        ),
        (sample(CANCELED, std::slice::from_ref(&amount)), unknown),
        (sample(CANCELED, std::slice::from_ref(&ours)), unknown),
        (sample(CANCELED, &[ours.clone(), amount.clone(), ("currency", json!("CNY"))]), unknown),
        (sample(CANCELED, &[ours.clone(), amount.clone(), ("state", json!("paid"))]), unknown),
        (sample(CANCELED, &[ours, amount, ("state", json!("done"))]), unknown),
        (failure(&json!("-4111")), Some(ErrorKind::WindowClosed)),
        (failure(&json!("-4112")), Some(ErrorKind::StateConflict)),
        (failure(&json!("-4113")), Some(ErrorKind::Refused)),
        (failure(&json!("-4114")), Some(ErrorKind::NotFound)),
        (failure(&json!("-4115")), Some(ErrorKind::StateConflict)),
        (failure(&json!(-4116)), Some(ErrorKind::AlreadyDone)),
        (failure(&json!("-4117")), Some(ErrorKind::StateConflict)),
    ] {
        let (adapter, requests) = against(&[&answer]).await;
        let mut before = order(&[]);
        before.metadata.insert("cart".to_owned(), "42".to_owned());
        let result = adapter.cancel(OperationId::generate(), &before, part(1_250, true)).await;
        assert_eq!(result.as_ref().err().map(|error| error.kind), expected, "{answer}");
        if let Ok(performed) = result {
            let after = performed.order.unwrap();
            assert!(!performed.accepted);
            assert_eq!((after.status, after.is_final), (OrderStatus::Canceled, true));
            assert_eq!((after.amounts.canceled, after.metadata["cart"].as_str()), (Some(1_250), "42"));
        }
        let body = &requests.await.unwrap()[0];
        assert_eq!(
            (&body["method"], &body["data"]),
            (&json!("v3.CancelPayment"), &json!({"trade_id": TRADE}))
        );
    }
}

#[tokio::test]
async fn a_part_cannot_be_canceled_and_nothing_is_sent() {
    let (adapter, requests) = against(&[&json!({})]).await;
    let result = adapter.cancel(OperationId::generate(), &order(&[]), part(1, false)).await;
    assert_eq!(result.unwrap_err().kind, ErrorKind::Unsupported);
    assert!(!requests.is_finished());
    assert_eq!(adapter.link().last_answer_at, None);
}

#[tokio::test]
async fn a_refund_is_accepted_until_it_is_told_done() {
    let unknown = Some(ErrorKind::OutcomeUnknown);
    let refunded = |data: Value| json!({"status": true, "code": "200", "message": "", "data": data});
    for (data, expected, accepted, refund_id) in [
        (
            json!({"refund_id": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"}),
            None,
            true,
            Some("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
        ),
        (json!({"refund_id": 7, "state": "to-be-approval"}), None, true, Some("7")),
        (
            json!({"refund_id": "r", "state": "Refunded", "refund_amount": "2.5", "refund_currency": "EUR"}),
            None,
            false,
            Some("r"),
        ),
        (json!({"refund_id": "../x", "state": "dreaming"}), None, true, None),
        (json!({"state": "refund pending", "m_refund_id": "null"}), None, true, None),
        (json!({"refund_id": "r", "state": "refund failed"}), None, true, Some("r")),
        (json!({"refund_id": "r", "state": "refund error"}), None, true, Some("r")),
        (json!({"refund_id": "r", "state": "refund cancel"}), Some(ErrorKind::Refused), false, None),
        (json!({"refund_id": "r", "m_refund_id": "op_1"}), unknown, false, None),
        (json!({"refund_id": "r", "refund_amount": "2.51"}), unknown, false, None),
        (json!({"refund_id": "r", "refund_currency": "CNY"}), unknown, false, None),
        (json!({"refund_id": "r", "trade_id": "other"}), unknown, false, None),
        (json!({}), unknown, false, None),
    ] {
        let (adapter, requests) = against(&[&refunded(data.clone())]).await;
        let id = OperationId::generate();
        let result = adapter.refund(id, &order(&[]), part(250, false)).await;
        assert_eq!(result.as_ref().err().map(|error| error.kind), expected, "{data}");
        if let Ok(performed) = result {
            let after = performed.order.unwrap();
            assert_eq!(performed.accepted, accepted, "{data}");
            assert_eq!(after.provider_data.get("refund_id").and_then(Value::as_str), refund_id, "{data}");
            assert_eq!(performed.provider_id.as_deref(), refund_id, "{data}");
            let (status, done, pending) =
                if accepted { (OrderStatus::Paid, 0, 250) } else { (OrderStatus::PartiallyRefunded, 250, 0) };
            assert_eq!(after.status, status, "{data}");
            assert_eq!(
                (after.amounts.refunded, after.amounts.refund_pending),
                (Some(done), Some(pending)),
                "{data}"
            );
            assert_eq!(after.action(guichet_port::domain::Action::Refund).unwrap().max, Some(1_000));
        }
        let body = &requests.await.unwrap()[0];
        assert_eq!(body["method"], "v3.CreateRefund");
        assert_eq!(
            body["data"],
            json!({"trade_id": TRADE, "refund_amount": "2.50", "refund_currency": "EUR",
                "refund_description": "Refund of Test order 1", "m_refund_id": id.to_string(),
                "notify_url": "https://pay.example/g/notifications/shop"})
        );
    }
}

#[tokio::test]
async fn a_capture_is_told_once_and_whole_or_in_part() {
    let unknown = Some(ErrorKind::OutcomeUnknown);
    for (data, expected, accepted) in [
        (json!({"trade_id": TRADE}), None, Some(false)),
        (json!({"trade_id": TRADE, "amount": "7.00", "currency": "EUR", "state": "paid"}), None, Some(false)),
        (json!({"state": "processing"}), None, Some(true)),
        (json!({"state": "failed"}), unknown, None),
        (json!({"state": "strange"}), unknown, None),
        (json!({"trade_id": "other"}), unknown, None),
        (json!({"amount": "7.01", "x": 1}), unknown, None),
        (json!({"currency": "CNY"}), unknown, None),
    ] {
        let (adapter, requests) = against(&[&json!({"status": true, "code": "200", "data": data})]).await;
        let before = order(&[("state", json!("authorized"))]);
        let id = OperationId::generate();
        let result = adapter.capture(id, &before, part(700, false)).await;
        assert_eq!(result.as_ref().err().map(|error| error.kind), expected, "{data}");
        if let Ok(performed) = result {
            assert_eq!(Some(performed.accepted), accepted, "{data}");
            if let Some(after) = performed.order {
                assert_eq!((after.status, after.amounts.captured), (OrderStatus::Paid, Some(700)));
            }
        }
        let body = &requests.await.unwrap()[0];
        assert_eq!(body["method"], "v3.Capture");
        assert_eq!(
            body["data"],
            json!({"trade_id": TRADE, "amount": "7.00", "currency": "EUR", "description": "Test order 1",
                "notify_url": "https://pay.example/g/notifications/shop", "request_id": id.simple()})
        );
    }
}

#[tokio::test]
async fn lost_answers_of_changes_are_unknown() {
    for (status, body) in [(500, ""), (200, ""), (200, "not json"), (404, "{}")] {
        let (url, _task) = provider(vec![(status, body.to_owned()); 4]).await;
        let adapter = adapter(&url);
        let id = OperationId::generate();
        let before = order(&[("state", json!("authorized"))]);
        let whole = part(1_250, true);
        let plan = adapter.plan_create(new_order(), id, Timestamp::now()).unwrap();
        let kinds = [
            adapter.create(id, &plan).await.unwrap_err().kind,
            adapter.cancel(id, &before, whole).await.unwrap_err().kind,
            adapter.capture(id, &before, whole).await.unwrap_err().kind,
            adapter.refund(id, &before, whole).await.unwrap_err().kind,
        ];
        assert_eq!(kinds, [ErrorKind::OutcomeUnknown; 4], "{status} {body}");
    }
    // Nobody listens there: nothing was sent.
    let closed = adapter("http://127.0.0.1:9/Payments");
    let result = closed.cancel(OperationId::generate(), &order(&[]), part(1_250, true)).await;
    assert_eq!(result.unwrap_err().kind, ErrorKind::NotExecuted);
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done(_) => "done",
        Verdict::Accepted(_) => "accepted",
        Verdict::Refused(_) => "refused",
        Verdict::Unclear(_) => "unclear",
        Verdict::NoTrace(_) => "no trace",
    }
}

#[tokio::test]
async fn a_refund_is_settled_by_what_the_provider_tells_of_it() {
    for (changes, expected) in [
        (vec![], Ok("done")),
        (vec![("state", json!("to-be-approval"))], Ok("accepted")),
        (vec![("state", json!("refund pending"))], Ok("accepted")),
        (vec![("state", json!("refund processing"))], Ok("accepted")),
        (vec![("state", json!("refund failed"))], Ok("accepted")),
        (vec![("state", json!("refund error"))], Ok("accepted")),
        (vec![("state", json!("refund cancel"))], Ok("refused")),
        (vec![("state", json!("strange"))], Ok("no trace")),
        (vec![("m_refund_id", json!("op_1"))], Err(ErrorKind::Protocol)),
        (vec![("refund_amount", json!("2.51"))], Err(ErrorKind::Protocol)),
        (vec![("refund_currency", json!("CNY"))], Err(ErrorKind::Protocol)),
    ] {
        let (adapter, requests) = against(&[&sample(REFUND, &changes)]).await;
        let intent = Intent::Refund { before: Box::new(order(&[])), part: part(250, false) };
        let provider_id = Some("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee".to_owned());
        let operation = Operation { provider_id, ..operation(intent, OperationStatus::Accepted, None) };
        let verdict = adapter.settle(&operation, &nothing(), soon()).await;
        assert_eq!(verdict.as_ref().map(word).map_err(|error| error.kind), expected, "{changes:?}");
        if let Ok(Verdict::Refused(error)) = verdict {
            assert_eq!(error.code.as_deref(), changes[0].1.as_str());
        }
        let body = &requests.await.unwrap()[0];
        assert_eq!(body["method"], "v3.QueryRefundOrder");
        assert_eq!(body["data"], json!({"refund_id": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"}));
    }
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_never_guessed() {
    let (adapter, requests) = against(&[&json!({})]).await;
    let intent = Intent::Refund { before: Box::new(order(&[])), part: part(250, false) };
    let lost = operation(intent, OperationStatus::Unknown, None);
    assert_eq!(adapter.settle(&lost, &nothing(), soon()).await.unwrap(), Verdict::NoTrace(None));
    assert!(!requests.is_finished());
    let capabilities = adapter.capabilities();
    assert!(!capabilities.refund.findable && !capabilities.refund.repeat_harmless);
    assert!(!capabilities.create.findable && capabilities.create.repeat_harmless);
    assert!(capabilities.cancel.findable && capabilities.cancel.repeat_harmless);
    assert!(!capabilities.cancel.partial && capabilities.refund.partial && !capabilities.update.supported);
}

#[tokio::test]
async fn other_changes_are_settled_by_the_payment() {
    let before = || Box::new(order(&[("state", json!("authorized"))]));
    let capture = |value, full| Intent::Capture { before: before(), part: part(value, full) };
    let cancel = || Intent::Cancel { before: before(), part: part(1_250, true) };
    for (intent, changes, expected) in [
        (cancel(), vec![("state", json!("cancelled"))], Some("done")),
        (cancel(), vec![("state", json!("paid"))], Some("no trace")),
        (capture(1_250, true), vec![], Some("done")),
        (capture(1_250, true), vec![("state", json!("authorized"))], Some("no trace")),
        (capture(1_250, true), vec![("state", json!("expired"))], Some("no trace")),
        (capture(1_250, true), vec![("state", json!("cancelled"))], Some("unclear")),
        (capture(1_250, true), vec![("state", json!("strange"))], Some("unclear")),
        // Somebody else captured a part: not all of it, which was asked for here.
        (capture(1_250, true), vec![("amount", json!("7.00"))], Some("unclear")),
        (capture(700, false), vec![], Some("unclear")),
        (capture(700, false), vec![("amount", json!("7.00"))], Some("done")),
        (capture(700, false), vec![("state", json!("authorized"))], Some("no trace")),
    ] {
        let (adapter, _requests) = against(&[&sample(QUERIED, &changes)]).await;
        let kind = intent.kind();
        let operation = operation(intent, OperationStatus::Unknown, None);
        let verdict = adapter.settle(&operation, &nothing(), soon()).await.ok();
        assert_eq!(verdict.as_ref().map(word), expected, "{kind:?} {changes:?}");
    }
}

/// A lost create is found only when a notification has named its payment.
#[tokio::test]
async fn a_create_is_settled_by_the_payment_that_a_notification_named() {
    let intent = || Intent::Create { planned: Box::new(planned(new_order())) };
    let (adapter, requests) = against(&[&json!({})]).await;
    let lost = operation(intent(), OperationStatus::Unknown, None);
    assert_eq!(adapter.settle(&lost, &nothing(), soon()).await.unwrap(), Verdict::NoTrace(None));
    assert!(!requests.is_finished());
    for (changes, expected) in [
        (vec![], "done"),
        (vec![("order_id", json!("ORD-0002"))], "no trace"),
        (vec![("amount", json!("12.51"))], "no trace"),
        (vec![("currency", json!("CNY"))], "no trace"),
    ] {
        let (adapter, _requests) = against(&[&sample(QUERIED, &changes)]).await;
        let named = Operation { order_id: Some(order(&[]).id), ..lost.clone() };
        let verdict = adapter.settle(&named, &nothing(), soon()).await.unwrap();
        assert_eq!(word(&verdict), expected, "{changes:?}");
    }
}

#[tokio::test]
async fn the_test_of_the_link_takes_any_answer_of_the_platform() {
    for (status, body, works) in [
        (200, failure(&json!("-4114")).to_string(), true),
        (200, failure(&json!("-1")).to_string(), true),
        (200, "<html>".to_owned(), false),
        (503, failure(&json!("-4114")).to_string(), false),
    ] {
        let (url, task) = provider(vec![(status, body.clone())]).await;
        assert_eq!(adapter(&url).test_connection(soon()).await.is_ok(), works, "{body}");
        assert_eq!(task.await.unwrap()[0]["method"], "v3.QueryOrder");
    }
}

/// A payment in a currency that the platform has no amounts for, made by somebody else.
#[tokio::test]
async fn what_cannot_be_written_is_not_sent() {
    let (adapter, requests) = against(&[&json!({})]).await;
    let yen = order(&[("amount", json!("1000.00")), ("currency", json!("JPY"))]);
    assert_eq!((yen.amount, yen.currency.code()), (1_000, "JPY"));
    let some = Part { amount: money(500, "JPY"), full: false };
    for result in [
        adapter.refund(OperationId::generate(), &yen, some).await,
        adapter.capture(OperationId::generate(), &yen, some).await,
    ] {
        assert_eq!(result.unwrap_err().kind, ErrorKind::CurrencyNotSupported);
    }
    assert!(!requests.is_finished());
    assert_eq!(adapter.link().last_answer_at, None);
}

thread_local! {
    /// What this thread has logged since it began to listen.
    static LOG: std::cell::RefCell<Option<Vec<u8>>> = const { std::cell::RefCell::new(None) };
}

/// Writes to the log of the thread that logs, if it listens.
struct ThreadLog;

impl std::io::Write for ThreadLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.as_mut().map(|log| log.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whatever is shown, sent or logged: the secrets are in none of it.
#[tokio::test]
async fn no_credential_leaks() {
    // For the whole process: with one of this thread alone, what others log first would be taken for not
    // wanted.
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| ThreadLog).finish();
    let is_ours = tracing::subscriber::set_global_default(subscriber).is_ok();
    tracing::callsite::rebuild_interest_cache();
    LOG.set(Some(Vec::new()));
    let (adapter, requests) = against(&[&failure(&json!("-4115")), &failure(&json!("-4115"))]).await;
    let mut shown = format!("{adapter:?} {} {:?}", adapter.identity(), adapter.capabilities());
    let id = OperationId::generate();
    shown += &adapter.cancel(id, &order(&[]), part(1_250, true)).await.unwrap_err().to_string();
    shown += &format!("{:?}", adapter.refund(id, &order(&[]), part(1, false)).await.unwrap_err());
    let sent = requests.await.unwrap();
    shown += &json!(sent).to_string();
    for body in [r#"{"sign":"00","data":{}}"#, include_str!("../fixtures/notification_card.json")] {
        let body = body.replace("8a63bff8", "00000000");
        let raw = guichet_port::adapter::RawNotification { content_type: None, body: body.into() };
        shown += &format!("{:?}", adapter.verify_notification(&raw).unwrap_err());
    }
    let logged = String::from_utf8(LOG.take().unwrap()).unwrap();
    assert!(!is_ours || !logged.is_empty());
    shown += &logged;
    assert!(!shown.contains("made-up-secret") && !shown.contains("zoe@"), "{shown}");
    let signs: Vec<_> = sent.iter().map(|body| body["sign"].as_str().unwrap()).collect();
    let debug = format!("{adapter:?}");
    assert!(signs.iter().all(|sign| !debug.contains(sign) && !logged.contains(sign)), "{debug} {logged}");
}
