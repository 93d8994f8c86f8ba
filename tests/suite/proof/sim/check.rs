//! The judge: what the platform did, what the store says, what the callers heard.

use std::{collections::BTreeMap, sync::Arc};

use guichet::{
    domain::{Intent, Operation, OperationId, OperationKind, OperationStatus},
    problem::ProblemCode,
    store::{OperationFilter, OrderFilter, Sort, Store},
};

use super::{
    clients::{Ask, Heard, What},
    provider::Later,
    store::at_once,
    world::State,
};

const ALL: u32 = 100_000;

pub fn operations(store: &Arc<dyn Store>) -> Vec<Operation> {
    let listed =
        at_once(store.list_operations(OperationFilter::default(), Sort::OldestFirst, None, ALL)).unwrap();
    listed.items.into_iter().map(|(_, operation)| operation).collect()
}

/// Whether nothing more will be learned.
pub fn is_settled(store: &Arc<dyn Store>, state: &State) -> bool {
    let was_done = |id| state.provider.effects.iter().any(|effect| effect.operation == id);
    operations(store)
        .iter()
        .all(|operation| operation.status.is_final() || (is_blind(operation) && !was_done(operation.id)))
}

/// Only a notification or a person tells of it, and there may be nothing to tell.
fn is_blind(operation: &Operation) -> bool {
    let is_refund = operation.account.as_str() == "blind" && operation.kind == OperationKind::Refund;
    let is_mailed = operation.kind == OperationKind::Create && !operation.repeat_harmless;
    (is_refund || is_mailed) && operation.status == OperationStatus::Unknown
}

/// Everything that must hold at the end of a history.
pub fn check(store: &Arc<dyn Store>, state: &State, asks: &[Ask]) -> Result<(), String> {
    let operations = operations(store);
    let by_id: BTreeMap<OperationId, &Operation> =
        operations.iter().map(|operation| (operation.id, operation)).collect();
    let effects = |id: OperationId| state.provider.effects.iter().filter(move |one| one.operation == id);

    if let Some(beside) = state.side_by_side.first() {
        return Err(format!("doubled: side by side {beside}"));
    }
    for effect in &state.provider.effects {
        let Some(operation) = by_id.get(&effect.operation) else {
            return Err(format!("lost: an effect without an operation: {effect:?}"));
        };
        if operation.status != OperationStatus::Succeeded {
            return Err(format!("lost: {effect:?} belongs to {} {:?}", operation.id, operation.status));
        }
        let told = operation.amount.map(|amount| amount.value());
        if told.is_some_and(|told| told != effect.amount) {
            return Err(format!("lost: {effect:?} moved something else than {told:?}"));
        }
    }
    for operation in &operations {
        let (id, status) = (operation.id, operation.status);
        let done = effects(id).count();
        let sent = state.requests.get(&id).copied().unwrap_or(0);
        if sent > 1 || done > 1 {
            return Err(format!("doubled: {id} {:?} was sent {sent} times, done {done}", operation.kind));
        }
        let is_denied = matches!(status, OperationStatus::Refused | OperationStatus::NotExecuted);
        if status == OperationStatus::Succeeded && done == 0 && !operation.already_done {
            return Err(format!("lost: {id} {:?} succeeded and was never done", operation.kind));
        }
        if is_denied && done > 0 {
            return Err(format!("contradiction: {id} is {status:?} and was done"));
        }
        if !status.is_final() && !is_blind(operation) {
            return Err(format!("lost: {id} {:?} stays {status:?}", operation.kind));
        }
        if let Some((.., later)) = state.provider.taken.get(&id)
            && (*later == Later::Refused) == (status == OperationStatus::Succeeded)
        {
            return Err(format!("contradiction: {id} is {status:?}, the platform says {later:?}"));
        }
    }
    money(state)?;
    heard(&by_id, state, asks)?;
    events(store, &operations)?;
    references(store, state, &operations)
}

fn money(state: &State) -> Result<(), String> {
    for held in state.provider.orders.values() {
        if held.refunded > held.captured || held.captured > held.authorized.max(held.amount) {
            return Err(format!("doubled: more money went than there was: {held:?}"));
        }
    }
    Ok(())
}

/// What callers were told stays true, and a key has one effect.
fn heard(by_id: &BTreeMap<OperationId, &Operation>, state: &State, asks: &[Ask]) -> Result<(), String> {
    let mut by_key: BTreeMap<(&str, String), Vec<&Ask>> = BTreeMap::new();
    for ask in asks {
        if let Some(key) = &ask.key {
            let request = format!("{:?} {:?}", ask.target, ask.what);
            by_key.entry((key, request)).or_default().push(ask);
        }
        for told in &ask.heard {
            if let Heard::Operation(id, status) = told {
                let Some(operation) = by_id.get(id) else {
                    return Err(format!("lost: a caller was told of {id}, which nobody knows"));
                };
                if status.is_final() && operation.status != *status {
                    return Err(format!(
                        "contradiction: {id} was told {status:?}, is {:?}",
                        operation.status
                    ));
                }
            }
        }
    }
    for ((key, request), asks) in by_key {
        let mut ids: Vec<OperationId> = Vec::new();
        for told in asks.iter().flat_map(|ask| &ask.heard) {
            if let Heard::Operation(id, _) = told
                && !ids.contains(id)
            {
                ids.push(*id);
            }
        }
        let done = state.provider.effects.iter().filter(|effect| ids.contains(&effect.operation)).count();
        if done > 1 {
            return Err(format!("doubled: the key {key} of {request} has {done} effects"));
        }
        let open = ids.iter().filter(|id| by_id[id].status != OperationStatus::NotExecuted).count();
        if open > 1 {
            return Err(format!("doubled: the key {key} of {request} stands for {open} operations"));
        }
    }
    Ok(())
}

