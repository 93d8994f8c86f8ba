//! Keys and secrets are replaced while requests go on: none of them is lost.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use guichet::config::api_key;
use guichet_simulator::{self as simulator, SimulatorOptions};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use super::process::Home;

fn client(hashes: &[&str]) -> String {
    let hashes: Vec<String> = hashes.iter().map(|hash| format!("\"{hash}\"")).collect();
    format!(
        "[limits]\nrate_per_second = 1000000\nburst = 1000000\n[auth]\nmode = \"api_key\"\n[[auth.clients]]\n\
         name = \"shop\"\nkey_sha256 = [{}]\nscopes = [\"orders:read\", \"orders:create\"]\naccounts = [\"*\"]\n",
        hashes.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_while_keys_are_replaced() {
    let simulators = simulator::start(SimulatorOptions::default()).await.unwrap();
    let (old, new) = (api_key::generate().unwrap(), api_key::generate().unwrap());
    let home = Home::new(&simulators, |_| String::new());
    home.configure(&client(&[&old.sha256_hex]));
    let program = Arc::new(home.start("").await);

    let (use_new, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (made, with_new) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let keys = [&old, &new].map(|key| key.secret.expose_secret().to_owned());
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let (program, keys) = (Arc::clone(&program), keys.clone());
            let (use_new, stop) = (Arc::clone(&use_new), Arc::clone(&stop));
            let (made, with_new) = (Arc::clone(&made), Arc::clone(&with_new));
            tokio::spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::SeqCst) {
                    number += 1;
                    let is_new = use_new.load(Ordering::SeqCst);
                    let name = format!("caller-{caller}-{number}");
                    let headers = [
                        ("x-api-key", keys[usize::from(is_new)].as_str()),
                        ("idempotency-key", name.as_str()),
                    ];
                    let body = json!({"account": "systempay", "amount": {"value": 100, "currency": "EUR"},
                                      "merchant_reference": name});
                    let reply = program.send(Method::POST, "/orders", &headers, Some(body.to_string())).await;
                    assert_eq!(reply.status, 201, "{reply:?}");
                    made.fetch_add(1, Ordering::SeqCst);
                    if is_new {
                        with_new.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let more = async |counter: &AtomicUsize| {
        let enough = counter.load(Ordering::SeqCst) + 8;
        while counter.load(Ordering::SeqCst) < enough {
            assert!(callers.iter().all(|caller| !caller.is_finished()), "a caller gave up");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };

    more(&made).await;
    home.configure(&client(&[&old.sha256_hex, &new.sha256_hex]));
    assert!(program.reload().await);
    more(&made).await;
    use_new.store(true, Ordering::SeqCst);
    more(&with_new).await;
    // Nobody uses the old one any more: every caller has been seen with the new one.
    home.configure(&client(&[&new.sha256_hex]));
    assert!(program.reload().await);
    more(&with_new).await;
    // The accounts' secrets are replaced: new pools, new adapters, the same orders.
    for _ in 0..3 {
        assert!(program.reload().await);
        more(&made).await;
    }
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    let effects =
        simulators.control().effects().into_iter().filter(|effect| effect.action == "create").count();
    assert_eq!(effects, made.load(Ordering::SeqCst));
    let refused = program.send(Method::GET, "/orders", &[("x-api-key", keys[0].as_str())], None).await;
    assert_eq!(refused.status, 401, "the old key is worth nothing");
    simulators.stop().await;
}
