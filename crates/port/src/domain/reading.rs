//! An order as read at its provider, with what orders it among other reads of the same order.

use super::{Order, Timestamp};

/// An order as read, or as the answer to a change told it.
///
/// Copies are ordered by the store and never by the time of day, which may jump: a reading is kept only while the
/// order's change count is still the one it was read under, and of two readings of one count the one that was asked for
/// later stays.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The order.
    pub order: Order,
    /// The number under which it was asked for: it grows within a process and from one start to the next.
    pub asked: i64,
    /// The order's change count when what is remembered of it was read; `None` when the store could not tell, and then
    /// the reading is not kept.
    pub change_count: Option<i64>,
    /// When the answer was there, by the clock that schedules run on.
    pub at: Timestamp,
}
