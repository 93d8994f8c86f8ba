//! What the payer does: the one way to a transaction, from the page and from the control API.

use super::order::{PAID, REFUSED, RUNNING};
use super::rules::Step;
use super::transaction::Transaction;
use super::{Book, Lyra};
use crate::simulator::platform::{ControlError, PayerAction};

/// What came of it.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Status of the order after it.
    pub(super) status: String,
    /// The transaction that it left.
    pub(super) transaction: Option<String>,
}

impl Lyra {
    /// Pays, declines or leaves. A new transaction is notified, whoever called.
    pub(super) fn pay(&self, book: &Book, id: &str, action: PayerAction) -> Result<Attempt, ControlError> {
        let now = self.frame.clock.now();
        let mut orders = book.orders();
        let order = orders.by_id.get_mut(id).ok_or_else(|| ControlError::NotFound(format!("order {id}")))?;
        let status = order.status_at(now).to_owned();
        if action == PayerAction::Leave {
            return Ok(Attempt { status, transaction: None });
        }
        if !is_payable(&status) {
            return Err(ControlError::Invalid(format!("the order is {status}, nobody can pay it")));
        }
        let (word, transaction, after) = match action {
            PayerAction::Pay => {
                let detailed = if order.manual_validation { "AUTHORISED_TO_VALIDATE" } else { "AUTHORISED" };
                ("pay", Transaction::debit(order, detailed, now), PAID)
            }
            PayerAction::Decline | PayerAction::Leave => {
                let mut refused = Transaction::debit(order, "REFUSED", now);
                // 51: not enough money, a usual code of French acquirers behind `ACQ_001`.
                refused.acquirer_code = Some("51".to_owned());
                ("decline", refused, REFUSED)
            }
        };
        let uuid = transaction.uuid.clone();
        order.transactions.push(transaction);
        after.clone_into(&mut order.status);
        let step = Step {
            action: word,
            uuid: uuid.clone(),
            amount: order.amount,
            amount_before: order.amount,
            amount_after: order.amount,
            currency: order.currency.clone(),
            status_before: status,
            status_after: order.status.clone(),
        };
        self.enter_step(book, order, &step, None, now);
        self.notify(book, order, &uuid, now);
        Ok(Attempt { status: order.status.clone(), transaction: Some(uuid) })
    }
}

/// Inferred: a refused order can be paid while it has not expired.
pub(super) fn is_payable(status: &str) -> bool {
    status == RUNNING || status == REFUSED
}
