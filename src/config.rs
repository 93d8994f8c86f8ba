//! Configuration: the embedded `config/default.toml`, over it the operator's file, over it environment variables.
//!
//! Every key is known or refused, and all problems are reported at once. This module names no provider: an account's own
//! keys stay untyped ([`AccountSettings`]) until its adapter asks for them. Values read as text stay text, so that the
//! number `016683` keeps its zero.

mod address;
pub mod api_key;
mod auth;
mod environment;
mod error;
mod exposed;
mod gateway;
mod routes;
mod section;
mod settings;
#[cfg(test)]
mod tests;
mod tls;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use config::{FileFormat, Source};

pub use address::{Network, StoreUrl};
pub use auth::{AllowedAccounts, AuthMode, AuthSettings, ClientSettings, JwtSettings, Scope};
pub use environment::Environment;
pub use error::ConfigErrors;
pub use gateway::GatewaySettings;
pub use guichet_port::settings::{AccountSettings, KeyError};
pub use routes::RouteRule;
pub use section::{Read, Reported, Section};
pub use settings::{
    LimitSettings, LogFormat, LogLevel, LogSettings, ResilienceSettings, ServerSettings, StoreSettings,
    TracingSettings, WebhookSettings,
};
pub use tls::{ClientCertificates, TlsMaterial, TlsSettings};

use guichet_port::settings::{Content, Origin, Table, overlay};
use written::table_from_file;

