//! The JSON of the API. Domain types do not derive schemas, so the API changes only on purpose.

use std::{collections::BTreeMap, io};

use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::openapi::put;
use crate::{
    adapter::{Account, BreakerState},
    domain::{DeliveryChannel, Event, Operation, OperationStatus, Order},
};

/// Room for an order as JSON: most fit, so that it is not moved while it grows.
const JSON_BYTES: usize = 2048;

/// An amount shown in an answer, which may also be zero.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownMoney, example = json!({"value": 20000, "currency": "EUR"}))]
pub(super) struct ShownMoneyDto {
    /// Minor units of the currency.
    #[schema(minimum = 0, example = 20000)]
    value: i64,
    /// ISO 4217 code in capitals.
    #[schema(example = "EUR")]
    currency: String,
}

/// Cumulative amounts in minor units of the order's currency; `null`: the provider does not tell. They fall only when the
/// provider undoes a movement or lowers an amount in its back office.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Amounts)]
pub(super) struct AmountsDto {
    /// What the payer is or was asked for.
    #[schema(example = 20000)]
    requested: Option<i64>,
    /// What the provider says was authorized.
    #[schema(example = 0)]
    authorized: Option<i64>,
    /// What has been taken.
    #[schema(example = 0)]
    captured: Option<i64>,
    /// What has been released before it was taken.
    #[schema(example = 0)]
    canceled: Option<i64>,
    /// What has been given back, or will be with nothing left to do.
    #[schema(example = 0)]
    refunded: Option<i64>,
    /// What is to be given back and still waits for a person or a confirmation; never in `refunded` too.
    #[schema(example = 0)]
    refund_pending: Option<i64>,
}

/// The provider's own word for the state of the order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderStatus)]
pub(super) struct ProviderStatusDto<'a> {
    /// As received.
    #[schema(example = "RUNNING")]
    code: &'a str,
    /// The provider's explanation, if it gives one.
    message: Option<&'a str>,
}

/// How to send the payer to the payment page.
#[derive(Serialize, ToSchema)]
#[schema(as = Checkout)]
pub(super) struct CheckoutDto<'a> {
    /// `GET`: follow the link; `POST`: submit `fields` to `url`.
    #[schema(example = "GET")]
    method: &'static str,
    /// The provider's page: an `https` address, or one that opens a wallet (`weixin`, `alipay`, `alipays`); `http` only where
    /// the provider itself is called by `http`, as in a sandbox. Without user name, spaces, quotes and line ends.
    #[schema(example = "https://secure.systempay.fr/t/328zq5so")]
    url: &'a str,
    /// Form fields for `POST`.
    fields: &'a BTreeMap<String, String>,
    /// One link that works for every provider; the same holds of it.
    #[schema(example = "https://secure.systempay.fr/t/328zq5so")]
    link: &'a str,
}

/// How the payer is told about the link.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryDto<'a> {
    /// `link`, `email`, `sms` or `whatsapp`; `null` when the provider names one guichet does not know.
    #[schema(example = "email")]
    channel: Option<&'static str>,
    /// E-mail address or phone number.
    #[schema(example = "sample@example.com")]
    recipient: Option<&'a str>,
}

