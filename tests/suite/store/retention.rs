//! What is erased when it is old, and what stays.

use std::time::Duration;

use guichet::{
    domain::{
        Cause, Customer, Field, Intent, OperationId, OperationStatus, Order, OrderPatch, OrderStatus,
        Timestamp,
    },
    store::{
        Begun, NewNotification, NewOperation, NotificationFacts, Store, StoreError,
        retention::{Erased, Limits, Stage, Sweep},
        sqlite::SqliteStore,
    },
};

use super::rig::{
    ALL, Kind, Sqlite, at, begin, cancel, cancel_in, copy, create, events, keep, order_id, read, refund,
    settle, settlement, start, with_key,
};

/// In every member that names a payer; long enough to reach into overflow pages.
pub(super) fn canary(text: &str) -> String {
    format!("canary-{text}-{}", "x".repeat(40))
}

const DAY: i64 = 86_400_000;

/// A whole round as of `days` after the orders of the rig, for what was silent for 30 days.
async fn round(store: &dyn Store, days: i64) -> Erased {
    let now = at(days * DAY);
    let limits = Limits { before: now.minus(Duration::from_secs(30 * 86_400)), now };
    let (mut erased, mut next) = (Erased::default(), Some(Sweep::default()));
    while let Some(from) = next {
        let swept = store.sweep(limits, from).await.unwrap();
        erased = erased.and(swept.erased);
        next = swept.next;
    }
    erased
}

/// A copy that names its payer everywhere.
fn named(name: &str, status: OrderStatus, as_of: i64) -> Order {
    let mut order = copy(name, status, as_of);
    order.description = Some(canary("description"));
    order.metadata.insert("payer".to_owned(), canary("label"));
    order.delivery.as_mut().unwrap().recipient = Some(canary("recipient"));
    order.provider_data.insert("bcc".to_owned(), canary("bcc").into());
    order
}

/// A creation whose request names its payer everywhere.
fn named_creation(reference: &str) -> NewOperation {
    let mut new = create(reference);
    if let Intent::Create { planned } = &mut new.operation.intent {
        planned.order.customer = Customer {
            email: Some(canary("email")),
            first_name: Some(canary("first")),
            last_name: Some(canary("last")),
        };
        planned.order.delivery.message = Some(canary("message").repeat(40));
        planned.order.return_url = Some(canary("return"));
        planned.page_token = Some(canary(&format!("token-{reference}")));
    }
    new
}

fn notification(name: &str, millis: i64, facts: NotificationFacts) -> NewNotification {
    NewNotification {
        account: "shop".parse().unwrap(),
        dedup_key: format!("news-{name}-{millis}"),
        received_at: at(millis),
        due_at: at(millis),
        content_type: Some("application/json".to_owned()),
        raw_body: format!("{{\"payer\": \"{}\"}}", canary("raw").repeat(60)).into_bytes(),
        facts,
        cause: Cause::default(),
    }
}

fn facts(operation: Option<OperationId>) -> NotificationFacts {
    NotificationFacts {
        reference: None,
        merchant_reference: None,
        operation,
        status: Some(OrderStatus::Paid),
        provider_status: Some("PAID".to_owned()),
        amount: None,
        settles: None,
        closes: false,
    }
}

/// An order made here by a request with this key, and paid; with one notification and one refund.
pub(super) async fn life(store: &dyn Store, name: &str, key: &str) -> OperationId {
    let id = start(store, with_key(named_creation(name), key, "fingerprint")).await;
    let mut made = settlement(id, OperationStatus::Succeeded, 1);
    made.order_after = Some(read(named(name, OrderStatus::Pending, 1)));
    settle(store, made).await;
    keep(store, vec![named(name, OrderStatus::Paid, 2)]).await;
    assert!(store.keep_notification(notification(name, 2, facts(None))).await.unwrap());
    for due in store.due_notifications(&order_id("a").account, at(3), ALL).await.unwrap() {
        store.tie_notification(&due.id, &order_id(name)).await.unwrap();
        store.finish_notification(&due.id, Some(order_id(name)), at(3)).await.unwrap();
    }
    let refunded = start(store, refund(named(name, OrderStatus::Paid, 3), 100, 1_250)).await;
    let mut done = settlement(refunded, OperationStatus::Succeeded, 4);
    done.order_after = Some(read(named(name, OrderStatus::PartiallyRefunded, 4)));
    settle(store, done).await;
    id
}

