//! The shares of clients and accounts of the requests under way: one slow provider, and one greedy client, leave the rest
//! to the others.

use std::time::{Duration, Instant};

use guichet::config::{AccountSettings, AllowedAccounts, AuthMode, ClientSettings, Scope, api_key};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{
    issuer::{Issuer, claims},
    overload::{black_hole, metric},
};
use crate::rig::{Reply, Rig, SAMPLE, path};

/// A quarter of the 64 that these tests allow.
const SHARE: usize = 16;
const OVERLOADED: (u16, &str) = (503, "overloaded");

fn key(name: &str) -> String {
    format!("gk_{name:0>43}")
}

fn client(name: &str) -> ClientSettings {
    ClientSettings {
        name: name.to_owned(),
        key_sha256: vec![api_key::sha256(&key(name))],
        certificates: Vec::new(),
        via_gateway: false,
        scopes: Scope::ALL.into_iter().collect(),
        accounts: AllowedAccounts::All,
    }
}

/// Accounts `hole` and `pit` whose platform never answers.
async fn rig() -> Rig {
    let url = black_hole().await;
    Rig::with(|settings| {
        for (name, shop) in [("hole", "11111111"), ("pit", "22222222")] {
            let pairs = [("base_url", url.as_str()), ("shop_id", shop), ("password", "testpassword_hole")];
            settings.accounts.insert(name.to_owned(), AccountSettings::from_pairs(name, "lyra", pairs));
        }
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients = ["greedy", "shop", "reports"].map(client).to_vec();
        settings.limits.requests_under_way = 64;
        settings.server.request_timeout = Duration::from_secs(120);
    })
    .await
}

/// A read that waits for its answer until it is dropped.
async fn waiting(rig: &Rig, client: &str, account: &str) -> TcpStream {
    let mut stream = TcpStream::connect(rig.url.strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!(
        "GET /orders/{account}_{SAMPLE} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {}\r\n\r\n",
        key(client)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// As many as a share holds.
async fn share(rig: &Rig, client: &str, account: &str) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..SHARE {
        held.push(waiting(rig, client, account).await);
    }
    held
}

async fn read(rig: &Rig, client: &str, path: &str) -> Reply {
    rig.send(Method::GET, path, &[("x-api-key", &key(client))], None).await
}

/// Waits until a request is answered so.
async fn until(rig: &Rig, client: &str, path: &str, status: u16) {
    let asks = async { while read(rig, client, path).await.status != status {} };
    tokio::time::timeout(Duration::from_secs(20), asks).await.expect("it is never answered so");
}

#[tokio::test]
async fn one_slow_order_leaves_three_quarters_to_the_others() {
    let rig = rig().await;
    // Equal reads share one call, and each of them waits for it.
    let held = share(&rig, "greedy", "hole").await;
    let hole = format!("/orders/hole_{SAMPLE}");
    until(&rig, "reports", "/orders/hole_none", 503).await;
    let before = metric(&rig, r#"gateway_shed_total{reason="account_share"}"#).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        let seen = read(&rig, "shop", &hole).await;
        slowest = slowest.max(began.elapsed());
        assert_eq!(seen.problem(), OVERLOADED, "another client of that account");
        assert_eq!(seen.header("retry-after"), Some("1"));
    }
    assert!(metric(&rig, r#"gateway_shed_total{reason="account_share"}"#).await >= before + 50.0);
    // The rule is 50 ms; this machine may be busy with other tests.
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    // However the account is spelled, and whether address or body names it.
    assert_eq!(read(&rig, "shop", &hole.replace("hole", "%68ole")).await.problem(), OVERLOADED);
    let order =
        json!({"account": "hole", "amount": {"value": 100, "currency": "EUR"}, "merchant_reference": "a"});
    let shop = key("shop");
    let headers = [("x-api-key", shop.as_str()), ("idempotency-key", "a")];
    let create = async |order: &serde_json::Value| {
        rig.send(Method::POST, "/orders", &headers, Some(&order.to_string())).await
    };
    let refused = create(&order).await;
    assert_eq!((refused.problem(), &refused.json["outcome"]), (OVERLOADED, &json!("not_executed")));
    // The same key may be sent again, and other accounts work.
    let mut elsewhere = order.clone();
    elsewhere["account"] = json!("systempay");
    assert_eq!(create(&elsewhere).await.status, 201);
    for client in ["shop", "reports"] {
        assert_eq!(read(&rig, client, &path()).await.status, 200, "{client}");
    }
    drop(held);
    until(&rig, "greedy", &path(), 200).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_client_that_waits_for_much_keeps_nobody_out() {
    let rig = rig().await;
    let held = [waiting(&rig, "greedy", "pit").await, waiting(&rig, "greedy", "pit").await];
    let more = share(&rig, "greedy", "hole").await;
    until(&rig, "greedy", &path(), 503).await;
    let refused = read(&rig, "greedy", "/accounts").await;
    assert_eq!(refused.problem(), OVERLOADED, "all its requests count, whatever they are about");
    assert!(metric(&rig, r#"gateway_shed_total{reason="client_share"}"#).await >= 1.0);
    for client in ["shop", "reports"] {
        assert_eq!(read(&rig, client, &path()).await.status, 200, "{client}");
        assert_eq!(read(&rig, client, "/accounts").await.status, 200, "{client}");
    }
    drop((held, more));
    until(&rig, "greedy", &path(), 200).await;
    rig.stop().await;
}

/// Tokens of a key that is not known, while the issuer does not answer: few of them wait, and a client with a key does not
/// notice.
#[tokio::test]
async fn a_slow_issuer_holds_few_places() {
    const STRANGERS: usize = 200;
    const MAY_WAIT: usize = 16;
    let issuer = Issuer::start().await;
    let silent = black_hole().await;
    let rig = Rig::with(|settings| {
        issuer.settings(&mut settings.auth);
        settings.auth.jwt.jwks_url = Some(silent);
        settings.auth.clients = vec![client("shop")];
        settings.limits.requests_under_way = 64;
    })
    .await;
    let request = format!(
        "GET /accounts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
        issuer.token("RS256", "rsa", &claims())
    );
    let mut strangers = JoinSet::new();
    for _ in 0..STRANGERS {
        let (address, request) = (rig.url.strip_prefix("http://").unwrap().to_owned(), request.clone());
        strangers.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 401");
        });
    }
    let refused = async {
        for _ in MAY_WAIT..STRANGERS {
            strangers.join_next().await.unwrap().unwrap();
            assert_eq!(read(&rig, "shop", "/accounts").await.status, 200);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused).await.expect("strangers wait for the issuer");
    drop(strangers);
    rig.stop().await;
}
