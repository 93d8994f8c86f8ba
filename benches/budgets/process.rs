//! The programs that are measured, and what the kernel says of them.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Ticks of `/proc/<pid>/stat` per second, the same on every Linux that this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// A child that is ended when this is dropped.
pub struct Program {
    child: Child,
}

impl Program {
    /// Starts it. What it logs goes through a pipe, as to a collector, and is thrown away.
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        if let Some(mut log) = child.stderr.take() {
            std::thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while log.read(&mut buffer).is_ok_and(|count| count > 0) {}
            });
        }
        Self { child }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time used so far by the process and its children, in microseconds.
    pub fn cpu_micros(&self) -> u64 {
        let own = ticks(self.pid());
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let children = fs::read_to_string(path).unwrap_or_default();
        let all: u64 = children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(ticks).sum();
        (own + all) * (1_000_000 / TICKS_PER_SECOND)
    }

    /// Resident memory in KiB now.
    pub fn resident_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most it ever was.
    pub fn peak_kib(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .unwrap_or(0)
    }

    /// Asks it to end and waits.
    pub fn end(mut self) {
        self.terminate();
    }

    fn terminate(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.terminate();
        }
    }
}

/// User and system time of a process in ticks.
fn ticks(pid: u32) -> u64 {
    fields_of(&format!("/proc/{pid}/stat"), 11, 2)
}

/// CPU seconds of the children of this process that have ended.
pub fn seconds_of_ended_children() -> u64 {
    fields_of("/proc/self/stat", 13, 2) / TICKS_PER_SECOND
}

/// The sum of `count` fields of a `stat` file; the state is field 0.
fn fields_of(path: &str, skip: usize, count: usize) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The name may hold spaces; it ends with the last parenthesis.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().skip(skip).take(count).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// A loopback address that nobody listens on at the moment.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// Waits until somebody listens.
pub fn wait_for(address: SocketAddr) {
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "nobody listens on {address}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asks for `/readyz` until it says yes.
pub fn wait_until_ready(address: SocketAddr) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if is_ready(address).unwrap_or(false) {
            return;
        }
        assert!(Instant::now() < end, "{address} does not get ready");
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn is_ready(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}
