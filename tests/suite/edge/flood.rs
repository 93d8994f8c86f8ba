//! More than there is room for, over real connections to the real program: refused fast, bounded in memory, and without
//! harm to the others.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use guichet::config::api_key;
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::program::{Home, PATIENCE, Program, ask, get};
use crate::rig::SAMPLE;

/// Requests under way at once in one process, as documented.
const IN_FLIGHT_MAX: u16 = 4_096;
/// A client has a quarter of them at most, and so has an account.
const SHARES: u16 = 4;
pub(super) const MIB: u64 = 1024;
/// Far below what the machine has, far above what is needed: growth without bound would pass it.
pub(super) const MEMORY_MAX: u64 = 256 * MIB;

/// A provider that takes every connection and never says anything; its address, and how many came.
async fn black_hole() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let came = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&came);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            held.push(stream);
        }
    });
    (address, came)
}

fn hole_account(address: SocketAddr) -> String {
    format!(
        "[accounts.hole]\nprovider = \"lyra\"\nbase_url = \"http://{address}/api-payment/\"\n\
         shop_id = \"11111111\"\npassword = \"testpassword_hole\"\n"
    )
}

pub(super) async fn stopped(mut program: Program) {
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
}

/// A metric of the program; 0 when it is not there.
pub(super) async fn metric(program: &Program, name: &str) -> f64 {
    let text = ask(program.ops, &get("/metrics")).await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

pub(super) fn sample() -> String {
    get(&format!("/orders/systempay_{SAMPLE}"))
}

/// Reads one order again and again until told to stop; how often, and the slowest. Every one must succeed.
fn reader(address: SocketAddr, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<(usize, Duration)> {
    let stop = Arc::clone(stop);
    tokio::spawn(async move {
        let (mut count, mut slowest) = (0, Duration::ZERO);
        while !stop.load(Ordering::SeqCst) {
            let began = Instant::now();
            let seen = ask(address, &sample()).await.unwrap();
            assert!(seen.starts_with("HTTP/1.1 200 "), "{seen}");
            slowest = slowest.max(began.elapsed());
            count += 1;
        }
        (count, slowest)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_may_be_under_way_is_refused_fast() {
    guichet::open_files::raise();
    let (hole, _) = black_hole().await;
    let key = |number: u16| format!("gk_{number:0>43}");
    let mut more = "[auth]\nmode = \"api_key\"\n".to_owned();
    for number in 0..=SHARES {
        more.push_str(&format!(
            "[[auth.clients]]\nname = \"client-{number}\"\nkey_sha256 = [\"{}\"]\nscopes = [\"orders:read\"]\n\
             accounts = [\"*\"]\n",
            hex::encode(api_key::sha256(&key(number)))
        ));
    }
    for number in 0..SHARES {
        let numbered = format!("hole-{number}");
        let account = hole_account(hole).replace(".hole]", &format!(".{numbered}]"));
        more.push_str(&account.replace("11111111", &format!("1111111{number}")));
    }
    let home = Home::new("request_timeout_ms = 120000\ndrain_wait_ms = 0\n", &more).await;
    let program = home.start(None).await;
    let idle = program.kib("VmRSS");
    // Equal reads share one call: these wait for an answer that never comes.
    let waits = |number: u16| {
        let key = key(number);
        format!("GET /orders/hole-{number}_{SAMPLE} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n")
    };
    let sample =
        || sample().replace("Host: localhost", &format!("Host: localhost\r\nX-API-Key: {}", key(SHARES)));
    let mut waiting = Vec::with_capacity(usize::from(IN_FLIGHT_MAX));
    for number in 0..IN_FLIGHT_MAX {
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        stream.write_all(waits(number % SHARES).as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    let full = async {
        while metric(&program, "http_server_active_requests").await < f64::from(IN_FLIGHT_MAX) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.expect("it is never full");
    let mut took = Vec::new();
    for number in 0..500 {
        let began = Instant::now();
        let seen = ask(program.address, &sample()).await.unwrap();
        took.push(began.elapsed());
        let (head, body) = seen.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{number}: {seen}");
        assert!(body.contains("\"code\":\"overloaded\""), "{number}: {seen}");
        assert!(head.to_ascii_lowercase().contains("retry-after: "), "{number}: {seen}");
    }
    took.sort();
    let (median, p99, most) = (took[took.len() / 2], took[took.len() * 99 / 100], program.kib("VmHWM"));
    println!(
        "503 `overloaded` beside {IN_FLIGHT_MAX} requests under way: p50 {median:?}, p99 {p99:?}; \
         memory {} MiB, idle {} MiB",
        most / MIB,
        idle / MIB
    );
    // The rule is 50 ms; this machine may be busy with other tests.
    assert!(p99 < Duration::from_secs(2), "{p99:?}");
    assert!(most < MEMORY_MAX, "{most} KiB");
    assert!(metric(&program, "gateway_shed_total{reason=\"overload\"}").await >= 500.0);
    assert!(ask(program.ops, &get("/livez")).await.unwrap().starts_with("HTTP/1.1 200 "));
    // Who hangs up makes room.
    drop(waiting);
    let room = async {
        while !ask(program.address, &sample()).await.unwrap().starts_with("HTTP/1.1 200 ") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("there is no room again");
    stopped(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_opens_its_breaker_and_the_others_do_not_feel_it() {
    const FAILURES: usize = 8;
    let (hole, came) = black_hole().await;
    let more = format!(
        "[resilience]\nbreaker_failures = {FAILURES}\nbreaker_open_ms = 600000\n{}",
        hole_account(hole)
    );
    let home = Home::new("request_timeout_ms = 6000\ndrain_wait_ms = 0\n", &more).await;
    let program = home.start(None).await;
    let before = home.simulators.control().total_requests();
    let stop = Arc::new(AtomicBool::new(false));
    let readers = [reader(program.address, &stop), reader(program.address, &stop)];
    let read = |number: usize| get(&format!("/orders/hole_{number:032x}"));
    let mut calls = JoinSet::new();
    for number in 0..FAILURES {
        let (address, request) = (program.address, read(number));
        calls.spawn(async move { ask(address, &request).await.unwrap() });
    }
    while let Some(seen) = calls.join_next().await {
        let seen = seen.unwrap();
        assert!(seen.starts_with("HTTP/1.1 504 "), "{seen}");
    }
    let reached = came.load(Ordering::SeqCst);
    assert_eq!(reached, FAILURES);
    let mut took = Vec::new();
    for number in 0..200 {
        let began = Instant::now();
        let seen = ask(program.address, &read(number)).await.unwrap();
        took.push(began.elapsed());
        assert!(seen.starts_with("HTTP/1.1 503 ") && seen.contains("provider_unavailable"), "{seen}");
    }
    took.sort();
    stop.store(true, Ordering::SeqCst);
    let (mut reads, mut slowest) = (0, Duration::ZERO);
    for reader in readers {
        let (count, time) = reader.await.unwrap();
        (reads, slowest) = (reads + count, slowest.max(time));
    }
    println!(
        "breaker open: 200 refused, p99 {:?}; beside it {reads} reads of another account, slowest {slowest:?}",
        took[198]
    );
    assert_eq!(came.load(Ordering::SeqCst), reached, "nothing more was sent there");
    let sent = home.simulators.control().total_requests() - before;
    assert!(sent > 0 && sent <= u64::try_from(reads).unwrap(), "{sent} calls for {reads} reads");
    assert!(reads > 50, "{reads}");
    assert_eq!(metric(&program, "gateway_breaker_state{provider=\"lyra\"}").await, 2.0);
    let shed = metric(&program, "gateway_shed_total{reason=\"breaker_open\"}").await;
    assert!(shed >= 200.0, "{shed}");
    stopped(program).await;
}

/// How a slow connection begins, and whether it goes on by a byte a second.
#[derive(Debug, Clone, Copy)]
enum Slow {
    Silent,
    Headers,
    Body,
}

/// Sends slowly until the other end has had enough; how long that took.
async fn slow(mut stream: TcpStream, kind: Slow) -> (Slow, Duration) {
    let began = Instant::now();
    let start: &[u8] = match kind {
        Slow::Silent => b"",
        Slow::Headers => b"GET /accounts HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        Slow::Body => {
            b"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
        }
    };
    stream.write_all(start).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let writes = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if !matches!(kind, Slow::Silent) && writing.write_all(b" ").await.is_err() {
                // What was answered before it broke is still to be read.
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        _ = reading.read_to_end(&mut answer) => {}
        () = writes => {}
    }
    (kind, began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_slow_connections_end_in_time_and_slow_nobody() {
    guichet::open_files::raise();
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    let program = home.start(None).await;
    let mut connections = JoinSet::new();
    for number in 0..2_000 {
        let kind = [Slow::Silent, Slow::Headers, Slow::Body][number % 3];
        connections.spawn(slow(TcpStream::connect(program.address).await.unwrap(), kind));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let readers = [reader(program.address, &stop), reader(program.address, &stop)];
    let (mut shortest, mut longest) = (Duration::MAX, Duration::ZERO);
    let all = async {
        while let Some(ended) = connections.join_next().await {
            let (kind, took) = ended.unwrap();
            assert!(took > Duration::from_secs(8), "{kind:?} after {took:?}");
            (shortest, longest) = (shortest.min(took), longest.max(took));
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("some are still open");
    stop.store(true, Ordering::SeqCst);
    let (mut reads, mut slowest) = (0, Duration::ZERO);
    for reader in readers {
        let (count, time) = reader.await.unwrap();
        (reads, slowest) = (reads + count, slowest.max(time));
    }
    let most = program.kib("VmHWM");
    println!(
        "2,000 slow connections ended after {shortest:?} to {longest:?}; beside them {reads} reads, slowest \
         {slowest:?}; memory {} MiB",
        most / MIB
    );
    assert!(longest < Duration::from_secs(20), "{longest:?}");
    assert!(reads > 100, "{reads}");
    assert!(most < MEMORY_MAX, "{most} KiB");
    stopped(program).await;
}
