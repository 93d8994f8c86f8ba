//! What was authorized, what waits, what came to nothing, and what a transaction waits for.

use super::*;
use crate::sips::error::{self, Called};
use guichet_port::{
    adapter::ErrorKind,
    domain::{Creation, Fate, OperationNews, WaitsFor},
};

/// A day after the sample's last operation.
const NEXT_DAY: &str = "2026-01-15T09:31:07Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn told(word: &str, current: i64, last: &str) -> Value {
    sample(&json!({"transactionStatus": word, "currentAmount": current, "lastOperationName": last}))
}

fn with(moves: &[(OperationKind, i64, OperationStatus)], copy: Option<Order>) -> OrderMemory {
    let mut memory = moved(&moves.iter().map(|(kind, amount, _)| (*kind, *amount)).collect::<Vec<_>>());
    for (movement, (_, _, status)) in memory.movements.iter_mut().zip(moves) {
        movement.status = *status;
    }
    OrderMemory { copy, ..memory }
}

#[test]
fn every_status_says_what_it_waits_for() {
    use WaitsFor::{Decision, Nothing, Remittance, Settlement};
    for (word, waits_for, has_deadline) in [
        ("TO_AUTHORIZE", Decision, true),
        ("WAITING_AUTHOR", Decision, true),
        ("TO_CONFIRM_AUTHOR", Decision, true),
        ("PENDING", Decision, true),
        ("TO_CHALLENGE", Decision, true),
        ("TO_VALIDATE", Decision, true),
        ("TO_REPLAY", Decision, true),
        ("TO_CAPTURE", Remittance, false),
        ("TO_CONFIRM_CAPTURE", Remittance, false),
        ("CAPTURED", Settlement, false),
        ("CAPTURE_REFUSED", Nothing, false),
        ("TO_CREDIT", Remittance, false),
        ("TO_CONFIRM_CREDIT", Decision, false),
        ("CREDITED", Settlement, false),
        ("CANCELLED", Nothing, false),
        ("EXPIRED", Nothing, false),
        ("REFUSED", Nothing, false),
        ("ABORTED", Nothing, false),
        ("ENDED", Nothing, false),
        ("PREPROD", Nothing, false),
        ("UNDEFINED", Decision, false),
        ("TO_DREAM", Decision, false),
    ] {
        let mut data = told(word, 1000, "AUTHOR");
        data["captureLimitDate"] = json!("20260120");
        let order = mapped_at(&data, &OrderMemory::default(), at(NEXT_DAY)).unwrap();
        let deadline = has_deadline.then(|| at("2026-01-20T23:00:00Z"));
        assert_eq!((order.waits_for, order.deadline_at), (waits_for, deadline), "{word}");
        assert_eq!(order.is_final, waits_for == Nothing, "{word}");
    }
}

/// The bank may reject a credit for some days; then it is over.
#[test]
fn all_that_is_credited_is_final_after_some_days() {
    let data = told("CREDITED", 0, "CREDIT_CAPTURE");
    for (now, is_final) in [
        (NEXT_DAY, false),
        ("2026-01-29T09:31:06Z", false),
        ("2026-01-29T09:31:07Z", true),
        ("2027-01-29T09:31:07Z", true),
    ] {
        let order = mapped_at(&data, &OrderMemory::default(), at(now)).unwrap();
        assert_eq!((order.status, order.is_final), (OrderStatus::Refunded, is_final), "{now}");
        assert_eq!(order.waits_for == WaitsFor::Nothing, is_final, "{now}");
    }
    // Where no time is told, the platform's own word counts.
    let mut silent = data;
    silent["lastOperationDateTime"] = Value::Null;
    silent["transactionDateTime"] = Value::Null;
    assert!(read_order(&silent).is_final);
}

