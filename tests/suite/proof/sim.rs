//! Deterministic histories: the real use cases and the real store, a platform and a network in memory, a clock that
//! only moves when nobody has anything to do, and crashes at any step.
//!
//! A history is made of its seed alone: its trace is the same, line by line, whenever it runs.

mod adapter;
mod check;
mod clients;
mod mistaken;
mod provider;
mod store;
mod world;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use guichet::{
    adapter::{Account, ProviderAdapter, RawNotification, Registry},
    clock::TimeOfDay,
    domain::{Operation, OperationKind, OperationStatus, OrderId},
    orders::{ChangeRequest, NewChange, Orders, ReadOptions, Received},
    problem::ProblemCode,
    store::{Store, sqlite::SqliteStore},
    trace::Tracer,
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

pub use self::mistaken::Mistake;
use self::{
    adapter::Adapter,
    clients::Asks,
    mistaken::Mistaken,
    store::{FrailStore, at_once},
    world::{World, now, pause, wall_time},
};
use crate::numbers::{Progress, Random, amount};

/// How long a change is listened for.
const PROVIDER_TIMEOUT_MS: i64 = 10_000;
/// How long a caller waits.
const DEADLINE_MS: u64 = 3_000;
/// The longest time from the last crash to the end.
const SETTLED_WITHIN_MS: i64 = 400_000;

/// What a history was made of.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    pub crashes: u64,
    pub steps: u64,
    pub effects: u64,
    pub operations: u64,
    /// Operations that the platform did after they had ended here without effect, and that are told.
    pub contradicted: u64,
    /// Operations that were undone, and that are told.
    pub reversed: u64,
    /// Times that the wall clock leapt.
    pub leaps: u64,
    /// Writes that the store had no room for.
    pub refused_writes: u64,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.steps += other.steps;
        self.effects += other.effects;
        self.operations += other.operations;
        self.contradicted += other.contradicted;
        self.reversed += other.reversed;
        self.leaps += other.leaps;
        self.refused_writes += other.refused_writes;
    }
}

/// A history that went wrong.
#[derive(Debug, Clone)]
pub struct Wrong {
    pub why: String,
    pub trace: Vec<String>,
}

/// A place for stores that forgets everything at the end of the test: in the folder that `tests/prove.sh` clears
/// whatever happens, else in memory where the system has such a place.
pub fn scratch() -> tempfile::TempDir {
    #[allow(clippy::disallowed_methods, reason = "a test's own setting, not the program's configuration")]
    let given = std::env::var_os("GUICHET_PROOF_SCRATCH").map(PathBuf::from);
    let memory = Some(PathBuf::from("/dev/shm")).filter(|memory| memory.is_dir());
    match given.or(memory) {
        Some(place) => tempfile::tempdir_in(place),
        None => tempfile::tempdir(),
    }
    .unwrap()
}

/// An empty store with its tables, to be copied.
fn template(folder: &Path) -> PathBuf {
    let path = folder.join("template.db");
    if !path.exists() {
        let open = SqliteStore::open(&format!("sqlite://{}", path.display())).unwrap();
        drop(open);
    }
    path
}

fn registry(world: &Arc<World>, mistaken: Option<&Mistaken>) -> Registry {
    let account = |name: &'static str| {
        let adapter: Arc<dyn ProviderAdapter> = Arc::new(Adapter { account: name, world: Arc::clone(world) });
        let adapter = match mistaken {
            Some(mistaken) => mistaken.adapter(adapter),
            None => adapter,
        };
        Account { name: name.parse().unwrap(), adapter, follow_reads_per_second: 5 }
    };
    [account("exact"), account("blind")].into_iter().collect()
}

