//! The API through the whole stack: HTTP, use cases, store, adapter and a simulated platform.

mod changes;
mod codes;
mod create;
mod http;
mod lost;
mod mistakes;
mod notifications;
mod payments;
