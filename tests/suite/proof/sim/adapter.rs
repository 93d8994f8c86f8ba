//! The adapter of the platform in memory, over the network of the history.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use guichet::{
    adapter::{
        Acknowledgement, Capabilities, Deadline, ErrorKind, Notification, NotificationError,
        OperationCapability, Performed, ProviderAdapter, ProviderError, RawNotification, Recall, Result,
        Verdict, Violation, transport::LinkHealth,
    },
    domain::{
        Action, Amounts, AvailableAction, CaptureMode, DeliveryChannel, Mode, NewOrder, Operation,
        OperationId, OperationKind, OperationStatus, Order, OrderId, OrderPatch, OrderStatus, Part,
        PlannedOrder, ProviderReference, ProviderStatus, Timestamp, WaitsFor,
    },
};
use serde_json::Value;

use super::{
    PROVIDER_TIMEOUT_MS,
    provider::{Held, Later, Said, Wish},
    world::{Fate, State, World, now, pause, wall_time},
};

/// How late a slow read is answered.
pub const SLOW_MS: i64 = 1_500;

const ALL: OperationCapability = OperationCapability {
    supported: true,
    partial: true,
    from: &[OrderStatus::Pending, OrderStatus::Authorized, OrderStatus::Paid],
    findable: true,
    repeat_harmless: false,
};

const fn capabilities(refunds_are_findable: bool) -> Capabilities {
    Capabilities {
        create: OperationCapability { repeat_harmless: true, ..ALL },
        update: ALL,
        cancel: ALL,
        capture: ALL,
        refund: OperationCapability { findable: refunds_are_findable, ..ALL },
        payment_methods: &["card"],
        delivery_channels: &[DeliveryChannel::Link, DeliveryChannel::Email],
        currencies: &["EUR"],
    }
}

static EXACT: Capabilities = capabilities(true);
static BLIND: Capabilities = capabilities(false);

/// `exact` finds every effect by the operation's id; `blind` finds no refund, only a notification tells of it.
pub struct Adapter {
    pub account: &'static str,
    pub world: Arc<World>,
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.account)
    }
}

fn error(kind: ErrorKind) -> ProviderError {
    ProviderError::new("memory", "call", kind, "as the history wants it")
}

impl Adapter {
    fn is_blind(&self) -> bool {
        self.account == "blind"
    }

    /// The order as it is shown now, or as of `at`.
    fn order(&self, held: &Held, state: &State, at: Option<i64>) -> Order {
        let status = held.status();
        // Refunds at the blind platform are told by notifications only.
        let news = if self.is_blind() { Vec::new() } else { state.provider.news(&held.reference, at) };
        let may_be_rejected = state.may_be_rejected() && held.captured > 0;
        let is_over = matches!(status, OrderStatus::Canceled | OrderStatus::Refunded);
        let is_final = is_over && !may_be_rejected;
        let left = held.amount - held.canceled;
        let mut actions = Vec::new();
        for action in Action::ALL {
            actions.push(match (action, status) {
                (Action::Update, OrderStatus::Pending) => AvailableAction::allowed(action),
                (Action::Cancel, OrderStatus::Pending) => AvailableAction::allowed_up_to(action, left, false),
                (Action::Cancel | Action::Capture, OrderStatus::Authorized) => {
                    AvailableAction::allowed_up_to(action, left, action == Action::Cancel)
                }
                (Action::Refund, OrderStatus::Paid | OrderStatus::PartiallyRefunded) => {
                    AvailableAction::allowed_up_to(action, held.captured - held.refunded, true)
                }
                (Action::Update | Action::Cancel | Action::Capture | Action::Refund, _) => {
                    AvailableAction::denied(action, "state")
                }
            });
        }
        let told = |value: i64| Some(value);
        Order {
            id: OrderId {
                account: self.account.parse().unwrap(),
                reference: held.reference.parse().unwrap(),
            },
            provider: "memory".to_owned(),
            mode: Mode::Test,
            merchant_reference: Some(held.merchant_reference.clone()),
            status,
            is_final,
            provider_status: ProviderStatus { code: status.as_str().to_owned(), message: None },
            amount: held.amount,
            currency: "EUR".parse().unwrap(),
            amounts: Amounts {
                requested: told(held.amount),
                authorized: told(held.authorized),
                captured: told(held.captured),
                canceled: told(held.canceled),
                refunded: told(held.refunded),
                refund_pending: Some(0),
            },
            checkout: None,
            delivery: None,
            description: None,
            locale: None,
            metadata: BTreeMap::new(),
            created_at: Some(Timestamp::from_millis(held.created_at)),
            updated_at: Some(Timestamp::from_millis(held.updated_at)),
            expires_at: None,
            as_of: wall_time(),
            waits_for: if may_be_rejected && !is_final {
                WaitsFor::Settlement
            } else {
                WaitsFor::by_status(status, is_final)
            },
            deadline_at: None,
            news,
            available_actions: actions,
            provider_data: serde_json::Map::new(),
        }
    }

