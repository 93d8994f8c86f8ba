//! No secret, no payer data and no card number where it does not belong: the real program is led through its life with a
//! canary in every such place, and everything it writes and says is searched for them.

mod erasure;
mod places;
mod process;
mod rotation;
mod scenario;
mod security;

use places::{Canaries, Seen};

/// What was found where it does not belong, after the whole scenario with these faults planted.
async fn leaks(faults: &str) -> Vec<String> {
    let mut seen = Seen::default();
    let canaries = scenario::run(faults, &mut seen).await;
    seen.check_that_it_is_complete();
    canaries.leaks(&seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_is_where_it_does_not_belong() {
    let leaks = leaks("").await;
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_leaks_are_found() {
    let found = leaks("planted:credentials_are_logged,planted:card_numbers_are_kept").await;
    for expected in
        ["the API key: in the log", "the token: in the log", "the card in the message: in the store"]
    {
        assert!(found.iter().any(|leak| leak.starts_with(expected)), "`{expected}` is not among {found:#?}");
    }
}

#[test]
fn a_canary_is_found_in_every_spelling() {
    use places::Place;
    let mut canaries = Canaries::default();
    canaries.add("it", "canary+one/é 4111", &[Place::Store]);
    for text in [
        "canary+one/é 4111",
        "canary%2Bone%2F%C3%A9%204111",
        "canary%2Bone%2F%C3%A9+4111",
        "canary+one\\/\\u00e9 4111",
    ] {
        let mut seen = Seen::default();
        seen.add(Place::Store, "a row", text);
        assert_eq!(canaries.leaks(&seen), [""; 0], "{text}");
        seen.add(Place::Log, "a line", text);
        assert_eq!(canaries.leaks(&seen).len(), 1, "{text}");
    }
}
