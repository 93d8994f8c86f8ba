//! Webhook endpoints whose client comes no more, and what operators can do about endpoints that are not theirs.

use std::time::Duration;

use guichet::config::api_key;
use reqwest::Method;
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::program::{Home, PATIENCE, Program, ask, get};
use crate::api::issuer::{AUDIENCE, ISSUER, Issuer, claims_with, now};

const KEY: &str = "gk_0123456789012345678901234567890123456789012";
const DAY: i64 = 24 * 3_600 * 1_000;

fn auth(issuer: &Issuer) -> String {
    format!(
        "[webhooks]\nallow_networks = [\"127.0.0.0/8\"]\n[auth]\nmode = \"jwt\"\n\
         [auth.jwt]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\njwks_url = \"{}\"\n\
         [[auth.clients]]\nname = \"till\"\nkey_sha256 = [\"{}\"]\nscopes = [\"endpoints:admin\"]\naccounts = [\"*\"]\n",
        issuer.url,
        hex::encode(api_key::sha256(KEY)),
    )
}

fn store(home: &Home) -> Connection {
    let store = Connection::open(home.path().join("guichet.db")).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store
}

/// So many days pass by the clock of erasure, which the store keeps.
fn pass(home: &Home, days: i64) {
    let moved = "UPDATE counters SET value = value + ?1 WHERE name = 'erasure_clock'";
    assert_eq!(store(home).execute(moved, [days * DAY]).unwrap(), 1);
}

fn seen_at(home: &Home, client: &str) -> i64 {
    let sql = "SELECT seen_at FROM webhook_owners WHERE client = ?1";
    store(home).query_row(sql, [client], |row| row.get(0)).unwrap()
}

async fn call(program: &Program, method: Method, path: &str, bearer: &str, body: Option<&Value>) -> Value {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.request(method, format!("http://{}{path}", program.address)).bearer_auth(bearer);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

async fn made(program: &Program, bearer: &str) -> String {
    let body = json!({"url": "http://127.0.0.1:1/hook?token=secret-of-the-receiver"});
    let made = call(program, Method::POST, "/webhook-endpoints", bearer, Some(&body)).await;
    made["id"].as_str().unwrap().to_owned()
}

/// The endpoint's state and why it is off.
async fn state(program: &Program, id: &str, bearer: &str) -> (Value, Value) {
    let seen = call(program, Method::GET, &format!("/webhook-endpoints/{id}"), bearer, None).await;
    (seen["enabled"].clone(), seen["disabled_reason"].clone())
}

async fn stop(mut program: Program) {
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
}

async fn waits_for_metric(program: &Program, line: &str) {
    let there = async {
        while !ask(program.ops, &get("/metrics")).await.unwrap().lines().any(|known| known == line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("{line}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_lapse_when_their_client_comes_no_more() {
    let issuer = Issuer::start().await;
    let token = |name: &str| {
        let claims = claims_with(json!({"client_id": name, "exp": now() + 3_600}));
        issuer.token("RS256", "rsa", &claims)
    };
    let home = Home::new("drain_wait_ms = 0\n", &auth(&issuer)).await;
    let (gone, here) = (token("gone"), token("here"));
    let program = home.start(None).await;
    let (of_gone, of_here, of_till) =
        (made(&program, &gone).await, made(&program, &here).await, made(&program, KEY).await);
    stop(program).await;

    pass(&home, 24);
    let program = home.start(None).await;
    program.says("\"alert\":\"webhook_lapses\"", 2).await;
    assert_eq!(program.has_said("\"days_left\":6"), 2);
    waits_for_metric(&program, "gateway_webhook_endpoints_lapsing 2").await;
    let before = seen_at(&home, "jwt:here");
    assert_eq!(state(&program, &of_here, &here).await, (json!(true), Value::Null));
    waits_for_metric(&program, "gateway_webhook_endpoints_lapsing 1").await;
    let written = async {
        while seen_at(&home, "jwt:here") < before + 24 * DAY {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.expect("it is not written that the client was seen");
    stop(program).await;

    pass(&home, 7);
    let program = home.start(None).await;
    program.says("\"alert\":\"webhook_disabled\"", 1).await;
    waits_for_metric(&program, "gateway_webhook_endpoints_lapsed_total 1").await;
    assert_eq!(state(&program, &of_here, &here).await.0, true);
    assert_eq!(state(&program, &of_till, KEY).await.0, true, "a configured client is always there");
    assert_eq!(state(&program, &of_gone, &gone).await, (json!(false), json!("lapsed")));
    // The client is back: it may go on, and nothing was lost.
    let path = format!("/webhook-endpoints/{of_gone}");
    let on = call(&program, Method::PATCH, &path, &gone, Some(&json!({"enabled": true}))).await;
    assert_eq!((&on["enabled"], &on["disabled_reason"]), (&json!(true), &Value::Null));
    let audited: (String, String) = store(&home)
        .query_row("SELECT actor, detail FROM audit WHERE action = 'webhook.disabled'", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(audited.0, "guichet");
    assert!(audited.1.contains(&of_gone) && audited.1.contains("jwt:gone"), "{audited:?}");
    stop(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_and_disable_every_endpoint() {
    let issuer = Issuer::start().await;
    let home = Home::new("drain_wait_ms = 0\n", &auth(&issuer)).await;
    let program = home.start(None).await;
    let bearer = issuer.token("RS256", "rsa", &claims_with(json!({"client_id": "gone"})));
    let (of_token, of_key) = (made(&program, &bearer).await, made(&program, KEY).await);
    let (worked, listed) = home.run("webhooks list").await;
    assert!(worked, "{listed}");
    let line = |text: &str, id: &str| {
        let line = text.lines().find(|line| line.starts_with(id)).unwrap();
        line.split('\t').map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed.lines().count(), 3);
    assert!(!listed.contains("secret"), "{listed}");
    assert_eq!(line(&listed, &of_token)[1..3], ["jwt:gone", "enabled"]);
    assert_eq!(line(&listed, &of_token)[5], "http://127.0.0.1:1/hook");
    assert_eq!(line(&listed, &of_key)[4], "never");
    assert_ne!(line(&listed, &of_token)[4], "never");

    assert!(home.run(&format!("webhooks disable {of_token}")).await.0);
    assert_eq!(state(&program, &of_token, &bearer).await, (json!(false), json!("operator")));
    assert_eq!(state(&program, &of_key, KEY).await.0, true);
    let (worked, again) = home.run(&format!("webhooks disable {of_token}")).await;
    assert!(worked && again.contains("already"), "{again}");
    assert_eq!(line(&home.run("webhooks list").await.1, &of_token)[2], "disabled (operator)");
    for wrong in ["ep_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c", "ep_1"] {
        assert!(!home.run(&format!("webhooks disable {wrong}")).await.0, "{wrong}");
    }
    let sql = "SELECT COUNT(*) FROM audit WHERE action = 'webhook.disabled' AND actor = 'operator'";
    assert_eq!(store(&home).query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    // The service goes on writing its own rows beside that one.
    made(&program, &bearer).await;
    stop(program).await;
}
