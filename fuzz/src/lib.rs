//! One plain function per parser of foreign bytes, with what must hold of it. `make fuzz` feeds them what a fuzzer
//! invents, `make test` what was kept of that in `fuzz/corpus`.
//!
//! A function panics when a property does not hold. What is refused is fine; what is taken must be within bounds, be
//! about what was asked, and stay the same when it is written and read again.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a property that does not hold must stop the fuzzer"
)]

mod answers;
mod notifications;
mod words;
mod world;

use guichet::{
    adapter::ProviderAdapter,
    domain::{OperationId, Timestamp},
    http::fuzz as http,
};

/// A parser and its properties.
pub type Check = fn(&[u8]);

/// Every target, by the name of its folder in `fuzz/corpus` and of its program in `fuzz/fuzz_targets`.
pub const TARGETS: &[(&str, Check)] = &[
    ("lyra_notification", notifications::lyra),
    ("sips_notification", notifications::sips),
    ("yabandpay_notification", notifications::yabandpay),
    ("lyra_answer", answers::lyra),
    ("sips_answer", answers::sips),
    ("yabandpay_answer", answers::yabandpay),
    ("create_body", create_body),
    ("change_body", http::change_body),
    ("endpoint_body", http::endpoint_body),
    ("query", http::query),
    ("cursor", http::cursor),
    ("headers", http::headers),
    ("token", http::token),
    ("issuer_keys", http::issuer_keys),
    ("ids", words::ids),
    ("money", words::money),
    ("instant", words::instant),
    ("payer_address", words::payer_address),
];

/// Runs the target with this name; false when there is none.
pub fn run(name: &str, data: &[u8]) -> bool {
    let Some((_, check)) = TARGETS.iter().find(|(known, _)| *known == name) else { return false };
    check(data);
    true
}

/// A creation that the API takes is one that every adapter refuses in words or plans as it was asked for.
fn create_body(data: &[u8]) {
    let Some(order) = http::create_body(data) else { return };
    let operation = OperationId::generate();
    for account in world::world().registry.accounts() {
        let adapter: &dyn ProviderAdapter = &*account.adapter;
        match adapter.plan_create(order.clone(), operation, Timestamp::now()) {
            Ok(planned) => {
                assert_eq!(planned.order.amount, order.amount, "another amount is planned");
                assert_eq!(planned.order.merchant_reference, order.merchant_reference);
                let stored = serde_json::to_string(&planned).expect("a plan can be stored");
                let read = serde_json::from_str(&stored).ok();
                assert_eq!(Some(&planned), read.as_ref(), "a plan changes in the store");
                // Nobody answers; what counts is that the request can be written.
                let made = world::answered(Vec::new(), adapter.create(operation, &planned));
                assert!(made.is_err(), "an order without an answer");
            }
            Err(violations) => assert!(!violations.is_empty(), "refused without a word"),
        }
    }
}