/// How often the canaries are in the files of a store.
pub(super) fn canaries(kind: &Sqlite) -> usize {
    ["db", "db-wal", "db-shm"]
        .iter()
        .filter_map(|extension| std::fs::read(kind.path().with_extension(extension)).ok())
        .map(|bytes| bytes.windows(7).filter(|window| window == b"canary-").count())
        .sum()
}

#[tokio::test]
async fn payer_data_goes_and_the_record_stays() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let creation = life(&*store, "a", "key-1").await;
    let before = (
        events(&*store, "a").await,
        store.memory(&order_id("a")).await.unwrap().movements,
        store.operation(creation).await.unwrap().unwrap(),
    );
    assert_eq!(round(&*store, 29).await, Erased::default(), "nothing is old yet");
    assert!(store.look(None, Some(("till", "key-1"))).await.unwrap().key.is_some());
    assert!(canaries(&kind) > 0);

    let erased = round(&*store, 31).await;
    assert_eq!(
        (erased.orders, erased.operations, erased.notifications, erased.keys),
        (1, 2, 1, 1),
        "{erased:?}"
    );
    assert!(store.scrub().await.unwrap());
    assert_eq!(canaries(&kind), 0);

    assert_eq!(events(&*store, "a").await, before.0, "events stay");
    assert_eq!(
        store.due_reads(&order_id("a").account, at(DAY), ALL).await.unwrap(),
        [],
        "nothing brings it back by itself"
    );
    let memory = store.memory(&order_id("a")).await.unwrap();
    assert_eq!(memory.movements, before.1, "what was moved stays");
    assert_eq!(memory.creation.unwrap().operation, creation);
    assert_eq!(memory.notified.unwrap().status, OrderStatus::Paid);
    let operation = store.operation(creation).await.unwrap().unwrap();
    assert_eq!((operation.status, operation.amount), (before.2.status, before.2.amount));
    assert_eq!(operation.created_at, before.2.created_at);
    assert_eq!(store.operation_of_page(&canary("token-a")).await.unwrap(), None);
    let copy = store.order_copy(&order_id("a")).await.unwrap().unwrap();
    assert_eq!((copy.status, copy.description), (OrderStatus::PartiallyRefunded, None));
    assert!(store.look(None, Some(("till", "key-1"))).await.unwrap().key.is_none());
    assert_eq!(round(&*store, 32).await, Erased::default(), "a second round finds nothing");

    // A read brings a copy back; it goes with the next round.
    keep(&*store, vec![named("a", OrderStatus::PartiallyRefunded, 32 * DAY)]).await;
    assert_eq!(round(&*store, 33).await, Erased { orders: 1, ..Erased::default() });
    assert!(store.scrub().await.unwrap());
    assert_eq!(canaries(&kind), 0);
}

