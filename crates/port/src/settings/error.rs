//! What is wrong with a setting, in words that name the key and what would be right.

use std::fmt;

/// One problem with one key. It never repeats a value that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    key: String,
    problem: String,
    origin: Option<String>,
}

impl KeyError {
    /// A problem with `key` (its whole path, such as `accounts.shop.mode`); `problem` says what would be right.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into(), origin: None }
    }

    /// Adds where the value came from, such as `set by GUICHET__LOG__LEVEL`.
    pub fn located(mut self, origin: Option<String>) -> Self {
        self.origin = origin;
        self
    }

    /// The path of the key, such as `accounts.shop.mode`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong and what would be right.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)?;
        match &self.origin {
            Some(origin) => write!(f, " ({origin})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for KeyError {}

/// The candidate that is spelled most like `word`, if there is any. A candidate that contains the word, or is contained
/// in it, counts as close: `timeout` is meant to find `timeout_ms`.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates.into_iter().min_by_key(|candidate| {
        let distance = strsim::damerau_levenshtein(word, candidate);
        let close = !word.is_empty() && (candidate.contains(word) || word.contains(candidate));
        if close { (distance.min(2), distance) } else { (distance, distance) }
    })
}

/// The sentence about a `word` that is not among the `candidates`, for `kind`s such as "key" or "scope".
pub fn unknown<'a>(kind: &str, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(word, candidates) {
        Some(near) => format!("unknown {kind}; the nearest known one is `{near}`"),
        None => format!("unknown {kind}"),
    }
}

/// The same about a word that is a value: it is repeated.
pub fn unknown_value<'a>(kind: &str, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    format!("`{word}`: {}", unknown(kind, word, candidates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let keys = ["listen", "ops_listen", "public_url", "request_timeout_ms", "grace_ms"];
        for (typo, meant) in [
            ("lisen", "listen"),
            ("Listen", "listen"),
            ("opslisten", "ops_listen"),
            ("timeout", "request_timeout_ms"),
            ("grace", "grace_ms"),
            ("url", "public_url"),
        ] {
            assert_eq!(nearest(typo, keys), Some(meant), "{typo}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
