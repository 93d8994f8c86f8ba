//! What the platforms did and what the program says, side by side.

use std::collections::{BTreeMap, BTreeSet};

use guichet::simulator::{Effect, SimulatorControl};
use serde_json::Value;

use super::{
    program::Program,
    shop::{ACCOUNTS, Keyed},
};

#[derive(Debug, Clone)]
pub struct Operation {
    pub id: String,
    pub kind: String,
    pub status: String,
    pub outcome: String,
    pub order: Option<String>,
    pub amount: Option<i64>,
}

#[derive(Debug)]
pub struct Facts {
    pub operations: Vec<Operation>,
    /// Made by a request, not by the payer or the night.
    pub effects: Vec<Effect>,
    /// Requests that change something, by the order they name.
    requests: BTreeMap<String, usize>,
    /// By order: numbers and words of its events with their operations.
    events: BTreeMap<String, Vec<(i64, String, Option<String>)>>,
}

impl Facts {
    pub async fn take(program: &Program, control: &SimulatorControl) -> Result<Self, String> {
        let mut operations = Vec::new();
        let mut path = "/operations?limit=200".to_owned();
        loop {
            let page = program.get(&path).await?;
            for item in page["items"].as_array().ok_or("no items")? {
                let text = |name: &str| item[name].as_str().map(str::to_owned);
                operations.push(Operation {
                    id: text("id").ok_or("no id")?,
                    kind: text("type").ok_or("no type")?,
                    status: text("status").ok_or("no status")?,
                    outcome: text("outcome").ok_or("no outcome")?,
                    order: text("order_id"),
                    amount: item.pointer("/amount/value").and_then(Value::as_i64),
                });
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/operations?limit=200&cursor={cursor}"),
                None => break,
            }
        }
        let mut events = BTreeMap::new();
        let orders: BTreeSet<String> = operations.iter().filter_map(|one| one.order.clone()).collect();
        if operations.iter().all(|one| is_final(&one.status) || one.kind == "create") {
            for order in orders {
                let told = program.get(&format!("/orders/{order}/events?limit=200")).await?;
                let told = told["items"].as_array().ok_or("no items")?.iter().map(|event| {
                    let text = |name: &str| event[name].as_str().map(str::to_owned);
                    (
                        event["sequence"].as_i64().unwrap_or(0),
                        text("type").unwrap_or_default(),
                        text("operation_id"),
                    )
                });
                events.insert(order, told.collect());
            }
        }
        let mut requests = BTreeMap::new();
        for request in control.request_log() {
            let changes = ACCOUNTS.iter().any(|account| account.changes.contains(&request.service.as_str()));
            if let Some(order) = request.order.filter(|_| changes) {
                *requests.entry(order).or_insert(0) += 1;
            }
        }
        let effects = control.effects().into_iter().filter(|effect| effect.request.is_some()).collect();
        Ok(Self { operations, effects, requests, events })
    }

    /// Whether nothing more will be learned: an unpaid creation whose answer was lost cannot be found.
    pub fn is_settled(&self) -> bool {
        self.operations
            .iter()
            .all(|one| is_final(&one.status) || one.kind == "create" && one.status == "unknown")
    }

    pub fn check(&self, told: &[Keyed]) -> Result<(), String> {
        self.creations()?;
        self.changes()?;
        self.sequences()?;
        self.keys(told)
    }

    fn creations(&self) -> Result<(), String> {
        let all: Vec<&Operation> = self.operations.iter().filter(|one| one.kind == "create").collect();
        let unknown = all.iter().filter(|one| one.status == "unknown").count();
        let made: BTreeSet<String> = all
            .iter()
            .filter(|one| one.status == "succeeded")
            .filter_map(|one| one.order.as_ref())
            .filter_map(|order| order.split_once('_').map(|(_, reference)| reference.to_owned()))
            .collect();
        let effects: BTreeSet<String> =
            self.effects.iter().filter(|one| one.action == "create").map(|one| one.order.clone()).collect();
        if let Some(never) = made.difference(&effects).next() {
            return Err(format!("lost: {never} was never made"));
        }
        let untold = effects.difference(&made).count();
        if untold > unknown {
            return Err(format!("lost: {untold} orders were made, {unknown} creations are unknown"));
        }
        Ok(())
    }

