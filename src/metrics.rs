//! What operators see of this process: one plain function per thing that is counted, so that a call site is one line.
//!
//! The names and labels are part of what operators rely on. Label values come from fixed lists (route templates,
//! providers, words of ours), never from a request.

use std::{
    sync::{LazyLock, atomic::AtomicU64},
    time::Duration,
};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{domain::Operation, store::Backlog};

/// The media type of [`render`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of durations in seconds, as OpenTelemetry advises for HTTP.
const HTTP_SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Upper ends for calls to providers: changes are listened for up to `provider_timeout_ms`.
const PROVIDER_SECONDS: [f64; 17] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0];
/// Upper ends for one synced commit.
const COMMIT_SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Why work was refused at once instead of being queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// The client sends more than its rate.
    RateLimit,
    /// This process has as many requests under way as it takes.
    Overload,
    /// It has as many requests under way that are public: notifications, or payers' pages.
    PublicOverload,
    /// The client has as many of them as one client may have.
    ClientShare,
    /// As many of them are about one account as may be.
    AccountShare,
    /// The bodies that arrive hold as much memory as they may.
    Bodies,
    /// It has as many connections as it takes.
    Connections,
    /// The account has `max_in_flight` calls under way.
    AccountBusy,
    /// The account's circuit breaker is open.
    BreakerOpen,
    /// The client, or all together, have as many event streams as they may have.
    Streams,
    /// As many tests of webhook endpoints are under way as there may be.
    WebhookTests,
    /// The process is stopping.
    Draining,
}

impl Shed {
    fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Overload => "overload",
            Self::PublicOverload => "public_overload",
            Self::ClientShare => "client_share",
            Self::AccountShare => "account_share",
            Self::Bodies => "bodies",
            Self::Connections => "connections",
            Self::AccountBusy => "account_busy",
            Self::BreakerOpen => "breaker_open",
            Self::Streams => "streams",
            Self::WebhookTests => "webhook_tests",
            Self::Draining => "draining",
        }
    }
}

/// Why a span was not exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanLoss {
    /// More spans ended than could be sent.
    QueueFull,
    /// The collector could not be reached, or refused them.
    NotDelivered,
    /// The collector took the request, and not all of it.
    Rejected,
}

