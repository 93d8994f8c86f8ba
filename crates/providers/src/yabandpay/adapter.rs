//! One cashier account, spoken to in canonical terms.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    PROVIDER,
    config::Settings,
    create, error, evidence,
    flow::{CURRENCIES, PAYMENT_METHODS},
    mapping, money, notification, signature,
    status::{RefundProgress, payment_state},
    wire,
};
use guichet_port::{
    adapter::{
        AccountSettings, AdapterContext, Answer, Capabilities, Deadline, ErrorKind, Exchange, KeyError,
        Notification, NotificationError, OperationCapability, Performed, ProviderAdapter, ProviderError,
        Purpose, RawNotification, Recall, Result, Transport, Verdict, Violation, transport::LinkHealth,
    },
    domain::{
        AccountName, DeliveryChannel, Intent, Mode, Money, NewOrder, Operation, OperationId, OperationKind,
        OperationNews, OperationStatus, Order, OrderMemory, OrderStatus, Part, PlannedOrder,
        ProviderReference, Timestamp,
    },
};

const QUERY: &str = "v3.QueryOrder";
const CANCEL: &str = "v3.CancelPayment";
const CAPTURE: &str = "v3.Capture";
const REFUND: &str = "v3.CreateRefund";
const QUERY_REFUND: &str = "v3.QueryRefundOrder";

/// The member of `provider_data` that a refund's own order carries, to ask for the refund later.
const REFUND_ID: &str = "refund_id";
/// Refunds that one read of an order asks for; more at once wait for approval rarely, and the next read is not far.
const REFUNDS_ASKED_MAX: usize = 5;
/// A payment that does not exist.
const NO_PAYMENT: &str = "00000000-0000-4000-8000-000000000000";

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    // No query by the merchant's reference. What is made is a page, a QR code or what an app needs: nobody
    // can pay what nobody was shown, and it ends by itself within a day.
    create: OperationCapability {
        supported: true,
        partial: false,
        from: &[],
        findable: false,
        repeat_harmless: true,
    },
    update: OperationCapability::UNSUPPORTED,
    // A second one is answered with -4116, which means that the first one did it.
    cancel: OperationCapability {
        supported: true,
        partial: false,
        from: &[OrderStatus::Pending, OrderStatus::InReview, OrderStatus::Authorized, OrderStatus::Paid],
        findable: true,
        repeat_harmless: true,
    },
    capture: OperationCapability {
        supported: true,
        partial: true,
        from: &[OrderStatus::Authorized],
        findable: true,
        repeat_harmless: false,
    },
    // No query by our own number, and whether the same number twice is refused is not documented.
    refund: OperationCapability {
        supported: true,
        partial: true,
        from: &[OrderStatus::Paid, OrderStatus::PartiallyRefunded],
        findable: false,
        repeat_harmless: false,
    },
    payment_methods: PAYMENT_METHODS,
    delivery_channels: &[DeliveryChannel::Link],
    currencies: CURRENCIES,
};

/// One cashier account in one mode.
#[derive(Debug)]
pub(super) struct YabandPay {
    account: AccountName,
    settings: Settings,
    notify_url: String,
    transport: Transport,
}

/// Builds the adapter of one account.
pub(super) fn build(
    name: &AccountName,
    account: &AccountSettings,
    context: &AdapterContext,
) -> std::result::Result<Arc<dyn ProviderAdapter>, Vec<KeyError>> {
    let settings = Settings::read(account)?;
    let transport = Transport::new(PROVIDER, context).map_err(|problem| vec![account.error("", problem)])?;
    let notify_url = context.notification_url(name);
    Ok(Arc::new(YabandPay { account: name.clone(), settings, notify_url, transport }))
}

