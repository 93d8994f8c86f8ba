//! What the tests of this platform share: requests with a right seal, and answers whose seal is checked.

use serde_json::{Map, Value, json};

use super::seal::{Algorithm, sealed_text};
use super::services::{INIT, READ};
use super::shops::DEMO_MERCHANT;
use crate::platform::merge;
use crate::rig::Rig;
use crate::{Fault, FaultKind};

pub(super) struct Bench {
    pub(super) rig: Rig,
}

/// What every request of the service has, with this patch over it and no seal.
pub(super) fn unsealed(service: &str, patch: &Value) -> Value {
    let interface = match service {
        INIT => "IR_WS_2.35",
        READ => "DR_WS_2.55",
        _ => "CR_WS_2.55",
    };
    let mut body = json!({"merchantId": DEMO_MERCHANT, "keyVersion": "1", "interfaceVersion": interface});
    if service == INIT {
        merge(
            &mut body,
            &json!({"amount": "1500", "currencyCode": "978", "orderChannel": "INTERNET",
                "normalReturnUrl": "https://shop.example/back", "automaticResponseUrl": "https://shop.example/auto"}),
        );
    } else if service != READ {
        merge(&mut body, &json!({"currencyCode": "978", "operationAmount": "1000"}));
    }
    merge(&mut body, patch);
    body
}

/// The same with its seal, by the merchant, the key and the algorithm that it names.
pub(super) fn sealed(mut body: Value) -> Value {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let named = text("sealAlgorithm").and_then(|word| Algorithm::named(&word));
    let key =
        format!("{}_KEY{}", text("merchantId").unwrap_or_default(), text("keyVersion").unwrap_or_default());
    let seal = named.unwrap_or(Algorithm::HmacSha256).seal(&sealed_text(body.as_object().unwrap()), &key);
    body["seal"] = seal.into();
    body
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self { rig: Rig::new().await }
    }

    pub(super) async fn seeded() -> Self {
        Self { rig: Rig::seeded().await }
    }

    pub(super) fn url(&self, rest: &str) -> String {
        format!("{}/sips/sherlocks/{rest}", self.rig.running.base_url())
    }

    pub(super) fn request(&self, service: &str, body: &str) -> reqwest::RequestBuilder {
        let url = self.url(&format!("rs-services/v2/{service}"));
        self.rig.client.post(url).header("content-type", "application/json").body(body.to_owned())
    }

    /// The answer to this body as it is. It must be HTTP 200.
    pub(super) async fn send(&self, service: &str, body: &Value) -> Map<String, Value> {
        let response = self.request(service, &body.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// The answer to a sealed request with this patch; its own seal must be right, and is left out.
    pub(super) async fn call(&self, service: &str, patch: Value) -> Map<String, Value> {
        let body = sealed(unsealed(service, &patch));
        let answer = self.send(service, &body).await;
        opened(answer, &body)
    }

    /// `responseCode` or `redirectionStatusCode`, and `errorFieldName`.
    pub(super) async fn code(&self, service: &str, patch: Value) -> (String, Option<String>) {
        let answer = self.call(service, patch).await;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        (text("responseCode").or_else(|| text("redirectionStatusCode")).unwrap(), text("errorFieldName"))
    }

    /// A read of an order of the demo shop.
    pub(super) async fn read(&self, reference: &str) -> Map<String, Value> {
        self.call(READ, json!({"transactionReference": reference})).await
    }

    pub(super) fn add(&self, draft: &Value) -> String {
        self.rig.control.add_order("sips", "sherlocks", draft).unwrap()
    }

    pub(super) fn act(&self, order: &str, action: &str) -> Value {
        self.rig.control.act("sips", "sherlocks", Some(order), action).unwrap()
    }

    pub(super) fn fault(&self, service: &str, kind: FaultKind) {
        self.rig.control.add_fault(Fault::new("sips", kind).on_service(service));
    }

    /// The ledger, in short: action, amount before and after, status after.
    pub(super) fn effects(&self) -> Vec<(String, Option<i64>, i64, String)> {
        let effects = self.rig.control.effects().into_iter();
        effects.map(|made| (made.action, made.amount_before, made.amount_after, made.status_after)).collect()
    }
}

/// The answer without its seal, which must be that of the request's key and algorithm.
pub(super) fn opened(mut answer: Map<String, Value>, request: &Value) -> Map<String, Value> {
    let named = request.get("sealAlgorithm").and_then(Value::as_str).and_then(Algorithm::named);
    let merchant = request["merchantId"].as_str().unwrap();
    let key = format!("{merchant}_KEY{}", request["keyVersion"].as_str().unwrap());
    let right = named.unwrap_or(Algorithm::HmacSha256).seal(&sealed_text(&answer), &key);
    let seal = answer.remove("seal");
    assert_eq!(seal, Some(right.into()), "{answer:?}");
    answer
}
