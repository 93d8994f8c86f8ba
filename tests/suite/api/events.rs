//! `/events`: every event of the accounts a client may use, as pages and as a stream.

use std::time::Duration;

use guichet::config::{AllowedAccounts, AuthMode, ClientSettings, Scope, api_key};
use guichet_simulator::FaultKind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{CREATE, Rig, amount_patch, new_order, path};

pub(super) fn client(name: &str, key: &str, scopes: &[Scope], account: &str) -> ClientSettings {
    ClientSettings {
        name: name.to_owned(),
        key_sha256: vec![api_key::sha256(key)],
        certificates: Vec::new(),
        via_gateway: false,
        scopes: scopes.iter().copied().collect(),
        accounts: AllowedAccounts::Named([account.to_owned()].into()),
    }
}

/// Every event from `path` on, page after page of two.
async fn all(rig: &Rig, path: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = rig.get(&format!("{path}limit=2{cursor}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let items = page.json["items"].as_array().unwrap().clone();
        cursor = format!("&cursor={}", page.json["next_cursor"].as_str().unwrap());
        if items.is_empty() {
            return events;
        }
        events.extend(items);
    }
}

#[tokio::test]
async fn pages_hold_every_event_once() {
    let rig = Rig::new().await;
    assert!(all(&rig, "/events?").await.is_empty());
    assert_eq!(rig.update().await.status, 200);
    assert_eq!(rig.cancel().await.status, 200);
    let order = rig.made("cart-1", &json!({})).await;

    let events = all(&rig, "/events?").await;
    let of_sample = rig.get(&format!("{}/events", path())).await.json["items"].as_array().unwrap().clone();
    let seen: Vec<Value> = events
        .iter()
        .filter(|event| path().ends_with(event["order_id"].as_str().unwrap()))
        .cloned()
        .collect();
    assert_eq!(seen, of_sample);
    assert!(events.len() > of_sample.len());
    assert!(events.iter().any(|event| event["order_id"] == format!("systempay_{order}")));

    let canceled = all(&rig, "/events?types=order.canceled,refund.*&").await;
    assert_eq!(canceled.iter().map(|event| &event["type"]).collect::<Vec<_>>(), ["order.canceled"]);
    assert!(all(&rig, "/events?account=epaync&").await.is_empty());
    assert_eq!(all(&rig, "/events?account=systempay&").await, events);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_filter_and_stays_as_it_is() {
    let rig = Rig::new().await;
    rig.update().await;
    let page = rig.get("/events?limit=1").await;
    let cursor = page.json["next_cursor"].as_str().unwrap();
    let last = if cursor.ends_with('0') { '1' } else { '0' };
    for query in [
        format!("types=order.paid&cursor={cursor}"),
        format!("account=systempay&cursor={cursor}"),
        format!("cursor={cursor}0"),
        format!("cursor={}{last}", &cursor[..cursor.len() - 1]),
        format!("cursor=9{cursor}"),
        "cursor=".to_owned(),
    ] {
        assert_eq!(rig.get(&format!("/events?{query}")).await.problem(), (400, "invalid_cursor"), "{query}");
    }
    for query in ["limit=0", "types=*", "types=", "tpyes=order.paid"] {
        assert_eq!(
            rig.get(&format!("/events?{query}")).await.problem(),
            (400, "validation_failed"),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_creation_without_a_known_order_is_told_to_its_account() {
    let rig = Rig::with(|settings| {
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients = vec![
            client("shop", "key-of-shop", &Scope::ALL, "systempay"),
            client("island", "key-of-island", &Scope::ALL, "epaync"),
            client("reader", "key-of-reader", &[Scope::OrdersRead], "systempay"),
        ];
    })
    .await;
    let call = async |path: &str, key: &str| rig.send(Method::GET, path, &[("x-api-key", key)], None).await;
    rig.fault(CREATE, FaultKind::LoseAnswer);
    let headers = [("x-api-key", "key-of-shop"), ("idempotency-key", "k")];
    let lost = rig.send(Method::POST, "/orders", &headers, Some(&new_order("a").to_string())).await;
    assert_eq!(lost.status, 202, "{lost:?}");
    let seen = call("/events", "key-of-shop").await;
    let event = &seen.json["items"][0];
    assert_eq!((&event["type"], &event["order_id"]), (&json!("operation.unknown"), &Value::Null));
    assert_eq!(event["operation_id"], lost.json["operation"]["id"]);

    let island = call("/events", "key-of-island").await;
    assert_eq!(island.json["items"], json!([]));
    let foreign = format!("/events?cursor={}", seen.json["next_cursor"].as_str().unwrap());
    assert_eq!(call(&foreign, "key-of-shop").await.status, 200);
    assert_eq!(call(&foreign, "key-of-island").await.problem(), (400, "invalid_cursor"));
    assert_eq!(call("/events?account=systempay", "key-of-island").await.problem(), (404, "not_found"));
    assert_eq!(call("/events", "key-of-reader").await.problem(), (403, "forbidden"));
    assert_eq!(call("/events", "wrong").await.problem(), (401, "unauthenticated"));
}

/// An open stream, read message by message.
#[derive(Debug)]
pub(super) struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(rig: &Rig, query: &str, last: Option<&str>) -> Self {
        let last: Vec<_> = last.map(|last| ("last-event-id", last)).into_iter().collect();
        Self::open_with(rig, query, &last).await
    }

    pub(super) async fn open_with(rig: &Rig, query: &str, headers: &[(&str, &str)]) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request =
            http.get(format!("{}/events{query}", rig.url)).header("accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, text: String::new() }
    }

    /// Id, type and data of the next event; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let member = |name: &str| {
                    let prefix = format!("{name}: ");
                    message.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
                };
                let found = (member("id"), member("event"), member("data"));
                self.text = rest.to_owned();
                if let (Some(id), Some(kind), Some(data)) = found {
                    return Some((id, kind, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }
}

#[tokio::test]
async fn a_stream_tells_what_happens_and_goes_on_where_it_ended() {
    let rig = Rig::new().await;
    rig.update().await;
    let before = all(&rig, "/events?").await.len();
    let mut stream = Stream::open(&rig, "", None).await;
    rig.cancel().await;
    let events = all(&rig, "/events?").await;
    let (first_id, kind, data) = stream.next().await.unwrap();
    assert_eq!((&data, kind.as_str()), (&events[before], events[before]["type"].as_str().unwrap()));
    for expected in &events[before + 1..] {
        assert_eq!(stream.next().await.unwrap().2, *expected);
    }
    drop(stream);
    // What was committed while nobody listened comes first.
    rig.made("cart-2", &json!({})).await;
    let events = all(&rig, "/events?").await;
    for (query, last) in [("", Some(first_id.as_str())), (&*format!("?cursor={first_id}"), None)] {
        let mut stream = Stream::open(&rig, query, last).await;
        for expected in &events[before + 1..] {
            assert_eq!(stream.next().await.unwrap().2, *expected);
        }
    }
    let headers = [("accept", "text/event-stream"), ("last-event-id", "0-0")];
    let refused = rig.send(Method::GET, "/events", &headers, None).await;
    assert_eq!(refused.problem(), (400, "invalid_cursor"));
    let elsewhere = rig.send(Method::GET, "/accounts", &headers[..1], None).await;
    assert_eq!(elsewhere.problem(), (406, "not_acceptable"));
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_end() {
    let rig = Rig::new().await;
    let mut stream = Stream::open(&rig, "", None).await;
    let started = std::time::Instant::now();
    rig.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn an_update_wakes_many_streams() {
    let rig = Rig::new().await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(Stream::open(&rig, "?types=order.updated", None).await);
    }
    assert_eq!(rig.patch(&path(), &[], &amount_patch()).await.status, 200);
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap().1, "order.updated");
    }
}

/// A page looks at a bounded number of events. A stream that finds nothing wanted among them goes on at once.
#[tokio::test]
async fn a_rare_event_is_found_behind_very_many_others() {
    let rig = Rig::new().await;
    rig.update().await;
    let query = "types=order.canceled";
    let begin = rig.get(&format!("/events?{query}")).await.json["next_cursor"].as_str().unwrap().to_owned();
    let many = 4_500;
    let mut store = rusqlite::Connection::open(rig.store_path()).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    let transaction = store.transaction().unwrap();
    let copy = "UPDATE one SET id = ?1, stream = ?1, position = position + 1";
    let newest = "SELECT * FROM events ORDER BY position DESC LIMIT 1";
    transaction.execute_batch(&format!("CREATE TEMP TABLE one AS {newest}")).unwrap();
    for _ in 0..many {
        transaction.execute(copy, [guichet::domain::EventId::generate().to_string()]).unwrap();
        transaction.execute("INSERT INTO events SELECT * FROM one", []).unwrap();
    }
    transaction.execute("UPDATE counters SET value = value + ?1 WHERE name = 'events'", [many]).unwrap();
    transaction.commit().unwrap();
    assert_eq!(rig.cancel().await.status, 200);

    let mut stream = Stream::open(&rig, &format!("?{query}"), Some(&begin)).await;
    let (_, kind, told) = stream.next().await.unwrap();
    assert_eq!(kind, "order.canceled");

    let (mut cursor, mut empty) = (begin, 0);
    let found = loop {
        let page = rig.get(&format!("/events?{query}&cursor={cursor}")).await;
        let next = page.json["next_cursor"].as_str().unwrap().to_owned();
        assert_ne!(next, cursor, "the cursor moves as long as there is more");
        if let Some(event) = page.json["items"].get(0) {
            break event.clone();
        }
        (cursor, empty) = (next, empty + 1);
    };
    assert_eq!((found, empty), (told, 2));
}
