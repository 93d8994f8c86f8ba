//! What callers want done, and what became of it.

use tokio::time::Instant;

use crate::{
    adapter::Account,
    domain::{Money, NewOrder, Operation, OperationKind, Order, OrderId, OrderPatch},
    problem::Problem,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub enum ChangeRequest {
    /// Change what the payer is asked for.
    Update(Box<OrderPatch>),
    /// Release all that is left, or a part.
    Cancel {
        /// The part; `None` means all that is left.
        amount: Option<Money>,
    },
    /// Take all that is reserved, or a part.
    Capture {
        /// The part; `None` means all that is left.
        amount: Option<Money>,
    },
    /// Give back all that is left, or a part.
    Refund {
        /// The part; `None` means all that is left.
        amount: Option<Money>,
    },
}

impl ChangeRequest {
    pub(super) fn kind(&self) -> OperationKind {
        match self {
            Self::Update(_) => OperationKind::Update,
            Self::Cancel { .. } => OperationKind::Cancel,
            Self::Capture { .. } => OperationKind::Capture,
            Self::Refund { .. } => OperationKind::Refund,
        }
    }

    /// The same for what is left beside operations the provider does not show yet, when all that is left was asked
    /// for. `None` when a part was named: it stays as the caller named it.
    pub(super) fn of_the_rest(&self, left: Money) -> Option<Self> {
        let amount = Some(left);
        match self {
            Self::Cancel { amount: None } => Some(Self::Cancel { amount }),
            Self::Capture { amount: None } => Some(Self::Capture { amount }),
            Self::Refund { amount: None } => Some(Self::Refund { amount }),
            Self::Update(_) | Self::Cancel { .. } | Self::Capture { .. } | Self::Refund { .. } => None,
        }
    }
}

/// Checks the order as it is now against the caller's `If-Match`.
pub type Precondition = Box<dyn Fn(&Order) -> bool + Send + Sync>;

/// A caller's `Idempotency-Key` with the fingerprint of its request.
pub type CallerKey = (String, String);

/// An order of an account that its caller may use. Whether the provider has such an order is not known yet.
#[derive(Debug, Clone)]
pub struct Located {
    /// The account.
    pub account: Account,
    /// The order.
    pub id: OrderId,
}

/// A change as it comes from a caller.
pub struct NewChange {
    /// Which order.
    pub order: Located,
    /// What to do with it.
    pub request: ChangeRequest,
    /// The caller's key.
    pub key: Option<CallerKey>,
    /// The caller's `If-Match`.
    pub precondition: Option<Precondition>,
    /// When the caller gets its answer at the latest.
    pub deadline: Instant,
}

impl std::fmt::Debug for NewChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewChange")
            .field("id", &self.order.id)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// What became of a change: its operation as far as it is known when the caller is answered.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The operation.
    pub operation: Operation,
    /// Whether an earlier request with the same key did it.
    pub replayed: bool,
    /// Whether the store has the operation. One with nothing to do and without a key is not kept: asked for again and
    /// again it would fill the store.
    pub kept: bool,
}

impl Changed {
    /// An operation that is in the store.
    pub(super) fn kept(operation: Operation) -> Self {
        Self { operation, replayed: false, kept: true }
    }
}

/// An order to be made, as it comes from a caller.
#[derive(Debug)]
pub struct NewCreation {
    /// Where, or why nowhere; that is told only where the key was not used before.
    pub account: Result<Account, Problem>,
    /// What.
    pub order: NewOrder,
    /// The caller's key.
    pub key: CallerKey,
    /// When the caller gets its answer at the latest.
    pub deadline: Instant,
}
