//! From what the platform tells of a transaction to an order.

use serde_json::{Map, Value};

use super::{
    PROVIDER,
    config::Settings,
    currency, error, reference,
    status::{self, Phase, StatusRow},
    wire,
};
use crate::domain::{
    AccountName, Action, Amounts, AvailableAction, Checkout, Delivery, DeliveryChannel, Notified,
    OperationKind, OperationStatus, Order, OrderId, OrderMemory, OrderStatus, PlannedOrder,
    ProviderReference, ProviderStatus, Timestamp, WaitsFor,
};

/// The provider's word while there is no transaction: the code it answers a read with.
const NO_TRANSACTION: &str = "25";
/// Longest text taken over; the data dictionary's longest of these has 32 characters.
const TEXT_BYTES_MAX: usize = 128;
/// Longest status word kept.
const WORD_CHARS_MAX: usize = 40;

/// Whose orders these are.
#[derive(Clone, Copy)]
pub(super) struct Shop<'a> {
    /// The account.
    pub(super) account: &'a AccountName,
    /// Its settings.
    pub(super) settings: &'a Settings,
}

/// Whether guichet's memory is needed to tell the order: the platform neither tells a cancel from a refund once the
/// money was taken, nor what only guichet keeps of an order made here.
pub(super) fn asks_memory(reference: &ProviderReference, wire: &wire::TransactionData) -> bool {
    let row = status::read(wire.transaction_status.as_deref().unwrap_or_default());
    let taken = matches!(row.phase, Phase::Captured | Phase::Credited);
    let is_reduced = match (wire.origin_amount, left(row, wire)) {
        (Some(origin), Some(left)) => left < origin,
        _ => true,
    };
    (taken && (is_reduced || row.phase == Phase::Credited)) || reference::operation_of(reference).is_some()
}

/// What is left of the amount. `currentAmount` is what `newAmount` is after an operation; `remainingAmount` is
/// documented nowhere and serves only where the other is missing and the money was taken.
fn left(row: StatusRow, wire: &wire::TransactionData) -> Option<i64> {
    let taken = matches!(row.phase, Phase::Captured | Phase::Credited);
    wire.current_amount.or(wire.remaining_amount.filter(|_| taken))
}

/// The order that an answer to `getTransactionData` tells, which must be the one asked for.
pub(super) fn order(
    shop: Shop<'_>,
    reference: &ProviderReference,
    wire: &wire::TransactionData,
    memory: &OrderMemory,
    now: Timestamp,
) -> Result<Order, &'static str> {
    is_asked_for(shop, reference, wire)?;
    let word = wire.transaction_status.as_deref().ok_or("the answer tells no status")?;
    let row = status::read(word);
    let currency = wire.currency_code.as_deref().and_then(currency::by_number);
    let currency = currency.ok_or("the answer tells no currency known here")?;
    let left = left(row, wire);
    let origin = wire.origin_amount.or(left).ok_or("the answer tells no amount")?;
    let is_credit = wire.last_operation_name.as_deref().is_some_and(|name| name.starts_with("CREDIT"));
    let (amounts, gives_back) = amounts(row, origin, left, is_credit, memory);
    let status = match (row.phase, left) {
        (Phase::Captured, Some(0)) if gives_back => OrderStatus::Refunded,
        (Phase::Captured, _) if gives_back => OrderStatus::PartiallyRefunded,
        _ => row.canonical(left),
    };
    if status == OrderStatus::Unknown {
        tracing::warn!(provider = PROVIDER, provider_status = short(word), "a status without a meaning here");
    }
    let changed = wire.last_operation_date_time.as_deref().and_then(wire::instant);
    let created_at = wire.transaction_date_time.as_deref().and_then(wire::instant);
    let mut order = Order {
        id: OrderId { account: shop.account.clone(), reference: reference.clone() },
        provider: PROVIDER.to_owned(),
        mode: shop.settings.mode,
        merchant_reference: wire.order_id.clone().filter(|id| id.len() <= TEXT_BYTES_MAX),
        status,
        is_final: row.is_final,
        provider_status: ProviderStatus { code: short(word), message: reason(row, wire) },
        amount: origin,
        currency,
        amounts,
        checkout: None,
        delivery: None,
        description: None,
        locale: None,
        metadata: std::collections::BTreeMap::new(),
        created_at,
        updated_at: changed.or(created_at),
        expires_at: None,
        as_of: now,
        waits_for: WaitsFor::default(),
        deadline_at: None,
        news: Vec::new(),
        available_actions: actions(row, left.map_or(origin, |left| left.min(origin))),
        provider_data: provider_data(wire),
    };
    if let Some(creation) = &memory.creation {
        is_as_planned(&order, &creation.planned)?;
        complete(&mut order, &creation.planned);
    }
    Ok(order)
}

