//! What a value of a request may be. A form checks a value, says what would be right, and has a JSON Schema that takes
//! the same.

use serde_json::{Map, Value, json};

use super::{body::integer, table::Object};
use crate::{
    adapter::{VIOLATIONS_MAX, Violation, member_pointer},
    domain::{
        AccountName, Currency, EventFilter, EventId, Timestamp,
        money::MAX_MINOR,
        web_address::{self, plain_web_address},
    },
};

/// Names of accounts as a regular expression; they have [`ACCOUNT_MAX`] characters at most.
pub(super) const ACCOUNT_PATTERN: &str = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$";
pub(super) const ACCOUNT_MAX: usize = 32;
/// Texts without control characters other than tabs and line breaks.
const TEXT_PATTERN: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";
/// What [`Form::Locale`] takes.
const LOCALE_PATTERN: &str = "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$";
const EVENT_ID_PATTERN: &str = "^evt_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
/// What the outbox takes as a destination, as far as a pattern can say it.
const ENDPOINT_URL_PATTERN: &str = r#"^[Hh][Tt][Tt][Pp][Ss]?://[!-"$-.0->A-\[\]-~]+([/?][!-"$-\[\]-~]*)?$"#;
/// Longest `return_url`, in characters.
const RETURN_URL_MAX: usize = 1_024;
/// Longest address of a webhook endpoint, in characters.
const ENDPOINT_URL_MAX: usize = 2_048;
/// Most labels, and the longest text of one in characters.
const LABELS_MAX: usize = 50;
const LABEL_MAX: usize = 255;

