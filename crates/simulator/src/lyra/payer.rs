//! What the payer does: the one way to a transaction, from the page and from the control API.

use jiff::Timestamp;

use super::order::{Order, PAID, REFUSED};
use super::transaction::{Failure, Transaction};
use super::{Book, Lyra};
use crate::ledger::Effect;
use crate::platform::{ControlError, PayerAction};

/// How a try to pay ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Try {
    /// Accepted, of the order's amount or of another one, in minor units.
    Paid(Option<i64>),
    /// Refused by the acquirer.
    Refused,
    /// A technical failure on the way to the acquirer.
    Failed,
    /// The payer went away in the middle.
    Abandoned,
}

impl Try {
    /// The word of the ledger.
    fn action(self) -> &'static str {
        match self {
            Self::Paid(_) => "pay",
            Self::Refused => "decline",
            Self::Failed => "attempt_error",
            Self::Abandoned => "attempt_abandoned",
        }
    }
}

impl Lyra {
    /// Pays, declines or leaves. A new transaction is notified, whoever called. Returns the status of the order after it.
    pub(super) fn pay(&self, book: &Book, id: &str, action: PayerAction) -> Result<String, ControlError> {
        let now = self.now();
        let how = match action {
            PayerAction::Leave => return Ok(book.orders().named(id)?.status_at(now).to_owned()),
            PayerAction::Pay => Try::Paid(None),
            PayerAction::Decline => Try::Refused,
        };
        Ok(self.to_order(book, id, |order| attempt(order, how, now))?.status_after)
    }
}

/// A try to pay, and the transaction that it leaves. Inferred: after a technical failure the order has the status of a
/// refused one, and a payer who went away leaves it as it was.
pub(super) fn attempt(order: &mut Order, how: Try, now: Timestamp) -> Result<Effect, ControlError> {
    let status = order.status_at(now).to_owned();
    if !order.is_payable(now) {
        return Err(ControlError::Invalid(format!("the order is {status}, nobody can pay it")));
    }
    let (detailed, failure, after) = match how {
        Try::Paid(_) if order.manual_validation => ("AUTHORISED_TO_VALIDATE", None, PAID),
        Try::Paid(_) => ("AUTHORISED", None, PAID),
        // 51: not enough money, a usual code of French acquirers behind `ACQ_001`.
        Try::Refused => ("REFUSED", Some(Failure { code: "ACQ_001", acquirer: Some("51") }), REFUSED),
        Try::Failed => ("ERROR", Some(Failure { code: "ACQ_999", acquirer: None }), REFUSED),
        Try::Abandoned => ("ABANDONED", None, status.as_str()),
    };
    let mut transaction = Transaction::debit(order, detailed, now);
    transaction.failure = failure;
    if let Try::Paid(Some(amount)) = how {
        if amount <= 0 {
            return Err(ControlError::Invalid("the amount must be above 0".to_owned()));
        }
        (transaction.amount, transaction.authorised) = (amount, amount);
    }
    after.clone_into(&mut order.status);
    let effect = about(order, &transaction, how.action(), status);
    order.transactions.push(transaction);
    Ok(effect)
}

/// What happened to an order by one of its transactions.
fn about(order: &Order, transaction: &Transaction, action: &str, status_before: String) -> Effect {
    Effect {
        action: action.to_owned(),
        transaction: Some(transaction.uuid.clone()),
        amount: Some(transaction.amount),
        amount_before: Some(order.amount),
        amount_after: order.amount,
        currency: order.currency.clone(),
        status_before: Some(status_before),
        status_after: order.status.clone(),
        ..Effect::default()
    }
}

/// Ends the order's cycle: its last refused try was the last one. The status stays.
pub(super) fn close(order: &mut Order, now: Timestamp) -> Result<Effect, ControlError> {
    let status = order.status_at(now).to_owned();
    let last = order.transactions.last();
    let Some(last) = last.filter(|_| status == REFUSED && !order.closed) else {
        return Err(ControlError::Invalid(format!("the order is {status}, there is no cycle to close")));
    };
    let effect = about(order, last, "close_cycle", status);
    order.closed = true;
    Ok(effect)
}
