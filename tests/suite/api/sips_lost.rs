//! Worldline Sips: answers that are lost or prove nothing. There is no key that makes a second request harmless, so
//! nothing is sent twice; one read settles what left a trace.

use std::time::Duration;

use guichet_simulator::{FaultKind, Moment};
use serde_json::{Value, json};

use super::sips_rig::{CHANGES, Change, READ, REFUND, Sips, seen, unknown};
use crate::rig::Reply;

/// Every change, whole and in part, with the status after it.
const CASES: [(usize, Option<i64>, &str); 6] = [
    (0, None, "canceled"),
    (0, Some(300), "paid"),
    (1, None, "paid"),
    (1, Some(300), "paid"),
    (2, None, "refunded"),
    (2, Some(300), "partially_refunded"),
];

fn after_effect(code: &str) -> FaultKind {
    FaultKind::ErrorAfterEffect { code: code.to_owned() }
}

fn html(effect: bool) -> FaultKind {
    FaultKind::HttpStatus {
        code: 500,
        body: "<html>sorry</html>".to_owned(),
        content_type: "text/html".to_owned(),
        effect,
    }
}

fn counts(rig: &Sips, change: Change, order: &str) -> (usize, usize) {
    (rig.sent(change.service, order), rig.moved(change.effect, order).len())
}

async fn settled_by_one_read(case: (usize, Option<i64>, &str)) {
    let (number, cents, status) = case;
    let change = CHANGES[number];
    let rig = Sips::new().await;
    for kind in [
        FaultKind::LoseAnswer,
        FaultKind::CutMidAnswer,
        FaultKind::Garbage { effect: true },
        FaultKind::Empty { effect: true },
        FaultKind::TooLarge { effect: true },
        FaultKind::WrongEnvelope { effect: true },
        FaultKind::BadSignature { effect: true },
        FaultKind::Unsigned { effect: true },
        html(true),
        after_effect("01"),
        after_effect("77"),
        after_effect("90"),
        after_effect("97"),
        after_effect("99"),
    ] {
        let name = format!("{case:?} {kind:?}");
        let order = rig.in_status(change.from);
        rig.spoil(change.service, &order, kind);
        let reply = rig.act(change.action, &order, "k", cents).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        assert_eq!(reply.json["operation"]["outcome"], "executed", "{name}");
        assert_eq!(reply.json["status"], status, "{name}");
        let moved = cents.unwrap_or(1_000);
        let member = if change.action == "refund" { "refunded" } else { "canceled" };
        let expected = match change.action {
            // What is not captured is released.
            "capture" => 1_000 - moved,
            _ => moved,
        };
        assert_eq!(reply.json["amounts"][member], expected, "{name}");
        assert_eq!(rig.sent(READ, &order), 2, "{name}: one read before, one after");
        assert_eq!(counts(&rig, change, &order), (1, 1), "{name}");
        let again = rig.act(change.action, &order, "k", cents).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{name}");
        assert_eq!(counts(&rig, change, &order), (1, 1), "{name}");
    }
}

#[tokio::test]
async fn a_whole_cancel_is_settled_by_one_read() {
    settled_by_one_read(CASES[0]).await;
}

#[tokio::test]
async fn a_partial_cancel_is_settled_by_one_read() {
    settled_by_one_read(CASES[1]).await;
}

#[tokio::test]
async fn a_whole_capture_is_settled_by_one_read() {
    settled_by_one_read(CASES[2]).await;
}

#[tokio::test]
async fn a_partial_capture_is_settled_by_one_read() {
    settled_by_one_read(CASES[3]).await;
}

#[tokio::test]
async fn a_whole_refund_is_settled_by_one_read() {
    settled_by_one_read(CASES[4]).await;
}

#[tokio::test]
async fn a_partial_refund_is_settled_by_one_read() {
    settled_by_one_read(CASES[5]).await;
}

#[tokio::test]
async fn what_left_no_trace_is_unknown_and_then_not_executed() {
    let rig = Sips::new().await;
    let kinds = [
        FaultKind::CutBefore,
        FaultKind::BadSignature { effect: false },
        FaultKind::Unsigned { effect: false },
        crate::rig::refusal("99"),
        FaultKind::Garbage { effect: false },
        crate::rig::refusal("90"),
    ];
    for (case, kind) in CASES.iter().zip(kinds) {
        let (number, cents, status) = *case;
        let change = CHANGES[number];
        let name = format!("{case:?} {kind:?}");
        let order = rig.in_status(change.from);
        rig.spoil(change.service, &order, kind);
        let lost = rig.act(change.action, &order, "k", cents).await;
        let id = unknown(&lost, &name);
        assert!(lost.json["operation"]["repeat"].is_null(), "{name}: sent twice is done twice");
        assert_eq!(lost.header("location"), Some(format!("/operations/{id}").as_str()), "{name}");
        let same = rig.act(change.action, &order, "k", cents).await;
        assert_eq!((same.status, same.header("idempotent-replayed")), (202, Some("true")), "{name}");
        for action in ["cancel", "capture", "refund"] {
            let other = rig.act(action, &order, "other", None).await;
            assert_eq!(other.problem(), (409, "operation_in_progress"), "{name} {action}");
        }
        assert_eq!(counts(&rig, change, &order), (1, 0), "{name}");
        assert_eq!(rig.aged(&id, 30).await["status"], "unknown", "{name}: too early to tell");
        let ended = rig.aged(&id, 200).await;
        assert_eq!(
            (&ended["status"], &ended["outcome"]),
            (&json!("not_executed"), &json!("not_executed")),
            "{name}"
        );
        assert_eq!(counts(&rig, change, &order), (1, 0), "{name}: never sent again by itself");
        let again = rig.act(change.action, &order, "k", cents).await;
        assert_eq!((again.status, &again.json["status"]), (200, &json!(status)), "{name}: {again:?}");
        assert_eq!(counts(&rig, change, &order), (2, 1), "{name}");
    }
}

