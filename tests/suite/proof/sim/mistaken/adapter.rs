//! The platform's adapter with a mistake in it.

use std::sync::Arc;

use async_trait::async_trait;
use guichet::{
    adapter::{
        Capabilities, Deadline, ErrorKind, Notification, NotificationError, Performed, ProviderAdapter,
        ProviderError, RawNotification, Recall, Result, Verdict, Violation, transport::LinkHealth,
    },
    domain::{
        Fate, Intent, Mode, NewOrder, Operation, OperationId, OperationStatus, Order, OrderPatch, Part,
        PlannedOrder, ProviderReference, Timestamp,
    },
};

use super::{Mistake, Notes};

#[derive(Debug)]
pub(super) struct MistakenAdapter {
    pub(super) inner: Arc<dyn ProviderAdapter>,
    pub(super) mistake: Mistake,
    pub(super) notes: Arc<Notes>,
}

impl MistakenAdapter {
    /// Sends a change and says what came of it.
    async fn change<T, F>(&self, send: impl Fn() -> F + Send + Sync) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let answer = send().await;
        let lost = answer.as_ref().is_err_and(|error| error.kind.money_may_have_moved());
        if lost && self.mistake == Mistake::RetryOnTimeout {
            return send().await;
        }
        answer.map_err(|error| self.misread(error))
    }

    fn misread(&self, error: ProviderError) -> ProviderError {
        let kind = match (self.mistake, error.kind) {
            (Mistake::OutcomeBeforeEvidence, ErrorKind::OutcomeUnknown) => ErrorKind::NotExecuted,
            (Mistake::ClaimedDoneIsRefused, ErrorKind::AlreadyDone) => ErrorKind::StateConflict,
            (_, kind) => kind,
        };
        ProviderError { kind, ..error }
    }

    /// The order without the news that it is deaf to.
    fn heard(&self, mut order: Order) -> Order {
        order.news.retain(|news| match news.fate {
            Fate::Done => self.mistake != Mistake::ContradictionIgnored,
            Fate::Undone => self.mistake != Mistake::ReversalIgnored,
        });
        order
    }

    fn performed(&self, performed: Performed) -> Performed {
        Performed { order: performed.order.map(|order| self.heard(order)), ..performed }
    }

    /// Sends an operation again.
    async fn send_again(&self, operation: &Operation, memory: &dyn Recall) -> Result<Performed> {
        let told = |order| Performed { order: Some(order), ..Performed::default() };
        match &operation.intent {
            Intent::Create { planned } => self.inner.create(operation.id, planned).await.map(told),
            Intent::Update { before, patch } => {
                self.inner.update(operation.id, before, patch, memory).await.map(told)
            }
            Intent::Cancel { before, part } => self.inner.cancel(operation.id, before, *part).await,
            Intent::Capture { before, part } => self.inner.capture(operation.id, before, *part).await,
            Intent::Refund { before, part } => self.inner.refund(operation.id, before, *part).await,
        }
    }
}

#[async_trait]
impl ProviderAdapter for MistakenAdapter {
    fn provider(&self) -> &'static str {
        self.inner.provider()
    }

    fn brand(&self) -> Option<&str> {
        self.inner.brand()
    }

    fn mode(&self) -> Mode {
        self.inner.mode()
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }

    fn capabilities(&self) -> &'static Capabilities {
        self.inner.capabilities()
    }

    fn accepts_reference(&self, reference: &ProviderReference) -> bool {
        self.inner.accepts_reference(reference)
    }

    fn link(&self) -> LinkHealth {
        self.inner.link()
    }

    async fn test_connection(&self, deadline: Deadline) -> Result<()> {
        self.inner.test_connection(deadline).await
    }

    async fn fetch(
        &self,
        reference: &ProviderReference,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Order> {
        self.inner.fetch(reference, memory, deadline).await.map(|order| self.heard(order))
    }

    fn plan_create(
        &self,
        order: NewOrder,
        operation: OperationId,
        now: Timestamp,
    ) -> std::result::Result<PlannedOrder, Vec<Violation>> {
        self.inner.plan_create(order, operation, now)
    }

    async fn create(&self, operation: OperationId, planned: &PlannedOrder) -> Result<Order> {
        self.change(|| self.inner.create(operation, planned)).await.map(|order| self.heard(order))
    }

    async fn update(
        &self,
        operation: OperationId,
        before: &Order,
        patch: &OrderPatch,
        memory: &dyn Recall,
    ) -> Result<Order> {
        let sent = self.change(|| self.inner.update(operation, before, patch, memory)).await;
        sent.map(|order| self.heard(order))
    }

    async fn cancel(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        let sent = self.change(|| self.inner.cancel(operation, before, part)).await;
        sent.map(|performed| self.performed(performed))
    }

    async fn capture(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        let sent = self.change(|| self.inner.capture(operation, before, part)).await;
        sent.map(|performed| self.performed(performed))
    }

    async fn refund(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        let sent = self.change(|| self.inner.refund(operation, before, part)).await;
        sent.map(|performed| self.performed(performed))
    }

    async fn shows(&self, operation: &Operation, memory: &dyn Recall, deadline: Deadline) -> Result<Verdict> {
        // The first look after the answer was lost; one while it is being lost comes before.
        let is_first_check = operation.checks == 0 && operation.status != OperationStatus::Sending;
        if self.mistake == Mistake::RecoveryResends && is_first_check {
            return match self.send_again(operation, memory).await {
                Ok(performed) if performed.accepted => Ok(Verdict::Accepted(performed.order.map(Box::new))),
                Ok(performed) => Ok(Verdict::Done(performed.order.map(Box::new))),
                Err(error) if error.kind.money_may_have_moved() => Err(error),
                Err(error) => Ok(Verdict::Refused(Box::new(error))),
            };
        }
        let verdict = self.inner.shows(operation, memory, deadline).await;
        let mut untraced = self.notes.untraced.lock().unwrap();
        if matches!(verdict, Ok(Verdict::NoTrace(_))) {
            untraced.insert(operation.id);
        } else {
            untraced.remove(&operation.id);
        }
        Ok(match verdict? {
            Verdict::Done(order) => Verdict::Done(order.map(|order| Box::new(self.heard(*order)))),
            other @ (Verdict::Accepted(_)
            | Verdict::Refused(_)
            | Verdict::Unclear(_)
            | Verdict::NoTrace(_)) => other,
        })
    }

    fn verify_notification(
        &self,
        raw: &RawNotification,
    ) -> std::result::Result<Notification, NotificationError> {
        self.inner.verify_notification(raw)
    }
}
