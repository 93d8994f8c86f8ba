//! The gate before one account: how many calls may be under way, and a circuit breaker.
//!
//! Both refuse at once and send nothing, so that a provider that is dead or slow costs its own callers little and the
//! other accounts nothing.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use super::observer::{BreakerMovement, Observer, Refusal};

/// A read that its caller gave up after waiting this long counts as one without an answer. What was given up earlier
/// says nothing about the provider.
const GIVEN_UP: Duration = Duration::from_secs(5);

/// `[resilience]`, as far as it concerns one account.
#[derive(Debug, Clone, Copy)]
pub struct GateSettings {
    /// Most calls under way at once.
    pub max_in_flight: u64,
    /// Calls in a row without a usable answer that open the breaker.
    pub breaker_failures: u64,
    /// How long an open breaker waits before a read tries again.
    pub breaker_open: Duration,
}

/// The state of an account's circuit breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakerState {
    /// Calls go out.
    #[default]
    Closed,
    /// One read may go out and find out whether the provider answers again; changes wait.
    HalfOpen,
    /// Nothing goes out.
    Open,
}

impl BreakerState {
    /// Its word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }

    /// Its number in metrics; larger is worse.
    pub fn as_number(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Traffic {
    /// Changes nothing; may be the probe of a half-open breaker.
    Read,
    /// May move money; never a probe.
    Change,
}

/// What the end of a call says about the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallEnd {
    /// It answered, perhaps with a refusal.
    Answered,
    /// It could not be reached, or what became of the call is not known.
    Failed,
    /// The call never got as far as the provider.
    Nothing,
}

#[derive(Debug, Default)]
struct Breaker {
    /// Failures in a row while closed.
    failures: u64,
    /// When it opened; `None` while it is closed.
    opened_at: Option<Instant>,
    /// Whether a read is finding out whether the provider answers again.
    probing: bool,
}

/// The gate of one account.
#[derive(Debug)]
pub(super) struct Gate {
    provider: &'static str,
    settings: GateSettings,
    observer: Arc<dyn Observer>,
    in_flight: Semaphore,
    breaker: Mutex<Breaker>,
}

impl Gate {
    pub(super) fn new(provider: &'static str, settings: GateSettings, observer: Arc<dyn Observer>) -> Self {
        let most = usize::try_from(settings.max_in_flight).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { provider, settings, observer, in_flight: Semaphore::new(most), breaker: Mutex::default() }
    }

    pub(super) fn state(&self) -> BreakerState {
        match self.breaker().opened_at {
            None => BreakerState::Closed,
            Some(at) if self.is_cool(at) => BreakerState::HalfOpen,
            Some(_) => BreakerState::Open,
        }
    }

    /// Lets a call out, or refuses it at once.
    pub(super) fn enter(&self, traffic: Traffic) -> Result<Pass<'_>, Refusal> {
        self.try_enter(traffic).inspect_err(|refusal| self.observer.call_shed(self.provider, *refusal))
    }

    fn try_enter(&self, traffic: Traffic) -> Result<Pass<'_>, Refusal> {
        let mut breaker = self.breaker();
        let is_probe = match breaker.opened_at {
            None => false,
            Some(at) if traffic == Traffic::Read && !breaker.probing && self.is_cool(at) => true,
            Some(_) => return Err(Refusal::Open),
        };
        let permit = self.in_flight.try_acquire().map_err(|_| Refusal::Busy)?;
        breaker.probing |= is_probe;
        Ok(Pass { gate: self, traffic, is_probe, started: Instant::now(), end: None, _permit: permit })
    }

    fn is_cool(&self, opened_at: Instant) -> bool {
        opened_at.elapsed() >= self.settings.breaker_open
    }

    fn breaker(&self) -> parking_lot::MutexGuard<'_, Breaker> {
        self.breaker.lock()
    }

    fn judge(&self, is_probe: bool, end: CallEnd) {
        let mut breaker = self.breaker();
        if is_probe {
            breaker.probing = false;
        }
        match (end, breaker.opened_at) {
            (CallEnd::Answered, None) => breaker.failures = 0,
            (CallEnd::Answered, Some(_)) if is_probe => {
                *breaker = Breaker::default();
                self.observer.breaker_moved(self.provider, BreakerMovement::Closed);
            }
            (CallEnd::Failed, None) => {
                breaker.failures = breaker.failures.saturating_add(1);
                if breaker.failures >= self.settings.breaker_failures {
                    breaker.opened_at = Some(Instant::now());
                    let movement = BreakerMovement::Opened { failures: breaker.failures };
                    self.observer.breaker_moved(self.provider, movement);
                }
            }
            (CallEnd::Failed, Some(_)) if is_probe => breaker.opened_at = Some(Instant::now()),
            // Calls that left before it opened say nothing new.
            (CallEnd::Answered | CallEnd::Failed, Some(_)) | (CallEnd::Nothing, _) => {}
        }
    }
}

