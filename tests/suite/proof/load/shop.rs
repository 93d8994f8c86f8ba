//! The orders there are at the platforms, and what callers asked and heard; it outlives the program.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use guichet_simulator::{Effect, PayerAction, SimulatorControl};

use super::accounts::{Account, State, account_at};
use crate::numbers::Random;

#[derive(Debug, Clone)]
pub struct Order {
    pub account: &'static Account,
    pub id: String,
    pub state: State,
}

/// A request that was sent with a key, and the operations it was answered with.
#[derive(Debug, Clone)]
pub struct Keyed {
    pub key: String,
    pub method: &'static str,
    pub path: String,
    pub body: Option<String>,
    pub operations: Vec<String>,
    /// Status and id of what was told to be done.
    pub executed: Vec<String>,
}

#[derive(Clone)]
pub struct Shop {
    control: SimulatorControl,
    orders: Arc<Mutex<Vec<Order>>>,
    keyed: Arc<Mutex<Vec<Keyed>>>,
    /// Orders made by callers that their payers have been at.
    visited: Arc<Mutex<BTreeSet<String>>>,
}

impl Shop {
    pub fn new(control: SimulatorControl) -> Self {
        Self { control, orders: Arc::default(), keyed: Arc::default(), visited: Arc::default() }
    }

    /// An order that is ready for something.
    pub fn add_order(&self, account: &'static Account, random: &mut Random) {
        let state = *random.pick(account.states);
        let mut orders = self.orders.lock().unwrap();
        let id = account.prepare(&self.control, state, orders.len());
        orders.push(Order { account, id, state });
    }

    /// One of the newest orders: that is where the races are.
    pub fn pick(&self, random: &mut Random) -> Order {
        let orders = self.orders.lock().unwrap();
        let recent = orders.len().saturating_sub(16);
        random.pick(&orders[recent..]).clone()
    }

    pub fn repeat(&self, random: &mut Random) -> Option<Keyed> {
        let keyed = self.keyed.lock().unwrap();
        let recent = keyed.len().saturating_sub(12);
        (!keyed.is_empty()).then(|| random.pick(&keyed[recent..]).clone())
    }

    /// Before it is sent: whoever hears nothing still knows that it asked.
    pub fn asks(&self, keyed: Keyed) {
        let mut all = self.keyed.lock().unwrap();
        if !all.iter().any(|other| other.key == keyed.key) {
            all.push(keyed);
        }
    }

    pub fn hears(&self, key: &str, operation: &str, executed: bool) {
        let mut all = self.keyed.lock().unwrap();
        if let Some(keyed) = all.iter_mut().find(|keyed| keyed.key == key) {
            if !keyed.operations.iter().any(|known| known == operation) {
                keyed.operations.push(operation.to_owned());
            }
            if executed {
                keyed.executed.push(operation.to_owned());
            }
        }
    }

    pub fn told(&self) -> Vec<Keyed> {
        self.keyed.lock().unwrap().clone()
    }

    /// What happens at the platforms without us, until nobody waits for it any more: payers pay or do not, the night
    /// takes the money, and somebody approves refunds or does not.
    pub async fn meanwhile(self, mut random: Random) {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(10 + random.below(50))).await;
            let effects = self.control.effects();
            if random.percent(70) {
                self.payer(&effects, &mut random);
            } else {
                self.administrator(&effects, &mut random);
            }
        }
    }

    /// Somebody is at a page that a caller has made, whether or not its link was told to anybody.
    fn payer(&self, effects: &[Effect], random: &mut Random) {
        let fresh: Vec<&Effect> = {
            let visited = self.visited.lock().unwrap();
            effects.iter().filter(|one| one.action == "create" && !visited.contains(&one.order)).collect()
        };
        if fresh.is_empty() {
            return;
        }
        let made = *random.pick(&fresh);
        let Some(account) = account_at(&made.provider, &made.brand) else { return };
        self.visited.lock().unwrap().insert(made.order.clone());
        let (control, provider, brand, id) = (&self.control, account.provider, account.brand, &made.order);
        match random.below(10) {
            // Left alone.
            0 => return,
            1 => drop(control.payer(provider, brand, id, PayerAction::Decline)),
            2 => drop(control.act(provider, brand, Some(id), "expire")),
            _ => {
                control.payer(provider, brand, id, PayerAction::Pay).unwrap();
                if random.percent(50) {
                    // Not what the merchant must capture first.
                    let _ = control.act(provider, brand, Some(id), "remit");
                }
            }
        }
        let order = Order { account, id: id.clone(), state: State::Created };
        self.orders.lock().unwrap().push(order);
    }

    /// An administrator decides about a refund, or what cashiers may do.
    fn administrator(&self, effects: &[Effect], random: &mut Random) {
        let act = |order: Option<&str>, action| self.control.act("yabandpay", "yabandpay", order, action);
        if random.percent(15) {
            let rights = *random.pick(&["refunds_need_approval", "refunds_need_approval", "refunds_at_once"]);
            act(None, rights).unwrap();
        }
        let asked: Vec<&String> = effects
            .iter()
            .filter(|one| one.provider == "yabandpay" && one.action == "refund")
            .filter_map(|one| one.transaction.as_ref())
            .collect();
        let recent = asked.len().saturating_sub(6);
        if let Some(recent) = asked.get(recent..).filter(|recent| !recent.is_empty()) {
            let decision = *random.pick(&["approve_refund", "approve_refund", "reject_refund"]);
            // It may have ended before.
            let _ = act(Some(random.pick(recent).as_str()), decision);
        }
    }
}
