//! Which orders are read because they are followed, and when.

use std::{num::NonZero, time::Duration};

use guichet::{
    domain::{AccountName, OperationStatus, Order, OrderStatus, Timestamp, WaitsFor},
    store::{Settlement, Store, sqlite::SqliteStore},
};

use super::rig::{
    ALL, Kind, Sqlite, at, cancel, copy, create, keep, order_id, read, settle, settlement, start,
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn shop() -> AccountName {
    "shop".parse().unwrap()
}

fn waiting(name: &str, status: OrderStatus, waits_for: WaitsFor, as_of: i64) -> Order {
    Order { waits_for, expires_at: Some(at(2 * DAY)), ..copy(name, status, as_of) }
}

/// An order made here, as it was made.
async fn made(store: &dyn Store, name: &str) {
    let id = start(store, create(name)).await;
    let order_after = Some(read(waiting(name, OrderStatus::Pending, WaitsFor::Payment, 0)));
    settle(store, Settlement { order_after, ..settlement(id, OperationStatus::Succeeded, 0) }).await;
}

/// The next read within 500 days: reads the order so until it is followed no more, and gives the hours at which it was.
async fn hours(store: &dyn Store, order: impl Fn(i64) -> Order) -> Vec<i64> {
    let mut hours = Vec::new();
    let mut now = 0;
    while hours.len() < 90 {
        let Some(next) = next(store, now).await else { break };
        now = next;
        hours.push(now / HOUR);
        keep(store, vec![order(now)]).await;
        store.plan_read(&order_id("a"), at(now), true).await.unwrap();
    }
    hours
}

/// When the first order of the account is due, in milliseconds: found by halving.
async fn next(store: &dyn Store, from: i64) -> Option<i64> {
    let is_due = async |millis: i64| !store.due_reads(&shop(), at(millis), 1).await.unwrap().is_empty();
    let (mut early, mut late) = (from, 500 * DAY);
    if !is_due(late).await {
        return None;
    }
    while late - early > 1_000 {
        let middle = early + (late - early) / 2;
        if is_due(middle).await { late = middle } else { early = middle }
    }
    Some(late)
}

/// Each instant of a schedule comes up to a tenth of its pause late.
fn assert_near(hours: &[i64], planned: &[i64]) {
    assert_eq!(hours.len(), planned.len(), "{hours:?} instead of {planned:?}");
    let mut before = 0;
    for (is, planned) in hours.iter().zip(planned) {
        let latest = planned + (planned - before) / 10 + 1;
        assert!((*planned..=latest).contains(is), "{hours:?} instead of {planned:?}");
        before = *planned;
    }
}

/// An authorization is followed to its end, however long ago its page ended.
pub(super) async fn an_authorization_is_followed_to_its_end(kind: &impl Kind) {
    let store = kind.open().unwrap();
    made(&*store, "a").await;
    let authorized = |as_of| waiting("a", OrderStatus::Authorized, WaitsFor::Decision, as_of);
    keep(&*store, vec![authorized(1)]).await;
    let read_at = hours(&*store, authorized).await;
    assert_near(&read_at[..3], &[1, 6, 24]);
    assert!(
        read_at[3..].windows(2).all(|two| (20..=28).contains(&(two[1] - two[0]))),
        "then daily: {read_at:?}"
    );
    assert_eq!(read_at.len(), 90, "and it goes on");
}

pub(super) async fn each_wait_has_its_schedule(kind: &impl Kind) {
    let store = kind.open().unwrap();
    made(&*store, "a").await;
    let deadline = Some(at(3 * HOUR));
    let authorized = |as_of| Order {
        deadline_at: deadline,
        ..waiting("a", OrderStatus::Authorized, WaitsFor::Decision, as_of)
    };
    keep(&*store, vec![authorized(1)]).await;
    assert_near(&hours(&*store, authorized).await[..3], &[1, 4, 6]);

    let store = Sqlite::new();
    let store = store.open().unwrap();
    made(&*store, "a").await;
    let captured = |as_of| waiting("a", OrderStatus::Paid, WaitsFor::Settlement, as_of);
    keep(&*store, vec![captured(1)]).await;
    assert_near(&hours(&*store, captured).await, &[24, 72, 168, 360]);

    let store = Sqlite::new();
    let store = store.open().unwrap();
    made(&*store, "a").await;
    let promised = |as_of| waiting("a", OrderStatus::Paid, WaitsFor::Remittance, as_of);
    keep(&*store, vec![promised(1)]).await;
    let read_at = hours(&*store, promised).await;
    assert!(read_at[8] < 11 * 24 && read_at[14] > 20 * 24, "daily, then weekly: {read_at:?}");
    assert!(read_at.last().unwrap() / 24 <= 441, "400 days at most: {read_at:?}");
    assert!(read_at.len() < 90, "{read_at:?}");
}

pub(super) async fn a_payable_order_is_read_until_after_its_page(kind: &impl Kind) {
    let store = kind.open().unwrap();
    made(&*store, "a").await;
    let pending = |as_of| waiting("a", OrderStatus::Pending, WaitsFor::Payment, as_of);
    let read_at = hours(&*store, pending).await;
    let after: Vec<i64> = read_at.iter().copied().filter(|hour| *hour >= 48).collect();
    assert_near(&after, &[49, 72]);
    assert!(read_at.iter().filter(|hour| **hour < 1).count() >= 5, "often at first: {read_at:?}");
}

/// Once its money cannot change by itself, it is read no more; where it changes, its schedule begins anew.
pub(super) async fn what_is_over_is_read_no_more(kind: &impl Kind) {
    let store = kind.open().unwrap();
    made(&*store, "a").await;
    keep(&*store, vec![waiting("a", OrderStatus::Canceled, WaitsFor::Nothing, 1)]).await;
    assert_eq!(store.due_reads(&shop(), at(500 * DAY), ALL).await.unwrap(), []);
    // Only read: not known here, so not followed; a change asked for here makes it known.
    keep(&*store, vec![waiting("b", OrderStatus::Authorized, WaitsFor::Decision, 1)]).await;
    assert_eq!(store.due_reads(&shop(), at(500 * DAY), ALL).await.unwrap(), []);
    let id = start(&*store, cancel(waiting("b", OrderStatus::Authorized, WaitsFor::Decision, 2))).await;
    settle(&*store, settlement(id, OperationStatus::Refused, 3)).await;
    assert_eq!(store.due_reads(&shop(), at(500 * DAY), ALL).await.unwrap(), [order_id("b")]);
    let refunded = Order {
        amounts: guichet::domain::Amounts { refunded: Some(1), ..copy("b", OrderStatus::Paid, 0).amounts },
        ..waiting("b", OrderStatus::PartiallyRefunded, WaitsFor::Settlement, DAY)
    };
    keep(&*store, vec![refunded]).await;
    assert_near(&[next(&*store, DAY).await.unwrap() / HOUR], &[48]);
}

/// Payable orders come first, and each account has a queue of its own.
pub(super) async fn payable_orders_come_first(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for (name, status, waits_for) in [
        ("old", OrderStatus::Authorized, WaitsFor::Decision),
        ("new", OrderStatus::Pending, WaitsFor::Payment),
    ] {
        made(&*store, name).await;
        keep(&*store, vec![waiting(name, status, waits_for, 1)]).await;
    }
    let due = store.due_reads(&shop(), at(DAY), ALL).await.unwrap();
    assert_eq!(due, [order_id("new"), order_id("old")]);
    assert_eq!(store.due_reads(&shop(), at(DAY), 1).await.unwrap(), [order_id("new")]);
    assert_eq!(store.due_reads(&"other".parse().unwrap(), at(DAY), ALL).await.unwrap(), []);
    let overdue = store.reads_overdue(&shop(), at(DAY)).await.unwrap();
    assert!(overdue > Duration::from_secs(23 * 3_600 - 360), "{overdue:?}");
}

/// A read that fails never ends the following, and is tried less and less often.
pub(super) async fn a_failed_read_is_tried_again_less_and_less_often(kind: &impl Kind) {
    let store = kind.open().unwrap();
    made(&*store, "a").await;
    let unknown_wait = |as_of| waiting("a", OrderStatus::Authorized, WaitsFor::Decision, as_of);
    keep(&*store, vec![unknown_wait(1)]).await;
    let (mut now, mut hours) = (0, Vec::new());
    while hours.len() < 8 {
        now = next(&*store, now).await.expect("it is followed");
        hours.push(now / HOUR);
        store.plan_read(&order_id("a"), at(now), false).await.unwrap();
    }
    assert_eq!(hours[..2], [1, 1], "after ten minutes: {hours:?}");
    assert!((2..=3).contains(&hours[2]) && (8..=10).contains(&hours[3]), "an hour, six hours: {hours:?}");
    assert!(hours[4..].windows(2).all(|two| (24..=27).contains(&(two[1] - two[0]))), "daily: {hours:?}");
    // A read that works goes back to the schedule.
    keep(&*store, vec![unknown_wait(now)]).await;
    store.plan_read(&order_id("a"), at(now), true).await.unwrap();
    assert!(next(&*store, now).await.unwrap() - now <= 27 * HOUR);
}

/// Very many payable orders do not put off the others of their account for ever.
pub(super) async fn payable_orders_leave_a_place_for_the_others(kind: &impl Kind) {
    let store = kind.open().unwrap();
    made(&*store, "authorized").await;
    keep(&*store, vec![waiting("authorized", OrderStatus::Authorized, WaitsFor::Decision, 1)]).await;
    for number in 0..9 {
        made(&*store, &format!("page-{number}")).await;
    }
    let due = store.due_reads(&shop(), at(DAY), 5).await.unwrap();
    assert_eq!((due.len(), due.last()), (5, Some(&order_id("authorized"))), "{due:?}");
}

/// A change whose order nobody read after it, or whose reading came too late, makes the order due.
pub(super) async fn a_change_without_a_copy_makes_its_order_due(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let settled = |name: &str, as_of| waiting(name, OrderStatus::Paid, WaitsFor::Nothing, as_of);
    for (name, order_after) in [("unread", None), ("overtaken", Some(settled("overtaken", 2)))] {
        let id = start(&*store, cancel(settled(name, 1))).await;
        // A read that was asked for while the change was under way.
        keep(&*store, vec![settled(name, 5)]).await;
        assert_eq!(store.due_reads(&shop(), at(DAY), ALL).await.unwrap(), [], "{name} waits for nothing");
        let end = Settlement {
            order_after: order_after.map(read),
            ..settlement(id, OperationStatus::Succeeded, 9)
        };
        settle(&*store, end).await;
        assert_eq!(store.due_reads(&shop(), at(9), ALL).await.unwrap(), [order_id(name)], "{name}");
        store.plan_read(&order_id(name), at(9), true).await.unwrap();
        assert_eq!(store.due_reads(&shop(), at(500 * DAY), ALL).await.unwrap(), [], "read once");
    }
}

/// A million orders of a dead account that are long due: another account's are listed at once.
#[tokio::test]
async fn a_million_due_orders_hold_up_no_other_account() {
    let kind = Sqlite::new();
    drop(kind.open().unwrap());
    let copy_text = serde_json::to_string(&waiting("x", OrderStatus::Pending, WaitsFor::Payment, 0)).unwrap();
    let connection = rusqlite::Connection::open(kind.path()).unwrap();
    connection
        .execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA cache_size = -400000")
        .unwrap();
    connection
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000001) \
             INSERT INTO orders (id, account, provider_reference, merchant_reference, status, is_final, known_here, \
             as_of, last_copy, change_count, last_sequence, first_seen_at, reads, waits_for, read_rank, next_read_at) \
             SELECT a || '_' || i, a, i, i, 'pending', FALSE, TRUE, i, CASE i WHEN 1000001 THEN ?1 ELSE '' END, 0, 0, i, \
             0, 'payment', 0, ?2 + i FROM (SELECT i, CASE i WHEN 1000001 THEN 'shop' ELSE 'dead' END AS a FROM n)",
            rusqlite::params![copy_text, at(0).as_millis()],
        )
        .unwrap();
    let plan: Vec<String> = connection
        .prepare(
            "EXPLAIN QUERY PLAN SELECT id FROM orders WHERE account = 'shop' AND read_rank = 0 \
             AND next_read_at IS NOT NULL AND next_read_at <= 5 ORDER BY next_read_at, id LIMIT 5",
        )
        .unwrap()
        .query_map([], |row| row.get::<_, String>(3))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].contains("orders_by_next_read") && plan[0].starts_with("SEARCH"), "{plan:?}");
    drop(connection);
    let store = SqliteStore::open(&kind.url()).unwrap();
    let begun = std::time::Instant::now();
    let rounds = NonZero::new(100_u32).unwrap();
    for _ in 0..rounds.get() {
        let due = store.due_reads(&shop(), Timestamp::now(), 5).await.unwrap();
        assert_eq!(due.len(), 1);
        assert_eq!(store.due_reads(&"dead".parse().unwrap(), Timestamp::now(), 5).await.unwrap().len(), 5);
        let _ = store.reads_overdue(&shop(), Timestamp::now()).await.unwrap();
    }
    let each = begun.elapsed() / rounds.get();
    assert!(each < Duration::from_millis(50), "{each:?} for three looks into a million orders");
}
