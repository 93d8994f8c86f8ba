//! Callers that ask and never read what they are answered, on the real program: they cost no copies and no places, and
//! their connections end.

use std::time::Duration;

use rustix::process::Signal;
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use super::{
    authority::{Authority, connect, write},
    program::{Home, PATIENCE, Program, ask, get},
};
use crate::rig::SAMPLE;

const PEERS: usize = 300;
const MIB: u64 = 1024;
/// The script of Swagger UI: more than the system takes for a peer that does not read.
const LARGE: &str = "/docs/swagger-ui-bundle.js";
/// Divides the 30 s after which a peer that does not read is dropped.
const HURRY: &str = "hurry:15";

/// A peer that has asked for `path` so often that no buffer of the system holds the answers, and reads nothing.
async fn unread(address: std::net::SocketAddr, path: &str, times: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(times);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Resolves when the other end has given this connection up. What it had sent is still unread then.
async fn dropped(stream: TcpStream) {
    loop {
        // Data is readable all the time; only the end is waited for.
        if stream.ready(Interest::ERROR).await.unwrap().is_error() {
            return;
        }
    }
}

async fn answers(program: &Program) {
    let read = ask(program.address, &get(&format!("/orders/systempay_{SAMPLE}"))).await.unwrap();
    assert!(read.starts_with("HTTP/1.1 200 "), "{read}");
    for probe in ["/livez", "/readyz"] {
        let seen = ask(program.ops, &get(probe)).await.unwrap();
        assert!(seen.starts_with("HTTP/1.1 200 "), "{seen}");
    }
}

/// Requests under way, as the program counts them.
async fn active(program: &Program) -> String {
    let text = ask(program.ops, &get("/metrics")).await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("http_server_active_requests "));
    line.unwrap_or("none").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_do_not_read_cost_little_and_are_dropped() {
    guichet::open_files::raise();
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    let mut program = home.start_with(None, HURRY).await;
    answers(&program).await;
    let before = program.kib("VmRSS");
    let mut peers = JoinSet::new();
    for number in 0..PEERS {
        let (path, times) = if number % 3 == 0 { ("/openapi.json", 12) } else { (LARGE, 4) };
        let stream = unread(program.address, path, times).await;
        peers.spawn(async move {
            tokio::time::timeout(PATIENCE, dropped(stream)).await.expect("a peer is not dropped");
        });
    }
    answers(&program).await;
    let held = program.kib("VmRSS");
    println!("{PEERS} peers that do not read: {} MiB, before them {} MiB", held / MIB, before / MIB);
    assert!(held < before + 40 * MIB, "{held} KiB, before {before} KiB");
    // An answer that was handed over holds no place among the requests under way.
    assert_eq!(active(&program).await, "0");
    while let Some(ended) = peers.join_next().await {
        ended.unwrap();
    }
    answers(&program).await;
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
}

/// Over TLS what waits is in the layer above the socket; it is dropped all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_do_not_read_are_dropped_over_tls_too() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let toml = write(folder.path(), &authority, &authority.issue(&["localhost"]));
    let home = Home::new("drain_wait_ms = 0\n", &toml).await;
    let mut program = home.start_with(None, HURRY).await;
    let mut stream = connect(program.address, &authority.client(None)).await.unwrap();
    let request = format!("GET {LARGE} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(16);
    stream.write_all(request.as_bytes()).await.unwrap();
    let (socket, _tls) = stream.into_inner();
    tokio::time::timeout(PATIENCE, dropped(socket)).await.expect("the peer is not dropped");
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
}

/// A peer that reads slowly makes progress, and is served to the end however long it takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_served_to_the_end() {
    use tokio::io::AsyncReadExt;
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    // 30 s are 100 ms now.
    let mut program = home.start_with(None, "hurry:300").await;
    let request = get(LARGE);
    let whole = ask(program.address, &request).await.unwrap().len();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(65_536).unwrap();
    let mut stream = socket.connect(program.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut read, mut part) = (0, vec![0; 65_536]);
    let began = std::time::Instant::now();
    loop {
        // Slow on purpose: that is what is tested.
        tokio::time::sleep(Duration::from_millis(15)).await;
        match stream.read(&mut part).await.unwrap() {
            0 => break,
            some => read += some,
        }
    }
    assert!(began.elapsed() > Duration::from_millis(300), "{:?}", began.elapsed());
    assert!(read.abs_diff(whole) < 200, "{read} of {whole} bytes");
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
}