#[tokio::test]
async fn what_is_not_over_is_not_touched() {
    for status in [
        OperationStatus::Sending,
        OperationStatus::Accepted,
        OperationStatus::Unknown,
        OperationStatus::NeedsReview,
    ] {
        let kind = Sqlite::new();
        let store = kind.open().unwrap();
        let id = cancel_in(&*store, "a", status).await;
        keep(&*store, vec![named("a", OrderStatus::Paid, 5)]).await;
        // A creation whose order nobody knows.
        let creation = start(&*store, with_key(named_creation("b"), "key-1", "f")).await;
        // News of it that cannot be applied yet.
        store.keep_notification(notification("b", 1, facts(Some(creation)))).await.unwrap();
        let before = (store.operation(id).await.unwrap(), store.order_copy(&order_id("a")).await.unwrap());
        assert_eq!(round(&*store, 10_000).await, Erased::default(), "{status:?}");
        assert_eq!(store.operation(id).await.unwrap(), before.0);
        assert_eq!(store.order_copy(&order_id("a")).await.unwrap(), before.1);
        assert!(store.look(None, Some(("till", "key-1"))).await.unwrap().key.is_some());
        assert_eq!(store.due_notifications(&order_id("a").account, at(2), ALL).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_open_order_stays_until_it_is_over() {
    for (status, expires_in, over_after) in [
        (OrderStatus::Pending, Some(40), 42),
        (OrderStatus::Declined, Some(40), 42),
        (OrderStatus::Pending, None, 401),
        (OrderStatus::Authorized, Some(1), 401),
        (OrderStatus::Processing, None, 401),
        (OrderStatus::InReview, None, 401),
        (OrderStatus::Unknown, None, 401),
        (OrderStatus::Authorized, Some(500), 501),
        (OrderStatus::Paid, None, 31),
        (OrderStatus::Failed, None, 31),
    ] {
        let kind = Sqlite::new();
        let store = kind.open().unwrap();
        let mut read = named("a", status, 0);
        read.expires_at = expires_in.map(|days| at(days * DAY));
        let id = start(&*store, cancel(read)).await;
        settle(&*store, settlement(id, OperationStatus::Refused, 1)).await;
        assert_eq!(round(&*store, over_after - 1).await.orders, 0, "{status:?} {expires_in:?}");
        assert_eq!(round(&*store, over_after).await.orders, 1, "{status:?} {expires_in:?}");
    }
}

#[tokio::test]
async fn copies_that_were_only_read_go_altogether() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    keep(&*store, vec![named("a", OrderStatus::Pending, 0), named("b", OrderStatus::Pending, 0)]).await;
    keep(&*store, vec![named("b", OrderStatus::Pending, 20 * DAY)]).await;
    assert_eq!(round(&*store, 31).await.orders, 1, "b was read since");
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap(), None);
    assert!(store.order_copy(&order_id("b")).await.unwrap().is_some());
}

#[tokio::test]
async fn operations_and_notifications_without_an_order_go_too() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let id = start(&*store, with_key(named_creation("a"), "key-1", "f")).await;
    store.keep_notification(notification("a", 1, facts(Some(id)))).await.unwrap();
    store.keep_notification(notification("x", 1, facts(None))).await.unwrap();
    settle(&*store, settlement(id, OperationStatus::Refused, 2)).await;
    let erased = round(&*store, 31).await;
    assert_eq!((erased.operations, erased.notifications, erased.keys), (1, 2, 1), "{erased:?}");
    assert!(store.scrub().await.unwrap());
    assert_eq!(canaries(&kind), 0);
    assert_eq!(store.operation(id).await.unwrap().unwrap().status, OperationStatus::Refused);
}

#[tokio::test]
async fn one_order_can_be_erased_before_its_time() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let creation = life(&*store, "a", "key-1").await;
    let open = start(&*store, cancel(named("b", OrderStatus::Pending, 0))).await;
    for name in ["a", "b", "nobody"] {
        // While another process has the lock: the same request twice is one.
        SqliteStore::request_erasure(&kind.url(), &order_id(name)).unwrap();
        SqliteStore::request_erasure(&kind.url(), &order_id(name)).unwrap();
    }
    let limits = Limits { before: at(0), now: Timestamp::now() };
    let swept = store.sweep(limits, Sweep::default()).await.unwrap();
    assert_eq!((swept.erased.orders, swept.erased.operations), (1, 2), "{swept:?}");
    assert_eq!(swept.next.map(|next| next.stage), Some(Stage::Endpoints));
    assert_eq!(store.operation_of_page(&canary("token-a")).await.unwrap(), None);
    // The key is young: it goes on to stand for what it did.
    let key = store.look(None, Some(("till", "key-1"))).await.unwrap().key.unwrap();
    assert_eq!(key.operation.id, creation);
    assert!(!serde_json::to_string(&key.operation).unwrap().contains("canary"));
    let again = with_key(named_creation("a2"), "key-1", "fingerprint");
    assert!(matches!(store.begin(again).await.unwrap(), Begun::KeyUsed(_)));
    assert_eq!(round(&*store, 31).await.keys, 1, "it goes when it is old");

    // The open one waits until it is over.
    assert!(store.order_copy(&order_id("b")).await.unwrap().unwrap().description.is_some());
    let mut canceled = settlement(open, OperationStatus::Succeeded, 9);
    canceled.order_after = Some(read(named("b", OrderStatus::Canceled, 9)));
    settle(&*store, canceled).await;
    assert_eq!(store.sweep(limits, Sweep::default()).await.unwrap().erased.orders, 1);
    assert_eq!(store.order_copy(&order_id("b")).await.unwrap().unwrap().description, None);
    assert_eq!(store.sweep(limits, Sweep::default()).await.unwrap().erased, Erased::default());
}

