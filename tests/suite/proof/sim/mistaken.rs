//! Deliberate mistakes, made by wrappers around the store and the platform: the histories must find each of them. The
//! program itself knows nothing of them.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each place makes the few mistakes that it can make; `planted.rs` shows that every one is made"
)]

mod adapter;
mod begin;
mod file;
mod settle;
mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
};

use guichet::{
    adapter::ProviderAdapter,
    domain::OperationId,
    store::{NewOperation, Store},
};
use rusqlite::Connection;

use self::{adapter::MistakenAdapter, store::MistakenStore};

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// A change is sent before its intent is written.
    IntentAfterTheCall,
    /// A change whose answer was lost is sent again at once.
    RetryOnTimeout,
    /// A lost answer is taken for a request that was never sent: nobody looks for evidence.
    OutcomeBeforeEvidence,
    /// A lost answer is settled as not executed when the first look finds nothing.
    UnknownIsNotExecuted,
    /// A look that finds nothing settles an operation, however short a time ago it was sent.
    AbsenceProvesAtOnce,
    /// An operation whose answer was lost is sent again instead of looked for.
    RecoveryResends,
    /// What was under way when the program died is left as it was.
    RecoveryForgotten,
    /// An answer that comes after the caller's deadline is thrown away.
    LateAnswerIgnored,
    /// Whether an order is free is asked before the transaction and not in it.
    GuardOutsideTheTransaction,
    /// Refunds and captures have no upper limit.
    RefundLimitNotChecked,
    /// What the platform has accepted and not done yet is not counted as spent.
    AcceptedNotReserved,
    /// The key of a request that was refused for its amount is kept.
    KeyOfARefusalKept,
    /// A key runs again while the outcome of its operation is unknown.
    UnknownKeyRunsAgain,
    /// An operation changes its status and no event tells.
    ChangeWithoutItsEvent,
    /// An event tells a status that the operation never had.
    EventWithoutItsChange,
    /// The merchant reference of a creation that came to nothing stays in use.
    ReferenceKeptAfterARefusal,
    /// The merchant reference of a creation is free while its outcome is unknown.
    ReferenceNotKeptWhileUnknown,
    /// News of an effect of what had ended without one is ignored.
    ContradictionIgnored,
    /// News that a bank rejected what was done is ignored.
    ReversalIgnored,
    /// What was undone is still counted as spent.
    ReversedStillCounts,
    /// Which statuses an order was seen in is forgotten, but for the last one.
    PaidToldTwice,
    /// Of two readings the one that comes last is kept, not the one asked for last.
    CopiesInAnyOrder,
    /// The settling time is taken from the wall clock.
    SettlingByTheWallClock,
    /// An outcome that the store could not take six times is given up.
    OutcomeGivenUp,
    /// "It had been done before" is taken for "the state does not allow it".
    ClaimedDoneIsRefused,
    /// An order that is paid when its creation is found is never told to be.
    FoundPaidUntold,
    /// What was planned while the clock was wrong stays planned for then.
    PlansOfAWrongClockKept,
}

/// What the wrappers of one run of the program know together.
#[derive(Debug, Default)]
struct Notes {
    /// Operations that the last look found no trace of.
    untraced: Mutex<BTreeSet<OperationId>>,
    /// When each operation was begun.
    begun: Mutex<BTreeMap<OperationId, i64>>,
    /// Intents that are not written yet.
    unwritten: Mutex<BTreeMap<OperationId, NewOperation>>,
    /// How often the outcome of an operation could not be written.
    failures: Mutex<BTreeMap<OperationId, u32>>,
}

/// Wraps what one run of the program is made of.
#[derive(Debug, Clone)]
pub struct Mistaken {
    mistake: Mistake,
    notes: Arc<Notes>,
}

impl Mistaken {
    pub fn new(mistake: Mistake) -> Self {
        Self { mistake, notes: Arc::default() }
    }

    pub fn adapter(&self, inner: Arc<dyn ProviderAdapter>) -> Arc<dyn ProviderAdapter> {
        Arc::new(MistakenAdapter { inner, mistake: self.mistake, notes: Arc::clone(&self.notes) })
    }

    /// `inner` is the store as the program uses it, `plain` the same without crashes, `path` its file.
    pub fn store(&self, inner: Arc<dyn Store>, plain: Arc<dyn Store>, path: &Path) -> Arc<dyn Store> {
        let file = Connection::open(path).unwrap();
        file::spoil(&file, self.mistake);
        let (mistake, notes, file) = (self.mistake, Arc::clone(&self.notes), Mutex::new(file));
        Arc::new(MistakenStore { mistake, inner, plain, file, notes })
    }
}
