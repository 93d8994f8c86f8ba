//! What decides whether a change may begin.

use std::sync::Arc;

use guichet::{
    domain::{Field, Intent, OperationId, OperationStatus, Order, OrderPatch, OrderStatus},
    store::{Begun, NewOperation, Store},
};

use super::rig::{
    Kind, cancel, cancel_in, copy, event_words, keep, order_id, rename, settle, settlement, start, with_key,
    words,
};

fn pending(name: &str) -> Order {
    copy(name, OrderStatus::Pending, 0)
}

pub(super) async fn an_intent_is_kept_with_all_it_needs(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for (new, key) in [(cancel(pending("a")), "k1"), (rename(pending("b"), "new"), "k2")] {
        let new = with_key(new, key, "f");
        let operation = new.operation.clone();
        let order = operation.order_id.as_ref().unwrap();
        assert_eq!(store.begin(new).await.unwrap(), Begun::Started);
        assert_eq!(store.operation(operation.id).await.unwrap().as_ref(), Some(&operation));
        assert_eq!(store.order_copy(order).await.unwrap().as_ref(), operation.intent.before());
        let view = store.look(Some(order), Some(("till", key))).await.unwrap();
        assert_eq!(view.blocking, Some(operation.id));
        assert_eq!(view.change_count, 1);
        assert_eq!(view.key.unwrap().operation, operation);
    }
    assert_eq!(event_words(&*store, "a").await, words(&[]));
    assert_eq!(
        store.look(Some(&order_id("nobody")), Some(("till", "none"))).await.unwrap(),
        Default::default()
    );
}

pub(super) async fn the_same_key_starts_once(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = start(&*store, with_key(cancel(pending("a")), "k", "f")).await;
    // Same or other request, same or other order, open or done: the key tells of its first use.
    for round in 0..2 {
        for (order, fingerprint) in [("a", "f"), ("a", "other"), ("b", "f"), ("b", "other")] {
            let begun = store.begin(with_key(cancel(pending(order)), "k", fingerprint)).await.unwrap();
            let Begun::KeyUsed(record) = begun else { panic!("{begun:?}") };
            assert_eq!((record.operation.id, record.fingerprint.as_str()), (id, "f"));
        }
        if round == 0 {
            settle(&*store, settlement(id, OperationStatus::Succeeded, 5)).await;
        }
    }
    let view = store.look(Some(&order_id("a")), Some(("till", "k"))).await.unwrap();
    assert_eq!(view.key.unwrap().operation.status, OperationStatus::Succeeded);
}

pub(super) async fn a_key_of_something_that_never_happened_may_be_used_again(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let first = start(&*store, with_key(cancel(pending("a")), "k", "f")).await;
    settle(&*store, settlement(first, OperationStatus::NotExecuted, 5)).await;

    let other = store.begin(with_key(cancel(pending("a")), "k", "other")).await.unwrap();
    assert!(matches!(other, Begun::KeyUsed(record) if record.operation.id == first));

    // A begin that is refused for another reason leaves the key where it was.
    let blocker = start(&*store, cancel(pending("a"))).await;
    let refused = store.begin(with_key(cancel(pending("a")), "k", "f")).await.unwrap();
    assert_eq!(refused, Begun::Blocked(blocker));
    let view = store.look(Some(&order_id("a")), Some(("till", "k"))).await.unwrap();
    assert_eq!(view.key.unwrap().operation.id, first);
    settle(&*store, settlement(blocker, OperationStatus::Refused, 6)).await;

    let second = start(&*store, with_key(cancel(pending("a")), "k", "f")).await;
    let view = store.look(Some(&order_id("a")), Some(("till", "k"))).await.unwrap();
    assert_eq!(view.key.unwrap().operation.id, second);
    let third = store.begin(with_key(cancel(pending("a")), "k", "f")).await.unwrap();
    assert!(matches!(third, Begun::KeyUsed(record) if record.operation.id == second));
}

