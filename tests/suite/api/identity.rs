//! Who may call what: tokens, keys, scopes and accounts, over every operation of the OpenAPI document.

use guichet::{
    config::{AllowedAccounts, ClientSettings, Network, Scope, api_key},
    http::Identities,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::issuer::{AUDIENCE, ISSUER, Issuer, claims, claims_with, now};
use crate::rig::{Reply, Rig, SAMPLE, amount_patch, path};

const KEY: &str = "gk_0123456789012345678901234567890123456789012";

fn client(name: &str, key: &str, accounts: &[&str]) -> ClientSettings {
    let named = accounts.iter().map(|name| (*name).to_owned()).collect();
    ClientSettings {
        name: name.to_owned(),
        key_sha256: vec![api_key::sha256(key)],
        certificates: Vec::new(),
        via_gateway: false,
        scopes: Scope::ALL.into_iter().collect(),
        accounts: if accounts == ["*"] { AllowedAccounts::All } else { AllowedAccounts::Named(named) },
    }
}

async fn rig(issuer: &Issuer) -> Rig {
    Rig::with(|settings| {
        issuer.settings(&mut settings.auth);
        settings.auth.clients = vec![client("back-office", KEY, &["*"])];
    })
    .await
}

async fn with_token(rig: &Rig, token: &str) -> Reply {
    rig.send(Method::GET, &path(), &[("authorization", &format!("Bearer {token}"))], None).await
}

#[tokio::test]
async fn tokens_of_the_issuer_are_taken_and_nothing_else() {
    let issuer = Issuer::start().await;
    let rig = rig(&issuer).await;
    for (algorithm, kid) in [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        let seen = with_token(&rig, &issuer.token(algorithm, kid, &claims())).await;
        assert_eq!(seen.status, 200, "{algorithm}: {seen:?}");
    }
    for typ in ["JWT", "application/at+jwt", "AT+JWT"] {
        let token = issuer.token_with(&json!({"alg": "RS256", "kid": "rsa", "typ": typ}), &claims());
        assert_eq!(with_token(&rig, &token).await.status, 200, "{typ}");
    }
    for good in [
        json!({"aud": AUDIENCE}),
        json!({"nbf": null}),
        json!({"client_id": null}),
        json!({"scope": null, "scp": ["orders:read"]}),
        json!({"scope": null, "scp": "orders:read profile"}),
        json!({"accounts": ["epaync", "systempay"]}),
        json!({"exp": now() - 5}),
    ] {
        let token = issuer.token("RS256", "rsa", &claims_with(good.clone()));
        assert_eq!(with_token(&rig, &token).await.status, 200, "{good}");
    }
    // The key of a configured client goes on.
    for headers in [[("x-api-key", KEY.to_owned())], [("authorization", format!("Bearer {KEY}"))]] {
        let seen = rig.send(Method::GET, &path(), &[(headers[0].0, &headers[0].1)], None).await;
        assert_eq!(seen.status, 200, "{seen:?}");
    }

    let header = |changes: Value| {
        let mut header = json!({"alg": "RS256", "typ": "at+jwt", "kid": "rsa"});
        header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        issuer.token_with(&header, &claims())
    };
    let body = |changes: Value| issuer.token("RS256", "rsa", &claims_with(changes));
    let mut torn = issuer.good();
    torn.truncate(torn.len() - 8);
    let (head, rest) = issuer.good().split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let foreign = body(json!({"accounts": ["epaync"]}));
    let swapped =
        format!("{head}.{}.{}", foreign.split('.').nth(1).unwrap(), rest.split('.').nth(1).unwrap());
    for (what, token) in [
        ("no token", String::new()),
        ("nonsense", "a.b.c".to_owned()),
        ("a cut signature", torn),
        ("another body", swapped),
        ("algorithm none", header(json!({"alg": "none"}))),
        ("algorithm None", header(json!({"alg": "None"}))),
        ("HS256 with the public key", header(json!({"alg": "HS256"}))),
        ("HS256 with a published secret", header(json!({"alg": "HS256", "kid": "secret"}))),
        ("an algorithm that is not allowed", header(json!({"alg": "RS512"}))),
        ("another kind of key", header(json!({"kid": "ec"}))),
        ("a key for another algorithm", issuer.token("PS256", "rsa-rs256-only", &claims())),
        ("a key for encryption", header(json!({"kid": "rsa-enc"}))),
        ("an unknown key", header(json!({"kid": "tomorrow"}))),
        ("no key id", header(json!({"kid": null}))),
        ("no type", header(json!({"typ": null}))),
        ("an id token's type", header(json!({"typ": "id+jwt"}))),
        ("an extension we do not know", header(json!({"crit": ["b64"], "b64": false}))),
        ("a key in the header", header(json!({"kid": "mine", "jwk": {"kty": "oct", "k": "AAAA"}}))),
        ("another issuer", body(json!({"iss": "https://elsewhere.example"}))),
        ("no issuer", body(json!({"iss": null}))),
        ("another audience", body(json!({"aud": "another"}))),
        ("no audience", body(json!({"aud": null}))),
        ("expired", body(json!({"exp": now() - 60}))),
        ("no end", body(json!({"exp": null}))),
        ("an end in words", body(json!({"exp": "never"}))),
        ("not yet valid", body(json!({"nbf": now() + 120}))),
        ("nobody", body(json!({"sub": null, "client_id": null}))),
        ("a name with a line break", body(json!({"client_id": "shop\nadmin"}))),
    ] {
        let seen = with_token(&rig, &token).await;
        assert_eq!(seen.problem(), (401, "unauthenticated"), "{what}: {seen:?}");
        assert_eq!(seen.header("www-authenticate"), Some("Bearer realm=\"guichet\""), "{what}");
        assert!(token.len() < 20 || !seen.text.contains(&token), "{what}");
    }
    // Unknown keys do not let strangers make us call the issuer at will.
    assert!(issuer.fetches.load(std::sync::atomic::Ordering::SeqCst) <= 2);

    let seen = with_token(&rig, &body(json!({"scope": "orders:cancel Orders:Read"}))).await;
    assert_eq!(seen.problem(), (403, "forbidden"));
    for accounts in [json!(["epaync"]), json!("epaync"), json!([]), Value::Null] {
        let seen = with_token(&rig, &body(json!({"accounts": accounts}))).await;
        assert_eq!(seen.problem(), (404, "not_found"), "{accounts}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_reload_takes_and_withdraws_keys() {
    let issuer = Issuer::start().await;
    issuer.publish(&["ec"]);
    let rig = rig(&issuer).await;
    assert_eq!(with_token(&rig, &issuer.token("ES256", "ec", &claims())).await.status, 200);
    let mut auth = guichet::config::sandbox_defaults().auth;
    issuer.settings(&mut auth);
    issuer.publish(&["rsa"]);
    rig.api.replace_identities(Identities::new(&auth));
    assert_eq!(with_token(&rig, &issuer.good()).await.status, 200);
    let seen = with_token(&rig, &issuer.token("ES256", "ec", &claims())).await;
    assert_eq!(seen.problem(), (401, "unauthenticated"));
    let seen = rig.send(Method::GET, &path(), &[("x-api-key", KEY)], None).await;
    assert_eq!(seen.problem(), (401, "unauthenticated"), "the client is configured no more");
    rig.stop().await;
}

/// One operation of the document, ready to be called, plain or with one of its filters.
#[derive(Clone)]
struct Call {
    name: String,
    method: Method,
    path: String,
    body: Option<String>,
    scope: String,
}

/// Every operation that needs a credential, on things that exist.
fn calls(order: &str, operation: &str, endpoint: &str) -> Vec<Call> {
    let document: Value = serde_json::from_str(guichet::http::document()).unwrap();
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let name = described["operationId"].as_str().unwrap().to_owned();
            if described["security"].as_array().unwrap().iter().any(|one| one == &json!({})) {
                // Nothing else is for everybody: providers sign, and a page about a code tells nothing.
                assert!(["receiveNotification", "readProblemCode"].contains(&name.as_str()), "{name}");
                continue;
            }
            let text = described["description"].as_str().unwrap().replace('\n', " ");
            let scope = text.split("Scope: `").nth(1).and_then(|rest| rest.split('`').next());
            let scope = scope.unwrap_or_else(|| panic!("{name} does not name its scope")).to_owned();
            let id = match path.split('/').nth(1) {
                Some("operations") => operation,
                Some("webhook-endpoints") => endpoint,
                _ => order,
            };
            let body = match name.as_str() {
                "updateOrder" => Some(amount_patch()),
                "createOrder" => {
                    Some(json!({"account": "systempay", "amount": {"value": 100, "currency": "EUR"},
                    "merchant_reference": "matrix"}))
                }
                "settleOperation" => Some(json!({"as": "refused", "reason": "a person looked"})),
                _ => described["requestBody"].is_object().then(|| json!({})),
            };
            let filled =
                path.replace("{id}", id).replace("{name}", "systempay").replace("{account}", "systempay");
            assert!(!filled.contains('{'), "{filled}: say here what to call");
            let plain = Call {
                name: name.clone(),
                method: method.to_uppercase().parse().unwrap(),
                path: filled,
                body: body.map(|body| body.to_string()),
                scope,
            };
            for parameter in described["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] != "query" {
                    continue;
                }
                let parameter = parameter["name"].as_str().unwrap();
                let value = match (parameter, name.as_str()) {
                    ("account", _) => "systempay",
                    ("order_id", _) => order,
                    ("merchant_reference", _) => "myOrderId-999999",
                    ("types", _) => "order.*,operation.*",
                    ("status", "listOrders" | "listWebhookDeliveries") => "pending",
                    ("status", "listOperations") => "succeeded",
                    ("max_age_seconds", _) => "3600",
                    ("allow_stale", _) => "true",
                    ("limit", _) => "200",
                    ("sort", _) => "-created_at",
                    // Of another client: `cursors_belong_to_their_client`.
                    ("cursor", _) => continue,
                    _ => panic!("{name} takes {parameter}: say here what to ask for"),
                };
                let path = format!("{}?{parameter}={value}", plain.path);
                calls.push(Call { name: format!("{name} by {parameter}"), path, ..plain.clone() });
            }
            calls.push(plain);
        }
    }
    calls
}

