//! The judge: what must hold when nothing more will be learned, and which operations may stay open for ever.

use std::collections::{BTreeMap, BTreeSet};

use guichet_simulator::{Effect, FaultKind};

use super::{
    accounts::{AMOUNT, kind_of, moved, operation_of},
    facts::{Facts, Operation, is_delivered, is_final, order_at, order_of},
    shop::Keyed,
};

/// What is wrong.
#[derive(Debug)]
pub enum Wrong {
    /// Time may still heal it: something is not known yet.
    Yet(String),
    /// It stays wrong.
    Forever(String),
}

impl Wrong {
    pub fn why(self) -> String {
        match self {
            Self::Yet(why) | Self::Forever(why) => why,
        }
    }
}

fn yet<T>(why: String) -> Result<T, Wrong> {
    Err(Wrong::Yet(format!("lost: {why}")))
}

fn forever<T>(why: String) -> Result<T, Wrong> {
    Err(Wrong::Forever(why))
}

/// How a refund stands at YabandPay, in our words.
fn refund_at_the_platform(facts: &Facts, refund: &Effect) -> &'static str {
    let mut of_it = facts.effects.iter().rev().filter(|one| one.transaction == refund.transaction);
    match of_it.next().map_or(refund.status_after.as_str(), |last| last.status_after.as_str()) {
        "refunded" => "succeeded",
        // What failed may still be done: by a later try, or by the platform's support.
        "to-be-approval" | "refund pending" | "refund processing" | "refund failed" | "refund error" => {
            "accepted"
        }
        _ => "refused",
    }
}

/// Everything but what needs the events.
pub fn judge(facts: &Facts, told: &[Keyed]) -> Result<(), Wrong> {
    sent_once(facts)?;
    keys(facts, told)?;
    creations(facts)?;
    refunds_by_approval(facts)?;
    changes(facts)?;
    given_back(facts)
}

/// No operation is sent twice; where a request does not name its operation, no order has more requests than operations.
fn sent_once(facts: &Facts) -> Result<(), Wrong> {
    let known: BTreeSet<&str> = facts.operations.iter().map(|one| one.id.as_str()).collect();
    let mut named = BTreeSet::new();
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for request in facts.requests.values() {
        if let Some(operation) = operation_of(request) {
            if !known.contains(operation.as_str()) {
                return forever(format!("lost: {operation} was sent and nobody knows it"));
            }
            if !named.insert(operation.clone()) {
                return forever(format!("doubled: {operation} was sent again: {}", request.service));
            }
        } else if let Some(order) = &request.order {
            *sent.entry(order_at(&request.provider, &request.brand, order)).or_insert(0) += 1;
        }
    }
    let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
    for one in facts.operations.iter().filter(|one| one.outcome != "already_done" && !named.contains(&one.id))
    {
        if let Some(order) = one.order.as_deref() {
            *asked.entry(order).or_insert(0) += 1;
        }
    }
    for (order, sent) in sent {
        let asked = asked.get(order.as_str()).copied().unwrap_or(0);
        if sent > asked {
            return forever(format!("doubled: {sent} requests for {asked} operations on {order}"));
        }
    }
    Ok(())
}

/// An order that was made is told, unless nobody can find it.
fn creations(facts: &Facts) -> Result<(), Wrong> {
    let mut made: BTreeMap<String, &Effect> = BTreeMap::new();
    for effect in facts.done().filter(|effect| effect.action == "create") {
        let Some(operation) = facts.named_by(effect) else {
            return forever(format!("lost: {effect:?} names no operation"));
        };
        if made.insert(operation.clone(), effect).is_some() {
            return forever(format!("doubled: {operation} made two orders"));
        }
    }
    for one in facts.operations.iter().filter(|one| one.kind == "create") {
        let effect = made.get(&one.id).copied();
        match (one.status.as_str(), effect) {
            ("succeeded", Some(effect)) => {
                // Lyra tells that it was paid, and not under which name.
                let is_nameless = one.provider == "lyra" && one.order.is_none();
                if one.order.as_ref() != Some(&order_of(effect)) && !is_nameless {
                    return forever(format!("contradiction: {one:?} made {}", order_of(effect)));
                }
            }
            ("not_executed" | "refused", None) => {}
            ("unknown", effect) if effect.is_none_or(|effect| cannot_be_found(facts, one, effect)) => {}
            ("unknown" | "sending" | "accepted", _) => {
                return yet(format!("{one:?} is not settled: {effect:?}"));
            }
            ("succeeded", None) => return forever(format!("lost: {one:?} was never made")),
            _ => return forever(format!("lost: {one:?} was made: {effect:?}")),
        }
    }
    Ok(())
}

