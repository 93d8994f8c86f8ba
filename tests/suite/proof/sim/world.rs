//! What survives a crash of the program: the platform, the network, the clients' memory; and the plan of crashes.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use guichet::domain::{Operation, OperationId, OperationKind, OrderStatus, Timestamp};
use serde_json::json;
use tokio::{sync::Notify, time::Instant};

use super::provider::{Held, Provider, Said, Wish};
use crate::numbers::Random;

/// When every history begins, in milliseconds since the Unix epoch.
const BEGIN: i64 = 1_800_000_000_000;
/// Finding no effect proves something only so long after the request was sent: twice the provider timeout, 60 s at least.
pub const SETTLING_MS: i64 = 60_000;
const HOUR: i64 = 3_600_000;
/// How far the wall clock is ahead at times, or behind.
const WRONG_BY: [i64; 4] = [0, 2 * HOUR, 5 * HOUR, -3 * HOUR];

thread_local! {
    /// The program's clock: the time at its start, and the runtime's instant of that.
    static CLOCK: Cell<(i64, Option<Instant>)> = const { Cell::new((BEGIN, None)) };
    /// How far the wall clock is off.
    static WRONG: Cell<i64> = const { Cell::new(0) };
}

/// The wall clock of this thread's history, in milliseconds since the Unix epoch. It leaps.
pub fn wall() -> i64 {
    now() + WRONG.get()
}

/// The same as the program is told it.
pub fn wall_time() -> Timestamp {
    Timestamp::from_millis(wall())
}

/// The time that really passed in this thread's history, in milliseconds since the Unix epoch.
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
    WRONG.set(0);
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
    /// It arrives when its absence had proved that it would not.
    FarTooLate(i64),
    /// The platform refuses.
    Refused,
}

#[derive(Debug, Clone)]
enum Due {
    Arrive(u64, Wish, bool),
    Pay(String),
    Finish(OperationId, bool),
    /// The platform does what it had refused, or what it got far too late.
    AfterAll(Wish),
    /// The bank rejects what was done.
    Reject(OperationId),
    /// The payer pays an order that nobody here knows of; the notification names its creation.
    PayNamed(String, OperationId),
    /// Somebody cancels the order in the back office.
    CancelOutside(String),
    /// The wall clock leaps: from now on it is off by so much.
    Leap(i64),
}

/// What goes wrong in a history beside the network. Drawn from numbers of its own, so that the rest of a history is the
/// same with it and without.
#[derive(Debug, Clone, Copy, Default)]
struct Troubles {
    /// Platforms do what they had refused, or what they got far too late.
    contradictions: bool,
    /// Banks reject what was done.
    reversals: bool,
    /// Orders are canceled in the back office, and reads do not show it at once.
    back_office: bool,
}

/// A time in which the store has no room.
#[derive(Debug, Clone, Copy)]
struct Full {
    from: i64,
    to: i64,
    /// Only outcomes cannot be written.
    outcomes_only: bool,
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
    strange: Random,
    troubles: Troubles,
    full: Vec<Full>,
    /// How far the wall clock was off when the program started.
    pub wrong_at_start: i64,
    sent_at: BTreeMap<OperationId, i64>,
    /// What was said not to have happened before it could be known.
    pub too_early: Vec<String>,
    /// Cancels of what had been canceled, as the platform said and the program heard.
    pub done_before: BTreeSet<OperationId>,
    /// Orders whose reads lag behind until a moment, and the moment that they show.
    lagging: BTreeMap<String, (i64, i64)>,
    /// Orders whose next read is answered late, as they were long ago.
    pub slow: BTreeSet<String>,
    /// Orders with an operation that was contradicted, as it is on disk.
    contradicted: BTreeMap<String, OperationId>,
    pub leaps: u64,
    pub refused_writes: u64,
}

#[derive(Debug)]
pub struct World {
    state: Mutex<State>,
    pub crash: Notify,
}

