//! An adapter behind its account's gate. It sees what every call came to in canonical terms, so the breaker knows a
//! refusal from a lost answer whatever the provider's dialect. What looks like a card number in the texts of an answer is
//! masked here, before anybody can store, log or show it.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Capabilities, Deadline, ErrorKind, Notification, NotificationError, Performed, ProviderAdapter,
    ProviderError, RawNotification, Recall, Result, Verdict, Violation,
    gate::{self, Gate, GateSettings, Traffic},
    observer::Observer,
    transport::LinkHealth,
};
use crate::domain::{
    Mode, NewOrder, Operation, OperationId, Order, OrderPatch, Part, PlannedOrder, ProviderReference,
    Timestamp, card,
};

/// An adapter and its gate. Must forward every method of the port, also those that have a default; a test compares.
#[derive(Debug)]
pub(super) struct Guarded {
    inner: Arc<dyn ProviderAdapter>,
    gate: Gate,
}

impl Guarded {
    pub(super) fn new(
        inner: Arc<dyn ProviderAdapter>,
        settings: GateSettings,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let gate = Gate::new(inner.provider(), settings, observer);
        Self { inner, gate }
    }

    /// Makes a call if the gate lets it out, and tells the gate how it ended.
    async fn call<T: Texts>(
        &self,
        traffic: Traffic,
        what: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let pass = self.gate.enter(traffic).map_err(|refusal| {
            ProviderError::new(self.inner.provider(), what, ErrorKind::NotExecuted, refusal.as_text())
        })?;
        let mut result = call.await;
        match &mut result {
            Ok(answer) => answer.mask(),
            Err(error) => error.message.iter_mut().for_each(card::mask),
        }
        pass.ended(match &result {
            Ok(_) => gate::Verdict::Answered,
            Err(error) => self.says(error),
        });
        result
    }

    /// What a failure says about the provider.
    fn says(&self, error: &ProviderError) -> gate::Verdict {
        if error.provider != self.inner.provider() {
            // Something of our own failed, for example the store.
            return gate::Verdict::Nothing;
        }
        match error.kind {
            ErrorKind::NotExecuted | ErrorKind::OutcomeUnknown | ErrorKind::Timeout => gate::Verdict::Failed,
            // A read that was answered with nonsense or an incident: the provider is there, and such answers cost
            // little. They neither open a breaker nor prove that it may be closed.
            ErrorKind::Protocol | ErrorKind::Incident | ErrorKind::Unsupported => gate::Verdict::Nothing,
            ErrorKind::Temporary
            | ErrorKind::Refused
            | ErrorKind::InvalidRequest
            | ErrorKind::StateConflict
            | ErrorKind::AlreadyDone
            | ErrorKind::AmountExceeded
            | ErrorKind::CurrencyNotSupported
            | ErrorKind::Declined
            | ErrorKind::NotFound
            | ErrorKind::ReferenceInUse
            | ErrorKind::AlreadyRefunded
            | ErrorKind::WindowClosed
            | ErrorKind::Busy
            | ErrorKind::Misconfigured => gate::Verdict::Answered,
        }
    }
}

/// An answer with free texts in it.
trait Texts {
    fn mask(&mut self);
}

impl Texts for () {
    fn mask(&mut self) {}
}

impl Texts for Order {
    fn mask(&mut self) {
        self.mask_card_numbers();
    }
}

impl Texts for Performed {
    fn mask(&mut self) {
        self.order.iter_mut().for_each(Texts::mask);
    }
}

impl Texts for Verdict {
    fn mask(&mut self) {
        match self {
            Self::Done(order) | Self::Accepted(order) | Self::NoTrace(order) | Self::Unclear(order) => {
                order.iter_mut().for_each(|order| order.mask_card_numbers());
            }
            Self::Refused(error) => error.message.iter_mut().for_each(card::mask),
        }
    }
}

#[async_trait]
impl ProviderAdapter for Guarded {
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
        LinkHealth { breaker: self.gate.state(), ..self.inner.link() }
    }

    async fn test_connection(&self, deadline: Deadline) -> Result<()> {
        self.call(Traffic::Read, "test_connection", self.inner.test_connection(deadline)).await
    }

    async fn fetch(
        &self,
        reference: &ProviderReference,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Order> {
        self.call(Traffic::Read, "fetch", self.inner.fetch(reference, memory, deadline)).await
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
        self.call(Traffic::Change, "create", self.inner.create(operation, planned)).await
    }

    fn check_update(&self, before: &Order, patch: &OrderPatch) -> std::result::Result<(), Vec<Violation>> {
        self.inner.check_update(before, patch)
    }

    async fn update(
        &self,
        operation: OperationId,
        before: &Order,
        patch: &OrderPatch,
        memory: &dyn Recall,
    ) -> Result<Order> {
        self.call(Traffic::Change, "update", self.inner.update(operation, before, patch, memory)).await
    }

    async fn cancel(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        self.call(Traffic::Change, "cancel", self.inner.cancel(operation, before, part)).await
    }

    async fn capture(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        self.call(Traffic::Change, "capture", self.inner.capture(operation, before, part)).await
    }

    async fn refund(&self, operation: OperationId, before: &Order, part: Part) -> Result<Performed> {
        self.call(Traffic::Change, "refund", self.inner.refund(operation, before, part)).await
    }

    async fn settle(
        &self,
        operation: &Operation,
        memory: &dyn Recall,
        deadline: Deadline,
    ) -> Result<Verdict> {
        self.call(Traffic::Read, "settle", self.inner.settle(operation, memory, deadline)).await
    }

    fn verify_notification(
        &self,
        raw: &RawNotification,
    ) -> std::result::Result<Notification, NotificationError> {
        self.inner.verify_notification(raw)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_method_of_the_port_is_forwarded() {
        let port = include_str!("mod.rs");
        let start = port.find("pub trait ProviderAdapter").unwrap();
        let port = port[start..].split("\n}\n").next().unwrap();
        let here = include_str!("guarded.rs");
        let names: Vec<&str> = port
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("async ").strip_prefix("fn "))
            .filter_map(|rest| rest.split(['(', '<']).next())
            .collect();
        assert!(names.len() >= 15, "{names:?}");
        for name in names {
            assert!(here.contains(&format!(".{name}(")), "`{name}` is not forwarded");
        }
    }
}
