//! A life with a canary in every place: three providers, payers, clients, mistakes and attacks.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::HeaderMap};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use guichet::config::{Environment, api_key};
use guichet_simulator::{
    self as simulator, Fault, FaultKind, PayerAction, SimulatorControl, SimulatorOptions,
};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{
    places::{Canaries, Place, Seen},
    process::{Home, PATIENCE, Program, keep, read_store},
};
use crate::{
    api::issuer::{AUDIENCE, ISSUER, Issuer},
    rig::{Reply, refusal},
};

/// What names a payer, and card numbers where somebody wrote them into a text.
const RECIPIENT: &str = "zoe.recipient-canary@example.com";
const EMAIL: &str = "zoe.email-canary@example.com";
const FIRST_NAME: &str = "Zoë-Firstname-Canary";
const LAST_NAME: &str = "Lévêque-Lastname-Canary";
const PHONE: &str = "+33699887766";
const DESCRIPTION: &str = "Description-Canary d'été";
const SUBJECT: &str = "Subject-Canary";
const MESSAGE: &str = "Message-Canary";
const LABEL: &str = "Label-Canary";
const RETURN: &str = "return-canary-0001";
const REASON: &str = "Reason-Canary";
const KEY: &str = "key-canary-0001";
const NOTE: &str = "Endpoint-Note-Canary";
const CARD_DESCRIPTION: &str = "4111 1111 1111 1111";
const CARD_SUBJECT: &str = "5555555555554444";
const CARD_MESSAGE: &str = "4012-8888-8888-1881";
const CARD_LABEL: &str = "378282246310005";
const CARD_NAME: &str = "5105105105105100";
const CARD_REASON: &str = "6011111111111117";
const CARD_NOTE: &str = "3530111333300000";
/// What attackers and mistaken callers send.
const WRONG_KEY: &str = "gk_wrong-canary-wrong-canary-wrong-canary-wrong-00";
const WRONG_VALUE: &str = "wrong-value-canary-0001";
const FORGED: &str = "forged-canary-0001";
const NONSENSE: &str = "nonsense-canary-0001";
const BAD_SECRET: &str = "testpassword_bad-file-canary-0001";

/// Everything that was said to somebody, so far.
struct Story<'a> {
    program: &'a Program,
    control: SimulatorControl,
    seen: &'a mut Seen,
    key: String,
}

