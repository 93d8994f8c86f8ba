//! What the order as read allows.

use crate::{
    adapter::{Account, Violation},
    domain::{
        Action, AvailableAction, Intent, Money, OperationKind, Order, OrderId, OrderPatch, OrderStatus, Part,
        actions::WINDOW_CLOSED,
    },
    problem::{Problem, ProblemCode},
};

use super::request::ChangeRequest;

/// What is to be done after the order was read.
#[derive(Debug)]
pub(super) enum Decision {
    /// Send this to the provider.
    Send {
        /// What to send.
        intent: Intent,
        /// The most that all operations of its kind on this order may move together.
        limit: Option<i64>,
    },
    /// Nothing is left to do.
    AlreadyDone(Intent),
}

/// Decides by the order's own `available_actions`.
pub(super) fn decide(account: &Account, before: Order, request: &ChangeRequest) -> Result<Decision, Problem> {
    match request {
        ChangeRequest::Update(patch) => update(account, before, patch),
        ChangeRequest::Cancel { amount } => cancel(before, *amount),
        ChangeRequest::Capture { amount } => {
            let part = part(&before, Action::Capture, *amount)?;
            // Nothing is authorized yet where the authorization itself waits for the merchant.
            let limit = before.amounts.authorized.filter(|authorized| *authorized > 0);
            Ok(Decision::Send { intent: Intent::Capture { before: Box::new(before), part }, limit })
        }
        ChangeRequest::Refund { amount } => refund(before, *amount),
    }
}

fn update(account: &Account, before: Order, patch: &OrderPatch) -> Result<Decision, Problem> {
    allowed(&before, Action::Update)?;
    account
        .adapter
        .check_update(&before, patch)
        .map_err(|violations| refused(violations).about(&before.id))?;
    let changes_nothing = patch.is_already_so(&before);
    let intent = Intent::Update { before: Box::new(before), patch: Box::new(patch.clone()) };
    if changes_nothing {
        return Ok(Decision::AlreadyDone(intent));
    }
    Ok(Decision::Send { intent, limit: None })
}

/// Members that cannot be taken: 422 when the provider is the reason, else 400.
pub(super) fn refused(violations: Vec<Violation>) -> Problem {
    let unsupported = violations.iter().any(|v| v.code == "unsupported_by_provider");
    let code = if unsupported { ProblemCode::UnsupportedByProvider } else { ProblemCode::ValidationFailed };
    Problem { code, retryable: false, ..Problem::invalid(violations) }
}

fn cancel(before: Order, amount: Option<Money>) -> Result<Decision, Problem> {
    if before.status == OrderStatus::Canceled {
        let all = balance(before.amount, &before)?;
        let wanted = amount.unwrap_or(all);
        same_currency(&before, wanted)?;
        if wanted == all {
            let part = Part { amount: all, full: true };
            return Ok(Decision::AlreadyDone(Intent::Cancel { before: Box::new(before), part }));
        }
    }
    let part = part(&before, Action::Cancel, amount)?;
    let limit = before.amounts.authorized.filter(|authorized| *authorized > 0);
    Ok(Decision::Send { intent: Intent::Cancel { before: Box::new(before), part }, limit })
}

fn refund(before: Order, amount: Option<Money>) -> Result<Decision, Problem> {
    if before.status == OrderStatus::Refunded {
        return Err(Problem::plain(ProblemCode::AlreadyRefunded).about(&before.id));
    }
    let part = part(&before, Action::Refund, amount)?;
    let limit = before.amounts.captured.filter(|captured| *captured > 0);
    Ok(Decision::Send { intent: Intent::Refund { before: Box::new(before), part }, limit })
}

/// The part a caller asks for, checked against what is left.
fn part(before: &Order, action: Action, amount: Option<Money>) -> Result<Part, Problem> {
    if let Some(amount) = amount {
        same_currency(before, amount)?;
    }
    let offered = allowed(before, action)?;
    let left = balance(offered.max.unwrap_or(before.amount), before)?;
    let wanted = amount.unwrap_or(left);
    if wanted.value() > left.value() {
        return Err(exceeds_remaining(&before.id, left));
    }
    let full = wanted == left;
    if !full && offered.partial == Some(false) {
        let problem = Problem::invalid(vec![Violation::unsupported(
            "/amount",
            &format!("only the whole amount can be taken here: {left}"),
        )]);
        return Err(Problem { code: ProblemCode::UnsupportedByProvider, ..problem }.about(&before.id));
    }
    Ok(Part { amount: wanted, full })
}

fn balance(value: i64, order: &Order) -> Result<Money, Problem> {
    Money::balance(value, order.currency).map_err(|_| Problem::plain(ProblemCode::InternalError))
}

fn same_currency(order: &Order, amount: Money) -> Result<(), Problem> {
    if amount.currency() == order.currency {
        return Ok(());
    }
    let problem = Problem::invalid(vec![Violation {
        pointer: "/amount/currency".to_owned(),
        code: "currency_mismatch",
        detail: format!("the order is in {}", order.currency),
    }]);
    Err(Problem { code: ProblemCode::CurrencyMismatch, ..problem }.about(&order.id))
}

pub(super) fn exceeds_remaining(id: &OrderId, left: Money) -> Problem {
    let problem = Problem::invalid(vec![Violation {
        pointer: "/amount/value".to_owned(),
        code: "amount_exceeds_remaining",
        detail: format!("{left} is left"),
    }]);
    Problem { code: ProblemCode::AmountExceedsRemaining, ..problem }.about(id)
}

/// The action, if the order's state allows it. A closed time window is the provider's to enforce.
fn allowed(order: &Order, action: Action) -> Result<&AvailableAction, Problem> {
    let offered = order.action(action);
    match offered {
        Some(offered) if offered.allowed || offered.reason.as_deref() == Some(WINDOW_CLOSED) => Ok(offered),
        _ => Err(state_conflict(order, offered)),
    }
}

fn state_conflict(order: &Order, action: Option<&AvailableAction>) -> Problem {
    let reason = action.and_then(|action| action.reason.clone());
    Problem {
        reason: reason.or_else(|| Some(order.status.as_str().to_owned())),
        ..Problem::new(
            ProblemCode::OrderStateConflict,
            format!("the order is {}; `available_actions` lists what may be done now", order.status),
        )
    }
    .about(&order.id)
}

pub(super) fn unsupported(kind: OperationKind) -> Problem {
    Problem::new(
        ProblemCode::UnsupportedByProvider,
        format!("this account's provider has no {}; nothing was sent", kind.as_str()),
    )
}
