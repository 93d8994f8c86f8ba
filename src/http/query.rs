//! Query parameters: one table for each operation that has some gives the check and the OpenAPI document.

use serde_json::{Value, json};

use super::form::{ACCOUNT_MAX, ACCOUNT_PATTERN};
use crate::{
    adapter::{Violation, member_pointer},
    domain::{AccountName, EventFilter, OperationStatus, OrderId, OrderStatus},
    problem::Problem,
    store::{Sort, outbox::DeliveryStatus},
};

/// Items of a page when the caller does not say.
const LIMIT: u32 = 50;
/// Most items of a page; what is above is cut.
const LIMIT_MAX: u64 = 200;
/// Longest age that a caller may accept, in seconds: a day.
const MAX_AGE_SECONDS: u64 = 86_400;
/// Longest list of event types, in characters.
const TYPES_MAX: usize = 1_024;

/// What the value of a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Any,
    Account,
    OrderId,
    OrderStatus,
    OperationStatus,
    DeliveryStatus,
    Sort,
    EventTypes,
    /// At least 1, however large.
    Limit,
    /// Up to [`MAX_AGE_SECONDS`].
    Age,
    Flag,
}

impl Form {
    /// What would be right, when the value is not.
    fn instead_of(self, value: &str) -> Option<String> {
        let (fits, right) = match self {
            Self::Any => (true, ""),
            Self::Account => (value.parse::<AccountName>().is_ok(), "the name of an account"),
            Self::OrderId => (value.parse::<OrderId>().is_ok(), "the id of an order"),
            Self::OrderStatus => {
                (OrderStatus::from_word(value).is_some(), "a status of orders, such as paid")
            }
            Self::OperationStatus => {
                (OperationStatus::from_word(value).is_some(), "a status of operations, such as unknown")
            }
            Self::DeliveryStatus => {
                (DeliveryStatus::from_word(value).is_some(), "pending, delivered or dead")
            }
            Self::Sort => (Sort::from_word(value).is_some(), "created_at or -created_at"),
            Self::EventTypes => return check_types(value).err(),
            Self::Limit => (read_limit(value).is_some(), "an integer, at least 1"),
            Self::Age => {
                (whole(value).is_some_and(|age| age <= MAX_AGE_SECONDS), "an integer from 0 to 86400")
            }
            Self::Flag => (matches!(value, "true" | "false"), "true or false"),
        };
        (!fits).then(|| right.to_owned())
    }

    fn schema(self) -> Value {
        match self {
            Self::Any => json!({"type": "string"}),
            Self::Account => json!({"type": "string", "pattern": ACCOUNT_PATTERN, "maxLength": ACCOUNT_MAX}),
            Self::OrderId => json!({"type": "string", "maxLength": 97,
                "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*_[A-Za-z0-9.-]{1,64}$"}),
            Self::OrderStatus => {
                json!({"type": "string", "enum": OrderStatus::ALL.map(OrderStatus::as_str)})
            }
            Self::OperationStatus => {
                json!({"type": "string", "enum": OperationStatus::ALL.map(OperationStatus::as_str)})
            }
            Self::DeliveryStatus => json!({"type": "string", "pattern": "^(pending|delivered|dead)$"}),
            Self::Sort => json!({"type": "string", "pattern": "^-?created_at$"}),
            Self::EventTypes => json!({"type": "string", "maxLength": TYPES_MAX,
                "pattern": "^[a-z_]{1,20}[.]([a-z_]{1,40}|[*])(,[a-z_]{1,20}[.]([a-z_]{1,40}|[*])){0,49}$"}),
            Self::Limit => json!({"type": "integer", "minimum": 1}),
            Self::Age => {
                json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_AGE_SECONDS})
            }
            Self::Flag => json!({"type": "boolean"}),
        }
    }
}

/// A parameter that may be left out.
#[derive(Debug, Clone, Copy)]
struct Parameter {
    name: &'static str,
    form: Form,
    /// For the document.
    meaning: &'static str,
    /// For the document; none where it is empty.
    example: &'static str,
}

const fn parameter(name: &'static str, form: Form, meaning: &'static str) -> Parameter {
    Parameter { name, form, meaning, example: "" }
}

