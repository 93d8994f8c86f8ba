//! Accounts as configured. Which keys a provider has, and which of them are secret, is its adapter's knowledge: it asks
//! for them by name.

use std::ops::RangeInclusive;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::address::check_provider_url;
use super::error::{KeyError, unknown};
use super::secret;
use super::value::{Origin, RawValue, Table};
use crate::domain::Mode;

/// Keys that an account of any provider may have.
const COMMON_KEYS: [&str; 5] = ["provider", "brand", "mode", "allow_http", "follow_reads_per_second"];
/// Reads a second for orders that are followed, where the configuration says nothing.
const FOLLOW_READS_PER_SECOND: u32 = 5;
/// An account's name is the first part of its order ids and has at most this many characters.
const MAX_NAME_LENGTH: usize = 32;

/// One `[accounts.<name>]` block as configured: what every account has, and the provider's own keys still untyped.
///
/// Every error names the key's whole path. Text that is there but empty is an error, not absence.
#[derive(Debug, Clone)]
pub struct AccountSettings {
    /// The block's name: `[a-z][a-z0-9]*(-[a-z0-9]+)*`, at most 32 characters.
    pub name: String,
    /// The provider's name in the registry of adapters.
    pub provider: String,
    values: Table,
}

impl AccountSettings {
    /// An account made by our own code: the sandbox and tests. Values are text, as in environment variables. The name is
    /// taken as it is.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        name: impl Into<String>,
        provider: impl Into<String>,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let values = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), RawValue::text(value.into(), Origin::Code)))
            .collect();
        Self { name: name.into(), provider: provider.into(), values }
    }

    /// Reads a block and checks its name and the keys that every account may have.
    pub fn read(name: String, block: Table, problems: &mut Vec<KeyError>) -> Option<Self> {
        let before = problems.len();
        let mut account = Self { name, provider: String::new(), values: block };
        if !is_account_name(&account.name) {
            problems.push(account.error("", NAME_RULE));
        }
        match account.required_text("provider") {
            Ok(provider) => account.provider = provider,
            Err(problem) => problems.push(problem),
        }
        problems.extend(account.brand().err());
        problems.extend(account.mode().err());
        problems.extend(account.allow_http().err());
        problems.extend(account.follow_reads_per_second().err());
        (problems.len() == before).then_some(account)
    }

    /// The path of one of its keys, for messages: `accounts.shop.password`.
    pub fn key_path(&self, key: &str) -> String {
        if key.is_empty() {
            format!("accounts.{}", self.name)
        } else {
            format!("accounts.{}.{key}", self.name)
        }
    }

    /// A problem with one of its keys, which says where the value comes from. The problem must not repeat a secret.
    pub fn error(&self, key: &str, problem: impl Into<String>) -> KeyError {
        match self.values.get(key) {
            Some(value) => value.error(&self.key_path(key), problem),
            None => KeyError::new(self.key_path(key), problem),
        }
    }

    /// The white-label of the provider.
    ///
    /// # Errors
    /// It is not text.
    pub fn brand(&self) -> Result<Option<String>, KeyError> {
        self.text("brand")
    }

    /// Whether money moves, if the configuration says so.
    ///
    /// # Errors
    /// It is neither `test` nor `live`.
    pub fn mode(&self) -> Result<Option<Mode>, KeyError> {
        self.mode_at("mode")
    }

    /// The same by a key of the provider's own.
    ///
    /// # Errors
    /// It is neither `test` nor `live`.
    pub fn mode_at(&self, key: &str) -> Result<Option<Mode>, KeyError> {
        let Some(word) = self.text(key)? else { return Ok(None) };
        let wrong = || self.error(key, format!("must be `test` or `live`, not `{word}`"));
        Mode::from_word(&word).map(Some).ok_or_else(wrong)
    }

    /// Whether `http://` provider addresses beyond loopback are permitted. They are not, unless it says so.
    ///
    /// # Errors
    /// It is neither true nor false.
    pub fn allow_http(&self) -> Result<bool, KeyError> {
        Ok(self.boolean("allow_http")?.unwrap_or(false))
    }

    /// How many reads a second may be made for orders that are followed: 5 where nothing is said.
    ///
    /// # Errors
    /// It is not a number from 1 to 1000.
    pub fn follow_reads_per_second(&self) -> Result<u32, KeyError> {
        let number = self.integer("follow_reads_per_second", 1..=1_000)?;
        Ok(number.and_then(|number| u32::try_from(number).ok()).unwrap_or(FOLLOW_READS_PER_SECOND))
    }

    /// A text of one line.
    ///
    /// # Errors
    /// It is something else, is empty, or was given as a file although it is no secret.
    pub fn text(&self, key: &str) -> Result<Option<String>, KeyError> {
        let Some(value) = self.plain(key)? else { return Ok(None) };
        let text = value.as_text(&self.key_path(key))?;
        if text.is_empty() {
            return Err(self.error(key, "is empty; give a value or leave the key out"));
        }
        Ok(Some(text.to_owned()))
    }

    /// A text of one line that must be there.
    ///
    /// # Errors
    /// As [`Self::text`], and when it is missing.
    pub fn required_text(&self, key: &str) -> Result<String, KeyError> {
        self.text(key)?.ok_or_else(|| self.error(key, "is missing"))
    }

    /// A whole number in a range.
    ///
    /// # Errors
    /// It is something else or out of range.
    pub fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, KeyError> {
        let Some(value) = self.plain(key)? else { return Ok(None) };
        let number = value.as_integer(&self.key_path(key))?;
        if !range.contains(&number) {
            let wrong = format!("must be {} to {}, not {number}", range.start(), range.end());
            return Err(self.error(key, wrong));
        }
        Ok(Some(number))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// It is something else.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, KeyError> {
        match self.plain(key)? {
            Some(value) => value.as_boolean(&self.key_path(key)).map(Some),
            None => Ok(None),
        }
    }

    /// A secret, from `key` or from the file that `<key>_file` names.
    ///
    /// # Errors
    /// It is given twice, is not text, is empty, or its file cannot be read.
    pub fn secret(&self, key: &str) -> Result<Option<SecretString>, KeyError> {
        let file = self.values.get(&format!("{key}_file"));
        secret::resolve(&self.key_path(key), self.values.get(key), file)
    }

    /// A secret that must be there.
    ///
    /// # Errors
    /// As [`Self::secret`], and when it is missing.
    pub fn required_secret(&self, key: &str) -> Result<SecretString, KeyError> {
        self.secret(key)?.ok_or_else(|| {
            let wrong =
                format!("is missing; give it, or `{key}_file`, or the variable {}", self.variable(key));
            self.error(key, wrong)
        })
    }

    /// A digest of all of its values, the contents of secret files included: it differs when the account was changed.
    ///
    /// # Errors
    /// The file of a secret cannot be read.
    pub fn digest(&self) -> Result<[u8; 32], KeyError> {
        let mut hasher = Sha256::new();
        for (key, value) in &self.values {
            hasher.update(key);
            match key.strip_suffix("_file") {
                Some(secret) => {
                    let content = self.secret(secret)?;
                    hasher.update(content.as_ref().map_or("", |content| content.expose_secret()));
                }
                None => value.digest_into(&mut hasher),
            }
            hasher.update([0]);
        }
        Ok(hasher.finalize().into())
    }

    /// An address of the provider: see [`check_provider_url`].
    ///
    /// # Errors
    /// It is not an address, or `http://` where that is not permitted.
    pub fn provider_url(&self, key: &str) -> Result<Option<String>, KeyError> {
        let Some(url) = self.text(key)? else { return Ok(None) };
        check_provider_url(&self.key_path(key), &url, self.allow_http()?)
            .map(Some)
            .map_err(|problem| self.error(key, problem.problem()))
    }

    /// Refuses every key that is neither common to all accounts nor in `known`, naming the nearest. `x_file` is known
    /// when `x` is: the readers of plain keys refuse it for what is no secret.
    ///
    /// # Errors
    /// One for each such key.
    pub fn reject_unknown(&self, known: &[&str]) -> Result<(), Vec<KeyError>> {
        let is_known = |key: &str| {
            COMMON_KEYS.contains(&key)
                || known.contains(&key)
                || key.strip_suffix("_file").is_some_and(|key| known.contains(&key))
        };
        let problems: Vec<KeyError> = self
            .values
            .keys()
            .filter(|key| !is_known(key))
            .map(|key| self.error(key, unknown("key", key, known.iter().copied().chain(COMMON_KEYS))))
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// A value that is no secret and therefore has no `_file` form.
    fn plain(&self, key: &str) -> Result<Option<&RawValue>, KeyError> {
        let file = format!("{key}_file");
        if self.values.contains_key(&file) {
            return Err(self.error(&file, format!("only secrets are read from files; write `{key}` itself")));
        }
        Ok(self.values.get(key))
    }

    fn variable(&self, key: &str) -> String {
        format!("GUICHET__ACCOUNTS__{}__{key}", self.name.replace('-', "_")).to_uppercase()
    }
}

/// What is right for an account's name.
const NAME_RULE: &str = "an account's name is lower-case letters and digits, a letter first, in words joined by single `-`, \
                         at most 32 characters";

/// Whether a name is one for an account.
fn is_account_name(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.len() <= MAX_NAME_LENGTH
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.split('-').all(is_word)
}
