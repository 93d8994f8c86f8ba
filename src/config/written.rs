//! Values as files and variables write them.

use config::{Map, Value, ValueKind};
use guichet_port::settings::{Content, Origin, RawValue, Table};
use secrecy::SecretString;

/// The keys of a parsed TOML file or section.
pub(super) fn table_from_file(table: Map<String, Value>, origin: &Origin) -> Table {
    table.into_iter().map(|(key, value)| (key, from_file(value, origin))).collect()
}

/// A value of a parsed TOML file.
fn from_file(value: Value, origin: &Origin) -> RawValue {
    let content = match value.kind {
        ValueKind::String(text) => Content::Text(SecretString::from(text)),
        ValueKind::Boolean(yes) => Content::Boolean(yes),
        ValueKind::I64(number) => Content::Integer(number),
        ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => {
            Content::Other("a number of that size")
        }
        ValueKind::Float(_) => Content::Other("a number with a fraction"),
        ValueKind::Nil => Content::Other("nothing"),
        ValueKind::Table(table) => Content::Table(table_from_file(table, origin)),
        ValueKind::Array(members) => {
            Content::List(members.into_iter().map(|member| from_file(member, origin)).collect())
        }
    };
    RawValue::new(content, origin.clone())
}

/// A value of a variable that holds JSON.
pub(super) fn from_json(value: serde_json::Value, origin: &Origin) -> RawValue {
    let content = match value {
        serde_json::Value::Null => Content::Other("null"),
        serde_json::Value::Bool(yes) => Content::Boolean(yes),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Content::Integer(number),
            None => Content::Other("a number of that size or with a fraction"),
        },
        serde_json::Value::String(text) => Content::Text(SecretString::from(text)),
        serde_json::Value::Array(members) => {
            Content::List(members.into_iter().map(|member| from_json(member, origin)).collect())
        }
        serde_json::Value::Object(members) => Content::Table(
            members
                .into_iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(key, member)| (key, from_json(member, origin)))
                .collect(),
        ),
    };
    RawValue::new(content, origin.clone())
}
