//! The envelope around every answer: whether it is one, of which mode, and what it holds.
//!
//! Source: Lyra REST API V4, "Envelope" and "HTTP status"; `mode` and `serverUrl` are members of releases since 2026.

use serde::de::DeserializeOwned;

use super::{PROVIDER, config::mode_word, error, wire};
use guichet_port::{
    adapter::{Answer, ErrorKind, ProviderError, Result},
    domain::{Mode, Timestamp},
};

/// The envelope's word for an answer that is no error.
const SUCCESS: &str = "SUCCESS";

/// A successful answer.
pub(super) struct Told<T> {
    /// What the envelope holds.
    pub(super) answer: T,
    /// When the platform answered, by its own clock.
    pub(super) server_date: Option<Timestamp>,
}

/// The answer inside the envelope as what it has to be, or what it says went wrong. The envelope decides; HTTP only says
/// whether there is one. `not_it` says what another answer is not.
pub(super) fn read<T: DeserializeOwned>(
    service: &'static str,
    is_change: bool,
    mode: Mode,
    answer: &Answer,
    not_it: &str,
) -> Result<Told<T>> {
    let has_envelope = matches!(answer.status, 200 | 401);
    // Absent is accepted: the body says it as well.
    let is_json = answer
        .content_type
        .as_deref()
        .is_none_or(|media| media.ends_with("/json") || media.ends_with("+json"));
    if !has_envelope || !is_json {
        return Err(unusable(service, is_change, "the answer did not come from the provider's service"));
    }
    let is_ours = |told: Option<&str>| told.is_none_or(|told| told == mode_word(mode));
    // Most answers are this, and read once.
    if let Ok(complete) = serde_json::from_slice::<wire::Complete<T>>(&answer.body)
        && complete.status == SUCCESS
    {
        if !is_ours(complete.mode.as_deref()) {
            return Err(of_the_other_mode(service, is_change));
        }
        let server_date = complete.server_date.and_then(|date| Timestamp::parse(&date).ok());
        return Ok(Told { answer: complete.answer, server_date });
    }
    let Ok(envelope) = serde_json::from_slice::<wire::Envelope>(&answer.body) else {
        return Err(unusable(service, is_change, "the answer is not the provider's envelope"));
    };
    let failure = match envelope.status.as_str() {
        SUCCESS => unusable(service, is_change, not_it),
        "ERROR" => match serde_json::from_slice::<wire::Complete<wire::ServiceError>>(&answer.body) {
            Ok(wire::Complete { answer, .. }) => error::from_code(service, &answer.error_code, is_change),
            Err(_) => unusable(service, is_change, "the provider's error has no code"),
        },
        _ => unusable(service, is_change, "the envelope tells neither success nor error"),
    };
    // Refused credentials have no mode; they are refused whatever the envelope says.
    if is_ours(envelope.mode.as_deref()) || failure.kind == ErrorKind::Misconfigured {
        Err(failure)
    } else {
        Err(of_the_other_mode(service, is_change))
    }
}

/// An answer that proves nothing: a read learned nothing, a change may have happened.
pub(super) fn unusable(service: &'static str, is_change: bool, problem: &str) -> ProviderError {
    let kind = if is_change { ErrorKind::OutcomeUnknown } else { ErrorKind::Protocol };
    ProviderError::new(PROVIDER, service, kind, problem)
}

/// The password is of the other mode than the account says, or the server is another one than it should be.
fn of_the_other_mode(service: &'static str, is_change: bool) -> ProviderError {
    let problem = "the answer is of the other mode than the account's";
    let kind = if is_change {
        // A change that is unknown raises no alert by itself, a read that is refused does.
        tracing::error!(
            provider = PROVIDER,
            operation = service,
            alert = "account_misconfigured",
            "the answer to a change is of the other mode than the account's"
        );
        ErrorKind::OutcomeUnknown
    } else {
        ErrorKind::Misconfigured
    };
    ProviderError::new(PROVIDER, service, kind, problem)
}
