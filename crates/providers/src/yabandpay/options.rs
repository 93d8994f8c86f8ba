//! The `provider_options` this adapter takes: one table for the check, the schema and the names on the wire.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::{Map, Value, json};

use super::{
    flow::{self, FLOWS, Flow},
    money,
};
use guichet_port::{
    adapter::{VIOLATIONS_MAX, Violation, member_pointer},
    domain::Money,
};

/// The option that chooses among the flows of a payment method.
pub(super) const FLOW: &str = "flow";
/// Longest text of an option. The platform names no limit.
const TEXT_CHARS_MAX: usize = 256;

/// What an option's value may be.
#[derive(Clone, Copy)]
enum Form {
    /// A text that is not empty.
    Text,
    /// An IP address.
    Ip,
    /// One of these words, each with its value on the wire.
    OneOf(&'static [(&'static str, &'static str)]),
    /// Minor units of the order's currency, not above its amount.
    Minor,
}

/// One option.
pub(super) struct ProviderOption {
    /// Its name in `provider_options`.
    pub(super) name: &'static str,
    /// Its name on the wire.
    wire: &'static str,
    form: Form,
    description: &'static str,
    example: &'static str,
}

/// Every option besides `flow`. Source: the pages of the create methods of API v3.
pub(super) const OPTIONS: [ProviderOption; 10] = [
    ProviderOption {
        name: "sub_pay_method_type",
        wire: "sub_pay_method_type",
        form: Form::Text,
        description: "Alipay+: the wallet to open",
        example: "ALIPAY_CN",
    },
    ProviderOption {
        name: "bic",
        wire: "bic",
        form: Form::Text,
        description: "iDEAL: bank of the payer",
        example: "INGBNL2A",
    },
    ProviderOption {
        name: "url_type",
        wire: "url_type",
        form: Form::OneOf(&[("yabandpay", "01"), ("wechat", "02")]),
        description: "WeChat QR code: of YabandPay's page or WeChat's own",
        example: "wechat",
    },
    ProviderOption {
        name: "sub_app_id",
        wire: "sub_app_id",
        form: Form::Text,
        description: "WeChat: id of the app or mini program",
        example: "wx8888888888888888",
    },
    ProviderOption {
        name: "sub_open_id",
        wire: "sub_open_id",
        form: Form::Text,
        description: "WeChat mini program: the payer's open id",
        example: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    },
    ProviderOption {
        name: "ip_address",
        wire: "ip_address",
        form: Form::Ip,
        description: "WeChat H5: the payer's IP address",
        example: "203.0.113.7",
    },
    ProviderOption {
        name: "os_type",
        wire: "os_type",
        form: Form::OneOf(&[("android", "android"), ("ios", "ios")]),
        description: "Alipay app: the payer's system",
        example: "android",
    },
    ProviderOption {
        name: "three_ds",
        wire: "3ds_initiate",
        form: Form::OneOf(&[("on", "01"), ("off", "02"), ("exemption", "03")]),
        description: "Card: 3-D Secure; `exemption` asks for that of low values. Default `on`",
        example: "on",
    },
    ProviderOption {
        name: "form_type",
        wire: "form_type",
        form: Form::OneOf(&[("page", "01"), ("iframe", "02")]),
        description: "Card: a page of its own or one for an iframe",
        example: "page",
    },
    ProviderOption {
        name: "tip_amount",
        wire: "tip_amount",
        form: Form::Minor,
        description: "QR code in the shop: the tip in minor units, contained in the order's amount",
        example: "",
    },
];

impl ProviderOption {
    /// The value on the wire, or what would be right.
    fn on_the_wire(&self, value: &Value, amount: Money) -> Result<String, String> {
        let text = value.as_str().unwrap_or_default();
        match self.form {
            Form::Text if !text.is_empty() && text.chars().count() <= TEXT_CHARS_MAX => Ok(text.to_owned()),
            Form::Text => Err(format!("must be a text of 1 to {TEXT_CHARS_MAX} characters")),
            Form::Ip => match text.parse::<IpAddr>() {
                Ok(address) => Ok(address.to_string()),
                Err(_) => Err("must be an IP address".to_owned()),
            },
            Form::OneOf(words) => match words.iter().find(|(word, _)| *word == text) {
                Some((_, wire)) => Ok((*wire).to_owned()),
                None => Err(format!("must be one of {}", joined(words.iter().map(|(word, _)| *word)))),
            },
            Form::Minor => value
                .as_i64()
                .and_then(|tip| Money::new(tip, amount.currency()).ok())
                .filter(|tip| tip.value() <= amount.value())
                .and_then(money::to_wire)
                .ok_or_else(|| "must be an integer of minor units, not above the amount".to_owned()),
        }
    }

