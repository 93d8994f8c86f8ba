//! What can go wrong with a provider, in terms that answer two questions: may this be sent again, and may
//! money have moved?

use std::fmt;

use crate::domain::OperationKind;

/// The result of a call to a provider.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The provider has no such operation; nothing was sent.
    Unsupported,
    /// The request never reached the provider; the caller may send it again.
    NotExecuted,
    /// Sent, no usable answer: it may have happened. Look the order up, do not resend.
    OutcomeUnknown,
    /// A read took too long.
    Timeout,
    /// A read was answered with something that is not the provider's protocol.
    Protocol,
    /// The provider reports an incident of its own. For a read: nothing learned. For a change the adapter
    /// turns it into [`ErrorKind::OutcomeUnknown`], because it may have happened.
    Incident,
    /// The provider says: not now, nothing was done.
    Temporary,
    /// A definite no for a reason guichet has no better word for; nothing moved.
    Refused,
    /// A member of the request is wrong; nothing moved.
    InvalidRequest,
    /// The order's state does not allow it; nothing moved.
    StateConflict,
    /// It had been done before.
    AlreadyDone,
    /// More than what is left was asked for; nothing moved.
    AmountExceeded,
    /// The platform or the contract does not take this currency; nothing moved.
    CurrencyNotSupported,
    /// Issuer or payer declined; nothing moved.
    Declined,
    /// The provider does not know the order in this shop and mode.
    NotFound,
    /// Another order has the merchant's reference already; nothing moved.
    ReferenceInUse,
    /// Everything has been given back before; nothing moved.
    AlreadyRefunded,
    /// The provider's time window for it has passed; nothing moved.
    WindowClosed,
    /// The provider is still busy with another operation on the order; nothing moved.
    Busy,
    /// Credentials, contract or a missing option: only an operator can help; nothing moved.
    Misconfigured,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::Unsupported,
        Self::NotExecuted,
        Self::OutcomeUnknown,
        Self::Timeout,
        Self::Protocol,
        Self::Incident,
        Self::Temporary,
        Self::Refused,
        Self::InvalidRequest,
        Self::StateConflict,
        Self::AlreadyDone,
        Self::AmountExceeded,
        Self::CurrencyNotSupported,
        Self::Declined,
        Self::NotFound,
        Self::ReferenceInUse,
        Self::AlreadyRefunded,
        Self::WindowClosed,
        Self::Busy,
        Self::Misconfigured,
    ];

    /// Whether a change that failed so may have happened all the same.
    pub fn money_may_have_moved(self) -> bool {
        match self {
            Self::OutcomeUnknown | Self::Incident | Self::Timeout | Self::Protocol => true,
            Self::Unsupported
            | Self::NotExecuted
            | Self::Temporary
            | Self::Refused
            | Self::InvalidRequest
            | Self::StateConflict
            | Self::AlreadyDone
            | Self::AmountExceeded
            | Self::CurrencyNotSupported
            | Self::Declined
            | Self::NotFound
            | Self::ReferenceInUse
            | Self::AlreadyRefunded
            | Self::WindowClosed
            | Self::Busy
            | Self::Misconfigured => false,
        }
    }

    /// Whether the same request may be sent again later and may then work.
    pub fn may_be_repeated(self) -> bool {
        match self {
            Self::NotExecuted | Self::Temporary => true,
            Self::Unsupported
            | Self::OutcomeUnknown
            | Self::Timeout
            | Self::Protocol
            | Self::Incident
            | Self::Refused
            | Self::InvalidRequest
            | Self::StateConflict
            | Self::AlreadyDone
            | Self::AmountExceeded
            | Self::CurrencyNotSupported
            | Self::Declined
            | Self::NotFound
            | Self::ReferenceInUse
            | Self::AlreadyRefunded
            | Self::WindowClosed
            | Self::Busy
            | Self::Misconfigured => false,
        }
    }
}

/// A failed call. Its texts are safe for logs and staff: no credentials, no bodies, no payer data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderError {
    /// The platform's id.
    pub provider: &'static str,
    /// What was called, for example the provider's service name.
    pub operation: &'static str,
    /// What it means.
    pub kind: ErrorKind,
    /// The provider's own code, if it answered with one.
    pub code: Option<String>,
    /// The provider's meaning of that code in words, from the adapter's table; else what happened.
    pub message: Option<String>,
    /// JSON pointer to the member of our API that the provider objects to.
    pub pointer: Option<&'static str>,
    /// Why the state does not allow it, as a stable word such as `charged_back`, where the code alone tells.
    pub reason: Option<&'static str>,
}

impl ProviderError {
    /// A failure without a code of the provider.
    pub fn new(provider: &'static str, operation: &'static str, kind: ErrorKind, message: &str) -> Self {
        let message = Some(message.to_owned());
        Self { provider, operation, kind, code: None, message, pointer: None, reason: None }
    }

    /// The provider has no such operation; nothing was sent.
    pub fn unsupported(provider: &'static str, kind: OperationKind) -> Self {
        Self::new(provider, kind.as_str(), ErrorKind::Unsupported, "this provider has no such operation")
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {:?}", self.provider, self.operation, self.kind)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ProviderError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_happened_is_never_repeated() {
        for kind in ErrorKind::ALL {
            assert!(!(kind.money_may_have_moved() && kind.may_be_repeated()), "{kind:?}");
        }
    }
}
