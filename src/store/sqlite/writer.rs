//! The one thread that writes, and group commit: commands that wait together are committed, and so synced
//! to disk, together. Nobody is answered before that.

use std::{
    sync::mpsc::{self, Receiver, SyncSender, TrySendError},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::{
    sync::{oneshot, watch},
    time::timeout_at,
};

use super::connection::{self, BUSY_TIMEOUT};
use crate::{
    faults,
    store::{StoreError, deadline},
};

/// Commands that may wait; more are refused at once instead of waiting ever longer.
const QUEUE_LIMIT: usize = 1_024;
/// Commands in one transaction: bounds how long the first of them waits for the last.
const GROUP_LIMIT: usize = 256;

/// What a command that ran wants to become of what it wrote.
#[derive(Debug)]
pub(super) enum Step<T> {
    /// Keep it and answer this.
    Keep(T),
    /// Take back whatever was written and answer this.
    Undo(T),
}

/// What becomes of a command when its caller's deadline comes before its end, or the caller goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfLate {
    /// Taken back where it has not begun. Else it is done without the caller, who does not learn of it.
    TakeBack,
    /// Taken back where it has not begun. Else the caller waits for its end.
    WaitForIt,
    /// Done without the caller, begun or not.
    DoIt,
}

/// The right to a command. The writer takes it to run the command, the caller to take it back; the first one has it.
#[derive(Debug, Clone, Default)]
struct Claim(Arc<AtomicBool>);

impl Claim {
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}

/// Takes a command back when its caller goes away before it began.
struct Withdrawal(Claim);

impl Drop for Withdrawal {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// A command on its way through the writer.
trait Job: Send {
    /// Runs it; answers whether what it wrote is to be kept.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Answers the caller, once it is known whether the group was committed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Command<T, F> {
    work: Option<F>,
    claim: Claim,
    result: Result<T, StoreError>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Command<T, F> {
    fn new(work: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let (work, claim) = (Some(work), Claim::default());
        (Self { work, claim, result: Err(StoreError::TooLate), reply }, answer)
    }
}

impl<T, F> Job for Command<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<Step<T>, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        if !self.claim.take() {
            return false;
        }
        let (result, keep) = match self.work.take().map(|work| work(connection)) {
            Some(Ok(Step::Keep(value))) => (Ok(value), true),
            Some(Ok(Step::Undo(value))) => (Ok(value), false),
            Some(Err(error)) => (Err(error), false),
            None => return false,
        };
        self.result = result;
        keep
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        // Even a refusal is void without the commit: it may rest on a neighbour's command that is lost.
        // Nobody listening is not an error: what is committed stays.
        let _ = self.reply.send(committed.and(self.result));
    }
}

/// The way to the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    empties: Arc<Mutex<Vec<oneshot::Sender<bool>>>>,
    events: watch::Receiver<i64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread on `connection`.
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(QUEUE_LIMIT);
        let (newest, events) = watch::channel(newest_event(&connection).unwrap_or(0));
        let empties = Arc::<Mutex<Vec<_>>>::default();
        let wanted = Arc::clone(&empties);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(connection, &receiver, &newest, &wanted))
            .map_err(|error| StoreError::Unavailable(format!("cannot start the writer: {error}")))?;
        Ok(Self { queue: Mutex::new(Some(sender)), empties, events, thread: Mutex::new(Some(thread)) })
    }

    /// The position of the newest event that is on disk; raised after the commit that wrote it.
    pub(super) fn events(&self) -> watch::Receiver<i64> {
        self.events.clone()
    }

    /// Runs `work` in a transaction and answers when its effect is on disk. Without a deadline the work is done even when
    /// the caller stops waiting; with one it is taken back where it has not begun.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<Step<T>, StoreError> + Send + 'static,
    {
        self.run_or(IfLate::TakeBack, work).await
    }

    /// The same; `if_late` says what becomes of the work at the deadline.
    pub(super) async fn run_or<T, F>(&self, if_late: IfLate, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<Step<T>, StoreError> + Send + 'static,
    {
        let (command, mut answer) = Command::new(work);
        let claim = command.claim.clone();
        self.send(Box::new(command))?;
        let ended = match deadline::current() {
            None => answer.await,
            Some(deadline) => {
                let _withdrawal = (if_late != IfLate::DoIt).then(|| Withdrawal(claim.clone()));
                match timeout_at(deadline, &mut answer).await {
                    Ok(ended) => ended,
                    Err(_) if if_late != IfLate::DoIt && claim.take() => return Err(StoreError::TooLate),
                    Err(_) if if_late == IfLate::WaitForIt => answer.await,
                    Err(_) => return Err(StoreError::StillRunning),
                }
            }
        };
        ended.unwrap_or_else(|_| Err(stopped()))
    }

    /// Copies the log into the file and cuts it to nothing, so that no old page is left in it. Answers false when a
    /// reader holds it up: nobody waits for readers here.
    pub(super) async fn empty_log(&self) -> Result<bool, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.empties.lock().push(reply);
        // The writer looks for such wishes after each group, and an empty group wakes it.
        self.run(|_| Ok(Step::Keep(()))).await?;
        answer.await.map_err(|_| stopped())
    }

    fn send(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let queue = self.queue.lock();
        match queue.as_ref().ok_or_else(stopped)?.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                Err(StoreError::Unavailable("too many changes are waiting".to_owned()))
            }
            Err(TrySendError::Disconnected(_)) => Err(stopped()),
        }
    }

    /// Lets what is queued finish, then ends the thread. Blocks.
    pub(super) fn stop(&self) {
        drop(self.queue.lock().take());
        let thread = self.thread.lock().take();
        // A writer that panicked has already told its callers by hanging up.
        let _ = thread.map(JoinHandle::join);
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("it has stopped".to_owned())
}

