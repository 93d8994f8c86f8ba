//! What goes out is bounded, counted and removed in steps, however many deliveries there are.

use std::time::Duration;

use guichet::{
    config::AllowedAccounts,
    domain::{EndpointId, EventFilter, Field, OperationStatus, Timestamp},
    store::{
        Store,
        outbox::{
            AfterAttempt, Attempt, AttemptRecord, DeliveryStatus, EndpointChange, EndpointEffect,
            OutboxStore, REPLAY_MAX, ReplaySelection, Replayed,
        },
        retention::{Limits, Stage, Sweep},
        sqlite::SqliteStore,
    },
};
use rusqlite::Connection;

use super::rig::{Kind, Sqlite, at, cancel_in, endpoint};

/// Makes `count` events, a millisecond apart, beside the one that is there. Gives the time of the first.
fn multiply(path: &std::path::Path, count: usize) -> Timestamp {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            "BEGIN IMMEDIATE;
             CREATE TEMP TABLE one AS SELECT * FROM events ORDER BY position DESC LIMIT 1;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO events (id, position, stream, order_id, account, sequence, event_type, operation_id, \
                                 occurred_at, data)
             SELECT printf('evt_01997b2c-0000-7000-8000-%012x', i), position + i, 'copy' || i, order_id, account, 1,
                    event_type, NULL, occurred_at + i, data FROM n, one;
             UPDATE counters SET value = value + {count} WHERE name = 'events';
             COMMIT;"
        ))
        .unwrap();
    let first = connection.query_row("SELECT occurred_at + 1 FROM one", [], |row| row.get(0)).unwrap();
    Timestamp::from_millis(first)
}

/// Plans `count` deliveries for an endpoint, as `OutboxStore::plan` does.
async fn plan_all(store: &SqliteStore, id: EndpointId) {
    let newest = *store.watch_events().borrow();
    loop {
        let position = store.endpoint(id).await.unwrap().unwrap().position;
        if position >= newest {
            return;
        }
        let everything = (AllowedAccounts::All, EventFilter::default());
        let page = store.events_after(position, &everything.0, &everything.1, 500).await.unwrap();
        store.plan(id, position, &page, at(1_000)).await.unwrap();
    }
}