impl Story<'_> {
    async fn ask(&mut self, place: Place, method: Method, path: &str, body: Option<Value>) -> Reply {
        let idempotency = format!("{KEY}-{}", uuid::Uuid::now_v7());
        let headers = [("x-api-key", self.key.clone()), ("idempotency-key", idempotency)];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let what = format!("{method} {path}");
        let reply = self.program.send(method, path, &headers, body.map(|body| body.to_string())).await;
        keep(self.seen, place, &what, &reply);
        reply
    }

    async fn get(&mut self, place: Place, path: &str) -> Reply {
        self.ask(place, Method::GET, path, None).await
    }

    async fn post(&mut self, place: Place, path: &str, body: Option<Value>) -> Reply {
        self.ask(place, Method::POST, path, body).await
    }

    async fn create(&mut self, body: Value) -> Reply {
        let reply = self.post(Place::OrderAnswer, "/orders", Some(body)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply
    }

    /// Waits until the timeline of an order has an event of this type.
    async fn until(&mut self, order: &str, event_type: &str) {
        let path = format!("/orders/{order}/events");
        let wait = async {
            loop {
                let events = self.get(Place::EventAnswer, &path).await;
                let items = events.json["items"].as_array().unwrap();
                if items.iter().any(|event| event["type"] == event_type) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{order}: no {event_type}"));
    }
}

/// Leads the program through everything and gives the canaries. What it said is in `seen`.
pub(super) async fn run(seen: &mut Seen) -> Canaries {
    let simulators = simulator::start(SimulatorOptions { seed_samples: true, ..SimulatorOptions::default() });
    let simulators = simulators.await.unwrap();
    let mut canaries = payer_canaries();
    for account in simulators.sandbox_accounts() {
        let setting =
            |name: &str| account.settings.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
        for name in ["password", "secret_key"] {
            if let Some(secret) = setting(name) {
                canaries.add_secret(&format!("the {name} of {}", account.name), secret.as_str());
            }
        }
        if let (Some(shop), Some(password)) = (setting("shop_id"), setting("password")) {
            let basic = STANDARD.encode(format!("{shop}:{password}"));
            canaries.add_secret(&format!("the header of {}", account.name), basic);
        }
    }
    let previous = |provider: &str| match provider {
        "lyra" => "previous_password = \"testpassword_previous-canary-lyra\"\n".to_owned(),
        "sips" => "previous_secret_key = \"previous-canary-sips\"\nprevious_key_version = \"9\"\n".to_owned(),
        _ => "previous_secret_key = \"previous-canary-yabandpay\"\n".to_owned(),
    };
    for name in ["lyra", "sips", "yabandpay"] {
        canaries.add_secret(&format!("the previous secret at {name}"), format!("previous-canary-{name}"));
    }
    let (key, reader) = (api_key::generate().unwrap(), api_key::generate().unwrap());
    canaries.add_secret("the API key", key.secret.expose_secret());
    canaries.add_secret("the reader's API key", reader.secret.expose_secret());
    let issuer = Issuer::start().await;
    let token = issuer.good();
    canaries.add_secret("the token", token.as_str());
    let expired = issuer.token("RS256", "rsa", &crate::api::issuer::claims_with(json!({"exp": 1})));
    canaries.add_secret("the expired token", expired.as_str());

    let home = Home::new(&simulators, previous);
    let sections = format!(
        "[limits]\nrate_per_second = 1000000\nburst = 1000000\n[auth]\nmode = \"jwt\"\n\
         [auth.jwt]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\njwks_url = \"{}\"\n\
         [[auth.clients]]\nname = \"shop\"\nkey_sha256 = [\"{}\"]\nscopes = [\"orders:read\", \"orders:create\", \
         \"orders:update\", \"orders:cancel\", \"orders:refund\", \"orders:capture\", \"events:read\", \
         \"endpoints:admin\", \"operations:settle\"]\naccounts = [\"*\"]\n\
         [[auth.clients]]\nname = \"reader\"\nkey_sha256 = [\"{}\"]\nscopes = [\"events:read\"]\n\
         accounts = [\"epaync\"]\n",
        issuer.url, key.sha256_hex, reader.sha256_hex
    );
    home.configure(&sections);
    let program = home.start("").await;
    let control = simulators.control();
    let key = key.secret.expose_secret().to_owned();
    let mut story = Story { program: &program, control, seen, key };

    let calls = webhooks(&mut story, &mut canaries).await;
    lyra(&mut story).await;
    sips(&mut story, &mut canaries).await;
    yabandpay(&mut story).await;
    lost(&mut story).await;
    mistakes(&mut story, reader.secret.expose_secret(), &token, &expired).await;
    forged(&mut story).await;
    pages(&mut story).await;
    nonsense(&mut story).await;
    deliveries(&mut story, &calls).await;
    simulators.stop().await;
    let dead = story.get(Place::OrderAnswer, &format!("/orders/systempay_{}", crate::rig::SAMPLE)).await;
    assert_eq!(dead.status, 503, "{dead:?}");

    // A file with a mistake in the line of a secret, and one with a mistake in its value.
    std::fs::write(home.config(), format!("[accounts.x]\npassword = \"{BAD_SECRET}\n")).unwrap();
    assert!(!program.reload().await);
    home.configure(&format!("{sections}\n[accounts.other]\nprovider = \"lyra\"\npasword = \"{BAD_SECRET}\""));
    assert!(!program.reload().await);
    let refused = home.command(&["check"], "").await;
    seen.add(Place::Command, "check of a bad file", refused);
    home.configure(&sections);
    assert!(program.reload().await);
    let settings = guichet::config::load(Some(&home.config()), &Environment::default()).unwrap();
    seen.add(Place::Debug, "settings", format!("{settings:?} {settings:#?}"));
    seen.add(Place::Command, "check", home.command(&["check"], "").await);
    let verify = ["verify-notification", "--account", "systempay"];
    seen.add(Place::Command, "verify", home.command(&verify, &forged_body()).await);

    read_store(&home.store(), seen);
    for line in program.stop().await {
        seen.add(Place::Log, "line", line);
    }
    read_store(&home.store(), seen);
    for (name, place) in [
        ("the recipient", Place::Store),
        ("the recipient", Place::OrderAnswer),
        ("the first name", Place::Store),
        ("the description", Place::OrderAnswer),
        ("the label", Place::Store),
        ("the message", Place::Store),
        ("the return address", Place::PayerPage),
        ("the reason", Place::Store),
        ("the idempotency key", Place::Store),
        ("the endpoint's secret", Place::Store),
        ("the token of the payer's page", Place::Store),
    ] {
        canaries.expect(seen, name, place);
    }
    canaries
}

/// The table: where each thing belongs. Everywhere else it is a leak.
fn payer_canaries() -> Canaries {
    use Place::{EndpointAnswer, OrderAnswer, PayerPage, Raw, Store};
    let mut canaries = Canaries::default();
    for (name, value, may) in [
        ("the recipient", RECIPIENT, &[Store, Raw, OrderAnswer][..]),
        ("the phone number", PHONE, &[Store, Raw, OrderAnswer]),
        ("the e-mail address", EMAIL, &[Store, Raw]),
        ("the first name", FIRST_NAME, &[Store, Raw]),
        ("the last name", LAST_NAME, &[Store, Raw]),
        ("the description", DESCRIPTION, &[Store, Raw, OrderAnswer]),
        ("the label", LABEL, &[Store, Raw, OrderAnswer]),
        ("the subject", SUBJECT, &[Store]),
        ("the message", MESSAGE, &[Store]),
        ("the return address", RETURN, &[Store, Raw, PayerPage]),
        ("the reason", REASON, &[Store]),
        ("the idempotency key", KEY, &[Store]),
        ("the endpoint's note", NOTE, &[Store, EndpointAnswer]),
        // What the provider was sent may come back in its notifications, which are kept as they are.
        ("the card in the description", CARD_DESCRIPTION, &[Raw]),
        ("the card in the label", CARD_LABEL, &[Raw]),
        ("the card in the name", CARD_NAME, &[Raw]),
        ("the card in the subject", CARD_SUBJECT, &[]),
        ("the card in the message", CARD_MESSAGE, &[]),
        ("the card in the reason", CARD_REASON, &[]),
        ("the card in the endpoint's note", CARD_NOTE, &[]),
        ("a wrong key", WRONG_KEY, &[]),
        ("a wrong value", WRONG_VALUE, &[]),
        ("a forged notification", FORGED, &[]),
        ("a provider's nonsense", NONSENSE, &[]),
        ("the secret in a bad file", BAD_SECRET, &[]),
    ] {
        canaries.add(name, value, may);
    }
    canaries
}

fn return_url() -> String {
    format!("https://shop.example/back?session={RETURN}")
}

fn customer() -> Value {
    json!({"email": EMAIL, "first_name": FIRST_NAME, "last_name": format!("{LAST_NAME} {CARD_NAME}")})
}

async fn lyra(story: &mut Story<'_>) {
    let body = json!({
        "account": "systempay", "amount": {"value": 1_990, "currency": "EUR"}, "merchant_reference": "canary-1",
        "description": format!("{DESCRIPTION} {CARD_DESCRIPTION}"),
        "delivery": {"channel": "email", "recipient": RECIPIENT, "subject": format!("{SUBJECT} {CARD_SUBJECT}"),
                     "message": format!("{MESSAGE} {CARD_MESSAGE}")},
        "customer": customer(), "return_url": return_url(),
        "metadata": {"note": format!("{LABEL} {CARD_LABEL}")},
    });
    let made = story.create(body).await;
    let (id, order) = (made.json["id"].as_str().unwrap(), made.json["provider_reference"].as_str().unwrap());
    let at_the_provider = story.control.order("lyra", "systempay", order).unwrap().to_string();
    assert!(
        at_the_provider.contains(CARD_DESCRIPTION),
        "the provider gets what was written: {at_the_provider}"
    );
    let patch = json!({"amount": {"value": 2_000, "currency": "EUR"}, "description": format!("{DESCRIPTION} {CARD_DESCRIPTION} 2"),
                       "delivery": {"message": format!("{MESSAGE} {CARD_MESSAGE} 2")}});
    let patched = story.ask(Place::OrderAnswer, Method::PATCH, &format!("/orders/{id}"), Some(patch)).await;
    assert_eq!(patched.status, 200, "{patched:?}");
    story.control.payer("lyra", "systempay", order, PayerAction::Pay).unwrap();
    story.until(id, "notification.received").await;
    story.control.act("lyra", "systempay", Some(order), "remit").unwrap();
    let part = json!({"amount": {"value": 500, "currency": "EUR"}});
    let refunded = story.post(Place::OrderAnswer, &format!("/orders/{id}/refund"), Some(part)).await;
    assert_eq!(refunded.status, 200, "{refunded:?}");
    let sms = json!({
        "account": "systempay", "amount": {"value": 1_990, "currency": "EUR"}, "merchant_reference": "canary-2",
        "delivery": {"channel": "sms", "recipient": PHONE},
    });
    let sms = story.create(sms).await;
    let id = sms.json["id"].as_str().unwrap();
    story.control.add_fault(Fault::new("lyra", refusal("PSP_528")).on_service("Charge/PaymentOrder/Cancel"));
    let refused = story.post(Place::OrderAnswer, &format!("/orders/{id}/cancel"), None).await;
    assert!(refused.status >= 400, "{refused:?}");
    story.get(Place::OrderAnswer, &format!("/orders/{id}?max_age_seconds=300")).await;
}

async fn sips(story: &mut Story<'_>, canaries: &mut Canaries) {
    let body = json!({
        "account": "sherlocks", "amount": {"value": 1_000, "currency": "EUR"}, "merchant_reference": "canary3",
        "return_url": return_url(), "customer": {"email": EMAIL}, "metadata": {"note": format!("{LABEL} {CARD_LABEL}")},
    });
    let made = story.create(body).await;
    let (id, order) = (made.json["id"].as_str().unwrap(), made.json["provider_reference"].as_str().unwrap());
    let link = made.json["checkout"]["link"].as_str().unwrap().to_owned();
    let token = link.rsplit('/').next().unwrap();
    canaries.add(
        "the token of the payer's page",
        token,
        &[Place::Store, Place::Raw, Place::OrderAnswer, Place::PayerPage],
    );
    let page = story.get(Place::PayerPage, &link).await;
    assert_eq!(page.status, 200, "{page:?}");
    story.control.payer("sips", "sherlocks", order, PayerAction::Pay).unwrap();
    story.until(id, "notification.received").await;
    let back = story.get(Place::PayerPage, &format!("/return/{token}")).await;
    assert_eq!(back.status, 303, "{back:?}");
    let canceled = story.post(Place::OrderAnswer, &format!("/orders/{id}/cancel"), None).await;
    assert_eq!(canceled.status, 200, "{canceled:?}");
}

async fn yabandpay(story: &mut Story<'_>) {
    let body = json!({
        "account": "yabandpay", "amount": {"value": 2_499, "currency": "EUR"}, "merchant_reference": "canary-4",
        "description": format!("{DESCRIPTION} {CARD_DESCRIPTION}"), "payment_method": "wechat_pay",
        "return_url": return_url(), "metadata": {"note": format!("{LABEL} {CARD_LABEL}")},
    });
    let made = story.create(body).await;
    let (id, order) = (made.json["id"].as_str().unwrap(), made.json["provider_reference"].as_str().unwrap());
    story.control.payer("yabandpay", "yabandpay", order, PayerAction::Pay).unwrap();
    story.until(id, "notification.received").await;
    let refunded = story
        .post(
            Place::OrderAnswer,
            &format!("/orders/{id}/refund"),
            Some(json!({
                "amount": {"value": 100, "currency": "EUR"}
            })),
        )
        .await;
    assert!(refunded.status < 300, "{refunded:?}");
}

/// An answer that is lost, and a person who settles it.
async fn lost(story: &mut Story<'_>) {
    story
        .control
        .add_fault(Fault::new("lyra", FaultKind::LoseAnswer).on_service("Charge/CreatePaymentOrder"));
    let body = json!({
        "account": "systempay", "amount": {"value": 1_990, "currency": "EUR"}, "merchant_reference": "canary-5",
        "delivery": {"channel": "email", "recipient": RECIPIENT, "message": format!("{MESSAGE} {CARD_MESSAGE}")},
        "customer": customer(),
    });
    let unknown = story.post(Place::OrderAnswer, "/orders", Some(body)).await;
    assert_eq!(unknown.status, 202, "{unknown:?}");
    let id = unknown.json["operation"]["id"].as_str().unwrap();
    let reason = json!({"as": "not_executed", "reason": format!("{REASON} {CARD_REASON}")});
    let settled = story.post(Place::OperationAnswer, &format!("/operations/{id}/settle"), Some(reason)).await;
    assert_eq!(settled.status, 200, "{settled:?}");
}

/// What callers get wrong, with the value in every place where one can be.
async fn mistakes(story: &mut Story<'_>, reader: &str, token: &str, expired: &str) {
    let good = story
        .program
        .send(Method::GET, "/orders", &[("authorization", &format!("Bearer {token}"))], None)
        .await;
    assert_eq!(good.status, 200, "{good:?}");
    keep(story.seen, Place::OrderAnswer, "GET /orders with a token", &good);
    for (what, header, value) in [
        ("a wrong key", "x-api-key", WRONG_KEY.to_owned()),
        ("a wrong bearer", "authorization", format!("Bearer {WRONG_KEY}")),
        ("basic", "authorization", format!("Basic {WRONG_KEY}")),
        ("an altered token", "authorization", format!("Bearer {token}{WRONG_VALUE}")),
        ("an expired token", "authorization", format!("Bearer {expired}")),
    ] {
        let refused = story.program.send(Method::GET, "/orders", &[(header, &value)], None).await;
        assert_eq!(refused.status, 401, "{what}: {refused:?}");
        keep(story.seen, Place::Problem, what, &refused);
    }
    let denied = story.program.send(Method::GET, "/orders", &[("x-api-key", reader)], None).await;
    assert_eq!(denied.status, 403, "{denied:?}");
    keep(story.seen, Place::Problem, "a missing scope", &denied);

    let order = json!({"account": "systempay", "amount": {"value": 1_990, "currency": "EUR"}, "merchant_reference": "x"});
    for (member, value) in [
        ("locale", json!(WRONG_VALUE)),
        ("expires_at", json!(WRONG_VALUE)),
        ("payment_method", json!(WRONG_VALUE)),
        ("amount", json!({"value": WRONG_VALUE, "currency": WRONG_VALUE})),
        ("account", json!(WRONG_VALUE)),
        ("customer", json!({"email": [WRONG_VALUE, EMAIL]})),
        ("delivery", json!({"channel": "email", "recipient": format!("{RECIPIENT} @")})),
        ("delivery", json!({"channel": "sms", "recipient": EMAIL})),
        ("delivery", json!({"channel": WRONG_VALUE})),
        ("return_url", json!(WRONG_VALUE)),
        ("metadata", json!({"a": {"b": WRONG_VALUE}})),
        ("provider_options", json!({"strong_authentication": WRONG_VALUE, "bcc": [EMAIL]})),
        ("unknown", json!(WRONG_VALUE)),
    ] {
        let mut body = order.clone();
        body[member] = value;
        let refused = story.post(Place::OrderAnswer, "/orders", Some(body)).await;
        assert!(refused.status >= 400, "{member}: {refused:?}");
    }
    let headers = |name: &'static str, value: &'static str| {
        [("x-api-key", story.key.clone()), (name, value.to_owned())]
    };
    for (what, path, headers, body) in [
        (
            "broken JSON",
            "/orders",
            headers("idempotency-key", "k"),
            format!("{{\"customer\": \"{EMAIL}\", {WRONG_VALUE}"),
        ),
        ("a list", "/orders", headers("idempotency-key", "k"), format!("[\"{WRONG_VALUE}\"]")),
        ("a long key", "/orders", headers("idempotency-key", "wrong-value-canary-0001 é"), order.to_string()),
        (
            "another type",
            "/orders",
            headers("content-type", "text/wrong-value-canary-0001"),
            order.to_string(),
        ),
        (
            "a wrong id",
            "/orders/wrong-value-canary-0001_x/cancel",
            headers("idempotency-key", "k"),
            String::new(),
        ),
        ("a wrong address", "/wrong-value-canary-0001", headers("idempotency-key", "k"), String::new()),
    ] {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let refused = story.program.send(Method::POST, path, &headers, Some(body)).await;
        assert!(refused.status >= 400, "{what}: {refused:?}");
        keep(story.seen, Place::Problem, what, &refused);
    }
    let path = "/pay/wrong-value-canary-0001";
    let refused = story.ask(Place::Problem, Method::DELETE, path, None).await;
    assert_eq!(refused.status, 405, "{refused:?}");
    for path in [
        "/orders?cursor=wrong-value-canary-0001",
        "/orders?status=wrong-value-canary-0001",
        "/events?limit=wrong-value-canary-0001",
        "/operations/wrong-value-canary-0001",
        "/pay/wrong-value-canary-0001",
        "/return/wrong-value-canary-0001",
        "/accounts/wrong-value-canary-0001",
        "/problems/wrong-value-canary-0001",
    ] {
        let refused = story.get(Place::Problem, path).await;
        assert!(refused.status >= 400, "{path}: {refused:?}");
    }
}

fn forged_body() -> String {
    format!(
        "kr-hash=00&kr-hash-algorithm=sha256_hmac&kr-hash-key=password&kr-answer-type=V4%2FPayment&\
         kr-answer=%7B%22customer%22%3A%22{FORGED}%22%7D"
    )
}

async fn forged(story: &mut Story<'_>) {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (account, body) in [
        ("systempay", forged_body()),
        ("sherlocks", format!("Data=customerEmail%3D{FORGED}&Seal=00&InterfaceVersion=HP_2.43")),
        ("yabandpay", format!("{{\"sign\": \"00\", \"data\": {{\"description\": \"{FORGED}\"}}}}")),
        ("yabandpay", FORGED.to_owned()),
        ("nobody", FORGED.to_owned()),
    ] {
        let path = format!("/notifications/{account}");
        let refused = story.program.send(Method::POST, &path, &form, Some(body)).await;
        assert!(refused.status >= 400, "{account}: {refused:?}");
        keep(story.seen, Place::Problem, &path, &refused);
    }
}

/// The platform answers what it never should, with texts of its own.
async fn nonsense(story: &mut Story<'_>) {
    let page = FaultKind::HttpStatus {
        code: 500,
        body: format!("<h1>{NONSENSE}</h1> {EMAIL}"),
        content_type: "text/html".to_owned(),
        effect: false,
    };
    let json = FaultKind::HttpStatus {
        code: 200,
        body: format!("{{\"status\": \"{NONSENSE}\", \"answer\": \"{EMAIL}\"}}"),
        content_type: "application/json".to_owned(),
        effect: false,
    };
    for (provider, order) in [
        ("lyra", format!("systempay_{}", crate::rig::SAMPLE)),
        ("sips", "sherlocks_ORDER0001".to_owned()),
        ("yabandpay", "yabandpay_4a49ffb3-a30f-ba92-9422-1969afb6f121".to_owned()),
    ] {
        for kind in [
            page.clone(),
            json.clone(),
            FaultKind::Garbage { effect: false },
            FaultKind::BadSignature { effect: false },
        ] {
            let mut fault = Fault::new(provider, kind.clone());
            fault.times = 0;
            story.control.add_fault(fault);
            let read = story.get(Place::OrderAnswer, &format!("/orders/{order}")).await;
            story.control.clear_faults();
            assert!(
                read.status >= 500 || kind == FaultKind::BadSignature { effect: false },
                "{provider} {kind:?}: {read:?}"
            );
        }
    }
}

async fn pages(story: &mut Story<'_>) {
    for path in ["/docs/", "/openapi.json", "/problems/not_found", "/problems/provider_refused"] {
        let page = story.get(Place::Docs, path).await;
        assert!(page.status < 400, "{path}: {}", page.status);
    }
    for (place, path) in [(Place::Metrics, "/metrics"), (Place::Docs, "/livez"), (Place::Docs, "/readyz")] {
        let address = format!("{}{path}", story.program.ops);
        let page = story.get(place, &address).await;
        assert_eq!(page.status, 200, "{path}");
    }
    for (place, path) in [
        (Place::OrderAnswer, "/orders"),
        (Place::OperationAnswer, "/operations"),
        (Place::AccountAnswer, "/accounts"),
        (Place::AccountAnswer, "/accounts/systempay"),
        (Place::EventAnswer, "/events"),
    ] {
        let listed = story.get(place, path).await;
        assert_eq!(listed.status, 200, "{path}");
        for item in listed.json["items"].as_array().into_iter().flatten() {
            let id = item["id"].as_str().unwrap_or_default().to_owned();
            if place == Place::OrderAnswer {
                story.get(place, &format!("/orders/{id}")).await;
                story.get(Place::EventAnswer, &format!("/orders/{id}/events")).await;
            } else if place == Place::OperationAnswer {
                story.get(place, &format!("/operations/{id}")).await;
            }
        }
    }
}

type Calls = Arc<Mutex<Vec<String>>>;

/// An endpoint of the shop, with a receiver that takes everything.
async fn webhooks(story: &mut Story<'_>, canaries: &mut Canaries) -> Calls {
    async fn receive(State(calls): State<Calls>, headers: HeaderMap, body: Bytes) {
        calls.lock().unwrap().push(format!("{headers:?}\n{}", String::from_utf8_lossy(&body)));
    }
    let calls = Calls::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().fallback(receive).with_state(calls.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let body = json!({"url": url, "description": format!("{NOTE} {CARD_NOTE}")});
    let made = story.post(Place::EndpointAnswer, "/webhook-endpoints", Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let place = format!("/webhook-endpoints/{}", made.json["id"].as_str().unwrap());
    let note = json!({"description": format!("{NOTE} {CARD_NOTE} again")});
    let changed = story.ask(Place::EndpointAnswer, Method::PATCH, &place, Some(note)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let rotated = story.post(Place::EndpointAnswer, &format!("{place}/rotate-secret"), None).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    let tested = story.post(Place::EndpointAnswer, &format!("{place}/test"), None).await;
    assert_eq!(tested.status, 200, "{tested:?}");
    for (name, reply) in [("the endpoint's first secret", &made), ("the endpoint's secret", &rotated)] {
        let secret = reply.json["secret"].as_str().unwrap();
        canaries.add(name, secret, &[Place::Store, Place::EndpointAnswer]);
    }
    calls
}

async fn deliveries(story: &mut Story<'_>, calls: &Calls) {
    let wait = async {
        while !calls.lock().unwrap().iter().any(|call| call.contains("refund.succeeded")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("no webhook of the refund");
    let endpoints = story.get(Place::EndpointAnswer, "/webhook-endpoints").await;
    let id = endpoints.json["items"][0]["id"].as_str().unwrap().to_owned();
    let log = story.get(Place::EndpointAnswer, &format!("/webhook-endpoints/{id}/deliveries")).await;
    assert_eq!(log.status, 200, "{log:?}");
    // Shown once: what lists and logs say of an endpoint has none.
    for shown in [&endpoints, &log] {
        assert!(!shown.text.contains("whsec_"), "{shown:?}");
    }
    for call in calls.lock().unwrap().iter() {
        story.seen.add(Place::WebhookCall, "call", call.as_str());
    }
}
