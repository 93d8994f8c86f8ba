//! Mistakes at the end of an operation, and at a start.

use std::time::Duration;

use guichet::{
    domain::{Operation, OperationKind, OperationStatus, Timestamp},
    store::{Settled, Settlement, StoreError},
};

use super::{
    super::{
        DEADLINE_MS,
        store::at_once,
        world::{SETTLING_MS, now, wall},
    },
    Mistake,
    file::{self, Plans},
    store::MistakenStore,
};

/// Attempts to write an outcome.
const ATTEMPTS: u32 = 6;
/// The schedules plan no further ahead than this.
const LONGEST_PLAN: Duration = Duration::from_secs(3_600);

impl MistakenStore {
    pub(super) async fn settle_wrongly(&self, mut settlement: Settlement) -> Result<Settled, StoreError> {
        let (id, status) = (settlement.id, settlement.status);
        let is_unknown = status == OperationStatus::Unknown;
        let by_answer = settlement.settled_by == "answer";
        match self.mistake {
            Mistake::IntentAfterTheCall => {
                let unwritten = self.notes.unwritten.lock().unwrap().remove(&id);
                if let Some(new) = unwritten {
                    self.inner.begin(new).await?;
                }
            }
            Mistake::LateAnswerIgnored if by_answer => {
                let begun = self.notes.begun.lock().unwrap().get(&id).copied();
                let deadline = i64::try_from(DEADLINE_MS).unwrap();
                if begun.is_some_and(|begun| now() - begun > deadline) {
                    return self.as_it_was(&settlement);
                }
            }
            Mistake::UnknownIsNotExecuted if is_unknown && by_answer && !settlement.claimed_done => {
                settlement = not_executed(settlement, "guess");
            }
            Mistake::AbsenceProvesAtOnce if is_unknown && self.is_absent(&settlement)?.is_some() => {
                settlement = not_executed(settlement, "read");
            }
            Mistake::SettlingByTheWallClock if is_unknown => {
                let absent = self.is_absent(&settlement)?;
                if absent.is_some_and(|operation| wall() > operation.created_at.as_millis() + SETTLING_MS) {
                    settlement = not_executed(settlement, "read");
                }
            }
            Mistake::ReferenceNotKeptWhileUnknown if is_unknown => settlement.releases_reference = true,
            Mistake::ContradictionIgnored if status == OperationStatus::Succeeded => settlement.proof = None,
            Mistake::ReversalIgnored if status == OperationStatus::Refused => settlement.proof = None,
            _ => {}
        }
        let is_found = settlement.order_after.is_some();
        let settled = self.inner.settle(settlement).await;
        match (&settled, self.mistake) {
            (Ok(Settled::NotAllowed(operation)), Mistake::EventWithoutItsChange) => {
                if let Some(order) = &operation.order_id {
                    file::tell(&self.file.lock().unwrap(), order, id, status);
                }
            }
            (Ok(Settled::Done(operation)), Mistake::FoundPaidUntold) => {
                if let Some(order) = &operation.order_id
                    && operation.kind == OperationKind::Create
                    && is_found
                {
                    file::untell(&self.file.lock().unwrap(), order);
                }
            }
            (Err(StoreError::Unavailable(_)), Mistake::OutcomeGivenUp) => {
                let mut failures = self.notes.failures.lock().unwrap();
                let failures = failures.entry(id).or_default();
                *failures += 1;
                if *failures == ATTEMPTS {
                    return Err(StoreError::Corrupt("given up".to_owned()));
                }
            }
            _ => {}
        }
        settled
    }

    pub(super) async fn recover_wrongly(&self, at: Timestamp) -> Result<Vec<Operation>, StoreError> {
        match self.mistake {
            Mistake::RecoveryForgotten => Ok(Vec::new()),
            Mistake::ReferenceNotKeptWhileUnknown => {
                let recovered = self.inner.recover(at).await?;
                file::release_references(&self.file.lock().unwrap());
                Ok(recovered)
            }
            Mistake::PlansOfAWrongClockKept => {
                let plans = Plans::read(&self.file.lock().unwrap(), at.plus(LONGEST_PLAN).as_millis());
                let recovered = self.inner.recover(at).await?;
                plans.put_back(&self.file.lock().unwrap());
                Ok(recovered)
            }
            _ => self.inner.recover(at).await,
        }
    }

    /// The operation that a look has just found no trace of, unless it is said to have been done before.
    fn is_absent(&self, settlement: &Settlement) -> Result<Option<Operation>, StoreError> {
        let is_look = settlement.settled_by == "read";
        if !is_look || !self.notes.untraced.lock().unwrap().contains(&settlement.id) {
            return Ok(None);
        }
        let operation = at_once(self.plain.operation(settlement.id))?;
        Ok(operation.filter(|operation| !operation.claimed_done))
    }

    /// Writes nothing.
    fn as_it_was(&self, settlement: &Settlement) -> Result<Settled, StoreError> {
        let operation = at_once(self.plain.operation(settlement.id))?.ok_or(StoreError::NotFound)?;
        Ok(Settled::NotAllowed(Box::new(operation)))
    }
}

fn not_executed(settlement: Settlement, by: &str) -> Settlement {
    Settlement {
        status: OperationStatus::NotExecuted,
        next_check_at: None,
        releases_reference: false,
        settled_by: by.to_owned(),
        ..settlement
    }
}
