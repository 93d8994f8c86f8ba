//! The check that every adapter makes of the addresses its provider gives for payers.

use super::observer::Observer;
use crate::domain::{PayerAddress, payer_address::Schemes};

/// Which addresses an account takes from its provider.
#[derive(Debug, Clone, Copy)]
pub struct PayerAddresses<'a> {
    provider: &'static str,
    observer: &'a dyn Observer,
    schemes: Schemes,
}

impl<'a> PayerAddresses<'a> {
    /// Web pages. They may be `http://` only where the provider itself is spoken to so at `provider_url`: in a sandbox, or
    /// with `allow_http`.
    pub fn new(provider: &'static str, provider_url: &str, observer: &'a dyn Observer) -> Self {
        let http = provider_url.starts_with("http://");
        Self { provider, observer, schemes: Schemes { http, wallets: false } }
    }

    /// And the apps of wallets.
    #[must_use]
    pub fn with_wallets(mut self) -> Self {
        self.schemes.wallets = true;
        self
    }

    /// The address, or nothing for one that no payer may be sent to, which the observer hears of. An order with such an
    /// address exists all the same, so this is no failure of the call: the order is shown without the address. `member` is
    /// the provider's name for it.
    pub fn take(self, member: &'static str, text: &str) -> Option<PayerAddress> {
        match PayerAddress::read(text, self.schemes) {
            Ok(address) => Some(address),
            Err(reason) => {
                self.observer.payer_address_refused(self.provider, member, reason);
                None
            }
        }
    }
}
