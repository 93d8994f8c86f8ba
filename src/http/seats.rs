//! The places of requests under way. A request that finds none is refused at once and never queued.
//!
//! A request has a place from its beginning to its answer, except while its body arrives (`arrival.rs`): a caller that
//! never ends its body takes nothing from the others. Clients, providers' notifications and payers' pages have places
//! of their own, so that what is public cannot shut out the clients. Of the places of its kind a client has a quarter at
//! most, and so has an account: a slow provider, and whoever asks for one order again and again, leave the rest to the
//! others.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    domain::AccountName,
    metrics::{self, Shed},
    problem::{Problem, ProblemCode},
};

/// The part of the clients' places that notifications have, and that payers' pages have: one in so many.
const PUBLIC_PART: usize = 8;
/// The part of the places of one kind that a client may have, and that an account may have: one in so many.
const SHARE_PART: usize = 4;

/// What a request is, as far as its place is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A client's call of the API.
    Client,
    /// A provider's notification.
    Notification,
    /// A payer's browser.
    Payer,
}

impl Kind {
    /// The kind of the requests of a route. `None`: a document, or no route at all. Those are answered without waiting
    /// for anything, so they need no place.
    pub(super) fn of(route: &str) -> Option<Self> {
        match route {
            "unmatched" | "/openapi.json" | "/docs" | "/docs/" | "/docs/{*file}" | "/problems/{code}" => None,
            "/notifications/{account}" => Some(Self::Notification),
            "/pay/{token}" | "/return/{token}" => Some(Self::Payer),
            _ => Some(Self::Client),
        }
    }
}

/// Whose share a request counts in, as far as that is known.
#[derive(Debug, Clone, Default)]
struct Whose {
    client: Option<String>,
    account: Option<AccountName>,
}

/// How many places are taken.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    clients: HashMap<String, usize>,
    accounts: HashMap<AccountName, usize>,
}

/// One more for this key, unless it has its share. Without a key there is nothing to count.
fn count<K: Clone + Eq + Hash>(counts: &mut HashMap<K, usize>, key: Option<&K>, share: usize) -> bool {
    let Some(key) = key else { return true };
    let count = counts.get(key).copied().unwrap_or_default();
    if count < share {
        counts.insert(key.clone(), count.saturating_add(1));
    }
    count < share
}

/// One less for this key.
fn uncount<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: Option<&K>) {
    let Some(count) = key.and_then(|key| counts.get_mut(key)) else { return };
    *count = count.saturating_sub(1);
    if *count == 0
        && let Some(key) = key
    {
        counts.remove(key);
    }
}

/// The places of one kind.
#[derive(Debug)]
struct Pool {
    most: usize,
    share: usize,
    /// What a refusal is counted as when all are taken.
    full: Shed,
    taken: Mutex<Taken>,
}

impl Pool {
    fn new(most: usize, full: Shed) -> Self {
        Self { most, share: (most / SHARE_PART).max(1), full, taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock()
    }

    fn take(&self, whose: &Whose) -> Result<(), Problem> {
        let mut taken = self.taken();
        if taken.all >= self.most {
            return Err(refused(self.full, ProblemCode::Overloaded.meaning()));
        }
        if !count(&mut taken.clients, whose.client.as_ref(), self.share) {
            return Err(refused(Shed::ClientShare, CLIENT_HAS_ITS_SHARE));
        }
        if !count(&mut taken.accounts, whose.account.as_ref(), self.share) {
            uncount(&mut taken.clients, whose.client.as_ref());
            return Err(refused(Shed::AccountShare, ACCOUNT_HAS_ITS_SHARE));
        }
        taken.all = taken.all.saturating_add(1);
        Ok(())
    }

    fn give_back(&self, whose: &Whose) {
        let mut taken = self.taken();
        taken.all = taken.all.saturating_sub(1);
        uncount(&mut taken.clients, whose.client.as_ref());
        uncount(&mut taken.accounts, whose.account.as_ref());
    }
}

/// What a client is told that has its share.
const CLIENT_HAS_ITS_SHARE: &str =
    "the client has as many requests under way as one client may have; nothing was done";
/// What is told of an account that has its share.
const ACCOUNT_HAS_ITS_SHARE: &str =
    "as many requests of this account are under way as one account may have; nothing was done";

/// The refusal of a request, which is counted.
fn refused(reason: Shed, detail: &str) -> Problem {
    metrics::shed(reason);
    Problem::new(ProblemCode::Overloaded, detail)
}

/// All places of this process.
#[derive(Debug)]
pub(super) struct Seats {
    clients: Pool,
    notifications: Pool,
    payers: Pool,
}

impl Seats {
    /// `under_way` places for clients; an eighth of it for notifications, and another eighth for payers' pages.
    pub(super) fn new(under_way: usize) -> Self {
        let public = (under_way / PUBLIC_PART).max(1);
        Self {
            clients: Pool::new(under_way, Shed::Overload),
            notifications: Pool::new(public, Shed::PublicOverload),
            payers: Pool::new(public, Shed::PublicOverload),
        }
    }

    fn pool(&self, kind: Kind) -> &Pool {
        match kind {
            Kind::Client => &self.clients,
            Kind::Notification => &self.notifications,
            Kind::Payer => &self.payers,
        }
    }
}

/// The place of one request. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    kind: Kind,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    whose: Whose,
    is_taken: bool,
}

