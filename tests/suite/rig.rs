//! The real service in this process, before simulated platforms, both on ports of their own.

use std::{collections::BTreeMap, sync::Once};

use guichet::{
    app::App,
    config::{AccountSettings, AuthMode, Settings, StoreUrl, sandbox_defaults},
};
use guichet_simulator::{
    Effect, Fault, FaultId, FaultKind, PayerAction, RunningSimulators, SimulatorControl, SimulatorOptions,
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
pub const CREATE: &str = "Charge/CreatePaymentOrder";
pub const TRANSACTIONS: &str = "Order/Get";
pub const CANCEL_OR_REFUND: &str = "Transaction/CancelOrRefund";
pub const VALIDATE: &str = "Transaction/Validate";
pub const TRANSACTION_UPDATE: &str = "Transaction/Update";
/// Everything at the platform that changes something.
pub const CHANGES: [&str; 8] = [
    CREATE,
    UPDATE,
    CANCEL,
    CANCEL_OR_REFUND,
    VALIDATE,
    TRANSACTION_UPDATE,
    "Transaction/Cancel",
    "Transaction/Refund",
];

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
    /// To put other clients in force, as a reload does.
    pub api: guichet::http::Api,
    /// To put another configuration in force.
    pub reload: guichet::reload::Reload,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    folder: tempfile::TempDir,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings changed by `tweak`.
    pub async fn with(tweak: impl FnOnce(&mut Settings)) -> Self {
        crypto();
        let options = SimulatorOptions { seed_samples: true, ..SimulatorOptions::default() };
        let simulators = guichet_simulator::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut settings = sandbox_defaults();
        settings.server.listen.set_port(0);
        settings.server.ops_listen.set_port(0);
        settings.server.drain_wait = std::time::Duration::ZERO;
        settings.auth.mode = AuthMode::None;
        settings.store.url = StoreUrl::Sqlite(folder.path().join("guichet.db"));
        // Nobody listens there: these tests do not depend on notifications.
        settings.server.public_url = "http://127.0.0.1:1".to_owned();
        settings.accounts = accounts(&simulators);
        // These tests poll without a pause and order many faults; limits have tests of their own.
        (settings.limits.rate_per_second, settings.limits.burst) = (1_000_000, 1_000_000);
        settings.resilience.breaker_failures = 1_000;
        tweak(&mut settings);
        let app = App::start(settings).await.unwrap();
        let (url, ops_url) = (app.address().unwrap(), app.ops_address().unwrap());
        let (api, reload) = (app.api(), app.reload().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(app.serve(async move {
            let _ = stopped.await;
        }));
        Self {
            control: simulators.control(),
            simulators: Some(simulators),
            url: format!("http://{url}"),
            ops_url: format!("http://{ops_url}"),
            api,
            reload,
            // The service closes a connection that is idle for ten seconds; one that is just being closed must not be used.
            http: reqwest::Client::builder()
                .no_proxy()
                .pool_idle_timeout(std::time::Duration::from_secs(4))
                .build()
                .unwrap(),
            stop: Some(stop),
            served: Some(served),
            folder,
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

    /// Sends a request and gives its answer, which has to be one that the document promises.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Reply {
        let address = if path.starts_with('/') { format!("{}{path}", self.url) } else { path.to_owned() };
        let mut request = self.http.request(method.clone(), address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let given = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let media = given.map(|(_, value)| *value).or(body.map(|_| "application/json"));
        if let Some(body) = body {
            if given.is_none() {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body.to_owned());
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        let reply = Reply { status, headers, text, json };
        crate::documented::check(crate::documented::Sent { method: &method, path, media, body }, &reply);
        reply
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

    /// Makes an order under this key.
    pub async fn create(&self, key: &str, body: &Value) -> Reply {
        self.post("/orders", &[("idempotency-key", key)], Some(body)).await
    }

    /// Makes an order of 10.00 EUR at `systempay`, its body changed by a merge patch, and gives its reference at the
    /// platform.
    pub async fn made(&self, reference: &str, changes: &Value) -> String {
        let mut body = new_order(reference);
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let reply = self.create(&format!("create-{reference}"), &body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json["provider_reference"].as_str().unwrap().to_owned()
    }

    /// The payer pays an order of `systempay`.
    pub fn pay(&self, order: &str) {
        self.control.payer("lyra", "systempay", order, PayerAction::Pay).unwrap();
    }

    /// The night: what is authorised is captured.
    pub fn remit(&self, order: &str) {
        self.control.act("lyra", "systempay", Some(order), "remit").unwrap();
    }

    /// An order of 10.00 EUR, made here and paid.
    pub async fn paid(&self, reference: &str) -> String {
        let order = self.made(reference, &json!({})).await;
        self.pay(&order);
        order
    }

    /// The same, remitted.
    pub async fn captured(&self, reference: &str) -> String {
        let order = self.paid(reference).await;
        self.remit(&order);
        order
    }

    pub async fn read(&self, order: &str) -> Reply {
        self.get(&format!("/orders/systempay_{order}")).await
    }

    /// `cancel`, `capture` or `refund` of all that is left, or of this many cents.
    pub async fn act(&self, action: &str, order: &str, key: Option<&str>, cents: Option<i64>) -> Reply {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        let body = cents.map(|cents| json!({"amount": {"value": cents, "currency": "EUR"}}));
        self.post(&format!("/orders/systempay_{order}/{action}"), &headers, body.as_ref()).await
    }

    /// What really happened at the platform under this word.
    pub fn effects(&self, action: &str) -> Vec<Effect> {
        self.control.effects().into_iter().filter(|effect| effect.action == action).collect()
    }

    /// How many requests that change something reached the platform.
    pub fn changes_sent(&self) -> u64 {
        CHANGES.iter().map(|service| self.control.requests(service)).sum()
    }

    /// The file of its store.
    pub fn store_path(&self) -> std::path::PathBuf {
        self.folder.path().join("guichet.db")
    }

    /// Makes an operation older in the store and due, for the settling time cannot be waited for; gives it as it is
    /// after that check.
    pub async fn aged(&self, operation: &str, seconds: i64) -> Value {
        let path = format!("/operations/{operation}");
        let before = self.get(&path).await.json;
        let store = rusqlite::Connection::open(self.store_path()).unwrap();
        store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        let then = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
        let changed = store
            .execute(
                "UPDATE operations SET next_check_at = 0, body = json_replace(body, '$.created_at', ?2, \
                 '$.intent.planned.expires_at', ?2) WHERE id = ?1",
                rusqlite::params![operation, format!("{then:.3}")],
            )
            .unwrap();
        assert_eq!(changed, 1, "{operation}");
        let passed = std::time::Duration::from_secs(u64::try_from(seconds).unwrap());
        self.api.orders().pretend_known_for(operation.parse().unwrap(), passed);
        let look = async {
            loop {
                let seen = self.get(&path).await.json;
                if seen["next_check_at"] != before["next_check_at"] {
                    return seen;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), look).await.unwrap()
    }

    /// Makes a page made here end this long ago, for its quarter of an hour cannot be waited for.
    pub fn expire_page(&self, operation: &str, seconds: i64) {
        let store = rusqlite::Connection::open(self.store_path()).unwrap();
        store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        let then = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
        let changed = store
            .execute(
                "UPDATE operations SET body = json_replace(body, '$.intent.planned.expires_at', ?2) WHERE id = ?1",
                rusqlite::params![operation, format!("{then:.3}")],
            )
            .unwrap();
        assert_eq!(changed, 1, "{operation}");
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

/// The least a creation needs: 10.00 EUR at `systempay`, by link.
pub fn new_order(reference: &str) -> Value {
    json!({
        "account": "systempay", "amount": {"value": 1_000, "currency": "EUR"}, "merchant_reference": reference
    })
}

/// `amounts` of an order: requested, authorized, captured, canceled, refunded.
pub fn amounts(reply: &Reply) -> [Option<i64>; 5] {
    ["requested", "authorized", "captured", "canceled", "refunded"]
        .map(|name| reply.json["amounts"][name].as_i64())
}
