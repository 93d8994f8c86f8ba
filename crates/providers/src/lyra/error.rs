//! The platform's error codes and what they mean here.

use guichet_port::adapter::{
    ErrorKind::{
        self, AlreadyDone, AlreadyRefunded, AmountExceeded, CurrencyNotSupported, Declined, Incident,
        InvalidRequest, Misconfigured, NotFound, OutcomeUnknown, Refused, StateConflict, Temporary,
    },
    ProviderError,
};

use super::PROVIDER;

/// One error code of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRow {
    /// `<LAYER>_<number>`.
    pub code: &'static str,
    /// What it means to callers.
    pub kind: ErrorKind,
    /// The member of our API it objects to.
    pub pointer: Option<&'static str>,
    /// Its meaning in words. The platform's own texts may quote payer data and are never shown.
    pub meaning: &'static str,
    /// Whether the same request may succeed later without being changed.
    pub retryable: bool,
}

/// A code whose request will not succeed later; an empty pointer is none.
const fn row(code: &'static str, kind: ErrorKind, pointer: &'static str, meaning: &'static str) -> CodeRow {
    let pointer = if pointer.is_empty() { None } else { Some(pointer) };
    CodeRow { code, kind, pointer, meaning, retryable: false }
}

/// A code whose request may succeed later.
const fn later(code: &'static str, kind: ErrorKind, pointer: &'static str, meaning: &'static str) -> CodeRow {
    CodeRow { retryable: true, ..row(code, kind, pointer, meaning) }
}