    /// One request that changes something, through the network.
    async fn change(&self, wish: Wish) -> Result<Performed> {
        self.world.boundary("before_send", 2).await;
        let (operation, reference) = (wish.operation, wish.reference.clone());
        let (fate, request) = self.world.state().send(wish, PROVIDER_TIMEOUT_MS);
        let lost = || error(ErrorKind::OutcomeUnknown);
        match fate {
            Fate::NotConnected => {
                pause(20).await;
                return Err(error(ErrorKind::NotExecuted));
            }
            Fate::LostRequest | Fate::LateRequest(_) | Fate::FarTooLate(_) | Fate::LostAnswer => {
                let cut = self.world.state().random.percent(60);
                pause(if cut { 40 } else { PROVIDER_TIMEOUT_MS }).await;
                self.world.boundary("answer_lost", 0).await;
                return Err(lost());
            }
            Fate::Fine | Fate::Refused => pause(60).await,
            Fate::Slow(ms) => pause(60 + ms).await,
        }
        self.world.boundary("answer_received", 0).await;
        let mut state = self.world.state();
        match state.said(request) {
            Some(Said::Done(reference)) => {
                let order = state.provider.seen(&reference, None);
                Ok(Performed {
                    order: order.map(|held| self.order(&held, &state, None)),
                    accepted: false,
                    provider_id: None,
                })
            }
            Some(Said::Taken) => Ok(Performed { order: None, accepted: true, provider_id: None }),
            Some(Said::Refused) => Err(error(ErrorKind::Refused)),
            Some(Said::WrongState) => Err(error(ErrorKind::StateConflict)),
            Some(Said::DoneBefore) => {
                state.told_done_before(operation, &reference);
                Err(error(ErrorKind::AlreadyDone))
            }
            None => Err(lost()),
        }
    }

    fn wish(operation: OperationId, kind: OperationKind, before: &Order, part: Part) -> Wish {
        Wish {
            operation,
            kind,
            reference: before.id.reference.as_str().to_owned(),
            amount: part.amount.value(),
            full: part.full,
            merchant_reference: String::new(),
            manual: false,
            later: false,
        }
    }
}

