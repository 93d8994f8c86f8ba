//! `make bench`: what guichet costs, beside programs that do less, in one run on one machine.
//!
//! Starts the released binary in front of a provider with a fixed answer, and in front of the same provider a bare
//! forwarder and nginx. Loads them in turn and prints ratios as a table for `docs/performance.md`. Everything it
//! writes is in a directory that it removes at the end.
//!
//! `budgets [--binary FILE] [--directory DIR] [--rounds N] [--seconds N] [--change-seconds N] [PART...]` with the
//! parts `reads`, `latency`, `overload`, `changes`, `start`, `size` (all of them when none is named) and `build`, which compiles
//! everything anew.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::panic,
    reason = "a measuring tool that cannot go on should stop"
)]

mod connection;
mod forwarder;
mod load;
mod overload;
mod parts;
mod process;
mod provider;
mod report;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};

/// The forwarder has the allocator of guichet.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the budgets of guichet.
#[derive(Debug, Parser)]
struct Cli {
    /// The guichet to measure: a release build.
    #[arg(long, global = true, default_value = "target/release/guichet")]
    binary: PathBuf,
    /// Where stores and logs are written for the time of the run: a disk that syncs, not memory.
    #[arg(long, global = true)]
    directory: Option<PathBuf>,
    /// How often each comparison is repeated; medians are printed.
    #[arg(long, global = true, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each load within a round.
    #[arg(long, global = true, default_value_t = 4)]
    seconds: u64,
    /// Seconds of 1,000 changes per second.
    #[arg(long, global = true, default_value_t = 60)]
    change_seconds: u64,
    /// Changes per second.
    #[arg(long, global = true, default_value_t = 1000)]
    change_rate: u64,
    /// What to measure.
    #[arg(value_enum)]
    parts: Vec<Part>,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// CPU of a read, against the forwarder and nginx.
    Reads,
    /// What a read takes longer than the provider itself.
    Latency,
    /// How fast a refusal is, and what a dead provider costs the others.
    Overload,
    /// Changes with two durable commits, and memory.
    Changes,
    /// From the start of the process to ready.
    Start,
    /// The binary.
    Size,
    /// CPU seconds of a clean build.
    Build,
}

/// What this program does as a child of itself, so that each part has a process of its own.
#[derive(Debug, Subcommand)]
enum Role {
    /// A provider that always answers the same.
    #[command(hide = true)]
    Provider {
        /// Where it listens.
        listen: SocketAddr,
        /// How long it waits before each answer.
        delay_ms: u64,
    },
    /// A forwarder that parses nothing.
    #[command(hide = true)]
    Forwarder {
        /// Where it listens.
        listen: SocketAddr,
        /// Where it sends everything.
        upstream: String,
    },
}

#[tokio::main]
async fn main() {
    let cli = Cli::parse();
    match cli.role {
        Some(Role::Provider { listen, delay_ms }) => {
            provider::serve(listen, Duration::from_millis(delay_ms)).await;
        }
        Some(Role::Forwarder { listen, ref upstream }) => forwarder::serve(listen, upstream).await,
        None => measure(&cli).await,
    }
}

async fn measure(cli: &Cli) {
    let all = [Part::Reads, Part::Latency, Part::Overload, Part::Changes, Part::Start, Part::Size];
    let wanted = |part| if cli.parts.is_empty() { all.contains(&part) } else { cli.parts.contains(&part) };
    let directory = match &cli.directory {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    }
    .expect("a directory to work in");
    let bench = parts::Bench::new(cli, directory.path());
    report::machine(directory.path());
    let mut table = report::Table::default();
    if wanted(Part::Size) {
        bench.size(&mut table);
    }
    if wanted(Part::Start) {
        bench.start_empty(&mut table).await;
    }
    if wanted(Part::Reads) {
        bench.reads(&mut table).await;
    }
    if wanted(Part::Latency) {
        bench.latency(&mut table).await;
    }
    if wanted(Part::Overload) {
        bench.overload(&mut table).await;
        bench.isolation(&mut table).await;
    }
    if wanted(Part::Changes) || wanted(Part::Start) {
        bench.changes(&mut table, wanted(Part::Changes), wanted(Part::Start)).await;
    }
    if wanted(Part::Build) {
        bench.build(&mut table);
    }
    table.print();
}
