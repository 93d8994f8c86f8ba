//! What the libraries under the API would answer by themselves: callers get problems instead.

use std::io::{Read, Write};

use serde_json::Value;

use crate::rig::{Rig, path};

/// Sends these bytes and gives the status, the headers in lower case and the body of the one answer.
fn raw(rig: &Rig, bytes: &[u8]) -> (u16, String, String) {
    raw_at(rig.url.trim_start_matches("http://"), bytes)
}

fn raw_at(address: &str, bytes: &[u8]) -> (u16, String, String) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    // It may refuse before it has read all of it.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    (status, head.to_ascii_lowercase(), body.to_owned())
}

fn request(line: &str, headers: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

/// Fails when the answer is no whole problem of this status and code.
#[track_caller]
fn check(what: &str, answer: &(u16, String, String), status: u16, code: &str) {
    let (got, head, body) = answer;
    assert_eq!(*got, status, "{what}: {answer:?}");
    assert!(head.contains("content-type: application/problem+json"), "{what}: {answer:?}");
    assert!(head.contains("cache-control: no-store"), "{what}: {answer:?}");
    assert!(head.contains("x-content-type-options: nosniff"), "{what}: {answer:?}");
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{what}: {answer:?}"));
    assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{what}");
    for member in ["type", "title", "detail", "instance", "request_id"] {
        assert!(problem[member].is_string(), "{what}: {member} in {body}");
    }
    let id = problem["request_id"].as_str().unwrap();
    assert!(head.contains(&format!("x-request-id: {id}")), "{what}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_no_text_is_absent() {
    let rig = Rig::new().await;
    for line in [
        "GET /orders/systempay_%FF",
        "GET /orders/%C3",
        "GET /orders/%ff/events",
        "PATCH /orders/a_%80",
        "POST /orders/a_%FE/cancel",
        "GET /operations/%E2%28%A1",
        "GET /webhook-endpoints/%FF",
        "GET /accounts/%FF",
        "GET /problems/%FF",
        "POST /notifications/%FF",
        "GET /pay/%FF",
        "POST /return/%FF",
        "GET /docs/%FF",
        "GET /nothing/%FF",
        "GET /orders/a_%zz",
        "GET /orders/a_%",
    ] {
        check(line, &raw(&rig, &request(line, "")), 404, "not_found");
    }
    // A text that is written with escapes is the text.
    let id = path().replace("systempay", "%73ystempay");
    assert_eq!(raw(&rig, &request(&format!("GET {id}"), "")).0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_and_targets_nobody_serves() {
    let rig = Rig::new().await;
    for line in [
        "TRACE /orders",
        "OPTIONS /orders",
        "PUT /orders",
        "BREW /orders",
        "DELETE /problems/not_found",
        "PATCH /docs/",
        "PUT /pay/x",
        "POST /openapi.json",
    ] {
        check(line, &raw(&rig, &request(line, "")), 405, "method_not_allowed");
    }
    for line in ["OPTIONS *", "GET /orders/", "GET //", "CONNECT example.com:443", "GET /docs/nothing.js"] {
        check(line, &raw(&rig, &request(line, "")), 404, "not_found");
    }
    // The whole address in place of the path is the form that proxies use.
    assert_eq!(raw(&rig, &request(&format!("GET http://localhost{}", path()), "")).0, 200);
    // A query that is no text is one that nobody knows.
    check("query", &raw(&rig, &request("GET /orders?%FF=%FF", "")), 400, "validation_failed");
}

/// What does not get as far as a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_as_http() {
    let rig = Rig::new().await;
    for (what, bytes) in [
        ("no HTTP", b"hello\r\n\r\n".to_vec()),
        ("a space in the path", request("GET /a b", "")),
        ("no path", b"GET\r\n\r\n".to_vec()),
        ("a header without a colon", request("GET /orders", "Nonsense\r\n")),
        ("a name with a space", request("GET /orders", "X Y: z\r\n")),
        ("a length that is no number", request("POST /orders", "Content-Length: ten\r\n")),
        ("two lengths", request("POST /orders", "Content-Length: 1\r\nContent-Length: 2\r\n")),
        ("an unknown coding", request("POST /orders", "Transfer-Encoding: gzip\r\n")),
        ("another version", b"GET /orders HTTP/9.9\r\nHost: localhost\r\n\r\n".to_vec()),
    ] {
        let answer = raw(&rig, &bytes);
        check(what, &answer, 400, "invalid_header");
        assert!(answer.1.contains("connection: close"), "{what}: {answer:?}");
    }
    for (what, bytes) in [
        ("a long address", request(&format!("GET /{}", "x".repeat(200_000)), "")),
        ("a longer one than an address may have", request(&format!("GET /{}", "x".repeat(66_000)), "")),
        ("large headers", request("GET /orders", &format!("X-Large: {}\r\n", "x".repeat(40_000)))),
        ("many headers", request("GET /orders", &"X-A: b\r\n".repeat(150))),
    ] {
        check(what, &raw(&rig, &bytes), 431, "headers_too_large");
    }
    // After a good request on the same connection too.
    let mut both = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path()).into_bytes();
    both.extend(b"nonsense\r\n\r\n");
    let (status, _, rest) = raw(&rig, &both);
    assert_eq!(status, 200);
    let (_, second) = rest.split_once("HTTP/1.1 ").unwrap();
    assert!(second.starts_with("400 ") && second.contains("\"code\":\"invalid_header\""), "{second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_have_no_other_addresses() {
    let rig = Rig::new().await;
    let ask = async |path: &str| rig.get(&format!("{}{path}", rig.ops_url)).await;
    assert_eq!(ask("/livez").await.status, 200);
    assert_eq!(ask("/nothing").await.problem(), (404, "not_found"));
    let posted = rig.send(reqwest::Method::POST, &format!("{}/livez", rig.ops_url), &[], None).await;
    assert_eq!(posted.problem(), (405, "method_not_allowed"));
}

#[tokio::test]
async fn an_empty_accept_asks_for_nothing_special() {
    let rig = Rig::new().await;
    let get = async |accept: &str| rig.send(reqwest::Method::GET, &path(), &[("accept", accept)], None).await;
    for accept in ["", " ", ",", " , "] {
        assert_eq!(get(accept).await.status, 200, "{accept:?}");
    }
    for accept in ["text/csv", "text/csv, ", ", text/csv"] {
        assert_eq!(get(accept).await.problem(), (406, "not_acceptable"), "{accept:?}");
    }
}

/// Guichet would read a compressed body as nonsense, and one of no bytes as "all that is left".
#[tokio::test]
async fn a_compressed_body_is_refused() {
    let rig = Rig::new().await;
    let order = rig.captured("cart-1").await;
    let refund = format!("/orders/systempay_{order}/refund");
    let sent = rig.changes_sent();
    let post = async |path: &str, coding: &str, body: Option<&str>| {
        let headers = [("content-encoding", coding), ("idempotency-key", "k")];
        rig.send(reqwest::Method::POST, path, &headers, body).await
    };
    for coding in ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip", "x"] {
        for body in [Some("\u{1f}\u{8}not json"), Some(""), None, Some("{}")] {
            let reply = post(&refund, coding, body).await;
            assert_eq!(reply.problem(), (415, "unsupported_media_type"), "{coding} {body:?}");
            assert!(reply.json["detail"].as_str().unwrap().contains("Content-Encoding"), "{reply:?}");
        }
    }
    for place in ["/orders", "/webhook-endpoints", "/notifications/systempay"] {
        let reply = post(place, "gzip", Some("{}")).await;
        assert_eq!(reply.problem(), (415, "unsupported_media_type"), "{place}");
    }
    assert_eq!(rig.changes_sent(), sent);
    for coding in ["identity", "Identity", ""] {
        let reply = post(&refund, coding, None).await;
        assert_eq!(reply.status, 200, "{coding:?} {reply:?}");
    }
}

/// RFC 9112, 3.2: a server that takes what it must refuse disagrees with the gateway before it on whom a request is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_names_one_host() {
    let rig = Rig::new().await;
    let probes = rig.ops_url.trim_start_matches("http://").to_owned();
    for (what, version, target, hosts, is_fine) in [
        ("no host", "1.1", "", &[][..], false),
        ("two hosts", "1.1", "", &["localhost", "localhost"], false),
        ("two hosts of the older version", "1.0", "", &["localhost", "localhost"], false),
        ("two names in one", "1.1", "", &["localhost, localhost"], false),
        ("a host with a path", "1.1", "", &["localhost/x"], false),
        ("a host with a user", "1.1", "", &["me@localhost"], false),
        ("a port that is none", "1.1", "", &["localhost:x"], false),
        ("no host of the older version", "1.0", "", &[], true),
        ("one host of the older version", "1.0", "", &["localhost"], true),
        ("a host and a port", "1.1", "", &["localhost:8080"], true),
        ("a whole address without a host header", "1.1", "http://localhost", &[], false),
        ("a whole address beside two host headers", "1.1", "http://localhost", &["a", "a"], false),
        ("a whole address with a user", "1.1", "http://me@localhost", &["localhost"], false),
        ("a whole address of another kind", "1.1", "ftp://localhost", &["localhost"], false),
        ("a whole address beside another host", "1.1", "http://localhost", &["other.example"], true),
    ] {
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let bytes = |path: &str| {
            format!("GET {target}{path} HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n").into_bytes()
        };
        let answer = raw(&rig, &bytes(&path()));
        if is_fine {
            assert_eq!(answer.0, 200, "{what}: {answer:?}");
        } else {
            check(what, &answer, 400, "invalid_header");
        }
        let answer = raw_at(&probes, &bytes("/livez"));
        assert_eq!(answer.0, if is_fine { 200 } else { 400 }, "{what} at the probes: {answer:?}");
        assert!(is_fine || answer.2.contains("\"code\":\"invalid_header\""), "{what}: {answer:?}");
    }
}
