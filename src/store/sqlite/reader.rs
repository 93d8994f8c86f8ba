//! The threads that read. Each read sees one state of the store: everything committed before it began.

use std::{
    path::Path,
    sync::mpsc::{self, Receiver, SyncSender, TrySendError},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection;
use crate::store::StoreError;

const READERS: usize = 2;
/// Reads that may wait; more are refused at once.
const QUEUE_LIMIT: usize = 1_024;

type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// The way to the reading threads.
pub(super) struct Readers {
    queue: Mutex<Option<SyncSender<Read>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Starts the threads, each with its own connection.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(QUEUE_LIMIT);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::new();
        for number in 1..=READERS {
            let connection = connection::open_reader(path)?;
            let queue = Arc::clone(&receiver);
            let thread = thread::Builder::new()
                .name(format!("store-reader-{number}"))
                .spawn(move || serve(connection, &queue))
                .map_err(|error| StoreError::Unavailable(format!("cannot start a reader: {error}")))?;
            threads.push(thread);
        }
        Ok(Self { queue: Mutex::new(Some(sender)), threads: Mutex::new(threads) })
    }

    /// Runs `work` on one state of the store.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
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
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn send(&self, read: Read) -> Result<(), StoreError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        match queue.as_ref().ok_or_else(stopped)?.try_send(read) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                Err(StoreError::Unavailable("too many reads are waiting".to_owned()))
            }
            Err(TrySendError::Disconnected(_)) => Err(stopped()),
        }
    }

    /// Lets what is queued finish, then ends the threads. Blocks.
    pub(super) fn stop(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
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
    loop {
        // The lock is held while waiting and released before the work: the readers take turns waiting.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(read) => read(&mut connection),
            Err(_) => return,
        }
    }
}
