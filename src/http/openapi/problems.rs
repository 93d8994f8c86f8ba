//! Which problems each operation may answer with, and an example of each.

use serde_json::{Value, json};

use super::put;
use crate::{
    domain::Outcome,
    problem::ProblemCode::{self, *},
};

/// Whatever an operation does.
const COMMON: &[ProblemCode] =
    &[InvalidHeader, Forbidden, HeadersTooLarge, InternalError, Overloaded, Draining];
/// Of operations that need a credential.
const IDENTIFIED: &[ProblemCode] = &[Unauthenticated, RateLimited];
/// Of lists.
const LIST: &[ProblemCode] = &[ValidationFailed, InvalidCursor, StoreUnavailable];
/// Of operations with a JSON body.
const BODY: &[ProblemCode] = &[InvalidJson, ValidationFailed, BodyTooLarge, UnsupportedMediaType];
/// Of reads at a provider.
const READ: &[ProblemCode] = &[
    ValidationFailed,
    NotFound,
    ProviderBadResponse,
    ProviderUnavailable,
    AccountMisconfigured,
    ProviderTimeout,
    StoreUnavailable,
];
/// Of everything that may change something at a provider.
const CHANGE: &[ProblemCode] = &[
    IdempotencyKeyInvalid,
    PaymentDeclined,
    NotFound,
    OrderStateConflict,
    OperationInProgress,
    IdempotencyKeyInUse,
    IdempotencyKeyExpired,
    UnsupportedByProvider,
    CurrencyNotSupported,
    IdempotencyKeyReused,
    ProviderRefused,
    ProviderUnavailable,
    AccountMisconfigured,
    StoreUnavailable,
];
/// Of changes of an order that exists.
const EXISTING: &[ProblemCode] = &[VersionMismatch, WindowClosed];
/// Of changes that move money.
const MOVEMENT: &[ProblemCode] =
    &[IdempotencyKeyMissing, AlreadyRefunded, AmountExceedsRemaining, CurrencyMismatch];

fn of(operation_id: &str) -> Vec<ProblemCode> {
    let parts: &[&[ProblemCode]] = match operation_id {
        "readProblemCode" => return [COMMON, &[NotFound]].concat(),
        "receiveNotification" => {
            let own: &[ProblemCode] = &[
                ValidationFailed,
                Unauthenticated,
                NotFound,
                BodyTooLarge,
                UnsupportedMediaType,
                StoreUnavailable,
            ];
            return [COMMON, own].concat();
        }
        "listAccounts" => &[],
        "readAccount" => &[&[NotFound]],
        "readOrder" => &[READ],
        "listOrders" | "listOperations" => &[LIST],
        "listOrderEvents" | "listEvents" | "listWebhookDeliveries" => &[LIST, &[NotFound]],
        "readOperation" | "readWebhookEndpoint" | "deleteWebhookEndpoint" | "testWebhookEndpoint" => {
            &[&[NotFound, StoreUnavailable]]
        }
        "listWebhookEndpoints" => &[&[StoreUnavailable]],
        "createWebhookEndpoint" => &[BODY, &[EndpointLimitReached, StoreUnavailable]],
        "updateWebhookEndpoint" | "rotateWebhookSecret" | "replayWebhookDeliveries" => {
            &[BODY, &[NotFound, StoreUnavailable]]
        }
        "settleOperation" => &[BODY, &[NotFound, OrderStateConflict, StoreUnavailable]],
        "createOrder" => &[BODY, CHANGE, &[IdempotencyKeyMissing, MerchantReferenceInUse]],
        "updateOrder" => &[BODY, CHANGE, EXISTING, &[MerchantReferenceInUse]],
        _ => &[BODY, CHANGE, EXISTING, MOVEMENT],
    };
    [COMMON, IDENTIFIED, &[NotAcceptable], &parts.concat()].concat()
}

/// Adds its problems to an operation, and their examples to the components. Codes that share a status stand beside each
/// other. A change says what happened to the money.
pub(super) fn describe(operation: &mut Value, is_change: bool, components: &mut Value) {
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let wanted = of(&id);
    // In the order of the table of codes, whatever the order above.
    for code in ProblemCode::ALL.iter().filter(|code| wanted.contains(code)) {
        let (status, name) = (code.status().to_string(), code.as_str());
        let response = ["responses", &status];
        let media = ["responses", &status, "content", "application/problem+json"];
        let before = operation.pointer(&format!("/responses/{status}/description")).and_then(Value::as_str);
        let title = code.title();
        let title = before.map_or_else(|| title.to_owned(), |before| format!("{before}; {title}"));
        let shared = if is_change { format!("change.{name}") } else { format!("read.{name}") };
        put(
            components,
            &["examples", &shared],
            json!({"summary": code.title(), "value": example(*code, is_change)}),
        );
        let reference = json!({"$ref": format!("#/components/examples/{shared}")});
        put(operation, &[&response[..], &["description"]].concat(), json!(title));
        if let Some((header, meaning)) = header_of(code.status()) {
            let header = [&response[..], &["headers", header]].concat();
            put(operation, &header, json!({"description": meaning, "schema": {"type": "string"}}));
        }
        put(operation, &[&media[..], &["schema"]].concat(), json!({"$ref": "#/components/schemas/Problem"}));
        put(operation, &[&media[..], &["examples", name]].concat(), reference);
    }
}

/// The header that a status comes with.
fn header_of(status: u16) -> Option<(&'static str, &'static str)> {
    match status {
        401 => Some(("WWW-Authenticate", "How to prove who you are")),
        429 | 503 => Some(("Retry-After", "Seconds to wait, where trying again makes sense")),
        _ => None,
    }
}

fn example(code: ProblemCode, is_change: bool) -> Value {
    let mut example = json!({
        "type": format!("/problems/{}", code.as_str()), "title": code.title(), "status": code.status(),
        "detail": code.meaning(), "instance": "urn:request:0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c",
        "code": code.as_str(), "retryable": code.retryable(),
        "request_id": "0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c",
    });
    if is_change {
        put(&mut example, &["outcome"], outcome(code).as_str().into());
    }
    example
}

fn outcome(code: ProblemCode) -> Outcome {
    if matches!(code, PaymentDeclined | ProviderRefused) { Outcome::Refused } else { Outcome::NotExecuted }
}
