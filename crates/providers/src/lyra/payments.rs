//! Which payment stands behind an order, and what the transactions say of its money.
//!
//! `Order/Get` finds them by the merchant's reference, which is not unique: they count only when exactly one payment
//! fits the order. Source: Lyra REST API V4, `Order/Get`, and the transaction object.

use serde_json::Value;

use super::{
    payment::Payment,
    settling,
    status::{CreditState, DetailedStatus},
    wire::Transaction,
};
use guichet_port::domain::{
    Action, Amounts, AvailableAction, OperationId, Order, OrderStatus, Timestamp, WaitsFor,
    actions::AMBIGUOUS_PAYMENTS,
};

/// Where the adapter keeps the payment's own number between a read and the change that follows.
pub(super) const UUID: &str = "transactionUuid";
/// Where it keeps the payment's state.
pub(super) const DETAILED_STATUS: &str = "detailedStatus";
/// Where it keeps the numbers of all credits that a read showed: what is new after a change is recognised by them,
/// not by a date.
pub(super) const CREDITS: &str = "creditUuids";

/// The payment that stands behind the order, when exactly one fits: a debit of the same currency, not above the order's
/// amount (a partial cancel lowers it), and of the creation when it was made here.
pub(super) fn of<'a>(
    order: &Order,
    transactions: &'a [Transaction],
    creation: Option<OperationId>,
) -> Option<Payment<'a>> {
    let creation = creation.map(|id| id.to_string());
    let fitting = transactions.iter().filter(|transaction| {
        transaction.is_debit()
            && transaction.currency == order.currency.code()
            && (0..=order.amount).contains(&transaction.amount)
            && creation.as_deref().is_none_or(|creation| transaction.creation() == Some(creation))
    });
    with_credits(the_one(fitting.collect())?, transactions)
}

/// The payment that a list of transactions is about, where no order says what must fit.
pub(super) fn told(transactions: &[Transaction]) -> Option<Payment<'_>> {
    let debits = transactions.iter().filter(|transaction| transaction.is_debit());
    with_credits(the_one(debits.collect())?, transactions)
}

/// Tries that are over without money don't count while another debit remains; if none remains, the latest decides.
fn the_one(debits: Vec<&Transaction>) -> Option<&Transaction> {
    let (over, good): (Vec<_>, Vec<_>) = debits.into_iter().partition(|debit| debit.state().is_over());
    match good.as_slice() {
        [one] => Some(one),
        [] => latest(&over),
        _ => None,
    }
}

/// The latest by the platform's own dates, unless another that ended differently may be as late.
fn latest<'a>(debits: &[&'a Transaction]) -> Option<&'a Transaction> {
    let latest = *debits.iter().max_by_key(|debit| debit.created())?;
    let may_be_later = |other: &&&Transaction| {
        other.detailed_status != latest.detailed_status
            && other.created().is_none_or(|created| Some(created) >= latest.created())
    };
    (!debits.iter().any(|debit| may_be_later(&debit))).then_some(latest)
}

fn with_credits<'a>(debit: &'a Transaction, transactions: &'a [Transaction]) -> Option<Payment<'a>> {
    let is_only_money = transactions
        .iter()
        .filter(|transaction| transaction.is_debit() && !transaction.state().is_over())
        .all(|transaction| transaction.uuid == debit.uuid);
    let mut credits = Vec::new();
    for credit in transactions.iter().filter(|transaction| transaction.is_credit()) {
        match credit.parent() {
            Some(parent) if parent == debit.uuid => credits.push(credit),
            Some(_) => {}
            // A parent is not documented for every release: then a credit is of the only payment with money.
            None if is_only_money => credits.push(credit),
            None if credit.currency != debit.currency || credit.credit_state() == CreditState::Undone => {}
            // It may be of this payment: nobody can tell what is left of it.
            None => return None,
        }
    }
    let payment = Payment { debit, status: debit.state(), credits };
    // Credits that cannot be of this payment: then nobody can tell what is left of it.
    let are_possible = payment
        .credits
        .iter()
        .filter(|credit| credit.credit_state() != CreditState::Undone)
        .all(|credit| credit.currency == debit.currency && (0..=debit.amount).contains(&credit.amount));
    let given = payment.refunded().saturating_add(payment.refund_pending());
    (are_possible && (0..=debit.amount).contains(&given)).then_some(payment)
}

