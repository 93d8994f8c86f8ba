//! One Lyra shop, spoken to in canonical terms.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use serde_json::{Value, json};

use super::{PROVIDER, check, config::Settings, error, evidence, mapping, update, wire};
use crate::{
    adapter::{
        AccountSettings, AdapterContext, Answer, Capabilities, Deadline, ErrorKind, Exchange, KeyError,
        Notification, NotificationError, OperationCapability, Performed, ProviderAdapter, ProviderError,
        Purpose, RawNotification, Recall, Result, Transport, Verdict, Violation, transport::LinkHealth,
    },
    domain::{
        AccountName, DeliveryChannel, Intent, Mode, Operation, OperationId, OperationKind, Order, OrderPatch,
        OrderStatus, Part, ProviderReference, Timestamp,
    },
};

const GET: &str = "Charge/PaymentOrder/Get";
const UPDATE: &str = "Charge/PaymentOrder/Update";
const CANCEL: &str = "Charge/PaymentOrder/Cancel";
const SDK_TEST: &str = "Charge/SDKTest";

const CAPABILITIES: Capabilities = Capabilities {
    create: OperationCapability::UNSUPPORTED,
    // Doing it twice changes the order once, but tells the payer twice.
    update: OperationCapability {
        supported: true,
        partial: false,
        from: &[OrderStatus::Pending],
        findable: true,
        repeat_harmless: false,
    },
    // Whether a refused order may still be cancelled is not documented: the provider decides.
    cancel: OperationCapability {
        supported: true,
        partial: false,
        from: &[OrderStatus::Pending, OrderStatus::Declined],
        findable: true,
        repeat_harmless: true,
    },
    capture: OperationCapability::UNSUPPORTED,
    refund: OperationCapability::UNSUPPORTED,
    payment_methods: &[],
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
    Ok(Arc::new(Lyra { account: name.clone(), settings, authorization, transport }))
}

impl Lyra {
    /// Calls a service and gives the answer of its envelope.
    async fn call(
        &self,
        service: &'static str,
        body: &(impl Serialize + Sync),
        purpose: Purpose,
    ) -> Result<Value> {
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
        read_answer(service, is_change, &self.transport.send(exchange).await?)
    }

    /// Calls a service of payment orders and gives the order, which must be the one asked for.
    async fn call_for_order(
        &self,
        service: &'static str,
        body: &(impl Serialize + Sync),
        purpose: Purpose,
        reference: &ProviderReference,
    ) -> Result<Order> {
        let answer = self.call(service, body, purpose).await?;
        let is_change = matches!(purpose, Purpose::Change);
        let read = serde_json::from_value::<wire::PaymentOrder>(answer)
            .map_err(|_| "the answer is not a payment order")
            .and_then(|wire| mapping::order(&self.account, self.settings.mode, Timestamp::now(), wire));
        match read {
            Ok(order) if order.reference() == reference => Ok(order),
            Ok(_) => Err(unusable(service, is_change, "the answer is about another payment order")),
            Err(problem) => Err(unusable(service, is_change, problem)),
        }
    }
}

/// The answer inside the envelope, or what it says went wrong. The envelope decides; HTTP only says whether
/// there is one.
pub(super) fn read_answer(service: &'static str, is_change: bool, answer: &Answer) -> Result<Value> {
    let has_envelope = matches!(answer.status, 200 | 401);
    // Absent is accepted: the body says it as well.
    let is_json = answer
        .content_type
        .as_deref()
        .is_none_or(|media| media.ends_with("/json") || media.ends_with("+json"));
    if !has_envelope || !is_json {
        return Err(unusable(service, is_change, "the answer did not come from the provider's service"));
    }
    let Ok(envelope) = serde_json::from_slice::<wire::Envelope>(&answer.body) else {
        return Err(unusable(service, is_change, "the answer is not the provider's envelope"));
    };
    match envelope.status.as_str() {
        "SUCCESS" => Ok(envelope.answer),
        "ERROR" => match serde_json::from_value::<wire::ServiceError>(envelope.answer) {
            Ok(failure) => Err(error::from_code(service, &failure.error_code, is_change)),
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
        self.call(SDK_TEST, &json!({"value": "guichet"}), Purpose::Read(deadline)).await.map(|_| ())
    }

    async fn fetch(
        &self,
        reference: &ProviderReference,
        _memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Order> {
        let body = wire::ByReference { payment_order_id: reference.as_str() };
        self.call_for_order(GET, &body, Purpose::Read(deadline), reference).await
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
        _memory: &dyn Recall,
    ) -> Result<Order> {
        let body = update::request(before, patch)
            .ok_or_else(|| ProviderError::unsupported(PROVIDER, OperationKind::Update))?;
        let after = self.call_for_order(UPDATE, &body, Purpose::Change, before.reference()).await?;
        if after.amount == body.amount && after.currency.code() == body.currency {
            Ok(after)
        } else {
            Err(unusable(UPDATE, true, "the answer tells another amount than was sent"))
        }
    }

    async fn cancel(&self, _operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        if !part.full {
            return Err(ProviderError::unsupported(PROVIDER, OperationKind::Cancel));
        }
        let body = wire::ByReference { payment_order_id: before.reference().as_str() };
        let after = self.call_for_order(CANCEL, &body, Purpose::Change, before.reference()).await?;
        if after.status == OrderStatus::Canceled {
            Ok(Performed { order: Some(after), accepted: false })
        } else {
            Err(unusable(CANCEL, true, "the answer does not tell a canceled order"))
        }
    }

    async fn settle(
        &self,
        operation: &Operation,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Verdict> {
        let Some(before) = operation.intent.before() else { return Ok(Verdict::NoTrace(None)) };
        let now = self.fetch(before.reference(), memory, deadline).await?;
        let is_done = match &operation.intent {
            Intent::Update { before, patch } => evidence::shows_update(before, patch, &now),
            Intent::Cancel { .. } => now.status == OrderStatus::Canceled,
            Intent::Create { .. } | Intent::Capture { .. } | Intent::Refund { .. } => false,
        };
        let now = Some(Box::new(now));
        Ok(if is_done { Verdict::Done(now) } else { Verdict::NoTrace(now) })
    }

    fn verify_notification(
        &self,
        _raw: &RawNotification,
    ) -> std::result::Result<Notification, NotificationError> {
        Err(NotificationError::Unreadable("not built yet".to_owned()))
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
    use crate::domain::{Field, OrderMemory};

    /// Nothing is remembered.
    struct Nothing;

    #[async_trait]
    impl Recall for Nothing {
        async fn recall(&self) -> Result<OrderMemory> {
            Ok(OrderMemory::default())
        }
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
            let whole = Part { amount: money(20_000, "EUR"), full: true };
            let deadline = Instant::now() + Duration::from_secs(1);
            let failure = match service {
                GET => lyra.fetch(before.reference(), &Nothing, deadline).await.err(),
                UPDATE => lyra.update(id, &before, &patch, &Nothing).await.err(),
                _ => lyra.cancel(id, &before, whole).await.err(),
            };
            assert_eq!(failure.map(|error| error.kind), expected, "{service} {changes:?}");
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
        let part = Part { amount: money(1, "EUR"), full: false };
        let result = lyra.cancel(OperationId::generate(), &order(UPDATED), part).await;
        assert_eq!(result.unwrap_err().kind, ErrorKind::Unsupported);
        assert!(!request.is_finished());
    }
}
