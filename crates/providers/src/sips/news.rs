//! What a read tells of operations of ours that were done and came to nothing.
//!
//! The platform names no cash operation, so little can be attributed. What cannot changes the order and its amounts, and
//! no operation.

use std::borrow::Cow;

use super::{
    amounts::current_amount,
    status::{self, Phase, StatusRow},
};
use guichet_port::domain::{Fate, Movement, OperationKind, OperationNews, OperationStatus, OrderMemory};

/// The operations of ours that this status and amount show to be undone.
pub(super) fn of(row: StatusRow, left: Option<i64>, memory: &OrderMemory) -> Vec<OperationNews> {
    let undone = match row.phase {
        Phase::Lapsed | Phase::Unpaid => failed_capture(memory),
        Phase::Captured => rejected_refund(left, memory),
        Phase::Awaiting | Phase::Reserved | Phase::Credited | Phase::Canceled | Phase::Untold => None,
    };
    let news = |movement: &Movement| OperationNews {
        operation: movement.operation,
        fate: Fate::Undone,
        provider_id: None,
        provider_status: Some(row.word.to_owned()),
    };
    undone.map(news).into_iter().collect()
}

/// What is remembered, with this news in it.
pub(super) fn learned<'a>(memory: &'a OrderMemory, news: &[OperationNews]) -> Cow<'a, OrderMemory> {
    if news.is_empty() {
        return Cow::Borrowed(memory);
    }
    let mut memory = memory.clone();
    for movement in &mut memory.movements {
        movement.is_reversed |= news.iter().any(|news| news.operation == movement.operation);
    }
    Cow::Owned(memory)
}

/// The one movement of this kind that was asked for here and not undone, if it succeeded.
fn the_one(memory: &OrderMemory, kind: OperationKind) -> Option<&Movement> {
    let mut all = memory.movements.iter().filter(|movement| movement.kind == kind && !movement.is_reversed);
    let one = all.next().filter(|movement| movement.status == OperationStatus::Succeeded)?;
    all.next().is_none().then_some(one)
}

/// A transaction is validated once and for all, so where its money was not taken in the end, that validation failed.
fn failed_capture(memory: &OrderMemory) -> Option<&Movement> {
    the_one(memory, OperationKind::Capture)
}

/// Our only refund is undone where all that was known to be given back was its amount, and exactly that is back: the
/// amount of a transaction grows by nothing else.
fn rejected_refund(left: Option<i64>, memory: &OrderMemory) -> Option<&Movement> {
    let refund = the_one(memory, OperationKind::Refund)?;
    let amount = refund.amount.value();
    let copy = memory.copy.as_ref()?;
    let was_taken =
        matches!(status::read(&copy.provider_status.code).phase, Phase::Captured | Phase::Credited);
    let was_all = copy.amounts.refunded == Some(amount);
    let is_back = current_amount(copy)?.checked_add(amount) == left;
    (was_taken && was_all && is_back).then_some(refund)
}
