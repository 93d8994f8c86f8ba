//! Events to internal services: the feed of all events, and webhooks by Standard Webhooks 1.0.
//!
//! Events are written with the change they tell of, in one transaction; here they are only read. Deliveries are derived
//! from them by a position of each endpoint (see [`crate::store::outbox`]), so that an event is delivered at least
//! once, whatever crashes when. The order of deliveries is not promised: each event has its order's `sequence`.

mod addresses;
mod clients;
mod lookup;
mod message;
mod owners;
mod schedule;
mod secret;
mod sender;
#[cfg(test)]
mod tests;
mod worker;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use secrecy::SecretString;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

#[cfg(test)]
pub(crate) use self::message::body as message_body;
pub use self::{
    addresses::{AddressRefused, AddressRules, Resolver},
    clients::Clients,
    lookup::SystemResolver,
    schedule::Schedule,
};

use self::sender::{SendResult, Sender};
use crate::{
    adapter::Violation,
    clock::{SteadyClock, TimeOfDay},
    config::{AllowedAccounts, WebhookSettings},
    domain::{EndpointId, EventFilter, EventId, Field, Timestamp, card},
    metrics::{self, Shed},
    orders::{Caller, store_problem},
    places::Places,
    problem::{Problem, ProblemCode},
    store::outbox::{
        CursorKey, Delivery, DeliveryStatus, Endpoint, EndpointChange, EventPage, OutboxStore,
        REPLAY_LOOKED_AT, REPLAY_MAX, ReplaySelection, Replayed,
    },
    trace::{self, SpanKind, Tracer},
};

/// Most endpoints of one client; named in the meaning of `endpoint_limit_reached`.
const ENDPOINTS_MAX: u32 = 20;
/// Most tests of endpoints under way at once. A receiver that does not answer holds one up for `webhooks.timeout_ms`.
const TESTS_MAX: usize = 8;
/// Most tests of one client under way at once.
const TESTS_OF_CLIENT: usize = 2;
/// Longest URL, in characters.
const URL_MAX: usize = 2_048;

/// What the outbox is told at the start.
#[derive(Debug)]
pub struct OutboxOptions {
    /// Networks and timeout.
    pub webhooks: WebhookSettings,
    /// Who may see what.
    pub clients: Clients,
    /// When to try again.
    pub schedule: Schedule,
    /// Turns names into addresses.
    pub resolver: Arc<dyn Resolver>,
    /// Where spans of deliveries go.
    pub tracer: Tracer,
}

impl OutboxOptions {
    /// The usual ones for this configuration.
    pub fn new(webhooks: WebhookSettings, clients: Clients, tracer: Tracer) -> Self {
        Self {
            webhooks,
            clients,
            schedule: Schedule::default(),
            resolver: Arc::new(SystemResolver::default()),
            tracer,
        }
    }
}

/// A new endpoint, before it has an id.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Where deliveries are posted.
    pub url: String,
    /// For people.
    pub description: Option<String>,
    /// What it gets.
    pub event_types: EventFilter,
    /// Whether anything is sent at once.
    pub enabled: bool,
}

/// Changes to an endpoint.
#[derive(Debug, Clone, Default)]
pub struct EndpointPatch {
    /// New destination.
    pub url: Option<String>,
    /// New description.
    pub description: Field<String>,
    /// New choice of events.
    pub event_types: Option<EventFilter>,
    /// On or off.
    pub enabled: Option<bool>,
}

/// What came of a test.
#[derive(Debug, Clone)]
pub struct Tested {
    /// Whether the receiver took it.
    pub delivered: bool,
    /// What came of it, as a stable word.
    pub result: &'static str,
    /// The status of the answer, if there was one.
    pub http_status: Option<u16>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
}

