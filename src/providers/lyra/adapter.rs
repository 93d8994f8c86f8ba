//! One Lyra shop, spoken to in canonical terms.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, json};

use super::{
    PROVIDER, check,
    config::Settings,
    create, error, evidence, mapping, notification, payments,
    status::{DetailedStatus, PaymentOrderStatus},
    update,
    wire::{self, Transaction},
};
use crate::{
    adapter::{
        AccountSettings, AdapterContext, Answer, Capabilities, Deadline, ErrorKind, Exchange, KeyError,
        Notification, NotificationError, OperationCapability, Performed, ProviderAdapter, ProviderError,
        Purpose, RawNotification, Recall, Result, Transport, Verdict, Violation, transport::LinkHealth,
    },
    domain::{
        AccountName, Action, DeliveryChannel, Intent, Mode, NewOrder, Operation, OperationId, OperationKind,
        Order, OrderMemory, OrderPatch, OrderStatus, Part, PlannedOrder, ProviderReference, Timestamp,
    },
};

const CREATE: &str = "Charge/CreatePaymentOrder";
const GET: &str = "Charge/PaymentOrder/Get";
const UPDATE: &str = "Charge/PaymentOrder/Update";
const CANCEL: &str = "Charge/PaymentOrder/Cancel";
const SDK_TEST: &str = "Charge/SDKTest";
const TRANSACTIONS: &str = "Order/Get";
const CANCEL_OR_REFUND: &str = "Transaction/CancelOrRefund";
const VALIDATE: &str = "Transaction/Validate";
const TRANSACTION_UPDATE: &str = "Transaction/Update";

/// The envelope's word for an answer that is no error.
const SUCCESS: &str = "SUCCESS";
/// What an answer is that should have been a payment order.
const NO_ORDER: &str = "the answer is not a payment order";

/// How much earlier than our intent the platform may date an effect of it: its clock is not ours.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    // Two creations are two orders. A lost one can be found only once somebody has paid it, so only one that the
    // platform tells nobody about may be repeated.
    create: OperationCapability {
        supported: true,
        partial: false,
        from: &[],
        findable: false,
        repeat_harmless: true,
    },
    // Doing it twice changes the order once, but tells the payer twice.
    update: OperationCapability {
        supported: true,
        partial: false,
        from: &[OrderStatus::Pending],
        findable: true,
        repeat_harmless: false,
    },
    // Whether a refused order may still be cancelled is not documented: the provider decides. A paid one until its
    // remittance, a part of it by lowering its amount.
    cancel: OperationCapability {
        supported: true,
        partial: true,
        from: &[
            OrderStatus::Pending,
            OrderStatus::Declined,
            OrderStatus::Processing,
            OrderStatus::Authorized,
            OrderStatus::Paid,
        ],
        findable: true,
        repeat_harmless: true,
    },
    // A part would need two calls, the amount first.
    capture: OperationCapability {
        supported: true,
        partial: false,
        from: &[OrderStatus::Authorized, OrderStatus::Processing],
        findable: true,
        repeat_harmless: true,
    },
    // Two refunds of a part are two refunds.
    refund: OperationCapability {
        supported: true,
        partial: true,
        from: &[OrderStatus::Paid, OrderStatus::PartiallyRefunded],
        findable: true,
        repeat_harmless: false,
    },
    payment_methods: create::PAYMENT_METHOD_WORDS,
    delivery_channels: &DeliveryChannel::ALL,
    currencies: check::CURRENCIES,
};

/// One shop in one mode.
#[derive(Debug)]
pub(super) struct Lyra {
    account: AccountName,
    settings: Settings,
    authorization: HeaderValue,
    transport: Transport,
    /// Where the platform sends the notifications of orders made here.
    notifications: String,
}

