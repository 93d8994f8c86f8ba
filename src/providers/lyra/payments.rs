//! What the transactions of a paid order say of its money.
//!
//! `Order/Get` finds them by the merchant's reference, which is not unique: they count only when exactly one payment
//! fits the order. Source: Lyra REST API V4, `Order/Get`, and the transaction object.

use serde_json::Value;

use super::{status::DetailedStatus, wire::Transaction};
use crate::domain::{
    Action, Amounts, AvailableAction, OperationId, Order, OrderStatus, actions::AMBIGUOUS_PAYMENTS,
};

/// Where the adapter keeps the payment's own number between a read and the change that follows.
pub(super) const UUID: &str = "transactionUuid";

/// The one payment of an order, with what was given back of it.
pub(super) struct Payment<'a> {
    pub(super) debit: &'a Transaction,
    pub(super) status: DetailedStatus,
    pub(super) credits: Vec<&'a Transaction>,
}

/// The payment that stands behind the order, when exactly one fits: refused tries aside, a debit of the same
/// currency, not above the order's amount (a partial cancel lowers it), and of the creation when it was made here.
pub(super) fn of<'a>(
    order: &Order,
    transactions: &'a [Transaction],
    creation: Option<OperationId>,
) -> Option<Payment<'a>> {
    let creation = creation.map(|id| id.to_string());
    let is_debit =
        |transaction: &Transaction| transaction.operation_type.as_deref().unwrap_or("DEBIT") == "DEBIT";
    let mut fitting = transactions.iter().filter(|transaction| {
        let status = DetailedStatus::read(&transaction.detailed_status);
        is_debit(transaction)
            && !matches!(status, DetailedStatus::Refused | DetailedStatus::Abandoned)
            && transaction.currency == order.currency.code()
            && (0..=order.amount).contains(&transaction.amount)
            && creation.as_deref().is_none_or(|creation| transaction.creation() == Some(creation))
    });
    let debit = fitting.next()?;
    if fitting.next().is_some() {
        return None;
    }
    let only_debit = transactions.iter().filter(|transaction| is_debit(transaction)).count() == 1;
    let credits = transactions
        .iter()
        .filter(|transaction| transaction.operation_type.as_deref() == Some("CREDIT"))
        .filter(|credit| match credit.parent() {
            Some(parent) => parent == debit.uuid,
            // Not documented for every release: then it can only be of the only payment there is.
            None => only_debit,
        })
        .collect();
    let payment = Payment { debit, status: DetailedStatus::read(&debit.detailed_status), credits };
    // Credits that cannot be of this payment: then nobody can tell what is left of it.
    let are_possible = payment.credits.iter().all(|credit| (0..=debit.amount).contains(&credit.amount));
    (are_possible && (0..=debit.amount).contains(&payment.refunded())).then_some(payment)
}

