//! Worldline Sips 2.0, "Office" and "Paypage" over JSON: one platform under the brands of several banks (Sherlock's,
//! Mercanet, Sogenactif, Scellius, Worldline Sips).
//!
//! Documentation: Sherlock's reference, "cancel" (interface 2.55); Office JSON, Paypage JSON and Paypage POST guides,
//! data dictionary and feature pages of release 25.2: <https://documentation.sips.worldline.com/>.
//!
//! What is particular about it:
//! - Business errors come as HTTP 200 and a code. Every request and answer is sealed; an answer without the right
//!   seal proves nothing, except that a merchant or a key the platform does not know cannot be signed for.
//! - Amounts of operations are what is taken off, validated or given back, not what shall remain.
//! - There is no idempotency of any kind for cash operations: sent twice they are done twice.
//! - A page is opened by a form that the payer's browser posts, and lives 15 minutes. Until somebody has paid there is
//!   no transaction: a read answers 25, as it does for what never existed and for what was paid a moment ago.
//! - A transaction tells what it was made of and what is left, not whether the rest was released or given back.
//! - Numbers that are codes keep their zeros: currencies, response codes, days.

mod adapter;
mod amounts;
pub mod config;
pub mod currency;
mod dates;
pub mod error;
mod evidence;
mod mapping;
mod news;
mod notification;
mod options;
mod page;
mod reference;
mod signature;
pub mod status;
mod tables;
mod wire;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use guichet_port::adapter::ProviderDescription;

/// The platform's id.
const PROVIDER: &str = "sips";

/// Worldline Sips, for the registry.
pub const DESCRIPTION: ProviderDescription = ProviderDescription {
    id: PROVIDER,
    build: adapter::build,
    options_schema: options::schema,
    tables: tables::tables,
};