pub(super) async fn keys_of_different_clients_never_meet(kind: &impl Kind) {
    let store = kind.open().unwrap();
    start(&*store, with_key(cancel(pending("a")), "k", "f")).await;
    let mut new = cancel(pending("b"));
    new.operation.client = "shop".to_owned();
    start(&*store, with_key(new, "k", "other")).await;
    assert_eq!(store.look(Some(&order_id("a")), Some(("nobody", "k"))).await.unwrap().key, None);
}

/// Begins all of them at once.
async fn race(store: &Arc<dyn Store>, all: Vec<NewOperation>) -> (Vec<OperationId>, Vec<Begun>) {
    let tasks: Vec<_> = all
        .into_iter()
        .map(|new| {
            let store = Arc::clone(store);
            tokio::spawn(async move { (new.operation.id, store.begin(new).await.unwrap()) })
        })
        .collect();
    let (mut started, mut others) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            (id, Begun::Started) => started.push(id),
            (_, other) => others.push(other),
        }
    }
    (started, others)
}

pub(super) async fn equal_keys_at_the_same_time_start_one(kind: &impl Kind) {
    let store = kind.open().unwrap();
    // Each on an order of its own: nothing but the key can stop them.
    let all = (0..64).map(|n| with_key(cancel(pending(&format!("o{n}"))), "k", "f")).collect();
    let (started, others) = race(&store, all).await;
    assert_eq!((started.len(), others.len()), (1, 63));
    for other in others {
        assert!(matches!(&other, Begun::KeyUsed(record) if record.operation.id == started[0]), "{other:?}");
    }
}

pub(super) async fn different_keys_at_the_same_time_start_one_per_order(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let all = (0..64).map(|n| with_key(cancel(pending("a")), &format!("k{n}"), "f")).collect();
    let (started, others) = race(&store, all).await;
    assert_eq!((started.len(), others.len()), (1, 63));
    assert!(others.iter().all(|other| *other == Begun::Blocked(started[0])), "{others:?}");
    for n in 0..64 {
        let view = store.look(Some(&order_id("a")), Some(("till", &format!("k{n}")))).await.unwrap();
        assert!(view.key.is_none_or(|record| record.operation.id == started[0]));
    }
}

pub(super) async fn an_open_operation_blocks_its_order(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for status in OperationStatus::ALL {
        let name = status.as_str().replace('_', "-");
        let id = cancel_in(&*store, &name, status).await;
        let view = store.look(Some(&order_id(&name)), None).await.unwrap();
        let expected = status.blocks_the_order().then_some(id);
        assert_eq!(view.blocking, expected, "{status:?}");
        for first_status in [OperationStatus::Sending, OperationStatus::Succeeded] {
            let mut next = cancel(pending(&name));
            next.operation.status = first_status;
            next.operation.already_done = first_status == OperationStatus::Succeeded;
            next.change_count = view.change_count;
            let begun = store.begin(next).await.unwrap();
            match expected {
                Some(id) => assert_eq!(begun, Begun::Blocked(id), "{status:?}"),
                None => {
                    assert_eq!(begun, Begun::Started, "{status:?}");
                    break;
                }
            }
        }
    }
}

pub(super) async fn a_refused_begin_leaves_nothing(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let mut new = with_key(cancel(pending("a")), "k", "f");
    new.change_count = 1;
    let id = new.operation.id;
    assert_eq!(store.begin(new).await.unwrap(), Begun::Outdated);
    assert_eq!(store.operation(id).await.unwrap(), None);
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap(), None);
    assert_eq!(store.look(Some(&order_id("a")), Some(("till", "k"))).await.unwrap(), Default::default());
}

