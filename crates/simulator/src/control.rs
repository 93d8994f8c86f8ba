//! The handle that orders faults, looks at what happened and prepares orders.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use super::exchange::Core;
use super::faults::{Fault, FaultId, ListedFault};
use super::journal::LoggedRequest;
use super::ledger::{Effect, Mail};
use super::notices::SentNotice;
use super::platform::{Act, ControlError, PayerAction, Platform};

/// Controls running simulators from the same process; `/_control` has the same powers over HTTP.
///
/// # Errors
/// A call is `NotFound` for an unknown provider, brand, order, action or number, and `Invalid` for what is not understood or
/// cannot be done now.
#[derive(Debug, Clone)]
pub struct SimulatorControl {
    core: Arc<Core>,
}

impl SimulatorControl {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    pub(crate) fn platforms(&self) -> &[Arc<dyn Platform>] {
        &self.core.platforms
    }

    pub(crate) fn platform(&self, provider: &str) -> Result<&Arc<dyn Platform>, ControlError> {
        self.core.platform(provider).ok_or_else(|| ControlError::NotFound(format!("provider {provider}")))
    }

    /// Adds an order as it stands, without an effect in the ledger, and returns its identifier.
    pub fn add_order(&self, provider: &str, brand: &str, draft: &Value) -> Result<String, ControlError> {
        self.platform(provider)?.add_order(brand, draft)
    }

    /// Sets the status of an order to any text, the unknown ones included, without an effect in the ledger.
    pub fn set_order_status(
        &self,
        provider: &str,
        brand: &str,
        order: &str,
        status: &str,
    ) -> Result<(), ControlError> {
        self.platform(provider)?.set_status(brand, order, status)
    }

    /// Lays a merge patch (RFC 7396) over every later answer about this order; `null` takes it away.
    pub fn patch_answer(
        &self,
        provider: &str,
        brand: &str,
        order: &str,
        patch: &Value,
    ) -> Result<(), ControlError> {
        let patch = Some(patch.clone()).filter(|patch| !patch.is_null());
        self.platform(provider)?.patch_answer(brand, order, patch)
    }

    /// Adds a payment transaction of the order's amount, with a merge patch over it, and returns its identifier.
    /// The status of the order stays.
    pub fn add_transaction(
        &self,
        provider: &str,
        brand: &str,
        order: &str,
        patch: &Value,
    ) -> Result<String, ControlError> {
        self.platform(provider)?.add_transaction(brand, order, patch)
    }

    /// Does what the payer does on the payment page, and returns the order's status after it.
    pub fn payer(
        &self,
        provider: &str,
        brand: &str,
        order: &str,
        action: PayerAction,
    ) -> Result<String, ControlError> {
        self.platform(provider)?.payer(brand, order, action)
    }

    /// The order as the platform would answer it.
    pub fn order(&self, provider: &str, brand: &str, order: &str) -> Result<Value, ControlError> {
        self.platform(provider)?.order(brand, order)
    }

    /// Does what the back office or the night does (`remit`), to one order or to all of the brand.
    pub fn act(
        &self,
        provider: &str,
        brand: &str,
        order: Option<&str>,
        action: &str,
    ) -> Result<Value, ControlError> {
        let act = Act { action: action.to_owned(), order: order.map(str::to_owned), amount: None };
        self.platform(provider)?.act(brand, &act)
    }

    /// Does an action that wants an amount, in minor units, to one order.
    pub fn act_amount(
        &self,
        provider: &str,
        brand: &str,
        order: &str,
        action: &str,
        amount: i64,
    ) -> Result<Value, ControlError> {
        let (action, order) = (action.to_owned(), Some(order.to_owned()));
        self.platform(provider)?.act(brand, &Act { action, order, amount: Some(amount) })
    }

    /// The notifications made, oldest first.
    pub fn notices(&self) -> Vec<SentNotice> {
        self.core.frame.notices.list()
    }

    /// Waits until this many attempts to deliver a notification have ended since the last reset, whatever the
    /// answer was.
    pub async fn wait_for_notices(&self, attempts: u64) {
        self.core.frame.notices.attempts.wait_for(attempts).await;
    }

