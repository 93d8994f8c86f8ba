//! Guichet: one REST API and one status model in front of several payment platforms.
//!
//! The vocabulary and the port to the providers are in `guichet_port`, their dialects in `guichet_providers`. Here `store`
//! keeps intents and outcomes, `orders` joins them with the port, `http` is the API, `app` wires it all.

pub mod adapters;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod faults;
pub mod http;
pub mod metrics;
pub mod observer;
pub mod open_files;
pub mod orders;
pub mod outbox;
pub mod places;
pub mod problem;
pub mod reload;
pub mod retention;
pub mod signals;
pub mod store;
pub mod tables;
pub mod telemetry;
pub mod trace;

pub use guichet_port::{adapter, domain};