async fn call(rig: &Rig, call: &Call, credential: Option<&str>) -> Reply {
    let shown = credential.map(|credential| ("authorization", credential));
    call_with(rig, call, shown.as_slice()).await
}

async fn call_with(rig: &Rig, call: &Call, shown: &[(&str, &str)]) -> Reply {
    let key = uuid::Uuid::now_v7().to_string();
    let mut headers = vec![("idempotency-key", key.as_str())];
    headers.extend(shown);
    rig.send(call.method.clone(), &call.path, &headers, call.body.as_deref()).await
}

#[tokio::test]
async fn every_operation_refuses_whoever_may_not_call_it_and_tells_nothing() {
    let issuer = Issuer::start().await;
    let rig = Rig::with(|settings| {
        issuer.settings(&mut settings.auth);
        settings.auth.clients = vec![client("gone", KEY, &["*"])];
    })
    .await;
    let named = [("x-guichet-client", "named"), ("x-forwarded-for", "10.0.0.1")];
    let revoked = format!("Bearer {KEY}");
    let good = format!("Bearer {}", issuer.good());
    // Something to see, for whoever may see it.
    let order = format!("systempay_{SAMPLE}");
    let headers = [("authorization", good.as_str())];
    let body = amount_patch().to_string();
    let changed = rig.send(Method::PATCH, &format!("/orders/{order}"), &headers, Some(&body)).await;
    let operation = changed.json["operation"]["id"].as_str().unwrap().to_owned();
    assert_eq!(rig.send(Method::GET, "/accounts", &[("authorization", &revoked)], None).await.status, 200);
    let mut auth = guichet::config::sandbox_defaults().auth;
    issuer.settings(&mut auth);
    // A gateway may name this client, but it is not the one that asks here.
    auth.gateway.trusted_peers = vec![Network::parse("10.0.0.0/8").unwrap()];
    auth.clients =
        vec![ClientSettings { key_sha256: Vec::new(), via_gateway: true, ..client("named", KEY, &["*"]) }];
    rig.api.replace_identities(Identities::new(&auth));

    let bearer = |changes: Value| format!("Bearer {}", issuer.token("RS256", "rsa", &claims_with(changes)));
    let none = issuer.token_with(&json!({"alg": "none", "typ": "JWT", "kid": "rsa"}), &claims());
    let strangers = [
        ("nobody", None),
        ("a wrong key", Some("Bearer gk_wrong".to_owned())),
        ("another scheme", Some(good.replace("Bearer", "Basic"))),
        ("expired", Some(bearer(json!({"exp": now() - 60})))),
        ("algorithm none", Some(format!("Bearer {none}"))),
        ("another audience", Some(bearer(json!({"aud": "another"})))),
        ("another issuer", Some(bearer(json!({"iss": format!("{ISSUER}.evil.example")})))),
        ("revoked", Some(revoked)),
    ];
    let other = bearer(json!({"accounts": ["epaync"]}));
    let stranger = bearer(json!({"sub": "stranger", "client_id": "stranger"}));
    let changes_before = rig.control.total_requests();
    let endpoint = json!({"url": "https://receiver.example/events"}).to_string();
    let endpoint = rig.send(Method::POST, "/webhook-endpoints", &headers, Some(&endpoint)).await;
    assert_eq!(endpoint.status, 201, "{endpoint:?}");
    let endpoint = endpoint.json["id"].as_str().unwrap_or_default().to_owned();
    let calls = calls(&order, &operation, &endpoint);
    // What the document has today; a call that vanishes from the matrix must not vanish unseen.
    assert!(calls.len() >= 23 + 12, "{}", calls.len());
    for one in &calls {
        let name = &one.name;
        for (who, credential) in &strangers {
            let seen = call(&rig, one, credential.as_deref()).await;
            assert_eq!(seen.problem(), (401, "unauthenticated"), "{name} for {who}");
            tells_nothing(&seen, name);
        }
        let seen = call_with(&rig, one, &named).await;
        assert_eq!(seen.problem(), (401, "unauthenticated"), "{name} for whoever says who it is");
        tells_nothing(&seen, name);
        let scopes = Scope::ALL.map(Scope::as_str).into_iter().filter(|scope| *scope != one.scope);
        let scopes = scopes.collect::<Vec<_>>().join(" ");
        let seen = call(&rig, one, Some(&bearer(json!({"scope": scopes})))).await;
        assert_eq!(seen.problem(), (403, "forbidden"), "{name} without its scope");
        tells_nothing(&seen, name);

        if one.path.starts_with("/webhook-endpoints") {
            // These belong to a client, whatever its accounts: another one sees none, not even that they exist.
            if !name.starts_with("createWebhookEndpoint") {
                let seen = call(&rig, one, Some(&stranger)).await;
                tells_nothing(&seen, name);
                let is_empty = seen.status == 200 && seen.json["items"] == json!([]);
                assert!(is_empty || matches!(seen.status, 400 | 404), "{name} for another client: {seen:?}");
            }
            continue;
        }
        let seen = call(&rig, one, Some(&other)).await;
        tells_nothing(&seen, name);
        if seen.status == 200 {
            // Only `epaync` itself is there to be seen: nothing was done with it.
            let items = seen.json["items"].as_array().unwrap();
            let foreign = items.iter().find(|item| item["name"] != "epaync");
            assert_eq!(foreign, None, "{name} for another account");
            // Whoever may see something sees it: the list is not empty for everybody.
            if !["status", "limit"].iter().any(|by| name.ends_with(by)) {
                let seen = call(&rig, one, Some(&good)).await;
                assert_ne!(seen.json["items"], json!([]), "{name} for whom it is");
            }
            continue;
        }
        assert_eq!(seen.problem(), (404, "not_found"), "{name} for another account");
        // Word for word what is said of something that does not exist.
        let absent = Call {
            path: one
                .path
                .replace("systempay", "nowhere")
                .replace(&operation, "op_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c"),
            body: one.body.as_ref().map(|body| body.replace("systempay", "nowhere")),
            name: name.clone(),
            method: one.method.clone(),
            scope: one.scope.clone(),
        };
        // A list says the same of an account to one client, not to all: ask as the same one.
        let who = if one.path.contains("?account=") { &other } else { &good };
        let absent = call(&rig, &absent, Some(who)).await;
        let same = |mut json: Value| {
            for member in ["request_id", "instance"] {
                json[member] = Value::Null;
            }
            json
        };
        assert_eq!(same(seen.json), same(absent.json), "{name}");
    }
    assert_eq!(rig.control.total_requests(), changes_before, "nothing was sent to a provider");
    rig.stop().await;
}

