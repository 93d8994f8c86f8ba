//! Who may call: `[auth]`, `[auth.jwt]` and `[[auth.clients]]`.

use std::collections::BTreeSet;

use super::gateway::{GatewaySettings, NO_CERTIFICATES, certificate_id};
use super::section::{Read, Section};
use super::settings::ServerSettings;
use super::tls::TlsSettings;
use guichet_port::settings::{KeyError, is_loopback, plain_url, unknown_value};

/// How callers prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// With a key whose hash is configured.
    ApiKey,
    /// With a token of an issuer.
    Jwt,
    /// Not at all; on loopback only.
    None,
}

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See orders, operations and accounts.
    OrdersRead,
    /// Make payment links and pages.
    OrdersCreate,
    /// Change an open order.
    OrdersUpdate,
    /// Cancel all or part of an order.
    OrdersCancel,
    /// Give money back.
    OrdersRefund,
    /// Take reserved money.
    OrdersCapture,
    /// Follow the stream of events.
    EventsRead,
    /// Say where events are delivered.
    EndpointsAdmin,
    /// Decide how an operation ended.
    OperationsSettle,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::OrdersRead,
        Self::OrdersCreate,
        Self::OrdersUpdate,
        Self::OrdersCancel,
        Self::OrdersRefund,
        Self::OrdersCapture,
        Self::EventsRead,
        Self::EndpointsAdmin,
        Self::OperationsSettle,
    ];

    /// Its name in configuration, tokens and documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrdersRead => "orders:read",
            Self::OrdersCreate => "orders:create",
            Self::OrdersUpdate => "orders:update",
            Self::OrdersCancel => "orders:cancel",
            Self::OrdersRefund => "orders:refund",
            Self::OrdersCapture => "orders:capture",
            Self::EventsRead => "events:read",
            Self::EndpointsAdmin => "endpoints:admin",
            Self::OperationsSettle => "operations:settle",
        }
    }

    fn parse(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == name);
        found.ok_or_else(|| unknown_value("scope", name, Self::ALL.map(Self::as_str)))
    }
}

/// The accounts a client may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedAccounts {
    /// Every account, also one that is configured later.
    All,
    /// These.
    Named(BTreeSet<String>),
}

impl AllowedAccounts {
    /// Whether an account is among them.
    pub fn contains(&self, account: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(account),
        }
    }

    /// Whether every account of `others` is among them.
    pub fn cover(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::All, _) => true,
            (Self::Named(_), Self::All) => false,
            (Self::Named(names), Self::Named(others)) => names.is_superset(others),
        }
    }

    /// Their names; `None` means every account.
    pub fn names(&self) -> Option<Vec<String>> {
        match self {
            Self::All => None,
            Self::Named(names) => Some(names.iter().cloned().collect()),
        }
    }
}

/// One `[[auth.clients]]` block: an internal service.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Its name in logs and in the audit trail; unique.
    pub name: String,
    /// SHA-256 of each of its keys; unique over all clients.
    pub key_sha256: Vec<[u8; 32]>,
    /// Certificates it calls with; unique over all clients.
    pub certificates: Vec<String>,
    /// Whether a trusted gateway may name it.
    pub via_gateway: bool,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Where it may do it.
    pub accounts: AllowedAccounts,
}

impl ClientSettings {
    fn read(mut section: Section<'_>, accounts: &BTreeSet<String>) -> Read<Self> {
        let name = section.parsed("name", name);
        let key_sha256 = section.list("key_sha256", key_hash);
        let certificates = section.list("certificates", certificate_id);
        let via_gateway = section.optional_boolean("via_gateway");
        if let (Ok(keys), Ok(certificates), Ok(via_gateway)) = (&key_sha256, &certificates, &via_gateway) {
            if keys.len() > 4 {
                let wrong = format!("must have 1 to 4 members, not {}", keys.len());
                let path = section.path("key_sha256");
                section.report(KeyError::new(path, wrong));
            }
            if name.is_ok() && keys.is_empty() && certificates.is_empty() && *via_gateway != Some(true) {
                let path = section.path("key_sha256");
                let wrong =
                    "must have 1 to 4 members, unless the client has `certificates` or `via_gateway = true`";
                section.report(KeyError::new(path, wrong));
            }
        }
        let scopes = section.list_of("scopes", 1..=usize::MAX, Scope::parse);
        let allowed = section.list_of("accounts", 1..=usize::MAX, |name| match name {
            "*" => Ok(None),
            name if accounts.contains(name) => Ok(Some(name.to_owned())),
            name => Err(unknown_value("account", name, accounts.iter().map(String::as_str))),
        });
        if let Ok(allowed) = &allowed
            && allowed.len() > 1
            && allowed.contains(&None)
        {
            let path = section.path("accounts");
            section.report(KeyError::new(path, "`*` means all accounts and must stand alone"));
        }
        section.finish();
        let named: Option<BTreeSet<String>> = allowed?.into_iter().collect();
        Ok(Self {
            name: name?,
            key_sha256: key_sha256?,
            certificates: certificates?,
            via_gateway: via_gateway?.unwrap_or(false),
            scopes: scopes?.into_iter().collect(),
            accounts: named.map_or(AllowedAccounts::All, AllowedAccounts::Named),
        })
    }
}

/// `[auth.jwt]`: tokens of one issuer. Issuer, audience and address are there when the mode is `jwt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtSettings {
    /// The `iss` a token must have.
    pub issuer: Option<String>,
    /// The `aud` a token must contain.
    pub audience: Option<String>,
    /// Where the issuer's keys are read.
    pub jwks_url: Option<String>,
    /// Signature algorithms that are accepted, all asymmetric.
    pub algorithms: Vec<String>,
}