#[tokio::test]
async fn an_erasure_is_asked_of_a_store_of_this_version_only() {
    let kind = Sqlite::new();
    let refused = || SqliteStore::request_erasure(&kind.url(), &order_id("a")).unwrap_err().to_string();
    assert!(refused().contains("there is no store"), "{}", refused());
    kind.open().unwrap().close().await;
    SqliteStore::request_erasure(&kind.url(), &order_id("a")).unwrap();
    let connection = rusqlite::Connection::open(kind.path()).unwrap();
    connection.execute_batch("INSERT INTO schema_migrations VALUES ('9999_later', 'x', 0)").unwrap();
    assert!(refused().contains("not those of this version"), "{}", refused());
}

#[tokio::test]
async fn one_unreadable_row_does_not_keep_the_others() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    life(&*store, "a", "key-1").await;
    life(&*store, "b", "key-2").await;
    rusqlite::Connection::open(kind.path())
        .unwrap()
        .execute("UPDATE orders SET last_copy = '{' WHERE id = 'shop_a'", [])
        .unwrap();
    let erased = round(&*store, 31).await;
    assert_eq!((erased.orders, erased.unreadable), (1, 1), "{erased:?}");
}

#[tokio::test]
async fn the_audit_trail_is_append_only() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    life(&*store, "a", "key-1").await;
    assert!(round(&*store, 31).await.anything(), "erasure does not need it");
    let connection = rusqlite::Connection::open(kind.path()).unwrap();
    let rows = || connection.query_row("SELECT COUNT(*) FROM audit", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(rows(), 4);
    for sql in
        ["DELETE FROM audit", "UPDATE audit SET actor = 'nobody'", "DELETE FROM audit WHERE position = 1"]
    {
        let error = connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
    assert_eq!(rows(), 4);
}

#[tokio::test]
async fn a_patch_that_names_the_payer_is_erased() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let patch = OrderPatch { description: Field::Set(canary("patch")), ..OrderPatch::default() };
    let before = Box::new(named("a", OrderStatus::Canceled, 0));
    let id = start(&*store, begin(Intent::Update { before, patch: Box::new(patch) })).await;
    settle(&*store, settlement(id, OperationStatus::Refused, 1)).await;
    assert_eq!(round(&*store, 31).await.operations, 1);
    assert!(store.scrub().await.unwrap());
    assert_eq!(canaries(&kind), 0);
}

/// Many orders, so that pages fill up, split and are given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_holds_erased_bytes() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    for n in 0..300 {
        life(&*store, &format!("o{n}"), &format!("key-{n}")).await;
    }
    assert!(canaries(&kind) > 3_000);
    let erased = round(&*store, 31).await;
    assert_eq!((erased.orders, erased.operations, erased.keys), (300, 600, 300), "{erased:?}");
    assert!(store.scrub().await.unwrap());
    assert_eq!(canaries(&kind), 0);
}

/// Nothing but this word, so that every piece of it that is left is found.
fn text(mark: &str, length: usize) -> String {
    format!("{mark}-").repeat(length / 7 + 1)
}

