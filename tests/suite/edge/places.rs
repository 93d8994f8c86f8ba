//! Whose requests may hold the places of others: bodies that never end, over real connections to the real program. The
//! shares of clients and accounts: `api/shares.rs`.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    flood::{MEMORY_MAX, MIB, metric, sample, stopped},
    program::{Home, PATIENCE, ask, get},
};

/// As many as there were places for everybody.
const BODIES: u32 = 4_100;

/// The head of a notification of 4,000 bytes.
fn head(account: &str) -> String {
    format!(
        "POST /notifications/{account} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 4000\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_bodies_that_never_end_take_nothing_from_the_clients() {
    guichet::open_files::raise();
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    let program = home.start(None).await;
    let begun = format!("{}{}", head("systempay"), "a".repeat(120));
    let mut bodies = Vec::new();
    for _ in 0..BODIES {
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        bodies.push(stream);
    }
    let mut most = 0.0_f64;
    for number in 0..20 {
        let seen = ask(program.address, &sample()).await.unwrap();
        assert!(seen.starts_with("HTTP/1.1 200 "), "read {number}: {seen}");
        let order = format!(
            "{{\"account\":\"systempay\",\"amount\":{{\"value\":100,\"currency\":\"EUR\"}},\
             \"merchant_reference\":\"beside-{number}\"}}"
        );
        let create = format!(
            "POST /orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIdempotency-Key: beside-{number}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{order}",
            order.len()
        );
        let seen = ask(program.address, &create).await.unwrap();
        assert!(seen.starts_with("HTTP/1.1 201 "), "creation {number}: {seen}");
        // Another notification is read too: this one is forged, and hears so.
        let forged = head("systempay")
            .replace("4000", "8")
            .replace("Host: localhost", "Host: localhost\r\nConnection: close");
        let seen = ask(program.address, &format!("{forged}kr-a=b&c")).await.unwrap();
        assert!(seen.starts_with("HTTP/1.1 400 ") || seen.starts_with("HTTP/1.1 401 "), "{number}: {seen}");
        for probe in ["/livez", "/readyz"] {
            assert!(ask(program.ops, &get(probe)).await.unwrap().starts_with("HTTP/1.1 200 "), "{probe}");
        }
        most = most.max(metric(&program, "http_server_active_requests").await);
    }
    assert!(most > 1_000.0, "only {most} bodies were arriving at once");
    assert_eq!(metric(&program, "gateway_shed_total{reason=\"overload\"}").await, 0.0);
    println!("{most} bodies arriving at once; memory {} MiB", program.kib("VmHWM") / MIB);
    assert!(program.kib("VmHWM") < MEMORY_MAX, "{} KiB", program.kib("VmHWM"));
    drop(bodies);
    stopped(program).await;
}

/// Nothing is read for an account that does not exist.
#[tokio::test]
async fn an_unknown_account_is_told_before_its_body_comes() {
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    let program = home.start(None).await;
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    stream.write_all(head("nobody").as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let told = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await;
    told.expect("it waits for the body").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
    stopped(program).await;
}

/// What large bodies that never end may hold of memory; small ones find room beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_public_bodies_hold_no_more_memory_than_they_may() {
    guichet::open_files::raise();
    let home = Home::new("drain_wait_ms = 0\n", "").await;
    let program = home.start(None).await;
    let large = head("systempay").replace("4000", "262144");
    let part = vec![b'a'; 200 * 1024];
    let mut bodies = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let (address, large, part) = (program.address, large.clone(), part.clone());
        bodies.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // One that is refused may break while it is sent.
            let _ = stream.write_all(large.as_bytes()).await;
            let _ = stream.write_all(&part).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
        });
    }
    let full = async {
        while metric(&program, "gateway_shed_total{reason=\"bodies\"}").await < 50.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.expect("none is refused");
    let small = head("systempay")
        .replace("4000", "8")
        .replace("Host: localhost", "Host: localhost\r\nConnection: close");
    let seen = ask(program.address, &format!("{small}kr-a=b&c")).await.unwrap();
    assert!(seen.starts_with("HTTP/1.1 400 ") || seen.starts_with("HTTP/1.1 401 "), "{seen}");
    println!("300 bodies of 200 KiB: memory {} MiB", program.kib("VmHWM") / MIB);
    assert!(program.kib("VmHWM") < 128 * MIB, "{} KiB", program.kib("VmHWM"));
    bodies.shutdown().await;
    stopped(program).await;
}
