//! Everything that is tested from outside, in one binary.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

mod api;
mod architecture;
mod canary;
mod compatible;
mod conformance;
mod corpus;
mod crash;
mod docs;
mod documented;
mod edge;
#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, dead_code, missing_docs, reason = "a package of its own, which is not built here")]
mod fuzz;
mod openapi;
mod rig;
mod store;
