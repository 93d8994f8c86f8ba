//! Which payment stands behind an order, and what its amounts are.

use serde_json::{Value, json};

use super::scripted::{DEBIT, but, credit, debit, paid_with};
use guichet_port::domain::{Action, Amounts, OrderMemory, OrderStatus, WaitsFor};

const OTHER: &str = "11111111111111111111111111111111";
const THIRD: &str = "22222222222222222222222222222222";

fn told(requested: i64, authorized: i64, captured: i64, canceled: i64) -> Amounts {
    Amounts {
        authorized: Some(authorized),
        captured: Some(captured),
        canceled: Some(canceled),
        ..Amounts::unpaid(requested)
    }
}

fn at(transaction: Value, date: &str) -> Value {
    but(transaction, &[("/creationDate", json!(date))])
}

#[tokio::test]
async fn an_earlier_unsuccessful_try_does_not_spoil_a_paid_order() {
    for over in ["REFUSED", "ABANDONED", "ERROR", "EXPIRED", "CANCELLED", "CAPTURE_FAILED"] {
        for (status, captured) in [("AUTHORISED", 0), ("CAPTURED", 20_000)] {
            let tries = [debit(OTHER, over), debit(DEBIT, status), debit(THIRD, over)];
            let order = paid_with(&tries, OrderMemory::default()).await;
            assert_eq!(order.status, OrderStatus::Paid, "{over} {status}");
            assert_eq!(order.amounts, told(20_000, 20_000, captured, 0), "{over} {status}");
            assert_eq!(order.provider_data["transactionUuid"], DEBIT, "{over} {status}");
        }
        // Two that are good: nobody can tell which is this order's.
        let two = [debit(OTHER, over), debit(DEBIT, "AUTHORISED"), debit(THIRD, "CAPTURED")];
        let order = paid_with(&two, OrderMemory::default()).await;
        assert_eq!(order.amounts, Amounts::untold(20_000), "{over}");
        let reason = order.action(Action::Refund).unwrap().reason.clone();
        assert_eq!(reason.as_deref(), Some("ambiguous_payments"), "{over}");
    }
}

#[tokio::test]
async fn where_no_try_succeeded_the_latest_decides() {
    let early = |status| at(debit(OTHER, status), "2026-11-19T09:00:00+00:00");
    let late = |status| at(debit(DEBIT, status), "2026-11-19T11:00:00+00:00");
    for (first, last, status) in [
        ("ERROR", "REFUSED", OrderStatus::Declined),
        ("REFUSED", "ERROR", OrderStatus::Failed),
        ("ERROR", "CANCELLED", OrderStatus::Canceled),
        ("CANCELLED", "EXPIRED", OrderStatus::Expired),
        ("REFUSED", "CAPTURE_FAILED", OrderStatus::Failed),
        ("EXPIRED", "ABANDONED", OrderStatus::Failed),
    ] {
        for list in [[early(first), late(last)], [late(last), early(first)]] {
            let order = paid_with(&list, OrderMemory::default()).await;
            assert_eq!((order.status, &order.provider_data["transactionUuid"]), (status, &json!(DEBIT)));
        }
        // The payer's clock and ours do not matter, an instant in another spelling is the same instant.
        let other_zone = at(debit(OTHER, first), "2026-11-19T12:30:00+02:00");
        let order = paid_with(&[late(last), other_zone], OrderMemory::default()).await;
        assert_eq!(order.status, status, "{first} {last}");
    }
    // At the same second, and different: nobody can tell.
    let order =
        paid_with(&[debit(OTHER, "REFUSED"), debit(DEBIT, "CANCELLED")], OrderMemory::default()).await;
    assert_eq!((order.status, order.amounts), (OrderStatus::Paid, Amounts::untold(20_000)));
    // Those of another order do not decide either.
    let dear = but(debit(OTHER, "REFUSED"), &[("/amount", json!(20_001))]);
    let order = paid_with(&[late("CANCELLED"), dear], OrderMemory::default()).await;
    assert_eq!(order.status, OrderStatus::Canceled);
}

