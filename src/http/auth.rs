//! Who calls: API keys, looked up by their SHA-256.

use std::collections::{BTreeSet, HashMap};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use super::{Api, error::Failed, guard::RequestId};
use crate::{
    config::{AllowedAccounts, AuthMode, AuthSettings, Scope, api_key},
    orders::Caller,
    problem::{Problem, ProblemCode},
};

/// Who may call, by the SHA-256 of its key.
#[derive(Debug, Default)]
pub struct Identities {
    /// `None`: everybody may do everything (loopback only).
    clients: Option<HashMap<[u8; 32], Client>>,
}

#[derive(Debug, Clone)]
struct Client {
    name: String,
    scopes: BTreeSet<Scope>,
    accounts: AllowedAccounts,
}

impl Identities {
    /// The clients of this configuration.
    pub fn new(settings: &AuthSettings) -> Self {
        if settings.mode == AuthMode::None {
            return Self { clients: None };
        }
        let mut clients = HashMap::new();
        for client in &settings.clients {
            for hash in &client.key_sha256 {
                let known = Client {
                    name: client.name.clone(),
                    scopes: client.scopes.clone(),
                    accounts: client.accounts.clone(),
                };
                clients.insert(*hash, known);
            }
        }
        Self { clients: Some(clients) }
    }

    fn find(&self, headers: &HeaderMap) -> Option<Client> {
        let Some(clients) = &self.clients else {
            return Some(Client {
                name: "anonymous".to_owned(),
                scopes: Scope::ALL.into_iter().collect(),
                accounts: AllowedAccounts::All,
            });
        };
        // Looking up a hash of 256 random bits tells nothing by its time.
        clients.get(&api_key::sha256(key(headers)?)).cloned()
    }
}

/// The key from `Authorization: Bearer` or `X-API-Key`.
fn key(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| key.trim());
    }
    headers.get("x-api-key")?.to_str().ok()
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
        let Some(client) = api.identities().find(&parts.headers) else {
            tracing::warn!(security = "failed_login", "no valid credentials");
            return Err(Problem::plain(ProblemCode::Unauthenticated).into());
        };
        Ok(Self(Caller { client: client.name, accounts: client.accounts, scopes: client.scopes, request_id }))
    }
}
