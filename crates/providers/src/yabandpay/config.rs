//! The settings of one cashier account: its UID, its secret, its address.

use std::fmt;

use secrecy::SecretString;

use guichet_port::{
    adapter::{AccountSettings, KeyError},
    domain::Mode,
};

/// The one address of the platform. Source: "Cancel Payment Order", API URL.
pub(super) const BASE_URL: &str = "https://mapi.yabandpay.com/Payments";

/// The keys an account may have besides those common to all.
const KEYS: [&str; 4] = ["user", "secret_key", "previous_secret_key", "base_url"];

/// One cashier account in one mode.
pub(super) struct Settings {
    /// UID of the cashier. Leading zeros are part of it.
    pub(super) user: String,
    /// Where every method is called.
    pub(super) base_url: String,
    /// Test or live, as the configuration says: the platform has no word for it.
    pub(super) mode: Mode,
    /// Signs requests and verifies notifications.
    pub(super) secret_key: SecretString,
    /// Still accepted on notifications while a secret is being changed.
    pub(super) previous_secret_key: Option<SecretString>,
}

/// Never shows a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("user", &self.user)
            .field("base_url", &self.base_url)
            .field("mode", &self.mode)
            .field("previous_secret_key", &self.previous_secret_key.is_some())
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads and checks the settings of one account.
    pub(super) fn read(account: &AccountSettings) -> Result<Self, Vec<KeyError>> {
        let mut problems = account.reject_unknown(&KEYS).err().unwrap_or_default();
        if let Some(Some(_)) = keep(account.brand(), &mut problems) {
            problems.push(account.error("brand", "has no meaning here: this provider has no white-labels"));
        }
        let user = keep(account.required_text("user"), &mut problems);
        let base_url = keep(account.provider_url("base_url"), &mut problems);
        let mode = keep(mode(account), &mut problems);
        let secret_key = keep(account.required_secret("secret_key"), &mut problems);
        let previous_secret_key = keep(account.secret("previous_secret_key"), &mut problems).flatten();
        match (user, base_url, mode, secret_key) {
            (Some(user), Some(base_url), Some(mode), Some(secret_key)) if problems.is_empty() => {
                let base_url = base_url.unwrap_or_else(|| BASE_URL.to_owned());
                Ok(Self { user, base_url, mode, secret_key, previous_secret_key })
            }
            _ => Err(problems),
        }
    }

    /// Address, cashier and mode.
    pub(super) fn identity(&self) -> String {
        format!("{} {} {}", self.base_url, self.user, self.mode.as_str())
    }
}

fn keep<T>(result: Result<T, KeyError>, problems: &mut Vec<KeyError>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn mode(account: &AccountSettings) -> Result<Mode, KeyError> {
    Ok(account.mode()?.unwrap_or(Mode::Live))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "made-up-secret-for-tests-0001";

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, Vec<KeyError>> {
        Settings::read(&AccountSettings::from_pairs("shop", "yabandpay", pairs.iter().copied()))
    }

    #[test]
    fn leading_zeros_and_defaults_are_kept() {
        let read = settings(&[("user", "016683"), ("secret_key", SECRET)]).unwrap();
        assert_eq!((read.user.as_str(), read.base_url.as_str(), read.mode), ("016683", BASE_URL, Mode::Live));
        assert_eq!(read.identity(), "https://mapi.yabandpay.com/Payments 016683 live");
        let own = [
            ("user", "016683"),
            ("secret_key", SECRET),
            ("previous_secret_key", "older"),
            ("base_url", "http://127.0.0.1:9/Payments"),
            ("mode", "test"),
        ];
        let read = settings(&own).unwrap();
        assert_eq!(read.identity(), "http://127.0.0.1:9/Payments 016683 test");
        assert!(read.previous_secret_key.is_some());
        assert!(!format!("{read:?}").contains(SECRET) && !format!("{read:?}").contains("older"));
    }

    #[test]
    fn settings_are_checked_key_by_key() {
        let good = [("user", "016683"), ("secret_key", SECRET)];
        for (key, value, named) in [
            ("mode", "sandbox", "accounts.shop.mode"),
            ("brand", "yabandpay", "accounts.shop.brand"),
            ("base_url", "http://example.com/", "accounts.shop.base_url"),
            ("usr", "016683", "accounts.shop.usr"),
            ("user", "", "accounts.shop.user"),
            ("secret_key", "", "accounts.shop.secret_key"),
        ] {
            let pairs: Vec<_> =
                good.iter().copied().filter(|(name, _)| *name != key).chain([(key, value)]).collect();
            let problems = settings(&pairs).unwrap_err();
            assert!(problems.iter().any(|problem| problem.key() == named), "{key}: {problems:?}");
        }
        let missing: Vec<_> =
            settings(&[]).unwrap_err().iter().map(|problem| problem.key().to_owned()).collect();
        assert_eq!(missing, ["accounts.shop.user", "accounts.shop.secret_key"]);
    }
}
