//! Too much, too slow and dead providers: refused at once, counted, and without harm to the others. The same over real
//! connections to the real program: `edge/flood.rs`.

use std::time::{Duration, Instant};

use guichet::config::{
    AccountSettings, AllowedAccounts, AuthMode, ClientSettings, RouteRule, Scope, api_key,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use crate::rig::{CREATE, OTHER, Rig, SAMPLE, amount_patch};

/// A provider that takes every connection and never says anything; its address.
pub(super) async fn black_hole() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    format!("http://{address}/api-payment/")
}

fn account(base_url: &str) -> AccountSettings {
    let pairs = [("base_url", base_url), ("shop_id", "11111111"), ("password", "testpassword_hole")];
    AccountSettings::from_pairs("hole", "lyra", pairs)
}

/// An address where nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/api-payment/", listener.local_addr().unwrap())
}

async fn metrics(rig: &Rig) -> String {
    rig.get(&format!("{}/metrics", rig.ops_url)).await.text
}

/// The value of a metric, 0 when it is not there yet. Other tests of this process count too.
pub(super) async fn metric(rig: &Rig, name: &str) -> f64 {
    let text = metrics(rig).await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

fn hole(reference: &str) -> String {
    format!("/orders/hole_{reference}")
}

async fn breaker(rig: &Rig) -> Value {
    rig.get("/accounts/hole").await.json["health"]["breaker"].clone()
}

async fn until_breaker(rig: &Rig, state: &str) {
    let wait = async {
        while breaker(rig).await != json!(state) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

#[tokio::test]
async fn a_black_hole_slows_nobody_else_and_takes_no_more_than_its_share() {
    let url = black_hole().await;
    let rig = Rig::with(|settings| {
        settings.accounts.insert("hole".to_owned(), account(&url));
        settings.server.request_timeout = Duration::from_secs(6);
        settings.resilience.max_in_flight = 8;
        settings.resilience.breaker_failures = 1_000;
    })
    .await;
    let (path, ok) = (format!("/orders/systempay_{SAMPLE}"), 200);
    assert_eq!(rig.get(&path).await.status, ok);
    let shed_before = metric(&rig, r#"gateway_shed_total{reason="account_busy"}"#).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut calls = JoinSet::new();
    for number in 0..12 {
        let url = format!("{}{}", rig.url, hole(&format!("{number:032x}")));
        let client = client.clone();
        calls.spawn(async move {
            let began = Instant::now();
            let answer = client.get(url).send().await.unwrap();
            (answer.status().as_u16(), answer.headers().get("retry-after").is_some(), began.elapsed())
        });
    }
    for _ in 0..4 {
        let (status, again, took) = calls.join_next().await.unwrap().unwrap();
        assert_eq!((status, again), (503, true), "the ninth to twelfth are refused");
        assert!(took < Duration::from_secs(2), "refused after {took:?}");
    }
    assert!(metric(&rig, r#"gateway_shed_total{reason="account_busy"}"#).await >= shed_before + 4.0);
    let refused_change = rig.post(&format!("{}/cancel", hole(SAMPLE)), &[], None).await;
    assert_eq!(refused_change.problem(), (503, "provider_unavailable"));
    assert_eq!(refused_change.json["outcome"], "not_executed");
    // The others do not feel it.
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(rig.get(&path).await.status, ok);
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    for _ in 0..8 {
        assert_eq!(calls.join_next().await.unwrap().unwrap().0, 504);
    }
    rig.stop().await;
}

#[tokio::test]
async fn an_open_breaker_sends_nothing_and_closes_by_itself() {
    let mut rig = Rig::with(|settings| {
        settings.resilience.breaker_failures = 3;
        settings.resilience.breaker_open = Duration::from_millis(400);
        settings.resilience.connect_timeout = Duration::from_millis(200);
        settings.server.request_timeout = Duration::from_secs(4);
    })
    .await;
    let path = format!("/orders/systempay_{OTHER}");
    let shown = rig.get("/accounts/systempay").await;
    assert_eq!(shown.json["health"]["breaker"], "closed");
    assert_eq!(rig.get(&path).await.status, 200);
    // Refusals never open it.
    for number in 0..6 {
        assert_eq!(rig.get(&format!("/orders/systempay_{number:032x}")).await.status, 404);
    }
    assert_eq!(rig.get("/accounts/systempay").await.json["health"]["breaker"], "closed");
    rig.stop_simulators().await;
    for _ in 0..3 {
        assert_eq!(rig.get(&path).await.problem(), (503, "provider_unavailable"));
    }
    let shown = rig.get("/accounts/systempay").await.json["health"].clone();
    assert_ne!(shown["breaker"], "closed");
    assert_eq!(shown["status"], "down");
    let create = json!({"account": "systempay", "amount": {"value": 100, "currency": "EUR"}, "merchant_reference": "b"});
    let refused = rig.post("/orders", &[("idempotency-key", "breaker-1")], Some(&create)).await;
    assert_eq!(refused.problem(), (503, "provider_unavailable"));
    assert_eq!(refused.json["outcome"], "not_executed");
    assert!(metrics(&rig).await.contains("gateway_breaker_state{provider=\"lyra\"} "));
    rig.stop().await;
}

/// A provider that a test can bring back at the same address.
#[tokio::test]
async fn only_reads_probe_and_an_account_of_creates_alone_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/api-payment/");
    let rig = Rig::with(|settings| {
        settings.accounts.insert("hole".to_owned(), account(&url));
        settings.resilience.breaker_failures = 2;
        settings.resilience.breaker_open = Duration::from_millis(300);
        settings.resilience.connect_timeout = Duration::from_millis(200);
    })
    .await;
    let create = |reference: &str| json!({"account": "hole", "amount": {"value": 100, "currency": "EUR"}, "merchant_reference": reference});
    for reference in ["a", "b", "c"] {
        let seen = rig.post("/orders", &[("idempotency-key", reference)], Some(&create(reference))).await;
        assert_eq!(seen.problem(), (503, "provider_unavailable"));
    }
    assert_ne!(breaker(&rig).await, json!("closed"));
    // It comes back; nobody reads, but guichet asks by itself.
    let listener = TcpListener::bind(address).await.unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 8192];
        let length = stream.read(&mut request).await.unwrap();
        let body = json!({"status": "SUCCESS", "webService": "Charge/SDKTest", "answer": {"value": "x"}})
            .to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let asked = tokio::time::timeout(Duration::from_secs(20), asked).await.unwrap().unwrap();
    assert!(!asked.contains(CREATE), "a change is never a probe: {asked}");
    rig.stop().await;
}

#[tokio::test]
async fn routes_pass_over_an_account_whose_breaker_is_open() {
    let url = nowhere().await;
    let rig = Rig::with(|settings| {
        settings.accounts.insert("hole".to_owned(), account(&url));
        settings.resilience.breaker_failures = 1;
        settings.resilience.breaker_open = Duration::from_secs(600);
        settings.routes = ["hole", "systempay"]
            .map(|account| RouteRule {
                name: account.to_owned(),
                account: account.to_owned(),
                currencies: vec!["EUR".to_owned()],
                min_value: None,
                max_value: None,
                brands: Vec::new(),
                payment_methods: Vec::new(),
            })
            .to_vec();
    })
    .await;
    assert_eq!(rig.get(&hole(SAMPLE)).await.status, 503);
    until_breaker(&rig, "open").await;
    let create = json!({"amount": {"value": 100, "currency": "EUR"}, "merchant_reference": "routed"});
    let made = rig.post("/orders", &[("idempotency-key", "routed")], Some(&create)).await;
    assert_eq!((made.status, made.json["account"].as_str()), (201, Some("systempay")), "{made:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_client_above_its_rate_is_told_so_and_the_others_are_not() {
    let key = |name: &str| format!("gk_{name:0>43}");
    let clients = ["shop", "reports"].map(|name| ClientSettings {
        name: name.to_owned(),
        key_sha256: vec![api_key::sha256(&key(name))],
        certificates: Vec::new(),
        via_gateway: false,
        scopes: Scope::ALL.into_iter().collect(),
        accounts: AllowedAccounts::All,
    });
    let rig = Rig::with(|settings| {
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients = clients.to_vec();
        settings.limits.rate_per_second = 1;
        settings.limits.burst = 3;
    })
    .await;
    let before = metric(&rig, r#"gateway_shed_total{reason="rate_limit"}"#).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let seen = rig.send(Method::GET, "/accounts", &[("x-api-key", &key("shop"))], None).await;
        if seen.status == 429 {
            assert_eq!(seen.problem(), (429, "rate_limited"));
            assert_eq!(seen.header("retry-after"), Some("1"));
        }
        statuses.push(seen.status);
    }
    assert_eq!(statuses[..4], [200; 4]);
    assert!(statuses.contains(&429), "{statuses:?}");
    let other = rig.send(Method::GET, "/accounts", &[("x-api-key", &key("reports"))], None).await;
    assert_eq!(other.status, 200);
    let path = format!("/orders/systempay_{SAMPLE}");
    let body = amount_patch().to_string();
    let seen = rig.send(Method::PATCH, &path, &[("x-api-key", &key("shop"))], Some(&body)).await;
    if seen.status == 429 {
        assert_eq!(seen.json["outcome"], "not_executed");
    }
    assert!(metric(&rig, r#"gateway_shed_total{reason="rate_limit"}"#).await > before);
    rig.stop().await;
}

#[tokio::test]
async fn metrics_tell_what_happened() {
    let rig = Rig::new().await;
    let path = format!("/orders/systempay_{SAMPLE}");
    assert_eq!(rig.get(&path).await.status, 200);
    let headers = [("idempotency-key", "told-once")];
    assert_eq!(rig.patch(&path, &headers, &amount_patch()).await.status, 200);
    assert_eq!(rig.patch(&path, &headers, &amount_patch()).await.status, 200);
    assert_eq!(rig.get("/nothing/here").await.status, 404);
    let answer = rig.get(&format!("{}/metrics", rig.ops_url)).await;
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for part in [
        r#"http_server_request_duration_seconds_count{http_request_method="GET",http_route="/orders/{id}",http_response_status_code="200"}"#,
        r#"http_route="unmatched""#,
        r#"http_client_request_duration_seconds_count{provider="lyra",operation="Charge/PaymentOrder/Get",error_type=""}"#,
        r#"gateway_operations_total{provider="lyra",operation="update",outcome="executed"}"#,
        r#"gateway_operations_unknown{provider="lyra"}"#,
        r#"gateway_breaker_state{provider="lyra"}"#,
    ] {
        assert!(answer.text.contains(part), "{part}\n{}", answer.text);
    }
    assert!(metric(&rig, "gateway_idempotency_replays_total").await >= 1.0);
    assert!(metric(&rig, "gateway_store_commit_duration_seconds_count").await >= 1.0);
    assert!(!answer.text.contains(SAMPLE), "no ids");
    // Not on the public listener.
    assert_eq!(rig.get("/metrics").await.status, 404);
    rig.stop().await;
}
