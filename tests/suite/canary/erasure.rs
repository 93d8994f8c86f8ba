//! The program itself erases: what somebody asks for while it runs, and what is old when it starts.

use guichet_simulator::{self as simulator, SimulatorOptions};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    places::{Canaries, Seen},
    process::{Home, Program, read_store},
};

const RECIPIENT: &str = "zoe.erasure-canary@example.com";

/// An order that was told to its payer and canceled.
async fn canceled(program: &Program, reference: &str) -> String {
    let body = json!({"account": "systempay", "amount": {"value": 100, "currency": "EUR"}, "merchant_reference": reference,
                      "delivery": {"channel": "email", "recipient": RECIPIENT}, "customer": {"email": RECIPIENT}});
    let key = [("idempotency-key", reference)];
    let made = program.send(Method::POST, "/orders", &key, Some(body.to_string())).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json["id"].as_str().unwrap().to_owned();
    let canceled = program.send(Method::POST, &format!("/orders/{id}/cancel"), &[], None).await;
    assert_eq!(canceled.status, 200, "{canceled:?}");
    id
}

/// Where the payer is in the files and rows of the store.
fn found(home: &Home) -> Vec<String> {
    let (mut seen, mut canaries) = (Seen::default(), Canaries::default());
    read_store(&home.store(), &mut seen);
    canaries.add("the recipient", RECIPIENT, &[]);
    canaries.leaks(&seen)
}

fn erased(orders: u64) -> impl Fn(&Value) -> bool {
    move |entry| entry["message"] == "what was old was erased" && entry["orders"] == orders
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_for_and_what_is_old_is_erased() {
    let simulators = simulator::start(SimulatorOptions::default()).await.unwrap();
    let home = Home::new(&simulators, |_| String::new());
    home.configure("[auth]\nmode = \"none\"");
    let program = home.start("hurry:600").await;
    let id = canceled(&program, "asked").await;
    assert!(!found(&home).is_empty());
    let said = home.command(&["erase", "--order", &id], "").await;
    assert!(said.starts_with("asked"), "{said}");
    program.logged(erased(1)).await;
    assert_eq!(found(&home), [""; 0]);
    let again = program.send(Method::GET, "/orders", &[], None).await;
    assert_eq!(again.json["items"][0]["delivery"]["recipient"], Value::Null, "{again:?}");
    assert_eq!(again.json["items"][0]["status"], "canceled");

    canceled(&program, "old").await;
    program.stop().await;
    assert!(!found(&home).is_empty());
    // 401 days pass.
    let store = rusqlite::Connection::open(home.store()).unwrap();
    for (table, column) in [
        ("orders", "first_seen_at"),
        ("operations", "updated_at"),
        ("events", "occurred_at"),
        ("idempotency_keys", "created_at"),
    ] {
        store.execute(&format!("UPDATE {table} SET {column} = {column} - 401 * 86400000"), []).unwrap();
    }
    drop(store);
    let program = home.start("").await;
    program.logged(erased(1)).await;
    assert_eq!(found(&home), [""; 0]);
    let audit = program.send(Method::GET, "/operations", &[], None).await;
    assert_eq!(audit.json["items"].as_array().unwrap().len(), 4, "the record stays: {audit:?}");
    let refused = home.command(&["compact"], "").await;
    assert!(refused.contains("another process uses the store"), "{refused}");
    program.stop().await;
    assert_eq!(home.command(&["compact"], "").await, "the store was written anew\n");
    simulators.stop().await;
}
