//! What SIGHUP changes, and what it says that it does not.

use std::time::Duration;

use guichet::config::{AccountSettings, AuthMode, Settings, StoreUrl};
use guichet_simulator::{Fault, FaultKind};
use serde_json::json;

use crate::rig::{CANCEL_OR_REFUND, Rig, path};

/// A service, and the settings it was started with.
async fn started(tweak: impl FnOnce(&mut Settings)) -> (Rig, Settings) {
    let mut same = None;
    let rig = Rig::with(|settings| {
        tweak(settings);
        same = Some(settings.clone());
    })
    .await;
    (rig, same.unwrap())
}

/// A refund whose answer is lost and that was never made; its operation.
async fn lost_refund(rig: &Rig, reference: &str) -> String {
    let order = rig.captured(reference).await;
    let lost = Fault::new("lyra", FaultKind::CutBefore).on_service(CANCEL_OR_REFUND).on_order(&order);
    rig.control.add_fault(lost);
    let seen = rig.act("refund", &order, Some(reference), Some(300)).await;
    assert_eq!((seen.status, &seen.json["operation"]["status"]), (202, &json!("unknown")), "{seen:?}");
    seen.json["operation"]["id"].as_str().unwrap().to_owned()
}

/// The settling time is twice the provider timeout. A reload that lengthens the timeout lengthens it at once; one that
/// shortens it does not, because calls of before may still be under way.
#[tokio::test]
async fn the_settling_time_follows_the_provider_timeout() {
    let (rig, mut settings) = started(|settings| {
        settings.resilience.provider_timeout = Duration::from_secs(45);
        settings.server.request_timeout = Duration::from_secs(2);
    })
    .await;
    let [first, second, third] =
        [lost_refund(&rig, "a").await, lost_refund(&rig, "b").await, lost_refund(&rig, "c").await];
    let status = async |operation: &str, seconds| rig.aged(operation, seconds).await["status"].clone();
    assert_eq!(status(&first, 80).await, "unknown", "90 s have not passed");
    assert_eq!(status(&first, 100).await, "not_executed");

    settings.resilience.provider_timeout = Duration::from_secs(120);
    assert_eq!(rig.reload.apply(settings.clone()).unwrap(), Vec::<&str>::new());
    assert_eq!(status(&second, 100).await, "unknown", "now it is 240 s");
    assert_eq!(status(&second, 250).await, "not_executed");

    settings.resilience.provider_timeout = Duration::from_secs(10);
    rig.reload.apply(settings).unwrap();
    assert_eq!(status(&third, 100).await, "unknown", "a call of before may still be listened for");
    assert_eq!(status(&third, 250).await, "not_executed");
    rig.stop().await;
}

#[tokio::test]
async fn calls_after_a_reload_have_the_new_resilience() {
    let (rig, mut settings) = started(|settings| settings.resilience.breaker_failures = 1_000).await;
    settings.resilience.breaker_failures = 1;
    settings.resilience.breaker_open = Duration::from_secs(600);
    settings.resilience.connect_timeout = Duration::from_millis(200);
    // Nobody listens there.
    let away = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{away}/api-payment/");
    let pairs = [("base_url", url.as_str()), ("shop_id", "11111111"), ("password", "testpassword_hole")];
    settings.accounts.insert("hole".to_owned(), AccountSettings::from_pairs("hole", "lyra", pairs));
    assert_eq!(rig.get("/accounts/hole").await.status, 404);
    rig.reload.apply(settings).unwrap();
    assert_eq!(rig.get("/orders/hole_d63e7f507a6f4dfa86cb40a833ecfd85").await.status, 503);
    assert_eq!(rig.get("/accounts/hole").await.json["health"]["breaker"], "open");
    assert_eq!(rig.get(&path()).await.status, 200);
    rig.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_restart_is_named() {
    let (rig, same) = started(|_| {}).await;
    assert_eq!(rig.reload.apply(same.clone()).unwrap(), Vec::<&str>::new());
    let mut other = same.clone();
    other.server.public_url = "https://elsewhere.example".to_owned();
    other.store.url = StoreUrl::Sqlite("elsewhere.db".into());
    other.limits.burst += 1;
    other.webhooks.timeout += Duration::from_millis(1);
    other.tracing.service_name.push_str("-2");
    assert_eq!(rig.reload.apply(other).unwrap(), ["server", "store", "limits", "webhooks", "tracing"]);
    // The address of the start is still the one that new orders name.
    let made = rig.create("after", &crate::rig::new_order("after-reload")).await;
    assert_eq!(made.status, 201, "{made:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_bad_configuration_changes_nothing() {
    let (rig, same) = started(|_| {}).await;
    let mut none = same.clone();
    none.accounts.clear();
    let mut wrong = same.clone();
    let pairs = [("shop_id", "11111111")];
    wrong.accounts.insert("hole".to_owned(), AccountSettings::from_pairs("hole", "lyra", pairs));
    let mut no_clients = same;
    no_clients.auth.mode = AuthMode::ApiKey;
    for (settings, words) in [
        (none, "accounts: there is none"),
        (wrong, "accounts.hole."),
        (no_clients, "auth.clients: there is none"),
    ] {
        let text = rig.reload.apply(settings).unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
        assert_eq!(rig.get(&path()).await.status, 200);
        assert_eq!(rig.get("/accounts/hole").await.status, 404);
    }
    rig.stop().await;
}
