//! The `provider_options` this adapter takes: one table for the check, the schema and the names on the wire.

use serde_json::{Map, Value, json};

use guichet_port::{
    adapter::{VIOLATIONS_MAX, Violation, member_pointer},
    domain::Field,
};

/// What an option's value may be.
#[derive(Clone, Copy)]
enum Form {
    /// A text that is not empty.
    Text,
    /// True or false.
    Flag,
    /// True or false, `YES` or `NO` on the wire.
    YesNo,
    /// A percentage.
    Percentage,
    /// Minor units of the order's currency, not above its amount.
    Minor,
    /// Whole days, up to a year.
    Days,
}

/// One option.
pub(super) struct ProviderOption {
    /// Its name in `provider_options`.
    pub(super) name: &'static str,
    /// Its name in `provider_data` and on the wire.
    pub(super) wire: &'static str,
    form: Form,
    description: &'static str,
}

/// Every option.
pub(super) const OPTIONS: [ProviderOption; 8] = [
    ProviderOption {
        name: "strong_authentication",
        wire: "strongAuthentication",
        form: Form::Text,
        description: "Strong authentication wanted: AUTO, DISABLED, ENABLED, CHALLENGE_REQUESTED, CHALLENGE_MANDATE",
    },
    ProviderOption {
        name: "data_collection_form",
        wire: "dataCollectionForm",
        form: Form::Flag,
        description: "Whether the payer fills in the shop's data collection form first",
    },
    ProviderOption {
        name: "payment_receipt_email",
        wire: "paymentReceiptEmail",
        form: Form::Text,
        description: "Where the provider sends the payer's receipt",
    },
    ProviderOption {
        name: "tax_rate",
        wire: "taxRate",
        form: Form::Percentage,
        description: "Tax rate as a percentage: 21 means 21 %",
    },
    ProviderOption {
        name: "tax_amount",
        wire: "taxAmount",
        form: Form::Minor,
        description: "Tax in minor units of the order's currency, not above its amount",
    },
    ProviderOption {
        name: "manual_validation",
        wire: "manualValidation",
        form: Form::YesNo,
        description: "Whether the merchant validates each payment before it is captured",
    },
    ProviderOption {
        name: "capture_delay",
        wire: "captureDelay",
        form: Form::Days,
        description: "Days between payment and capture",
    },
    ProviderOption {
        name: "bcc",
        wire: "bcc",
        form: Form::Text,
        description: "Blind copies of the e-mail, addresses separated by `;`",
    },
];

impl ProviderOption {
    /// The value on the wire for a value of the caller that passed the check.
    pub(super) fn on_the_wire(&self, value: &Value) -> Value {
        match (self.form, value) {
            (Form::YesNo, Value::Bool(yes)) => Value::from(if *yes { "YES" } else { "NO" }),
            _ => value.clone(),
        }
    }

    /// What would be right, when the value is not.
    fn problem(&self, value: &Value, amount: i64) -> Option<&'static str> {
        let (right, rule) = match self.form {
            Form::Text => (value.as_str().is_some_and(|text| !text.is_empty()), "must be a text"),
            Form::Flag | Form::YesNo => (value.is_boolean(), "must be true or false"),
            Form::Percentage => (
                value.as_f64().is_some_and(|rate| (0.0..=100.0).contains(&rate)),
                "must be a percentage from 0 to 100",
            ),
            Form::Minor => (
                value.as_i64().is_some_and(|tax| (0..=amount).contains(&tax)),
                "must be an integer of minor units, not above the amount",
            ),
            Form::Days => (
                value.as_i64().is_some_and(|days| (0..=365).contains(&days)),
                "must be a number of days from 0 to 365",
            ),
        };
        (!right).then_some(rule)
    }

    fn schema(&self) -> Value {
        let (mut schema, example) = match self.form {
            Form::Text => (json!({"type": "string", "minLength": 1}), Value::Null),
            Form::Flag | Form::YesNo => (json!({"type": "boolean"}), json!(true)),
            Form::Percentage => (json!({"type": "number", "minimum": 0, "maximum": 100}), json!(20)),
            Form::Minor => (json!({"type": "integer", "minimum": 0}), json!(333)),
            Form::Days => (json!({"type": "integer", "minimum": 0, "maximum": 365}), json!(3)),
        };
        let example = match self.name {
            "strong_authentication" => json!("AUTO"),
            "payment_receipt_email" | "bcc" => json!("accounts@example.com"),
            _ => example,
        };
        if let Value::Object(members) = &mut schema {
            members.insert("description".to_owned(), Value::from(self.description));
            members.insert("examples".to_owned(), json!([example]));
        }
        schema
    }
}

/// The options a caller named, under their wire names and with their wire values.
pub(super) fn named(options: &Field<Map<String, Value>>) -> Map<String, Value> {
    let mut wire = Map::new();
    if let Some(options) = options.value() {
        for option in &OPTIONS {
            if let Some(value) = options.get(option.name) {
                wire.insert(option.wire.to_owned(), option.on_the_wire(value));
            }
        }
    }
    wire
}

/// Checks what a caller named; `amount` is what the order will be of.
pub(super) fn check(options: &Map<String, Value>, amount: i64, violations: &mut Vec<Violation>) {
    for (name, value) in options {
        if violations.len() > VIOLATIONS_MAX {
            return;
        }
        let pointer = member_pointer("/provider_options", name);
        match OPTIONS.iter().find(|option| option.name == name) {
            None => {
                let known = OPTIONS.each_ref().map(|option| option.name).join(", ");
                violations.push(Violation::invalid(&pointer, &format!("unknown member; known: {known}")));
            }
            Some(_) if value.is_null() => {
                violations.push(Violation::unsupported(&pointer, "cannot be cleared at this provider"));
            }
            Some(option) => {
                if let Some(rule) = option.problem(value, amount) {
                    violations.push(Violation::invalid(&pointer, rule));
                }
            }
        }
    }
}

/// JSON Schema of `provider_options`.
pub(super) fn schema() -> Value {
    let members: Map<String, Value> =
        OPTIONS.iter().map(|option| (option.name.to_owned(), option.schema())).collect();
    json!({
        "type": "object",
        "title": "LyraOptions",
        "description": "What only Lyra platforms have",
        "properties": members,
        "additionalProperties": false,
    })
}
