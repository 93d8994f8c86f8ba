//! Who calls: API keys, looked up by their SHA-256, and tokens of an issuer.

use std::collections::{BTreeSet, HashMap};

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
};
use crate::{
    config::{AllowedAccounts, AuthMode, AuthSettings, Scope, api_key},
    faults,
    orders::Caller,
    problem::{Problem, ProblemCode},
};

/// Who may call.
#[derive(Debug, Default)]
pub struct Identities {
    /// By the SHA-256 of their keys. `None`: everybody may do everything (loopback only).
    clients: Option<HashMap<[u8; 32], Client>>,
    /// With `auth.mode = "jwt"`; the clients above keep their keys then.
    tokens: Option<Tokens>,
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
        let tokens = (settings.mode == AuthMode::Jwt).then(|| Tokens::start(&settings.jwt)).flatten();
        Self { clients: Some(clients), tokens }
    }

    /// Who sent these headers, or a word for the log that says why nobody did.
    async fn find(&self, headers: &HeaderMap) -> Result<Client, &'static str> {
        let Some(clients) = &self.clients else {
            return Ok(Client {
                name: "anonymous".to_owned(),
                scopes: Scope::ALL.into_iter().collect(),
                accounts: AllowedAccounts::All,
            });
        };
        let credential = credential(headers).ok_or("missing")?;
        if faults::planted("credentials_are_logged") {
            tracing::debug!(credential = credential.text, "a credential came in");
        }
        // Looking up a hash of 256 random bits tells nothing by its time.
        if let Some(client) = clients.get(&api_key::sha256(credential.text)) {
            return Ok(client.clone());
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

/// What a caller shows to prove who it is.
struct Credential<'a> {
    text: &'a str,
    is_bearer: bool,
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
        let client = match api.identities().find(&parts.headers).await {
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
