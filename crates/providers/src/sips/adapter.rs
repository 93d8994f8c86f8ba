//! One Sips shop, spoken to in canonical terms.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    PROVIDER,
    config::Settings,
    currency,
    error::{self, Called},
    evidence::{self, Shown},
    mapping, notification, page, reference,
    signature::{SealAlgorithm, sealed_text},
    status, wire,
};
use guichet_port::{
    adapter::{
        AccountSettings, AdapterContext, Answer, Capabilities, Deadline, ErrorKind, Exchange, KeyError,
        Notification, NotificationError, OperationCapability, Performed, ProviderAdapter, ProviderError,
        Purpose, RawNotification, Recall, Result, Transport, Verdict, Violation, transport::LinkHealth,
    },
    domain::{
        AccountName, DeliveryChannel, Intent, Mode, NewOrder, Operation, OperationId, OperationKind, Order,
        OrderMemory, OrderStatus, Part, PlannedOrder, ProviderReference, Timestamp, WaitsFor,
    },
};

const GET: &str = "diagnostic/getTransactionData";
const CANCEL: &str = "cashManagement/cancel";
const VALIDATE: &str = "cashManagement/validate";
const REFUND: &str = "cashManagement/refund";
const INIT: &str = "paymentInit";

/// A reference that no shop has given.
const NOBODY: &str = "GUICHETCHECKSTHECONNECTION";
/// The same for shops with the 1.0 pair: a day before there was a platform.
const NOBODY_S10: &str = "s10.000000.19700101";
/// How long after a page's end a payment may still appear: its session starts anew with every action, and payments
/// are stored with a delay (Paypage JSON guide, "Session"; data dictionary, `responseCode` 25). The end is told by our
/// own clock alone, which may be hours ahead, so a day is allowed.
const LATE_PAYMENT: Duration = Duration::from_secs(24 * 60 * 60);

const CASH: OperationCapability = OperationCapability {
    supported: true,
    partial: true,
    from: &[],
    findable: true,
    // There is no key: what is sent twice is done twice.
    repeat_harmless: false,
};

const WITHOUT_CREATE: Capabilities = Capabilities {
    create: OperationCapability::UNSUPPORTED,
    update: OperationCapability::UNSUPPORTED,
    cancel: OperationCapability {
        from: &[OrderStatus::Processing, OrderStatus::InReview, OrderStatus::Authorized, OrderStatus::Paid],
        ..CASH
    },
    capture: OperationCapability { from: &[OrderStatus::Authorized], ..CASH },
    refund: OperationCapability { from: &[OrderStatus::Paid, OrderStatus::PartiallyRefunded], ..CASH },
    payment_methods: &[],
    delivery_channels: &[],
    currencies: currency::CODES,
};

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    // A page that nobody was shown can be paid by nobody, and no read finds it before somebody has paid.
    create: OperationCapability {
        supported: true,
        partial: false,
        from: &[],
        findable: false,
        repeat_harmless: true,
    },
    payment_methods: page::METHOD_NAMES,
    delivery_channels: &[DeliveryChannel::Link],
    ..WITHOUT_CREATE
};

/// One shop in one environment.
#[derive(Debug)]
pub(super) struct Sips {
    account: AccountName,
    settings: Settings,
    context: AdapterContext,
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
    Ok(Arc::new(Sips { account: name.clone(), settings, context: context.clone(), transport }))
}

/// A cash operation as it goes out.
struct Cash<'a> {
    service: &'static str,
    kind: OperationKind,
    before: &'a Order,
    part: Part,
}

impl Sips {
    /// The body of a request: its members with the version of the key and the seal.
    fn sealed(&self, request: &impl Serialize, names_algorithm: bool) -> Option<Bytes> {
        let Ok(Value::Object(mut members)) = serde_json::to_value(request) else { return None };
        let settings = &self.settings;
        let seal = settings.algorithm.seal(&sealed_text(&members), &settings.key.secret);
        members.insert("keyVersion".to_owned(), Value::from(settings.key.version.as_str()));
        if names_algorithm {
            members.insert("sealAlgorithm".to_owned(), Value::from(settings.algorithm.as_str()));
        }
        members.insert("seal".to_owned(), Value::from(seal));
        serde_json::to_vec(&members).ok().map(Bytes::from)
    }