/// What may be done now, and why not the rest. It is advice: the provider's own refusal is what counts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AvailableAction)]
pub(super) struct ActionDto<'a> {
    /// `update`, `cancel`, `capture` or `refund`.
    #[schema(example = "cancel")]
    action: &'static str,
    /// Whether it may be tried now.
    allowed: bool,
    /// Why not, as a stable word.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "not_paid")]
    reason: Option<&'a str>,
    /// Whether a part of the amount may be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<bool>,
    /// The largest amount, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 20000)]
    max: Option<i64>,
    /// Until when the provider lets it happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// A payment order as its provider sees it, in canonical terms.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub(super) struct OrderDto<'a> {
    /// `<account>_<provider reference>`.
    #[schema(example = "systempay_d63e7f507a6f4dfa86cb40a833ecfd85")]
    id: String,
    /// The configured account.
    #[schema(example = "systempay")]
    account: &'a str,
    /// The platform.
    #[schema(example = "lyra")]
    provider: &'a str,
    /// `test` or `live`.
    #[schema(example = "test")]
    mode: &'static str,
    /// The provider's own name for the order.
    #[schema(example = "d63e7f507a6f4dfa86cb40a833ecfd85")]
    provider_reference: &'a str,
    /// The merchant's own reference.
    #[schema(example = "myOrderId-999999")]
    merchant_reference: Option<&'a str>,
    /// The canonical status; readers must tolerate new values.
    #[schema(example = "pending")]
    status: &'static str,
    /// Whether the status cannot change any more.
    #[serde(rename = "final")]
    is_final: bool,
    /// The provider's own word.
    provider_status: ProviderStatusDto<'a>,
    /// What was requested.
    amount: ShownMoneyDto,
    /// What became of the money.
    amounts: AmountsDto,
    /// How to send the payer; `null` when the provider does not tell, or told an address that no payer may be sent to.
    checkout: Option<CheckoutDto<'a>>,
    /// How the payer is told.
    delivery: Option<DeliveryDto<'a>>,
    /// The merchant's description.
    description: Option<&'a str>,
    /// BCP 47 language tag.
    #[schema(example = "en-GB")]
    locale: Option<&'a str>,
    /// The caller's own labels.
    metadata: &'a BTreeMap<String, String>,
    /// When the provider made it.
    #[schema(example = "2026-11-20T15:06:49.000Z")]
    created_at: Option<String>,
    /// When the provider changed it last.
    updated_at: Option<String>,
    /// When it can no longer be paid.
    #[schema(example = "2026-12-20T18:13:26.000Z")]
    expires_at: Option<String>,
    /// What may be done now.
    available_actions: Vec<ActionDto<'a>>,
    /// The provider's own extra members.
    #[schema(value_type = Object)]
    provider_data: &'a Map<String, Value>,
    /// When the provider was asked.
    #[schema(example = "2026-11-22T10:00:00.000Z")]
    as_of: String,
    /// Whether this is an old copy because the provider could not be asked.
    stale: bool,
}

impl std::fmt::Debug for OrderDto<'_> {
    /// Never the payer, nor the way to the payer's page.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderDto").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl<'a> OrderDto<'a> {
    pub(super) fn new(order: &'a Order, stale: bool) -> Self {
        let text = |instant: crate::domain::Timestamp| instant.to_string();
        Self {
            id: order.id.to_string(),
            account: order.id.account.as_str(),
            provider: &order.provider,
            mode: order.mode.as_str(),
            provider_reference: order.id.reference.as_str(),
            merchant_reference: order.merchant_reference.as_deref(),
            status: order.status.as_str(),
            is_final: order.is_final,
            provider_status: ProviderStatusDto {
                code: &order.provider_status.code,
                message: order.provider_status.message.as_deref(),
            },
            amount: ShownMoneyDto { value: order.amount, currency: order.currency.to_string() },
            amounts: AmountsDto {
                requested: order.amounts.requested,
                authorized: order.amounts.authorized,
                captured: order.amounts.captured,
                canceled: order.amounts.canceled,
                refunded: order.amounts.refunded,
                refund_pending: order.amounts.refund_pending,
            },
            checkout: order.checkout.as_ref().map(|checkout| CheckoutDto {
                method: match checkout.method {
                    crate::domain::CheckoutMethod::Get => "GET",
                    crate::domain::CheckoutMethod::Post => "POST",
                },
                url: &checkout.url,
                fields: &checkout.fields,
                link: &checkout.link,
            }),
            delivery: order.delivery.as_ref().map(|delivery| DeliveryDto {
                channel: delivery.channel.map(DeliveryChannel::as_str),
                recipient: delivery.recipient.as_deref(),
            }),
            description: order.description.as_deref(),
            locale: order.locale.as_deref(),
            metadata: &order.metadata,
            created_at: order.created_at.map(text),
            updated_at: order.updated_at.map(text),
            expires_at: order.expires_at.map(text),
            available_actions: order
                .available_actions
                .iter()
                .map(|action| ActionDto {
                    action: action.action.operation().as_str(),
                    allowed: action.allowed,
                    reason: action.reason.as_deref(),
                    partial: action.partial,
                    max: action.max,
                    until: action.until.map(text),
                })
                .collect(),
            provider_data: &order.provider_data,
            as_of: order.as_of.to_string(),
            stale,
        }
    }

    /// The body of an answer.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(JSON_BYTES);
        // Writing plain structs into memory does not fail.
        let _ = serde_json::to_writer(&mut json, self);
        json
    }

    /// The tag of the order as shown: a digest of every member but the moment it was asked for, because the provider owns
    /// its state.
    pub(super) fn etag(&self) -> String {
        let Self {
            id,
            account,
            provider,
            mode,
            provider_reference,
            merchant_reference,
            status,
            is_final,
            provider_status,
            amount,
            amounts,
            checkout,
            delivery,
            description,
            locale,
            metadata,
            created_at,
            updated_at,
            expires_at,
            available_actions,
            provider_data,
            as_of: _,
            stale: _,
        } = self;
        let names = (id, account, provider, mode, provider_reference, merchant_reference);
        let state = (status, is_final, provider_status, amount, amounts, available_actions);
        let terms = (checkout, delivery, description, locale, metadata, provider_data);
        let mut digest = Digesting(Sha256::new());
        // Nor does writing them into a digest.
        let _ =
            serde_json::to_writer(&mut digest, &(names, state, terms, created_at, updated_at, expires_at));
        let hex = hex::encode(digest.0.finalize());
        format!("\"{}\"", hex.get(..32).unwrap_or(&hex))
    }
}

