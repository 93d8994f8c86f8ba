//! Whatever is done to a store in whatever order, a few things hold.

use std::collections::{HashMap, HashSet};

use guichet::{
    domain::{OperationId, OperationStatus, OrderStatus},
    store::{Begun, Settled, Settlement, Store},
};
use proptest::prelude::*;

use super::rig::{
    Kind, Sqlite, at, cancel, copy, event_words, keep, order_id, read, rename, settlement, try_to_settle,
    with_key,
};

#[derive(Debug, Clone)]
enum Step {
    Begin { order: usize, update: bool, key: Option<u8>, stale: bool },
    Settle { which: usize, to: usize, order_status: Option<usize> },
    Save { order: usize, status: usize, age: i64 },
    Recover,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let order = 0_usize..3;
    prop_oneof![
        5 => (order.clone(), any::<bool>(), proptest::option::of(0_u8..4), prop::bool::weighted(0.1))
            .prop_map(|(order, update, key, stale)| Step::Begin { order, update, key, stale }),
        8 => (0_usize..40, 0_usize..8, proptest::option::of(0_usize..12))
            .prop_map(|(which, to, order_status)| Step::Settle { which, to, order_status }),
        3 => (order, 0_usize..12, -5_i64..5).prop_map(|(order, status, age)| Step::Save { order, status, age }),
        1 => Just(Step::Recover),
        1 => Just(Step::Reopen),
    ]
}

const ORDERS: [&str; 3] = ["a", "b", "c"];

/// What a test that watched every answer knows.
#[derive(Default)]
struct Watched {
    operations: Vec<(OperationId, OperationStatus)>,
    changes: HashMap<&'static str, i64>,
    order_of: HashMap<OperationId, &'static str>,
    /// Accepted once and now for a person to decide: another change may have been begun meanwhile.
    beside: HashSet<OperationId>,
}

async fn take(store: &dyn Store, watched: &mut Watched, now: i64, step: Step) {
    match step {
        Step::Begin { order, update, key, stale } => {
            let name = ORDERS[order];
            let before = copy(name, OrderStatus::Pending, now);
            let mut new = if update { rename(before, "shared") } else { cancel(before) };
            if let Some(key) = key {
                new = with_key(new, &format!("k{key}"), if update { "update" } else { "cancel" });
            }
            let view = store.look(Some(&order_id(name)), None).await.unwrap();
            new.change_count = view.change_count - i64::from(stale);
            let id = new.operation.id;
            let begun = store.begin(new).await.unwrap();
            if begun == Begun::Started {
                assert!(!stale && view.blocking.is_none());
                watched.operations.push((id, OperationStatus::Sending));
                watched.order_of.insert(id, name);
                *watched.changes.entry(name).or_default() += 1;
            } else {
                assert_eq!(store.operation(id).await.unwrap(), None, "{begun:?}");
            }
        }
        Step::Settle { which, to, order_status } => {
            let count = watched.operations.len();
            let Some((id, from)) = watched.operations.get_mut(which.checked_rem(count).unwrap_or(0)) else {
                return;
            };
            let to = OperationStatus::ALL[to];
            let name = watched.order_of[id];
            let order_after = order_status.map(|status| read(copy(name, OrderStatus::ALL[status], now)));
            let settled = try_to_settle(store, Settlement { order_after, ..settlement(*id, to, now) }).await;
            let done = matches!(settled, Settled::Done(_));
            // The order after what succeeded may be told later than the end.
            let is_completed = to == OperationStatus::Succeeded && *from == to;
            assert!(done == (from.may_become(to) || (*from == to && !to.is_final())) || is_completed);
            if done && *from == OperationStatus::Accepted && to == OperationStatus::NeedsReview {
                watched.beside.insert(*id);
            }
            if done && *from != to {
                *watched.changes.entry(name).or_default() += 1;
                *from = to;
            }
        }
        Step::Save { order, status, age } => {
            keep(store, vec![copy(ORDERS[order], OrderStatus::ALL[status], now + age)]).await;
        }
        Step::Recover => {
            let changed = store.recover(at(now)).await.unwrap();
            for (id, status) in &mut watched.operations {
                let was_sending = *status == OperationStatus::Sending;
                assert_eq!(changed.iter().any(|operation| operation.id == *id), was_sending);
                if was_sending {
                    *status = OperationStatus::Unknown;
                    *watched.changes.entry(watched.order_of[id]).or_default() += 1;
                }
            }
        }
        Step::Reopen => unreachable!("the caller has the store"),
    }
}

async fn check(store: &dyn Store, watched: &Watched) {
    for (id, status) in &watched.operations {
        assert_eq!(store.operation(*id).await.unwrap().unwrap().status, *status);
    }
    for name in ORDERS {
        let of_order: Vec<_> =
            watched.operations.iter().filter(|(id, _)| watched.order_of[id] == name).collect();
        let open: Vec<_> =
            of_order.iter().filter(|(_, status)| status.blocks_the_order()).map(|(id, _)| *id).collect();
        assert!(open.iter().filter(|id| !watched.beside.contains(*id)).count() <= 1);
        let view = store.look(Some(&order_id(name)), None).await.unwrap();
        let changes = watched.changes.get(name).copied().unwrap_or(0);
        assert!(view.blocking.map_or(open.is_empty(), |id| open.contains(&id)));
        assert_eq!(view.change_count, changes);
        // No change without its event: what is counted is begun or told.
        let told = event_words(store, name).await;
        let told = told.iter().filter(|(word, _)| word.starts_with("operation.")).count();
        assert_eq!(told + of_order.len(), usize::try_from(changes).unwrap());
        // Status events lead from each status to the next, up to the copy that is kept.
        let mut last = None;
        for event in store.order_events(&order_id(name), 0, super::rig::ALL).await.unwrap() {
            if let Some(previous) = event.event.data.get("previous_status") {
                assert!(last.is_none() || last.as_ref() == Some(previous), "{last:?} {previous}");
                last = Some(event.event.data["status"].clone());
            }
        }
        if let Some(last) = last {
            let kept = store.order_copy(&order_id(name)).await.unwrap().unwrap();
            assert_eq!(last, kept.status.as_str());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_whatever_happens(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let kind = Sqlite::new();
            let mut store = kind.open().unwrap();
            let mut watched = Watched::default();
            for (now, step) in (0_i64..).zip(steps) {
                if matches!(step, Step::Reopen) {
                    store.close().await;
                    store = kind.open().unwrap();
                } else {
                    take(&*store, &mut watched, now * 3, step).await;
                }
            }
            check(&*store, &watched).await;
        });
    }
}
