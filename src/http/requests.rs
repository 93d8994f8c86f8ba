//! The bodies that callers send: which operation takes which, and the table of each.

use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{
    arrival::Arriving,
    body::read_object,
    form::{Form, reference},
    openapi::put,
    table::{Choice, Member, Members, Object},
};
use crate::{adapter::Violation, domain::DeliveryChannel, problem::Problem};

const JSON: &[&str] = &["application/json"];
pub(super) const JSON_OR_MERGE_PATCH: &[&str] = &["application/json", "application/merge-patch+json"];

/// The body of an operation.
#[derive(Debug)]
pub(super) struct Request {
    /// The operation's id in the document.
    operation: &'static str,
    media_types: &'static [&'static str],
    /// Whether a request without it is refused.
    is_required: bool,
    /// For the document.
    meaning: &'static str,
    table: &'static Object,
}

impl Request {
    const fn new(operation: &'static str, table: &'static Object, meaning: &'static str) -> Self {
        Self { operation, media_types: JSON, is_required: true, meaning, table }
    }

    const fn or_nothing(self) -> Self {
        Self { is_required: false, ..self }
    }

    const fn or_merge_patch(self) -> Self {
        Self { media_types: JSON_OR_MERGE_PATCH, ..self }
    }

    /// The body as one JSON object; no body is an empty object.
    pub(super) async fn receive(
        &self,
        headers: &HeaderMap,
        body: Arriving,
        bytes_max: usize,
    ) -> Result<Map<String, Value>, Problem> {
        read_object(headers, body, bytes_max, self.media_types).await
    }

    fn describe(&self) -> Value {
        let content = self
            .media_types
            .iter()
            .map(|media| ((*media).to_owned(), json!({"schema": reference(self.table.name)})));
        let mut body = json!({"description": self.meaning, "content": content.collect::<Map<_, _>>()});
        if self.is_required {
            put(&mut body, &["required"], json!(true));
        }
        body
    }
}

pub(super) static CREATE_ORDER: Request =
    Request::new("createOrder", &NEW_ORDER, "What the payer is asked for");
pub(super) static UPDATE_ORDER: Request =
    Request::new("updateOrder", &ORDER_PATCH, "What is to change").or_merge_patch();
pub(super) static CANCEL_ORDER: Request =
    Request::new("cancelOrder", &PART, "Nothing, or the part to cancel").or_nothing();
pub(super) static CAPTURE_ORDER: Request =
    Request::new("captureOrder", &PART, "Nothing, or the part to capture").or_nothing();
pub(super) static REFUND_ORDER: Request =
    Request::new("refundOrder", &PART, "Nothing, or the part to refund").or_nothing();
pub(super) static SETTLE_OPERATION: Request = Request::new("settleOperation", &SETTLEMENT, "The decision");
pub(super) static CREATE_ENDPOINT: Request =
    Request::new("createWebhookEndpoint", &NEW_ENDPOINT, "What it gets, and where");
pub(super) static UPDATE_ENDPOINT: Request =
    Request::new("updateWebhookEndpoint", &ENDPOINT_PATCH, "What is to change").or_merge_patch();
pub(super) static ROTATE_SECRET: Request =
    Request::new("rotateWebhookSecret", &ROTATION, "How long both sign; may be left out").or_nothing();
pub(super) static REPLAY_DELIVERIES: Request =
    Request::new("replayWebhookDeliveries", &REPLAY, "Which events");

/// All of them.
static REQUESTS: [&Request; 10] = [
    &CREATE_ORDER,
    &UPDATE_ORDER,
    &CANCEL_ORDER,
    &CAPTURE_ORDER,
    &REFUND_ORDER,
    &SETTLE_OPERATION,
    &CREATE_ENDPOINT,
    &UPDATE_ENDPOINT,
    &ROTATE_SECRET,
    &REPLAY_DELIVERIES,
];

/// Every table, those of parts included.
static TABLES: [&Object; 11] = [
    &MONEY,
    &DELIVERY,
    &CUSTOMER,
    &NEW_ORDER,
    &ORDER_PATCH,
    &PART,
    &SETTLEMENT,
    &NEW_ENDPOINT,
    &ENDPOINT_PATCH,
    &ROTATION,
    &REPLAY,
];