/// Events on their way out.
#[derive(Debug)]
pub struct Outbox {
    store: Arc<dyn OutboxStore>,
    clients: ArcSwap<Clients>,
    sender: Sender,
    schedule: Schedule,
    tracer: Tracer,
    /// Deliveries are due by this clock, whatever becomes of the time of day.
    clock: SteadyClock,
    /// An endpoint or a delivery was changed by hand.
    changed: Notify,
    tests: Arc<Places>,
    sightings: owners::Sightings,
    /// How long a client may not be seen before its endpoints are disabled.
    lapse: Duration,
    tasks: TaskTracker,
    stopping: watch::Sender<bool>,
}

impl Outbox {
    /// Starts delivering.
    ///
    /// # Errors
    /// The TLS roots of the system cannot be loaded.
    pub fn start(store: Arc<dyn OutboxStore>, options: OutboxOptions) -> Result<Arc<Self>, String> {
        let rules = Arc::new(AddressRules::new(options.webhooks.allow_networks));
        let (stopping, stopped) = watch::channel(false);
        let outbox = Arc::new(Self {
            store,
            clients: ArcSwap::from_pointee(options.clients),
            sender: Sender::new(rules, &options.resolver, options.webhooks.timeout)?,
            schedule: options.schedule,
            tracer: options.tracer,
            clock: SteadyClock::start(TimeOfDay::SYSTEM),
            changed: Notify::new(),
            tests: Places::new(TESTS_MAX, TESTS_OF_CLIENT),
            sightings: owners::Sightings::default(),
            lapse: Duration::from_secs(options.webhooks.lapse_days.saturating_mul(24 * 3_600)),
            tasks: TaskTracker::new(),
            stopping,
        });
        outbox.tasks.spawn(worker::run(Arc::clone(&outbox), stopped.clone()));
        outbox.tasks.spawn(owners::run(Arc::clone(&outbox), stopped));
        Ok(outbox)
    }

    /// Starts no new delivery.
    pub fn begin_stop(&self) {
        let _ = self.stopping.send(true);
    }

    /// Waits at most `grace` for deliveries under way. What did not end is sent again after the next start.
    pub async fn stop(&self, grace: Duration) {
        self.begin_stop();
        self.tasks.close();
        let _ = tokio::time::timeout(grace, self.tasks.wait()).await;
    }

    /// Puts other clients in force.
    pub fn replace_clients(&self, clients: Clients) {
        self.clients.store(Arc::new(clients));
        self.changed.notify_one();
    }

    /// A client showed a valid credential.
    pub fn saw(&self, client: &str) {
        self.sightings.saw(client);
    }

    fn clients(&self) -> Arc<Clients> {
        self.clients.load_full()
    }

    /// Events of `accounts`, as far as the caller may use them now, after a position.
    ///
    /// # Errors
    /// The store is away; or the caller is no client any more.
    pub async fn events(
        &self,
        caller: &Caller,
        account: Option<&str>,
        types: &EventFilter,
        after: i64,
        limit: u32,
    ) -> Result<EventPage, Problem> {
        let clients = self.clients();
        let allowed = clients.accounts_of(&caller.client, &caller.accounts);
        let allowed = allowed.ok_or_else(|| Problem::plain(ProblemCode::Unauthenticated))?;
        let accounts = match account {
            None => allowed.clone(),
            Some(name) if allowed.contains(name) => AllowedAccounts::Named([name.to_owned()].into()),
            Some(_) => return Err(not_found()),
        };
        self.store.events_after(after, &accounts, types, limit).await.map_err(store_problem)
    }

    /// The key that authenticates cursors.
    pub fn cursor_key(&self) -> CursorKey {
        self.store.cursor_key()
    }

    /// The position of the newest event, raised when one is committed.
    pub fn watch_events(&self) -> watch::Receiver<i64> {
        self.store.watch_events()
    }

