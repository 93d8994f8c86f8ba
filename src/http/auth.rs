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
    every_request::RequestId,
    jwt::{Denied, Tokens},
    logline::CallerName,
    peer::Peer,
    proof::Proof,
    seats::Seat,
};
use crate::{
    config::{AllowedAccounts, AuthMode, AuthSettings, GatewaySettings, JwtSettings, Scope, api_key},
    orders::Caller,
    problem::{Problem, ProblemCode},
    telemetry::SecurityLog,
};

/// Who may call.
#[derive(Debug)]
pub struct Identities {
    /// `None`: everybody may do everything (loopback only).
    clients: Option<Clients>,
    /// With `auth.mode = "jwt"`; the clients above keep their keys then.
    tokens: Option<Tokens>,
    /// Of the tokens above.
    issuer: Arc<JwtSettings>,
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
        let issuer = Arc::new(settings.jwt.clone());
        if settings.mode == AuthMode::None {
            return Self { clients: None, tokens: None, issuer };
        }
        let tokens = (settings.mode == AuthMode::Jwt).then(|| Tokens::start(&settings.jwt)).flatten();
        Self { clients: Some(Clients::new(settings)), tokens, issuer }
    }

    /// Whether this proof still makes its caller who it was, with this scope and at least its accounts of then. That a token
    /// has expired is not looked at.
    pub(super) fn still_allow(&self, proof: &Proof, caller: &Caller, scope: Scope) -> bool {
        let client = match (proof, &self.clients) {
            (Proof::NotNeeded, clients) => return clients.is_none(),
            (_, None) => return false,
            (Proof::Token { issuer, .. }, Some(_)) => return self.tokens.is_some() && *issuer == self.issuer,
            (Proof::Key(hash), Some(clients)) => clients.by_key.get(hash).map(AsRef::as_ref),
            (Proof::Certificate(peer), Some(clients)) => clients.with_certificate(peer).and_then(Result::ok),
            (Proof::Gateway(name, peer), Some(clients)) => {
                clients.via_gateway.get(name).map(AsRef::as_ref).filter(|_| clients.trusts(peer))
            }
        };
        client.is_some_and(|client| {
            client.name == caller.client
                && client.scopes.contains(&scope)
                && client.accounts.cover(&caller.accounts)
        })
    }

    /// Takes over what these know of the issuer's keys.
    pub(super) fn begin_with(&self, before: &Self) {
        if let (Some(tokens), Some(before)) = (&self.tokens, &before.tokens) {
            tokens.begin_with(before);
        }
    }

    /// Whether everybody may call, without proof of who it is.
    pub(super) fn are_open(&self) -> bool {
        self.clients.is_none()
    }

    /// Who sent these headers, or a word for the log that says why nobody did. A credential of the request itself goes
    /// first: it proves more than a name.
    async fn find(
        &self,
        headers: &HeaderMap,
        peer: Option<&Arc<Peer>>,
        log: &SecurityLog,
    ) -> Result<(Client, Proof), &'static str> {
        let Some(clients) = &self.clients else {
            let client = Client {
                name: "anonymous".to_owned(),
                scopes: Scope::ALL.into_iter().collect(),
                accounts: AllowedAccounts::All,
            };
            return Ok((client, Proof::NotNeeded));
        };
        let named = clients.named_by_gateway(headers, peer.map(AsRef::as_ref), log);
        if !has_credential(headers) {
            let peer = peer.ok_or("missing")?;
            return match (named, clients.with_certificate(peer)) {
                (Some(named), _) => {
                    let client = Client::clone(named?);
                    let proof = Proof::Gateway(client.name.clone(), Arc::clone(peer));
                    Ok((client, proof))
                }
                (None, Some(shown)) => Ok((Client::clone(shown?), Proof::Certificate(Arc::clone(peer)))),
                (None, None) => Err("missing"),
            };
        }
        let credential = credential(headers).ok_or("missing")?;
        // Looking up a hash of 256 random bits tells nothing by its time.
        let hash = api_key::sha256(credential.text);
        if let Some(client) = clients.by_key.get(&hash) {
            return Ok((Client::clone(client), Proof::Key(hash)));
        }
        match &self.tokens {
            Some(tokens) if credential.is_bearer => {
                let bearer = tokens.bearer(credential.text).await.map_err(Denied::as_str)?;
                let client = Client { name: bearer.name, scopes: bearer.scopes, accounts: bearer.accounts };
                let issuer = Arc::clone(&self.issuer);
                Ok((client, Proof::Token { expires_at: bearer.expires_at, issuer }))
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
        log: &SecurityLog,
    ) -> Option<Result<&Client, &'static str>> {
        let gateway = &self.gateway;
        if !gateway.is_on() {
            return None;
        }
        let mut values = headers.get_all(&gateway.client_header).iter();
        let first = values.next()?;
        if !peer.is_some_and(|peer| self.trusts(peer)) {
            if let Some(left_out) = log.saw("untrusted_identity_header", "ignored") {
                tracing::warn!(
                    security = "untrusted_identity_header",
                    peer = peer.map(|peer| tracing::field::display(peer.address)),
                    left_out,
                    "a peer that is not trusted says who it is; that is ignored"
                );
            }
            return None;
        }
        // Twice: the gateway added its word to a caller's own instead of replacing it.
        if values.next().is_some() {
            return Some(Err("two_identity_headers"));
        }
        let client = first.to_str().ok().and_then(|name| self.via_gateway.get(name));
        Some(client.map(AsRef::as_ref).ok_or("unknown_client_of_gateway"))
    }

    /// Whether a peer is a gateway whose word counts.
    fn trusts(&self, peer: &Peer) -> bool {
        let gateway = &self.gateway;
        gateway.is_on()
            && (gateway.trusted_peers.iter().any(|network| network.contains(peer.address))
                || peer.certificate.iter().any(|id| gateway.trusted_certificates.contains(id)))
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

/// The authenticated caller of a request, and what proved who it is.
#[derive(Debug)]
pub(super) struct Authenticated(pub(super) Caller, Proof, Arc<SecurityLog>);

impl Authenticated {
    /// The caller, if it has this scope.
    pub(super) fn with(self, scope: Scope) -> Result<Caller, Failed> {
        Ok(self.with_proof(scope)?.0)
    }

    /// The same with the proof, for what goes on after the request.
    pub(super) fn with_proof(self, scope: Scope) -> Result<(Caller, Proof), Failed> {
        if self.0.scopes.contains(&scope) {
            return Ok((self.0, self.1));
        }
        if let Some(left_out) = self.2.saw("missing_scope", scope.as_str()) {
            tracing::warn!(
                security = "missing_scope", client = %self.0.client, scope = scope.as_str(), left_out,
                "a scope is missing"
            );
        }
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
        let peer = parts.extensions.get::<Arc<Peer>>();
        let (client, proof) = match api.identities().find(&parts.headers, peer, &api.security).await {
            Ok(found) => found,
            Err(reason) => {
                if let Some(left_out) = api.security.saw("failed_login", reason) {
                    tracing::warn!(security = "failed_login", reason, left_out, "no valid credentials");
                }
                return Err(Problem::plain(ProblemCode::Unauthenticated).into());
            }
        };
        api.outbox.saw(&client.name);
        if let Some(name) = parts.extensions.get::<CallerName>() {
            name.set(&client.name);
        }
        if !api.limits.allows(&client.name) {
            if let Some(left_out) = api.security.saw("rate_limit", "client") {
                tracing::warn!(
                    security = "rate_limit", client = %client.name, left_out,
                    "a client sends more than its rate"
                );
            }
            return Err(Problem::plain(ProblemCode::RateLimited).into());
        }
        if let Some(seat) = parts.extensions.get::<Arc<Seat>>() {
            seat.belongs_to(&client.name)?;
        }
        let caller =
            Caller { client: client.name, accounts: client.accounts, scopes: client.scopes, request_id };
        Ok(Self(caller, proof, Arc::clone(&api.security)))
    }
}
