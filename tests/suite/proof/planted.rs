//! The histories find the mistakes they are there for. Each mistake is planted in a process of its own.

use std::process::Command;

/// Histories in which each mistake must be found; most need a few.
const HISTORIES: u64 = 1_500;

/// The mistake, and what its finding begins with.
const MISTAKES: [(&str, &[&str]); 27] = [
    ("intent_after_the_call", &["lost"]),
    ("retry_on_timeout", &["doubled"]),
    ("outcome_before_evidence", &["contradiction", "lost"]),
    ("unknown_is_not_executed", &["contradiction", "lost"]),
    ("absence_proves_at_once", &["contradiction", "lost"]),
    ("recovery_resends", &["doubled", "lost"]),
    ("recovery_forgotten", &["lost"]),
    ("late_answer_ignored", &["lost"]),
    ("guard_outside_the_transaction", &["doubled", "contradiction", "lost"]),
    ("refund_limit_not_checked", &["doubled"]),
    ("accepted_not_reserved", &["doubled"]),
    ("key_of_a_refusal_kept", &["contradiction", "lost"]),
    ("unknown_key_runs_again", &["doubled", "contradiction", "lost"]),
    ("change_without_its_event", &["contradiction"]),
    ("event_without_its_change", &["contradiction"]),
    ("reference_kept_after_a_refusal", &["contradiction"]),
    ("reference_not_kept_while_unknown", &["doubled"]),
    ("contradiction_ignored", &["contradiction", "lost"]),
    ("reversal_ignored", &["lost"]),
    ("reversed_still_counts", &["contradiction"]),
    ("paid_told_twice", &["contradiction"]),
    ("copies_in_any_order", &["lost"]),
    ("settling_by_the_wall_clock", &["contradiction"]),
    ("outcome_given_up", &["lost"]),
    ("claimed_done_is_refused", &["contradiction"]),
    ("found_paid_untold", &["lost"]),
    ("plans_of_a_wrong_clock_kept", &["lost"]),
];

/// What the histories say with this mistake planted.
fn find(mistake: &str) -> Result<String, String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sim::histories_lose_nothing_and_double_nothing", "--nocapture"])
        .env("GUICHET_FAULTS", format!("planted:{mistake}"))
        .env("GUICHET_PROOF_HISTORIES", HISTORIES.to_string())
        .env("GUICHET_PROOF_FIRST_SEED", "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let found = said.lines().find_map(|line| line.strip_prefix("seed ")).map(str::to_owned);
    found.filter(|_| !output.status.success()).ok_or(said)
}

#[test]
fn every_planted_mistake_is_found() {
    let mut missed = Vec::new();
    for (mistake, kinds) in MISTAKES {
        match find(mistake) {
            Ok(found) => {
                let why = found.split_once(": ").map_or("", |(_, why)| why);
                println!("{mistake}: seed {found}");
                if !kinds.iter().any(|kind| why.starts_with(kind)) {
                    missed.push(format!("{mistake} was found as something else: {found}"));
                }
            }
            Err(said) => missed.push(format!("{mistake} was not found: {said}")),
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
