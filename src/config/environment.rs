//! The environment variables guichet knows: `GUICHET_CONFIG` and `GUICHET__SECTION__KEY`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::Source;
use secrecy::{ExposeSecret, SecretString};

use super::written::from_json;
use guichet_port::settings::{Content, KeyError, Origin, RawValue, Table};

/// Starts the name of every variable that sets a key.
const PREFIX: &str = "GUICHET__";
/// Names the configuration file when `--config` does not.
const CONFIG_FILE: &str = "GUICHET_CONFIG";

/// The variables of the process that are meant for guichet. Others that begin with `GUICHET_` are ignored: a container
/// platform may make `GUICHET_PORT` and the like by itself.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, SecretString>,
    /// Names of variables whose value is not UTF-8.
    unreadable: Vec<String>,
}

impl Environment {
    /// Reads the process's environment, once, at start.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn read() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            if !is_ours(&name) {
                continue;
            }
            match value.into_string() {
                Ok(value) => {
                    environment.variables.insert(name, SecretString::from(value));
                }
                Err(_) => environment.unreadable.push(name),
            }
        }
        environment
    }

    /// An environment with these variables and no others.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let variables = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), SecretString::from(value.into())))
            .filter(|(name, _)| is_ours(name))
            .collect();
        Self { variables, unreadable: Vec::new() }
    }

    /// Whether nothing at all was configured: no `--config`, no `GUICHET_CONFIG` and no `GUICHET__*` variable.
    pub fn is_bare(&self, config_flag: Option<&Path>) -> bool {
        let has_key = self.variables.keys().any(|name| name.starts_with(PREFIX));
        self.config_path(config_flag).is_none() && !has_key && self.unreadable.is_empty()
    }

    /// The configuration file: `--config`, else a `GUICHET_CONFIG` that is not empty.
    pub fn config_path(&self, flag: Option<&Path>) -> Option<PathBuf> {
        let variable = || self.variables.get(CONFIG_FILE).map(ExposeSecret::expose_secret);
        flag.map(Path::to_path_buf).or_else(|| variable().filter(|path| !path.is_empty()).map(PathBuf::from))
    }

    /// The keys that variables set, as a layer. What cannot be one is reported.
    pub(super) fn layer(&self, problems: &mut Vec<KeyError>) -> Table {
        for name in &self.unreadable {
            problems.push(KeyError::new(name, "its value must be UTF-8 text"));
        }
        let variables = self
            .variables
            .iter()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
            .collect();
        let source = config::Environment::with_prefix("GUICHET").separator("__").source(Some(variables));
        let mut table = Table::new();
        let collected = source.collect().unwrap_or_else(|error| {
            problems.push(KeyError::new("environment", error.to_string()));
            config::Map::new()
        });
        // Sorted, so that what is reported does not depend on a hash map's order.
        let sorted: BTreeMap<String, config::Value> = collected.into_iter().collect();
        for (key, value) in sorted {
            let name = format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"));
            let text = value.into_string().unwrap_or_default();
            if let Err(problem) = set(&mut table, &key, text, &Origin::Variable(name)) {
                problems.push(problem);
            }
        }
        table
    }
}

fn is_ours(name: &str) -> bool {
    name == CONFIG_FILE || name.starts_with(PREFIX)
}

/// Puts one variable at its place: `accounts.my_shop.password` belongs to the account `my-shop`, `routes_json` holds
/// `routes`.
fn set(table: &mut Table, key: &str, text: String, origin: &Origin) -> Result<(), KeyError> {
    let value = match key {
        "auth.clients_json" | "routes_json" => json_list(key, &text, origin)?,
        _ => RawValue::text(text, origin.clone()),
    };
    let key = match key {
        "auth.clients_json" => "auth.clients",
        "routes_json" => "routes",
        other => other,
    };
    let mut segments: Vec<String> = key.split('.').map(str::to_owned).collect();
    if let [section, account, ..] = segments.as_mut_slice()
        && section == "accounts"
    {
        // Account names have no `_`, so the way back is certain.
        *account = account.replace('_', "-");
    }
    let path = segments.join(".");
    insert(table, &segments, value).map_err(|value| {
        value.error(
            &path,
            "cannot be set together with another variable that sets the same key or a part of it",
        )
    })
}

fn json_list(key: &str, text: &str, origin: &Origin) -> Result<RawValue, KeyError> {
    let wrong = |problem: String| KeyError::new(key, problem).located(origin.describe());
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        wrong(format!("is not valid JSON at line {}, column {}", error.line(), error.column()))
    })?;
    if !value.is_array() {
        return Err(wrong("must be a JSON list of objects: [{\"name\": ...}]".to_owned()));
    }
    Ok(from_json(value, origin))
}

/// Inserts below nested sections; gives the value back where something else is already.
fn insert(table: &mut Table, path: &[String], value: RawValue) -> Result<(), RawValue> {
    match path {
        [] => Err(value),
        [key] => {
            if table.contains_key(key) {
                return Err(value);
            }
            table.insert(key.clone(), value);
            Ok(())
        }
        [section, rest @ ..] => {
            let origin = value.origin.clone();
            let below = table
                .entry(section.clone())
                .or_insert_with(|| RawValue::new(Content::Table(Table::new()), origin));
            match &mut below.content {
                Content::Table(below) => insert(below, rest, value),
                Content::Text(_)
                | Content::Integer(_)
                | Content::Boolean(_)
                | Content::List(_)
                | Content::Other(_) => Err(value),
            }
        }
    }
}
