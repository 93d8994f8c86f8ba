//! How long an order is read without anybody asking, and when next.
//!
//! An order is followed until its money cannot change any more by itself, so that a missed notification is not the
//! end. The adapter says what an order waits for; this file says when it is read for that.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Order, OrderStatus, Timestamp};

/// What may still happen to an order without a change asked for here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// Nothing: its money cannot change by itself.
    #[default]
    Nothing,
    /// The payer may still pay.
    Payment,
    /// A result, a review, or the capture of an authorization that may expire.
    Decision,
    /// The money is promised; the platform takes it, or gives it back, at a remittance to come.
    Remittance,
    /// The money was taken or given back; the bank may still reject that, and the platform tells.
    Settlement,
}

impl WaitsFor {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Payment => "payment",
            Self::Decision => "decision",
            Self::Remittance => "remittance",
            Self::Settlement => "settlement",
        }
    }

    /// What an order of this status waits for where its adapter knows no better: a paid one waits for nothing.
    pub fn by_status(status: OrderStatus, is_final: bool) -> Self {
        match status {
            _ if is_final => Self::Nothing,
            OrderStatus::Pending | OrderStatus::Declined => Self::Payment,
            OrderStatus::Processing
            | OrderStatus::InReview
            | OrderStatus::Authorized
            | OrderStatus::Unknown => Self::Decision,
            OrderStatus::Paid
            | OrderStatus::PartiallyRefunded
            | OrderStatus::Refunded
            | OrderStatus::Canceled
            | OrderStatus::Expired
            | OrderStatus::Failed => Self::Nothing,
        }
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Seconds between reads of a payable order; the last pause repeats until its page has ended.
const WHILE_PAYABLE: [u64; 7] = [30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR];
/// Seconds after the end of its page at which a payable order is still read: the provider may be slow to say so.
const AFTER_THE_PAGE: [u64; 2] = [HOUR, DAY];
/// Seconds after it began to wait at which an order that waits for a decision is read; then daily.
const FOR_A_DECISION: [u64; 3] = [HOUR, 6 * HOUR, DAY];
/// Seconds after a deadline that the provider told.
const AFTER_A_DEADLINE: u64 = HOUR;
/// Days on which a remittance is looked for daily; then weekly.
const DAILY_FOR_A_REMITTANCE: u64 = 10;
/// Seconds after a movement at which an order is read for what the bank did with it.
const FOR_A_SETTLEMENT: [u64; 4] = [DAY, 3 * DAY, 7 * DAY, 15 * DAY];
/// Seconds between reads of an order that cannot be read; the last pause repeats.
const AFTER_FAILURES: [u64; 4] = [10 * MINUTE, HOUR, 6 * HOUR, DAY];
/// No order is followed for longer than this.
const LONGEST: Duration = Duration::from_secs(400 * DAY);

/// When `order` is read next; `None` when it is followed no more.
///
/// `since` is when it began to wait for what it waits for now, and `known_since` when it was first heard of here.
/// `reads` counts the reads of this wait; it spaces those of a payable order.
pub fn next_read(
    order: &Order,
    since: Timestamp,
    known_since: Timestamp,
    reads: u32,
    now: Timestamp,
) -> Option<Timestamp> {
    let after = |seconds: u64| since.plus(Duration::from_secs(seconds));
    let next = match order.waits_for {
        WaitsFor::Nothing => None,
        WaitsFor::Payment => next_while_payable(order, reads, now),
        WaitsFor::Decision => {
            let planned = first_after(now, FOR_A_DECISION.iter().map(|seconds| after(*seconds)))
                .or_else(|| Some(repeated(since, DAY, now)));
            let deadline = order.deadline_at.map(|at| at.plus(Duration::from_secs(AFTER_A_DEADLINE)));
            let deadline = deadline.filter(|at| *at > now);
            planned.into_iter().chain(deadline).min()
        }
        WaitsFor::Remittance => {
            let daily = repeated(since, DAY, now);
            let is_daily = daily <= after(DAILY_FOR_A_REMITTANCE * DAY);
            Some(if is_daily { daily } else { repeated(after(DAILY_FOR_A_REMITTANCE * DAY), 7 * DAY, now) })
        }
        WaitsFor::Settlement => first_after(now, FOR_A_SETTLEMENT.iter().map(|seconds| after(*seconds))),
    };
    let next = next.filter(|at| *at <= known_since.plus(LONGEST))?;
    Some(next.plus(jitter(order, next.since(now))))
}

/// Up to a tenth of a pause, so that what was made at one moment is not read at one moment. Made from the order's id:
/// the same order gets the same tenth.
fn jitter(order: &Order, pause: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    order.id.hash(&mut hasher);
    let thousandths = u32::try_from(hasher.finish() % 100).unwrap_or(0);
    pause.saturating_mul(thousandths).checked_div(1_000).unwrap_or(Duration::ZERO)
}

/// When an order is read again that could not be read for the `failed`th time in a row: less and less often, for 400 days
/// after `since`. A payable one at least every hour.
pub fn after_a_failure(order: &Order, since: Timestamp, failed: u32, now: Timestamp) -> Option<Timestamp> {
    let index = usize::try_from(failed.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = AFTER_FAILURES.get(index).or(AFTER_FAILURES.last()).copied().unwrap_or(DAY);
    let longest = if order.waits_for == WaitsFor::Payment { HOUR } else { DAY };
    let pause = Duration::from_secs(pause.min(longest));
    let next = Some(now.plus(pause)).filter(|at| *at <= since.plus(LONGEST))?;
    Some(next.plus(jitter(order, pause)))
}

fn next_while_payable(order: &Order, reads: u32, now: Timestamp) -> Option<Timestamp> {
    let index = usize::try_from(reads).unwrap_or(usize::MAX);
    let pause = WHILE_PAYABLE.get(index).or(WHILE_PAYABLE.last()).copied().unwrap_or(HOUR);
    let next = now.plus(Duration::from_secs(pause));
    match order.expires_at {
        Some(end) if next > end => {
            first_after(now, AFTER_THE_PAGE.iter().map(|seconds| end.plus(Duration::from_secs(*seconds))))
        }
        Some(_) | None => Some(next),
    }
}

/// The first of these instants, given in order, that is still to come.
fn first_after(now: Timestamp, mut instants: impl Iterator<Item = Timestamp>) -> Option<Timestamp> {
    instants.find(|at| *at > now)
}

/// The first multiple of `seconds` after `since` that is still to come.
fn repeated(since: Timestamp, seconds: u64, now: Timestamp) -> Timestamp {
    let passed = now.since(since).as_secs().checked_div(seconds).unwrap_or(0);
    since.plus(Duration::from_secs(seconds.saturating_mul(passed.saturating_add(1))))
}