/// Paid and to be captured by hand: the platform says until when, else our own delay does.
#[test]
fn what_must_be_validated_has_an_end() {
    let options = |days: Option<i64>| {
        let options = days.map(|days| members(&json!({"capture_day": days}))).unwrap_or_default();
        let order = NewOrder { capture: CaptureMode::Manual, provider_options: options, ..new_order() };
        let planned = PlannedOrder {
            order: NewOrder { amount: money(1000, "EUR"), ..order },
            ..planned(new_order(), OperationId::generate())
        };
        let creation = Creation { operation: OperationId::generate(), at: at(NEXT_DAY), planned };
        OrderMemory { creation: Some(creation), ..OrderMemory::default() }
    };
    for (limit, days, end) in [
        (json!("20260120"), Some(6), Some("2026-01-20T23:00:00Z")),
        (json!(20260120), None, Some("2026-01-20T23:00:00Z")),
        (Value::Null, Some(6), Some("2026-01-20T23:00:00Z")),
        (Value::Null, Some(0), Some("2026-01-14T23:00:00Z")),
        (json!("soon"), Some(6), Some("2026-01-20T23:00:00Z")),
        (Value::Null, None, None),
    ] {
        let mut data = told("TO_VALIDATE", 1000, "AUTHOR");
        data["captureLimitDate"] = limit.clone();
        let order = mapped(&data, &options(days)).unwrap();
        assert_eq!((order.status, order.waits_for), (OrderStatus::Authorized, WaitsFor::Decision));
        assert_eq!(order.deadline_at, end.map(at), "{limit} {days:?}");
    }
}

#[test]
fn authorized_is_what_the_platform_authorized() {
    for (word, authorisation, authorized) in [
        ("TO_AUTHORIZE", None, Some(0)),
        ("TO_VALIDATE", Some("1"), Some(1000)),
        // Authorized anew when it is validated.
        ("TO_REPLAY", Some("1"), None),
        ("TO_CAPTURE", None, Some(1000)),
        ("CAPTURED", None, Some(1000)),
        ("CAPTURE_REFUSED", None, Some(1000)),
        // Over before or after its authorization: the bank's number tells.
        ("CANCELLED", Some("1"), Some(1000)),
        ("CANCELLED", Some(""), None),
        ("CANCELLED", None, None),
        ("EXPIRED", Some("1"), Some(1000)),
        ("EXPIRED", None, None),
        ("REFUSED", None, Some(0)),
    ] {
        let mut data = told(word, 1000, "AUTHOR");
        data["authorisationId"] = json!(authorisation);
        let order = read_order(&data);
        assert_eq!(order.amounts.authorized, authorized, "{word} {authorisation:?}");
    }
}

/// What waits for a confirmation is in `refund_pending` and changes no status; what will be done is in `refunded`.
#[test]
fn a_refund_waits_or_is_given_back_and_never_both() {
    use OperationKind::{Cancel, Refund};
    use OperationStatus::{Accepted, Succeeded};
    use OrderStatus::{Paid, PartiallyRefunded, Refunded};
    let copied = |word: &str, current: i64, last: &str| Some(read_order(&told(word, current, last)));
    for (word, current, moves, copy, status, refunded, pending) in [
        // 60 and 62: taken, and the platform shows nothing of it.
        ("CAPTURED", 1000, vec![(Refund, 300, Accepted)], None, Paid, Some(0), Some(300)),
        (
            "CAPTURED",
            800,
            vec![(Refund, 200, Succeeded), (Refund, 300, Accepted)],
            None,
            PartiallyRefunded,
            Some(200),
            Some(300),
        ),
        // On its way: given back, though the operation may still be accepted here.
        ("TO_CREDIT", 700, vec![(Refund, 300, Accepted)], None, PartiallyRefunded, Some(300), Some(0)),
        ("TO_CREDIT", 0, vec![(Refund, 1000, Accepted)], None, Refunded, Some(1000), Some(0)),
        (
            "TO_CREDIT",
            500,
            vec![(Refund, 200, Succeeded), (Refund, 300, Accepted)],
            None,
            PartiallyRefunded,
            Some(500),
            Some(0),
        ),
        // Not confirmed: the amount lowered, or not yet.
        ("TO_CONFIRM_CREDIT", 700, vec![(Refund, 300, Accepted)], None, Paid, Some(0), Some(300)),
        ("TO_CONFIRM_CREDIT", 1000, vec![(Refund, 300, Accepted)], None, Paid, Some(0), Some(300)),
        ("TO_CONFIRM_CREDIT", 0, vec![(Refund, 1000, Accepted)], None, Paid, Some(0), Some(1000)),
        (
            "TO_CONFIRM_CREDIT",
            500,
            vec![(Refund, 200, Succeeded), (Refund, 300, Accepted)],
            None,
            PartiallyRefunded,
            Some(200),
            Some(300),
        ),
        (
            "TO_CONFIRM_CREDIT",
            800,
            vec![(Refund, 200, Succeeded), (Refund, 300, Accepted)],
            None,
            PartiallyRefunded,
            Some(200),
            Some(300),
        ),
        (
            "TO_CONFIRM_CREDIT",
            400,
            vec![(Cancel, 300, Succeeded), (Refund, 300, Accepted)],
            None,
            Paid,
            Some(0),
            Some(300),
        ),
        // Somebody else's: a copy tells by how much the amount fell.
        (
            "TO_CONFIRM_CREDIT",
            700,
            vec![],
            copied("CAPTURED", 1000, "DEBIT_CAPTURE"),
            Paid,
            Some(0),
            Some(300),
        ),
        ("TO_CONFIRM_CREDIT", 700, vec![], None, Paid, None, None),
    ] {
        let memory = with(&moves, copy);
        let order = mapped(&told(word, current, "CREDIT"), &memory).unwrap();
        let amounts = (order.amounts.refunded, order.amounts.refund_pending);
        assert_eq!((order.status, amounts), (status, (refunded, pending)), "{word} {current} {moves:?}");
        assert!(!order.is_final);
        let waits = matches!(pending, Some(1..)) || word == "TO_CONFIRM_CREDIT";
        assert_eq!(order.waits_for == WaitsFor::Decision, waits, "{word} {current} {moves:?}");
    }
    let all = with(&[(Refund, 1000, Accepted)], None);
    let order = mapped(&told("CAPTURED", 1000, "DEBIT_CAPTURE"), &all).unwrap();
    let offered = order.action(Action::Refund).unwrap();
    assert_eq!((offered.allowed, offered.reason.as_deref()), (false, Some("refund_pending")));
}

