//! Payments as read, with what is remembered of them.

use super::*;
use guichet_port::domain::{Action, Amounts, AvailableAction, Checkout, OrderStatus, WaitsFor};

const LATER: &str = "2023-11-14T22:23:20Z";

fn action(order: &Order, action: Action) -> &AvailableAction {
    order.action(action).unwrap()
}

#[test]
fn the_published_samples_are_read() {
    let order = order(&[]);
    assert_eq!(order.id.to_string(), format!("shop_{TRADE}"));
    assert_eq!((order.amount, order.currency.code()), (1_250, "EUR"));
    assert_eq!(order.merchant_reference.as_deref(), Some("ORD-0001"));
    assert_eq!((order.status, order.is_final), (OrderStatus::Paid, false));
    assert_eq!(order.provider_status.code, "paid");
    assert_eq!(order.created_at, Some(at(BIRTH)));
    assert_eq!(order.expires_at, Some(at("2023-11-14T22:43:20Z")));
    assert_eq!(order.provider_data["yb_transaction_id"], "77");
    let shown = serde_json::to_string(&order).unwrap();
    assert!(!shown.contains("desk") && !shown.contains("900001"), "{shown}");
}

#[test]
fn the_published_cancellation_is_read() {
    let payment: wire::Payment = serde_json::from_value(sample(CANCELED, &[])["data"].clone()).unwrap();
    let account = "shop".parse().unwrap();
    let context = mapping::Context { account: &account, mode: Mode::Live, as_of: at(LATER) };
    let order = mapping::order(&context, payment, &OrderMemory::default()).unwrap();
    assert_eq!(order.id.to_string(), "shop_4a49ffb3-a30f-ba92-9422-1969afb6f121");
    assert_eq!((order.amount, order.status, order.is_final), (10, OrderStatus::Canceled, true));
    assert_eq!(order.created_at, Some(at("2024-02-01T07:06:52Z")));
    // Its transaction_id is empty: it never was paid.
    assert_eq!(order.amounts, Amounts { canceled: Some(10), ..Amounts::unpaid(10) });
}

#[test]
fn every_state_tells_its_money_and_what_may_be_done() {
    let unpaid = Amounts::unpaid(1_250);
    let untold = |amounts: Amounts| Amounts { authorized: None, captured: None, ..amounts };
    let paid = Amounts { authorized: Some(1_250), captured: Some(1_250), ..unpaid };
    for (state, status, amounts, cancel, capture, refund) in [
        ("pending", OrderStatus::Pending, unpaid, "", "not_authorized", "not_paid"),
        ("processing", OrderStatus::Pending, unpaid, "", "not_authorized", "not_paid"),
        ("New", OrderStatus::Pending, unpaid, "", "not_authorized", "not_paid"),
        ("verify", OrderStatus::InReview, untold(unpaid), "", "not_authorized", "not_paid"),
        (
            "authorized",
            OrderStatus::Authorized,
            Amounts { authorized: Some(1_250), ..unpaid },
            "",
            "",
            "not_paid",
        ),
        ("Paid", OrderStatus::Paid, paid, "", "already_captured", ""),
        ("completed", OrderStatus::Paid, paid, "", "already_captured", ""),
        (
            "refunded",
            OrderStatus::Refunded,
            Amounts { refunded: Some(1_250), ..paid },
            "already_refunded",
            "already_refunded",
            "already_refunded",
        ),
        (
            "canceled",
            OrderStatus::Canceled,
            Amounts { canceled: Some(1_250), ..untold(unpaid) },
            "already_canceled",
            "already_canceled",
            "not_paid",
        ),
        (
            "expired",
            OrderStatus::Expired,
            Amounts { authorized: None, ..unpaid },
            "expired",
            "expired",
            "not_paid",
        ),
        (
            "declined",
            OrderStatus::Declined,
            Amounts { authorized: None, ..unpaid },
            "declined",
            "declined",
            "not_paid",
        ),
        (
            "failed",
            OrderStatus::Failed,
            Amounts { authorized: None, ..unpaid },
            "failed",
            "failed",
            "not_paid",
        ),
        (
            "sleeping",
            OrderStatus::Unknown,
            Amounts::untold(1_250),
            "unknown_status",
            "unknown_status",
            "unknown_status",
        ),
    ] {
        let order = order(&[("state", json!(state))]);
        assert_eq!((order.status, order.amounts), (status, amounts), "{state}");
        for (which, reason) in [
            (Action::Update, "unsupported"),
            (Action::Cancel, cancel),
            (Action::Capture, capture),
            (Action::Refund, refund),
        ] {
            let offered = action(&order, which);
            assert_eq!(offered.reason.as_deref().unwrap_or_default(), reason, "{state} {which:?}");
            assert_eq!(offered.allowed, reason.is_empty(), "{state} {which:?}");
        }
        let cancel = action(&order, Action::Cancel);
        if cancel.allowed {
            assert_eq!((cancel.partial, cancel.max), (Some(false), Some(1_250)), "{state}");
            assert_eq!(cancel.until, Some(at("2023-11-14T23:30:00Z")), "{state}");
        }
    }
}

