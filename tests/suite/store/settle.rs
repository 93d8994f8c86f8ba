//! How operations end, and what is told of it.

use guichet::{
    domain::{Cause, OperationId, OperationStatus, Order, OrderStatus, TraceParent, operation::Failure},
    store::{NewNotification, NotificationFacts, Settled, Settlement, StoreError},
};

use super::rig::{
    ALL, Kind, at, cancel, cancel_in, copy, event_words, events, order_id, read, rename, settle, settlement,
    start, try_to_settle, words,
};

fn pending(name: &str) -> Order {
    copy(name, OrderStatus::Pending, 0)
}

pub(super) async fn a_cancel_that_succeeds(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = start(&*store, cancel(pending("a"))).await;
    let after = copy("a", OrderStatus::Canceled, 10);
    let end = Settlement {
        order_after: Some(read(after.clone())),
        next_check_at: Some(at(99)),
        ..settlement(id, OperationStatus::Succeeded, 10)
    };
    let done = settle(&*store, end).await;
    assert_eq!(done.order_after.as_ref(), Some(&after));
    assert_eq!((done.updated_at, done.next_check_at), (at(10), None), "nothing is looked for any more");
    assert_eq!(store.operation(id).await.unwrap(), Some(done));
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap(), Some(after));
    assert_eq!(
        event_words(&*store, "a").await,
        words(&[("operation.succeeded", true), ("order.canceled", true)])
    );
    let told = &events(&*store, "a").await[1].event;
    assert_eq!(told.data["previous_status"], "pending");
    assert_eq!(store.order_events(&order_id("a"), 1, ALL).await.unwrap().len(), 1);
    assert_eq!(store.order_events(&order_id("a"), 0, 1).await.unwrap()[0].sequence, 1);
}

pub(super) async fn a_refusal_says_why_and_frees_the_order(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = start(&*store, cancel(pending("a"))).await;
    let failure = Failure {
        code: "provider_refused".to_owned(),
        detail: "too late".to_owned(),
        provider_code: Some("42".to_owned()),
        provider_message: None,
        pointer: Some("/amount".to_owned()),
        reason: Some("window_closed".to_owned()),
    };
    let end = Settlement { failure: Some(failure.clone()), ..settlement(id, OperationStatus::Refused, 5) };
    settle(&*store, end).await;
    assert_eq!(store.operation(id).await.unwrap().unwrap().failure, Some(failure));
    assert_eq!(event_words(&*store, "a").await, words(&[("operation.refused", true)]));
    start(&*store, cancel(pending("a"))).await;
}

pub(super) async fn final_states_stay(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for last in [OperationStatus::Succeeded, OperationStatus::Refused, OperationStatus::NotExecuted] {
        let name = last.as_str().replace('_', "-");
        let id = cancel_in(&*store, &name, last).await;
        let before = store.operation(id).await.unwrap().unwrap();
        let told = events(&*store, &name).await;
        for next in OperationStatus::ALL {
            if next == last && last == OperationStatus::Succeeded {
                // The order after it may be told later than the end: see below.
                continue;
            }
            let late = Settlement {
                order_after: Some(read(copy(&name, OrderStatus::Canceled, 99))),
                ..settlement(id, next, 99)
            };
            let settled = try_to_settle(&*store, late).await;
            assert_eq!(settled, Settled::NotAllowed(Box::new(before.clone())), "{last:?} -> {next:?}");
        }
        assert_eq!(store.operation(id).await.unwrap(), Some(before));
        assert_eq!(events(&*store, &name).await, told);
        assert_eq!(store.order_copy(&order_id(&name)).await.unwrap().unwrap().status, OrderStatus::Pending);
    }
}

/// A notification told the end before the answer did: the answer brings the order after it.
pub(super) async fn the_order_after_an_end_may_come_later(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = cancel_in(&*store, "a", OperationStatus::Succeeded).await;
    let told = events(&*store, "a").await.len();
    let answer = || Settlement {
        order_after: Some(read(copy("a", OrderStatus::Canceled, 99))),
        ..settlement(id, OperationStatus::Succeeded, 99)
    };
    let completed = settle(&*store, answer()).await;
    assert_eq!(completed.order_after.as_ref().map(|order| order.status), Some(OrderStatus::Canceled));
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap().unwrap().status, OrderStatus::Canceled);
    let words_told = event_words(&*store, "a").await;
    assert_eq!(words_told[told..], words(&[("order.canceled", true)]));
    assert!(matches!(try_to_settle(&*store, answer()).await, Settled::NotAllowed(_)), "once");
}

pub(super) async fn only_allowed_steps_are_taken(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for from in OperationStatus::ALL {
        for to in OperationStatus::ALL {
            let name = format!("{}-{}", from.as_str(), to.as_str()).replace('_', "-");
            let id = cancel_in(&*store, &name, from).await;
            let settled = store.settle(settlement(id, to, 9)).await.unwrap();
            let allowed = from.may_become(to) || (from == to && !from.is_final());
            assert_eq!(matches!(settled, Settled::Done(_)), allowed, "{from:?} -> {to:?}");
        }
    }
}