/// Every known code.
pub const ERROR_CODES: &[CodeRow] = &[
    // Charge/PaymentOrder/Get, /Cancel and /Update: the complete published tables.
    row("INT_902", InvalidRequest, "/id", "paymentOrderId or another parameter missing or malformed"),
    row("PSP_1000", NotFound, "", "no such payment order in this shop and mode"),
    row("INT_009", InvalidRequest, "/amount/value", "amount missing or malformed"),
    row("INT_010", InvalidRequest, "/amount/currency", "currency missing or malformed"),
    row(
        "INT_050",
        InvalidRequest,
        "/provider_options/strong_authentication",
        "strongAuthentication not known",
    ),
    row("INT_836", InvalidRequest, "/delivery", "SMS options missing"),
    row("INT_837", InvalidRequest, "/delivery/recipient", "WhatsApp number missing"),
    row("INT_838", InvalidRequest, "/delivery/recipient", "SMS number missing"),
    row("INT_839", InvalidRequest, "/delivery", "WhatsApp options missing"),
    row("INT_841", InvalidRequest, "/delivery", "e-mail options missing"),
    row("INT_850", InvalidRequest, "/delivery/recipient", "e-mail recipient missing"),
    row("INT_856", InvalidRequest, "/locale", "locale not valid"),
    row("INT_858", InvalidRequest, "/provider_options/tax_rate", "taxRate not valid"),
    row("INT_869", InvalidRequest, "/provider_options/tax_amount", "taxAmount not valid"),
    row("PSP_519", CurrencyNotSupported, "/amount/currency", "currency unknown to the platform"),
    row(
        "PSP_606",
        CurrencyNotSupported,
        "/amount/currency",
        "currency not covered by the merchant's contract",
    ),
    later("PSP_1001", Incident, "", "WhatsApp gateway unreachable"),
    row("PSP_1002", InvalidRequest, "/delivery/recipient", "the number has no WhatsApp account"),
    row("PSP_1003", InvalidRequest, "/delivery/channel", "the shop has no WhatsApp configuration"),
    row("PSP_1004", InvalidRequest, "/locale", "no WhatsApp template for this locale"),
    row("PSP_1005", StateConflict, "", "the order is finalized"),
    row("PSP_1006", StateConflict, "", "the order has expired"),
    row("PSP_1007", InvalidRequest, "/expires_at", "expiration date in the past or more than 90 days ahead"),
    row("PSP_1011", NotFound, "", "the order is of the other mode"),
    row(
        "PSP_1015",
        InvalidRequest,
        "/provider_options/data_collection_form",
        "the shop has no data collection form",
    ),
    row("PSP_1017", InvalidRequest, "/delivery/channel", "the channel cannot be changed"),
    row(
        "PSP_1018",
        InvalidRequest,
        "/provider_options/data_collection_form",
        "data collection form not usable with this currency",
    ),
    row("PSP_1022", InvalidRequest, "/delivery/template", "no such template for this locale"),
    // Charge/CreatePaymentOrder: reported by third-party clients.
    row("INT_005", InvalidRequest, "/provider_options/manual_validation", "manualValidation not valid"),
    row("INT_006", InvalidRequest, "/provider_options/capture_delay", "captureDelay not valid"),
    row("INT_013", InvalidRequest, "/merchant_reference", "orderId not valid"),
    row("INT_942", InvalidRequest, "/merchant_reference", "an order reference is required"),
    row("INT_015", InvalidRequest, "/customer/email", "customer.email not valid"),
    row("INT_091", InvalidRequest, "/metadata", "metadata not valid"),
    row("INT_840", InvalidRequest, "/id", "paymentOrderId not valid"),
    row("INT_842", InvalidRequest, "/delivery/message", "message not valid"),
    row("INT_843", InvalidRequest, "/delivery/subject", "subject not valid"),
    row("INT_845", InvalidRequest, "/delivery/template", "template not valid"),
    row(
        "INT_851",
        InvalidRequest,
        "/provider_options/payment_receipt_email",
        "paymentReceiptEmail not valid",
    ),
    row(
        "INT_853",
        InvalidRequest,
        "/provider_options/data_collection_form",
        "data collection form flag not valid",
    ),
    row("INT_854", InvalidRequest, "/delivery/channel", "channel not valid"),
    row("INT_855", InvalidRequest, "/expires_at", "expiration date not valid"),
    row("INT_868", InvalidRequest, "/provider_options/tax_amount", "taxAmount above amount"),
    row("INT_875", InvalidRequest, "", "formAction not valid"),
    row("INT_900", InvalidRequest, "", "a parameter does not exist"),
    row("INT_914", InvalidRequest, "", "message too large"),
    row("INT_920", InvalidRequest, "/return_url", "returnUrl not valid"),
    row("INT_921", InvalidRequest, "", "cancelUrl not valid"),
    row("INT_922", InvalidRequest, "", "successUrl not valid"),
    row("INT_923", InvalidRequest, "", "refusedUrl not valid"),
    row("INT_924", InvalidRequest, "", "errorUrl not valid"),
    row("INT_926", Misconfigured, "", "ipnTargetUrl not valid: it is made of `server.public_url`"),
    row("INT_927", InvalidRequest, "", "returnMode not valid"),
    row("INT_928", InvalidRequest, "", "instalment options not valid"),
    row("INT_929", InvalidRequest, "", "instalment options not valid"),
    row("INT_930", InvalidRequest, "", "instalment options not valid"),
    row("INT_931", InvalidRequest, "", "instalment options not valid"),
    row("INT_932", InvalidRequest, "", "instalment options not valid"),
    row("INT_933", InvalidRequest, "", "instalment options not valid"),
    row("INT_945", InvalidRequest, "", "instalment options not valid"),
    row("PSP_1008", InvalidRequest, "/expires_at", "expiration date required"),
    row("PSP_1009", InvalidRequest, "/provider_options/tax_rate", "tax rate required"),
    row("PSP_1010", NotFound, "", "the order belongs to another shop"),
    row("PSP_1012", InvalidRequest, "/locale", "locale not of the form xx_XX"),
    row("PSP_1013", InvalidRequest, "/locale", "fallback language not of the form xx_XX"),
    row(
        "PSP_1014",
        InvalidRequest,
        "/provider_options/data_collection_form",
        "the shop has no data collection form",
    ),
    row("PSP_1016", InvalidRequest, "/delivery/channel", "channel not available"),
    row("PSP_1019", InvalidRequest, "/delivery/subject", "subject required"),
    row("PSP_1020", InvalidRequest, "/delivery/recipient", "recipient required"),
    row("PSP_1021", InvalidRequest, "/delivery/message", "message required"),
    row("PSP_1023", InvalidRequest, "/amount/value", "amount must be 0 when only registering a card"),
    row("PSP_1024", InvalidRequest, "/amount/value", "amount must not be 0 for a payment"),
    row(
        "PSP_1025",
        InvalidRequest,
        "/provider_options/payment_receipt_email",
        "paymentReceiptEmail required",
    ),
    later("PSP_1028", Incident, "", "SMS not sent, reason unknown"),
    later("PSP_1044", Incident, "", "SMS gateway down"),
    row("PSP_1029", Misconfigured, "", "SMS account refused"),
    row("PSP_1030", Misconfigured, "", "SMS account out of credit"),
    row("PSP_1031", InvalidRequest, "/delivery/recipient", "phone number or recipient address not valid"),
    row("PSP_1032", InvalidRequest, "/delivery/recipient", "phone number or recipient address not valid"),
    row("PSP_1033", InvalidRequest, "/delivery/recipient", "phone number or recipient address not valid"),
    row("PSP_1034", Refused, "", "invoice order: form conflict or reference already used"),
    row("PSP_1036", Refused, "", "invoice order: form conflict or reference already used"),
    row("PSP_1045", Refused, "", "invoice order: form conflict or reference already used"),
    row("PSP_1046", Refused, "", "invoice order: form conflict or reference already used"),
    row("PSP_1035", CurrencyNotSupported, "/amount/currency", "currency differs from the shop's"),
    row("PSP_1101", AlreadyDone, "", "the order is already cancelled"),
    // Common codes: documentation of the platform, its published code and third-party clients.
    row("INT_901", InvalidRequest, "", "no such web service"),
    row("INT_905", Misconfigured, "", "wrong shop id or password"),
    row("INT_912", Misconfigured, "", "the password does not match the transaction"),
    row("PSP_010", StateConflict, "", "transaction not found"),
    row("PSP_502", StateConflict, "", "transaction not found"),
    row("PSP_011", StateConflict, "", "not possible in the transaction's present state"),
    row("PSP_503", StateConflict, "", "not possible in the transaction's present state"),
    row("PSP_015", Refused, "", "too many results"),
    row("PSP_075", StateConflict, "", "captured: cannot be cancelled, refund instead"),
    row("PSP_675", StateConflict, "", "captured: cannot be cancelled, refund instead"),
    later("PSP_076", StateConflict, "", "not captured yet: cannot be refunded, cancel instead"),
    later("PSP_676", StateConflict, "", "not captured yet: cannot be refunded, cancel instead"),
    row("PSP_083", StateConflict, "", "unpaid: nothing to refund"),
    row("PSP_660", StateConflict, "", "unpaid: nothing to refund"),
    row("PSP_043", Refused, "", "refund not allowed or declined"),
    row("PSP_090", Refused, "", "refund not allowed or declined"),
    row("PSP_101", Refused, "", "refund not allowed or declined"),
    row("PSP_582", Refused, "", "refund not allowed or declined"),
    row("PSP_615", Refused, "", "refund not allowed or declined"),
    row("PSP_638", Refused, "", "refund not allowed or declined"),
    row("PSP_639", Refused, "", "refund not allowed or declined"),
    row("PSP_104", AlreadyRefunded, "", "already refunded in full"),
    row("PSP_105", AlreadyDone, "", "already cancelled"),
    row("PSP_678", AlreadyDone, "", "already cancelled"),
    row("PSP_102", StateConflict, "", "cannot be cancelled"),
    row("PSP_612", StateConflict, "", "cannot be cancelled"),
    row("PSP_510", AmountExceeded, "", "refund above the payment"),
    row("PSP_511", AmountExceeded, "", "refund above what is left"),
    row("PSP_021", CurrencyNotSupported, "/amount/currency", "unknown currency"),
    row("PSP_521", Refused, "", "no usable contract for this amount, currency or mode"),
    row("PSP_522", Refused, "", "no usable contract for this amount, currency or mode"),
    row("PSP_523", Refused, "", "no usable contract for this amount, currency or mode"),
    row("PSP_524", Refused, "", "no usable contract for this amount, currency or mode"),
    row("PSP_610", CurrencyNotSupported, "/amount/currency", "currency without a contract of the merchant"),
    row("PSP_100", Misconfigured, "", "the offer does not include the REST API"),
    row("PSP_109", Misconfigured, "", "production mode not opened for the shop"),
    later("PSP_099", Temporary, "", "too many attempts"),
    later("PSP_106", Temporary, "", "call limit exceeded"),
    later("PSP_728", Temporary, "", "call limit exceeded"),
    row("PSP_108", Refused, "", "form token expired or unknown"),
    row("PSP_903", Refused, "", "form token expired or unknown"),
    row("INT_903", InvalidRequest, "", "form token expired or unknown"),
    row("PSP_113", Refused, "", "duplicate submission"),
    row("PSP_637", Refused, "", "duplicate submission"),
    later("PSP_513", Incident, "", "technical incident"),
    later("PSP_514", Incident, "", "technical incident"),
    later("PSP_515", Incident, "", "technical incident"),
    later("PSP_516", Incident, "", "technical incident"),
    later("PSP_525", Incident, "", "technical incident"),
    later("PSP_538", Incident, "", "technical incident"),
    later("PSP_540", Incident, "", "technical incident"),
    later("PSP_541", Incident, "", "technical incident"),
    later("PSP_555", Incident, "", "technical incident"),
    later("PSP_569", Incident, "", "technical incident"),
    later("PSP_577", Incident, "", "technical incident"),
    later("PSP_608", Incident, "", "technical incident"),
    later("PSP_643", Incident, "", "technical incident"),
    later("PSP_652", Incident, "", "technical incident"),
    later("PSP_658", Incident, "", "technical incident"),
    later("PSP_648", Temporary, "", "technical incident, nothing was created"),
    later("PSP_650", Temporary, "", "technical incident, nothing was created"),
    later("PSP_995", Incident, "", "internal error of the platform"),
    later("PSP_996", Incident, "", "internal error of the platform"),
    later("PSP_998", Incident, "", "internal error of the platform"),
    later("PSP_999", Incident, "", "internal error of the platform"),
    later("PSP_9999", Incident, "", "internal error of the platform"),
    // Seen as declines by third-party clients, read 2026-12-01.
    row("PSP_003", Declined, "", "declined"),
    row("PSP_042", Declined, "", "declined"),
    row("PSP_112", Declined, "", "declined"),
    row("PSP_136", Declined, "", "declined"),
    row("PSP_202", Declined, "", "declined"),
    row("PSP_203", Declined, "", "declined"),
    row("PSP_204", Declined, "", "declined"),
    row("PSP_205", Declined, "", "declined"),
    row("PSP_508", Declined, "", "declined"),
    row("PSP_536", Declined, "", "declined"),
    row("PSP_539", Declined, "", "declined"),
    row("ACQ_001", Declined, "", "refused by the acquirer"),
    later("ACQ_999", Incident, "", "technical error at the acquirer"),
    later("AUTH_999", Incident, "", "technical error in authentication"),
    row("AUTH_149", Declined, "", "3-D Secure timed out"),
];

