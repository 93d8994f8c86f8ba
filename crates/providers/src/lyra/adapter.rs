//! One Lyra shop, spoken to in canonical terms.

use std::sync::Arc;

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
    config::{LATIN_AMERICA, Settings},
    create,
    envelope::{self, Told, unusable},
    evidence::{self, Found},
    mapping, news, notification, payments,
    services::{
        CANCEL, CANCEL_OR_REFUND, CREATE, GET, SDK_TEST, TRANSACTION_UPDATE, TRANSACTIONS, UPDATE, VALIDATE,
    },
    settling,
    status::{CreditState, DetailedStatus, PaymentOrderStatus},
    update,
    wire::{self, Transaction},
};
use guichet_port::{
    adapter::{
        AccountSettings, AdapterContext, Capabilities, Deadline, ErrorKind, Exchange, KeyError, Notification,
        NotificationError, OperationCapability, Performed, ProviderAdapter, ProviderError, Purpose,
        RawNotification, Recall, Result, Transport, Verdict, Violation, transport::LinkHealth,
    },
    domain::{
        AccountName, Action, DeliveryChannel, Fate, Intent, Mode, NewOrder, Operation, OperationId,
        OperationKind, OperationNews, Order, OrderMemory, OrderPatch, OrderStatus, Part, PlannedOrder,
        ProviderReference, Timestamp,
    },
};

/// What an answer is that should have been a payment order.
const NO_ORDER: &str = "the answer is not a payment order";

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

/// The same at the brands of Latin America, and at a server that names no brand.
const CAPABILITIES_OF_LATIN_AMERICA: Capabilities =
    Capabilities { currencies: check::CURRENCIES_OF_LATIN_AMERICA, ..CAPABILITIES };

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
    let transport = Transport::new(PROVIDER, context).map_err(|problem| vec![account.error("", problem)])?;
    let notifications = context.notification_url(name);
    Ok(Arc::new(Lyra { account: name.clone(), settings, authorization, transport, notifications }))
}

impl Lyra {
    /// Calls a service and gives what its envelope tells; `not_it` says what another answer is not.
    async fn ask<T: DeserializeOwned>(
        &self,
        service: &'static str,
        body: &(impl Serialize + Sync),
        purpose: Purpose,
        not_it: &str,
    ) -> Result<Told<T>> {
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
        let answer = self.transport.send(exchange).await?;
        envelope::read(service, is_change, self.settings.mode, &answer, not_it)
    }

    /// The same, when nothing but the answer matters.
    async fn call<T: DeserializeOwned>(
        &self,
        service: &'static str,
        body: &(impl Serialize + Sync),
        purpose: Purpose,
        not_it: &str,
    ) -> Result<T> {
        self.ask(service, body, purpose, not_it).await.map(|told| told.answer)
    }

    /// Calls a service of payment orders and gives the order, which must be the one asked for, with the platform's date.
    async fn call_for_order(
        &self,
        service: &'static str,
        body: &(impl Serialize + Sync),
        purpose: Purpose,
        reference: &ProviderReference,
    ) -> Result<(Order, Option<Timestamp>)> {
        let is_change = matches!(purpose, Purpose::Change);
        let told = self.ask(service, body, purpose, NO_ORDER).await?;
        let order = self.read_order(service, is_change, told.answer)?;
        if order.reference() == reference {
            Ok((order, told.server_date))
        } else {
            Err(unusable(service, is_change, "the answer is about another payment order"))
        }
    }