impl World {
    pub fn new(seed: u64) -> Arc<Self> {
        let mut strange = Random::new(seed.rotate_left(32) ^ 0x5EED);
        let has = |strange: &mut Random| strange.percent(45);
        let is_calm = strange.percent(30);
        let troubles = Troubles {
            contradictions: has(&mut strange) && !is_calm,
            reversals: has(&mut strange) && !is_calm,
            back_office: has(&mut strange) && !is_calm,
        };
        let mut full = Vec::new();
        if has(&mut strange) && !is_calm {
            let from = BEGIN + strange.between(0, 8_000);
            let to = from + strange.between(500, 15_000);
            full.push(Full { from, to, outcomes_only: strange.percent(50) });
        }
        let mut leaps = Vec::new();
        if has(&mut strange) && !is_calm {
            for _ in 0..strange.between(1, 4) {
                let latest = if strange.percent(70) { 12_000 } else { 90_000 };
                let at = BEGIN + strange.between(0, latest);
                leaps.push((at, *strange.pick(&WRONG_BY)));
            }
        }
        let mut state = State {
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
            strange,
            troubles,
            full,
            wrong_at_start: 0,
            sent_at: BTreeMap::new(),
            too_early: Vec::new(),
            done_before: BTreeSet::new(),
            lagging: BTreeMap::new(),
            slow: BTreeSet::new(),
            contradicted: BTreeMap::new(),
            leaps: 0,
            refused_writes: 0,
        };
        for (at, wrong_by) in leaps {
            state.plan(at, Due::Leap(wrong_by));
        }
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
        if operation.contradiction.is_some() {
            // It may have come to stand beside another one; none may begin beside it.
            self.contradicted.insert(order, operation.id);
            return;
        }
        if !operation.status.blocks_the_order() {
            self.open.retain(|_, open| *open != operation.id);
        } else if let Some(other) = self.open.insert(order.clone(), operation.id)
            && other != operation.id
        {
            self.side_by_side.push(format!("{} and {other} on {order}", operation.id));
        }
    }

    /// An operation was begun, on disk.
    pub fn began(&mut self, operation: &Operation) {
        let order = operation.order_id.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(other) = self.contradicted.get(&order) {
            self.side_by_side.push(format!("{} and {other} on {order}", operation.id));
        }
        self.mark(operation);
    }

    /// An operation is said not to have happened because no read shows it.
    pub fn absent(&mut self, operation: OperationId) {
        let since = now() - self.sent_at.get(&operation).copied().unwrap_or(i64::MIN / 2);
        if since < SETTLING_MS {
            self.too_early
                .push(format!("{operation} is said not to have happened {since} ms after it was sent"));
        }
    }

    /// Whether the store has no room for this.
    pub fn has_no_room(&mut self, name: &str) -> bool {
        let now = now();
        let is_full = self
            .full
            .iter()
            .any(|full| (full.from..full.to).contains(&now) && (name == "settle" || !full.outcomes_only));
        // Without it the program does not even start.
        let refused = is_full && name != "recover";
        self.refused_writes += u64::from(refused);
        refused
    }

    /// The time of the program's own clock: that of the wall at its start, then what really passed.
    pub fn program_time(&self) -> Timestamp {
        Timestamp::from_millis(now() + self.wrong_at_start)
    }

    /// Notes how far the wall clock is off when the program starts.
    pub fn starts(&mut self) {
        self.wrong_at_start = wall() - now();
    }

    /// The platform told that a cancel had been done before. Its reads may not show it yet.
    pub fn told_done_before(&mut self, operation: OperationId, reference: &str) {
        self.done_before.insert(operation);
        if let Some(oldest) = self.provider.oldest(reference).filter(|_| self.strange.percent(50)) {
            self.lagging.insert(reference.to_owned(), (now() + 2_000, oldest));
        }
    }

    /// The moment that a read of this order shows now, where it lags behind for a while.
    pub fn lags_to(&self, reference: &str) -> Option<i64> {
        self.lagging.get(reference).filter(|(until, _)| now() < *until).map(|(_, shown)| *shown)
    }

