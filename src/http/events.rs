//! `/events`: everything that happened, as pages or as a stream.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    Extension,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event as Message, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use tokio::sync::watch;

use super::{
    Api,
    auth::Authenticated,
    cursor,
    dto::{EventDto, EventListDto},
    error::Failed,
    hangup::Hangup,
    proof::Proof,
    query,
    streams::Stream as OpenStream,
};
use crate::{
    config::Scope,
    domain::EventFilter,
    orders::Caller,
    problem::{Problem, ProblemCode},
    store::outbox::PlacedEvent,
};

/// Pause between signs of life on a stream; proxies close what is silent for longer.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events read at once for a stream; all that it holds of what its peer has not read yet. An event has at most 20 kB.
const STREAM_BATCH: u32 = 20;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks nginx and its kin not to hold a stream back.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Follow everything that happened.
///
/// Events of every account the client may use, in the order they were written down. Without `cursor` the list begins
/// with the oldest event; `next_cursor` is never `null`: ask again with it, and nothing is missed. A page looks at a bounded
/// number of events, so `items` may be empty although there is more: only when `next_cursor` is the cursor that you gave
/// is there nothing new. A cursor belongs to the client and to `account` and `types`, and it names the event at its place: when
/// the store was restored and has another event there, or none yet, it is 400 `invalid_cursor`. Begin again without it then.
///
/// With `Accept: text/event-stream` the same events come as a stream: `id` is a cursor, `event` the type, `data` the
/// event. The stream begins after `Last-Event-ID` or `cursor`, else with the next event; a comment every 15 seconds
/// shows that it lives, and it ends after an hour at the latest, with the token that opened it, when the credential is withdrawn,
/// and when the service stops: connect again with `Last-Event-ID`. A client has at most 16 streams (429 `rate_limited`),
/// all clients together 256 (503 `overloaded`).
/// Scope: `events:read`.
#[utoipa::path(
    get, path = "/events", operation_id = "listEvents", tag = "events",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "For a stream: the `id` of the last event seen; goes before `cursor`"),
    ),
    responses((status = 200, description = "A page of events, or the stream of them",
        content((EventListDto = "application/json"), (String = "text/event-stream")))),
    security(("apiKey" = []), ("bearer" = []))
)]
pub(super) async fn list_events(
    State(api): State<Api>,
    authenticated: Authenticated,
    hangup: Option<Extension<Hangup>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Failed> {
    let (caller, proof) = authenticated.with_proof(Scope::EventsRead)?;
    let asked = Asked::read(query.as_deref())?;
    if wants_stream(&headers) {
        // One that is no text is no cursor, and not "from now on" either.
        let last = headers.get(LAST_EVENT_ID);
        let last = last.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let hangup = hangup.map(|Extension(hangup)| hangup);
        return follow(&api, caller, (proof, hangup), asked, last).await;
    }
    let scope = asked.scope(&caller);
    let from = asked.cursor.as_ref().map(|cursor| api.cursors.decode(cursor, &scope)).transpose()?;
    let position = from.as_ref().map_or(0, |(position, _)| *position);
    let account = asked.account.as_deref();
    let page = api.outbox.events(&caller, account, &asked.types, position, asked.limit).await?;
    if let Some((_, mark)) = from {
        api.cursors.check_event(&mark, page.began)?;
    }
    let next_cursor = Some(api.cursors.encode_event(page.position, page.event, &scope));
    let items = page.items.iter().map(|placed| EventDto::new(&placed.event)).collect();
    Ok(axum::Json(EventListDto { items, next_cursor }).into_response())
}

/// What the query asks for.
#[derive(Debug)]
pub(super) struct Asked {
    account: Option<String>,
    types: EventFilter,
    pub(super) limit: u32,
    pub(super) cursor: Option<String>,
}

impl Asked {
    pub(super) fn read(query: Option<&str>) -> Result<Self, Problem> {
        let query = query::LIST_EVENTS.read(query)?;
        Ok(Self {
            account: query.get("account").map(str::to_owned),
            types: query.event_types(),
            limit: query.limit(),
            cursor: query.get("cursor").map(str::to_owned),
        })
    }

    /// What a cursor of the feed is bound to: client and filter.
    pub(super) fn scope(&self, caller: &Caller) -> String {
        let types: Vec<&str> = self.types.entries().collect();
        let filter = [("account", self.account.as_deref()), ("types", Some(&*types.join(",")))];
        cursor::scope("events", caller, &filter)
    }
}

/// Whether the client asks for a stream by name.
fn wants_stream(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|range| {
        range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
    })
}

/// A client that follows.
struct Follower {
    api: Api,
    caller: Caller,
    asked: Asked,
    scope: String,
    position: i64,
    ready: VecDeque<PlacedEvent>,
    newest: watch::Receiver<i64>,
    stream: OpenStream,
}

