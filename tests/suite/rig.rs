//! The real service in this process, before simulated platforms, both on ports of their own.

use std::{collections::BTreeMap, sync::Once};

use guichet::{
    app::App,
    config::{AccountSettings, AuthMode, Settings, StoreUrl, sandbox_defaults},
    simulator::{Fault, FaultId, FaultKind, RunningSimulators, SimulatorControl, SimulatorOptions},
};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};

/// A sample order of the provider pages, 100.00 EUR, `RUNNING`.
pub const SAMPLE: &str = "d63e7f507a6f4dfa86cb40a833ecfd85";
/// The other sample order of the same shop.
pub const OTHER: &str = "fd8f6060f824427ba687d0161e46af8f";
pub const GET: &str = "Charge/PaymentOrder/Get";
pub const UPDATE: &str = "Charge/PaymentOrder/Update";
pub const CANCEL: &str = "Charge/PaymentOrder/Cancel";

/// Needed once per process before the first TLS client is built.
pub fn crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// The accounts of these simulators, as configured.
pub fn accounts(simulators: &RunningSimulators) -> BTreeMap<String, AccountSettings> {
    simulators
        .sandbox_accounts()
        .into_iter()
        .filter(|account| guichet::providers::all().iter().any(|known| known.id == account.provider))
        .map(|account| {
            let block = AccountSettings::from_pairs(account.name, account.provider, account.settings);
            (account.name.to_owned(), block)
        })
        .collect()
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// `null` when it is no JSON.
    pub json: Value,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Status and problem code, after checking what every problem has.
    pub fn problem(&self) -> (u16, &str) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.json["status"], self.status, "{self:?}");
        let code = self.json["code"].as_str().unwrap();
        assert_eq!(self.json["type"], format!("/problems/{code}"), "{self:?}");
        for member in ["title", "detail", "instance", "request_id"] {
            assert!(self.json[member].is_string(), "{member}: {self:?}");
        }
        assert!(self.json["retryable"].is_boolean(), "{self:?}");
        (self.status, code)
    }

    /// The pointer of the first violation.
    pub fn pointer(&self) -> Option<&str> {
        self.json.pointer("/errors/0/pointer").and_then(Value::as_str)
    }
}

#[derive(Debug)]
pub struct Rig {
    pub control: SimulatorControl,
    pub simulators: Option<RunningSimulators>,
    pub url: String,
    pub ops_url: String,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings changed by `tweak`.
    pub async fn with(tweak: impl FnOnce(&mut Settings)) -> Self {
        crypto();
        let options = SimulatorOptions { seed_samples: true, ..SimulatorOptions::default() };
        let simulators = guichet::simulator::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut settings = sandbox_defaults();
        settings.server.listen.set_port(0);
        settings.server.ops_listen.set_port(0);
        settings.auth.mode = AuthMode::None;
        settings.store.url = StoreUrl::Sqlite(folder.path().join("guichet.db"));
        settings.accounts = accounts(&simulators);
        tweak(&mut settings);
        let app = App::start(settings).await.unwrap();
        let (url, ops_url) = (app.address().unwrap(), app.ops_address().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(app.serve(async move {
            let _ = stopped.await;
        }));
        Self {
            control: simulators.control(),
            simulators: Some(simulators),
            url: format!("http://{url}"),
            ops_url: format!("http://{ops_url}"),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            stop: Some(stop),
            served: Some(served),
            _folder: folder,
        }
    }

    /// Stops the platforms: nobody listens at their address any more.
    pub async fn stop_simulators(&mut self) {
        if let Some(simulators) = self.simulators.take() {
            simulators.stop().await;
        }
    }

    /// Stops the service in order, to see that it can.
    pub async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.served.take().unwrap().await.unwrap();
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Reply {
        let address = if path.starts_with('/') { format!("{}{path}", self.url) } else { path.to_owned() };
        let mut request = self.http.request(method, address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body.to_owned());
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Reply { status, headers, text, json }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn patch(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.send(Method::PATCH, path, headers, Some(&body.to_string())).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Reply {
        let body = body.map(Value::to_string);
        self.send(Method::POST, path, headers, body.as_deref()).await
    }

    pub async fn cancel(&self) -> Reply {
        self.post(&cancel_path(), &[], None).await
    }

    pub async fn update(&self) -> Reply {
        self.patch(&path(), &[], &amount_patch()).await
    }

    /// Orders one fault on a service.
    pub fn fault(&self, service: &str, kind: FaultKind) -> FaultId {
        self.control.add_fault(Fault::new("lyra", kind).on_service(service))
    }

    pub fn refuse(&self, service: &str, code: &str) -> FaultId {
        self.fault(service, refusal(code))
    }

    /// Looks at an operation until it ends.
    pub async fn ended(&self, operation: &str) -> Value {
        let path = format!("/operations/{operation}");
        let look = async {
            loop {
                let seen = self.get(&path).await;
                assert_eq!(seen.status, 200, "{seen:?}");
                if matches!(seen.json["status"].as_str(), Some("succeeded" | "refused" | "not_executed")) {
                    return seen.json;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), look).await.unwrap()
    }
}

pub fn refusal(code: &str) -> FaultKind {
    FaultKind::Refuse { code: code.to_owned(), message: None, detailed_code: None, detailed_message: None }
}

pub fn path() -> String {
    format!("/orders/systempay_{SAMPLE}")
}

pub fn cancel_path() -> String {
    format!("/orders/systempay_{SAMPLE}/cancel")
}

pub fn amount_patch() -> Value {
    json!({"amount": {"value": 20_000, "currency": "EUR"}, "merchant_reference": "myOrderId-999999"})
}
