//! What a provider's or the store's failure means to a caller.

use crate::{
    adapter::{ErrorKind, ProviderError, Violation},
    domain::Outcome,
    problem::{Problem, ProblemCode, ProviderWord},
    store::StoreError,
};

/// The name under which [`super::asking`] tells an adapter that the store failed.
pub(super) const MEMORY: &str = "guichet";

/// A store that cannot be read or written: nothing is sent.
#[allow(clippy::needless_pass_by_value, reason = "the shape of map_err")]
pub(crate) fn store_problem(error: StoreError) -> Problem {
    tracing::error!(%error, "the store failed");
    store_answer(&error)
}

/// What a failure of the store, which is in the log already, means to a caller.
pub(crate) fn store_answer(error: &StoreError) -> Problem {
    match error {
        StoreError::StillRunning => Problem {
            outcome: Some(Outcome::Unknown),
            ..Problem::new(
                ProblemCode::StoreUnavailable,
                "the store was still at it when the time was over: look whether it was done before you ask again",
            )
        },
        StoreError::Unavailable(_)
        | StoreError::Locked(_)
        | StoreError::Corrupt(_)
        | StoreError::NotFound
        | StoreError::TooLate => Problem::plain(ProblemCode::StoreUnavailable),
    }
}

/// A failed read.
pub(super) fn read_problem(error: &ProviderError) -> Problem {
    if error.provider == MEMORY {
        return Problem::plain(ProblemCode::StoreUnavailable);
    }
    let (code, retryable) = match error.kind {
        ErrorKind::NotFound => (ProblemCode::NotFound, false),
        ErrorKind::Misconfigured => (ProblemCode::AccountMisconfigured, false),
        ErrorKind::NotExecuted | ErrorKind::Temporary => (ProblemCode::ProviderUnavailable, true),
        ErrorKind::Timeout => (ProblemCode::ProviderTimeout, true),
        ErrorKind::Protocol | ErrorKind::Incident | ErrorKind::OutcomeUnknown => {
            (ProblemCode::ProviderBadResponse, true)
        }
        ErrorKind::Unsupported
        | ErrorKind::Refused
        | ErrorKind::InvalidRequest
        | ErrorKind::StateConflict
        | ErrorKind::AlreadyDone
        | ErrorKind::AmountExceeded
        | ErrorKind::CurrencyNotSupported
        | ErrorKind::ReferenceInUse
        | ErrorKind::AlreadyRefunded
        | ErrorKind::WindowClosed
        | ErrorKind::Busy
        | ErrorKind::Declined => (ProblemCode::ProviderBadResponse, false),
    };
    log(error);
    if code == ProblemCode::NotFound {
        // The same body as for an account the client may not use.
        return Problem::plain(code);
    }
    let mut problem = worded(code, error);
    problem.retryable = retryable;
    problem
}

/// The read that a change needs first failed: nothing was done.
pub(super) fn first_read_problem(error: &ProviderError) -> Problem {
    let problem = read_problem(error);
    let is_plain = matches!(
        problem.code,
        ProblemCode::NotFound | ProblemCode::AccountMisconfigured | ProblemCode::StoreUnavailable
    );
    if is_plain {
        return problem;
    }
    let mut unavailable = worded(ProblemCode::ProviderUnavailable, error);
    unavailable.detail = "the order could not be read at the provider, so nothing was changed".to_owned();
    unavailable.retryable = problem.retryable;
    unavailable
}

/// The code a change is answered with for a definite failure of this kind.
pub fn documented_code(kind: ErrorKind) -> ProblemCode {
    match kind {
        ErrorKind::Unsupported => ProblemCode::UnsupportedByProvider,
        ErrorKind::NotExecuted | ErrorKind::Temporary => ProblemCode::ProviderUnavailable,
        ErrorKind::StateConflict | ErrorKind::AlreadyDone => ProblemCode::OrderStateConflict,
        ErrorKind::AmountExceeded => ProblemCode::AmountExceedsRemaining,
        ErrorKind::CurrencyNotSupported => ProblemCode::CurrencyNotSupported,
        ErrorKind::Declined => ProblemCode::PaymentDeclined,
        ErrorKind::ReferenceInUse => ProblemCode::MerchantReferenceInUse,
        ErrorKind::AlreadyRefunded => ProblemCode::AlreadyRefunded,
        ErrorKind::WindowClosed => ProblemCode::WindowClosed,
        ErrorKind::Busy => ProblemCode::OperationInProgress,
        ErrorKind::NotFound => ProblemCode::NotFound,
        ErrorKind::Misconfigured => ProblemCode::AccountMisconfigured,
        ErrorKind::Refused
        | ErrorKind::InvalidRequest
        | ErrorKind::OutcomeUnknown
        | ErrorKind::Timeout
        | ErrorKind::Protocol
        | ErrorKind::Incident => ProblemCode::ProviderRefused,
    }
}

/// A change that the provider refused, or that never reached it.
pub(super) fn change_problem(error: &ProviderError) -> Problem {
    let code = documented_code(error.kind);
    log(error);
    let mut problem = worded(code, error);
    if let Some(pointer) = error.pointer {
        problem.errors.push(Violation {
            pointer: pointer.to_owned(),
            code: code.as_str(),
            detail: problem.detail.clone(),
        });
    }
    problem
}

fn worded(code: ProblemCode, error: &ProviderError) -> Problem {
    let mut problem = Problem::plain(code);
    problem.reason = error.reason.map(str::to_owned);
    if let Some(message) = &error.message {
        problem.detail = format!("{}: {message}", code.title());
    }
    if error.code.is_some() {
        problem.provider = Some(ProviderWord {
            name: error.provider.to_owned(),
            code: error.code.clone(),
            message: error.message.clone(),
        });
    }
    problem
}

fn log(error: &ProviderError) {
    if error.kind == ErrorKind::Misconfigured {
        tracing::error!(
            provider = error.provider,
            error = %error,
            alert = "account_misconfigured",
            "the provider refuses the account"
        );
    } else {
        tracing::warn!(provider = error.provider, error = %error, "provider call failed");
    }
}

/// The same answer whether a thing is absent or of an account the client may not use.
pub(super) fn not_found() -> Problem {
    Problem::plain(ProblemCode::NotFound)
}
