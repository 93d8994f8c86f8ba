//! The connection level: TLS, who is trusted, starting and stopping, and more than there is room for.

mod authority;
mod bare;
mod files;
mod flood;
mod gateway;
mod lapse;
mod life;
mod places;
mod probes;
mod program;
mod quiet;
mod reload;
mod slow_store;
mod streams;
mod tls;
mod unread;