/// Lives through one history and judges it. `folder` is this thread's own.
pub fn history(seed: u64, folder: &Path, mistake: Option<Mistake>) -> Result<Figures, Wrong> {
    world::reset_clock();
    let world = World::new(seed);
    let mut random = Random::new(!seed);
    let path = folder.join("history.db");
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    std::fs::copy(template(folder), &path).unwrap();

    let mut seeds = Vec::new();
    {
        let mut state = world.state();
        for (number, (account, manual, paid)) in
            [("exact", false, true), ("exact", true, true), ("exact", false, false), ("blind", false, true)]
                .into_iter()
                .enumerate()
        {
            let reference = state.seed_order(account, number, manual, paid);
            seeds.push((account.to_owned(), reference, paid && !manual));
        }
        // Fewer orders, more races.
        while seeds.len() > 1 && random.percent(45) {
            seeds.remove(random.index(seeds.len()));
        }
    }
    let asks: Asks = Arc::new(std::sync::Mutex::new(clients::plan(&mut random, &seeds, now() + 50)));
    let crashes = *random.pick(&[0, 1, 1, 2, 3]);
    let mut wrong = None;
    let mut told = Figures::default();
    for run in 0..=crashes {
        let steps = (run < crashes).then(|| 1 + random.below(140));
        world.state().plan_crash(steps);
        let is_last = run == crashes;
        let outcome = one_run(&world, &asks, &path, mistake, is_last, &mut random);
        match outcome {
            Ok(figures) => told = figures,
            Err(why) => {
                wrong = Some(why);
                break;
            }
        }
        world::stop_clock(random.between(0, 5_000));
        clients::after_a_crash(&asks, &mut random);
    }
    let mut state = world.state();
    TRACES.with_borrow_mut(|traces| {
        if let Some(traces) = traces {
            traces.clone_from(&state.trace);
        }
    });
    match wrong {
        Some(why) => Err(Wrong { why: state.named(&why), trace: state.trace.clone() }),
        None => Ok(Figures {
            crashes,
            steps: state.steps,
            effects: u64::try_from(state.provider.effects.len()).unwrap(),
            operations: u64::try_from(state.requests.len()).unwrap(),
            leaps: state.leaps,
            refused_writes: state.refused_writes,
            ..told
        }),
    }
}

/// From a start to a crash, or to the end.
fn one_run(
    world: &Arc<World>,
    asks: &Asks,
    path: &Path,
    mistake: Option<Mistake>,
    is_last: bool,
    random: &mut Random,
) -> Result<Figures, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    let store = SqliteStore::open(&format!("sqlite://{}", path.display())).map_err(|e| e.to_string())?;
    let result = runtime.block_on(async {
        world::start_clock();
        let crash = world.crash.notified();
        tokio::pin!(crash);
        let store: Arc<dyn Store> = Arc::new(store);
        let frail: Arc<dyn Store> = Arc::new(FrailStore::new(Arc::clone(&store), Arc::clone(world)));
        let mistaken = mistake.map(Mistaken::new);
        let used = match &mistaken {
            Some(mistaken) => mistaken.store(frail, Arc::clone(&store), path),
            None => frail,
        };
        // At the latest then, so that a program that has nothing to do dies too.
        let dies_at = if is_last { i64::MAX / 2 } else { random.between(100, 5_000) };
        let ended = tokio::select! {
            biased;
            () = &mut crash => Ok(Figures::default()),
            () = pause(dies_at), if !is_last => { world.die("in time"); Ok(Figures::default()) }
            result = live(world, asks, registry(world, mistaken.as_ref()), [&used, &store], is_last) => result,
        };
        world::stop_clock(0);
        ended
    });
    drop(runtime);
    result
}

async fn live(
    world: &Arc<World>,
    asks: &Asks,
    registry: Registry,
    [used, store]: [&Arc<dyn Store>; 2],
    is_last: bool,
) -> Result<Figures, String> {
    used.recover(wall_time()).await.map_err(|error| error.to_string())?;
    let timeout = Duration::from_millis(u64::try_from(PROVIDER_TIMEOUT_MS).unwrap());
    world.state().starts();
    let time_of_day = TimeOfDay::told_by(wall_time);
    let orders =
        Orders::start(registry, Vec::new(), Arc::clone(used), timeout, Tracer::default(), time_of_day);
    tokio::spawn(postman(Arc::clone(&orders), Arc::clone(world)));
    let count = asks.lock().unwrap().len();
    let callers: Vec<_> = (0..count)
        .map(|place| {
            tokio::spawn(clients::run(Arc::clone(&orders), Arc::clone(world), Arc::clone(asks), place))
        })
        .collect();
    if !is_last {
        std::future::pending::<()>().await;
    }
    for caller in callers {
        caller.await.map_err(|error| format!("a caller: {error}"))?;
    }
    world.state().healed = true;
    settled(world, store).await;
    read_all(world, &orders, store).await;
    settled(world, store).await;
    pause(3_000).await;
    let asks = asks.lock().unwrap().clone();
    check::check(store, &world.state(), &asks)?;
    if orders.stuck_outcomes() > 0 {
        return Err(format!("lost: {} outcomes are still not written", orders.stuck_outcomes()));
    }
    let operations = check::operations(store);
    let count = |of: &dyn Fn(&Operation) -> bool| {
        u64::try_from(operations.iter().filter(|operation| of(operation)).count()).unwrap()
    };
    let figures = Figures {
        contradicted: count(&|operation| operation.contradiction.is_some()),
        reversed: count(&|operation| operation.reversed.is_some()),
        ..Figures::default()
    };
    blocked_and_free(world, &orders, &operations).await?;
    for key in check::refused_keys(&asks) {
        let known = at_once(store.look(None, Some(("till", &key)))).map_err(|error| error.to_string())?;
        if known.key.is_some() {
            return Err(format!("contradiction: the key {key} was refused and is kept"));
        }
    }
    for reference in check::free_references(store, &asks) {
        let order = clients::new_order(&reference, false, false);
        let key = (format!("last-{reference}"), reference.clone());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        let made = clients::create(&orders, order, key, deadline).await;
        if made.is_err_and(|problem| problem.code == ProblemCode::MerchantReferenceInUse) {
            return Err(format!("contradiction: nobody has the reference {reference}, and it is in use"));
        }
    }
    Ok(figures)
}

