//! Real time, with the deadlines as they are shipped: platforms that answer after 20 s.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use guichet_simulator::{Fault, FaultKind, Moment};
use serde_json::{Value, json};

use crate::rig::Rig;

/// How late the platforms answer: after the callers' deadline of 15 s, before that of the call, 45 s.
const LATE: Duration = Duration::from_secs(20);
/// Far above what it takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// Platform and brand, the order's draft, the action, the service behind it, and when it is late.
type Row = (&'static str, &'static str, Value, &'static str, &'static str, Moment);

/// The ends of these operations, as their events come.
async fn ends(rig: &Rig, wanted: &[String]) -> Vec<(String, String)> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.get(format!("{}/events", rig.url)).header("accept", "text/event-stream");
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let (mut text, mut ends) = (String::new(), Vec::new());
    while ends.len() < wanted.len() {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
        while let Some((message, rest)) = text.split_once("\n\n") {
            let data = message.lines().find_map(|line| line.strip_prefix("data: "));
            let event: Value = serde_json::from_str(data.unwrap_or("null")).unwrap();
            text = rest.to_owned();
            let (word, operation) = (event["type"].as_str(), event["operation_id"].as_str());
            if let (Some(word), Some(operation)) = (word, operation)
                && word.starts_with("operation.")
                && wanted.iter().any(|one| one == operation)
            {
                ends.push((word.to_owned(), operation.to_owned()));
            }
        }
    }
    ends
}

/// The caller is told after 15 s that nothing is known yet; the answer that comes later ends the operation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_after_twenty_seconds_ends_the_operation() {
    let rig = Rig::new().await;
    let rows: [Row; 4] = [
        (
            "lyra",
            "systempay",
            json!({"amount": 1_000}),
            "cancel",
            "Charge/PaymentOrder/Cancel",
            Moment::After,
        ),
        (
            "sips",
            "sherlocks",
            json!({"status": "CAPTURED"}),
            "refund",
            "cashManagement/refund",
            Moment::After,
        ),
        (
            "yabandpay",
            "yabandpay",
            json!({"status": "paid", "amount": 1_000}),
            "cancel",
            "v3.CancelPayment",
            Moment::After,
        ),
        (
            "yabandpay",
            "yabandpay",
            json!({"status": "authorized", "amount": 1_000}),
            "capture",
            "v3.Capture",
            Moment::Before,
        ),
    ];
    let late = u64::try_from(LATE.as_millis()).unwrap();
    let started = Instant::now();
    let told = join_all(rows.iter().map(async |(provider, brand, draft, action, service, when)| {
        let order = rig.control.add_order(provider, brand, draft).unwrap();
        let fault = Fault::new(*provider, FaultKind::Delay { ms: late, when: *when });
        rig.control.add_fault(fault.on_service(*service).on_order(order.as_str()));
        let path = format!("/orders/{brand}_{order}/{action}");
        let asked = Instant::now();
        let reply = rig.post(&path, &[("idempotency-key", service)], None).await;
        let waited = asked.elapsed();
        assert_eq!(
            (reply.status, &reply.json["operation"]["outcome"]),
            (202, &json!("unknown")),
            "{reply:?}"
        );
        assert!(waited >= Duration::from_secs(15) && waited < LATE, "{service}: {waited:?}");
        (order, *action, *service, reply.json["operation"]["id"].as_str().unwrap().to_owned())
    }))
    .await;
    let operations: Vec<String> = told.iter().map(|(_, _, _, operation)| operation.clone()).collect();
    let ends = tokio::time::timeout(PATIENCE, ends(&rig, &operations)).await.expect("not all of them end");
    assert!(started.elapsed() >= LATE, "it ended before the platforms had answered");
    assert!(ends.iter().all(|(word, _)| word == "operation.succeeded"), "{ends:?}");
    for (order, action, service, operation) in told {
        let ended = rig.get(&format!("/operations/{operation}")).await.json;
        let end = (&ended["status"], &ended["outcome"]);
        assert_eq!(end, (&json!("succeeded"), &json!("executed")), "{service}: {ended}");
        let effects = rig.effects(action).into_iter().filter(|effect| effect.order == order).count();
        assert_eq!((effects, rig.control.requests(service)), (1, 1), "{service}");
    }
}
