//! Refunds that wait, fail and are done after all; what an order waits for, and what was authorized.

use super::*;
use guichet_port::{
    adapter::RawNotification,
    domain::{Action, Amounts, Fate, OperationNews, OrderStatus, WaitsFor},
};

const LATER: &str = "2023-11-14T22:23:20Z";

/// A refund of 2.50 in this state here, which the platform knows by this id.
fn known(status: OperationStatus, refund_id: &str) -> Movement {
    Movement { provider_id: Some(refund_id.to_owned()), ..movement(OperationKind::Refund, 250, status) }
}

fn told(movement: &Movement, state: &str) -> Value {
    let number = json!(movement.operation.to_string());
    sample(REFUND, &[("state", json!(state)), ("m_refund_id", number)])
}

/// A read asks for the refunds whose end is still to come, and tells what became of them.
#[tokio::test]
async fn a_read_asks_for_refunds_that_wait() {
    for (state, fate, refunded, pending, status) in [
        ("refunded", Some(Fate::Done), 250, 0, OrderStatus::PartiallyRefunded),
        ("refund cancel", Some(Fate::Undone), 0, 0, OrderStatus::Paid),
        ("to-be-approval", None, 0, 250, OrderStatus::Paid),
        ("refund pending", None, 0, 250, OrderStatus::Paid),
        ("refund processing", None, 0, 250, OrderStatus::Paid),
        ("refund failed", None, 0, 250, OrderStatus::Paid),
        ("refund error", None, 0, 250, OrderStatus::Paid),
        ("strange", None, 0, 250, OrderStatus::Paid),
    ] {
        let refund = known(OperationStatus::Accepted, "r-1");
        let (adapter, requests) = against(&[&sample(QUERIED, &[]), &told(&refund, state)]).await;
        let memory = OrderMemory { movements: vec![refund.clone()], ..OrderMemory::default() };
        let order = adapter.fetch(&TRADE.parse().unwrap(), &Remembered(Some(memory)), soon()).await.unwrap();
        let amounts = Amounts {
            authorized: Some(1_250),
            captured: Some(1_250),
            refunded: Some(refunded),
            refund_pending: Some(pending),
            ..Amounts::unpaid(1_250)
        };
        assert_eq!((order.status, order.amounts, order.is_final), (status, amounts, false), "{state}");
        let news = fate.map(|fate| OperationNews {
            operation: refund.operation,
            fate,
            provider_id: Some("r-1".to_owned()),
            provider_status: Some(state.to_owned()),
        });
        assert_eq!(order.news, Vec::from_iter(news), "{state}");
        let bodies = requests.await.unwrap();
        assert_eq!(bodies[1]["method"], "v3.QueryRefundOrder", "{state}");
        assert_eq!(bodies[1]["data"], json!({"refund_id": "r-1"}), "{state}");
    }
}

/// What tells nothing of our refund leaves it waiting, and the order is read all the same.
#[tokio::test]
async fn a_refund_that_cannot_be_read_goes_on_waiting() {
    let refund = known(OperationStatus::Accepted, "r-1");
    for answer in [
        failure(&json!("-4114")),
        json!({}),
        sample(REFUND, &[("refund_amount", json!("2.51")), ("m_refund_id", Value::Null)]),
        sample(REFUND, &[("m_refund_id", json!("op_1"))]),
    ] {
        let (adapter, _requests) = against(&[&sample(QUERIED, &[]), &answer]).await;
        let memory = OrderMemory { movements: vec![refund.clone()], ..OrderMemory::default() };
        let order = adapter.fetch(&TRADE.parse().unwrap(), &Remembered(Some(memory)), soon()).await.unwrap();
        assert_eq!((order.amounts.refunded, order.amounts.refund_pending), (Some(0), Some(250)), "{answer}");
        assert_eq!(order.news, [], "{answer}");
    }
}

