//! The commands that change something. Each runs in one transaction on the writing thread; a refusal
//! takes back whatever was written before it was found.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use super::{
    events, following, inbox, news, order_rows, orders, rows,
    writer::Step::{self, Keep, Undo},
};
use crate::{
    domain::{
        Cause, Contradiction, Creation, Field, Intent, Movement, NewEvent, Operation, OperationKind,
        OperationStatus, Order, OrderId, OrderMemory, OrderStatus, Reading, Reversal, Timestamp,
        operation::Failure,
    },
    store::{Begun, NewOperation, Proof, Settled, Settlement, StoreError},
};

/// No check of an operation and no attempt to apply a notification is planned further ahead than this: an hour is the
/// longest pause of both schedules.
const LONGEST_PLAN: Duration = Duration::from_secs(3_600);

/// See [`crate::store::Store::begin`]. Decides in this order: key, guard, change count, reference.
pub(super) fn begin(connection: &Connection, new: &NewOperation) -> Result<Step<Begun>, StoreError> {
    let operation = &new.operation;

    let mut instead_of = None;
    if let Some(key) = &new.key
        && let Some(record) = rows::key(connection, &key.client, &key.key)?
    {
        let never_happened = record.operation.status == OperationStatus::NotExecuted;
        if record.fingerprint != key.fingerprint || !never_happened {
            return Ok(Undo(Begun::KeyUsed(Box::new(record))));
        }
        instead_of = Some(record.operation.id);
    }
    if let Some(key) = &new.key
        && instead_of.is_none()
        && rows::is_spent(connection, &key.client, &key.key)?
    {
        return Ok(Undo(Begun::KeySpent));
    }

    if let Some(before) = operation.intent.before() {
        // A status seen here for the first time was changed by somebody else: its event names no operation.
        let reading = Reading {
            order: before.clone(),
            asked: new.asked,
            change_count: Some(new.change_count),
            at: new.now,
        };
        let kept = orders::keep(connection, &reading, None, &Cause::default())?;
        if kept == orders::Kept::Outdated && order_rows::copy(connection, &before.id)?.is_none() {
            return Ok(Undo(Begun::Outdated));
        }
        following::mark_known(connection, &before.id, new.now)?;
    }
    if let Some(order) = &operation.order_id
        && let Some(open) = rows::standing_beside(connection, order)?
    {
        return Ok(Undo(Begun::Blocked(open)));
    }
    // The unique index decides, but an operation that begins at its end never enters it, nor does a creation.
    let enters_the_index = operation.status.blocks_the_order();
    if let Some(order) = &operation.order_id
        && !enters_the_index
        && let Some(open) = rows::blocking(connection, order)?
    {
        return Ok(Undo(Begun::Blocked(open)));
    }
    if !rows::insert_operation(connection, operation, new.claims_reference.as_deref())? {
        let order = operation.order_id.as_ref();
        let open = order.map(|order| rows::blocking(connection, order)).transpose()?.flatten();
        let open = open.ok_or_else(|| StoreError::Corrupt(format!("the guard of {}", operation.id)))?;
        return Ok(Undo(Begun::Blocked(open)));
    }
    if let Some(order) = &operation.order_id
        && !order_rows::count_begin(connection, order, new.change_count)?
    {
        return Ok(Undo(Begun::Outdated));
    }
    if let Some(reference) = &new.claims_reference
        && let Some(holder) = orders::holder_of_reference(connection, operation, reference)?
    {
        return Ok(Undo(Begun::ReferenceInUse(holder)));
    }
    if let (Some(limit), Some(amount)) = (new.limit, operation.amount) {
        let left = limit.saturating_sub(rows::moved(connection, operation)?);
        if amount.value() > left {
            return Ok(Undo(Begun::LimitExceeded(left.max(0))));
        }
    }
    if let Some(key) = &new.key
        && !rows::tie_key(connection, key, operation, instead_of)?
    {
        let record = rows::key(connection, &key.client, &key.key)?;
        let record = record.ok_or_else(|| StoreError::Corrupt("an idempotency key".to_owned()))?;
        return Ok(Undo(Begun::KeyUsed(Box::new(record))));
    }
    // What was done before happens now to nobody: no event tells of it.
    let detail = json!({
        "type": operation.kind.as_str(),
        "status": operation.status.as_str(),
        "already_done": operation.already_done,
        "amount": operation.amount,
        "key_taken_over_from": instead_of.map(|id| id.to_string()),
    });
    events::audit(
        connection,
        operation.created_at,
        &operation.client,
        "operation.begun",
        operation,
        &operation.cause(),
        &detail,
    )?;
    Ok(Keep(Begun::Started))
}

