//! What is erased when it is old enough, in small steps.

use std::time::Duration;

use super::Place;
use crate::domain::Timestamp;

/// What is old, for one round of erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What brought no news since then is old.
    pub before: Timestamp,
    /// When the round takes place.
    pub now: Timestamp,
}

/// The time by which erasure goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasureClock {
    /// The time.
    pub at: Timestamp,
    /// By how much the time of day is ahead of it, where that is more than a stop explains.
    pub ahead: Option<Duration>,
}

/// What a round looks at, one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// Orders whose erasure was asked for, whatever their age.
    #[default]
    Requests,
    /// Endpoints that were removed, with their deliveries.
    Endpoints,
    /// Orders with their operations and notifications.
    Orders,
    /// Operations that never had an order.
    Operations,
    /// Notifications about no order known here.
    Notifications,
    /// Keys of operations that are erased.
    Keys,
    /// Deliveries that ended, with their attempts.
    Deliveries,
    /// Secrets of endpoints that sign no more.
    Secrets,
}

impl Stage {
    /// Whether somebody asked for it, so that it does not wait for the next round over what is old.
    pub fn is_asked_for(self) -> bool {
        matches!(self, Self::Requests | Self::Endpoints)
    }

    /// The next one; `None` after the last.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Requests => Some(Self::Endpoints),
            Self::Endpoints => Some(Self::Orders),
            Self::Orders => Some(Self::Operations),
            Self::Operations => Some(Self::Notifications),
            Self::Notifications => Some(Self::Keys),
            Self::Keys => Some(Self::Deliveries),
            Self::Deliveries => Some(Self::Secrets),
            Self::Secrets => None,
        }
    }
}

/// Where a round of erasure goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sweep {
    /// What it looks at.
    pub stage: Stage,
    /// The place of the last row looked at; `None` at the begin of a stage.
    pub after: Option<Place>,
}

/// How much a step, or a round, erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Orders.
    pub orders: u64,
    /// Operations.
    pub operations: u64,
    /// Notifications.
    pub notifications: u64,
    /// Idempotency keys.
    pub keys: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Secrets of endpoints.
    pub secrets: u64,
    /// Rows that were left as they are because they cannot be read.
    pub unreadable: u64,
}

impl Erased {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            orders: self.orders.saturating_add(other.orders),
            operations: self.operations.saturating_add(other.operations),
            notifications: self.notifications.saturating_add(other.notifications),
            keys: self.keys.saturating_add(other.keys),
            deliveries: self.deliveries.saturating_add(other.deliveries),
            secrets: self.secrets.saturating_add(other.secrets),
            unreadable: self.unreadable.saturating_add(other.unreadable),
        }
    }

    /// Whether anything was taken away.
    pub fn anything(self) -> bool {
        Self { unreadable: 0, ..self } != Self::default()
    }
}

/// What came of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// What it erased.
    pub erased: Erased,
    /// Where to go on; `None` at the end of the round.
    pub next: Option<Sweep>,
}
