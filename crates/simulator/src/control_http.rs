//! The control API over HTTP, for a person with a browser or curl and for tests in another process.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::control::SimulatorControl;
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
struct NotificationUrl {
    url: Option<String>,
}

/// Answers a control call.
pub(crate) fn serve(control: &SimulatorControl, request: &Received) -> Response<Bytes> {
    match dispatch(control, request) {
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

fn dispatch(control: &SimulatorControl, request: &Received) -> Result<Value, ControlError> {
    let segments: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).skip(1).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", []) => return Ok(help(control)),
        ("GET", ["requests"]) => {
            return Ok(json!({
                "total": control.total_requests(),
                "counts": control.request_counts(),
                "requests": control.request_log(),
            }));
        }
        ("GET", ["effects"]) => return Ok(json!({"effects": control.effects()})),
        ("GET", ["mailbox"]) => return Ok(json!({"mails": control.mailbox()})),
        ("GET", ["notices"]) => return Ok(json!({"notices": control.notices()})),
        ("POST", ["notices", sequence, "resend"]) => {
            let number = sequence.parse();
            control
                .resend_notice(number.map_err(|_| ControlError::NotFound(format!("notice {sequence}")))?)?;
        }
        ("POST", ["notification-url", provider, brand]) => {
            let wanted: NotificationUrl = parse(request)?;
            control.set_notification_url(provider, brand, wanted.url.as_deref().unwrap_or_default())?;
        }
        ("POST", ["act", provider, brand]) => {
            return control.platform(provider)?.act(brand, &parse(request)?);
        }
        ("GET", ["faults"]) => return Ok(json!({"faults": control.faults()})),
        ("POST", ["faults"]) => {
            let fault: Fault = parse(request)?;
            control.platform(&fault.provider)?;
            return Ok(json!({"id": control.add_fault(fault)}));
        }
        ("DELETE", ["faults"]) => control.clear_faults(),
        ("POST", ["faults", id, "release"]) => {
            if !id.parse().is_ok_and(|number| control.release(FaultId::new(number))) {
                return Err(ControlError::NotFound(format!("fault {id}")));
            }
        }
        ("POST", ["connections", "close"]) => control.close_connections(),
        ("GET", ["clock"]) => return Ok(json!({"now": control.now()})),
        ("POST", ["clock"]) => {
            let advance: Advance = parse(request)?;
            control.advance(Duration::from_millis(advance.advance_ms));
            return Ok(json!({"now": control.now()}));
        }
        ("POST", ["reset"]) => control.reset(),
        (_, ["orders", provider, brand, rest @ ..]) => {
            return orders(control, request, provider, brand, rest);
        }
        _ => return Err(unknown(request)),
    }
    Ok(json!({}))
}

fn orders(
    control: &SimulatorControl,
    request: &Received,
    provider: &str,
    brand: &str,
    rest: &[&str],
) -> Result<Value, ControlError> {
    let id = match (request.method.as_str(), rest) {
        ("GET", []) => return Ok(json!({"orders": control.orders(provider, brand)?})),
        ("POST", []) => {
            let id = control.add_order(provider, brand, &parse(request)?)?;
            return Ok(json!({"id": id, "order": control.order(provider, brand, &id)?}));
        }
        ("GET", [id]) => id,
        ("PATCH", [id]) => {
            control.patch_answer(provider, brand, id, &parse(request)?)?;
            id
        }
        ("POST", [id, "status"]) => {
            let wanted: Status = parse(request)?;
            control.set_order_status(provider, brand, id, &wanted.status)?;
            id
        }
        ("POST", [id, "payer"]) => {
            let payer: Payer = parse(request)?;
            return Ok(json!({"status": control.payer(provider, brand, id, payer.action)?}));
        }
        ("POST", [id, "transactions"]) => {
            let patch = if request.body.is_empty() { json!({}) } else { parse(request)? };
            return Ok(json!({"id": control.add_transaction(provider, brand, id, &patch)?}));
        }
        _ => return Err(unknown(request)),
    };
    control.order(provider, brand, id)
}

fn unknown(request: &Received) -> ControlError {
    ControlError::NotFound(format!("{} {}", Method::as_str(&request.method), request.path))
}

fn parse<T: DeserializeOwned>(request: &Received) -> Result<T, ControlError> {
    serde_json::from_slice(&request.body).map_err(|error| ControlError::Invalid(format!("body: {error}")))
}

fn help(control: &SimulatorControl) -> Value {
    let endpoints: Vec<_> = ENDPOINTS
        .iter()
        .map(|(method, path, meaning)| json!({"method": method, "path": path, "meaning": meaning}))
        .collect();
    let platforms = control.platforms().iter();
    let providers: serde_json::Map<_, _> =
        platforms.map(|platform| (platform.name().to_owned(), platform.help())).collect();
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
        let call = async |method: Method, path: &str, body: Value| {
            let (status, answer) = rig.order_control(method, path, &body).await;
            assert_eq!(status, 200, "{path} {answer}");
            answer
        };
        let draft = json!({"amount": 7, "status": "RUNNING", "channel": "MAIL"});
        let added = call(Method::POST, "/orders/lyra/epaync", draft).await;
        let id = added["id"].as_str().unwrap();
        let one = format!("/orders/lyra/epaync/{id}");
        let order = call(Method::GET, &one, Value::Null).await;
        assert_eq!((&order["amount"], &order["currency"]), (&json!(7), &json!("XPF")));
        let patch = json!({"taxRate": null, "amount": "seven", "brandNew": {"x": 1}});
        call(Method::PATCH, &one, patch).await;
        let answer = rig.done("epaync", GET, &json!({"paymentOrderId": id})).await;
        assert_eq!((&answer["amount"], &answer["brandNew"]["x"]), (&json!("seven"), &json!(1)));
        assert!(answer.get("taxRate").is_none());
        assert_eq!(call(Method::PATCH, &one, Value::Null).await["amount"], 7);
        let pay = json!({"action": "pay"});
        assert_eq!(call(Method::POST, &format!("{one}/payer"), pay.clone()).await, json!({"status": "PAID"}));
        assert_eq!(
            rig.order_control(Method::POST, &format!("{one}/payer"), &pay).await.0,
            400,
            "paid already"
        );
        let odd = json!({"status": "ODD"});
        assert_eq!(call(Method::POST, &format!("{one}/status"), odd).await["paymentOrderStatus"], "ODD");
        let waiting = json!({"detailedStatus": "UNDER_VERIFICATION", "uuid": "u1"});
        assert_eq!(call(Method::POST, &format!("{one}/transactions"), waiting).await["id"], "u1");
        let act = json!({"action": "back_office_lower", "order": "u1", "amount": 5});
        assert_eq!(rig.order_control(Method::POST, "/act/lyra/epaync", &act).await.0, 400, "not its state");
        let all = call(Method::GET, "/orders/lyra/epaync", Value::Null).await;
        assert_eq!(all["orders"].as_array().unwrap().len(), 1);
        let mails = call(Method::GET, "/mailbox", Value::Null).await;
        assert_eq!(mails, json!({"mails": []}), "preparing an order mails nothing");
        let help = call(Method::GET, "", Value::Null).await;
        for (provider, shop, actions) in
            [("lyra", "shop_id", 17), ("sips", "merchant_id", 14), ("yabandpay", "user", 18)]
        {
            let help = &help["providers"][provider];
            assert!(help["shops"][0][shop].is_string() && help["magic_amounts"][2]["amount"] == 990_003);
            assert_eq!(help["actions"].as_array().unwrap().len(), actions);
        }
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
