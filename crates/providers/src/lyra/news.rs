//! What the transactions of an order tell of operations of ours, recognised by the number that the platform gave them.
//!
//! A refund has the number of its credit, a capture that of the payment it validated. The `comment` that travels with
//! a change is not among the members of a transaction, so nothing else names an operation.

use super::{
    status::{CreditState, DetailedStatus},
    wire::Transaction,
};
use guichet_port::domain::{Fate, Movement, OperationKind, OperationNews, OperationStatus, OrderMemory};

/// The news of these movements, less what is known already.
pub(super) fn of(memory: &OrderMemory, transactions: &[Transaction]) -> Vec<OperationNews> {
    let open = memory.movements.iter().filter_map(|movement| of_one(movement, transactions));
    // What had come to nothing here, and was done all the same.
    let ended = memory.ended.iter().filter_map(|movement| of_one(movement, transactions));
    open.chain(ended.filter(|news| news.fate == Fate::Done)).collect()
}

fn of_one(movement: &Movement, transactions: &[Transaction]) -> Option<OperationNews> {
    let id = movement.provider_id.as_deref()?;
    let transaction = transactions.iter().find(|transaction| transaction.uuid == id)?;
    let fate = match movement.kind {
        OperationKind::Refund => of_credit(transaction)?,
        OperationKind::Capture => of_capture(transaction)?,
        OperationKind::Create | OperationKind::Update | OperationKind::Cancel => return None,
    };
    let is_known = match fate {
        Fate::Done => movement.status == OperationStatus::Succeeded && !movement.is_reversed,
        Fate::Undone => movement.is_reversed,
    };
    (!is_known).then(|| OperationNews {
        operation: movement.operation,
        fate,
        provider_id: Some(id.to_owned()),
        provider_status: Some(transaction.detailed_status.clone()),
    })
}

fn of_credit(credit: &Transaction) -> Option<Fate> {
    match credit.credit_state() {
        CreditState::GivesBack => Some(Fate::Done),
        CreditState::Undone => Some(Fate::Undone),
        CreditState::Waits => None,
    }
}

/// What became of a validated payment. One that was cancelled since was released, which is no rejection of the capture.
fn of_capture(payment: &Transaction) -> Option<Fate> {
    match payment.state() {
        DetailedStatus::Captured
        | DetailedStatus::CapturePending
        | DetailedStatus::Authorised
        | DetailedStatus::WaitingAuthorisation
        | DetailedStatus::Suspended => Some(Fate::Done),
        DetailedStatus::CaptureFailed
        | DetailedStatus::Refused
        | DetailedStatus::Error
        | DetailedStatus::Expired => Some(Fate::Undone),
        DetailedStatus::PartiallyAuthorised
        | DetailedStatus::Accepted
        | DetailedStatus::PreAuthorised
        | DetailedStatus::AuthorisedToValidate
        | DetailedStatus::WaitingAuthorisationToValidate
        | DetailedStatus::WaitingForPayment
        | DetailedStatus::Pending
        | DetailedStatus::UnderVerification
        | DetailedStatus::Initial
        | DetailedStatus::RefundToRetry
        | DetailedStatus::Cancelled
        | DetailedStatus::Abandoned
        | DetailedStatus::NotCreated
        | DetailedStatus::Unknown => None,
    }
}