impl YabandPay {
    /// Calls a method and gives the `data` of its envelope.
    async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        data: BTreeMap<&'static str, String>,
        purpose: Purpose,
    ) -> Result<T> {
        let body = self.body(method, data, Timestamp::now()).ok_or_else(|| {
            ProviderError::new(PROVIDER, method, ErrorKind::NotExecuted, "the request cannot be written")
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let url = &self.settings.base_url;
        let exchange = Exchange { operation: method, url, headers, body: Bytes::from(body), purpose };
        let is_change = matches!(purpose, Purpose::Change);
        let data = read_answer(method, is_change, &self.transport.send(exchange).await?)?;
        serde_json::from_value(data)
            .map_err(|_| unusable(method, is_change, "the answer has not the method's form"))
    }

    /// The signed request. Source: "Cancel Payment Order" of API v3, Example Request.
    fn body(
        &self,
        method: &'static str,
        data: BTreeMap<&'static str, String>,
        now: Timestamp,
    ) -> Option<Vec<u8>> {
        let time = now.as_millis().checked_div(1_000)?;
        let user = self.settings.user.as_str();
        let message = signature::of_request(user, method, time, &data);
        let sign = signature::sign(&self.settings.secret_key, &message)?;
        serde_json::to_vec(&wire::Request { user, sign, method, time, data }).ok()
    }

    fn context(&self) -> mapping::Context<'_> {
        mapping::Context { account: &self.account, mode: self.settings.mode, as_of: Timestamp::now() }
    }

    /// What is remembered of an order. Refunds and captures are told by nobody else, so a paid order cannot
    /// do without; the others lack their labels and page at worst.
    async fn recall(&self, memory: &dyn Recall, state: Option<&str>) -> Result<OrderMemory> {
        let status = state.and_then(payment_state).map(|state| state.status);
        match memory.recall().await {
            Ok(memory) => Ok(memory),
            Err(error) if matches!(status, Some(OrderStatus::Paid | OrderStatus::Refunded)) => Err(error),
            Err(_) => Ok(OrderMemory::default()),
        }
    }

    /// Asks for a refund of ours by the platform's id of it.
    async fn query_refund(
        &self,
        operation: OperationId,
        amount: Money,
        refund_id: &str,
        deadline: Deadline,
    ) -> Result<wire::Refund> {
        let data = BTreeMap::from([("refund_id", refund_id.to_owned())]);
        let refund: wire::Refund = self.call(QUERY_REFUND, data, Purpose::Read(deadline)).await?;
        evidence::is_our_refund(operation, amount, &refund)
            .map_err(|problem| unusable(QUERY_REFUND, false, problem))?;
        Ok(refund)
    }

    /// What `v3.QueryRefundOrder` says of a refund. It wants the platform's id, which the answer of the
    /// refund told; there is no query by our own number. So a refund whose answer was lost is settled by its
    /// notification, or by a person.
    async fn settle_refund(&self, operation: &Operation, part: Part, deadline: Deadline) -> Result<Verdict> {
        // Operations of earlier versions have it in the order after them.
        let of_order = || {
            let order = operation.order_after.as_ref()?;
            order.provider_data.get(REFUND_ID).and_then(Value::as_str)
        };
        let Some(refund_id) = operation.provider_id.as_deref().or_else(of_order) else {
            return Ok(Verdict::NoTrace(None));
        };
        let refund = self.query_refund(operation.id, part.amount, refund_id, deadline).await?;
        Ok(evidence::of_refund(QUERY_REFUND, &refund))
    }

    /// What became of the refunds whose end is still to come, as far as the platform tells a last word. What cannot be
    /// read goes on waiting: nothing is concluded from that.
    async fn news_of_refunds(&self, memory: &OrderMemory, deadline: Deadline) -> Vec<OperationNews> {
        let mut news = Vec::new();
        // The payment has been read: that must not be lost for a refund that is told slowly.
        let now = Instant::now();
        let until = now + deadline.saturating_duration_since(now).checked_div(2).unwrap_or_default();
        let waiting = memory.movements.iter().filter(|movement| {
            movement.kind == OperationKind::Refund && movement.status == OperationStatus::Accepted
        });
        for movement in waiting.take(REFUNDS_ASKED_MAX) {
            let Some(refund_id) = movement.provider_id.as_deref() else { continue };
            match self.query_refund(movement.operation, movement.amount, refund_id, until).await {
                Ok(refund) => news.extend(evidence::news_of_refund(movement, &refund)),
                Err(error) => {
                    tracing::warn!(operation_id = %movement.operation, error = %error, "a refund that waits cannot be read");
                }
            }
        }
        news
    }
}

fn by_trade_id(reference: &ProviderReference) -> BTreeMap<&'static str, String> {
    BTreeMap::from([("trade_id", reference.to_string())])
}

