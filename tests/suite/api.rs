//! The API through the whole stack: HTTP, use cases, store, adapter and a simulated platform.

mod alterations;
mod changes;
mod codes;
mod create;
mod events;
mod http;
mod identity;
pub mod issuer;
mod lost;
mod mistakes;
mod movements;
mod notification_storm;
mod notifications;
mod overload;
mod payments;
mod sips;
mod sips_codes;
mod sips_create;
mod sips_lost;
mod sips_rig;
mod traces;
mod webhooks;
mod yabandpay;
mod yabandpay_create;
mod yabandpay_lost;
mod yabandpay_notices;
mod yabandpay_refunds;
