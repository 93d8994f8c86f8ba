//! Changes of a payment whose answer is lost: told by one read when the effect is there, and never sent again.

use std::time::Duration;

use futures_util::future::join_all;
use guichet_simulator::{Fault, FaultId, FaultKind, Moment};
use serde_json::json;

use crate::rig::{CANCEL_OR_REFUND, Reply, Rig, TRANSACTION_UPDATE, VALIDATE};

/// One change of a payment.
#[derive(Debug, Clone, Copy)]
struct Case {
    action: &'static str,
    cents: Option<i64>,
    service: &'static str,
    /// The word in the ledger.
    effect: &'static str,
    status: &'static str,
}

const CASES: [Case; 5] = [
    Case { action: "cancel", cents: None, service: CANCEL_OR_REFUND, effect: "cancel", status: "canceled" },
    Case {
        action: "cancel",
        cents: Some(300),
        service: TRANSACTION_UPDATE,
        effect: "update",
        status: "paid",
    },
    Case { action: "capture", cents: None, service: VALIDATE, effect: "capture", status: "paid" },
    Case {
        action: "refund",
        cents: Some(300),
        service: CANCEL_OR_REFUND,
        effect: "refund",
        status: "partially_refunded",
    },
    Case { action: "refund", cents: None, service: CANCEL_OR_REFUND, effect: "refund", status: "refunded" },
];

impl Case {
    /// An order that is ready for the change.
    async fn order(&self, rig: &Rig, reference: &str) -> String {
        match self.action {
            "cancel" => rig.paid(reference).await,
            "capture" => {
                let order = rig.made(reference, &json!({"capture": "manual"})).await;
                rig.pay(&order);
                order
            }
            _ => rig.captured(reference).await,
        }
    }

    async fn ask(&self, rig: &Rig, order: &str, key: &str) -> Reply {
        rig.act(self.action, order, Some(key), self.cents).await
    }

    /// Orders one fault on the change of this order, whatever runs beside it.
    fn fault(&self, rig: &Rig, order: &str, kind: FaultKind) -> FaultId {
        rig.control.add_fault(Fault::new("lyra", kind).on_service(self.service).on_order(order))
    }

    /// How often the change was sent, and done.
    fn counts(&self, rig: &Rig, order: &str) -> (usize, usize) {
        let log = rig.control.request_log();
        let sent =
            log.iter().filter(|one| one.service == self.service && one.order.as_deref() == Some(order));
        let done = rig.effects(self.effect).into_iter().filter(|effect| effect.order == order);
        (sent.count(), done.count())
    }
}

/// All cases side by side, each with its number.
async fn each<F: Future<Output = ()>>(check: impl Fn(usize, &'static Case) -> F) {
    join_all(CASES.iter().enumerate().map(|(row, case)| check(row, case))).await;
}

#[tokio::test]
async fn an_effect_that_is_there_is_found_at_once() {
    let rig = Rig::new().await;
    let html = FaultKind::HttpStatus {
        code: 500,
        body: "<html>sorry</html>".to_owned(),
        content_type: "text/html".to_owned(),
        effect: true,
    };
    for (number, kind) in [
        FaultKind::LoseAnswer,
        FaultKind::CutMidAnswer,
        FaultKind::Garbage { effect: true },
        FaultKind::WrongEnvelope { effect: true },
        FaultKind::ErrorAfterEffect { code: "PSP_999".to_owned() },
        html,
    ]
    .into_iter()
    .enumerate()
    {
        for (row, case) in CASES.iter().enumerate() {
            let name = format!("{case:?} {kind:?}");
            let order = case.order(&rig, &format!("{number}-{row}")).await;
            let key = format!("k-{number}-{row}");
            case.fault(&rig, &order, kind.clone());
            let reply = case.ask(&rig, &order, &key).await;
            assert_eq!(reply.status, 200, "{name}: {reply:?}");
            assert_eq!(reply.json["operation"]["outcome"], "executed", "{name}");
            assert_eq!(reply.json["status"], case.status, "{name}");
            assert_eq!(case.counts(&rig, &order), (1, 1), "{name}");
            let again = case.ask(&rig, &order, &key).await;
            assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{name}");
            assert_eq!(case.counts(&rig, &order), (1, 1), "{name}");
        }
    }
}

#[tokio::test]
async fn what_left_no_trace_is_unknown_and_then_not_executed() {
    let rig = Rig::new().await;
    let rig = &rig;
    each(|row, case| async move {
        let order = case.order(rig, &format!("r{row}")).await;
        let key = format!("k{row}");
        let kind = if row % 2 == 0 { FaultKind::CutBefore } else { FaultKind::Garbage { effect: false } };
        case.fault(rig, &order, kind);
        let lost = case.ask(rig, &order, &key).await;
        assert_eq!(lost.status, 202, "{case:?}: {lost:?}");
        let told = &lost.json["operation"];
        assert_eq!((&told["status"], &told["outcome"]), (&json!("unknown"), &json!("unknown")), "{case:?}");
        assert!(told["repeat"].is_null(), "{case:?}");
        let id = told["id"].as_str().unwrap();
        assert_eq!(lost.header("location"), Some(format!("/operations/{id}").as_str()));

        // Neither the same key nor another sends it again, and no other change runs beside it.
        let same = case.ask(rig, &order, &key).await;
        assert_eq!((same.status, same.header("idempotent-replayed")), (202, Some("true")), "{case:?}");
        for action in ["cancel", "capture", "refund"] {
            let other = rig.act(action, &order, Some("another"), None).await;
            assert_eq!(other.problem(), (409, "operation_in_progress"), "{case:?} {action}");
            assert_eq!(other.json["operation_id"], told["id"]);
        }
        assert_eq!(case.counts(rig, &order), (1, 0), "{case:?}");

        // Within the settling time absence proves nothing.
        let early = rig.aged(id, 30).await;
        assert_eq!(early["status"], "unknown", "{case:?}");
        let ended = rig.aged(id, 200).await;
        assert_eq!((&ended["status"], &ended["outcome"]), (&json!("not_executed"), &json!("not_executed")));
        assert_eq!(case.counts(rig, &order), (1, 0), "{case:?}");
        // Now the same key runs again.
        let again = case.ask(rig, &order, &key).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, None), "{case:?}: {again:?}");
        assert_eq!(again.json["status"], case.status, "{case:?}");
        assert_eq!(case.counts(rig, &order), (2, 1), "{case:?}");
    })
    .await;
}