/// Only what is told is compared: every member of an answer but its seal may be missing.
fn is_asked_for(
    shop: Shop<'_>,
    reference: &ProviderReference,
    wire: &wire::TransactionData,
) -> Result<(), &'static str> {
    let by = shop.settings.reference_by;
    let pair = wire
        .s10_transaction_reference
        .as_ref()
        .map(|pair| (pair.s10_transaction_id.as_str(), pair.s10_transaction_id_date.as_str()));
    let is_told = match by {
        super::config::ReferenceBy::S10 => pair.is_some(),
        super::config::ReferenceBy::Merchant | super::config::ReferenceBy::Platform => {
            wire.transaction_reference.is_some()
        }
    };
    let told = reference::from_wire(by, wire.transaction_reference.as_deref(), pair);
    if is_told && told.as_ref() != Some(reference) {
        return Err("the answer is about another transaction");
    }
    if wire.merchant_id.as_deref().is_some_and(|merchant| merchant != shop.settings.merchant_id) {
        return Err("the answer is about another merchant");
    }
    Ok(())
}

/// A transaction of a page opened here is of the amount that was asked for.
pub(super) fn is_as_planned(order: &Order, planned: &PlannedOrder) -> Result<(), &'static str> {
    let wanted = planned.order.amount;
    if order.amount == wanted.value() && order.currency == wanted.currency() {
        Ok(())
    } else {
        Err("the answer tells another amount than was asked for")
    }
}

/// What only guichet keeps of an order made here.
pub(super) fn complete(order: &mut Order, planned: &PlannedOrder) {
    order.delivery = Some(Delivery { channel: Some(DeliveryChannel::Link), recipient: None });
    order.locale.clone_from(&planned.order.locale);
    order.metadata.clone_from(&planned.order.metadata);
    order.expires_at = Some(planned.expires_at);
    if order.merchant_reference.is_none() {
        order.merchant_reference = Some(planned.order.merchant_reference.clone());
    }
}

/// An order whose page was opened here and for which the platform has no transaction: as it was planned.
pub(super) fn unpaid(
    shop: Shop<'_>,
    reference: &ProviderReference,
    planned: &PlannedOrder,
    checkout: Option<Checkout>,
    created_at: Timestamp,
    now: Timestamp,
) -> Order {
    let amount = planned.order.amount;
    let denied = |action, reason| AvailableAction::denied(action, reason);
    let mut order = Order {
        id: OrderId { account: shop.account.clone(), reference: reference.clone() },
        provider: PROVIDER.to_owned(),
        mode: shop.settings.mode,
        merchant_reference: None,
        status: OrderStatus::Pending,
        is_final: false,
        provider_status: ProviderStatus {
            code: NO_TRANSACTION.to_owned(),
            message: Some("there is no transaction yet".to_owned()),
        },
        amount: amount.value(),
        currency: amount.currency(),
        amounts: Amounts::unpaid(amount.value()),
        checkout,
        delivery: None,
        description: None,
        locale: None,
        metadata: std::collections::BTreeMap::new(),
        created_at: Some(created_at),
        updated_at: Some(created_at),
        expires_at: None,
        as_of: now,
        waits_for: WaitsFor::default(),
        deadline_at: None,
        news: Vec::new(),
        available_actions: vec![
            denied(Action::Update, "unsupported"),
            denied(Action::Cancel, "not_paid"),
            denied(Action::Capture, "not_paid"),
            denied(Action::Refund, "not_paid"),
        ],
        provider_data: Map::new(),
    };
    complete(&mut order, planned);
    order
}

