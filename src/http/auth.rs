//! Who calls: API keys, looked up by their SHA-256, tokens of an issuer, certificates, and the word of a trusted gateway.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use super::{
    Api,
    error::Failed,
    guard::RequestId,
    jwt::{Denied, Tokens},
    logline::CallerName,
    peer::Peer,
};
use crate::{
    config::{AllowedAccounts, AuthMode, AuthSettings, GatewaySettings, Scope, api_key},
    faults,
    orders::Caller,
    problem::{Problem, ProblemCode},
};

/// Who may call.
#[derive(Debug, Default)]
pub struct Identities {
    /// `None`: everybody may do everything (loopback only).
    clients: Option<Clients>,
    /// With `auth.mode = "jwt"`; the clients above keep their keys then.
    tokens: Option<Tokens>,
}

/// The configured clients by what proves who they are.
#[derive(Debug)]
struct Clients {
    /// By the SHA-256 of their keys.
    by_key: HashMap<[u8; 32], Arc<Client>>,
    by_certificate: HashMap<String, Arc<Client>>,
    /// By name: those that a gateway may name.
    via_gateway: HashMap<String, Arc<Client>>,
    gateway: GatewaySettings,
}

#[derive(Debug, Clone)]
struct Client {
    name: String,
    scopes: BTreeSet<Scope>,
    accounts: AllowedAccounts,
}

impl Identities {
    /// The clients of this configuration. With tokens the issuer's keys are fetched from now on, so it must be called
    /// in the runtime.
    pub fn new(settings: &AuthSettings) -> Self {
        if settings.mode == AuthMode::None {
            return Self { clients: None, tokens: None };
        }
        let tokens = (settings.mode == AuthMode::Jwt).then(|| Tokens::start(&settings.jwt)).flatten();
        Self { clients: Some(Clients::new(settings)), tokens }
    }

    /// Whether everybody may call, without proof of who it is.
    pub(super) fn are_open(&self) -> bool {
        self.clients.is_none()
    }

    /// Who sent these headers, or a word for the log that says why nobody did. A credential of the request itself goes
    /// first: it proves more than a name.
    async fn find(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Client, &'static str> {
        let Some(clients) = &self.clients else {
            return Ok(Client {
                name: "anonymous".to_owned(),
                scopes: Scope::ALL.into_iter().collect(),
                accounts: AllowedAccounts::All,
            });
        };
        let named = clients.named_by_gateway(headers, peer);
        if !has_credential(headers) {
            let found = named.or_else(|| peer.and_then(|peer| clients.with_certificate(peer)));
            return found.unwrap_or(Err("missing")).cloned();
        }
        let credential = credential(headers).ok_or("missing")?;
        if faults::planted("credentials_are_logged") {
            tracing::debug!(reason = credential.text, "a credential came in");
        }
        // Looking up a hash of 256 random bits tells nothing by its time.
        if let Some(client) = clients.by_key.get(&api_key::sha256(credential.text)) {
            return Ok(Client::clone(client));
        }
        match &self.tokens {
            Some(tokens) if credential.is_bearer => {
                let bearer = tokens.bearer(credential.text).await.map_err(Denied::as_str)?;
                Ok(Client { name: bearer.name, scopes: bearer.scopes, accounts: bearer.accounts })
            }
            _ => Err("unknown_key"),
        }
    }
}

impl Clients {
    fn new(settings: &AuthSettings) -> Self {
        let mut clients = Self {
            by_key: HashMap::new(),
            by_certificate: HashMap::new(),
            via_gateway: HashMap::new(),
            gateway: settings.gateway.clone(),
        };
        for client in &settings.clients {
            let known = Arc::new(Client {
                name: client.name.clone(),
                scopes: client.scopes.clone(),
                accounts: client.accounts.clone(),
            });
            clients.by_key.extend(client.key_sha256.iter().map(|hash| (*hash, Arc::clone(&known))));
            let certificates = client.certificates.iter();
            clients.by_certificate.extend(certificates.map(|id| (id.clone(), Arc::clone(&known))));
            if client.via_gateway {
                clients.via_gateway.insert(client.name.clone(), known);
            }
        }
        clients
    }

