//! What the tests of the simulators share: a running one, and a client that keeps connections as a service does.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;

use super::lyra::demo_shop;
use super::{RunningSimulators, SimulatorControl, SimulatorOptions, start};

pub(crate) const CREATE: &str = "Charge/CreatePaymentOrder";
pub(crate) const GET: &str = "Charge/PaymentOrder/Get";
pub(crate) const UPDATE: &str = "Charge/PaymentOrder/Update";
pub(crate) const CANCEL: &str = "Charge/PaymentOrder/Cancel";

#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) running: RunningSimulators,
    pub(crate) control: SimulatorControl,
    pub(crate) client: reqwest::Client,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(false).await
    }

    pub(crate) async fn seeded() -> Self {
        Self::with(true).await
    }

    async fn with(seed_samples: bool) -> Self {
        // Building a client needs a crypto provider, even for plain HTTP; a second installation fails harmlessly.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let running = start(SimulatorOptions { seed_samples, ..SimulatorOptions::default() }).await.unwrap();
        let control = running.control();
        let redirects = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().no_proxy().redirect(redirects).build().unwrap();
        Self { running, control, client }
    }

    pub(crate) fn request(&self, brand: &str, service: &str, body: &str) -> reqwest::RequestBuilder {
        let shop = demo_shop(brand).unwrap();
        self.client
            .post(format!("{}V4/{service}", self.running.lyra_base_url(brand)))
            .basic_auth(shop.shop_id, Some(shop.password))
            .header("content-type", "application/json")
            .body(body.to_owned())
    }

    pub(crate) async fn send(
        &self,
        brand: &str,
        service: &str,
        body: &Value,
    ) -> reqwest::Result<reqwest::Response> {
        self.request(brand, service, &body.to_string()).send().await
    }

    /// The envelope of a call with the test password.
    pub(crate) async fn call(&self, brand: &str, service: &str, body: &Value) -> Value {
        read(self.request(brand, service, &body.to_string())).await
    }

    /// The business answer of a call that must succeed.
    pub(crate) async fn done(&self, brand: &str, service: &str, body: &Value) -> Value {
        let envelope = self.call(brand, service, body).await;
        assert_eq!(envelope["status"], "SUCCESS", "{envelope}");
        envelope["answer"].clone()
    }

    /// The error code of a call that must be refused.
    pub(crate) async fn refused(&self, brand: &str, service: &str, body: &Value) -> String {
        let envelope = self.call(brand, service, body).await;
        assert_eq!(envelope["status"], "ERROR", "{envelope}");
        envelope["answer"]["errorCode"].as_str().unwrap().to_owned()
    }

    /// A control call over HTTP.
    pub(crate) async fn order_control(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("http://{}/_control{path}", self.running.local_addr());
        let response = self.client.request(method, url).body(body.to_string()).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    /// The ledger, in short.
    pub(crate) fn effects(&self) -> Vec<(String, Option<i64>, i64)> {
        let effects = self.control.effects().into_iter();
        effects.map(|effect| (effect.action, effect.amount_before, effect.amount_after)).collect()
    }
}

/// A merchant's server: keeps the notifications that reach it.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Media type and body.
    received: Vec<(String, String)>,
    /// What it answers next; then 200 `ok`.
    answers: VecDeque<(u16, &'static str)>,
}

impl Inbox {
    /// Answers these in turn, then 200 `ok`.
    pub(crate) async fn answering(answers: &[(u16, &'static str)]) -> Self {
        let kept = Kept { received: Vec::new(), answers: answers.iter().copied().collect() };
        let kept = Arc::new(Mutex::new(kept));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ipn?shop=1", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, kept }
    }

    pub(crate) fn received(&self) -> Vec<(String, String)> {
        self.kept.lock().received.clone()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.received().into_iter().map(|(_, body)| body).collect()
    }
}

async fn receive(
    State(kept): State<Arc<Mutex<Kept>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, &'static str) {
    let mut kept = kept.lock();
    kept.received.push((headers[CONTENT_TYPE].to_str().unwrap().to_owned(), body));
    let (status, text) = kept.answers.pop_front().unwrap_or((200, "ok"));
    (StatusCode::from_u16(status).unwrap(), text)
}

/// Sends the request and reads its JSON.
pub(crate) async fn read(request: reqwest::RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}