#[test]
fn the_windows_close() {
    let nothing = OrderMemory::default();
    for (as_of, cancel, refund) in [
        ("2023-11-14T23:29:59.999Z", None, None),
        ("2023-11-14T23:30:00Z", Some("window_closed"), None),
        ("2024-11-14T22:13:19Z", Some("window_closed"), None),
        ("2024-11-14T22:13:20Z", Some("window_closed"), Some("window_closed")),
    ] {
        let order = mapped(&[], &nothing, as_of).unwrap();
        assert_eq!(action(&order, Action::Cancel).reason.as_deref(), cancel, "{as_of}");
        assert_eq!(action(&order, Action::Refund).reason.as_deref(), refund, "{as_of}");
        assert_eq!(action(&order, Action::Cancel).until, Some(at("2023-11-14T23:30:00Z")), "{as_of}");
        // What is left is told all the same: the window is not enforced here.
        assert_eq!(action(&order, Action::Cancel).partial, Some(false), "{as_of}");
        assert_eq!(action(&order, Action::Refund).max, Some(1_250), "{as_of}");
    }
    let undated = mapped(&[("created_at", Value::Null)], &nothing, LATER).unwrap();
    assert_eq!(action(&undated, Action::Cancel).until, None);
    assert!(action(&undated, Action::Cancel).allowed);
    let memory = OrderMemory { creation: Some(creation(new_order())), ..nothing };
    let remembered = mapped(&[("created_at", Value::Null)], &memory, LATER).unwrap();
    assert_eq!(action(&remembered, Action::Cancel).until, Some(at("2023-11-14T23:30:00Z")));
}

#[test]
fn refunds_are_those_remembered() {
    use OperationStatus::{Accepted, NeedsReview, Succeeded, Unknown};
    use OrderStatus::{Paid, PartiallyRefunded, Refunded};
    for (refunds, status, is_final, refunded, pending, left) in [
        (vec![], Paid, false, 0, 0, Some(1_250)),
        (vec![(250, Unknown), (100, NeedsReview)], Paid, false, 0, 0, Some(1_250)),
        (vec![(250, Accepted)], Paid, false, 0, 250, Some(1_000)),
        (vec![(1_250, Accepted)], Paid, false, 0, 1_250, None),
        (vec![(250, Succeeded), (250, Accepted)], PartiallyRefunded, false, 250, 250, Some(750)),
        (vec![(1_000, Succeeded), (250, Accepted)], PartiallyRefunded, false, 1_000, 250, None),
        (vec![(1_000, Succeeded), (250, Succeeded)], Refunded, true, 1_250, 0, None),
        (vec![(1, Succeeded); 28], PartiallyRefunded, false, 28, 0, Some(1_222)),
        (vec![(1, Succeeded); 29], PartiallyRefunded, false, 29, 0, None),
    ] {
        let movements =
            refunds.iter().map(|(value, status)| movement(OperationKind::Refund, *value, *status));
        let memory = OrderMemory { movements: movements.collect(), ..OrderMemory::default() };
        let order = mapped(&[], &memory, LATER).unwrap();
        assert_eq!((order.status, order.is_final), (status, is_final), "{refunds:?}");
        assert_eq!(order.amounts.refunded, Some(refunded), "{refunds:?}");
        assert_eq!(order.amounts.refund_pending, Some(pending), "{refunds:?}");
        // A refund that waits is followed to its end.
        let waits_for = if pending > 0 { WaitsFor::Decision } else { WaitsFor::Nothing };
        assert_eq!(order.waits_for, waits_for, "{refunds:?}");
        assert_eq!(action(&order, Action::Refund).max, left, "{refunds:?}");
        let expected = [(PartiallyRefunded, "partially_refunded"), (Refunded, "already_refunded")]
            .into_iter()
            .find_map(|(refunded, reason)| (refunded == status).then_some(reason))
            .or((pending > 0).then_some("refund_pending"));
        assert_eq!(action(&order, Action::Cancel).reason.as_deref(), expected, "{refunds:?}");
    }
}

