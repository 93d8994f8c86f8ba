//! Notifications: what a platform tells the merchant's server after a payment.
//!
//! A platform makes a [`Notice`] with everything decided, signature included, and hands it to
//! `Frame::notices`; the frame knows no protocol.

use std::sync::Mutex;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use super::recent::{Recent, lock};

/// Notices kept for the control API.
const KEPT: usize = 10_000;

/// A notification ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Provider platform, `lyra`.
    pub(crate) provider: &'static str,
    /// Brand of the platform.
    pub(crate) brand: String,
    /// The provider's identifier of the order.
    pub(crate) order: String,
    /// Where the merchant wants it.
    pub(crate) url: String,
    /// Media type of the body.
    pub(crate) content_type: &'static str,
    /// The body, signed.
    pub(crate) body: Bytes,
    /// The same message as somebody without the shop's key would sign it.
    pub(crate) forged: Bytes,
}

/// A notification as the control API lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentNotice {
    /// Number of the notice, from 1.
    pub sequence: u64,
    /// Time of the simulators' clock.
    pub at: Timestamp,
    /// Provider platform, `lyra`.
    pub provider: String,
    /// Brand of the platform.
    pub brand: String,
    /// The provider's identifier of the order.
    pub order: String,
    /// Where it goes.
    pub url: String,
    /// Media type of the body.
    pub content_type: String,
    /// The body, as text.
    pub body: String,
}

/// All notices of all platforms.
#[derive(Debug)]
pub(crate) struct Notices {
    made: Mutex<Recent<SentNotice>>,
}

impl Default for Notices {
    fn default() -> Self {
        Self { made: Mutex::new(Recent::new(KEPT)) }
    }
}

impl Notices {
    /// Takes a notice; its delivery is the frame's business.
    pub(crate) fn send(&self, notice: Notice, at: Timestamp) {
        lock(&self.made).push(|sequence| SentNotice {
            sequence,
            at,
            provider: notice.provider.to_owned(),
            brand: notice.brand,
            order: notice.order,
            url: notice.url,
            content_type: notice.content_type.to_owned(),
            body: String::from_utf8_lossy(&notice.body).into_owned(),
        });
    }

    pub(crate) fn list(&self) -> Vec<SentNotice> {
        lock(&self.made).list()
    }

    pub(crate) fn reset(&self) {
        lock(&self.made).clear();
    }
}
