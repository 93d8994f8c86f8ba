//! Tokens of one issuer (RFC 7519, RFC 9068): what a valid one says about its caller.

mod keys;
mod signature;

use std::{collections::BTreeSet, sync::Arc};

use jsonwebtoken::{AlgorithmFamily, Validation, errors::ErrorKind};
use serde::Deserialize;

use crate::config::{AllowedAccounts, JwtSettings, Scope};
use keys::IssuerKeys;

/// Seconds by which our clock and the issuer's may differ.
const LEEWAY_SECONDS: u64 = 30;
/// Longest name of a client, in bytes.
const NAME_MAX: usize = 128;

/// Why a token is refused: a stable word for the log. Callers are not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// No token at all, one that cannot be read, or one with `alg` `none`.
    Malformed,
    /// Its algorithm is not on the list.
    Algorithm,
    /// It is no access token, or wants something of us that we do not know (`crit`).
    Type,
    /// Its issuer does not have this key, or the key is not for this algorithm.
    UnknownKey,
    /// The signature is not the issuer's.
    Signature,
    /// `iss` is missing or another one.
    Issuer,
    /// `aud` is missing or another one.
    Audience,
    /// Its time is over, or it has no end.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// Neither `client_id` nor `sub` names the client.
    Nameless,
}

impl Denied {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Nameless => "nameless",
        }
    }
}

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bearer {
    /// `jwt:` and the token's `client_id`, else its `sub`. The prefix keeps it apart from clients with an API key: their
    /// idempotency keys must never meet.
    pub(super) name: String,
    pub(super) scopes: BTreeSet<Scope>,
    pub(super) accounts: AllowedAccounts,
}

/// Words in one text, separated by spaces, or a list of them: issuers differ.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let (text, list) = match self {
            Self::Text(text) => (Some(text.split(' ')), None),
            Self::List(list) => (None, Some(list.iter().map(String::as_str))),
        };
        text.into_iter().flatten().chain(list.into_iter().flatten()).filter(|word| !word.is_empty())
    }
}

#[derive(Debug, Deserialize)]
struct Claims {
    client_id: Option<String>,
    sub: Option<String>,
    scope: Option<Words>,
    scp: Option<Words>,
    accounts: Option<Words>,
}

/// The tokens of one issuer.
#[derive(Debug)]
pub(super) struct Tokens {
    keys: Arc<IssuerKeys>,
    /// The allowed algorithms with the rules for the claims, one for each kind of key.
    rules: Vec<(AlgorithmFamily, Validation)>,
}

impl Tokens {
    /// Tokens by these settings. Begins to fetch the issuer's keys, and goes on until it is dropped; to be called in
    /// the runtime. `None` when issuer, audience or address are missing.
    pub(super) fn start(settings: &JwtSettings) -> Option<Self> {
        Self::with_keys(settings, IssuerKeys::start(settings.jwks_url.clone()?))
    }

    /// The same with keys that are never fetched, for the fuzz targets; and how many of the set are usable.
    #[cfg(feature = "faults")]
    pub(super) fn fixed(settings: &JwtSettings, set: &[u8]) -> Option<(Self, usize)> {
        let keys = IssuerKeys::fixed(set).ok()?;
        let count = keys.count();
        Some((Self::with_keys(settings, keys)?, count))
    }

    fn with_keys(settings: &JwtSettings, keys: Arc<IssuerKeys>) -> Option<Self> {
        let (issuer, audience) = (settings.issuer.as_ref()?, settings.audience.as_ref()?);
        signature::install();
        let mut rules: Vec<(AlgorithmFamily, Validation)> = Vec::new();
        for algorithm in settings.algorithms.iter().filter_map(|name| signature::algorithm(name)) {
            let family = algorithm.family();
            match rules.iter_mut().find(|(known, _)| *known == family) {
                Some((_, validation)) => validation.algorithms.push(algorithm),
                None => rules.push((family, validation(algorithm, issuer, audience))),
            }
        }
        Some(Self { keys, rules })
    }

    /// Takes over what these know of the keys of the same issuer.
    pub(super) fn begin_with(&self, before: &Self) {
        self.keys.begin_with(&before.keys);
    }

    /// Checks a token and says who it speaks for.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) async fn bearer(&self, token: &str) -> Result<Bearer, Denied> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Denied::Malformed)?;
        let (_, validation) = self
            .rules
            .iter()
            .find(|(_, validation)| validation.algorithms.contains(&header.alg))
            .ok_or(Denied::Algorithm)?;
        if header.crit.is_some() || !header.typ.as_deref().is_some_and(is_access_token) {
            return Err(Denied::Type);
        }
        let id = header.kid.as_deref().ok_or(Denied::UnknownKey)?;
        let key = self.keys.find(id, header.alg).await.ok_or(Denied::UnknownKey)?;
        let token = jsonwebtoken::decode::<Claims>(token, &key, validation);
        bearer(&token.map_err(|error| denied(error.kind()))?.claims)
    }
}

fn validation(algorithm: jsonwebtoken::Algorithm, issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY_SECONDS;
    validation
}

/// `at+jwt` (RFC 9068), and `JWT`, which many issuers still write.
fn is_access_token(typ: &str) -> bool {
    ["at+jwt", "application/at+jwt", "JWT"].iter().any(|known| typ.eq_ignore_ascii_case(known))
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the enum is open; every reason is a no")]
fn denied(kind: &ErrorKind) -> Denied {
    match kind {
        ErrorKind::InvalidSignature => Denied::Signature,
        ErrorKind::InvalidIssuer => Denied::Issuer,
        ErrorKind::InvalidAudience => Denied::Audience,
        ErrorKind::ExpiredSignature => Denied::Expired,
        ErrorKind::ImmatureSignature => Denied::NotYetValid,
        ErrorKind::InvalidAlgorithm => Denied::Algorithm,
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "exp" => Denied::Expired,
            "iss" => Denied::Issuer,
            "aud" => Denied::Audience,
            _ => Denied::Malformed,
        },
        _ => Denied::Malformed,
    }
}

fn bearer(claims: &Claims) -> Result<Bearer, Denied> {
    let name = claims.client_id.as_ref().or(claims.sub.as_ref()).ok_or(Denied::Nameless)?;
    if !((1..=NAME_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(Denied::Nameless);
    }
    let granted = |word: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
    let words = claims.scope.iter().chain(claims.scp.iter());
    let scopes = words.flat_map(Words::iter).filter_map(granted).collect();
    let accounts: BTreeSet<String> =
        claims.accounts.iter().flat_map(Words::iter).map(str::to_owned).collect();
    let accounts =
        if accounts.contains("*") { AllowedAccounts::All } else { AllowedAccounts::Named(accounts) };
    Ok(Bearer { name: format!("jwt:{name}"), scopes, accounts })
}

#[cfg(test)]
mod tests;
