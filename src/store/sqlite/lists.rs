//! Lists of orders and operations.
//!
//! A list is a walk of an index in the order of the list. Where one index does not hold what is wanted together, there
//! is one walk for each account and status, and they are merged here. So the work is bounded by the number of walks and
//! by the length of the page, whatever the store holds. Every walk names its index: a planner without statistics
//! guesses, and a wrong guess reads the whole table.

use std::collections::VecDeque;

use rusqlite::{Connection, OptionalExtension, Row, params_from_iter, types::Value};
use serde::de::DeserializeOwned;

use super::rows::decode;
use crate::{
    domain::{AccountName, Operation, OperationStatus, Order, OrderStatus},
    store::{ListPage, OperationFilter, OrderFilter, Place, Sort, StoreError},
};

/// How many rows a page may look at that do not fit its filter, where no index holds the whole filter.
const MISSES: u32 = 1_000;
/// The most rows that one walk reads ahead.
const AHEAD_MAX: usize = 512;
/// The fewest.
const AHEAD_MIN: usize = 4;

/// A table with the column of the list's order.
#[derive(Clone, Copy)]
struct Table {
    name: &'static str,
    time: &'static str,
}

const ORDERS: Table = Table { name: "orders", time: "first_seen_at" };
const OPERATIONS: Table = Table { name: "operations", time: "created_at" };

/// A way through a table: an index, and its conditions, whose values are `?4` and `?5`.
#[derive(Clone, Copy)]
struct Way {
    table: Table,
    index: &'static str,
    conditions: &'static str,
}

const ALL_ORDERS: Way =
    Way { table: ORDERS, index: "orders_by_first_seen", conditions: "known_here = TRUE AND" };
const ORDERS_BY_STATUS: Way = Way {
    table: ORDERS,
    index: "orders_by_status",
    conditions: "known_here = TRUE AND account = ?4 AND status = ?5 AND",
};
const ORDERS_BY_REFERENCE: Way = Way {
    table: ORDERS,
    index: "orders_by_merchant_reference",
    conditions: "account = ?4 AND merchant_reference = ?5 AND",
};
const ALL_OPERATIONS: Way = Way { table: OPERATIONS, index: "operations_by_age", conditions: "" };
const OPERATIONS_BY_STATUS: Way =
    Way { table: OPERATIONS, index: "operations_by_status", conditions: "account = ?4 AND status = ?5 AND" };
const OPERATIONS_OF_ORDER: Way =
    Way { table: OPERATIONS, index: "operations_by_order", conditions: "order_id = ?4 AND" };

/// The next account after `?1` that has anything in the table: a step of the index for each account.
const NEXT_ACCOUNT_OF_ORDERS: &str = "SELECT account FROM orders INDEXED BY orders_by_status \
    WHERE known_here = TRUE AND account > ?1 ORDER BY account LIMIT 1";
const NEXT_ACCOUNT_OF_OPERATIONS: &str = "SELECT account FROM operations INDEXED BY operations_by_status \
    WHERE account > ?1 ORDER BY account LIMIT 1";

impl Way {
    /// Rows beyond the place `?1`, `?2`, at most `?3` of them.
    fn sql(self, sort: Sort) -> String {
        let Self { table: Table { name, time }, index, conditions } = self;
        let (beyond, down) = match sort {
            Sort::OldestFirst => (">", ""),
            Sort::NewestFirst => ("<", " DESC"),
        };
        format!(
            "SELECT {time}, id, rowid FROM {name} INDEXED BY {index} \
             WHERE {conditions} ({time}, id) {beyond} (?1, ?2) ORDER BY {time}{down}, id{down} LIMIT ?3"
        )
    }
}

/// A row found by a walk.
struct Found {
    place: Place,
    rowid: i64,
}

/// A walk: what it has read ahead, and where it goes on.
struct Walk {
    values: Vec<String>,
    ahead: VecDeque<Found>,
    from: Place,
    has_ended: bool,
}

/// Walks of one way, merged.
struct Merge<'connection> {
    connection: &'connection Connection,
    sql: String,
    sort: Sort,
    read_ahead: usize,
    walks: Vec<Walk>,
}