impl Parameter {
    const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    fn describe(&self) -> Value {
        let mut parameter = json!({"name": self.name, "in": "query", "required": false,
            "description": self.meaning, "schema": self.form.schema()});
        if let Some(members) = parameter.as_object_mut().filter(|_| !self.example.is_empty()) {
            members.insert("example".to_owned(), self.example.into());
        }
        parameter
    }
}

/// The parameters of an operation.
#[derive(Debug)]
pub(super) struct Parameters {
    /// The operation's id in the document; empty for the many that take none.
    operation: &'static str,
    all: &'static [Parameter],
}

const PAGE_LIMIT: Parameter =
    parameter("limit", Form::Limit, "Most items of one page; above 200 is cut to 200");
const CURSOR: Parameter = parameter("cursor", Form::Any, "`next_cursor` of the page before");
const SORT: Parameter = parameter(
    "sort",
    Form::Sort,
    "`created_at` for oldest first, `-created_at` for newest first; a cursor belongs to one of them",
)
.example("-created_at");

pub(super) static READ_ORDER: Parameters = Parameters {
    operation: "readOrder",
    all: &[
        parameter("max_age_seconds", Form::Age, "Accept a copy read at most so many seconds ago"),
        parameter("allow_stale", Form::Flag, "Accept an old copy when the provider cannot be asked"),
    ],
};
pub(super) static LIST_ORDERS: Parameters = Parameters {
    operation: "listOrders",
    all: &[
        parameter("account", Form::Account, "Only orders of this account"),
        parameter("status", Form::OrderStatus, "Only orders of this status"),
        parameter("merchant_reference", Form::Any, "Only orders with this merchant reference"),
        SORT,
        PAGE_LIMIT,
        CURSOR,
    ],
};
pub(super) static LIST_ORDER_EVENTS: Parameters =
    Parameters { operation: "listOrderEvents", all: &[PAGE_LIMIT, CURSOR] };
pub(super) static LIST_OPERATIONS: Parameters = Parameters {
    operation: "listOperations",
    all: &[
        parameter(
            "status",
            Form::OperationStatus,
            "Only operations of this status, such as `unknown` or `needs_review`",
        ),
        parameter("account", Form::Account, "Only operations of this account"),
        parameter("order_id", Form::OrderId, "Only operations of this order"),
        SORT,
        PAGE_LIMIT,
        CURSOR,
    ],
};
pub(super) static LIST_EVENTS: Parameters = Parameters {
    operation: "listEvents",
    all: &[
        parameter("account", Form::Any, "Only events of this account").example("systempay"),
        parameter(
            "types",
            Form::EventTypes,
            "Only these types, separated by commas; `refund.*` means all of a group",
        )
        .example("order.paid,refund.*"),
        PAGE_LIMIT,
        parameter("cursor", Form::Any, "`next_cursor` of the page before, or the `id` of a streamed event"),
    ],
};
pub(super) static LIST_DELIVERIES: Parameters = Parameters {
    operation: "listWebhookDeliveries",
    all: &[
        parameter("status", Form::DeliveryStatus, "Only these: `pending`, `delivered` or `dead`"),
        PAGE_LIMIT,
        CURSOR,
    ],
};
/// Of changes: an amount that is written into the address would not be read, and all that is left would be moved.
pub(super) static NONE: Parameters = Parameters { operation: "", all: &[] };

/// All that have any.
static PARAMETERS: [&Parameters; 6] =
    [&READ_ORDER, &LIST_ORDERS, &LIST_ORDER_EVENTS, &LIST_OPERATIONS, &LIST_EVENTS, &LIST_DELIVERIES];

/// Adds its parameters to an operation, after those of the path.
pub(super) fn describe(operation: &mut Value) {
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
    let Some(own) = PARAMETERS.iter().find(|parameters| parameters.operation == id) else { return };
    let Some(members) = operation.as_object_mut() else { return };
    let others = members.get_mut("parameters").and_then(Value::as_array_mut).map(std::mem::take);
    let is_path = |parameter: &Value| parameter.get("in").is_some_and(|place| place == "path");
    let (mut all, headers): (Vec<Value>, Vec<Value>) =
        others.unwrap_or_default().into_iter().partition(is_path);
    all.extend(own.all.iter().map(Parameter::describe));
    all.extend(headers);
    members.insert("parameters".to_owned(), all.into());
}

