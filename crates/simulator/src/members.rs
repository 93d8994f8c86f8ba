//! Reading the members of a request, strictly, each with the code that the platform gives when it is wrong.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::platform::Refusal;

/// The members of one JSON object of a request, with the path that error answers name.
#[derive(Debug, Clone)]
pub(crate) struct Members<'a> {
    map: &'a Map<String, Value>,
    path: String,
    /// What the platform tells of a member that is wrong, or missing where there is no value.
    tell: fn(&str, Option<&Value>) -> String,
}

impl<'a> Members<'a> {
    pub(crate) fn new(map: &'a Map<String, Value>, tell: fn(&str, Option<&Value>) -> String) -> Self {
        Self { map, path: String::new(), tell }
    }

    /// The value; null counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn refusal(&self, name: &str, value: Option<&Value>, code: &str) -> Refusal {
        Refusal::new(code).detail((self.tell)(&format!("{}{name}", self.path), value))
    }

    /// The member is there, and wrong.
    pub(crate) fn wrong(&self, name: &str, code: &str) -> Refusal {
        self.refusal(name, Some(self.map.get(name).unwrap_or(&Value::Null)), code)
    }

    /// The member is needed, and absent.
    pub(crate) fn missing(&self, name: &str, code: &str) -> Refusal {
        self.refusal(name, None, code)
    }

    /// Refuses members that do not exist. Inferred: the platforms may ignore them; a simulator that refuses finds misspelt
    /// names.
    pub(crate) fn known(&self, code: &str, known: &[&[&str]]) -> Result<(), Refusal> {
        let is_known = |name: &String| known.iter().any(|names| names.contains(&name.as_str()));
        match self.map.keys().find(|name| !is_known(name)) {
            Some(name) => Err(self.wrong(name, code)),
            None => Ok(()),
        }
    }

    pub(crate) fn text(&self, name: &str, code: &str) -> Result<Option<String>, Refusal> {
        self.read(name, code, |value| value.as_str().map(str::to_owned))
    }

    pub(crate) fn needed_text(&self, name: &str, code: &str) -> Result<String, Refusal> {
        self.text(name, code)?.filter(|text| !text.is_empty()).ok_or_else(|| self.missing(name, code))
    }

    /// One of these words.
    pub(crate) fn word(&self, name: &str, code: &str, words: &[&str]) -> Result<Option<String>, Refusal> {
        self.read(name, code, |value| value.as_str().filter(|text| words.contains(text)).map(str::to_owned))
    }

    /// One of these words, which must be there.
    pub(crate) fn needed_word(&self, name: &str, code: &str, words: &[&str]) -> Result<String, Refusal> {
        self.word(name, code, words)?.ok_or_else(|| self.missing(name, code))
    }

    /// An integer, or a string of digits as in published samples.
    pub(crate) fn integer(&self, name: &str, code: &str) -> Result<Option<i64>, Refusal> {
        self.read(name, code, |value| {
            let digits = value.as_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            value.as_i64().or_else(|| digits.and_then(|text| text.parse().ok()))
        })
    }

    /// A boolean, or its name.
    pub(crate) fn flag(&self, name: &str, code: &str) -> Result<Option<bool>, Refusal> {
        self.read(name, code, |value| {
            value.as_bool().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        })
    }

    /// ISO 8601 with an offset.
    pub(crate) fn date(&self, name: &str, code: &str) -> Result<Option<Timestamp>, Refusal> {
        self.read(name, code, |value| value.as_str().and_then(|text| text.parse().ok()))
    }

    /// An `http` or `https` address.
    pub(crate) fn url(&self, name: &str, code: &str) -> Result<Option<String>, Refusal> {
        self.read(name, code, |value| {
            let text = value.as_str()?;
            let uri: http::Uri = text.parse().ok()?;
            let web = uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"));
            web.then(|| text.to_owned())
        })
    }

    pub(crate) fn email(&self, name: &str, code: &str) -> Result<Option<String>, Refusal> {
        self.read(name, code, |value| value.as_str().filter(|text| is_email(text)).map(str::to_owned))
    }

    /// An object that must be there.
    pub(crate) fn needed_object(&self, name: &str, code: &str) -> Result<Self, Refusal> {
        self.object(name, code)?.ok_or_else(|| self.missing(name, code))
    }

    pub(crate) fn object(&self, name: &str, code: &str) -> Result<Option<Self>, Refusal> {
        self.read(name, code, Value::as_object)
            .map(|map| map.map(|map| Self { map, path: format!("{}{name}.", self.path), tell: self.tell }))
    }

    /// Reads the member if it is there; `None` from the reader makes it wrong.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        code: &str,
        reader: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        self.get(name).map(|value| reader(value).ok_or_else(|| self.wrong(name, code))).transpose()
    }
}

/// Something before the `@`, and a dotted name after it: as much as a simulator needs.
pub(crate) fn is_email(text: &str) -> bool {
    let blank = text.chars().any(|c| c.is_whitespace() || c.is_control());
    text.split_once('@').is_some_and(|(name, host)| {
        !blank && !name.is_empty() && !host.contains('@') && host.split('.').all(|part| !part.is_empty())
    })
}

/// International form, `+33611111111`.
pub(crate) fn is_phone(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}
