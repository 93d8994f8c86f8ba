//! The connection level: TLS, who is trusted, starting and stopping, and more than there is room for.

mod authority;
mod flood;
mod gateway;
mod life;
mod program;
mod reload;
mod slow_store;
mod tls;
