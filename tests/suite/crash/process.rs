//! The real program on a store of its own, with a simulated provider in the test's process.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use guichet::{
    domain::OperationId,
    simulator::{self, PayerAction, RunningSimulators, SimulatorControl, SimulatorOptions},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

pub(super) const BRAND: &str = "systempay";
/// Far above what anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which change is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Create,
    Cancel,
    Update,
    /// Of a part: done twice, it gives back twice as much.
    Refund,
}

impl Change {
    pub(super) fn service(self) -> &'static str {
        match self {
            Self::Create => "Charge/CreatePaymentOrder",
            Self::Cancel => "Charge/PaymentOrder/Cancel",
            Self::Update => "Charge/PaymentOrder/Update",
            Self::Refund => "Transaction/CancelOrRefund",
        }
    }

    /// Its word in the provider's ledger.
    pub(super) fn effect(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Cancel => "cancel",
            Self::Update => "update",
            Self::Refund => "refund",
        }
    }

    /// The status of the answer when it is done.
    pub(super) fn done(self) -> u16 {
        if self == Self::Create { 201 } else { 200 }
    }
}

pub(super) async fn start_provider() -> RunningSimulators {
    simulator::start(SimulatorOptions::default()).await.unwrap()
}

/// A fresh order at the provider that allows the change; its reference there. Of a creation the merchant's reference,
/// for there is no order yet.
pub(super) fn new_order(control: &SimulatorControl, change: Change) -> String {
    let reference = OperationId::generate().to_string();
    if change == Change::Create {
        return reference;
    }
    let order = control.add_order("lyra", BRAND, &json!({"orderId": reference})).unwrap();
    if change == Change::Refund {
        control.payer("lyra", BRAND, &order, PayerAction::Pay).unwrap();
        control.act("lyra", BRAND, Some(&order), "remit").unwrap();
    }
    order
}

/// A directory with a configuration; the store is made there by the program.
pub(super) struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub(super) fn new(provider: &RunningSimulators) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("guichet.db");
        let mut text = format!(
            "[limits]\nrate_per_second = 1000000\nburst = 1000000\n[server]\nlisten = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\nrequest_timeout_ms = 8000\n\
             [store]\nurl = \"sqlite://{}\"\n[auth]\nmode = \"none\"\n\
             [resilience]\nprovider_timeout_ms = 10000\n",
            store.display()
        );
        for account in provider.sandbox_accounts() {
            text.push_str(&format!("[accounts.{}]\nprovider = \"{}\"\n", account.name, account.provider));
            for (key, value) in account.settings {
                text.push_str(&format!("{key} = \"{value}\"\n"));
            }
        }
        std::fs::write(directory.path().join("guichet.toml"), text).unwrap();
        Self { directory }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Reads the order once and returns when its copy, which is written behind the answer, is in the store. After
    /// that, for some seconds, a change is the only one to write.
    pub(super) async fn settle_copy(&self, program: &Program, order: &str) {
        let (status, answer) = program.get(&format!("/orders/{BRAND}_{order}")).await;
        assert_eq!(status, 200, "{answer}");
        let store = self.store();
        let written = async {
            let count = || store.query_row("SELECT COUNT(*) FROM orders", [], |row| row.get::<_, i64>(0));
            while count().unwrap() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, written).await.expect("no copy is written");
    }

    /// The program's store, to look at.
    pub(super) fn store(&self) -> rusqlite::Connection {
        let path = self.path().join("guichet.db");
        rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    fn config(&self) -> PathBuf {
        self.path().join("guichet.toml")
    }

    pub(super) async fn start(&self, faults: &str) -> Program {
        self.start_with(faults, &[]).await
    }

    /// Starts the program and returns when it says that it is ready.
    pub(super) async fn start_with(&self, faults: &str, environment: &[(&str, &Path)]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guichet"));
        command.arg("serve").arg("--config").arg(self.config()).env("GUICHET_FAULTS", faults);
        command.envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                let address = ["/listen", "/fields/listen"].iter().find_map(|at| entry.pointer(at));
                if let Some(address) = address.and_then(Value::as_str) {
                    return address.to_owned();
                }
                said.push(line);
            }
            panic!("the program ended before it was ready: {said:#?}")
        });
        let address = address.await.expect("the program does not become ready");
        // Keeps the pipe from filling up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        // Nothing is called over TLS here; the client wants a provider all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Program { child, base: format!("http://{address}"), client }
    }
}

/// A running program.
pub(super) struct Program {
    child: Child,
    base: String,
    client: reqwest::Client,
}

impl Program {
    /// A request for the change, not sent yet.
    pub(super) fn change(&self, change: Change, order: &str, key: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/orders/{BRAND}_{order}", self.base);
        let json = |request: reqwest::RequestBuilder, body: Value| {
            request.header("content-type", "application/json").body(body.to_string())
        };
        let request = match change {
            Change::Create => json(
                self.client.post(format!("{}/orders", self.base)),
                json!({"account": BRAND, "amount": {"value": 9_000, "currency": "EUR"}, "merchant_reference": order}),
            ),
            Change::Refund => json(
                self.client.post(format!("{url}/refund")),
                json!({"amount": {"value": 300, "currency": "EUR"}}),
            ),
            Change::Cancel => self.client.post(format!("{url}/cancel")),
            Change::Update => {
                json(self.client.patch(url), json!({"amount": {"value": 9_000, "currency": "EUR"}}))
            }
        };
        request.header("idempotency-key", key)
    }

    /// The JSON answer to a GET.
    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        read(self.client.get(format!("{}{path}", self.base)).send().await.unwrap()).await
    }

    /// The JSON answer to a POST.
    pub(super) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base));
        read(request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap())
            .await
    }

    pub(super) fn kill(&mut self) {
        self.child.start_kill().unwrap();
    }

    pub(super) async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the program was not killed").unwrap()
    }
}

/// Status and JSON body.
pub(super) async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
