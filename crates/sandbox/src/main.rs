//! The `guichet-sandbox` program: the service and simulated payment platforms in one process.

mod sandbox;
mod section;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use guichet::{
    config::{self, Environment, Settings},
    open_files, signals, telemetry,
};
use guichet_simulator::{self as simulator, SimulatorOptions};
use section::SandboxSettings;

/// As in the service, so that what is measured here holds there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Guichet with simulated payment platforms: nothing to configure, no real money.
#[derive(Debug, Parser)]
#[command(name = "guichet-sandbox", version)]
struct Cli {
    /// Configuration file (or GUICHET_CONFIG): addresses, limits and log are taken from it, and the section [sandbox].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the simulators alone and print accounts for them.
    Simulate,
}

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    match carry_out(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guichet-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(cli: Cli) -> Outcome {
    let (file, environment) = (cli.config.as_deref(), Environment::read());
    let settings = config::load(file, &environment)?;
    let own = SandboxSettings::load(file, &environment)?;
    let _logging = telemetry::start(&settings.log);
    match cli.command {
        None => run(settings, &own).await,
        Some(Command::Simulate) => simulate(&own).await,
    }
}

async fn run(settings: Settings, own: &SandboxSettings) -> Outcome {
    open_files::raise();
    let stop = signals::stop()?;
    let sandbox = sandbox::start(settings, own).await?;
    println!("{}", sandbox.greeting);
    sandbox.app.serve(signals::came(stop)).await;
    sandbox.simulators.stop().await;
    Ok(())
}

async fn simulate(own: &SandboxSettings) -> Outcome {
    let stop = signals::stop()?;
    let simulators = simulator::start(SimulatorOptions {
        listen: own.simulators_listen,
        public_url: None,
        seed_samples: true,
    })
    .await?;
    println!("simulators  http://{}/_control", simulators.local_addr());
    for account in simulators.sandbox_accounts() {
        println!("\n[accounts.{}]\nprovider = \"{}\"", account.name, account.provider);
        for (key, value) in account.settings {
            println!("{key} = \"{value}\"");
        }
    }
    signals::came(stop).await;
    simulators.stop().await;
    Ok(())
}
