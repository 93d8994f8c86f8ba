//! What the service hears of the calls that are made for it. The port counts, traces and logs nothing itself.

use std::{fmt, time::Duration};

use http::HeaderMap;

use super::error::ProviderError;

/// Hears of the calls of all accounts. Every method must return at once.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A change is about to be sent, for the only time.
    fn change_leaves(&self) {}

    /// A change was answered, or will not be any more.
    fn change_returned(&self) {}

    /// A request goes out. The observer may add headers, and hears of the end through what it returns; that is dropped
    /// where whoever waited for the answer went away.
    fn request_leaves(&self, request: &Leaving<'_>, headers: &mut HeaderMap) -> Box<dyn OnTheWay> {
        let _ = (request, headers);
        Box::new(())
    }

    /// A call ended, after all its attempts.
    fn call_ended(&self, call: &EndedCall<'_>) {
        let _ = call;
    }

    /// A call was refused at the gate of its account; nothing was sent.
    fn call_shed(&self, provider: &'static str, refusal: Refusal) {
        let _ = (provider, refusal);
    }

    /// The circuit breaker of an account opened or closed.
    fn breaker_moved(&self, provider: &'static str, movement: BreakerMovement) {
        let _ = (provider, movement);
    }

    /// The provider told an address, in this member, that no payer may be sent to, for this reason. It is not shown.
    fn payer_address_refused(&self, provider: &'static str, member: &'static str, reason: &'static str) {
        let _ = (provider, member, reason);
    }
}

/// A request under way.
pub trait OnTheWay: Send {
    /// The HTTP status of the answer, or a stable word for why there is none.
    fn arrived(self: Box<Self>, result: Result<u16, &'static str>);
}

impl OnTheWay for () {
    fn arrived(self: Box<Self>, _: Result<u16, &'static str>) {}
}

/// A request that is about to leave.
#[derive(Debug, Clone, Copy)]
pub struct Leaving<'a> {
    /// The platform's id.
    pub provider: &'static str,
    /// The provider's name of the service.
    pub operation: &'static str,
    /// The host that is called.
    pub host: Option<&'a str>,
    /// How often the same read was sent before.
    pub attempt: u32,
}

/// A call that ended.
#[derive(Debug, Clone, Copy)]
pub struct EndedCall<'a> {
    /// The platform's id.
    pub provider: &'static str,
    /// The provider's name of the service.
    pub operation: &'static str,
    /// How long it took, repetitions of a read included.
    pub took: Duration,
    /// The HTTP status of the answer, or what went wrong.
    pub result: Result<u16, &'a ProviderError>,
    /// A stable word for what went wrong; empty when nothing did.
    pub error_type: &'static str,
}

/// Why a call may not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As many calls as allowed are under way.
    Busy,
    /// The breaker is not closed.
    Open,
}

impl Refusal {
    /// For people.
    pub fn as_text(self) -> &'static str {
        match self {
            Self::Busy => "the account has as many calls under way as it may have; nothing was sent",
            Self::Open => {
                "the last calls had no usable answer, so the account's circuit breaker is open; nothing was sent"
            }
        }
    }
}

/// What a circuit breaker did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerMovement {
    /// It opened after so many failures in a row.
    Opened {
        /// Failures in a row.
        failures: u64,
    },
    /// The provider answered again.
    Closed,
}

/// Hears nothing: for tests, and for adapters that are built only to look at their settings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
