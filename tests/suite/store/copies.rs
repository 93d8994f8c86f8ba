//! Copies of orders, their events, and reading while others write.

use std::sync::Arc;

use guichet::domain::{Cause, OperationStatus, OrderStatus};

use super::rig::{Kind, cancel, copy, event_words, events, order_id, settle, settlement, start, words};

pub(super) async fn older_copies_are_ignored(kind: &impl Kind) {
    let store = kind.open().unwrap();
    store.save_copies(vec![copy("a", OrderStatus::Paid, 100)], Cause::default()).await.unwrap();
    let older = copy("a", OrderStatus::Pending, 99);
    store.save_copies(vec![older.clone()], Cause::default()).await.unwrap();
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap().unwrap().status, OrderStatus::Paid);

    let id = start(&*store, cancel(older.clone())).await;
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap().unwrap().status, OrderStatus::Paid);
    let mut late = settlement(id, OperationStatus::Succeeded, 1);
    late.order_after = Some(older);
    settle(&*store, late).await;
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap().unwrap().status, OrderStatus::Paid);
    assert_eq!(event_words(&*store, "a").await, words(&[("operation.succeeded", true)]));

    store.save_copies(vec![copy("a", OrderStatus::PartiallyRefunded, 101)], Cause::default()).await.unwrap();
    assert_eq!(
        event_words(&*store, "a").await,
        words(&[("operation.succeeded", true), ("order.partially_refunded", false)])
    );
}

pub(super) async fn reads_of_one_millisecond_only_move_forward(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let all = [OrderStatus::Pending, OrderStatus::Paid, OrderStatus::Pending]
        .map(|status| copy("a", status, 7))
        .to_vec();
    store.save_copies(all, Cause::default()).await.unwrap();
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap().unwrap().status, OrderStatus::Paid);
    assert_eq!(event_words(&*store, "a").await, words(&[("order.paid", false)]));
}

pub(super) async fn the_first_copy_is_no_change(kind: &impl Kind) {
    let store = kind.open().unwrap();
    store
        .save_copies(
            vec![copy("a", OrderStatus::Paid, 1), copy("b", OrderStatus::Pending, 1)],
            Cause::default(),
        )
        .await
        .unwrap();
    store
        .save_copies(vec![copy("a", OrderStatus::Paid, 2), copy("b", OrderStatus::Paid, 2)], Cause::default())
        .await
        .unwrap();
    store.save_copies(Vec::new(), Cause::default()).await.unwrap();
    assert_eq!(event_words(&*store, "a").await, words(&[]));
    assert_eq!(event_words(&*store, "b").await, words(&[("order.paid", false)]));
    assert_eq!(store.order_copy(&order_id("c")).await.unwrap(), None);
}

pub(super) async fn a_begin_tells_of_a_status_it_finds(kind: &impl Kind) {
    let store = kind.open().unwrap();
    store.save_copies(vec![copy("a", OrderStatus::Pending, 1)], Cause::default()).await.unwrap();
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
                    store.save_copies(vec![copy(name, status, as_of)], Cause::default()).await.unwrap();
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
