//! A list that keeps its newest entries, so that a simulator may run for days under load.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks even after a panic elsewhere: the data are test records, worth reading after a failure.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The newest entries, each numbered from 1 without gaps.
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
        assert_eq!(recent.get_mut(2).copied(), Some(2));
        assert_eq!([0, 1, 4].map(|number| recent.get_mut(number).copied()), [None; 3]);
        recent.clear();
        assert_eq!(recent.push(|number| number), 1);
    }
}
