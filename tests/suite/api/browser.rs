//! A browser on the machine of a guichet that asks nobody who calls: pages of strangers can neither change nor read
//! anything, and payers and the pages of guichet itself are served.

use guichet::config::{AllowedAccounts, AuthMode, ClientSettings, Scope, api_key};
use reqwest::Method;

use crate::rig::{Rig, cancel_path, path};

/// What a browser says of a page somewhere else.
const STRANGERS: [&[(&str, &str)]; 6] = [
    &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
    &[("origin", "https://evil.example")],
    &[("origin", "null")],
    &[("sec-fetch-site", "cross-site")],
    // Another service on this machine.
    &[("origin", "http://127.0.0.1:3000"), ("sec-fetch-site", "same-site")],
    // A name of the page's own that leads here.
    &[("host", "evil.example"), ("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")],
];

#[tokio::test]
async fn pages_of_strangers_change_nothing() {
    let rig = Rig::new().await;
    let paid = rig.captured("cart-1").await;
    let sent = rig.changes_sent();
    let refund = format!("/orders/systempay_{paid}/refund");
    for stranger in STRANGERS {
        let headers = [stranger, &[("idempotency-key", "k"), ("content-type", "text/plain")]].concat();
        for (method, path) in [
            (Method::POST, cancel_path()),
            (Method::POST, refund.clone()),
            (Method::POST, "/orders".to_owned()),
            (Method::PATCH, path()),
            (Method::POST, "/webhook-endpoints".to_owned()),
            (Method::DELETE, "/webhook-endpoints/ep_x".to_owned()),
        ] {
            let reply = rig.send(method.clone(), &path, &headers, None).await;
            assert_eq!(reply.problem(), (403, "forbidden"), "{method} {path} {stranger:?}");
            assert_eq!(reply.json["outcome"], "not_executed", "{reply:?}");
            assert!(reply.json["detail"].as_str().unwrap().contains("auth.mode"), "{reply:?}");
        }
    }
    assert_eq!(rig.changes_sent(), sent);
    // Programs say nothing of pages, and pages of guichet say that they are its own.
    let own = [("origin", rig.url.as_str()), ("sec-fetch-site", "same-origin"), ("idempotency-key", "mine")];
    assert_eq!(rig.send(Method::POST, &refund, &own, None).await.status, 200);
    assert_eq!(rig.cancel().await.status, 200);
}

#[tokio::test]
async fn a_name_of_a_stranger_reads_nothing() {
    let rig = Rig::new().await;
    for host in ["evil.example", "127.0.0.1.evil.example:8080", "10.0.0.1"] {
        for path in [path(), "/orders".into(), "/events".into(), "/docs/".into(), "/openapi.json".into()] {
            let reply = rig.send(Method::GET, &path, &[("host", host)], None).await;
            assert_eq!(reply.problem(), (403, "forbidden"), "{host} {path}");
        }
    }
    for host in ["localhost", "localhost:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:8080"] {
        assert_eq!(rig.send(Method::GET, &path(), &[("host", host)], None).await.status, 200, "{host}");
    }
    // A link on another page leads to a page, and an address in the line of the browser does.
    for site in ["cross-site", "none"] {
        let reply = rig.send(Method::GET, "/docs/", &[("sec-fetch-site", site)], None).await;
        assert_eq!(reply.status, 200, "{site}");
    }
}

#[tokio::test]
async fn the_host_of_the_public_address_is_taken() {
    let rig = Rig::with(|settings| settings.server.public_url = "https://Pay.Example/guichet".into()).await;
    for host in ["pay.example", "PAY.example:443", "localhost"] {
        assert_eq!(rig.send(Method::GET, &path(), &[("host", host)], None).await.status, 200, "{host}");
    }
    let headers = [("host", "pay.example"), ("origin", "https://pay.example")];
    assert_eq!(rig.send(Method::POST, &cancel_path(), &headers, None).await.status, 200);
}

/// The payer's browser comes from the provider's page by a form.
#[tokio::test]
async fn payers_and_providers_come_from_anywhere() {
    let rig = Rig::new().await;
    let made = rig.create("k", &crate::rig::new_order("cart-1")).await;
    let operation = made.json["operation"]["id"].as_str().unwrap().to_owned();
    let link = made.json["checkout"]["link"].as_str().unwrap().to_owned();
    for stranger in [STRANGERS[0], STRANGERS[2]] {
        for path in ["/return/unknown", "/pay/unknown"] {
            let reply = rig.send(Method::POST, path, stranger, Some("a=b")).await;
            assert_eq!(reply.problem(), (404, "not_found"), "{operation} {link} {path}");
        }
        let reply = rig.send(Method::POST, "/notifications/systempay", stranger, Some("{}")).await;
        assert_ne!(reply.status, 403, "{reply:?}");
        let reply = rig.send(Method::POST, "/notifications/systempay", STRANGERS[5], Some("{}")).await;
        assert_eq!(reply.problem(), (403, "forbidden"), "a name of somebody else");
    }
}

/// No page can send a key it does not know, and names in front of a gateway are many.
#[tokio::test]
async fn where_callers_prove_who_they_are_any_host_is_served() {
    const KEY: &str = "gk_0123456789012345678901234567890123456789012";
    let rig = Rig::with(|settings| {
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients = vec![ClientSettings {
            name: "shop".into(),
            key_sha256: vec![api_key::sha256(KEY)],
            certificates: Vec::new(),
            via_gateway: false,
            scopes: Scope::ALL.into_iter().collect(),
            accounts: AllowedAccounts::All,
        }];
    })
    .await;
    let headers = [("host", "pay.internal"), ("origin", "https://shop.example"), ("x-api-key", KEY)];
    assert_eq!(rig.send(Method::GET, &path(), &headers, None).await.status, 200);
    assert_eq!(rig.send(Method::POST, &cancel_path(), &headers, None).await.status, 200);
    assert_eq!(rig.send(Method::POST, &cancel_path(), &headers[..2], None).await.problem().0, 401);
}
