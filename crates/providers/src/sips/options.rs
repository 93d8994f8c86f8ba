//! The `provider_options` this adapter takes: one table for the check and the schema.
//!
//! Source: Paypage JSON guide, "paymentInit", and data dictionary, release 25.2.

use serde_json::{Map, Value, json};

use guichet_port::adapter::{VIOLATIONS_MAX, Violation, member_pointer};

/// What an option's value may be.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Printable ASCII without `|`, up to so many characters.
    Text(usize),
    /// True or false.
    Flag,
    /// Whole days, at most so many.
    Days(i64),
    /// Words in capitals.
    Words,
}

/// One option.
struct ProviderOption {
    name: &'static str,
    form: Form,
    description: &'static str,
    example: &'static str,
}

/// Days between payment and remittance (data dictionary: N2).
pub(super) const CAPTURE_DAY: &str = "capture_day";
/// Brands of payment means, over `payment_method`.
pub(super) const BRANDS: &str = "payment_mean_brands";
/// Wish for strong authentication.
pub(super) const CHALLENGE: &str = "challenge_mode_3ds";
/// The shop's own number of the payer (data dictionary: ANS19).
pub(super) const CUSTOMER_ID: &str = "customer_id";
/// What the payer's statement shows.
pub(super) const STATEMENT: &str = "statement_reference";
/// Look of the page.
pub(super) const TEMPLATE: &str = "template_name";
/// Whether the page of the receipt is skipped.
pub(super) const BYPASS_RECEIPT: &str = "bypass_receipt_page";

const OPTIONS: [ProviderOption; 7] = [
    ProviderOption {
        name: CAPTURE_DAY,
        form: Form::Days(99),
        description: "Days between payment and remittance; with manual capture, the days left to capture",
        example: "3",
    },
    ProviderOption {
        name: BRANDS,
        form: Form::Words,
        description: "Brands of payment means the page offers, in the platform's spelling, instead of `payment_method`",
        example: "[\"CB\", \"VISA\", \"MASTERCARD\"]",
    },
    ProviderOption {
        name: CHALLENGE,
        form: Form::Text(30),
        description: "Strong authentication wanted, in the platform's words",
        example: "\"CHALLENGE\"",
    },
    ProviderOption {
        name: CUSTOMER_ID,
        form: Form::Text(19),
        description: "The shop's own number of the payer",
        example: "\"40813\"",
    },
    ProviderOption {
        name: STATEMENT,
        form: Form::Text(24),
        description: "What the payer's statement shows, as far as the contract allows it",
        example: "\"SHOP 42\"",
    },
    ProviderOption {
        name: TEMPLATE,
        form: Form::Text(32),
        description: "Name of a look of the page, set up at the platform",
        example: "\"custom\"",
    },
    ProviderOption {
        name: BYPASS_RECEIPT,
        form: Form::Flag,
        description: "Whether the payer comes back without seeing the platform's receipt",
        example: "true",
    },
];

/// Whether the platform can take a text as it is: printable ASCII, and no `|`, which separates the members of a
/// notification in the POST format and cannot be told from one (Paypage POST guide, "Data").
pub(super) fn is_plain(text: &str, chars_max: usize) -> bool {
    (1..=chars_max).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'|')
}

impl ProviderOption {
    /// What would be right, when the value is not.
    fn problem(&self, value: &Value) -> Option<String> {
        let is_word = |word: &Value| {
            word.as_str().is_some_and(|word| {
                is_plain(word, 32) && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            })
        };
        let (right, rule) = match self.form {
            Form::Text(max) => (
                value.as_str().is_some_and(|text| is_plain(text, max)),
                format!("must be 1 to {max} printable ASCII characters without `|`"),
            ),
            Form::Flag => (value.is_boolean(), "must be true or false".to_owned()),
            Form::Days(max) => (
                value.as_i64().is_some_and(|days| (0..=max).contains(&days)),
                format!("must be a number of days from 0 to {max}"),
            ),
            Form::Words => (
                value.as_array().is_some_and(|words| !words.is_empty() && words.iter().all(is_word)),
                "must be a list of words of letters, digits and `_`".to_owned(),
            ),
        };
        (!right).then_some(rule)
    }

    fn schema(&self) -> Value {
        let mut schema = match self.form {
            Form::Text(max) => json!({"type": "string", "minLength": 1, "maxLength": max}),
            Form::Flag => json!({"type": "boolean"}),
            Form::Days(max) => json!({"type": "integer", "minimum": 0, "maximum": max}),
            Form::Words => json!({"type": "array", "minItems": 1, "items": {"type": "string"}}),
        };
        if let Value::Object(members) = &mut schema {
            members.insert("description".to_owned(), Value::from(self.description));
            let example: Value = serde_json::from_str(self.example).unwrap_or_default();
            members.insert("examples".to_owned(), json!([example]));
        }
        schema
    }
}

/// Checks what a caller named.
pub(super) fn check(options: &Map<String, Value>, violations: &mut Vec<Violation>) {
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
            Some(_) if value.is_null() => {}
            Some(option) => {
                if let Some(rule) = option.problem(value) {
                    violations.push(Violation::invalid(&pointer, &rule));
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
        "title": "SipsOptions",
        "description": "What only Worldline Sips platforms have",
        "properties": members,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(options: &Value) -> Vec<String> {
        let mut violations = Vec::new();
        check(options.as_object().unwrap(), &mut violations);
        violations.into_iter().map(|violation| violation.pointer).collect()
    }

    #[test]
    fn the_schema_names_every_option_with_an_example_that_is_taken() {
        let schema = schema();
        for option in &OPTIONS {
            let member = &schema["properties"][option.name];
            assert!(member["description"].is_string(), "{}", option.name);
            assert_eq!(pointers(&json!({option.name: member["examples"][0]})), [""; 0], "{}", option.name);
            assert_eq!(pointers(&json!({option.name: null})), [""; 0], "{}", option.name);
            assert_eq!(pointers(&json!({option.name: {}})).len(), 1, "{}", option.name);
        }
    }

    #[test]
    fn wrong_values_are_refused() {
        for wrong in [
            json!({"capture_day": 100}),
            json!({"capture_day": "3"}),
            json!({"payment_mean_brands": []}),
            json!({"payment_mean_brands": ["CB", "V|SA"]}),
            json!({"customer_id": "12345678901234567890"}),
            json!({"template_name": "a|b"}),
            json!({"template_name": "é"}),
            json!({"template_name": ""}),
            json!({"bypass_receipt_page": "true"}),
            json!({"colour/~": 1}),
        ] {
            assert_eq!(pointers(&wrong).len(), 1, "{wrong}");
        }
        assert_eq!(pointers(&json!({"colour/~": 1})), ["/provider_options/colour~1~0"]);
    }
}