impl Payment<'_> {
    /// What has been given back or will be, in minor units.
    pub(super) fn refunded(&self) -> i64 {
        let credits = self
            .credits
            .iter()
            .filter(|credit| DetailedStatus::read(&credit.detailed_status).gives_back())
            .fold(0_i64, |sum, credit| sum.saturating_add(credit.amount));
        credits.max(self.debit.refund_amount())
    }

    fn amounts(&self, requested: i64) -> Amounts {
        let amount = self.debit.amount;
        // What the order asked for and the payment no longer has was released by a partial cancel.
        let released = requested.saturating_sub(amount);
        let (authorized, captured, canceled) = match self.status {
            DetailedStatus::Captured => (requested, amount, released),
            DetailedStatus::PartiallyAuthorised => (amount, 0, 0),
            DetailedStatus::Cancelled => (requested, 0, requested),
            DetailedStatus::Authorised
            | DetailedStatus::AuthorisedToValidate
            | DetailedStatus::Suspended
            | DetailedStatus::Expired
            | DetailedStatus::CaptureFailed => (requested, 0, released),
            DetailedStatus::Accepted
            | DetailedStatus::PreAuthorised
            | DetailedStatus::WaitingAuthorisation
            | DetailedStatus::WaitingAuthorisationToValidate
            | DetailedStatus::WaitingForPayment
            | DetailedStatus::UnderVerification
            | DetailedStatus::Initial
            | DetailedStatus::RefundToRetry
            | DetailedStatus::Refused
            | DetailedStatus::Error
            | DetailedStatus::Abandoned => (0, 0, released),
            DetailedStatus::Unknown => return Amounts::untold(requested),
        };
        Amounts {
            requested: Some(requested),
            authorized: Some(authorized),
            captured: Some(captured),
            canceled: Some(canceled),
            refunded: Some(self.refunded()),
            refund_pending: Some(0),
        }
    }

    fn canonical(&self) -> OrderStatus {
        let refunded = self.refunded();
        let status = self.status.canonical();
        if status != OrderStatus::Paid || refunded == 0 {
            status
        } else if refunded >= self.debit.amount {
            OrderStatus::Refunded
        } else {
            OrderStatus::PartiallyRefunded
        }
    }

    fn actions(&self) -> Vec<AvailableAction> {
        let amount = self.debit.amount;
        let left = amount.saturating_sub(self.refunded());
        let cancel = match self.status {
            DetailedStatus::Authorised | DetailedStatus::AuthorisedToValidate => {
                AvailableAction::allowed_up_to(Action::Cancel, amount, true)
            }
            DetailedStatus::WaitingAuthorisation | DetailedStatus::WaitingAuthorisationToValidate => {
                AvailableAction::allowed_up_to(Action::Cancel, amount, false)
            }
            DetailedStatus::Captured => AvailableAction::denied(Action::Cancel, "already_captured"),
            DetailedStatus::Cancelled => AvailableAction::denied(Action::Cancel, "already_canceled"),
            DetailedStatus::Expired => AvailableAction::denied(Action::Cancel, "expired"),
            DetailedStatus::PartiallyAuthorised
            | DetailedStatus::Accepted
            | DetailedStatus::PreAuthorised
            | DetailedStatus::WaitingForPayment
            | DetailedStatus::UnderVerification
            | DetailedStatus::Initial
            | DetailedStatus::Suspended
            | DetailedStatus::RefundToRetry
            | DetailedStatus::Refused
            | DetailedStatus::CaptureFailed
            | DetailedStatus::Error
            | DetailedStatus::Abandoned
            | DetailedStatus::Unknown => AvailableAction::denied(Action::Cancel, "not_possible_now"),
        };
        let capture = match self.status {
            DetailedStatus::AuthorisedToValidate | DetailedStatus::WaitingAuthorisationToValidate => {
                AvailableAction::allowed_up_to(Action::Capture, amount, false)
            }
            DetailedStatus::Captured | DetailedStatus::Authorised => {
                AvailableAction::denied(Action::Capture, "already_captured")
            }
            DetailedStatus::PartiallyAuthorised
            | DetailedStatus::Accepted
            | DetailedStatus::PreAuthorised
            | DetailedStatus::WaitingAuthorisation
            | DetailedStatus::WaitingForPayment
            | DetailedStatus::UnderVerification
            | DetailedStatus::Initial
            | DetailedStatus::Suspended
            | DetailedStatus::RefundToRetry
            | DetailedStatus::Refused
            | DetailedStatus::Cancelled
            | DetailedStatus::Expired
            | DetailedStatus::CaptureFailed
            | DetailedStatus::Error
            | DetailedStatus::Abandoned
            | DetailedStatus::Unknown => AvailableAction::denied(Action::Capture, "not_possible_now"),
        };
        let refund = match self.status {
            DetailedStatus::Captured if left > 0 => {
                AvailableAction::allowed_up_to(Action::Refund, left, true)
            }
            DetailedStatus::Captured => AvailableAction::denied(Action::Refund, "already_refunded"),
            DetailedStatus::Authorised | DetailedStatus::PartiallyAuthorised => {
                AvailableAction::denied(Action::Refund, "not_remitted")
            }
            DetailedStatus::Accepted
            | DetailedStatus::PreAuthorised
            | DetailedStatus::AuthorisedToValidate
            | DetailedStatus::WaitingAuthorisation
            | DetailedStatus::WaitingAuthorisationToValidate
            | DetailedStatus::WaitingForPayment
            | DetailedStatus::UnderVerification
            | DetailedStatus::Initial
            | DetailedStatus::Suspended
            | DetailedStatus::RefundToRetry
            | DetailedStatus::Refused
            | DetailedStatus::Cancelled
            | DetailedStatus::Expired
            | DetailedStatus::CaptureFailed
            | DetailedStatus::Error
            | DetailedStatus::Abandoned
            | DetailedStatus::Unknown => AvailableAction::denied(Action::Refund, "not_paid"),
        };
        vec![AvailableAction::denied(Action::Update, "already_paid"), cancel, capture, refund]
    }
}

/// Completes a paid order by its payment; without one that fits, nobody can tell what may be moved.
pub(super) fn apply(order: &mut Order, payment: Option<&Payment<'_>>) {
    let Some(payment) = payment else {
        order.amounts = Amounts::untold(order.amount);
        order.available_actions = Action::ALL
            .into_iter()
            .map(|action| match action {
                Action::Update => AvailableAction::denied(action, "already_paid"),
                Action::Cancel | Action::Capture | Action::Refund => {
                    AvailableAction::denied(action, AMBIGUOUS_PAYMENTS)
                }
            })
            .collect();
        return;
    };
    order.status = payment.canonical();
    order.is_final =
        matches!(order.status, OrderStatus::Refunded | OrderStatus::Canceled | OrderStatus::Expired);
    order.amounts = payment.amounts(order.amount);
    order.available_actions = payment.actions();
    order.provider_data.insert(UUID.to_owned(), Value::from(payment.debit.uuid.clone()));
    order
        .provider_data
        .insert("detailedStatus".to_owned(), Value::from(payment.debit.detailed_status.clone()));
}
