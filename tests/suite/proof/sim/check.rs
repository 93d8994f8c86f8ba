//! The judge: what the platform did, what the store says, what the callers heard.

use std::{collections::BTreeMap, sync::Arc};

use guichet::{
    domain::{Intent, Operation, OperationId, OperationKind, OperationStatus, Order},
    problem::ProblemCode,
    store::{OperationFilter, OrderFilter, Sort, Store},
};

use super::{
    clients::{Ask, Heard, What},
    provider::{Effect, Later},
    store::at_once,
    world::State,
};

const ALL: u32 = 100_000;

pub fn operations(store: &Arc<dyn Store>) -> Vec<Operation> {
    let listed =
        at_once(store.list_operations(OperationFilter::default(), Sort::OldestFirst, None, ALL)).unwrap();
    listed.items.into_iter().map(|(_, operation)| operation).collect()
}

/// The newest copies of all orders known here.
pub fn orders(store: &Arc<dyn Store>) -> Vec<Order> {
    let listed = at_once(store.list_orders(OrderFilter::default(), Sort::OldestFirst, None, ALL)).unwrap();
    listed.items.into_iter().map(|(_, order)| order).collect()
}

/// Whether nothing more will be learned.
pub fn is_settled(store: &Arc<dyn Store>, state: &State) -> bool {
    operations(store).iter().all(|operation| operation.status.is_final() || may_stay_open(operation, state))
}

/// Nothing that will come can settle it: it was not done and nothing tells so, or a person must decide.
fn may_stay_open(operation: &Operation, state: &State) -> bool {
    let was_done = state.provider.effects.iter().any(|effect| effect.operation == operation.id);
    let is_untold = is_blind(operation) || (is_not_over(operation, state) && !was_done);
    was_contradicted(operation) || (is_untold && !was_done)
}

/// The provider did it after it had ended here, and that is told.
fn was_contradicted(operation: &Operation) -> bool {
    operation.status == OperationStatus::NeedsReview && operation.contradiction.is_some()
}