    /// Whether banks still reject what was done.
    pub fn may_be_rejected(&self) -> bool {
        self.troubles.reversals
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
                    if done {
                        self.plan_rejection(at, operation);
                    }
                }
                Due::AfterAll(wish) => self.do_after_all(at, &wish),
                Due::Reject(operation) => self.reject(at, operation),
                Due::PayNamed(reference, creation) => {
                    self.provider.pay(&reference, at);
                    self.say(&format!("payer pays {reference}"));
                    self.tell_of(at, &reference, creation, None);
                }
                Due::CancelOutside(reference) => {
                    let canceled = self.provider.cancel_outside(&reference, at);
                    self.say(&format!("back office cancels {reference}: {canceled}"));
                    if let Some(oldest) = self.provider.oldest(&reference).filter(|_| canceled) {
                        self.lagging.insert(reference, (at + 4_000, oldest));
                    }
                }
                Due::Leap(wrong_by) => {
                    self.leaps += u64::from(WRONG.get() != wrong_by);
                    WRONG.set(wrong_by);
                    self.say(&format!("the wall clock is off by {wrong_by}"));
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
                    self.plan(pays_at, Due::Pay(reference.clone()));
                }
                self.plan_back_office(&reference, 20);
            } else {
                self.notify(at, &reference, Some((wish.operation, true)));
            }
        }
        if refuse
            && self.troubles.contradictions
            && wish.kind != OperationKind::Update
            && self.strange.percent(60)
        {
            let later = self.strange.between(2_000, 15_000);
            self.plan(at + later, Due::AfterAll(wish.clone()));
        }
        if let Said::Done(_) = &said {
            self.plan_rejection(at, wish.operation);
        }
        if said == Said::Taken {
            let (done, later) = (self.random.percent(75), self.random.between(500, 20_000));
            self.plan(at + later, Due::Finish(wish.operation, done));
        }
        self.said.insert(request, said);
    }

    fn plan_rejection(&mut self, at: i64, operation: OperationId) {
        if self.troubles.reversals && self.strange.percent(40) {
            let later = self.strange.between(9_000, 25_000);
            self.plan(at + later, Due::Reject(operation));
        }
    }

    fn do_after_all(&mut self, at: i64, wish: &Wish) {
        let done = self.provider.do_after_all(wish, at);
        let name = self.name(&wish.operation.to_string());
        self.say(&format!("platform does {name} after all: {done:?}"));
        let Some(reference) = done else { return };
        if wish.reference.is_empty() {
            self.account_of.insert(reference.clone(), "exact".to_owned());
            let pays_at = at + self.strange.between(50, 3_000);
            self.plan(pays_at, Due::PayNamed(reference, wish.operation));
        } else {
            self.tell_of(at, &reference, wish.operation, Some(true));
        }
    }

    fn reject(&mut self, at: i64, operation: OperationId) {
        // Platforms tell things in their order.
        let is_on_its_way = |notice: &Notice| notice.body.contains(&operation.to_string());
        if self.notices.iter().any(is_on_its_way) {
            return self.plan(at + 3_000, Due::Reject(operation));
        }
        let done = self.provider.reject(operation, at);
        let name = self.name(&operation.to_string());
        self.say(&format!("bank rejects {name}: {done:?}"));
        if let Some(reference) = done {
            self.tell_of(at, &reference, operation, Some(false));
        }
    }

    /// Sends one to three notifications about one operation: they name it where reads do not tell of it, and half of the
    /// time elsewhere. `done` is its end; without it they name a creation.
    fn tell_of(&mut self, at: i64, reference: &str, operation: OperationId, done: Option<bool>) {
        let Some(account) = self.account_of.get(reference).cloned() else { return };
        let names_it = account == "blind" || done.is_none() || self.strange.percent(50);
        let status = self.provider.orders.get(reference).map(Held::status).unwrap_or(OrderStatus::Unknown);
        let number = self.number();
        let named = names_it.then(|| operation.to_string());
        let body = json!({
            "number": number, "reference": reference, "status": status.as_str(),
            "operation": named, "done": done,
        });
        for _ in 0..self.strange.between(1, 3) {
            let due = at + self.strange.between(5, 8_000);
            self.notices.push(Notice { due, account: account.clone(), body: body.to_string() });
        }
    }

    /// Plans what happens to an order in the back office, so many times in a hundred.
    fn plan_back_office(&mut self, reference: &str, chance: u64) {
        if self.troubles.back_office && self.strange.percent(chance) {
            let at = now() + self.strange.between(0, 2_500);
            self.plan(at, Due::CancelOutside(reference.to_owned()));
        }
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
        let is_change = wish.kind != OperationKind::Update;
        let is_too_late =
            !self.healed && self.troubles.contradictions && is_change && self.strange.percent(6);
        let fate = if is_too_late { Fate::FarTooLate(self.strange.between(160_000, 230_000)) } else { fate };
        *self.requests.entry(wish.operation).or_default() += 1;
        self.sent_at.insert(wish.operation, now());
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
            Fate::FarTooLate(later) => self.plan(arrives + later, Due::AfterAll(wish)),
            Fate::NotConnected | Fate::LostRequest => {}
        }
        (fate, request)
    }

    pub fn said(&self, request: u64) -> Option<Said> {
        self.said.get(&request).cloned()
    }

    /// Whether anything is still to happen outside of the program.
    pub fn is_quiet(&self) -> bool {
        let now = now();
        let is_true = self.lagging.values().all(|(until, _)| *until <= now);
        let has_room = self.full.iter().all(|full| full.to <= now);
        self.due.is_empty() && self.notices.is_empty() && is_true && has_room
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
        if !paid {
            self.plan_back_office(&reference, 70);
        }
        reference
    }

    /// Sends a notification about an order that arrives now.
    pub fn remind(&mut self, reference: &str) {
        let Some(account) = self.account_of.get(reference).cloned() else { return };
        let status = self.provider.orders.get(reference).map(Held::status).unwrap_or(OrderStatus::Unknown);
        let number = self.number();
        let body = json!({ "number": number, "reference": reference, "status": status.as_str() });
        self.notices.push(Notice { due: now(), account, body: body.to_string() });
    }
}
