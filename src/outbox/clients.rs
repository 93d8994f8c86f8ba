//! Whose events may go where: the accounts of each client, as configured now.

use std::collections::BTreeMap;

use crate::config::{AllowedAccounts, AuthMode, AuthSettings};

/// The name of everybody where nobody has to prove who they are.
const ANYBODY: &str = "anonymous";

/// The accounts of each client.
#[derive(Debug, Clone)]
pub struct Clients {
    named: BTreeMap<String, AllowedAccounts>,
    /// Clients come with their own tokens, and the configuration does not know them.
    by_token: bool,
}

impl Clients {
    /// The clients of this configuration.
    pub fn new(settings: &AuthSettings) -> Self {
        let named = match settings.mode {
            AuthMode::None => BTreeMap::from([(ANYBODY.to_owned(), AllowedAccounts::All)]),
            AuthMode::ApiKey | AuthMode::Jwt => {
                settings.clients.iter().map(|client| (client.name.clone(), client.accounts.clone())).collect()
            }
        };
        Self { named, by_token: settings.mode == AuthMode::Jwt }
    }

    /// Whether the configuration names this client.
    pub(crate) fn is_configured(&self, client: &str) -> bool {
        self.named.contains_key(client)
    }

    /// The accounts a client may use now; `remembered` are those it had when it was seen last. `None`: there is no
    /// such client any more.
    pub(super) fn accounts_of<'a>(
        &'a self,
        client: &str,
        remembered: &'a AllowedAccounts,
    ) -> Option<&'a AllowedAccounts> {
        self.named.get(client).or_else(|| self.by_token.then_some(remembered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_counts_for_tokens_only() {
        let mut settings = crate::config::sandbox_defaults().auth;
        let all = AllowedAccounts::All;
        for (mode, client, known) in [
            (AuthMode::None, ANYBODY, true),
            (AuthMode::None, "shop", false),
            (AuthMode::ApiKey, ANYBODY, false),
            (AuthMode::Jwt, "shop", true),
        ] {
            settings.mode = mode;
            let clients = Clients::new(&settings);
            assert_eq!(clients.accounts_of(client, &all).is_some(), known, "{mode:?} {client}");
        }
    }
}
