//! Where lines go: into a buffer that one thread writes out, many lines at a time.
//!
//! Nobody waits for whoever reads the log. While the reader is slow lines wait, up to [`WAITING_MAX`]; after that they
//! are counted and dropped, and the log says so when there is room again. At an orderly end everything that waits is
//! written. A process that is killed loses what came in the last [`GATHER`], and what its reader had not taken.

use std::{
    io::Write,
    sync::{Arc, mpsc},
    time::Duration,
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::metrics;

/// Bytes that wait at most: some seconds of a busy service.
const WAITING_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a buffer that are kept for later.
const KEPT: usize = 64 * 1024;
/// How long the first line waits for others: one system call for all of them.
const GATHER: Duration = Duration::from_millis(5);
/// How long the end waits for whoever reads the log.
const STOP_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    dropped: u64,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    filled: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// The way in.
#[derive(Debug, Clone)]
pub(super) struct Lines(Arc<Shared>);

impl Lines {
    /// Takes a line, which ends with its line feed.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.0.state();
        if state.is_closed {
            drop(state);
            // The service is over; the last words are few.
            let _ = std::io::stderr().write_all(line);
            return;
        }
        if state.waiting.len().saturating_add(line.len()) > WAITING_MAX {
            state.dropped = state.dropped.saturating_add(1);
            drop(state);
            metrics::log_line_lost();
            return;
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.0.filled.notify_one();
        }
    }
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Sink {
    shared: Arc<Shared>,
    /// Tells nothing; it breaks when the thread ends.
    ended: mpsc::Receiver<()>,
}

impl Sink {
    /// Starts to write to `out`.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(super) fn start(out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (alive, ended) = mpsc::channel();
        std::thread::Builder::new().name("guichet-log".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                let _alive: mpsc::Sender<()> = alive;
                run(&shared, out);
            }
        })?;
        Ok(Self { shared, ended })
    }

    /// The way in.
    pub(super) fn lines(&self) -> Lines {
        Lines(Arc::clone(&self.shared))
    }

    /// Writes what waits and ends, unless nobody reads it. Later lines are written one by one.
    pub(super) fn stop(&self) {
        self.shared.state().is_closed = true;
        self.shared.filled.notify_one();
        let _ = self.ended.recv_timeout(STOP_MAX);
    }
}

fn run(shared: &Shared, mut out: impl Write) {
    let mut writing = Vec::new();
    loop {
        let mut state = shared.state();
        while state.waiting.is_empty() && !state.is_closed {
            shared.filled.wait(&mut state);
        }
        if state.waiting.is_empty() {
            return;
        }
        if !state.is_closed {
            drop(state);
            std::thread::sleep(GATHER);
            state = shared.state();
        }
        std::mem::swap(&mut state.waiting, &mut writing);
        let dropped = std::mem::take(&mut state.dropped);
        drop(state);
        // A log that nobody can read is no reason to stop.
        let _ = out.write_all(&writing).and_then(|()| out.flush());
        writing.clear();
        writing.shrink_to(KEPT);
        if dropped > 0 {
            tracing::warn!(lines = dropped, "log lines were dropped, because nobody read them in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Writes to a channel; each write waits for a sign when there is somebody to give it.
    struct Reader {
        written: mpsc::Sender<Vec<u8>>,
        may_go_on: Option<mpsc::Receiver<()>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.written.send(bytes.to_vec());
            if let Some(sign) = &self.may_go_on {
                let _ = sign.recv();
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_is_written_in_order_and_before_the_end() {
        let (written, read) = mpsc::channel();
        let sink = Sink::start(Reader { written, may_go_on: None }).unwrap();
        let lines = sink.lines();
        let mut expected = Vec::new();
        for number in 0..20_000 {
            let line = format!("line {number}\n");
            lines.push(line.as_bytes());
            expected.extend_from_slice(line.as_bytes());
        }
        sink.stop();
        let writes: Vec<Vec<u8>> = read.try_iter().collect();
        assert!(writes.len() < 2_000, "{} writes", writes.len());
        assert!(writes.concat() == expected);
    }

    #[test]
    fn a_slow_reader_costs_lines_and_nobody_waits_for_it() {
        let (written, read) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let sink = Sink::start(Reader { written, may_go_on: Some(may_go_on) }).unwrap();
        let lines = sink.lines();
        lines.push(b"first\n");
        assert_eq!(read.recv().unwrap(), b"first\n");
        // The thread is in its write now, and stays there.
        let line = [b'x'; 1024];
        let fit = WAITING_MAX / line.len();
        for _ in 0..fit + 10 {
            lines.push(&line);
        }
        let waits = || {
            let state = sink.shared.state();
            (state.waiting.len(), state.dropped)
        };
        assert_eq!(waits(), (fit * line.len(), 10));
        drop(go_on);
        sink.stop();
        assert_eq!(read.recv().unwrap().len(), fit * line.len());
        assert_eq!(waits(), (0, 0));
    }
}
