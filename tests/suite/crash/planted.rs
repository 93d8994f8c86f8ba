//! The checks of the crash proof find the mistakes they are there for.

use guichet_simulator::{Fault, FaultKind};

use super::{
    changes::{CANCEL, CREATE, Change, REFUND, SIPS_REFUND, YABANDPAY_CANCEL, YABANDPAY_REFUND},
    facts::Facts,
    process::{Home, start_provider},
};

/// A change at a provider with this fault, judged.
async fn judge(change: &Change, faults: &str, kind: FaultKind) -> Result<(), String> {
    let provider = start_provider().await;
    let control = provider.control();
    let order = change.new_order(&control);
    control.add_fault(Fault::new(change.place.provider, kind).on_service(change.service));
    let home = Home::new(&provider, change);
    let program = home.start(faults).await;
    program.change(change, &order, "key").send().await.unwrap();
    Facts::settled(&home, &program, &control, change, &order).await.check()
}

static SOME: [&Change; 6] = [&CANCEL, &REFUND, &CREATE, &SIPS_REFUND, &YABANDPAY_CANCEL, &YABANDPAY_REFUND];

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_change_that_is_sent_again_is_found() {
    for change in SOME {
        judge(change, "", FaultKind::CutBefore).await.unwrap();
        let wrong = judge(change, "planted:resend_lost_changes", FaultKind::CutBefore).await.unwrap_err();
        assert!(wrong.starts_with("the change was sent more than once"), "{}: {wrong}", change.service);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_without_evidence_is_found() {
    for change in SOME {
        judge(change, "", FaultKind::LoseAnswer).await.unwrap();
        let wrong =
            judge(change, "planted:outcome_before_evidence", FaultKind::LoseAnswer).await.unwrap_err();
        assert!(wrong.starts_with("there is an effect and it is not told"), "{}: {wrong}", change.service);
    }
}
