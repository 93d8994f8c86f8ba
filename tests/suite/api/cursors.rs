//! Cursors: what one is bound to, and what becomes of them when a store is restored.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use guichet::config::StoreUrl;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{Reply, Rig, new_order, path};

/// Copies the store of a running service, as a backup does.
fn backup(rig: &Rig, to: &Path) {
    let store = rusqlite::Connection::open(rig.store_path()).unwrap();
    store.execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
}

/// A service that begins with this copy of a store.
async fn restored(copy: &Path) -> Rig {
    Rig::with(|settings| {
        let StoreUrl::Sqlite(path) = &settings.store.url else { panic!("another store") };
        std::fs::copy(copy, path).unwrap();
    })
    .await
}

async fn next(rig: &Rig, query: &str) -> String {
    let page = rig.get(&format!("/events{query}")).await;
    assert_eq!(page.status, 200, "{page:?}");
    page.json["next_cursor"].as_str().unwrap().to_owned()
}

async fn page(rig: &Rig, cursor: &str) -> Reply {
    rig.get(&format!("/events?cursor={cursor}")).await
}

/// Asks for a stream after this event, as a browser does that was cut off.
async fn stream(rig: &Rig, last: &str) -> Reply {
    let headers = [("accept", "text/event-stream"), ("last-event-id", last)];
    rig.send(Method::GET, "/events", &headers, None).await
}

/// Every order of the list has the same events in both stores up to the backup, and others after it.
#[tokio::test]
async fn a_cursor_of_what_a_restored_store_has_forgotten_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let copy: PathBuf = folder.path().join("backup.db");
    let rig = Rig::new().await;
    let beginning = next(&rig, "").await;
    rig.update().await;
    let before = next(&rig, "").await;
    backup(&rig, &copy);
    rig.cancel().await;
    let first_lost = next(&rig, &format!("?limit=1&cursor={before}")).await;
    let ahead = next(&rig, "").await;
    assert_ne!(first_lost, ahead, "the cancel wrote at least two events");

    let after = restored(&copy).await;
    // What both have in common goes on, and the beginning is the same everywhere.
    for cursor in [&beginning, &before] {
        assert_eq!(page(&after, cursor).await.status, 200);
    }
    // Beyond the newest event: without an error this consumer would hear nothing for ever.
    for cursor in [&first_lost, &ahead] {
        assert_eq!(page(&after, cursor).await.problem(), (400, "invalid_cursor"));
        assert_eq!(stream(&after, cursor).await.problem(), (400, "invalid_cursor"));
    }
    // Another event took the place: this consumer would miss it.
    after.made("cart-1", &json!({})).await;
    let order = after.made("cart-2", &json!({})).await;
    after.pay(&order);
    after.read(&order).await;
    assert_eq!(page(&after, &first_lost).await.problem(), (400, "invalid_cursor"));
    assert_eq!(stream(&after, &first_lost).await.problem(), (400, "invalid_cursor"));
    let events = page(&after, &before).await;
    assert!(!events.json["items"].as_array().unwrap().is_empty());
    // A place whose event is gone cannot be looked at: the cursor goes on.
    let place = next(&after, "?limit=1").await;
    let store = rusqlite::Connection::open(after.store_path()).unwrap();
    store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(store.execute("DELETE FROM events WHERE position = 1", []).unwrap(), 1);
    assert_eq!(page(&after, &place).await.status, 200);

    // A store of its own has a key of its own.
    let other = Rig::new().await;
    other.update().await;
    for cursor in [&beginning, &before] {
        assert_eq!(page(&other, cursor).await.problem(), (400, "invalid_cursor"));
    }
}

/// A cursor that somebody made who has read this source, but not the store.
#[tokio::test]
async fn a_cursor_cannot_be_made_without_the_key() {
    use sha2::{Digest, Sha256};
    let rig = Rig::new().await;
    rig.update().await;
    let digest = |text: &str| hex::encode(Sha256::digest(text.as_bytes()))[..16].to_owned();
    let feed = format!("1-{}", digest("feed\nanonymous\n1 * \n{}"));
    let text = "0.";
    let list = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(text),
        digest(
            "orders\nanonymous\nOrderFilter { accounts: None, account: None, status: None, merchant_reference: None }\n0."
        )
    );
    for (address, cursor) in [("/events", &feed), ("/orders", &list), ("/operations", &list)] {
        let reply = rig.get(&format!("{address}?cursor={cursor}")).await;
        assert_eq!(reply.problem(), (400, "invalid_cursor"), "{address}");
    }
}