/// See [`crate::store::Store::settle`].
pub(super) fn settle(connection: &Connection, settlement: Settlement) -> Result<Step<Settled>, StoreError> {
    let Some(operation) = rows::operation(connection, settlement.id)? else {
        return Err(StoreError::NotFound);
    };
    let from = operation.status;
    if from == settlement.status && !from.is_final() {
        return plan_again(connection, operation, &settlement);
    }
    // A contradiction is settled by a person, however often it is told.
    let waits_for_a_person = from == OperationStatus::NeedsReview && operation.contradiction.is_some();
    if waits_for_a_person && settlement.proof.is_some() {
        return Ok(Undo(Settled::NotAllowed(Box::new(operation))));
    }
    if let Some(proof) = &settlement.proof
        && let Some(told) = proven_otherwise(connection, &operation, &settlement, proof)?
    {
        return Ok(Keep(Settled::Done(Box::new(told))));
    }
    let is_told_again = from == OperationStatus::Succeeded && settlement.status == from;
    if is_told_again && operation.order_after.is_none() && settlement.order_after.is_some() {
        return complete(connection, operation, &settlement);
    }
    if !from.may_become(settlement.status) {
        return Ok(Undo(Settled::NotAllowed(Box::new(operation))));
    }
    let happens = match settlement.status {
        OperationStatus::Succeeded | OperationStatus::Accepted => true,
        OperationStatus::Pending
        | OperationStatus::Sending
        | OperationStatus::Unknown
        | OperationStatus::NeedsReview
        | OperationStatus::Refused
        | OperationStatus::NotExecuted => false,
    };
    let order_after =
        if happens { settlement.order_after.as_ref().map(|reading| reading.order.clone()) } else { None };
    let next = Operation {
        status: settlement.status,
        already_done: settlement.already_done,
        failure: settlement.failure.clone(),
        order_after: order_after.or(operation.order_after),
        updated_at: settlement.at,
        checks: settlement.checks,
        next_check_at: settlement.next_check_at,
        provider_id: settlement.provider_id.clone().or(operation.provider_id),
        claimed_done: settlement.claimed_done || operation.claimed_done,
        ..operation
    };
    let cause = settlement.cause.clone().unwrap_or_else(|| next.cause());
    let made = match (&next.intent, &settlement.order_after) {
        (Intent::Create { .. }, Some(reading)) if happens => Some(reading.clone()),
        _ => None,
    };
    let mut next = next;
    let mut found_as = None;
    if let Some(reading) = &made {
        let order = &reading.order;
        // Before the operation, whose row names it.
        let change_count = Some(order_rows::change_count(connection, &order.id)?);
        orders::keep(connection, &Reading { change_count, ..reading.clone() }, Some(next.id), &cause)?;
        following::mark_known(connection, &order.id, reading.at)?;
        next.order_id = Some(order.id.clone());
        // A notification may have told more of it than the answer.
        let newest = order_rows::copy(connection, &order.id)?.unwrap_or_else(|| order.clone());
        events::append(connection, &NewEvent::created(&newest, next.id, cause.clone()))?;
        found_as = Some(newest);
    }
    let next = change_status(connection, next, from, &settlement)?;
    if let Some(order) = &found_as {
        tell_status(connection, order)?;
    }
    // An order that was found in another status after a refusal got there without this operation.
    let (behind_it, its_cause) =
        if happens { (Some(next.id), cause.clone()) } else { (None, Cause::default()) };
    let kept = match &settlement.order_after {
        Some(reading) if made.is_none() => {
            // Counted since it was read: this settlement itself.
            let own = i64::from(next.order_id.as_ref() == Some(&reading.order.id));
            let change_count = reading.change_count.map(|count| count.saturating_add(own));
            orders::keep(connection, &Reading { change_count, ..reading.clone() }, behind_it, &its_cause)?
        }
        Some(_) | None => orders::Kept::Ignored,
    };
    if let Some(order) = &next.order_id {
        order_rows::asked_until(connection, order, settlement.asked)?;
        if made.is_none() && matches!(kept, orders::Kept::Ignored | orders::Kept::Outdated) {
            // No copy shows the order after this change yet.
            orders::due_now(connection, order, settlement.now)?;
        }
    }
    if next.status == OperationStatus::Succeeded
        && let (Intent::Update { patch, .. }, Some(order)) = (&next.intent, &next.order_id)
    {
        match &patch.merchant_reference {
            Field::Keep => {}
            Field::Clear => orders::set_reference(connection, order, None)?,
            Field::Set(reference) => orders::set_reference(connection, order, Some(reference))?,
        }
        if !next.already_done && kept != orders::Kept::Told {
            let read_after = settlement.order_after.as_ref();
            let event = updated(connection, &next, order, read_after, cause)?;
            events::append(connection, &event)?;
        }
    }
    Ok(Keep(Settled::Done(Box::new(next))))
}