    /// Makes an endpoint, which gets what happens from now on. Its secret is in the answer, and never again.
    ///
    /// # Errors
    /// The destination is not allowed, or the client has too many.
    pub async fn create(&self, caller: &Caller, new: NewEndpoint) -> Result<Endpoint, Problem> {
        self.check_url(&new.url)?;
        let now = Timestamp::now();
        let endpoint = Endpoint {
            id: EndpointId::generate(),
            client: caller.client.clone(),
            accounts: caller.accounts.clone(),
            url: new.url,
            description: new.description.map(|text| card::masked(&text).unwrap_or(text)),
            event_types: new.event_types,
            enabled: new.enabled,
            disabled_reason: None,
            secret: new_secret()?,
            previous_secret: None,
            position: 0,
            slow_until: None,
            slow_count: 0,
            created_at: now,
            updated_at: now,
        };
        let made =
            self.store.create_endpoint(endpoint.clone(), ENDPOINTS_MAX).await.map_err(store_problem)?;
        if !made {
            return Err(Problem::plain(ProblemCode::EndpointLimitReached));
        }
        tracing::info!(security = "webhook_created", client = %caller.client, endpoint_id = %endpoint.id, "a webhook endpoint was made");
        self.changed.notify_one();
        Ok(endpoint)
    }

    /// The caller's endpoints, oldest first.
    ///
    /// # Errors
    /// The store is away.
    pub async fn endpoints(&self, caller: &Caller) -> Result<Vec<Endpoint>, Problem> {
        self.store.endpoints(Some(&caller.client)).await.map_err(store_problem)
    }

    /// One of the caller's endpoints.
    ///
    /// # Errors
    /// There is none with this id, or it is another client's.
    pub async fn endpoint(&self, caller: &Caller, id: EndpointId) -> Result<Endpoint, Problem> {
        let found = self.store.endpoint(id).await.map_err(store_problem)?;
        found.filter(|endpoint| endpoint.client == caller.client).ok_or_else(not_found)
    }

    /// Changes one of the caller's endpoints.
    ///
    /// # Errors
    /// No such endpoint, or the destination is not allowed.
    pub async fn update(
        &self,
        caller: &Caller,
        id: EndpointId,
        patch: EndpointPatch,
    ) -> Result<Endpoint, Problem> {
        self.endpoint(caller, id).await?;
        if let Some(url) = &patch.url {
            self.check_url(url)?;
        }
        let change = EndpointChange {
            url: patch.url,
            description: match patch.description {
                Field::Set(text) => Field::Set(card::masked(&text).unwrap_or(text)),
                unset @ (Field::Keep | Field::Clear) => unset,
            },
            event_types: patch.event_types,
            enabled: patch.enabled,
            secret: None,
            accounts: caller.accounts.clone(),
            at: Timestamp::now(),
        };
        tracing::info!(security = "webhook_changed", client = %caller.client, endpoint_id = %id, "a webhook endpoint was changed");
        self.change(id, change).await
    }

    /// Gives one of the caller's endpoints a new secret; the one before signs too for `overlap`.
    ///
    /// # Errors
    /// No such endpoint.
    pub async fn rotate(
        &self,
        caller: &Caller,
        id: EndpointId,
        overlap: Duration,
    ) -> Result<Endpoint, Problem> {
        self.endpoint(caller, id).await?;
        let now = Timestamp::now();
        let change = EndpointChange {
            url: None,
            description: Field::Keep,
            event_types: None,
            enabled: None,
            secret: Some((new_secret()?, now.plus(overlap))),
            accounts: caller.accounts.clone(),
            at: now,
        };
        tracing::info!(security = "webhook_secret_rotated", client = %caller.client, endpoint_id = %id, "a webhook secret was rotated");
        self.change(id, change).await
    }

    async fn change(&self, id: EndpointId, change: EndpointChange) -> Result<Endpoint, Problem> {
        let changed = self.store.change_endpoint(id, change).await.map_err(store_problem)?;
        self.changed.notify_one();
        changed.ok_or_else(not_found)
    }

    /// Removes one of the caller's endpoints, with its deliveries.
    ///
    /// # Errors
    /// No such endpoint.
    pub async fn delete(&self, caller: &Caller, id: EndpointId) -> Result<(), Problem> {
        self.endpoint(caller, id).await?;
        self.store.delete_endpoint(id).await.map_err(store_problem)?;
        tracing::info!(security = "webhook_deleted", client = %caller.client, endpoint_id = %id, "a webhook endpoint was removed");
        Ok(())
    }

