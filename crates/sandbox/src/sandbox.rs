//! The sandbox: a simulator of each provider, accounts that point at them, a store that starts afresh.

use std::{fmt::Write as _, net::Ipv4Addr, path::Path};

use guichet::{
    app::{App, DEFAULT_PUBLIC_URL, StartError},
    config::{
        AccountSettings, AllowedAccounts, AuthMode, ClientSettings, Network, Scope, Settings, StoreUrl,
        api_key,
    },
    store::{Store, StoreError, sqlite::SqliteStore},
};
use guichet_simulator::{self as simulator, RunningSimulators, SimulatorOptions};
use secrecy::ExposeSecret;

use crate::section::SandboxSettings;

/// Where the sandbox keeps its store.
const FOLDER: &str = "guichet-data";
/// A sample order of the provider pages, for the printed `curl` line.
const SAMPLE_ORDER: &str = "systempay_d63e7f507a6f4dfa86cb40a833ecfd85";

/// A sandbox ready to serve, and what to tell the person who started it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// The service.
    pub(crate) app: App,
    /// The simulators behind it.
    pub(crate) simulators: RunningSimulators,
    /// Addresses and a `curl` line that works as printed.
    pub(crate) greeting: String,
}

/// Starts simulators and service. Of `settings` the addresses, limits and log are used; accounts, store and
/// clients are the sandbox's own.
///
/// # Errors
/// What keeps it from starting, in words.
pub(crate) async fn start(mut settings: Settings, own: &SandboxSettings) -> Result<Sandbox, StartError> {
    let (remote, mut listen) = (own.allow_remote, own.simulators_listen);
    if remote {
        for address in [&mut settings.server.listen, &mut listen] {
            // Only where nobody chose an address: the defaults are the loopback's well-known ports.
            if address.ip().is_loopback() && matches!(address.port(), 8080 | 8090) {
                address.set_ip(Ipv4Addr::UNSPECIFIED.into());
            }
        }
    }
    let mut simulators_url = listen;
    if simulators_url.ip().is_unspecified() {
        simulators_url.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let simulators = simulator::start(SimulatorOptions {
        listen,
        public_url: (simulators_url.port() != 0).then(|| format!("http://{simulators_url}")),
        seed_samples: true,
    })
    .await
    .map_err(|source| StartError::Listen {
        address: listen,
        key: "sandbox.simulators_listen",
        source,
    })?;
    settings.accounts = simulators
        .sandbox_accounts()
        .into_iter()
        .map(|account| {
            let block = AccountSettings::from_pairs(account.name, account.provider, account.settings);
            (account.name.to_owned(), block)
        })
        .collect();
    let key = if remote {
        let key =
            api_key::generate().map_err(|error| StartError::Other(format!("no random numbers: {error}")))?;
        settings.auth.mode = AuthMode::ApiKey;
        settings.auth.clients = vec![ClientSettings {
            name: "sandbox".to_owned(),
            key_sha256: vec![api_key::sha256(key.secret.expose_secret())],
            certificates: Vec::new(),
            via_gateway: false,
            scopes: Scope::ALL.into_iter().collect(),
            accounts: AllowedAccounts::All,
        }];
        Some(key)
    } else {
        settings.auth.mode = AuthMode::None;
        None
    };
    // Receivers of a first try run on this machine.
    let loopback = ["127.0.0.0/8", "::1/128"].map(Network::parse);
    settings.webhooks.allow_networks.extend(loopback.into_iter().flatten());
    // A first try has no load balancer that would have to notice, and no certificate.
    settings.server.drain_wait = std::time::Duration::ZERO;
    settings.server.tls = None;
    settings.auth.gateway.trusted_peers.clear();
    settings.auth.gateway.trusted_certificates.clear();
    let path = Path::new(FOLDER).join("guichet.db");
    start_afresh(&path).await?;
    settings.store.url = StoreUrl::Sqlite(path);
    if settings.server.public_url == DEFAULT_PUBLIC_URL && !matches!(settings.server.listen.port(), 0 | 8080)
    {
        // The default names the default port; payers and simulators must come back to this one.
        let mut reachable = settings.server.listen;
        if reachable.ip().is_unspecified() {
            reachable.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        settings.server.public_url = format!("http://{reachable}");
    }
    let app = App::start(settings).await?;
    // Orders made elsewhere name no address of ours: the back office of each shop does.
    for account in simulators.sandbox_accounts() {
        let url = format!("{}/notifications/{}", app.public_url().trim_end_matches('/'), account.name);
        let brand = account.settings.iter().find(|(key, _)| *key == "brand");
        let brand = brand.map_or(account.name, |(_, brand)| brand.as_str());
        if let Err(error) = simulators.control().set_notification_url(account.provider, brand, &url) {
            tracing::warn!(%error, account = account.name, "its simulator takes no address of notifications");
        }
    }
    let greeting = greeting(&app, &simulators, key.as_ref().map(|key| key.secret.expose_secret()));
    Ok(Sandbox { app, simulators, greeting })
}

/// Removes the store of an earlier sandbox, unless one is still running on it.
async fn start_afresh(path: &Path) -> Result<(), StartError> {
    if path.exists() {
        match SqliteStore::open(&format!("sqlite://{}", path.display())) {
            Ok(store) => Store::close(&store).await,
            Err(error @ StoreError::Locked(_)) => return Err(error.into()),
            // Damaged or of another version: it is thrown away anyway.
            Err(_) => {}
        }
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
    }
    Ok(())
}

fn greeting(app: &App, simulators: &RunningSimulators, key: Option<&str>) -> String {
    let mut text = String::new();
    let Some(mut address) = app.address() else { return text };
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let mut simulated = simulators.local_addr();
    if simulated.ip().is_unspecified() {
        simulated.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let _ = writeln!(text, "guichet-sandbox: simulated providers, no real money\n");
    let _ = writeln!(text, "  Swagger UI  http://{address}/docs");
    let _ = writeln!(text, "  API         http://{address}");
    let _ = writeln!(text, "  Simulators  http://{simulated}/_control");
    let header = match key {
        Some(key) => {
            let _ = writeln!(text, "  API key     {key}");
            format!("-H 'X-API-Key: {key}' ")
        }
        None => String::new(),
    };
    let _ = writeln!(text, "\nTry it:\n\n  curl {header}http://{address}/orders/{SAMPLE_ORDER}\n");
    text
}
