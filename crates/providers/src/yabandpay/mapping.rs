//! From the platform's payment to the canonical order.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    PROVIDER, money,
    status::payment_state,
    window,
    wire::{self, Payment},
};
use guichet_port::domain::{
    AccountName, Action, Amounts, AvailableAction, Currency, Delivery, DeliveryChannel, Fate, Mode, Money,
    OperationKind, OperationNews, OperationStatus, Order, OrderId, OrderMemory, OrderStatus, Part,
    ProviderReference, ProviderStatus, Timestamp, WaitsFor, actions::WINDOW_CLOSED, request::CaptureMode,
};

/// Refunds of one payment. Source: "Refund" of API v3, "fewer than 30".
const REFUNDS_MAX: usize = 29;
/// `sub_pay_method` of card payments, of the present and of an older edition.
const CARD_METHODS: [&str; 2] = ["Cards HPP", "Credit Card"];
/// How long an authorization lasts. Source: list of payment states of API v3, 01, "30 days"; from which moment they
/// count is not said, so the earliest one is taken.
const AUTHORIZATION_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Longest state kept of those not known here.
const WORD_CHARS_MAX: usize = 64;
/// Longest member of `provider_data`; longer ones are left out.
const MEMBER_CHARS_MAX: usize = 256;
/// What a `time_out` of zero means, in minutes. Source: "Create payments" of API v3.
pub(super) const TIMEOUT_MINUTES_MAX: u64 = 1_440;

/// The one accepted spelling of a `trade_id`: a UUID in lower case. Its version is not checked, since the
/// published one has none.
pub(super) fn is_trade_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Whose order it is, and when it was asked for.
pub(super) struct Context<'a> {
    pub(super) account: &'a AccountName,
    pub(super) mode: Mode,
    pub(super) as_of: Timestamp,
}

/// The order in canonical terms, or what makes the answer unusable. `memory` gives what the platform does not
/// tell: its page, our labels, captures and refunds.
pub(super) fn order(
    context: &Context<'_>,
    wire: Payment,
    memory: &OrderMemory,
) -> Result<Order, &'static str> {
    let reference = reference(wire.trade_id.as_deref())?;
    let told = amount(wire.amount.as_deref(), wire.currency.as_deref())?;
    let amount = requested(told, memory);
    let word = filled(wire.state.as_ref()).ok_or("the answer tells no state")?;
    let word: String = word.chars().take(WORD_CHARS_MAX).collect();
    let state = payment_state(&word);
    if state.is_none() {
        tracing::warn!(
            provider = PROVIDER,
            provider_status = word,
            "the provider told a status not known here"
        );
    }
    let wire_method = wire.sub_pay_method.clone();
    let creation = memory.creation.as_ref();
    let created_at = seconds(wire.created_at.as_deref())
        .or_else(|| seconds(wire.create_date.as_deref()))
        .or_else(|| creation.map(|creation| creation.at));
    let mut order = Order {
        id: OrderId { account: context.account.clone(), reference },
        provider: PROVIDER.to_owned(),
        mode: context.mode,
        merchant_reference: filled(wire.order_id.as_ref()),
        status: state.map_or(OrderStatus::Unknown, |state| state.status),
        is_final: state.is_some_and(|state| state.is_final),
        provider_status: ProviderStatus { code: word, message: None },
        amount: amount.value(),
        currency: amount.currency(),
        amounts: Amounts::untold(amount.value()),
        checkout: None,
        delivery: creation.map(|_| Delivery { channel: Some(DeliveryChannel::Link), recipient: None }),
        description: filled(wire.description.as_ref()),
        locale: None,
        metadata: creation.map(|creation| creation.planned.order.metadata.clone()).unwrap_or_default(),
        created_at,
        updated_at: None,
        expires_at: expires_at(created_at, wire.time_out.as_deref())
            .or_else(|| creation.map(|creation| creation.planned.expires_at)),
        as_of: context.as_of,
        waits_for: WaitsFor::default(),
        deadline_at: None,
        news: Vec::new(),
        available_actions: Vec::new(),
        provider_data: provider_data(&wire),
    };
    if order.status == OrderStatus::Pending {
        order.checkout = memory.copy.as_ref().and_then(|copy| copy.checkout.clone());
    }
    // The wallet's id is empty until the payment is paid.
    let was_paid = wire.transaction_id.as_ref().map(|id| !id.is_empty());
    let is_card = wire_is_card(wire_method.as_deref());
    order.amounts = amounts(order.status, Told { amount, told, was_paid, is_card }, memory);
    finish(&mut order, count_refunds(memory));
    Ok(order)
}