/// Refunds that have ended, or that the platform gave no id for, are not asked for.
#[tokio::test]
async fn only_refunds_that_wait_and_have_an_id_are_asked_for() {
    let movements = vec![
        known(OperationStatus::Succeeded, "r-1"),
        movement(OperationKind::Refund, 100, OperationStatus::Accepted),
        Movement { is_reversed: true, ..known(OperationStatus::Succeeded, "r-2") },
    ];
    let (adapter, requests) = against(&[&sample(QUERIED, &[])]).await;
    let memory = OrderMemory { movements, ..OrderMemory::default() };
    let order = adapter.fetch(&TRADE.parse().unwrap(), &Remembered(Some(memory)), soon()).await.unwrap();
    assert_eq!((order.amounts.refunded, order.amounts.refund_pending), (Some(250), Some(100)));
    assert_eq!(requests.await.unwrap().len(), 1);
}

/// The platform's last word counts whatever became of the operation here; the store knows what to do with it.
#[test]
fn a_signed_last_word_is_told_whatever_the_operation_is_here() {
    let adapter = adapter("http://127.0.0.1:9/Payments");
    let id = OperationId::generate();
    for (state, settles) in [
        ("refunded", Some(OperationStatus::Succeeded)),
        ("refund cancelled", Some(OperationStatus::Refused)),
        ("refund failed", None),
        ("refund error", None),
    ] {
        let message = format!(
            "m_refund_id={id}&refund_amount=2.50&refund_currency=EUR&state={state}&trade_id={TRADE}&type=refund"
        );
        let sign = super::super::signature::sign(&SECRET.into(), &message).unwrap();
        let data = json!({"type": "refund", "trade_id": TRADE, "m_refund_id": id.to_string(), "refund_amount": "2.50",
            "refund_currency": "EUR", "state": state});
        let body = json!({"sign": sign, "data": data}).to_string();
        let read =
            adapter.verify_notification(&RawNotification { content_type: None, body: body.into() }).unwrap();
        assert_eq!(read.settles, settles.map(|status| (id, status)), "{state}");
        assert_eq!(read.operation, Some(id), "{state}");
    }
}

/// A second refund of what is still reserved must not be offered.
#[test]
fn what_waits_is_not_offered_again() {
    let movements = vec![movement(OperationKind::Refund, 1_250, OperationStatus::Accepted)];
    let memory = OrderMemory { movements, ..OrderMemory::default() };
    let order = mapped(&[], &memory, LATER).unwrap();
    for action in [Action::Cancel, Action::Refund] {
        let offered = order.action(action).unwrap();
        assert_eq!(
            (offered.allowed, offered.reason.as_deref()),
            (false, Some("refund_pending")),
            "{action:?}"
        );
    }
}

#[test]
fn every_state_says_what_it_waits_for() {
    for (state, waits_for, deadline) in [
        ("pending", WaitsFor::Payment, None),
        ("processing", WaitsFor::Payment, None),
        ("new", WaitsFor::Payment, None),
        ("verify", WaitsFor::Decision, None),
        // Thirty days.
        ("authorized", WaitsFor::Decision, Some("2023-12-14T22:13:20Z")),
        ("paid", WaitsFor::Nothing, None),
        ("completed", WaitsFor::Nothing, None),
        ("refunded", WaitsFor::Nothing, None),
        ("cancelled", WaitsFor::Nothing, None),
        ("expired", WaitsFor::Nothing, None),
        ("declined", WaitsFor::Nothing, None),
        ("failed", WaitsFor::Nothing, None),
        ("strange", WaitsFor::Decision, None),
    ] {
        let order = order(&[("state", json!(state))]);
        assert_eq!((order.waits_for, order.deadline_at), (waits_for, deadline.map(at)), "{state}");
    }
}