pub(super) async fn a_read_without_evidence_only_plans_the_next(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = cancel_in(&*store, "a", OperationStatus::Unknown).await;
    let seen = store.look(Some(&order_id("a")), None).await.unwrap();
    let again = Settlement {
        checks: 3,
        next_check_at: Some(at(500)),
        order_after: Some(read(copy("a", OrderStatus::Processing, 400))),
        ..settlement(id, OperationStatus::Unknown, 400)
    };
    let operation = settle(&*store, again).await;
    assert_eq!((operation.checks, operation.next_check_at), (3, Some(at(500))));
    assert_eq!((operation.updated_at, operation.order_after.is_none()), (at(1), true));
    assert_eq!(store.look(Some(&order_id("a")), None).await.unwrap(), seen);
    // The order itself was found changed, by whomever.
    assert_eq!(
        event_words(&*store, "a").await,
        words(&[("operation.unknown", true), ("order.processing", false)])
    );
}

pub(super) async fn an_update_without_a_new_status_is_told(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = start(&*store, rename(pending("a"), "new")).await;
    let after = Order { amount: 900, ..copy("a", OrderStatus::Pending, 10) };
    let end = Settlement { order_after: Some(read(after)), ..settlement(id, OperationStatus::Succeeded, 10) };
    settle(&*store, end).await;
    assert_eq!(
        event_words(&*store, "a").await,
        words(&[("operation.succeeded", true), ("order.updated", true)])
    );
    assert_eq!(events(&*store, "a").await[1].event.data["amount"]["value"], 900);

    // A new status tells enough, and what was already done is no change.
    let id = start(&*store, rename(pending("b"), "b")).await;
    let after = Some(copy("b", OrderStatus::Paid, 10));
    settle(
        &*store,
        Settlement { order_after: after.map(read), ..settlement(id, OperationStatus::Succeeded, 10) },
    )
    .await;
    assert_eq!(
        event_words(&*store, "b").await,
        words(&[("operation.succeeded", true), ("order.paid", true)])
    );
    let id = start(&*store, rename(pending("c"), "c")).await;
    settle(&*store, Settlement { already_done: true, ..settlement(id, OperationStatus::Succeeded, 10) })
        .await;
    assert_eq!(event_words(&*store, "c").await, words(&[("operation.succeeded", true)]));
}

pub(super) async fn an_update_nobody_read_again_is_told_without_amounts(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = start(&*store, rename(pending("a"), "new")).await;
    settle(&*store, settlement(id, OperationStatus::Succeeded, 10)).await;
    let told = &events(&*store, "a").await[1].event;
    assert_eq!((told.event_type.as_str(), told.occurred_at), ("order.updated", at(10)));
    assert_eq!(serde_json::to_value(&told.data).unwrap(), serde_json::json!({"status": "pending"}));
}

pub(super) async fn a_new_status_after_a_refusal_is_nobodys_work(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = start(&*store, cancel(pending("a"))).await;
    let after = Some(copy("a", OrderStatus::Paid, 10));
    let end = Settlement { order_after: after.map(read), ..settlement(id, OperationStatus::Refused, 10) };
    assert_eq!(settle(&*store, end).await.order_after, None, "there is no order after what did not happen");
    assert_eq!(event_words(&*store, "a").await, words(&[("operation.refused", true), ("order.paid", false)]));
}

