//! The control API over HTTP, for a person with a browser or curl and for tests in another process.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::exchange::Core;
use super::faults::{Fault, FaultId};
use super::platform::{ControlError, PayerAction, Received, json as json_answer};

/// Method, path and meaning of every control call, as `GET /_control` lists them.
const ENDPOINTS: [(&str, &str, &str); 23] = [
    ("GET", "/_control", "this help"),
    ("GET", "/_control/requests", "service calls received, newest 10,000, with counters"),
    ("GET", "/_control/effects", "changes of state really made"),
    ("GET", "/_control/mailbox", "messages sent to payers"),
    ("GET", "/_control/faults", "faults ordered, with how often they hit"),
    ("POST", "/_control/faults", "order a fault; answers its id"),
    ("DELETE", "/_control/faults", "forget all faults, let held requests go on"),
    ("POST", "/_control/faults/{id}/release", "let the requests held by this fault go on"),
    ("POST", "/_control/connections/close", "close every open connection, this one included"),
    ("GET", "/_control/clock", "the time at the platforms"),
    ("POST", "/_control/clock", "{\"advance_ms\": 60000} moves it ahead"),
    ("GET", "/_control/orders/{provider}/{brand}", "all orders"),
    ("POST", "/_control/orders/{provider}/{brand}", "add an order as it stands"),
    ("GET", "/_control/orders/{provider}/{brand}/{id}", "one order, as the platform would answer it"),
    (
        "PATCH",
        "/_control/orders/{provider}/{brand}/{id}",
        "merge patch over later answers about it; null ends it",
    ),
    ("POST", "/_control/orders/{provider}/{brand}/{id}/status", "{\"status\": \"ANY TEXT\"}"),
    (
        "POST",
        "/_control/orders/{provider}/{brand}/{id}/payer",
        "{\"action\": \"pay\" | \"decline\" | \"leave\"}",
    ),
    (
        "POST",
        "/_control/orders/{provider}/{brand}/{id}/transactions",
        "add a transaction; a merge patch over it",
    ),
    (
        "POST",
        "/_control/act/{provider}/{brand}",
        "{\"action\": \"remit\", \"order\": null, \"amount\": null}: what the back office, the night or a bank does, \
         to one order or to all",
    ),
    ("GET", "/_control/notices", "notifications made, newest 10,000, with the attempts to deliver them"),
    ("POST", "/_control/notices/{sequence}/resend", "send one again: the true body, once"),
    (
        "POST",
        "/_control/notification-url/{provider}/{brand}",
        "{\"url\": \"http://...\"}: where notifications go when the order names no address; null takes it away",
    ),
    ("POST", "/_control/reset", "back to the start"),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payer {
    action: PayerAction,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    action: String,
    #[serde(default)]
    order: Option<String>,
    /// Minor units, for the actions that want it.
    #[serde(default)]
    amount: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotificationUrl {
    url: Option<String>,
}

/// Answers a control call.
pub(crate) fn serve(core: &Core, request: &Received) -> Response<Bytes> {
    match dispatch(core, request) {
        Ok(body) => json_answer(StatusCode::OK, &body),
        Err(error) => {
            let status = match error {
                ControlError::NotFound(_) => StatusCode::NOT_FOUND,
                ControlError::Invalid(_) => StatusCode::BAD_REQUEST,
            };
            json_answer(status, &json!({"error": error.to_string(), "help": "/_control"}))
        }
    }
}

fn dispatch(core: &Core, request: &Received) -> Result<Value, ControlError> {
    let segments: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).skip(1).collect();
    let frame = &core.frame;
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", []) => Ok(help(core)),
        ("GET", ["requests"]) => Ok(json!({
            "total": frame.journal.total(),
            "counts": frame.journal.counts(),
            "requests": frame.journal.list(),
        })),
        ("GET", ["effects"]) => Ok(json!({"effects": frame.ledger.effects()})),
        ("GET", ["mailbox"]) => Ok(json!({"mails": frame.ledger.mails()})),
        ("GET", ["notices"]) => Ok(json!({"notices": frame.notices.list()})),
        ("POST", ["notices", sequence, "resend"]) => {
            let number =
                sequence.parse().map_err(|_| ControlError::NotFound(format!("notice {sequence}")))?;
            frame.notices.resend(number)?;
            Ok(json!({}))
        }
        ("POST", ["notification-url", provider, brand]) => {
            let wanted: NotificationUrl = parse(request)?;
            core.set_notification_url(provider, brand, wanted.url.as_deref().unwrap_or_default())?;
            Ok(json!({}))
        }
        ("POST", ["act", provider, brand]) => {
            let act: Act = parse(request)?;
            let platform = core
                .platform(provider)
                .ok_or_else(|| ControlError::NotFound(format!("provider {provider}")))?;
            platform.act(brand, act.order.as_deref(), &act.action, act.amount)
        }
        ("GET", ["faults"]) => Ok(json!({"faults": frame.faults.list()})),
        ("POST", ["faults"]) => {
            let fault: Fault = parse(request)?;
            if core.platform(&fault.provider).is_none() {
                return Err(ControlError::NotFound(format!("provider {}", fault.provider)));
            }
            Ok(json!({"id": frame.faults.add(fault)}))
        }
        ("DELETE", ["faults"]) => {
            frame.faults.clear();
            Ok(json!({}))
        }
        ("POST", ["faults", id, "release"]) => {
            let released = id.parse().is_ok_and(|number| frame.faults.release(FaultId::new(number)));
            if released { Ok(json!({})) } else { Err(ControlError::NotFound(format!("fault {id}"))) }
        }
        ("POST", ["connections", "close"]) => {
            core.connections.send_modify(|closings| *closings = closings.wrapping_add(1));
            Ok(json!({}))
        }
        ("GET", ["clock"]) => Ok(json!({"now": frame.clock.now()})),
        ("POST", ["clock"]) => {
            let advance: Advance = parse(request)?;
            frame.clock.advance(Duration::from_millis(advance.advance_ms));
            Ok(json!({"now": frame.clock.now()}))
        }
        ("POST", ["reset"]) => {
            core.reset();
            Ok(json!({}))
        }
        (_, ["orders", provider, brand, rest @ ..]) => orders(core, request, provider, brand, rest),
        _ => Err(unknown(request)),
    }
}