/// A call that is under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    traffic: Traffic,
    is_probe: bool,
    started: Instant,
    end: Option<CallEnd>,
    _permit: SemaphorePermit<'a>,
}

impl Pass<'_> {
    /// The call ended.
    pub(super) fn ended(mut self, end: CallEnd) {
        self.end = Some(end);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let given_up = self.traffic == Traffic::Read && self.started.elapsed() >= GIVEN_UP;
        let otherwise = if given_up { CallEnd::Failed } else { CallEnd::Nothing };
        self.gate.judge(self.is_probe, self.end.unwrap_or(otherwise));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Unobserved;

    fn gate(max_in_flight: u64) -> Gate {
        let breaker_open = Duration::from_secs(10);
        Gate::new(
            "lyra",
            GateSettings { max_in_flight, breaker_failures: 3, breaker_open },
            Arc::new(Unobserved),
        )
    }

    fn call(gate: &Gate, traffic: Traffic, end: CallEnd) -> Option<Refusal> {
        gate.enter(traffic).map(|pass| pass.ended(end)).err()
    }

    fn open(gate: &Gate) {
        for _ in 0..3 {
            assert_eq!(call(gate, Traffic::Change, CallEnd::Failed), None);
        }
        assert_eq!(gate.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_refusals_do_not() {
        let gate = gate(8);
        for end in [CallEnd::Failed, CallEnd::Failed, CallEnd::Answered, CallEnd::Failed, CallEnd::Failed] {
            assert_eq!(call(&gate, Traffic::Read, end), None);
            assert_eq!(gate.state(), BreakerState::Closed);
        }
        assert_eq!(call(&gate, Traffic::Read, CallEnd::Nothing), None);
        assert_eq!(call(&gate, Traffic::Read, CallEnd::Failed), None);
        assert_eq!(gate.state(), BreakerState::Open);
        assert_eq!(call(&gate, Traffic::Read, CallEnd::Answered), Some(Refusal::Open));
    }

    #[tokio::test(start_paused = true)]
    async fn one_read_at_a_time_probes_and_a_change_never_does() {
        let gate = gate(8);
        open(&gate);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(gate.state(), BreakerState::HalfOpen);
        assert_eq!(call(&gate, Traffic::Change, CallEnd::Answered), Some(Refusal::Open));
        let probe = gate.enter(Traffic::Read).unwrap();
        assert_eq!(call(&gate, Traffic::Read, CallEnd::Answered), Some(Refusal::Open));
        probe.ended(CallEnd::Failed);
        assert_eq!(gate.state(), BreakerState::Open);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(call(&gate, Traffic::Read, CallEnd::Answered), None);
        assert_eq!(gate.state(), BreakerState::Closed);
        assert_eq!(call(&gate, Traffic::Change, CallEnd::Answered), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_makes_room_for_the_next() {
        let gate = gate(8);
        open(&gate);
        tokio::time::advance(Duration::from_secs(10)).await;
        drop(gate.enter(Traffic::Read).unwrap());
        assert_eq!(gate.state(), BreakerState::HalfOpen);
        let slow = gate.enter(Traffic::Read).unwrap();
        tokio::time::advance(GIVEN_UP).await;
        drop(slow);
        assert_eq!(gate.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_of_before_do_not_close_an_open_breaker() {
        let gate = gate(8);
        let early = gate.enter(Traffic::Change).unwrap();
        open(&gate);
        early.ended(CallEnd::Answered);
        assert_eq!(gate.state(), BreakerState::Open);
    }

    #[tokio::test]
    async fn more_than_may_be_under_way_are_refused_at_once() {
        let gate = gate(2);
        let (first, _second) = (gate.enter(Traffic::Read).unwrap(), gate.enter(Traffic::Change).unwrap());
        assert_eq!(call(&gate, Traffic::Read, CallEnd::Answered), Some(Refusal::Busy));
        drop(first);
        assert_eq!(call(&gate, Traffic::Read, CallEnd::Answered), None);
    }
}