/// Every list: its cursor goes on, and no other text does.
#[tokio::test]
async fn a_cursor_of_a_list_is_good_for_that_list_only() {
    let rig = Rig::new().await;
    for number in 0..3 {
        assert_eq!(
            rig.create(&format!("k{number}"), &new_order(&format!("cart-{number}"))).await.status,
            201
        );
    }
    rig.update().await;
    let endpoint = rig.post("/webhook-endpoints", &[], Some(&json!({"url": "https://shop.example/"}))).await;
    let deliveries = format!("{}/deliveries", endpoint.header("location").unwrap());
    rig.cancel().await;
    let planned = async {
        while rig.get(&deliveries).await.json["items"].as_array().is_none_or(|items| items.len() < 2) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), planned).await.unwrap();

    let lists = ["/orders", "/operations", &format!("{}/events", path()), &deliveries, "/events"];
    let mut cursors: Vec<String> = Vec::new();
    for list in lists {
        let first = rig.get(&format!("{list}?limit=1")).await;
        let cursor = first.json["next_cursor"].as_str().unwrap_or_else(|| panic!("{list}: {first:?}"));
        let second = rig.get(&format!("{list}?limit=1&cursor={cursor}")).await;
        assert_eq!(second.status, 200, "{list}");
        assert_ne!(second.json["items"], first.json["items"], "{list}");
        cursors.push(cursor.to_owned());
    }
    for (list, own) in lists.iter().zip(&cursors) {
        let altered = |place: usize| {
            let mut bytes = own.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            String::from_utf8(bytes).unwrap()
        };
        let mut wrong: Vec<String> = cursors.iter().filter(|cursor| *cursor != own).cloned().collect();
        wrong.extend((0..own.len() - 1).map(altered));
        wrong.extend([format!("{own}A"), own[1..].to_owned(), String::new(), "0".to_owned()]);
        for cursor in wrong {
            let reply = rig.get(&format!("{list}?cursor={cursor}")).await;
            assert_eq!(reply.problem(), (400, "invalid_cursor"), "{list} {cursor} of {own}");
        }
    }
    let filtered = rig.get(&format!("/orders?account=systempay&cursor={}", cursors[0])).await;
    assert_eq!(filtered.problem(), (400, "invalid_cursor"));
    let dead = rig.get(&format!("{deliveries}?status=dead&cursor={}", cursors[3])).await;
    assert_eq!(dead.problem(), (400, "invalid_cursor"));
}

/// A place that cannot be read is not "from now on": the stream would leave out what happened meanwhile.
#[tokio::test]
async fn a_last_event_id_that_is_no_text_is_refused() {
    let rig = Rig::new().await;
    let request = reqwest::Client::builder().no_proxy().build().unwrap().get(format!("{}/events", rig.url));
    let last = reqwest::header::HeaderValue::from_bytes(b"\xe9v\xe9nement").unwrap();
    let reply =
        request.header("accept", "text/event-stream").header("last-event-id", last).send().await.unwrap();
    assert_eq!(reply.status(), 400);
    let problem: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "invalid_cursor");
}

/// The key is made once: what was given before a restart is good after it.
#[tokio::test]
async fn cursors_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("kept.db");
    let rig = Rig::new().await;
    rig.update().await;
    let cursor = next(&rig, "").await;
    let key = |path: &Path| -> Vec<u8> {
        let store = rusqlite::Connection::open(path).unwrap();
        store.query_row("SELECT secret FROM store_keys WHERE name = 'cursors'", [], |row| row.get(0)).unwrap()
    };
    let made = key(&rig.store_path());
    assert_eq!(made.len(), 32);
    backup(&rig, &copy);
    rig.stop().await;
    let again = restored(&copy).await;
    assert_eq!(key(&again.store_path()), made);
    assert_eq!(page(&again, &cursor).await.json["items"], Value::Array(Vec::new()));
}
