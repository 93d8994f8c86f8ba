//! Mistakes at the begin of an operation.

use guichet::{
    domain::{Operation, OperationStatus, OrderId},
    store::{Begun, ChangeView, KeyRecord, NewOperation, OperationFilter, Sort, StoreError},
};

use super::{super::store::at_once, super::world::now, Mistake, file, store::MistakenStore};

const ALL: u32 = 1_000;

impl MistakenStore {
    pub(super) async fn look_wrongly(
        &self,
        order: Option<&OrderId>,
        key: Option<(&str, &str)>,
    ) -> Result<ChangeView, StoreError> {
        let mut view = self.inner.look(order, key).await?;
        match self.mistake {
            Mistake::IntentAfterTheCall => {
                let unwritten = self.notes.unwritten.lock().unwrap();
                let of_it = |new: &&NewOperation| order.is_some() && new.operation.order_id.as_ref() == order;
                view.blocking = view.blocking.or(unwritten.values().find(of_it).map(|new| new.operation.id));
            }
            Mistake::UnknownKeyRunsAgain => {
                if let Some(record) = view.key.as_mut().filter(|record| is_unknown(record)) {
                    record.operation.status = OperationStatus::NotExecuted;
                }
            }
            _ => {}
        }
        Ok(view)
    }

    pub(super) async fn begin_wrongly(&self, mut new: NewOperation) -> Result<Begun, StoreError> {
        let id = new.operation.id;
        match self.mistake {
            Mistake::IntentAfterTheCall => return self.begin_later(new).await,
            Mistake::LateAnswerIgnored => {
                self.notes.begun.lock().unwrap().insert(id, now());
            }
            Mistake::GuardOutsideTheTransaction => {
                if let Some(order) = &new.operation.order_id {
                    new.change_count = at_once(self.plain.change_count(order))?;
                }
            }
            Mistake::RefundLimitNotChecked => new.limit = None,
            Mistake::AcceptedNotReserved => {
                let accepted =
                    self.moved(&new.operation, |other| other.status == OperationStatus::Accepted)?;
                new.limit = new.limit.map(|limit| limit + accepted);
            }
            Mistake::ReversedStillCounts => {
                let reversed = self.moved(&new.operation, |other| other.reversed.is_some())?;
                new.limit = new.limit.map(|limit| limit - reversed);
            }
            Mistake::KeyOfARefusalKept => {
                let told = self.inner.begin(new.clone()).await?;
                if matches!(told, Begun::LimitExceeded(_)) && new.key.is_some() {
                    new.limit = None;
                    self.inner.begin(new).await?;
                }
                return Ok(told);
            }
            Mistake::UnknownKeyRunsAgain => {
                if let Some(key) = new.key.clone()
                    && let known = at_once(self.plain.look(None, Some((&key.client, &key.key))))?.key
                    && known.is_some_and(|known| known.fingerprint == key.fingerprint && is_unknown(&known))
                {
                    new.key = None;
                    let begun = self.inner.begin(new).await?;
                    if begun == Begun::Started {
                        file::move_key(&self.file.lock().unwrap(), &key.client, &key.key, id);
                    }
                    return Ok(begun);
                }
            }
            Mistake::ReferenceKeptAfterARefusal => {
                let account = new.operation.account.as_str();
                if let Some(reference) = &new.claims_reference
                    && !self.is_used(&new)?
                    && file::wanted_in_vain(&self.file.lock().unwrap(), account, reference)
                {
                    return Ok(Begun::ReferenceInUse(None));
                }
            }
            _ => {}
        }
        self.inner.begin(new).await
    }

    /// Answers as if the intent were written, and keeps it for later. What the store would refuse, it refuses.
    async fn begin_later(&self, new: NewOperation) -> Result<Begun, StoreError> {
        let order = new.operation.order_id.as_ref();
        let blocking = at_once(self.plain.look(order, None))?.blocking;
        if self.is_used(&new)? || blocking.is_some() || new.operation.status != OperationStatus::Sending {
            return self.inner.begin(new).await;
        }
        let mut unwritten = self.notes.unwritten.lock().unwrap();
        let same_key = |other: &&NewOperation| match (&other.key, &new.key) {
            (Some(other), Some(key)) => (&other.client, &other.key) == (&key.client, &key.key),
            (Some(_) | None, _) => false,
        };
        if let Some(other) = unwritten.values().find(same_key) {
            let fingerprint = other.key.as_ref().map(|key| key.fingerprint.clone()).unwrap_or_default();
            let record = KeyRecord { fingerprint, operation: other.operation.clone() };
            return Ok(Begun::KeyUsed(Box::new(record)));
        }
        let same_order =
            |other: &&NewOperation| order.is_some() && other.operation.order_id.as_ref() == order;
        if let Some(other) = unwritten.values().find(same_order) {
            return Ok(Begun::Blocked(other.operation.id));
        }
        unwritten.insert(new.operation.id, new);
        Ok(Begun::Started)
    }

    /// Whether its key was used before.
    fn is_used(&self, new: &NewOperation) -> Result<bool, StoreError> {
        let Some(key) = &new.key else { return Ok(false) };
        Ok(at_once(self.plain.look(None, Some((&key.client, &key.key))))?.key.is_some())
    }

    /// What those of the other operations of this kind on this order move together.
    fn moved(&self, like: &Operation, which: impl Fn(&Operation) -> bool) -> Result<i64, StoreError> {
        let Some(order) = like.order_id.clone() else { return Ok(0) };
        let filter = OperationFilter { order: Some(order), ..OperationFilter::default() };
        let listed = at_once(self.plain.list_operations(filter, Sort::OldestFirst, None, ALL))?;
        let counted = listed
            .items
            .iter()
            .map(|(_, other)| other)
            .filter(|other| other.kind == like.kind && !other.already_done && which(other));
        Ok(counted.filter_map(|other| other.amount).map(|amount| amount.value()).sum())
    }
}

fn is_unknown(record: &KeyRecord) -> bool {
    record.operation.status == OperationStatus::Unknown
}
