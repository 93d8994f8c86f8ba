//! The API through the whole stack: HTTP, use cases, store, adapter and a simulated platform.

mod changes;
mod codes;
mod create;
mod http;
mod identity;
mod issuer;
mod lost;
mod mistakes;
mod notifications;
mod overload;
mod payments;
