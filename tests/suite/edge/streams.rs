//! Event streams whose peers do not read, against the real program.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::program::{Home, PATIENCE, Program, ask, get};
use crate::rig::SAMPLE;

/// Streams of one client, as documented.
const STREAMS: usize = 16;
/// Events that wait, of 15 kB each: more than the system takes for a peer that does not read.
const EVENTS: i64 = 600;

/// Copies the newest event of the store very often, with much in it.
fn fill(home: &Home) {
    let mut store = rusqlite::Connection::open(home.path().join("guichet.db")).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    let transaction = store.transaction().unwrap();
    let newest = "SELECT * FROM events ORDER BY position DESC LIMIT 1";
    transaction.execute_batch(&format!("CREATE TEMP TABLE one AS {newest}")).unwrap();
    let data = serde_json::json!({"reason": "x".repeat(15_000)}).to_string();
    transaction.execute("UPDATE one SET data = ?1", [data]).unwrap();
    for _ in 0..EVENTS {
        let id = guichet::domain::EventId::generate().to_string();
        let copy = "UPDATE one SET id = ?1, stream = ?1, position = position + 1";
        transaction.execute(copy, [id]).unwrap();
        transaction.execute("INSERT INTO events SELECT * FROM one", []).unwrap();
    }
    transaction.execute("UPDATE counters SET value = value + ?1 WHERE name = 'events'", [EVENTS]).unwrap();
    transaction.commit().unwrap();
}

/// A stream from the first event on, by a peer that takes little and reads nothing after the status line.
async fn unread(program: &Program, cursor: &str) -> (TcpStream, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(program.address).await.unwrap();
    let request = format!(
        "GET /events?cursor={cursor} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 15];
    stream.read_exact(&mut status).await.unwrap();
    (stream, String::from_utf8_lossy(&status).into_owned())
}

/// Waits until the program has nothing more to do.
async fn idle(program: &Program) {
    let idle = async {
        let (mut ticks, mut quiet) = (program.cpu_ticks(), 0);
        while quiet < 5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = program.cpu_ticks();
            quiet = if now == ticks { quiet + 1 } else { 0 };
            ticks = now;
        }
    };
    tokio::time::timeout(PATIENCE, idle).await.expect("it does not come to rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_nobody_reads_hold_up_neither_the_others_nor_the_stop() {
    let home = Home::new("drain_wait_ms = 0\ngrace_ms = 30000\n", "").await;
    let mut program = home.start(None).await;
    let sample = format!("/orders/systempay_{SAMPLE}");
    let cancel = format!(
        "POST {sample}/cancel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    assert!(ask(program.address, &cancel).await.unwrap().starts_with("HTTP/1.1 200 "));
    let page = ask(program.address, &get("/events?limit=1")).await.unwrap();
    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    let cursor = serde_json::from_str::<Value>(body).unwrap()["next_cursor"].as_str().unwrap().to_owned();
    fill(&home);
    let before = program.kib("VmRSS");
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let (stream, status) = unread(&program, &cursor).await;
        assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
        streams.push(stream);
    }
    idle(&program).await;
    let held = program.kib("VmHWM").saturating_sub(before);
    let (_, refused) = unread(&program, &cursor).await;
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    let (began, read) = (Instant::now(), ask(program.address, &get(&sample)).await.unwrap());
    assert!(read.starts_with("HTTP/1.1 200 "), "{read}");
    let took = began.elapsed();
    for probe in ["/livez", "/readyz"] {
        assert!(ask(program.ops, &get(probe)).await.unwrap().starts_with("HTTP/1.1 200 "), "{probe}");
    }
    let signaled = Instant::now();
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
    let stop = signaled.elapsed();
    println!("{STREAMS} unread streams: {held} KiB more, a read beside them {took:?}, the stop {stop:?}");
    assert!(stop < Duration::from_secs(10), "{stop:?}");
    // 16 batches of 20 events, and what the connections hold; never all that waits.
    assert!(held < 64 * 1024, "{held} KiB");
    drop(streams);
}