/// Tells the status of an order that was made here and is no longer as it was made, because nobody knew of it before:
/// it was paid before its answer was found. The first copy of an order tells nothing by itself.
fn tell_status(connection: &Connection, order: &Order) -> Result<(), StoreError> {
    let event = NewEvent::status_changed(order, OrderStatus::Pending, None, Cause::default());
    let is_as_made = order.status == OrderStatus::Pending;
    if is_as_made || events::was_told(connection, &order.id, &event.event_type)? {
        return Ok(());
    }
    events::append(connection, &event)
}

/// The provider names this very operation and tells another end of it than the one it has: what stands is marked as
/// contradicted or reversed. `None` where there is nothing to mark.
fn proven_otherwise(
    connection: &Connection,
    operation: &Operation,
    settlement: &Settlement,
    proof: &Proof,
) -> Result<Option<Operation>, StoreError> {
    let cause = settlement.cause.clone().unwrap_or_default();
    let (at, word) = (settlement.at, proof.provider_status.clone());
    match settlement.status {
        OperationStatus::Succeeded if news::may_be_contradicted(operation) => {
            let told = Contradiction { at, source: proof.source.to_owned(), provider_status: word };
            news::contradict(connection, operation.clone(), proof.order.as_ref(), told, &cause).map(Some)
        }
        OperationStatus::Refused if news::may_be_reversed(operation) => {
            let reversal = Reversal { at, reason: word.unwrap_or_else(|| proof.source.to_owned()) };
            news::reverse(connection, operation.clone(), reversal, &cause).map(Some)
        }
        OperationStatus::Pending
        | OperationStatus::Sending
        | OperationStatus::Accepted
        | OperationStatus::Unknown
        | OperationStatus::NeedsReview
        | OperationStatus::Succeeded
        | OperationStatus::Refused
        | OperationStatus::NotExecuted => Ok(None),
    }
}

/// The end was told before, by a notification that does not show the order: now the order after it is known.
fn complete(
    connection: &Connection,
    operation: Operation,
    settlement: &Settlement,
) -> Result<Step<Settled>, StoreError> {
    let order_after = settlement.order_after.as_ref().map(|reading| reading.order.clone());
    let provider_id = settlement.provider_id.clone().or(operation.provider_id);
    let next = Operation { order_after, provider_id, ..operation };
    rows::update_operation(connection, &next, next.status, false)?;
    if let Some(reading) = &settlement.order_after {
        let cause = next.cause();
        let kept = orders::keep(connection, reading, Some(next.id), &cause)?;
        if kept == orders::Kept::Ignored {
            orders::due_now(connection, &reading.order.id, settlement.now)?;
        }
    }
    Ok(Keep(Settled::Done(Box::new(next))))
}