    /// Calls a service of the host and gives the verified members of its answer.
    async fn call<A: DeserializeOwned>(
        &self,
        host: &str,
        service: &'static str,
        called: Called,
        request: &(impl Serialize + Sync),
        purpose: Purpose,
    ) -> Result<A> {
        // The algorithm of a page's notification is the one its request names, so that is always named; office
        // services know the member since 2.12 and use HMAC-SHA-256 without it.
        let names_algorithm = called == Called::Page || self.settings.algorithm != SealAlgorithm::HmacSha256;
        let body = self.sealed(request, names_algorithm).ok_or_else(|| {
            ProviderError::new(PROVIDER, service, ErrorKind::NotExecuted, "the request cannot be written")
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let url = format!("{host}/rs-services/v2/{service}");
        let exchange = Exchange { operation: service, url: &url, headers, body, purpose };
        let answer = self.transport.send(exchange).await?;
        let members = verified(&self.settings, service, called, &answer)?;
        serde_json::from_value(Value::Object(members))
            .map_err(|_| unusable(service, called, "the answer is not what this service answers"))
    }

    /// What the platform tells of a transaction; `None`: it does not know it (yet).
    async fn diagnose(
        &self,
        reference: &ProviderReference,
        deadline: Deadline,
    ) -> Result<Option<wire::TransactionData>> {
        let request = wire::DiagnosticRequest {
            interface_version: &self.settings.diagnostic_version,
            merchant_id: &self.settings.merchant_id,
            transaction: reference::on_the_wire(self.settings.reference_by, reference),
        };
        let purpose = Purpose::Read(deadline);
        let answer: wire::TransactionData =
            self.call(&self.settings.office_url, GET, Called::Read, &request, purpose).await?;
        // A status is the truth, whatever the codes: in newer releases `responseCode` is the payment's own result.
        if answer.transaction_status.is_some() {
            return Ok(Some(answer));
        }
        let code = answer.get_trans_data_response_code.as_ref().or(answer.response_code.as_ref());
        let code =
            code.ok_or_else(|| unusable(GET, Called::Read, "the answer has neither code nor status"))?;
        let field = answer.error_field_name.as_deref();
        let acquirer = answer.acquirer_response_code.as_deref();
        match error::from_codes(GET, Called::Read, code, acquirer, field) {
            Some(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Some(error) => Err(error),
            None => Err(unusable(GET, Called::Read, "the answer tells no status")),
        }
    }

    fn shop(&self) -> mapping::Shop<'_> {
        mapping::Shop { account: &self.account, settings: &self.settings }
    }

    fn order(
        &self,
        reference: &ProviderReference,
        data: &wire::TransactionData,
        memory: &OrderMemory,
    ) -> Result<Order> {
        mapping::order(self.shop(), reference, data, memory, Timestamp::now())
            .map_err(|problem| unusable(GET, Called::Read, problem))
    }

    /// The order for which the platform has no transaction (yet), from what guichet remembers of it.
    async fn without_transaction(&self, reference: &ProviderReference, memory: &dyn Recall) -> Result<Order> {
        let remembered = memory.recall().await?;
        let now = Timestamp::now();
        if let Some(copy) = &remembered.copy
            && is_told_elsewhere(copy.status)
        {
            // What it told of operations is known by now. Its transaction is still to be seen.
            let is_unseen = copy.waits_for == WaitsFor::Nothing && !copy.is_final;
            let waits_for = if is_unseen { WaitsFor::Decision } else { copy.waits_for };
            return Ok(Order { as_of: now, waits_for, news: Vec::new(), ..copy.clone() });
        }
        let Some(creation) = remembered.creation else {
            let unknown = error::from_codes(GET, Called::Read, "25", None, None);
            return Err(unknown.unwrap_or_else(|| unusable(GET, Called::Read, "no such transaction")));
        };
        let (created_at, checkout) = match remembered.copy {
            Some(copy) => (copy.created_at.unwrap_or(creation.at), copy.checkout),
            None => (creation.at, None),
        };
        if let Some(notified) = remembered.notified.filter(|notified| is_told_elsewhere(notified.status)) {
            let planned = &creation.planned;
            let mut order = mapping::unpaid(self.shop(), reference, planned, None, created_at, now);
            mapping::told_by_notification(&mut order, &notified);
            return Ok(order);
        }
        let ends = creation.planned.expires_at;
        let is_over = now >= ends;
        let checkout = checkout.filter(|_| !is_over);
        let mut order = mapping::unpaid(self.shop(), reference, &creation.planned, checkout, created_at, now);
        if is_over {
            order.status = OrderStatus::Expired;
            order.is_final = now >= ends.plus(LATE_PAYMENT);
            // Only our own clock says that the page has ended, so it is still looked at, as after the end of any page.
            order.waits_for = WaitsFor::Payment;
        }
        Ok(order)
    }

    /// Sends a cash operation once and checks that its answer is about what was asked.
    async fn operate(&self, cash: Cash<'_>) -> Result<Performed> {
        let Cash { service, kind, before, part } = cash;
        let currency_code = currency::number(part.amount.currency()).ok_or_else(|| {
            let message = "the platform does not take this currency";
            ProviderError::new(PROVIDER, service, ErrorKind::CurrencyNotSupported, message)
        })?;
        let request = wire::CashRequest {
            currency_code,
            interface_version: &self.settings.cash_version,
            merchant_id: &self.settings.merchant_id,
            operation_amount: part.amount.value().to_string(),
            transaction: reference::on_the_wire(self.settings.reference_by, before.reference()),
        };
        let answer: wire::CashAnswer =
            self.call(&self.settings.office_url, service, Called::Cash, &request, Purpose::Change).await?;
        let Some(code) = answer.response_code.as_deref() else {
            return Err(unusable(service, Called::Cash, "the answer has no code"));
        };
        let acquirer = answer.acquirer_response_code.as_deref();
        let field = answer.error_field_name.as_deref();
        if let Some(mut error) = error::from_codes(service, Called::Cash, code, acquirer, field) {
            if error.code.as_deref() == Some(error::STATE_OR_BUSY) && is_busy(kind, part, &answer) {
                error.kind = ErrorKind::Busy;
                error.message = Some("another operation is running on the transaction".to_owned());
            }
            return Err(error);
        }
        if error::clean(code) != "00" {
            return Ok(Performed { accepted: true, ..Performed::default() });
        }
        match check(kind, before, part, &answer) {
            Ok(accepted) => Ok(Performed { accepted, ..Performed::default() }),
            Err(problem) => Err(unusable(service, Called::Cash, problem)),
        }
    }

    /// What a fresh read shows of a creation: its transaction, once somebody has paid.
    async fn settle_creation(
        &self,
        planned: &PlannedOrder,
        asked_at: Timestamp,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Verdict> {
        let Some(reference) = &planned.reference else { return Ok(Verdict::NoTrace(None)) };
        if let Some(data) = self.diagnose(reference, deadline).await? {
            let mut order = self.order(reference, &data, &memory.recall().await?)?;
            mapping::is_as_planned(&order, planned)
                .map_err(|problem| unusable(GET, Called::Read, problem))?;
            mapping::complete(&mut order, planned);
            return Ok(Verdict::Done(Some(Box::new(order))));
        }
        // A verified notification may be ahead of the platform's store, and of any copy where the answer was lost.
        let remembered = memory.recall().await?;
        if let Some(copy) = remembered.copy.filter(|copy| is_told_elsewhere(copy.status)) {
            return Ok(Verdict::Done(Some(Box::new(copy))));
        }
        let notified = remembered.notified.filter(|notified| is_told_elsewhere(notified.status));
        Ok(match notified {
            Some(notified) => {
                let now = Timestamp::now();
                let mut order = mapping::unpaid(self.shop(), reference, planned, None, asked_at, now);
                mapping::told_by_notification(&mut order, &notified);
                Verdict::Done(Some(Box::new(order)))
            }
            None => Verdict::NoTrace(None),
        })
    }
}

/// Whether a copy of this status was told by more than the opening of a page: by a transaction, or by a verified
/// notification ahead of it. Then "not known" is only "not yet".
fn is_told_elsewhere(status: OrderStatus) -> bool {
    match status {
        OrderStatus::Pending | OrderStatus::Expired | OrderStatus::Unknown => false,
        OrderStatus::Processing
        | OrderStatus::InReview
        | OrderStatus::Authorized
        | OrderStatus::Paid
        | OrderStatus::PartiallyRefunded
        | OrderStatus::Refunded
        | OrderStatus::Canceled
        | OrderStatus::Declined
        | OrderStatus::Failed => true,
    }
}

/// The members of an answer whose seal is right. Anything else proves nothing, but for a setting that is wrong: the
/// platform cannot sign for a merchant or a key it does not know, and with a wrong key here its seal looks wrong.
pub(super) fn verified(
    settings: &Settings,
    service: &'static str,
    called: Called,
    answer: &Answer,
) -> Result<Map<String, Value>> {
    // Absent is accepted: the body says it as well.
    let is_json = answer
        .content_type
        .as_deref()
        .is_none_or(|media| media.ends_with("/json") || media.ends_with("+json"));
    if answer.status != 200 || !is_json {
        return Err(unusable(service, called, "the answer did not come from the platform's service"));
    }
    let Ok(Value::Object(members)) = serde_json::from_slice(&answer.body) else {
        return Err(unusable(service, called, "the answer is not one JSON object"));
    };
    let seal = members.get("seal").and_then(Value::as_str);
    let text = sealed_text(&members);
    if seal.is_some_and(|seal| settings.algorithm.matches(text.as_bytes(), &settings.key.secret, seal)) {
        return Ok(members);
    }
    // Who tells a transaction's status knows the merchant: its code is then a payment's own.
    let tells_status = ["transactionStatus", "newStatus"].iter().any(|name| members.contains_key(*name));
    let code = ["getTransDataResponseCode", "responseCode", "redirectionStatusCode"]
        .into_iter()
        .find_map(|name| members.get(name).and_then(Value::as_str))
        .filter(|_| !tells_status);
    if let Some(code) = code
        && error::is_setting(code)
        && let Some(error) = error::from_codes(service, called, code, None, None)
    {
        return Err(error);
    }
    let problem = if seal.is_some() { "the seal of the answer is wrong" } else { "the answer is not sealed" };
    Err(unusable(service, called, problem))
}

/// An answer that proves nothing: a read learned nothing, a change may have happened.
fn unusable(service: &'static str, called: Called, problem: &str) -> ProviderError {
    let kind = if called.is_change() { ErrorKind::OutcomeUnknown } else { ErrorKind::Protocol };
    ProviderError::new(PROVIDER, service, kind, problem)
}

/// Whether 24 means that another operation is running: the state it tells would allow this one (cancel page, 2.55,
/// `responseCode` 24). Without a state the order is read.
fn is_busy(kind: OperationKind, part: Part, answer: &wire::CashAnswer) -> bool {
    let Some(word) = answer.new_status.as_deref() else { return false };
    let row = status::read(word);
    let is_allowed = match kind {
        OperationKind::Cancel => row.cancel,
        OperationKind::Capture => row.capture,
        OperationKind::Refund => row.refund,
        OperationKind::Create | OperationKind::Update => false,
    };
    is_allowed && answer.new_amount.is_none_or(|left| left >= part.amount.value())
}

/// Whether what the platform calls done is what was asked, and is still to be done: a refund that waits for its
/// confirmation, a validation whose new authorization is still to come. Only what is told is compared: every member of
/// an answer but its seal may be missing. Sources: cancel page, 2.55, `newAmount` and `newStatus`; feature pages
/// "Validate" and "Refund", release 25.2.
fn check(
    kind: OperationKind,
    before: &Order,
    part: Part,
    answer: &wire::CashAnswer,
) -> std::result::Result<bool, &'static str> {
    let was = before.provider_data.get("currentAmount").and_then(wire::amount);
    let rest = was.and_then(|was| was.checked_sub(part.amount.value()));
    let status = answer.new_status.as_deref();
    let is_awaited = status.is_some_and(|word| status::read(word).phase == status::Phase::Awaiting);
    let is_replayed = kind == OperationKind::Capture && before.provider_status.code == "TO_REPLAY";
    if is_replayed && is_awaited {
        return Ok(true);
    }
    let is_amount = |wanted: Option<i64>| match (answer.new_amount, wanted) {
        (Some(told), Some(wanted)) => told == wanted,
        _ => true,
    };
    let (amount_fits, status_fits) = match kind {
        OperationKind::Cancel if part.full => {
            (is_amount(Some(0)), status.is_none_or(|word| word == "CANCELLED"))
        }
        OperationKind::Cancel => {
            (is_amount(rest), status.is_none_or(|word| word == before.provider_status.code))
        }
        OperationKind::Capture => (
            is_amount(Some(part.amount.value())),
            status.is_none_or(|word| matches!(word, "TO_CAPTURE" | "TO_CONFIRM_CAPTURE" | "CAPTURED")),
        ),
        // Whether a refund lowers the amount at once or at the remittance is inferred, so both are taken.
        OperationKind::Refund => (
            is_amount(rest) || is_amount(was),
            status.is_none_or(|word| {
                matches!(word, "TO_CREDIT" | "TO_CONFIRM_CREDIT" | "CREDITED" | "CAPTURED")
            }),
        ),
        OperationKind::Create | OperationKind::Update => (false, false),
    };
    match (amount_fits, status_fits) {
        (true, true) => Ok(status == Some(status::TO_CONFIRM_CREDIT)),
        (false, _) => Err("the answer tells another amount than was asked for"),
        (true, false) => Err("the answer tells another state than was asked for"),
    }
}

#[async_trait]
impl ProviderAdapter for Sips {
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
        if page::cannot_create(&self.settings).is_none() { &CAPABILITIES } else { &WITHOUT_CREATE }
    }

    fn accepts_reference(&self, reference: &ProviderReference) -> bool {
        reference::is_accepted(self.settings.reference_by, reference)
    }

    fn link(&self) -> LinkHealth {
        self.transport.link()
    }

    /// Reads a transaction that cannot exist: a sealed "not known" proves host, merchant and key.
    async fn test_connection(&self, deadline: Deadline) -> Result<()> {
        let nobody = [NOBODY, NOBODY_S10]
            .into_iter()
            .filter_map(|text| text.parse().ok())
            .find(|reference| self.accepts_reference(reference))
            .ok_or_else(|| unusable(GET, Called::Read, "no reference to ask for"))?;
        self.diagnose(&nobody, deadline).await.map(|_| ())
    }

    async fn fetch(
        &self,
        reference: &ProviderReference,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Order> {
        let Some(data) = self.diagnose(reference, deadline).await? else {
            return self.without_transaction(reference, memory).await;
        };
        let remembered = if mapping::asks_memory(reference, &data) {
            memory.recall().await?
        } else {
            OrderMemory::default()
        };
        self.order(reference, &data, &remembered)
    }

    fn plan_create(
        &self,
        order: NewOrder,
        operation: OperationId,
        now: Timestamp,
    ) -> std::result::Result<PlannedOrder, Vec<Violation>> {
        page::plan(&self.settings, order, operation, now)
    }

    async fn create(&self, operation: OperationId, planned: &PlannedOrder) -> Result<Order> {
        let unsupported = || ProviderError::unsupported(PROVIDER, OperationKind::Create);
        let back = page::Back { account: &self.account, context: &self.context };
        let request = page::request(&self.settings, back, operation, planned).ok_or_else(unsupported)?;
        let host = self.settings.page_url.as_deref().ok_or_else(unsupported)?;
        let (Some(reference), Some(token)) = (&planned.reference, &planned.page_token) else {
            return Err(unsupported());
        };
        let answer: wire::PageAnswer = self.call(host, INIT, Called::Page, &request, Purpose::Change).await?;
        let Some(code) = answer.redirection_status_code.as_deref() else {
            return Err(unusable(INIT, Called::Page, "the answer has no code"));
        };
        let field = answer.error_field_name.as_deref();
        if let Some(error) = error::from_codes(INIT, Called::Page, code, None, field) {
            return Err(error);
        }
        let checkout =
            page::checkout(self.transport.payer_addresses(host), answer, self.context.pay_url(token))
                .map_err(|problem| unusable(INIT, Called::Page, problem))?;
        let now = Timestamp::now();
        Ok(mapping::unpaid(self.shop(), reference, planned, checkout, now, now))
    }

    async fn cancel(&self, _operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        self.operate(Cash { service: CANCEL, kind: OperationKind::Cancel, before, part }).await
    }

    async fn capture(&self, _operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        self.operate(Cash { service: VALIDATE, kind: OperationKind::Capture, before, part }).await
    }

    async fn refund(&self, _operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        self.operate(Cash { service: REFUND, kind: OperationKind::Refund, before, part }).await
    }

    async fn settle(
        &self,
        operation: &Operation,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Verdict> {
        let (before, part) = match &operation.intent {
            Intent::Create { planned } => {
                return self.settle_creation(planned, operation.created_at, memory, deadline).await;
            }
            Intent::Update { .. } => return Ok(Verdict::NoTrace(None)),
            Intent::Cancel { before, part }
            | Intent::Capture { before, part }
            | Intent::Refund { before, part } => (before, *part),
        };
        let now = self.fetch(before.reference(), memory, deadline).await?;
        let read = evidence::Read { before, part, asked_at: operation.created_at, now: &now };
        let shown = match operation.kind {
            OperationKind::Cancel => read.cancel(),
            OperationKind::Capture => read.capture(),
            OperationKind::Refund => read.refund(),
            OperationKind::Create | OperationKind::Update => Shown::Untouched,
        };
        let order = Some(Box::new(now.clone()));
        Ok(match shown {
            Shown::Done => Verdict::Done(order),
            Shown::Accepted => Verdict::Accepted(order),
            Shown::Untouched => Verdict::NoTrace(order),
            Shown::Declined => {
                let message = now.provider_status.message.as_deref();
                let message = message.unwrap_or("the new authorization was refused");
                let declined = ProviderError::new(PROVIDER, GET, ErrorKind::Declined, message);
                Verdict::Refused(Box::new(declined))
            }
            Shown::Unclear => Verdict::Unclear(order),
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
#[path = "adapter_tests.rs"]
mod tests;
