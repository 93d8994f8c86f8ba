//! Many callers at one moment, and a platform that takes its time.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use guichet_simulator::{FaultKind, Moment};
use serde_json::json;

use crate::rig::{CANCEL_OR_REFUND, CREATE, Rig, new_order};

const CALLERS: usize = 64;

fn slow(ms: u64) -> FaultKind {
    FaultKind::Delay { ms, when: Moment::After }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_equal_refunds_are_one() {
    let rig = Rig::new().await;
    let order = rig.captured("equal").await;
    rig.fault(CANCEL_OR_REFUND, slow(400));
    let all = join_all((0..CALLERS).map(|_| rig.act("refund", &order, Some("the-key"), None))).await;
    let done: Vec<_> = all.iter().filter(|reply| reply.status == 200).collect();
    assert!(!done.is_empty(), "nobody was answered with the result");
    for reply in all.iter().filter(|reply| reply.status != 200) {
        assert_eq!(reply.problem(), (409, "idempotency_key_in_use"), "{reply:?}");
        assert!(reply.header("retry-after").is_some(), "{reply:?}");
    }
    assert_eq!(rig.effects("refund").len(), 1);
    let first = done[0].json["operation"].clone();
    for reply in join_all((0..CALLERS).map(|_| rig.act("refund", &order, Some("the-key"), None))).await {
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, Some("true")), "{reply:?}");
        assert_eq!(reply.json["operation"], first);
    }
    assert_eq!(rig.effects("refund").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_equal_creations_are_one() {
    let rig = Rig::new().await;
    rig.fault(CREATE, slow(400));
    let body = new_order("equal");
    let all = join_all((0..CALLERS).map(|_| rig.create("the-key", &body))).await;
    for reply in all.iter().filter(|reply| reply.status != 201) {
        assert_eq!(reply.problem(), (409, "idempotency_key_in_use"), "{reply:?}");
    }
    let again = join_all((0..CALLERS).map(|_| rig.create("the-key", &body))).await;
    for reply in &again {
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (201, Some("true")), "{reply:?}");
        assert_eq!(reply.json["id"], again[0].json["id"]);
    }
    assert_eq!(rig.effects("create").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clicks_on_refund_pay_once() {
    let rig = Rig::new().await;
    let order = rig.captured("clicks").await;
    rig.fault(CANCEL_OR_REFUND, slow(400));
    let keys: Vec<String> = (0..CALLERS).map(|number| format!("click-{number}")).collect();
    let all = join_all(keys.iter().map(|key| rig.act("refund", &order, Some(key), None))).await;
    let done = all.iter().filter(|reply| reply.status == 200).count();
    for reply in all.iter().filter(|reply| reply.status != 200) {
        assert!(
            matches!(
                reply.problem(),
                (409, "operation_in_progress" | "already_refunded") | (422, "amount_exceeds_remaining")
            ),
            "{reply:?}"
        );
    }
    assert_eq!((done, rig.effects("refund").len()), (1, 1));
}

/// The deadlines are a twentieth of what they usually are: the platform's answer comes long after the caller's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_takes_its_time_is_waited_for() {
    let rig = Rig::with(|settings| {
        settings.server.request_timeout = Duration::from_millis(750);
        settings.resilience.provider_timeout = Duration::from_millis(8_000);
    })
    .await;
    let order = rig.captured("slow").await;
    rig.fault(CANCEL_OR_REFUND, slow(2_000));
    let started = Instant::now();
    let reply = rig.act("refund", &order, Some("k"), None).await;
    let waited = started.elapsed();
    assert_eq!((reply.status, &reply.json["operation"]["outcome"]), (202, &json!("unknown")), "{reply:?}");
    assert!(waited >= Duration::from_millis(700) && waited < Duration::from_millis(1_900), "{waited:?}");
    let ended = rig.ended(reply.json["operation"]["id"].as_str().unwrap()).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("succeeded"), &json!("executed")), "{ended}");
    assert_eq!(rig.effects("refund").len(), 1);
}
