//! A provider that speaks just enough Lyra and decides nothing, so that it is never what is measured.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::connection::{content_length, find};

const SAMPLE: &str = include_str!("../../crates/providers/src/lyra/fixtures/get_success.json");
const REFERENCE: &[u8] = b"\"paymentOrderId\":\"";
/// Hex digits of a reference.
const DIGITS: usize = 32;

/// A whole HTTP answer with a hole for the reference.
struct Answer {
    bytes: Vec<u8>,
    hole: usize,
}

impl Answer {
    fn new(status: &str) -> Self {
        let mut answer: Value = serde_json::from_str(SAMPLE).expect("the sample is JSON");
        answer["answer"]["paymentOrderStatus"] = json!(status);
        answer["answer"]["currency"] = json!("EUR");
        let body = answer.to_string();
        let bytes = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes();
        let hole = find(&bytes, REFERENCE).expect("the sample names its order") + REFERENCE.len();
        Self { bytes, hole }
    }

    fn about(&self, reference: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[self.hole..self.hole + DIGITS].copy_from_slice(reference);
        bytes
    }
}

/// Answers every read with an open order, every cancel with a canceled one, after `delay`.
pub async fn serve(listen: SocketAddr, delay: Duration) {
    let listener = TcpListener::bind(listen).await.expect("the provider's address");
    let answers = Arc::new((Answer::new("RUNNING"), Answer::new("CANCELED")));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let _ = converse(stream, &answers, delay).await;
        });
    }
}

async fn converse(mut stream: TcpStream, answers: &(Answer, Answer), delay: Duration) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let end = loop {
            if let Some(head) = find(&buffer, b"\r\n\r\n") {
                let end = head + 4 + content_length(&buffer[..head]).unwrap_or(0);
                if buffer.len() >= end {
                    break end;
                }
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let line = buffer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let answer = if find(line, b"/Cancel ").is_some() { &answers.1 } else { &answers.0 };
        let reference = find(&buffer, REFERENCE)
            .and_then(|at| buffer.get(at + REFERENCE.len()..at + REFERENCE.len() + DIGITS));
        let bytes = answer.about(reference.unwrap_or(&[b'0'; DIGITS]));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        stream.write_all(&bytes).await?;
        buffer.drain(..end);
    }
}
