//! The codes and texts of failures.
//!
//! Only the codes of a cancellation are published. Those of all other failures are invented here, from -9001 on, so
//! that nobody takes them for YabandPay's; a client must not give them a meaning.

use crate::platform::Refusal;

/// The time to cancel is over.
pub(super) const WINDOW_OVER: &str = "-4111";
/// The payment is settled.
pub(super) const CLEARED: &str = "-4112";
/// Not in the published table: a definite refusal without a known meaning. Only the magic amounts make it.
pub(super) const UNPUBLISHED: &str = "-4113";
/// No payment has this `trade_id`. Published for a cancellation; for queries, refunds and captures it is a guess.
pub(super) const UNKNOWN_TRADE: &str = "-4114";
/// Cannot be cancelled; no reason is published. Here: refunded, failed, declined (inferred).
pub(super) const NOT_CANCELLABLE: &str = "-4115";
/// Cancelled before.
pub(super) const CANCELLED_BEFORE: &str = "-4116";
/// Expired.
pub(super) const EXPIRED: &str = "-4117";

pub(super) const BAD_REQUEST: &str = "-9001";
pub(super) const UNKNOWN_USER: &str = "-9002";
pub(super) const BAD_SIGNATURE: &str = "-9003";
pub(super) const UNKNOWN_METHOD: &str = "-9004";
pub(super) const BAD_PARAMETER: &str = "-9005";
pub(super) const BELOW_MINIMUM: &str = "-9006";
pub(super) const BAD_CURRENCY: &str = "-9007";
pub(super) const NOT_ACTIVATED: &str = "-9008";
pub(super) const REPEATED_REQUEST: &str = "-9009";
pub(super) const NOT_AUTHORIZED: &str = "-9010";
pub(super) const ABOVE_AUTHORIZED: &str = "-9011";
pub(super) const NOT_PAID: &str = "-9012";
pub(super) const ABOVE_PAID: &str = "-9013";
pub(super) const NOT_REFUNDABLE: &str = "-9014";
pub(super) const NO_REFUND_RIGHT: &str = "-9015";
pub(super) const UNKNOWN_REFUND: &str = "-9016";
pub(super) const INCIDENT: &str = "-9999";

/// Texts; the first six are those of the page `v3.CancelPayment`.
const TEXTS: [(&str, &str); 23] = [
    (WINDOW_OVER, "Exceed cancel window"),
    (CLEARED, "The transaction has been cleared cannot be cancelled"),
    (UNKNOWN_TRADE, "The trade_id does not exist"),
    (NOT_CANCELLABLE, "The transaction cannot be cancelled"),
    (CANCELLED_BEFORE, "The transaction has been cancelled"),
    (EXPIRED, "The transaction has been Expired"),
    (BAD_REQUEST, "The request is not valid"),
    (UNKNOWN_USER, "The user does not exist"),
    (BAD_SIGNATURE, "Signature error"),
    (UNKNOWN_METHOD, "The method does not exist"),
    (BAD_PARAMETER, "Parameter error"),
    (BELOW_MINIMUM, "The amount is below the minimum"),
    (BAD_CURRENCY, "The currency is not supported"),
    (NOT_ACTIVATED, "The payment method is not activated"),
    (REPEATED_REQUEST, "The request_id exists already"),
    (NOT_AUTHORIZED, "The transaction is not authorized"),
    (ABOVE_AUTHORIZED, "The amount exceeds the authorized amount"),
    (NOT_PAID, "The transaction is not paid"),
    (ABOVE_PAID, "The refund amount exceeds the payment"),
    (NOT_REFUNDABLE, "The transaction cannot be refunded"),
    (NO_REFUND_RIGHT, "The cashier has no right to refund"),
    (UNKNOWN_REFUND, "The refund_id does not exist"),
    (INCIDENT, "System error"),
];

/// The text of a code; a general one for codes that only the fault plan makes.
pub(super) fn text(code: &str) -> &'static str {
    TEXTS.iter().find(|(known, _)| *known == code).map_or("Error ordered by the fault plan", |(_, text)| text)
}

/// A parameter is missing or wrong.
pub(super) fn parameter(name: &str) -> Refusal {
    Refusal::new(BAD_PARAMETER).detail(name)
}