#[async_trait]
impl ProviderAdapter for Adapter {
    fn provider(&self) -> &'static str {
        "memory"
    }

    fn brand(&self) -> Option<&str> {
        None
    }

    fn mode(&self) -> Mode {
        Mode::Test
    }

    fn identity(&self) -> String {
        self.account.to_owned()
    }

    fn capabilities(&self) -> &'static Capabilities {
        if self.is_blind() { &BLIND } else { &EXACT }
    }

    fn accepts_reference(&self, _: &ProviderReference) -> bool {
        true
    }

    fn link(&self) -> LinkHealth {
        LinkHealth::default()
    }

    async fn test_connection(&self, _: Deadline) -> Result<()> {
        Ok(())
    }

    async fn fetch(&self, reference: &ProviderReference, _: &dyn Recall, _: Deadline) -> Result<Order> {
        self.world.boundary("read", 40).await;
        let (order, is_slow) = {
            let mut state = self.world.state();
            if !state.healed && state.random.percent(8) {
                return Err(error(ErrorKind::Timeout));
            }
            let is_slow = state.slow.remove(reference.as_str());
            let lags = !state.healed && state.random.percent(15);
            let at = lags.then(|| now() - state.random.between(1, 4_000));
            let at = state.lags_to(reference.as_str()).or(at);
            let at = if is_slow { state.provider.oldest(reference.as_str()).or(at) } else { at };
            let held = state.provider.seen(reference.as_str(), at);
            (held.map(|held| self.order(&held, &state, at)), is_slow)
        };
        if is_slow {
            pause(SLOW_MS).await;
        }
        order.ok_or_else(|| error(ErrorKind::NotFound))
    }

    fn plan_create(
        &self,
        order: NewOrder,
        _: OperationId,
        now: Timestamp,
    ) -> std::result::Result<PlannedOrder, Vec<Violation>> {
        let expires_at = now.plus(std::time::Duration::from_secs(20));
        Ok(PlannedOrder { order, expires_at, reference: None, page_token: None })
    }

    async fn create(&self, operation: OperationId, planned: &PlannedOrder) -> Result<Order> {
        let order = &planned.order;
        let performed = self
            .change(Wish {
                operation,
                kind: OperationKind::Create,
                reference: String::new(),
                amount: order.amount.value(),
                full: true,
                merchant_reference: order.merchant_reference.clone(),
                manual: order.capture == CaptureMode::Manual,
                later: false,
            })
            .await?;
        performed.order.ok_or_else(|| error(ErrorKind::OutcomeUnknown))
    }

    async fn update(
        &self,
        operation: OperationId,
        before: &Order,
        patch: &OrderPatch,
        _: &dyn Recall,
    ) -> Result<Order> {
        let amount = *patch.amount.value().unwrap();
        let wish = Self::wish(operation, OperationKind::Update, before, Part { amount, full: true });
        self.change(wish).await?.order.ok_or_else(|| error(ErrorKind::OutcomeUnknown))
    }

    async fn cancel(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        self.change(Self::wish(operation, OperationKind::Cancel, before, part)).await
    }

    async fn capture(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        self.change(Self::wish(operation, OperationKind::Capture, before, part)).await
    }

    async fn refund(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        let later = self.world.state().random.percent(30);
        let wish = Wish { later, ..Self::wish(operation, OperationKind::Refund, before, part) };
        self.change(wish).await
    }

    async fn shows(&self, operation: &Operation, _: &dyn Recall, _: Deadline) -> Result<Verdict> {
        self.world.boundary("look", 40).await;
        let mut state = self.world.state();
        if !state.healed && state.random.percent(15) {
            return Err(error(ErrorKind::Timeout));
        }
        if self.is_blind() && operation.kind == OperationKind::Refund {
            return Ok(Verdict::NoTrace(None));
        }
        let refused = || Verdict::Refused(Box::new(error(ErrorKind::Refused)));
        if state.provider.reversed.contains(&operation.id) {
            return Ok(refused());
        }
        if let Some((_, _, later)) = state.provider.taken.get(&operation.id) {
            return Ok(match later {
                Later::Waits => Verdict::Accepted(None),
                Later::Done => Verdict::Done(None),
                Later::Refused => refused(),
            });
        }
        let effect = state.provider.effects.iter().find(|effect| effect.operation == operation.id);
        if let Some(effect) = effect {
            let held = state.provider.seen(&effect.reference, None);
            return Ok(Verdict::Done(held.map(|held| Box::new(self.order(&held, &state, None)))));
        }
        // The target state is reached: what the platform had said is true.
        if operation.claimed_done
            && let Some(order) = &operation.order_id
            && let Some(held) = state.provider.seen(order.reference.as_str(), None)
            && held.is_canceled
        {
            return Ok(Verdict::Done(Some(Box::new(self.order(&held, &state, None)))));
        }
        if state.provider.refusals.contains(&operation.id) {
            return Ok(refused());
        }
        Ok(Verdict::NoTrace(None))
    }

    fn verify_notification(
        &self,
        raw: &RawNotification,
    ) -> std::result::Result<Notification, NotificationError> {
        let body: Value = serde_json::from_slice(&raw.body)
            .map_err(|error| NotificationError::Unreadable(error.to_string()))?;
        let operation = body["operation"].as_str().map(|id| id.parse::<OperationId>().unwrap());
        let ended = body["done"]
            .as_bool()
            .map(|done| if done { OperationStatus::Succeeded } else { OperationStatus::Refused });
        Ok(Notification {
            dedup_key: body["number"].to_string(),
            reference: body["reference"].as_str().map(|reference| reference.parse().unwrap()),
            merchant_reference: None,
            operation,
            status: body["status"].as_str().and_then(OrderStatus::from_word),
            provider_status: None,
            amount: None,
            occurred_at: None,
            // One without an end names a creation.
            settles: operation.zip(ended),
            signed_with: String::new(),
            closes: false,
            acknowledgement: Acknowledgement::EMPTY,
        })
    }
}
