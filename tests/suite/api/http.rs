//! What every address keeps, whatever it is about: forms, credentials, headers, reads that fail.

use std::time::Duration;

use guichet::{
    config::{AllowedAccounts, AuthMode, ClientSettings, Scope, api_key},
    problem::ProblemCode,
};
use guichet_simulator::{FaultKind, Moment};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{CANCEL, GET, Reply, Rig, SAMPLE, cancel_path, path};

#[tokio::test]
async fn addresses_and_methods() {
    let rig = Rig::new().await;
    assert_eq!(rig.get("/nothing/here").await.problem(), (404, "not_found"));
    let wrong = rig.send(Method::DELETE, &path(), &[], None).await;
    assert_eq!(wrong.problem(), (405, "method_not_allowed"));
    let allow = wrong.header("allow").unwrap();
    assert!(allow.contains("GET") && allow.contains("PATCH"), "{allow}");
    assert_eq!(rig.get(&cancel_path()).await.problem(), (405, "method_not_allowed"));
    assert_eq!(rig.control.total_requests(), 0);
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let rig = Rig::new().await;
    let patch = async |body: &str| rig.send(Method::PATCH, &path(), &[], Some(body)).await;

    let broken = patch("{\"locale\":\n  nope}").await;
    assert_eq!(broken.problem(), (400, "invalid_json"));
    assert!(broken.json["detail"].as_str().unwrap().starts_with("line 2, column "), "{broken:?}");
    let amount = r#"{"value":1,"currency":"EUR"}"#;
    let repeated = patch(&format!("{{\"amount\":{amount},\"amount\":{amount}}}")).await;
    assert_eq!(repeated.problem(), (400, "invalid_json"));
    assert!(repeated.json["detail"].as_str().unwrap().contains("a member is repeated"), "{repeated:?}");
    let unknown = patch(&format!("{{\"amout\":{amount},\"locale\":7}}")).await;
    assert_eq!(unknown.problem(), (400, "validation_failed"));
    let pointers: Vec<_> =
        unknown.json["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/locale", "/amout"]);
    assert!(unknown.json["errors"][1]["detail"].as_str().unwrap().contains("`amount`"), "{unknown:?}");
    assert_eq!(patch("[]").await.problem(), (400, "validation_failed"));
    assert_eq!(patch("{}").await.problem(), (400, "validation_failed"));
    let large = format!("{{\"description\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(patch(&large).await.problem(), (413, "body_too_large"));

    let text = [("content-type", "text/plain")];
    let reply = rig.send(Method::PATCH, &path(), &text, Some("{}")).await;
    assert_eq!(reply.problem(), (415, "unsupported_media_type"));
    let merge = [("content-type", "application/merge-patch+json; charset=utf-8")];
    let reply = rig.send(Method::PATCH, &path(), &merge, Some(r#"{"locale":"fr-FR"}"#)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(rig.control.effects().len(), 1, "only the last one was valid");
}

#[tokio::test]
async fn headers_are_read_strictly() {
    let rig = Rig::new().await;
    let get = async |headers: &[(&str, &str)]| rig.send(Method::GET, &path(), headers, None).await;
    assert_eq!(get(&[("accept", "text/csv")]).await.problem(), (406, "not_acceptable"));
    assert_eq!(get(&[("accept", "text/html, application/json;q=0.9")]).await.status, 200);
    assert_eq!(get(&[("x-large", &"x".repeat(17_000))]).await.problem(), (431, "headers_too_large"));
    let key = rig.post(&cancel_path(), &[("idempotency-key", "two words")], None).await;
    assert_eq!(key.problem(), (400, "idempotency_key_invalid"));
    let reply = rig.get(&format!("{}?max_age=5", path())).await;
    assert_eq!((reply.problem(), reply.pointer()), ((400, "validation_failed"), Some("/max_age")));

    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let reply = get(&[("x-request-id", "abc-1.2_3"), ("traceparent", trace)]).await;
    assert_eq!((reply.header("x-request-id"), reply.header("traceparent")), (Some("abc-1.2_3"), Some(trace)));
    let reply = get(&[("x-request-id", "not a word"), ("traceparent", "nonsense")]).await;
    assert_ne!(reply.header("x-request-id"), Some("not a word"));
    // A trace begins here, and the caller is told which.
    assert!(reply.header("traceparent").is_some_and(|text| text.starts_with("00-") && text.len() == 55));
    let problem = rig.send(Method::GET, "/nothing", &[("x-request-id", "r-1")], None).await;
    assert_eq!((problem.header("x-request-id"), &problem.json["request_id"]), (Some("r-1"), &json!("r-1")));
    assert_eq!(problem.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn malformed_ids_are_absent_and_nobody_is_asked() {
    let rig = Rig::new().await;
    for id in [
        "x",
        "systempay",
        "systempay_",
        "_d63e7f507a6f4dfa86cb40a833ecfd85",
        "systempay_D63E7F507A6F4DFA86CB40A833ECFD85",
        "systempay_d63e7f507a6f4dfa86cb40a833ecfd8",
        "systempay_..%2F..%2Fx",
        "nobody_d63e7f507a6f4dfa86cb40a833ecfd85",
        "systempay_%00",
    ] {
        assert_eq!(rig.get(&format!("/orders/{id}")).await.problem(), (404, "not_found"), "{id}");
        let cancel = rig.post(&format!("/orders/{id}/cancel"), &[], None).await;
        assert_eq!(cancel.problem(), (404, "not_found"), "{id}");
        assert_eq!(rig.get(&format!("/orders/{id}/events")).await.problem(), (404, "not_found"), "{id}");
    }
    assert_eq!(rig.get("/operations/op_nothing").await.problem(), (404, "not_found"));
    assert_eq!(rig.control.total_requests(), 0);
}

fn client(name: &str, key: &str, scopes: &[Scope], account: &str) -> ClientSettings {
    ClientSettings {
        name: name.to_owned(),
        key_sha256: vec![api_key::sha256(key)],
        certificates: Vec::new(),
        via_gateway: false,
        scopes: scopes.iter().copied().collect(),
        accounts: AllowedAccounts::Named([account.to_owned()].into()),
    }
}

/// The body of a problem without what differs from request to request.
fn lasting(reply: &Reply) -> Value {
    let mut body = reply.json.clone();
    for member in ["request_id", "instance"] {
        body.as_object_mut().unwrap().remove(member);
    }
    body
}

#[tokio::test]
async fn credentials_scopes_and_accounts() {
    let rig = Rig::with(|settings| {
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients = vec![
            client("shop", "key-of-shop", &Scope::ALL, "systempay"),
            client("reader", "key-of-reader", &[Scope::OrdersRead], "systempay"),
            client("island", "key-of-island", &Scope::ALL, "epaync"),
        ];
    })
    .await;
    let call = async |method: Method, place: &str, headers: &[(&str, &str)]| {
        rig.send(method, place, headers, None).await
    };
    for headers in [
        &[][..],
        &[("x-api-key", "wrong")],
        &[("authorization", "Basic a2V5LW9mLXNob3A=")],
        &[("authorization", "Bearer ")],
    ] {
        let reply = call(Method::GET, &path(), headers).await;
        assert_eq!(reply.problem(), (401, "unauthenticated"), "{headers:?}");
        assert!(reply.header("www-authenticate").is_some());
    }
    assert_eq!(rig.control.total_requests(), 0);
    for headers in [[("x-api-key", "key-of-shop")], [("authorization", "bearer key-of-shop")]] {
        assert_eq!(call(Method::GET, &path(), &headers).await.status, 200);
    }
    let reader = [("x-api-key", "key-of-reader")];
    assert_eq!(call(Method::GET, &path(), &reader).await.status, 200);
    for place in ["/orders", &cancel_path(), &format!("{}/capture", path()), &format!("{}/refund", path())] {
        assert_eq!(call(Method::POST, place, &reader).await.problem(), (403, "forbidden"), "{place}");
        assert_eq!(call(Method::POST, place, &[]).await.problem(), (401, "unauthenticated"), "{place}");
    }

    // An order of an account that is not one's own looks just like one that does not exist.
    let island = [("x-api-key", "key-of-island"), ("idempotency-key", "k")];
    let shop = [("x-api-key", "key-of-shop"), ("idempotency-key", "k")];
    let absent = "00000000000000000000000000000000";
    for (method, end) in
        [(Method::GET, ""), (Method::POST, "/cancel"), (Method::POST, "/capture"), (Method::POST, "/refund")]
    {
        let foreign = call(method.clone(), &format!("/orders/systempay_{SAMPLE}{end}"), &island).await;
        assert_eq!(foreign.problem(), (404, "not_found"));
        let own = call(method.clone(), &format!("/orders/systempay_{absent}{end}"), &shop).await;
        assert_eq!(lasting(&foreign), lasting(&own));
    }
    let canceled = call(Method::POST, &cancel_path(), &shop).await;
    assert_eq!(canceled.status, 200, "{canceled:?}");
    let operation = format!("/operations/{}", canceled.json["operation"]["id"].as_str().unwrap());
    assert_eq!(call(Method::GET, &operation, &reader).await.status, 200);
    assert_eq!(call(Method::GET, &operation, &island).await.problem(), (404, "not_found"));
    assert_eq!(call(Method::GET, &format!("{}/events", path()), &island).await.problem(), (404, "not_found"));

    let seen = call(Method::GET, "/accounts", &island).await;
    let names: Vec<_> = seen.json["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(names, ["epaync"]);
    assert_eq!(call(Method::GET, "/accounts/systempay", &island).await.problem(), (404, "not_found"));
}

#[tokio::test]
async fn reads_that_fail_and_old_copies() {
    let mut rig = Rig::with(|settings| settings.server.request_timeout = Duration::from_millis(1_500)).await;
    let html = FaultKind::HttpStatus {
        code: 500,
        body: "<html>sorry</html>".to_owned(),
        content_type: "text/html".to_owned(),
        effect: false,
    };
    for kind in [
        FaultKind::Garbage { effect: false },
        FaultKind::TooLarge { effect: false },
        FaultKind::WrongEnvelope { effect: false },
        html,
    ] {
        rig.control.reset();
        let name = format!("{kind:?}");
        let fault = guichet_simulator::Fault::new("lyra", kind).on_service(GET).times(0);
        rig.control.add_fault(fault);
        let reply = rig.get(&path()).await;
        assert_eq!(reply.problem(), (502, "provider_bad_response"), "{name}");
        assert_eq!((&reply.json["retryable"], reply.json.get("outcome")), (&json!(true), None), "{name}");
        assert!(!reply.text.contains("sorry"), "{name}: nothing of the infrastructure's page");
    }
    rig.control.reset();
    let hold = rig.fault(GET, FaultKind::Hold { when: Moment::Before });
    assert_eq!(rig.get(&path()).await.problem(), (504, "provider_timeout"));
    rig.control.release(hold);

    let fresh = rig.get(&path()).await;
    assert_eq!((fresh.status, &fresh.json["stale"]), (200, &json!(false)));
    // The copy is written behind the answer: a young one is accepted as soon as nobody is asked for it.
    let asked = rig.control.requests(GET);
    let copied = async {
        loop {
            let before = rig.control.requests(GET);
            let reply = rig.get(&format!("{}?max_age_seconds=3600", path())).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            if rig.control.requests(GET) == before {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), copied).await.unwrap();
    assert!(asked >= 1);

    rig.stop_simulators().await;
    let reply = rig.get(&path()).await;
    assert_eq!(reply.problem(), (503, "provider_unavailable"));
    assert!(reply.header("retry-after").is_some());
    let stale = rig.get(&format!("{}?allow_stale=true", path())).await;
    assert_eq!((stale.status, &stale.json["stale"]), (200, &json!(true)), "{stale:?}");
    let never_seen = "/orders/systempay_00000000000000000000000000000000?allow_stale=true";
    assert_eq!(rig.get(never_seen).await.problem(), (503, "provider_unavailable"));
}

/// Whoever joins a read has a deadline of its own, later than that of whoever began it.
#[tokio::test]
async fn a_reader_who_joined_outlives_the_first_readers_deadline() {
    let rig = Rig::with(|settings| settings.server.request_timeout = Duration::from_secs(4)).await;
    let hold = rig.fault(GET, FaultKind::Hold { when: Moment::Before });
    let place = path();
    let first = async {
        let reply = rig.get(&place).await;
        assert_eq!(reply.problem(), (504, "provider_timeout"));
        // From now on the provider answers at once.
        rig.control.release(hold);
    };
    let joined = async {
        assert!(rig.control.held(hold).await);
        tokio::time::sleep(Duration::from_secs(2)).await;
        rig.get(&place).await
    };
    let ((), reply) = tokio::join!(first, joined);
    assert_eq!((reply.status, &reply.json["stale"]), (200, &json!(false)), "{reply:?}");
}

#[tokio::test]
async fn pages_accounts_and_probes() {
    let rig = Rig::new().await;
    for code in ProblemCode::ALL {
        let place = format!("/problems/{}", code.as_str());
        let page = rig.get(&place).await;
        assert_eq!(page.status, 200, "{place}");
        assert!(page.text.contains(code.title()) && page.text.contains(code.as_str()), "{place}");
        let json = rig.send(Method::GET, &place, &[("accept", "application/json")], None).await;
        assert_eq!(json.json["code"], code.as_str(), "{json:?}");
    }
    assert_eq!(rig.get("/problems/nothing").await.problem(), (404, "not_found"));
    let listed = rig.get("/accounts").await;
    let items = listed.json["items"].as_array().unwrap();
    let names: Vec<_> = items.iter().map(|item| (&item["name"], &item["provider"], &item["mode"])).collect();
    assert_eq!(
        names,
        [
            (&json!("epaync"), &json!("lyra"), &json!("test")),
            (&json!("sherlocks"), &json!("sips"), &json!("test")),
            (&json!("systempay"), &json!("lyra"), &json!("test")),
            (&json!("yabandpay"), &json!("yabandpay"), &json!("test"))
        ]
    );
    assert!(!listed.text.contains("testpassword"), "no credential");
    assert_eq!(rig.get("/accounts/systempay").await.json["capabilities"]["cancel"]["supported"], true);
    assert_eq!(rig.get("/accounts/nobody").await.problem(), (404, "not_found"));
    for probe in ["livez", "readyz"] {
        assert_eq!(rig.get(&format!("{}/{probe}", rig.ops_url)).await.status, 200, "{probe}");
        assert_eq!(rig.get(&format!("/{probe}")).await.problem(), (404, "not_found"), "{probe}");
    }
    for page in ["/docs", "/docs/", "/openapi.json"] {
        assert_eq!(rig.get(page).await.status, 200, "{page}");
    }
}

/// Behind an API gateway that puts a path before the service's own.
#[tokio::test]
async fn links_in_answers_are_under_the_public_address() {
    let rig = Rig::with(|settings| {
        settings.server.public_url = "https://gateway.example/pay/".to_owned();
        settings.server.request_timeout = Duration::from_millis(2_000);
    })
    .await;
    let absent = rig.get("/nothing").await;
    assert_eq!(absent.json["type"], "/pay/problems/not_found");
    let made = rig.create("k", &crate::rig::new_order("a")).await;
    assert_eq!(
        made.header("location"),
        Some(format!("/pay/orders/{}", made.json["id"].as_str().unwrap()).as_str())
    );
    let hold = FaultKind::Hold { when: Moment::Before };
    let fault = rig.control.add_fault(guichet_simulator::Fault::new("lyra", hold).on_service(CANCEL));
    let open = rig.cancel().await;
    assert_eq!(open.status, 202, "{open:?}");
    let id = open.json["operation"]["id"].as_str().unwrap();
    assert_eq!(open.header("location"), Some(format!("/pay/operations/{id}").as_str()));
    rig.control.release(fault);
}