/// Another read brought no evidence: only the plan for the next one changes, and what is known of the order.
fn plan_again(
    connection: &Connection,
    operation: Operation,
    settlement: &Settlement,
) -> Result<Step<Settled>, StoreError> {
    let from = operation.status;
    let next = Operation { checks: settlement.checks, next_check_at: settlement.next_check_at, ..operation };
    rows::update_operation(connection, &next, from, settlement.releases_reference)?;
    if let Some(reading) = &settlement.order_after {
        orders::keep(connection, reading, None, &Cause::default())?;
    }
    Ok(Keep(Settled::Done(Box::new(next))))
}

/// The event of an update that left the order in its status.
fn updated(
    connection: &Connection,
    operation: &Operation,
    order: &OrderId,
    read_after: Option<&Reading>,
    cause: Cause,
) -> Result<NewEvent, StoreError> {
    // The newest copy: when `read_after` came too late to be kept, the kept one is newer still.
    let Some(copy) = order_rows::copy(connection, order)? else {
        return Err(StoreError::Corrupt(format!("no copy of {order}")));
    };
    let mut event = NewEvent::updated(&copy, operation.id, cause);
    if read_after.is_none() {
        // The copy is from before the update: what it says of amounts may be what was changed.
        event.occurred_at = operation.updated_at;
        event.data.remove("amount");
        event.data.remove("amounts");
    }
    Ok(event)
}

/// Writes an operation in its new status with its event, its audit row and the order's count.
fn change_status(
    connection: &Connection,
    mut next: Operation,
    from: OperationStatus,
    settlement: &Settlement,
) -> Result<Operation, StoreError> {
    if next.status.is_final() {
        next.next_check_at = None;
    }
    if !from.blocks_the_order() && next.status.blocks_the_order() {
        rows::stand_beside(connection, next.id)?;
    }
    rows::update_operation(connection, &next, from, settlement.releases_reference)?;
    if let Some(order) = &next.order_id {
        order_rows::count_change(connection, order)?;
    }
    let cause = settlement.cause.clone().unwrap_or_else(|| next.cause());
    events::append(connection, &NewEvent { cause: cause.clone(), ..NewEvent::operation(&next) })?;
    let ended = matches!(next.status, OperationStatus::Succeeded | OperationStatus::Refused);
    if next.kind == OperationKind::Refund && ended && !next.already_done {
        let event = NewEvent { cause: cause.clone(), ..NewEvent::refund(&next) };
        events::append(connection, &event)?;
    }
    let detail = json!({
        "from": from.as_str(),
        "to": next.status.as_str(),
        "already_done": next.already_done,
        "failure": next.failure.as_ref().map(|failure| &failure.code),
        "reason": next.failure.as_ref().and_then(|failure| failure.reason.as_ref()),
        "checks": next.checks,
        "decided_because": settlement.reason,
    });
    let by = &settlement.settled_by;
    events::audit(connection, next.updated_at, by, "operation.settled", &next, &cause, &detail)?;
    Ok(next)
}

/// See [`crate::store::Store::recover`].
pub(super) fn recover(connection: &Connection, at: Timestamp) -> Result<Step<Vec<Operation>>, StoreError> {
    let left = rows::left_under_way(connection)?;
    let mut changed = Vec::new();
    for operation in left {
        let from = operation.status;
        let next = if from == OperationStatus::Pending {
            let failure = Failure {
                code: "internal_error".to_owned(),
                detail: "guichet stopped before the request was sent; nothing was done".to_owned(),
                provider_code: None,
                provider_message: None,
                pointer: None,
                reason: None,
            };
            let status = OperationStatus::NotExecuted;
            Operation { status, failure: Some(failure), updated_at: at, ..operation }
        } else {
            let status = OperationStatus::Unknown;
            Operation { status, updated_at: at, next_check_at: Some(at), ..operation }
        };
        let settlement = Settlement {
            id: next.id,
            status: next.status,
            already_done: false,
            failure: None,
            order_after: None,
            asked: 0,
            now: at,
            provider_id: None,
            claimed_done: false,
            proof: None,
            at,
            checks: next.checks,
            next_check_at: next.next_check_at,
            // Whoever asks again must not wait for what nobody was shown.
            releases_reference: next.repeat_harmless,
            reason: None,
            settled_by: "recovery".to_owned(),
            cause: None,
        };
        changed.push(change_status(connection, next, from, &settlement)?);
    }
    bring_forward(connection, at)?;
    Ok(Keep(changed))
}

