//! Delivers: plans new events for each endpoint, sends what is due, writes down what came of it. Sleeps until an event
//! is committed, an endpoint changes or something is due.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::{
    sync::watch,
    task::{Id, JoinSet},
};

use super::{Outbox, message, schedule, secret, sender::SendResult, sender::Sent};
use crate::{
    config::AllowedAccounts,
    domain::{EndpointId, EventId, Timestamp},
    faults, metrics,
    store::{
        StoreError,
        outbox::{AfterAttempt, Attempt, AttemptRecord, DueDelivery, Endpoint, EndpointEffect},
    },
    trace::{self, About, Context, Key, Span, SpanKind},
};

/// Events planned in one commit.
const PLAN_BATCH: u32 = 500;
/// Deliveries under way at once to one endpoint.
const PARALLEL: usize = 8;
/// Longest sleep: bounds what a change of the clock can do.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How long attempts under way may take to end after a stop signal. What does not end is sent again.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What is being sent.
#[derive(Debug, Default)]
struct InFlight {
    sends: JoinSet<()>,
    keys: HashMap<Id, (EndpointId, EventId)>,
}

impl InFlight {
    fn of(&self, endpoint: EndpointId) -> HashSet<EventId> {
        self.keys.values().filter(|(id, _)| *id == endpoint).map(|(_, event)| *event).collect()
    }

    /// Waits until a send ends and forgets it, with all others that ended.
    async fn ended(&mut self) {
        let mut next = self.sends.join_next_with_id().await;
        while let Some(ended) = next {
            let id = match ended {
                Ok((id, ())) => id,
                Err(error) => {
                    tracing::error!(alert = "panic", "a delivery panicked");
                    error.id()
                }
            };
            self.keys.remove(&id);
            next = self.sends.try_join_next_with_id();
        }
    }
}

/// What a look at all endpoints found.
#[derive(Debug, Default)]
struct Round {
    /// Somebody wants events.
    any: bool,
    /// When to look again without being woken.
    wake_at: Option<Timestamp>,
}

impl Round {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
    }
}

/// Delivers until the service stops.
pub(super) async fn run(outbox: Arc<Outbox>, mut stopping: watch::Receiver<bool>) {
    let mut events = outbox.store.watch_events();
    let mut in_flight = InFlight::default();
    loop {
        let newest = *events.borrow_and_update();
        let round = match round(&outbox, newest, &mut in_flight).await {
            Ok(round) => round,
            Err(error) => {
                tracing::error!(%error, "deliveries could not be looked up");
                Round { any: false, wake_at: Some(outbox.clock.now().plus(STORE_PAUSE)) }
            }
        };
        let pause = round.wake_at.map(|at| outbox.clock.until(at));
        let sleep = pause.unwrap_or(SLEEP_MAX).min(SLEEP_MAX);
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            () = outbox.changed.notified() => {}
            () = in_flight.ended(), if !in_flight.sends.is_empty() => {}
            changed = events.changed(), if round.any => if changed.is_err() { break },
            () = tokio::time::sleep(sleep), if round.any || round.wake_at.is_some() => {}
        }
    }
    let finish = async {
        while !in_flight.sends.is_empty() {
            in_flight.ended().await;
        }
    };
    let _ = tokio::time::timeout(STOP_MAX, finish).await;
}

async fn round(outbox: &Arc<Outbox>, newest: i64, in_flight: &mut InFlight) -> Result<Round, StoreError> {
    let mut round = Round::default();
    let clients = outbox.clients();
    for endpoint in outbox.store.endpoints(None).await? {
        let Some(accounts) = clients.accounts_of(&endpoint.client, &endpoint.accounts).cloned() else {
            continue;
        };
        if !endpoint.enabled {
            continue;
        }
        round.any = true;
        plan(outbox, &endpoint, &accounts, newest, &mut round).await?;
        let now = outbox.clock.now();
        if let Some(until) = endpoint.slow_until.filter(|until| *until > now) {
            round.wake(until);
            continue;
        }
        // An endpoint that asked for less proves with one delivery that it takes more.
        let parallel = if endpoint.slow_count > 0 { 1 } else { PARALLEL };
        let busy = in_flight.of(endpoint.id);
        let free = parallel.saturating_sub(busy.len());
        if free == 0 {
            continue;
        }
        let limit = u32::try_from(free.saturating_add(busy.len())).unwrap_or(u32::MAX);
        let due = outbox.store.due_deliveries(endpoint.id, now, limit).await?;
        if let Some(at) = due.next_at {
            round.wake(at);
        }
        let endpoint = Arc::new(endpoint);
        let waiting = due.items.into_iter().filter(|due| !busy.contains(&due.event.event.id));
        for due in waiting.take(free) {
            let key = (endpoint.id, due.event.event.id);
            let allowed = accounts.contains(due.event.account.as_str());
            let work = attempt(Arc::clone(outbox), Arc::clone(&endpoint), due, allowed);
            let id = in_flight.sends.spawn(work).id();
            in_flight.keys.insert(id, key);
        }
    }
    Ok(round)
}

/// Writes delivery rows for the next events, if there are any.
async fn plan(
    outbox: &Outbox,
    endpoint: &Endpoint,
    accounts: &AllowedAccounts,
    newest: i64,
    round: &mut Round,
) -> Result<(), StoreError> {
    if endpoint.position >= newest {
        return Ok(());
    }
    let (from, types) = (endpoint.position, &endpoint.event_types);
    let page = outbox.store.events_after(from, accounts, types, PLAN_BATCH).await?;
    // Also when nothing was wanted: what is wanted from tomorrow on must not reach back to today.
    outbox.store.plan(endpoint.id, from, &page, outbox.clock.now()).await?;
    faults::reached("webhook_planned");
    if page.position < newest {
        round.wake(outbox.clock.now());
    }
    Ok(())
}

