//! Stores with very many orders.

use std::path::Path;

use guichet::domain::{EndpointId, EventId, OperationId};
use rusqlite::Connection;

use super::rig::at;

/// Makes `count` orders like `shop_a`, of two accounts, each with a settled operation, an event, a delivery, a key and a
/// notification, all at their own time. Rows are copied by the database: it is their number that counts.
pub(crate) fn multiply(path: &Path, endpoint: EndpointId, count: usize) {
    let connection = Connection::open(path).unwrap();
    let tables =
        ["orders", "operations", "events", "notifications", "idempotency_keys", "webhook_deliveries"];
    for table in tables {
        let rows = if table == "webhook_deliveries" { "endpoint_id = ?1" } else { "?1 = ?1" };
        let sql = format!("CREATE TEMP TABLE one_{table} AS SELECT * FROM {table} WHERE {rows} LIMIT 1");
        // Not `orders`: the order must be the one that the operation names.
        let sql = if table == "orders" { sql.replace("?1 = ?1", "id = 'shop_a' AND ?1 = ?1") } else { sql };
        connection.execute(&sql, [endpoint.to_string()]).unwrap();
    }
    connection.execute_batch("BEGIN").unwrap();
    let first: i64 = connection
        .query_row("SELECT value FROM counters WHERE name = 'events'", [], |row| row.get(0))
        .unwrap();
    for n in 0..count {
        let (account, time) = (["shop", "other"][n % 2], at(20).as_millis() + i64::try_from(n).unwrap());
        let (order, operation, event) = (
            format!("{account}_m{n:06}"),
            OperationId::generate().to_string(),
            EventId::generate().to_string(),
        );
        let position = first + 1 + i64::try_from(n).unwrap();
        let changes: [(&str, &str, &[&dyn rusqlite::ToSql]); 6] = [
            (
                "orders",
                "id = ?1, account = ?2, first_seen_at = ?3, merchant_reference = 'ref-m', status = 'paid', \
                 known_here = TRUE, next_read_at = ?3",
                &[&order, &account, &time],
            ),
            (
                "operations",
                "id = ?1, account = ?2, created_at = ?3, order_id = ?4, status = 'succeeded', next_check_at = ?3, \
                 page_token = NULL, claims_reference = NULL",
                &[&operation, &account, &time, &order],
            ),
            (
                "events",
                "id = ?1, account = ?2, occurred_at = ?3, order_id = ?4, stream = ?4, position = ?5, sequence = 1, \
                 operation_id = NULL",
                &[&event, &account, &time, &order, &position],
            ),
            (
                "notifications",
                "id = ?1, account = ?2, received_at = ?3, dedup_key = ?1, order_id = ?4, next_try_at = ?3",
                &[&operation, &account, &time, &order],
            ),
            (
                "idempotency_keys",
                "idempotency_key = ?1, operation_id = ?1, created_at = ?2",
                &[&operation, &time],
            ),
            (
                "webhook_deliveries",
                "event_id = ?1, position = ?2, status = 'delivered', updated_at = ?3, next_attempt_at = NULL",
                &[&event, &position, &time],
            ),
        ];
        for (table, set, values) in changes {
            connection
                .prepare_cached(&format!("UPDATE one_{table} SET {set}"))
                .unwrap()
                .execute(values)
                .unwrap();
            let copy = format!("INSERT INTO {table} SELECT * FROM one_{table}");
            connection.prepare_cached(&copy).unwrap().execute([]).unwrap();
        }
    }
    let all = "UPDATE counters SET value = value + ?1 WHERE name = 'events'";
    connection.execute(all, [i64::try_from(count).unwrap()]).unwrap();
    connection.execute_batch("COMMIT").unwrap();
}