/// What a query says, each parameter as it was given last.
#[derive(Debug, Default)]
pub(super) struct Query {
    values: Vec<(&'static str, String)>,
}

impl Parameters {
    /// Reads a query.
    ///
    /// # Errors
    /// `validation_failed` with every parameter that is wrong or unknown.
    pub(super) fn read(&self, query: Option<&str>) -> Result<Query, Problem> {
        let mut read = Query::default();
        let mut errors = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let pointer = member_pointer("", &name);
            match self.all.iter().find(|parameter| parameter.name == name) {
                None => errors.push(Violation::invalid(&pointer, "unknown query parameter")),
                Some(parameter) => match parameter.form.instead_of(&value) {
                    Some(right) => errors.push(Violation::invalid(&pointer, &right)),
                    None => read.values.push((parameter.name, value.into_owned())),
                },
            }
        }
        if errors.is_empty() { Ok(read) } else { Err(Problem::invalid(errors)) }
    }
}

impl Query {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().rfind(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// The parameter as what it means.
    pub(super) fn parsed<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.get(name).and_then(parse)
    }

    pub(super) fn account(&self) -> Option<AccountName> {
        self.parsed("account", |name| name.parse().ok())
    }

    pub(super) fn sort(&self) -> Sort {
        self.parsed("sort", Sort::from_word).unwrap_or_default()
    }

    /// Items of a page.
    pub(super) fn limit(&self) -> u32 {
        self.parsed("limit", read_limit).unwrap_or(LIMIT)
    }

    pub(super) fn seconds(&self, name: &str) -> Option<u64> {
        self.parsed(name, whole)
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    pub(super) fn event_types(&self) -> EventFilter {
        self.parsed("types", |types| EventFilter::new(types.split(',')).ok()).unwrap_or_default()
    }
}

/// A page size: at least 1, cut to 200 however large it is.
pub(super) fn read_limit(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().unwrap_or(u64::MAX).min(LIMIT_MAX);
    (is_number && number >= 1).then(|| u32::try_from(number).ok()).flatten()
}

/// A number without a sign.
fn whole(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn check_types(value: &str) -> Result<(), String> {
    EventFilter::new(value.split(',')).map_err(|wrong| wrong.to_string())?;
    if value.len() <= TYPES_MAX { Ok(()) } else { Err("at most 1024 characters".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_cut_not_refused() {
        let limits = ["1", "200", "201", "99999999999999999999"].map(read_limit);
        assert_eq!(limits, [Some(1), Some(200), Some(200), Some(200)]);
        assert_eq!(["0", "-1", "", "x", "1.5"].map(read_limit), [None; 5]);
    }

    #[test]
    fn a_query_names_every_violation_and_counts_the_last() {
        let errors = |query: &str| -> Vec<String> {
            let problem = LIST_ORDERS.read(Some(query)).err();
            problem.into_iter().flat_map(|problem| problem.errors).map(|error| error.pointer).collect()
        };
        assert_eq!(
            errors("account=a&status=paid&sort=-created_at&limit=5&cursor=x&merchant_reference=%20"),
            [""; 0]
        );
        assert_eq!(
            errors("limit=0&acount=a&account=A&status=new"),
            ["/limit", "/acount", "/account", "/status"]
        );
        let query = LIST_ORDERS.read(Some("limit=5&account=a&limit=7")).unwrap();
        assert_eq!((query.limit(), query.account()), (7, Some("a".parse().unwrap())));
        assert_eq!(LIST_ORDERS.read(None).unwrap().limit(), 50);
        assert!(NONE.read(Some("amount=5")).is_err() && NONE.read(None).is_ok());
        assert_eq!(
            READ_ORDER.read(Some("max_age_seconds=86400")).unwrap().seconds("max_age_seconds"),
            Some(86_400)
        );
        assert!(READ_ORDER.read(Some("max_age_seconds=86401")).is_err());
    }
}
