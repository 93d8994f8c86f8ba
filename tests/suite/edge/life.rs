//! Start and stop: SIGTERM again and again under load. No request is cut, the program is gone each time within its grace
//! time, and nothing is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
};

use super::program::{Home, ask, get};
use crate::rig::SAMPLE;

const ROUNDS: usize = 50;
const CALLERS: usize = 8;
/// How long requests are served as usual after the signal.
const DRAIN_WAIT: Duration = Duration::from_millis(60);
const GRACE: Duration = Duration::from_secs(10);
/// Load before the signal.
const LOAD: Duration = Duration::from_millis(60);

/// What all callers of all rounds saw.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    refused_by_word: AtomicU64,
    not_connected: AtomicU64,
    /// Anything that must never happen.
    wrong: Mutex<Vec<String>>,
    /// Operations that were answered, with their outcome.
    operations: Mutex<BTreeMap<String, Value>>,
    /// References of the creations that were answered by 201.
    created: Mutex<BTreeSet<String>>,
}

/// A kept-alive connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// How one request ended.
enum Ended {
    /// A whole answer: status, body, and whether the connection goes on.
    Answer(u16, Value, bool),
    /// Closed without a byte of an answer.
    Closed,
    /// Broken in the middle, or by force.
    Cut(String),
}

impl Connection {
    async fn exchange(&mut self, request: &str) -> Ended {
        self.buffer.clear();
        if let Err(error) = self.stream.write_all(request.as_bytes()).await {
            return Ended::Cut(format!("while it was sent: {error}"));
        }
        loop {
            if let Some(answer) = whole(&self.buffer) {
                return answer;
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) if self.buffer.is_empty() => return Ended::Closed,
                Ok(0) => return Ended::Cut(String::from_utf8_lossy(&self.buffer).into_owned()),
                Ok(_) => {}
                Err(error) => return Ended::Cut(format!("while it was read: {error}")),
            }
        }
    }
}

/// The answer, when all of it is there.
fn whole(buffer: &[u8]) -> Option<Ended> {
    let text = String::from_utf8_lossy(buffer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let lower = head.to_ascii_lowercase();
    let length: usize =
        lower.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())?;
    if body.len() < length {
        return None;
    }
    let status = head.get(9..12)?.parse().ok()?;
    let goes_on = !lower.contains("connection: close");
    Some(Ended::Answer(status, serde_json::from_str(body).unwrap_or_default(), goes_on))
}

/// One caller of one round: reads and creations on a kept-alive connection, until it is told to go elsewhere.
struct Caller {
    address: SocketAddr,
    name: String,
    told: watch::Receiver<bool>,
    seen: Arc<Seen>,
}

impl Caller {
    async fn run(self) {
        let mut connection: Option<Connection> = None;
        for number in 0_u64.. {
            let mut open = match connection.take() {
                Some(open) => open,
                None => match TcpStream::connect(self.address).await {
                    Ok(stream) => Connection { stream, buffer: Vec::new() },
                    // Only after the signal; nothing was sent.
                    Err(error) => {
                        self.seen.not_connected.fetch_add(1, Ordering::Relaxed);
                        return self.only_when_stopping(&format!("no connection: {error}"));
                    }
                },
            };
            let is_create = number % 3 == 0;
            let request = if is_create { self.create(number) } else { self.read() };
            match open.exchange(&request).await {
                Ended::Answer(503, body, goes_on) => {
                    self.seen.refused_by_word.fetch_add(1, Ordering::Relaxed);
                    if body["code"] != "draining"
                        || goes_on
                        || (is_create && body["outcome"] != "not_executed")
                    {
                        self.wrong(format!("{body}, goes on: {goes_on}"));
                    }
                    // A load balancer would ask another one now.
                    return self.only_when_stopping("draining");
                }
                Ended::Answer(status, body, goes_on) => {
                    self.seen.answered.fetch_add(1, Ordering::Relaxed);
                    self.hear(is_create, number, status, &body);
                    if goes_on {
                        connection = Some(open);
                    } else {
                        self.only_when_stopping("Connection: close");
                    }
                }
                Ended::Closed => {
                    self.wrong(format!("request {number} was taken and not answered"));
                    return;
                }
                Ended::Cut(how) => {
                    self.wrong(format!("request {number} was cut {how}"));
                    return;
                }
            }
        }
    }

