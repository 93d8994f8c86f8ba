//! The orders there are at the platforms, and what callers asked and heard; it outlives the program.

use std::sync::{Arc, Mutex};

use guichet::simulator::{PayerAction, SimulatorControl};
use serde_json::json;

use crate::numbers::Random;

/// An account of the configuration and its platform. An adapter that is new here gets a line.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    pub name: &'static str,
    pub provider: &'static str,
    pub brand: &'static str,
    pub currency: &'static str,
    /// What faults are ordered on, reads included.
    pub services: &'static [&'static str],
    /// What changes something.
    pub changes: &'static [&'static str],
}

const LYRA: &[&str] = &[
    "Charge/CreatePaymentOrder",
    "Charge/PaymentOrder/Get",
    "Charge/PaymentOrder/Update",
    "Charge/PaymentOrder/Cancel",
    "Order/Get",
    "Transaction/CancelOrRefund",
    "Transaction/Validate",
];
const LYRA_CHANGES: &[&str] = &[
    "Charge/CreatePaymentOrder",
    "Charge/PaymentOrder/Update",
    "Charge/PaymentOrder/Cancel",
    "Transaction/CancelOrRefund",
    "Transaction/Validate",
];

pub static ACCOUNTS: [Account; 2] = [
    Account {
        name: "systempay",
        provider: "lyra",
        brand: "systempay",
        currency: "EUR",
        services: LYRA,
        changes: LYRA_CHANGES,
    },
    Account {
        name: "epaync",
        provider: "lyra",
        brand: "epaync",
        currency: "XPF",
        services: LYRA,
        changes: LYRA_CHANGES,
    },
];

/// What an order is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    Authorized,
    Captured,
}

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
}

impl Shop {
    pub fn new(control: SimulatorControl) -> Self {
        Self { control, orders: Arc::default(), keyed: Arc::default() }
    }

    /// An order as payer, merchant and night left it.
    pub fn add_order(&self, account: &'static Account, random: &mut Random) {
        let state = *random.pick(&[State::Open, State::Authorized, State::Captured, State::Captured]);
        let number = self.orders.lock().unwrap().len();
        let draft = json!({
            "orderId": format!("seed-{number}"), "amount": 1_000,
            "manualValidation": state == State::Authorized,
        });
        let control = &self.control;
        let id = control.add_order(account.provider, account.brand, &draft).unwrap();
        if state != State::Open {
            control.payer(account.provider, account.brand, &id, PayerAction::Pay).unwrap();
        }
        if state == State::Captured {
            control.act(account.provider, account.brand, Some(&id), "remit").unwrap();
        }
        self.orders.lock().unwrap().push(Order { account, id, state });
    }

    /// One of the newest orders: that is where the races are.
    pub fn pick(&self, random: &mut Random) -> Order {
        let orders = self.orders.lock().unwrap();
        let recent = orders.len().saturating_sub(8);
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
}
