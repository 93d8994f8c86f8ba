//! Many notifications at once: each three times, in any order, some forged. Every one is applied once, nothing forged.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::Rig;

/// Orders paid; each is told of three times, every tenth once more by somebody without the key.
const ORDERS: usize = 150;
const CALLERS: usize = 32;

#[tokio::test]
async fn each_is_applied_once_and_no_forged_one() {
    let rig = Rig::new().await;
    let nothing: Value = json!({});
    let orders: Vec<String> = stream::iter(0..ORDERS)
        .map(|number| {
            let (rig, nothing) = (&rig, &nothing);
            async move { rig.made(&format!("storm-{number}"), nothing).await }
        })
        .buffer_unordered(CALLERS)
        .collect()
        .await;
    // Every second order is paid; the others are only told of by forgeries.
    for order in orders.iter().step_by(2) {
        rig.pay(order);
    }
    let notices = rig.control.notices();
    assert_eq!(notices.len(), ORDERS / 2);
    let mut posts: Vec<(String, u16)> = Vec::new();
    for (number, notice) in notices.iter().enumerate() {
        for _ in 0..3 {
            posts.push((notice.body.clone(), 200));
        }
        if number % 5 == 0 {
            // Another reference under the same signature.
            posts.push((notice.body.replace("storm-", "strom-"), 401));
        }
    }
    posts.shuffle(&mut StdRng::seed_from_u64(7));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answers: Vec<(u16, u16)> = stream::iter(posts)
        .map(|(body, expected)| {
            let (rig, headers) = (&rig, &headers);
            async move {
                let reply = rig.send(Method::POST, "/notifications/systempay", headers, Some(&body)).await;
                (reply.status, expected)
            }
        })
        .buffer_unordered(CALLERS)
        .collect()
        .await;
    for (status, expected) in answers {
        assert_eq!(status, expected);
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    for (number, order) in orders.iter().enumerate() {
        let wanted = usize::from(number % 2 == 0);
        loop {
            let events = rig.get(&format!("/orders/systempay_{order}/events")).await;
            let types: Vec<&str> = events.json["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|e| e["type"].as_str().unwrap())
                .collect();
            let count = |wanted: &str| types.iter().filter(|found| **found == wanted).count();
            if count("notification.received") == wanted {
                assert_eq!(count("order.paid"), wanted, "{types:?}");
                break;
            }
            assert!(count("notification.received") < wanted.max(1), "applied twice: {types:?}");
            assert!(tokio::time::Instant::now() < deadline, "not applied: {types:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
