//! The fault plan: what shall go wrong, where, and how often.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::delivery::NOTIFICATION;
use super::platform::Call;

/// Before or after the effect of the request takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The effect has not happened yet.
    Before,
    /// The effect has happened, the answer is not sent yet.
    After,
}

/// What goes wrong. Where there is an `effect` member, it says whether the request takes effect all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The provider's error answer with this code, and no effect.
    Refuse {
        /// The provider's error code, `PSP_606`.
        code: String,
        /// Its text; the provider's usual one when absent.
        #[serde(default)]
        message: Option<String>,
        /// A second code, of an acquirer for instance.
        #[serde(default)]
        detailed_code: Option<String>,
        /// The text of the second code.
        #[serde(default)]
        detailed_message: Option<String>,
    },
    /// The right answer, late. Real time, whatever the simulators' clock says.
    Delay {
        /// Milliseconds of real time.
        ms: u64,
        /// Whether the effect waits too.
        when: Moment,
    },
    /// The effect happens, the connection is closed without an answer.
    LoseAnswer,
    /// The request is read, nothing happens, the connection is closed.
    CutBefore,
    /// The effect happens, the connection is cut in the middle of the answer.
    CutMidAnswer,
    /// An answer of the infrastructure instead of the platform's.
    HttpStatus {
        /// HTTP status.
        code: u16,
        /// Its body.
        body: String,
        /// Its media type.
        content_type: String,
        /// Whether the request takes effect.
        #[serde(default)]
        effect: bool,
    },
    /// HTTP 200 with a body that is not JSON.
    Garbage {
        /// Whether the request takes effect.
        #[serde(default)]
        effect: bool,
    },
    /// HTTP 200 without a body.
    Empty {
        /// Whether the request takes effect.
        #[serde(default)]
        effect: bool,
    },
    /// The right answer, padded with blanks to more than 2 MiB.
    TooLarge {
        /// Whether the request takes effect; without it the padding surrounds an error answer.
        #[serde(default)]
        effect: bool,
    },
    /// HTTP 200 with JSON that is not the provider's envelope.
    WrongEnvelope {
        /// Whether the request takes effect.
        #[serde(default)]
        effect: bool,
    },
    /// The right answer with a wrong signature; the plain answer where the platform signs none.
    BadSignature {
        /// Whether the request takes effect; without it the signature is that of an error answer.
        #[serde(default)]
        effect: bool,
    },
    /// The right answer without its signature; the plain answer where the platform signs none.
    Unsigned {
        /// Whether the request takes effect; without it the answer is an error.
        #[serde(default)]
        effect: bool,
    },
    /// The right answer, signed as ever, with this text where the payer's page should be. Where the answer names no page,
    /// the plain answer.
    PayerAddress {
        /// What takes its place.
        address: String,
    },
    /// The request is parked until it is released.
    Hold {
        /// Before or after its effect.
        when: Moment,
    },
    /// The effect happens, the answer says it failed.
    ErrorAfterEffect {
        /// The provider's error code, `PSP_999`.
        code: String,
    },
    /// The notification is not sent.
    NotifyNever,
    /// The notification is sent again after it was delivered.
    NotifyTwice,
    /// The notification is sent later. Real time, whatever the simulators' clock says.
    NotifyLate {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Instead of the notification comes one signed without the shop's key, once.
    NotifyForged,
    /// The notification comes with one byte changed, once.
    NotifyAltered,
    /// The notification is kept until the next one of its order was sent.
    NotifyOutOfOrder,
}

impl FaultKind {
    /// The provider's error answer with this code and its usual text.
    pub(crate) fn refuse(code: impl Into<String>) -> Self {
        Self::Refuse { code: code.into(), message: None, detailed_code: None, detailed_message: None }
    }