pub(super) async fn a_change_in_between_is_noticed(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let seen = store.look(Some(&order_id("a")), None).await.unwrap().change_count;
    let id = start(&*store, cancel(pending("a"))).await;
    settle(&*store, settlement(id, OperationStatus::Refused, 1)).await;
    let late = NewOperation { change_count: seen, ..cancel(pending("a")) };
    assert_eq!(store.begin(late).await.unwrap(), Begun::Outdated);
    assert_eq!(store.look(Some(&order_id("a")), None).await.unwrap().change_count, seen + 2);

    // Begin and end count apart: what was read while the operation was open is out of date, too.
    let id = start(&*store, cancel(pending("a"))).await;
    let seen = store.look(Some(&order_id("a")), None).await.unwrap().change_count;
    settle(&*store, settlement(id, OperationStatus::Refused, 2)).await;
    let late = NewOperation { change_count: seen, ..cancel(pending("a")) };
    assert_eq!(store.begin(late).await.unwrap(), Begun::Outdated);
}

pub(super) async fn a_reference_in_use_is_refused(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for (status, is_final) in
        OrderStatus::ALL.into_iter().flat_map(|status| [(status, false), (status, true)])
    {
        let name = format!("{}-{is_final}", status.as_str().replace('_', "-"));
        let order = Order { is_final, ..copy(&name, status, 0) };
        let id = start(&*store, cancel(order)).await;
        settle(&*store, settlement(id, OperationStatus::Refused, 1)).await;
        let begun = store.begin(rename(pending(&format!("x-{name}")), &format!("ref-{name}"))).await.unwrap();
        let is_paid = matches!(status, OrderStatus::Paid | OrderStatus::PartiallyRefunded);
        let taken = is_paid || !is_final;
        let expected = if taken { Begun::ReferenceInUse(Some(order_id(&name))) } else { Begun::Started };
        assert_eq!(begun, expected, "{status}");
    }
    // An order only read, one of another account, and the order itself do not stand in the way.
    keep(&*store, vec![pending("only-read")]).await;
    start(&*store, rename(pending("y"), "ref-only-read")).await;
    let mut elsewhere = pending("z");
    elsewhere.id = "other-shop_z".parse().unwrap();
    start(&*store, rename(elsewhere, "ref-pending-false")).await;
    start(&*store, rename(pending("pending-false"), "ref-pending-false")).await;
}

pub(super) async fn a_reference_on_its_way_is_refused(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let first = start(&*store, rename(pending("a"), "new")).await;
    let rival = || rename(pending("b"), "new");
    assert_eq!(store.begin(rival()).await.unwrap(), Begun::ReferenceInUse(Some(order_id("a"))));
    settle(&*store, settlement(first, OperationStatus::Succeeded, 1)).await;
    assert_eq!(store.begin(rival()).await.unwrap(), Begun::ReferenceInUse(Some(order_id("a"))), "it got it");
    // Its old reference is free; one that was refused gives its claim back.
    let second = start(&*store, rename(pending("c"), "ref-a")).await;
    settle(&*store, settlement(second, OperationStatus::Refused, 1)).await;
    start(&*store, rename(pending("d"), "ref-a")).await;

    // So does an order whose reference is taken away.
    let patch = OrderPatch { merchant_reference: Field::Clear, ..OrderPatch::default() };
    let intent = Intent::Update { before: Box::new(pending("e")), patch: Box::new(patch) };
    let mut new = NewOperation { claims_reference: None, ..rename(pending("e"), "") };
    new.operation.intent = intent;
    let third = start(&*store, new).await;
    let rival = || rename(pending("f"), "ref-e");
    assert_eq!(store.begin(rival()).await.unwrap(), Begun::ReferenceInUse(Some(order_id("e"))));
    settle(&*store, settlement(third, OperationStatus::Succeeded, 1)).await;
    start(&*store, rival()).await;
}

pub(super) async fn something_already_done_ends_at_once(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let mut new = cancel(copy("a", OrderStatus::Canceled, 0));
    new.operation.status = OperationStatus::Succeeded;
    new.operation.already_done = true;
    start(&*store, new).await;
    assert_eq!(event_words(&*store, "a").await, [], "nothing happened");
    assert_eq!(store.look(Some(&order_id("a")), None).await.unwrap().blocking, None);
}
