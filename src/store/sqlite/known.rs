//! Which orders anything is remembered of, in memory: a read of any other order need not ask the file.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, params};

use super::connection;
use crate::{
    domain::OrderId,
    store::{Place, StoreError},
};

/// Orders that the first part of the filter holds: 32 KiB.
const FIRST: usize = 16_384;
/// Bits for each order, and how many of them are set: of 1,000 other orders two or three seem to be known.
const BITS: usize = 16;
const PROBES: u32 = 4;
/// Orders read in one step, and the pause after it, while the file is read: requests come first.
const STEP: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(1);

/// Orders made, changed or notified here. It may name too many, never too few: an order goes in before the commit that
/// makes it known, and until the file has been read every order counts as known. Two to four bytes an order.
#[derive(Debug, Default)]
pub(super) struct Known {
    filter: RwLock<Filter>,
    is_complete: AtomicBool,
}

impl Known {
    pub(super) fn add(&self, id: &OrderId) {
        self.insert(digest(&id.to_string()));
    }

    fn insert(&self, digest: u64) {
        self.filter.write().insert(digest);
    }

    pub(super) fn may_hold(&self, id: &OrderId) -> bool {
        !self.is_complete.load(Ordering::Acquire) || self.filter.read().may_hold(digest(&id.to_string()))
    }

    /// Takes in the next orders of the file after a place. Answers the place to go on from, `None` at the end.
    fn step(&self, connection: &Connection, after: &Place) -> Result<Option<Place>, StoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT first_seen_at, id FROM orders INDEXED BY orders_by_first_seen \
             WHERE known_here = TRUE AND (first_seen_at, id) > (?1, ?2) ORDER BY first_seen_at, id LIMIT ?3",
        )?;
        let mut rows = statement.query(params![after.0, after.1, STEP])?;
        let (mut count, mut last) = (0_u32, None);
        while let Some(row) = rows.next()? {
            let id: String = row.get(1)?;
            self.insert(digest(&id));
            last = Some((row.get(0)?, id));
            count = count.saturating_add(1);
        }
        if count < STEP {
            self.is_complete.store(true, Ordering::Release);
            return Ok(None);
        }
        Ok(last)
    }
}

/// The reading of the file, which goes on after the store has opened.
#[derive(Debug)]
pub(super) struct Loading {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Loading {
    /// Ends it, done or not. Blocks.
    pub(super) fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

/// Begins to take in what the file holds: a small store at once, the rest of a large one in a thread.
pub(super) fn load(
    known: &Arc<Known>,
    writer: &Connection,
    path: &Path,
) -> Result<Mutex<Option<Loading>>, StoreError> {
    let Some(mut after) = known.step(writer, &(i64::MIN, String::new()))? else {
        return Ok(Mutex::default());
    };
    let (stop, stopped) = mpsc::channel::<()>();
    let (known, connection) = (Arc::clone(known), connection::open_reader(path)?);
    let work = move || {
        connection::watched(&connection);
        while matches!(stopped.recv_timeout(PAUSE), Err(RecvTimeoutError::Timeout)) {
            match known.step(&connection, &after) {
                Ok(Some(place)) => after = place,
                Ok(None) => return,
                // Nothing is lost but speed: the file is asked each time.
                Err(error) => return tracing::warn!(%error, "the orders known here could not be read ahead"),
            }
        }
    };
    let thread = thread::Builder::new()
        .name("store-known".to_owned())
        .spawn(work)
        .map_err(|error| StoreError::Unavailable(format!("cannot start a reader: {error}")))?;
    Ok(Mutex::new(Some(Loading { stop, thread })))
}

fn digest(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// A Bloom filter that grows: when a part is full, one of twice its size is added.
#[derive(Debug, Default)]
struct Filter {
    parts: Vec<Part>,
}

impl Filter {
    fn may_hold(&self, digest: u64) -> bool {
        self.parts.iter().any(|part| part.may_hold(digest))
    }

    fn insert(&mut self, digest: u64) {
        if self.may_hold(digest) {
            return;
        }
        match self.parts.last_mut().filter(|part| part.free > 0) {
            Some(part) => part.insert(digest),
            None => {
                let size = self.parts.last().map_or(FIRST, |part| part.size.saturating_mul(2));
                let mut part = Part::new(size);
                part.insert(digest);
                self.parts.push(part);
            }
        }
    }
}

/// A Bloom filter for a number of orders.
#[derive(Debug)]
struct Part {
    size: usize,
    free: usize,
    words: Vec<u64>,
}

impl Part {
    fn new(size: usize) -> Self {
        Self { size, free: size, words: vec![0; size.saturating_mul(BITS).div_ceil(64)] }
    }

    /// The word and the bit of each probe.
    fn places(&self, digest: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
        let bits = u64::try_from(self.words.len()).unwrap_or(1).saturating_mul(64);
        // An odd step, so that the probes differ.
        let step = digest.rotate_left(32) | 1;
        (0..PROBES).map(move |probe| {
            let bit = digest.wrapping_add(step.wrapping_mul(u64::from(probe))).checked_rem(bits).unwrap_or(0);
            (usize::try_from(bit >> 6).unwrap_or(0), 1 << (bit & 63))
        })
    }

    fn may_hold(&self, digest: u64) -> bool {
        self.places(digest).all(|(word, bit)| self.words.get(word).is_some_and(|word| word & bit != 0))
    }

    fn insert(&mut self, digest: u64) {
        for (word, bit) in self.places(digest) {
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
        self.free = self.free.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_went_in_is_missed_and_little_else_is_held() {
        let mut filter = Filter::default();
        let name = |n: u32| digest(&format!("shop_{n}"));
        let count = 100_000;
        (0..count).for_each(|n| filter.insert(name(n)));
        assert!((0..count).all(|n| filter.may_hold(name(n))));
        let wrong = (count..2 * count).filter(|n| filter.may_hold(name(*n))).count();
        assert!(wrong < 1_000, "{wrong} of {count} others");
        let bytes: usize = filter.parts.iter().map(|part| part.words.len() * 8).sum();
        assert!(bytes < 500_000, "{bytes} bytes");
    }

    #[test]
    fn every_order_counts_as_known_until_the_file_is_read() {
        let known = Known::default();
        let id = "shop_a".parse().unwrap();
        assert!(known.may_hold(&id));
        known.is_complete.store(true, Ordering::Release);
        assert!(!known.may_hold(&id));
        known.add(&id);
        assert!(known.may_hold(&id));
    }
}
