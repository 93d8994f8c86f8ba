//! The program without anything to work with, and what is not in it.

use std::process::Command;

#[test]
fn without_a_configuration_it_says_what_is_missing_and_how_to_try_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["serve"]] {
        let ended = Command::new(env!("CARGO_BIN_EXE_guichet"))
            .args(arguments)
            .current_dir(&folder)
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        for word in ["--config", "[accounts.NAME]", "[[auth.clients]]", "guichet-sandbox"] {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is made");
}

#[test]
fn no_simulator_is_in_the_program() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_guichet")).unwrap();
    let holds = |text: &str| program.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("gateway_outbox_oldest_seconds"), "its own words are found");
    // A path of the simulators' control, and the secret of a simulated shop.
    for text in ["/_control", "SIMULATORYABANDPAY"] {
        assert!(!holds(text), "{text}");
    }
}
