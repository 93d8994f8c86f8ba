//! Reading the members of a request, strictly, each with the code that the platform gives when it is wrong.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::platform::Refusal;

/// The members of one JSON object of a request, with the path that error answers name.
#[derive(Debug, Clone)]
pub(super) struct Members<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Members<'a> {
    /// The body itself. Anything but an object is `INT_902`. Source: Lyra REST API V4, common codes.
    pub(super) fn of_body(body: &'a Value) -> Result<Self, Refusal> {
        let map = body.as_object().ok_or_else(|| {
            Refusal::new("INT_902").detail("Invalid input value [name=body, value=not a JSON object]")
        })?;
        Ok(Self { map, path: String::new() })
    }

    /// The value; null counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// The member is there, and wrong.
    pub(super) fn wrong(&self, name: &str, code: &str) -> Refusal {
        let value = self.map.get(name).map(Value::to_string).unwrap_or_default();
        let short: String = value.trim_matches('"').chars().take(60).collect();
        Refusal::new(code).detail(format!("Invalid input value [name={}, value={short}]", self.full(name)))
    }

    /// The member is needed, and absent.
    pub(super) fn missing(&self, name: &str, code: &str) -> Refusal {
        Refusal::new(code).detail(format!("Input value not defined [name={}]", self.full(name)))
    }

    /// Refuses members that do not exist. Source: `INT_900`, third-party clients; the live platform may ignore them.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.map.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(self.wrong(name, "INT_900")),
            None => Ok(()),
        }
    }

    pub(super) fn text(&self, name: &str, code: &str) -> Result<Option<String>, Refusal> {
        self.read(name, code, |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn needed_text(&self, name: &str, code: &str) -> Result<String, Refusal> {
        self.text(name, code)?.filter(|text| !text.is_empty()).ok_or_else(|| self.missing(name, code))
    }

    /// One of these words.
    pub(super) fn word(&self, name: &str, code: &str, words: &[&str]) -> Result<Option<String>, Refusal> {
        self.read(name, code, |value| value.as_str().filter(|text| words.contains(text)).map(str::to_owned))
    }

    /// An integer, or a string of digits as in published samples.
    pub(super) fn integer(&self, name: &str, code: &str) -> Result<Option<i64>, Refusal> {
        self.read(name, code, |value| {
            let digits = value.as_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            value.as_i64().or_else(|| digits.and_then(|text| text.parse().ok()))
        })
    }

    /// A boolean, or its name as in the samples of the provider page `Charge/PaymentOrder/Update`.
    pub(super) fn flag(&self, name: &str, code: &str) -> Result<Option<bool>, Refusal> {
        self.read(name, code, |value| {
            value.as_bool().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        })
    }

    /// ISO 8601 with an offset.
    pub(super) fn date(&self, name: &str, code: &str) -> Result<Option<Timestamp>, Refusal> {
        self.read(name, code, |value| value.as_str().and_then(|text| text.parse().ok()))
    }

    /// An `http` or `https` address.
    pub(super) fn url(&self, name: &str, code: &str) -> Result<Option<String>, Refusal> {
        self.read(name, code, |value| {
            let text = value.as_str()?;
            let uri: http::Uri = text.parse().ok()?;
            let web = uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"));
            web.then(|| text.to_owned())
        })
    }

    pub(super) fn email(&self, name: &str, code: &str) -> Result<Option<String>, Refusal> {
        self.read(name, code, |value| value.as_str().filter(|text| is_email(text)).map(str::to_owned))
    }

    pub(super) fn object(&self, name: &str, code: &str) -> Result<Option<Self>, Refusal> {
        self.read(name, code, Value::as_object)
            .map(|map| map.map(|map| Self { map, path: format!("{}.", self.full(name)) }))
    }

    /// Reads the member if it is there; `None` from the reader makes it wrong.
    pub(super) fn read<T>(
        &self,
        name: &str,
        code: &str,
        reader: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        self.get(name).map(|value| reader(value).ok_or_else(|| self.wrong(name, code))).transpose()
    }
}

/// Something before the `@`, and a dotted name after it: as much as a simulator needs.
pub(super) fn is_email(text: &str) -> bool {
    let blank = text.chars().any(|c| c.is_whitespace() || c.is_control());
    text.split_once('@').is_some_and(|(name, host)| {
        !blank && !name.is_empty() && !host.contains('@') && host.split('.').all(|part| !part.is_empty())
    })
}

/// International form, `+33611111111`.
pub(super) fn is_phone(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_come_as_numbers_or_digits() {
        let body =
            json!({"a": 5, "b": "12", "c": 1.5, "d": "-3", "e": null, "f": "", "g": "99999999999999999999"});
        let members = Members::of_body(&body).unwrap();
        assert_eq!(members.integer("a", "X"), Ok(Some(5)));
        assert_eq!(members.integer("b", "X"), Ok(Some(12)));
        assert_eq!(members.integer("e", "X"), Ok(None));
        assert_eq!(members.integer("z", "X"), Ok(None));
        for name in ["c", "d", "f", "g"] {
            assert_eq!(members.integer(name, "X").unwrap_err().code, "X", "{name}");
        }
    }

    #[test]
    fn errors_name_the_path_and_the_value() {
        let body = json!({"customer": {"email": "nobody"}});
        let customer = Members::of_body(&body).unwrap().object("customer", "X").unwrap().unwrap();
        let refusal = customer.email("email", "INT_015").unwrap_err();
        assert_eq!(
            refusal.detailed_message.as_deref(),
            Some("Invalid input value [name=customer.email, value=nobody]")
        );
        let missing = customer.missing("x", "INT_902").detailed_message;
        assert_eq!(missing.as_deref(), Some("Input value not defined [name=customer.x]"));
    }

    #[test]
    fn addresses_are_looked_at() {
        assert!(is_email("sample@example.com") && is_email("a@localhost"));
        for bad in ["", "a", "@b.c", "a@", "a@b@c", "a b@c.d", "a@b..c"] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(is_phone("+33611111111"));
        for bad in ["0611111111", "+33", "+3361111111a", "+1234567890123456"] {
            assert!(!is_phone(bad), "{bad}");
        }
    }

    #[test]
    fn only_web_addresses_are_return_addresses() {
        let body =
            json!({"a": "https://shop.example/back?x=1", "b": "javascript:alert(1)", "c": "/back", "d": 1});
        let members = Members::of_body(&body).unwrap();
        assert!(members.url("a", "X").unwrap().is_some());
        for name in ["b", "c", "d"] {
            assert!(members.url(name, "X").is_err(), "{name}");
        }
    }
}
