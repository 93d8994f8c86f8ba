//! Wiring: configuration, store, adapters, use cases, listeners; start and stop.

use std::{future::Future, sync::Arc};

use tokio::{net::TcpListener, sync::watch};

use crate::{
    adapter::{AdapterContext, GateSettings, Registry},
    config::{ConfigErrors, Settings, StoreUrl},
    domain::Timestamp,
    http::{Api, ApiOptions, Identities, server},
    orders::Orders,
    outbox::{Clients, Outbox, OutboxOptions},
    providers,
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
    tracer: Tracer,
    public: TcpListener,
    ops: TcpListener,
}

/// The accounts of a configuration.
///
/// # Errors
/// Everything that is wrong with them, in words.
pub fn registry(settings: &Settings) -> Result<Registry, ConfigErrors> {
    let context = AdapterContext {
        connect_timeout: settings.resilience.connect_timeout,
        provider_timeout: settings.resilience.provider_timeout,
        public_url: settings.server.public_url.trim_end_matches('/').to_owned(),
    };
    let gate = GateSettings {
        max_in_flight: settings.resilience.max_in_flight,
        breaker_failures: settings.resilience.breaker_failures,
        breaker_open: settings.resilience.breaker_open,
    };
    let registry = Registry::build(&settings.accounts, &providers::all(), &context)?;
    Ok(registry.guarded(gate))
}

/// What `server.public_url` is when nobody chose one.
pub(crate) const DEFAULT_PUBLIC_URL: &str = "http://127.0.0.1:8080";

impl App {
    /// Builds the accounts, opens and recovers the store and binds both listeners.
    ///
    /// # Errors
    /// What keeps it from starting, in words.
    pub async fn start(mut settings: Settings) -> Result<Self, StartError> {
        settings.validate_for_serve()?;
        let public = bind(settings.server.listen, "server.listen").await?;
        if settings.server.listen.port() == 0
            && settings.server.public_url == DEFAULT_PUBLIC_URL
            && let Ok(bound) = public.local_addr()
        {
            // Only the system knows where this one can be reached.
            settings.server.public_url = format!("http://{bound}");
        }
        let registry = registry(&settings)?;
        let url = match &settings.store.url {
            StoreUrl::Sqlite(path) => format!("sqlite://{}", path.display()),
            StoreUrl::Postgres(_) => {
                return Err(StartError::Other(
                    "store.url: this guichet has no Postgres store yet; use sqlite://<file>".to_owned(),
                ));
            }
        };
        let ops = bind(settings.server.ops_listen, "server.ops_listen").await?;
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
        let tracer = Tracer::start(&settings.tracing).map_err(StartError::Other)?;
        let patience = settings.resilience.provider_timeout;
        let orders = Orders::start(registry, settings.routes.clone(), store, patience, tracer.clone());
        let clients = Clients::new(&settings.auth);
        let options = OutboxOptions::new(settings.webhooks.clone(), clients, tracer.clone());
        let outbox = Outbox::start(events, options).map_err(StartError::Other)?;
        let body_bytes = usize::try_from(settings.limits.body_bytes).unwrap_or(64 * 1024);
        let api = Api::new(
            Arc::clone(&orders),
            Arc::clone(&outbox),
            Identities::new(&settings.auth),
            &ApiOptions {
                request_timeout: settings.server.request_timeout,
                body_bytes,
                rate_per_second: settings.limits.rate_per_second,
                burst: settings.limits.burst,
                public_url: settings.server.public_url.clone(),
                tracer: tracer.clone(),
            },
        );
        Ok(Self { settings, api, orders, outbox, tracer, public, ops })
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

    /// The events on their way out, to change clients while they run.
    pub fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// The use cases, to change accounts while they run.
    pub fn orders(&self) -> Arc<Orders> {
        Arc::clone(&self.orders)
    }

    /// Serves until `stop` resolves; then says unready, finishes what runs within the grace time, and closes
    /// the store.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let grace = self.settings.server.grace;
        let (stopping, receiver) = watch::channel(false);
        let stopped = |mut receiver: watch::Receiver<bool>| async move {
            let _ = receiver.wait_for(|stop| *stop).await;
        };
        let public = server::serve(
            self.public,
            self.api.router(),
            server::CONNECTIONS_MAX,
            stopped(receiver.clone()),
            grace,
        );
        let ops = server::serve(
            self.ops,
            self.api.ops_router(),
            server::OPS_CONNECTIONS_MAX,
            stopped(receiver),
            grace,
        );
        let (public, ops) = (tokio::spawn(public), tokio::spawn(ops));
        stop.await;
        tracing::info!("stopping");
        self.api.drain();
        let _ = stopping.send(true);
        self.outbox.begin_stop();
        let _ = public.await;
        self.outbox.stop(grace).await;
        self.orders.stop(grace).await;
        self.tracer.stop(grace).await;
        let _ = ops.await;
        tracing::info!("stopped");
    }
}

async fn bind(address: std::net::SocketAddr, key: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, key, source })
}
