//! Guichet: one REST API and one status model in front of several payment platforms.
//!
//! `domain` is the vocabulary, `adapter` the port to the providers, `providers` speak their dialects, `store` keeps
//! intents and outcomes, `orders` joins them, `http` is the API, `app` wires it all.

pub mod adapter;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod faults;
#[cfg(feature = "faults")]
#[doc(hidden)]
pub mod fuzz;
pub mod http;
pub mod metrics;
pub mod open_files;
pub mod orders;
pub mod outbox;
pub mod places;
pub mod problem;
pub mod providers;
pub mod reload;
pub mod retention;
pub mod signals;
pub mod store;
pub mod tables;
pub mod telemetry;
pub mod trace;
