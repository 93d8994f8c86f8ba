//! SIGKILL between an event, its plan, its sending and the note of it: everything arrives all the same.

use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    changes::{CANCEL, UPDATE},
    process::{Home, start_provider},
};

type Seen = Arc<Mutex<Vec<Value>>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_every_step_of_a_delivery_loses_nothing() {
    async fn receive(State(seen): State<Seen>, body: Bytes) -> StatusCode {
        let message: Value = serde_json::from_slice(&body).unwrap();
        seen.lock().unwrap().push(message["data"].clone());
        StatusCode::OK
    }
    let provider = start_provider().await;
    for point in ["webhook_planned", "webhook_planned#2", "webhook_sent", "webhook_sent#2"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let seen = Seen::default();
        let router = Router::new().fallback(receive).with_state(seen.clone());
        let never = std::future::pending();
        let options = guichet::http::server::ServeOptions::new(64, None);
        tokio::spawn(guichet::http::server::serve(listener, router, options, never));

        let home = Home::new(&provider, &UPDATE);
        let order = UPDATE.new_order(&provider.control());
        let allowed = [("GUICHET__WEBHOOKS__ALLOW_NETWORKS", Path::new("127.0.0.0/8"))];
        let mut program = home.start_with(&format!("kill@{point}"), &allowed).await;
        let (status, made) = program.post("/webhook-endpoints", &json!({"url": url})).await;
        assert_eq!(status, 201, "{made}");
        // Whether they are answered is not the question here: the program dies at some time during or after them.
        for change in [&UPDATE, &CANCEL] {
            let _ = program.change(change, &order, change.effect).send().await;
        }
        let status = program.ended().await;
        assert_eq!(status.signal(), Some(9), "{point}: {status}");

        let program = home.start_with("", &allowed).await;
        let (status, told) = program.get(&format!("/orders/{}/events", UPDATE.id(&order))).await;
        assert_eq!(status, 200, "{told}");
        let told: BTreeSet<i64> = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["sequence"].as_i64().unwrap())
            .collect();
        assert!(!told.is_empty(), "{point}");
        let arrived = || -> BTreeSet<i64> {
            seen.lock().unwrap().iter().map(|event| event["sequence"].as_i64().unwrap()).collect()
        };
        for _ in 0..200 {
            if arrived().is_superset(&told) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(arrived().is_superset(&told), "{point}: {told:?}, but only {:?} arrived", arrived());
        let last = i64::try_from(arrived().len()).unwrap();
        assert_eq!(arrived(), (1..=last).collect(), "{point}: a gap");
    }
}
