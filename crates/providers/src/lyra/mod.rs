//! Lyra REST API V4: one platform under many brands (Systempay, EpayNC, PayZen, Lyra Collect, Scellius ...).
//!
//! Documentation: <https://docs.lyra.com/fr/rest/V4.0/api/> and the same pages under each brand's own site.
//!
//! What is particular about it:
//! - Every call is a POST, reads included; business errors and bad credentials come as HTTP 200 with
//!   `"status": "ERROR"`, so the envelope decides, never the HTTP status alone.
//! - There is no idempotency of any kind. An update that is sent twice tells the payer twice.
//! - The password decides between test and live; an order of the other mode does not exist for it.
//! - An update wants amount, currency and the whole channel every time, and what happens to members that are
//!   not sent is not documented: all are sent again, except the rendered subject and text, which name the
//!   old amount.
//! - A `PAID` order does not tell what became of its money; its transactions do, found by the merchant's reference
//!   (`payments`). A payment that cannot be told from another order's is not moved.
//! - What the bank rejects after a success is told: the credit, or the payment, changes its state. The numbers of both are
//!   kept with the operation that made them (`news`).
//! - Its dates are compared with each other, never with our clock.
//! - Members without a value are `null` or absent, and new members and codes appear without notice.

mod actions;
mod adapter;
mod check;
mod config;
mod create;
mod envelope;
pub mod error;
mod evidence;
mod mapping;
mod news;
mod notification;
mod options;
mod payment;
mod payments;
mod services;
mod settling;
mod signature;
pub mod status;
mod tables;
mod update;
mod wire;

#[cfg(test)]
mod tests;

use guichet_port::adapter::ProviderDescription;

/// The platform's id.
const PROVIDER: &str = "lyra";

/// Lyra, for the registry.
pub const DESCRIPTION: ProviderDescription = ProviderDescription {
    id: PROVIDER,
    build: adapter::build,
    options_schema: options::schema,
    tables: tables::tables,
};