fn serve(
    connection: Connection,
    queue: &Receiver<Box<dyn Job>>,
    newest: &watch::Sender<i64>,
    empties: &Mutex<Vec<oneshot::Sender<bool>>>,
) {
    connection::watched(&connection);
    while let Ok(first) = queue.recv() {
        let group = std::iter::once(first).chain(queue.try_iter()).take(GROUP_LIMIT).collect();
        process(&connection, group);
        announce(&connection, newest);
        let wishes = std::mem::take(&mut *empties.lock());
        if !wishes.is_empty() {
            let is_empty = empty_log(&connection);
            for wish in wishes {
                let _ = wish.send(is_empty);
            }
        }
    }
    // Leaves one file that is complete by itself. When it fails the log stays, and nothing is lost.
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    drop(connection);
}

/// Whether the log could be emptied without waiting for readers.
fn empty_log(connection: &Connection) -> bool {
    let busy = || -> Result<bool, rusqlite::Error> {
        connection.busy_timeout(Duration::ZERO)?;
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        connection.busy_timeout(BUSY_TIMEOUT)?;
        busy
    };
    busy().is_ok_and(|busy| !busy)
}

/// Wakes whoever waits for events. Asked of the store itself, so that no writer of events can forget it.
fn announce(connection: &Connection, newest: &watch::Sender<i64>) {
    let Ok(position) = newest_event(connection) else { return };
    newest.send_if_modified(|known| std::mem::replace(known, position) != position);
}

fn newest_event(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection
        .prepare_cached("SELECT value FROM counters WHERE name = 'events'")?
        .query_row([], |row| row.get(0))
}

fn process(connection: &Connection, mut group: Vec<Box<dyn Job>>) {
    let started = std::time::Instant::now();
    let committed = commit(connection, &mut group);
    crate::metrics::store_commit(started.elapsed());
    if committed.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    let committed =
        committed.map_err(|error| StoreError::Unavailable(format!("nothing was written: {error}")));
    for job in group {
        job.answer(committed.clone());
    }
}