/// Orders of all sizes, begun, settled and read again in other orders than they were begun, so that pages split and
/// cells move. Half of them are over; the others stay between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_holds_what_was_moved_before_it_was_erased() {
    const ORDERS: usize = 400;
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    let length = |n: usize| n.wrapping_mul(2_654_435_761) % 1_500;
    let mark = |n: usize| if n.is_multiple_of(2) { "canary" } else { "keeper" };
    let mut begun = Vec::new();
    for n in 0..ORDERS {
        let mut new = create(&format!("o{n}"));
        if let Intent::Create { planned } = &mut new.operation.intent {
            planned.order.description = Some(text(mark(n), length(n)));
            planned.page_token = Some(format!("{}-token-{n}", mark(n)));
        }
        begun.push(start(&*store, new).await);
    }
    for step in 0..ORDERS {
        let n = (step * 163) % ORDERS;
        let mut made = settlement(begun[n], OperationStatus::Succeeded, 1);
        let mut order = copy(&format!("o{n}"), OrderStatus::Pending, 1);
        order.description = Some(text(mark(n), length(n + 7)));
        made.order_after = Some(read(order));
        settle(&*store, made).await;
    }
    for (at, stride) in [(2, 37), (3, 191), (4, 87)] {
        for step in 0..ORDERS {
            let n = (step * stride) % ORDERS;
            let status = if n.is_multiple_of(2) { OrderStatus::Paid } else { OrderStatus::Authorized };
            let mut order = copy(&format!("o{n}"), status, at);
            order.description = Some(text(mark(n), length(n + stride)));
            keep(&*store, vec![order]).await;
        }
    }
    assert!(canaries(&kind) > 10_000);
    let erased = round(&*store, 31).await;
    assert_eq!((erased.orders, erased.operations), (200, 200), "{erased:?}");
    assert!(store.scrub().await.unwrap());
    assert_eq!(canaries(&kind), 0);
    for n in 0..ORDERS {
        let kept = store.order_copy(&order_id(&format!("o{n}"))).await.unwrap().unwrap();
        assert_eq!(kept.description.is_some(), !n.is_multiple_of(2), "{n}");
    }
}

#[tokio::test]
async fn compacting_leaves_nothing_but_what_is_stored() {
    let kind = Sqlite::new();
    assert!(SqliteStore::compact(&kind.url()).unwrap_err().to_string().contains("there is no store"));
    let store = kind.open().unwrap();
    let creation = life(&*store, "a", "key-1").await;
    assert!(round(&*store, 31).await.anything());
    let told = events(&*store, "a").await;
    assert!(matches!(SqliteStore::compact(&kind.url()), Err(StoreError::Locked(_))), "somebody serves it");
    store.close().await;
    // What rows leave behind that are deleted and not overwritten.
    let connection = rusqlite::Connection::open(kind.path()).unwrap();
    connection.pragma_update_and_check(None, "secure_delete", "OFF", |_| Ok(())).unwrap();
    for n in 0..200 {
        let sql = "INSERT INTO erasure_requests (order_id, requested_at) VALUES (?1, 0)";
        connection.execute(sql, [format!("canary-{n}-{}", "x".repeat(300))]).unwrap();
    }
    connection.execute("DELETE FROM erasure_requests", []).unwrap();
    drop(connection);
    assert!(canaries(&kind) > 0);
    let before = std::fs::metadata(kind.path()).unwrap().len();
    SqliteStore::compact(&kind.url()).unwrap();
    assert_eq!(canaries(&kind), 0);
    assert!(std::fs::metadata(kind.path()).unwrap().len() < before);
    let store = kind.open().unwrap();
    assert_eq!(store.operation(creation).await.unwrap().unwrap().status, OperationStatus::Succeeded);
    assert_eq!(events(&*store, "a").await, told);
}

/// Changes go on beside a round over many old orders. A figure for the log, and a bound that only a stalled writer
/// breaks: a step is a few milliseconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_do_not_wait_for_erasure() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    for n in 0..300 {
        life(&*store, &format!("old{n}"), &format!("old-key-{n}")).await;
    }
    let measure = async |prefix: &str, until: &mut (dyn FnMut() -> bool + Send)| {
        let (mut times, mut n) = (Vec::new(), 0);
        while !until() {
            let mut order = copy(&format!("{prefix}{n}"), OrderStatus::Pending, 60 * DAY);
            order.expires_at = Some(at(100 * DAY));
            let started = std::time::Instant::now();
            let id = start(&*store, cancel(order)).await;
            settle(&*store, settlement(id, OperationStatus::Refused, 60 * DAY)).await;
            times.push(started.elapsed());
            n += 1;
        }
        times.sort();
        times
    };
    let mut left = 150;
    let alone = measure("alone", &mut || {
        left -= 1;
        left < 0
    })
    .await;
    let sweeper = {
        let store = std::sync::Arc::clone(&store);
        // With the pauses of the job.
        tokio::spawn(async move {
            let now = at(61 * DAY);
            let limits = Limits { before: now.minus(Duration::from_secs(30 * 86_400)), now };
            let (mut erased, mut next, mut steps) = (Erased::default(), Some(Sweep::default()), Vec::new());
            while let Some(from) = next {
                let started = std::time::Instant::now();
                let swept = store.sweep(limits, from).await.unwrap();
                steps.push(started.elapsed());
                tokio::time::sleep((started.elapsed() * 10).max(Duration::from_millis(10))).await;
                erased = erased.and(swept.erased);
                next = swept.next;
            }
            (erased, steps)
        })
    };
    let beside = measure("beside", &mut || sweeper.is_finished()).await;
    let (erased, mut steps) = sweeper.await.unwrap();
    assert_eq!((erased.orders, erased.operations), (300, 600), "{erased:?}");
    steps.sort();
    let at = |times: &[Duration], share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "change alone p50 {:?} p99 {:?}; beside a round p50 {:?} p99 {:?} of {}; a step p50 {:?} max {:?}",
        at(&alone, 50),
        at(&alone, 99),
        at(&beside, 50),
        at(&beside, 99),
        beside.len(),
        at(&steps, 50),
        at(&steps, 100)
    );
    assert!(beside.len() > 20, "changes go on: {}", beside.len());
    assert!(at(&beside, 50) < at(&alone, 50) * 5 + Duration::from_millis(50), "{:?}", at(&beside, 50));
}

