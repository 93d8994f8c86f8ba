//! The program on a store of its own, and its callers.

use std::{os::unix::process::ExitStatusExt, path::PathBuf, process::Stdio, time::Duration};

use guichet::simulator::RunningSimulators;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::shop::{Keyed, Shop, State};
use crate::numbers::Random;

/// Far above what anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub fn new(simulators: &RunningSimulators) -> Self {
        let directory = crate::sim::scratch();
        let store = directory.path().join("guichet.db");
        let mut text = format!(
            "[limits]\nrate_per_second = 1000000\nburst = 1000000\n[server]\nlisten = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\nrequest_timeout_ms = 1000\n\
             public_url = \"http://127.0.0.1:1\"\n[store]\nurl = \"sqlite://{}\"\n[auth]\nmode = \"none\"\n\
             [resilience]\nprovider_timeout_ms = 2000\nbreaker_failures = 1000\n",
            store.display()
        );
        for account in simulators.sandbox_accounts() {
            text.push_str(&format!("[accounts.{}]\nprovider = \"{}\"\n", account.name, account.provider));
            for (key, value) in account.settings {
                text.push_str(&format!("{key} = \"{value}\"\n"));
            }
        }
        std::fs::write(directory.path().join("guichet.toml"), text).unwrap();
        Self { directory }
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("guichet.toml")
    }

    /// Starts the program and returns when it says that it is ready, or has died on the way.
    pub async fn start(&self, faults: &str) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guichet"));
        command.arg("serve").arg("--config").arg(self.config()).env("GUICHET_FAULTS", faults);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                let address = ["/listen", "/fields/listen"].iter().find_map(|at| entry.pointer(at));
                if let Some(address) = address.and_then(Value::as_str) {
                    return Some(address.to_owned());
                }
            }
            None
        };
        let address =
            tokio::time::timeout(PATIENCE, address).await.expect("the program does not become ready");
        // Keeps the pipe from filling up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let base = format!("http://{}", address.unwrap_or_else(|| "127.0.0.1:1".to_owned()));
        Program { child, base, client }
    }
}

/// A running program.
pub struct Program {
    child: Child,
    pub base: String,
    pub client: reqwest::Client,
}

impl Program {
    pub async fn ends_within(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, self.child.wait()).await;
    }

    /// SIGKILL, unless it has killed itself.
    pub async fn kill(&mut self) -> Result<(), String> {
        let _ = self.child.start_kill();
        let ended =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.map_err(|error| error.to_string())?;
        match ended {
            Ok(status) if status.signal() == Some(9) => Ok(()),
            other => Err(format!("the program ended by itself: {other:?}")),
        }
    }

    pub async fn get(&self, path: &str) -> Result<Value, String> {
        let response = self.client.get(format!("{}{path}", self.base)).send().await;
        let response = response.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if status == 200 { Ok(value) } else { Err(format!("{path}: {status} {value}")) }
    }
}

/// A caller: asks for one thing after the other until nobody answers any more.
pub struct Client {
    base: String,
    http: reqwest::Client,
    shop: Shop,
    random: Random,
    number: usize,
}

impl Client {
    pub fn new(program: &Program, shop: Shop, random: Random, number: usize) -> Self {
        Self { base: program.base.clone(), http: program.client.clone(), shop, random, number }
    }

    fn next(&mut self) -> Keyed {
        let random = &mut self.random;
        if random.percent(25)
            && let Some(again) = self.shop.repeat(random)
        {
            return again;
        }
        let mut key = format!("k{}-{}", self.number, random.next());
        let new = |key, method, path, body: Option<Value>| Keyed {
            key,
            method,
            path,
            body: body.map(|body| body.to_string()),
            operations: Vec::new(),
            executed: Vec::new(),
        };
        if random.percent(15) {
            let account = random.pick(&super::ACCOUNTS);
            let body = json!({
                "account": account.name, "amount": {"value": 1_000, "currency": account.currency},
                "merchant_reference": format!("cart-{}", random.below(1_000_000)),
            });
            return new(key, "POST", "/orders".to_owned(), Some(body));
        }
        let order = self.shop.pick(random);
        let path = format!("/orders/{}_{}", order.account.name, order.id);
        let money = |value: i64| json!({"value": value, "currency": order.account.currency});
        let action = match order.state {
            State::Open if random.percent(60) => {
                if random.percent(50) {
                    key.clear();
                }
                let body = json!({"amount": money(random.between(500, 9_999))});
                return new(key, "PATCH", path, Some(body));
            }
            State::Open => "cancel",
            State::Authorized => "capture",
            State::Captured => "refund",
        };
        let part = (action == "refund" && random.percent(70)).then(|| random.between(1, 6) * 100);
        if action != "refund" && random.percent(50) {
            key.clear();
        }
        new(key, "POST", format!("{path}/{action}"), part.map(|part| json!({"amount": money(part)})))
    }

    /// How many requests it sent; an error when it got an answer that must never be given.
    pub async fn run(mut self) -> Result<u64, String> {
        let mut sent = 0;
        loop {
            let ask = self.next();
            let method = ask.method.parse().unwrap();
            let mut request = self.http.request(method, format!("{}{}", self.base, ask.path));
            if !ask.key.is_empty() {
                request = request.header("idempotency-key", ask.key.clone());
                self.shop.asks(ask.clone());
            }
            if let Some(body) = ask.body.clone() {
                request = request.header("content-type", "application/json").body(body);
            }
            sent += 1;
            let Ok(response) = request.send().await else { return Ok(sent) };
            let status = response.status().as_u16();
            let Ok(text) = response.text().await else { return Ok(sent) };
            let body: Value = serde_json::from_str(&text).unwrap_or_default();
            if ![200, 201, 202, 409, 422, 503].contains(&status) {
                return Err(format!("{} {}: {status} {text}", ask.method, ask.path));
            }
            let operation = body.pointer("/operation/id").or_else(|| body.get("operation_id"));
            let is_own = status < 300 || body["outcome"] == "refused";
            if let Some(operation) = operation.and_then(Value::as_str).filter(|_| is_own) {
                let executed = body.pointer("/operation/outcome") == Some(&json!("executed"));
                self.shop.hears(&ask.key, operation, executed);
            }
        }
    }
}