/// The `data` inside the envelope, or what it says went wrong.
///
/// Source: the official PHP library: success is `status` true and a filled `data`. It reads the body whatever
/// the HTTP status and media type; an answer with another HTTP status than success is taken for none all the
/// same, because what business failures come with is inferred only. The media type is not documented and not
/// looked at: a body with the envelope's form is the platform's.
pub(super) fn read_answer(method: &'static str, is_change: bool, answer: &Answer) -> Result<Value> {
    if !(200..300).contains(&answer.status) {
        return Err(unusable(method, is_change, "the answer did not come from the provider's service"));
    }
    let Ok(envelope) = serde_json::from_slice::<wire::Envelope>(&answer.body) else {
        return Err(unusable(method, is_change, "the answer is not the provider's envelope"));
    };
    if !envelope.status {
        return Err(error::from_code(method, envelope.code.as_deref(), is_change));
    }
    match envelope.data {
        Value::Object(members) if !members.is_empty() => Ok(Value::Object(members)),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => Err(unusable(method, is_change, "the answer tells success without data")),
    }
}

/// An answer that proves nothing: a read learned nothing, a change may have happened.
fn unusable(method: &'static str, is_change: bool, problem: &str) -> ProviderError {
    let kind = if is_change { ErrorKind::OutcomeUnknown } else { ErrorKind::Protocol };
    ProviderError::new(PROVIDER, method, kind, problem)
}

/// The platform takes two decimals. A payment in a currency with others was not made here.
fn unwritable(method: &'static str) -> ProviderError {
    let problem = "the provider has no amounts in this currency; nothing was sent";
    ProviderError::new(PROVIDER, method, ErrorKind::CurrencyNotSupported, problem)
}

#[async_trait]
impl ProviderAdapter for YabandPay {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn brand(&self) -> Option<&str> {
        None
    }

    fn mode(&self) -> Mode {
        self.settings.mode
    }

    fn identity(&self) -> String {
        self.settings.identity()
    }

    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn accepts_reference(&self, reference: &ProviderReference) -> bool {
        mapping::is_trade_id(reference.as_str())
    }

    fn link(&self) -> LinkHealth {
        self.transport.link()
    }

