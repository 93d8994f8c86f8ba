//! One attempt to change an order at a provider, and how it ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    AccountName, Cause, Contradiction, Money, OperationId, Order, OrderId, Reversal, Timestamp, TraceParent,
    request::Intent,
};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Makes a new order.
    Create,
    /// Changes what the payer is asked for.
    Update,
    /// Releases before the money moves.
    Cancel,
    /// Takes what was reserved.
    Capture,
    /// Gives back what was taken.
    Refund,
}

impl OperationKind {
    /// Every kind, in the order of an order's life.
    pub const ALL: [Self; 5] = [Self::Create, Self::Update, Self::Cancel, Self::Capture, Self::Refund];

    /// The word used in JSON and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Cancel => "cancel",
            Self::Capture => "capture",
            Self::Refund => "refund",
        }
    }
}

/// Where an operation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationStatus {
    /// Intent committed, nothing sent.
    Pending,
    /// The request is or may be on its way.
    Sending,
    /// The provider took it and does it later; its amount stays reserved.
    Accepted,
    /// The answer was lost; evidence is being looked for.
    Unknown,
    /// No evidence in time; a person must decide.
    NeedsReview,
    /// Done.
    Succeeded,
    /// A definite no from provider or issuer; nothing moved.
    Refused,
    /// It never happened.
    NotExecuted,
}

impl OperationStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Sending,
        Self::Accepted,
        Self::Unknown,
        Self::NeedsReview,
        Self::Succeeded,
        Self::Refused,
        Self::NotExecuted,
    ];

    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Unknown => "unknown",
            Self::NeedsReview => "needs_review",
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::NotExecuted => "not_executed",
        }
    }

    /// The status with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether nothing but an operator's audited decision on `needs_review` may change it. Final states stay.
    pub fn is_final(self) -> bool {
        match self {
            Self::Succeeded | Self::Refused | Self::NotExecuted => true,
            Self::Pending | Self::Sending | Self::Accepted | Self::Unknown | Self::NeedsReview => false,
        }
    }

    /// Whether other changes of the same order must wait: nobody knows yet what this one did.
    pub fn blocks_the_order(self) -> bool {
        match self {
            Self::Pending | Self::Sending | Self::Unknown | Self::NeedsReview => true,
            Self::Accepted | Self::Succeeded | Self::Refused | Self::NotExecuted => false,
        }
    }

    /// Whether an operation may go from `self` to `next`.
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => matches!(next, Self::Sending | Self::NotExecuted),
            Self::Sending => matches!(
                next,
                Self::Succeeded | Self::Accepted | Self::Refused | Self::NotExecuted | Self::Unknown
            ),
            Self::Accepted => {
                matches!(next, Self::Succeeded | Self::Refused | Self::NeedsReview)
            }
            Self::Unknown => {
                matches!(
                    next,
                    Self::Succeeded | Self::Accepted | Self::Refused | Self::NotExecuted | Self::NeedsReview
                )
            }
            Self::NeedsReview => matches!(next, Self::Succeeded | Self::Refused | Self::NotExecuted),
            Self::Succeeded | Self::Refused | Self::NotExecuted => false,
        }
    }
}

/// What happened to the money, the answer every change gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done now.
    Executed,
    /// It had been done before; nothing was done twice.
    AlreadyDone,
    /// The provider took it and does it later.
    Accepted,
    /// A definite no; nothing moved.
    Refused,
    /// Nothing was done.
    NotExecuted,
    /// Not known yet; do not repeat, look at the operation.
    Unknown,
}

impl Outcome {
    /// The word used in JSON and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::AlreadyDone => "already_done",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::NotExecuted => "not_executed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an operation was refused or did not happen, kept for replays and for `GET /operations/{id}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable problem code, for example `provider_refused`.
    pub code: String,
    /// For people; safe to show to staff.
    pub detail: String,
    /// The provider's own code, if it answered.
    pub provider_code: Option<String>,
    /// The provider's own words, if it answered.
    pub provider_message: Option<String>,
    /// JSON pointer to the request member that is the reason.
    pub pointer: Option<String>,
    /// Why the state does not allow it, as a stable word.
    #[serde(default)]
    pub reason: Option<String>,
}