async fn follow(
    api: &Api,
    caller: Caller,
    (proof, hangup): (Proof, Option<Hangup>),
    asked: Asked,
    last: Option<String>,
) -> Result<Response, Failed> {
    let newest = api.outbox.watch_events();
    let scope = asked.scope(&caller);
    let from = last.as_ref().filter(|last| !last.is_empty()).or(asked.cursor.as_ref());
    let from = from.map(|cursor| api.cursors.decode(cursor, &scope)).transpose()?;
    let position = from.as_ref().map_or_else(|| *newest.borrow(), |(position, _)| *position);
    let stream = api.streams.open(&caller, proof.clone())?;
    // A reload between the look at the credential and this has not seen the stream.
    if !api.identities().still_allow(&proof, &caller, Scope::EventsRead) {
        return Err(Problem::plain(ProblemCode::Unauthenticated).into());
    }
    // Says now what would end the stream at once.
    let page = api.outbox.events(&caller, asked.account.as_deref(), &asked.types, position, 1).await?;
    if let Some((_, mark)) = from {
        api.cursors.check_event(&mark, page.began)?;
    }
    let follower =
        Follower { api: api.clone(), caller, asked, scope, position, ready: VecDeque::new(), newest, stream };
    follower.stream.begin(hangup);
    let alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    let mut response = Sse::new(messages(follower)).keep_alive(alive).into_response();
    response.headers_mut().insert(NO_BUFFERING, HeaderValue::from_static("no"));
    // Nothing comes after a stream, so that its connection can be cut without harm to anything else.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}

fn messages(follower: Follower) -> impl Stream<Item = Result<Message, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        let placed = follower.next().await?;
        let event = Some(placed.event.id);
        let id = follower.api.cursors.encode_event(placed.position, event, &follower.scope);
        let dto = EventDto::new(&placed.event);
        let message =
            Message::default().id(id).event(placed.event.event.event_type.as_str()).json_data(dto).ok()?;
        Some((Ok(message), follower))
    })
}

impl Follower {
    /// The next event; `None` at the end of the stream, whatever is ready then.
    async fn next(&mut self) -> Option<PlacedEvent> {
        let ended = self.stream.ended();
        tokio::select! {
            biased;
            () = ended => None,
            event = self.next_event() => event,
        }
    }

    async fn next_event(&mut self) -> Option<PlacedEvent> {
        loop {
            if let Some(placed) = self.ready.pop_front() {
                return Some(placed);
            }
            // Before the read: what is committed during it wakes the wait below.
            let newest = *self.newest.borrow_and_update();
            let (account, types) = (self.asked.account.as_deref(), &self.asked.types);
            let page = self
                .api
                .outbox
                .events(&self.caller, account, types, self.position, STREAM_BATCH)
                .await
                .ok()?;
            self.position = page.position;
            self.ready.extend(page.items);
            // A page looks at a bounded number of events: without a wanted one there may be more after it.
            if !self.ready.is_empty() || self.position < newest {
                continue;
            }
            self.newest.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        config::AllowedAccounts,
        domain::{Cause, Event, EventId, EventType, NewEvent, Timestamp},
        outbox::message_body,
    };

    fn caller(client: &str) -> Caller {
        Caller {
            client: client.to_owned(),
            accounts: AllowedAccounts::All,
            scopes: BTreeSet::new(),
            request_id: String::new(),
        }
    }

    #[test]
    fn cursors_belong_to_client_and_filter() {
        let read = |query: &str| Asked::read(Some(query)).unwrap();
        let scope = |query: &str, client: &str| read(query).scope(&caller(client));
        let cursors = cursor::tests::cursors(7);
        let cursor = cursors.encode_event(255, None, &scope("", "shop"));
        for query in ["", "limit=5", "cursor=x"] {
            assert!(cursors.decode(&cursor, &scope(query, "shop")).is_ok(), "{query}");
        }
        for (query, client) in [("", "other"), ("account=a", "shop"), ("types=order.paid", "shop")] {
            let refused = cursors.decode(&cursor, &scope(query, client)).unwrap_err();
            assert_eq!(refused.code, crate::problem::ProblemCode::InvalidCursor, "{query} {client}");
        }
        assert_ne!(scope("", "shop\nb"), scope("account=b", "shop"));
    }

    #[test]
    fn streams_are_asked_for_by_name() {
        for (accept, stream) in [
            ("text/event-stream", true),
            ("application/json, Text/Event-Stream;q=0.5", true),
            ("*/*", false),
            ("application/json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(wants_stream(&headers), stream, "{accept}");
        }
    }

    #[test]
    fn a_webhook_tells_what_the_api_shows() {
        let event = Event {
            id: EventId::generate(),
            sequence: 3,
            event: NewEvent {
                event_type: EventType::from_stored("order.paid".to_owned()),
                order_id: Some("shop_1".parse().unwrap()),
                operation_id: None,
                occurred_at: Timestamp::from_millis(1_700_000_000_123),
                data: serde_json::Map::from_iter([("status".to_owned(), "paid".into())]),
                cause: Cause {
                    request_id: Some("req-1".to_owned()),
                    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok(),
                },
            },
        };
        let body: serde_json::Value = serde_json::from_slice(&message_body(&event)).unwrap();
        assert_eq!(body["type"], "order.paid");
        assert_eq!(body["timestamp"], "2023-11-14T22:13:20.123Z");
        assert_eq!(body["data"]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(body["data"], serde_json::to_value(EventDto::new(&event)).unwrap());
    }
}