/// The manual and the defaults in one.
const DEFAULT_TOML: &str = include_str!("../config/default.toml");
/// The section of the sandbox's program, which reads it with [`load_section`].
const SANDBOX: &str = "sandbox";

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[server]`.
    pub server: ServerSettings,
    /// `[store]`.
    pub store: StoreSettings,
    /// `[auth]`.
    pub auth: AuthSettings,
    /// `[accounts.<name>]`, by name.
    pub accounts: BTreeMap<String, AccountSettings>,
    /// `[[routes]]`, in the order in which they are tried.
    pub routes: Vec<RouteRule>,
    /// `[resilience]`.
    pub resilience: ResilienceSettings,
    /// `[limits]`.
    pub limits: LimitSettings,
    /// `[webhooks]`.
    pub webhooks: WebhookSettings,
    /// Whether there is a `[sandbox]`, which this program has no use for.
    pub has_sandbox: bool,
    /// `[log]`.
    pub log: LogSettings,
    /// `[tracing]`.
    pub tracing: TracingSettings,
    /// The files that hold a secret, the configuration file itself included.
    secret_files: BTreeSet<PathBuf>,
}

impl Settings {
    /// The files with secrets that others than their owner can read. A warning, no error: container platforms mount secrets
    /// like that.
    pub fn exposed_files(&self) -> Vec<PathBuf> {
        exposed::readable_by_others(&self.secret_files)
    }

    /// What `serve` needs beyond a readable configuration: somebody to call and something to call for.
    ///
    /// # Errors
    /// There is no account, or no client although clients need a key.
    pub fn validate_for_serve(&self) -> Result<(), ConfigErrors> {
        let mut problems = Vec::new();
        if self.accounts.is_empty() {
            let wrong = "there is none; configure at least one, or try `guichet-sandbox`";
            problems.push(KeyError::new("accounts", wrong));
        }
        if self.auth.mode == AuthMode::ApiKey && self.auth.clients.is_empty() {
            let wrong =
                "there is none, so every call would be refused; `guichet key new` makes a key for one";
            problems.push(KeyError::new("auth.clients", wrong));
        }
        // Again: a reload keeps the addresses of the start.
        problems.extend(self.auth.mismatches(&self.server));
        if problems.is_empty() { Ok(()) } else { Err(ConfigErrors::from(problems)) }
    }

    fn read(table: Table, problems: &mut Vec<KeyError>) -> Read<Self> {
        let secret_files = exposed::secret_files(&table);
        let mut root = Section::root(table, problems);
        let blocks = root.blocks("accounts");
        let names: BTreeSet<String> = blocks.keys().cloned().collect();
        let server = ServerSettings::read(root.child("server"));
        let store = StoreSettings::read(root.child("store"));
        let auth = AuthSettings::read(root.child("auth"), &names);
        if let (Ok(server), Ok(auth)) = (&server, &auth) {
            for problem in auth.mismatches(server) {
                root.report(problem);
            }
        }
        let accounts = read_accounts(blocks, root.problems());
        let routes = root.each("routes", |rule| RouteRule::read(rule, &names));
        if let Ok(routes) = &routes {
            for problem in routes::repeated(routes) {
                root.report(problem);
            }
        }
        let resilience = ResilienceSettings::read(root.child("resilience"));
        let limits = LimitSettings::read(root.child("limits"));
        let webhooks = WebhookSettings::read(root.child("webhooks"));
        let has_sandbox = root.take(SANDBOX).is_some();
        let log = LogSettings::read(root.child("log"));
        let tracing = TracingSettings::read(root.child("tracing"));
        root.finish();
        Ok(Self {
            server: server?,
            store: store?,
            auth: auth?,
            accounts,
            routes: routes?,
            resilience: resilience?,
            limits: limits?,
            webhooks: webhooks?,
            has_sandbox,
            log: log?,
            tracing: tracing?,
            secret_files,
        })
    }
}

/// Reads the file (`--config`, else `GUICHET_CONFIG`, else none) and the environment over the defaults. Secrets of
/// accounts are read when their adapter asks for them.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(config_flag: Option<&Path>, environment: &Environment) -> Result<Settings, ConfigErrors> {
    let mut problems = Vec::new();
    let table = layers(DEFAULT_TOML, config_flag, environment, &mut problems)?;
    match Settings::read(table, &mut problems) {
        Ok(settings) if problems.is_empty() => Ok(settings),
        Ok(_) | Err(_) => Err(ConfigErrors::from(problems)),
    }
}

/// Reads one section that is not the service's own, such as the sandbox's: from the same file and variables, over the
/// defaults in `default_toml`.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load_section<T>(
    name: &str,
    default_toml: &str,
    config_flag: Option<&Path>,
    environment: &Environment,
    read: impl FnOnce(Section<'_>) -> Read<T>,
) -> Result<T, ConfigErrors> {
    let mut problems = Vec::new();
    let table = layers(default_toml, config_flag, environment, &mut problems)?;
    let section = read(Section::root(table, &mut problems).child(name));
    match section {
        Ok(section) if problems.is_empty() => Ok(section),
        Ok(_) | Err(_) => Err(ConfigErrors::from(problems)),
    }
}

/// The file and the variables over these defaults.
fn layers(
    default_toml: &str,
    config_flag: Option<&Path>,
    environment: &Environment,
    problems: &mut Vec<KeyError>,
) -> Result<Table, ConfigErrors> {
    let mut table = parse(default_toml, &Origin::Default, problems);
    if let Some(path) = environment.config_path(config_flag) {
        overlay(&mut table, read_file(path, problems));
        // What such a file would have said is not known, so the rest cannot be judged.
        if !problems.is_empty() {
            return Err(ConfigErrors::from(std::mem::take(problems)));
        }
    }
    overlay(&mut table, environment.layer(problems));
    Ok(table)
}

/// The defaults alone: no accounts, no clients. The sandbox starts from them.
#[allow(clippy::expect_used, reason = "the file is part of the binary and a test reads it")]
pub fn sandbox_defaults() -> Settings {
    load(None, &Environment::default()).expect("the embedded default.toml is valid")
}

fn read_accounts(blocks: Table, problems: &mut Vec<KeyError>) -> BTreeMap<String, AccountSettings> {
    let mut accounts = BTreeMap::new();
    for (name, block) in blocks {
        let path = format!("accounts.{name}");
        let Content::Table(keys) = block.content else {
            problems.push(block.error(&path, format!("must be a section, not {}", block.kind())));
            continue;
        };
        if let Some(account) = AccountSettings::read(name.clone(), keys, problems) {
            accounts.insert(name, account);
        }
    }
    accounts
}

fn read_file(path: PathBuf, problems: &mut Vec<KeyError>) -> Table {
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text, &Origin::File(path), problems),
        Err(error) => {
            let wrong = format!("the configuration file cannot be read: {error}");
            problems.push(KeyError::new(path.display().to_string(), wrong));
            Table::new()
        }
    }
}

fn parse(text: &str, origin: &Origin, problems: &mut Vec<KeyError>) -> Table {
    match config::File::from_str(text, FileFormat::Toml).collect() {
        Ok(table) => table_from_file(table, origin),
        Err(error) => {
            let name = match origin {
                Origin::File(path) => path.display().to_string(),
                Origin::Default | Origin::Variable(_) | Origin::Code => "default.toml".to_owned(),
            };
            problems.push(KeyError::new(name, syntax_problem(&error)));
            Table::new()
        }
    }
}

/// What the parser says about a file, without the line it quotes: that line may hold a secret.
fn syntax_problem(error: &config::ConfigError) -> String {
    let text = if let config::ConfigError::FileParse { cause, .. } = error {
        cause.to_string()
    } else {
        error.to_string()
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let place = first.strip_prefix("TOML parse error").map(str::trim);
    match (place, lines.next_back()) {
        (Some(place), Some(message)) => format!("is not valid TOML {place}: {message}"),
        (Some(place), None) => format!("is not valid TOML {place}"),
        (None, _) => format!("is not valid TOML: {first}"),
    }
}