fn orders(
    core: &Core,
    request: &Received,
    provider: &str,
    brand: &str,
    rest: &[&str],
) -> Result<Value, ControlError> {
    let platform =
        core.platform(provider).ok_or_else(|| ControlError::NotFound(format!("provider {provider}")))?;
    match (request.method.as_str(), rest) {
        ("GET", []) => Ok(json!({"orders": platform.orders(brand)?})),
        ("POST", []) => {
            let id = platform.add_order(brand, &parse(request)?)?;
            Ok(json!({"id": id, "order": platform.order(brand, &id)?}))
        }
        ("GET", [id]) => platform.order(brand, id),
        ("PATCH", [id]) => {
            platform.patch_answer(brand, id, &parse(request)?)?;
            platform.order(brand, id)
        }
        ("POST", [id, "status"]) => {
            let wanted: Status = parse(request)?;
            platform.set_status(brand, id, &wanted.status)?;
            platform.order(brand, id)
        }
        ("POST", [id, "payer"]) => {
            let payer: Payer = parse(request)?;
            Ok(json!({"status": platform.payer(brand, id, payer.action)?}))
        }
        ("POST", [id, "transactions"]) => {
            let patch = if request.body.is_empty() { json!({}) } else { parse(request)? };
            Ok(json!({"id": platform.add_transaction(brand, id, &patch)?}))
        }
        _ => Err(unknown(request)),
    }
}

fn unknown(request: &Received) -> ControlError {
    ControlError::NotFound(format!("{} {}", Method::as_str(&request.method), request.path))
}