/// Adds the schemas to the document's components.
pub(super) fn add_schemas(document: &mut Value) {
    for table in TABLES {
        put(document, &["components", "schemas", table.name], table.schema());
    }
}

/// Adds its body to an operation.
pub(super) fn describe(operation: &mut Value) {
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
    if let Some(request) = REQUESTS.iter().find(|request| request.operation == id) {
        put(operation, &["requestBody"], request.describe());
    }
}

/// An amount.
static MONEY: Object = Object {
    name: "Money",
    meaning: "An amount of money.",
    example: r#"{"value": 20000, "currency": "EUR"}"#,
    members: &[
        Member::required(
            "value",
            Form::Minor,
            "Minor units of the currency: cents for EUR, whole francs for XPF.",
        )
        .example("20000"),
        Member::required("currency", Form::Currency, "ISO 4217 code in capitals.").example("EUR"),
    ],
    ..Object::EMPTY
};

/// The words of channels.
const CHANNELS: &[&str] = &["link", "email", "sms", "whatsapp"];

/// How the payer is told.
pub(super) static DELIVERY: Object = Object {
    name: "DeliveryPatch",
    meaning: "Changes to how the payer is told.",
    members: &[
        Member::optional(
            "channel",
            Form::Word(CHANNELS),
            "`link`, `email`, `sms` or `whatsapp`, where the provider can change it.",
        )
        .example("email"),
        Member::optional("recipient", Form::Text { min: 1, max: 254 }, "E-mail address or phone number.")
            .example("customer@example.com"),
        Member::optional(
            "subject",
            Form::Text { min: 1, max: 255 },
            "Subject of the e-mail; `null`: the provider's own.",
        ),
        Member::optional(
            "message",
            Form::Text { min: 1, max: 20_000 },
            "Text of the message; `null`: the provider's own.",
        ),
        Member::optional(
            "template",
            Form::Text { min: 1, max: 127 },
            "Name of a template kept at the provider; `null`: none.",
        ),
    ],
    ..Object::EMPTY
};

/// Who pays.
pub(super) static CUSTOMER: Object = Object {
    name: "CustomerPatch",
    meaning: "Changes to what is known of the payer.",
    members: &[
        Member::optional("email", Form::Text { min: 3, max: 150 }, "E-mail address.")
            .example("zoe@example.com"),
        Member::optional("first_name", Form::Text { min: 1, max: 63 }, "First name.").example("Zoë"),
        Member::optional("last_name", Form::Text { min: 1, max: 63 }, "Last name.").example("Lévêque"),
    ],
    ..Object::EMPTY
};

/// `POST /orders`.
pub(super) static NEW_ORDER: Object = Object {
    name: "NewOrder",
    meaning: "An order to be made.",
    example: r#"{"account": "systempay", "amount": {"value": 1990, "currency": "EUR"}, "merchant_reference": "cart-42",
        "description": "Cart 42", "return_url": "https://shop.example/back", "metadata": {"cart": "42"}}"#,
    members: &[
        Member::optional(
            "account",
            Form::Account,
            "The configured account; without it the first route that fits picks one.",
        )
        .example("systempay"),
        Member::required("amount", Form::Object(&MONEY), "What the payer is asked for."),
        Member::required(
            "merchant_reference",
            Form::Text { min: 1, max: 64 },
            "Your own reference; reaches the provider unchanged.",
        )
        .example("cart-42"),
        Member::optional("description", Form::Text { min: 1, max: 255 }, "What it is for.").example("Cart 42"),
        Member::optional(
            "capture",
            Form::Word(&["automatic", "manual"]),
            "`automatic` (default), or `manual`: the money is only reserved until you capture.",
        )
        .example("automatic"),
        Member::optional(
            "payment_method",
            Form::Text { min: 1, max: 64 },
            "Payment method to restrict the page to, where the account takes it: `card`, `wechat_pay`, `alipay`, ...",
        )
        .example("card"),
        Member::optional(
            "expires_at",
            Form::Instant,
            "When it can no longer be paid, where the provider lets you choose; default 7 days or the provider's own.",
        )
        .example("2026-12-01T00:00:00Z"),
        Member::optional("locale", Form::Locale, "BCP 47 language tag.").example("fr-FR"),
        Member::optional(
            "delivery",
            Form::Object(&DELIVERY),
            "How the payer is told. Every channel but `link` needs a `recipient`, and `link` (default) takes none.",
        ),
        Member::optional("customer", Form::Object(&CUSTOMER), "Who pays."),
        Member::optional("return_url", Form::ReturnUrl, "Where the payer's browser comes back to.")
            .example("https://shop.example/back"),
        Member::optional("metadata", Form::Labels, "Your own labels.").example(r#"{"cart": "42"}"#),
        Member::optional("provider_options", Form::ProviderOptions, "Members of the provider's own."),
    ],
    rule: Some(who_is_told),
    ..Object::EMPTY
};

