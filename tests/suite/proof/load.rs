//! The real program under load, killed with SIGKILL at random moments and at every named boundary, started again on
//! the same store, until everything is settled; then the platform's ledger is held against what the program says.

mod accounts;
mod clients;
mod facts;
mod gateway;
mod judge;
mod program;
mod shop;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use guichet_simulator::{self as simulator, SimulatorControl, SimulatorOptions};

use self::{
    accounts::{ACCOUNTS, LATE_MS},
    clients::Client,
    facts::Facts,
    judge::{Wrong, judge, judge_events},
    program::{Home, Program},
    shop::Shop,
};
use crate::numbers::{Progress, Random, amount};

/// Where the program can kill itself.
const BOUNDARIES: [&str; 8] = [
    "before_intent",
    "store_before_commit",
    "store_after_commit",
    "intent_committed",
    "before_send",
    "answer_received",
    "before_outcome",
    "outcome_committed",
];
/// Callers at once.
const CLIENTS: usize = 6;
/// Orders added before each kill, for each account.
const ORDERS: usize = 2;
/// Stores at once: most of a run is waiting.
const AT_ONCE: usize = 6;
/// Pauses between reads are so much shorter than they are: at most 4 s.
const HURRY: &str = "hurry:900";
/// Time for everything to be settled at the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run was made of.
#[derive(Debug, Default)]
pub struct Figures {
    pub kills: u64,
    pub requests: u64,
    pub operations: usize,
    pub effects: usize,
    pub notifications: usize,
    /// Creations that nobody can find, and refunds of which nobody told.
    pub unknown: usize,
    /// Refunds that wait for their approval.
    pub accepted: usize,
    /// Effects by platform and kind.
    pub made: BTreeMap<(String, String), usize>,
}

/// What every platform must have been seen to do in a run of some length: else it proves nothing of it.
const DRIVEN: [(&str, &[&str]); 3] = [
    ("lyra", &["create", "update", "cancel", "capture", "refund"]),
    ("sips", &["create", "cancel", "capture", "refund"]),
    ("yabandpay", &["create", "cancel", "capture", "refund"]),
];

/// One store, killed `kills` times under load.
async fn run(seed: u64, kills: u64) -> Result<Figures, String> {
    let simulators = simulator::start(SimulatorOptions::default()).await.unwrap();
    let home = Home::new(&simulators).await;
    let result = live(seed, kills, &home, &simulators.control()).await;
    result
        .map_err(|why| format!("{why}\nits store and log: {}", home.keep(&format!("kills-{seed}")).display()))
}

async fn live(seed: u64, kills: u64, home: &Home, control: &SimulatorControl) -> Result<Figures, String> {
    let mut random = Random::new(seed);
    let shop = Shop::new(control.clone());
    let mut figures = Figures::default();
    for round in 0..kills {
        for account in &ACCOUNTS {
            for _ in 0..ORDERS {
                shop.add_order(account, &mut random);
            }
            for _ in 0..random.below(4) {
                control.add_fault(account.fault(&mut random));
            }
            if random.percent(40) {
                control.add_fault(account.notification_fault(&mut random));
            }
        }
        // Every second kill at a boundary, in turn; the others whenever it happens.
        let inside = (round % 2 == 0).then(|| {
            let turn = usize::try_from(seed.wrapping_add(round / 2) % 8).unwrap();
            format!("kill@{}#{}", BOUNDARIES[turn], 1 + random.below(9))
        });
        let mut program = home.start(&format!("{HURRY},{}", inside.clone().unwrap_or_default())).await;
        let world = tokio::spawn(shop.clone().meanwhile(Random::new(random.next())));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let client = Client::new(&program, shop.clone(), Random::new(random.next()), number);
                tokio::spawn(client.run())
            })
            .collect();
        if inside.is_some() {
            program.ends_within(Duration::from_millis(1_200)).await;
        } else {
            tokio::time::sleep(Duration::from_millis(20 + random.below(300))).await;
        }
        program.kill().await?;
        figures.kills += 1;
        world.abort();
        for client in clients {
            figures.requests += client.await.map_err(|error| format!("a caller: {error}"))??;
        }
    }
    control.clear_faults();
    let program = home.start(HURRY).await;
    // Whatever is still on its way to a platform must have arrived.
    tokio::time::sleep(Duration::from_millis(LATE_MS + 100)).await;
    let facts = settled(&program, control, &shop).await?;
    let count = |status: &str| facts.operations.iter().filter(|one| one.status == status).count();
    (figures.unknown, figures.accepted) = (count("unknown"), count("accepted"));
    figures.operations = facts.operations.len();
    for effect in facts.done() {
        figures.effects += 1;
        let what = (effect.provider.clone(), accounts::kind_of(effect).to_owned());
        *figures.made.entry(what).or_insert(0) += 1;
    }
    figures.notifications = facts.notices.iter().filter(|notice| facts::is_delivered(notice)).count();
    Ok(figures)
}

/// Waits until the judge has nothing to say, or what it says cannot be healed by waiting.
async fn settled(program: &Program, control: &SimulatorControl, shop: &Shop) -> Result<Facts, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut facts = Facts::take(program, control).await?;
        let mut wrong = judge(&facts, &shop.told());
        if wrong.is_ok() {
            facts.take_events(program).await?;
            wrong = judge_events(&facts);
        }
        match wrong {
            Ok(()) => return Ok(facts),
            Err(Wrong::Yet(_)) if Instant::now() < until => {}
            Err(wrong) => return Err(wrong.why()),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Several stores side by side, `per_store` kills each.
async fn stores(first: u64, kills: u64, per_store: u64) -> Figures {
    use futures_util::StreamExt;
    let count = kills.div_ceil(per_store);
    let mut total = Figures::default();
    let progress = Progress::new("kills", count * per_store);
    let mut runs = futures_util::stream::iter(first..first + count)
        .map(|seed| async move { (seed, run(seed, per_store).await) })
        .buffer_unordered(AT_ONCE);
    while let Some((seed, result)) = runs.next().await {
        match result {
            Ok(figures) => {
                progress.add(figures.kills);
                total.kills += figures.kills;
                total.requests += figures.requests;
                total.operations += figures.operations;
                total.effects += figures.effects;
                total.notifications += figures.notifications;
                total.unknown += figures.unknown;
                total.accepted += figures.accepted;
                for (what, count) in figures.made {
                    *total.made.entry(what).or_insert(0) += count;
                }
            }
            Err(why) => panic!(
                "seed {seed}: {why}\nagain: GUICHET_PROOF_KILLS={per_store} GUICHET_PROOF_FIRST_SEED={seed} \
                 cargo test --features faults --test proof kills_under_load -- --nocapture"
            ),
        }
    }
    total
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_lose_nothing_and_double_nothing() {
    let kills = amount("GUICHET_PROOF_KILLS", 54);
    let first = amount("GUICHET_PROOF_FIRST_SEED", 1);
    let started = Instant::now();
    let figures = stores(first, kills, 9).await;
    println!(
        "{} kills from seed {first} in {:?}: {figures:?}, nothing lost, nothing twice",
        figures.kills,
        started.elapsed()
    );
    for (provider, kinds) in DRIVEN.iter().filter(|_| figures.kills >= 150) {
        for kind in *kinds {
            let made = figures.made.get(&((*provider).to_owned(), (*kind).to_owned()));
            assert!(made.is_some(), "no {kind} was made at {provider}: {:?}", figures.made);
        }
    }
}