impl Payment<'_> {
    fn sum_of(&self, counts: impl Fn(CreditState) -> bool) -> i64 {
        self.credits
            .iter()
            .filter(|credit| counts(credit.credit_state()))
            .fold(0_i64, |sum, credit| sum.saturating_add(credit.amount))
    }

    /// What has been given back or will be with nothing left to do, in minor units. What the payment itself says was
    /// given back counts as far as no credit in the list explains it: a credit counts by its own state.
    pub(super) fn refunded(&self) -> i64 {
        let unlisted = self.debit.refund_amount().saturating_sub(self.sum_of(|_| true)).max(0);
        self.sum_of(|state| state == CreditState::GivesBack).saturating_add(unlisted)
    }

    /// What may still be given back or not, in minor units.
    pub(super) fn refund_pending(&self) -> i64 {
        self.sum_of(|state| state == CreditState::Waits)
    }

    fn amounts(&self, requested: i64) -> Amounts {
        let amount = self.debit.amount;
        let authorized = self.debit.authorized();
        // What was authorized and the payment no longer has was released by a partial cancel. What the order asks for
        // says nothing of it: an update may have raised that after the payment was made.
        let released = authorized.map(|authorized| authorized.saturating_sub(amount).max(0));
        let (authorized, captured, canceled) = match self.status {
            DetailedStatus::Captured => (authorized, amount, released),
            DetailedStatus::PartiallyAuthorised => (authorized, 0, Some(0)),
            DetailedStatus::Cancelled => (authorized, 0, authorized),
            DetailedStatus::Authorised
            | DetailedStatus::CapturePending
            | DetailedStatus::AuthorisedToValidate
            | DetailedStatus::Suspended
            | DetailedStatus::Expired
            | DetailedStatus::CaptureFailed => (authorized, 0, released),
            // The bank has not authorized it, or not yet.
            DetailedStatus::Accepted
            | DetailedStatus::PreAuthorised
            | DetailedStatus::WaitingAuthorisation
            | DetailedStatus::WaitingAuthorisationToValidate
            | DetailedStatus::WaitingForPayment
            | DetailedStatus::Pending
            | DetailedStatus::UnderVerification
            | DetailedStatus::Initial
            | DetailedStatus::RefundToRetry
            | DetailedStatus::Refused
            | DetailedStatus::Error
            | DetailedStatus::Abandoned => (Some(0), 0, Some(0)),
            DetailedStatus::NotCreated | DetailedStatus::Unknown => return Amounts::untold(requested),
        };
        let refunded = self.refunded();
        Amounts {
            requested: Some(requested),
            authorized,
            // More given back than this state has taken: then it does not tell what was taken.
            captured: (refunded <= captured).then_some(captured),
            canceled,
            refunded: Some(refunded),
            refund_pending: Some(self.refund_pending()),
        }
    }

    /// What the payment means for its order.
    pub(super) fn canonical(&self) -> OrderStatus {
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
}

/// Completes a paid order by its payment; without one that fits, nobody can tell what may be moved. `server_date` is
/// when the platform listed the transactions, by its own clock.
pub(super) fn apply(
    order: &mut Order,
    transactions: &[Transaction],
    creation: Option<OperationId>,
    server_date: Option<Timestamp>,
) {
    let Some(payment) = of(order, transactions, creation) else {
        order.amounts = Amounts::untold(order.amount);
        order.waits_for =
            if order.status == OrderStatus::Authorized { WaitsFor::Decision } else { WaitsFor::Remittance };
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
    (order.waits_for, order.is_final) = settling::of(&payment, server_date);
    order.amounts = payment.amounts(order.amount);
    order.available_actions = payment.actions();
    let credits = transactions.iter().filter(|transaction| transaction.is_credit());
    order.provider_data.extend([
        (UUID.to_owned(), Value::from(payment.debit.uuid.clone())),
        (DETAILED_STATUS.to_owned(), Value::from(payment.debit.detailed_status.clone())),
        (CREDITS.to_owned(), credits.map(|credit| Value::from(credit.uuid.clone())).collect()),
    ]);
}
