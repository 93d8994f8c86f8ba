//! The measurements.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Cli,
    load::{self, Seen, Write, quantile},
    process::{self, Program, free_address},
    report::{Table, median, micros, progress},
};

/// Connections of the CPU comparison (design, section 9).
const CONNECTIONS: u64 = 64;
/// Orders that are read again and again.
const ORDERS: u64 = 1_000;
/// How long the provider takes for each call of a change.
const PROVIDER_DELAY_MS: u64 = 300;
/// Calls to the provider that a cancel makes: one read, one change.
const CALLS_OF_A_CHANGE: u64 = 2;
/// Orders in the store of the second start.
const STORED: u64 = 100_000;
/// Starts of which the median counts.
const STARTS: usize = 15;
const MIB: f64 = 1024.0 * 1024.0;

/// What all measurements share.
pub struct Bench<'a> {
    pub cli: &'a Cli,
    directory: PathBuf,
    key: String,
    key_sha256: String,
}

/// A running guichet.
pub struct Guichet {
    pub program: Program,
    pub address: SocketAddr,
}

impl<'a> Bench<'a> {
    pub fn new(cli: &'a Cli, directory: &Path) -> Self {
        let output = Command::new(&cli.binary).args(["key", "new"]).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", cli.binary.display()));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("`key new` prints a key");
            line.trim().to_owned()
        };
        Self { cli, directory: directory.to_owned(), key: value("key "), key_sha256: value("key_sha256 ") }
    }

    pub fn provider(&self, listen: SocketAddr, delay_ms: u64) -> Program {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["provider", &listen.to_string(), &delay_ms.to_string()]);
        let program = Program::start(&mut command);
        process::wait_for(listen);
        program
    }

    fn forwarder(&self, provider: SocketAddr) -> (Program, SocketAddr) {
        let listen = free_address();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["forwarder", &listen.to_string(), &format!("http://{provider}{GET}")]);
        let program = Program::start(&mut command);
        process::wait_for(listen);
        (program, listen)
    }

    /// nginx as a proxy that makes the same call of a read, if it is installed. It writes no log of requests.
    fn nginx(&self, provider: SocketAddr) -> Option<(Program, SocketAddr)> {
        let program =
            ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists())?;
        let listen = free_address();
        let directory = self.directory.display();
        let configuration = format!(
            "daemon off; worker_processes 2; pid {directory}/nginx.pid; error_log {directory}/nginx.err;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {directory}/b;\n\
             proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u;\n\
             scgi_temp_path {directory}/s; proxy_buffers 8 8k;\n\
             upstream provider {{ server {provider}; keepalive 128; keepalive_requests 1000000000; }}\n\
             server {{ listen {listen}; location ~ ^/orders/[a-z]+_(?<reference>.*)$ {{\n\
             proxy_pass http://provider{GET}; proxy_method POST; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_set_header Content-Type application/json;\n\
             proxy_set_body '{{\"paymentOrderId\":\"$reference\"}}'; }} }} }}\n"
        )
        .replace(
            &format!("proxy_pass http://provider{GET}"),
            &format!("rewrite ^ {GET} break; proxy_pass http://provider"),
        );
        let file = self.directory.join("nginx.conf");
        fs::write(&file, configuration).expect("a file");
        let mut command = Command::new(program);
        command.arg("-e").arg(self.directory.join("nginx.err")).arg("-c").arg(&file);
        let program = Program::start(&mut command);
        process::wait_for(listen);
        Some((program, listen))
    }

    /// Starts guichet and waits until it is ready; gives the time that took.
    fn guichet(&self, store: &str, provider: SocketAddr) -> (Guichet, Duration) {
        self.guichet_with(store, provider, "")
    }

    /// The same with more configuration.
    pub fn guichet_with(&self, store: &str, provider: SocketAddr, more: &str) -> (Guichet, Duration) {
        let (address, ops) = (free_address(), free_address());
        let file = self.directory.join("guichet.toml");
        let settings = format!(
            "[server]\nlisten = \"{address}\"\nops_listen = \"{ops}\"\npublic_url = \"http://{address}\"\ndrain_wait_ms = 0\nrequest_timeout_ms = 60000\n\
             [store]\nurl = \"sqlite://{store}\"\n\
             [limits]\nrate_per_second = 1000000\nburst = 1000000\n[resilience]\nmax_in_flight = 65536\n\
             [[auth.clients]]\nname = \"bench\"\nkey_sha256 = [\"{hash}\"]\n\
             scopes = [\"orders:read\", \"orders:cancel\"]\naccounts = [\"*\"]\n\
             [accounts.bench]\nprovider = \"lyra\"\nbase_url = \"http://{provider}/api-payment/\"\n\
             shop_id = \"69876357\"\npassword = \"testpassword_of-no-shop-at-all\"\n{more}",
            store = self.directory.join(store).display(),
            hash = self.key_sha256,
        );
        fs::write(&file, settings).expect("a file");
        let mut command = Command::new(&self.cli.binary);
        command.arg("--config").arg(&file).arg("serve");
        let begun = Instant::now();
        let program = Program::start(&mut command);
        process::wait_until_ready(ops);
        let took = begun.elapsed();
        (Guichet { program, address }, took)
    }

    fn read(&self) -> Write {
        self.read_of("bench")
    }

    /// Reads orders of this account.
    pub fn read_of(&self, account: &'static str) -> Write {
        let key = self.key.clone();
        Arc::new(move |number| {
            format!(
                "GET /orders/{account}_{number:032x} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\
                 Accept: application/json\r\n\r\n"
            )
            .into_bytes()
        })
    }

    fn cancel(&self) -> Write {
        let key = self.key.clone();
        Arc::new(move |number| {
            format!(
                "POST /orders/bench_{number:032x}/cancel HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\
                 Idempotency-Key: bench-{number}\r\nContent-Length: 0\r\n\r\n"
            )
            .into_bytes()
        })
    }

    /// CPU of the process per request, in microseconds, under 64 connections.
    async fn cpu_per_read(&self, program: &Program, address: SocketAddr, orders: (u64, u64)) -> (f64, f64) {
        let time = Duration::from_secs(self.cli.seconds);
        let before = program.cpu_micros();
        let begun = Instant::now();
        let seen = load::closed(address, CONNECTIONS, time, u64::MAX, orders, self.read()).await;
        let rate = seen.done as f64 / begun.elapsed().as_secs_f64();
        let used = program.cpu_micros() - before;
        no_error(&seen);
        (used as f64 / seen.done as f64, rate)
    }

    /// CPU per read against the bare forwarder and nginx, in turns.
    pub async fn reads(&self, table: &mut Table) {
        let provider_address = free_address();
        let _provider = self.provider(provider_address, 0);
        let (guichet, _) = self.guichet("reads.db", provider_address);
        let (forwarder, forwarder_address) = self.forwarder(provider_address);
        let nginx = self.nginx(provider_address);
        let (mut ours, mut bare, mut proxy, mut other, mut rates) = (vec![], vec![], vec![], vec![], vec![]);
        let (mut to_bare, mut to_nginx) = (vec![], vec![]);
        let mut first_new = 1 << 40;
        // One round more than counts: connections, caches and pools warm up in the first.
        for round in 0..=self.cli.rounds {
            let (own, rate) = self.cpu_per_read(&guichet.program, guichet.address, (0, ORDERS)).await;
            let (plain, plain_rate) = self.cpu_per_read(&forwarder, forwarder_address, (0, ORDERS)).await;
            let (fresh, _) = self.cpu_per_read(&guichet.program, guichet.address, (first_new, 1 << 40)).await;
            first_new += 1 << 40;
            let mut line = format!(
                "reads, round {round}: guichet {own:.1} us ({rate:.0}/s), new orders {fresh:.1} us, \
                 forwarder {plain:.1} us ({plain_rate:.0}/s)"
            );
            let nginx_cost = match &nginx {
                Some((program, address)) => {
                    let (cost, rate) = self.cpu_per_read(program, *address, (0, ORDERS)).await;
                    line.push_str(&format!(", nginx {cost:.1} us ({rate:.0}/s)"));
                    Some(cost)
                }
                None => None,
            };
            progress(&line);
            if round > 0 {
                ours.push(own);
                rates.push(rate);
                bare.push(plain);
                other.push(fresh);
                to_bare.push(own / plain);
                if let Some(cost) = nginx_cost {
                    proxy.push(cost);
                    to_nginx.push(own / cost);
                }
            }
        }
        let (own, plain) = (median(&mut ours), median(&mut bare));
        table.judge(
            "CPU per read, 64 connections, to the bare forwarder",
            median(&mut to_bare),
            1.5,
            "times",
            format!("guichet {own:.0} us, forwarder {plain:.0} us; {:.0} reads/s", median(&mut rates)),
        );
        if nginx.is_some() {
            table.judge(
                "CPU per read, to nginx as a proxy",
                median(&mut to_nginx),
                5.0,
                "times",
                format!("nginx {:.0} us, without a log", median(&mut proxy)),
            );
        } else {
            table.tell("CPU per read, to nginx as a proxy", "not measured".to_owned(), "no nginx".to_owned());
        }
        let fresh = median(&mut other);
        table.tell(
            "CPU per read when no order is read twice",
            format!("{fresh:.0} us"),
            format!("{:.2} times the forwarder; a copy of every order is written behind", fresh / plain),
        );
        table.tell(
            "memory after these reads",
            format!("{:.1} MiB", guichet.program.resident_kib() as f64 / 1024.0),
            String::new(),
        );
    }

    /// What a read through guichet takes longer than the provider itself, at 300 a second.
    pub async fn latency(&self, table: &mut Table) {
        let provider_address = free_address();
        let _provider = self.provider(provider_address, 0);
        let (guichet, _) = self.guichet("latency.db", provider_address);
        let (_forwarder, forwarder_address) = self.forwarder(provider_address);
        let direct: Write = Arc::new(|number| {
            let body = format!("{{\"paymentOrderId\":\"{number:032x}\"}}");
            format!(
                "POST {GET} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        });
        let (mut added, mut bare, mut alone, mut tail) = (vec![], vec![], vec![], vec![]);
        for round in 0..=self.cli.rounds {
            let time = Duration::from_secs(self.cli.seconds);
            let mut middle = Vec::new();
            let mut late = Vec::new();
            for (address, write) in [
                (provider_address, Arc::clone(&direct)),
                (guichet.address, self.read()),
                (forwarder_address, self.read()),
            ] {
                let seen = load::open(address, 16, 300, time, (0, ORDERS), write).await;
                no_error(&seen);
                middle.push(quantile(&seen.micros, 500) as f64 / 1e3);
                late.push(quantile(&seen.micros, 990) as f64 / 1e3);
            }
            progress(&format!(
                "latency, round {round}: p50 direct {:.3} ms, guichet {:.3} ms, forwarder {:.3} ms",
                middle[0], middle[1], middle[2]
            ));
            if round > 0 {
                alone.push(middle[0]);
                added.push(middle[1] - middle[0]);
                bare.push(middle[2] - middle[0]);
                tail.push(late[1] - late[0]);
            }
        }
        table.judge(
            "added latency of a read at 300/s, p50",
            median(&mut added),
            0.35,
            "ms",
            format!(
                "the bare forwarder adds {:.2} ms; the provider itself takes {:.2} ms; added p99 {:.2} ms",
                median(&mut bare),
                median(&mut alone),
                median(&mut tail)
            ),
        );
    }

    /// Cancels at a fixed rate with a slow provider, then memory, then a start with what they left.
    pub async fn changes(&self, table: &mut Table, load_too: bool, start_too: bool) {
        let provider_address = free_address();
        let provider = self.provider(provider_address, PROVIDER_DELAY_MS);
        let (guichet, _) = self.guichet("changes.db", provider_address);
        let mut stored = 0;
        if load_too {
            tokio::time::sleep(Duration::from_secs(2)).await;
            table.judge(
                "memory, idle",
                guichet.program.resident_kib() as f64 / 1024.0,
                20.0,
                "MiB",
                "resident, 2 s after ready".to_owned(),
            );
            stored = self.load_of_changes(table, &guichet).await;
        }
        if !start_too {
            return;
        }
        provider.end();
        let provider = self.provider(provider_address, 0);
        let missing = STORED.saturating_sub(stored);
        progress(&format!("filling the store: {missing} orders more"));
        let begun = Instant::now();
        let hour = Duration::from_secs(3600);
        let seen =
            load::closed(guichet.address, CONNECTIONS, hour, missing, (1 << 50, 1 << 40), self.cancel())
                .await;
        no_error(&seen);
        if missing > 0 {
            progress(&format!(
                "{:.0} changes/s at no latency",
                missing as f64 / begun.elapsed().as_secs_f64()
            ));
        }
        guichet.program.end();
        drop(provider);
        let mut took = Vec::new();
        for _ in 0..STARTS {
            let (guichet, ready) = self.guichet("changes.db", provider_address);
            took.push(micros(ready) / 1e3);
            guichet.program.end();
        }
        let size = fs::metadata(self.directory.join("changes.db")).map_or(0, |data| data.len());
        table.judge(
            "start to ready, 100,000 orders in the store",
            median(&mut took),
            300.0,
            "ms",
            format!("median of {STARTS}; a file of {:.0} MiB", size as f64 / MIB),
        );
    }

    async fn load_of_changes(&self, table: &mut Table, guichet: &Guichet) -> u64 {
        let (rate, time) = (self.cli.change_rate, Duration::from_secs(self.cli.change_seconds));
        // Each connection has one and a half seconds for a change before its next one is due.
        let connections = rate * 3 / 2;
        let before = guichet.program.cpu_micros();
        let seen =
            load::open(guichet.address, connections, rate, time, (1 << 45, 1 << 40), self.cancel()).await;
        let used = guichet.program.cpu_micros() - before;
        let provider = (CALLS_OF_A_CHANGE * PROVIDER_DELAY_MS) as f64;
        let added = |per_mille| quantile(&seen.micros, per_mille) as f64 / 1e3 - provider;
        let errors: u64 = seen.errors.values().sum();
        table.judge(
            &format!("changes at {rate}/s for {} s, provider 300 ms a call: added p99", time.as_secs()),
            added(990),
            50.0,
            "ms",
            format!(
                "p50 {:.1} ms, p99.9 {:.1} ms; {} done; {:.0} us CPU each; the generator sent {:.1} ms late at p99",
                added(500),
                added(999),
                seen.done,
                used as f64 / seen.micros.len() as f64,
                quantile(&seen.late_micros, 990) as f64 / 1e3,
            ),
        );
        let example = seen.example.as_deref().unwrap_or_default().lines().last().unwrap_or_default();
        table.judge(
            "the same, errors",
            errors as f64,
            0.0,
            "",
            format!("{} {example}", if errors == 0 { String::new() } else { format!("{:?}", seen.errors) }),
        );
        table.judge(
            "memory under that load",
            guichet.program.peak_kib() as f64 / 1024.0,
            128.0,
            "MiB",
            "the most that was resident".to_owned(),
        );
        seen.done
    }

    /// Starts with a new store each time.
    pub async fn start_empty(&self, table: &mut Table) {
        let nobody = free_address();
        let mut took = Vec::new();
        for number in 0..STARTS {
            let (guichet, ready) = self.guichet(&format!("empty-{number}.db"), nobody);
            took.push(micros(ready) / 1e3);
            guichet.program.end();
        }
        let median = median(&mut took);
        table.judge("start to ready, empty store", median, 100.0, "ms", format!("median of {STARTS}"));
    }

    pub fn size(&self, table: &mut Table) {
        let size = fs::metadata(&self.cli.binary).expect("the binary").len();
        table.judge("binary", size as f64 / MIB, 24.0, "MiB", format!("{size} bytes"));
    }

    /// A clean release build into a directory of its own.
    pub fn build(&self, table: &mut Table) {
        let before = process::seconds_of_ended_children();
        let status = Command::new("cargo")
            .args(["build", "--release", "--locked", "--quiet", "--target-dir"])
            .arg(self.directory.join("target"))
            .status()
            .expect("cargo");
        assert!(status.success(), "the build failed");
        let seconds = process::seconds_of_ended_children() - before;
        table.judge("clean release build", seconds as f64, 1100.0, "CPU s", String::new());
    }
}

/// The provider's service of a read.
const GET: &str = "/api-payment/V4/Charge/PaymentOrder/Get";

pub fn no_error(seen: &Seen) {
    let example = seen.example.as_deref().unwrap_or_default();
    assert!(seen.errors.is_empty() && seen.done > 0, "unexpected answers {:?}: {example}", seen.errors);
}
