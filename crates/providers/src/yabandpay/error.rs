//! The platform's error codes and what they mean here.

use guichet_port::adapter::{
    ErrorKind::{self, AlreadyDone, Incident, NotFound, Refused, StateConflict, WindowClosed},
    ProviderError,
};

use super::PROVIDER;

/// One error code of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRow {
    /// A negative number, as text.
    pub code: &'static str,
    /// What it means to callers.
    pub kind: ErrorKind,
    /// The member of our API it objects to.
    pub pointer: Option<&'static str>,
    /// Why the state does not allow it, where the code alone tells.
    pub reason: Option<&'static str>,
    /// Its meaning in words. The platform's own texts may quote payer data and are never shown.
    pub meaning: &'static str,
    /// Whether the same request may succeed later without being changed.
    pub retryable: bool,
}

/// A code that objects to no member and whose request will not succeed later.
const fn row(code: &'static str, kind: ErrorKind, meaning: &'static str) -> CodeRow {
    CodeRow { code, kind, pointer: None, reason: None, meaning, retryable: false }
}

/// A code of a state that is in the way, and the word for that state.
const fn state(code: &'static str, reason: &'static str, meaning: &'static str) -> CodeRow {
    CodeRow { reason: Some(reason), ..row(code, StateConflict, meaning) }
}

/// The one method whose codes are published.
const CANCEL: &str = "v3.CancelPayment";

/// Every known code. Source: "Cancel Payment Order" of API v3, "Result/Error codes", which has no -4113. The
/// codes of other methods are not published: any other code is a definite refusal without a known meaning.
/// That -4114 means the same where a payment is queried or refunded is inferred.
pub const ERROR_CODES: &[CodeRow] = &[
    row("-4111", WindowClosed, "the time to cancel is over; refund it if it is paid"),
    state("-4112", "already_cleared", "already cleared, cannot be cancelled; refund it instead"),
    row("-4113", Refused, "refused for a reason that is not published"),
    row("-4114", NotFound, "no such payment for this cashier"),
    row("-4115", StateConflict, "the payment cannot be cancelled in its present state"),
    row("-4116", AlreadyDone, "cancelled before"),
    state("-4117", "expired", "expired; nothing was or will be paid"),
];

/// Longest code kept of those not known here.
const CODE_CHARS_MAX: usize = 16;

/// The failure that a code means.
pub(super) fn from_code(operation: &'static str, code: Option<&str>, is_change: bool) -> ProviderError {
    // Whatever comes, only what a code may look like reaches logs and callers.
    let code: Option<String> = code.map(|code| {
        code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(CODE_CHARS_MAX).collect()
    });
    let known = ERROR_CODES.iter().find(|row| Some(row.code) == code.as_deref());
    let (kind, meaning, reason) = match known {
        // What is done before is the cancel. To a capture or a refund it is a state that is in the way; inferred, as the
        // codes of these are not published.
        Some(row) if row.kind == AlreadyDone && operation != CANCEL => {
            (StateConflict, row.meaning, Some("canceled"))
        }
        Some(row) => (row.kind, row.meaning, row.reason),
        None => {
            let shown = code.as_deref().unwrap_or("none");
            tracing::warn!(
                provider = PROVIDER,
                operation,
                code = shown,
                "the provider answered with an unknown code"
            );
            (Refused, "refused with a code that has no published meaning", None)
        }
    };
    let kind = if is_change { kind } else { for_read(kind) };
    ProviderError {
        provider: PROVIDER,
        operation,
        kind,
        code: code.filter(|code| !code.is_empty()),
        message: Some(meaning.to_owned()),
        pointer: None,
        reason: reason.filter(|_| is_change),
    }
}

/// A read has no state that could be wrong.
fn for_read(kind: ErrorKind) -> ErrorKind {
    if matches!(kind, NotFound | Incident) { kind } else { Refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_means_what_the_table_says() {
        for (code, change, read) in [
            ("-4111", WindowClosed, Refused),
            ("-4112", StateConflict, Refused),
            ("-4113", Refused, Refused),
            ("-4114", NotFound, NotFound),
            ("-4115", StateConflict, Refused),
            ("-4116", AlreadyDone, Refused),
            ("-4117", StateConflict, Refused),
            ("-9999", Refused, Refused),
            ("4116", Refused, Refused),
            ("", Refused, Refused),
        ] {
            assert_eq!(from_code(CANCEL, Some(code), true).kind, change, "{code}");
            assert_eq!(from_code(CANCEL, Some(code), false).kind, read, "{code}");
        }
        assert_eq!(from_code("test", None, true).kind, Refused);
        assert_eq!(ERROR_CODES.len(), 7);
    }

    #[test]
    fn nothing_but_a_code_is_kept_of_a_code() {
        let error = from_code("test", Some("-4999 for zoe@example.com <b>"), true);
        assert_eq!(error.code.as_deref(), Some("-4999forzoeexamp"));
        assert_eq!(from_code("test", Some("<>"), true).code, None);
    }
}
