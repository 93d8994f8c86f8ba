//! Making orders: what is sent, what is answered, and what is never made twice.

use std::{collections::BTreeSet, time::Duration};

use guichet::config::{AllowedAccounts, AuthMode, ClientSettings, RouteRule, Scope, api_key};
use guichet_simulator::{FaultKind, Moment};
use serde_json::{Value, json};

use crate::rig::{CREATE, Reply, Rig, UPDATE, amounts, new_order};

/// The body of the one creation that reached the platform.
fn sent(rig: &Rig) -> Value {
    let log = rig.control.request_log();
    let mut bodies = log.into_iter().filter(|request| request.service == CREATE).map(|request| request.body);
    let body = bodies.next().unwrap();
    assert_eq!(bodies.next(), None, "sent once");
    body
}

fn operation(reply: &Reply) -> &str {
    reply.json["operation"]["id"].as_str().unwrap()
}

/// Whole seconds since the epoch.
fn instant(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
}

#[tokio::test]
async fn an_order_is_made_and_told() {
    let rig = Rig::new().await;
    let body = json!({
        "account": "systempay", "amount": {"value": 1990, "currency": "EUR"}, "merchant_reference": "cart-42",
        "description": "Cart 42", "capture": "automatic", "locale": "fr-FR", "payment_method": "card",
        "delivery": {"channel": "email", "recipient": "zoe@example.com", "subject": "Your cart",
                     "message": "Thank you, Zoë"},
        "customer": {"email": "zoe@example.com", "first_name": "Zoë", "last_name": "Lévêque"},
        "return_url": "https://shop.example/back", "metadata": {"cart": "42"},
        "provider_options": {"strong_authentication": "AUTO", "data_collection_form": false}
    });
    let made = rig.create("k", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let reference = made.json["provider_reference"].as_str().unwrap();
    assert_eq!(made.json["id"], format!("systempay_{reference}"));
    assert_eq!(made.header("location"), Some(format!("/orders/systempay_{reference}").as_str()));
    assert!(made.header("etag").is_some() && made.header("idempotent-replayed").is_none());
    assert_eq!((&made.json["status"], &made.json["final"]), (&json!("pending"), &json!(false)));
    assert_eq!(made.json["amount"], json!({"value": 1990, "currency": "EUR"}));
    assert_eq!(amounts(&made), [Some(1990), Some(0), Some(0), Some(0), Some(0)]);
    assert_eq!(made.json["metadata"], json!({"cart": "42"}), "our own label is not the caller's");
    assert_eq!(made.json["delivery"], json!({"channel": "email", "recipient": "zoe@example.com"}));
    for (member, value) in
        [("merchant_reference", "cart-42"), ("description", "Cart 42"), ("locale", "fr-FR")]
    {
        assert_eq!(made.json[member], value, "{member}");
    }
    let checkout = &made.json["checkout"];
    assert_eq!((&checkout["method"], &checkout["fields"]), (&json!("GET"), &json!({})));
    assert_eq!(checkout["url"], checkout["link"]);
    assert_eq!(rig.get(checkout["link"].as_str().unwrap()).await.status, 200, "the payer's page");
    let operation = &made.json["operation"];
    assert_eq!((&operation["type"], &operation["outcome"]), (&json!("create"), &json!("executed")));
    assert_eq!((&operation["order_id"], &operation["repeat"]), (&made.json["id"], &Value::Null));

    let at_platform = rig.control.order("lyra", "systempay", reference).unwrap();
    assert_eq!(at_platform["orderId"], "cart-42");
    let body = sent(&rig);
    assert_eq!(body["metadata"], json!({"cart": "42", "guichet": operation["id"]}));
    assert_eq!(body["ipnTargetUrl"], "http://127.0.0.1:1/notifications/systempay");
    assert_eq!(
        (&body["returnUrl"], &body["paymentMethods"]),
        (&json!("https://shop.example/back"), &json!(["CARDS"]))
    );
    assert_eq!(body["customer"]["billingDetails"], json!({"firstName": "Zoë", "lastName": "Lévêque"}));
    assert_eq!(body["transactionOptions"]["cardOptions"]["manualValidation"], "NO");
    let week = jiff::Timestamp::now().as_second() + 7 * 86_400;
    assert!((week - 60..=week).contains(&instant(&body["expirationDate"])), "{body}");
    assert_eq!(instant(&made.json["expires_at"]), instant(&body["expirationDate"]));

    let mail = &rig.control.mailbox()[0];
    assert_eq!((mail.recipient.as_str(), mail.subject.as_deref()), ("zoe@example.com", Some("Your cart")));
    assert_eq!(mail.text, "Thank you, Zoë");
    let read = rig.read(reference).await;
    for member in
        ["id", "status", "amount", "amounts", "metadata", "merchant_reference", "expires_at", "checkout"]
    {
        assert_eq!(read.json[member], made.json[member], "{member}");
    }
    assert_eq!(read.header("etag"), made.header("etag"), "nothing has changed since");
    let events = rig.get(&format!("/orders/systempay_{reference}/events")).await;
    let types: Vec<_> = events.json["items"].as_array().unwrap().iter().map(|e| &e["type"]).collect();
    assert_eq!(types, ["order.created", "operation.succeeded"]);
    assert_eq!(rig.effects("create").len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn the_callers_expiry_is_sent() {
    let rig = Rig::new().await;
    let wanted = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48);
    let mut body = new_order("a");
    body["expires_at"] = json!(wanted.to_string());
    let made = rig.create("k", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(instant(&sent(&rig)["expirationDate"]), wanted.as_second());
    assert_eq!(instant(&made.json["expires_at"]), wanted.as_second());
}

#[tokio::test]
async fn one_key_makes_one_order() {
    let rig = Rig::new().await;
    let missing = rig.post("/orders", &[], Some(&new_order("a"))).await;
    assert_eq!(missing.problem(), (400, "idempotency_key_missing"));
    assert_eq!(missing.json["outcome"], "not_executed");

    let first = rig.create("k", &new_order("a")).await;
    let again = rig.create("\"k\"", &new_order("a")).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!((first.text, first.headers.get("location")), (again.text, again.headers.get("location")));
    let other = rig.create("k", &new_order("b")).await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused"));

    let taken = rig.create("l", &new_order("a")).await;
    assert_eq!(taken.problem(), (409, "merchant_reference_in_use"));
    assert_eq!(taken.pointer(), Some("/merchant_reference"));
    let second = rig.create("l", &new_order("b")).await;
    assert_eq!(second.status, 201, "{second:?}");
    assert_ne!(first.json["id"], second.json["id"]);
    assert_eq!((rig.control.requests(CREATE), rig.effects("create").len()), (2, 2));

    // Paid still holds it, canceled does not.
    let reference = first.json["provider_reference"].as_str().unwrap();
    rig.pay(reference);
    assert_eq!(rig.create("m", &new_order("a")).await.problem(), (409, "merchant_reference_in_use"));
    assert_eq!(rig.act("cancel", reference, None, None).await.json["status"], "canceled");
    assert_eq!(rig.create("m", &new_order("a")).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn equal_creations_at_the_same_time_make_one_order() {
    let rig = Rig::new().await;
    let (same, other) = (new_order("a"), new_order("b"));
    let calls = (0..16).map(|_| rig.create("same", &same));
    for reply in futures_util::future::join_all(calls).await {
        if reply.status != 201 {
            assert_eq!(reply.problem(), (409, "idempotency_key_in_use"));
        }
    }
    let keys: Vec<String> = (0..16).map(|n| format!("k{n}")).collect();
    let calls = keys.iter().map(|key| rig.create(key, &other));
    let replies = futures_util::future::join_all(calls).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        assert_eq!(reply.problem(), (409, "merchant_reference_in_use"));
    }
    assert_eq!((rig.control.requests(CREATE), rig.effects("create").len()), (2, 2));
}

#[tokio::test]
async fn every_channel_and_manual_capture() {
    let rig = Rig::new().await;
    for (channel, recipient, wanted) in [
        ("link", None, json!({"channelType": "URL"})),
        (
            "email",
            Some("a@example.com"),
            json!({"channelType": "MAIL", "mailOptions": {"recipient": "a@example.com"}}),
        ),
        (
            "sms",
            Some("+33611111111"),
            json!({"channelType": "SMS", "smsOptions": {"phoneNumber": "+33611111111"}}),
        ),
        (
            "whatsapp",
            Some("+33611111111"),
            json!({"channelType": "WHATSAPP", "whatsAppOptions": {"phoneNumber": "+33611111111"}}),
        ),
    ] {
        rig.control.reset();
        let mut body = new_order(channel);
        body["capture"] = json!("manual");
        body["delivery"] = json!({"channel": channel, "recipient": recipient});
        let made = rig.create(channel, &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.json["delivery"], json!({"channel": channel, "recipient": recipient}));
        let sent = sent(&rig);
        assert_eq!(sent["channelOptions"], wanted);
        assert_eq!(sent["transactionOptions"]["cardOptions"]["manualValidation"], "YES");
        let told: Vec<_> = rig.control.mailbox().into_iter().map(|mail| mail.recipient).collect();
        assert_eq!(told, recipient.into_iter().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_before_anything_is_sent() {
    let rig = Rig::new().await;
    let check = async |change: Value, status: u16, problem: &str, pointers: &[&str]| {
        let mut body = new_order("a");
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let reply = rig.create("k", &body).await;
        assert_eq!(reply.problem(), (status, problem), "{change}: {}", reply.text);
        let errors = reply.json["errors"].as_array().cloned().unwrap_or_default();
        let found: BTreeSet<_> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
        assert_eq!(found, pointers.iter().copied().collect(), "{change}");
        assert_eq!((&reply.json["outcome"], reply.json.get("order_id")), (&json!("not_executed"), None));
    };
    check(
        json!({"amount": null, "merchant_reference": null}),
        400,
        "validation_failed",
        &["/amount", "/merchant_reference"],
    )
    .await;
    for value in [json!(0), json!(-1), json!("10"), json!(1.5), json!(1_000_000_000_000_i64)] {
        let amount = json!({"amount": {"value": value, "currency": "EUR"}});
        check(amount, 400, "validation_failed", &["/amount/value"]).await;
    }
    check(json!({"colour": "red", "capture": "later"}), 400, "validation_failed", &["/colour", "/capture"])
        .await;
    check(
        json!({"expires_at": "2020-01-01T00:00:00Z", "locale": "fr", "merchant_reference": "é",
               "metadata": {"guichet": "x"}, "provider_options": {"capture_delay": 366}}),
        400,
        "validation_failed",
        &[
            "/expires_at",
            "/locale",
            "/merchant_reference",
            "/metadata/guichet",
            "/provider_options/capture_delay",
        ],
    )
    .await;
    let far = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 91);
    check(json!({"expires_at": far.to_string()}), 400, "validation_failed", &["/expires_at"]).await;
    check(json!({"delivery": {"channel": "email"}}), 400, "validation_failed", &["/delivery/recipient"])
        .await;
    check(
        json!({"delivery": {"recipient": "a@example.com"}}),
        400,
        "validation_failed",
        &["/delivery/recipient"],
    )
    .await;
    check(
        json!({"delivery": {"subject": "x", "message": "x", "template": "x"}}),
        422,
        "unsupported_by_provider",
        &["/delivery/subject", "/delivery/message", "/delivery/template"],
    )
    .await;
    check(json!({"payment_method": "alipay"}), 422, "unsupported_by_provider", &["/payment_method"]).await;
    check(
        json!({"amount": {"value": 1, "currency": "ISK"}}),
        422,
        "currency_not_supported",
        &["/amount/currency"],
    )
    .await;
    check(
        json!({"capture": "manual", "provider_options": {"manual_validation": false}}),
        400,
        "validation_failed",
        &["/provider_options/manual_validation"],
    )
    .await;
    check(json!({"account": "Not A Name"}), 400, "validation_failed", &["/account"]).await;
    for account in ["nobody", "shop-of-somebody-else"] {
        check(json!({"account": account}), 404, "not_found", &[]).await;
    }
    check(json!({"account": null}), 400, "validation_failed", &["/account"]).await;
    assert_eq!((rig.control.total_requests(), rig.control.effects().len()), (0, 0));
    // Nothing of this used the key up.
    assert_eq!(rig.create("k", &new_order("a")).await.status, 201);
}

#[tokio::test]
async fn what_the_platform_refuses() {
    let rig = Rig::new().await;
    for (code, status, problem, outcome, pointer) in [
        ("PSP_1007", 422, "provider_refused", "refused", Some("/expires_at")),
        ("INT_013", 422, "provider_refused", "refused", Some("/merchant_reference")),
        ("PSP_606", 422, "currency_not_supported", "refused", Some("/amount/currency")),
        ("INT_905", 503, "account_misconfigured", "not_executed", None),
        ("PSP_099", 503, "provider_unavailable", "not_executed", None),
        ("PSP_648", 503, "provider_unavailable", "not_executed", None),
    ] {
        rig.control.reset();
        rig.refuse(CREATE, code);
        let reply = rig.create(code, &new_order(code)).await;
        assert_eq!(reply.problem(), (status, problem), "{code}: {}", reply.text);
        assert_eq!((reply.pointer(), &reply.json["outcome"]), (pointer, &json!(outcome)), "{code}");
        assert_eq!(reply.json["retryable"], problem == "provider_unavailable", "{code}");
        assert_eq!((rig.control.requests(CREATE), rig.control.effects().len()), (1, 0), "{code}");
        // The same key: what was refused is told again, what never happened runs again.
        let again = rig.create(code, &new_order(code)).await;
        let (expected, requests) = if outcome == "refused" { (status, 1) } else { (201, 2) };
        assert_eq!((again.status, rig.control.requests(CREATE)), (expected, requests), "{code}: {again:?}");
        // Neither keeps the merchant reference from being used.
        let other = rig.create(&format!("{code}-2"), &new_order(code)).await;
        assert_eq!(other.status, if outcome == "refused" { 201 } else { 409 }, "{code}: {other:?}");
    }
}

#[tokio::test]
async fn an_unreachable_provider_makes_nothing() {
    let mut rig = Rig::new().await;
    rig.stop_simulators().await;
    let reply = rig.create("k", &new_order("a")).await;
    assert_eq!(reply.problem(), (503, "provider_unavailable"));
    assert_eq!((&reply.json["outcome"], &reply.json["retryable"]), (&json!("not_executed"), &json!(true)));
    assert!(reply.header("retry-after").is_some());
    let other = rig.create("l", &new_order("a")).await;
    assert_eq!(other.problem(), (503, "provider_unavailable"), "the reference is free");
}

fn client(name: &str, account: &str) -> ClientSettings {
    ClientSettings {
        name: name.to_owned(),
        key_sha256: vec![api_key::sha256(name)],
        certificates: Vec::new(),
        via_gateway: false,
        scopes: Scope::ALL.into_iter().collect(),
        accounts: AllowedAccounts::Named([account.to_owned()].into()),
    }
}

fn route(name: &str, account: &str, change: impl FnOnce(&mut RouteRule)) -> RouteRule {
    let mut route = RouteRule {
        name: name.to_owned(),
        account: account.to_owned(),
        currencies: Vec::new(),
        min_value: None,
        max_value: None,
        brands: Vec::new(),
        payment_methods: Vec::new(),
    };
    change(&mut route);
    route
}

/// The account that takes this order when none is named; `None` when the first one asked refuses.
async fn routed(rig: &Rig, client: &str, reference: &str, value: i64, currency: &str) -> Option<String> {
    let body = json!({"amount": {"value": value, "currency": currency}, "merchant_reference": reference});
    let headers = [("idempotency-key", reference), ("x-api-key", client)];
    let reply = rig.post("/orders", &headers, Some(&body)).await;
    if reply.status != 201 {
        assert_eq!(reply.problem(), (400, "validation_failed"));
        assert_eq!(reply.pointer(), Some("/account"));
        return None;
    }
    Some(reply.json["account"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn without_an_account_the_first_route_that_fits_picks_it() {
    let rig = Rig::with(|settings| {
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients = vec![
            ClientSettings { accounts: AllowedAccounts::All, ..client("both", "") },
            client("island", "epaync"),
        ];
        settings.routes = vec![
            route("francs", "epaync", |route| route.currencies = vec!["XPF".to_owned()]),
            route("small", "epaync", |route| route.max_value = Some(500)),
            route("wrong-brand", "systempay", |route| {
                route.brands = vec!["payzen".to_owned()];
                route.min_value = Some(90_000);
            }),
            route("by-card", "epaync", |route| {
                route.payment_methods = vec!["card".to_owned()];
            }),
            route("large", "systempay", |route| {
                route.min_value = Some(501);
                route.max_value = Some(80_000);
            }),
        ];
    })
    .await;
    for (client, reference, value, currency, account) in [
        ("both", "a", 10_000, "XPF", Some("epaync")),
        ("both", "b", 500, "EUR", Some("epaync")),
        ("both", "c", 501, "EUR", Some("systempay")),
        ("both", "d", 80_000, "EUR", Some("systempay")),
        ("both", "e", 80_001, "EUR", None),
        ("both", "f", 95_000, "EUR", None),
        // A route to an account the client may not use is passed over.
        ("island", "g", 501, "EUR", None),
        ("island", "h", 500, "EUR", Some("epaync")),
    ] {
        let found = routed(&rig, client, reference, value, currency).await;
        assert_eq!(found.as_deref(), account, "{client} {value} {currency}");
    }
    // An account that is not the client's looks like one that does not exist.
    let reply = async |account: &str| {
        let mut body = new_order("z");
        body["account"] = json!(account);
        rig.post("/orders", &[("idempotency-key", "z"), ("x-api-key", "island")], Some(&body)).await
    };
    let (foreign, absent) = (reply("systempay").await, reply("nobody").await);
    assert_eq!((foreign.problem(), absent.problem()), ((404, "not_found"), (404, "not_found")));
    assert_eq!(foreign.json["detail"], absent.json["detail"]);
    assert_eq!(rig.effects("create").len(), 5);
}

/// Nobody can pay a link that nobody was shown: the creation may be repeated at once.
#[tokio::test]
async fn a_lost_creation_of_a_link_may_be_repeated() {
    for (kind, effects) in [
        (FaultKind::LoseAnswer, 1),
        (FaultKind::Garbage { effect: true }, 1),
        (FaultKind::ErrorAfterEffect { code: "PSP_999".to_owned() }, 1),
        (FaultKind::CutBefore, 0),
    ] {
        let name = format!("{kind:?}");
        let rig = Rig::new().await;
        rig.fault(CREATE, kind);
        let lost = rig.create("k", &new_order("a")).await;
        assert_eq!(lost.status, 202, "{name}: {lost:?}");
        let told = &lost.json["operation"];
        assert_eq!(lost.header("location"), Some(format!("/operations/{}", operation(&lost)).as_str()));
        assert_eq!((&told["status"], &told["outcome"]), (&json!("unknown"), &json!("unknown")));
        assert_eq!((&told["repeat"], &told["order_id"]), (&json!("harmless"), &Value::Null));
        assert_eq!(rig.effects("create").len(), effects, "{name}");

        // The same key never sends it again.
        let same = rig.create("k", &new_order("a")).await;
        assert_eq!((same.status, same.header("idempotent-replayed")), (202, Some("true")), "{same:?}");
        assert_eq!((operation(&same), rig.control.requests(CREATE)), (operation(&lost), 1), "{name}");

        let new = rig.create("l", &new_order("a")).await;
        assert_eq!(new.status, 201, "{name}: {new:?}");
        assert_eq!((rig.control.requests(CREATE), rig.effects("create").len()), (2, effects + 1), "{name}");
        // The payment of the order that is known is its own, though the lost one has the same reference.
        let reference = new.json["provider_reference"].as_str().unwrap();
        rig.pay(reference);
        let paid = rig.read(reference).await;
        assert_eq!((&paid.json["status"], amounts(&paid)[1]), (&json!("paid"), Some(1_000)), "{paid:?}");
    }
}

/// Before the answer is lost it may still come and tell of the order: until then nothing is to be repeated.
#[tokio::test]
async fn a_creation_under_way_is_not_to_be_repeated() {
    let rig = Rig::with(|settings| settings.server.request_timeout = Duration::from_millis(2_000)).await;
    let hold = rig.fault(CREATE, FaultKind::Hold { when: Moment::After });
    let open = rig.create("k", &new_order("a")).await;
    assert_eq!((open.status, &open.json["operation"]["outcome"]), (202, &json!("unknown")), "{open:?}");
    assert_eq!(open.json["operation"]["repeat"], Value::Null);
    assert_eq!(rig.create("k", &new_order("a")).await.problem(), (409, "idempotency_key_in_use"));
    assert_eq!(rig.create("l", &new_order("a")).await.problem(), (409, "merchant_reference_in_use"));
    rig.control.release(hold);
    let ended = rig.ended(operation(&open)).await;
    assert_eq!((&ended["status"], ended["order_id"].is_string()), (&json!("succeeded"), true), "{ended}");
    let told = rig.create("k", &new_order("a")).await;
    assert_eq!((told.status, told.json["checkout"]["link"].is_string()), (201, true), "{told:?}");
    assert_eq!((rig.control.requests(CREATE), rig.effects("create").len()), (1, 1));
}

/// What the platform itself sends to the payer may be paid: nobody may ask for it again.
#[tokio::test]
async fn a_lost_creation_of_a_message_keeps_its_reference() {
    for (channel, recipient) in
        [("email", "a@example.com"), ("sms", "+33611111111"), ("whatsapp", "+33611111111")]
    {
        let rig = Rig::new().await;
        let mut body = new_order("a");
        body["delivery"] = json!({"channel": channel, "recipient": recipient});
        rig.fault(CREATE, FaultKind::LoseAnswer);
        let lost = rig.create("k", &body).await;
        assert_eq!(lost.status, 202, "{lost:?}");
        assert_eq!(lost.json["operation"]["outcome"], "unknown");
        assert_eq!(lost.json["operation"].get("repeat").unwrap_or(&Value::Null), &Value::Null);
        let other = rig.create("l", &new_order("a")).await;
        assert_eq!(other.problem(), (409, "merchant_reference_in_use"), "{channel}");
        let patch = json!({"merchant_reference": "a"});
        let sample = rig.patch(&crate::rig::path(), &[], &patch).await;
        assert_eq!(sample.problem(), (409, "merchant_reference_in_use"), "{channel}");
        assert_eq!((rig.control.requests(CREATE), rig.effects("create").len()), (1, 1), "{channel}");
        assert_eq!(rig.control.requests(UPDATE), 0);

        // Neither age nor absence settles it, only its payment does.
        let id = operation(&lost).to_owned();
        let seen = rig.aged(&id, 8 * 3_600).await;
        assert_eq!((&seen["status"], &seen["outcome"]), (&json!("unknown"), &json!("unknown")), "{channel}");
        rig.pay(&rig.effects("create")[0].order.clone());
        let seen = rig.aged(&id, 8 * 3_600).await;
        assert_eq!(
            (&seen["status"], &seen["outcome"]),
            (&json!("succeeded"), &json!("executed")),
            "{channel}"
        );
        let other = rig.create("l", &new_order("a")).await;
        assert_eq!(other.problem(), (409, "merchant_reference_in_use"), "{channel}: it is paid");
        assert_eq!(rig.control.requests(CREATE), 1);
    }
}

#[tokio::test]
async fn a_lost_message_that_nobody_pays_is_for_a_person() {
    let rig = Rig::new().await;
    let mut body = new_order("a");
    body["delivery"] = json!({"channel": "email", "recipient": "a@example.com"});
    rig.fault(CREATE, FaultKind::CutBefore);
    let lost = rig.create("k", &body).await;
    let seen = rig.aged(operation(&lost), 25 * 3_600).await;
    assert_eq!((&seen["status"], &seen["outcome"]), (&json!("needs_review"), &json!("unknown")));
    assert_eq!(rig.create("l", &body).await.problem(), (409, "merchant_reference_in_use"));
    let same = rig.create("k", &body).await;
    assert_eq!((same.status, same.header("idempotent-replayed")), (202, Some("true")));
    assert_eq!(rig.control.requests(CREATE), 1);
}

/// A lost link settles when its life is over and nobody paid it.
#[tokio::test]
async fn a_lost_link_settles_after_its_own_expiry() {
    let rig = Rig::new().await;
    rig.fault(CREATE, FaultKind::CutBefore);
    let lost = rig.create("k", &new_order("a")).await;
    assert_eq!(lost.status, 202, "{lost:?}");
    let ended = rig.aged(operation(&lost), 3_600).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("not_executed"), &json!("not_executed")));
    assert_eq!(ended["repeat"], Value::Null);
    let again = rig.create("k", &new_order("a")).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, None), "{again:?}");
    assert_eq!((rig.control.requests(CREATE), rig.effects("create").len()), (2, 1));
}

/// Its payment is the proof that a lost link was made.
#[tokio::test]
async fn a_lost_link_that_somebody_paid_was_made() {
    let rig = Rig::new().await;
    rig.fault(CREATE, FaultKind::LoseAnswer);
    let lost = rig.create("k", &new_order("a")).await;
    assert_eq!(lost.status, 202, "{lost:?}");
    rig.pay(&rig.effects("create")[0].order.clone());
    let ended = rig.ended(operation(&lost)).await;
    assert_eq!((&ended["status"], &ended["repeat"]), (&json!("succeeded"), &Value::Null));
    let told = rig.create("k", &new_order("a")).await;
    assert_eq!((told.status, &told.json["operation"]["outcome"]), (200, &json!("executed")), "{told:?}");
    assert_eq!(rig.control.requests(CREATE), 1);
}

#[tokio::test]
async fn updates_send_the_callers_own_words_again() {
    let rig = Rig::new().await;
    let changes = json!({
        "delivery": {"channel": "email", "recipient": "zoe@example.com", "subject": "Your cart",
                     "message": "Please pay for cart 42"},
        "customer": {"email": "zoe@example.com"}, "metadata": {"cart": "42", "till": "7"},
        "return_url": "https://shop.example/back", "description": "Cart 42"
    });
    let order = rig.made("cart-42", &changes).await;
    let place = format!("/orders/systempay_{order}");
    let bodies = || -> Vec<Value> {
        let log = rig.control.request_log();
        log.into_iter().filter(|one| one.service == UPDATE).map(|one| one.body).collect()
    };
    let ours = rig.control.request_log().iter().find(|one| one.service == CREATE).unwrap().body["metadata"]["guichet"].clone();
    let reply = rig
        .patch(
            &place,
            &[],
            &json!({"amount": {"value": 2_000, "currency": "EUR"}, "metadata": {"shelf": "3"}}),
        )
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let labels = json!({"cart": "42", "till": "7", "shelf": "3"});
    assert_eq!(reply.json["metadata"], labels);
    let body = &bodies()[0];
    assert_eq!(body["amount"], 2_000);
    let mail =
        json!({"recipient": "zoe@example.com", "subject": "Your cart", "body": "Please pay for cart 42"});
    assert_eq!(body["channelOptions"]["mailOptions"], mail);
    assert_eq!(body["metadata"], json!({"cart": "42", "till": "7", "shelf": "3", "guichet": ours}));
    assert_eq!(
        (&body["returnUrl"], &body["customer"]["email"]),
        (&json!("https://shop.example/back"), &json!("zoe@example.com"))
    );
    assert_eq!(body["ipnTargetUrl"], "http://127.0.0.1:1/notifications/systempay");

    // The next one knows of the one before, and a cleared text is the platform's own again.
    let patch = json!({"locale": "en-GB", "delivery": {"message": null, "subject": "Again"}});
    let reply = rig.patch(&place, &[], &patch).await;
    assert_eq!((reply.status, &reply.json["metadata"]), (200, &labels), "{reply:?}");
    let body = &bodies()[1];
    assert_eq!(body["amount"], 2_000);
    assert_eq!(
        body["channelOptions"]["mailOptions"],
        json!({"recipient": "zoe@example.com", "subject": "Again"})
    );
    assert_eq!(body["metadata"]["shelf"], "3");
    let last = rig.control.mailbox().pop().unwrap();
    assert!(last.text.contains("20.00") && !last.text.contains("10.00"), "{last:?}");
    assert_eq!(rig.read(&order).await.json["metadata"], labels);

    // And its payment is still known as its own.
    rig.pay(&order);
    assert_eq!(amounts(&rig.read(&order).await)[1], Some(2_000));
}

/// What an update changed is told whole, whether its answer came or not.
#[tokio::test]
async fn an_update_whose_answer_is_lost_tells_the_callers_labels() {
    let rig = Rig::new().await;
    let order = rig.made("cart-42", &json!({"metadata": {"cart": "42", "till": "7"}})).await;
    rig.fault(UPDATE, FaultKind::LoseAnswer);
    let patch =
        json!({"amount": {"value": 2_000, "currency": "EUR"}, "metadata": {"till": "8", "shelf": "3"}});
    let reply = rig.patch(&format!("/orders/systempay_{order}"), &[], &patch).await;
    assert_eq!((reply.status, &reply.json["operation"]["outcome"]), (200, &json!("executed")), "{reply:?}");
    let labels = json!({"cart": "42", "till": "8", "shelf": "3"});
    assert_eq!(reply.json["metadata"], labels);
    let read = rig.read(&order).await;
    assert_eq!(read.json["metadata"], labels);
    assert_eq!(read.header("etag"), reply.header("etag"));
    assert_eq!((rig.control.requests(UPDATE), rig.effects("update").len()), (1, 1));
}

/// Texts that the platform rendered name the amount of their day: they are never sent back.
#[tokio::test]
async fn updates_never_send_rendered_words() {
    let rig = Rig::new().await;
    let changes = json!({"delivery": {"channel": "email", "recipient": "zoe@example.com"}});
    let order = rig.made("cart-42", &changes).await;
    let reply = rig
        .patch(
            &format!("/orders/systempay_{order}"),
            &[],
            &json!({"amount": {"value": 2_000, "currency": "EUR"}}),
        )
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let log = rig.control.request_log();
    let body = &log.iter().find(|one| one.service == UPDATE).unwrap().body;
    assert_eq!(body["channelOptions"]["mailOptions"], json!({"recipient": "zoe@example.com"}));
    assert!(rig.control.mailbox().pop().unwrap().text.contains("20"), "the new amount");
}