    fn read_order(&self, service: &'static str, is_change: bool, wire: wire::PaymentOrder) -> Result<Order> {
        let addresses = self.transport.payer_addresses(&self.settings.base_url);
        mapping::order(&self.account, self.settings.mode, Timestamp::now(), addresses, wire)
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

    /// Every transaction with this merchant reference; `None` when there are more than the platform lists, so that
    /// nobody can tell which is whose.
    async fn transactions(
        &self,
        merchant_reference: &str,
        deadline: Deadline,
    ) -> Result<Option<Told<Vec<Transaction>>>> {
        let body = wire::ByMerchantReference { order_id: merchant_reference };
        let not_it = "the answer is not a list of transactions";
        match self.ask::<wire::OrderTransactions>(TRANSACTIONS, &body, Purpose::Read(deadline), not_it).await
        {
            Ok(told) => Ok(Some(Told { answer: told.answer.transactions, server_date: told.server_date })),
            // PSP_010: none yet. PSP_015: more than the platform lists.
            Err(error) if error.code.as_deref() == Some("PSP_010") => {
                Ok(Some(Told { answer: Vec::new(), server_date: None }))
            }
            Err(error) if error.code.as_deref() == Some("PSP_015") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The order, and of a paid one its transactions.
    async fn read(
        &self,
        reference: &ProviderReference,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Reading> {
        let body = wire::ByReference { payment_order_id: reference.as_str() };
        let (mut order, server_date) =
            self.call_for_order(GET, &body, Purpose::Read(deadline), reference).await?;
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
            let now = server_date.unwrap_or(order.as_of);
            settling::close(&mut order, memory.notified.as_ref(), now);
            return Ok(Reading { order, transactions: Vec::new(), memory });
        }
        let told = match order.merchant_reference.clone() {
            Some(merchant_reference) => self.transactions(&merchant_reference, deadline).await?,
            None => None,
        };
        let (transactions, server_date) =
            told.map_or((Vec::new(), None), |told| (told.answer, told.server_date));
        let creation = memory.creation.as_ref().map(|creation| creation.operation);
        payments::apply(&mut order, &transactions, creation, server_date);
        order.news = news::of(&memory, &transactions);
        order.as_of = Timestamp::now();
        Ok(Reading { order, transactions, memory })
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

/// What a read told, with what was remembered for it.
struct Reading {
    order: Order,
    /// Of a paid order.
    transactions: Vec<Transaction>,
    memory: OrderMemory,
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

/// Adds to the order that a lost operation was found, with the number that the platform gave it.
fn tell_found(order: &mut Order, operation: &Operation, number: String, word: Option<String>) {
    order.news.retain(|news| news.operation != operation.id);
    order.news.push(OperationNews {
        operation: operation.id,
        fate: Fate::Done,
        provider_id: Some(number),
        provider_status: word,
    });
}

/// The platform did take the change, and says of it that it came to nothing.
fn came_to_nothing(operation: &'static str, word: String) -> ProviderError {
    ProviderError {
        code: Some(word),
        ..ProviderError::new(PROVIDER, operation, ErrorKind::Refused, "it came to nothing at the platform")
    }
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
        let may_have_more = self.settings.brand.as_deref().is_none_or(|brand| LATIN_AMERICA.contains(&brand));
        if may_have_more { &CAPABILITIES_OF_LATIN_AMERICA } else { &CAPABILITIES }
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
        self.read(reference, memory, deadline).await.map(|reading| reading.order)
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
        let currencies = self.capabilities().currencies;
        let violations = check::update(before, patch, currencies, Timestamp::now());
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
        let (mut after, _) = self.call_for_order(UPDATE, &body, Purpose::Change, before.reference()).await?;
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
        let (mut after, _) = self.call_for_order(CANCEL, &body, Purpose::Change, before.reference()).await?;
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
                | DetailedStatus::CapturePending
                | DetailedStatus::WaitingAuthorisation
                | DetailedStatus::Suspended
        );
        expect(VALIDATE, after.uuid == uuid && is_validated, "the answer does not tell a validated payment")?;
        Ok(Performed { provider_id: Some(after.uuid), ..Performed::default() })
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
        let credit = match self.call_for_transaction(CANCEL_OR_REFUND, &body).await {
            Ok(credit) => credit,
            // Cancelled before is no refund that was done before.
            Err(error) if error.kind == ErrorKind::AlreadyDone => {
                return Err(ProviderError { kind: ErrorKind::StateConflict, ..error });
            }
            Err(error) => return Err(error),
        };
        let is_ours = credit.is_credit()
            && credit.amount == amount
            && credit.currency == currency
            && credit.parent().is_none_or(|parent| parent == uuid);
        expect(CANCEL_OR_REFUND, is_ours, "the answer does not tell this refund")?;
        let accepted = match credit.credit_state() {
            CreditState::GivesBack => false,
            CreditState::Waits => true,
            CreditState::Undone => return Err(came_to_nothing(CANCEL_OR_REFUND, credit.detailed_status)),
        };
        Ok(Performed { order: None, accepted, provider_id: Some(credit.uuid) })
    }

    async fn shows(&self, operation: &Operation, memory: &dyn Recall, deadline: Deadline) -> Result<Verdict> {
        if let Intent::Create { planned } = &operation.intent {
            // Found only once somebody tried to pay it, and then without its number: no read tells which order it is.
            let reference = &planned.order.merchant_reference;
            let Some(told) = self.transactions(reference, deadline).await? else {
                return Ok(Verdict::Unclear(None));
            };
            let ours = operation.id.to_string();
            let is_there = told.answer.iter().any(|one| one.creation() == Some(ours.as_str()));
            return Ok(if is_there { Verdict::Done(None) } else { Verdict::NoTrace(None) });
        }
        let Some(before) = operation.intent.before() else { return Ok(Verdict::NoTrace(None)) };
        let Reading { order: mut now, transactions, memory } =
            self.read(before.reference(), memory, deadline).await?;
        let found = match &operation.intent {
            Intent::Create { .. } => Found::Unclear,
            Intent::Update { before, patch } => evidence::of_update(before, patch, &now),
            Intent::Cancel { before, part } => evidence::of_cancel(before, *part, &now, &transactions),
            Intent::Capture { before, .. } => evidence::of_capture(before, &transactions),
            Intent::Refund { before, part } => {
                evidence::of_refund(operation, before, *part, &now, &transactions, &memory)
            }
        };
        Ok(match found {
            Found::Done(number) => {
                if let Some(number) = number {
                    let word = transactions.iter().find(|one| one.uuid == number);
                    let word = word.map(|one| one.detailed_status.clone());
                    tell_found(&mut now, operation, number, word);
                }
                if let (Intent::Update { patch, .. }, Some(mut creation)) =
                    (&operation.intent, memory.creation)
                {
                    // What is remembered does not know of this update before it is settled.
                    creation.planned.order.apply(patch);
                    now.metadata = creation.planned.order.metadata;
                }
                Verdict::Done(Some(Box::new(now)))
            }
            Found::Accepted => Verdict::Accepted(Some(Box::new(now))),
            Found::Refused(word) => {
                Verdict::Refused(Box::new(came_to_nothing(operation.kind.as_str(), word)))
            }
            Found::Unclear => Verdict::Unclear(Some(Box::new(now))),
            Found::NoTrace => Verdict::NoTrace(Some(Box::new(now))),
        })
    }

    fn verify_notification(
        &self,
        raw: &RawNotification,
    ) -> std::result::Result<Notification, NotificationError> {
        notification::verify(&self.settings, raw)
    }
}