/// A payer who is told by the provider must be named, and of a link nobody is told.
fn who_is_told(order: &Members<'_>, errors: &mut Vec<Violation>) {
    let delivery = order.object("delivery", &DELIVERY);
    let member = |name: &str| delivery.value().and_then(|told| told.text(name).value().cloned());
    let channel = member("channel").and_then(|word| DeliveryChannel::from_word(&word));
    let is_link = channel.is_none_or(|channel| channel == DeliveryChannel::Link);
    let wrong = match (is_link, member("recipient")) {
        (false, None) => "is required for this channel",
        (true, Some(_)) => "is for the channels email, sms and whatsapp: nobody is told of a link",
        (false, Some(_)) | (true, None) => return,
    };
    errors.push(Violation::invalid("/delivery/recipient", wrong));
}

/// `PATCH /orders/{id}`.
pub(super) static ORDER_PATCH: Object = Object {
    name: "OrderPatch",
    meaning: "A merge patch of an order: what is absent stays, `null` clears or is 422 where the provider cannot clear.",
    example: r#"{"amount": {"value": 20000, "currency": "EUR"}, "merchant_reference": "myOrderId-999999",
        "delivery": {"channel": "email", "recipient": "customer@example.com"}}"#,
    members: &[
        Member::optional("amount", Form::Object(&MONEY), "New amount."),
        Member::optional("merchant_reference", Form::Text { min: 1, max: 64 }, "New merchant reference.")
            .example("myOrderId-999999"),
        Member::optional("description", Form::Text { min: 1, max: 255 }, "New description."),
        Member::optional(
            "payment_method",
            Form::Text { min: 1, max: 64 },
            "Payment method to restrict the page to.",
        )
        .example("card"),
        Member::optional("expires_at", Form::Instant, "When it can no longer be paid.")
            .example("2026-12-01T00:00:00Z"),
        Member::optional("locale", Form::Locale, "BCP 47 language tag.").example("fr-FR"),
        Member::optional("delivery", Form::Object(&DELIVERY), "How the payer is told."),
        Member::optional("customer", Form::Object(&CUSTOMER), "Who pays."),
        Member::optional("return_url", Form::ReturnUrl, "Where the payer's browser comes back to.")
            .example("https://shop.example/back"),
        Member::optional("metadata", Form::Labels, "Your own labels, merged one by one; `null` removes one.")
            .example(r#"{"cart": "42"}"#),
        Member::optional("provider_options", Form::ProviderOptions, "Members of the provider's own."),
    ],
    is_patch: true,
    ..Object::EMPTY
};

/// Cancel, capture and refund.
pub(super) static PART: Object = Object {
    name: "Part",
    meaning: "What a cancel, a capture or a refund may name.",
    // `null` is most often a variable that was never set. To read it as "everything" would be a guess about money.
    members: &[Member::optional(
        "amount",
        Form::Object(&MONEY),
        "The part. Leave it out to ask for all that is left; `null` is 400.",
    )
    .never_null("must not be null: leave it out to ask for all that is left")],
    ..Object::EMPTY
};

