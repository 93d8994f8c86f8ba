//! The proof that nothing is lost and nothing is done twice: simulated histories, killed processes under load, and
//! power cuts. Mistakes made on purpose are found too. `docs/proof.md` says how to run more of it.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

mod at_once;
#[path = "../documented.rs"]
mod documented;
mod load;
mod numbers;
mod planted;
mod power;
mod real_time;
#[allow(dead_code, reason = "made for the tests of the API, which use all of it")]
#[path = "../rig.rs"]
mod rig;
mod sim;