fn undone(order: &Order, memory: &OrderMemory) -> Option<usize> {
    let place = |news: &OperationNews| {
        assert_eq!(
            (news.fate, news.provider_status.as_deref()),
            (Fate::Undone, Some(order.provider_status.code.as_str()))
        );
        memory.movements.iter().position(|movement| movement.operation == news.operation).unwrap()
    };
    assert!(order.news.len() <= 1, "{:?}", order.news);
    order.news.first().map(place)
}

/// A transaction has one capture: where its money was not taken in the end, ours came to nothing.
#[test]
fn a_capture_that_the_bank_rejects_is_undone() {
    use OperationKind::{Cancel, Capture};
    use OperationStatus::{Accepted, Succeeded, Unknown};
    for (word, moves, expected) in [
        ("CAPTURE_REFUSED", vec![(Capture, 1000, Succeeded)], Some(0)),
        ("CAPTURE_REFUSED", vec![(Cancel, 300, Succeeded), (Capture, 700, Succeeded)], Some(1)),
        // The new authorization that a validation asked for.
        ("REFUSED", vec![(Capture, 1000, Succeeded)], Some(0)),
        ("EXPIRED", vec![(Capture, 1000, Succeeded)], Some(0)),
        ("CAPTURE_REFUSED", vec![], None),
        ("CAPTURE_REFUSED", vec![(Cancel, 300, Succeeded)], None),
        // Its own reads settle what is not known yet.
        ("CAPTURE_REFUSED", vec![(Capture, 1000, Unknown)], None),
        ("CAPTURE_REFUSED", vec![(Capture, 1000, Accepted)], None),
        ("TO_CAPTURE", vec![(Capture, 1000, Succeeded)], None),
        ("CAPTURED", vec![(Capture, 1000, Succeeded)], None),
        // Released by somebody after the capture was asked for, which is no failure of it.
        ("CANCELLED", vec![(Capture, 1000, Succeeded)], None),
        ("UNDEFINED", vec![(Capture, 1000, Succeeded)], None),
    ] {
        let memory = with(&moves, None);
        let order = mapped(&told(word, 1000, "CAPTURE"), &memory).unwrap();
        assert_eq!(undone(&order, &memory), expected, "{word} {moves:?}");
    }
    let mut memory = with(&[(Capture, 1000, Succeeded)], None);
    memory.movements[0].is_reversed = true;
    let order = mapped(&told("CAPTURE_REFUSED", 1000, "CAPTURE"), &memory).unwrap();
    assert_eq!(
        (order.status, order.is_final, order.news),
        (OrderStatus::Failed, true, Vec::new()),
        "told once"
    );
}

