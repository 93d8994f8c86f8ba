//! Guichet: one REST API and one status model in front of several payment platforms.

pub mod config;
pub mod simulator;
