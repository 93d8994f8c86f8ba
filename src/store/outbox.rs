//! Events on their way out: the feed of all events, webhook endpoints and what became of each delivery.
//!
//! Deliveries are derived from the events. Each endpoint has a position; whoever delivers writes a row for every
//! wanted event after it and moves the position, in one transaction. As positions grow in the order of commits, no
//! event is passed over, whatever crashes when.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tokio::sync::watch;

use super::StoreError;
use crate::{
    config::AllowedAccounts,
    domain::{AccountName, EndpointId, Event, EventFilter, EventId, Field, Timestamp},
};

/// An event with its place among all events.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedEvent {
    /// Grows in the order of commits, over all orders.
    pub position: i64,
    /// Who may see it: clients that may use this account.
    pub account: AccountName,
    /// The event.
    pub event: Event,
}

/// Some of the events after a position.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// In the order of their positions.
    pub items: Vec<PlacedEvent>,
    /// Where to go on: nothing wanted is before or at it but the items. Never before the position asked for.
    pub position: i64,
    /// The event at `position`; `None` where there is none (any more).
    pub event: Option<EventId>,
    /// What is at the position asked for.
    pub began: EventAt,
}

/// What is at a position of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventAt {
    /// The place before the first event.
    Beginning,
    /// This event.
    Event(EventId),
    /// An event that was dropped because it was old.
    Dropped,
    /// Nothing yet: the store has fewer events.
    Beyond,
}

impl EventAt {
    /// The event that is there.
    pub fn id(self) -> Option<EventId> {
        match self {
            Self::Event(id) => Some(id),
            Self::Beginning | Self::Dropped | Self::Beyond => None,
        }
    }
}

/// The key that authenticates cursors. It lives in the store: a restored copy knows the cursors that the store gave out
/// before the copy was made, and another store knows none of them.
#[derive(Clone)]
pub struct CursorKey(Arc<SecretSlice<u8>>);

impl CursorKey {
    /// Bytes of a key.
    pub const BYTES: usize = 32;

    /// A key of these bytes; `None` when their number is another.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == Self::BYTES).then(|| Self(Arc::new(SecretSlice::from(bytes))))
    }

    /// The bytes, to make a MAC with.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for CursorKey {
    /// Never the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey(..)")
    }
}

/// Where the events of a client go.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// The client it belongs to.
    pub client: String,
    /// The accounts the client had when it last changed this endpoint; counts only where the configuration does not
    /// name the client.
    pub accounts: AllowedAccounts,
    /// Where deliveries are posted.
    pub url: String,
    /// For people.
    pub description: Option<String>,
    /// What it gets.
    pub event_types: EventFilter,
    /// Whether anything is sent. While it is false nothing is lost: events wait.
    pub enabled: bool,
    /// Why guichet itself disabled it.
    pub disabled_reason: Option<String>,
    /// `whsec_` and the key in base64. Never shown again, never logged.
    pub secret: SecretString,
    /// The secret before, which signs too until that instant.
    pub previous_secret: Option<(SecretString, Timestamp)>,
    /// Events up to here are planned.
    pub position: i64,
    /// Nothing is sent before.
    pub slow_until: Option<Timestamp>,
    /// Answers in a row that asked for less.
    pub slow_count: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// When the clients that have endpoints were seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners {
    /// Now, by the clock of erasure: it never moves faster than time passes.
    pub clock: Timestamp,
    /// When each was seen last, by that clock. A client that is missing has endpoints from before this was written down.
    pub seen: BTreeMap<String, Timestamp>,
}

/// The reason why guichet or an operator disables an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disabling {
    /// Its client was not seen for too long.
    Lapsed,
    /// An operator did it.
    Operator,
}

impl Disabling {
    /// The word used in JSON, logs and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lapsed => "lapsed",
            Self::Operator => "operator",
        }
    }

    /// Who it was, for the audit trail.
    pub fn actor(self) -> &'static str {
        match self {
            Self::Lapsed => "guichet",
            Self::Operator => "operator",
        }
    }
}

/// What is to change of an endpoint.
#[derive(Debug, Clone)]
pub struct EndpointChange {
    /// New destination.
    pub url: Option<String>,
    /// New description.
    pub description: Field<String>,
    /// New choice of events.
    pub event_types: Option<EventFilter>,
    /// On or off. On also forgets why it was off and that it was slow.
    pub enabled: Option<bool>,
    /// A new secret, and until when the one before signs too.
    pub secret: Option<(SecretString, Timestamp)>,
    /// The accounts of the client that changes it.
    pub accounts: AllowedAccounts,
    /// When.
    pub at: Timestamp,
}

/// Where a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// To be sent, perhaps again.
    Pending,
    /// Answered with success.
    Delivered,
    /// Given up; may be replayed.
    Dead,
}

impl DeliveryStatus {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    /// The word used in JSON and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The status with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// One try to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// What came of it, as a stable word.
    pub result: String,
    /// The status of the answer, if there was one.
    pub http_status: Option<u16>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
}

/// What is known of one event at one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The event.
    pub event: PlacedEvent,
    /// Where it is.
    pub status: DeliveryStatus,
    /// When it is tried next, while pending.
    pub next_attempt_at: Option<Timestamp>,
    /// Its last attempts, 50 at most, oldest first.
    pub attempts: Vec<Attempt>,
    /// When it was planned, or replayed after it had ended.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// A delivery that is to be tried now.