    /// The client that a trusted peer names. `None`: nobody is named, or nobody who is trusted says so.
    fn named_by_gateway(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Option<Result<&Client, &'static str>> {
        let gateway = &self.gateway;
        if !gateway.is_on() {
            return None;
        }
        let mut values = headers.get_all(&gateway.client_header).iter();
        let first = values.next()?;
        let is_trusted = peer.is_some_and(|peer| {
            gateway.trusted_peers.iter().any(|network| network.contains(peer.address))
                || peer.certificate.iter().any(|id| gateway.trusted_certificates.contains(id))
        });
        if !is_trusted {
            tracing::warn!(
                security = "untrusted_identity_header",
                peer = peer.map(|peer| tracing::field::display(peer.address)),
                "a peer that is not trusted says who it is; that is ignored"
            );
            return None;
        }
        // Twice: the gateway added its word to a caller's own instead of replacing it.
        if values.next().is_some() {
            return Some(Err("two_identity_headers"));
        }
        let client = first.to_str().ok().and_then(|name| self.via_gateway.get(name));
        Some(client.map(AsRef::as_ref).ok_or("unknown_client_of_gateway"))
    }

    /// The client whose certificate the peer showed.
    fn with_certificate(&self, peer: &Peer) -> Option<Result<&Client, &'static str>> {
        let mut found = peer.certificate.iter().filter_map(|id| self.by_certificate.get(id));
        let client = found.next()?;
        if found.any(|other| other.name != client.name) {
            return Some(Err("certificate_of_two_clients"));
        }
        Some(Ok(client))
    }
}

/// What a caller shows to prove who it is.
struct Credential<'a> {
    text: &'a str,
    is_bearer: bool,
}

/// Whether a caller shows something, right or wrong.
fn has_credential(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-api-key")
}

/// A key or token from `Authorization: Bearer`, or a key from `X-API-Key`.
fn credential(headers: &HeaderMap) -> Option<Credential<'_>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
        let is_bearer = scheme.eq_ignore_ascii_case("bearer");
        return is_bearer.then(|| Credential { text: text.trim(), is_bearer });
    }
    let text = headers.get("x-api-key")?.to_str().ok()?;
    Some(Credential { text, is_bearer: false })
}

/// The authenticated caller of a request.
#[derive(Debug)]
pub(super) struct Authenticated(pub(super) Caller);

impl Authenticated {
    /// The caller, if it has this scope.
    pub(super) fn with(self, scope: Scope) -> Result<Caller, Failed> {
        if self.0.scopes.contains(&scope) {
            return Ok(self.0);
        }
        tracing::warn!(security = "missing_scope", client = %self.0.client, scope = scope.as_str(), "a scope is missing");
        Err(Problem::new(
            ProblemCode::Forbidden,
            format!("the client's credential does not have the scope {}", scope.as_str()),
        )
        .into())
    }
}

impl FromRequestParts<Api> for Authenticated {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failed> {
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let peer = parts.extensions.get::<Arc<Peer>>().map(AsRef::as_ref);
        let client = match api.identities().find(&parts.headers, peer).await {
            Ok(client) => client,
            Err(reason) => {
                tracing::warn!(security = "failed_login", reason, "no valid credentials");
                return Err(Problem::plain(ProblemCode::Unauthenticated).into());
            }
        };
        if let Some(name) = parts.extensions.get::<CallerName>() {
            name.set(&client.name);
        }
        if !api.limits.allows(&client.name) {
            tracing::warn!(security = "rate_limit", client = %client.name, "a client sends more than its rate");
            return Err(Problem::plain(ProblemCode::RateLimited).into());
        }
        Ok(Self(Caller { client: client.name, accounts: client.accounts, scopes: client.scopes, request_id }))
    }
}
