//! What survives a crash of the program: the platform, the network, the clients' memory; and the plan of crashes.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use guichet::domain::{Operation, OperationId, OrderStatus};
use serde_json::json;
use tokio::{sync::Notify, time::Instant};

use super::provider::{Held, Provider, Said, Wish};
use crate::numbers::Random;

/// When every history begins, in milliseconds since the Unix epoch.
const BEGIN: i64 = 1_800_000_000_000;

thread_local! {
    /// The program's clock: the time at its start, and the runtime's instant of that.
    static CLOCK: Cell<(i64, Option<Instant>)> = const { Cell::new((BEGIN, None)) };
}

/// The time of this thread's history, in milliseconds since the Unix epoch.
pub fn now() -> i64 {
    let (base, since) = CLOCK.get();
    base + since.map_or(0, |since| i64::try_from(since.elapsed().as_millis()).unwrap())
}

/// Stops the clock at the present moment, for the time without a runtime, and moves it ahead.
pub fn stop_clock(ahead_ms: i64) {
    CLOCK.set((now() + ahead_ms, None));
}

pub fn reset_clock() {
    CLOCK.set((BEGIN, None));
}

/// To be called inside the runtime.
pub fn start_clock() {
    CLOCK.set((CLOCK.get().0, Some(Instant::now())));
}

pub async fn pause(ms: i64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(u64::try_from(ms).unwrap())).await;
    }
}

/// What the network does to one request that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Fine,
    /// The answer takes this long.
    Slow(i64),
    NotConnected,
    /// It never arrives.
    LostRequest,
    /// It arrives, its answer does not.
    LostAnswer,
    /// It arrives this much later, its answer does not.
    LateRequest(i64),
    /// The platform refuses.
    Refused,
}

#[derive(Debug, Clone)]
enum Due {
    Arrive(u64, Wish, bool),
    Pay(String),
    Finish(OperationId, bool),
}

/// A notification on its way.
#[derive(Debug, Clone)]
pub struct Notice {
    pub due: i64,
    pub account: String,
    pub body: String,
}

#[derive(Debug)]
pub struct State {
    pub random: Random,
    pub provider: Provider,
    pub healed: bool,
    pub crashed: bool,
    /// Steps left until the crash.
    crash_in: Option<u64>,
    pub steps: u64,
    pub notices: Vec<Notice>,
    pub requests: BTreeMap<OperationId, u32>,
    /// Operations whose answer was lost for a time.
    pub unknown: BTreeSet<OperationId>,
    pub trace: Vec<String>,
    /// The change under way on each order, and what ran beside another.
    pub open: BTreeMap<String, OperationId>,
    pub side_by_side: Vec<String>,
    due: Vec<(i64, u64, Due)>,
    said: BTreeMap<u64, Said>,
    numbers: u64,
    names: BTreeMap<String, String>,
    pub account_of: BTreeMap<String, String>,
}

#[derive(Debug)]
pub struct World {
    state: Mutex<State>,
    pub crash: Notify,
}

impl World {
    pub fn new(seed: u64) -> Arc<Self> {
        let state = State {
            random: Random::new(seed),
            provider: Provider::default(),
            healed: false,
            crashed: false,
            crash_in: None,
            steps: 0,
            notices: Vec::new(),
            requests: BTreeMap::new(),
            unknown: BTreeSet::new(),
            trace: Vec::new(),
            open: BTreeMap::new(),
            side_by_side: Vec::new(),
            due: Vec::new(),
            said: BTreeMap::new(),
            numbers: 0,
            names: BTreeMap::new(),
            account_of: BTreeMap::new(),
        };
        Arc::new(Self { state: Mutex::new(state), crash: Notify::new() })
    }