/// Cumulative amounts, and whether money was given back.
///
/// The platform tells two: what the transaction was made of and what it is now. Before the remittance the difference
/// was released. After it, it may have been released before, given back, or both: `lastOperationName` and guichet's
/// own operations and copies tell; where they do not, nobody does.
fn amounts(
    row: StatusRow,
    origin: i64,
    left: Option<i64>,
    last_was_credit: bool,
    memory: &OrderMemory,
) -> (Amounts, bool) {
    let off = left.map(|left| origin.saturating_sub(left).max(0));
    let reserved = Amounts { authorized: Some(origin), canceled: off, ..Amounts::unpaid(origin) };
    match row.phase {
        Phase::Awaiting => (Amounts { canceled: off, ..Amounts::unpaid(origin) }, false),
        Phase::Reserved | Phase::Lapsed => (reserved, false),
        // Of one canceled while it still waited for its authorization nothing was reserved, which the platform does
        // not tell; either way nothing is reserved any more.
        Phase::Canceled => (Amounts { canceled: Some(origin), ..reserved }, false),
        Phase::Unpaid => (Amounts::unpaid(origin), false),
        Phase::Untold => (Amounts::untold(origin), false),
        Phase::Captured | Phase::Credited => {
            let is_credited = row.phase == Phase::Credited;
            let Some(off) = off else {
                return (Amounts { authorized: Some(origin), ..Amounts::untold(origin) }, is_credited);
            };
            let (canceled, refunded, gives_back) = split(origin, off, is_credited, last_was_credit, memory);
            let captured = canceled.map(|canceled| origin.saturating_sub(canceled));
            let requested = Some(origin);
            (
                Amounts {
                    requested,
                    authorized: requested,
                    captured,
                    canceled,
                    refunded,
                    refund_pending: Some(0),
                },
                gives_back,
            )
        }
    }
}

/// What was released and what was given back of `off`, the part of a captured transaction that is gone.
fn split(
    origin: i64,
    off: i64,
    is_credited: bool,
    last_was_credit: bool,
    memory: &OrderMemory,
) -> (Option<i64>, Option<i64>, bool) {
    let refunded_here = memory.moved(OperationKind::Refund);
    if off == 0 {
        // A refund whose amount the platform does not count before its remittance.
        let refunded = if is_credited { Some(refunded_here).filter(|sum| *sum > 0) } else { Some(0) };
        return (Some(0), refunded, is_credited);
    }
    let released_here = released_here(origin, memory).min(off);
    let by_us = refunded_here > 0 && released_here < off;
    if !(is_credited || last_was_credit || by_us) {
        return (Some(off), Some(0), false);
    }
    // Nothing is released any more once the money was taken: what a copy of that time says stays true.
    let of_copy = memory.copy.as_ref().filter(|copy| copy.amounts.captured.is_some_and(|sum| sum > 0));
    let of_copy = of_copy.and_then(|copy| copy.amounts.canceled).filter(|canceled| *canceled <= off);
    let by_our_own = released_here.checked_add(refunded_here) == Some(off);
    let canceled = of_copy.or(by_our_own.then_some(released_here));
    (canceled, canceled.map(|canceled| off.saturating_sub(canceled)), true)
}

/// What our own cancels and captures released: a capture of a part releases the rest.
fn released_here(origin: i64, memory: &OrderMemory) -> i64 {
    let done = memory
        .movements
        .iter()
        .filter(|movement| matches!(movement.status, OperationStatus::Succeeded | OperationStatus::Accepted));
    let left = done.fold(origin, |left, movement| match movement.kind {
        OperationKind::Cancel => left.saturating_sub(movement.amount.value()),
        OperationKind::Capture => left.min(movement.amount.value()),
        OperationKind::Create | OperationKind::Update | OperationKind::Refund => left,
    });
    origin.saturating_sub(left).max(0)
}