/// A page made while the wall clock was ahead has not expired yet, by the time that it was given.
fn is_not_over(operation: &Operation, state: &State) -> bool {
    match &operation.intent {
        Intent::Create { planned } => {
            let for_long = state.program_time().plus(std::time::Duration::from_secs(3_600));
            operation.status == OperationStatus::Unknown && planned.expires_at > for_long
        }
        Intent::Update { .. } | Intent::Cancel { .. } | Intent::Capture { .. } | Intent::Refund { .. } => {
            false
        }
    }
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

    if let Some(early) = state.too_early.first() {
        return Err(format!("contradiction: {early}"));
    }
    if let Some(beside) = state.side_by_side.first() {
        return Err(format!("doubled: side by side {beside}"));
    }
    for effect in &state.provider.effects {
        let Some(operation) = by_id.get(&effect.operation) else {
            return Err(format!("lost: an effect without an operation: {effect:?}"));
        };
        if operation.status != OperationStatus::Succeeded && !is_explained(operation, state) {
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
        let was_undone = state.provider.reversed.contains(&id);
        if is_denied && done > 0 && !was_undone {
            return Err(format!("contradiction: {id} is {status:?} and was done"));
        }
        if operation.contradiction.is_some() && !is_explained(operation, state) {
            return Err(format!("contradiction: {id} is contradicted, and nothing was done after all"));
        }
        if operation.reversed.is_some() && !was_undone {
            return Err(format!("contradiction: {id} is reversed, and nobody undid it"));
        }
        if status == OperationStatus::Succeeded && was_undone && operation.reversed.is_none() {
            return Err(format!("lost: {id} was undone, and nobody is told"));
        }
        if status == OperationStatus::Refused && state.done_before.contains(&id) {
            return Err(format!(
                "contradiction: {id} is refused, the platform said that it had been done before"
            ));
        }
        if operation.claimed_done && status != OperationStatus::Succeeded {
            return Err(format!("lost: {id} had been done before, and is {status:?}"));
        }
        if !status.is_final() && !may_stay_open(operation, state) {
            return Err(format!("lost: {id} {:?} stays {status:?}", operation.kind));
        }
        if let Some((.., later)) = state.provider.taken.get(&id)
            && !was_undone
            && (*later == Later::Refused) == (status == OperationStatus::Succeeded)
        {
            return Err(format!("contradiction: {id} is {status:?}, the platform says {later:?}"));
        }
    }
    money(state)?;
    heard(&by_id, state, asks)?;
    events(store, &operations)?;
    copies(store, state)?;
    references(store, state, &operations)
}

/// Why an operation that was done is not simply `succeeded`: it was done after all and a person must decide, or it was
/// undone before anybody knew that it had been done. News of both may overtake each other.
fn is_explained(operation: &Operation, state: &State) -> bool {
    let was_undone = state.provider.reversed.contains(&operation.id);
    let was_done_after_all = state.provider.after_all.contains(&operation.id);
    match operation.status {
        OperationStatus::NeedsReview => {
            let is_untold_end = was_undone && operation.account.as_str() == "blind";
            operation.contradiction.is_some() && (was_done_after_all || is_untold_end)
        }
        OperationStatus::Refused => was_undone,
        OperationStatus::Pending
        | OperationStatus::Sending
        | OperationStatus::Accepted
        | OperationStatus::Unknown
        | OperationStatus::Succeeded
        | OperationStatus::NotExecuted => false,
    }
}

/// The newest copy of every order is what the platform has, and the last event says the same. No status is told twice.
fn copies(store: &Arc<dyn Store>, state: &State) -> Result<(), String> {
    for order in orders(store) {
        let Some(held) = state.provider.orders.get(order.reference().as_str()) else {
            return Err(format!("contradiction: nobody made {}", order.id));
        };
        let told = [order.amounts.authorized, order.amounts.captured, order.amounts.canceled];
        let has = [held.authorized, held.captured, held.canceled].map(Some);
        let is_same = told == has && order.amounts.refunded == Some(held.refunded);
        if order.status != held.status() || !is_same {
            return Err(format!(
                "lost: the last copy of {} is {} {:?}, the platform has {held:?}",
                order.id, order.status, order.amounts
            ));
        }
        let mut last = None;
        let mut is_made_here = false;
        let mut statuses = Vec::new();
        for event in at_once(store.order_events(&order.id, 0, ALL)).unwrap() {
            let word = event.event.event_type.as_str();
            let Some(what) = word.strip_prefix("order.") else { continue };
            if what != "updated" && what != "created" {
                if statuses.contains(&what.to_owned()) {
                    return Err(format!("contradiction: {word} of {} is told twice", order.id));
                }
                statuses.push(what.to_owned());
            }
            is_made_here |= what == "created";
            last = event.event.data.get("status").and_then(|status| status.as_str()).map(str::to_owned);
        }
        // It was pending when it was made.
        let word = order.status.as_str();
        if is_made_here && word != "pending" && !statuses.iter().any(|told| told == word) {
            return Err(format!("lost: {} is {word}, and only {statuses:?} were told", order.id));
        }
        if last.as_deref().is_some_and(|last| last != order.status.as_str()) {
            return Err(format!("lost: {} is {}, the last event says {last:?}", order.id, order.status));
        }
    }
    Ok(())
}

fn money(state: &State) -> Result<(), String> {
    // What was done after all may have been asked for again meanwhile: then both count, and a person is told.
    let is_after_all = |effect: &&Effect| state.provider.after_all.contains(&effect.operation);
    let surprised: Vec<&str> =
        state.provider.effects.iter().filter(is_after_all).map(|effect| effect.reference.as_str()).collect();
    let orders = state.provider.orders.values();
    for held in orders.filter(|held| !surprised.contains(&held.reference.as_str())) {
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
                if status.is_final() && operation.status != *status && !was_contradicted(operation) {
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
        let counts = |id: &OperationId| !state.provider.after_all.contains(id);
        let effects = state.provider.effects.iter().map(|effect| effect.operation);
        let done = effects.filter(|id| ids.contains(id) && counts(id)).count();
        if done > 1 {
            return Err(format!("doubled: the key {key} of {request} has {done} effects"));
        }
        let stands = |id: &&OperationId| by_id[id].status != OperationStatus::NotExecuted && counts(id);
        let open = ids.iter().filter(stands).count();
        if open > 1 {
            return Err(format!("doubled: the key {key} of {request} stands for {open} operations"));
        }
    }
    Ok(())
}

/// No event without its change, no change without its event, no gap, one end.
fn events(store: &Arc<dyn Store>, operations: &[Operation]) -> Result<(), String> {
    let orders = orders(store);
    let mut ends: BTreeMap<OperationId, Vec<String>> = BTreeMap::new();
    let mut refunds: BTreeMap<OperationId, Vec<String>> = BTreeMap::new();
    for order in orders {
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
            } else if let Some(id) = event.event.operation_id
                && word.starts_with("refund.")
            {
                refunds.entry(id).or_default().push(word);
            }
        }
    }
    for operation in operations {
        if operation.order_id.is_none() {
            continue;
        }
        let mut told = ends.remove(&operation.id).unwrap_or_default();
        // What was begun with nothing to do has changed nothing.
        if operation.already_done && told.is_empty() && operation.reversed.is_none() {
            continue;
        }
        let all = told.len();
        told.retain(|word| word != "reversed");
        if all - told.len() != usize::from(operation.reversed.is_some()) {
            return Err(format!(
                "contradiction: {} reversed {:?}, told {} times",
                operation.id,
                operation.reversed,
                all - told.len()
            ));
        }
        let told_of_refund = refunds.remove(&operation.id).unwrap_or_default();
        if told_of_refund != words_of_refund(operation, &told) {
            return Err(format!("contradiction: {operation:?} has events {told_of_refund:?} {told:?}"));
        }
        let is_final =
            |word: &&String| OperationStatus::from_word(word).is_some_and(|status| status.is_final());
        let finals = told.iter().filter(is_final).count();
        // A creation that was unknown before its order was known has those events in a stream of its own.
        let ended_before = was_contradicted(operation) && operation.kind != OperationKind::Create;
        let reviews = told.iter().filter(|word| *word == "needs_review").count();
        if finals != usize::from(operation.status.is_final() || ended_before)
            || reviews > 1
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

/// The events of the ends of a refund, given those of its operation.
fn words_of_refund(operation: &Operation, told: &[String]) -> Vec<&'static str> {
    if operation.kind != OperationKind::Refund {
        return Vec::new();
    }
    let ended = |word: &str| told.iter().any(|told| told == word);
    let mut words = Vec::new();
    if ended("succeeded") {
        words.push("refund.succeeded");
    }
    if ended("refused") || operation.reversed.is_some() {
        words.push("refund.failed");
    }
    words
}

/// A merchant reference is held while somebody has it or may be getting it, and free afterwards.
fn references(store: &Arc<dyn Store>, state: &State, operations: &[Operation]) -> Result<(), String> {
    let mut holders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for order in orders(store) {
        // The platform's word: the last copy may be of a read that lagged behind.
        let held = state.provider.orders.get(order.reference().as_str());
        // One that was given back is not over while the bank may reject that.
        let is_over = held.is_none_or(|held| match held.status().as_str() {
            "canceled" => true,
            "refunded" => !state.may_be_rejected(),
            _ => false,
        });
        if let Some(reference) = order.merchant_reference.filter(|_| !is_over) {
            holders.entry(reference).or_default().push(order.id.to_string());
        }
    }
    // One whose answer was lost may come to light beside its repetition: nobody was shown it.
    let came_late = |id: &str| {
        operations.iter().any(|operation| {
            let was_unknown = operation.repeat_harmless && state.unknown.contains(&operation.id);
            (was_unknown || state.provider.after_all.contains(&operation.id))
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
    let orders = orders(store);
    wanted.retain(|reference| {
        let has = |order: &Order| {
            let is_over = order.is_final && matches!(order.status.as_str(), "canceled" | "refunded");
            order.merchant_reference.as_ref() == Some(reference) && !is_over
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
        !orders.iter().any(has) && !operations(store).iter().any(wants)
    });
    wanted
}