#[derive(Debug, Clone, PartialEq)]
pub struct DueDelivery {
    /// The event.
    pub event: PlacedEvent,
    /// Attempts made since it was planned or replayed.
    pub attempts: u32,
}

/// What is to be sent to one endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DueDeliveries {
    /// Now, longest waiting first.
    pub items: Vec<DueDelivery>,
    /// When the next one after now is due.
    pub next_at: Option<Timestamp>,
}

/// What an attempt means for the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAttempt {
    /// Done.
    Delivered,
    /// To be tried again then.
    Retry(Timestamp),
    /// Given up.
    Dead,
}

/// What an attempt means for the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointEffect {
    /// Nothing.
    Unchanged,
    /// It works: forget that it was slow.
    Works,
    /// It asked for less: nothing is sent before that instant.
    SlowUntil(Timestamp),
    /// It is off from now on, for this reason.
    Disabled(&'static str),
}

/// An attempt to be written down.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The event.
    pub event: EventId,
    /// What happened.
    pub attempt: Attempt,
    /// What becomes of the delivery.
    pub after: AfterAttempt,
    /// What becomes of the endpoint.
    pub effect: EndpointEffect,
}

/// What is to be sent again.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplaySelection {
    /// One event, whatever its type.
    Event(EventId),
    /// What the endpoint gets and occurred in this time.
    Range {
        /// Not before.
        from: Timestamp,
        /// Before this; `None` for no end.
        to: Option<Timestamp>,
        /// Only deliveries that were given up.
        only_dead: bool,
    },
}

/// The most deliveries that one replay makes pending.
pub const REPLAY_MAX: usize = 10_000;
/// The most events, or given-up deliveries, that one replay looks at.
pub const REPLAY_LOOKED_AT: usize = 100_000;

/// What came of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// So many deliveries are pending again.
    Queued(u64),
    /// It would be more than [`REPLAY_MAX`], or more than [`REPLAY_LOOKED_AT`] are in that time: nothing was done.
    TooMany,
}

/// Events on their way out. Every method that changes something returns only after its effect is synced to disk.
#[async_trait]
pub trait OutboxStore: fmt::Debug + Send + Sync {
    /// Events of these accounts and types with a position above `after`, in the order of positions. What is looked at is
    /// bounded: a page may hold nothing although there is more after its position.
    async fn events_after(
        &self,
        after: i64,
        accounts: &AllowedAccounts,
        types: &EventFilter,
        limit: u32,
    ) -> Result<EventPage, StoreError>;

    /// The key that authenticates cursors, the same as long as the store lives.
    fn cursor_key(&self) -> CursorKey;

    /// The position of the newest event; raised after the commit that wrote it.
    fn watch_events(&self) -> watch::Receiver<i64>;

    /// Writes a new endpoint, which gets what happens from now on. Answers false, and writes nothing, when the
    /// client has `limit` of them.
    async fn create_endpoint(&self, endpoint: Endpoint, limit: u32) -> Result<bool, StoreError>;

    /// The endpoint with this id.
    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError>;

    /// The endpoints of a client, or all of them, oldest first.
    async fn endpoints(&self, client: Option<&str>) -> Result<Vec<Endpoint>, StoreError>;

    /// Changes an endpoint and answers how it is then; `None` when it is gone.
    async fn change_endpoint(
        &self,
        id: EndpointId,
        change: EndpointChange,
    ) -> Result<Option<Endpoint>, StoreError>;

    /// When the clients that have endpoints were seen last.
    async fn owners(&self) -> Result<Owners, StoreError>;

    /// Writes down that these clients were seen now, by the clock of erasure.
    async fn saw_owners(&self, clients: Vec<String>) -> Result<(), StoreError>;

    /// Disables the endpoints of a client that was not seen after `seen_at`, with an audit row each; answers which. None
    /// when it was seen meanwhile.
    async fn lapse(
        &self,
        client: &str,
        seen_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<EndpointId>, StoreError>;

    /// Removes an endpoint. Answers whether it was there. It is gone at once, with its secrets; its deliveries go in steps
    /// of [`super::Store::sweep`].
    async fn delete_endpoint(&self, id: EndpointId) -> Result<bool, StoreError>;

    /// Writes a pending delivery for each event of the page and moves the endpoint from position `from` to the
    /// page's. Does nothing when the endpoint is elsewhere already.
    async fn plan(
        &self,
        id: EndpointId,
        from: i64,
        page: &EventPage,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// At most `limit` deliveries of an endpoint that are due, and when the next one is.
    async fn due_deliveries(
        &self,
        id: EndpointId,
        now: Timestamp,
        limit: u32,
    ) -> Result<DueDeliveries, StoreError>;

    /// Writes down an attempt and what it means. Nothing when the delivery is gone. Of each delivery the last 50 attempts
    /// are kept.
    async fn record_attempt(&self, record: AttemptRecord) -> Result<(), StoreError>;

    /// Deliveries of an endpoint with a position below `before`, newest first.
    async fn deliveries(
        &self,
        id: EndpointId,
        status: Option<DeliveryStatus>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Makes deliveries pending again, from the first attempt on, for events of these accounts. For a range: what the
    /// endpoint's filter wants, up to its position. All of it is found before the first one is written, in steps, between
    /// which other work has its turn. `StillRunning` where the deadline came between two of them.
    async fn replay(
        &self,
        id: EndpointId,
        selection: &ReplaySelection,
        accounts: &AllowedAccounts,
        at: Timestamp,
    ) -> Result<Replayed, StoreError>;
}
