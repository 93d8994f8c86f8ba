//! The connection level: TLS, who is trusted, starting and stopping, and more than there is room for.

mod authority;
mod flood;
mod gateway;
mod life;
mod probes;
mod program;
mod reload;
mod tls;
mod unread;