/// The effect comes after the read that found nothing: the next read finds it.
#[tokio::test]
async fn a_request_that_arrives_late_is_found_later() {
    let rig = Rig::with(|settings| settings.resilience.provider_timeout = Duration::from_millis(1_000)).await;
    let rig = &rig;
    each(|row, case| async move {
        let order = case.order(rig, &format!("r{row}")).await;
        let hold = case.fault(rig, &order, FaultKind::Hold { when: Moment::Before });
        let lost = case.ask(rig, &order, &format!("k{row}")).await;
        assert_eq!(lost.status, 202, "{case:?}: {lost:?}");
        rig.control.release(hold);
        let ended = rig.ended(lost.json["operation"]["id"].as_str().unwrap()).await;
        assert_eq!(
            (&ended["status"], &ended["outcome"]),
            (&json!("succeeded"), &json!("executed")),
            "{case:?}"
        );
        assert_eq!(case.counts(rig, &order), (1, 1), "{case:?}");
    })
    .await;
}

/// The provider's answer comes after `provider_timeout`: the effect is there, so one read tells.
#[tokio::test]
async fn an_answer_that_is_too_late_is_read() {
    let rig = Rig::with(|settings| settings.resilience.provider_timeout = Duration::from_millis(1_000)).await;
    let rig = &rig;
    each(|row, case| async move {
        let order = case.order(rig, &format!("r{row}")).await;
        let hold = case.fault(rig, &order, FaultKind::Hold { when: Moment::After });
        let reply = case.ask(rig, &order, &format!("k{row}")).await;
        assert_eq!((reply.status, &reply.json["status"]), (200, &json!(case.status)), "{case:?}: {reply:?}");
        rig.control.release(hold);
        assert_eq!(case.counts(rig, &order), (1, 1), "{case:?}");
    })
    .await;
}

/// The caller's deadline comes first: the answer is listened for without it.
#[tokio::test]
async fn an_answer_after_the_callers_deadline_ends_the_operation() {
    let rig = Rig::with(|settings| settings.server.request_timeout = Duration::from_millis(1_000)).await;
    let rig = &rig;
    each(|row, case| async move {
        let order = case.order(rig, &format!("r{row}")).await;
        let hold = case.fault(rig, &order, FaultKind::Hold { when: Moment::After });
        let reply = case.ask(rig, &order, &format!("k{row}")).await;
        assert_eq!(reply.status, 202, "{case:?}: {reply:?}");
        assert_eq!(reply.json["operation"]["outcome"], "unknown");
        rig.control.release(hold);
        let ended = rig.ended(reply.json["operation"]["id"].as_str().unwrap()).await;
        assert_eq!(
            (&ended["status"], &ended["outcome"]),
            (&json!("succeeded"), &json!("executed")),
            "{case:?}"
        );
        assert_eq!(case.counts(rig, &order), (1, 1), "{case:?}");
    })
    .await;
}

/// A refund of the same amount by the back office, while ours is unknown, is not taken for ours twice over.
#[tokio::test]
async fn an_effect_of_somebody_else_is_not_claimed() {
    let rig = Rig::new().await;
    let order = rig.captured("a").await;
    rig.fault(CANCEL_OR_REFUND, FaultKind::CutBefore);
    let lost = rig.act("refund", &order, Some("k"), Some(300)).await;
    assert_eq!(lost.status, 202, "{lost:?}");
    // All that is left, which is not our amount.
    rig.control.act("lyra", "systempay", Some(&order), "back_office_refund").unwrap();
    let id = lost.json["operation"]["id"].as_str().unwrap();
    let seen = rig.aged(id, 600).await;
    assert_eq!((&seen["status"], &seen["outcome"]), (&json!("unknown"), &json!("unknown")), "{seen}");
    let review = rig.aged(id, 25 * 3_600).await;
    assert_eq!(review["status"], "needs_review", "a person must decide: {review}");
}
