//! One request from its caller through the provider's call to the webhook: traces, events and log lines.

use std::{
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use bytes::Bytes;
use guichet::{
    config::{LogFormat, LogLevel, LogSettings, Network, Settings},
    telemetry,
};
use guichet_simulator::{FaultKind, LoggedRequest};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value as Told,
    trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::rig::{CANCEL, GET, Rig, cancel_path, new_order, path};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const PATIENCE: Duration = Duration::from_secs(20);

/// A collector that understands OTLP over HTTP and keeps every span and every body.
struct Collector {
    address: SocketAddr,
    bodies: watch::Receiver<Vec<Bytes>>,
}

impl Collector {
    async fn new() -> Self {
        async fn receive(
            State(bodies): State<Arc<watch::Sender<Vec<Bytes>>>>,
            headers: HeaderMap,
            body: Bytes,
        ) -> StatusCode {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            bodies.send_modify(|bodies| bodies.push(body));
            StatusCode::OK
        }
        let (sender, bodies) = watch::channel(Vec::new());
        let router = Router::new().route("/otlp/v1/traces", post(receive)).with_state(Arc::new(sender));
        Self { address: serve(router).await, bodies }
    }

    fn endpoint(&self) -> String {
        format!("http://{}/otlp", self.address)
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let decode = |body: &Bytes| ExportTraceServiceRequest::decode(body.clone()).unwrap();
        self.bodies.borrow().iter().map(decode).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let of_scopes = self.requests().into_iter().flat_map(|request| request.resource_spans);
        of_scopes.flat_map(|all| all.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// Waits for a span.
    async fn span(&self, is_it: impl Fn(&Span) -> bool) -> Span {
        let mut bodies = self.bodies.clone();
        let wait = async {
            loop {
                if let Some(found) = self.spans().into_iter().find(&is_it) {
                    return found;
                }
                bodies.changed().await.unwrap();
            }
        };
        let names = || self.spans().into_iter().map(|span| span.name).collect::<Vec<_>>();
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no such span in {:?}", names()))
    }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = guichet::http::server::ServeOptions::new(64, None);
    tokio::spawn(guichet::http::server::serve(listener, router, options, std::future::pending()));
    address
}

fn exporting(endpoint: String) -> impl FnOnce(&mut Settings) {
    move |settings| settings.tracing.otlp_endpoint = Some(endpoint)
}

/// What a span tells under this name.
fn told(span: &Span, key: &str) -> Value {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Told::StringValue(text)) => text.into(),
        Some(Told::IntValue(number)) => number.into(),
        _ => Value::Null,
    }
}

fn parts(traceparent: &str) -> Vec<&str> {
    traceparent.split('-').collect()
}

/// The newest call of this service that reached the platform.
fn call(rig: &Rig, service: &str) -> LoggedRequest {
    rig.control.request_log().into_iter().rfind(|one| one.service == service).unwrap()
}

#[tokio::test]
async fn spans_of_a_request_and_its_calls_arrive_in_the_callers_trace() {
    let collector = Collector::new().await;
    let rig = Rig::with(exporting(collector.endpoint())).await;
    let headers = [("traceparent", SAMPLED), ("x-request-id", "req-7"), ("idempotency-key", "k")];
    let mut body = new_order("cart-7");
    body["customer"] = json!({"email": "zoe@example.com", "first_name": "Zoe", "last_name": "Leveque"});
    body["description"] = json!("Lots of private words");
    let reply = rig.post("/orders", &headers, Some(&body)).await;
    assert_eq!((reply.status, reply.header("traceparent")), (201, Some(SAMPLED)), "{reply:?}");
    let of_request =
        |span: &Span| span.kind() == SpanKind::Server && told(span, "guichet.request_id") == "req-7";
    let server = collector.span(of_request).await;
    assert_eq!(server.name, "POST /orders");
    assert_eq!(hex::encode(&server.trace_id), TRACE);
    assert_eq!(hex::encode(&server.parent_span_id), "00f067aa0ba902b7");
    assert!(server.start_time_unix_nano > 0 && server.end_time_unix_nano >= server.start_time_unix_nano);
    for (key, value) in [
        ("http.request.method", json!("POST")),
        ("http.route", json!("/orders")),
        ("http.response.status_code", json!(201)),
        ("guichet.client", json!("anonymous")),
        ("guichet.provider", json!("lyra")),
        ("guichet.outcome", json!("executed")),
        ("guichet.order_id", reply.json["id"].clone()),
        ("guichet.operation_id", reply.json["operation"]["id"].clone()),
        ("error.type", Value::Null),
    ] {
        assert_eq!(told(&server, key), value, "{key}");
    }
    let of_call = |span: &Span| span.kind() == SpanKind::Client && span.parent_span_id == server.span_id;
    let client = collector.span(of_call).await;
    assert_eq!(
        (client.name.as_str(), &client.trace_id),
        ("lyra Charge/CreatePaymentOrder", &server.trace_id)
    );
    assert_eq!(told(&client, "http.response.status_code"), 200);
    assert_eq!(told(&client, "server.address"), "127.0.0.1");
    assert_eq!(told(&client, "guichet.operation_id"), reply.json["operation"]["id"]);
    let commit = collector.span(|span| span.name == "commit intent").await;
    assert_eq!(commit.parent_span_id, server.span_id);
    // The platform heard of exactly this span.
    let heard = call(&rig, "Charge/CreatePaymentOrder").traceparent.unwrap();
    assert_eq!(parts(&heard), ["00", TRACE, &hex::encode(&client.span_id), "01"]);

    rig.stop().await;
    let resource = collector.requests()[0].resource_spans[0].resource.clone().unwrap();
    let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
    assert_eq!(name.value.clone().unwrap().value, Some(Told::StringValue("guichet".to_owned())));
    let all = collector.bodies.borrow().concat();
    for private in ["zoe", "Leveque", "private words", "cart-7", "testpassword"] {
        assert!(!all.windows(private.len()).any(|part| part == private.as_bytes()), "{private} was exported");
    }
}

#[tokio::test]
async fn failures_are_told_and_later_work_links_to_what_began_it() {
    let collector = Collector::new().await;
    let rig = Rig::with(exporting(collector.endpoint())).await;
    rig.fault(CANCEL, FaultKind::LoseAnswer);
    let reply = rig.post(&cancel_path(), &[("traceparent", SAMPLED), ("x-request-id", "req-8")], None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let lost = collector.span(|span| span.name == "lyra Charge/PaymentOrder/Cancel").await;
    assert_eq!(told(&lost, "error.type"), "connection_broken");
    assert_eq!(lost.status.unwrap().code, i32::from(SpanStatus::Error));

    // A create whose answer is lost cannot be found by a read: the reconciler goes on looking.
    rig.fault("Charge/CreatePaymentOrder", FaultKind::LoseAnswer);
    let headers = [("traceparent", SAMPLED), ("x-request-id", "req-9"), ("idempotency-key", "k")];
    let reply = rig.post("/orders", &headers, Some(&new_order("lost-9"))).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let looking = collector
        .span(|span| span.name == "look for evidence" && told(span, "guichet.request_id") == "req-9")
        .await;
    assert_ne!(hex::encode(&looking.trace_id), TRACE);
    assert_eq!(hex::encode(&looking.links[0].trace_id), TRACE);
    assert_eq!(told(&looking, "guichet.operation_id"), reply.json["operation"]["id"]);
    let server =
        collector.span(|span| told(span, "guichet.request_id") == "req-9" && span.kind() == SpanKind::Server);
    assert_eq!(server.await.span_id, looking.links[0].span_id);
}

#[tokio::test]
async fn only_what_is_sampled_is_exported() {
    let collector = Collector::new().await;
    let rig = Rig::with(|settings| {
        exporting(collector.endpoint())(settings);
        settings.tracing.sample_per_mille = 0;
    })
    .await;
    let get = async |id: &str, trace: &[(&str, &str)]| {
        let headers = [&[("x-request-id", id)], trace].concat();
        assert_eq!(rig.send(reqwest::Method::GET, &path(), &headers, None).await.status, 200);
        call(&rig, GET).traceparent.unwrap()
    };
    assert!(get("none", &[]).await.ends_with("-00"));
    assert_eq!(parts(&get("not", &[("traceparent", NOT_SAMPLED)]).await)[1..=1], [TRACE]);
    assert!(get("wanted", &[("traceparent", SAMPLED)]).await.ends_with("-01"));
    rig.stop().await;
    let ids: Vec<Value> = collector
        .spans()
        .iter()
        .filter(|span| span.kind() == SpanKind::Server)
        .map(|span| told(span, "guichet.request_id"))
        .collect();
    assert_eq!(ids, ["wanted"]);
}

#[tokio::test]
async fn a_dead_collector_costs_a_count_and_no_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let rig = Rig::with(exporting(format!("http://{gone}"))).await;
    assert_eq!(rig.get(&path()).await.status, 200);
    let counted = async {
        loop {
            let metrics = rig.get(&format!("{}/metrics", rig.ops_url)).await.text;
            let line =
                metrics.lines().find(|line| line.contains(r#"spans_dropped_total{reason="not_delivered"}"#));
            if !line.unwrap().ends_with(" 0") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.unwrap();
    rig.stop().await;

    // One that takes the connection and never answers does not hold the stop up longer than the grace time.
    let address = silent.local_addr().unwrap();
    let rig = Rig::with(|settings| {
        exporting(format!("http://{address}"))(settings);
        settings.server.grace = Duration::from_millis(300);
    })
    .await;
    assert_eq!(rig.get(&path()).await.status, 200);
    let stopped = std::time::Instant::now();
    rig.stop().await;
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
}

#[tokio::test]
async fn without_export_the_trace_goes_to_the_provider_all_the_same() {
    let rig = Rig::new().await;
    let get = async |headers: &[(&str, &str)]| {
        let reply = rig.send(reqwest::Method::GET, &path(), headers, None).await;
        assert_eq!(reply.status, 200);
        (call(&rig, GET), reply)
    };
    let (heard, _) = get(&[("traceparent", SAMPLED), ("tracestate", "vendor=1,other=2")]).await;
    let place = heard.traceparent.unwrap();
    assert_eq!([parts(&place)[1], parts(&place)[3]], [TRACE, "01"]);
    assert_ne!(parts(&place)[2], parts(SAMPLED)[2], "a child of the caller's span");
    assert_eq!(heard.tracestate.as_deref(), Some("vendor=1,other=2"));
    // A trace begins here where the caller has none; what belongs to no trace, or is too long, is not passed on.
    let (heard, reply) = get(&[("tracestate", "vendor=1")]).await;
    let place = heard.traceparent.unwrap();
    assert_eq!(parts(reply.header("traceparent").unwrap())[1], parts(&place)[1]);
    assert!(place.ends_with("-00"), "{place}");
    assert_eq!(heard.tracestate, None);
    let long = format!("vendor={}", "x".repeat(600));
    let (heard, _) = get(&[("traceparent", SAMPLED), ("tracestate", &long)]).await;
    assert_eq!(heard.tracestate, None);
}

#[tokio::test]
async fn events_and_webhooks_tell_the_request_behind_them() {
    type Seen = Arc<watch::Sender<Vec<(HeaderMap, Bytes)>>>;
    async fn receive(State(seen): State<Seen>, headers: HeaderMap, body: Bytes) -> StatusCode {
        seen.send_modify(|seen| seen.push((headers, body)));
        StatusCode::OK
    }
    let (sender, mut seen) = watch::channel(Vec::new());
    let receiver = serve(Router::new().fallback(receive).with_state(Arc::new(sender))).await;
    let rig = Rig::with(|settings| {
        settings.webhooks.allow_networks = vec![Network::parse("127.0.0.0/8").unwrap()];
    })
    .await;
    let endpoint =
        rig.post("/webhook-endpoints", &[], Some(&json!({"url": format!("http://{receiver}/")}))).await;
    assert_eq!(endpoint.status, 201, "{endpoint:?}");
    let headers = [("traceparent", NOT_SAMPLED), ("x-request-id", "req-10")];
    assert_eq!(rig.post(&cancel_path(), &headers, None).await.status, 200);

    let events = rig.get(&format!("{}/events", path())).await.json["items"].clone();
    let events = events.as_array().unwrap();
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["operation.succeeded", "order.canceled"]);
    for event in events {
        assert_eq!((&event["request_id"], &event["trace_id"]), (&json!("req-10"), &json!(TRACE)), "{event}");
    }
    let arrived = seen.wait_for(|seen| seen.len() == 2);
    let arrived = tokio::time::timeout(PATIENCE, arrived).await.unwrap().unwrap().clone();
    for (headers, body) in &arrived {
        let body: Value = serde_json::from_slice(body).unwrap();
        assert!(events.contains(&body["data"]), "{body}");
        let place = headers["traceparent"].to_str().unwrap();
        assert_eq!([parts(place)[1], parts(place)[3]], [TRACE, "00"]);
    }

    // What is only seen has no request behind it.
    let order = rig.made("seen", &json!({})).await;
    let created = rig.get(&format!("/orders/systempay_{order}/events")).await.json["items"][0].clone();
    assert!(created["request_id"].is_string() && created["trace_id"].is_string(), "{created}");
    rig.pay(&order);
    assert_eq!(rig.read(&order).await.json["status"], "paid");
    let paid = async {
        loop {
            let events = rig.get(&format!("/orders/systempay_{order}/events")).await.json["items"].clone();
            let paid = events.as_array().unwrap().iter().find(|event| event["type"] == "order.paid").cloned();
            if let Some(paid) = paid {
                return paid;
            }
            tokio::task::yield_now().await;
        }
    };
    let paid = tokio::time::timeout(PATIENCE, paid).await.unwrap();
    assert_eq!((&paid["request_id"], &paid["trace_id"]), (&Value::Null, &Value::Null));
    let id = paid["id"].as_str().unwrap();
    let of_it = |seen: &Vec<(HeaderMap, Bytes)>| seen.iter().any(|(headers, _)| headers["webhook-id"] == id);
    let arrived = tokio::time::timeout(PATIENCE, seen.wait_for(of_it)).await.unwrap().unwrap().clone();
    let (headers, _) = arrived.iter().find(|(headers, _)| headers["webhook-id"] == id).unwrap();
    let place = headers["traceparent"].to_str().unwrap();
    assert!(parts(place)[1].len() == 32 && parts(place)[1] != TRACE, "a trace of its own: {place}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything of this test runs on this thread, so that the log is its own.
#[tokio::test(flavor = "current_thread")]
async fn every_line_of_a_request_and_of_its_detached_work_has_its_ids() {
    let log = Log::default();
    let settings = LogSettings { level: LogLevel::Debug, format: LogFormat::Json };
    // While there is only one subscriber, `tracing` asks the thread that comes to a line first whether anybody wants it,
    // for ever; and that may be a thread of another test. With two it asks both.
    let (second, _) = telemetry::to(&settings, std::io::sink()).unwrap();
    let _second = tracing::Dispatch::new(second);
    let (logger, logging) = telemetry::to(&settings, log.clone()).unwrap();
    let scope = tracing::subscriber::set_default(logger);
    let rig = Rig::new().await;
    rig.fault("Charge/CreatePaymentOrder", FaultKind::LoseAnswer);
    let headers = [("traceparent", SAMPLED), ("x-request-id", "req-11"), ("idempotency-key", "k")];
    let reply = rig.post("/orders", &headers, Some(&new_order("lost-11"))).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let operation = reply.json["operation"]["id"].as_str().unwrap().to_owned();
    // A caller that goes away: its request is dropped where it is, and the log says so.
    let hold = rig.fault(GET, FaultKind::Hold { when: guichet_simulator::Moment::Before });
    let asking = reqwest::Client::builder().no_proxy().build().unwrap();
    let asking = asking.get(format!("{}{}", rig.url, path())).header("x-request-id", "req-12").send();
    let asking = tokio::spawn(asking);
    assert!(rig.control.held(hold).await);
    asking.abort();
    let noticed = async {
        while !String::from_utf8_lossy(&log.0.lock().unwrap()).contains("the caller went away") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, noticed).await.unwrap();
    rig.control.clear_faults();
    let refused = rig.get("/orders/systempay_none").await;
    assert_eq!(refused.status, 404);
    rig.stop().await;
    drop(scope);
    drop(logging);

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |message: &str| {
        lines
            .iter()
            .find(|line| line["message"] == message && line["request_id"] == "req-11")
            .unwrap_or_else(|| panic!("no `{message}` of req-11 in {text}"))
    };
    for message in ["the outcome of a change is unknown", "provider did not answer", "request answered"] {
        let line = find(message);
        assert_eq!(line["trace_id"], TRACE, "{line}");
        assert_eq!((&line["operation_id"], &line["provider"]), (&json!(operation), &json!("lyra")), "{line}");
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        assert_eq!(line["span"], Value::Null);
    }
    let answered = find("request answered");
    for (member, value) in [
        ("client", json!("anonymous")),
        ("route", json!("/orders")),
        ("method", json!("POST")),
        ("status", json!(202)),
        ("outcome", json!("unknown")),
    ] {
        assert_eq!(answered[member], value, "{answered}");
    }
    assert!(answered["duration_ms"].is_u64(), "{answered}");
    let gone = lines.iter().find(|line| line["message"] == "the caller went away before the answer").unwrap();
    assert_eq!((&gone["request_id"], &gone["route"]), (&json!("req-12"), &json!("/orders/{id}")), "{gone}");
    // Whoever was refused has an id and a trace of its own.
    let other =
        lines.iter().find(|line| line["message"] == "request answered" && line["status"] == 404).unwrap();
    assert!(other["request_id"].is_string() && other["trace_id"].as_str().is_some_and(|id| id.len() == 32));
}
