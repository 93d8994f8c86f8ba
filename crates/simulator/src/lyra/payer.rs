//! What the payer does: the one way to a transaction, from the page and from the control API.

use jiff::Timestamp;

use super::order::{Order, PAID, REFUSED};
use super::rules::Step;
use super::transaction::{Failure, Transaction};
use super::{Book, Lyra};
use crate::platform::{ControlError, PayerAction};

/// What came of it.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Status of the order after it.
    pub(super) status: String,
    /// The transaction that it left.
    pub(super) transaction: Option<String>,
}

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
    /// Pays, declines or leaves. A new transaction is notified, whoever called.
    pub(super) fn pay(&self, book: &Book, id: &str, action: PayerAction) -> Result<Attempt, ControlError> {
        let now = self.frame.clock.now();
        let how = match action {
            PayerAction::Leave => {
                let orders = book.orders();
                let order =
                    orders.by_id.get(id).ok_or_else(|| ControlError::NotFound(format!("order {id}")))?;
                return Ok(Attempt { status: order.status_at(now).to_owned(), transaction: None });
            }
            PayerAction::Pay => Try::Paid(None),
            PayerAction::Decline => Try::Refused,
        };
        let step = self.to_order(book, id, now, |order| attempt(order, how, now))?;
        Ok(Attempt { status: step.status_after, transaction: Some(step.uuid) })
    }
}

/// A try to pay, and the transaction that it leaves. Inferred: after a technical failure the order has the status of a
/// refused one, and a payer who went away leaves it as it was.
pub(super) fn attempt(order: &mut Order, how: Try, now: Timestamp) -> Result<Step, ControlError> {
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
    let step = Step {
        action: how.action(),
        uuid: transaction.uuid.clone(),
        amount: transaction.amount,
        amount_before: order.amount,
        amount_after: order.amount,
        currency: order.currency.clone(),
        status_before: status,
        status_after: order.status.clone(),
    };
    order.transactions.push(transaction);
    Ok(step)
}

/// Ends the order's cycle: its last refused try was the last one. The status stays.
pub(super) fn close(order: &mut Order, now: Timestamp) -> Result<Step, ControlError> {
    let status = order.status_at(now).to_owned();
    let last = order.transactions.last();
    let Some(last) = last.filter(|_| status == REFUSED && !order.closed) else {
        return Err(ControlError::Invalid(format!("the order is {status}, there is no cycle to close")));
    };
    let step = Step {
        action: "close_cycle",
        uuid: last.uuid.clone(),
        amount: last.amount,
        amount_before: order.amount,
        amount_after: order.amount,
        currency: order.currency.clone(),
        status_before: status.clone(),
        status_after: status,
    };
    order.closed = true;
    Ok(step)
}
