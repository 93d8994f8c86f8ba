//! Deterministic histories: the real use cases and the real store, a platform and a network in memory, a clock that
//! only moves when nobody has anything to do, and crashes at any step.
//!
//! A history is made of its seed alone: its trace is the same, line by line, whenever it runs.

mod adapter;
mod check;
mod clients;
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
    domain::{Timestamp, time::simulate_clock},
    orders::{NewCreation, Orders, Received},
    problem::ProblemCode,
    store::{Store, sqlite::SqliteStore},
    trace::Tracer,
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use self::{
    adapter::Adapter,
    clients::Asks,
    store::{FrailStore, at_once},
    world::{World, now, pause},
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

fn registry(world: &Arc<World>) -> Registry {
    let account = |name: &'static str| {
        let adapter: Arc<dyn ProviderAdapter> = Arc::new(Adapter { account: name, world: Arc::clone(world) });
        Account { name: name.parse().unwrap(), adapter, follow_reads_per_second: 5 }
    };
    [account("exact"), account("blind")].into_iter().collect()
}

/// Lives through one history and judges it. `folder` is this thread's own.
pub fn history(seed: u64, folder: &Path) -> Result<Figures, Wrong> {
    world::reset_clock();
    simulate_clock(Some(now));
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
    for run in 0..=crashes {
        let steps = (run < crashes).then(|| 1 + random.below(140));
        world.state().plan_crash(steps);
        let is_last = run == crashes;
        let outcome = one_run(&world, &asks, &path, is_last, &mut random);
        if let Err(why) = outcome {
            wrong = Some(why);
            break;
        }
        world::stop_clock(random.between(0, 5_000));
        clients::after_a_crash(&asks, &mut random);
    }
    simulate_clock(None);
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
        }),
    }
}

/// From a start to a crash, or to the end.
fn one_run(
    world: &Arc<World>,
    asks: &Asks,
    path: &Path,
    is_last: bool,
    random: &mut Random,
) -> Result<(), String> {
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
        // At the latest then, so that a program that has nothing to do dies too.
        let dies_at = if is_last { i64::MAX / 2 } else { random.between(100, 5_000) };
        let ended = tokio::select! {
            biased;
            () = &mut crash => Ok(()),
            () = pause(dies_at), if !is_last => { world.die("in time"); Ok(()) }
            result = live(world, asks, &frail, &store, is_last) => result,
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
    frail: &Arc<dyn Store>,
    store: &Arc<dyn Store>,
    is_last: bool,
) -> Result<(), String> {
    frail.recover(Timestamp::now()).await.map_err(|error| error.to_string())?;
    let timeout = Duration::from_millis(u64::try_from(PROVIDER_TIMEOUT_MS).unwrap());
    let orders = Orders::start(registry(world), Vec::new(), Arc::clone(frail), timeout, Tracer::default());
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
    let until = now() + SETTLED_WITHIN_MS;
    while now() < until {
        pause(4_000).await;
        let state = world.state();
        if state.is_quiet() && check::is_settled(store, &state) {
            break;
        }
    }
    pause(3_000).await;
    let asks = asks.lock().unwrap().clone();
    check::check(store, &world.state(), &asks)?;
    for key in check::refused_keys(&asks) {
        let known = at_once(store.look(None, Some(("till", &key)))).map_err(|error| error.to_string())?;
        if known.key.is_some() {
            return Err(format!("contradiction: the key {key} was refused and is kept"));
        }
    }
    for reference in check::free_references(store, &asks) {
        let new = NewCreation {
            account: Some("exact".parse().unwrap()),
            order: clients::new_order(&reference, false, false),
            key: (format!("last-{reference}"), reference.clone()),
            deadline: tokio::time::Instant::now() + Duration::from_secs(10),
        };
        let made = orders.create(&clients::caller(), new).await;
        if made.is_err_and(|problem| problem.code == ProblemCode::MerchantReferenceInUse) {
            return Err(format!("contradiction: nobody has the reference {reference}, and it is in use"));
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
            let kept = orders.receive(&notice.account.parse().unwrap(), raw).await;
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
pub fn run(first: u64, count: u64, threads: u64) -> Result<Figures, (u64, Wrong)> {
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
                    match history(seed, folder.path()) {
                        Ok(figures) => {
                            let mut total = total.lock().unwrap();
                            total.crashes += figures.crashes;
                            total.steps += figures.steps;
                            total.effects += figures.effects;
                            total.operations += figures.operations;
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
fn cores() -> u64 {
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
    match run(first, count, cores()) {
        Ok(figures) => println!(
            "{count} histories from seed {first} in {:?}: {figures:?}, nothing lost, nothing twice",
            started.elapsed()
        ),
        Err((seed, wrong)) => panic!("{}", tell(seed, &wrong)),
    }
}

/// Seeds of histories that went wrong once. 15053: notifications used up the schedule of reads, so that an update whose
/// answer was lost was looked for again only after ten minutes. 20278377: the judge had not heard that a creation was
/// unknown, because the program died between the commit and the next line.
const FOUND_ONCE: [u64; 2] = [15_053, 20_278_377];

#[test]
fn what_went_wrong_once_does_not_again() {
    for seed in FOUND_ONCE {
        if let Err((seed, wrong)) = run(seed, 1, 1) {
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
    let _ = history(seed, folder);
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
    let result = history(seed, folder.path());
    println!("{}", trace(seed, folder.path()).join("\n"));
    if let Err(wrong) = result {
        panic!("{}", tell(seed, &wrong));
    }
}