    /// Deliveries of one of the caller's endpoints with a position below `before`, newest first.
    ///
    /// # Errors
    /// No such endpoint.
    pub async fn deliveries(
        &self,
        caller: &Caller,
        id: EndpointId,
        status: Option<DeliveryStatus>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Delivery>, Problem> {
        self.endpoint(caller, id).await?;
        self.store.deliveries(id, status, before, limit).await.map_err(store_problem)
    }

    /// Sends again, from the first attempt on; answers how many deliveries that are.
    ///
    /// # Errors
    /// No such endpoint, or too much at once. An event that does not exist, or that the caller may not see, is no delivery.
    pub async fn replay(
        &self,
        caller: &Caller,
        id: EndpointId,
        selection: ReplaySelection,
    ) -> Result<u64, Problem> {
        self.endpoint(caller, id).await?;
        let replayed = self.store.replay(id, &selection, &caller.accounts, self.clock.now()).await;
        self.changed.notify_one();
        match replayed.map_err(store_problem)? {
            Replayed::Queued(count) => Ok(count),
            Replayed::TooMany => Err(Problem::invalid(vec![Violation::invalid(
                "/from",
                &format!(
                    "a shorter time: one replay delivers {REPLAY_MAX} events at most, out of {REPLAY_LOOKED_AT}; \
                     nothing was done"
                ),
            )])),
        }
    }

    /// Sends a message about nothing to one of the caller's endpoints, once, enabled or not. Goes on to its end when the
    /// caller hangs up, so that callers who do cannot have more tests under way than there may be.
    ///
    /// # Errors
    /// No such endpoint; or too many tests are under way, of this client or of all.
    pub async fn test(self: &Arc<Self>, caller: &Caller, id: EndpointId) -> Result<Tested, Problem> {
        let endpoint = self.endpoint(caller, id).await?;
        let place = self.tests.take(&caller.client).map_err(|full| {
            metrics::shed(Shed::WebhookTests);
            self.tests.refused(full, "tests of webhook endpoints")
        })?;
        let outbox = Arc::clone(self);
        let work = async move {
            let _place = place;
            outbox.send_test(&endpoint).await
        };
        let tested = tokio::spawn(trace::carry(work)).await;
        tested.unwrap_or_else(|_| Err(Problem::plain(ProblemCode::InternalError)))
    }

    async fn send_test(&self, endpoint: &Endpoint) -> Result<Tested, Problem> {
        let (event, now) = (EventId::generate(), Timestamp::now());
        let context = trace::current();
        let body = message::test(event, now, context.cause());
        let mut headers = worker::headers(endpoint, event, now, &body)
            .ok_or_else(|| Problem::plain(ProblemCode::InternalError))?;
        let mut span = context.span(SpanKind::Client, || "webhook POST".to_owned());
        context.put(&span, &mut headers);
        let sent = self.sender.post(&endpoint.url, headers, body).await;
        worker::tell(&mut span, &sent);
        span.end();
        Ok(Tested {
            delivered: sent.result == SendResult::Delivered,
            result: sent.result.as_str(),
            http_status: sent.http_status,
            duration_ms: sent.duration_ms,
        })
    }

    fn check_url(&self, url: &str) -> Result<(), Problem> {
        let checked = match self.sender.rules().destination(url) {
            Ok(_) if url.chars().count() <= URL_MAX => return Ok(()),
            Ok(_) => format!("at most {URL_MAX} characters"),
            Err(right) => right,
        };
        Err(Problem::invalid(vec![Violation::invalid("/url", &checked)]))
    }
}

fn new_secret() -> Result<SecretString, Problem> {
    secret::generate().map_err(|error| {
        tracing::error!(%error, "no random numbers");
        Problem::plain(ProblemCode::InternalError)
    })
}

/// The same answer whether a thing is absent or another client's.
fn not_found() -> Problem {
    Problem::plain(ProblemCode::NotFound)
}