    /// The state, with everything done that is due by now.
    pub fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap();
        state.catch_up();
        state
    }

    /// A place where the program may die, and where a step of it takes time. Never returns in a dead program.
    pub async fn boundary(&self, name: &str, takes_ms: i64) {
        let (dead, ms) = {
            let mut state = self.state();
            state.step(name);
            let ms = state.random.between(0, takes_ms);
            (state.crashed, ms)
        };
        if dead {
            self.crash.notify_one();
            std::future::pending::<()>().await;
        }
        pause(ms).await;
        if self.state.lock().unwrap().crashed {
            std::future::pending::<()>().await;
        }
    }

    /// The program dies now.
    pub fn die(&self, why: &str) {
        let mut state = self.state();
        state.crashed = true;
        state.say(&format!("crash {why}"));
        self.crash.notify_one();
    }
}

impl State {
    pub fn say(&mut self, line: &str) {
        let line = format!("{:>7} {line}", now() - BEGIN);
        self.trace.push(line);
    }

    /// An operation is in this state now, on disk.
    pub fn mark(&mut self, operation: &Operation) {
        let Some(order) = operation.order_id.as_ref().map(ToString::to_string) else { return };
        if !operation.status.blocks_the_order() {
            self.open.retain(|_, open| *open != operation.id);
        } else if let Some(other) = self.open.insert(order.clone(), operation.id)
            && other != operation.id
        {
            self.side_by_side.push(format!("{} and {other} on {order}", operation.id));
        }
    }

