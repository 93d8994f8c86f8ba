//! The payment of an order.

use super::{status::DetailedStatus, wire::Transaction};

/// The one payment of an order, with what was given back of it.
pub(super) struct Payment<'a> {
    pub(super) debit: &'a Transaction,
    pub(super) status: DetailedStatus,
    pub(super) credits: Vec<&'a Transaction>,
}