/// What reads of refunds told, as if the house knew it already: the order that a read tells has it.
pub(super) fn learn(memory: &mut OrderMemory, news: &[OperationNews]) {
    memory.movements.retain_mut(|movement| {
        match news.iter().find(|news| news.operation == movement.operation).map(|news| news.fate) {
            Some(Fate::Done) => {
                movement.status = OperationStatus::Succeeded;
                true
            }
            Some(Fate::Undone) => false,
            None => true,
        }
    });
}

/// Whether a payment is one of `v3.CreateCardPayments`, which alone may be captured later and in part. Source: list
/// of `sub_pay_method` of API v3.
fn wire_is_card(method: Option<&str>) -> bool {
    method.is_some_and(|method| CARD_METHODS.iter().any(|card| card.eq_ignore_ascii_case(method.trim())))
}

/// The reference of a `trade_id`.
pub(super) fn reference(trade_id: Option<&str>) -> Result<ProviderReference, &'static str> {
    trade_id
        .filter(|text| is_trade_id(text))
        .and_then(|text| text.parse().ok())
        .ok_or("the answer's trade_id is missing or malformed")
}

/// An amount and its currency.
pub(super) fn amount(amount: Option<&str>, currency: Option<&str>) -> Result<Money, &'static str> {
    let currency = currency
        .and_then(|code| Currency::new(code.trim()).ok())
        .ok_or("the answer's currency is missing or not known")?;
    amount
        .and_then(|text| money::from_wire(text, currency))
        .ok_or("the answer's amount is missing or no decimal of its currency")
}

/// Unix seconds as text. Source: the method pages of API v3.
pub(super) fn seconds(text: Option<&str>) -> Option<Timestamp> {
    let seconds: i64 = text?.parse().ok().filter(|seconds| *seconds > 0)?;
    seconds.checked_mul(1_000).map(Timestamp::from_millis)
}

/// A text that says something.
pub(super) fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

fn expires_at(created_at: Option<Timestamp>, time_out: Option<&str>) -> Option<Timestamp> {
    let minutes: u64 = time_out?.parse().ok().filter(|minutes| *minutes <= TIMEOUT_MINUTES_MAX)?;
    let minutes = if minutes == 0 { TIMEOUT_MINUTES_MAX } else { minutes };
    Some(created_at?.plus(Duration::from_secs(minutes.saturating_mul(60))))
}

/// What the payer was asked for: the amount of a payment falls to what was captured of it.
fn requested(told: Money, memory: &OrderMemory) -> Money {
    let planned = memory.creation.as_ref().map(|creation| &creation.planned.order);
    let asked = planned.filter(|order| order.capture == CaptureMode::Manual).map(|order| order.amount);
    let copied = || {
        let copy = memory.copy.as_ref().filter(|_| memory.moved(OperationKind::Capture) > 0)?;
        Money::new(copy.amount, copy.currency).ok()
    };
    let known = asked.or_else(copied).filter(|known| known.currency() == told.currency());
    known.filter(|known| known.value() > told.value()).unwrap_or(told)
}

/// What a payment tells of its money, and what was asked for.
struct Told {
    /// What the payer was asked for.
    amount: Money,
    /// The amount as told now: of an authorized payment what is authorized, of a captured one what was captured.
    told: Money,
    /// Whether the wallet gave it a number; `None`: not told.
    was_paid: Option<bool>,
    /// Whether it may be captured later and in part.
    is_card: bool,
}

