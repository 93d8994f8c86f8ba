//! What strangers can write into the log of the real program, however much they send.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{
    flood::{metric, stopped},
    program::{Home, PATIENCE, ask, get},
};

const CONNECTIONS: usize = 5;
const EACH: usize = 400;
/// No more lines of one kind than these, however long the flood took.
fn lines_max(at_once: usize, a_second: usize, took: Duration) -> usize {
    let seconds = usize::try_from(took.as_secs()).unwrap() + 2;
    at_once + a_second * seconds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_writes_a_few_lines_and_is_counted() {
    let auth = format!(
        "[auth]\nmode = \"api_key\"\n[auth.gateway]\ntrusted_peers = [\"10.9.9.9\"]\n[[auth.clients]]\n\
         name = \"shop\"\nkey_sha256 = [\"{}\"]\nscopes = [\"orders:read\"]\naccounts = [\"*\"]\n",
        "0".repeat(64)
    );
    let home = Home::new("drain_wait_ms = 0\n", &auth).await;
    let program = home.start(None).await;
    let login =
        "GET /orders HTTP/1.1\r\nHost: localhost\r\nX-API-Key: nonsense\r\nX-Guichet-Client: shop\r\n\r\n";
    let forged = "POST /notifications/systempay HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                  Content-Length: 5\r\n\r\nkr-a=";
    let nowhere = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let began = Instant::now();
    let mut floods = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let all = [login, forged, nowhere].concat().repeat(EACH);
        let address = program.address;
        floods.spawn(async move {
            let (mut reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
            let last = get("/nowhere");
            let writes = async {
                writing.write_all(all.as_bytes()).await.unwrap();
                writing.write_all(last.as_bytes()).await.unwrap();
            };
            let mut answers = Vec::new();
            let (_, read) = tokio::join!(writes, reading.read_to_end(&mut answers));
            read.unwrap();
            String::from_utf8_lossy(&answers).matches("HTTP/1.1 4").count()
        });
    }
    let floods = async {
        while let Some(answered) = floods.join_next().await {
            assert_eq!(answered.unwrap(), 3 * EACH + 1);
        }
    };
    tokio::time::timeout(PATIENCE, floods).await.expect("it does not answer");
    // Once more when a second has passed: this line says how many were left out.
    let told = async {
        while program.has_said("\"reason\":\"unknown_key\",\"left_out\":1") == 0
            && program.has_said("\"reason\":\"unknown_key\",\"left_out\":2") == 0
        {
            let _ = ask(
                program.address,
                &login.replace("Host: localhost", "Host: localhost\r\nConnection: close"),
            )
            .await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("it does not say how many lines it left out");
    let took = began.elapsed();
    for (words, at_once, a_second) in [
        ("\"security\":\"failed_login\"", 10, 1),
        ("\"security\":\"untrusted_identity_header\"", 10, 1),
        ("\"security\":\"notification_refused\"", 20, 2),
        ("\"status\":401", 100, 10),
        ("\"status\":404", 100, 10),
    ] {
        let said = program.has_said(words);
        assert!(
            said > 5 && said <= lines_max(at_once, a_second, took),
            "{said} lines of {words} in {took:?}"
        );
    }
    let all = f64::from(u32::try_from(CONNECTIONS * EACH).unwrap());
    for series in [
        "event=\"failed_login\",reason=\"unknown_key\"",
        "event=\"untrusted_identity_header\",reason=\"ignored\"",
    ] {
        let counted = metric(&program, &format!("gateway_security_events_total{{{series}}}")).await;
        assert!(counted >= all, "{series}: {counted}");
    }
    println!(
        "{} requests of strangers in {took:?}: {} lines",
        3 * CONNECTIONS * EACH,
        program.has_said("\"level\"")
    );
    stopped(program).await;
}