fn counted(path: &std::path::Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

const DELIVERIES: &str = "SELECT COUNT(*) FROM webhook_deliveries";
const PENDING: &str = "SELECT COUNT(*) FROM webhook_deliveries WHERE status = 'pending'";

/// A store with so many events and an endpoint that was made before them, or after.
async fn filled(kind: &Sqlite, count: usize, is_before: bool) -> (SqliteStore, EndpointId, Timestamp) {
    let store = SqliteStore::open(&kind.url()).unwrap();
    cancel_in(&store, "a", OperationStatus::Refused).await;
    let (before, after) = (endpoint(), endpoint());
    if is_before {
        assert!(store.create_endpoint(before.clone(), 9).await.unwrap());
    }
    store.close().await;
    drop(store);
    let first = multiply(&kind.path(), count);
    let store = SqliteStore::open(&kind.url()).unwrap();
    if is_before {
        return (store, before.id, first);
    }
    assert!(store.create_endpoint(after.clone(), 9).await.unwrap());
    (store, after.id, first)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_too_much_does_nothing_and_a_large_one_lets_others_write() {
    let kind = Sqlite::new();
    let (store, id, first) = filled(&kind, REPLAY_MAX + 1, false).await;
    let range = |millis: Option<u64>| ReplaySelection::Range {
        from: first,
        to: millis.map(|millis| first.plus(Duration::from_millis(millis))),
        only_dead: false,
    };
    let all = AllowedAccounts::All;
    assert_eq!(store.replay(id, &range(None), &all, at(5)).await.unwrap(), Replayed::TooMany);
    assert_eq!(counted(&kind.path(), DELIVERIES), 0);
    let most = u64::try_from(REPLAY_MAX).unwrap();
    let selection = range(Some(most));
    let replay = store.replay(id, &selection, &all, at(5));
    let mut replay = std::pin::pin!(replay);
    let mut beside = 0;
    let replayed = loop {
        tokio::select! {
            biased;
            replayed = &mut replay => break replayed.unwrap(),
            written = store.check_writable() => {
                written.unwrap();
                beside += 1;
            }
        }
    };
    assert_eq!(replayed, Replayed::Queued(most));
    assert!(beside >= 10, "{beside} other commands had their turn");
    assert_eq!(counted(&kind.path(), PENDING), i64::try_from(REPLAY_MAX).unwrap());
    assert_eq!(store.backlog(at(5)).await.unwrap().outbox_pending, i64::try_from(REPLAY_MAX).unwrap());
    // Another time nothing is counted twice.
    assert_eq!(store.replay(id, &selection, &all, at(6)).await.unwrap(), Replayed::Queued(most));
    assert_eq!(store.backlog(at(6)).await.unwrap().outbox_pending, i64::try_from(REPLAY_MAX).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_endpoint_is_gone_at_once_and_its_deliveries_go_in_steps() {
    let kind = Sqlite::new();
    let (store, id, _) = filled(&kind, 1_500, true).await;
    plan_all(&store, id).await;
    assert_eq!(store.backlog(at(5)).await.unwrap().outbox_pending, 1_500);
    assert!(store.delete_endpoint(id).await.unwrap());
    assert!(!store.delete_endpoint(id).await.unwrap(), "it is gone");
    assert!(store.endpoint(id).await.unwrap().is_none());
    assert!(store.endpoints(None).await.unwrap().is_empty());
    assert_eq!(store.backlog(at(5)).await.unwrap().outbox_pending, 0);
    assert_eq!(counted(&kind.path(), DELIVERIES), 1_500, "not in one go");
    let secrets = "SELECT COUNT(*) FROM webhook_endpoints WHERE secret <> '' OR url <> ''";
    assert_eq!(counted(&kind.path(), secrets), 0);
    // Not taken as one that is old: what is asked for needs no limit.
    let limits = Limits { before: at(-1), now: at(-1) };
    let (mut next, mut erased) = (Some(Sweep { stage: Stage::Endpoints, after: None }), 0);
    while let Some(from) = next.filter(|from| from.stage == Stage::Endpoints) {
        let swept = store.sweep(limits, from).await.unwrap();
        assert!(swept.erased.deliveries <= 200, "{swept:?}");
        erased += swept.erased.deliveries;
        next = swept.next;
    }
    assert_eq!(erased, 1_500);
    assert_eq!(counted(&kind.path(), DELIVERIES), 0);
    assert_eq!(counted(&kind.path(), "SELECT COUNT(*) FROM webhook_endpoints"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_counted_where_it_is_written() {
    let kind = Sqlite::new();
    let (store, id, _) = filled(&kind, 3, true).await;
    let waiting = async || {
        let told = store.backlog(at(5_000)).await.unwrap();
        (told.outbox_pending, told.outbox_oldest)
    };
    assert_eq!(waiting().await, (0, Duration::ZERO));
    plan_all(&store, id).await;
    assert_eq!(waiting().await, (3, Duration::from_secs(4)));
    let events: Vec<_> = store.deliveries(id, None, i64::MAX, 9).await.unwrap();
    let attempt = async |number: usize, after| {
        let event = events[number].event.event.id;
        let attempt = Attempt { at: at(9), result: "timeout".to_owned(), http_status: None, duration_ms: 1 };
        let effect = EndpointEffect::Unchanged;
        store.record_attempt(AttemptRecord { endpoint: id, event, attempt, after, effect }).await.unwrap();
    };
    for (number, after, left) in [
        (0, AfterAttempt::Retry(at(10)), 3),
        (0, AfterAttempt::Delivered, 2),
        (1, AfterAttempt::Dead, 1),
        // An attempt that was under way while it was replayed or ended.
        (1, AfterAttempt::Dead, 1),
        (0, AfterAttempt::Retry(at(10)), 2),
    ] {
        attempt(number, after).await;
        assert_eq!(waiting().await.0, left, "{number} {after:?}");
    }
    let dead = ReplaySelection::Range { from: at(-9_999_999), to: None, only_dead: true };
    let all = AllowedAccounts::All;
    assert_eq!(store.replay(id, &dead, &all, at(3_000)).await.unwrap(), Replayed::Queued(1));
    assert_eq!(waiting().await, (3, Duration::from_secs(4)));
    assert_eq!(counted(&kind.path(), PENDING), 3);
    let switched = async |enabled| {
        let change = EndpointChange {
            url: None,
            description: Field::Keep,
            event_types: None,
            enabled: Some(enabled),
            secret: None,
            accounts: AllowedAccounts::All,
            at: at(9),
        };
        store.change_endpoint(id, change).await.unwrap().unwrap();
    };
    switched(false).await;
    assert_eq!(waiting().await, (0, Duration::ZERO), "nobody waits for what is off");
    switched(true).await;
    assert_eq!(waiting().await.0, 3);
}

/// A replay adds attempts to those that were made, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_attempts_of_a_delivery_are_kept() {
    let kind = Sqlite::new();
    let (store, id, _) = filled(&kind, 1, true).await;
    plan_all(&store, id).await;
    let event = store.deliveries(id, None, i64::MAX, 9).await.unwrap()[0].event.event.id;
    for millis in 0..60 {
        let attempt =
            Attempt { at: at(millis), result: "timeout".to_owned(), http_status: None, duration_ms: 1 };
        let (after, effect) = (AfterAttempt::Dead, EndpointEffect::Unchanged);
        store.record_attempt(AttemptRecord { endpoint: id, event, attempt, after, effect }).await.unwrap();
    }
    let shown = store.deliveries(id, Some(DeliveryStatus::Dead), i64::MAX, 9).await.unwrap();
    let times: Vec<_> = shown[0].attempts.iter().map(|attempt| attempt.at).collect();
    assert_eq!(times, (10..60).map(at).collect::<Vec<_>>());
}
