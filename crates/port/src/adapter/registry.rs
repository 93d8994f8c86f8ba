//! Which platforms exist and which accounts are configured. No list of providers: adding one edits no `match`.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    AccountSettings, GateSettings, KeyError, ProviderAdapter, Tables,
    guarded::Guarded,
    observer::{Observer, Unobserved},
    outbound::Outbound,
};
use crate::domain::AccountName;

/// What an adapter gets besides its own settings.
#[derive(Debug, Clone)]
pub struct AdapterContext {
    /// Longest time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Longest time a change is listened for.
    pub provider_timeout: Duration,
    /// Where providers and payers reach this service, without a slash at its end.
    pub public_url: String,
    /// Hears of every call.
    pub observer: Arc<dyn Observer>,
    /// What carries the requests of every account; nothing for the network.
    pub outbound: Option<Arc<dyn Outbound>>,
}

impl AdapterContext {
    /// Requests go over the network, and nobody hears of them.
    pub fn new(public_url: impl Into<String>, connect_timeout: Duration, provider_timeout: Duration) -> Self {
        let (public_url, observer) = (public_url.into(), Arc::new(Unobserved));
        Self { connect_timeout, provider_timeout, public_url, observer, outbound: None }
    }

    /// Where providers send the notifications of an account.
    pub fn notification_url(&self, account: &AccountName) -> String {
        format!("{}/notifications/{account}", self.public_url)
    }

    /// The page that sends a payer on to the provider.
    pub fn pay_url(&self, token: &str) -> String {
        format!("{}/pay/{token}", self.public_url)
    }

    /// Where the payer's browser comes back to, before it is sent on to the caller's address.
    pub fn return_url(&self, token: &str) -> String {
        format!("{}/return/{token}", self.public_url)
    }
}

/// Builds the adapter of one account, or says what is wrong with its settings.
pub type BuildAdapter =
    fn(&AccountName, &AccountSettings, &AdapterContext) -> Result<Arc<dyn ProviderAdapter>, Vec<KeyError>>;

/// One platform, as the registry lists it.
#[derive(Clone, Copy)]
pub struct ProviderDescription {
    /// The platform's id, used as `provider` in the configuration.
    pub id: &'static str,
    /// Builds an adapter for one account.
    pub build: BuildAdapter,
    /// JSON Schema of the `provider_options` it takes, named in the OpenAPI document.
    pub options_schema: fn() -> Value,
    /// What its tables say, for the documentation.
    pub tables: fn() -> Tables,
}

impl fmt::Debug for ProviderDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderDescription").field("id", &self.id).finish_non_exhaustive()
    }
}

/// One configured account with its adapter.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name, the first part of its orders' ids.
    pub name: AccountName,
    /// The adapter that speaks for it.
    pub adapter: Arc<dyn ProviderAdapter>,
    /// How many reads a second may be made for orders that are followed.
    pub follow_reads_per_second: u32,
}

/// The accounts in force.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    accounts: BTreeMap<AccountName, Account>,
}

impl FromIterator<Account> for Registry {
    /// Accounts that were built elsewhere; of two with one name the later stays.
    fn from_iter<T: IntoIterator<Item = Account>>(accounts: T) -> Self {
        Self { accounts: accounts.into_iter().map(|account| (account.name.clone(), account)).collect() }
    }
}

impl Registry {
    /// Builds every configured account.
    ///
    /// # Errors
    /// Everything that is wrong, in words: unknown providers, settings an adapter refuses, and two accounts
    /// on the same provider, shop and mode (one order would have two ids).
    pub fn build(
        settings: &BTreeMap<String, AccountSettings>,
        providers: &[ProviderDescription],
        context: &AdapterContext,
    ) -> Result<Self, Vec<KeyError>> {
        let mut accounts = BTreeMap::new();
        let mut identities: BTreeMap<String, AccountName> = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, account) in settings {
            let Ok(name) = name.parse::<AccountName>() else {
                problems.push(KeyError::new(format!("accounts.{name}"), "is not an account name"));
                continue;
            };
            let Some(provider) = providers.iter().find(|provider| provider.id == account.provider) else {
                let known = providers.iter().map(|p| p.id).collect::<Vec<_>>().join(", ");
                problems.push(KeyError::new(
                    account.key_path("provider"),
                    format!("is not a provider this guichet has; known: {known}"),
                ));
                continue;
            };
            let follow_reads_per_second = account
                .follow_reads_per_second()
                .map_err(|problem| problems.push(problem))
                .unwrap_or_default();
            match (provider.build)(&name, account, context) {
                Ok(adapter) => {
                    let identity = format!("{} {}", provider.id, adapter.identity());
                    if let Some(other) = identities.insert(identity, name.clone()) {
                        problems.push(KeyError::new(
                            format!("accounts.{name}"),
                            format!(
                                "is the same provider, shop and mode as accounts.{other}: one order would have two ids"
                            ),
                        ));
                    }
                    accounts.insert(name.clone(), Account { name, adapter, follow_reads_per_second });
                }
                Err(errors) => problems.extend(errors),
            }
        }
        if problems.is_empty() { Ok(Self { accounts }) } else { Err(problems) }
    }

    /// The same accounts, each behind a gate of its own: so many calls under way at once, and a circuit breaker.
    #[must_use]
    pub fn guarded(self, settings: GateSettings, observer: &Arc<dyn Observer>) -> Self {
        let guard = |account: Account| {
            let adapter: Arc<dyn ProviderAdapter> =
                Arc::new(Guarded::new(account.adapter, settings, Arc::clone(observer)));
            (account.name.clone(), Account { adapter, ..account })
        };
        Self { accounts: self.accounts.into_values().map(guard).collect() }
    }

    /// The account with this name.
    pub fn account(&self, name: &AccountName) -> Option<&Account> {
        self.accounts.get(name)
    }

    /// Every account, by name.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }
}
