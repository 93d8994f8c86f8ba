//! What really happened at a platform: the ledger of effects and the mailbox.
//!
//! Tests count effects here, never answers: an answer may be lost while the effect took place.

use jiff::Timestamp;
use serde::Serialize;

use super::records::Records;

/// Entries kept of each list: far above what a test makes, small enough for a long run under load.
const KEPT: usize = 100_000;

/// One change of state that a platform really made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// Number of the effect, from 1.
    pub sequence: u64,
    /// Time of the simulators' clock.
    pub at: Timestamp,
    /// Provider platform, `lyra`.
    pub provider: String,
    /// Brand of the platform.
    pub brand: String,
    /// `create`, `update`, `cancel`, `capture`, `refund`, `pay`, `decline`, or an action of the control API (`remit`).
    pub action: String,
    /// The provider's identifier of the order.
    pub order: String,
    /// The provider's identifier of the transaction that it made or changed; `None` when only the order changed.
    pub transaction: Option<String>,
    /// What it moved, in minor units: the part refunded, canceled or captured; `None` where there is no such part.
    pub amount: Option<i64>,
    /// Amount before, in minor units: of the transaction that changed (of the payment for a refund), else of the order.
    /// `None` for a creation.
    pub amount_before: Option<i64>,
    /// Amount after, in minor units.
    pub amount_after: i64,
    /// Currency after.
    pub currency: String,
    /// Status before, in the provider's words, of the same one, but of the order for what the payer did; `None` for a
    /// creation.
    pub status_before: Option<String>,
    /// Status after, in the provider's words.
    pub status_after: String,
    /// Number of the request in the request log; `None` when the payer or the control API did it.
    pub request: Option<u64>,
}

/// One message that the platform sent to the payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// Number of the message, from 1.
    pub sequence: u64,
    /// Time of the simulators' clock.
    pub at: Timestamp,
    /// Provider platform, `lyra`.
    pub provider: String,
    /// Brand of the platform.
    pub brand: String,
    /// The provider's identifier of the order.
    pub order: String,
    /// The provider's word for the channel, `MAIL`, `SMS` or `WHATSAPP` at Lyra.
    pub channel: String,
    /// E-mail address or phone number.
    pub recipient: String,
    /// Further recipients, as the request named them.
    pub bcc: Option<String>,
    /// Subject, for an e-mail.
    pub subject: Option<String>,
    /// The whole text, as the payer reads it.
    pub text: String,
}

/// Effects and messages of all platforms.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) effects: Records<Effect>,
    pub(crate) mails: Records<Mail>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { effects: Records::new(KEPT), mails: Records::new(KEPT) }
    }
}

impl Ledger {
    /// Enters an effect; its `sequence` is given here.
    pub(crate) fn effect(&self, effect: Effect) {
        self.effects.push(|sequence| Effect { sequence, ..effect });
    }

    /// Puts a message in the mailbox; its `sequence` is given here.
    pub(crate) fn mail(&self, mail: Mail) {
        self.mails.push(|sequence| Mail { sequence, ..mail });
    }

    pub(crate) fn reset(&self) {
        self.effects.reset();
        self.mails.reset();
    }
}
