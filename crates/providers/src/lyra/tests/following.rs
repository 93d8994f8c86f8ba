//! What a read or a notification tells of operations and of orders that can still be paid.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    UPDATED,
    scripted::{DEBIT, OURS, Scripted, credit, debit, moved, movement, notified, order_in, paid_with},
};
use crate::lyra::signature;
use guichet_port::{
    adapter::{Notification, RawNotification},
    domain::{Action, Fate, OperationKind, OperationStatus, OrderMemory, OrderStatus, WaitsFor},
};

const CREDIT: &str = "33333333333333333333333333333333";

#[tokio::test]
async fn a_refund_that_ends_unpaid_is_undone() {
    for (status, is_undone) in [
        ("CAPTURE_FAILED", true),
        ("REFUSED", true),
        ("ERROR", true),
        ("CANCELLED", true),
        ("EXPIRED", true),
        ("REFUND_TO_RETRY", false),
        ("UNDER_VERIFICATION", false),
        ("AUTHORISED", false),
        ("CAPTURED", false),
        ("DREAMING", false),
    ] {
        let list = [debit(DEBIT, "CAPTURED"), credit(CREDIT, 300, status)];
        let memory = moved(vec![movement(OperationKind::Refund, 300, Some(CREDIT))]);
        let order = paid_with(&list, memory).await;
        assert_eq!(order.news.iter().any(|news| news.fate == Fate::Undone), is_undone, "{status}");
        if is_undone {
            let news = &order.news[0];
            assert_eq!((news.operation.to_string().as_str(), order.news.len()), (OURS, 1));
            assert_eq!(news.provider_id.as_deref(), Some(CREDIT));
            assert_eq!(news.provider_status.as_deref(), Some(status));
            assert_eq!((order.status, order.amounts.refunded), (OrderStatus::Paid, Some(0)), "{status}");
        }
        // One that fits by its amount only is nobody's news, nor is one that is known as undone.
        let reversed = |id| {
            let mut one = movement(OperationKind::Refund, 300, id);
            one.is_reversed = id.is_some();
            moved(vec![one])
        };
        for memory in [reversed(None), reversed(Some(CREDIT))] {
            let order = paid_with(&list, memory).await;
            assert!(order.news.iter().all(|news| news.fate == Fate::Done), "{status}: {:?}", order.news);
        }
    }
}

#[tokio::test]
async fn a_capture_that_the_bank_rejects_later_is_undone() {
    for (status, is_undone, means) in [
        ("CAPTURE_FAILED", true, OrderStatus::Failed),
        ("REFUSED", true, OrderStatus::Declined),
        ("ERROR", true, OrderStatus::Failed),
        ("CAPTURED", false, OrderStatus::Paid),
        ("AUTHORISED", false, OrderStatus::Paid),
        // Released, which is another thing than rejected.
        ("CANCELLED", false, OrderStatus::Canceled),
    ] {
        let memory = moved(vec![movement(OperationKind::Capture, 20_000, Some(DEBIT))]);
        let order = paid_with(&[debit(DEBIT, status)], memory).await;
        assert_eq!((order.status, order.news.len()), (means, usize::from(is_undone)), "{status}");
        assert_eq!(order.amounts.captured, Some(if status == "CAPTURED" { 20_000 } else { 0 }), "{status}");
    }
}

#[tokio::test]
async fn an_operation_not_known_as_done_is_told_done_by_its_number() {
    for (status, is_done) in [("AUTHORISED", true), ("CAPTURED", true), ("UNDER_VERIFICATION", false)] {
        let mut ours = movement(OperationKind::Refund, 300, Some(CREDIT));
        ours.status = OperationStatus::NeedsReview;
        let list = [debit(DEBIT, "CAPTURED"), credit(CREDIT, 300, status)];
        let order = paid_with(&list, moved(vec![ours])).await;
        assert_eq!(order.news.iter().any(|news| news.fate == Fate::Done), is_done, "{status}");
    }
}

/// The sample order refused, whose page ends at this instant; the platform's date is 2026-11-20.
async fn refused(page_end: &str, memory: OrderMemory) -> guichet_port::domain::Order {
    let mut answer = order_in("REFUSED");
    answer["answer"]["expirationDate"] = json!(page_end);
    Scripted::new(vec![answer]).fetch(memory).await.unwrap()
}

#[tokio::test]
async fn a_refusal_is_final_only_when_the_platform_closed_it() {
    let (open, over) = ("2026-11-21T10:00:00+00:00", "2026-11-20T09:59:59+00:00");
    for (case, end, memory, is_final) in [
        ("nothing was heard", open, OrderMemory::default(), false),
        ("it was left open", open, notified(OrderStatus::Declined, false), false),
        ("it was closed", open, notified(OrderStatus::Declined, true), true),
        ("its page has ended", over, OrderMemory::default(), true),
        ("its page has ended, left open", over, notified(OrderStatus::Declined, false), true),
    ] {
        let order = refused(end, memory).await;
        assert_eq!((order.status, order.is_final), (OrderStatus::Declined, is_final), "{case}");
        let cancel = order.action(Action::Cancel).unwrap();
        assert_eq!((cancel.allowed, order.checkout.is_some()), (!is_final, !is_final), "{case}");
        assert_eq!(cancel.reason.as_deref(), is_final.then_some("declined"), "{case}");
        let waits_for = if is_final { WaitsFor::Nothing } else { WaitsFor::Payment };
        assert_eq!(order.waits_for, waits_for, "{case}");
    }
    // An order that is open is not closed by what was said of an earlier try.
    let running = Scripted::new(vec![order_in("RUNNING")]);
    let order = running.fetch(notified(OrderStatus::Declined, true)).await.unwrap();
    assert_eq!((order.is_final, order.waits_for), (false, WaitsFor::Payment));
    // The page of this sample ended long ago, and the platform says that it is open: its word counts.
    assert!(UPDATED.contains("2020-05-20"));
}

