//! Notifications: what a platform tells the merchant's server after a payment.
//!
//! A platform makes a [`Notice`] with everything decided, signature included, and hands it to
//! `Frame::notices`; the frame knows no protocol. Here are the records and the queue; `delivery.rs` posts them.

use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::mpsc;

use super::faults::FaultKind;
use super::platform::ControlError;
use super::records::{Count, Recent};

/// Notices kept for the control API.
const KEPT: usize = 10_000;

/// Pauses before the second attempt and the later ones. Real platforms wait minutes to hours.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

/// A notification ready to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Provider platform, `lyra`.
    pub(crate) provider: &'static str,
    /// Brand of the platform.
    pub(crate) brand: String,
    /// The provider's identifier of the order.
    pub(crate) order: String,
    /// Where the merchant wants it; empty for the brand's address, which the control API sets.
    pub(crate) url: String,
    /// Media type of the body.
    pub(crate) content_type: &'static str,
    /// The body, signed.
    pub(crate) body: Bytes,
    /// The same message as somebody without the shop's key would sign it.
    pub(crate) forged: Bytes,
    /// Statuses of an answer that count as a success; every 2xx when there are none.
    pub(crate) statuses: &'static [u16],
    /// The body that an answer must have besides; any body when `None`.
    pub(crate) expected: Option<&'static str>,
}

/// One attempt to deliver a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Time of the simulators' clock when it ended.
    pub at: Timestamp,
    /// HTTP status of the answer; `None` when there was none.
    pub status: Option<u16>,
    /// Why there was no answer, or what was wrong with its body.
    pub error: Option<String>,
    /// Whether it counts as a success.
    pub delivered: bool,
}

/// A notification as the control API lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentNotice {
    /// Number of the notice, from 1.
    pub sequence: u64,
    /// Time of the simulators' clock.
    pub at: Timestamp,
    /// Provider platform, `lyra`.
    pub provider: String,
    /// Brand of the platform.
    pub brand: String,
    /// The provider's identifier of the order.
    pub order: String,
    /// Where it goes; empty when nobody had named an address: then it is only listed.
    pub url: String,
    /// Media type of the body.
    pub content_type: String,
    /// The body, as text.
    pub body: String,
    /// The fault that hit it.
    pub fault: Option<FaultKind>,
    /// Attempts to deliver it, oldest first.
    pub attempts: Vec<Attempt>,
}

/// How a notice shall be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As the fault plan says, and again until it succeeds or the pauses are used up.
    New,
    /// Kept back by a fault until now: the plan is not asked again.
    Late,
    /// By hand from the back office: the true body, once.
    Resend,
}

/// An order to deliver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    age: u64,
    sequence: u64,
    pub(crate) way: Way,
}

#[derive(Debug, Clone)]
struct Made {
    sequence: u64,
    at: Timestamp,
    notice: Notice,
    /// Where it goes, or went last.
    url: String,
    fault: Option<FaultKind>,
    attempts: Vec<Attempt>,
}

impl Made {
    /// Whose notice it is, by brand and order.
    fn order(&self) -> (String, String) {
        (self.notice.brand.clone(), self.notice.order.clone())
    }

    fn listed(self) -> SentNotice {
        SentNotice {
            sequence: self.sequence,
            at: self.at,
            provider: self.notice.provider.to_owned(),
            brand: self.notice.brand,
            order: self.notice.order,
            url: self.url,
            content_type: self.notice.content_type.to_owned(),
            body: String::from_utf8_lossy(&self.notice.body).into_owned(),
            fault: self.fault,
            attempts: self.attempts,
        }
    }
}

#[derive(Debug)]
struct State {
    made: Recent<Made>,
    /// Raised by a reset, so that a delivery begun before it neither goes on nor touches a later notice.
    age: u64,
    /// Numbers of the notices that wait for the next one of their order, by brand and order.
    held: IndexMap<(String, String), u64>,
    /// The brands' addresses by provider and brand. A setting of the back office: a reset keeps it.
    addresses: IndexMap<(String, String), String>,
    pauses: Vec<Duration>,
}

/// All notices of all platforms.
#[derive(Debug)]
pub(crate) struct Notices {
    state: Mutex<State>,
    queue: mpsc::UnboundedSender<Job>,
    jobs: Mutex<Option<mpsc::UnboundedReceiver<Job>>>,
    pub(crate) attempts: Count,
}

impl Default for Notices {
    fn default() -> Self {
        let (queue, jobs) = mpsc::unbounded_channel();
        let state = State {
            made: Recent::new(KEPT),
            age: 0,
            held: IndexMap::new(),
            addresses: IndexMap::new(),
            pauses: PAUSES.into(),
        };
        Self { state: Mutex::new(state), queue, jobs: Mutex::new(Some(jobs)), attempts: Count::default() }
    }
}

