//! What may be done with an order now. It is advice: the provider's own refusal is what counts.

use serde::{Deserialize, Serialize};

use super::{OperationKind, Timestamp};

/// The reason of an action that the provider allows within a time window only, now past. The one reason that is not
/// enforced here: the provider's clock decides.
pub const WINDOW_CLOSED: &str = "window_closed";
/// The reason when an order's payments cannot be told from those of another order.
pub const AMBIGUOUS_PAYMENTS: &str = "ambiguous_payments";

/// A change a caller can ask for on an existing order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Change what the payer is asked for.
    Update,
    /// Release before the money moves.
    Cancel,
    /// Take what was reserved.
    Capture,
    /// Give back what was taken.
    Refund,
}

impl Action {
    /// Every action, in the order they are shown.
    pub const ALL: [Self; 4] = [Self::Update, Self::Cancel, Self::Capture, Self::Refund];

    /// The operation that carries this action out.
    pub fn operation(self) -> OperationKind {
        match self {
            Self::Update => OperationKind::Update,
            Self::Cancel => OperationKind::Cancel,
            Self::Capture => OperationKind::Capture,
            Self::Refund => OperationKind::Refund,
        }
    }
}

/// One line of `available_actions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvailableAction {
    /// Which action.
    pub action: Action,
    /// Whether it may be tried now.
    pub allowed: bool,
    /// Why not, as a stable word such as `not_paid`; only when not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether a part of the amount may be named; only for allowed actions that move an amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<bool>,
    /// The largest amount, in minor units of the order's currency; only as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// Until when the provider lets it happen, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl AvailableAction {
    /// An action without an amount that may be tried.
    pub fn allowed(action: Action) -> Self {
        Self { action, allowed: true, reason: None, partial: None, max: None, until: None }
    }

    /// An action on an amount that may be tried.
    pub fn allowed_up_to(action: Action, max: i64, partial: bool) -> Self {
        Self { partial: Some(partial), max: Some(max), ..Self::allowed(action) }
    }

    /// An action that may not be tried, and why.
    pub fn denied(action: Action, reason: &str) -> Self {
        Self { allowed: false, reason: Some(reason.to_owned()), ..Self::allowed(action) }
    }
}
