//! What the payer does: the one way to a transaction, from the page and from the control API.

use super::order::{Order, PAID, REFUSED, RUNNING};
use super::record::Before;
use super::transaction::Transaction;
use super::{Book, Lyra};
use crate::simulator::platform::{ControlError, PayerAction};

/// What came of it.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Status of the order after it.
    pub(super) status: String,
}

impl Lyra {
    /// Pays, declines or leaves.
    ///
    /// A notification (IPN) about the new transaction is due when this returns, whoever called: it belongs at the
    /// end of this function, after the lock is released. It is not sent yet.
    pub(super) fn pay(&self, book: &Book, id: &str, action: PayerAction) -> Result<Attempt, ControlError> {
        let now = self.frame.clock.now();
        let mut orders = book.orders();
        let order = orders.by_id.get_mut(id).ok_or_else(|| ControlError::NotFound(format!("order {id}")))?;
        let status = order.status_at(now).to_owned();
        if action == PayerAction::Leave {
            return Ok(Attempt { status });
        }
        if !is_payable(&status) {
            return Err(ControlError::Invalid(format!("the order is {status}, nobody can pay it")));
        }
        let before = Before::of(order, now);
        let word = match action {
            PayerAction::Pay => {
                let detailed = if order.manual_validation { "AUTHORISED_TO_VALIDATE" } else { "AUTHORISED" };
                record(order, Transaction::debit(order, detailed, now), PAID);
                "pay"
            }
            PayerAction::Decline | PayerAction::Leave => {
                let mut refused = Transaction::debit(order, "REFUSED", now);
                // 51: not enough money, a usual code of French acquirers behind `ACQ_001`.
                refused.acquirer_code = Some("51".to_owned());
                record(order, refused, REFUSED);
                "decline"
            }
        };
        self.enter(book, word, Some(before), order, None, now);
        Ok(Attempt { status: order.status_at(now).to_owned() })
    }
}

/// Inferred: a refused order can be paid while it has not expired.
pub(super) fn is_payable(status: &str) -> bool {
    status == RUNNING || status == REFUSED
}

fn record(order: &mut Order, transaction: Transaction, status: &str) {
    order.transactions.push(transaction);
    status.clone_into(&mut order.status);
}