impl State {
    /// Where the notice goes now; empty when nobody has named an address.
    fn url(&self, notice: &Notice) -> String {
        if !notice.url.is_empty() {
            return notice.url.clone();
        }
        let shop = (notice.provider.to_owned(), notice.brand.clone());
        self.addresses.get(&shop).cloned().unwrap_or_default()
    }

    fn made(&mut self, job: Job) -> Option<&mut Made> {
        if job.age == self.age { self.made.get_mut(job.sequence) } else { None }
    }
}

impl Notices {
    /// Takes a notice; its delivery is the frame's business and nobody waits for it.
    pub(crate) fn send(&self, notice: Notice, at: Timestamp) {
        let mut state = self.state.lock();
        let url = state.url(&notice);
        let has_address = !url.is_empty();
        let (fault, attempts) = (None, Vec::new());
        let sequence = state.made.push(|sequence| Made { sequence, at, notice, url, fault, attempts });
        if has_address {
            self.enqueue(Job { age: state.age, sequence, way: Way::New });
        }
    }

    fn enqueue(&self, job: Job) {
        // An error means that the simulators have stopped: nothing is delivered any more.
        let _ = self.queue.send(job);
    }

    /// Sends a notice again: the true body, once, whatever the fault plan says.
    pub(crate) fn resend(&self, sequence: u64) -> Result<(), ControlError> {
        let mut state = self.state.lock();
        let job = Job { age: state.age, sequence, way: Way::Resend };
        let made = state.made(job).ok_or_else(|| ControlError::NotFound(format!("notice {sequence}")))?;
        let notice = made.notice.clone();
        if state.url(&notice).is_empty() {
            return Err(ControlError::Invalid("nobody has named an address for it".to_owned()));
        }
        self.enqueue(job);
        Ok(())
    }

    /// The queue, for the one task that delivers.
    pub(crate) fn take_jobs(&self) -> Option<mpsc::UnboundedReceiver<Job>> {
        self.jobs.lock().take()
    }

    /// The notice with the address it has now; `None` when it is gone, by a reset for instance.
    pub(crate) fn get(&self, job: Job) -> Option<Notice> {
        let mut state = self.state.lock();
        let notice = state.made(job)?.notice.clone();
        let url = state.url(&notice);
        state.made(job)?.url.clone_from(&url);
        Some(Notice { url, ..notice })
    }

    /// Notes the fault that hits a notice.
    pub(crate) fn hit(&self, job: Job, fault: &FaultKind) {
        if let Some(made) = self.state.lock().made(job) {
            made.fault = Some(fault.clone());
        }
    }

    /// Keeps a notice until the next one of its order was sent; false when another one of the order waits already.
    pub(crate) fn hold(&self, job: Job) -> bool {
        let mut state = self.state.lock();
        let Some(made) = state.made(job) else { return false };
        let order = made.order();
        let is_first = !state.held.contains_key(&order);
        if is_first {
            state.held.insert(order, job.sequence);
        }
        is_first
    }

    /// Enters an attempt, and lets the notice go on that waited for it.
    pub(crate) fn attempted(&self, job: Job, attempt: Attempt) {
        let mut state = self.state.lock();
        let Some(made) = state.made(job) else { return };
        made.attempts.push(attempt);
        let order = made.order();
        if let Some(sequence) = state.held.shift_remove(&order) {
            self.enqueue(Job { age: job.age, sequence, way: Way::Late });
        }
        // Under the lock, so that a waiter finds the attempt it waited for.
        self.attempts.set(self.attempts.get().saturating_add(1));
    }

    /// Where the notices of a brand go that name no address; an empty one takes the address away.
    pub(crate) fn set_address(&self, provider: &str, brand: &str, url: &str) {
        let shop = (provider.to_owned(), brand.to_owned());
        self.state.lock().addresses.insert(shop, url.to_owned());
    }

    pub(crate) fn pauses(&self) -> Vec<Duration> {
        self.state.lock().pauses.clone()
    }

    /// Replaces the pauses between attempts; none means one attempt.
    pub(crate) fn set_pauses(&self, pauses: &[Duration]) {
        self.state.lock().pauses = pauses.to_vec();
    }

    pub(crate) fn list(&self) -> Vec<SentNotice> {
        self.state.lock().made.list().into_iter().map(Made::listed).collect()
    }

    /// Forgets all notices, those under way included; addresses and pauses stay.
    pub(crate) fn reset(&self) {
        let mut state = self.state.lock();
        state.made.clear();
        state.held.clear();
        state.age = state.age.wrapping_add(1);
        self.attempts.set(0);
    }
}
