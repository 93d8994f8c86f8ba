//! What the platforms did and what the program says, side by side.

use std::collections::{BTreeMap, BTreeSet};

use guichet_simulator::{Effect, LoggedRequest, SentNotice, SimulatorControl};
use serde_json::Value;

use super::{
    accounts::{account_at, operation_of},
    program::Program,
};

#[derive(Debug, Clone)]
pub struct Operation {
    pub id: String,
    pub kind: String,
    pub status: String,
    pub outcome: String,
    pub provider: String,
    pub order: Option<String>,
    pub amount: Option<i64>,
}

/// An event of an order.
#[derive(Debug, Clone)]
pub struct Event {
    pub sequence: i64,
    pub word: String,
    pub operation: Option<String>,
}

/// Taken in this order, so that whatever the program says of a notification or an effect it had the time to learn of.
#[derive(Debug)]
pub struct Facts {
    pub notices: Vec<SentNotice>,
    /// Everything that happened at the platforms.
    pub effects: Vec<Effect>,
    /// Requests that change something, by their numbers.
    pub requests: BTreeMap<u64, LoggedRequest>,
    pub operations: Vec<Operation>,
    pub events: BTreeMap<String, Vec<Event>>,
}

/// `systempay_d63e...`: what the program calls the order of this effect.
pub fn order_of(effect: &Effect) -> String {
    order_at(&effect.provider, &effect.brand, &effect.order)
}

pub fn order_at(provider: &str, brand: &str, id: &str) -> String {
    let name = account_at(provider, brand).map_or("nobody", |account| account.name);
    format!("{name}_{id}")
}

pub fn is_final(status: &str) -> bool {
    matches!(status, "succeeded" | "refused" | "not_executed")
}

impl Facts {
    pub async fn take(program: &Program, control: &SimulatorControl) -> Result<Self, String> {
        let notices = control.notices();
        let effects = control.effects();
        let log = control.request_log();
        if log.first().is_some_and(|first| first.sequence != 1) || notices.len() == 10_000 {
            return Err("the records of the simulators are too short for this run".to_owned());
        }
        let is_change = |request: &LoggedRequest| {
            account_at(&request.provider, &request.brand).is_some_and(|at| at.is_change(&request.service))
        };
        let requests = log.into_iter().filter(is_change).map(|request| (request.sequence, request)).collect();
        let mut operations = Vec::new();
        for item in program.list("/operations").await? {
            let text = |name: &str| item[name].as_str().map(str::to_owned);
            operations.push(Operation {
                id: text("id").ok_or("no id")?,
                kind: text("type").ok_or("no type")?,
                status: text("status").ok_or("no status")?,
                outcome: text("outcome").ok_or("no outcome")?,
                provider: text("provider").ok_or("no provider")?,
                order: text("order_id"),
                amount: item.pointer("/amount/value").and_then(Value::as_i64),
            });
        }
        Ok(Self { notices, effects, requests, operations, events: BTreeMap::new() })
    }

    /// The events of every order that the program or a platform speaks of.
    pub async fn take_events(&mut self, program: &Program) -> Result<(), String> {
        let ours = self.operations.iter().filter_map(|one| one.order.clone());
        let told = self.notices.iter().filter(|one| is_delivered(one));
        let told = told.map(|one| order_at(&one.provider, &one.brand, &one.order));
        for order in ours.chain(told).collect::<BTreeSet<String>>() {
            let items = program.list(&format!("/orders/{order}/events")).await?;
            let events = items.iter().map(|event| {
                let text = |name: &str| event[name].as_str().map(str::to_owned);
                Event {
                    sequence: event["sequence"].as_i64().unwrap_or(0),
                    word: text("type").unwrap_or_default(),
                    operation: text("operation_id"),
                }
            });
            self.events.insert(order, events.collect());
        }
        Ok(())
    }

    /// The operation that the request behind an effect named.
    pub fn named_by(&self, effect: &Effect) -> Option<String> {
        operation_of(self.requests.get(&effect.request?)?)
    }

    /// What a request of ours did, not the payer or the night.
    pub fn done(&self) -> impl Iterator<Item = &Effect> {
        self.effects.iter().filter(|effect| effect.request.is_some())
    }

    /// Whether a true notification of YabandPay's that names this operation was acknowledged: the creation of a payment,
    /// or a refund that has ended.
    pub fn heard_of(&self, operation: &str) -> bool {
        let told = self.notices.iter().filter(|one| one.provider == "yabandpay" && is_delivered(one));
        told.filter_map(|notice| serde_json::from_str::<Value>(&notice.body).ok()).any(|body| {
            ["/data/m_refund_id", "/data/demo"].iter().any(|at| body.pointer(at) == Some(&operation.into()))
        })
    }
}

pub fn is_delivered(notice: &SentNotice) -> bool {
    notice.attempts.iter().any(|attempt| attempt.delivered)
}
