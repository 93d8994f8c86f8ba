//! Wiring: configuration, store, adapters, use cases, listeners; start and stop.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::oneshot,
    time::{Instant, sleep_until},
};

use crate::{
    adapters,
    clock::TimeOfDay,
    config::{ConfigErrors, Settings, StoreUrl},
    domain::Timestamp,
    http::{
        Api, ApiOptions, Identities,
        server::{self, ServeOptions},
        tls::Tls,
    },
    open_files,
    orders::Orders,
    outbox::{Clients, Outbox, OutboxOptions},
    reload::Reload,
    retention::{Clock, Retention},
    store::{Store, outbox::OutboxStore, sqlite::SqliteStore},
    trace::Tracer,
};

/// Why the service cannot start, in words.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error("the configuration is not usable:\n{0}")]
    Config(#[from] ConfigErrors),
    /// The store cannot be opened.
    #[error("{0}")]
    Store(#[from] crate::store::StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({key}): {source}")]
    Listen {
        /// The configured address.
        address: std::net::SocketAddr,
        /// The key that names it.
        key: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// A service that is bound and recovered, but takes no request yet.
#[derive(Debug)]
pub struct App {
    settings: Settings,
    api: Api,
    orders: Arc<Orders>,
    outbox: Arc<Outbox>,
    retention: Retention,
    tracer: Tracer,
    public: TcpListener,
    ops: TcpListener,
    tls: Option<Arc<Tls>>,
}

/// After the time in which requests are served as usual: how long they are refused with words, before nobody listens.
const REFUSING: Duration = Duration::from_millis(200);
/// How long the probes may take to end, when everything else has.
const OPS_GRACE: Duration = Duration::from_millis(500);
/// The address of the configured store.
///
/// # Errors
/// There is no such kind of store.
pub fn store_url(settings: &Settings) -> Result<String, StartError> {
    match &settings.store.url {
        StoreUrl::Sqlite(path) => Ok(format!("sqlite://{}", path.display())),
        StoreUrl::Postgres(_) => Err(StartError::Other(
            "store.url: this guichet has no Postgres store yet; use sqlite://<file>".to_owned(),
        )),
    }
}

/// What `server.public_url` is when nobody chose one.
pub const DEFAULT_PUBLIC_URL: &str = "http://127.0.0.1:8080";

impl App {
    /// Builds the accounts, opens and recovers the store and binds both listeners.
    ///
    /// # Errors
    /// What keeps it from starting, in words.
    pub async fn start(mut settings: Settings) -> Result<Self, StartError> {
        settings.validate_for_serve()?;
        let tls = settings.server.tls.as_ref().map(Tls::new).transpose()?.map(Arc::new);
        let public = bind(settings.server.listen, "server.listen")?;
        if settings.server.listen.port() == 0
            && settings.server.public_url == DEFAULT_PUBLIC_URL
            && let Ok(bound) = public.local_addr()
        {
            // Only the system knows where this one can be reached.
            let scheme = if tls.is_some() { "https" } else { "http" };
            settings.server.public_url = format!("{scheme}://{bound}");
        }
        let registry = adapters::registry(&settings)?;
        let url = store_url(&settings)?;
        let ops = bind(settings.server.ops_listen, "server.ops_listen")?;
        let opened = Arc::new(SqliteStore::open(&url)?);
        let events: Arc<dyn OutboxStore> = opened.clone();
        let store: Arc<dyn Store> = opened;
        // Before the first request is taken: what was under way when the process died is unknown now.
        let recovered = store.recover(Timestamp::now()).await?;
        if !recovered.is_empty() {
            tracing::warn!(
                operations = recovered.len(),
                "operations were under way when guichet stopped; settling them"
            );
        }
        let erasure = Clock::at_start(&store).await?;
        let retention = Retention::start(Arc::clone(&store), settings.store.retention_days, erasure);
        let tracer = Tracer::start(&settings.tracing).map_err(StartError::Other)?;
        let patience = settings.resilience.provider_timeout;
        let routes = settings.routes.clone();
        let orders = Orders::start(registry, routes, store, patience, tracer.clone(), TimeOfDay::SYSTEM);
        let clients = Clients::new(&settings.auth);
        let options = OutboxOptions::new(settings.webhooks.clone(), clients, tracer.clone());
        let outbox = Outbox::start(events, options).map_err(StartError::Other)?;
        let body_bytes = usize::try_from(settings.limits.body_bytes).unwrap_or(64 * 1024);
        let requests_under_way = usize::try_from(settings.limits.requests_under_way).unwrap_or(4_096);
        let api = Api::new(
            Arc::clone(&orders),
            Arc::clone(&outbox),
            Identities::new(&settings.auth),
            &ApiOptions {
                request_timeout: settings.server.request_timeout,
                body_bytes,
                requests_under_way,
                rate_per_second: settings.limits.rate_per_second,
                burst: settings.limits.burst,
                public_url: settings.server.public_url.clone(),
                tracer: tracer.clone(),
            },
        );
        Ok(Self { settings, api, orders, outbox, retention, tracer, public, ops, tls })
    }

    /// Where the API listens.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.public.local_addr().ok()
    }

    /// Where providers and payers reach the API.
    pub fn public_url(&self) -> &str {
        &self.settings.server.public_url
    }

    /// Where the probes listen.
    pub fn ops_address(&self) -> Option<std::net::SocketAddr> {
        self.ops.local_addr().ok()
    }

    /// The API, to change clients while it runs.
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// What puts another configuration in force while it runs.
    ///
    /// # Errors
    /// The file of a secret cannot be read.
    pub fn reload(&self) -> Result<Reload, ConfigErrors> {
        Reload::new(
            self.settings.clone(),
            self.api.clone(),
            Arc::clone(&self.orders),
            Arc::clone(&self.outbox),
            self.tls.clone(),
        )
    }

    /// Serves until `stop` resolves; then says unready, serves on for a while so that a load balancer can notice, refuses
    /// what is new, finishes what runs and closes the store, all within the grace time. The probes answer to the end.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let (grace, drain_wait) = (self.settings.server.grace, self.settings.server.drain_wait);
        let (close_public, public_closes) = oneshot::channel();
        let (close_ops, ops_closes) = oneshot::channel();
        let prefix = self.api.prefix();
        let options = ServeOptions::new(open_files::for_callers(server::CONNECTIONS_MAX), self.tls);
        let public = listen(self.public, self.api.router(), options, prefix, public_closes);
        let ops = listen(self.ops, self.api.ops_router(), ServeOptions::of_probes(), "".into(), ops_closes);
        let (public, ops) = (tokio::spawn(public), tokio::spawn(ops));
        stop.await;
        let end = Instant::now() + grace;
        tracing::info!("stopping");
        self.api.drain();
        sleep_until((Instant::now() + drain_wait).min(end)).await;
        self.api.refuse();
        self.outbox.begin_stop();
        if !drain_wait.is_zero() {
            sleep_until((Instant::now() + REFUSING).min(end)).await;
        }
        let _ = close_public.send(end);
        let _ = public.await;
        self.outbox.stop(end.saturating_duration_since(Instant::now())).await;
        self.retention.stop().await;
        self.orders.stop(end.saturating_duration_since(Instant::now())).await;
        self.tracer.stop(end.saturating_duration_since(Instant::now())).await;
        let _ = close_ops.send(Instant::now() + OPS_GRACE);
        let _ = ops.await;
        tracing::info!("stopped");
    }
}

/// Serves until told when everything must have ended.
async fn listen(
    listener: TcpListener,
    router: axum::Router,
    options: ServeOptions,
    prefix: Arc<str>,
    closes: oneshot::Receiver<Instant>,
) {
    let stop = async { closes.await.unwrap_or_else(|_| Instant::now()) };
    server::serve_under(listener, router, options, &prefix, stop).await;
}

/// Connections that wait in the system until they are accepted; above it they would hang, half open. The system may allow
/// less (`net.core.somaxconn`).
const BACKLOG: u32 = 4_096;

fn bind(address: std::net::SocketAddr, key: &'static str) -> Result<TcpListener, StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart does not wait for the connections of the process before it.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| StartError::Listen { address, key, source })
}
