//! `/webhook-endpoints`: who may do what, what is shown, and a delivery from a change to a receiver.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use bytes::Bytes;
use guichet::config::{AuthMode, Network, Scope, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::events::client;
use crate::rig::{Reply, Rig, path};

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver that answers 500 to every third call, beginning with the first.
async fn receiver() -> (SocketAddr, Seen) {
    async fn receive(State(seen): State<Seen>, headers: HeaderMap, body: Bytes) -> StatusCode {
        let mut seen = seen.lock().unwrap();
        seen.push((headers, body));
        if seen.len() % 3 == 1 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let router = Router::new().fallback(receive).with_state(seen.clone());
    let stop = std::future::pending();
    let options = guichet::http::server::ServeOptions::new(64, None);
    tokio::spawn(guichet::http::server::serve(listener, router, options, stop));
    (address, seen)
}

fn allow_loopback(settings: &mut Settings) {
    settings.webhooks.allow_networks = vec![Network::parse("127.0.0.0/8").unwrap()];
}

async fn made(rig: &Rig, body: &Value) -> Reply {
    let reply = rig.post("/webhook-endpoints", &[], Some(body)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply
}

#[tokio::test]
async fn a_change_reaches_the_receiver_signed_and_once_it_takes_it() {
    let (address, seen) = receiver().await;
    let rig = Rig::with(allow_loopback).await;
    let url = format!("http://{address}/hook");
    let endpoint = made(&rig, &json!({"url": url, "event_types": ["order.*"]})).await;
    let place = endpoint.header("location").unwrap().to_owned();
    assert_eq!(rig.cancel().await.status, 200);

    let delivered = async || rig.get(&format!("{place}/deliveries?status=delivered")).await;
    for _ in 0..300 {
        if delivered().await.json["items"] != json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = delivered().await;
    let item = &log.json["items"][0];
    assert_eq!(item["event_type"], "order.canceled", "{log:?}");
    let statuses: Vec<_> =
        item["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["http_status"]).collect();
    assert_eq!(statuses, [500, 200]);

    let webhook = standardwebhooks::Webhook::new(endpoint.json["secret"].as_str().unwrap()).unwrap();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 2, "only what was asked for");
    for (headers, body) in &seen {
        webhook.verify(body, headers).unwrap();
    }
    assert_eq!(seen[0].1, seen[1].1, "every attempt says the same");
    let body: Value = serde_json::from_slice(&seen[0].1).unwrap();
    let events = rig.get(&format!("{}/events", path())).await;
    let told = events.json["items"].as_array().unwrap().iter().find(|event| event["id"] == item["event_id"]);
    assert_eq!(body["data"], *told.unwrap());
    assert_eq!(body["timestamp"], body["data"]["occurred_at"]);
}

#[tokio::test]
async fn an_endpoint_lives_and_its_secret_is_shown_once() {
    let (address, seen) = receiver().await;
    let rig = Rig::with(allow_loopback).await;
    let reply = made(&rig, &json!({"url": format!("http://{address}/"), "description": "The shop"})).await;
    let place = reply.header("location").unwrap().to_owned();
    let secret = reply.json["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{}", secret.len());

    let shown = rig.get(&place).await;
    assert_eq!(shown.json["event_types"], Value::Null);
    assert_eq!(shown.json["description"], "The shop");
    let patched = rig
        .patch(&place, &[], &json!({"description": null, "event_types": ["order.paid"], "enabled": false}))
        .await;
    assert_eq!(patched.json["event_types"], json!(["order.paid"]));
    assert_eq!((&patched.json["description"], &patched.json["enabled"]), (&Value::Null, &json!(false)));
    let listed = rig.get("/webhook-endpoints").await;
    assert_eq!(listed.json, json!({"items": [patched.json], "next_cursor": null}));

    let rotated = rig.post(&format!("{place}/rotate-secret"), &[], None).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    assert_ne!(rotated.json["secret"], secret.as_str());
    assert!(rotated.json["previous_secret_until"].is_string());
    let first = rig.post(&format!("{place}/test"), &[], None).await;
    assert_eq!((&first.json["delivered"], &first.json["http_status"]), (&json!(false), &json!(500)));
    let second = rig.post(&format!("{place}/test"), &[], None).await;
    assert_eq!(second.json["delivered"], true);
    for (headers, _) in seen.lock().unwrap().iter() {
        assert_eq!(headers["webhook-signature"].to_str().unwrap().split(' ').count(), 2);
    }
    let others = [shown, patched, listed, rig.get(&format!("{place}/deliveries")).await, second];
    assert!(others.iter().all(|reply| !reply.text.contains("whsec_")));

    let gone = rig.send(Method::DELETE, &place, &[], None).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    for (method, path) in [
        (Method::GET, place.clone()),
        (Method::DELETE, place.clone()),
        (Method::POST, format!("{place}/test")),
    ] {
        assert_eq!(rig.send(method, &path, &[], None).await.problem(), (404, "not_found"));
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let rig = Rig::new().await;
    let post = async |body: Value| rig.post("/webhook-endpoints", &[], Some(&body)).await;
    for (body, pointer) in [
        (json!({}), "/url"),
        (json!({"url": "http://shop.example/"}), "/url"),
        (json!({"url": "https://127.0.0.1/"}), "/url"),
        (json!({"url": "https://2130706433/"}), "/url"),
        (json!({"url": "https://[::ffff:10.0.0.1]/"}), "/url"),
        (json!({"url": "https://shop.example/", "event_types": []}), "/event_types"),
        (json!({"url": "https://shop.example/", "secret": "whsec_mine"}), "/secret"),
    ] {
        let reply = post(body.clone()).await;
        assert_eq!((reply.problem(), reply.pointer()), ((400, "validation_failed"), Some(pointer)), "{body}");
    }
    let place = made(&rig, &json!({"url": "https://shop.example/"})).await;
    let place = place.header("location").unwrap();
    let empty = rig.patch(place, &[], &json!({})).await;
    assert_eq!(empty.problem(), (400, "validation_failed"));
    let replay = async |body: Value| rig.post(&format!("{place}/replay"), &[], Some(&body)).await;
    assert_eq!(replay(json!({})).await.problem(), (400, "validation_failed"));
    let unknown = json!({"event_id": "evt_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c"});
    assert_eq!(replay(unknown).await.json, json!({"queued": 0}));
    let range = replay(json!({"from": "2026-01-01T00:00:00Z"})).await;
    assert_eq!((range.status, &range.json), (202, &json!({"queued": 0})));
    let cursor = rig.get(&format!("{place}/deliveries?cursor=1-0")).await;
    assert_eq!(cursor.problem(), (400, "invalid_cursor"));
}

#[tokio::test]
async fn an_endpoint_is_its_clients_own() {
    let rig = Rig::with(|settings| {
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients = vec![
            client("shop", "key-of-shop", &[Scope::EndpointsAdmin], "systempay"),
            client("island", "key-of-island", &[Scope::EndpointsAdmin], "epaync"),
            client("reader", "key-of-reader", &[Scope::EventsRead, Scope::OrdersRead], "systempay"),
        ];
    })
    .await;
    let body = json!({"url": "https://shop.example/"}).to_string();
    let call = async |method: Method, path: &str, key: &str| {
        let body = (method == Method::POST || method == Method::PATCH).then_some(body.as_str());
        rig.send(method, path, &[("x-api-key", key)], body).await
    };
    let endpoint = call(Method::POST, "/webhook-endpoints", "key-of-shop").await;
    let place = endpoint.header("location").unwrap();
    assert_eq!(call(Method::GET, "/webhook-endpoints", "key-of-island").await.json["items"], json!([]));
    let parts = ["deliveries", "test", "rotate-secret", "replay"].map(|part| format!("{place}/{part}"));
    let calls = [
        (Method::GET, place),
        (Method::PATCH, place),
        (Method::DELETE, place),
        (Method::GET, &parts[0]),
        (Method::POST, &parts[1]),
    ];
    for (method, path) in &calls {
        let reply = call(method.clone(), path, "key-of-island").await;
        assert_eq!(reply.problem(), (404, "not_found"), "{method} {path}");
        let reply = call(method.clone(), path, "key-of-reader").await;
        assert_eq!(reply.problem(), (403, "forbidden"), "{method} {path}");
    }
    assert_eq!(call(Method::POST, "/webhook-endpoints", "key-of-reader").await.problem(), (403, "forbidden"));
    assert_eq!(call(Method::GET, place, "key-of-shop").await.status, 200);
}

/// A receiver that takes every connection, reads and never answers; how many came, and what ends them all.
async fn silent_receiver() -> (SocketAddr, tokio::sync::watch::Receiver<usize>, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (count, came) = tokio::sync::watch::channel(0);
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
            count.send_modify(|count| *count += 1);
        }
    });
    (address, came, held)
}

/// Tests that are answered late used to take every place for requests. Now a client has two, all have eight, and a caller
/// that hangs up makes no room before its test has ended.
#[tokio::test]
async fn tests_of_a_silent_receiver_are_few_and_harm_nobody() {
    let (address, mut came, receiver) = silent_receiver().await;
    let clients = ["a", "b", "c", "d", "e"];
    let rig = Rig::with(|settings| {
        allow_loopback(settings);
        settings.webhooks.timeout = Duration::from_secs(60);
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients = clients.map(|name| client(name, name, &Scope::ALL, "systempay")).into();
    })
    .await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut places = Vec::new();
    for key in clients {
        let body = json!({"url": format!("http://{address}/"), "enabled": false}).to_string();
        let made = rig.send(Method::POST, "/webhook-endpoints", &[("x-api-key", key)], Some(&body)).await;
        places.push(format!("{}/test", made.header("location").unwrap()));
    }
    let test = async |client: usize| {
        rig.send(Method::POST, &places[client], &[("x-api-key", clients[client])], None).await
    };
    for (client, place) in places.iter().enumerate().take(4) {
        for number in 1..=2 {
            let request = http.post(format!("{}{place}", rig.url)).header("x-api-key", clients[client]);
            let waiting = tokio::spawn(request.send());
            came.wait_for(|came| *came == client * 2 + number).await.unwrap();
            // This caller does not wait for the answer.
            waiting.abort();
        }
        let refused = test(client).await;
        assert_eq!(refused.problem(), (429, "rate_limited"));
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    for _ in 0..50 {
        let refused = test(4).await;
        assert_eq!(refused.problem(), (503, "overloaded"));
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(refused.json["outcome"], "not_executed");
    }
    assert_eq!(*came.borrow(), 8, "what is refused sends nothing");
    let seen = rig.send(Method::GET, &path(), &[("x-api-key", "e")], None).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    receiver.abort();
    let again = async {
        while test(4).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("there is no room again");
}