/// `POST /operations/{id}/settle`.
pub(super) static SETTLEMENT: Object = Object {
    name: "Settlement",
    meaning: "A person's decision about an operation.",
    example: r#"{"as": "not_executed", "reason": "the provider's support sees no such refund"}"#,
    members: &[
        Member::required(
            "as",
            Form::Word(&["succeeded", "refused", "not_executed"]),
            "`succeeded`, `refused` or `not_executed`.",
        )
        .example("not_executed"),
        Member::required("reason", Form::Text { min: 1, max: 1000 }, "Why; stays in the audit trail.")
            .example("the provider's support sees no such refund"),
    ],
    ..Object::EMPTY
};

const NO_URL: &str = "a text: an endpoint has an address";
const EVENT_TYPES: Member = Member::optional(
    "event_types",
    Form::EventTypes,
    "The types it gets, `order.*` for a group; `null` for everything.",
);

/// `POST /webhook-endpoints`.
pub(super) static NEW_ENDPOINT: Object = Object {
    name: "NewWebhookEndpoint",
    meaning: "A webhook endpoint to be made.",
    example: r#"{"url": "https://shop.example/hooks/payments", "description": "The shop",
        "event_types": ["order.*", "refund.*"]}"#,
    members: &[
        Member::required(
            "url",
            Form::EndpointUrl,
            "Where events are posted: https and public, unless its network is named in the configuration.",
        )
        .never_null(NO_URL)
        .example("https://shop.example/hooks/payments"),
        Member::optional("description", Form::Text { min: 1, max: 255 }, "For people.").example("The shop"),
        EVENT_TYPES,
        Member::optional(
            "enabled",
            Form::Flag,
            "Whether events are sent; `true` unless you say otherwise. While it is `false` they wait.",
        )
        .never_null("true or false")
        .example("true"),
    ],
    ..Object::EMPTY
};

/// `PATCH /webhook-endpoints/{id}`.
pub(super) static ENDPOINT_PATCH: Object = Object {
    name: "WebhookEndpointPatch",
    meaning: "A merge patch of a webhook endpoint: what is absent stays.",
    example: r#"{"enabled": true, "event_types": null}"#,
    members: &[
        Member::optional("url", Form::EndpointUrl, "New destination.")
            .never_null(NO_URL)
            .example("https://shop.example/hooks/payments"),
        Member::optional("description", Form::Text { min: 1, max: 255 }, "New description; `null`: none.")
            .example("The shop"),
        EVENT_TYPES,
        Member::optional(
            "enabled",
            Form::Flag,
            "On or off. Events of the time it was off are delivered when it is on again.",
        )
        .never_null("true or false")
        .example("true"),
    ],
    is_patch: true,
    ..Object::EMPTY
};

/// The longest time for which the secret before signs too, in seconds: a week.
const OVERLAP_MAX: i64 = 604_800;

/// `POST /webhook-endpoints/{id}/rotate-secret`.
pub(super) static ROTATION: Object = Object {
    name: "RotateWebhookSecret",
    meaning: "How a secret is replaced.",
    example: r#"{"overlap_seconds": 3600}"#,
    members: &[Member::optional(
        "overlap_seconds",
        Form::Integer { min: 0, max: OVERLAP_MAX },
        "Seconds for which the secret before signs too; a day unless you say otherwise.",
    )
    .example("3600")],
    ..Object::EMPTY
};

/// `POST /webhook-endpoints/{id}/replay`.
pub(super) static REPLAY: Object = Object {
    name: "ReplayWebhooks",
    meaning: "Either one event, or what occurred in a time.",
    example: r#"{"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T12:00:00Z", "status": "dead"}"#,
    members: &[
        Member::optional("event_id", Form::EventId, "The event.")
            .example("evt_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c"),
        Member::optional("from", Form::Instant, "Not before.").example("2026-11-22T10:00:00Z"),
        Member::optional("to", Form::Instant, "Before this; without it, up to now.")
            .example("2026-11-22T12:00:00Z"),
        Member::optional("status", Form::Word(&["dead"]), "`dead`: only what was given up."),
    ],
    choices: &[
        Choice { title: "One event", by: "event_id", with: &[] },
        Choice { title: "A time", by: "from", with: &["to", "status"] },
    ],
    no_choice: "either event_id alone, or from with to and status",
    ..Object::EMPTY
};