/// A digest that is written to.
struct Digesting(Sha256);

impl io::Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One attempt to change an order, and how it ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub(super) struct OperationDto {
    /// Its id.
    #[schema(value_type = String, example = "op_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")]
    id: Option<String>,
    /// `create`, `update`, `cancel`, `capture` or `refund`.
    #[serde(rename = "type")]
    #[schema(example = "cancel")]
    kind: String,
    /// Where it is in its life; `succeeded`, `refused` and `not_executed` are final.
    #[schema(example = "succeeded")]
    status: String,
    /// What happened to the money: `executed`, `already_done`, `accepted`, `refused`, `not_executed`, `unknown`.
    #[schema(example = "executed")]
    outcome: String,
    /// The amount it moves; `null` for updates.
    amount: Option<ShownMoneyDto>,
    /// The order it changes or made; `null` for a creation whose order is not known (yet).
    #[schema(example = "systempay_d63e7f507a6f4dfa86cb40a833ecfd85")]
    order_id: Option<String>,
    /// The configured account.
    #[schema(example = "systempay")]
    account: String,
    /// The platform.
    #[schema(example = "lyra")]
    provider: String,
    /// `harmless` when nobody knows the outcome of a creation, but nobody can pay it either: a new one under a new
    /// key does no harm.
    repeat: Option<String>,
    /// Why not, when refused or not executed.
    problem: Option<OperationProblemDto>,
    /// When the intent was written down.
    created_at: String,
    /// When its status changed last.
    updated_at: String,
    /// When guichet looks for evidence next, while unknown.
    next_check_at: Option<String>,
    /// The provider did it after it had ended as `refused` or `not_executed`; a person must decide.
    contradiction: Option<ContradictionDto>,
    /// The provider undid it after it had succeeded; its amount counts no more.
    reversed: Option<ReversalDto>,
}

/// What contradicts the end of an operation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contradiction)]
pub(super) struct ContradictionDto {
    /// When it was learned.
    at: String,
    /// What told it: `notification` or `read`.
    #[schema(example = "notification")]
    source: String,
    /// The provider's own word.
    #[schema(example = "refunded")]
    provider_status: Option<String>,
}

/// How an operation that had succeeded was undone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reversal)]
pub(super) struct ReversalDto {
    /// When it was learned.
    at: String,
    /// The provider's own word for why, or what told it.
    #[schema(example = "CAPTURE_FAILED")]
    reason: String,
}