#[tokio::test]
async fn authorized_is_what_the_provider_authorized() {
    let authorized = "/transactionDetails/cardDetails/authorizationResponse";
    let of = |status: &str, amount: i64, told: Value| {
        but(debit(DEBIT, status), &[("/amount", json!(amount)), (authorized, told)])
    };
    let response = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    let none = |captured: Option<i64>| Amounts {
        authorized: None,
        captured,
        canceled: None,
        ..Amounts::unpaid(20_000)
    };
    for (case, transaction, amounts) in [
        // The order was raised from 120.00 to 200.00 after this payment was made.
        ("raised", of("AUTHORISED", 12_000, response(12_000)), told(20_000, 12_000, 0, 0)),
        ("raised, captured", of("CAPTURED", 12_000, response(12_000)), told(20_000, 12_000, 12_000, 0)),
        ("a part was released", of("AUTHORISED", 14_000, response(20_000)), told(20_000, 20_000, 0, 6_000)),
        ("the rest captured", of("CAPTURED", 14_000, response(20_000)), told(20_000, 20_000, 14_000, 6_000)),
        ("all was released", of("CANCELLED", 14_000, response(20_000)), told(20_000, 20_000, 0, 20_000)),
        ("raised and released", of("CANCELLED", 12_000, response(12_000)), told(20_000, 12_000, 0, 12_000)),
        ("not validated", of("EXPIRED", 12_000, response(12_000)), told(20_000, 12_000, 0, 0)),
        (
            "to be validated",
            of("AUTHORISED_TO_VALIDATE", 12_000, response(12_000)),
            told(20_000, 12_000, 0, 0),
        ),
        ("failed later", of("CAPTURE_FAILED", 14_000, response(20_000)), told(20_000, 20_000, 0, 6_000)),
        // Nothing is authorized yet, whatever was asked of the bank before.
        ("later", of("WAITING_AUTHORISATION", 12_000, response(100)), told(20_000, 0, 0, 0)),
        ("refused", of("REFUSED", 12_000, response(12_000)), told(20_000, 0, 0, 0)),
        ("not told", of("AUTHORISED", 12_000, Value::Null), none(Some(0))),
        ("captured, not told", of("CAPTURED", 12_000, Value::Null), none(Some(12_000))),
        (
            "another currency",
            of("AUTHORISED", 12_000, json!({"amount": 9, "currency": "USD"})),
            none(Some(0)),
        ),
        ("no number", of("AUTHORISED", 12_000, json!({"amount": {}, "currency": "EUR"})), none(Some(0))),
    ] {
        let order = paid_with(&[transaction], OrderMemory::default()).await;
        assert_eq!(order.amounts, amounts, "{case}");
    }
    // A transfer tells its details under another name.
    let mut transfer = of("CAPTURED", 20_000, Value::Null);
    transfer["transactionDetails"] =
        json!({"paymentMethodDetails": {"authorizationResponse": response(20_000)}});
    let order = paid_with(&[transfer], OrderMemory::default()).await;
    assert_eq!(order.amounts, told(20_000, 20_000, 20_000, 0));
}

#[tokio::test]
async fn a_refund_counts_as_what_its_own_state_says() {
    for (status, refunded, waits) in [
        ("AUTHORISED", 300, 0),
        ("CAPTURED", 300, 0),
        ("CAPTURE_PENDING", 300, 0),
        ("UNDER_VERIFICATION", 0, 300),
        ("REFUND_TO_RETRY", 0, 300),
        ("AUTHORISED_TO_VALIDATE", 0, 300),
        ("INITIAL", 0, 300),
        ("PENDING", 0, 300),
        ("DREAMING", 0, 300),
        ("REFUSED", 0, 0),
        ("ERROR", 0, 0),
        ("CANCELLED", 0, 0),
        ("EXPIRED", 0, 0),
        ("CAPTURE_FAILED", 0, 0),
        ("ABANDONED", 0, 0),
    ] {
        // Whatever the payment itself still says was given back: the credits are those.
        for counted in [Value::Null, json!(300)] {
            let mut payment = debit(DEBIT, "CAPTURED");
            payment["transactionDetails"]["cardDetails"]["captureResponse"] =
                json!({"refundAmount": counted});
            let list = [payment, credit(OTHER, 300, status)];
            let order = paid_with(&list, OrderMemory::default()).await;
            let amounts = (order.amounts.refunded, order.amounts.refund_pending);
            assert_eq!(amounts, (Some(refunded), Some(waits)), "{status} {counted}");
            let is_back = if refunded > 0 { OrderStatus::PartiallyRefunded } else { OrderStatus::Paid };
            assert_eq!(order.status, is_back, "{status}");
            // What waits is reserved.
            assert_eq!(
                order.action(Action::Refund).unwrap().max,
                Some(20_000 - refunded - waits),
                "{status}"
            );
        }
    }
    // What the payment says was given back beyond the listed credits counts as well.
    let mut payment = debit(DEBIT, "CAPTURED");
    payment["transactionDetails"]["cardDetails"]["captureResponse"] = json!({"refundAmount": 500});
    let order = paid_with(&[payment, credit(OTHER, 300, "CAPTURED")], OrderMemory::default()).await;
    assert_eq!(order.amounts.refunded, Some(500));
    let all = [debit(DEBIT, "CAPTURED"), credit(OTHER, 20_000, "UNDER_VERIFICATION")];
    let order = paid_with(&all, OrderMemory::default()).await;
    assert_eq!(order.status, OrderStatus::Paid);
    assert_eq!(order.action(Action::Refund).unwrap().reason.as_deref(), Some("refund_pending"));
}