/// One attempt to change an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// What it does.
    pub kind: OperationKind,
    /// The account it is for.
    pub account: AccountName,
    /// The order it changes or made; `None` for a creation whose order is not known (yet).
    pub order_id: Option<OrderId>,
    /// The adapter's provider id.
    pub provider: String,
    /// The client that asked.
    pub client: String,
    /// The request that asked.
    pub request_id: String,
    /// Its place in a trace.
    #[serde(default)]
    pub traceparent: Option<TraceParent>,
    /// The amount it moves; `None` for updates.
    pub amount: Option<Money>,
    /// Where it is in its life.
    pub status: OperationStatus,
    /// Whether it turned out to have been done before.
    pub already_done: bool,
    /// What was asked and what the order looked like before: needed to recognise the effect later.
    pub intent: Intent,
    /// Whether asking for the same again under a new key does no harm although the outcome is not known: a
    /// creation whose page nobody was shown.
    #[serde(default)]
    pub repeat_harmless: bool,
    /// Why not, when refused or not executed.
    pub failure: Option<Failure>,
    /// The order after the change, when it succeeded or was accepted.
    pub order_after: Option<Order>,
    /// When the intent was committed.
    pub created_at: Timestamp,
    /// When its status changed last.
    pub updated_at: Timestamp,
    /// How many reads have looked for evidence since the answer was lost.
    pub checks: u32,
    /// When the next read is due; `None` when none is planned.
    pub next_check_at: Option<Timestamp>,
    /// The provider's own id of it, where it told one.
    #[serde(default)]
    pub provider_id: Option<String>,
    /// The provider says that it had been done before, and no read has confirmed that: finding no trace of it proves
    /// nothing then.
    #[serde(default)]
    pub claimed_done: bool,
    /// The provider did it after it had ended here as refused or not executed.
    #[serde(default)]
    pub contradiction: Option<Contradiction>,
    /// The provider undid it after it had succeeded: its amount counts no more.
    #[serde(default)]
    pub reversed: Option<Reversal>,
}

impl Operation {
    /// The request that asked.
    pub fn cause(&self) -> Cause {
        Cause { request_id: Some(self.request_id.clone()), traceparent: self.traceparent }
    }

    /// The order it is about, by the intent when the answer is still missing: a reference made here is known before.
    pub fn expected_order(&self) -> Option<OrderId> {
        self.order_id.clone().or_else(|| match &self.intent {
            Intent::Create { planned } => {
                let reference = planned.reference.clone()?;
                Some(OrderId { account: self.account.clone(), reference })
            }
            Intent::Update { .. }
            | Intent::Cancel { .. }
            | Intent::Capture { .. }
            | Intent::Refund { .. } => None,
        })
    }

    /// What happened to the money, as far as it is known now.
    pub fn outcome(&self) -> Outcome {
        match self.status {
            OperationStatus::Succeeded if self.already_done => Outcome::AlreadyDone,
            OperationStatus::Succeeded => Outcome::Executed,
            OperationStatus::Accepted => Outcome::Accepted,
            OperationStatus::Refused => Outcome::Refused,
            OperationStatus::NotExecuted => Outcome::NotExecuted,
            OperationStatus::Pending
            | OperationStatus::Sending
            | OperationStatus::Unknown
            | OperationStatus::NeedsReview => Outcome::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_never_change_and_only_they_do_not() {
        for from in OperationStatus::ALL {
            let moves = OperationStatus::ALL.into_iter().any(|to| from.may_become(to));
            assert_eq!(moves, !from.is_final(), "{from:?}");
        }
    }

    #[test]
    fn nothing_unknown_becomes_sending_again() {
        for from in OperationStatus::ALL {
            let allowed = from.may_become(OperationStatus::Sending);
            assert_eq!(allowed, from == OperationStatus::Pending, "{from:?}");
        }
    }

    #[test]
    fn words_agree_with_json() {
        for status in OperationStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(OperationStatus::from_word(status.as_str()), Some(status));
        }
        for kind in OperationKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
