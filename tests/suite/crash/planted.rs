//! The checks of the crash proof find the mistakes they are there for.

use guichet::simulator::{Fault, FaultKind};

use super::{
    facts::Facts,
    process::{Change, Home, new_order, start_provider},
};

/// A change at a provider with this fault, judged.
async fn judge(change: Change, faults: &str, kind: FaultKind) -> Result<(), String> {
    let provider = start_provider().await;
    let control = provider.control();
    let order = new_order(&control, change);
    control.add_fault(Fault::new("lyra", kind).on_service(change.service()));
    let home = Home::new(&provider);
    let program = home.start(faults).await;
    program.change(change, &order, "key").send().await.unwrap();
    Facts::settled(&home, &program, &control, change, &order).await.check()
}

const CHANGES: [Change; 3] = [Change::Cancel, Change::Refund, Change::Create];

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_change_that_is_sent_again_is_found() {
    for change in CHANGES {
        judge(change, "", FaultKind::CutBefore).await.unwrap();
        let wrong = judge(change, "planted:resend_lost_changes", FaultKind::CutBefore).await.unwrap_err();
        assert!(wrong.starts_with("the change was sent more than once"), "{change:?}: {wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_without_evidence_is_found() {
    for change in CHANGES {
        judge(change, "", FaultKind::LoseAnswer).await.unwrap();
        let wrong =
            judge(change, "planted:outcome_before_evidence", FaultKind::LoseAnswer).await.unwrap_err();
        assert!(wrong.starts_with("there is an effect and it is not told"), "{change:?}: {wrong}");
    }
}