/// Nobody was at the page, so Lyra and Sips have no payment to show. YabandPay has no way to look for it at all: only
/// a notification names it.
fn cannot_be_found(facts: &Facts, creation: &Operation, created: &Effect) -> bool {
    let is_visited =
        facts.effects.iter().any(|one| one.request.is_none() && order_of(one) == order_of(created));
    match created.provider.as_str() {
        "yabandpay" => !facts.heard_of(&creation.id),
        _ => !is_visited,
    }
}

/// Refunds at YabandPay wait for an administrator, and one whose answer was lost is told by its notification only.
fn refunds_by_approval(facts: &Facts) -> Result<(), Wrong> {
    let mut done: BTreeMap<String, &Effect> = BTreeMap::new();
    for effect in facts.done().filter(|one| one.action == "refund" && one.provider == "yabandpay") {
        let Some(operation) = facts.named_by(effect) else {
            return forever(format!("lost: {effect:?} names no operation"));
        };
        done.insert(operation, effect);
    }
    for one in facts.operations.iter().filter(|one| is_by_approval(one)) {
        let Some(effect) = done.get(&one.id) else {
            match one.status.as_str() {
                "unknown" | "refused" | "not_executed" => continue,
                _ => return forever(format!("lost: {one:?} was never done")),
            }
        };
        if one.amount != effect.amount || one.order.as_ref() != Some(&order_of(effect)) {
            return forever(format!("contradiction: {one:?} was done as {effect:?}"));
        }
        let stands = refund_at_the_platform(facts, effect);
        let is_untold = one.status == "unknown" && !facts.heard_of(&one.id);
        if one.status != stands && !is_untold {
            let why = format!("{one:?} is {stands} at the platform");
            return if is_final(&one.status) { forever(format!("lost: {why}")) } else { yet(why) };
        }
    }
    Ok(())
}

fn is_by_approval(operation: &Operation) -> bool {
    operation.kind == "refund" && operation.provider == "yabandpay"
}

/// All other changes are settled, and what is told was done, so often and so much.
fn changes(facts: &Facts) -> Result<(), Wrong> {
    let mut said: BTreeMap<(String, String), Vec<Option<i64>>> = BTreeMap::new();
    for one in facts.operations.iter().filter(|one| one.kind != "create" && !is_by_approval(one)) {
        let Some(order) = one.order.clone() else {
            return forever(format!("lost: {one:?} has no order"));
        };
        if !is_final(&one.status) {
            return yet(format!("{one:?} is not settled"));
        }
        if one.status == "succeeded" && one.outcome == "executed" {
            said.entry((order, one.kind.clone())).or_default().push(one.amount);
        }
    }
    let mut done: BTreeMap<(String, String), Vec<Option<i64>>> = BTreeMap::new();
    for effect in facts.done() {
        let kind = kind_of(effect);
        if kind != "create" && !(kind == "refund" && effect.provider == "yabandpay") {
            done.entry((order_of(effect), kind.to_owned())).or_default().push(moved(effect));
        }
    }
    for amounts in said.values_mut().chain(done.values_mut()) {
        amounts.sort_unstable();
    }
    for (what, amounts) in &done {
        let told = said.remove(what).unwrap_or_default();
        if told != *amounts {
            return forever(format!("lost: {what:?} was done {amounts:?}, told {told:?}"));
        }
    }
    if let Some((what, told)) = said.into_iter().next() {
        return forever(format!("lost: {what:?} is told {told:?} and was never done"));
    }
    Ok(())
}