    /// Sends a notification again: its true body, once, and no fault applies.
    pub fn resend_notice(&self, sequence: u64) -> Result<(), ControlError> {
        self.core.frame.notices.resend(sequence)
    }

    /// Sets where the notifications of a brand go when the order names no address; an empty one takes it away.
    /// A reset keeps it.
    pub fn set_notification_url(&self, provider: &str, brand: &str, url: &str) -> Result<(), ControlError> {
        self.platform(provider)?.orders(brand)?;
        let is_web =
            |text: &str| url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !url.is_empty() && !is_web(url) {
            return Err(ControlError::Invalid(format!("{url} is no web address")));
        }
        self.core.frame.notices.set_address(provider, brand, url);
        Ok(())
    }

    /// Replaces the pauses before the second attempt to deliver a notification and the later ones; none means one
    /// attempt. A reset keeps them.
    pub fn set_notification_pauses(&self, pauses: &[Duration]) {
        self.core.frame.notices.set_pauses(pauses);
    }

    /// All orders of a brand, oldest first.
    pub fn orders(&self, provider: &str, brand: &str) -> Result<Vec<Value>, ControlError> {
        self.platform(provider)?.orders(brand)
    }

    /// Orders a fault.
    pub fn add_fault(&self, fault: Fault) -> FaultId {
        self.core.frame.faults.add(fault)
    }

    /// The faults ordered since the last reset, with how often they hit.
    pub fn faults(&self) -> Vec<ListedFault> {
        self.core.frame.faults.list()
    }

    /// Forgets all faults; parked requests go on.
    pub fn clear_faults(&self) {
        self.core.frame.faults.clear();
    }

    /// Waits until a request is parked at this `Hold`; false when there is no such fault.
    pub async fn held(&self, fault: FaultId) -> bool {
        self.held_count(fault, 1).await
    }

    /// Waits until this many requests are parked at this `Hold`; false when there is no such fault.
    pub async fn held_count(&self, fault: FaultId, count: u32) -> bool {
        self.core.frame.faults.held(fault, count).await
    }

    /// Lets the requests parked at this `Hold` go on, and later ones pass; false when there is no such fault.
    pub fn release(&self, fault: FaultId) -> bool {
        self.core.frame.faults.release(fault)
    }

    /// Closes every open connection, as a server does with idle ones.
    pub fn close_connections(&self) {
        self.core.connections.send_modify(|closings| *closings = closings.wrapping_add(1));
    }

    /// How many requests reached this service, at all brands, since the last reset.
    pub fn requests(&self, service: &str) -> u64 {
        self.request_counts().get(service).copied().unwrap_or(0)
    }

    /// How many requests reached each service.
    pub fn request_counts(&self) -> IndexMap<String, u64> {
        self.core.frame.journal.counts()
    }

    /// How many requests reached any service.
    pub fn total_requests(&self) -> u64 {
        self.core.frame.journal.requests.total()
    }

    /// The newest 10,000 requests, oldest first.
    pub fn request_log(&self) -> Vec<LoggedRequest> {
        self.core.frame.journal.requests.list()
    }

    /// Waits until this many requests have reached any service since the last reset.
    pub async fn wait_for_requests(&self, total: u64) {
        self.core.frame.journal.requests.wait_for(total).await;
    }

    /// Every change of state that was really made, oldest first.
    pub fn effects(&self) -> Vec<Effect> {
        self.core.frame.ledger.effects.list()
    }

    /// Waits until this many changes of state have been made since the last reset.
    pub async fn wait_for_effects(&self, total: u64) {
        self.core.frame.ledger.effects.wait_for(total).await;
    }

    /// Every message sent to a payer, oldest first.
    pub fn mailbox(&self) -> Vec<Mail> {
        self.core.frame.ledger.mails.list()
    }

    /// The time at the platforms.
    pub fn now(&self) -> jiff::Timestamp {
        self.core.frame.clock.now()
    }

    /// Moves the time at the platforms ahead.
    pub fn advance(&self, by: Duration) {
        self.core.frame.clock.advance(by);
    }

    /// Back to the start: seeds only, no faults, empty records, the real time.
    pub fn reset(&self) {
        self.core.reset();
    }
}
