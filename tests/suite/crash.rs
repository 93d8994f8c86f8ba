//! The program is killed at every boundary of a change, and what it then says is compared with what the provider
//! really did. `tests/mistakes` holds mistakes that these checks must find.

#[cfg(not(feature = "faults"))]
compile_error!("the crash tests need the kill points: run them with `--features faults`");

mod changes;
mod facts;
mod kills;
mod lost;
mod process;
mod webhooks;
mod witness;