    /// The same text with short names for ids.
    pub fn named(&mut self, text: &str) -> String {
        let mut parts = text.split("op_");
        let mut named = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (id, rest) = part.split_at_checked(36).unwrap_or((part, ""));
            named.push_str(&self.name(&format!("op_{id}")));
            named.push_str(rest);
        }
        named
    }

    /// A short name for an id, the same in every run.
    pub fn name(&mut self, id: &str) -> String {
        let next = self.names.len() + 1;
        self.names.entry(id.to_owned()).or_insert_with(|| format!("op{next}")).clone()
    }

    pub fn plan_crash(&mut self, steps: Option<u64>) {
        self.crash_in = steps;
        self.crashed = false;
    }

    fn step(&mut self, name: &str) {
        self.steps += 1;
        if let Some(left) = &mut self.crash_in {
            *left = left.saturating_sub(1);
            if *left == 0 && !self.crashed {
                self.crash_in = None;
                self.crashed = true;
                self.say(&format!("crash at {name}"));
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn plan(&mut self, at: i64, due: Due) {
        let number = self.number();
        self.due.push((at, number, due));
        self.due.sort_by_key(|(at, number, _)| (*at, *number));
    }

    fn catch_up(&mut self) {
        let now = now();
        while self.due.first().is_some_and(|(at, ..)| *at <= now) {
            let (at, _, due) = self.due.remove(0);
            match due {
                Due::Arrive(request, wish, refuse) => self.arrive(at, request, &wish, refuse),
                Due::Pay(reference) => {
                    self.provider.pay(&reference, at);
                    self.say(&format!("payer pays {reference}"));
                    self.notify(at, &reference, None);
                }
                Due::Finish(operation, done) => {
                    self.provider.finish(operation, done, at);
                    let name = self.name(&operation.to_string());
                    self.say(&format!("platform ends {name}: done={done}"));
                    let reference = self.provider.taken[&operation].0.clone();
                    self.notify(at, &reference, Some((operation, done)));
                }
            }
        }
    }

    fn arrive(&mut self, at: i64, request: u64, wish: &Wish, refuse: bool) {
        let said = if refuse { self.provider.refuse(wish) } else { self.provider.apply(wish, at) };
        let name = self.name(&wish.operation.to_string());
        self.say(&format!("platform {} {name} {}: {said:?}", wish.kind.as_str(), wish.reference));
        if let Said::Done(reference) = &said {
            let reference = reference.clone();
            if wish.reference.is_empty() {
                self.account_of.insert(reference.clone(), "exact".to_owned());
                if self.random.percent(70) {
                    let pays_at = at + self.random.between(50, 6_000);
                    self.plan(pays_at, Due::Pay(reference));
                }
            } else {
                self.notify(at, &reference, Some((wish.operation, true)));
            }
        }
        if said == Said::Taken {
            let (done, later) = (self.random.percent(75), self.random.between(500, 20_000));
            self.plan(at + later, Due::Finish(wish.operation, done));
        }
        self.said.insert(request, said);
    }

    /// Sends zero to three notifications; one at least where nothing else tells.
    fn notify(&mut self, at: i64, reference: &str, settles: Option<(OperationId, bool)>) {
        let Some(account) = self.account_of.get(reference).cloned() else { return };
        let status = self.provider.orders.get(reference).map(Held::status).unwrap_or(OrderStatus::Unknown);
        let settles = settles.filter(|_| account == "blind");
        let number = self.number();
        let body = json!({
            "number": number, "reference": reference, "status": status.as_str(),
            "operation": settles.map(|(operation, _)| operation.to_string()),
            "done": settles.map(|(_, done)| done),
        });
        let copies = if settles.is_some() { self.random.between(1, 3) } else { self.random.between(0, 2) };
        for _ in 0..copies {
            let due = at + self.random.between(5, 8_000);
            self.notices.push(Notice { due, account: account.clone(), body: body.to_string() });
        }
    }

    /// What becomes of a request, and what it asks for when it arrives.
    pub fn send(&mut self, wish: Wish, provider_timeout: i64) -> (Fate, u64) {
        let roll = if self.healed { 0 } else { self.random.below(100) };
        let fate = match roll {
            0..=49 => Fate::Fine,
            50..=59 => Fate::Slow(self.random.between(1_000, provider_timeout - 1_000)),
            60..=64 => Fate::NotConnected,
            65..=73 => Fate::LostRequest,
            74..=85 => Fate::LostAnswer,
            86..=94 => Fate::LateRequest(self.random.between(100, provider_timeout * 2)),
            _ => Fate::Refused,
        };
        *self.requests.entry(wish.operation).or_default() += 1;
        let request = self.number();
        let name = self.name(&wish.operation.to_string());
        self.say(&format!("sent {} {name} {}: {fate:?}", wish.kind.as_str(), wish.reference));
        let arrives = now() + self.random.between(1, 30);
        match fate {
            Fate::Fine | Fate::Slow(_) | Fate::LostAnswer => {
                self.plan(arrives, Due::Arrive(request, wish, false));
            }
            Fate::Refused => self.plan(arrives, Due::Arrive(request, wish, true)),
            Fate::LateRequest(later) => self.plan(arrives + later, Due::Arrive(request, wish, false)),
            Fate::NotConnected | Fate::LostRequest => {}
        }
        (fate, request)
    }

    pub fn said(&self, request: u64) -> Option<Said> {
        self.said.get(&request).cloned()
    }

    /// Whether anything is still to happen outside of the program.
    pub fn is_quiet(&self) -> bool {
        self.due.is_empty() && self.notices.is_empty()
    }

    /// The next notification that is due, and its place.
    pub fn next_notice(&self) -> Option<(usize, Notice)> {
        let now = now();
        let due = self.notices.iter().enumerate().filter(|(_, notice)| notice.due <= now);
        due.min_by_key(|(place, notice)| (notice.due, *place)).map(|(place, notice)| (place, notice.clone()))
    }

    /// An order that exists before anybody asks for anything.
    pub fn seed_order(&mut self, account: &str, number: usize, manual: bool, paid: bool) -> String {
        let at = now();
        let reference = format!("s{number}");
        let amount = 1_000;
        self.provider.insert(Held {
            reference: reference.clone(),
            merchant_reference: format!("seed-{number}"),
            manual,
            amount,
            authorized: if paid { amount } else { 0 },
            captured: if paid && !manual { amount } else { 0 },
            canceled: 0,
            refunded: 0,
            is_canceled: false,
            created_at: at,
            updated_at: at,
        });
        self.account_of.insert(reference.clone(), account.to_owned());
        reference
    }
}