/// A key whose effect moved money never runs again, however long ago that was; one that did nothing may be used anew.
#[tokio::test]
async fn a_key_that_had_an_effect_never_runs_again() {
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    life(&*store, "a", "spent").await;
    let id =
        start(&*store, with_key(refund(named("a", OrderStatus::Paid, 5), 10, 1_250), "refused", "f")).await;
    settle(&*store, settlement(id, OperationStatus::Refused, 6)).await;
    let erased = round(&*store, 40).await;
    assert_eq!(erased.keys, 2, "{erased:?}");
    drop(store);
    let store = kind.open().unwrap();
    for (key, is_spent) in [("spent", true), ("refused", false), ("never-used", false)] {
        let view = store.look(None, Some(("till", key))).await.unwrap();
        assert_eq!((view.key, view.key_is_spent), (None, is_spent), "{key}");
        let begun = store.begin(with_key(create(&format!("new-{key}")), key, "other")).await.unwrap();
        let expected = if is_spent { Begun::KeySpent } else { Begun::Started };
        assert_eq!(begun, expected, "{key}");
        // Another client's key of the same name is another key.
        assert!(!store.look(None, Some(("shop", key))).await.unwrap().key_is_spent);
    }
}

/// A clock that leaps moves nothing: while it runs, erasure goes by the time that really passed; at a start it believes the
/// time of day only near the time it knows.
#[tokio::test]
async fn the_clock_of_erasure_never_leaps() {
    const HOUR: i64 = 3_600_000;
    const AN_HOUR: Option<Duration> = Some(Duration::from_secs(3_600));
    const A_DAY: Option<Duration> = Some(Duration::from_secs(86_400));
    let kind = Sqlite::new();
    let store = kind.open().unwrap();
    life(&*store, "a", "key").await;
    let clock = async |store: &dyn Store, days: i64, passed| {
        let clock = store.erasure_clock(at(days * DAY), passed).await.unwrap();
        (clock.at.as_millis() - at(0).as_millis(), clock.ahead.is_some())
    };
    // The first start ever, 500 days ahead: the newest row says what day it is.
    assert_eq!(clock(&*store, 500, None).await, (4, true));
    assert_eq!(clock(&*store, 500, AN_HOUR).await, (4 + HOUR, true), "an hour later");
    // The clock is right again, and the service goes on.
    assert_eq!(clock(&*store, 1, A_DAY).await, (DAY, false));
    assert_eq!(clock(&*store, 0, AN_HOUR).await, (DAY, false), "it never goes back");
    drop(store);
    let store = kind.open().unwrap();
    assert_eq!(clock(&*store, 3, None).await, (3 * DAY, false), "a weekend");
    assert_eq!(clock(&*store, 500, AN_HOUR).await, (3 * DAY + HOUR, true));
    drop(store);
    let store = kind.open().unwrap();
    assert_eq!(clock(&*store, 500, None).await, (3 * DAY + HOUR, true), "a restart does not help");
}
