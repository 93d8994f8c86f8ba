//! What concerns security has its line in the log.

use guichet::config::api_key;
use guichet_simulator::{self as simulator, Fault, FaultKind, SimulatorOptions};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::process::Home;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_security_event_has_its_line() {
    let simulators = simulator::start(SimulatorOptions::default()).await.unwrap();
    let (shop, reader) = (api_key::generate().unwrap(), api_key::generate().unwrap());
    let home = Home::new(&simulators, |_| String::new());
    let sections = |burst: u32, shop_scopes: &str| {
        format!(
            "[limits]\nrate_per_second = 1\nburst = {burst}\n[auth]\nmode = \"api_key\"\n\
             [[auth.clients]]\nname = \"shop\"\nkey_sha256 = [\"{}\"]\nscopes = [{shop_scopes}]\naccounts = [\"*\"]\n\
             [[auth.clients]]\nname = \"reader\"\nkey_sha256 = [\"{}\"]\nscopes = [\"orders:read\"]\naccounts = [\"*\"]\n",
            shop.sha256_hex, reader.sha256_hex
        )
    };
    let all = "\"orders:read\", \"orders:create\", \"endpoints:admin\", \"operations:settle\"";
    home.configure(&sections(20, all));
    let program = home.start("").await;
    let as_shop = [("x-api-key", shop.secret.expose_secret()), ("idempotency-key", "k")];
    let as_reader = [("x-api-key", reader.secret.expose_secret()), ("idempotency-key", "k")];
    let expect = async |security: &str, members: &[(&str, Value)]| {
        let line = program.logged(|entry| entry["security"] == security).await;
        for (name, value) in members {
            assert_eq!(line[name], *value, "{security}: {line}");
        }
        assert!(matches!(line["level"].as_str(), Some("WARN" | "INFO")), "{line}");
    };

    let order = json!({"account": "systempay", "amount": {"value": 100, "currency": "EUR"}, "merchant_reference": "a",
                       "delivery": {"channel": "email", "recipient": "zoe@example.com"}})
    .to_string();
    program.send(Method::GET, "/orders", &[("x-api-key", "nonsense")], None).await;
    expect("failed_login", &[("reason", json!("unknown_key"))]).await;

    let denied = program.send(Method::POST, "/orders", &as_reader, Some(order.clone())).await;
    assert_eq!(denied.status, 403, "{denied:?}");
    expect("missing_scope", &[("client", json!("reader")), ("scope", json!("orders:create"))]).await;

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "kr-hash=00&kr-hash-algorithm=sha256_hmac&kr-hash-key=password&kr-answer-type=V4%2FPayment&kr-answer=%7B%7D";
    let refused = program.send(Method::POST, "/notifications/systempay", &form, Some(body.to_owned())).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    expect("notification_refused", &[("account", json!("systempay"))]).await;

    let lose = Fault::new("lyra", FaultKind::LoseAnswer).on_service("Charge/CreatePaymentOrder");
    simulators.control().add_fault(lose);
    let unknown = program.send(Method::POST, "/orders", &as_shop, Some(order)).await;
    assert_eq!(unknown.status, 202, "{unknown:?}");
    let id = unknown.json["operation"]["id"].as_str().unwrap().to_owned();
    let settle =
        |status: &str| Some(json!({"as": status, "reason": "looked into the back office"}).to_string());
    let path = format!("/operations/{id}/settle");
    let settled = program.send(Method::POST, &path, &as_shop, settle("not_executed")).await;
    assert_eq!(settled.status, 200, "{settled:?}");
    expect(
        "review",
        &[("client", json!("shop")), ("operation_id", json!(id)), ("settled_as", json!("not_executed"))],
    )
    .await;
    let again = program.send(Method::POST, &path, &as_shop, settle("succeeded")).await;
    assert_eq!(again.status, 409, "{again:?}");
    assert_eq!(
        program.count(|entry| entry["security"] == "review"),
        1,
        "what was not done is not logged as done"
    );

    let endpoint = json!({"url": "http://127.0.0.1:9/hook"}).to_string();
    let made = program.send(Method::POST, "/webhook-endpoints", &as_shop, Some(endpoint)).await;
    assert_eq!(made.status, 201, "{made:?}");
    expect("webhook_created", &[("client", json!("shop")), ("endpoint_id", made.json["id"].clone())]).await;
    let place = format!("/webhook-endpoints/{}", made.json["id"].as_str().unwrap());
    program.send(Method::PATCH, &place, &as_shop, Some("{\"enabled\": false}".to_owned())).await;
    expect("webhook_changed", &[("client", json!("shop"))]).await;
    program.send(Method::POST, &format!("{place}/rotate-secret"), &as_shop, None).await;
    expect("webhook_secret_rotated", &[("client", json!("shop"))]).await;
    program.send(Method::DELETE, &place, &as_shop, None).await;
    expect("webhook_deleted", &[("client", json!("shop"))]).await;

    for _ in 0..40 {
        program.send(Method::GET, "/orders", &as_reader, None).await;
    }
    expect("rate_limit", &[("client", json!("reader"))]).await;

    assert!(program.reload().await);
    assert_eq!(program.count(|entry| entry["security"] == "key_change"), 0, "nothing was changed");
    home.configure(&sections(20, "\"orders:read\""));
    assert!(program.reload().await);
    expect("key_change", &[("client", json!("shop")), ("change", json!("permissions"))]).await;
    program.stop().await;
    simulators.stop().await;
}
