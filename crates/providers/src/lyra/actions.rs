//! What may be done with a payment now.
//!
//! Source: Lyra REST API V4, `Transaction/CancelOrRefund`, `Transaction/Validate` and `Transaction/Update`.

use super::{payment::Payment, status::DetailedStatus};
use guichet_port::domain::{Action, AvailableAction};

impl Payment<'_> {
    /// What may be done with the payment now, and why not the rest.
    pub(super) fn actions(&self) -> Vec<AvailableAction> {
        let amount = self.debit.amount;
        let left = amount.saturating_sub(self.refunded()).saturating_sub(self.refund_pending());
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
            | DetailedStatus::CapturePending
            | DetailedStatus::Accepted
            | DetailedStatus::PreAuthorised
            | DetailedStatus::WaitingForPayment
            | DetailedStatus::Pending
            | DetailedStatus::UnderVerification
            | DetailedStatus::Initial
            | DetailedStatus::Suspended
            | DetailedStatus::RefundToRetry
            | DetailedStatus::Refused
            | DetailedStatus::CaptureFailed
            | DetailedStatus::Error
            | DetailedStatus::Abandoned
            | DetailedStatus::NotCreated
            | DetailedStatus::Unknown => AvailableAction::denied(Action::Cancel, "not_possible_now"),
        };
        let capture = match self.status {
            DetailedStatus::AuthorisedToValidate | DetailedStatus::WaitingAuthorisationToValidate => {
                AvailableAction::allowed_up_to(Action::Capture, amount, false)
            }
            DetailedStatus::Captured | DetailedStatus::CapturePending | DetailedStatus::Authorised => {
                AvailableAction::denied(Action::Capture, "already_captured")
            }
            DetailedStatus::PartiallyAuthorised
            | DetailedStatus::Accepted
            | DetailedStatus::PreAuthorised
            | DetailedStatus::WaitingAuthorisation
            | DetailedStatus::WaitingForPayment
            | DetailedStatus::Pending
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
            | DetailedStatus::NotCreated
            | DetailedStatus::Unknown => AvailableAction::denied(Action::Capture, "not_possible_now"),
        };
        let refund = match self.status {
            DetailedStatus::Captured if left > 0 => {
                AvailableAction::allowed_up_to(Action::Refund, left, true)
            }
            DetailedStatus::Captured if self.refund_pending() > 0 => {
                AvailableAction::denied(Action::Refund, "refund_pending")
            }
            DetailedStatus::Captured => AvailableAction::denied(Action::Refund, "already_refunded"),
            DetailedStatus::Authorised
            | DetailedStatus::CapturePending
            | DetailedStatus::PartiallyAuthorised => AvailableAction::denied(Action::Refund, "not_remitted"),
            DetailedStatus::Accepted
            | DetailedStatus::PreAuthorised
            | DetailedStatus::AuthorisedToValidate
            | DetailedStatus::WaitingAuthorisation
            | DetailedStatus::WaitingAuthorisationToValidate
            | DetailedStatus::WaitingForPayment
            | DetailedStatus::Pending
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
            | DetailedStatus::NotCreated
            | DetailedStatus::Unknown => AvailableAction::denied(Action::Refund, "not_paid"),
        };
        vec![AvailableAction::denied(Action::Update, "already_paid"), cancel, capture, refund]
    }
}