pub(super) async fn what_nobody_knows_cannot_be_settled(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = OperationId::generate();
    let error = store.settle(settlement(id, OperationStatus::Succeeded, 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error}");
    assert_eq!(store.operation(id).await.unwrap(), None);
}

pub(super) async fn what_was_planned_while_the_clock_was_ahead_is_due_after_a_start(kind: &impl Kind) {
    const HOUR: i64 = 3_600_000;
    let store = kind.open().unwrap();
    let mut planned = Vec::new();
    let facts = NotificationFacts {
        reference: None,
        merchant_reference: None,
        operation: None,
        status: None,
        provider_status: None,
        amount: None,
        settles: None,
        closes: false,
    };
    for (name, due) in [("soon", 1_000), ("in-an-hour", HOUR), ("in-three-hours", 3 * HOUR)] {
        let id = cancel_in(&*store, name, OperationStatus::Unknown).await;
        let again =
            Settlement { next_check_at: Some(at(due)), ..settlement(id, OperationStatus::Unknown, 1) };
        try_to_settle(&*store, again).await;
        planned.push(id);
        let news = NewNotification {
            account: "shop".parse().unwrap(),
            dedup_key: name.to_owned(),
            received_at: at(1),
            due_at: at(due),
            content_type: None,
            raw_body: Vec::new(),
            facts: facts.clone(),
            cause: Cause::default(),
        };
        assert!(store.keep_notification(news).await.unwrap());
    }
    store.recover(at(0)).await.unwrap();
    let due = async |millis: i64| {
        let checks = store.due_checks(at(millis), ALL).await.unwrap();
        let notices = store.due_notifications(&"shop".parse().unwrap(), at(millis), ALL).await.unwrap();
        (checks.into_iter().map(|operation| operation.id).collect::<Vec<_>>(), notices.len())
    };
    assert_eq!(due(0).await, (vec![planned[2]], 1));
    assert_eq!(due(1_000).await, (vec![planned[2], planned[0]], 2));
    assert_eq!(due(HOUR).await, (vec![planned[2], planned[0], planned[1]], 3));
}

pub(super) async fn after_a_crash_nothing_stays_open(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let mut ids = Vec::new();
    for status in OperationStatus::ALL {
        ids.push((status, cancel_in(&*store, &status.as_str().replace('_', "-"), status).await));
    }
    store.close().await;
    let store = kind.open().unwrap();
    let changed = store.recover(at(50)).await.unwrap();
    assert_eq!(changed.len(), 2);
    assert_eq!(store.recover(at(60)).await.unwrap(), Vec::new());
    for (status, id) in ids {
        let name = status.as_str().replace('_', "-");
        let now = store.operation(id).await.unwrap().unwrap();
        let (expected, event) = match status {
            OperationStatus::Pending => (OperationStatus::NotExecuted, Some("operation.not_executed")),
            OperationStatus::Sending => (OperationStatus::Unknown, Some("operation.unknown")),
            OperationStatus::Accepted
            | OperationStatus::Unknown
            | OperationStatus::NeedsReview
            | OperationStatus::Succeeded
            | OperationStatus::Refused
            | OperationStatus::NotExecuted => (status, None),
        };
        assert_eq!(now.status, expected);
        assert_eq!(changed.contains(&now), event.is_some(), "{status:?}");
        if let Some(event) = event {
            assert_eq!(event_words(&*store, &name).await, words(&[(event, true)]));
            assert_eq!(now.updated_at, at(50));
            assert_eq!(now.next_check_at, (expected == OperationStatus::Unknown).then_some(at(50)));
            assert_eq!(now.failure.is_some(), expected == OperationStatus::NotExecuted);
            assert_eq!(store.look(Some(&order_id(&name)), None).await.unwrap().change_count, 2);
        }
    }
}

pub(super) async fn due_checks_come_oldest_first(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let mut ids = Vec::new();
    for (name, due) in [("a", Some(300)), ("b", Some(100)), ("c", None), ("d", Some(200)), ("e", Some(400))] {
        let id = start(&*store, cancel(pending(name))).await;
        let next_check_at = due.map(at);
        settle(&*store, Settlement { next_check_at, ..settlement(id, OperationStatus::Unknown, 1) }).await;
        ids.push(id);
    }
    let due = |now, limit| {
        let store = &store;
        async move {
            let found = store.due_checks(at(now), limit).await.unwrap();
            found.into_iter().map(|operation| operation.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(due(99, ALL).await, []);
    assert_eq!(due(300, ALL).await, [ids[1], ids[3], ids[0]]);
    assert_eq!(due(300, 2).await, [ids[1], ids[3]]);
    settle(&*store, settlement(ids[1], OperationStatus::Succeeded, 2)).await;
    assert_eq!(due(300, ALL).await, [ids[3], ids[0]]);
}

pub(super) async fn what_is_settled_survives_reopening(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = cancel_in(&*store, "a", OperationStatus::NeedsReview).await;
    let (operation, told, view) = (
        store.operation(id).await.unwrap(),
        events(&*store, "a").await,
        store.look(Some(&order_id("a")), None).await.unwrap(),
    );
    drop(store);
    let store = kind.open().unwrap();
    assert_eq!(store.operation(id).await.unwrap(), operation);
    assert_eq!(events(&*store, "a").await, told);
    assert_eq!(store.look(Some(&order_id("a")), None).await.unwrap(), view);
    let began = told.last().unwrap().event.cause.clone();
    assert_eq!(began, operation.unwrap().cause());
    let cause = Cause { request_id: Some("of ops".to_owned()), traceparent: Some(TraceParent::root(true)) };
    let decided = Settlement {
        settled_by: "ops".to_owned(),
        cause: Some(cause.clone()),
        ..settlement(id, OperationStatus::Succeeded, 9)
    };
    assert_eq!(settle(&*store, decided).await.status, OperationStatus::Succeeded);
    let after = events(&*store, "a").await;
    assert!(after.len() > told.len());
    assert!(after[told.len()..].iter().all(|event| event.event.cause == cause), "the request that decided");
}
