//! Places for work that takes long: so many for everybody, and so many for each client.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::problem::{Problem, ProblemCode};

/// A number of places, and who has taken them.
#[derive(Debug)]
pub struct Places {
    /// Places in all.
    total: usize,
    /// Most places of one client.
    each: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Clients without a place are not listed.
    by_client: HashMap<String, usize>,
}

/// The reason why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The client has as many as it may have.
    Client,
    /// All are taken.
    Everybody,
}

impl Places {
    /// `total` places, of which one client has at most `each`.
    pub fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { total, each, taken: Mutex::default() })
    }

    /// A place for this client until it is dropped.
    ///
    /// # Errors
    /// The client has its share already, or no place is free. Nothing waits.
    pub fn take(self: &Arc<Self>, client: &str) -> Result<Place, Full> {
        let mut taken = self.taken.lock();
        let own = taken.by_client.get(client).copied().unwrap_or(0);
        if own >= self.each {
            return Err(Full::Client);
        }
        if taken.all >= self.total {
            return Err(Full::Everybody);
        }
        taken.all = taken.all.saturating_add(1);
        taken.by_client.insert(client.to_owned(), own.saturating_add(1));
        Ok(Place { places: Arc::clone(self), client: client.to_owned() })
    }

    /// The answer to a client that got no place for `what` (a noun in the plural). Its own share is the client's limit, 429;
    /// when all places are taken, this service has too much to do, 503.
    pub fn refused(&self, full: Full, what: &str) -> Problem {
        match full {
            Full::Client => Problem::new(
                ProblemCode::RateLimited,
                format!("a client has at most {} {what} at a time", self.each),
            ),
            Full::Everybody => Problem::new(
                ProblemCode::Overloaded,
                format!("the service has at most {} {what} at a time", self.total),
            ),
        }
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.lock().all
    }
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    client: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_client.get_mut(&self.client) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_share_and_all_together_have_no_more_than_there_is() {
        let places = Places::new(3, 2);
        let mut held = vec![places.take("a").unwrap(), places.take("a").unwrap()];
        assert_eq!(places.take("a").err(), Some(Full::Client));
        held.push(places.take("b").unwrap());
        assert_eq!(places.take("c").err(), Some(Full::Everybody));
        assert_eq!(places.take("a").err(), Some(Full::Client), "its own limit is told first");
        held.remove(0);
        let _other = places.take("c").unwrap();
        assert_eq!(places.taken(), 3);
        drop(held);
        assert_eq!(places.taken(), 1);
        assert_eq!(places.taken.lock().by_client.len(), 1, "a client without a place is forgotten");
    }

    #[test]
    fn a_refusal_says_whose_limit_it_is() {
        let places = Places::new(3, 2);
        let (own, all) =
            (places.refused(Full::Client, "streams"), places.refused(Full::Everybody, "streams"));
        assert_eq!((own.code, all.code), (ProblemCode::RateLimited, ProblemCode::Overloaded));
        assert!(own.retryable && all.retryable);
        assert_eq!(own.detail, "a client has at most 2 streams at a time");
    }
}
