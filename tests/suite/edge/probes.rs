//! The probes of the real program while others take all connections and all files there are.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::program::{Home, PATIENCE, Program, ask, get};
use crate::rig::SAMPLE;

/// Fails unless both probes and the metrics are answered, each within two seconds.
async fn probes_answer(program: &Program) {
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = tokio::time::timeout(Duration::from_secs(2), ask(program.ops, &get(path))).await;
        let answer = answer.unwrap_or_else(|_| panic!("{path} is not answered")).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
}

async fn reads_work(program: &Program) {
    let works = async {
        loop {
            match ask(program.address, &get(&format!("/orders/systempay_{SAMPLE}"))).await {
                Ok(seen) if seen.starts_with("HTTP/1.1 200 ") => break,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, works).await.expect("it does not recover");
}

async fn stopped(mut program: Program) {
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
}

/// Silent connections, half of a request, a whole one and then nothing: more of each than there are places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_ask_nothing_give_way_to_probes() {
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    let program = home.start(None).await;
    for (what, start) in [
        ("silent", ""),
        ("half open", "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "),
        ("kept alive", "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (
            "with a body that does not come",
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
        ),
    ] {
        let mut held = Vec::new();
        for _ in 0..150 {
            let mut stream = TcpStream::connect(program.ops).await.unwrap();
            stream.write_all(start.as_bytes()).await.unwrap();
            held.push(stream);
        }
        println!("{what}");
        for _ in 0..10 {
            probes_answer(&program).await;
        }
        reads_work(&program).await;
    }
    stopped(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_at_the_ops_listener_have_three_seconds() {
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    let program = home.start(None).await;
    for start in ["", "GET /livez HTTP/1.1\r\nX-Slow: "] {
        let mut stream = TcpStream::connect(program.ops).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let began = Instant::now();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        let took = began.elapsed();
        assert!(took > Duration::from_secs(2) && took < Duration::from_secs(8), "{start:?} after {took:?}");
    }
    stopped(program).await;
}

/// Callers have fewer connections where few files are allowed, and are told so; the rest is for the probes, the store and
/// the providers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_do_not_take_the_last_files() {
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    let program = home.start(Some(100)).await;
    assert_eq!(program.has_said("too few open files are allowed"), 1);
    let mut open = Vec::new();
    for _ in 0..150 {
        open.push(TcpStream::connect(program.address).await.unwrap());
    }
    let refused = ask(program.address, &get("/accounts")).await.unwrap_or_default();
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 503 "), "{refused}");
    for _ in 0..10 {
        probes_answer(&program).await;
    }
    assert_eq!(program.has_said("connections cannot be accepted"), 0);
    drop(open);
    reads_work(&program).await;
    stopped(program).await;
}

/// Whatever took them: with no file left the probes are answered, the program neither dies nor runs in circles, and it
/// recovers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_no_file_left_the_probes_answer() {
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    let program = home.start(None).await;
    reads_work(&program).await;
    let before = program.allow_no_more_files();
    let mut open = Vec::new();
    // How many numbers are free below the limit depends on what the program was started with.
    while program.has_said("connections cannot be accepted") == 0 && open.len() < 2_000 {
        open.push(TcpStream::connect(program.address).await.unwrap());
    }
    program.says("connections cannot be accepted", 1).await;
    for _ in 0..10 {
        probes_answer(&program).await;
    }
    // More of them at once than there are spare files, all half open.
    for _ in 0..40 {
        let mut stream = TcpStream::connect(program.ops).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nX-Slow: ").await.unwrap();
        open.push(stream);
    }
    for _ in 0..10 {
        probes_answer(&program).await;
    }
    let (ticks, began) = (program.cpu_ticks(), Instant::now());
    tokio::time::sleep(Duration::from_secs(1)).await;
    // A tick is a hundredth of a second: a quarter of one processor.
    let (used, passed) = (u128::from(program.cpu_ticks() - ticks) * 10, began.elapsed().as_millis());
    assert!(used < passed / 4, "it uses {used} ms of {passed} ms for nothing");
    assert!(program.has_said("connections cannot be accepted") <= 3, "once in ten seconds and listener");
    drop(open);
    program.allow_files(before);
    reads_work(&program).await;
    stopped(program).await;
}