impl JwtSettings {
    fn read(mut section: Section<'_>, is_used: bool) -> Read<Self> {
        let issuer = section.optional_text("issuer");
        let audience = section.optional_text("audience");
        let jwks_url = section.optional_text("jwks_url");
        let algorithms = section.list_of("algorithms", 1..=ALGORITHMS.len(), |name| {
            let found = ALGORITHMS.into_iter().find(|algorithm| *algorithm == name);
            found.map(str::to_owned).ok_or_else(|| unknown_value("algorithm", name, ALGORITHMS))
        });
        if is_used {
            for (key, value) in [("issuer", &issuer), ("audience", &audience), ("jwks_url", &jwks_url)] {
                if matches!(value, Ok(None)) {
                    let path = section.path(key);
                    section.report(KeyError::new(path, "is needed when auth.mode is `jwt`"));
                }
            }
        }
        if let Ok(Some(url)) = &jwks_url {
            let wrong = match plain_url(url) {
                Ok(url) if url.scheme() == "https" || is_loopback(&url) => None,
                Ok(_) => Some("must be https://; http:// is for loopback only".to_owned()),
                Err(problem) => Some(problem),
            };
            if let Some(wrong) = wrong {
                let path = section.path("jwks_url");
                section.report(KeyError::new(path, wrong));
            }
        }
        section.finish();
        Ok(Self { issuer: issuer?, audience: audience?, jwks_url: jwks_url?, algorithms: algorithms? })
    }
}

/// `[auth]`.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// How callers prove who they are.
    pub mode: AuthMode,
    /// For mode `jwt`.
    pub jwt: JwtSettings,
    /// Whose word on who calls is taken.
    pub gateway: GatewaySettings,
    /// For mode `api_key`.
    pub clients: Vec<ClientSettings>,
}

impl AuthSettings {
    /// `accounts` are the names of all account blocks.
    pub(super) fn read(mut section: Section<'_>, accounts: &BTreeSet<String>) -> Read<Self> {
        let modes = [("api_key", AuthMode::ApiKey), ("jwt", AuthMode::Jwt), ("none", AuthMode::None)];
        let mode = section.choice("mode", &modes);
        let jwt = JwtSettings::read(section.child("jwt"), matches!(mode, Ok(AuthMode::Jwt)));
        let gateway = GatewaySettings::read(section.child("gateway"));
        let clients = section.each("clients", |client| ClientSettings::read(client, accounts));
        if let Ok(clients) = &clients {
            for problem in repeated(clients) {
                section.report(problem);
            }
        }
        if let (Ok(clients), Ok(gateway)) = (&clients, &gateway)
            && !gateway.is_on()
        {
            for (position, _) in clients.iter().enumerate().filter(|(_, client)| client.via_gateway) {
                let wrong = "needs auth.gateway.trusted_peers or trusted_certificates: nobody may name it";
                section.report(KeyError::new(format!("auth.clients[{position}].via_gateway"), wrong));
            }
        }
        section.finish();
        Ok(Self { mode: mode?, jwt: jwt?, gateway: gateway?, clients: clients? })
    }

    /// What does not go together with where and how guichet listens.
    pub(super) fn mismatches(&self, server: &ServerSettings) -> Vec<KeyError> {
        let mut problems = Vec::new();
        if self.mode == AuthMode::None && !server.listen.ip().is_loopback() {
            let wrong = format!(
                "`none` is for loopback only, and server.listen is {}; use `api_key` or `jwt`",
                server.listen
            );
            problems.push(KeyError::new("auth.mode", wrong));
        }
        if !server.tls.as_ref().is_some_and(TlsSettings::asks_callers) {
            problems.extend(self.gateway.without_certificates());
            let with = self.clients.iter().enumerate().filter(|(_, client)| !client.certificates.is_empty());
            problems.extend(with.map(|(position, _)| {
                KeyError::new(format!("auth.clients[{position}].certificates"), NO_CERTIFICATES)
            }));
        }
        problems
    }
}

const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// Names, hashes and certificates that occur twice.
fn repeated(clients: &[ClientSettings]) -> Vec<KeyError> {
    let (mut names, mut hashes, mut problems) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut certificates = BTreeSet::new();
    for (position, client) in clients.iter().enumerate() {
        if !names.insert(&client.name) {
            let wrong = format!("`{}` is the name of an earlier client; each needs its own", client.name);
            problems.push(KeyError::new(format!("auth.clients[{position}].name"), wrong));
        }
        for hash in &client.key_sha256 {
            if !hashes.insert(hash) {
                let wrong = format!("{} is listed twice; a key has one client", hex::encode(hash));
                problems.push(KeyError::new(format!("auth.clients[{position}].key_sha256"), wrong));
            }
        }
        for certificate in &client.certificates {
            if !certificates.insert(certificate) {
                let wrong = format!("`{certificate}` is listed twice; a certificate has one client");
                problems.push(KeyError::new(format!("auth.clients[{position}].certificates"), wrong));
            }
        }
    }
    problems
}

/// A name of a client or route, which appears in logs.
pub(super) fn name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be 1 to 64 letters, digits, `.`, `_` or `-`, not `{text}`"))
    }
}

/// What is not a hash may be the key itself, so it is not repeated.
fn key_hash(text: &str) -> Result<[u8; 32], String> {
    let mut hash = [0; 32];
    match hex::decode_to_slice(text, &mut hash) {
        Ok(()) => Ok(hash),
        Err(_) => Err("must be the SHA-256 of a key, 64 hex digits; see `guichet key new`".to_owned()),
    }
}