impl<'connection> Merge<'connection> {
    /// One walk for each set of values.
    fn new(connection: &'connection Connection, way: Way, values: Vec<Vec<String>>, list: &Listed) -> Self {
        let from = list.after.clone().unwrap_or_else(|| match list.sort {
            Sort::OldestFirst => (i64::MIN, String::new()),
            Sort::NewestFirst => (i64::MAX, String::new()),
        });
        let wanted = usize::try_from(list.limit).unwrap_or(usize::MAX).saturating_add(1);
        // Walks of equal length give each about this many; twice that spares most of them a second look.
        let share = wanted.saturating_mul(2).checked_div(values.len()).unwrap_or(wanted).min(wanted);
        let walk = |values| Walk { values, ahead: VecDeque::new(), from: from.clone(), has_ended: false };
        Self {
            connection,
            sql: way.sql(list.sort),
            sort: list.sort,
            read_ahead: share.clamp(AHEAD_MIN, AHEAD_MAX),
            walks: values.into_iter().map(walk).collect(),
        }
    }

    /// The next row of all walks together.
    fn next(&mut self) -> Result<Option<Found>, StoreError> {
        for walk in &mut self.walks {
            if walk.ahead.is_empty() && !walk.has_ended {
                read_ahead(self.connection, &self.sql, self.read_ahead, walk)?;
            }
        }
        let waiting = self.walks.iter_mut().filter(|walk| !walk.ahead.is_empty());
        let place = |walk: &Walk| walk.ahead.front().map(|found| found.place.clone());
        let first = match self.sort {
            Sort::OldestFirst => waiting.min_by_key(|walk| place(walk)),
            Sort::NewestFirst => waiting.max_by_key(|walk| place(walk)),
        };
        Ok(first.and_then(|walk| walk.ahead.pop_front()))
    }
}

fn read_ahead(connection: &Connection, sql: &str, count: usize, walk: &mut Walk) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let limit = i64::try_from(count).unwrap_or(i64::MAX);
    let values = [Value::from(walk.from.0), Value::from(walk.from.1.clone()), Value::from(limit)]
        .into_iter()
        .chain(walk.values.iter().cloned().map(Value::from));
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        walk.ahead.push_back(Found { place: (row.get(0)?, row.get(1)?), rowid: row.get(2)? });
    }
    walk.has_ended = walk.ahead.len() < count;
    if let Some(last) = walk.ahead.back() {
        walk.from = last.place.clone();
    }
    Ok(())
}

/// What is common to all lists.
struct Listed {
    sort: Sort,
    after: Option<Place>,
    limit: u32,
}

/// A page of what the walks find. `sql` reads a row by its `rowid`, and `document` takes the document out of it, `None`
/// where the row does not fit.
fn page<T: DeserializeOwned>(
    mut merge: Merge<'_>,
    list: &Listed,
    what: &str,
    sql: &str,
    document: impl Fn(&Row<'_>) -> Result<Option<String>, rusqlite::Error>,
) -> Result<ListPage<T>, StoreError> {
    let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
    let (mut items, mut misses) = (Vec::<(Place, T)>::new(), 0_u32);
    let connection = merge.connection;
    while let Some(Found { place, rowid }) = merge.next()? {
        let found = connection.prepare_cached(sql)?.query_row([rowid], |row| document(row))?;
        match found {
            Some(text) if items.len() < limit => items.push((place, decode(what, &text)?)),
            Some(_) => {
                let next = items.last().map(|(place, _)| place.clone());
                return Ok(ListPage { items, next });
            }
            None => {
                misses = misses.saturating_add(1);
                if misses >= MISSES {
                    return Ok(ListPage { items, next: Some(place) });
                }
            }
        }
    }
    Ok(ListPage { items, next: None })
}

/// The accounts of a list: what the client may use and what it asks for. `None`: every account of the store.
fn accounts(allowed: Option<Vec<String>>, asked: Option<AccountName>) -> Option<Vec<String>> {
    let asked = asked.map(|account| account.to_string());
    match (allowed, asked) {
        (Some(allowed), Some(asked)) => Some(if allowed.contains(&asked) { vec![asked] } else { Vec::new() }),
        (None, Some(asked)) => Some(vec![asked]),
        (Some(mut allowed), None) => {
            allowed.sort_unstable();
            allowed.dedup();
            Some(allowed)
        }
        (None, None) => None,
    }
}

/// Every account of the store: `sql` gives the next one after `?1`.
fn every_account(connection: &Connection, sql: &str) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::<String>::new();
    loop {
        let last = found.last().map_or("", String::as_str);
        let next = connection.prepare_cached(sql)?.query_row([last], |row| row.get(0)).optional()?;
        match next {
            Some(account) => found.push(account),
            None => return Ok(found),
        }
    }
}

