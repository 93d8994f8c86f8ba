//! The histories find the mistakes they are there for.

use crate::sim::{
    self,
    Mistake::{self, *},
};

/// Histories in which each mistake must be found; most need a few.
const HISTORIES: u64 = 1_500;

/// The mistake, and what its finding begins with.
const MISTAKES: [(Mistake, &[&str]); 27] = [
    (IntentAfterTheCall, &["lost"]),
    (RetryOnTimeout, &["doubled"]),
    (OutcomeBeforeEvidence, &["contradiction", "lost"]),
    (UnknownIsNotExecuted, &["contradiction", "lost"]),
    (AbsenceProvesAtOnce, &["contradiction", "lost"]),
    (RecoveryResends, &["doubled", "lost"]),
    (RecoveryForgotten, &["lost"]),
    (LateAnswerIgnored, &["lost"]),
    (GuardOutsideTheTransaction, &["doubled", "contradiction", "lost"]),
    (RefundLimitNotChecked, &["doubled"]),
    (AcceptedNotReserved, &["doubled"]),
    (KeyOfARefusalKept, &["contradiction", "lost"]),
    (UnknownKeyRunsAgain, &["doubled", "contradiction", "lost"]),
    (ChangeWithoutItsEvent, &["contradiction"]),
    (EventWithoutItsChange, &["contradiction"]),
    (ReferenceKeptAfterARefusal, &["contradiction"]),
    (ReferenceNotKeptWhileUnknown, &["doubled"]),
    (ContradictionIgnored, &["contradiction", "lost"]),
    (ReversalIgnored, &["lost"]),
    (ReversedStillCounts, &["contradiction"]),
    (PaidToldTwice, &["contradiction"]),
    (CopiesInAnyOrder, &["lost"]),
    (SettlingByTheWallClock, &["contradiction"]),
    (OutcomeGivenUp, &["lost"]),
    (ClaimedDoneIsRefused, &["contradiction"]),
    (FoundPaidUntold, &["lost"]),
    (PlansOfAWrongClockKept, &["lost"]),
];

#[test]
fn every_planted_mistake_is_found() {
    let mut missed = Vec::new();
    for (mistake, kinds) in MISTAKES {
        match sim::run(1, HISTORIES, sim::cores(), Some(mistake)) {
            Ok(_) => missed.push(format!("{mistake:?} was not found")),
            Err((seed, wrong)) => {
                println!("{mistake:?}: seed {seed}: {}", wrong.why);
                if !kinds.iter().any(|kind| wrong.why.starts_with(kind)) {
                    missed
                        .push(format!("{mistake:?} was found as something else: seed {seed}: {}", wrong.why));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
