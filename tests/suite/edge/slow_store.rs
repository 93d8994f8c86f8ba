//! A store that does not answer: every caller is answered at its deadline with the truth about its change.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::program::{Home, PATIENCE, Program, ask, get};
use crate::rig::{SAMPLE, new_order};

/// A request with a body, which closes its connection.
fn send(method: &str, path: &str, key: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Status and body of an answer.
fn read(answer: &str) -> (u16, Value) {
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    (status.unwrap_or_else(|| panic!("no answer: {answer}")), serde_json::from_str(body).unwrap_or_default())
}

async fn asked(address: SocketAddr, request: &str) -> (u16, Value) {
    read(&ask(address, request).await.unwrap())
}

/// Status and text of a probe.
async fn probe(program: &Program, path: &str) -> (u16, String) {
    let answer = ask(program.ops, &get(path)).await.unwrap();
    (read(&answer).0, answer)
}

async fn stopped(mut program: Program) {
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
}

fn store(home: &Home) -> Connection {
    let connection = Connection::open(home.path().join("guichet.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

fn refused(seen: &(u16, Value)) {
    let (status, body) = seen;
    let said = (*status, body["code"].as_str(), body["outcome"].as_str());
    assert_eq!(said, (503, Some("store_unavailable"), Some("not_executed")), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_answer_is_told_at_the_deadline_and_nothing_is_done_later() {
    let home = Home::new("request_timeout_ms = 1000\ndrain_wait_ms = 0\n", "").await;
    let program = home.start(None).await;
    let (address, order) = (program.address, format!("/orders/systempay_{SAMPLE}"));
    assert_eq!(asked(address, &get(&order)).await.0, 200);
    let effects = home.simulators.control().effects().len();

    // The writer waits for a lock of its file, as it would for a disk that hangs.
    let other = store(&home);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let changes = [
        send("POST", "/orders", "late", &new_order("late")),
        send("POST", &format!("{order}/cancel"), "cancel", &json!({})),
        send("PATCH", &order, "patch", &json!({"amount": {"value": 20_000, "currency": "EUR"}})),
        send("POST", "/webhook-endpoints", "endpoint", &json!({"url": "https://shop.example/"})),
    ];
    let mut calls = JoinSet::new();
    for request in changes {
        calls.spawn(async move {
            let began = Instant::now();
            (asked(address, &request).await, began.elapsed())
        });
    }
    let began = Instant::now();
    let (ready, text) = probe(&program, "/readyz").await;
    assert!(ready == 503 && text.contains("the store does not answer"), "{text}");
    // Less than the five seconds for which the writer waits for the lock.
    assert!(began.elapsed() < Duration::from_millis(4_500), "{:?}", began.elapsed());
    assert_eq!(probe(&program, "/livez").await.0, 200);
    assert_eq!(asked(address, &get(&order)).await.0, 200, "reads need no writer");
    while let Some(call) = calls.join_next().await {
        let (seen, took) = call.unwrap();
        refused(&seen);
        assert!(took < Duration::from_millis(4_500), "{took:?}: {seen:?}");
    }

    other.execute_batch("ROLLBACK").unwrap();
    let ready = async {
        while probe(&program, "/readyz").await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("it is not ready again");
    assert_eq!(home.simulators.control().effects().len(), effects, "nothing was sent");
    assert_eq!(asked(address, &get("/operations")).await.1["items"], json!([]));
    assert_eq!(asked(address, &get("/webhook-endpoints")).await.1["items"], json!([]));
    let again = asked(address, &send("POST", "/orders", "late", &new_order("late"))).await;
    assert_eq!(again.0, 201, "{again:?}");
    stopped(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_that_comes_to_disk_after_the_deadline_is_not_sent() {
    let home = Home::new("request_timeout_ms = 600\ndrain_wait_ms = 0\n", "").await;
    let program = home.start_with(None, "slow@store_before_commit:1500").await;
    let effects = home.simulators.control().effects().len();
    refused(&asked(program.address, &send("POST", "/orders", "late", &new_order("late"))).await);
    let ended = async {
        loop {
            let (_, listed) = asked(program.address, &get("/operations")).await;
            if listed["items"][0]["status"] == "not_executed" {
                return listed;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let listed = tokio::time::timeout(PATIENCE, ended).await.expect("the operation does not end");
    assert_eq!(listed["items"][0]["problem"]["code"], "store_unavailable", "{listed}");
    assert_eq!(home.simulators.control().effects().len(), effects, "nothing was sent");
    stopped(program).await;
}