#[tokio::test]
async fn a_credit_without_a_parent_is_of_the_only_payment_with_money() {
    let orphan = but(credit(THIRD, 300, "CAPTURED"), &[("/transactionDetails", Value::Null)]);
    for over in ["REFUSED", "ERROR", "EXPIRED", "CANCELLED", "CAPTURE_FAILED"] {
        let list = [debit(OTHER, over), debit(DEBIT, "CAPTURED"), orphan.clone()];
        let order = paid_with(&list, OrderMemory::default()).await;
        assert_eq!(order.amounts.refunded, Some(300), "{over}");
    }
    // Another payment that fits no amount of this order may be what it gives back.
    let dear = but(debit(OTHER, "CAPTURED"), &[("/amount", json!(20_001))]);
    let order = paid_with(&[dear, debit(DEBIT, "CAPTURED"), orphan], OrderMemory::default()).await;
    assert_eq!(order.amounts, Amounts::untold(20_000));
}

#[tokio::test]
async fn words_of_real_messages_are_known() {
    for (word, status, waits_for) in [
        ("CAPTURE_PENDING", OrderStatus::Paid, WaitsFor::Remittance),
        ("PENDING", OrderStatus::Processing, WaitsFor::Decision),
        ("NOT_CREATED", OrderStatus::Unknown, WaitsFor::Decision),
    ] {
        let order = paid_with(&[debit(DEBIT, word)], OrderMemory::default()).await;
        assert_eq!((order.status, order.waits_for, order.is_final), (status, waits_for, false), "{word}");
    }
}

#[tokio::test]
async fn an_order_waits_for_what_may_still_become_of_its_money() {
    let list = |status: &str, credit_status: Option<&str>, amount: i64| {
        let mut list = vec![debit(DEBIT, status)];
        list.extend(credit_status.map(|status| credit(OTHER, amount, status)));
        list
    };
    for (status, credit_status, amount, waits_for, is_final) in [
        ("AUTHORISED", None, 0, WaitsFor::Remittance, false),
        ("CAPTURED", None, 0, WaitsFor::Settlement, false),
        ("CAPTURED", Some("AUTHORISED"), 300, WaitsFor::Remittance, false),
        ("CAPTURED", Some("AUTHORISED"), 20_000, WaitsFor::Remittance, false),
        ("CAPTURED", Some("CAPTURED"), 20_000, WaitsFor::Settlement, false),
        ("CAPTURED", Some("UNDER_VERIFICATION"), 300, WaitsFor::Decision, false),
        ("CAPTURED", Some("REFUND_TO_RETRY"), 300, WaitsFor::Decision, false),
        ("CAPTURED", Some("CAPTURE_FAILED"), 300, WaitsFor::Settlement, false),
        ("AUTHORISED_TO_VALIDATE", None, 0, WaitsFor::Decision, false),
        ("WAITING_AUTHORISATION", None, 0, WaitsFor::Decision, false),
        ("UNDER_VERIFICATION", None, 0, WaitsFor::Decision, false),
        ("CAPTURE_FAILED", None, 0, WaitsFor::Settlement, false),
        ("CANCELLED", None, 0, WaitsFor::Nothing, true),
        ("EXPIRED", None, 0, WaitsFor::Nothing, true),
    ] {
        let order = paid_with(&list(status, credit_status, amount), OrderMemory::default()).await;
        let is = (order.waits_for, order.is_final);
        assert_eq!(is, (waits_for, is_final), "{status} {credit_status:?} {amount}");
    }
    // 16 days after the last movement, by the platform's own dates.
    let old = |transaction| at(transaction, "2026-11-04T09:00:00+00:00");
    let refunded = [old(debit(DEBIT, "CAPTURED")), old(credit(OTHER, 20_000, "CAPTURED"))];
    let order = paid_with(&refunded, OrderMemory::default()).await;
    assert_eq!((order.waits_for, order.is_final), (WaitsFor::Nothing, true));
    // A payment is taken up to a year after it was made: only the date of its remittance says that it is settled.
    let mut taken = old(debit(DEBIT, "CAPTURED"));
    for (date, waits_for) in [
        (json!("2026-11-04T22:00:00+00:00"), WaitsFor::Nothing),
        (json!("2026-11-19T22:00:00+00:00"), WaitsFor::Settlement),
        (Value::Null, WaitsFor::Settlement),
    ] {
        taken["transactionDetails"]["cardDetails"]["captureResponse"] = json!({"captureDate": date});
        let order = paid_with(std::slice::from_ref(&taken), OrderMemory::default()).await;
        assert_eq!((order.waits_for, order.is_final), (waits_for, false), "{date}");
    }
    let order = paid_with(&[], OrderMemory::default()).await;
    assert_eq!((order.waits_for, order.is_final), (WaitsFor::Remittance, false));
}