    fn schema(&self) -> Value {
        let (mut schema, example) = match self.form {
            Form::Text => (
                json!({"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX}),
                Value::from(self.example),
            ),
            Form::Ip => (json!({"type": "string"}), Value::from(self.example)),
            Form::OneOf(words) => {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                (json!({"type": "string", "enum": words}), Value::from(self.example))
            }
            Form::Minor => (json!({"type": "integer", "minimum": 1}), json!(50)),
        };
        if let Value::Object(members) = &mut schema {
            members.insert("description".to_owned(), Value::from(self.description));
            members.insert("examples".to_owned(), json!([example]));
        }
        schema
    }
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn pointer(name: &str) -> String {
    member_pointer("/provider_options", name)
}

/// The flow that payment method and options choose.
pub(super) fn flow(
    payment_method: Option<&str>,
    options: &Map<String, Value>,
) -> Result<&'static Flow, Violation> {
    let Some(default) = flow::find(payment_method, None) else {
        let known = joined(flow::PAYMENT_METHODS.iter().copied());
        return Err(Violation::unsupported("/payment_method", &format!("must be one of {known}")));
    };
    let named = match options.get(FLOW) {
        None | Some(Value::Null) => return Ok(default),
        Some(named) => named.as_str().unwrap_or_default(),
    };
    flow::find(payment_method, Some(named)).ok_or_else(|| {
        let known = joined(flow::flows_of(payment_method).map(|flow| flow.name));
        let rule = format!("must be one of {known} for this payment method");
        Violation::unsupported(&pointer(FLOW), &rule)
    })
}

/// The members of `data` that the options become for a flow, or everything that is wrong with them.
pub(super) fn members(
    flow: &Flow,
    options: &Map<String, Value>,
    amount: Money,
) -> Result<BTreeMap<&'static str, String>, Vec<Violation>> {
    let mut violations = Vec::new();
    let mut members = BTreeMap::new();
    let given = options.iter().filter(|(name, value)| *name != FLOW && !value.is_null());
    for (name, value) in given {
        if violations.len() > VIOLATIONS_MAX {
            return Err(violations);
        }
        let Some(option) = OPTIONS.iter().find(|option| option.name == name) else {
            let known = joined([FLOW].into_iter().chain(OPTIONS.iter().map(|option| option.name)));
            violations.push(Violation::invalid(&pointer(name), &format!("unknown member; known: {known}")));
            continue;
        };
        if !flow.required.contains(&option.name) && !flow.optional.contains(&option.name) {
            let rule = "has no meaning for this payment method and flow";
            violations.push(Violation::unsupported(&pointer(name), rule));
            continue;
        }
        match option.on_the_wire(value, amount) {
            Ok(text) => {
                members.insert(option.wire, text);
            }
            Err(rule) => violations.push(Violation::invalid(&pointer(name), &rule)),
        }
    }
    for name in flow.required {
        if options.get(*name).is_none_or(Value::is_null) {
            let rule = "is required for this payment method and flow";
            violations.push(Violation::invalid(&pointer(name), rule));
        }
    }
    if violations.is_empty() { Ok(members) } else { Err(violations) }
}

/// JSON Schema of `provider_options`.
pub(super) fn schema() -> Value {
    let mut words: Vec<&str> = Vec::new();
    for flow in FLOWS {
        if !words.contains(&flow.name) {
            words.push(flow.name);
        }
    }
    let mut members = Map::new();
    members.insert(
        FLOW.to_owned(),
        json!({
            "type": "string",
            "enum": words,
            "description": "How the payer pays, as the payment method allows: a page (`redirect`, the default), a QR code, in \
                            an app. What an app needs is in the order's `provider_data.parameters`",
            "examples": ["redirect"],
        }),
    );
    members.extend(OPTIONS.iter().map(|option| (option.name.to_owned(), option.schema())));
    json!({
        "type": "object",
        "title": "YabandPayOptions",
        "description": "What only YabandPay has",
        "properties": members,
        "additionalProperties": false,
    })
}
