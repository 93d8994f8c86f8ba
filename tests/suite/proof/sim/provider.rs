//! A platform that exists in memory only. It is gullible: it gives money back as often as it is told to.

use std::collections::{BTreeMap, BTreeSet};

use guichet::domain::{Fate, OperationId, OperationKind, OperationNews, OrderStatus};

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
    /// A cancel of what is canceled.
    DoneBefore,
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
    /// What it did after it had said that it would not, or long after it was asked.
    pub after_all: BTreeSet<OperationId>,
    /// What the bank rejected after it was done.
    pub reversed: BTreeSet<OperationId>,
    /// What reads tell of single operations: by order, from when on.
    news: Vec<(String, i64, OperationNews)>,
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

    /// When the oldest state that differs from the present one began.
    pub fn oldest(&self, reference: &str) -> Option<i64> {
        self.past.get(reference).and_then(|past| past.first()).map(|held| held.updated_at)
    }

    /// What a read of this order tells of single operations, as of `at`.
    pub fn news(&self, reference: &str, at: Option<i64>) -> Vec<OperationNews> {
        let told = self
            .news
            .iter()
            .filter(|(order, since, _)| order == reference && at.is_none_or(|at| *since <= at));
        told.map(|(.., news)| news.clone()).collect()
    }

    fn tell(&mut self, reference: &str, at: i64, operation: OperationId, fate: Fate) {
        let word = if fate == Fate::Done { "done_after_all" } else { "rejected_by_the_bank" };
        let news =
            OperationNews { operation, fate, provider_id: None, provider_status: Some(word.to_owned()) };
        self.news.push((reference.to_owned(), at, news));
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
            (OperationKind::Cancel, Some(held)) if held.is_canceled && wish.full => Said::DoneBefore,
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

    /// Does what it had refused, or what was asked for long ago. `None` where that is not possible any more.
    pub fn do_after_all(&mut self, wish: &Wish, at: i64) -> Option<String> {
        let fits = self.orders.get(&wish.reference).is_none_or(|held| match wish.kind {
            OperationKind::Refund => held.refunded + wish.amount <= held.captured,
            OperationKind::Cancel | OperationKind::Capture => {
                held.captured + held.canceled + wish.amount <= held.amount
            }
            OperationKind::Create | OperationKind::Update => true,
        });
        if !fits {
            return None;
        }
        let Said::Done(reference) = self.apply(&Wish { later: false, ..wish.clone() }, at) else {
            return None;
        };
        self.after_all.insert(wish.operation);
        self.tell(&reference, at, wish.operation, Fate::Done);
        Some(reference)
    }

    /// Somebody cancels an order in the back office. Whether that was possible.
    pub fn cancel_outside(&mut self, reference: &str, at: i64) -> bool {
        let is_open = self.orders.get(reference).is_some_and(|held| held.status() == OrderStatus::Pending);
        if is_open {
            self.change(reference, at, |held| {
                held.canceled = held.amount;
                held.is_canceled = true;
            });
        }
        is_open
    }

    /// The bank rejects a refund or a capture that was done. The order it belongs to, where it does.
    pub fn reject(&mut self, operation: OperationId, at: i64) -> Option<String> {
        let effect = self.effects.iter().find(|effect| effect.operation == operation)?.clone();
        let held = self.orders.get(&effect.reference)?;
        let waits =
            self.taken.values().any(|(order, _, later)| *order == effect.reference && *later == Later::Waits);
        match effect.kind {
            OperationKind::Refund if held.refunded >= effect.amount => {
                self.change(&effect.reference, at, |held| held.refunded -= effect.amount);
            }
            OperationKind::Capture if held.refunded == 0 && !waits && held.captured >= effect.amount => {
                self.change(&effect.reference, at, |held| held.captured -= effect.amount);
            }
            OperationKind::Create
            | OperationKind::Update
            | OperationKind::Cancel
            | OperationKind::Capture
            | OperationKind::Refund => return None,
        }
        self.reversed.insert(operation);
        self.tell(&effect.reference, at, operation, Fate::Undone);
        Some(effect.reference)
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