    fn changes(&self) -> Result<(), String> {
        let mut said: BTreeMap<(String, String), Vec<Option<i64>>> = BTreeMap::new();
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        for one in self.operations.iter().filter(|one| one.kind != "create") {
            let order = one.order.as_deref().and_then(|order| order.split_once('_')).map(|(_, order)| order);
            let order = order.ok_or_else(|| format!("lost: {} has no order", one.id))?.to_owned();
            if !is_final(&one.status) {
                return Err(format!("lost: {one:?} is not settled"));
            }
            if one.outcome != "already_done" {
                *asked.entry(order.clone()).or_insert(0) += 1;
            }
            if one.status == "succeeded" && one.outcome == "executed" {
                let amount = one.amount.filter(|_| one.kind == "refund");
                said.entry((order, one.kind.clone())).or_default().push(amount);
            }
        }
        let mut done: BTreeMap<(String, String), Vec<Option<i64>>> = BTreeMap::new();
        for effect in self.effects.iter().filter(|one| one.action != "create") {
            let amount = effect.amount.filter(|_| effect.action == "refund");
            done.entry((effect.order.clone(), effect.action.clone())).or_default().push(amount);
        }
        for amounts in said.values_mut().chain(done.values_mut()) {
            amounts.sort_unstable();
        }
        for (what, amounts) in &done {
            let told = said.remove(what).unwrap_or_default();
            if told.len() < amounts.len() {
                let kind = if self.requests.get(&what.0) > asked.get(&what.0) { "doubled" } else { "lost" };
                return Err(format!("{kind}: {what:?} was done {amounts:?}, told {told:?}"));
            }
            if told != *amounts {
                return Err(format!("lost: {what:?} was done {amounts:?}, told {told:?}"));
            }
        }
        if let Some((what, told)) = said.into_iter().next() {
            return Err(format!("lost: {what:?} is told {told:?} and was never done"));
        }
        for (order, sent) in &self.requests {
            let operations = asked.get(order).copied().unwrap_or(0);
            if *sent > operations {
                return Err(format!("doubled: {sent} requests for {operations} operations on {order}"));
            }
        }
        for ((order, kind), amounts) in &done {
            let sum: i64 = amounts.iter().flatten().sum();
            if kind == "refund" && sum > 1_000 {
                return Err(format!("doubled: {sum} of 1000 were given back of {order}"));
            }
        }
        Ok(())
    }

    fn sequences(&self) -> Result<(), String> {
        for (order, events) in &self.events {
            for ((sequence, word, _), expected) in events.iter().zip(1..) {
                if *sequence != expected {
                    return Err(format!("contradiction: {order} has a gap at {sequence} {word}"));
                }
            }
        }
        for one in self.operations.iter().filter(|one| is_final(&one.status)) {
            let Some(events) = one.order.as_ref().and_then(|order| self.events.get(order)) else { continue };
            if events.len() >= 200 {
                continue;
            }
            let ends: Vec<&str> = events
                .iter()
                .filter(|(_, _, operation)| operation.as_ref() == Some(&one.id))
                .filter_map(|(_, word, _)| word.strip_prefix("operation."))
                .filter(|status| is_final(status))
                .collect();
            if ends != [one.status.as_str()] {
                return Err(format!("contradiction: {one:?} has the ends {ends:?}"));
            }
        }
        Ok(())
    }

    fn keys(&self, told: &[Keyed]) -> Result<(), String> {
        let by_id: BTreeMap<&str, &Operation> =
            self.operations.iter().map(|one| (one.id.as_str(), one)).collect();
        for keyed in told {
            let mut effective = 0;
            for id in &keyed.operations {
                let Some(one) = by_id.get(id.as_str()) else {
                    return Err(format!("lost: {keyed:?} was told of an operation nobody knows"));
                };
                effective += usize::from(one.status != "not_executed");
            }
            if effective > 1 {
                return Err(format!("doubled: one key, {effective} operations: {keyed:?}"));
            }
            for id in &keyed.executed {
                if by_id[id.as_str()].status != "succeeded" {
                    return Err(format!("contradiction: {:?} was told to be executed", by_id[id.as_str()]));
                }
            }
        }
        Ok(())
    }
}

fn is_final(status: &str) -> bool {
    matches!(status, "succeeded" | "refused" | "not_executed")
}
