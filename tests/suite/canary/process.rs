//! The real program with everything it says kept, and its callers.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use guichet_simulator::RunningSimulators;
use reqwest::Method;
use rusqlite::types::ValueRef;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use super::places::{Place, Seen};
use crate::rig::Reply;

/// Far above what anything here takes: a test that waits so long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with a configuration and a store.
pub(super) struct Home {
    pub(super) directory: tempfile::TempDir,
    accounts: String,
}

impl Home {
    /// `extra` are lines of the configuration for each account, by provider.
    pub(super) fn new(simulators: &RunningSimulators, extra: impl Fn(&str) -> String) -> Self {
        let mut accounts = String::new();
        for account in simulators.sandbox_accounts() {
            accounts.push_str(&format!("[accounts.{}]\nprovider = \"{}\"\n", account.name, account.provider));
            for (key, value) in &account.settings {
                accounts.push_str(&format!("{key} = \"{value}\"\n"));
            }
            accounts.push_str(&extra(account.provider));
        }
        Self { directory: tempfile::tempdir().unwrap(), accounts }
    }

    pub(super) fn config(&self) -> PathBuf {
        self.directory.path().join("guichet.toml")
    }

    pub(super) fn store(&self) -> PathBuf {
        self.directory.path().join("guichet.db")
    }

    /// Writes the configuration with these sections beside the fixed ones.
    pub(super) fn configure(&self, sections: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite://{}\"\n\
             [resilience]\nbreaker_failures = 1000\n[log]\nlevel = \"trace\"\n\
             [webhooks]\nallow_networks = [\"127.0.0.0/8\"]\n{sections}\n{}",
            self.store().display(),
            self.accounts
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub(super) async fn start(&self, faults: &str) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guichet"));
        command.arg("serve").arg("--config").arg(self.config()).env("GUICHET_FAULTS", faults);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        crate::rig::crypto();
        let redirect = reqwest::redirect::Policy::none();
        let client =
            reqwest::Client::builder().no_proxy().redirect(redirect).timeout(PATIENCE).build().unwrap();
        let mut program = Program { child, log, reader, base: String::new(), ops: String::new(), client };
        let ready = program.logged(|entry| entry["message"] == "ready").await;
        let address = |name: &str| format!("http://{}", ready[name].as_str().unwrap());
        (program.base, program.ops) = (address("listen"), address("ops_listen"));
        program
    }

    /// What a command prints, with this on its standard input.
    pub(super) async fn command(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guichet"));
        command.args(arguments).arg("--config").arg(self.config());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat()
    }
}

/// A running program.
pub(super) struct Program {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: tokio::task::JoinHandle<()>,
    pub(super) base: String,
    pub(super) ops: String,
    pub(super) client: reqwest::Client,
}

impl Program {
    /// The first entry of the log that `is_it`, waited for.
    pub(super) async fn logged(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let find = || {
            let log = self.log.lock().unwrap();
            log.iter().filter_map(|line| serde_json::from_str(line).ok()).find(&is_it)
        };
        let wait = async {
            loop {
                if let Some(entry) = find() {
                    return entry;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(entry) => entry,
            Err(_) => panic!("not in the log: {:#?}", self.log.lock().unwrap()),
        }
    }

    /// How many entries of the log there are like this.
    pub(super) fn count(&self, is_it: impl Fn(&Value) -> bool) -> usize {
        let log = self.log.lock().unwrap();
        log.iter().filter_map(|line| serde_json::from_str(line).ok()).filter(is_it).count()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// SIGHUP, and waits for the log to say what came of it.
    pub(super) async fn reload(&self) -> bool {
        let done = |entry: &Value| {
            entry["message"].as_str().is_some_and(|text| text.starts_with("the configuration was reloaded"))
        };
        let refused =
            |entry: &Value| entry["message"] == "the new configuration is not usable, the old one stays";
        let before = (self.count(done), self.count(refused));
        self.signal(Signal::HUP);
        let wait = async {
            loop {
                let now = (self.count(done), self.count(refused));
                if now != before {
                    return now.0 > before.0;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("no word of the reload")
    }

    /// Stops it in order and gives its whole log.
    pub(super) async fn stop(mut self) -> Vec<String> {
        self.signal(Signal::TERM);
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
        self.reader.await.unwrap();
        self.log.lock().unwrap().clone()
    }

    /// One request; `path` may be a whole address.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Reply {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Reply { status, headers, text, json }
    }
}

/// Keeps what an answer says, headers included.
pub(super) fn keep(seen: &mut Seen, place: Place, what: &str, reply: &Reply) {
    let place = if reply.status >= 400 { Place::Problem } else { place };
    seen.add(place, what, format!("{:?}\n{}", reply.headers, reply.text));
}

/// Every column of every table, and the bytes of the files.
pub(super) fn read_store(path: &Path, seen: &mut Seen) {
    for extension in ["db", "db-wal", "db-shm"] {
        if let Ok(bytes) = std::fs::read(path.with_extension(extension)) {
            seen.add(Place::Files, extension, String::from_utf8_lossy(&bytes));
        }
    }
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    let mut tables = store.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in tables {
        let mut rows = store.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let names: Vec<String> = rows.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for (index, name) in names.iter().enumerate() {
                let bytes = match row.get_ref(index).unwrap() {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
                    ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => continue,
                };
                let place = if name == "raw_body" { Place::Raw } else { Place::Store };
                seen.add(place, format!("{table}.{name}"), String::from_utf8_lossy(bytes));
            }
        }
    }
}
