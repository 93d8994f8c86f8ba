//! The connections of one listener: how many there may be, and which one gives way to a new one.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

/// The open connections of a listener.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    /// Whether one on which no request is being worked on is closed for a new one when all places are taken.
    give_way: bool,
    began: Instant,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    by_number: HashMap<u64, Arc<Line>>,
    last: u64,
}

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Line {
    /// Milliseconds from the beginning of the listener to the last byte that came or went.
    moved_at: AtomicU64,
    /// A request is being worked on.
    is_asked: AtomicBool,
    gives_way: Notify,
    began: Instant,
}

/// The place of one connection; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    number: u64,
    pub(super) line: Arc<Line>,
}

impl Connections {
    pub(super) fn new(most: usize, give_way: bool) -> Self {
        Self { most, give_way, began: Instant::now(), open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock()
    }

    /// A place for a new connection; `None` when there is none and no other gives way.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.open();
        if open.by_number.len() >= self.most && !(self.give_way && open.end_quietest()) {
            return None;
        }
        open.last = open.last.saturating_add(1);
        let number = open.last;
        let line = Arc::new(Line {
            moved_at: AtomicU64::default(),
            is_asked: AtomicBool::new(false),
            gives_way: Notify::new(),
            began: self.began,
        });
        line.moved();
        open.by_number.insert(number, Arc::clone(&line));
        drop(open);
        Some(Place { connections: Arc::clone(self), number, line })
    }

    /// Ends the connection on which nothing has moved for longest, where connections give way. Whether there was one.
    pub(super) fn make_room(&self) -> bool {
        self.give_way && self.open().end_quietest()
    }
}

impl Open {
    /// Whether there was one that could be ended. It has no place from now on.
    fn end_quietest(&mut self) -> bool {
        let idle = self.by_number.iter().filter(|(_, line)| !line.is_asked.load(Ordering::Relaxed));
        let quietest = idle.min_by_key(|(number, line)| (line.moved_at.load(Ordering::Relaxed), **number));
        let number = quietest.map(|(number, _)| *number);
        let line = number.and_then(|number| self.by_number.remove(&number));
        if let Some(line) = &line {
            line.gives_way.notify_one();
        }
        line.is_some()
    }
}

impl Line {
    /// Says that bytes came or went.
    pub(super) fn moved(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_at.store(now, Ordering::Relaxed);
    }

    /// Says whether a request is being worked on.
    pub(super) fn asked(&self, is_asked: bool) {
        self.is_asked.store(is_asked, Ordering::Relaxed);
    }

    /// Resolves when this connection has to end for a new one.
    pub(super) async fn gives_way(&self) {
        self.gives_way.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn is_told(place: &Place) -> bool {
        tokio::time::timeout(Duration::ZERO, place.line.gives_way()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_quietest_that_is_not_asked_gives_way() {
        let connections = Arc::new(Connections::new(3, true));
        let step = || tokio::time::advance(Duration::from_millis(10));
        let asked = connections.take().unwrap();
        asked.line.asked(true);
        step().await;
        let quiet = connections.take().unwrap();
        step().await;
        let lively = connections.take().unwrap();
        step().await;
        quiet.line.moved();
        let fourth = connections.take().unwrap();
        assert!(is_told(&lively).await && !is_told(&quiet).await && !is_told(&asked).await);
        drop(lively);
        for place in [&quiet, &fourth] {
            place.line.asked(true);
        }
        assert!(connections.take().is_none(), "nobody is interrupted in a request");
        drop(quiet);
        assert!(connections.take().is_some());
    }

    #[tokio::test]
    async fn elsewhere_nobody_gives_way() {
        let connections = Arc::new(Connections::new(1, false));
        let first = connections.take().unwrap();
        assert!(!connections.make_room());
        assert!(connections.take().is_none() && !is_told(&first).await);
        drop(first);
        assert!(connections.take().is_some());
    }
}