    /// Asks for a payment that does not exist. Any answer in the platform's envelope proves the address; what
    /// it cannot tell is whether user and secret are right: a wrong signature is answered with `status` false
    /// and an unpublished code, just as an unknown id is. Only a payment that exists tells the difference.
    async fn test_connection(&self, deadline: Deadline) -> Result<()> {
        let data = BTreeMap::from([("trade_id", NO_PAYMENT.to_owned())]);
        match self.call::<Value>(QUERY, data, Purpose::Read(deadline)).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Refused) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn fetch(
        &self,
        reference: &ProviderReference,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Order> {
        let data = by_trade_id(reference);
        let queried: wire::Queried = self.call(QUERY, data, Purpose::Read(deadline)).await?;
        let payment = queried.transaction_info;
        if payment.trade_id.as_deref() != Some(reference.as_str()) {
            return Err(unusable(QUERY, false, "the answer is about another payment"));
        }
        let mut memory = self.recall(memory, payment.state.as_deref()).await?;
        let news = self.news_of_refunds(&memory, deadline).await;
        mapping::learn(&mut memory, &news);
        let mut order = mapping::order(&self.context(), payment, &memory)
            .map_err(|problem| unusable(QUERY, false, problem))?;
        order.news = news;
        Ok(order)
    }

    fn plan_create(
        &self,
        order: NewOrder,
        _operation: OperationId,
        now: Timestamp,
    ) -> std::result::Result<PlannedOrder, Vec<Violation>> {
        create::plan(order, now)
    }

    async fn create(&self, operation: OperationId, planned: &PlannedOrder) -> Result<Order> {
        let (method, data) = create::request(planned, operation, &self.notify_url, Timestamp::now())
            .ok_or_else(|| ProviderError::unsupported(PROVIDER, OperationKind::Create))?;
        let created: wire::Created = self.call(method, data, Purpose::Change).await?;
        // Which schemes the platform gives is not documented; a QR code of WeChat's own is `weixin://`.
        let addresses = self.transport.payer_addresses(&self.settings.base_url).with_wallets();
        create::order(&self.context(), addresses, operation, planned, created)
            .map_err(|problem| unusable(method, true, problem))
    }

    async fn cancel(&self, _operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        if !part.full {
            return Err(ProviderError::unsupported(PROVIDER, OperationKind::Cancel));
        }
        let data = by_trade_id(before.reference());
        let payment: wire::Payment = self.call(CANCEL, data, Purpose::Change).await?;
        let after = mapping::order(&self.context(), payment, &OrderMemory::default())
            .map_err(|problem| unusable(CANCEL, true, problem))?;
        if after.reference() != before.reference() {
            return Err(unusable(CANCEL, true, "the answer is about another payment"));
        }
        if after.status != OrderStatus::Canceled {
            return Err(unusable(CANCEL, true, "the answer does not tell a cancelled payment"));
        }
        if !mapping::is_amount_of(before, &after) {
            return Err(unusable(CANCEL, true, "the answer tells another amount than was read"));
        }
        Ok(Performed { order: Some(mapping::with_memory_of(after, before)), ..Performed::default() })
    }

    async fn capture(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        let mut data = by_trade_id(before.reference());
        data.insert("amount", money::to_wire(part.amount).ok_or_else(|| unwritable(CAPTURE))?);
        data.insert("currency", part.amount.currency().code().to_owned());
        data.insert("description", mapping::label(before));
        data.insert("notify_url", self.notify_url.clone());
        data.insert("request_id", operation.simple());
        let captured: wire::Captured = self.call(CAPTURE, data, Purpose::Change).await?;
        mapping::check_captured(before, part, &captured)
            .map_err(|problem| unusable(CAPTURE, true, problem))?;
        // What the answer holds is not documented. Without a state, success of the call is all there is.
        let word = captured.state.as_deref().filter(|word| !word.is_empty()).unwrap_or("paid");
        match payment_state(word).map(|state| state.status) {
            Some(OrderStatus::Paid) => {
                let order = mapping::after_capture(before, part, word, Timestamp::now());
                Ok(Performed { order: Some(order), ..Performed::default() })
            }
            Some(OrderStatus::Authorized | OrderStatus::Pending | OrderStatus::InReview) => {
                Ok(Performed { accepted: true, ..Performed::default() })
            }
            _ => Err(unusable(CAPTURE, true, "the answer does not tell a captured payment")),
        }
    }

    async fn refund(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        let mut data = by_trade_id(before.reference());
        data.insert("refund_amount", money::to_wire(part.amount).ok_or_else(|| unwritable(REFUND))?);
        data.insert("refund_currency", part.amount.currency().code().to_owned());
        data.insert("refund_description", format!("Refund of {}", mapping::label(before)));
        data.insert("m_refund_id", operation.to_string());
        data.insert("notify_url", self.notify_url.clone());
        let refund: wire::Refund = self.call(REFUND, data, Purpose::Change).await?;
        if refund.trade_id.as_deref().is_some_and(|told| told != before.reference().as_str()) {
            return Err(unusable(REFUND, true, "the answer is about another payment"));
        }
        evidence::is_our_refund(operation, part.amount, &refund)
            .map_err(|problem| unusable(REFUND, true, problem))?;
        let state = evidence::state_of_refund(&refund);
        if let Some(state) = state.filter(|state| state.progress == RefundProgress::Refused) {
            return Err(evidence::failed_refund(REFUND, state));
        }
        // Success of the call means accepted: an administrator may have to approve it, the balance may be too
        // low, or it failed and may be tried again.
        let accepted = state.is_none_or(|state| state.progress == RefundProgress::Accepted);
        let mut order = mapping::after_refund(before, part, accepted, Timestamp::now());
        let provider_id = evidence::refund_id(&refund);
        if let Some(refund_id) = &provider_id {
            order.provider_data.insert(REFUND_ID.to_owned(), Value::from(refund_id.as_str()));
        }
        Ok(Performed { order: Some(order), accepted, provider_id })
    }

    async fn settle(
        &self,
        operation: &Operation,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Verdict> {
        match &operation.intent {
            Intent::Create { planned } => {
                let Some(id) = operation.expected_order() else { return Ok(Verdict::NoTrace(None)) };
                let now = self.fetch(&id.reference, memory, deadline).await?;
                Ok(evidence::of_create(planned, now))
            }
            Intent::Update { .. } => Ok(Verdict::NoTrace(None)),
            Intent::Cancel { before, .. } => {
                let now = self.fetch(before.reference(), memory, deadline).await?;
                // Only the target state proves it. Where the platform said "cancelled before", the house knows that
                // finding it otherwise proves nothing.
                let is_done = now.status == OrderStatus::Canceled;
                let now = Some(Box::new(now));
                Ok(if is_done { Verdict::Done(now) } else { Verdict::NoTrace(now) })
            }
            Intent::Capture { before, part } => {
                let now = self.fetch(before.reference(), memory, deadline).await?;
                Ok(evidence::of_capture(before, *part, now))
            }
            Intent::Refund { part, .. } => self.settle_refund(operation, *part, deadline).await,
        }
    }

    fn verify_notification(
        &self,
        raw: &RawNotification,
    ) -> std::result::Result<Notification, NotificationError> {
        notification::read(&self.settings, raw)
    }
}
