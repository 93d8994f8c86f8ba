//! Reading the parameters of a request, strictly: every value of `data` is a string by now, or wrong.

use serde_json::{Map, Value};

use super::amount;
use super::codes::{self, parameter};
use super::merchant::CURRENCIES;
use crate::platform::Refusal;

/// The `data` of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Members<'a> {
    /// Refuses parameters that the documentation does not name. Inferred: the platform may ignore them; a simulator
    /// that refuses finds misspelt names.
    pub(super) fn only(self, known: &[&[&str]]) -> Result<(), Refusal> {
        let is_known = |name: &String| known.iter().any(|names| names.contains(&name.as_str()));
        match self.0.keys().find(|name| !is_known(name)) {
            Some(name) => Err(parameter(name)),
            None => Ok(()),
        }
    }

    /// The text; an empty one counts as absent.
    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(parameter(name)),
        }
    }

    pub(super) fn needed(self, name: &str) -> Result<&'a str, Refusal> {
        self.text(name)?.ok_or_else(|| parameter(name))
    }

    /// One of these words.
    pub(super) fn word(self, name: &str, words: &[&str]) -> Result<Option<&'a str>, Refusal> {
        match self.text(name)? {
            Some(word) if !words.contains(&word) => Err(parameter(name)),
            word => Ok(word),
        }
    }

    pub(super) fn needed_word(self, name: &str, words: &[&str]) -> Result<&'a str, Refusal> {
        self.word(name, words)?.ok_or_else(|| parameter(name))
    }

    /// A decimal string above zero, in minor units.
    pub(super) fn amount(self, name: &str) -> Result<i64, Refusal> {
        let minor = amount::parse(self.needed(name)?).filter(|minor| *minor > 0);
        minor.ok_or_else(|| parameter(name))
    }

    /// A currency of the contract.
    pub(super) fn currency(self, name: &str) -> Result<&'a str, Refusal> {
        let code = self.needed(name)?;
        if CURRENCIES.contains(&code) { Ok(code) } else { Err(Refusal::new(codes::BAD_CURRENCY)) }
    }

    /// A web address. The documentation asks for https; plain http passes too, because nothing in a sandbox has TLS.
    pub(super) fn url(self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let is_web = |text: &&str| text.starts_with("https://") || text.starts_with("http://");
        match self.text(name)? {
            Some(text) if !is_web(&text) || url::Url::parse(text).is_err() => Err(parameter(name)),
            address => Ok(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_strings_and_empty_ones_count_as_absent() {
        let data = json!({
            "a": "x", "empty": "", "number": 1, "null": null, "amount": "0.10", "zero": "0.00",
            "url": "https://shop.example/n?x=1", "script": "javascript:alert(1)", "currency": "JPY",
        });
        let members = Members(data.as_object().unwrap());
        assert_eq!(members.text("a"), Ok(Some("x")));
        assert_eq!(members.text("empty"), Ok(None));
        assert_eq!(members.amount("amount"), Ok(10));
        assert!(members.url("url").unwrap().is_some());
        for name in ["number", "null", "empty", "absent"] {
            assert_eq!(members.needed(name), Err(parameter(name)), "{name}");
        }
        for name in ["zero", "number", "a", "absent"] {
            assert_eq!(members.amount(name), Err(parameter(name)), "{name}");
        }
        assert!(members.url("script").is_err() && members.url("a").is_err());
        assert_eq!(members.currency("currency").unwrap_err().code, codes::BAD_CURRENCY);
        assert!(members.word("a", &["y"]).is_err() && members.only(&[&["a"]]).is_err());
    }
}