/// What a notification with this text says, signed by the account's password.
async fn said(text: &Value, source: Option<&str>) -> Notification {
    let text = text.to_string();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("kr-hash", &signature::sign("testpassword_x", &text));
    form.append_pair("kr-hash-algorithm", "sha256_hmac").append_pair("kr-hash-key", "password");
    form.append_pair("kr-answer-type", "V4/Payment").append_pair("kr-answer", &text);
    if let Some(source) = source {
        form.append_pair("kr-src", source);
    }
    let raw = RawNotification { content_type: None, body: Bytes::from(form.finish()) };
    Scripted::new(Vec::new()).adapter.verify_notification(&raw).unwrap()
}

fn message(cycle: &str, status: &str, list: &[Value]) -> Value {
    json!({
        "shopId": "69876357", "orderCycle": cycle, "orderStatus": status,
        "serverDate": "2026-11-20T10:00:00+00:00",
        "orderDetails": {"orderTotalAmount": 20_000, "orderEffectiveAmount": 20_000, "orderCurrency": "EUR",
                         "mode": "TEST", "orderId": "order-42"},
        "transactions": list,
    })
}

#[tokio::test]
async fn a_notification_says_whether_the_payer_may_try_again() {
    let refused = [debit(DEBIT, "REFUSED")];
    for (cycle, source, closes) in [
        ("OPEN", None, false),
        ("OPEN", Some("PAY"), false),
        ("OPEN", Some("MERCH_BO"), true),
        ("CLOSED", None, true),
        ("CLOSED", Some("PAY"), true),
        ("", None, false),
    ] {
        let read = said(&message(cycle, "UNPAID", &refused), source).await;
        assert_eq!((read.closes, read.status), (closes, Some(OrderStatus::Declined)), "{cycle} {source:?}");
    }
    // The payer left before there was a transaction.
    let left = said(&message("CLOSED", "ABANDONED", &[]), None).await;
    assert_eq!((left.closes, left.status), (true, Some(OrderStatus::Failed)));
}

#[tokio::test]
async fn a_notification_tells_the_status_of_the_order_not_of_its_last_transaction() {
    let captured = debit(DEBIT, "CAPTURED");
    for (case, list, status) in [
        (
            "a refund that was refused",
            vec![captured.clone(), credit(CREDIT, 300, "REFUSED")],
            Some(OrderStatus::Paid),
        ),
        (
            "a refund",
            vec![captured.clone(), credit(CREDIT, 300, "AUTHORISED")],
            Some(OrderStatus::PartiallyRefunded),
        ),
        (
            "all of it",
            vec![captured.clone(), credit(CREDIT, 20_000, "CAPTURED")],
            Some(OrderStatus::Refunded),
        ),
        ("a refund alone", vec![credit(CREDIT, 300, "REFUSED")], None),
        ("a try before", vec![captured, debit(CREDIT, "ERROR")], Some(OrderStatus::Paid)),
    ] {
        assert_eq!(said(&message("CLOSED", "PAID", &list), None).await.status, status, "{case}");
    }
}

#[tokio::test]
async fn a_duplicate_says_the_same_in_every_member_that_matters() {
    let mut payment = debit(DEBIT, "AUTHORISED");
    payment["status"] = json!("PAID");
    payment["transactionDetails"]["cardDetails"]["captureResponse"] =
        json!({"refundAmount": null, "captureDate": null});
    let list = [payment, credit(CREDIT, 300, "AUTHORISED")];
    let genuine = message("OPEN", "PAID", &list);
    let key = said(&genuine, None).await.dedup_key;
    let change = |pointer: &str, value: Value| super::scripted::but(genuine.clone(), &[(pointer, value)]);
    // A redelivery has a new date, and lists what there is in any order.
    let mut turned = change("/serverDate", json!("2026-11-21T10:00:00+00:00"));
    turned["transactions"].as_array_mut().unwrap().reverse();
    assert_eq!(said(&turned, None).await.dedup_key, key);
    let card = "/transactions/0/transactionDetails/cardDetails";
    let mut keys = vec![key];
    for (pointer, value) in [
        ("/orderCycle", json!("CLOSED")),
        ("/orderStatus", json!("UNPAID")),
        ("/orderDetails/orderTotalAmount", json!(19_000)),
        ("/orderDetails/orderEffectiveAmount", json!(19_000)),
        ("/orderDetails/orderCurrency", json!("USD")),
        ("/orderDetails/orderId", json!("order-43")),
        ("/transactions/0/uuid", json!("44444444444444444444444444444444")),
        ("/transactions/0/amount", json!(19_000)),
        ("/transactions/0/currency", json!("USD")),
        ("/transactions/0/status", json!("RUNNING")),
        ("/transactions/0/detailedStatus", json!("CAPTURED")),
        ("/transactions/0/operationType", json!("CREDIT")),
        (&format!("{card}/authorizationResponse/amount"), json!(19_000)),
        (&format!("{card}/captureResponse/refundAmount"), json!(300)),
        (&format!("{card}/captureResponse/captureDate"), json!("2026-11-20T22:00:00+00:00")),
        ("/transactions/1/amount", json!(200)),
        ("/transactions/1/detailedStatus", json!("CAPTURE_FAILED")),
    ] {
        keys.push(said(&change(pointer, value), None).await.dedup_key);
    }
    // From the back office it is another thing, because nothing can follow it.
    keys.push(said(&genuine, Some("MERCH_BO")).await.dedup_key);
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count, "a change is taken for a repetition");
}