/// Waits until nothing more will be learned, or too long.
async fn settled(world: &Arc<World>, store: &Arc<dyn Store>) {
    let until = now() + SETTLED_WITHIN_MS;
    while now() < until {
        pause(4_000).await;
        let state = world.state();
        if state.is_quiet() && check::is_settled(store, &state) {
            return;
        }
    }
}

/// Every order is read once more, because a notification comes; at the same time a caller reads it, who asked before and
/// is answered later, with what the order was long ago.
async fn read_all(world: &Arc<World>, orders: &Arc<Orders>, store: &Arc<dyn Store>) {
    for order in check::orders(store) {
        let reference = order.reference().as_str().to_owned();
        world.state().slow.insert(reference.clone());
        let orders = Arc::clone(orders);
        tokio::spawn(async move {
            let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
            let Ok(order) = orders.locate(&clients::caller(), order.id) else { return };
            let _ = orders.reads.read(&order, ReadOptions::default(), deadline).await;
        });
        // The caller's read is under way.
        pause(100).await;
        world.state().remind(&reference);
        pause(adapter::SLOW_MS + 500).await;
    }
}

/// An order with a contradiction is blocked. What the provider undid counts no more: it can be given back again.
async fn blocked_and_free(
    world: &Arc<World>,
    orders: &Arc<Orders>,
    operations: &[Operation],
) -> Result<(), String> {
    let deadline = || tokio::time::Instant::now() + Duration::from_secs(10);
    let change = async |id: &OrderId, request: ChangeRequest| {
        let key = Some((format!("last-{id}"), format!("{request:?}")));
        let order = orders.locate(&clients::caller(), id.clone()).map_err(|problem| problem.code)?;
        let change = NewChange { order, request, key, precondition: None, deadline: deadline() };
        orders.changes.change(&clients::caller(), change).await.map_err(|problem| problem.code)
    };
    let contradicted = operations.iter().filter(|operation| operation.contradiction.is_some());
    for order in contradicted.filter_map(|operation| operation.order_id.as_ref()) {
        let told = change(order, ChangeRequest::Cancel { amount: None }).await.map(|_| ());
        if told != Err(ProblemCode::OperationInProgress) {
            return Err(format!("contradiction: {order} is not blocked: {told:?}"));
        }
    }
    let undone = operations.iter().filter(|one| one.reversed.is_some() && one.kind == OperationKind::Refund);
    let mut orders_undone: Vec<&OrderId> = undone.filter_map(|one| one.order_id.as_ref()).collect();
    orders_undone.dedup();
    for order in orders_undone {
        let of_it = || operations.iter().filter(|one| one.order_id.as_ref() == Some(order));
        if !of_it().all(|one| one.status.is_final()) {
            continue;
        }
        let left = world
            .state()
            .provider
            .orders
            .get(order.reference.as_str())
            .map(|held| held.captured - held.refunded);
        let Some(left) = left.filter(|left| *left > 0) else { continue };
        let amount = Some(clients::euros(left));
        let told =
            change(order, ChangeRequest::Refund { amount }).await.map(|changed| changed.operation.status);
        if !matches!(told, Ok(OperationStatus::Succeeded | OperationStatus::Accepted)) {
            return Err(format!("contradiction: {left} is left of {order}, and a refund of it is {told:?}"));
        }
    }
    Ok(())
}

/// Delivers notifications until the program has kept them.
async fn postman(orders: Arc<Orders>, world: Arc<World>) {
    loop {
        pause(150).await;
        loop {
            let Some((_, notice)) = world.state().next_notice() else { break };
            let raw = RawNotification { content_type: None, body: notice.body.clone().into() };
            let account = orders.inbox.account(&notice.account.parse().unwrap()).unwrap();
            let kept = orders.inbox.receive(&account, raw).await;
            let mut state = world.state();
            let place = state
                .notices
                .iter()
                .position(|other| other.due == notice.due && other.body == notice.body)
                .expect("it is still there");
            if matches!(kept, Received::Kept(_)) {
                state.notices.remove(place);
            } else {
                state.notices[place].due = now() + 2_000;
            }
        }
    }
}

