//! Erasing what is old: payer data, raw notifications, keys, the log of deliveries.
//!
//! Each step looks at a few rows, so that changes that wait for the writer do not wait long. What is not over is never
//! touched: an operation that is not final, an order that may still be paid, a notification that is to be applied.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    rows::{self, decode, encode},
    writer::Step::{self, Keep},
};
use crate::{
    domain::{Operation, Order, Timestamp},
    store::{
        NotificationFacts, Place, StoreError,
        retention::{Erased, ErasureClock, Limits, Stage, Sweep, Swept},
    },
};

/// Orders, operations or notifications looked at in one step. Each is some 10 KiB of JSON read and written.
const ROWS: u32 = 8;
/// Rows deleted in one step, where nothing is read.
const DELETES: u32 = 200;

/// Whether a stage finds any row to look at.
pub(super) fn has_work(connection: &Connection, limits: Limits, stage: Stage) -> Result<bool, StoreError> {
    let sql = match stage {
        Stage::Requests => {
            "SELECT EXISTS (SELECT 1 FROM erasure_requests WHERE requested_at <= ?2 AND ?1 = ?1)"
        }
        Stage::Orders => {
            "SELECT EXISTS (SELECT 1 FROM orders WHERE erased_at IS NULL AND first_seen_at < ?1 AND ?2 = ?2)"
        }
        Stage::Operations => {
            "SELECT EXISTS (SELECT 1 FROM operations WHERE erased_at IS NULL AND order_id IS NULL \
             AND updated_at < ?1 AND ?2 = ?2)"
        }
        Stage::Notifications => {
            "SELECT EXISTS (SELECT 1 FROM notifications WHERE raw_body IS NOT NULL AND received_at < ?1 \
             AND ?2 = ?2)"
        }
        Stage::Keys => "SELECT EXISTS (SELECT 1 FROM idempotency_keys WHERE created_at < ?1 AND ?2 = ?2)",
        Stage::Deliveries => {
            "SELECT EXISTS (SELECT 1 FROM webhook_deliveries WHERE status <> 'pending' AND updated_at < ?1 \
             AND ?2 = ?2)"
        }
        Stage::Endpoints => {
            "SELECT EXISTS (SELECT 1 FROM webhook_endpoints WHERE removed_at IS NOT NULL AND ?1 = ?1 AND ?2 = ?2)"
        }
        Stage::Secrets => {
            "SELECT EXISTS (SELECT 1 FROM webhook_endpoints WHERE previous_secret_until <= ?2 AND ?1 = ?1)"
        }
    };
    let limits = params![limits.before.as_millis(), limits.now.as_millis()];
    Ok(connection.prepare_cached(sql)?.query_row(limits, |row| row.get(0))?)
}

/// See [`crate::store::Store::sweep`].
pub(super) fn sweep(
    connection: &Connection,
    limits: Limits,
    from: &Sweep,
) -> Result<Step<Swept>, StoreError> {
    let mut erased = Erased::default();
    let rest = match from.stage {
        Stage::Requests => requests(connection, limits, from.after.as_ref(), &mut erased)?,
        Stage::Orders => orders(connection, limits, from.after.as_ref(), &mut erased)?,
        Stage::Operations => operations(connection, limits, from.after.as_ref(), &mut erased)?,
        Stage::Notifications => notifications(connection, limits, from.after.as_ref(), &mut erased)?,
        Stage::Keys => keys(connection, limits, from.after.as_ref(), &mut erased)?,
        Stage::Deliveries => deliveries(connection, limits, &mut erased)?,
        Stage::Endpoints => endpoints(connection, &mut erased)?,
        Stage::Secrets => secrets(connection, limits, &mut erased)?,
    };
    let next = match rest {
        Rest::After(place) => Some(Sweep { stage: from.stage, after: Some(place) }),
        Rest::More => Some(Sweep { stage: from.stage, after: None }),
        Rest::None => from.stage.next().map(|stage| Sweep { stage, after: None }),
    };
    Ok(Keep(Swept { erased, next }))
}

/// What is left of a stage.
enum Rest {
    None,
    More,
    After(Place),
}

