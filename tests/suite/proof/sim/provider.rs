//! A platform that exists in memory only. It is gullible: it gives money back as often as it is told to.

use std::collections::BTreeMap;

use guichet::domain::{OperationId, OperationKind, OrderStatus};

/// One order at the platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub reference: String,
    pub merchant_reference: String,
    pub manual: bool,
    pub amount: i64,
    pub authorized: i64,
    pub captured: i64,
    pub canceled: i64,
    pub refunded: i64,
    pub is_canceled: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

impl Held {
    pub fn status(&self) -> OrderStatus {
        if self.is_canceled {
            OrderStatus::Canceled
        } else if self.captured > 0 && self.refunded >= self.captured {
            OrderStatus::Refunded
        } else if self.refunded > 0 {
            OrderStatus::PartiallyRefunded
        } else if self.captured > 0 {
            OrderStatus::Paid
        } else if self.authorized > 0 {
            OrderStatus::Authorized
        } else {
            OrderStatus::Pending
        }
    }
}

/// What a request asks the platform for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    pub operation: OperationId,
    pub kind: OperationKind,
    /// Empty for a creation.
    pub reference: String,
    pub amount: i64,
    pub full: bool,
    pub merchant_reference: String,
    pub manual: bool,
    /// A refund that is taken now and done (or refused) later.
    pub later: bool,
}

/// Something that the platform really did.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    pub operation: OperationId,
    pub kind: OperationKind,
    pub reference: String,
    pub amount: i64,
    pub at: i64,
}

/// What the platform says to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Done(String),
    Taken,
    Refused,
    WrongState,
}

/// How a refund that is done later ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    Waits,
    Done,
    Refused,
}

#[derive(Debug, Default)]
pub struct Provider {
    pub orders: BTreeMap<String, Held>,
    /// Earlier states, for reads that lag behind.
    past: BTreeMap<String, Vec<Held>>,
    pub effects: Vec<Effect>,
    pub refusals: Vec<OperationId>,
    pub taken: BTreeMap<OperationId, (String, i64, Later)>,
    made: u64,
}

impl Provider {
    /// The order as it is, or as it was at `at`.
    pub fn seen(&self, reference: &str, at: Option<i64>) -> Option<Held> {
        let now = self.orders.get(reference)?;
        let Some(at) = at else { return Some(now.clone()) };
        let past = self.past.get(reference);
        let old = past.and_then(|past| past.iter().rev().find(|held| held.updated_at <= at));
        Some(if now.updated_at <= at { now } else { old.unwrap_or(now) }.clone())
    }

    pub fn insert(&mut self, held: Held) {
        self.orders.insert(held.reference.clone(), held);
    }

    fn change(&mut self, reference: &str, at: i64, change: impl FnOnce(&mut Held)) {
        if let Some(held) = self.orders.get_mut(reference) {
            self.past.entry(reference.to_owned()).or_default().push(held.clone());
            change(held);
            held.updated_at = at;
        }
    }

    fn effect(&mut self, wish: &Wish, reference: &str, at: i64) -> Said {
        let reference = reference.to_owned();
        let (operation, kind, amount) = (wish.operation, wish.kind, wish.amount);
        self.effects.push(Effect { operation, kind, reference: reference.clone(), amount, at });
        Said::Done(reference)
    }

    pub fn refuse(&mut self, wish: &Wish) -> Said {
        self.refusals.push(wish.operation);
        Said::Refused
    }

    pub fn apply(&mut self, wish: &Wish, at: i64) -> Said {
        let reference = wish.reference.as_str();
        let held = self.orders.get(reference).cloned();
        match (wish.kind, held) {
            (OperationKind::Create, _) => {
                self.made += 1;
                let reference = format!("r{}", self.made);
                self.insert(Held {
                    reference: reference.clone(),
                    merchant_reference: wish.merchant_reference.clone(),
                    manual: wish.manual,
                    amount: wish.amount,
                    authorized: 0,
                    captured: 0,
                    canceled: 0,
                    refunded: 0,
                    is_canceled: false,
                    created_at: at,
                    updated_at: at,
                });
                self.effect(wish, &reference, at)
            }
            (OperationKind::Update, Some(held)) if held.status() == OrderStatus::Pending => {
                self.change(reference, at, |held| held.amount = wish.amount);
                self.effect(wish, reference, at)
            }
            (OperationKind::Cancel, Some(held))
                if matches!(held.status(), OrderStatus::Pending | OrderStatus::Authorized) =>
            {
                self.change(reference, at, |held| {
                    held.canceled += wish.amount;
                    held.is_canceled = wish.full || held.canceled >= held.amount;
                });
                self.effect(wish, reference, at)
            }
            (OperationKind::Capture, Some(held)) if held.status() == OrderStatus::Authorized => {
                self.change(reference, at, |held| held.captured += wish.amount);
                self.effect(wish, reference, at)
            }
            (OperationKind::Refund, Some(held)) if held.captured > 0 => {
                if wish.later {
                    self.taken.insert(wish.operation, (reference.to_owned(), wish.amount, Later::Waits));
                    return Said::Taken;
                }
                self.change(reference, at, |held| held.refunded += wish.amount);
                self.effect(wish, reference, at)
            }
            (
                OperationKind::Update
                | OperationKind::Cancel
                | OperationKind::Capture
                | OperationKind::Refund,
                _,
            ) => {
                self.refusals.push(wish.operation);
                Said::WrongState
            }
        }
    }

    /// Ends a refund that was taken.
    pub fn finish(&mut self, operation: OperationId, done: bool, at: i64) {
        let Some((reference, amount, later)) = self.taken.get_mut(&operation) else { return };
        *later = if done { Later::Done } else { Later::Refused };
        let (reference, amount) = (reference.clone(), *amount);
        if done {
            self.change(&reference, at, |held| held.refunded += amount);
            self.effects.push(Effect { operation, kind: OperationKind::Refund, reference, amount, at });
        }
    }

    /// The payer pays, when that is still possible.
    pub fn pay(&mut self, reference: &str, at: i64) {
        let open = |held: &Held| held.status() == OrderStatus::Pending;
        if self.orders.get(reference).is_some_and(open) {
            self.change(reference, at, |held| {
                held.authorized = held.amount;
                held.captured = if held.manual { 0 } else { held.amount };
            });
        }
    }
}
