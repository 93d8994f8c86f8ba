//! Mistakes that are made in the store's file, by a connection of their own.

use guichet::domain::{EventId, OperationId, OperationStatus, OrderId};
use rusqlite::{Connection, OptionalExtension, params};

use super::{super::world::wall, Mistake};

/// An open change makes room for the next one before the unique index is asked.
const GUARD: &str = "CREATE TRIGGER IF NOT EXISTS spoiled BEFORE INSERT ON operations BEGIN \
    UPDATE operations SET stands_beside = TRUE WHERE order_id = NEW.order_id \
    AND status IN ('pending', 'sending', 'unknown', 'needs_review'); END";

/// The event of a new status is not written, and its number is given to the next one.
const EVENTS: &str = "CREATE TRIGGER IF NOT EXISTS spoiled BEFORE INSERT ON events \
    WHEN NEW.event_type LIKE 'operation.%' \
    AND NEW.event_type NOT IN ('operation.reversed', 'operation.needs_review') BEGIN \
    UPDATE orders SET last_sequence = last_sequence - 1 WHERE id = NEW.order_id; \
    SELECT RAISE(IGNORE); END";

const STATUSES: &str = "CREATE TRIGGER IF NOT EXISTS spoiled AFTER UPDATE OF statuses_seen ON orders BEGIN \
    UPDATE orders SET statuses_seen = ',' || status || ',' WHERE id = NEW.id; END";

/// Every reading that comes was asked for later than the one kept.
const COPIES: &str = "CREATE TRIGGER IF NOT EXISTS spoiled AFTER UPDATE OF asked ON orders BEGIN \
    UPDATE orders SET asked = 0 WHERE id = NEW.id; END";

/// Makes the mistake in the tables of a store.
pub(super) fn spoil(file: &Connection, mistake: Mistake) {
    let trigger = match mistake {
        Mistake::GuardOutsideTheTransaction => GUARD,
        Mistake::ChangeWithoutItsEvent => EVENTS,
        Mistake::PaidToldTwice => STATUSES,
        Mistake::CopiesInAnyOrder => COPIES,
        _ => return,
    };
    file.execute_batch(trigger).unwrap();
}

/// The order of a creation that came to nothing and had wanted this merchant reference.
pub(super) fn wanted_in_vain(file: &Connection, account: &str, reference: &str) -> bool {
    let found = file.query_row(
        "SELECT 1 FROM operations WHERE account = ?1 AND claims_reference = ?2 \
         AND status IN ('refused', 'not_executed') LIMIT 1",
        [account, reference],
        |_| Ok(()),
    );
    found.optional().unwrap().is_some()
}

/// Gives a key to another operation.
pub(super) fn move_key(file: &Connection, client: &str, key: &str, to: OperationId) {
    let sql = "UPDATE idempotency_keys SET operation_id = ?3 WHERE client = ?1 AND idempotency_key = ?2";
    file.execute(sql, params![client, key, to.to_string()]).unwrap();
}

/// Frees the merchant references of creations whose outcome is unknown.
pub(super) fn release_references(file: &Connection) {
    file.execute("UPDATE operations SET claims_reference = NULL WHERE status = 'unknown'", []).unwrap();
}

/// Tells a status of an operation that it does not have.
pub(super) fn tell(file: &Connection, order: &OrderId, operation: OperationId, status: OperationStatus) {
    let order = order.to_string();
    file.execute("UPDATE orders SET last_sequence = last_sequence + 1 WHERE id = ?1", [&order]).unwrap();
    file.execute("UPDATE counters SET value = value + 1 WHERE name = 'events'", []).unwrap();
    file.execute(
        "INSERT INTO events (id, position, stream, order_id, account, sequence, event_type, operation_id, \
         occurred_at, data) SELECT ?2, (SELECT value FROM counters WHERE name = 'events'), id, id, account, \
         last_sequence, ?3, ?4, ?5, '{}' FROM orders WHERE id = ?1",
        params![
            order,
            EventId::generate().to_string(),
            format!("operation.{}", status.as_str()),
            operation.to_string(),
            wall(),
        ],
    )
    .unwrap();
}

/// Takes the newest event of an order back, when it tells a status of the order.
pub(super) fn untell(file: &Connection, order: &OrderId) {
    let order = order.to_string();
    let taken = file.execute(
        "DELETE FROM events WHERE stream = ?1 AND sequence = (SELECT last_sequence FROM orders WHERE id = ?1) \
         AND event_type LIKE 'order.%' AND event_type NOT IN ('order.created', 'order.updated')",
        [&order],
    );
    if taken.unwrap() > 0 {
        file.execute("UPDATE orders SET last_sequence = last_sequence - 1 WHERE id = ?1", [&order]).unwrap();
    }
}

/// What is planned, for after `latest`.
pub(super) struct Plans {
    operations: Vec<(String, i64, String)>,
    notifications: Vec<(String, i64)>,
}

impl Plans {
    pub(super) fn read(file: &Connection, latest: i64) -> Self {
        let mut operations =
            file.prepare("SELECT id, next_check_at, body FROM operations WHERE next_check_at > ?1").unwrap();
        let mut notifications =
            file.prepare("SELECT id, next_try_at FROM notifications WHERE next_try_at > ?1").unwrap();
        let operations = operations.query_map([latest], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let notifications = notifications.query_map([latest], |row| Ok((row.get(0)?, row.get(1)?)));
        Self {
            operations: operations.unwrap().collect::<Result<_, _>>().unwrap(),
            notifications: notifications.unwrap().collect::<Result<_, _>>().unwrap(),
        }
    }

    /// Makes the plans what they were.
    pub(super) fn put_back(&self, file: &Connection) {
        for (id, at, body) in &self.operations {
            let sql = "UPDATE operations SET next_check_at = ?2, body = ?3 WHERE id = ?1";
            file.execute(sql, params![id, at, body]).unwrap();
        }
        for (id, at) in &self.notifications {
            file.execute("UPDATE notifications SET next_try_at = ?2 WHERE id = ?1", params![id, at]).unwrap();
        }
    }
}
