//! `[[routes]]`: which account takes an order that names none.

use std::collections::BTreeSet;

use super::auth::name;
use super::section::{Read, Section};
use guichet_port::settings::{KeyError, unknown_value};

/// The largest amount there is, in minor units.
const MAX_VALUE: u64 = 999_999_999_999;

/// One rule. What it leaves out matches everything; all of the rest must match.
#[derive(Debug, Clone)]
pub struct RouteRule {
    /// For logs; unique.
    pub name: String,
    /// The account that takes the order.
    pub account: String,
    /// ISO 4217 codes; empty: any.
    pub currencies: Vec<String>,
    /// Smallest amount, in minor units of the order's currency.
    pub min_value: Option<u64>,
    /// Largest amount, in minor units of the order's currency.
    pub max_value: Option<u64>,
    /// Empty: any.
    pub brands: Vec<String>,
    /// Empty: any.
    pub payment_methods: Vec<String>,
}

impl RouteRule {
    /// Reads one rule; `accounts` are the names of all account blocks.
    pub(super) fn read(mut section: Section<'_>, accounts: &BTreeSet<String>) -> Read<Self> {
        let name = section.parsed("name", name);
        let account = section.parsed("account", |name| {
            let known = accounts.get(name).cloned();
            known.ok_or_else(|| unknown_value("account", name, accounts.iter().map(String::as_str)))
        });
        let currencies = section.list("currencies", currency);
        let min_value = section.optional_integer("min_value", 0..=MAX_VALUE, "minor units");
        let max_value = section.optional_integer("max_value", 0..=MAX_VALUE, "minor units");
        let brands = section.list("brands", word);
        let payment_methods = section.list("payment_methods", word);
        if let (Ok(Some(min)), Ok(Some(max))) = (min_value, max_value)
            && min > max
        {
            let path = section.path("max_value");
            section.report(KeyError::new(path, format!("must not be below min_value, which is {min}")));
        }
        section.finish();
        Ok(Self {
            name: name?,
            account: account?,
            currencies: currencies?,
            min_value: min_value?,
            max_value: max_value?,
            brands: brands?,
            payment_methods: payment_methods?,
        })
    }
}

/// Names that occur twice.
pub(super) fn repeated(routes: &[RouteRule]) -> Vec<KeyError> {
    let mut names = BTreeSet::new();
    let again = routes.iter().enumerate().filter(|(_, route)| !names.insert(&route.name));
    again
        .map(|(position, route)| {
            let wrong = format!("`{}` is the name of an earlier route; each needs its own", route.name);
            KeyError::new(format!("routes[{position}].name"), wrong)
        })
        .collect()
}

fn currency(text: &str) -> Result<String, String> {
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be ISO 4217 codes such as EUR, not `{text}`"))
    }
}

fn word(text: &str) -> Result<String, String> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    if !text.is_empty() && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be words of lower-case letters, digits, `_` and `-`, not `{text}`"))
    }
}