/// Runs histories of seeds `first..` on so many threads; stops at the first that goes wrong.
pub fn run(first: u64, count: u64, threads: u64, mistake: Option<Mistake>) -> Result<Figures, (u64, Wrong)> {
    let next = AtomicU64::new(first);
    let found = std::sync::Mutex::new(None::<(u64, Wrong)>);
    let total = std::sync::Mutex::new(Figures::default());
    let progress = Progress::new("histories", count);
    std::thread::scope(|scope| {
        for number in 0..threads {
            let (next, found, total, progress) = (&next, &found, &total, &progress);
            scope.spawn(move || {
                stay_on_one_core(number);
                let folder = scratch();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || found.lock().unwrap().is_some() {
                        return;
                    }
                    match history(seed, folder.path(), mistake) {
                        Ok(figures) => {
                            total.lock().unwrap().add(&figures);
                            progress.add(1);
                        }
                        Err(wrong) => *found.lock().unwrap() = Some((seed, wrong)),
                    }
                }
            });
        }
    });
    match found.into_inner().unwrap() {
        Some(wrong) => Err(wrong),
        None => Ok(total.into_inner().unwrap()),
    }
}

/// A history hands every step over to the threads of its store and back, which costs far less on one core. They are
/// started by this thread and stay with it. Where it is not allowed, it only takes longer.
fn stay_on_one_core(number: u64) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let mut one = CpuSet::new();
    one.set(cores[usize::try_from(number).unwrap() % cores.len()]);
    let _ = sched_setaffinity(None, &one);
}

/// Threads of a long run: every core there is.
pub fn cores() -> u64 {
    std::thread::available_parallelism().map_or(2, |cores| u64::try_from(cores.get()).unwrap_or(2))
}

fn tell(seed: u64, wrong: &Wrong) -> String {
    format!(
        "seed {seed}: {}\n{}\nagain: GUICHET_PROOF_SEED={seed} cargo test --features faults --test proof replay -- --nocapture",
        wrong.why,
        wrong.trace.join("\n")
    )
}

#[test]
fn histories_lose_nothing_and_double_nothing() {
    let count = amount("GUICHET_PROOF_HISTORIES", 2_000);
    let first = amount("GUICHET_PROOF_FIRST_SEED", 1);
    let started = std::time::Instant::now();
    match run(first, count, cores(), None) {
        Ok(figures) => {
            println!(
                "{count} histories from seed {first} in {:?}: {figures:?}, nothing lost, nothing twice",
                started.elapsed()
            );
            if count >= 1_000 {
                let told = [figures.contradicted, figures.reversed, figures.leaps, figures.refused_writes];
                assert!(told.iter().all(|count| *count > 0), "something never happened: {figures:?}");
            }
        }
        Err((seed, wrong)) => panic!("{}", tell(seed, &wrong)),
    }
}

/// Seeds of histories that went wrong once. 15053: notifications used up the schedule of reads, so that an update whose
/// answer was lost was looked for again only after ten minutes. 20278377: the judge had not heard that a creation was
/// unknown, because the program died between the commit and the next line. 97 and 565: an order whose creation could not be
/// written until it was canceled, or paid, was never told to be. 989: a check that was planned before the clock went back
/// three hours waited for them after a restart. 20286632: the store of the histories believed that no account had a
/// notification when one had none, so one that was kept before a crash was never applied.
const FOUND_ONCE: [u64; 6] = [15_053, 20_278_377, 97, 565, 989, 20_286_632];

#[test]
fn what_went_wrong_once_does_not_again() {
    for seed in FOUND_ONCE {
        if let Err((seed, wrong)) = run(seed, 1, 1, None) {
            panic!("{}", tell(seed, &wrong));
        }
    }
}

/// The same seed gives the same history, line by line.
#[test]
fn a_history_replays() {
    let folder = scratch();
    let mut lines = 0;
    for seed in 1..=20 {
        let traces: Vec<Vec<String>> = (0..2).map(|_| trace(seed, folder.path())).collect();
        assert_eq!(traces[0], traces[1], "seed {seed}");
        lines += traces[0].len();
    }
    assert!(lines > 200, "20 histories of {lines} steps are about nothing");
}

fn trace(seed: u64, folder: &Path) -> Vec<String> {
    TRACES.set(Some(Vec::new()));
    let _ = history(seed, folder, None);
    TRACES.take().unwrap_or_default()
}

thread_local! {
    /// Filled with the trace of the last history, when somebody wants it.
    static TRACES: std::cell::RefCell<Option<Vec<String>>> = const { std::cell::RefCell::new(None) };
}

/// One history with everything that happened in it, named by `GUICHET_PROOF_SEED`.
#[test]
fn replay() {
    let seed = amount("GUICHET_PROOF_SEED", 1);
    let folder = scratch();
    let result = history(seed, folder.path(), None);
    println!("{}", trace(seed, folder.path()).join("\n"));
    if let Err(wrong) = result {
        panic!("{}", tell(seed, &wrong));
    }
}