impl SpanLoss {
    fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::NotDelivered => "not_delivered",
            Self::Rejected => "rejected",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServedLabels {
    http_request_method: &'static str,
    http_route: String,
    http_response_status_code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: &'static str,
    operation: &'static str,
    error_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    provider: String,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabel {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NotificationLabels {
    provider: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SecurityLabels {
    event: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

struct Metrics {
    registry: Registry,
    served: Histograms<ServedLabels>,
    active: Gauge,
    streams: Gauge,
    calls: Histograms<CallLabels>,
    operations: Family<OperationLabels, Counter>,
    unknown: Family<ProviderLabel, Gauge>,
    unknown_oldest: Seconds,
    accepted_oldest: Family<ProviderLabel, Seconds>,
    follow_overdue: Family<ProviderLabel, Seconds>,
    stuck: Gauge,
    needs_review: Gauge,
    replays: Counter,
    notifications: Family<NotificationLabels, Counter>,
    payer_addresses_refused: Family<ProviderLabel, Counter>,
    outbox_pending: Gauge,
    outbox_oldest: Seconds,
    deliveries: Family<ResultLabel, Counter>,
    endpoints_lapsing: Gauge,
    endpoints_lapsed: Counter,
    breakers: Family<ProviderLabel, Gauge>,
    shed: Family<ReasonLabel, Counter>,
    security: Family<SecurityLabels, Counter>,
    commits: Histogram,
    log_lines_lost: Counter,
    spans_lost: Family<ReasonLabel, Counter>,
    /// One scrape at a time: the gauges of the store are set just before they are written.
    scrape: Mutex<()>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

impl Metrics {
    fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            served: Family::new_with_constructor(|| Histogram::new(HTTP_SECONDS)),
            active: Gauge::default(),
            streams: Gauge::default(),
            calls: Family::new_with_constructor(|| Histogram::new(PROVIDER_SECONDS)),
            operations: Family::default(),
            unknown: Family::default(),
            unknown_oldest: Seconds::default(),
            accepted_oldest: Family::default(),
            follow_overdue: Family::default(),
            stuck: Gauge::default(),
            needs_review: Gauge::default(),
            replays: Counter::default(),
            notifications: Family::default(),
            payer_addresses_refused: Family::default(),
            outbox_pending: Gauge::default(),
            outbox_oldest: Seconds::default(),
            deliveries: Family::default(),
            endpoints_lapsing: Gauge::default(),
            endpoints_lapsed: Counter::default(),
            breakers: Family::default(),
            shed: Family::default(),
            security: Family::default(),
            commits: Histogram::new(COMMIT_SECONDS),
            log_lines_lost: Counter::default(),
            spans_lost: Family::default(),
            scrape: Mutex::new(()),
        };
        // So that a rate has a beginning: these are there before the first of them happens.
        for reason in [
            Shed::RateLimit,
            Shed::Overload,
            Shed::PublicOverload,
            Shed::ClientShare,
            Shed::AccountShare,
            Shed::Bodies,
            Shed::Connections,
            Shed::AccountBusy,
            Shed::BreakerOpen,
            Shed::Streams,
            Shed::WebhookTests,
        ] {
            let _ = metrics.shed.get_or_create(&ReasonLabel { reason: reason.as_str() });
        }
        for reason in [SpanLoss::QueueFull, SpanLoss::NotDelivered, SpanLoss::Rejected] {
            let _ = metrics.spans_lost.get_or_create(&ReasonLabel { reason: reason.as_str() });
        }
        metrics.register();
        metrics
    }

    /// Names without `_total`: the format adds it to counters.
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "http_server_request_duration_seconds",
            "Time until a request was answered",
            self.served.clone(),
        );
        r.register("http_server_active_requests", "Requests under way", self.active.clone());
        r.register("gateway_event_streams", "Event streams that are open", self.streams.clone());
        r.register(
            "http_client_request_duration_seconds",
            "Time of one call to a provider",
            self.calls.clone(),
        );
        r.register("gateway_operations", "What became of operations", self.operations.clone());
        r.register(
            "gateway_operations_unknown",
            "Operations whose answer was lost and that are not settled yet",
            self.unknown.clone(),
        );
        r.register(
            "gateway_operations_unknown_oldest_seconds",
            "Age of the oldest of them",
            self.unknown_oldest.clone(),
        );
        r.register(
            "gateway_operations_accepted_oldest_seconds",
            "Age of the oldest operation that a provider took and has not done yet",
            self.accepted_oldest.clone(),
        );
        r.register(
            "gateway_operations_stuck",
            "Outcomes that are known and that the store could not take yet",
            self.stuck.clone(),
        );
        r.register(
            "gateway_follow_overdue_seconds",
            "How long the read of a followed order that is longest overdue has been due",
            self.follow_overdue.clone(),
        );
        r.register(
            "gateway_operations_needs_review",
            "Operations that a person must decide",
            self.needs_review.clone(),
        );
        r.register(
            "gateway_idempotency_replays",
            "Requests answered with what an earlier one with the same key did",
            self.replays.clone(),
        );
        r.register("gateway_notifications", "Notifications of providers", self.notifications.clone());
        r.register(
            "gateway_payer_addresses_refused",
            "Addresses of providers that no payer may be sent to",
            self.payer_addresses_refused.clone(),
        );
        r.register(
            "gateway_outbox_pending",
            "Events not delivered yet to endpoints that are on",
            self.outbox_pending.clone(),
        );
        r.register("gateway_outbox_oldest_seconds", "Age of the oldest of them", self.outbox_oldest.clone());
        r.register("gateway_event_deliveries", "Attempts to deliver an event", self.deliveries.clone());
        r.register(
            "gateway_webhook_endpoints_lapsing",
            "Webhook endpoints that will be disabled within a week, because their client is not seen",
            self.endpoints_lapsing.clone(),
        );
        r.register(
            "gateway_webhook_endpoints_lapsed",
            "Webhook endpoints that were disabled because their client was not seen",
            self.endpoints_lapsed.clone(),
        );
        r.register(
            "gateway_breaker_state",
            "The worst circuit breaker of a provider's accounts: 0 closed, 1 half open, 2 open",
            self.breakers.clone(),
        );
        r.register("gateway_shed", "Work refused at once instead of queued", self.shed.clone());
        r.register(
            "gateway_security_events",
            "Callers that were refused for who they are, what they may do or how much they send",
            self.security.clone(),
        );
        r.register(
            "gateway_store_commit_duration_seconds",
            "Time of one synced commit of the store",
            self.commits.clone(),
        );
        r.register(
            "gateway_log_lines_dropped",
            "Log lines that nobody read in time",
            self.log_lines_lost.clone(),
        );
        r.register("gateway_spans_dropped", "Spans that were not exported", self.spans_lost.clone());
    }
}

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub struct Active(());

impl Drop for Active {
    fn drop(&mut self) {
        METRICS.active.dec();
    }
}

/// A request began.
pub fn request_began() -> Active {
    METRICS.active.inc();
    Active(())
}

/// An event stream was opened.
pub fn stream_opened() {
    METRICS.streams.inc();
}

/// An event stream was closed.
pub fn stream_closed() {
    METRICS.streams.dec();
}

/// A request was answered. `route` is the template, or a fixed word where none matched.
pub fn request_served(method: &http::Method, route: &str, status: u16, took: Duration) {
    let labels = ServedLabels {
        http_request_method: method_label(method),
        http_route: route.to_owned(),
        http_response_status_code: status,
    };
    METRICS.served.get_or_create(&labels).observe(took.as_secs_f64());
}

/// Methods are the caller's words: unknown ones share a label.
pub(crate) fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// A provider was called. `error_type` is empty when it gave an answer.
pub fn provider_called(
    provider: &'static str,
    operation: &'static str,
    error_type: &'static str,
    took: Duration,
) {
    let labels = CallLabels { provider, operation, error_type };
    METRICS.calls.get_or_create(&labels).observe(took.as_secs_f64());
}

/// An operation got an outcome, perhaps not its last one.
pub fn operation(operation: &Operation) {
    let labels = OperationLabels {
        provider: operation.provider.clone(),
        operation: operation.kind.as_str(),
        outcome: operation.outcome().as_str(),
    };
    METRICS.operations.get_or_create(&labels).inc();
}

/// A request was answered with what an earlier one with the same key did.
pub fn idempotency_replay() {
    METRICS.replays.inc();
}

/// A notification came in. `result` is a word of ours, for example `accepted` or `bad_signature`.
pub fn notification(provider: &str, result: &'static str) {
    let labels = NotificationLabels { provider: provider.to_owned(), result };
    METRICS.notifications.get_or_create(&labels).inc();
}

/// A provider told an address that no payer may be sent to.
pub fn payer_address_refused(provider: &str) {
    METRICS.payer_addresses_refused.get_or_create(&ProviderLabel { provider: provider.to_owned() }).inc();
}

/// An event was sent to an internal service. `result` is a word of ours, for example `delivered` or `failed`.
pub fn event_delivery(result: &'static str) {
    METRICS.deliveries.get_or_create(&ResultLabel { result }).inc();
}

/// So many enabled endpoints will soon be disabled, because their client is not seen.
pub fn endpoints_lapsing(count: u64) {
    METRICS.endpoints_lapsing.set(i64::try_from(count).unwrap_or(i64::MAX));
}

/// An endpoint was disabled because its client was not seen.
pub fn endpoint_lapsed() {
    METRICS.endpoints_lapsed.inc();
}

/// Work was refused at once.
pub fn shed(reason: Shed) {
    METRICS.shed.get_or_create(&ReasonLabel { reason: reason.as_str() }).inc();
}

/// A security event that a caller caused, for a reason: words of ours.
pub fn security_event(event: &'static str, reason: &'static str) {
    METRICS.security.get_or_create(&SecurityLabels { event, reason }).inc();
}

/// The store committed, and synced, a group of commands.
pub fn store_commit(took: Duration) {
    METRICS.commits.observe(took.as_secs_f64());
}

/// A log line was dropped, because nobody read the log in time.
pub fn log_line_lost() {
    METRICS.log_lines_lost.inc();
}

/// Spans were not exported.
pub fn spans_lost(reason: SpanLoss, count: u64) {
    METRICS.spans_lost.get_or_create(&ReasonLabel { reason: reason.as_str() }).inc_by(count);
}

/// What is known of the work without asking the store for its backlog.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The worst state of the circuit breakers of each provider's accounts.
    pub breakers: Vec<(&'static str, i64)>,
    /// How long the read of a followed order that is longest overdue has been due, by provider.
    pub follow_overdue: Vec<(&'static str, Duration)>,
    /// Outcomes that are known and that the store could not take yet.
    pub stuck: u64,
}

/// All metrics as text. Without a backlog (the store cannot be read) what it would tell stays as it was.
pub fn render(backlog: Option<&Backlog>, standing: &Standing) -> String {
    let breakers = &standing.breakers;
    let _one = METRICS.scrape.lock();
    let label = |provider: &str| ProviderLabel { provider: provider.to_owned() };
    METRICS.breakers.clear();
    for (provider, state) in breakers {
        METRICS.breakers.get_or_create(&label(provider)).set(*state);
    }
    METRICS.stuck.set(i64::try_from(standing.stuck).unwrap_or(i64::MAX));
    for (provider, overdue) in &standing.follow_overdue {
        METRICS.follow_overdue.get_or_create(&label(provider)).set(overdue.as_secs_f64());
    }
    if let Some(backlog) = backlog {
        METRICS.accepted_oldest.clear();
        for (provider, age) in &backlog.accepted_oldest {
            METRICS.accepted_oldest.get_or_create(&label(provider)).set(age.as_secs_f64());
        }
        METRICS.unknown.clear();
        for (provider, _) in breakers {
            let _ = METRICS.unknown.get_or_create(&label(provider));
        }
        for (provider, count) in &backlog.unknown {
            METRICS.unknown.get_or_create(&label(provider)).set(*count);
        }
        METRICS.unknown_oldest.set(backlog.unknown_oldest.as_secs_f64());
        METRICS.needs_review.set(backlog.needs_review);
        METRICS.outbox_pending.set(backlog.outbox_pending);
        METRICS.outbox_oldest.set(backlog.outbox_oldest.as_secs_f64());
    }
    let mut text = String::with_capacity(16 * 1024);
    // Writing to a text does not fail.
    let _ = encode(&mut text, &METRICS.registry);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_that_operators_rely_on_is_there() {
        request_served(&http::Method::GET, "/orders/{id}", 200, Duration::from_millis(7));
        request_served(&http::Method::from_bytes(b"BREW").unwrap(), "unmatched", 404, Duration::ZERO);
        provider_called("lyra", "Charge/PaymentOrder/Get", "", Duration::from_millis(70));
        notification("lyra", "accepted");
        payer_address_refused("lyra");
        event_delivery("delivered");
        security_event("failed_login", "missing");
        let backlog = Backlog {
            outbox_pending: 3,
            outbox_oldest: Duration::from_secs(4),
            unknown: vec![("lyra".to_owned(), 2)],
            unknown_oldest: Duration::from_secs(61),
            accepted_oldest: vec![("lyra".to_owned(), Duration::from_secs(700_000))],
            needs_review: 1,
        };
        let standing = Standing {
            breakers: vec![("lyra", 2)],
            follow_overdue: vec![("lyra", Duration::from_secs(9))],
            stuck: 3,
        };
        let text = render(Some(&backlog), &standing);
        for line in [
            r#"http_server_request_duration_seconds_bucket{le="0.01",http_request_method="GET",http_route="/orders/{id}",http_response_status_code="200"}"#,
            r#"http_request_method="_OTHER""#,
            "http_server_active_requests",
            "gateway_event_streams",
            r#"http_client_request_duration_seconds_count{provider="lyra",operation="Charge/PaymentOrder/Get",error_type=""}"#,
            r#"gateway_operations_unknown{provider="lyra"} 2"#,
            "gateway_operations_unknown_oldest_seconds 61.0",
            "gateway_operations_needs_review 1",
            r#"gateway_operations_accepted_oldest_seconds{provider="lyra"} 700000.0"#,
            r#"gateway_follow_overdue_seconds{provider="lyra"} 9.0"#,
            "gateway_operations_stuck 3",
            "gateway_idempotency_replays_total",
            r#"gateway_notifications_total{provider="lyra",result="accepted"}"#,
            r#"gateway_payer_addresses_refused_total{provider="lyra"}"#,
            "gateway_outbox_pending 3",
            "gateway_outbox_oldest_seconds 4.0",
            r#"gateway_event_deliveries_total{result="delivered"}"#,
            "gateway_webhook_endpoints_lapsing",
            "gateway_webhook_endpoints_lapsed_total",
            r#"gateway_breaker_state{provider="lyra"} 2"#,
            r#"gateway_shed_total{reason="overload"}"#,
            r#"gateway_security_events_total{event="failed_login",reason="missing"}"#,
            "gateway_store_commit_duration_seconds_count",
            "gateway_log_lines_dropped_total",
            r#"gateway_spans_dropped_total{reason="queue_full"} 0"#,
            r#"gateway_spans_dropped_total{reason="not_delivered"}"#,
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
