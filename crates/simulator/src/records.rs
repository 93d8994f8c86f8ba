//! Lists of what happened, newest entries only, with a way to wait for the next one.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::watch;

/// The newest entries, each numbered from 1 without gaps, so that a simulator may run for days under load.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    kept: VecDeque<T>,
    limit: usize,
    numbered: u64,
}

impl<T: Clone> Recent<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), limit, numbered: 0 }
    }

    /// Adds the entry made from its number, and returns that number.
    pub(crate) fn push(&mut self, make: impl FnOnce(u64) -> T) -> u64 {
        self.numbered = self.numbered.saturating_add(1);
        if self.kept.len() >= self.limit {
            self.kept.pop_front();
        }
        self.kept.push_back(make(self.numbered));
        self.numbered
    }

    /// The entry of this number, while it is kept.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let kept = u64::try_from(self.kept.len()).ok()?;
        let dropped = self.numbered.checked_sub(kept)?;
        let index = number.checked_sub(dropped)?.checked_sub(1)?;
        self.kept.get_mut(usize::try_from(index).ok()?)
    }

    pub(crate) fn list(&self) -> Vec<T> {
        self.kept.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.numbered = 0;
    }
}

/// A count that can be waited for.
#[derive(Debug)]
pub(crate) struct Count(watch::Sender<u64>);

impl Default for Count {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Count {
    pub(crate) fn set(&self, count: u64) {
        self.0.send_replace(count);
    }

    pub(crate) fn get(&self) -> u64 {
        *self.0.borrow()
    }

    /// Waits until the count is at least this.
    pub(crate) async fn wait_for(&self, count: u64) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.0.subscribe().wait_for(|now| *now >= count).await;
    }
}

/// A list behind a lock, whose length from the start or the last reset can be waited for.
#[derive(Debug)]
pub(crate) struct Records<T> {
    recent: Mutex<Recent<T>>,
    entered: Count,
}

impl<T: Clone> Records<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { recent: Mutex::new(Recent::new(limit)), entered: Count::default() }
    }

    /// Adds the entry made from its number, and returns that number.
    pub(crate) fn push(&self, make: impl FnOnce(u64) -> T) -> u64 {
        let mut recent = self.recent.lock();
        let number = recent.push(make);
        // Under the lock, so that a waiter finds the entry it waited for and numbers never go back.
        self.entered.set(number);
        number
    }

    pub(crate) fn list(&self) -> Vec<T> {
        self.recent.lock().list()
    }

    pub(crate) fn total(&self) -> u64 {
        self.entered.get()
    }

    pub(crate) async fn wait_for(&self, total: u64) {
        self.entered.wait_for(total).await;
    }

    pub(crate) fn reset(&self) {
        let mut recent = self.recent.lock();
        recent.clear();
        self.entered.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_go_first_and_numbers_go_on() {
        let mut recent = Recent::new(2);
        for _ in 0..3 {
            recent.push(|number| number);
        }
        assert_eq!(recent.list(), [2, 3]);
        assert_eq!([0, 1, 2, 4].map(|number| recent.get_mut(number).copied()), [None, None, Some(2), None]);
        recent.clear();
        assert_eq!(recent.push(|number| number), 1);
    }
}
