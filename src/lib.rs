//! Guichet: one REST API and one status model in front of several payment platforms.

pub mod domain;
pub mod faults;
pub mod simulator;
pub mod store;
