//! The check that every adapter makes of the addresses its provider gives for payers.

use crate::{
    domain::{PayerAddress, payer_address::Schemes},
    metrics,
};

/// Which addresses an account takes from its provider.
#[derive(Debug, Clone, Copy)]
pub struct PayerAddresses {
    provider: &'static str,
    schemes: Schemes,
}

impl PayerAddresses {
    /// Web pages. They may be `http://` only where the provider itself is spoken to so at `provider_url`: in a sandbox, or
    /// with `allow_http`.
    pub fn new(provider: &'static str, provider_url: &str) -> Self {
        let http = provider_url.starts_with("http://");
        Self { provider, schemes: Schemes { http, wallets: false } }
    }

    /// And the apps of wallets.
    #[must_use]
    pub fn with_wallets(mut self) -> Self {
        self.schemes.wallets = true;
        self
    }

    /// The address, or nothing for one that no payer may be sent to, which is logged and counted. An order with such an
    /// address exists all the same, so this is no failure of the call: the order is shown without the address. `member` is
    /// the provider's name for it.
    pub fn take(self, member: &'static str, text: &str) -> Option<PayerAddress> {
        match PayerAddress::read(text, self.schemes) {
            Ok(address) => Some(address),
            Err(reason) => {
                metrics::payer_address_refused(self.provider);
                tracing::warn!(
                    provider = self.provider,
                    member,
                    reason,
                    "the provider told an address that no payer may be sent to; it is not shown"
                );
                None
            }
        }
    }
}