/// Why an operation was refused or did not happen.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationProblem)]
pub(super) struct OperationProblemDto {
    /// The stable problem code.
    #[schema(example = "provider_refused")]
    code: String,
    /// For people.
    detail: String,
    /// The provider's own code.
    #[schema(example = "PSP_1007")]
    provider_code: Option<String>,
    /// What that code means.
    provider_message: Option<String>,
}

impl OperationDto {
    /// An operation with nothing to do, of which nothing is kept.
    pub(super) fn not_kept(operation: &Operation) -> Self {
        Self { id: None, ..Self::new(operation) }
    }

    pub(super) fn new(operation: &Operation) -> Self {
        Self {
            id: Some(operation.id.to_string()),
            kind: operation.kind.as_str().to_owned(),
            status: operation.status.as_str().to_owned(),
            outcome: operation.outcome().as_str().to_owned(),
            amount: operation.amount.map(|amount| ShownMoneyDto {
                value: amount.value(),
                currency: amount.currency().to_string(),
            }),
            order_id: operation.order_id.as_ref().map(ToString::to_string),
            account: operation.account.to_string(),
            provider: operation.provider.clone(),
            // While it is sent its answer may still come, and then the order is there to be shown.
            repeat: (operation.repeat_harmless && operation.status == OperationStatus::Unknown)
                .then(|| "harmless".to_owned()),
            problem: operation.failure.as_ref().map(|failure| OperationProblemDto {
                code: failure.code.clone(),
                detail: failure.detail.clone(),
                provider_code: failure.provider_code.clone(),
                provider_message: failure.provider_message.clone(),
            }),
            created_at: operation.created_at.to_string(),
            updated_at: operation.updated_at.to_string(),
            next_check_at: operation.next_check_at.map(|instant| instant.to_string()),
            contradiction: operation.contradiction.as_ref().map(|told| ContradictionDto {
                at: told.at.to_string(),
                source: told.source.clone(),
                provider_status: told.provider_status.clone(),
            }),
            reversed: operation
                .reversed
                .as_ref()
                .map(|reversed| ReversalDto { at: reversed.at.to_string(), reason: reversed.reason.clone() }),
        }
    }
}

/// Adds the operation in the answer to a change: the one schema in which it may have no id.
pub(super) fn complete(document: &mut Value) {
    let Some(mut operation) = document.pointer("/components/schemas/Operation").cloned() else { return };
    let meaning =
        "Its id. `null` when there was nothing to do (`already_done`) and no key: nothing is kept of it.";
    put(&mut operation, &["properties", "id", "type"], json!(["string", "null"]));
    put(&mut operation, &["properties", "id", "description"], json!(meaning));
    put(document, &["components", "schemas", "ChangeOperation"], operation);
    let shown = document.pointer_mut("/components/schemas/ChangedOrder/allOf/1/properties/operation/$ref");
    if let Some(shown) = shown {
        *shown = json!("#/components/schemas/ChangeOperation");
    }
}

/// The order after a change, with the operation that made it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChangedOrder)]
pub(super) struct ChangedOrderDto<'a> {
    /// The order after the change.
    #[serde(flatten)]
    pub(super) order: OrderDto<'a>,
    /// The operation.
    pub(super) operation: OperationDto,
}

/// A change whose result is not known yet, or that the provider does later.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenOperation)]
pub(super) struct OpenOperationDto {
    /// The operation as it is now; ask for it again at its own address.
    pub(super) operation: OperationDto,
}

/// Something that happened to an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventDto {
    /// Its id.
    #[schema(example = "evt_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c")]
    id: String,
    /// What happened; readers must tolerate new values.
    #[serde(rename = "type")]
    #[schema(example = "order.canceled")]
    event_type: String,
    /// Its place in the order's sequence, from 1, without a gap.
    #[schema(example = 3)]
    sequence: i64,
    /// The order; `null` for a creation whose order is not known.
    #[schema(example = "systempay_d63e7f507a6f4dfa86cb40a833ecfd85")]
    order_id: Option<String>,
    /// The operation behind it, if there was one.
    operation_id: Option<String>,
    /// When it was learned.
    #[schema(example = "2026-11-22T10:00:00.000Z")]
    occurred_at: String,
    /// The request behind it: a caller's, or the one that brought a provider's notification; `null` when guichet saw it
    /// by reading the provider.
    #[schema(example = "0191f2c4-7a3f-7c31-9a53-2f6f1f7a1b2c")]
    request_id: Option<String>,
    /// The trace of that request (W3C Trace Context).
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: Option<String>,
    /// State and amounts.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

