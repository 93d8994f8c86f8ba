//! What a store costs when it has grown: `growth FILE ORDERS` fills a new store in this file with so many orders, a part
//! of them made as the service makes them and the rest copied by the database, and prints what things take. A file that
//! is there already is measured as it is.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::panic,
    reason = "a measuring tool that cannot go on should stop"
)]

#[path = "../../tests/suite/store/grown.rs"]
mod grown;
#[path = "../../tests/suite/store/rig.rs"]
mod rig;

use std::{fs, future::Future, path::Path, sync::Arc, time::Instant};

use guichet::{
    config::AllowedAccounts,
    domain::{EventFilter, OperationStatus, OrderStatus},
    store::{
        OperationFilter, OrderFilter, Settlement, Sort, Store, outbox::OutboxStore, sqlite::SqliteStore,
    },
};
use rig::{at, copy, create, endpoint, order_id, read, settle, settlement, start, with_key};

/// Orders made as the service makes them, and how many of them at the same time.
const MADE: usize = 20_000;
const AT_ONCE: usize = 64;
const ROUNDS: u32 = 20;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, orders] = &arguments[..] else { panic!("growth FILE ORDERS") };
    let (file, orders): (&Path, usize) = (Path::new(file), orders.parse().expect("a number"));
    if !file.exists() {
        fill(file, orders).await;
    }
    measure(file).await;
}

fn open(file: &Path) -> SqliteStore {
    SqliteStore::open(&format!("sqlite://{}", file.display())).unwrap()
}

/// CPU time of this process so far, in microseconds.
fn cpu_micros() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap() * 10_000).sum()
}

async fn fill(file: &Path, orders: usize) {
    let store = Arc::new(open(file));
    let (begun, cpu) = (Instant::now(), cpu_micros());
    let each = MADE.min(orders) / AT_ONCE;
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..each {
                    let name = format!("made-{task}-{n}");
                    let id = start(&*store, with_key(create(&format!("ref-{name}")), &name, "f")).await;
                    let order_after = Some(copy(&name, OrderStatus::Pending, 5));
                    let end = settlement(id, OperationStatus::Succeeded, 5);
                    settle(&*store, Settlement { order_after: order_after.map(read), ..end }).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let made = u32::try_from(each * AT_ONCE).unwrap();
    println!(
        "a creation (begin and settle), {AT_ONCE} at once: {:?}, {} us CPU",
        begun.elapsed() / made,
        (cpu_micros() - cpu) / u64::from(made)
    );
    // What is copied.
    let id = start(&*store, with_key(create("ref-a"), "a", "f")).await;
    let order_after = Some(copy("a", OrderStatus::Paid, 5));
    settle(
        &*store,
        Settlement { order_after: order_after.map(read), ..settlement(id, OperationStatus::Succeeded, 5) },
    )
    .await;
    let endpoint = endpoint();
    let endpoint_id = endpoint.id;
    store.create_endpoint(endpoint, 9).await.unwrap();
    let all = AllowedAccounts::All;
    let page = store.events_after(0, &all, &EventFilter::default(), 1).await.unwrap();
    store.plan(endpoint_id, *store.watch_events().borrow(), &page, at(9)).await.unwrap();
    store.close().await;
    drop(store);
    grown::multiply(file, endpoint_id, orders.saturating_sub(MADE));
}

async fn measure(file: &Path) {
    let mut opened = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        let store = open(file);
        store.recover(at(9)).await.unwrap();
        opened.push(begun.elapsed());
        store.close().await;
    }
    opened.sort_unstable();
    println!("open and recover: {:?}", opened[4]);
    let store = open(file);
    let one = || Some(vec!["shop".to_owned()]);
    let two = || Some(vec!["shop".to_owned(), "other".to_owned()]);
    for accounts in [None, one(), two()] {
        for statuses in [vec![], vec![OrderStatus::Paid]] {
            for sort in [Sort::OldestFirst, Sort::NewestFirst] {
                let filter = OrderFilter {
                    accounts: accounts.clone(),
                    statuses: statuses.clone(),
                    ..Default::default()
                };
                let what = format!("orders of {accounts:?}, {statuses:?}, {sort:?}");
                timed(&what, || async {
                    store.list_orders(filter.clone(), sort, None, 50).await.unwrap();
                })
                .await;
            }
        }
    }
    for (accounts, status) in [(None, OperationStatus::Unknown), (two(), OperationStatus::Unknown)] {
        let filter =
            OperationFilter { accounts: accounts.clone(), statuses: vec![status], ..Default::default() };
        timed(&format!("operations of {accounts:?}, {status:?}"), || async {
            store.list_operations(filter.clone(), Sort::OldestFirst, None, 50).await.unwrap();
        })
        .await;
    }
    timed("backlog", || async {
        store.backlog(at(9)).await.unwrap();
    })
    .await;
    let (known, other) = (order_id("a"), order_id("nobody"));
    timed("memory of an order known here", || async {
        store.memory(&known).await.unwrap();
    })
    .await;
    timed("memory of any other", || async {
        store.memory(&other).await.unwrap();
    })
    .await;
    timed("a look into the file for any other", || async {
        store.order_copy(&other).await.unwrap();
    })
    .await;
    store.close().await;
}

/// Prints the median time and the mean CPU time of a call.
async fn timed<F: Future<Output = ()>>(what: &str, call: impl Fn() -> F) {
    call().await;
    let cpu = cpu_micros();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        call().await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!("{what}: {:?} ({} us CPU)", times[times.len() / 2], (cpu_micros() - cpu) / u64::from(ROUNDS));
}
