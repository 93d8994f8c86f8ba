//! Guichet: one REST API and one status model in front of several payment platforms.

pub mod adapter;
pub mod config;
pub mod domain;
pub mod faults;
pub mod http;
pub mod orders;
pub mod problem;
pub mod providers;
pub mod simulator;
pub mod store;
