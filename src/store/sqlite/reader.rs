//! The threads that read. Each read sees one state of the store: everything committed before it began.
//!
//! Lists and searches have threads and a queue of their own. Reads of single orders never wait behind them.

use std::{
    path::Path,
    sync::Arc,
    sync::mpsc::{self, Receiver, SyncSender, TrySendError},
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::{sync::oneshot, time::timeout_at};

use super::connection;
use crate::store::{StoreError, deadline};

/// Threads of each queue.
const THREADS: usize = 2;
/// Reads that may wait; more are refused at once.
const QUEUE_LIMIT: usize = 1_024;
/// Lists that may wait: each takes as long as many reads.
const LIST_QUEUE_LIMIT: usize = 256;

type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// The way to the reading threads.
#[derive(Debug)]
pub(super) struct Readers {
    single: Queue,
    lists: Queue,
}

impl Readers {
    /// Starts the threads, each with its own connection.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let single = Queue::start(path, "store-reader", QUEUE_LIMIT)?;
        Ok(Self { single, lists: Queue::start(path, "store-lister", LIST_QUEUE_LIMIT)? })
    }

    /// Runs `work` on one state of the store: a read of a few rows.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.single.run(work).await
    }

    /// Runs `work` on one state of the store: a list, a search or a count.
    pub(super) async fn list<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.lists.run(work).await
    }

    /// Lets what is queued finish, then ends the threads. Blocks.
    pub(super) fn stop(&self) {
        self.single.stop();
        self.lists.stop();
    }
}

/// A queue and the threads that serve it.
struct Queue {
    sender: Mutex<Option<SyncSender<Read>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Queue {
    fn start(path: &Path, name: &str, limit: usize) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(limit);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::new();
        for number in 1..=THREADS {
            let connection = connection::open_reader(path)?;
            let queue = Arc::clone(&receiver);
            let thread = thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || serve(connection, &queue))
                .map_err(|error| StoreError::Unavailable(format!("cannot start a reader: {error}")))?;
            threads.push(thread);
        }
        Ok(Self { sender: Mutex::new(Some(sender)), threads: Mutex::new(threads) })
    }

    async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(Box::new(move |connection: &mut Connection| {
            if !reply.is_closed() {
                let _ = reply.send(in_one_state(connection, work));
            }
        }))?;
        let answer = match deadline::current() {
            None => answer.await,
            // A read that nobody waits for any more is passed over when its turn comes.
            Some(deadline) => timeout_at(deadline, answer).await.map_err(|_| StoreError::TooLate)?,
        };
        answer.unwrap_or_else(|_| Err(stopped()))
    }

    fn send(&self, read: Read) -> Result<(), StoreError> {
        let sender = self.sender.lock();
        match sender.as_ref().ok_or_else(stopped)?.try_send(read) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                Err(StoreError::Unavailable("too many reads are waiting".to_owned()))
            }
            Err(TrySendError::Disconnected(_)) => Err(stopped()),
        }
    }

    fn stop(&self) {
        drop(self.sender.lock().take());
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("it has stopped".to_owned())
}

fn in_one_state<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction()?;
    let result = work(&transaction);
    transaction.finish()?;
    result
}

fn serve(mut connection: Connection, queue: &Mutex<Receiver<Read>>) {
    connection::watched(&connection);
    loop {
        // The lock is held while waiting and released before the work: the readers take turns waiting.
        let next = queue.lock().recv();
        match next {
            Ok(read) => read(&mut connection),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn lists_that_take_for_ever_hold_up_no_read_of_an_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        std::fs::write(&path, "").unwrap();
        let readers = Arc::new(Readers::start(&path).unwrap());
        let mut releases = Vec::new();
        let mut lists = Vec::new();
        for _ in 0..THREADS {
            let (running, is_running) = oneshot::channel();
            let (release, released) = mpsc::channel::<()>();
            let readers = Arc::clone(&readers);
            lists.push(tokio::spawn(async move {
                let work = move |_: &Connection| {
                    running.send(()).unwrap();
                    released.recv().unwrap();
                    Ok(1)
                };
                readers.list(work).await
            }));
            is_running.await.unwrap();
            releases.push(release);
        }
        assert_eq!(readers.run(|_| Ok(2)).await.unwrap(), 2);
        for release in releases {
            release.send(()).unwrap();
        }
        for list in lists {
            assert_eq!(list.await.unwrap().unwrap(), 1);
        }
    }
}