/// Makes due what is planned further ahead than any schedule plans: it was planned while the time of day was wrong. The
/// clock of this start would let it wait for as long as it was wrong.
fn bring_forward(connection: &Connection, at: Timestamp) -> Result<(), StoreError> {
    let latest = at.plus(LONGEST_PLAN);
    let waiting = rows::operations(
        connection,
        "SELECT body FROM operations WHERE next_check_at IS NOT NULL AND next_check_at > ?1 ORDER BY next_check_at",
        [latest.as_millis()],
    )?;
    for operation in waiting {
        let status = operation.status;
        let next = Operation { next_check_at: Some(at), ..operation };
        rows::update_operation(connection, &next, status, false)?;
    }
    inbox::bring_forward(connection, latest, at)
}

/// See [`crate::store::Store::save_copies`].
pub(super) fn save_copies(
    connection: &Connection,
    readings: &[Reading],
    cause: &Cause,
) -> Result<Step<Vec<OrderId>>, StoreError> {
    let mut outdated = Vec::new();
    for reading in readings {
        if orders::keep(connection, reading, None, cause)? == orders::Kept::Outdated {
            outdated.push(reading.order.id.clone());
        }
    }
    Ok(Keep(outdated))
}

/// See [`crate::store::Store::check_writable`].
pub(super) fn check_writable(connection: &Connection) -> Result<Step<()>, StoreError> {
    events::next(connection, "write_checks")?;
    Ok(Keep(()))
}

/// See [`crate::store::Store::memory`].
pub(super) fn memory(connection: &Connection, id: &OrderId) -> Result<OrderMemory, StoreError> {
    let mut memory = OrderMemory {
        copy: order_rows::copy(connection, id)?,
        notified: inbox::notified(connection, id)?,
        change_count: order_rows::change_count(connection, id)?,
        ..OrderMemory::default()
    };
    if memory.copy.is_none() {
        return Ok(memory);
    }
    for operation in rows::of_order(connection, id)? {
        let came_to_nothing =
            matches!(operation.status, OperationStatus::Refused | OperationStatus::NotExecuted);
        if came_to_nothing {
            if let (Some(amount), Some(provider_id)) = (operation.amount, operation.provider_id) {
                memory.ended.push(Movement {
                    operation: operation.id,
                    kind: operation.kind,
                    amount,
                    status: operation.status,
                    at: operation.created_at,
                    provider_id: Some(provider_id),
                    is_reversed: false,
                });
            }
            continue;
        }
        match operation.intent {
            Intent::Create { planned } => {
                memory.creation =
                    Some(Creation { operation: operation.id, at: operation.created_at, planned: *planned });
            }
            Intent::Update { patch, .. } => {
                if operation.status == OperationStatus::Succeeded
                    && let Some(creation) = &mut memory.creation
                {
                    creation.planned.order.apply(&patch);
                    if let Some(expires_at) = patch.expires_at.value() {
                        creation.planned.expires_at = *expires_at;
                    }
                }
            }
            Intent::Cancel { part, .. } | Intent::Capture { part, .. } | Intent::Refund { part, .. } => {
                if !operation.already_done {
                    memory.movements.push(Movement {
                        operation: operation.id,
                        kind: operation.kind,
                        amount: part.amount,
                        status: operation.status,
                        at: operation.created_at,
                        provider_id: operation.provider_id,
                        is_reversed: operation.reversed.is_some(),
                    });
                }
            }
        }
    }
    Ok(memory)
}
