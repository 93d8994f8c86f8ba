//! What lists show, in which order, and what a page of one is.

use crate::domain::{AccountName, OperationStatus, OrderId, OrderStatus};

/// Which orders a list shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OrderFilter {
    /// The accounts the client may use; `None` means all.
    pub accounts: Option<Vec<String>>,
    /// Only this account.
    pub account: Option<AccountName>,
    /// Only these statuses; empty means all.
    pub statuses: Vec<OrderStatus>,
    /// Only this merchant reference.
    pub merchant_reference: Option<String>,
}

/// Which operations a list shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OperationFilter {
    /// The accounts the client may use; `None` means all.
    pub accounts: Option<Vec<String>>,
    /// Only this account.
    pub account: Option<AccountName>,
    /// Only these statuses; empty means all.
    pub statuses: Vec<OperationStatus>,
    /// Only this order.
    pub order: Option<OrderId>,
}

/// The order of a list. Items of one time are in the order of their ids, or against it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Oldest first.
    #[default]
    OldestFirst,
    /// Newest first.
    NewestFirst,
}

impl Sort {
    /// The word for it in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OldestFirst => "created_at",
            Self::NewestFirst => "-created_at",
        }
    }

    /// The order with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::OldestFirst, Self::NewestFirst].into_iter().find(|sort| sort.as_str() == word)
    }
}

/// The place of an item in a list: its time in milliseconds and its id.
pub type Place = (i64, String);

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage<T> {
    /// The items, each with its place.
    pub items: Vec<(Place, T)>,
    /// Where to go on: after this place. `None` at the end of the list. What a page looks at is bounded, so a page may
    /// have a next one although it is not full, or is empty.
    pub next: Option<Place>,
}
