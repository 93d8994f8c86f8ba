//! No secret, no payer data and no card number where it does not belong: the real program is led through its life with a
//! canary in every such place, and everything it writes and says is searched for them.

mod erasure;
mod places;
mod process;
mod rotation;
mod scenario;
mod security;

use places::{Canaries, Seen};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_is_where_it_does_not_belong() {
    let mut seen = Seen::default();
    let canaries = scenario::run(&mut seen).await;
    seen.check_that_it_is_complete();
    let leaks = canaries.leaks(&seen);
    assert!(leaks.is_empty(), "{leaks:#?}");
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
