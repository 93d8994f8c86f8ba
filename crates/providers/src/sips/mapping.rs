//! From what the platform tells of a transaction to an order.

use serde_json::{Map, Value};

use super::{
    PROVIDER, amounts,
    config::Settings,
    currency, dates, error, news, options, reference,
    status::{self, Phase, StatusRow},
    wire,
};
use guichet_port::domain::{
    AccountName, Action, Amounts, AvailableAction, Checkout, Delivery, DeliveryChannel, Notified, Order,
    OrderId, OrderMemory, OrderStatus, PlannedOrder, ProviderReference, ProviderStatus, Timestamp, WaitsFor,
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
/// money was taken, nor which of our operations came to nothing, nor what only guichet keeps of an order made here.
pub(super) fn asks_memory(reference: &ProviderReference, wire: &wire::TransactionData) -> bool {
    let row = status::read(wire.transaction_status.as_deref().unwrap_or_default());
    let may_be_undone =
        matches!(row.phase, Phase::Captured | Phase::Credited | Phase::Lapsed | Phase::Unpaid);
    may_be_undone || reference::operation_of(reference).is_some()
}

/// Name and time of the platform's last operation on an order that was read before.
pub(super) fn last_operation(order: &Order) -> (Option<&str>, Option<&str>) {
    let told = |name: &str| order.provider_data.get(name).and_then(Value::as_str);
    (told("lastOperationName"), told("lastOperationDateTime"))
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
    let news = news::of(row, left, memory);
    let memory = &news::learned(memory, &news);
    let (amounts, gives_back) = amounts::of(row, wire, origin, left, memory);
    let status = match (row.phase, left) {
        (Phase::Captured, Some(0)) if gives_back => OrderStatus::Refunded,
        (Phase::Captured, _) if gives_back => OrderStatus::PartiallyRefunded,
        (Phase::Credited, _) if row.word == status::TO_CONFIRM_CREDIT && gives_back => {
            OrderStatus::PartiallyRefunded
        }
        _ => row.canonical(left),
    };
    if status == OrderStatus::Unknown {
        tracing::warn!(provider = PROVIDER, provider_status = short(word), "a status without a meaning here");
    }
    let changed = wire.last_operation_date_time.as_deref().and_then(wire::instant);
    let created_at = wire.transaction_date_time.as_deref().and_then(wire::instant);
    let is_settled = changed.or(created_at).is_none_or(|at| now >= at.plus(status::SETTLED_AFTER));
    let is_final = row.is_final || (row.word == status::CREDITED && is_settled);
    let pending = amounts.refund_pending.unwrap_or(0);
    let waits_for = if is_final {
        WaitsFor::Nothing
    } else if pending > 0 {
        // A refund that we know of and that is not on its way yet.
        WaitsFor::Decision
    } else {
        row.waits_for()
    };
    let is_undecided =
        matches!(row.phase, Phase::Awaiting | Phase::Reserved) && waits_for == WaitsFor::Decision;
    let mut order = Order {
        id: OrderId { account: shop.account.clone(), reference: reference.clone() },
        provider: PROVIDER.to_owned(),
        mode: shop.settings.mode,
        merchant_reference: wire.order_id.clone().filter(|id| id.len() <= TEXT_BYTES_MAX),
        status,
        is_final,
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
        waits_for,
        deadline_at: if is_undecided { deadline(wire, created_at, memory) } else { None },
        news,
        available_actions: actions(row, left.map_or(origin, |left| left.min(origin)), pending),
        provider_data: provider_data(wire),
    };
    if let Some(creation) = &memory.creation {
        is_as_planned(&order, &creation.planned)?;
        complete(&mut order, &creation.planned);
    }
    Ok(order)
}

/// When what waits for a decision ends: what is not validated in time expires (feature page "Validate", release 25.2).
/// `captureLimitDate` tells; without it the delay that our own request named.
fn deadline(
    wire: &wire::TransactionData,
    created_at: Option<Timestamp>,
    memory: &OrderMemory,
) -> Option<Timestamp> {
    let delay = || {
        let options = &memory.creation.as_ref()?.planned.order.provider_options;
        dates::end_of_delay(created_at?, options.get(options::CAPTURE_DAY)?.as_i64()?)
    };
    wire.capture_limit_date.as_deref().and_then(dates::end_of_limit).or_else(delay)
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
        waits_for: WaitsFor::Payment,
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

/// What may be done now.
fn actions(row: StatusRow, left: i64, pending: i64) -> Vec<AvailableAction> {
    let offered = |action, is_allowed: bool, otherwise: &str| {
        // What waits to be given back is reserved, though the platform does not count it yet.
        let left = if action == Action::Refund { left.saturating_sub(pending) } else { left };
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
    let refund = match row.word {
        status::TO_CONFIRM_CREDIT => "processing",
        _ if pending > 0 => "refund_pending",
        _ => refund,
    };
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
    // Whatever it says, the transaction itself is still to be seen.
    order.waits_for = WaitsFor::Decision;
    if let Some(word) = &notified.provider_status {
        order.provider_status.code.clone_from(word);
    }
    order.updated_at = Some(notified.at);
    order.amounts = Amounts::untold(order.amount);
    order.available_actions =
        Action::ALL.into_iter().map(|action| AvailableAction::denied(action, "not_stored_yet")).collect();
}