    /// Whether it goes wrong with a notification, and not with a service call.
    pub(crate) fn is_for_notifications(&self) -> bool {
        match self {
            Self::NotifyNever
            | Self::NotifyTwice
            | Self::NotifyLate { .. }
            | Self::NotifyForged
            | Self::NotifyAltered
            | Self::NotifyOutOfOrder => true,
            Self::Refuse { .. }
            | Self::Delay { .. }
            | Self::LoseAnswer
            | Self::CutBefore
            | Self::CutMidAnswer
            | Self::HttpStatus { .. }
            | Self::Garbage { .. }
            | Self::Empty { .. }
            | Self::TooLarge { .. }
            | Self::WrongEnvelope { .. }
            | Self::BadSignature { .. }
            | Self::Unsigned { .. }
            | Self::PayerAddress { .. }
            | Self::Hold { .. }
            | Self::ErrorAfterEffect { .. } => false,
        }
    }
}

/// One entry of the fault plan. Absent criteria match everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Provider platform, `lyra`.
    pub provider: String,
    /// The brand, or the shop that the credentials name.
    #[serde(default)]
    pub shop_or_brand: Option<String>,
    /// The service, in the provider's spelling, or `notification`.
    #[serde(default)]
    pub service: Option<String>,
    /// The provider's identifier of the order, or the merchant's reference (a creation has no identifier yet).
    #[serde(default)]
    pub order: Option<String>,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How many requests it hits; 0 means every one until the plan is cleared.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// A fault that hits the next request to this provider.
    pub fn new(provider: impl Into<String>, kind: FaultKind) -> Self {
        Self { provider: provider.into(), shop_or_brand: None, service: None, order: None, kind, times: 1 }
    }

    /// Only at this brand, or for this shop.
    #[must_use]
    pub fn at(mut self, shop_or_brand: impl Into<String>) -> Self {
        self.shop_or_brand = Some(shop_or_brand.into());
        self
    }

    /// Only this service.
    #[must_use]
    pub fn on_service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Only this order, by the provider's identifier or the merchant's reference.
    #[must_use]
    pub fn on_order(mut self, order: impl Into<String>) -> Self {
        self.order = Some(order.into());
        self
    }

    /// This many requests; 0 for all of them.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    fn hits(&self, provider: &str, call: &Call) -> bool {
        let place = |wanted: &String| *wanted == call.brand || call.shop.as_ref() == Some(wanted);
        let order =
            |wanted: &String| call.order.as_ref() == Some(wanted) || call.reference.as_ref() == Some(wanted);
        self.provider == provider
            && self.kind.is_for_notifications() == (call.service == NOTIFICATION)
            && self.shop_or_brand.as_ref().is_none_or(place)
            && self.service.as_ref().is_none_or(|wanted| *wanted == call.service)
            && self.order.as_ref().is_none_or(order)
    }
}

/// Names an entry of the fault plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(u64);

impl FaultId {
    pub(crate) fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where held requests wait.
#[derive(Debug)]
struct Gate {
    held: watch::Sender<u32>,
    open: watch::Sender<bool>,
}

#[derive(Debug)]
struct Armed {
    id: FaultId,
    fault: Fault,
    used: u32,
    gate: Arc<Gate>,
}

impl Armed {
    fn is_spent(&self) -> bool {
        self.fault.times != 0 && self.used >= self.fault.times
    }
}

/// An entry of the plan as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedFault {
    /// Its identifier.
    pub id: FaultId,
    /// The fault as it was ordered.
    pub fault: Fault,
    /// How many requests it has hit.
    pub used: u32,
    /// How many of them are parked at this moment.
    pub held: u32,
}

/// All faults ordered since the last reset, the spent ones included.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan {
    armed: Mutex<Vec<Armed>>,
    /// Number of the last fault; not set back, so that an old identifier never names a new fault.
    last: AtomicU64,
}

impl FaultPlan {
    pub(crate) fn add(&self, fault: Fault) -> FaultId {
        let mut armed = self.armed.lock();
        let id = FaultId(self.last.fetch_add(1, Ordering::SeqCst).saturating_add(1));
        let gate = Arc::new(Gate { held: watch::Sender::new(0), open: watch::Sender::new(false) });
        armed.push(Armed { id, fault, used: 0, gate });
        id
    }