/// Each account with each word.
fn each_with_each(accounts: &[String], words: &[&str]) -> Vec<Vec<String>> {
    let of = |account: &String| {
        words.iter().map(|word| vec![account.clone(), (*word).to_owned()]).collect::<Vec<_>>()
    };
    accounts.iter().flat_map(of).collect()
}

/// The words of statuses, each once.
fn once<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut words: Vec<&str> = words.collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// See [`crate::store::Store::list_orders`].
pub(super) fn orders(
    connection: &Connection,
    filter: OrderFilter,
    sort: Sort,
    after: Option<Place>,
    limit: u32,
) -> Result<ListPage<Order>, StoreError> {
    let list = Listed { sort, after, limit };
    let of_all = |connection: &Connection| every_account(connection, NEXT_ACCOUNT_OF_ORDERS);
    let accounts = accounts(filter.accounts, filter.account);
    let wanted = once(filter.statuses.iter().map(|status| status.as_str()));
    let (way, values) = match (accounts, &filter.merchant_reference) {
        (accounts, Some(reference)) => {
            let accounts = accounts.map_or_else(|| of_all(connection), Ok)?;
            (ORDERS_BY_REFERENCE, each_with_each(&accounts, &[reference]))
        }
        (None, None) if wanted.is_empty() => (ALL_ORDERS, vec![Vec::new()]),
        (accounts, None) => {
            let accounts = accounts.map_or_else(|| of_all(connection), Ok)?;
            let words = if wanted.is_empty() {
                OrderStatus::ALL.iter().map(|status| status.as_str()).collect()
            } else {
                wanted.clone()
            };
            (ORDERS_BY_STATUS, each_with_each(&accounts, &words))
        }
    };
    let merge = Merge::new(connection, way, values, &list);
    let sql = "SELECT known_here, status, last_copy FROM orders WHERE rowid = ?1";
    page(merge, &list, "a copy of an order", sql, |row| {
        let (known_here, status): (bool, String) = (row.get(0)?, row.get(1)?);
        let fits = known_here && (wanted.is_empty() || wanted.contains(&status.as_str()));
        fits.then(|| row.get(2)).transpose()
    })
}

/// See [`crate::store::Store::list_operations`].
pub(super) fn operations(
    connection: &Connection,
    filter: OperationFilter,
    sort: Sort,
    after: Option<Place>,
    limit: u32,
) -> Result<ListPage<Operation>, StoreError> {
    let list = Listed { sort, after, limit };
    let accounts = accounts(filter.accounts, filter.account);
    let wanted = once(filter.statuses.iter().map(|status| status.as_str()));
    let (way, values) = match (&accounts, &filter.order) {
        (_, Some(order)) => (OPERATIONS_OF_ORDER, vec![vec![order.to_string()]]),
        (None, None) if wanted.is_empty() => (ALL_OPERATIONS, vec![Vec::new()]),
        (accounts, None) => {
            let accounts = match accounts {
                Some(accounts) => accounts.clone(),
                None => every_account(connection, NEXT_ACCOUNT_OF_OPERATIONS)?,
            };
            let words = if wanted.is_empty() {
                OperationStatus::ALL.iter().map(|status| status.as_str()).collect()
            } else {
                wanted.clone()
            };
            (OPERATIONS_BY_STATUS, each_with_each(&accounts, &words))
        }
    };
    let merge = Merge::new(connection, way, values, &list);
    let sql = "SELECT account, status, body FROM operations WHERE rowid = ?1";
    page(merge, &list, "an operation", sql, |row| {
        let (account, status): (String, String) = (row.get(0)?, row.get(1)?);
        let fits = accounts.as_ref().is_none_or(|accounts| accounts.contains(&account))
            && (wanted.is_empty() || wanted.contains(&status.as_str()));
        fits.then(|| row.get(2)).transpose()
    })
}