/// What the value of a member may be. `null` is the member's matter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// So many characters, without control characters other than tabs and line breaks.
    Text { min: usize, max: usize },
    /// A word of a list.
    Word(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A whole number, both ends included.
    Integer { min: i64, max: i64 },
    /// An amount in minor units.
    Minor,
    /// An ISO 4217 code.
    Currency,
    /// An instant with an offset.
    Instant,
    /// The name of an account.
    Account,
    /// A BCP 47 language tag.
    Locale,
    /// The id of an event.
    EventId,
    /// A choice of event types.
    EventTypes,
    /// Where the payer's browser goes back to. It is checked before anybody pays, because afterwards nobody could correct
    /// it.
    ReturnUrl,
    /// Where events are posted. What the pattern says beyond a text is checked by the outbox.
    EndpointUrl,
    /// The caller's own labels; `null` removes one.
    Labels,
    /// Members of the provider's own, which its adapter checks.
    ProviderOptions,
    /// An object with a table of its own.
    Object(&'static Object),
}

impl Form {
    /// Adds what is wrong with a value that is not `null`.
    pub(super) fn check(self, value: &Value, pointer: &str, errors: &mut Vec<Violation>) {
        match self {
            Self::Labels => return check_labels(value, pointer, errors),
            Self::Object(table) => {
                if let Some(values) = value.as_object() {
                    return table.check(values, pointer, errors);
                }
            }
            Self::Text { .. }
            | Self::Word(_)
            | Self::Flag
            | Self::Integer { .. }
            | Self::Minor
            | Self::Currency
            | Self::Instant
            | Self::Account
            | Self::Locale
            | Self::EventId
            | Self::EventTypes
            | Self::ReturnUrl
            | Self::EndpointUrl
            | Self::ProviderOptions => {}
        }
        if let Some(right) = self.instead_of(value) {
            errors.push(Violation::invalid(pointer, &right));
        }
    }

    /// What would be right, when the value as a whole is not.
    fn instead_of(self, value: &Value) -> Option<String> {
        let (fits, right) = match self {
            Self::Text { min, max } => {
                (is_text(value, min, max), format!("a text of {min} to {max} characters"))
            }
            Self::Word(words) => (
                value.as_str().is_some_and(|text| words.contains(&text)),
                format!("one of: {}", words.join(", ")),
            ),
            Self::Flag => (value.is_boolean(), "true or false".to_owned()),
            Self::Integer { min, max } => {
                (is_integer(value, min, max), format!("an integer from {min} to {max}"))
            }
            Self::Minor => (
                is_integer(value, 1, MAX_MINOR),
                "an integer from 1 to 999999999999, in minor units of the currency".to_owned(),
            ),
            Self::Currency => (
                value.as_str().is_some_and(|code| Currency::new(code).is_ok()),
                "an ISO 4217 currency code in capitals, such as EUR".to_owned(),
            ),
            Self::Instant => (
                value.as_str().is_some_and(|text| Timestamp::parse(text).is_ok()),
                "an RFC 3339 date and time with an offset, such as 2026-12-01T00:00:00Z".to_owned(),
            ),
            Self::Account => (
                value.as_str().is_some_and(|text| text.parse::<AccountName>().is_ok()),
                "the name of an account of the configuration".to_owned(),
            ),
            Self::Locale => (
                value.as_str().is_some_and(is_language_tag),
                "a BCP 47 language tag such as fr-FR".to_owned(),
            ),
            Self::EventId => (
                value.as_str().is_some_and(|text| text.parse::<EventId>().is_ok()),
                "an event id: evt_ and a UUID".to_owned(),
            ),
            Self::EventTypes => return event_types(value).err(),
            Self::ReturnUrl => return check_return_url(value).err(),
            Self::EndpointUrl => {
                return Self::Text { min: 1, max: ENDPOINT_URL_MAX }.instead_of(value);
            }
            Self::Labels | Self::ProviderOptions | Self::Object(_) => {
                (value.is_object(), "a JSON object".to_owned())
            }
        };
        (!fits).then_some(right)
    }

    /// The JSON Schema of what [`Self::check`] takes.
    pub(super) fn schema(self) -> Value {
        match self {
            Self::Text { min, max } => {
                json!({"type": "string", "minLength": min, "maxLength": max, "pattern": TEXT_PATTERN})
            }
            Self::Word([word]) => json!({"type": "string", "enum": [word]}),
            Self::Word(words) => json!({"type": "string", "pattern": format!("^({})$", words.join("|"))}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Integer { min, max } => {
                json!({"type": "integer", "format": "int64", "minimum": min, "maximum": max})
            }
            Self::Minor => Self::Integer { min: 1, max: MAX_MINOR }.schema(),
            Self::Currency => {
                let codes: Vec<&str> = Currency::all().map(Currency::code).collect();
                json!({"type": "string", "enum": codes})
            }
            Self::Instant => json!({"type": "string", "format": "date-time"}),
            Self::Account => json!({"type": "string", "pattern": ACCOUNT_PATTERN, "maxLength": ACCOUNT_MAX}),
            Self::Locale => json!({"type": "string", "pattern": LOCALE_PATTERN}),
            Self::EventId => json!({"type": "string", "pattern": EVENT_ID_PATTERN}),
            Self::EventTypes => json!({
                "type": "array", "minItems": 1, "maxItems": 50,
                "items": {"type": "string", "pattern": "^[a-z_]{1,20}[.]([a-z_]{1,40}|[*])$"},
                "examples": [["order.*", "refund.*"]],
            }),
            Self::ReturnUrl => {
                json!({"type": "string", "maxLength": RETURN_URL_MAX, "pattern": web_address::PATTERN})
            }
            Self::EndpointUrl => {
                json!({"type": "string", "maxLength": ENDPOINT_URL_MAX, "pattern": ENDPOINT_URL_PATTERN})
            }
            Self::Labels => json!({
                "type": "object", "maxProperties": LABELS_MAX,
                "additionalProperties": {"type": ["string", "null"], "maxLength": LABEL_MAX},
            }),
            Self::ProviderOptions => {
                let options = guichet_providers::all().into_iter();
                let options = options.map(|provider| reference(&schema_of_options(provider.id)));
                json!({"anyOf": options.collect::<Vec<_>>()})
            }
            Self::Object(table) => reference(table.name),
        }
    }
}

/// A schema of the document's components.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The name of the schema of a provider's options.
pub(super) fn schema_of_options(provider: &str) -> String {
    let mut name = provider.to_owned();
    if let Some(first) = name.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    name.push_str("Options");
    name
}

fn is_text(value: &Value, min: usize, max: usize) -> bool {
    value.as_str().is_some_and(|text| {
        (min..=max).contains(&text.chars().count())
            && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    })
}

fn is_integer(value: &Value, min: i64, max: i64) -> bool {
    value.as_number().and_then(integer).is_some_and(|number| (min..=max).contains(&number))
}

fn is_language_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The choice that a list of texts means, or what would be right.
pub(super) fn event_types(value: &Value) -> Result<EventFilter, String> {
    let entries: Option<Vec<&str>> =
        value.as_array().and_then(|entries| entries.iter().map(Value::as_str).collect());
    let entries = entries.ok_or_else(|| "a list of texts".to_owned())?;
    EventFilter::new(entries).map_err(|wrong| wrong.to_string())
}

fn check_return_url(value: &Value) -> Result<(), String> {
    match value.as_str() {
        Some(text) if text.len() > RETURN_URL_MAX => Err(format!("at most {RETURN_URL_MAX} characters")),
        Some(text) => plain_web_address(text).map(drop).map_err(str::to_owned),
        None => Err(web_address::RIGHT.to_owned()),
    }
}

fn check_labels(value: &Value, pointer: &str, errors: &mut Vec<Violation>) {
    let Some(labels) = value.as_object() else {
        errors.push(Violation::invalid(pointer, "a JSON object"));
        return;
    };
    for (name, label) in labels {
        if errors.len() > VIOLATIONS_MAX {
            break;
        }
        let fits = label.is_null() || label.as_str().is_some_and(|text| text.chars().count() <= LABEL_MAX);
        if !fits {
            errors.push(Violation::invalid(
                &member_pointer(pointer, name),
                &format!("a text of at most {LABEL_MAX} characters, or null to remove it"),
            ));
        }
    }
    if labels.len() > LABELS_MAX {
        errors.push(Violation::invalid(pointer, &format!("at most {LABELS_MAX} labels")));
    }
}

/// A schema that takes `null` too.
pub(super) fn or_null(mut schema: Value) -> Value {
    if schema.get("$ref").is_some() {
        return json!({"oneOf": [schema, {"type": "null"}]});
    }
    let members = schema.as_object_mut();
    if let Some(members) = members {
        add_null(members);
    }
    schema
}

fn add_null(schema: &mut Map<String, Value>) {
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    if let Some(choices) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        choices.push(json!({"type": "null"}));
    }
}