/// Where to go on after these rows.
fn rest(places: impl ExactSizeIterator<Item = Place>) -> Rest {
    let is_full = places.len() >= usize::try_from(ROWS).unwrap_or(usize::MAX);
    match places.last() {
        Some(place) if is_full => Rest::After(place),
        Some(_) | None => Rest::None,
    }
}

/// Whether there may be more after so many deleted rows.
fn unless_full(deleted: usize) -> Rest {
    if deleted < usize::try_from(DELETES).unwrap_or(usize::MAX) { Rest::None } else { Rest::More }
}

/// Rows of `sql`, which has the limit `?1` (milliseconds), the place `?2`, `?3` and the number `?4`, and answers a place
/// and one text more.
fn page(
    connection: &Connection,
    sql: &str,
    before: Timestamp,
    after: Option<&Place>,
) -> Result<Vec<(Place, String)>, StoreError> {
    let (time, id) = after.map_or((i64::MIN, ""), |(time, id)| (*time, id.as_str()));
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![before.as_millis(), time, id, ROWS], |row| {
        Ok(((row.get(0)?, row.get(1)?), row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes the readable value, or counts what is not: one bad row must not keep all the others.
fn readable<T>(value: Result<T, StoreError>, erased: &mut Erased) -> Option<T> {
    value.inspect_err(|_| erased.unreadable = erased.unreadable.saturating_add(1)).ok()
}

fn requests(
    connection: &Connection,
    limits: Limits,
    after: Option<&Place>,
    erased: &mut Erased,
) -> Result<Rest, StoreError> {
    let asked = page(
        connection,
        "SELECT requested_at, order_id, order_id FROM erasure_requests \
         WHERE requested_at <= ?1 AND (requested_at, order_id) > (?2, ?3) \
         ORDER BY requested_at, order_id LIMIT ?4",
        limits.now,
        after,
    )?;
    for ((_, id), _) in &asked {
        let copy: Option<String> = connection
            .prepare_cached("SELECT last_copy FROM orders WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        // Nothing of an order that is not there is left to be erased.
        let done = match copy {
            Some(copy) => order(connection, limits, id, &copy, true, erased)?,
            None => true,
        };
        if done {
            connection.prepare_cached("DELETE FROM erasure_requests WHERE order_id = ?1")?.execute([id])?;
        }
    }
    Ok(rest(asked.into_iter().map(|(place, _)| place)))
}

fn orders(
    connection: &Connection,
    limits: Limits,
    after: Option<&Place>,
    erased: &mut Erased,
) -> Result<Rest, StoreError> {
    let old = page(
        connection,
        "SELECT first_seen_at, id, last_copy FROM orders WHERE erased_at IS NULL AND first_seen_at < ?1 \
         AND (first_seen_at, id) > (?2, ?3) ORDER BY first_seen_at, id LIMIT ?4",
        limits.before,
        after,
    )?;
    for ((_, id), copy) in &old {
        order(connection, limits, id, copy, false, erased)?;
    }
    Ok(rest(old.into_iter().map(|(place, _)| place)))
}

/// Erases an order that is over, with its operations and notifications; `at_once` whatever its age. Answers whether that
/// was done.
fn order(
    connection: &Connection,
    limits: Limits,
    id: &str,
    copy: &str,
    at_once: bool,
    erased: &mut Erased,
) -> Result<bool, StoreError> {
    let Some(mut copy) = readable(decode::<Order>("a copy of an order", copy), erased) else {
        return Ok(false);
    };
    let (known_here, sequence, open, waiting): (bool, i64, i64, i64) = connection
        .prepare_cached(
            "SELECT known_here, last_sequence, \
             (SELECT COUNT(*) FROM operations WHERE order_id = ?1 \
              AND status NOT IN ('succeeded', 'refused', 'not_executed')), \
             (SELECT COUNT(*) FROM notifications WHERE order_id = ?1 AND next_try_at IS NOT NULL) \
             FROM orders WHERE id = ?1",
        )?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let heard = last_news(connection, id, &copy, known_here)?;
    let is_old = heard < limits.before;
    // A copy of an order that was only read is no more than that, whatever the order's state.
    let is_over = !known_here || copy.is_over(limits.now, limits.now.since(heard));
    let spared = open > 0 || waiting > 0 || !is_over;
    if spared || !(is_old || at_once) {
        return Ok(false);
    }
    for (operation, body) in bodies(connection, id)? {
        let Some(body) = readable(decode::<Operation>("an operation", &body), erased) else { continue };
        if erase_operation(connection, &operation, body, limits.now)? {
            erased.operations = erased.operations.saturating_add(1);
        }
    }
    let notices = connection
        .prepare_cached(
            "UPDATE notifications SET raw_body = NULL, content_type = NULL \
             WHERE order_id = ?1 AND raw_body IS NOT NULL",
        )?
        .execute([id])?;
    erased.notifications = erased.notifications.saturating_add(count(notices));
    if known_here || sequence > 0 {
        copy.erase_payer_data();
        // Nor is it followed any more: the next read would bring everything back.
        connection
            .prepare_cached(
                "UPDATE orders SET last_copy = ?2, erased_at = ?3, next_read_at = NULL WHERE id = ?1",
            )?
            .execute(params![id, encode(&copy)?, limits.now.as_millis()])?;
    } else {
        connection.prepare_cached("DELETE FROM orders WHERE id = ?1")?.execute([id])?;
    }
    erased.orders = erased.orders.saturating_add(1);
    Ok(true)
}

/// When anything was heard of an order. Reads that brought nothing new do not count, except of an order that was only
/// read.
fn last_news(
    connection: &Connection,
    id: &str,
    copy: &Order,
    known_here: bool,
) -> Result<Timestamp, StoreError> {
    let newest: i64 = connection
        .prepare_cached(
            "SELECT MAX(first_seen_at, \
             COALESCE((SELECT MAX(occurred_at) FROM events WHERE stream = ?1), 0), \
             COALESCE((SELECT MAX(updated_at) FROM operations WHERE order_id = ?1), 0), \
             COALESCE((SELECT MAX(received_at) FROM notifications WHERE order_id = ?1), 0)) \
             FROM orders WHERE id = ?1",
        )?
        .query_row([id], |row| row.get(0))?;
    let newest = Timestamp::from_millis(newest);
    Ok(if known_here { newest } else { newest.max(copy.as_of) })
}

fn bodies(connection: &Connection, order: &str) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, body FROM operations WHERE order_id = ?1")?;
    let rows = statement.query_map([order], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Answers whether there was anything to erase.
fn erase_operation(
    connection: &Connection,
    id: &str,
    mut operation: Operation,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let before = operation.clone();
    operation.erase_payer_data();
    // The page of an erased order is gone: its token finds nothing.
    let written = connection
        .prepare_cached(
            "UPDATE operations SET body = ?2, page_token = NULL, erased_at = ?3 \
             WHERE id = ?1 AND (erased_at IS NULL OR ?4)",
        )?
        .execute(params![id, encode(&operation)?, now.as_millis(), operation != before])?;
    Ok(written == 1)
}

fn operations(
    connection: &Connection,
    limits: Limits,
    after: Option<&Place>,
    erased: &mut Erased,
) -> Result<Rest, StoreError> {
    let old = page(
        connection,
        "SELECT updated_at, id, body FROM operations WHERE erased_at IS NULL AND order_id IS NULL \
         AND updated_at < ?1 AND status IN ('succeeded', 'refused', 'not_executed') \
         AND (updated_at, id) > (?2, ?3) ORDER BY updated_at, id LIMIT ?4",
        limits.before,
        after,
    )?;
    for ((_, id), body) in &old {
        let Some(body) = readable(decode("an operation", body), erased) else { continue };
        if erase_operation(connection, id, body, limits.now)? {
            erased.operations = erased.operations.saturating_add(1);
        }
    }
    Ok(rest(old.into_iter().map(|(place, _)| place)))
}

fn notifications(
    connection: &Connection,
    limits: Limits,
    after: Option<&Place>,
    erased: &mut Erased,
) -> Result<Rest, StoreError> {
    let old = page(
        connection,
        "SELECT received_at, id, facts FROM notifications WHERE raw_body IS NOT NULL AND received_at < ?1 \
         AND (received_at, id) > (?2, ?3) ORDER BY received_at, id LIMIT ?4",
        limits.before,
        after,
    )?;
    for ((_, id), facts) in &old {
        let Some(facts) = readable(decode::<NotificationFacts>("a notification", facts), erased) else {
            continue;
        };
        // `None`: its order is not known here. False: its order is not erased, and takes it along when it is.
        let order_is_erased: Option<bool> = connection
            .prepare_cached(
                "SELECT o.erased_at IS NOT NULL FROM notifications n JOIN orders o ON o.id = n.order_id \
                 WHERE n.id = ?1",
            )?
            .query_row([id], |row| row.get(0))
            .optional()?;
        let sql = match order_is_erased {
            Some(false) => continue,
            Some(true) => "UPDATE notifications SET raw_body = NULL, content_type = NULL WHERE id = ?1",
            None if tells_of_something_open(connection, &facts)? => continue,
            // Nobody could say for so long which order it is about.
            None => "DELETE FROM notifications WHERE id = ?1",
        };
        connection.prepare_cached(sql)?.execute([id])?;
        erased.notifications = erased.notifications.saturating_add(1);
    }
    Ok(rest(old.into_iter().map(|(place, _)| place)))
}

/// Whether a notification names an operation of ours that is not final.
fn tells_of_something_open(connection: &Connection, facts: &NotificationFacts) -> Result<bool, StoreError> {
    let Some(operation) = facts.operation.or(facts.settles.map(|(id, _)| id)) else { return Ok(false) };
    let found = connection
        .prepare_cached(
            "SELECT status NOT IN ('succeeded', 'refused', 'not_executed') FROM operations WHERE id = ?1",
        )?
        .query_row([operation.to_string()], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(false))
}

/// A key that is older than what is kept of keys.
struct OldKey {
    created_at: i64,
    rowid: i64,
    /// Whether its operation is erased.
    goes: bool,
    client: String,
    key: String,
    had_an_effect: bool,
}

/// Looks at each old key once in a round: what its operation is not erased for stays, and must not be looked at again and
/// again.
fn keys(
    connection: &Connection,
    limits: Limits,
    after: Option<&Place>,
    erased: &mut Erased,
) -> Result<Rest, StoreError> {
    let (time, rowid) = match after {
        Some((time, rowid)) => (*time, rowid.parse().unwrap_or(i64::MIN)),
        None => (i64::MIN, i64::MIN),
    };
    let mut statement = connection.prepare_cached(
        "SELECT k.created_at, k.rowid, o.erased_at IS NOT NULL, k.client, k.idempotency_key, \
         o.kind <> 'update' AND o.status NOT IN ('refused', 'not_executed') \
         FROM idempotency_keys k INDEXED BY idempotency_keys_by_age CROSS JOIN operations o \
         WHERE o.id = k.operation_id AND k.created_at < ?1 AND (k.created_at, k.rowid) > (?2, ?3) \
         ORDER BY k.created_at, k.rowid LIMIT ?4",
    )?;
    let rows = statement.query_map(params![limits.before.as_millis(), time, rowid, DELETES], |row| {
        Ok(OldKey {
            created_at: row.get(0)?,
            rowid: row.get(1)?,
            goes: row.get(2)?,
            client: row.get(3)?,
            key: row.get(4)?,
            had_an_effect: row.get(5)?,
        })
    })?;
    let old: Vec<OldKey> = rows.collect::<Result<_, _>>()?;
    let mut delete = connection.prepare_cached("DELETE FROM idempotency_keys WHERE rowid = ?1")?;
    for old in old.iter().filter(|old| old.goes) {
        if old.had_an_effect {
            rows::spend(connection, &old.client, &old.key)?;
        }
        erased.keys = erased.keys.saturating_add(count(delete.execute([old.rowid])?));
    }
    let is_full = old.len() >= usize::try_from(DELETES).unwrap_or(usize::MAX);
    Ok(match old.last() {
        Some(last) if is_full => Rest::After((last.created_at, last.rowid.to_string())),
        Some(_) | None => Rest::None,
    })
}

fn deliveries(connection: &Connection, limits: Limits, erased: &mut Erased) -> Result<Rest, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT endpoint_id, event_id FROM webhook_deliveries WHERE status <> 'pending' AND updated_at < ?1 \
         ORDER BY updated_at LIMIT ?2",
    )?;
    let rows = statement.query_map(params![limits.before.as_millis(), DELETES], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let old: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    delete_deliveries(connection, &old)?;
    erased.deliveries = count(old.len());
    Ok(unless_full(old.len()))
}

/// Deletes deliveries, each named by endpoint and event, with their attempts.
fn delete_deliveries(connection: &Connection, old: &[(String, String)]) -> Result<(), StoreError> {
    let mut attempts =
        connection.prepare_cached("DELETE FROM webhook_attempts WHERE endpoint_id = ?1 AND event_id = ?2")?;
    let mut deliveries = connection
        .prepare_cached("DELETE FROM webhook_deliveries WHERE endpoint_id = ?1 AND event_id = ?2")?;
    for (endpoint, event) in old {
        attempts.execute([endpoint, event])?;
        deliveries.execute([endpoint, event])?;
    }
    Ok(())
}

/// Deletes some deliveries of a removed endpoint, whatever their state; with the last of them its row.
fn endpoints(connection: &Connection, erased: &mut Erased) -> Result<Rest, StoreError> {
    let removed: Option<String> = connection
        .prepare_cached("SELECT id FROM webhook_endpoints WHERE removed_at IS NOT NULL LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(endpoint) = removed else { return Ok(Rest::None) };
    let mut statement = connection.prepare_cached(
        "SELECT event_id FROM webhook_deliveries WHERE endpoint_id = ?1 ORDER BY event_id LIMIT ?2",
    )?;
    let rows = statement.query_map(params![endpoint, DELETES], |row| Ok((endpoint.clone(), row.get(0)?)))?;
    let some: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    delete_deliveries(connection, &some)?;
    erased.deliveries = count(some.len());
    if matches!(unless_full(some.len()), Rest::None) {
        connection.prepare_cached("DELETE FROM webhook_endpoints WHERE id = ?1")?.execute([&endpoint])?;
    }
    // There may be another one.
    Ok(Rest::More)
}

fn secrets(connection: &Connection, limits: Limits, erased: &mut Erased) -> Result<Rest, StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE webhook_endpoints SET previous_secret = NULL, previous_secret_until = NULL \
             WHERE previous_secret_until <= ?1",
        )?
        .execute([limits.now.as_millis()])?;
    erased.secrets = count(changed);
    Ok(Rest::None)
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// A stop of so long, or a clock that is so far ahead, is nothing to wonder at.
const PLAUSIBLE: Duration = Duration::from_secs(3 * 24 * 3_600);

/// See [`crate::store::Store::erasure_clock`]. While the service runs it moves by what really passed. At a start the time of
/// day is believed where it is near the last time, or, where none was kept yet, near the newest row; else the clock goes on
/// from there.
pub(super) fn clock(
    connection: &Connection,
    now: Timestamp,
    passed: Option<Duration>,
) -> Result<Step<ErasureClock>, StoreError> {
    let kept: i64 = connection
        .prepare_cached("SELECT value FROM counters WHERE name = 'erasure_clock'")?
        .query_row([], |row| row.get(0))?;
    let newest = || -> Result<Option<i64>, StoreError> {
        Ok(connection
            .prepare_cached(
                "SELECT recorded_at FROM audit \
                 WHERE position = (SELECT value FROM counters WHERE name = 'audit')",
            )?
            .query_row([], |row| row.get(0))
            .optional()?)
    };
    // A store without a row has nothing to erase.
    let last = match kept {
        0 => newest()?.map_or(now, Timestamp::from_millis),
        kept => Timestamp::from_millis(kept),
    };
    let at = match passed {
        Some(passed) => now.min(last.plus(passed)),
        None if now <= last.plus(PLAUSIBLE) => now,
        None => last,
    }
    .max(last);
    connection
        .prepare_cached("UPDATE counters SET value = ?1 WHERE name = 'erasure_clock'")?
        .execute([at.as_millis()])?;
    let ahead = Some(now.since(at)).filter(|ahead| *ahead > PLAUSIBLE);
    Ok(Keep(ErasureClock { at, ahead }))
}

/// Asks for the erasure of one order's payer data.
pub(super) fn request(connection: &Connection, order: &str, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO erasure_requests (order_id, requested_at) VALUES (?1, ?2) \
             ON CONFLICT (order_id) DO NOTHING",
        )?
        .execute(params![order, now.as_millis()])?;
    Ok(())
}
