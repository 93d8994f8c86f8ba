//! Copies of orders, their events, and reading while others write.

use std::sync::Arc;

use guichet::{
    domain::{Cause, OperationStatus, OrderStatus, Reading},
    store::Settlement,
};
use serde_json::json;

use super::rig::{
    Kind, at, cancel, copy, event_words, events, keep, order_id, read, settle, settlement, start, words,
};

pub(super) async fn older_copies_are_ignored(kind: &impl Kind) {
    let store = kind.open().unwrap();
    keep(&*store, vec![copy("a", OrderStatus::Paid, 100)]).await;
    let older = copy("a", OrderStatus::Pending, 99);
    keep(&*store, vec![older.clone()]).await;
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap().unwrap().status, OrderStatus::Paid);

    let id = start(&*store, cancel(older.clone())).await;
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap().unwrap().status, OrderStatus::Paid);
    let mut late = settlement(id, OperationStatus::Succeeded, 1);
    late.order_after = Some(read(older));
    settle(&*store, late).await;
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap().unwrap().status, OrderStatus::Paid);
    assert_eq!(event_words(&*store, "a").await, words(&[("operation.succeeded", true)]));

    keep(&*store, vec![copy("a", OrderStatus::PartiallyRefunded, 101)]).await;
    assert_eq!(
        event_words(&*store, "a").await,
        words(&[("operation.succeeded", true), ("order.partially_refunded", false)])
    );
}

/// An hour's wrong clock must not make the true state of an order look old.
pub(super) async fn copies_are_ordered_by_their_asking_and_not_by_the_clock(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let hour = 3_600_000;
    let asked = |number: i64, order| Reading { asked: number, ..read(order) };
    let ahead = asked(1, copy("a", OrderStatus::Pending, hour));
    let put_right = asked(2, copy("a", OrderStatus::Paid, 0));
    let late_answer = asked(1, copy("a", OrderStatus::Pending, 2 * hour));
    for reading in [ahead, put_right, late_answer] {
        store.save_copies(vec![reading], Cause::default()).await.unwrap();
    }
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap().unwrap().status, OrderStatus::Paid);
    assert_eq!(event_words(&*store, "a").await, words(&[("order.paid", false)]));
}

/// What was read before a change began or ended does not say how the order is after it.
pub(super) async fn what_was_read_across_a_change_must_be_read_again(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let before = copy("a", OrderStatus::Pending, 1);
    let early = Reading { asked: at(50).as_millis(), ..read(before.clone()) };
    let save = async |reading: Reading| store.save_copies(vec![reading], Cause::default()).await.unwrap();
    let id = start(&*store, cancel(before)).await;
    assert_eq!(save(early.clone()).await, [order_id("a")], "its count was read before the begin");
    let during = Reading { change_count: Some(1), ..early };
    let after = read(copy("a", OrderStatus::Canceled, 60));
    let end = Settlement { order_after: Some(after), ..settlement(id, OperationStatus::Succeeded, 70) };
    settle(&*store, end).await;
    assert_eq!(save(during.clone()).await, [order_id("a")], "its count was read before the end");
    let asked_before = Reading { change_count: Some(2), asked: at(65).as_millis(), ..during };
    assert_eq!(save(asked_before).await, [order_id("a")], "asked for before the end was known");
    let copy = store.order_copy(&order_id("a")).await.unwrap().unwrap();
    assert_eq!(copy.status, OrderStatus::Canceled);
}

/// The platform lowers an amount in its back office: consumers hear of it.
pub(super) async fn a_change_of_amounts_alone_is_told(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let paid = |captured, as_of| {
        let mut order = copy("a", OrderStatus::Paid, as_of);
        order.amounts.captured = Some(captured);
        order
    };
    let id = start(&*store, cancel(paid(1_250, 1))).await;
    settle(&*store, settlement(id, OperationStatus::Refused, 2)).await;
    keep(&*store, vec![paid(1_250, 3), paid(1_000, 4), paid(1_000, 5)]).await;
    assert_eq!(
        event_words(&*store, "a").await,
        words(&[("operation.refused", true), ("order.updated", false)])
    );
    let told = &events(&*store, "a").await[1].event.data;
    assert_eq!((&told["previous_status"], &told["amounts"]["captured"]), (&json!("paid"), &json!(1_000)));
}

