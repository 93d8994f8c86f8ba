//! What every simulated platform is made of: its address, the shared frame, and for each brand a book of orders.
//!
//! A platform is a `Site` of its own orders; what it does is written as methods of that type, in its folder.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::exchange::Frame;
use super::ledger::Effect;
use super::notices::Notice;
use super::platform::ControlError;

/// An order as a platform keeps it.
pub(crate) trait Kept: std::fmt::Debug {
    /// What a brand has from the start: its shop, where it has one of its own.
    type Shop: std::fmt::Debug;
    /// What else the platform keeps of a brand.
    type Rest: std::fmt::Debug + Default;

    /// What names it in the control API, the ledger and the fault plan.
    fn id(&self) -> &str;

    /// What names it among all orders of its brand.
    fn key(&self) -> String {
        self.id().to_owned()
    }

    /// What names its payment page among those of its brand.
    fn page(&self) -> &str;
}

/// The orders of one brand.
#[derive(Debug)]
pub(crate) struct Orders<O: Kept> {
    /// By key, oldest first.
    by_key: IndexMap<String, O>,
    /// From the name of a payment page to the key.
    by_page: IndexMap<String, String>,
    pub(crate) rest: O::Rest,
}

impl<O: Kept> Default for Orders<O> {
    fn default() -> Self {
        Self { by_key: IndexMap::new(), by_page: IndexMap::new(), rest: O::Rest::default() }
    }
}

impl<O: Kept> Orders<O> {
    pub(crate) fn insert(&mut self, order: O) {
        self.by_page.insert(order.page().to_owned(), order.key());
        self.by_key.insert(order.key(), order);
    }

    /// Puts an order of the control API in its place, which must be free, and returns its identifier.
    pub(crate) fn add(&mut self, order: O) -> Result<String, ControlError> {
        let id = order.id().to_owned();
        if self.by_key.contains_key(&order.key()) || self.by_page.contains_key(order.page()) {
            return Err(ControlError::Invalid(format!("order: {id} or its page exists already")));
        }
        self.insert(order);
        Ok(id)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&O> {
        self.by_key.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut O> {
        self.by_key.get_mut(key)
    }

    /// The one that a control call names; the oldest where several have the same name.
    pub(crate) fn named(&mut self, id: &str) -> Result<&mut O, ControlError> {
        let place = self.by_key.get_index_of(id);
        let place = place.or_else(|| self.by_key.values().position(|order| order.id() == id));
        let found = place.and_then(|place| self.by_key.get_index_mut(place));
        found.map(|(_, order)| order).ok_or_else(|| unknown(id))
    }

    pub(crate) fn has_page(&self, page: &str) -> bool {
        self.by_page.contains_key(page)
    }

    pub(crate) fn of_page(&mut self, page: &str) -> Option<&mut O> {
        self.by_key.get_mut(self.by_page.get(page)?)
    }

    /// All, oldest first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &O> {
        self.by_key.values()
    }

    /// The same, to change them.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut O> {
        self.by_key.values_mut()
    }
}

/// No order has this name.
pub(crate) fn unknown(id: &str) -> ControlError {
    ControlError::NotFound(format!("order {id}"))
}

/// One brand and its orders.
#[derive(Debug)]
pub(crate) struct Book<O: Kept> {
    pub(crate) brand: &'static str,
    pub(crate) shop: O::Shop,
    orders: Mutex<Orders<O>>,
}

impl<O: Kept> Book<O> {
    pub(crate) fn orders(&self) -> MutexGuard<'_, Orders<O>> {
        self.orders.lock()
    }
}

/// What a platform gets at its start.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) frame: Arc<Frame>,
    pub(crate) public_url: String,
    pub(crate) seed_samples: bool,
}

/// A simulated platform.
#[derive(Debug)]
pub(crate) struct Site<O: Kept> {
    name: &'static str,
    pub(crate) frame: Arc<Frame>,
    /// Base of the links, without a slash at its end.
    public_url: String,
    /// Whether the provider pages' own sample orders exist from the start.
    pub(crate) seed_samples: bool,
    books: Vec<Book<O>>,
}

impl<O: Kept> Site<O> {
    /// A platform with these brands and their shops, and no orders.
    pub(crate) fn empty(
        name: &'static str,
        brands: impl IntoIterator<Item = (&'static str, O::Shop)>,
        start: &Start,
    ) -> Self {
        let books = brands.into_iter().map(|(brand, shop)| Book { brand, shop, orders: Mutex::default() });
        let Start { frame, public_url, seed_samples } = start.clone();
        Self { name, frame, public_url, seed_samples, books: books.collect() }
    }

    pub(crate) fn book(&self, brand: &str) -> Option<&Book<O>> {
        self.books.iter().find(|book| book.brand == brand)
    }

    /// The book that a control call names.
    pub(crate) fn known(&self, brand: &str) -> Result<&Book<O>, ControlError> {
        self.book(brand).ok_or_else(|| ControlError::NotFound(format!("brand {brand}")))
    }

    /// Lets the control API look at an order, or change it.
    pub(crate) fn with_order<T>(
        &self,
        brand: &str,
        id: &str,
        change: impl FnOnce(&Book<O>, &mut O) -> T,
    ) -> Result<T, ControlError> {
        let book = self.known(brand)?;
        let mut orders = book.orders();
        Ok(change(book, orders.named(id)?))
    }

    /// The time at the platform.
    pub(crate) fn now(&self) -> Timestamp {
        self.frame.clock.now()
    }

    /// The address of something of a brand, from the outside.
    pub(crate) fn url(&self, brand: &str, rest: &str) -> String {
        format!("{}/{}/{brand}{rest}", self.public_url, self.name)
    }

    /// Enters an effect in the ledger; number, time and place are given here. Called under the lock that makes the effect,
    /// so that the ledger has the true order.
    pub(crate) fn enter(&self, book: &Book<O>, effect: Effect) {
        let (provider, brand) = (self.name.to_owned(), book.brand.to_owned());
        self.frame.ledger.effect(Effect { at: self.now(), provider, brand, ..effect });
    }

    /// Hands a notification over; whose it is and the order's name are given here.
    pub(crate) fn send(&self, book: &Book<O>, order: &O, notice: Notice) {
        let (brand, order) = (book.brand.to_owned(), order.id().to_owned());
        self.frame.notices.send(Notice { provider: self.name, brand, order, ..notice }, self.now());
    }

    /// No orders any more.
    pub(crate) fn clear(&self) {
        for book in &self.books {
            *book.orders() = Orders::default();
        }
    }
}

/// The members of an order for the control API.
pub(crate) fn draft<T: DeserializeOwned>(draft: &Value) -> Result<T, ControlError> {
    T::deserialize(draft).map_err(|error| ControlError::Invalid(format!("order: {error}")))
}
