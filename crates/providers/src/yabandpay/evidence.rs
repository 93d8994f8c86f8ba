//! What an answer or a read proves about an operation.

use super::{
    PROVIDER, mapping,
    status::{RefundProgress, RefundState, refund_state},
    wire,
};
use guichet_port::{
    adapter::{ErrorKind, ProviderError, Verdict},
    domain::{
        CaptureMode, Currency, Fate, Money, Movement, OperationId, OperationNews, Order, OrderStatus, Part,
        PlannedOrder,
    },
};

/// Longest id of a refund that is kept; the published ones have 20 and 36 characters.
const REFUND_ID_CHARS_MAX: usize = 64;

/// A create whose answer was lost and whose payment a notification named: it is ours when what was asked for
/// is there. A payment captured in part tells the amount that was captured and no longer what was authorized ("Capture" of
/// API v3; observed on the simulator only).
pub(super) fn of_create(planned: &PlannedOrder, now: Order) -> Verdict {
    let asked = &planned.order;
    let was_captured = asked.capture == CaptureMode::Manual && now.status.moves_money();
    let has_amount =
        now.amount == asked.amount.value() || (was_captured && now.amount < asked.amount.value());
    let is_ours = now.merchant_reference.as_ref() == Some(&asked.merchant_reference)
        && has_amount
        && now.currency == asked.amount.currency();
    let now = Some(Box::new(now));
    if is_ours { Verdict::Done(now) } else { Verdict::NoTrace(now) }
}

/// A payment is captured once, so one that was authorized and is paid now was captured since. How much is told
/// only where the payment's amount became just ours; without that a part proves nothing, and all of it is not ours
/// where another amount is told.
pub(super) fn of_capture(before: &Order, part: Part, now: Order) -> Verdict {
    match now.status {
        OrderStatus::Paid | OrderStatus::PartiallyRefunded | OrderStatus::Refunded => {
            let amount = part.amount.value();
            let is_told = now.amounts.captured == Some(amount);
            let is_ours = if part.full {
                is_told || now.amounts.captured.is_none()
            } else {
                is_told && before.amount != amount
            };
            if !is_ours {
                return Verdict::Unclear(Some(Box::new(now)));
            }
            let is_paid = now.status == OrderStatus::Paid;
            let known = if is_paid { mapping::after_found_capture(before, part, &now) } else { now };
            Verdict::Done(Some(Box::new(known)))
        }
        OrderStatus::Authorized | OrderStatus::Expired => Verdict::NoTrace(Some(Box::new(now))),
        // A payment may be cancelled after it was captured.
        OrderStatus::Canceled
        | OrderStatus::Pending
        | OrderStatus::Processing
        | OrderStatus::InReview
        | OrderStatus::Declined
        | OrderStatus::Failed
        | OrderStatus::Unknown => Verdict::Unclear(Some(Box::new(now))),
    }
}

/// Whether what the platform tells of a refund is about ours: its number, amount and currency, as far as they
/// are told. The `refund_id` is not compared: the published example answers with another one than was asked
/// for.
pub(super) fn is_our_refund(
    operation: OperationId,
    amount: Money,
    wire: &wire::Refund,
) -> Result<(), &'static str> {
    let is_filled = |text: &&String| !text.is_empty() && text.as_str() != "null";
    if let Some(number) = wire.m_refund_id.as_ref().filter(is_filled)
        && *number != operation.to_string()
    {
        return Err("the answer is about another m_refund_id");
    }
    let ours = amount.currency();
    let currency = match wire.refund_currency.as_ref().filter(is_filled) {
        Some(code) => Currency::new(code.trim()).map_err(|_| "the answer's currency is not known")?,
        None => ours,
    };
    if currency != ours {
        return Err("the answer tells another currency than was sent");
    }
    if let Some(told) = wire.refund_amount.as_ref().filter(is_filled)
        && mapping::amount(Some(told), Some(ours.code()))? != amount
    {
        return Err("the answer tells another amount than was sent");
    }
    Ok(())
}

/// The id under which the platform tells of the refund later, where it has the form of one.
pub(super) fn refund_id(wire: &wire::Refund) -> Option<String> {
    let is_plain = |id: &&String| {
        !id.is_empty()
            && id.len() <= REFUND_ID_CHARS_MAX
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    wire.refund_id.as_ref().filter(is_plain).cloned()
}

/// The state of a refund; a word not known here is logged and says nothing.
pub(super) fn state_of_refund(wire: &wire::Refund) -> Option<&'static RefundState> {
    let word = wire.state.as_ref().filter(|word| !word.is_empty())?;
    let state = refund_state(word);
    if state.is_none() {
        tracing::warn!(
            provider = PROVIDER,
            provider_status = word,
            "the provider told a state of a refund not known here"
        );
    }
    state
}

/// A refund that the platform took and that came to nothing.
pub(super) fn failed_refund(operation: &'static str, state: &RefundState) -> ProviderError {
    ProviderError {
        code: Some(state.word.to_owned()),
        ..ProviderError::new(PROVIDER, operation, ErrorKind::Refused, state.meaning)
    }
}

/// What `v3.QueryRefundOrder` tells of a refund of ours, when it is a last word.
pub(super) fn news_of_refund(movement: &Movement, wire: &wire::Refund) -> Option<OperationNews> {
    let state = state_of_refund(wire)?;
    let fate = match state.progress {
        RefundProgress::Done => Fate::Done,
        RefundProgress::Refused => Fate::Undone,
        RefundProgress::Accepted => return None,
    };
    Some(OperationNews {
        operation: movement.operation,
        fate,
        provider_id: movement.provider_id.clone(),
        provider_status: Some(state.word.to_owned()),
    })
}

/// What `v3.QueryRefundOrder` proves about a refund.
pub(super) fn of_refund(method: &'static str, wire: &wire::Refund) -> Verdict {
    match state_of_refund(wire) {
        Some(state) => match state.progress {
            RefundProgress::Done => Verdict::Done(None),
            RefundProgress::Accepted => Verdict::Accepted(None),
            RefundProgress::Refused => Verdict::Refused(Box::new(failed_refund(method, state))),
        },
        None => Verdict::NoTrace(None),
    }
}