/// No event without its change, no change without its event, no gap, one end.
fn events(store: &Arc<dyn Store>, operations: &[Operation]) -> Result<(), String> {
    let orders =
        at_once(store.list_orders(OrderFilter::default(), Sort::OldestFirst, None, ALL)).unwrap().items;
    let mut ends: BTreeMap<OperationId, Vec<String>> = BTreeMap::new();
    for (_, order) in orders {
        let events = at_once(store.order_events(&order.id, 0, ALL)).unwrap();
        for (event, expected) in events.iter().zip(1..) {
            if event.sequence != expected {
                return Err(format!("contradiction: {} has a gap before {}", order.id, event.sequence));
            }
            let word = event.event.event_type.as_str().to_owned();
            if let Some(id) = event.event.operation_id
                && let Some(status) = word.strip_prefix("operation.")
            {
                ends.entry(id).or_default().push(status.to_owned());
            }
        }
    }
    for operation in operations {
        if operation.order_id.is_none() {
            continue;
        }
        let told = ends.remove(&operation.id).unwrap_or_default();
        let is_final =
            |word: &&String| OperationStatus::from_word(word).is_some_and(|status| status.is_final());
        let finals = told.iter().filter(is_final).count();
        // A creation that was unknown before its order was known has those events in a stream of its own.
        if finals != usize::from(operation.status.is_final())
            || told.last().map(String::as_str) != Some(operation.status.as_str())
        {
            return Err(format!(
                "contradiction: {} is {:?}, events {told:?}",
                operation.id, operation.status
            ));
        }
    }
    match ends.into_iter().next() {
        Some((id, told)) => Err(format!("contradiction: events {told:?} of {id}, which nobody knows")),
        None => Ok(()),
    }
}

/// A merchant reference is held while somebody has it or may be getting it, and free afterwards.
fn references(store: &Arc<dyn Store>, state: &State, operations: &[Operation]) -> Result<(), String> {
    let mut holders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, order) in
        at_once(store.list_orders(OrderFilter::default(), Sort::OldestFirst, None, ALL)).unwrap().items
    {
        // The platform's word: the last copy may be of a read that lagged behind.
        let held = state.provider.orders.get(order.reference().as_str());
        let is_over = held.is_none_or(|held| matches!(held.status().as_str(), "canceled" | "refunded"));
        if let Some(reference) = order.merchant_reference.filter(|_| !is_over) {
            holders.entry(reference).or_default().push(order.id.to_string());
        }
    }
    // One whose answer was lost may come to light beside its repetition: nobody was shown it.
    let came_late = |id: &str| {
        operations.iter().any(|operation| {
            operation.repeat_harmless
                && state.unknown.contains(&operation.id)
                && operation.order_id.as_ref().is_some_and(|order| order.to_string() == id)
        })
    };
    match holders.iter().find(|(_, ids)| ids.iter().filter(|id| !came_late(id)).count() > 1) {
        Some((reference, ids)) => Err(format!("doubled: {reference} is the reference of {ids:?}")),
        None => Ok(()),
    }
}

/// What is asked of the store at the very end: keys of refused requests are free, references nobody has too.
pub fn refused_keys(asks: &[Ask]) -> Vec<String> {
    let mut keys: BTreeMap<String, bool> = BTreeMap::new();
    for ask in asks {
        if let Some(key) = &ask.key {
            let only_refused = !ask.heard.is_empty()
                && ask.heard.iter().all(|told| {
                    matches!(
                        told,
                        Heard::Problem(
                            ProblemCode::OrderStateConflict
                                | ProblemCode::AmountExceedsRemaining
                                | ProblemCode::OperationInProgress
                                | ProblemCode::MerchantReferenceInUse
                        )
                    )
                });
            let all = keys.entry(key.clone()).or_insert(true);
            *all = *all && only_refused;
        }
    }
    keys.into_iter().filter(|(_, refused)| *refused).map(|(key, _)| key).collect()
}

/// References that were wanted and that nobody has in the end.
pub fn free_references(store: &Arc<dyn Store>, asks: &[Ask]) -> Vec<String> {
    let mut wanted: Vec<String> = Vec::new();
    for ask in asks {
        if let What::Create { reference, .. } = &ask.what
            && !wanted.contains(reference)
        {
            wanted.push(reference.clone());
        }
    }
    let orders =
        at_once(store.list_orders(OrderFilter::default(), Sort::OldestFirst, None, ALL)).unwrap().items;
    wanted.retain(|reference| {
        let has = |order: &guichet::domain::Order| {
            order.merchant_reference.as_ref() == Some(reference)
                && !matches!(order.status.as_str(), "canceled" | "refunded")
        };
        let wants = |operation: &Operation| match &operation.intent {
            Intent::Create { planned } => {
                !operation.status.is_final() && planned.order.merchant_reference == *reference
            }
            Intent::Update { .. }
            | Intent::Cancel { .. }
            | Intent::Capture { .. }
            | Intent::Refund { .. } => false,
        };
        !orders.iter().any(|(_, order)| has(order)) && !operations(store).iter().any(wants)
    });
    wanted
}