fn parse<T: DeserializeOwned>(request: &Received) -> Result<T, ControlError> {
    serde_json::from_slice(&request.body).map_err(|error| ControlError::Invalid(format!("body: {error}")))
}

fn help(core: &Core) -> Value {
    let endpoints: Vec<_> = ENDPOINTS
        .iter()
        .map(|(method, path, meaning)| json!({"method": method, "path": path, "meaning": meaning}))
        .collect();
    let providers: serde_json::Map<_, _> =
        core.platforms.iter().map(|platform| (platform.name().to_owned(), platform.help())).collect();
    json!({
        "about": "Simulators of payment platforms. Nothing here moves money.",
        "endpoints": endpoints,
        "fault_example": {
            "provider": "lyra", "shop_or_brand": "systempay", "service": "Charge/PaymentOrder/Cancel",
            "kind": {"kind": "lose_answer"}, "times": 1
        },
        "providers": providers,
    })
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::{Value, json};

    use crate::rig::{CANCEL, GET, Rig};

    const SAMPLE: &str = "d63e7f507a6f4dfa86cb40a833ecfd85";

    #[tokio::test]
    async fn the_help_names_magic_amounts_shops_and_calls() {
        let rig = Rig::new().await;
        let (status, help) = rig.order_control(Method::GET, "", &Value::Null).await;
        assert_eq!(status, 200);
        assert_eq!(help["providers"]["lyra"]["magic_amounts"][2]["amount"], 990_003);
        assert_eq!(help["providers"]["lyra"]["shops"][0]["shop_id"], "69876357");
        assert_eq!(help["endpoints"].as_array().unwrap().len(), super::ENDPOINTS.len());
    }

    #[tokio::test]
    async fn faults_are_ordered_listed_and_forgotten() {
        let rig = Rig::seeded().await;
        let fault = json!({"provider": "lyra", "service": CANCEL, "kind": {"kind": "lose_answer"}});
        let (_, ordered) = rig.order_control(Method::POST, "/faults", &fault).await;
        assert_eq!(ordered, json!({"id": 1}));
        assert!(rig.send("systempay", CANCEL, &json!({"paymentOrderId": SAMPLE})).await.is_err());
        let (_, listed) = rig.order_control(Method::GET, "/faults", &Value::Null).await;
        assert_eq!(listed["faults"][0]["used"], 1);
        let (_, effects) = rig.order_control(Method::GET, "/effects", &Value::Null).await;
        assert_eq!(effects["effects"][0]["action"], "cancel");
        let (_, requests) = rig.order_control(Method::GET, "/requests", &Value::Null).await;
        assert_eq!((&requests["total"], &requests["counts"][CANCEL]), (&json!(1), &json!(1)));
        assert_eq!(rig.order_control(Method::POST, "/faults/1/release", &Value::Null).await.0, 200);
        rig.order_control(Method::DELETE, "/faults", &Value::Null).await;
        assert_eq!(rig.order_control(Method::POST, "/faults/1/release", &Value::Null).await.0, 404);
        let elsewhere = json!({"provider": "nobody", "kind": {"kind": "cut_before"}});
        assert_eq!(rig.order_control(Method::POST, "/faults", &elsewhere).await.0, 404);
        assert_eq!(rig.order_control(Method::POST, "/faults", &json!({"kind": 1})).await.0, 400);
    }

    #[tokio::test]
    async fn orders_are_prepared_bent_and_paid() {
        let rig = Rig::new().await;
        let draft = json!({"amount": 7, "status": "RUNNING", "channel": "MAIL"});
        let (_, added) = rig.order_control(Method::POST, "/orders/lyra/epaync", &draft).await;
        let id = added["id"].as_str().unwrap();
        let one = format!("/orders/lyra/epaync/{id}");
        let (_, order) = rig.order_control(Method::GET, &one, &Value::Null).await;
        assert_eq!((&order["amount"], &order["currency"]), (&json!(7), &json!("XPF")));
        let patch = json!({"taxRate": null, "amount": "seven", "brandNew": {"x": 1}});
        rig.order_control(Method::PATCH, &one, &patch).await;
        let answer = rig.done("epaync", GET, &json!({"paymentOrderId": id})).await;
        assert_eq!((&answer["amount"], &answer["brandNew"]["x"]), (&json!("seven"), &json!(1)));
        assert!(answer.get("taxRate").is_none());
        rig.order_control(Method::PATCH, &one, &Value::Null).await;
        let (_, order) = rig.order_control(Method::GET, &one, &Value::Null).await;
        assert_eq!(order["amount"], 7);
        let (_, paid) =
            rig.order_control(Method::POST, &format!("{one}/payer"), &json!({"action": "pay"})).await;
        assert_eq!(paid, json!({"status": "PAID"}));
        assert_eq!(
            rig.order_control(Method::POST, &format!("{one}/payer"), &json!({"action": "pay"})).await.0,
            400,
            "paid already"
        );
        let odd = json!({"status": "ODD"});
        let (_, order) = rig.order_control(Method::POST, &format!("{one}/status"), &odd).await;
        assert_eq!(order["paymentOrderStatus"], "ODD");
        let waiting = json!({"detailedStatus": "UNDER_VERIFICATION", "uuid": "u1"});
        let (_, added) = rig.order_control(Method::POST, &format!("{one}/transactions"), &waiting).await;
        assert_eq!(added["id"], "u1");
        let (_, all) = rig.order_control(Method::GET, "/orders/lyra/epaync", &Value::Null).await;
        assert_eq!(all["orders"].as_array().unwrap().len(), 1);
        let (_, mails) = rig.order_control(Method::GET, "/mailbox", &Value::Null).await;
        assert_eq!(mails, json!({"mails": []}), "preparing an order mails nothing");
    }

    #[tokio::test]
    async fn wrong_calls_are_told_apart() {
        let rig = Rig::seeded().await;
        for (method, path, body, status) in [
            (Method::GET, "/nothing", Value::Null, 404),
            (Method::PUT, "/faults", Value::Null, 404),
            (Method::GET, "/orders/nobody/x", Value::Null, 404),
            (Method::GET, "/orders/lyra/nobody", Value::Null, 404),
            (Method::GET, "/orders/lyra/systempay/x", Value::Null, 404),
            (Method::POST, "/orders/lyra/systempay", json!({"colour": "red"}), 400),
            (Method::POST, "/orders/lyra/systempay", json!({"channel": "PIGEON"}), 400),
            (Method::POST, "/orders/lyra/systempay", json!({"id": SAMPLE}), 400),
            (Method::POST, "/clock", json!({"days": 1}), 400),
        ] {
            assert_eq!(
                rig.order_control(method.clone(), path, &body).await.0,
                status,
                "{method} {path} {body}"
            );
        }
        let elsewhere = format!("http://{}/sips/x", rig.running.local_addr());
        assert_eq!(rig.client.get(elsewhere).send().await.unwrap().status(), 404);
    }

    #[tokio::test]
    async fn reset_brings_the_start_back() {
        let rig = Rig::seeded().await;
        let order = json!({"paymentOrderId": SAMPLE});
        rig.done("systempay", CANCEL, &order).await;
        let now = rig.control.now();
        rig.order_control(Method::POST, "/clock", &json!({"advance_ms": 86_400_000})).await;
        rig.order_control(Method::POST, "/orders/lyra/systempay", &json!({})).await;
        rig.order_control(Method::POST, "/reset", &Value::Null).await;
        assert!(rig.effects().is_empty());
        assert_eq!((rig.control.total_requests(), rig.control.requests(CANCEL)), (0, 0));
        assert!(rig.control.now().duration_since(now) < jiff::SignedDuration::from_hours(1));
        assert_eq!(rig.control.orders("lyra", "systempay").unwrap().len(), 2);
        assert_eq!(rig.done("systempay", GET, &order).await["paymentOrderStatus"], "RUNNING");
    }
}