/// What state and memory tell of the money. Nobody tells what was taken of a payment that was cancelled after
/// it was paid, or captured by somebody else; nor refunds made in the merchant portal.
///
/// `authorized` is what the platform told as such: the amount while it is authorized, from a copy of that time once it
/// is captured, and the amount of a payment that is authorized and taken in one.
fn amounts(status: OrderStatus, about: Told, memory: &OrderMemory) -> Amounts {
    let Told { amount, told, was_paid, is_card } = about;
    let all = amount.value();
    let unpaid = Amounts::unpaid(all);
    let captured_here = memory.moved(OperationKind::Capture);
    let planned = memory.creation.as_ref().map(|creation| creation.planned.order.capture);
    let is_by_hand = planned == Some(CaptureMode::Manual);
    let captured = match (captured_here, is_by_hand) {
        (1.., _) => Some(captured_here),
        (_, true) => Some(told.value()).filter(|told| *told < all),
        (_, false) => Some(told.value()),
    };
    let at_once = planned == Some(CaptureMode::Automatic) || (planned.is_none() && !is_card);
    let of_copy = || memory.copy.as_ref()?.amounts.authorized.filter(|authorized| *authorized > 0);
    let authorized = if at_once { Some(told.value()) } else { of_copy() };
    let paid = Amounts { authorized, captured, ..unpaid };
    match status {
        OrderStatus::Pending | OrderStatus::Processing => unpaid,
        OrderStatus::InReview => Amounts { authorized: None, captured: None, ..unpaid },
        OrderStatus::Authorized => Amounts { authorized: Some(told.value()), ..unpaid },
        OrderStatus::Paid | OrderStatus::PartiallyRefunded => Amounts {
            refunded: Some(refunds(memory, OperationStatus::Succeeded)),
            refund_pending: Some(refunds(memory, OperationStatus::Accepted)),
            ..paid
        },
        OrderStatus::Refunded => Amounts { refunded: captured, ..paid },
        OrderStatus::Canceled if was_paid == Some(false) => Amounts { canceled: Some(all), ..unpaid },
        OrderStatus::Canceled => Amounts { authorized: None, captured: None, canceled: Some(all), ..unpaid },
        OrderStatus::Expired | OrderStatus::Declined | OrderStatus::Failed => {
            Amounts { authorized: if was_paid == Some(false) { Some(0) } else { None }, ..unpaid }
        }
        OrderStatus::Unknown => Amounts::untold(all),
    }
}

/// What our own refunds that are here give back in all. An accepted one may still fail or be withdrawn: that is not
/// given back yet.
fn refunds(memory: &OrderMemory, wanted: OperationStatus) -> i64 {
    let refunds = memory.movements.iter().filter(|movement| {
        movement.kind == OperationKind::Refund && movement.status == wanted && !movement.is_reversed
    });
    refunds.fold(0, |sum: i64, movement| sum.saturating_add(movement.amount.value()))
}

/// How many refunds the platform has taken.
fn count_refunds(memory: &OrderMemory) -> usize {
    let has_taken = |status| matches!(status, OperationStatus::Accepted | OperationStatus::Succeeded);
    let refunds = memory.movements.iter().filter(|movement| movement.kind == OperationKind::Refund);
    refunds.filter(|movement| has_taken(movement.status)).count()
}

/// What was taken and not given back.
fn kept(order: &Order) -> i64 {
    let captured = order.amounts.captured.unwrap_or(order.amount);
    captured.saturating_sub(order.amounts.refunded.unwrap_or(0)).max(0)
}

/// What can be given back at most: what waits to be given back is reserved.
fn refundable(order: &Order) -> i64 {
    kept(order).saturating_sub(order.amounts.refund_pending.unwrap_or(0)).max(0)
}

/// Status, actions and what it waits for, as they follow from the amounts: a payment keeps `paid` when it is refunded.
fn finish(order: &mut Order, refunds: usize) {
    if order.status == OrderStatus::Paid && order.amounts.refunded.is_some_and(|refunded| refunded > 0) {
        let is_all = kept(order) == 0;
        order.status = if is_all { OrderStatus::Refunded } else { OrderStatus::PartiallyRefunded };
        // The platform tells of no refund that it takes back once it is done.
        order.is_final = is_all;
    }
    order.waits_for = if order.amounts.refund_pending.is_some_and(|pending| pending > 0) {
        WaitsFor::Decision
    } else {
        WaitsFor::by_status(order.status, order.is_final)
    };
    let is_reserved = order.status == OrderStatus::Authorized;
    order.deadline_at = order.created_at.filter(|_| is_reserved).map(|at| at.plus(AUTHORIZATION_LIFE));
    order.available_actions = actions(order, refunds);
}

