//! The real program on a store of its own, with a simulated provider in the test's process.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use guichet_simulator::{self as simulator, RunningSimulators, SimulatorOptions};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::changes::{Ask, Change};

/// Far above what anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn start_provider() -> RunningSimulators {
    simulator::start(SimulatorOptions::default()).await.unwrap()
}

/// A directory with a configuration; the store is made there by the program.
pub(super) struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    /// With the one account of this change: every other one would cost the program time at each of its starts.
    pub(super) fn new(provider: &RunningSimulators, change: &Change) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("guichet.db");
        let mut text = format!(
            "[limits]\nrate_per_second = 1000000\nburst = 1000000\n[server]\nlisten = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\nrequest_timeout_ms = 8000\n\
             public_url = \"http://127.0.0.1:1\"\n[store]\nurl = \"sqlite://{}\"\n[auth]\nmode = \"none\"\n\
             [resilience]\nprovider_timeout_ms = 10000\n",
            store.display()
        );
        let accounts = provider.sandbox_accounts();
        for account in accounts.into_iter().filter(|account| account.name == change.place.name) {
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
    pub(super) async fn settle_copy(&self, program: &Program, change: &Change, order: &str) {
        let (status, answer) = program.get(&format!("/orders/{}", change.id(order))).await;
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
        // Nothing is called over TLS here: the client wants a provider all the same, but no roots, which it takes long to read.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(PATIENCE).build().unwrap();
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
    pub(super) fn change(&self, change: &Change, order: &str, key: &str) -> reqwest::RequestBuilder {
        let path = match change.ask {
            Ask::Create => "/orders".to_owned(),
            Ask::Update => format!("/orders/{}", change.id(order)),
            Ask::Cancel => format!("/orders/{}/cancel", change.id(order)),
            Ask::Capture => format!("/orders/{}/capture", change.id(order)),
            Ask::Refund => format!("/orders/{}/refund", change.id(order)),
        };
        let url = format!("{}{path}", self.base);
        let request = if change.ask == Ask::Update { self.client.patch(url) } else { self.client.post(url) };
        let request = match change.body(order) {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
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