impl EventDto {
    pub(super) fn new(event: &Event) -> Self {
        Self {
            id: event.id.to_string(),
            event_type: event.event.event_type.as_str().to_owned(),
            sequence: event.sequence,
            order_id: event.event.order_id.as_ref().map(ToString::to_string),
            operation_id: event.event.operation_id.map(|id| id.to_string()),
            occurred_at: event.event.occurred_at.to_string(),
            request_id: event.event.cause.request_id.clone(),
            trace_id: event.event.cause.trace_id(),
            data: event.event.data.clone(),
        }
    }
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderList)]
pub(super) struct OrderListDto<'a> {
    /// Orders as they were read last, in the order asked for.
    pub(super) items: Vec<OrderDto<'a>>,
    /// For the next page, which may be there although this one is not full; `null` on the last page.
    pub(super) next_cursor: Option<String>,
}

/// A page of operations.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationList)]
pub(super) struct OperationListDto {
    /// Operations, in the order asked for.
    pub(super) items: Vec<OperationDto>,
    /// For the next page, which may be there although this one is not full; `null` on the last page.
    pub(super) next_cursor: Option<String>,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventList)]
pub(super) struct EventListDto {
    /// Oldest first.
    pub(super) items: Vec<EventDto>,
    /// Give it as `cursor` for the next page; `null` at the end.
    pub(super) next_cursor: Option<String>,
}

/// A merchant contract guichet can use.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountDto {
    /// Its name, the first part of its orders' ids.
    #[schema(example = "systempay")]
    name: String,
    /// The platform.
    #[schema(example = "lyra")]
    provider: String,
    /// The white-label.
    #[schema(example = "systempay")]
    brand: Option<String>,
    /// `test` or `live`.
    #[schema(example = "test")]
    mode: String,
    /// What it can do, by operation: `supported`, `partial`, `from` (statuses), `findable`, `repeat_harmless`.
    #[schema(value_type = Object)]
    capabilities: Value,
    /// What the calls made so far say about the link to the provider.
    health: HealthDto,
}

/// The state of the link to a provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LinkHealth)]
pub(super) struct HealthDto {
    /// `up`, `down`, or `unknown` before the first call.
    #[schema(example = "up")]
    status: &'static str,
    /// When the provider last answered.
    last_answer_at: Option<String>,
    /// When a call last failed without an answer.
    last_failure_at: Option<String>,
    /// Failures since the last answer.
    #[schema(example = 0)]
    consecutive_failures: u32,
    /// `closed`; `open`: too many calls had no usable answer, so nothing is sent; `half_open`: one read finds out
    /// whether the provider answers again.
    #[schema(example = "closed")]
    breaker: &'static str,
}

impl AccountDto {
    pub(super) fn new(account: &Account) -> Self {
        let link = account.adapter.link();
        let status = match (link.consecutive_failures, link.last_answer_at) {
            _ if link.breaker != BreakerState::Closed => "down",
            (0, None) => "unknown",
            (0, Some(_)) => "up",
            _ => "down",
        };
        Self {
            name: account.name.to_string(),
            provider: account.adapter.provider().to_owned(),
            brand: account.adapter.brand().map(str::to_owned),
            mode: account.adapter.mode().as_str().to_owned(),
            capabilities: json!(account.adapter.capabilities()),
            health: HealthDto {
                status,
                last_answer_at: link.last_answer_at.map(|instant| instant.to_string()),
                last_failure_at: link.last_failure_at.map(|instant| instant.to_string()),
                consecutive_failures: link.consecutive_failures,
                breaker: link.breaker.as_str(),
            },
        }
    }
}

/// Every account the client may use.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountList)]
pub(super) struct AccountListDto {
    /// By name.
    pub(super) items: Vec<AccountDto>,
    /// Always `null`: there is one page.
    pub(super) next_cursor: Option<String>,
}