    fn read(&self) -> String {
        format!("GET /orders/systempay_{SAMPLE} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }

    fn reference(&self, number: u64) -> String {
        format!("{}-{number}", self.name)
    }

    fn create(&self, number: u64) -> String {
        let reference = self.reference(number);
        let amount = json!({"value": 1_000, "currency": "EUR"});
        let body =
            json!({"account": "systempay", "amount": amount, "merchant_reference": reference}).to_string();
        format!(
            "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: {reference}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn hear(&self, is_create: bool, number: u64, status: u16, body: &Value) {
        match (is_create, status) {
            (false, 200) => {}
            (true, 201 | 202) => {
                let operation = body.get("operation").unwrap_or(body);
                let id = operation["id"].as_str().unwrap_or_default().to_owned();
                self.seen.operations.lock().unwrap().insert(id, operation["outcome"].clone());
                if status == 201 {
                    self.seen.created.lock().unwrap().insert(self.reference(number));
                }
            }
            _ => self.wrong(format!("{status} {body}")),
        }
    }

    fn only_when_stopping(&self, what: &str) {
        if !*self.told.borrow() {
            self.wrong(format!("{what}, although nobody told it to stop"));
        }
    }

    fn wrong(&self, what: String) {
        self.seen.wrong.lock().unwrap().push(format!("{}: {what}", self.name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_stops_under_load_cut_nothing_and_lose_nothing() {
    let server = format!("drain_wait_ms = {}\ngrace_ms = {}\n", DRAIN_WAIT.as_millis(), GRACE.as_millis());
    let home = Home::new(&server, "").await;
    let seen = Arc::new(Seen::default());
    let mut longest = Duration::ZERO;
    let began = Instant::now();
    for round in 0..ROUNDS {
        let mut program = home.start(None).await;
        let (tell, told) = watch::channel(false);
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let (name, told, seen) = (format!("r{round}c{number}"), told.clone(), Arc::clone(&seen));
            callers.spawn(Caller { address: program.address, name, told, seen }.run());
        }
        tokio::time::sleep(LOAD).await;
        tell.send_replace(true);
        let signaled = Instant::now();
        program.signal(Signal::TERM);
        // Unready at once, and the probes still answer.
        program.says("stopping", 1).await;
        let ready = ask(program.ops, &get("/readyz")).await.unwrap();
        assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("draining\n"), "{ready}");
        let status = program.ended().await;
        let took = signaled.elapsed();
        assert!(status.success(), "round {round}: {status:?}");
        assert!(took >= DRAIN_WAIT && took < GRACE, "round {round}: gone after {took:?}");
        longest = longest.max(took);
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
        assert_eq!(*seen.wrong.lock().unwrap(), Vec::<String>::new(), "round {round}");
        assert!(TcpStream::connect(program.address).await.is_err(), "nobody listens any more");
    }
    let counts =
        [&seen.answered, &seen.refused_by_word, &seen.not_connected].map(|c| c.load(Ordering::Relaxed));
    println!(
        "{ROUNDS} stops in {:?}: {} answered, {} refused as draining, {} not connected; longest stop {longest:?}",
        began.elapsed(),
        counts[0],
        counts[1],
        counts[2]
    );
    assert!(counts[0] > 400 && counts[1] > 0, "{counts:?}");
    check_that_nothing_is_lost(&home, &seen).await;
}

/// Every answer is still true, every creation was made once, and none was made that nobody knows of.
async fn check_that_nothing_is_lost(home: &Home, seen: &Seen) {
    let mut program = home.start(None).await;
    let operations = seen.operations.lock().unwrap().clone();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (id, outcome) in &operations {
        let url = format!("http://{}/operations/{id}", program.address);
        let text = client.get(url).send().await.unwrap().text().await.unwrap();
        let now: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(now["outcome"], *outcome, "{now}");
    }
    let orders = home.simulators.control().effects();
    let mut made = BTreeMap::new();
    for effect in orders.iter().filter(|effect| effect.action == "create") {
        *made.entry(effect.order.clone()).or_insert(0) += 1;
    }
    assert!(made.values().all(|times| *times == 1), "{made:?}");
    let created = seen.created.lock().unwrap().len();
    assert_eq!(operations.len(), created, "with a provider that answers at once no outcome is unknown");
    assert_eq!(made.len(), created, "every creation there was answered here");
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
}

/// What came before the signal is answered in full, whatever it takes; what comes after the wait is refused with words.
#[tokio::test]
async fn work_under_way_is_finished_and_new_work_is_refused() {
    use guichet_simulator::{Fault, FaultKind, Moment};
    let home = Home::new("drain_wait_ms = 300\ngrace_ms = 20000\n", "").await;
    let control = home.simulators.control();
    let held = Fault::new("lyra", FaultKind::Hold { when: Moment::Before }).on_service(crate::rig::CREATE);
    let held = control.add_fault(held);
    let mut program = home.start(None).await;
    let (_, told) = watch::channel(true);
    let caller = Caller { address: program.address, name: "slow".to_owned(), told, seen: Arc::default() };
    let open = async || Connection {
        stream: TcpStream::connect(program.address).await.unwrap(),
        buffer: Vec::new(),
    };
    let (mut slow, mut kept, mut body) = (open().await, open().await, open().await);
    let request = caller.create(1);
    let answer = tokio::spawn(async move { slow.exchange(&request).await });
    assert!(control.held(held).await);
    let Ended::Answer(200, _, true) = kept.exchange(&caller.read()).await else { panic!("not kept") };
    program.signal(Signal::TERM);
    program.says("stopping", 1).await;
    // In the wait everything is as usual, but for the end of the connection.
    let Ended::Answer(200, _, false) = open().await.exchange(&caller.read()).await else { panic!("cut") };
    let refused = async {
        loop {
            match open().await.exchange(&caller.read()).await {
                Ended::Answer(200, _, false) => {}
                Ended::Answer(503, body, false) => break body,
                Ended::Answer(status, body, _) => panic!("{status} {body}"),
                Ended::Closed | Ended::Cut(_) => panic!("cut"),
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    assert_eq!((&refused["code"], &refused["retryable"]), (&json!("draining"), &json!(true)));
    // Kept since before the signal, idle all the while.
    let Ended::Answer(503, refused, false) = kept.exchange(&caller.create(2)).await else { panic!("cut") };
    assert_eq!((&refused["code"], &refused["outcome"]), (&json!("draining"), &json!("not_executed")));
    // Its body comes late: it is read before the connection ends, so that the answer arrives.
    let request = caller.create(3);
    let (head, rest) = request.split_at(request.len() - 20);
    body.stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let Ended::Answer(503, _, false) = body.exchange(rest).await else { panic!("cut") };
    assert!(control.release(held));
    let Ended::Answer(201, made, false) = answer.await.unwrap() else { panic!("cut") };
    assert_eq!(made["operation"]["outcome"], "executed");
    assert!(program.ended().await.success());
    assert_eq!(control.effects().iter().filter(|effect| effect.action == "create").count(), 1);
}