/// Sends one delivery and writes down what came of it, in the trace of the request behind the event. `allowed`: whether
/// its client may still see the event.
async fn attempt(outbox: Arc<Outbox>, endpoint: Arc<Endpoint>, due: DueDelivery, allowed: bool) {
    let event = &due.event.event.event;
    let about = About { order_id: event.order_id.clone(), operation_id: event.operation_id, provider: None };
    let context = Context::of_cause(&outbox.tracer, event.cause.clone()).about(about);
    context.run(attempt_in_context(outbox, endpoint, due, allowed)).await;
}

async fn attempt_in_context(outbox: Arc<Outbox>, endpoint: Arc<Endpoint>, due: DueDelivery, allowed: bool) {
    let event = &due.event.event;
    let at = Timestamp::now();
    let record = |attempt, after, effect| AttemptRecord {
        endpoint: endpoint.id,
        event: event.id,
        attempt,
        after,
        effect,
    };
    if !allowed {
        let attempt =
            Attempt { at, result: "account_not_allowed".to_owned(), http_status: None, duration_ms: 0 };
        write(&outbox, record(attempt, AfterAttempt::Dead, EndpointEffect::Unchanged)).await;
        return;
    }
    let body = message::body(event);
    let context = trace::current();
    let mut span = context.span(SpanKind::Client, || "webhook POST".to_owned());
    let sent = match headers(&endpoint, event.id, at, &body) {
        Some(mut headers) => {
            context.put(&span, &mut headers);
            outbox.sender.post(&endpoint.url, headers, body).await
        }
        None => Sent { result: SendResult::Broken, http_status: None, retry_after: None, duration_ms: 0 },
    };
    if span.is_recorded() {
        span.tell(Key::EventId, event.id.to_string());
        span.tell(Key::EventType, event.event.event_type.as_str());
        span.tell(Key::EndpointId, endpoint.id.to_string());
        span.tell_some(Key::RequestId, event.event.cause.request_id.as_deref());
        tell(&mut span, &sent);
    }
    span.end();
    faults::reached("webhook_sent");
    let now = outbox.clock.now();
    let pause = outbox.schedule.pause(due.attempts.saturating_add(1));
    let mut wait = pause.unwrap_or_default().max(sent.retry_after.unwrap_or_default());
    let effect = match sent.result {
        SendResult::Delivered => EndpointEffect::Works,
        SendResult::Gone => EndpointEffect::Disabled("gone"),
        SendResult::Slow => {
            let slow = schedule::slow_pause(endpoint.slow_count, sent.retry_after);
            wait = wait.max(slow);
            EndpointEffect::SlowUntil(now.plus(slow))
        }
        SendResult::Redirect
        | SendResult::Refused
        | SendResult::AddressRefused
        | SendResult::NotConnected
        | SendResult::TimedOut
        | SendResult::Broken => EndpointEffect::Unchanged,
    };
    let after = match (sent.result, pause) {
        (SendResult::Delivered, _) => AfterAttempt::Delivered,
        (_, Some(_)) => AfterAttempt::Retry(now.plus(wait)),
        (_, None) => AfterAttempt::Dead,
    };
    tracing::debug!(
        endpoint_id = %endpoint.id,
        event_id = %event.id,
        result = sent.result.as_str(),
        http_status = sent.http_status,
        duration_ms = sent.duration_ms,
        "delivery attempted"
    );
    if after == AfterAttempt::Dead {
        tracing::warn!(endpoint_id = %endpoint.id, event_id = %event.id, "a delivery was given up");
    }
    if let EndpointEffect::Disabled(reason) = effect {
        tracing::warn!(alert = "webhook_disabled", endpoint_id = %endpoint.id, reason, "an endpoint was disabled");
    }
    metrics::event_delivery(sent.result.as_str());
    let attempt = Attempt {
        at,
        result: sent.result.as_str().to_owned(),
        http_status: sent.http_status,
        duration_ms: sent.duration_ms,
    };
    write(&outbox, record(attempt, after, effect)).await;
}

/// What a trace shows of a delivery.
pub(super) fn tell(span: &mut Span, sent: &Sent) {
    span.tell(Key::Method, "POST");
    span.tell_some(Key::Status, sent.http_status);
    if sent.result != SendResult::Delivered {
        span.fail(sent.result.as_str());
    }
}

async fn write(outbox: &Outbox, record: AttemptRecord) {
    if let Err(error) = outbox.store.record_attempt(record).await {
        tracing::error!(%error, "an attempt could not be written down; the event will be sent again");
        // Not at once: the receiver must not pay for our disk.
        tokio::time::sleep(STORE_PAUSE).await;
    }
}

/// The headers of Standard Webhooks for an attempt made `at`. `None` when a secret is unusable.
pub(super) fn headers(endpoint: &Endpoint, id: EventId, at: Timestamp, body: &[u8]) -> Option<HeaderMap> {
    let seconds = at.as_millis().div_euclid(1_000);
    let previous =
        endpoint.previous_secret.as_ref().filter(|(_, until)| *until > at).map(|(secret, _)| secret);
    let signature = secret::signatures(
        std::iter::once(&endpoint.secret).chain(previous),
        &id.to_string(),
        seconds,
        body,
    )?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        ("webhook-id", id.to_string()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signature),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?);
    }
    Some(headers)
}