/// Never more is given up and given back than there was.
fn given_back(facts: &Facts) -> Result<(), Wrong> {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for effect in &facts.effects {
        let (sum, most) = sums.entry(order_of(effect)).or_insert((0, AMOUNT));
        match kind_of(effect) {
            "create" | "update" => *most = effect.amount_after.max(*most),
            "cancel" => *sum += moved(effect).unwrap_or(0),
            "refund"
                if effect.provider != "yabandpay" || refund_at_the_platform(facts, effect) != "refused" =>
            {
                *sum += effect.amount.unwrap_or(0);
            }
            _ => {}
        }
    }
    for (order, (sum, most)) in sums {
        if sum > most {
            return forever(format!("doubled: {sum} of {most} were given back of {order}"));
        }
    }
    Ok(())
}

/// One key has one effect, and what was told stays true.
fn keys(facts: &Facts, told: &[Keyed]) -> Result<(), Wrong> {
    let by_id: BTreeMap<&str, &Operation> =
        facts.operations.iter().map(|one| (one.id.as_str(), one)).collect();
    for keyed in told {
        let mut effective = 0;
        for id in &keyed.operations {
            let Some(one) = by_id.get(id.as_str()) else {
                return forever(format!("lost: {keyed:?} was told of an operation nobody knows"));
            };
            effective += usize::from(one.status != "not_executed");
        }
        if effective > 1 {
            return forever(format!("doubled: one key, {effective} operations: {keyed:?}"));
        }
        for id in &keyed.executed {
            if by_id[id.as_str()].status != "succeeded" {
                return forever(format!("contradiction: {:?} was told to be executed", by_id[id.as_str()]));
            }
        }
    }
    Ok(())
}

/// Events have no gap, an operation has one end among them, and a notification that was acknowledged is there.
pub fn judge_events(facts: &Facts) -> Result<(), Wrong> {
    for (order, events) in &facts.events {
        for (event, expected) in events.iter().zip(1..) {
            if event.sequence != expected {
                return forever(format!("contradiction: {order} has a gap at {event:?}"));
            }
        }
    }
    for one in facts.operations.iter().filter(|one| is_final(&one.status)) {
        let Some(events) = one.order.as_ref().and_then(|order| facts.events.get(order)) else { continue };
        let ends: Vec<&str> = events
            .iter()
            .filter(|event| event.operation.as_ref() == Some(&one.id))
            .filter_map(|event| event.word.strip_prefix("operation."))
            .filter(|status| is_final(status))
            .collect();
        // What was begun with nothing to do has changed nothing, and no event tells of it.
        let has_nothing_to_tell = one.outcome == "already_done" && ends.is_empty();
        if !has_nothing_to_tell && ends != [one.status.as_str()] {
            return forever(format!("contradiction: {one:?} has the ends {ends:?}"));
        }
    }
    for notice in &facts.notices {
        let is_false = matches!(notice.fault, Some(FaultKind::NotifyForged | FaultKind::NotifyAltered));
        if is_false && is_delivered(notice) {
            return forever(format!("contradiction: a forged notification was taken: {notice:?}"));
        }
        // What Lyra sends does not name the order, so one that nobody here knows of yet is not found by it.
        if !is_delivered(notice) || notice.provider == "lyra" {
            continue;
        }
        let order = order_at(&notice.provider, &notice.brand, &notice.order);
        let events = facts.events.get(&order).map(Vec::as_slice).unwrap_or_default();
        if !events.iter().any(|event| event.word == "notification.received") {
            return yet(format!("a notification about {order} was acknowledged and is not among its events"));
        }
    }
    Ok(())
}