impl Seat {
    /// A place for a request of this kind, taken now. `account`: the one that the address names.
    ///
    /// # Errors
    /// `overloaded`: there is none, or the account has its share.
    pub(super) fn take(
        places: &Arc<Seats>,
        kind: Kind,
        account: Option<AccountName>,
    ) -> Result<Arc<Self>, Problem> {
        let whose = Whose { client: None, account };
        places.pool(kind).take(&whose)?;
        let state = Mutex::new(State { whose, is_taken: true });
        Ok(Arc::new(Self { seats: Arc::clone(places), kind, state }))
    }

    /// What its request is.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Counts the request in this client's share.
    ///
    /// # Errors
    /// `overloaded`: the client has its share.
    pub(super) fn belongs_to(&self, client: &str) -> Result<(), Problem> {
        let mut state = self.state();
        let whose = Whose { client: Some(client.to_owned()), ..state.whose.clone() };
        self.replace(&mut state, whose)
    }

    /// Counts the request in this account's share.
    ///
    /// # Errors
    /// `overloaded`: the account has its share.
    pub(super) fn is_about(&self, account: &AccountName) -> Result<(), Problem> {
        let mut state = self.state();
        let whose = Whose { account: Some(account.clone()), ..state.whose.clone() };
        self.replace(&mut state, whose)
    }

    fn replace(&self, state: &mut State, whose: Whose) -> Result<(), Problem> {
        let pool = self.seats.pool(self.kind);
        if std::mem::take(&mut state.is_taken) {
            pool.give_back(&state.whose);
        }
        pool.take(&whose)?;
        *state = State { whose, is_taken: true };
        Ok(())
    }

    /// Takes a place again after [`Seat::leave`].
    ///
    /// # Errors
    /// `overloaded`: there is none now, or client or account has its share.
    pub(super) fn take_again(&self) -> Result<(), Problem> {
        let mut state = self.state();
        if !state.is_taken {
            self.seats.pool(self.kind).take(&state.whose)?;
            state.is_taken = true;
        }
        Ok(())
    }

    /// Gives the place to others until [`Seat::take_again`].
    pub(super) fn leave(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.is_taken) {
            self.seats.pool(self.kind).give_back(&state.whose);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(places: &Arc<Seats>, kind: Kind) -> Vec<Arc<Seat>> {
        std::iter::from_fn(|| Seat::take(places, kind, None).ok()).collect()
    }

    /// As many requests of this client and account as there may be.
    fn share(places: &Arc<Seats>, client: Option<&str>, account: Option<&str>) -> Vec<Arc<Seat>> {
        let account = account.map(|name| name.parse::<AccountName>().unwrap());
        let seat = || {
            let seat = Seat::take(places, Kind::Client, account.clone()).ok()?;
            client.is_none_or(|client| seat.belongs_to(client).is_ok()).then_some(seat)
        };
        std::iter::from_fn(seat).collect()
    }

    #[test]
    fn each_kind_has_places_of_its_own_and_they_come_back() {
        let places = Arc::new(Seats::new(64));
        let mut held = fill(&places, Kind::Notification);
        assert_eq!(held.len(), 8);
        assert_eq!((fill(&places, Kind::Payer).len(), fill(&places, Kind::Client).len()), (8, 64));
        held.pop();
        assert_eq!(fill(&places, Kind::Notification).len(), 1);
    }

    #[test]
    fn a_place_that_was_left_may_be_gone() {
        let places = Arc::new(Seats::new(1));
        let first = Seat::take(&places, Kind::Client, None).unwrap();
        first.leave();
        first.leave();
        let second = Seat::take(&places, Kind::Client, None).unwrap();
        assert_eq!(first.take_again().unwrap_err().code, ProblemCode::Overloaded);
        drop(second);
        first.take_again().unwrap();
        first.take_again().unwrap();
        assert_eq!(fill(&places, Kind::Client).len(), 0);
        drop(first);
        assert_eq!(fill(&places, Kind::Client).len(), 1);
    }

    #[test]
    fn a_client_and_an_account_have_a_quarter() {
        let places = Arc::new(Seats::new(64));
        let shop = share(&places, Some("shop"), Some("a"));
        assert_eq!(shop.len(), 16);
        assert_eq!(share(&places, Some("shop"), Some("b")).len(), 0, "the client has its share");
        assert_eq!(share(&places, Some("reports"), Some("a")).len(), 0, "the account has its share");
        let reports = share(&places, Some("reports"), Some("b"));
        assert_eq!(reports.len(), 16, "others have theirs");
        // A body on its way counts for nobody; what was refused is not counted either.
        shop[0].leave();
        let late = share(&places, Some("reports"), Some("a"));
        assert_eq!(late.len(), 0);
        let other = share(&places, Some("other"), Some("a"));
        assert_eq!(other.len(), 1);
        assert!(shop[0].take_again().is_err(), "the account's share is taken meanwhile");
        drop((shop, reports, other));
        let taken = places.clients.taken();
        assert_eq!((taken.all, taken.clients.len(), taken.accounts.len()), (0, 0, 0));
    }

    #[test]
    fn a_request_can_change_its_account() {
        let places = Arc::new(Seats::new(8));
        let seats = fill(&places, Kind::Client);
        let account = "a".parse().unwrap();
        assert_eq!(seats.iter().filter(|seat| seat.is_about(&account).is_ok()).count(), 2);
    }
}