/// A cursor is a place in somebody's list: it opens nobody else's.
#[tokio::test]
async fn cursors_belong_to_their_client() {
    let issuer = Issuer::start().await;
    let rig = rig(&issuer).await;
    let bearer = |changes: Value| format!("Bearer {}", issuer.token("RS256", "rsa", &claims_with(changes)));
    let (good, stranger) = (bearer(json!({})), bearer(json!({"client_id": "stranger"})));
    for cents in [20_000, 20_001] {
        let body = json!({"amount": {"value": cents, "currency": "EUR"}}).to_string();
        let changed =
            rig.send(Method::PATCH, &path(), &[("authorization", good.as_str())], Some(&body)).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }
    let mut tried = 0;
    for list in ["/orders", "/operations", "/events", &format!("{}/events", path())] {
        let get = async |query: &str, who: &str| {
            rig.send(Method::GET, &format!("{list}?limit=1{query}"), &[("authorization", who)], None).await
        };
        let first = get("", &good).await;
        assert_eq!(first.status, 200, "{first:?}");
        let Some(cursor) = first.json["next_cursor"].as_str() else { continue };
        tried += 1;
        let next = format!("&cursor={cursor}");
        assert_eq!(get(&next, &good).await.status, 200, "{list}");
        assert_eq!(get(&next, &stranger).await.problem(), (400, "invalid_cursor"), "{list}");
    }
    assert!(tried >= 3, "{tried}");
    rig.stop().await;
}

/// Neither the order nor the account may show through.
fn tells_nothing(seen: &Reply, name: &str) {
    let text = seen.text.to_lowercase();
    for secret in ["systempay", SAMPLE, "myorderid", "testpassword", "checkout", "69876357"] {
        assert!(!text.contains(secret), "{name} tells {secret}: {seen:?}");
    }
}