/// An answer of a change is followed like a read.
#[tokio::test]
async fn what_a_change_answers_says_what_it_waits_for() {
    let (adapter, _requests) = against(&[&sample(CREATED, &[])]).await;
    let plan = adapter.plan_create(new_order(), OperationId::generate(), Timestamp::now()).unwrap();
    let made = adapter.create(OperationId::generate(), &plan).await.unwrap();
    assert_eq!(made.waits_for, WaitsFor::Payment);

    let taken =
        json!({"status": true, "code": "200", "data": {"refund_id": "r-1", "state": "to-be-approval"}});
    let (adapter, _requests) = against(&[&taken]).await;
    let before = Order {
        news: vec![OperationNews {
            operation: OperationId::generate(),
            fate: Fate::Done,
            provider_id: None,
            provider_status: None,
        }],
        ..order(&[])
    };
    let performed = adapter.refund(OperationId::generate(), &before, part(250, false)).await.unwrap();
    let after = performed.order.unwrap();
    assert_eq!(
        (after.waits_for, after.news),
        (WaitsFor::Decision, Vec::new()),
        "old news are not told again"
    );

    let captured = json!({"status": true, "code": "200", "data": {"trade_id": TRADE, "state": "paid"}});
    let (adapter, _requests) = against(&[&captured]).await;
    let before = order(&[("state", json!("authorized"))]);
    let after =
        adapter.capture(OperationId::generate(), &before, part(1_250, true)).await.unwrap().order.unwrap();
    assert_eq!((after.waits_for, after.deadline_at), (WaitsFor::Nothing, None));

    let (adapter, _requests) =
        against(&[&sample(CANCELED, &[("trade_id", json!(TRADE)), ("amount", json!("12.50"))])]).await;
    let after =
        adapter.cancel(OperationId::generate(), &before, part(1_250, true)).await.unwrap().order.unwrap();
    assert_eq!((after.waits_for, after.deadline_at), (WaitsFor::Nothing, None));
}

/// Asked for 12.50, and 8.00 of it was authorized, or is left of it after somebody lowered it.
#[test]
fn authorized_is_what_the_platform_authorized() {
    let manual = NewOrder {
        capture: CaptureMode::Manual,
        payment_method: Some("card".to_owned()),
        return_url: Some("https://shop.example/".to_owned()),
        ..new_order()
    };
    let memory = OrderMemory { creation: Some(creation(manual)), ..OrderMemory::default() };
    let order = mapped(&[("state", json!("authorized")), ("amount", json!("8.00"))], &memory, LATER).unwrap();
    assert_eq!((order.amount, order.amounts.authorized), (1_250, Some(800)));
    assert_eq!(order.action(Action::Capture).unwrap().max, Some(800));
    // A card payment of somebody else may have been captured in part: nobody tells what was authorized.
    for (method, authorized) in [("Cards HPP", None), ("Credit Card", None), ("WeChat Pay", Some(1_250))] {
        let paid = mapped(&[("sub_pay_method", json!(method))], &OrderMemory::default(), LATER).unwrap();
        assert_eq!(paid.amounts.authorized, authorized, "{method}");
    }
    // The wallet's number is empty until the payment is paid; where it is not told, nothing is known.
    for (number, authorized) in [(json!(""), Some(0)), (json!("42"), None), (Value::Null, None)] {
        for state in ["expired", "failed"] {
            let changes = [("state", json!(state)), ("transaction_id", number.clone())];
            let order = mapped(&changes, &OrderMemory::default(), LATER).unwrap();
            assert_eq!(order.amounts.authorized, authorized, "{state} {number}");
        }
    }
}

/// The codes of the page are those of a cancel. Anywhere else "cancelled before" is a state that is in the way.
#[tokio::test]
async fn cancelled_before_is_done_before_for_a_cancel_only() {
    for (code, reason) in [("-4112", Some("already_cleared")), ("-4115", None), ("-4117", Some("expired"))] {
        let (adapter, _requests) = against(&[&failure(&json!(code))]).await;
        let error =
            adapter.cancel(OperationId::generate(), &order(&[]), part(1_250, true)).await.unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::StateConflict, reason), "{code}");
    }
    let no = failure(&json!("-4116"));
    let (adapter, _requests) = against(&[&no, &no, &no]).await;
    let before = order(&[("state", json!("authorized"))]);
    let id = OperationId::generate();
    let cancel = adapter.cancel(id, &before, part(1_250, true)).await.unwrap_err();
    let capture = adapter.capture(id, &before, part(1_250, true)).await.unwrap_err();
    let refund = adapter.refund(id, &order(&[]), part(1_250, true)).await.unwrap_err();
    assert_eq!(
        [cancel.kind, capture.kind, refund.kind],
        [ErrorKind::AlreadyDone, ErrorKind::StateConflict, ErrorKind::StateConflict]
    );
    assert_eq!([cancel.reason, capture.reason, refund.reason], [None, Some("canceled"), Some("canceled")]);
}