/// Builds the adapter of one account.
pub(super) fn build(
    name: &AccountName,
    account: &AccountSettings,
    context: &AdapterContext,
) -> std::result::Result<Arc<dyn ProviderAdapter>, Vec<KeyError>> {
    let settings = Settings::read(account)?;
    let authorization = settings
        .authorization()
        .ok_or_else(|| vec![account.error("password", "cannot be written in a request header")])?;
    let transport = Transport::new(PROVIDER, context.connect_timeout, context.provider_timeout)
        .map_err(|problem| vec![account.error("", problem)])?;
    let notifications = context.notification_url(name);
    Ok(Arc::new(Lyra { account: name.clone(), settings, authorization, transport, notifications }))
}

impl Lyra {
    /// Calls a service and gives the answer of its envelope; `not_it` says what another answer is not.
    async fn call<T: DeserializeOwned>(
        &self,
        service: &'static str,
        body: &(impl Serialize + Sync),
        purpose: Purpose,
        not_it: &str,
    ) -> Result<T> {
        let body = serde_json::to_vec(body).map_err(|_| {
            ProviderError::new(PROVIDER, service, ErrorKind::NotExecuted, "the request cannot be written")
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let url = format!("{}V4/{service}", self.settings.base_url);
        let exchange = Exchange { operation: service, url: &url, headers, body: Bytes::from(body), purpose };
        let is_change = matches!(purpose, Purpose::Change);
        read_content(service, is_change, &self.transport.send(exchange).await?, not_it)
    }

    /// Calls a service of payment orders and gives the order, which must be the one asked for.
    async fn call_for_order(
        &self,
        service: &'static str,
        body: &(impl Serialize + Sync),
        purpose: Purpose,
        reference: &ProviderReference,
    ) -> Result<Order> {
        let is_change = matches!(purpose, Purpose::Change);
        let order = self.call(service, body, purpose, NO_ORDER).await?;
        let order = self.read_order(service, is_change, order)?;
        if order.reference() == reference {
            Ok(order)
        } else {
            Err(unusable(service, is_change, "the answer is about another payment order"))
        }
    }

    fn read_order(&self, service: &'static str, is_change: bool, wire: wire::PaymentOrder) -> Result<Order> {
        mapping::order(&self.account, self.settings.mode, Timestamp::now(), wire)
            .map_err(|problem| unusable(service, is_change, problem))
    }

    /// Calls a service of transactions and gives the transaction.
    async fn call_for_transaction(
        &self,
        service: &'static str,
        body: &(impl Serialize + Sync),
    ) -> Result<Transaction> {
        self.call(service, body, Purpose::Change, "the answer is not a transaction").await
    }

    /// Every transaction with this merchant reference; none when there are too many to tell.
    async fn transactions(&self, merchant_reference: &str, deadline: Deadline) -> Result<Vec<Transaction>> {
        let body = wire::ByMerchantReference { order_id: merchant_reference };
        let not_it = "the answer is not a list of transactions";
        match self.call::<wire::OrderTransactions>(TRANSACTIONS, &body, Purpose::Read(deadline), not_it).await
        {
            Ok(answer) => Ok(answer.transactions),
            // PSP_010: none yet. PSP_015: more than the platform lists, so nobody can tell which is this order's.
            Err(error) if matches!(error.code.as_deref(), Some("PSP_010" | "PSP_015")) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The order, and of a paid one its transactions.
    async fn read(
        &self,
        reference: &ProviderReference,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<(Order, Vec<Transaction>)> {
        let body = wire::ByReference { payment_order_id: reference.as_str() };
        let mut order = self.call_for_order(GET, &body, Purpose::Read(deadline), reference).await?;
        let is_paid = PaymentOrderStatus::read(&order.provider_status.code) == PaymentOrderStatus::Paid;
        let memory = match memory.recall().await {
            Ok(memory) => memory,
            // Whose payment it is cannot be told without it.
            Err(error) if is_paid => return Err(error),
            Err(_) => OrderMemory::default(),
        };
        if let Some(creation) = &memory.creation {
            order.metadata.clone_from(&creation.planned.order.metadata);
        }
        if !is_paid {
            return Ok((order, Vec::new()));
        }
        let transactions = match order.merchant_reference.clone() {
            Some(merchant_reference) => self.transactions(&merchant_reference, deadline).await?,
            None => Vec::new(),
        };
        let creation = memory.creation.map(|creation| creation.operation);
        let payment = payments::of(&order, &transactions, creation);
        payments::apply(&mut order, payment.as_ref());
        order.as_of = Timestamp::now();
        Ok((order, transactions))
    }

    /// Cancels an accepted payment that is not remitted yet, all or part of it.
    async fn cancel_payment(&self, operation: OperationId, before: &Order, part: Part) -> Result<()> {
        let uuid = payment_of(before, CANCEL_OR_REFUND)?;
        let comment = operation.to_string();
        if part.full {
            let body = wire::CancelOrRefund {
                uuid,
                resolution_mode: "CANCELLATION_ONLY",
                amount: None,
                currency: None,
                comment,
            };
            let after = self.call_for_transaction(CANCEL_OR_REFUND, &body).await?;
            let is_canceled = DetailedStatus::read(&after.detailed_status) == DetailedStatus::Cancelled;
            return expect(
                CANCEL_OR_REFUND,
                after.uuid == uuid && is_canceled,
                "the answer does not tell a cancelled payment",
            );
        }
        let present = before.action(Action::Cancel).and_then(|action| action.max).unwrap_or(before.amount);
        let amount = present.saturating_sub(part.amount.value());
        let currency = before.currency.code();
        let card_update = wire::CardUpdate { amount, currency };
        let body = wire::TransactionUpdate { uuid, card_update, comment };
        let after = self.call_for_transaction(TRANSACTION_UPDATE, &body).await?;
        expect(
            TRANSACTION_UPDATE,
            after.uuid == uuid && after.amount == amount && after.currency == currency,
            "the answer does not tell the amount that was to remain",
        )
    }
}

/// The payment behind an order as read.
fn payment_of<'a>(order: &'a Order, service: &'static str) -> Result<&'a str> {
    order.provider_data.get(payments::UUID).and_then(Value::as_str).ok_or_else(|| {
        ProviderError::new(PROVIDER, service, ErrorKind::StateConflict, "the order has no payment to change")
    })
}

/// An answer to a change counts only when it tells what was to be done.
fn expect(service: &'static str, holds: bool, problem: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(unusable(service, true, problem)) }
}

#[cfg(test)]
pub(super) fn read_answer(service: &'static str, is_change: bool, answer: &Answer) -> Result<Value> {
    read_content(service, is_change, answer, "the answer is not JSON")
}

/// The answer inside the envelope as what it has to be, or what it says went wrong. The envelope decides; HTTP only says
/// whether there is one.
fn read_content<T: DeserializeOwned>(
    service: &'static str,
    is_change: bool,
    answer: &Answer,
    not_it: &str,
) -> Result<T> {
    let has_envelope = matches!(answer.status, 200 | 401);
    // Absent is accepted: the body says it as well.
    let is_json = answer
        .content_type
        .as_deref()
        .is_none_or(|media| media.ends_with("/json") || media.ends_with("+json"));
    if !has_envelope || !is_json {
        return Err(unusable(service, is_change, "the answer did not come from the provider's service"));
    }
    // Most answers are this, and read once.
    if let Ok(wire::Complete { status, answer }) = serde_json::from_slice::<wire::Complete<T>>(&answer.body)
        && status == SUCCESS
    {
        return Ok(answer);
    }
    let Ok(envelope) = serde_json::from_slice::<wire::Envelope>(&answer.body) else {
        return Err(unusable(service, is_change, "the answer is not the provider's envelope"));
    };
    match envelope.status.as_str() {
        SUCCESS => Err(unusable(service, is_change, not_it)),
        "ERROR" => match serde_json::from_slice::<wire::Complete<wire::ServiceError>>(&answer.body) {
            Ok(wire::Complete { answer, .. }) => {
                Err(error::from_code(service, &answer.error_code, is_change))
            }
            Err(_) => Err(unusable(service, is_change, "the provider's error has no code")),
        },
        _ => Err(unusable(service, is_change, "the envelope tells neither success nor error")),
    }
}

/// An answer that proves nothing: a read learned nothing, a change may have happened.
fn unusable(service: &'static str, is_change: bool, problem: &str) -> ProviderError {
    let kind = if is_change { ErrorKind::OutcomeUnknown } else { ErrorKind::Protocol };
    ProviderError::new(PROVIDER, service, kind, problem)
}

#[async_trait]
impl ProviderAdapter for Lyra {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn brand(&self) -> Option<&str> {
        self.settings.brand.as_deref()
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
        let text = reference.as_str();
        text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    fn link(&self) -> LinkHealth {
        self.transport.link()
    }

    async fn test_connection(&self, deadline: Deadline) -> Result<()> {
        self.call::<Option<IgnoredAny>>(
            SDK_TEST,
            &json!({"value": "guichet"}),
            Purpose::Read(deadline),
            "the answer is not JSON",
        )
        .await
        .map(|_| ())
    }

    async fn fetch(
        &self,
        reference: &ProviderReference,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Order> {
        self.read(reference, memory, deadline).await.map(|(order, _)| order)
    }

    fn plan_create(
        &self,
        order: NewOrder,
        _operation: OperationId,
        now: Timestamp,
    ) -> std::result::Result<PlannedOrder, Vec<Violation>> {
        let violations = check::create(&order, now);
        if !violations.is_empty() {
            return Err(violations);
        }
        let expires_at = order.expires_at.unwrap_or_else(|| now.plus(create::LIFE));
        Ok(PlannedOrder { order, expires_at, reference: None, page_token: None })
    }

    async fn create(&self, operation: OperationId, planned: &PlannedOrder) -> Result<Order> {
        let body = create::request(operation, planned, self.notifications.clone());
        let answer = self.call(CREATE, &body, Purpose::Change, NO_ORDER).await?;
        let mut order = self.read_order(CREATE, true, answer)?;
        let is_ours = order.amount == body.amount
            && order.currency.code() == body.currency
            && order.merchant_reference == body.order_id;
        expect(CREATE, is_ours, "the answer tells another order than was asked for")?;
        order.metadata.clone_from(&planned.order.metadata);
        Ok(order)
    }

    fn check_update(&self, before: &Order, patch: &OrderPatch) -> std::result::Result<(), Vec<Violation>> {
        let violations = check::update(before, patch, Timestamp::now());
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }

    async fn update(
        &self,
        _operation: OperationId,
        before: &Order,
        patch: &OrderPatch,
        memory: &dyn Recall,
    ) -> Result<Order> {
        let creation = memory.recall().await?.creation;
        let body = update::request(before, patch, creation.as_ref(), &self.notifications)
            .ok_or_else(|| ProviderError::unsupported(PROVIDER, OperationKind::Update))?;
        let mut after = self.call_for_order(UPDATE, &body, Purpose::Change, before.reference()).await?;
        expect(
            UPDATE,
            after.amount == body.amount && after.currency.code() == body.currency,
            "the answer tells another amount than was sent",
        )?;
        if let Some(mut creation) = creation {
            creation.planned.order.apply(patch);
            after.metadata = creation.planned.order.metadata;
        }
        Ok(after)
    }

    async fn cancel(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        if !matches!(before.status, OrderStatus::Pending | OrderStatus::Declined) {
            self.cancel_payment(operation, before, part).await?;
            return Ok(Performed::default());
        }
        if !part.full {
            return Err(ProviderError::unsupported(PROVIDER, OperationKind::Cancel));
        }
        let body = wire::ByReference { payment_order_id: before.reference().as_str() };
        let mut after = self.call_for_order(CANCEL, &body, Purpose::Change, before.reference()).await?;
        expect(CANCEL, after.status == OrderStatus::Canceled, "the answer does not tell a canceled order")?;
        after.metadata.clone_from(&before.metadata);
        Ok(Performed { order: Some(after), ..Performed::default() })
    }

    async fn capture(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        if !part.full {
            return Err(ProviderError::unsupported(PROVIDER, OperationKind::Capture));
        }
        let uuid = payment_of(before, VALIDATE)?;
        let body = wire::Validate { uuid, comment: operation.to_string() };
        let after = self.call_for_transaction(VALIDATE, &body).await?;
        let is_validated = matches!(
            DetailedStatus::read(&after.detailed_status),
            DetailedStatus::Authorised
                | DetailedStatus::Captured
                | DetailedStatus::WaitingAuthorisation
                | DetailedStatus::Suspended
        );
        expect(VALIDATE, after.uuid == uuid && is_validated, "the answer does not tell a validated payment")?;
        Ok(Performed::default())
    }

    async fn refund(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        let uuid = payment_of(before, CANCEL_OR_REFUND)?;
        let (amount, currency) = (part.amount.value(), part.amount.currency().code());
        let body = wire::CancelOrRefund {
            uuid,
            resolution_mode: "REFUND_ONLY",
            amount: Some(amount),
            currency: Some(currency),
            comment: operation.to_string(),
        };
        let credit = self.call_for_transaction(CANCEL_OR_REFUND, &body).await?;
        let is_ours = credit.operation_type.as_deref() == Some("CREDIT")
            && credit.amount == amount
            && credit.currency == currency
            && credit.parent().is_none_or(|parent| parent == uuid);
        expect(CANCEL_OR_REFUND, is_ours, "the answer does not tell this refund")?;
        let status = DetailedStatus::read(&credit.detailed_status);
        expect(CANCEL_OR_REFUND, status.gives_back(), "the answer tells a refund that gives nothing back")?;
        Ok(Performed::default())
    }

    async fn settle(
        &self,
        operation: &Operation,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Verdict> {
        if let Intent::Create { planned } = &operation.intent {
            // Found only once it is paid, and then without its number: no read tells which order it is.
            let transactions = self.transactions(&planned.order.merchant_reference, deadline).await?;
            let ours = operation.id.to_string();
            let is_paid =
                transactions.iter().any(|transaction| transaction.creation() == Some(ours.as_str()));
            return Ok(if is_paid { Verdict::Done(None) } else { Verdict::NoTrace(None) });
        }
        let Some(before) = operation.intent.before() else { return Ok(Verdict::NoTrace(None)) };
        let (mut now, transactions) = self.read(before.reference(), memory, deadline).await?;
        let is_done = match &operation.intent {
            Intent::Create { .. } => false,
            Intent::Update { before, patch } => evidence::shows_update(before, patch, &now),
            Intent::Cancel { before, part } => evidence::shows_cancel(before, *part, &now),
            Intent::Capture { before, .. } => evidence::shows_capture(before, &now),
            Intent::Refund { before, part } => {
                let since = operation.created_at.minus(CLOCK_SKEW);
                evidence::shows_refund(before, *part, &now, &transactions, since)
            }
        };
        if let Intent::Update { patch, .. } = &operation.intent
            && is_done
            && let Some(mut creation) = memory.recall().await?.creation
        {
            // What is remembered does not know of this update before it is settled.
            creation.planned.order.apply(patch);
            now.metadata = creation.planned.order.metadata;
        }
        let changed_otherwise = !is_done && evidence::changed_otherwise(&operation.intent, &now);
        let now = Some(Box::new(now));
        Ok(match (is_done, changed_otherwise) {
            (true, _) => Verdict::Done(now),
            (false, true) => Verdict::Unclear(now),
            (false, false) => Verdict::NoTrace(now),
        })
    }

    fn verify_notification(
        &self,
        raw: &RawNotification,
    ) -> std::result::Result<Notification, NotificationError> {
        notification::verify(&self.settings, raw)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        task::JoinHandle,
        time::Instant,
    };

    use super::{
        super::tests::{UPDATED, money, order},
        *,
    };
    use crate::domain::Field;

    /// An order nobody here knows more about.
    struct Nothing;

    #[async_trait]
    impl Recall for Nothing {
        async fn recall(&self) -> Result<OrderMemory> {
            Ok(OrderMemory::default())
        }
    }

    fn part(value: i64, full: bool) -> Part {
        Part { amount: money(value, "EUR"), full }
    }

    /// An adapter whose provider answers its first call so; the task gives the request it got.
    async fn against(envelope: Value) -> (Arc<dyn ProviderAdapter>, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api-payment", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut part = [0; 4096];
                let length = stream.read(&mut part).await.unwrap();
                request.push_str(std::str::from_utf8(&part[..length]).unwrap());
            }
            let body = envelope.to_string();
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json;charset=utf-8";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            request
        });
        let pairs = [("base_url", url.as_str()), ("shop_id", "69876357"), ("password", "testpassword_x")];
        let account = AccountSettings::from_pairs("shop", "lyra", pairs);
        let second = Duration::from_secs(1);
        let context = AdapterContext {
            connect_timeout: second,
            provider_timeout: second,
            public_url: "http://127.0.0.1:8080".to_owned(),
        };
        (build(&"shop".parse().unwrap(), &account, &context).unwrap(), task)
    }

    fn envelope(changes: &[(&str, Value)]) -> Value {
        let mut envelope: Value = serde_json::from_str(UPDATED).unwrap();
        for (member, value) in changes {
            envelope["answer"][*member] = value.clone();
        }
        envelope
    }

    #[tokio::test]
    async fn an_answer_counts_only_when_it_is_about_what_was_asked() {
        let before = order(UPDATED);
        let other = ("paymentOrderId", json!("fd8f6060f824427ba687d0161e46af8f"));
        let canceled = ("paymentOrderStatus", json!("CANCELED"));
        let patch = OrderPatch { amount: Field::Set(money(20_000, "EUR")), ..OrderPatch::default() };
        let unknown = Some(ErrorKind::OutcomeUnknown);
        for (service, changes, expected) in [
            (GET, vec![], None),
            (GET, vec![other.clone()], Some(ErrorKind::Protocol)),
            (UPDATE, vec![], None),
            (UPDATE, vec![other.clone()], unknown),
            (UPDATE, vec![("amount", json!(20_001))], unknown),
            (UPDATE, vec![("currency", json!("USD"))], unknown),
            (CANCEL, vec![canceled.clone()], None),
            (CANCEL, vec![canceled, other], unknown),
            (CANCEL, vec![], unknown),
        ] {
            let (lyra, request) = against(envelope(&changes)).await;
            let id = OperationId::generate();
            let result = match service {
                GET => {
                    let deadline = Instant::now() + Duration::from_secs(1);
                    lyra.fetch(before.reference(), &Nothing, deadline).await.map(Some)
                }
                UPDATE => lyra.update(id, &before, &patch, &Nothing).await.map(Some),
                _ => lyra.cancel(id, &before, part(20_000, true)).await.map(|done| done.order),
            };
            assert_eq!(result.err().map(|error| error.kind), expected, "{service} {changes:?}");
            let request = request.await.unwrap();
            assert!(
                request.starts_with(&format!("POST /api-payment/V4/{service} HTTP/1.1\r\n")),
                "{request}"
            );
            assert!(request.contains("authorization: Basic "), "{request}");
            assert!(request.contains(r#"{"paymentOrderId":"d63e7f507a6f4dfa86cb40a833ecfd85""#), "{request}");
        }
    }

    #[tokio::test]
    async fn a_part_cannot_be_canceled_and_nothing_is_sent() {
        let (lyra, request) = against(json!({})).await;
        let result = lyra.cancel(OperationId::generate(), &order(UPDATED), part(1, false)).await;
        assert_eq!(result.unwrap_err().kind, ErrorKind::Unsupported);
        assert!(!request.is_finished());
    }
}
