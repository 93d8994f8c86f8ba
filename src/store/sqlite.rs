//! The default store: one SQLite file, one process, one writer.
//!
//! A thread of its own owns the only writing connection and commits in groups; two more threads read from
//! snapshots, and another two list. The callers wait for answers, never for locks or the disk, so the runtime is never blocked.

mod backlog;
mod commands;
mod connection;
mod endpoint_rows;
mod events;
mod feed;
mod following;
mod inbox;
mod keys;
mod known;
mod lists;
mod location;
mod migrations;
mod news;
mod order_rows;
mod orders;
mod owners;
mod reader;
mod replay;
mod retention;
mod rows;
#[cfg(feature = "faults")]
pub mod watch;
mod webhooks;
mod writer;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;

use self::{
    known::{Known, Loading},
    location::Lock,
    reader::Readers,
    writer::{IfLate, Writer},
};
use super::{
    Backlog, Begun, ChangeView, DueNotification, ListPage, NewNotification, NewOperation, OperationFilter,
    OrderFilter, Place, Settled, Settlement, Sort, Store, StoreError,
    outbox::{CursorKey, Disabling, Endpoint, Owners},
    retention::{Erased, ErasureClock, Limits, Sweep, Swept},
};
use crate::domain::{
    AccountName, Cause, EndpointId, Event, Operation, OperationId, Order, OrderId, OrderMemory, Reading,
    Timestamp,
};

/// A store in one SQLite file. Dropping it finishes what is queued, as [`Store::close`] does.
#[derive(Debug)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    known: Arc<Known>,
    loading: Mutex<Option<Loading>>,
    run: i64,
    cursor_key: CursorKey,
    lock: Mutex<Option<Lock>>,
}

impl SqliteStore {
    /// Opens the store at `url` and makes it where it is missing, directory included:
    /// `sqlite://guichet.db` (relative) or `sqlite:///var/lib/guichet/guichet.db`.
    ///
    /// Blocks; to be called at start.
    ///
    /// # Errors
    /// `Locked` when the file is in use, by whatever name; `Corrupt` when it is not a store, is damaged or was
    /// written by a newer guichet; `Unavailable` when the address is wrong, the file has several names (hard links) or it
    /// cannot be written.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let path = location::resolve(&location::path_of(url)?)?;
        // Taken before SQLite opens the file, and given up after it has closed it.
        let lock = Lock::take(&path)?;
        let named = |error| match error {
            StoreError::Corrupt(why) => StoreError::Corrupt(format!("{}: {why}", path.display())),
            StoreError::Unavailable(why) => StoreError::Unavailable(format!("{}: {why}", path.display())),
            StoreError::Locked(_) | StoreError::NotFound | StoreError::TooLate | StoreError::StillRunning => {
                error
            }
        };
        let connection = connection::open_writer(&path).map_err(named)?;
        migrations::apply(&connection).map_err(named)?;
        let cursor_key = keys::cursors(&connection).map_err(named)?;
        let run = events::next(&connection, "runs").map_err(named)?;
        let known = Arc::<Known>::default();
        let loading = known::load(&known, &connection, &path).map_err(named)?;
        let readers = Readers::start(&path).map_err(named)?;
        let writer = Writer::start(connection)?;
        let lock = Mutex::new(Some(lock));
        Ok(Self { inner: Arc::new(Inner { path, writer, readers, known, loading, run, cursor_key, lock }) })
    }

    /// Asks the service that uses the store at `url`, now or at its next start, to erase the payer data of one order. Does
    /// not take the lock: one row is written beside the writer, as another program would.
    ///
    /// Blocks; for the command line.
    ///
    /// # Errors
    /// `Unavailable` when there is no store, it has several names or it cannot be written; `Corrupt` when it is of another version.
    pub fn request_erasure(url: &str, order: &OrderId) -> Result<(), StoreError> {
        let connection = Self::beside(url)?;
        retention::request(&connection, &order.to_string(), Timestamp::now())
    }

    /// All webhook endpoints of the store at `url`, whether it is in use or not, and when their clients were seen last.
    ///
    /// Blocks; for the command line.
    ///
    /// # Errors
    /// As [`SqliteStore::request_erasure`].
    pub fn list_webhooks(url: &str) -> Result<(Vec<Endpoint>, Owners), StoreError> {
        let connection = Self::beside(url)?;
        Ok((endpoint_rows::all(&connection, None)?, owners::read(&connection)?))
    }

    /// Disables a webhook endpoint of the store at `url`, whether it is in use or not, and writes that into the audit trail.
    /// False when it was disabled already.
    ///
    /// Blocks; for the command line.
    ///
    /// # Errors
    /// `NotFound` when there is no such endpoint; else as [`SqliteStore::request_erasure`].
    pub fn disable_webhook(url: &str, id: EndpointId) -> Result<bool, StoreError> {
        let mut connection = Self::beside(url)?;
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let disabled = owners::disable(&transaction, id, Disabling::Operator, Timestamp::now())?;
        transaction.commit()?;
        disabled.ok_or(StoreError::NotFound)
    }

    /// A connection beside a service that may be running.
    fn beside(url: &str) -> Result<rusqlite::Connection, StoreError> {
        let path = location::path_of(url)?;
        if !path.exists() {
            return Err(StoreError::Unavailable(format!("there is no store at {}", path.display())));
        }
        location::expect_one_name(&path)?;
        let connection = connection::open_beside(&path)?;
        migrations::expect_current(&connection)?;
        Ok(connection)
    }

    /// Writes the file of a stopped store anew, without free pages and without what earlier moves of rows left in the
    /// unused parts of pages. Needs the room of a second file meanwhile.
    ///
    /// Blocks; for the command line.
    ///
    /// # Errors
    /// `Locked` while somebody serves the store; else as [`SqliteStore::open`].
    pub fn compact(url: &str) -> Result<(), StoreError> {
        let path = location::path_of(url)?;
        if !path.exists() {
            return Err(StoreError::Unavailable(format!("there is no store at {}", path.display())));
        }
        let path = location::resolve(&path)?;
        let _lock = Lock::take(&path)?;
        let connection = connection::open_writer(&path)?;
        migrations::apply(&connection)?;
        connection.execute_batch("VACUUM")?;
        Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    /// The file, free of symbolic links.
    pub fn path(&self) -> &std::path::Path {
        &self.inner.path
    }
}

