//! Event streams that many clients open: each has its share, and a stream ends with the credential that opened it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use guichet::config::{AllowedAccounts, AuthMode, Scope, Settings, api_key};
use reqwest::Method;
use serde_json::json;

use super::{
    events::{Stream, client},
    issuer::{Issuer, claims_with, now},
};
use crate::rig::{Reply, Rig, path};

/// Far above what an end takes that is told at once.
const PATIENCE: Duration = Duration::from_secs(20);

async fn asks_for_a_stream(rig: &Rig, key: &str) -> Reply {
    let headers = [("accept", "text/event-stream"), ("x-api-key", key)];
    rig.send(Method::GET, "/events", &headers, None).await
}

async fn open(rig: &Rig, key: &str) -> Stream {
    Stream::open_with(rig, "?types=order.updated", &[("x-api-key", key)]).await
}

async fn ends(stream: &mut Stream) {
    let end = tokio::time::timeout(PATIENCE, stream.next()).await.expect("the stream goes on");
    assert!(end.is_none(), "{end:?}");
}

#[tokio::test]
async fn a_client_has_sixteen_streams_and_the_others_do_not_feel_it() {
    let rig = Rig::with(|settings| {
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients = vec![
            client("greedy", "key-of-greedy", &Scope::ALL, "systempay"),
            client("shop", "key-of-shop", &Scope::ALL, "systempay"),
        ];
    })
    .await;
    let mut greedy = Vec::new();
    for _ in 0..16 {
        greedy.push(open(&rig, "key-of-greedy").await);
    }
    for _ in 0..20 {
        let refused = asks_for_a_stream(&rig, "key-of-greedy").await;
        assert_eq!(refused.problem(), (429, "rate_limited"));
        assert_eq!(
            (refused.json["retryable"].as_bool(), refused.header("retry-after")),
            (Some(true), Some("1"))
        );
    }
    let mut shop = open(&rig, "key-of-shop").await;
    let headers = [("x-api-key", "key-of-shop")];
    let change = json!({"amount": {"value": 20_000, "currency": "EUR"}});
    let changed = rig.send(Method::PATCH, &path(), &headers, Some(&change.to_string())).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(shop.next().await.unwrap().1, "order.updated");
    // One that is closed makes room, as soon as the service has seen it.
    greedy.pop();
    let again = async {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        loop {
            let request = http.get(format!("{}/events", rig.url)).header("accept", "text/event-stream");
            if request.header("x-api-key", "key-of-greedy").send().await.unwrap().status() == 200 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("there is no room again");
}

#[tokio::test]
async fn a_stream_ends_when_a_reload_withdraws_its_credential() {
    let mut kept: Option<Settings> = None;
    let rig = Rig::with(|settings| {
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients =
            ["bystander", "widened", "one-key-less", "removed", "without-scope", "narrowed"]
                .map(|name| {
                    let mut client = client(name, name, &[Scope::EventsRead], "systempay");
                    client.key_sha256.push(api_key::sha256(&format!("second-of-{name}")));
                    client
                })
                .into();
        let narrowed = settings.auth.clients.last_mut().unwrap();
        narrowed.accounts = AllowedAccounts::Named(["systempay".to_owned(), "epaync".to_owned()].into());
        kept = Some(settings.clone());
    })
    .await;
    let mut settings = kept.unwrap();
    let mut stays = [
        open(&rig, "bystander").await,
        open(&rig, "widened").await,
        open(&rig, "second-of-one-key-less").await,
    ];
    let mut goes = [
        open(&rig, "one-key-less").await,
        open(&rig, "removed").await,
        open(&rig, "without-scope").await,
        open(&rig, "narrowed").await,
    ];
    settings.auth.clients.retain(|client| client.name != "removed");
    for client in &mut settings.auth.clients {
        match client.name.as_str() {
            "widened" => client.accounts = AllowedAccounts::All,
            "one-key-less" => client.key_sha256.retain(|hash| *hash != api_key::sha256("one-key-less")),
            "without-scope" => client.scopes = BTreeSet::from([Scope::OrdersRead]),
            "narrowed" => client.accounts = AllowedAccounts::Named(["epaync".to_owned()].into()),
            _ => {}
        }
    }
    settings.auth.clients.push(client("till", "key-of-till", &Scope::ALL, "systempay"));
    rig.reload.apply(settings.clone()).unwrap();
    for stream in &mut goes {
        ends(stream).await;
    }
    let change = json!({"amount": {"value": 20_000, "currency": "EUR"}}).to_string();
    let headers = [("x-api-key", "key-of-till")];
    assert_eq!(rig.send(Method::PATCH, &path(), &headers, Some(&change)).await.status, 200);
    for stream in &mut stays {
        assert_eq!(stream.next().await.unwrap().1, "order.updated");
    }
    for (key, status) in [("one-key-less", 401), ("removed", 401), ("without-scope", 403)] {
        assert_eq!(asks_for_a_stream(&rig, key).await.status, status, "{key}");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_token_does() {
    let issuer = Issuer::start().await;
    let mut kept: Option<Settings> = None;
    let rig = Rig::with(|settings| {
        issuer.settings(&mut settings.auth);
        settings.auth.clients = vec![client("till", "key-of-till", &Scope::ALL, "systempay")];
        kept = Some(settings.clone());
    })
    .await;
    let open = async |name: &str, seconds: u64| {
        let claims = claims_with(json!({"client_id": name, "exp": now() + seconds}));
        let bearer = format!("Bearer {}", issuer.token("RS256", "rsa", &claims));
        Stream::open_with(&rig, "?types=order.updated", &[("authorization", &bearer)]).await
    };
    let began = Instant::now();
    let (mut long, mut short) = (open("long", 300).await, open("short", 2).await);
    ends(&mut short).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let change = json!({"amount": {"value": 20_000, "currency": "EUR"}}).to_string();
    let headers = [("x-api-key", "key-of-till")];
    assert_eq!(rig.send(Method::PATCH, &path(), &headers, Some(&change)).await.status, 200);
    assert_eq!(long.next().await.unwrap().1, "order.updated");
    // Tokens of another audience are another credential.
    let mut settings = kept.unwrap();
    settings.auth.jwt.audience = Some("elsewhere".to_owned());
    rig.reload.apply(settings).unwrap();
    ends(&mut long).await;
}
