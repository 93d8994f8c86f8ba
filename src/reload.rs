//! Puts another configuration in force while the service runs.

mod credentials;

use std::sync::Arc;

use credentials::Credentials;
use parking_lot::Mutex;

use crate::{
    adapters,
    config::{ConfigErrors, KeyError, Settings},
    http::{Api, Identities, tls::Tls},
    orders::Orders,
    outbox::{Clients, Outbox},
};

/// The running service, as far as a reload can change it.
#[derive(Debug)]
pub struct Reload {
    /// What it was started with. What a reload does not change is told against it.
    started: Settings,
    api: Api,
    orders: Arc<Orders>,
    outbox: Arc<Outbox>,
    tls: Option<Arc<Tls>>,
    /// Those in force.
    credentials: Mutex<Credentials>,
}

impl Reload {
    /// # Errors
    /// The file of a secret cannot be read.
    pub(crate) fn new(
        started: Settings,
        api: Api,
        orders: Arc<Orders>,
        outbox: Arc<Outbox>,
        tls: Option<Arc<Tls>>,
    ) -> Result<Self, ConfigErrors> {
        let credentials = Mutex::new(Credentials::of(&started)?);
        Ok(Self { started, api, orders, outbox, tls, credentials })
    }

    /// Puts accounts, clients, routes, `[resilience]` and the files of `[server.tls]` in force, all of them or, when
    /// anything is wrong, none. Gives the sections that differ from those of the start and wait for a restart.
    ///
    /// Must be called in the runtime.
    ///
    /// # Errors
    /// Everything that is wrong; the old configuration stays.
    pub fn apply(&self, mut settings: Settings) -> Result<Vec<&'static str>, ConfigErrors> {
        let waiting = self.waiting(&settings);
        let tls = match (&settings.server.tls, &self.tls) {
            (Some(files), Some(_)) => Some(Tls::new(files)?),
            (None, None) => None,
            (Some(_), None) => return Err(switched("on")),
            (None, Some(_)) => return Err(switched("off")),
        };
        // Addresses and the like are those of the start, and what is in force must go together with them.
        let files = settings.server.tls.take();
        settings.server = self.started.server.clone();
        settings.server.tls = files;
        settings.validate_for_serve()?;
        let credentials = Credentials::of(&settings)?;
        let registry = adapters::registry(&settings)?;
        if let (Some(running), Some(tls)) = (&self.tls, tls) {
            running.replace(tls);
        }
        // First, so that no call is made whose time is longer than what is waited for before it counts as lost.
        self.orders.allow_provider_timeout(settings.resilience.provider_timeout);
        self.orders.replace_registry(registry);
        self.orders.replace_routes(settings.routes);
        self.outbox.replace_clients(Clients::new(&settings.auth));
        self.api.replace_identities(Identities::new(&settings.auth));
        self.replace_credentials(credentials);
        Ok(waiting)
    }

    fn replace_credentials(&self, now: Credentials) {
        let mut before = self.credentials.lock();
        for change in now.since(&before) {
            tracing::warn!(
                security = "key_change",
                client = change.client,
                account = change.account,
                change = change.what,
                "credentials were changed by a reload"
            );
        }
        *before = now;
    }

    fn waiting(&self, new: &Settings) -> Vec<&'static str> {
        let old = &self.started;
        let sections = [
            ("server", !new.server.same_but_tls(&old.server)),
            ("store", new.store != old.store),
            ("limits", new.limits != old.limits),
            ("webhooks", new.webhooks != old.webhooks),
            ("log", new.log != old.log),
            ("tracing", new.tracing != old.tracing),
        ];
        sections.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }
}

fn switched(how: &str) -> ConfigErrors {
    vec![KeyError::new("server.tls", format!("TLS cannot be switched {how} while it runs; restart guichet"))]
        .into()
}
