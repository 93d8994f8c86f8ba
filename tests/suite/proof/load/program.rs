//! The program on a store of its own.

use std::{
    fs::OpenOptions, io::Write, os::unix::process::ExitStatusExt, path::PathBuf, process::Stdio,
    time::Duration,
};

use guichet_simulator::RunningSimulators;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::gateway::Gateway;

/// Far above what anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the program said, all of its lives one after the other.
const LOG: &str = "program.log";

pub struct Home {
    directory: tempfile::TempDir,
    gateway: Gateway,
}

impl Home {
    /// The platforms' notifications find the program, whichever port it has.
    pub async fn new(simulators: &RunningSimulators) -> Self {
        let directory = crate::sim::scratch();
        let gateway = Gateway::start().await;
        let store = directory.path().join("guichet.db");
        let mut text = format!(
            "[limits]\nrate_per_second = 1000000\nburst = 1000000\n\
             [server]\nlisten = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\nrequest_timeout_ms = 1000\n\
             public_url = \"{}\"\n[store]\nurl = \"sqlite://{}\"\n[auth]\nmode = \"none\"\n\
             [resilience]\nprovider_timeout_ms = 2000\nbreaker_failures = 1000\n",
            gateway.url(),
            store.display()
        );
        let control = simulators.control();
        control.set_notification_pauses(&[100, 400, 1_000].map(Duration::from_millis));
        for account in simulators.sandbox_accounts() {
            text.push_str(&format!("[accounts.{}]\nprovider = \"{}\"\n", account.name, account.provider));
            let brand = account.settings.iter().find(|(key, _)| *key == "brand");
            let brand = brand.map_or(account.name, |(_, brand)| brand);
            let url = format!("{}/notifications/{}", gateway.url(), account.name);
            control.set_notification_url(account.provider, brand, &url).unwrap();
            for (key, value) in &account.settings {
                text.push_str(&format!("{key} = \"{value}\"\n"));
            }
        }
        std::fs::write(directory.path().join("guichet.toml"), text).unwrap();
        Self { directory, gateway }
    }

    /// Starts the program and returns when it says that it is ready, or has died on the way.
    pub async fn start(&self, faults: &str) -> Program {
        let config = self.directory.path().join("guichet.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_guichet"));
        command.arg("serve").arg("--config").arg(config).env("GUICHET_FAULTS", faults);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut log =
            OpenOptions::new().create(true).append(true).open(self.directory.path().join(LOG)).unwrap();
        writeln!(log, "--- {faults}").unwrap();
        let address = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                writeln!(log, "{line}").unwrap();
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
        self.gateway.leads_to(address.as_deref().and_then(|address| address.parse().ok()));
        // Keeps the pipe from filling up.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = writeln!(log, "{line}");
            }
        });
        // Nothing is called over TLS here: the client wants a provider all the same, but no roots, which it takes long to read.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(PATIENCE).build().unwrap();
        let base = format!("http://{}", address.unwrap_or_else(|| "127.0.0.1:1".to_owned()));
        Program { child, base, client }
    }

    /// Store and log of a run that went wrong, to be looked at.
    pub fn keep(&self, name: &str) -> PathBuf {
        let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir_all(&place).unwrap();
        for entry in std::fs::read_dir(self.directory.path()).unwrap() {
            let entry = entry.unwrap();
            let _ = std::fs::copy(entry.path(), place.join(entry.file_name()));
        }
        place
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

    /// All items of a list.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}?limit=200{cursor}")).await?;
            items.extend(page["items"].as_array().ok_or("no items")?.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }
}