/// Amounts of the order go back in any case; the operation is named only where it is the only one that it can be.
#[test]
fn a_refund_that_the_bank_rejects_is_undone_where_it_is_the_only_one() {
    use OperationKind::{Cancel, Refund};
    use OperationStatus::{Accepted, Succeeded, Unknown};
    let ours = vec![(Refund, 300, Succeeded)];
    for (was, moves, current, expected, status, refunded) in [
        (("TO_CREDIT", 700), ours.clone(), 1000, Some(0), OrderStatus::Paid, Some(0)),
        (("CAPTURED", 700), ours.clone(), 1000, Some(0), OrderStatus::Paid, Some(0)),
        (("CREDITED", 0), vec![(Refund, 1000, Succeeded)], 1000, Some(0), OrderStatus::Paid, Some(0)),
        (
            ("TO_CREDIT", 400),
            vec![(Cancel, 300, Succeeded), (Refund, 300, Succeeded)],
            700,
            Some(1),
            OrderStatus::Paid,
            Some(0),
        ),
        // Not what was given back, or not all of it.
        (("TO_CREDIT", 700), ours.clone(), 900, None, OrderStatus::PartiallyRefunded, Some(100)),
        (("TO_CREDIT", 1000), ours.clone(), 1000, None, OrderStatus::Paid, Some(0)),
        (("TO_CREDIT", 700), ours.clone(), 700, None, OrderStatus::PartiallyRefunded, Some(300)),
        // Two of them, or another one that nobody knows the end of: which one, nobody tells.
        (
            ("TO_CREDIT", 400),
            vec![(Refund, 300, Succeeded); 2],
            700,
            None,
            OrderStatus::PartiallyRefunded,
            Some(300),
        ),
        (
            ("TO_CREDIT", 700),
            vec![(Refund, 300, Succeeded), (Refund, 300, Unknown)],
            1000,
            None,
            OrderStatus::Paid,
            Some(0),
        ),
        (("TO_CREDIT", 700), vec![(Refund, 300, Accepted)], 1000, None, OrderStatus::Paid, Some(0)),
        // Somebody else's.
        (("TO_CREDIT", 700), vec![], 1000, None, OrderStatus::Paid, Some(0)),
        (("TO_CREDIT", 400), ours, 700, None, OrderStatus::PartiallyRefunded, Some(300)),
    ] {
        let name = format!("{was:?} {moves:?} {current}");
        let before = mapped(&told(was.0, was.1, "CREDIT"), &with(&moves, None)).unwrap();
        let memory = with(&moves, Some(before));
        let order = mapped(&told("CAPTURED", current, "CREDIT_CAPTURE"), &memory).unwrap();
        assert_eq!(undone(&order, &memory), expected, "{name}");
        assert_eq!((order.status, order.amounts.refunded), (status, refunded), "{name}");
    }
    // Without a copy nobody knows what it was before.
    let memory = with(&[(Refund, 300, Succeeded)], None);
    assert_eq!(mapped(&told("CAPTURED", 1000, "CREDIT"), &memory).unwrap().news, []);
}

/// 57 says charged back whatever the state; no code but 24 may mean that another operation is running.
#[test]
fn a_reason_is_told_where_the_code_alone_tells_it() {
    for row in error::RESPONSE_CODES {
        let error = error::from_codes("test", Called::Cash, row.code, None, None);
        let reason = error.as_ref().and_then(|error| error.reason);
        assert_eq!(reason, (row.code == "57").then_some("charged_back"), "{}", row.code);
        let conflict = error.is_some_and(|error| error.kind == ErrorKind::StateConflict);
        assert_eq!(conflict, matches!(row.code, "24" | "57"), "{}", row.code);
        let read = error::from_codes("test", Called::Read, row.code, None, None);
        assert_eq!(read.and_then(|error| error.reason), None, "{}", row.code);
    }
}

/// The caller's own address never reaches the platform, so it may have a query.
#[test]
fn a_return_address_with_a_query_is_planned() {
    let order =
        NewOrder { return_url: Some("https://shop.example/back?cart=42&x=y".to_owned()), ..new_order() };
    let plan = planned(order, OperationId::generate());
    let (settings, account, context) = (settings(&[]), shop_name(), context());
    let back = page::Back { account: &account, context: &context };
    let request = page::request(&settings, back, OperationId::generate(), &plan).unwrap();
    assert!(!request.normal_return_url.contains('?'), "{}", request.normal_return_url);
}

/// The simulation shop whose references the platform makes takes a given one as well.
#[test]
fn a_shop_of_the_platforms_references_may_be_given_them() {
    let merchant = [("merchant_id", "002001000000002"), ("secret_key", "002001000000002_KEY1")];
    let settings = settings(&merchant);
    assert_eq!(page::cannot_create(&settings), None);
    let plan = page::plan(&settings, new_order(), OperationId::generate(), Timestamp::now()).unwrap();
    assert!(plan.reference.is_some());
}