fn commit(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<(), rusqlite::Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for job in group {
        // One command that fails or is refused takes back its own writes, not its neighbours'. Where an
        // error (a full disk) ended the whole transaction, there is no savepoint left and this fails too.
        connection.execute_batch("SAVEPOINT command")?;
        if !job.run(connection) {
            connection.execute_batch("ROLLBACK TO command")?;
        }
        connection.execute_batch("RELEASE command")?;
    }
    faults::reached("store_before_commit");
    connection.execute_batch("COMMIT")?;
    faults::reached("store_after_commit");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Work = fn(&Connection) -> Result<Step<i64>, StoreError>;

    fn keep(connection: &Connection) -> Result<Step<i64>, StoreError> {
        connection.execute_batch("INSERT INTO parent VALUES (1)")?;
        Ok(Step::Keep(1))
    }

    fn undo(connection: &Connection) -> Result<Step<i64>, StoreError> {
        keep(connection).map(|_| Step::Undo(2))
    }

    fn fail(connection: &Connection) -> Result<Step<i64>, StoreError> {
        keep(connection)?;
        connection.execute_batch("INSERT INTO nowhere VALUES (1)")?;
        Ok(Step::Keep(3))
    }

    /// Only the commit notices this one.
    fn spoil_the_commit(connection: &Connection) -> Result<Step<i64>, StoreError> {
        connection.execute_batch("PRAGMA defer_foreign_keys = ON; INSERT INTO child VALUES (7)")?;
        Ok(Step::Keep(4))
    }

    /// As a full disk does.
    fn end_the_transaction(connection: &Connection) -> Result<Step<i64>, StoreError> {
        connection.execute_batch("ROLLBACK")?;
        Err(StoreError::Unavailable("disk full".to_owned()))
    }

    /// The rows there are.
    fn rows(connection: &Connection) -> Result<Step<i64>, StoreError> {
        let rows = connection.query_row("SELECT COUNT(*) FROM parent", [], |row| row.get(0))?;
        Ok(Step::Keep(rows))
    }

    /// What a group answers, and the rows there are afterwards.
    fn check(connection: &Connection, group: &[Work]) -> (Vec<Option<i64>>, i64) {
        let (mut jobs, mut answers) = (Vec::<Box<dyn Job>>::new(), Vec::new());
        for work in group {
            let (command, answer) = Command::new(*work);
            jobs.push(Box::new(command));
            answers.push(answer);
        }
        process(connection, jobs);
        let answers = answers.into_iter().map(|answer| answer.blocking_recv().unwrap().ok()).collect();
        let rows = connection.query_row("SELECT COUNT(*) FROM parent", [], |row| row.get(0)).unwrap();
        (answers, rows)
    }

    fn tables() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = ON; CREATE TABLE parent (value BIGINT); \
                 CREATE TABLE target (id BIGINT PRIMARY KEY); \
                 CREATE TABLE child (id BIGINT REFERENCES target (id));",
            )
            .unwrap();
        connection
    }

    #[test]
    fn a_command_that_fails_or_is_refused_harms_no_neighbour() {
        let answers = check(&tables(), &[keep, fail, undo, keep]);
        assert_eq!(answers, (vec![Some(1), None, Some(2), Some(1)], 2));
    }

    #[test]
    fn nobody_is_told_of_success_when_the_commit_fails() {
        let connection = tables();
        assert_eq!(check(&connection, &[keep, undo, spoil_the_commit]), (vec![None; 3], 0));
        assert_eq!(check(&connection, &[keep]), (vec![Some(1)], 1), "the next group works again");
    }

    #[test]
    fn a_transaction_that_ended_early_fails_the_whole_group() {
        let connection = tables();
        assert_eq!(check(&connection, &[keep, end_the_transaction, keep]), (vec![None; 3], 0));
        assert_eq!(check(&connection, &[keep]), (vec![Some(1)], 1), "the next group works again");
    }

    /// Holds the writer up until what it answers is used or dropped.
    fn held_up(writer: &Writer) -> mpsc::Sender<()> {
        let (running, is_running) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (blocker, _) = Command::new(move |_: &Connection| {
            running.send(()).unwrap();
            let _ = released.recv();
            Ok(Step::Keep(()))
        });
        writer.send(Box::new(blocker)).unwrap();
        is_running.recv().unwrap();
        release
    }

    async fn in_time<F: Future>(work: F) -> F::Output {
        deadline::at_most(Duration::from_millis(50), work).await
    }

    #[tokio::test]
    async fn what_has_not_begun_by_the_deadline_never_happens() {
        let writer = Arc::new(Writer::start(tables()).unwrap());
        let release = held_up(&writer);
        for if_late in [IfLate::TakeBack, IfLate::WaitForIt] {
            let late = in_time(writer.run_or(if_late, keep)).await;
            assert!(matches!(late, Err(StoreError::TooLate)), "{if_late:?}: {late:?}");
        }
        // Nor does what a caller with a deadline asked for and did not wait for.
        let patient = deadline::at_most(Duration::from_secs(60), writer.run(keep));
        assert!(tokio::time::timeout(Duration::from_millis(20), patient).await.is_err());
        // These two happen all the same.
        let late = in_time(writer.run_or(IfLate::DoIt, keep)).await;
        assert!(matches!(late, Err(StoreError::StillRunning)), "{late:?}");
        assert!(tokio::time::timeout(Duration::from_millis(20), writer.run(keep)).await.is_err());
        release.send(()).unwrap();
        assert_eq!(writer.run(rows).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn what_runs_at_the_deadline_is_waited_for_or_its_end_is_unknown() {
        for if_late in [IfLate::TakeBack, IfLate::WaitForIt] {
            let writer = Writer::start(tables()).unwrap();
            let (release, released) = mpsc::channel::<()>();
            let slow = move |connection: &Connection| {
                let _ = released.recv();
                keep(connection)
            };
            let late = deadline::at_most(Duration::from_millis(400), writer.run_or(if_late, slow));
            let mut late = std::pin::pin!(late);
            let told = tokio::time::timeout(Duration::from_millis(800), &mut late).await;
            if if_late == IfLate::TakeBack {
                assert!(matches!(told, Ok(Err(StoreError::StillRunning))), "{told:?}");
            } else {
                assert!(told.is_err(), "{told:?}");
            }
            release.send(()).unwrap();
            if if_late == IfLate::WaitForIt {
                assert_eq!(late.await.unwrap(), 1);
            }
            assert_eq!(writer.run(rows).await.unwrap(), 1);
        }
    }

    #[test]
    fn what_waits_is_bounded_and_finishes_before_the_end() {
        let writer = Writer::start(tables()).unwrap();
        let release = held_up(&writer);
        let mut answers = Vec::new();
        let refused = loop {
            let (command, answer) = Command::new(keep);
            match writer.send(Box::new(command)) {
                Ok(()) => answers.push(answer),
                Err(error) => break error,
            }
        };
        assert!(matches!(&refused, StoreError::Unavailable(why) if why.contains("waiting")), "{refused}");
        assert_eq!(answers.len(), QUEUE_LIMIT);
        release.send(()).unwrap();
        writer.stop();
        for answer in answers {
            assert_eq!(answer.blocking_recv().unwrap().unwrap(), 1);
        }
        assert!(writer.send(Box::new(Command::new(keep).0)).is_err());
    }
}