    /// The first fault that hits this call; counts as used from now on.
    pub(crate) fn take(&self, provider: &str, call: &Call) -> Option<(Option<FaultId>, FaultKind)> {
        let mut armed = self.armed.lock();
        let hit = armed.iter_mut().find(|entry| !entry.is_spent() && entry.fault.hits(provider, call))?;
        hit.used = hit.used.saturating_add(1);
        Some((Some(hit.id), hit.fault.kind.clone()))
    }

    pub(crate) fn list(&self) -> Vec<ListedFault> {
        let listed = |entry: &Armed| ListedFault {
            id: entry.id,
            fault: entry.fault.clone(),
            used: entry.used,
            held: *entry.gate.held.borrow(),
        };
        self.armed.lock().iter().map(listed).collect()
    }

    fn gate(&self, id: FaultId) -> Option<Arc<Gate>> {
        self.armed.lock().iter().find(|entry| entry.id == id).map(|entry| Arc::clone(&entry.gate))
    }

    /// Parks the caller until the fault is released.
    pub(crate) async fn park(&self, id: FaultId) {
        let Some(gate) = self.gate(id) else { return };
        gate.held.send_modify(|held| *held = held.saturating_add(1));
        let _ = gate.open.subscribe().wait_for(|open| *open).await;
        gate.held.send_modify(|held| *held = held.saturating_sub(1));
    }

    /// Waits until at least `count` requests are parked; false when there is no such fault.
    pub(crate) async fn held(&self, id: FaultId, count: u32) -> bool {
        let Some(gate) = self.gate(id) else { return false };
        gate.held.subscribe().wait_for(|held| *held >= count).await.is_ok()
    }

    /// Lets the parked requests go on, and later ones pass; false when there is no such fault.
    pub(crate) fn release(&self, id: FaultId) -> bool {
        let Some(gate) = self.gate(id) else { return false };
        gate.open.send_replace(true);
        true
    }

    /// Forgets all faults and lets every parked request go on.
    pub(crate) fn clear(&self) {
        for entry in self.armed.lock().drain(..) {
            entry.gate.open.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(service: &str) -> Call {
        Call {
            brand: "systempay".into(),
            service: service.into(),
            shop: Some("69876357".into()),
            order: Some("abc".into()),
            reference: Some("cart-1".into()),
            ..Call::default()
        }
    }

    #[test]
    fn a_fault_hits_only_what_it_names_and_only_so_often() {
        let lose = || Fault::new("lyra", FaultKind::LoseAnswer);
        let never = || Fault::new("lyra", FaultKind::NotifyNever);
        for (fault, service, hits) in [
            (lose(), "Get", 1),
            (lose().at("69876357").on_service("Get").times(2), "Get", 2),
            (lose().on_service("Cancel"), "Get", 0),
            (lose().at("epaync"), "Get", 0),
            (lose().on_order("abc").times(0), "Get", 3),
            (lose().on_order("cart-1"), "Get", 1),
            (lose().on_order("other").times(0), "Get", 0),
            (lose(), NOTIFICATION, 0),
            (never(), "Get", 0),
            (never(), NOTIFICATION, 1),
        ] {
            let plan = FaultPlan::default();
            plan.add(fault.clone());
            assert!(plan.take("sips", &call(service)).is_none());
            let taken = (0..3).filter(|_| plan.take("lyra", &call(service)).is_some()).count();
            assert_eq!(taken, hits, "{fault:?} {service}");
        }
        let text =
            serde_json::json!({"provider": "lyra", "kind": {"kind": "delay", "ms": 5, "when": "after"}});
        let fault: Fault = serde_json::from_value(text).unwrap();
        assert_eq!(fault, Fault::new("lyra", FaultKind::Delay { ms: 5, when: Moment::After }));
    }
}