/// The services of which "already cancelled" says that what is asked for is done. Asked of another one it is a state
/// that does not allow it.
const CANCELS: [&str; 2] = [super::services::CANCEL, super::services::CANCEL_OR_REFUND];

/// Longest code kept of those not known here.
const CODE_CHARS_MAX: usize = 16;

/// The failure that a code means. New codes appear without notice: then its prefix decides.
pub(super) fn from_code(operation: &'static str, code: &str, is_change: bool) -> ProviderError {
    // Whatever comes, only what a code may look like reaches logs and callers.
    let code: String =
        code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(CODE_CHARS_MAX).collect();
    let (kind, meaning, pointer) = match ERROR_CODES.iter().find(|row| row.code == code) {
        Some(row) => (row.kind, row.meaning, row.pointer),
        None => {
            tracing::warn!(
                provider = PROVIDER,
                operation,
                code,
                "the provider answered with an unknown code"
            );
            (by_prefix(&code), "a code not known here", None)
        }
    };
    let kind = if kind == AlreadyDone && !CANCELS.contains(&operation) { StateConflict } else { kind };
    let (kind, pointer) = if is_change { (for_change(kind), pointer) } else { (for_read(kind), None) };
    ProviderError {
        provider: PROVIDER,
        operation,
        kind,
        code: Some(code),
        message: Some(meaning.to_owned()),
        pointer,
        reason: None,
    }
}

fn by_prefix(code: &str) -> ErrorKind {
    match code.split('_').next() {
        Some("INT" | "CLIENT") => InvalidRequest,
        Some("ACQ" | "AUTH") => Declined,
        _ => Refused,
    }
}

/// An incident during a change may have left it done.
fn for_change(kind: ErrorKind) -> ErrorKind {
    if kind == Incident { OutcomeUnknown } else { kind }
}

/// A read has no member of the caller, no amount and no state that could be wrong.
fn for_read(kind: ErrorKind) -> ErrorKind {
    if matches!(kind, NotFound | Misconfigured | Temporary | Incident) { kind } else { Refused }
}
