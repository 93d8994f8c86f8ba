//! What a change leaves behind: an entry in the ledger.

use jiff::Timestamp;

use super::transaction::Transaction;
use super::{Book, Sips, currency};
use crate::ledger::Effect;

/// A transaction's amount and status before a change.
#[derive(Debug)]
pub(super) struct Before {
    amount: i64,
    status: String,
}

impl Before {
    pub(super) fn of(made: &Transaction, now: Timestamp) -> Self {
        Self { amount: made.amount, status: made.status_at(now).to_owned() }
    }
}

impl Sips {
    /// Enters an effect in the ledger. Currencies are in letters there, whatever the platform.
    pub(super) fn enter(
        &self,
        book: &Book,
        action: &str,
        before: Option<Before>,
        made: &Transaction,
        request: Option<u64>,
        now: Timestamp,
    ) {
        let (amount_before, status_before) = before.map(|before| (before.amount, before.status)).unzip();
        // A validation takes the amount it names and lets the rest go; the others move what is gone.
        let moved = match action {
            "capture" => Some(made.amount),
            _ => amount_before.map(|before| before.saturating_sub(made.amount).saturating_abs()),
        };
        let letters = currency::currency(&made.currency).map(|currency| currency.letters.to_owned());
        self.frame.ledger.effect(Effect {
            sequence: 0,
            at: now,
            provider: "sips".to_owned(),
            brand: book.brand.to_owned(),
            action: action.to_owned(),
            order: made.id.clone(),
            transaction: None,
            amount: moved.filter(|part| *part > 0),
            amount_before,
            amount_after: made.amount,
            currency: letters.unwrap_or_else(|| made.currency.clone()),
            status_before,
            status_after: made.status_at(now).to_owned(),
            request,
        });
    }
}
