//! A store that does not answer, or that is searched again and again: every caller is answered at its deadline with the
//! truth about its change, and the others do not feel it.

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
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIdempotency-Key: {key}\r\n\
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

/// Events that nobody asks for, beside the one that is there.
const EVENTS: i64 = 120_000;
const FLOOD: Duration = Duration::from_secs(3);

/// Copies the newest event so many times.
fn multiply(store: &Connection) {
    store
        .execute_batch(&format!(
            "BEGIN IMMEDIATE;
             CREATE TEMP TABLE one AS SELECT * FROM events ORDER BY position DESC LIMIT 1;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {EVENTS})
             INSERT INTO events (id, position, stream, order_id, account, sequence, event_type, operation_id, \
                                 occurred_at, data)
             SELECT printf('evt_01997b2c-0000-7000-8000-%012x', i), position + i, 'copy' || i, order_id, account, 1,
                    event_type, NULL, occurred_at + i, data FROM n, one;
             UPDATE counters SET value = value + {EVENTS} WHERE name = 'events';
             COMMIT;"
        ))
        .unwrap();
}

/// Asks the same again and again until the flood is over; how often, and how the answers began.
async fn again_and_again(address: SocketAddr, request: String, until: Instant) -> (usize, Vec<u16>) {
    let (mut count, mut seen) = (0, Vec::new());
    while Instant::now() < until {
        let (status, _) = asked(address, &request).await;
        count += 1;
        if !seen.contains(&status) {
            seen.push(status);
        }
    }
    (count, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_and_replays_that_find_nothing_hold_up_nobody() {
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    let program = home.start(None).await;
    assert_eq!(asked(program.address, &send("POST", "/orders", "first", &new_order("first"))).await.0, 201);
    stopped(program).await;
    multiply(&store(&home));
    let program = home.start(None).await;
    let address = program.address;
    let endpoint =
        json!({"url": "https://shop.example/", "enabled": false, "event_types": ["order.nothing"]});
    let (status, made) = asked(address, &send("POST", "/webhook-endpoints", "e", &endpoint)).await;
    assert_eq!(status, 201, "{made}");
    let replay = format!("/webhook-endpoints/{}/replay", made["id"].as_str().unwrap());
    let everything = json!({"from": "2000-01-01T00:00:00Z"});

    let until = Instant::now() + FLOOD;
    let mut flood = JoinSet::new();
    for number in 0..30 {
        let request = match number % 3 {
            0 => send("POST", &replay, "r", &everything),
            _ => get("/events?types=order.nothing&limit=200"),
        };
        flood.spawn(again_and_again(address, request, until));
    }
    let (mut creates, mut slowest) = (0, Duration::ZERO);
    while Instant::now() < until {
        let began = Instant::now();
        let name = format!("beside-{creates}");
        let (status, made) = asked(address, &send("POST", "/orders", &name, &new_order(&name))).await;
        assert_eq!(status, 201, "{made}");
        let cached = format!("/orders/{}?max_age_seconds=86400", made["id"].as_str().unwrap());
        assert_eq!(asked(address, &get(&cached)).await.0, 200);
        assert_eq!(probe(&program, "/readyz").await.0, 200);
        assert_eq!(probe(&program, "/livez").await.0, 200);
        (creates, slowest) = (creates + 1, slowest.max(began.elapsed()));
    }
    let (mut searches, mut answers) = (0, Vec::new());
    while let Some(ended) = flood.join_next().await {
        let (count, seen) = ended.unwrap();
        (searches, answers) = (searches + count, [answers, seen].concat());
    }
    answers.sort_unstable();
    answers.dedup();
    println!("beside {searches} searches {creates} creates with their reads and probes, slowest {slowest:?}");
    // A replay of so much is refused, and a search finds an empty page.
    assert_eq!(answers, [200, 400]);
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    stopped(program).await;
}
