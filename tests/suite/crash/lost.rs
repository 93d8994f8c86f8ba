//! A request that is lost on its way is not sent again, and an answer that is lost is not guessed.

use guichet_simulator::{Fault, FaultKind};

use super::{
    changes::{CANCEL, CREATE, Change, REFUND, SIPS_REFUND, YABANDPAY_CANCEL, YABANDPAY_REFUND},
    facts::Facts,
    process::{Home, start_provider},
};

/// A change at a provider with this fault, judged.
async fn judge(change: &Change, kind: FaultKind) {
    let provider = start_provider().await;
    let control = provider.control();
    let order = change.new_order(&control);
    control.add_fault(Fault::new(change.place.provider, kind).on_service(change.service));
    let home = Home::new(&provider, change);
    let program = home.start("").await;
    program.change(change, &order, "key").send().await.unwrap();
    let judged = Facts::settled(&home, &program, &control, change, &order).await.check();
    judged.unwrap_or_else(|wrong| panic!("{}: {wrong}", change.service));
}

static SOME: [&Change; 6] = [&CANCEL, &REFUND, &CREATE, &SIPS_REFUND, &YABANDPAY_CANCEL, &YABANDPAY_REFUND];

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_change_is_not_sent_again() {
    for change in SOME {
        judge(change, FaultKind::CutBefore).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_settled_by_evidence() {
    for change in SOME {
        judge(change, FaultKind::LoseAnswer).await;
    }
}
