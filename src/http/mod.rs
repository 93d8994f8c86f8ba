//! The REST API: routes, bodies, errors and the OpenAPI document. Handlers extract, call one use case, convert.

mod accounts;
mod arrival;
mod auth;
mod body;
mod browser;
mod connections;
mod create;
mod cursor;
mod dto;
mod error;
mod events;
mod every_request;
mod form;
#[cfg(feature = "faults")]
#[doc(hidden)]
pub mod fuzz;
mod hangup;
mod host;
mod jwt;
mod limits;
mod logline;
mod movements;
mod notifications;
mod openapi;
mod operations;
mod orders;
mod pages;
mod payer;
mod peer;
mod proof;
mod query;
mod requests;
mod seats;
pub mod server;
mod stall;
mod streams;
mod table;
pub mod tls;
mod webhooks;
mod webhooks_dto;
mod words;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use auth::Identities;
pub use openapi::document;

use crate::{config::Scope, orders::Orders, outbox::Outbox, telemetry::SecurityLog, trace::Tracer};

/// What every handler can reach.
#[derive(Debug, Clone)]
pub struct Api {
    orders: Arc<Orders>,
    outbox: Arc<Outbox>,
    identities: Arc<ArcSwap<Identities>>,
    request_timeout: Duration,
    body_bytes: usize,
    limits: Arc<limits::Limits>,
    seats: Arc<seats::Seats>,
    arrivals: Arc<arrival::Arrivals>,
    security: Arc<SecurityLog>,
    lines: Arc<logline::Lines>,
    cursors: cursor::Cursors,
    streams: Arc<streams::Streams>,
    tracer: Tracer,
    /// Path under which callers see this service, from `server.public_url`; without a slash at its end.
    prefix: Arc<str>,
    /// `server.public_url`.
    own: Option<Arc<url::Url>>,
    stopping: Arc<Stopping>,
}

/// How far a stop has come.
#[derive(Debug, Default)]
struct Stopping {
    /// Not ready any more; answers ask for no more requests on their connection.
    unready: AtomicBool,
    /// New requests are refused.
    refusing: AtomicBool,
}

/// What the API is told by the configuration.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// When a caller is answered at the latest.
    pub request_timeout: Duration,
    /// Most bytes of a request body.
    pub body_bytes: usize,
    /// Most requests of clients under way at once.
    pub requests_under_way: usize,
    /// Requests per second and client, on average.
    pub rate_per_second: u64,
    /// Requests at once and client on top of that.
    pub burst: u64,
    /// Where callers and payers reach this service, `server.public_url`.
    pub public_url: String,
    /// Where spans of requests go.
    pub tracer: Tracer,
}

impl Api {
    /// The use cases behind it, for tests.
    #[cfg(feature = "faults")]
    pub fn orders(&self) -> &Arc<Orders> {
        &self.orders
    }

    /// An API over these use cases.
    pub fn new(
        orders: Arc<Orders>,
        outbox: Arc<Outbox>,
        identities: Identities,
        options: &ApiOptions,
    ) -> Self {
        let own = url::Url::parse(&options.public_url).ok().map(Arc::new);
        let path = own.as_ref().map(|url| url.path().to_owned()).unwrap_or_default();
        let cursors = cursor::Cursors::new(outbox.cursor_key());
        Self {
            orders,
            outbox,
            identities: Arc::new(ArcSwap::from_pointee(identities)),
            request_timeout: options.request_timeout,
            body_bytes: options.body_bytes,
            limits: Arc::new(limits::Limits::new(options.rate_per_second, options.burst)),
            seats: Arc::new(seats::Seats::new(options.requests_under_way)),
            arrivals: Arc::new(arrival::Arrivals::new()),
            security: Arc::default(),
            lines: Arc::default(),
            cursors,
            streams: streams::Streams::new(),
            tracer: options.tracer.clone(),
            prefix: path.trim_end_matches('/').into(),
            own,
            stopping: Arc::default(),
        }
    }

    /// Puts other clients in force. Streams of callers that may not follow events as before any more are ended.
    pub fn replace_identities(&self, identities: Identities) {
        let identities = Arc::new(identities);
        identities.begin_with(&self.identities.load());
        self.identities.store(Arc::clone(&identities));
        self.streams.end_unless(|proof, caller| identities.still_allow(proof, caller, Scope::EventsRead));
    }

    /// Says unready from now on, and asks callers to connect elsewhere; requests are served as usual.
    pub fn drain(&self) {
        self.stopping.unready.store(true, Ordering::SeqCst);
    }

    /// Refuses new requests from now on, and ends the event streams.
    pub fn refuse(&self) {
        self.stopping.refusing.store(true, Ordering::SeqCst);
        self.streams.stop();
    }

    fn is_draining(&self) -> bool {
        self.stopping.unready.load(Ordering::SeqCst)
    }

    fn is_refusing(&self) -> bool {
        self.stopping.refusing.load(Ordering::SeqCst)
    }

    fn identities(&self) -> Arc<Identities> {
        self.identities.load_full()
    }

    /// The path under which callers see this service, without a slash at its end.
    pub fn prefix(&self) -> Arc<str> {
        Arc::clone(&self.prefix)
    }

    /// The router of the public listener.
    pub fn router(&self) -> Router {
        let (router, _) = routes().split_for_parts();
        router
            .merge(pages::router())
            .merge(payer::router())
            .fallback(error::no_such_address)
            .method_not_allowed_fallback(error::method_not_allowed)
            .layer(CatchPanicLayer::custom(error::panicked))
            .layer(middleware::from_fn_with_state(self.clone(), every_request::around_every_request))
            .with_state(self.clone())
    }

    /// The router of the ops listener: probes, no API.
    pub fn ops_router(&self) -> Router {
        pages::ops_router().with_state(self.clone())
    }
}

/// Every documented route, with its documentation.
fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(create::create_order, orders::list_orders))
        .routes(routes!(orders::read_order, orders::update_order))
        .routes(routes!(movements::cancel_order))
        .routes(routes!(movements::capture_order))
        .routes(routes!(movements::refund_order))
        .routes(routes!(orders::list_order_events))
        .routes(routes!(operations::list_operations))
        .routes(routes!(operations::read_operation))
        .routes(routes!(operations::settle_operation))
        .routes(routes!(events::list_events))
        .routes(routes!(webhooks::list_endpoints, webhooks::create_endpoint))
        .routes(routes!(webhooks::read_endpoint, webhooks::update_endpoint, webhooks::delete_endpoint))
        .routes(routes!(webhooks::rotate_secret))
        .routes(routes!(webhooks::list_deliveries))
        .routes(routes!(webhooks::replay))
        .routes(routes!(webhooks::test_endpoint))
        .routes(routes!(accounts::list_accounts))
        .routes(routes!(accounts::read_account))
        .routes(routes!(notifications::receive_notification))
        .routes(routes!(pages::problem_page))
}