/// The order after a refund that was done or accepted, from the one read before it.
pub(super) fn after_refund(before: &Order, part: Part, is_accepted: bool, as_of: Timestamp) -> Order {
    let mut order = Order { as_of, status: OrderStatus::Paid, news: Vec::new(), ..before.clone() };
    let amounts = &mut order.amounts;
    let grown = if is_accepted { &mut amounts.refund_pending } else { &mut amounts.refunded };
    *grown = Some(grown.unwrap_or(0).saturating_add(part.amount.value()));
    finish(&mut order, 0);
    order
}

/// The order after a capture, from the one read before it.
pub(super) fn after_capture(before: &Order, part: Part, word: &str, as_of: Timestamp) -> Order {
    let mut order = Order { as_of, status: OrderStatus::Paid, news: Vec::new(), ..before.clone() };
    order.provider_status = ProviderStatus { code: word.to_owned(), message: None };
    order.amounts.captured = Some(part.amount.value());
    finish(&mut order, 0);
    order
}

/// The same after a capture whose answer was lost, and which the payment shows.
pub(super) fn after_found_capture(before: &Order, part: Part, now: &Order) -> Order {
    let order = after_capture(before, part, &now.provider_status.code, now.as_of);
    Order { provider_data: now.provider_data.clone(), ..order }
}

/// Whether the amount of a payment is the one that was read: all of it, or what was captured of it.
pub(super) fn is_amount_of(before: &Order, after: &Order) -> bool {
    let amount = Some(after.amount);
    after.currency == before.currency && (amount == Some(before.amount) || amount == before.amounts.captured)
}

/// The canceled order that an answer tells, with what the platform does not repeat from the one read before.
pub(super) fn with_memory_of(after: Order, before: &Order) -> Order {
    let amounts =
        Amounts { requested: before.amounts.requested, canceled: Some(before.amount), ..after.amounts };
    let mut provider_data = before.provider_data.clone();
    provider_data.extend(after.provider_data);
    Order {
        metadata: before.metadata.clone(),
        delivery: before.delivery.clone(),
        created_at: after.created_at.or(before.created_at),
        expires_at: after.expires_at.or(before.expires_at),
        merchant_reference: after.merchant_reference.or_else(|| before.merchant_reference.clone()),
        description: after.description.or_else(|| before.description.clone()),
        amount: before.amount,
        amounts,
        provider_data,
        ..after
    }
}

/// Whether what the answer of a capture tells is about this one.
pub(super) fn check_captured(before: &Order, part: Part, wire: &wire::Captured) -> Result<(), &'static str> {
    if wire.trade_id.as_deref().is_some_and(|told| told != before.reference().as_str()) {
        return Err("the answer is about another payment");
    }
    let currency = part.amount.currency().code();
    if wire.currency.as_deref().is_some_and(|told| told != currency) {
        return Err("the answer tells another currency than was sent");
    }
    match wire.amount.as_deref() {
        Some(told) if amount(Some(told), Some(currency))? != part.amount => {
            Err("the answer tells another amount than was sent")
        }
        Some(_) | None => Ok(()),
    }
}

/// A text for the platform's required descriptions.
pub(super) fn label(order: &Order) -> String {
    filled(order.description.as_ref())
        .or_else(|| filled(order.merchant_reference.as_ref()))
        .unwrap_or_else(|| order.reference().to_string())
}

/// The payment's own members that callers see; never who the cashier is.
fn provider_data(wire: &wire::Payment) -> Map<String, Value> {
    [
        ("pay_method", &wire.pay_method),
        ("sub_pay_method", &wire.sub_pay_method),
        ("tip_amount", &wire.tip_amount),
        ("settlement_amount", &wire.settlement_amount),
        ("settlement_currency", &wire.settlement_currency),
        ("exchange_rate", &wire.exchange_rate),
        ("transaction_id", &wire.transaction_id),
        ("acquirer_id", &wire.acquirer_id),
        ("yb_transaction_id", &wire.yb_transaction_id),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, filled(value.as_ref())?)))
    .filter(|(_, value)| value.chars().count() <= MEMBER_CHARS_MAX)
    .map(|(name, value)| (name.to_owned(), Value::from(value)))
    .collect()
}