#[test]
fn a_capture_is_as_much_as_was_captured_here() {
    let manual = NewOrder {
        capture: CaptureMode::Manual,
        payment_method: Some("card".to_owned()),
        return_url: Some("https://shop.example/".to_owned()),
        ..new_order()
    };
    let memory = |movements| OrderMemory {
        creation: Some(creation(manual.clone())),
        movements,
        ..OrderMemory::default()
    };
    let elsewhere = mapped(&[], &memory(vec![]), LATER).unwrap();
    assert_eq!((elsewhere.amounts.authorized, elsewhere.amounts.captured), (None, None));
    let here = vec![movement(OperationKind::Capture, 700, OperationStatus::Succeeded)];
    let here = mapped(&[], &memory(here), LATER).unwrap();
    assert_eq!((here.amounts.authorized, here.amounts.captured), (None, Some(700)));
    assert_eq!(action(&here, Action::Refund).max, Some(700));
    // What the platform told while it was authorized is remembered by a copy of that time.
    let copy = order(&[("state", json!("authorized"))]);
    let copied = OrderMemory { copy: Some(copy), ..memory(vec![]) };
    let later = mapped(&[("amount", json!("7.00"))], &copied, LATER).unwrap();
    assert_eq!((later.amounts.authorized, later.amounts.captured), (Some(1_250), Some(700)));
    let authorized = order(&[("state", json!("authorized"))]);
    let capture = action(&authorized, Action::Capture);
    assert_eq!((capture.max, capture.partial), (Some(1_250), Some(true)));
}

#[test]
fn page_and_labels_come_from_memory() {
    let page = Checkout::by_link("https://pay.example/x".to_owned().try_into().unwrap());
    let copy = Order { checkout: Some(page.clone()), ..order(&[]) };
    let memory =
        OrderMemory { creation: Some(creation(new_order())), copy: Some(copy), ..OrderMemory::default() };
    let open = mapped(&[("state", json!("pending"))], &memory, LATER).unwrap();
    assert_eq!(open.checkout, Some(page));
    assert_eq!(open.metadata["cart"], "42");
    assert_eq!(open.delivery.unwrap().channel, Some(DeliveryChannel::Link));
    assert_eq!(mapped(&[], &memory, LATER).unwrap().checkout, None);
}

#[test]
fn reading_is_tolerant_where_nothing_is_lost() {
    for changes in [
        vec![("amount", json!(12.5))],
        vec![("amount", json!("12.5"))],
        vec![("created_at", json!(1_700_000_000)), ("time_out", json!(30))],
        vec![("description", json!(["x"])), ("tip_amount", json!({"a": 1})), ("more", json!([1]))],
        vec![("order_id", Value::Null), ("transaction_id", Value::Null), ("time_out", Value::Null)],
    ] {
        assert_eq!(order(&changes).amount, 1_250, "{changes:?}");
    }
    assert_eq!(order(&[("time_out", json!("0"))]).expires_at, Some(at("2023-11-15T22:13:20Z")));
    assert_eq!(order(&[("time_out", json!("9999999"))]).expires_at, None);
    assert_eq!(order(&[("created_at", json!("yesterday"))]).created_at, None);
    for change in [
        ("trade_id", Value::Null),
        ("trade_id", json!("11111111-2222-4333-8444-55555555555A")),
        ("amount", json!("12.505")),
        ("amount", json!("")),
        ("amount", json!("-1.00")),
        ("currency", json!("XXX")),
        ("currency", Value::Null),
        ("state", json!("")),
        ("state", Value::Null),
    ] {
        assert!(mapped(std::slice::from_ref(&change), &OrderMemory::default(), LATER).is_err(), "{change:?}");
    }
}

/// What comes from outside has its bounds.
#[test]
fn long_words_are_cut() {
    let long = "x".repeat(10_000);
    let order = order(&[("state", json!(long)), ("acquirer_id", json!(long))]);
    assert_eq!((order.status, order.provider_status.code.len()), (OrderStatus::Unknown, 64));
    assert!(!order.provider_data.contains_key("acquirer_id"));
}

#[test]
fn references_have_one_spelling() {
    let adapter = adapter("http://127.0.0.1:9/Payments");
    for (reference, accepted) in [
        (TRADE, true),
        ("4a49ffb3-a30f-ba92-9422-1969afb6f121", true),
        ("4A49ffb3-a30f-ba92-9422-1969afb6f121", false),
        ("4a49ffb3a30fba9294221969afb6f121", false),
        ("4a49ffb3-a30f-ba92-94221-969afb6f121", false),
        ("280244567856723026", false),
    ] {
        assert_eq!(adapter.accepts_reference(&reference.parse().unwrap()), accepted, "{reference}");
    }
}