/// What may be done now.
fn actions(row: StatusRow, left: i64) -> Vec<AvailableAction> {
    let offered = |action, is_allowed: bool, otherwise: &str| {
        if is_allowed && left > 0 {
            AvailableAction::allowed_up_to(action, left, true)
        } else {
            AvailableAction::denied(action, otherwise)
        }
    };
    let (cancel, capture, refund) = match row.phase {
        Phase::Awaiting => ("processing", "not_authorized", "not_captured"),
        Phase::Reserved if row.status == OrderStatus::Authorized => {
            ("must_be_validated", "nothing_left", "not_captured")
        }
        Phase::Reserved if row.status == OrderStatus::InReview => {
            ("nothing_left", "in_review", "not_captured")
        }
        Phase::Reserved => ("being_captured", "already_captured", "not_captured"),
        Phase::Captured => ("already_captured", "already_captured", "already_refunded"),
        Phase::Credited => ("already_captured", "already_captured", "already_refunded"),
        Phase::Canceled => ("already_canceled", "already_canceled", "not_paid"),
        Phase::Lapsed | Phase::Unpaid => (row.status.as_str(), row.status.as_str(), "not_paid"),
        Phase::Untold => ("unknown_status", "unknown_status", "unknown_status"),
    };
    let refund = if row.word == "TO_CONFIRM_CREDIT" { "processing" } else { refund };
    vec![
        AvailableAction::denied(Action::Update, "unsupported"),
        offered(Action::Cancel, row.cancel, cancel),
        offered(Action::Capture, row.capture, capture),
        offered(Action::Refund, row.refund, refund),
    ]
}

/// Why it was refused, in words of the tables.
fn reason(row: StatusRow, wire: &wire::TransactionData) -> Option<String> {
    let refused = row.phase == Phase::Unpaid;
    refused
        .then(|| error::words(wire.response_code.as_deref(), wire.acquirer_response_code.as_deref()))
        .flatten()
}

fn short(word: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    word.chars().filter(plain).take(WORD_CHARS_MAX).collect()
}

/// The members that callers see, and what recognizes the effect of an operation later. Neither card numbers, masked
/// ones included, nor anything of the payer.
fn provider_data(wire: &wire::TransactionData) -> Map<String, Value> {
    let text =
        |value: &Option<String>| value.clone().filter(|text| text.len() <= TEXT_BYTES_MAX).map(Value::from);
    let pair = wire.s10_transaction_reference.as_ref();
    [
        ("transactionReference", text(&wire.transaction_reference)),
        ("s10TransactionId", pair.map(|pair| Value::from(pair.s10_transaction_id.clone()))),
        ("s10TransactionIdDate", pair.map(|pair| Value::from(pair.s10_transaction_id_date.clone()))),
        ("currentAmount", wire.current_amount.map(Value::from)),
        ("remainingAmount", wire.remaining_amount.map(Value::from)),
        ("lastOperationName", text(&wire.last_operation_name)),
        ("lastOperationDateTime", text(&wire.last_operation_date_time)),
        ("responseCode", text(&wire.response_code)),
        ("acquirerResponseCode", text(&wire.acquirer_response_code)),
        ("captureLimitDate", text(&wire.capture_limit_date)),
        ("orderChannel", text(&wire.order_channel)),
        ("paymentMeanBrand", text(&wire.payment_mean_brand)),
        ("paymentMeanType", text(&wire.payment_mean_type)),
        ("paymentPattern", text(&wire.payment_pattern)),
        ("holderAuthentMethod", text(&wire.holder_authent_method)),
        ("holderAuthentStatus", text(&wire.holder_authent_status)),
        ("automaticResponseStatus", text(&wire.automatic_response_status)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

/// What a verified notification said of a payment that the platform has not stored yet: its status, and that nothing
/// can be done with it for the moment.
pub(super) fn told_by_notification(order: &mut Order, notified: &Notified) {
    order.status = notified.status;
    order.is_final = false;
    if let Some(word) = &notified.provider_status {
        order.provider_status.code.clone_from(word);
    }
    order.updated_at = Some(notified.at);
    order.amounts = Amounts::untold(order.amount);
    order.available_actions =
        Action::ALL.into_iter().map(|action| AvailableAction::denied(action, "not_stored_yet")).collect();
}
