//! What a configuration says about who may do what, as far as it takes to tell afterwards what a reload changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{ClientSettings, ConfigErrors, Settings};

/// Digests of everything that says who may do what: to tell afterwards what a reload changed, and nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    clients: BTreeMap<String, (BTreeSet<String>, String)>,
    accounts: BTreeMap<String, [u8; 32]>,
    tokens: String,
}

/// What a reload did to a client, an account, or to the issuer of tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change<'a> {
    pub(super) client: Option<&'a str>,
    pub(super) account: Option<&'a str>,
    pub(super) what: &'static str,
}

impl Credentials {
    /// Of a configuration.
    ///
    /// # Errors
    /// The file of a secret cannot be read.
    pub(super) fn of(settings: &Settings) -> Result<Self, ConfigErrors> {
        let client = |client: &ClientSettings| {
            let may = format!("{:?} {:?}", client.scopes, client.accounts);
            let keys = client.key_sha256.iter().map(hex::encode);
            let others = client.certificates.iter().cloned();
            let trusted = client.via_gateway.then(|| "the gateway's word".to_owned());
            (client.name.clone(), (keys.chain(others).chain(trusted).collect(), may))
        };
        let mut accounts = BTreeMap::new();
        for (name, account) in &settings.accounts {
            accounts.insert(name.clone(), account.digest().map_err(|error| ConfigErrors::from(vec![error]))?);
        }
        let tokens = format!("{:?} {:?} {:?}", settings.auth.mode, settings.auth.jwt, settings.auth.gateway);
        Ok(Self { clients: settings.auth.clients.iter().map(client).collect(), accounts, tokens })
    }

    /// What is other than it was.
    pub(super) fn since<'a>(&'a self, before: &'a Self) -> Vec<Change<'a>> {
        let mut changes = Vec::new();
        let names: BTreeSet<&String> = self.clients.keys().chain(before.clients.keys()).collect();
        for name in names {
            let mut say = |what| changes.push(Change { client: Some(name), account: None, what });
            match (before.clients.get(name), self.clients.get(name)) {
                (None, _) => say("added"),
                (_, None) => say("removed"),
                (Some(was), Some(is)) => {
                    if was.0 != is.0 {
                        say("keys");
                    }
                    if was.1 != is.1 {
                        say("permissions");
                    }
                }
            }
        }
        let names: BTreeSet<&String> = self.accounts.keys().chain(before.accounts.keys()).collect();
        for name in names {
            let mut say = |what| changes.push(Change { client: None, account: Some(name), what });
            match (before.accounts.get(name), self.accounts.get(name)) {
                (None, _) => say("added"),
                (_, None) => say("removed"),
                (was, is) if was != is => say("changed"),
                _ => {}
            }
        }
        if self.tokens != before.tokens {
            changes.push(Change { client: None, account: None, what: "how clients prove themselves" });
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment};

    fn credentials(clients: &str, accounts: &str) -> Credentials {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guichet.toml");
        std::fs::write(folder.path().join("secret"), "from-a-file").unwrap();
        std::fs::write(&path, format!("{clients}\n{accounts}")).unwrap();
        Credentials::of(&config::load(Some(&path), &Environment::default()).unwrap()).unwrap()
    }

    fn client(name: &str, keys: &[char], scope: &str) -> String {
        let keys: Vec<String> =
            keys.iter().map(|digit| format!("\"{}\"", digit.to_string().repeat(64))).collect();
        format!(
            "[[auth.clients]]\nname = \"{name}\"\nkey_sha256 = [{}]\nscopes = [\"{scope}\"]\naccounts = [\"*\"]",
            keys.join(", ")
        )
    }

    fn account(name: &str, password: &str) -> String {
        format!("[accounts.{name}]\nprovider = \"p\"\n{password}")
    }

    fn check(after: &Credentials, before: &Credentials, expected: &[(&str, &str)]) {
        let changes = after.since(before);
        let said: Vec<_> = changes
            .iter()
            .map(|change| (change.client.or(change.account).unwrap_or_default(), change.what))
            .collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn a_reload_tells_what_it_changed() {
        let before = credentials(&client("shop", &['a'], "orders:read"), &account("one", "password = 'old'"));
        check(&before, &before, &[]);
        let more =
            credentials(&client("shop", &['a', 'b'], "orders:read"), &account("one", "password = 'new'"));
        check(&more, &before, &[("shop", "keys"), ("one", "changed")]);
        let other = credentials(&client("till", &['c'], "orders:read"), &account("two", "password = 'old'"));
        check(
            &other,
            &before,
            &[("shop", "removed"), ("till", "added"), ("one", "removed"), ("two", "added")],
        );
        let allowed =
            credentials(&client("shop", &['a'], "orders:cancel"), &account("one", "password = 'old'"));
        check(&allowed, &before, &[("shop", "permissions")]);
        let in_a_file =
            credentials(&client("shop", &['a'], "orders:read"), &account("one", "password_file = 'secret'"));
        check(&in_a_file, &before, &[("one", "changed")]);
        let issuer = "[auth]\nmode = 'jwt'\n[auth.jwt]\nissuer = 'https://i.example'\naudience = 'a'\n\
                      jwks_url = 'https://i.example/keys'";
        let jwt = credentials(issuer, &account("one", "password = 'old'"));
        check(&jwt, &before, &[("shop", "removed"), ("", "how clients prove themselves")]);
    }

    #[test]
    fn credentials_print_no_secret() {
        let printed = format!("{:?}", credentials("", &account("one", "password = 'canary'")));
        assert!(!printed.contains("canary"), "{printed}");
    }
}