/// A refund that the bank rejects brings the order back to `paid`, which nobody hears twice.
pub(super) async fn paid_is_told_once(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let seen = [
        (OrderStatus::Pending, 1),
        (OrderStatus::Paid, 2),
        (OrderStatus::Refunded, 3),
        (OrderStatus::Paid, 4),
        (OrderStatus::Refunded, 5),
    ];
    keep(&*store, seen.iter().map(|(status, as_of)| copy("a", *status, *as_of)).collect()).await;
    let updated = ("order.updated", false);
    assert_eq!(
        event_words(&*store, "a").await,
        words(&[("order.paid", false), ("order.refunded", false), updated, updated])
    );
    assert_eq!(events(&*store, "a").await[2].event.data["previous_status"], "refunded");
}

pub(super) async fn the_first_copy_is_no_change(kind: &impl Kind) {
    let store = kind.open().unwrap();
    keep(&*store, vec![copy("a", OrderStatus::Paid, 1), copy("b", OrderStatus::Pending, 1)]).await;
    keep(&*store, vec![copy("a", OrderStatus::Paid, 2), copy("b", OrderStatus::Paid, 2)]).await;
    keep(&*store, Vec::new()).await;
    assert_eq!(event_words(&*store, "a").await, words(&[]));
    assert_eq!(event_words(&*store, "b").await, words(&[("order.paid", false)]));
    assert_eq!(store.order_copy(&order_id("c")).await.unwrap(), None);
}

pub(super) async fn a_begin_tells_of_a_status_it_finds(kind: &impl Kind) {
    let store = kind.open().unwrap();
    keep(&*store, vec![copy("a", OrderStatus::Pending, 1)]).await;
    start(&*store, cancel(copy("a", OrderStatus::Authorized, 2))).await;
    assert_eq!(event_words(&*store, "a").await, words(&[("order.authorized", false)]));
}

pub(super) async fn sequences_have_no_gap_under_load(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let names = ["a", "b", "c"];
    let tasks: Vec<_> = (0..30)
        .map(|n| {
            let store = Arc::clone(&store);
            let name = names[n % names.len()];
            tokio::spawn(async move {
                for round in 0..10_i64 {
                    let status = if round % 2 == 0 { OrderStatus::Pending } else { OrderStatus::Declined };
                    let as_of = round * 100 + i64::try_from(n).unwrap();
                    keep(&*store, vec![copy(name, status, as_of)]).await;
                    let mut new = cancel(copy(name, status, as_of));
                    new.change_count = store.look(Some(&order_id(name)), None).await.unwrap().change_count;
                    let id = new.operation.id;
                    if store.begin(new).await.unwrap() == guichet::store::Begun::Started {
                        settle(&*store, settlement(id, OperationStatus::Unknown, as_of)).await;
                        settle(&*store, settlement(id, OperationStatus::Refused, as_of)).await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut ids = std::collections::HashSet::new();
    let mut total = 0;
    for name in names {
        assert!(event_words(&*store, name).await.len() > 2);
        for event in events(&*store, name).await {
            ids.insert(event.id);
            total += 1;
        }
    }
    assert_eq!(ids.len(), total);
}

pub(super) async fn a_read_sees_what_was_committed_before_it(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let name = format!("o{n}");
                for round in 0..5 {
                    let id = start(&*store, cancel(copy(&name, OrderStatus::Pending, round))).await;
                    let view = store.look(Some(&order_id(&name)), None).await.unwrap();
                    assert_eq!((view.blocking, view.change_count), (Some(id), round * 2 + 1));
                    let done = settle(&*store, settlement(id, OperationStatus::Refused, round)).await;
                    assert_eq!(store.operation(id).await.unwrap(), Some(done));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

pub(super) async fn it_says_that_it_can_write(kind: &impl Kind) {
    let store = kind.open().unwrap();
    store.check_writable().await.unwrap();
    store.close().await;
    store.close().await;
    assert!(store.check_writable().await.is_err());
    assert!(store.look(Some(&order_id("a")), None).await.is_err());
}
