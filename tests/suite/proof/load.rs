//! The real program under load, killed with SIGKILL at random moments and at every named boundary, started again on
//! the same store, until everything is settled; then the platform's ledger is held against what the program says.

mod facts;
mod program;
mod shop;

use std::time::{Duration, Instant};

use guichet::simulator::{self, Fault, FaultKind, Moment, SimulatorOptions};

use self::{
    facts::Facts,
    program::{Client, Home},
    shop::{ACCOUNTS, Shop},
};
use crate::numbers::{Random, amount};

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
const ORDERS: usize = 3;
/// A late request arrives at most this much later; the settling time of these runs is 4 s.
const LATE_MS: u64 = 1_500;
/// Time for everything to be settled at the end.
const PATIENCE: Duration = Duration::from_secs(25);

/// What a run was made of.
#[derive(Debug, Default)]
pub struct Figures {
    pub kills: u64,
    pub requests: u64,
    pub operations: usize,
    pub effects: usize,
    pub unknown: usize,
}

/// One store, killed `kills` times under load.
async fn run(seed: u64, kills: u64, faults: &str) -> Result<Figures, String> {
    let mut random = Random::new(seed);
    let simulators = simulator::start(SimulatorOptions::default()).await.unwrap();
    let control = simulators.control();
    let home = Home::new(&simulators);
    let shop = Shop::new(control.clone());
    let mut figures = Figures::default();
    for round in 0..kills {
        for account in &ACCOUNTS {
            for _ in 0..ORDERS {
                shop.add_order(account, &mut random);
            }
            for _ in 0..random.below(5) {
                control.add_fault(fault(account.provider, account.brand, account.services, &mut random));
            }
        }
        // Every second kill at a boundary, in turn; the others whenever it happens.
        let inside = (round % 2 == 0).then(|| {
            let turn = usize::try_from(seed.wrapping_add(round / 2) % 8).unwrap();
            format!("kill@{}#{}", BOUNDARIES[turn], 1 + random.below(9))
        });
        let mut program = home.start(&format!("{faults},{}", inside.clone().unwrap_or_default())).await;
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
        for client in clients {
            figures.requests += client.await.map_err(|error| format!("a caller: {error}"))??;
        }
    }
    control.clear_faults();
    let program = home.start(faults).await;
    let until = Instant::now() + PATIENCE;
    let facts = loop {
        let facts = Facts::take(&program, &control).await?;
        if facts.is_settled() || Instant::now() > until {
            break facts;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    facts.check(&shop.told())?;
    figures.operations = facts.operations.len();
    figures.effects = facts.effects.len();
    figures.unknown = facts.operations.iter().filter(|one| one.status == "unknown").count();
    Ok(figures)
}

fn fault(provider: &str, brand: &str, services: &[&str], random: &mut Random) -> Fault {
    let kind = match random.below(9) {
        0 => FaultKind::LoseAnswer,
        1 => FaultKind::CutBefore,
        2 => FaultKind::CutMidAnswer,
        3 => FaultKind::Garbage { effect: true },
        4 => FaultKind::Garbage { effect: false },
        5 => FaultKind::Delay { ms: random.below(LATE_MS), when: Moment::Before },
        6 => FaultKind::Delay { ms: random.below(2 * LATE_MS), when: Moment::After },
        7 => FaultKind::Empty { effect: random.percent(50) },
        _ => FaultKind::WrongEnvelope { effect: random.percent(50) },
    };
    let fault = Fault::new(provider, kind).at(brand);
    let times = u32::try_from(1 + random.below(2)).unwrap();
    fault.on_service(*random.pick(services)).times(times)
}

/// Several stores side by side, `per_store` kills each.
async fn stores(first: u64, kills: u64, per_store: u64) -> Figures {
    use futures_util::StreamExt;
    let count = kills.div_ceil(per_store);
    let mut total = Figures::default();
    let mut runs = futures_util::stream::iter(first..first + count)
        .map(|seed| async move { (seed, run(seed, per_store, "hurry:15").await) })
        .buffer_unordered(3);
    while let Some((seed, result)) = runs.next().await {
        match result {
            Ok(figures) => {
                total.kills += figures.kills;
                total.requests += figures.requests;
                total.operations += figures.operations;
                total.effects += figures.effects;
                total.unknown += figures.unknown;
            }
            Err(why) => panic!("seed {seed}: {why}"),
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: `make prove` runs it, and the histories find the same mistakes"]
async fn mistakes_planted_in_the_program_are_found() {
    for (mistake, kinds) in [
        ("intent_after_the_call", ["lost", "contradiction"]),
        ("resend_lost_changes", ["doubled", "lost"]),
        ("outcome_before_evidence", ["lost", "contradiction"]),
    ] {
        let mut found = None;
        for seed in 1..=6 {
            if let Err(why) = run(seed, 8, &format!("hurry:15,planted:{mistake}")).await {
                found = Some((seed, why));
                break;
            }
        }
        let (seed, why) = found.unwrap_or_else(|| panic!("{mistake} was not found"));
        println!("{mistake}: seed {seed}: {why}");
        assert!(kinds.iter().any(|kind| why.starts_with(kind)), "{mistake}: {why}");
    }
}
