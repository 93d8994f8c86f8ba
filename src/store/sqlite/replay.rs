//! Delivering events again: found in steps by the threads that search, written in steps by the one that writes.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    endpoint_rows::{count_pending, is_pending, one},
    feed,
    writer::Step::{self, Keep, Undo},
};
use crate::{
    config::AllowedAccounts,
    domain::{EndpointId, EventType, Timestamp},
    store::{
        StoreError,
        outbox::{REPLAY_LOOKED_AT, ReplaySelection},
    },
};

/// Deliveries written in one step.
pub(super) const WRITES: usize = 250;

/// An event with its position.
pub(super) type Positioned = (String, i64);

/// Where a search goes on: the time of the last event looked at, in milliseconds, and its position.
pub(super) type Place = (i64, i64);

/// What a step of a search found.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Events to be delivered again.
    pub(super) found: Vec<Positioned>,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<Place>,
}

/// An event as far as a replay asks whether it is wanted.
struct Candidate {
    id: String,
    position: i64,
    occurred_at: i64,
    account: String,
    event_type: String,
}

fn candidate(row: &Row<'_>) -> Result<Candidate, rusqlite::Error> {
    Ok(Candidate {
        id: row.get(0)?,
        position: row.get(1)?,
        occurred_at: row.get(2)?,
        account: row.get(3)?,
        event_type: row.get(4)?,
    })
}

/// Whether a replay would look at more than it may. Counts entries of an index, and reads no event.
pub(super) fn is_too_much(
    connection: &Connection,
    id: EndpointId,
    selection: &ReplaySelection,
) -> Result<bool, StoreError> {
    let most = i64::try_from(REPLAY_LOOKED_AT).unwrap_or(i64::MAX);
    let one_more = match selection {
        ReplaySelection::Event(_) => None,
        ReplaySelection::Range { only_dead: true, .. } => connection
            .prepare_cached(
                "SELECT 1 FROM webhook_deliveries INDEXED BY webhook_deliveries_by_status \
                 WHERE endpoint_id = ?1 AND status = 'dead' LIMIT 1 OFFSET ?2",
            )?
            .query_row(params![id.to_string(), most], |_| Ok(()))
            .optional()?,
        ReplaySelection::Range { from, to, .. } => {
            let to = to.map_or(i64::MAX, Timestamp::as_millis);
            connection
                .prepare_cached(
                    "SELECT 1 FROM events INDEXED BY events_by_time WHERE occurred_at >= ?1 AND occurred_at < ?2 \
                     LIMIT 1 OFFSET ?3",
                )?
                .query_row(params![from.as_millis(), to, most], |_| Ok(()))
                .optional()?
        }
    };
    Ok(one_more.is_some())
}

/// The next events to be delivered again. Looks at a bounded number of events, or of given-up deliveries.
pub(super) fn find(
    connection: &Connection,
    id: EndpointId,
    selection: &ReplaySelection,
    accounts: &AllowedAccounts,
    after: Option<Place>,
) -> Result<Part, StoreError> {
    let Some(endpoint) = one(connection, id)? else { return Ok(Part::default()) };
    let (from, to, only_dead) = match selection {
        ReplaySelection::Event(event) => {
            let found = connection
                .prepare_cached(
                    "SELECT id, position, occurred_at, account, event_type FROM events WHERE id = ?1",
                )?
                .query_row([event.to_string()], candidate)
                .optional()?;
            let found = found.filter(|event| accounts.contains(&event.account));
            let found = found.map(|event| (event.id, event.position)).into_iter().collect();
            return Ok(Part { found, next: None });
        }
        ReplaySelection::Range { from, to, only_dead } => {
            (from.as_millis(), to.map_or(i64::MAX, Timestamp::as_millis), *only_dead)
        }
    };
    let (time, position) = after.unwrap_or((from, 0));
    let looked_at: Vec<Candidate> = if only_dead {
        connection
            .prepare_cached(
                "SELECT e.id, e.position, e.occurred_at, e.account, e.event_type \
                 FROM webhook_deliveries d INDEXED BY webhook_deliveries_by_status CROSS JOIN events e \
                 WHERE d.endpoint_id = ?1 AND d.status = 'dead' AND d.position > ?2 AND e.id = d.event_id \
                 ORDER BY d.position LIMIT ?3",
            )?
            .query_map(params![id.to_string(), position, feed::LOOKED_AT], candidate)?
            .collect::<Result<_, _>>()?
    } else {
        connection
            .prepare_cached(
                "SELECT id, position, occurred_at, account, event_type FROM events INDEXED BY events_by_time \
                 WHERE (occurred_at, position) > (?1, ?2) AND occurred_at < ?3 \
                 ORDER BY occurred_at, position LIMIT ?4",
            )?
            .query_map(params![time, position, to, feed::LOOKED_AT], candidate)?
            .collect::<Result<_, _>>()?
    };
    let is_full = looked_at.len() >= usize::try_from(feed::LOOKED_AT).unwrap_or(usize::MAX);
    let next = looked_at.last().filter(|_| is_full).map(|last| (last.occurred_at, last.position));
    let is_wanted = |event: &Candidate| {
        (from..to).contains(&event.occurred_at)
            && event.position <= endpoint.position
            && accounts.contains(&event.account)
            && endpoint.event_types.wants(&EventType::from_stored(event.event_type.clone()))
    };
    let found = looked_at.into_iter().filter(is_wanted).map(|event| (event.id, event.position)).collect();
    Ok(Part { found, next })
}

/// Makes the deliveries of these events pending, from the first attempt on. Answers how many that are.
pub(super) fn write(
    connection: &Connection,
    id: EndpointId,
    found: &[Positioned],
    at: Timestamp,
) -> Result<Step<u64>, StoreError> {
    if one(connection, id)?.is_none() {
        return Ok(Undo(0));
    }
    let (id, mut more) = (id.to_string(), 0_i64);
    // What waits already has waited since it was planned.
    let mut insert = connection.prepare_cached(
        "INSERT INTO webhook_deliveries (endpoint_id, event_id, position, status, attempts, next_attempt_at, \
         created_at, updated_at) VALUES (?1, ?2, ?3, 'pending', 0, ?4, ?4, ?4) \
         ON CONFLICT (endpoint_id, event_id) DO UPDATE SET status = 'pending', attempts = 0, \
         created_at = CASE WHEN status = 'pending' THEN created_at ELSE excluded.created_at END, \
         next_attempt_at = excluded.next_attempt_at, updated_at = excluded.updated_at",
    )?;
    for (event, position) in found {
        if is_pending(connection, &id, event)? != Some(true) {
            more = more.saturating_add(1);
        }
        insert.execute(params![id, event, position, at.as_millis()])?;
    }
    count_pending(connection, &id, more)?;
    Ok(Keep(u64::try_from(found.len()).unwrap_or(u64::MAX)))
}