impl Inner {
    /// Readers go first: the writer empties its log at the end, which a reader would hold up. The lock
    /// goes last.
    fn stop(&self) {
        let loading = self.loading.lock().take();
        if let Some(loading) = loading {
            loading.stop();
        }
        self.readers.stop();
        self.writer.stop();
        drop(self.lock.lock().take());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn look(
        &self,
        order: Option<&OrderId>,
        key: Option<(&str, &str)>,
    ) -> Result<ChangeView, StoreError> {
        let order = order.cloned();
        let key = key.map(|(client, key)| (client.to_owned(), key.to_owned()));
        let read = move |connection: &rusqlite::Connection| {
            let (key, key_is_spent) = match &key {
                Some((client, key)) => match rows::key(connection, client, key)? {
                    Some(record) => (Some(record), false),
                    None => (None, rows::is_spent(connection, client, key)?),
                },
                None => (None, false),
            };
            let Some(order) = &order else {
                return Ok(ChangeView { key, key_is_spent, ..ChangeView::default() });
            };
            let blocking = rows::blocking(connection, order)?;
            let change_count = order_rows::change_count(connection, order)?;
            Ok(ChangeView { key, key_is_spent, blocking, change_count })
        };
        self.inner.readers.run(read).await
    }

    async fn begin(&self, new: NewOperation) -> Result<Begun, StoreError> {
        if let Some(order) = &new.operation.order_id {
            self.inner.known.add(order);
        }
        let begin = move |connection: &rusqlite::Connection| commands::begin(connection, &new);
        self.inner.writer.run_or(IfLate::WaitForIt, begin).await
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        if let Some(reading) = &settlement.order_after {
            self.inner.known.add(&reading.order.id);
        }
        self.inner.writer.run(move |connection| commands::settle(connection, settlement)).await
    }

    async fn recover(&self, at: Timestamp) -> Result<Vec<Operation>, StoreError> {
        self.inner.writer.run(move |connection| commands::recover(connection, at)).await
    }

    async fn due_checks(&self, now: Timestamp, limit: u32) -> Result<Vec<Operation>, StoreError> {
        self.inner.readers.run(move |connection| rows::due_checks(connection, now, limit)).await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError> {
        self.inner.readers.run(move |connection| rows::operation(connection, id)).await
    }

    async fn operation_of_page(&self, token: &str) -> Result<Option<Operation>, StoreError> {
        let token = token.to_owned();
        self.inner.readers.run(move |connection| rows::of_page(connection, &token)).await
    }

    async fn memory(&self, id: &OrderId) -> Result<OrderMemory, StoreError> {
        if !self.inner.known.may_hold(id) {
            return Ok(OrderMemory::default());
        }
        let id = id.clone();
        self.inner.readers.run(move |connection| commands::memory(connection, &id)).await
    }

    async fn order_copy(&self, id: &OrderId) -> Result<Option<Order>, StoreError> {
        let id = id.clone();
        self.inner.readers.run(move |connection| order_rows::copy(connection, &id)).await
    }

    async fn save_copies(&self, readings: Vec<Reading>, cause: Cause) -> Result<Vec<OrderId>, StoreError> {
        if readings.is_empty() {
            return Ok(Vec::new());
        }
        self.inner.writer.run(move |connection| commands::save_copies(connection, &readings, &cause)).await
    }

    async fn change_count(&self, id: &OrderId) -> Result<i64, StoreError> {
        if !self.inner.known.may_hold(id) {
            return Ok(0);
        }
        let id = id.clone();
        self.inner.readers.run(move |connection| order_rows::change_count(connection, &id)).await
    }

    fn run(&self) -> i64 {
        self.inner.run
    }

    async fn order_events(&self, id: &OrderId, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let id = id.clone();
        self.inner.readers.list(move |connection| events::of_order(connection, &id, after, limit)).await
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog, StoreError> {
        self.inner.readers.list(move |connection| backlog::read(connection, now)).await
    }

    async fn keep_notification(&self, new: NewNotification) -> Result<bool, StoreError> {
        let keep = move |connection: &rusqlite::Connection| inbox::keep(connection, &new);
        self.inner.writer.run_or(IfLate::DoIt, keep).await
    }

    async fn due_notifications(
        &self,
        account: &AccountName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueNotification>, StoreError> {
        let account = account.clone();
        self.inner.readers.run(move |connection| inbox::due(connection, &account, now, limit)).await
    }

    async fn finish_notification(
        &self,
        id: &str,
        order: Option<OrderId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(order) = &order {
            self.inner.known.add(order);
        }
        let id = id.to_owned();
        self.inner.writer.run(move |connection| inbox::finish(connection, &id, order.as_ref(), now)).await
    }

    async fn tie_notification(&self, id: &str, order: &OrderId) -> Result<(), StoreError> {
        self.inner.known.add(order);
        let (id, order) = (id.to_owned(), order.clone());
        self.inner.writer.run(move |connection| inbox::tie(connection, &id, &order)).await
    }

    async fn retry_notification(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.inner.writer.run(move |connection| inbox::retry(connection, &id, at)).await
    }

    async fn hasten(
        &self,
        order: Option<&OrderId>,
        operation: Option<OperationId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let order = order.cloned();
        self.inner
            .writer
            .run(move |connection| inbox::hasten(connection, order.as_ref(), operation, now))
            .await
    }

    async fn orders_with_reference(
        &self,
        account: &AccountName,
        merchant_reference: &str,
    ) -> Result<Vec<OrderId>, StoreError> {
        let (account, reference) = (account.clone(), merchant_reference.to_owned());
        self.inner
            .readers
            .run(move |connection| inbox::with_reference(connection, &account, &reference))
            .await
    }

    async fn due_reads(
        &self,
        account: &AccountName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreError> {
        let account = account.clone();
        self.inner.readers.run(move |connection| following::due(connection, &account, now, limit)).await
    }

    async fn plan_read(&self, id: &OrderId, now: Timestamp, is_read: bool) -> Result<(), StoreError> {
        let id = id.clone();
        self.inner.writer.run(move |connection| following::plan_read(connection, &id, now, is_read)).await
    }

    async fn reads_overdue(&self, account: &AccountName, now: Timestamp) -> Result<Duration, StoreError> {
        let account = account.clone();
        self.inner.readers.run(move |connection| following::overdue(connection, &account, now)).await
    }

    async fn list_orders(
        &self,
        filter: OrderFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Order>, StoreError> {
        self.inner.readers.list(move |connection| lists::orders(connection, filter, sort, after, limit)).await
    }

    async fn list_operations(
        &self,
        filter: OperationFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Operation>, StoreError> {
        self.inner
            .readers
            .list(move |connection| lists::operations(connection, filter, sort, after, limit))
            .await
    }

    async fn check_writable(&self) -> Result<(), StoreError> {
        self.inner.writer.run(commands::check_writable).await
    }

    async fn erasure_clock(
        &self,
        now: Timestamp,
        passed: Option<Duration>,
    ) -> Result<ErasureClock, StoreError> {
        self.inner.writer.run(move |connection| retention::clock(connection, now, passed)).await
    }

    async fn sweep(&self, limits: Limits, from: Sweep) -> Result<Swept, StoreError> {
        let stage = from.stage;
        if !self.inner.readers.list(move |connection| retention::has_work(connection, limits, stage)).await? {
            // The writer has better things to do.
            let next = stage.next().map(|stage| Sweep { stage, after: None });
            return Ok(Swept { erased: Erased::default(), next });
        }
        self.inner.writer.run(move |connection| retention::sweep(connection, limits, &from)).await
    }

    async fn scrub(&self) -> Result<bool, StoreError> {
        self.inner.writer.empty_log().await
    }

    async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        // The runtime refuses only while it is going down itself; then dropping the store does the same.
        let _ = tokio::task::spawn_blocking(move || inner.stop()).await;
    }
}
