//! The places of requests under way. A request that finds none is refused at once and never queued.
//!
//! A request has a place from its beginning to its answer, except while its body arrives (`arrival.rs`): a caller that
//! never ends its body takes nothing from the others. Clients, providers' notifications and payers' pages have places
//! of their own, so that what is public cannot shut out the clients.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    metrics::{self, Shed},
    problem::{Problem, ProblemCode},
};

/// The part of the clients' places that notifications have, and that payers' pages have: one in so many.
const PUBLIC_PART: usize = 8;

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

/// The places of one kind.
#[derive(Debug)]
struct Pool {
    most: usize,
    /// What a refusal is counted as when all are taken.
    full: Shed,
    taken: Mutex<usize>,
}

impl Pool {
    fn new(most: usize, full: Shed) -> Self {
        Self { most, full, taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All places of this process.
#[derive(Debug)]
pub(super) struct Places {
    clients: Pool,
    notifications: Pool,
    payers: Pool,
}

impl Places {
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
    places: Arc<Places>,
    kind: Kind,
    is_taken: Mutex<bool>,
}

impl Seat {
    /// A place for a request of this kind, taken now.
    ///
    /// # Errors
    /// `overloaded`: there is none.
    pub(super) fn take(places: &Arc<Places>, kind: Kind) -> Result<Arc<Self>, Problem> {
        let seat = Self { places: Arc::clone(places), kind, is_taken: Mutex::default() };
        seat.take_again()?;
        Ok(Arc::new(seat))
    }

    /// What its request is.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Takes a place again after [`Seat::leave`].
    ///
    /// # Errors
    /// `overloaded`: there is none now.
    pub(super) fn take_again(&self) -> Result<(), Problem> {
        let mut is_taken = self.is_taken.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_taken {
            return Ok(());
        }
        let pool = self.places.pool(self.kind);
        let mut taken = pool.taken();
        if *taken >= pool.most {
            metrics::shed(pool.full);
            return Err(Problem::plain(ProblemCode::Overloaded));
        }
        *taken = taken.saturating_add(1);
        *is_taken = true;
        Ok(())
    }

    /// Gives the place to others until [`Seat::take_again`].
    pub(super) fn leave(&self) {
        let mut is_taken = self.is_taken.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *is_taken) {
            let mut taken = self.places.pool(self.kind).taken();
            *taken = taken.saturating_sub(1);
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

    fn fill(places: &Arc<Places>, kind: Kind) -> Vec<Arc<Seat>> {
        std::iter::from_fn(|| Seat::take(places, kind).ok()).collect()
    }

    #[test]
    fn each_kind_has_places_of_its_own_and_they_come_back() {
        let places = Arc::new(Places::new(64));
        let mut held = fill(&places, Kind::Notification);
        assert_eq!(held.len(), 8);
        assert_eq!((fill(&places, Kind::Payer).len(), fill(&places, Kind::Client).len()), (8, 64));
        held.pop();
        assert_eq!(fill(&places, Kind::Notification).len(), 1);
    }

    #[test]
    fn a_place_that_was_left_may_be_gone() {
        let places = Arc::new(Places::new(1));
        let first = Seat::take(&places, Kind::Client).unwrap();
        first.leave();
        first.leave();
        let second = Seat::take(&places, Kind::Client).unwrap();
        assert_eq!(first.take_again().unwrap_err().code, ProblemCode::Overloaded);
        drop(second);
        first.take_again().unwrap();
        first.take_again().unwrap();
        assert_eq!(fill(&places, Kind::Client).len(), 0);
        drop(first);
        assert_eq!(fill(&places, Kind::Client).len(), 1);
    }
}