/// What may be done with the order as it is at `as_of`.
fn actions(order: &Order, refunds: usize) -> Vec<AvailableAction> {
    let denied = AvailableAction::denied;
    let (cancel, capture, refund) = match order.status {
        OrderStatus::Pending | OrderStatus::Processing | OrderStatus::InReview => {
            (cancel(order), denied(Action::Capture, "not_authorized"), denied(Action::Refund, "not_paid"))
        }
        OrderStatus::Authorized => (
            cancel(order),
            AvailableAction::allowed_up_to(
                Action::Capture,
                order.amounts.authorized.unwrap_or(order.amount),
                true,
            ),
            denied(Action::Refund, "not_paid"),
        ),
        OrderStatus::Paid => {
            (cancel(order), denied(Action::Capture, "already_captured"), refund(order, refunds))
        }
        // No cancel once there was any refund. Source: "Cancel Payment Order" of API v3, Refund Limit.
        OrderStatus::PartiallyRefunded => (
            denied(Action::Cancel, "partially_refunded"),
            denied(Action::Capture, "already_captured"),
            refund(order, refunds),
        ),
        OrderStatus::Refunded => all_denied("already_refunded", "already_refunded"),
        OrderStatus::Canceled => all_denied("already_canceled", "not_paid"),
        OrderStatus::Expired => all_denied("expired", "not_paid"),
        OrderStatus::Declined => all_denied("declined", "not_paid"),
        OrderStatus::Failed => all_denied("failed", "not_paid"),
        OrderStatus::Unknown => all_denied("unknown_status", "unknown_status"),
    };
    vec![denied(Action::Update, "unsupported"), cancel, capture, refund]
}

fn all_denied(why: &str, refund: &str) -> (AvailableAction, AvailableAction, AvailableAction) {
    (
        AvailableAction::denied(Action::Cancel, why),
        AvailableAction::denied(Action::Capture, why),
        AvailableAction::denied(Action::Refund, refund),
    )
}

/// As a whole, paid or not, inside the window; after a capture what was captured is the whole. Source: "Cancel
/// Payment Order" of API v3.
fn cancel(order: &Order) -> AvailableAction {
    if waits_for_refund(order) {
        // No cancel once there was any refund. Source: "Cancel Payment Order" of API v3, Refund Limit.
        return AvailableAction::denied(Action::Cancel, "refund_pending");
    }
    let whole = order.amounts.captured.filter(|captured| *captured > 0).unwrap_or(order.amount);
    let allowed = AvailableAction::allowed_up_to(Action::Cancel, whole, false);
    within(allowed, order.created_at.and_then(window::cancel_until), order.as_of)
}

fn waits_for_refund(order: &Order) -> bool {
    order.amounts.refund_pending.is_some_and(|pending| pending > 0)
}

/// In parts, at most 29, for one year. Source: "Refund" of API v3.
fn refund(order: &Order, refunds: usize) -> AvailableAction {
    if refunds >= REFUNDS_MAX {
        return AvailableAction::denied(Action::Refund, "too_many_refunds");
    }
    if refundable(order) == 0 && waits_for_refund(order) {
        return AvailableAction::denied(Action::Refund, "refund_pending");
    }
    let allowed = AvailableAction::allowed_up_to(Action::Refund, refundable(order), true);
    within(allowed, order.created_at.and_then(window::refund_until), order.as_of)
}

/// A closed window is not enforced by guichet, so what is left stays told: it decides how much a full change
/// moves.
fn within(allowed: AvailableAction, until: Option<Timestamp>, now: Timestamp) -> AvailableAction {
    let is_over = until.is_some_and(|until| now >= until);
    AvailableAction { allowed: !is_over, reason: is_over.then(|| WINDOW_CLOSED.to_owned()), until, ..allowed }
}
