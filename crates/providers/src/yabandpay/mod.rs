//! YabandPay v3: Chinese wallets (WeChat Pay, Alipay+, UnionPay), iDEAL, Bancontact, cards, over one address.
//!
//! Documentation: "YabandPay Payments API v3" (the pages of each method), the official PHP library and shop
//! plugins, and integrations of third parties. Each rule names which of these it comes from; "inferred" means
//! that nobody states it.
//!
//! What is particular about it:
//! - Every call is a POST to one address; `method` in the body names the operation, and business failures
//!   come with HTTP 200 and `"status": false`.
//! - Requests and notifications are signed; answers are not. TLS alone protects them, so an answer counts
//!   only when it is about what was asked.
//! - Only the error codes of the cancel page are published. A failure with any other code is a definite
//!   refusal without a known meaning.
//! - There is no query by the merchant's reference, and none of a refund by the merchant's number: a lost
//!   answer of a create or a refund can be settled by its notification only. A page nobody was shown does no
//!   harm; a refund is never repeated.
//! - A payment's state says nothing of its refunds, of how much was captured, or where its page is: that is
//!   remembered here.
//! - A payment can be cancelled, paid or not, until 00:30 of the next day and as a whole; not after a refund.
//! - There is no sandbox and no harmless test operation.

mod adapter;
mod config;
mod create;
mod diagnosis;
pub mod error;
mod evidence;
mod flow;
mod mapping;
mod money;
mod notification;
mod options;
mod signature;
pub mod status;
mod tables;
mod window;
mod wire;

#[cfg(test)]
mod tests;

use guichet_port::adapter::ProviderDescription;
#[cfg(feature = "faults")]
use guichet_port::domain::{Currency, Money};

/// The platform's id.
const PROVIDER: &str = "yabandpay";

/// YabandPay, for the registry.
pub const DESCRIPTION: ProviderDescription = ProviderDescription {
    id: PROVIDER,
    build: adapter::build,
    options_schema: options::schema,
    tables: tables::tables,
};

/// The amount that a decimal text of the platform means, and how it is written to the platform; for the fuzz targets.
#[cfg(feature = "faults")]
#[doc(hidden)]
pub fn amount(text: &str, currency: Currency) -> Option<(Money, Option<String>)> {
    let money = money::from_wire(text, currency)?;
    Some((money, money::to_wire(money)))
}