/// The effect comes after the read that found nothing: a later read finds it.
#[tokio::test]
async fn a_request_that_arrives_late_is_found_later() {
    let rig = Sips::with(|settings| settings.resilience.provider_timeout = Duration::from_millis(300)).await;
    let cases = CASES.iter().map(|(number, cents, _)| {
        let (rig, change) = (&rig, CHANGES[*number]);
        async move {
            let order = rig.in_status(change.from);
            let hold = rig.spoil(change.service, &order, FaultKind::Hold { when: Moment::Before });
            let lost = rig.act(change.action, &order, "k", *cents).await;
            let id = unknown(&lost, change.action);
            rig.control.release(hold);
            let ended = rig.ended(&id).await;
            assert_eq!(
                (&ended["status"], &ended["outcome"]),
                (&json!("succeeded"), &json!("executed")),
                "{change:?}"
            );
            assert_eq!(counts(rig, change, &order), (1, 1), "{change:?}");
        }
    });
    futures_util::future::join_all(cases).await;
}

/// Neither what a night did nor what another cash desk did is taken for ours.
#[tokio::test]
async fn what_others_did_proves_nothing() {
    let rig = Sips::new().await;
    let order = rig.in_status("CAPTURED");
    rig.spoil(REFUND, &order, FaultKind::CutBefore);
    let id = unknown(&rig.act("refund", &order, "k", Some(300)).await, "refund");
    let now = jiff::Timestamp::now().to_string();
    let other = json!({
        "transactionStatus": "TO_CREDIT", "currentAmount": 500, "lastOperationName": "CREDIT", "lastOperationDateTime": now
    });
    rig.control.patch_answer("sips", "sherlocks", &order, &other).unwrap();
    assert_eq!(rig.aged(&id, 600).await["status"], "unknown");
    assert_eq!(rig.aged(&id, 25 * 3_600).await["status"], "needs_review", "a person must decide");

    let order = rig.in_status("TO_CAPTURE");
    rig.spoil(CHANGES[0].service, &order, FaultKind::CutBefore);
    let id = unknown(&rig.act("cancel", &order, "k", Some(300)).await, "cancel");
    rig.night(&order, "remit");
    let ended = rig.aged(&id, 200).await;
    assert_eq!(ended["status"], "not_executed", "all of it was sent to the bank: {ended}");
    seen(&rig.read(&order).await, "paid", [1_000, 1_000, 1_000, 0, 0]);
}

#[tokio::test]
async fn a_read_without_a_right_seal_is_none() {
    let rig = Sips::new().await;
    let ask = async |kind: FaultKind| -> (Reply, Reply) {
        let order = rig.in_status("TO_CAPTURE");
        rig.spoil(READ, &order, kind.clone());
        let read = rig.read(&order).await;
        rig.spoil(READ, &order, kind);
        let change = rig.act("cancel", &order, "k", None).await;
        (read, change)
    };
    for kind in [
        FaultKind::BadSignature { effect: true },
        FaultKind::BadSignature { effect: false },
        FaultKind::Unsigned { effect: true },
        FaultKind::Unsigned { effect: false },
        FaultKind::Garbage { effect: true },
        FaultKind::Empty { effect: true },
        FaultKind::TooLarge { effect: true },
        FaultKind::WrongEnvelope { effect: true },
        html(true),
    ] {
        let (read, change) = ask(kind.clone()).await;
        assert_eq!(read.problem(), (502, "provider_bad_response"), "{kind:?}: {read:?}");
        assert_eq!(read.json.get("outcome"), None::<&Value>, "{kind:?}");
        assert_eq!(change.problem(), (503, "provider_unavailable"), "{kind:?}: {change:?}");
        assert_eq!(change.json["outcome"], "not_executed", "{kind:?}");
    }
    assert_eq!(rig.control.requests(CHANGES[0].service), 0);
}

/// The effect is there, but the read that would tell is spoilt too: never a success, and the next read settles it.
#[tokio::test]
async fn without_a_readable_state_nobody_claims_a_success() {
    let rig = Sips::new().await;
    let cases = CASES.iter().map(|(number, cents, _)| {
        let (rig, change) = (&rig, CHANGES[*number]);
        async move {
            let order = rig.in_status(change.from);
            // The change waits until the read that comes after it is spoilt.
            let hold = rig.spoil(change.service, &order, FaultKind::Hold { when: Moment::Before });
            let (reply, ()) = tokio::join!(rig.act(change.action, &order, "k", *cents), async {
                assert!(rig.control.held(hold).await);
                rig.spoil(READ, &order, FaultKind::Unsigned { effect: true });
                let wrong = json!({"newAmount": 999});
                rig.control.patch_answer("sips", "sherlocks", &order, &wrong).unwrap();
                rig.control.release(hold);
            });
            let id = unknown(&reply, change.action);
            let ended = rig.ended(&id).await;
            assert_eq!(
                (&ended["status"], &ended["outcome"]),
                (&json!("succeeded"), &json!("executed")),
                "{change:?}"
            );
            assert_eq!(counts(rig, change, &order), (1, 1), "{change:?}");
        }
    });
    futures_util::future::join_all(cases).await;
}
