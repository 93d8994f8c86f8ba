//! The real program on a store of its own, before simulated platforms in the test's process.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use guichet_simulator::{RunningSimulators, SimulatorOptions};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

/// Far above what anything here takes: a test that waits so long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a configuration; the store is made there by the program.
pub(super) struct Home {
    pub(super) simulators: RunningSimulators,
    directory: tempfile::TempDir,
}

impl Home {
    /// `more` is put at the end of the configuration; without an `[auth]` in it everybody may do everything.
    pub(super) async fn new(server: &str, more: &str) -> Self {
        crate::rig::crypto();
        let options = SimulatorOptions { seed_samples: true, ..SimulatorOptions::default() };
        let simulators = guichet_simulator::start(options).await.unwrap();
        let home = Self { simulators, directory: tempfile::tempdir().unwrap() };
        home.configure(server, more);
        home
    }

    pub(super) fn configure(&self, server: &str, more: &str) {
        // Those that `more` has itself.
        let auth = if more.contains("[auth]") { "" } else { "[auth]\nmode = \"none\"\n" };
        let mut text = format!(
            "[limits]\nrate_per_second = 1000000\nburst = 1000000\n\
             [server]\nlisten = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1:1\"\n{server}\n\
             [store]\nurl = \"sqlite://{}\"\n{auth}{more}\n",
            self.path().join("guichet.db").display()
        );
        for account in self.simulators.sandbox_accounts() {
            text.push_str(&format!("[accounts.{}]\nprovider = \"{}\"\n", account.name, account.provider));
            for (key, value) in account.settings {
                text.push_str(&format!("{key} = \"{value}\"\n"));
            }
        }
        fs::write(self.config(), text).unwrap();
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path().join("guichet.toml")
    }

    /// Runs a command that ends by itself; gives what it said.
    pub(super) async fn run(&self, command: &str) -> (bool, String) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_guichet"));
        let output =
            program.args(command.split(' ')).arg("--config").arg(self.config()).output().await.unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (output.status.success(), text.concat())
    }

    /// Starts the program and returns when it says that it is ready. `open_files`: how many it may have.
    pub(super) async fn start(&self, open_files: Option<u32>) -> Program {
        self.start_with(open_files, "").await
    }

    /// The same with `faults` of the program, as `guichet::faults` reads them.
    pub(super) async fn start_with(&self, open_files: Option<u32>, faults: &str) -> Program {
        let limit = open_files.map_or_else(String::new, |most| format!("ulimit -n {most}; "));
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("{limit}exec \"$0\" serve --config \"$1\""));
        command.arg(env!("CARGO_BIN_EXE_guichet")).arg(self.config()).env("GUICHET_FAULTS", faults);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(Vec::new()));
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                said.lock().unwrap().push(line);
                let field = |name: &str| {
                    let found = entry.get(name).or_else(|| entry.pointer(&format!("/fields/{name}")));
                    found.and_then(Value::as_str).and_then(|text| text.parse().ok())
                };
                if let (Some(address), Some(ops)) = (field("listen"), field("ops_listen")) {
                    return (address, ops);
                }
            }
            panic!("the program ended before it was ready: {:#?}", said.lock().unwrap());
        };
        let ready = tokio::time::timeout(PATIENCE, ready).await;
        let (address, ops) = ready.expect("the program does not become ready");
        let heard = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                heard.lock().unwrap().push(line);
            }
        });
        Program { child, address, ops, said }
    }
}

/// A running program.
pub(super) struct Program {
    child: Child,
    pub(super) address: SocketAddr,
    pub(super) ops: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
}

impl Program {
    pub(super) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    pub(super) async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the program does not end").unwrap()
    }

    /// How often it has said this.
    pub(super) fn has_said(&self, words: &str) -> usize {
        self.said.lock().unwrap().iter().filter(|line| line.contains(words)).count()
    }

    /// Waits until it has said this so many times.
    pub(super) async fn says(&self, words: &str, times: usize) {
        let said = async {
            while self.has_said(words) < times {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let heard = tokio::time::timeout(PATIENCE, said).await;
        heard.unwrap_or_else(|_| panic!("it does not say {words}: {:#?}", self.said.lock().unwrap()));
    }

    /// A field of `/proc/<id>/status` in KiB.
    pub(super) fn kib(&self, field: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Lets it open no file with a higher number than it has now; gives the limit it had.
    pub(super) fn allow_no_more_files(&self) -> Rlimit {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id().unwrap())).unwrap();
        let numbers = open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u64>().unwrap());
        let current = numbers.max().unwrap() + 1;
        self.allow_files(Rlimit { current: Some(current), maximum: getrlimit(Resource::Nofile).maximum })
    }

    /// Gives the limit it had.
    pub(super) fn allow_files(&self, limit: Rlimit) -> Rlimit {
        let id = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        prlimit(Some(id), Resource::Nofile, limit).unwrap()
    }

    /// CPU it has used, in hundredths of a second.
    pub(super) fn cpu_ticks(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id().unwrap())).unwrap();
        let rest = text.rsplit_once(')').unwrap().1;
        rest.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
    }
}

/// One request on a connection of its own; the whole answer, empty when there is none.
pub(super) async fn ask(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A GET that closes its connection.
pub(super) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}
