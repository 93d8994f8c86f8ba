//! The commands of the binary.

mod webhooks;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use crate::{
    adapter::RawNotification,
    adapters,
    app::{self, App},
    config::{self, Environment, Settings, api_key},
    domain::{AccountName, OrderId},
    http, open_files, reload, signals,
    store::sqlite::SqliteStore,
    tables, telemetry,
};

/// Longest time `health` waits.
const HEALTH_TIME: Duration = Duration::from_secs(3);
/// Longest time `check` waits for one provider.
const CHECK_TIME: Duration = Duration::from_secs(15);

/// What is said to whoever starts guichet without anything it could work with.
const NO_CONFIGURATION: &str = "\
guichet: there is no configuration: no --config FILE, no GUICHET_CONFIG, and no variable GUICHET__SECTION__KEY.

It needs at least an account at a payment platform, [accounts.NAME], and a client that may call, [[auth.clients]].
config/example.live.toml is one to begin with; `guichet --config FILE check` says what is wrong with a file.

To try it without a contract, with simulated platforms: guichet-sandbox (`make run` in the source).
";

/// A unified payment gateway: one REST API in front of several payment platforms.
#[derive(Debug, Parser)]
#[command(name = "guichet", version)]
struct Cli {
    /// Configuration file (or GUICHET_CONFIG).
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API (the default).
    Serve,
    /// Validate the configuration and call every provider's harmless test operation.
    Check,
    /// Ask the running service whether it is ready; for a container's healthcheck.
    Health,
    /// Print the OpenAPI document.
    Openapi,
    /// Say whether a notification (its body on standard input) is genuine, and if not, why. Offline.
    VerifyNotification {
        /// The account it came for.
        #[arg(long)]
        account: String,
    },
    /// Have the payer data of one order erased before its time. The running guichet does it within a minute, else the
    /// next one that starts; an order that is still open, once it is over.
    Erase {
        /// The order's id.
        #[arg(long, value_name = "ID")]
        order: String,
    },
    /// The webhook endpoints of all clients. Works while guichet runs, and while it doesn't.
    Webhooks {
        #[command(subcommand)]
        command: webhooks::WebhooksCommand,
    },
    /// Write the store's file anew while guichet is stopped: without free pages, and without what is left of erased data
    /// in the unused parts of pages.
    Compact,
    /// Write the documentation generated from the adapters' tables.
    #[command(hide = true)]
    Tables {
        /// The folder.
        into: PathBuf,
    },
    /// API keys.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Print a new API key and its hash for `key_sha256`.
    New,
}

/// Runs the command of this process's arguments.
pub async fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let environment = Environment::read();
    match carry_out(cli, &environment).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("guichet: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<ExitCode, Box<dyn std::error::Error + Send + Sync>>;

async fn carry_out(cli: Cli, environment: &Environment) -> Outcome {
    let file = cli.config.as_deref();
    let load = || config::load(file, environment);
    match cli.command {
        None | Some(Command::Serve) if environment.is_bare(file) => {
            eprint!("{NO_CONFIGURATION}");
            Ok(ExitCode::from(2))
        }
        None | Some(Command::Serve) => {
            let settings = load()?;
            let _logging = telemetry::start(&settings.log);
            warn_of_exposed_files(&settings);
            serve(settings, cli.config, environment).await
        }
        Some(Command::Check) => check(load()?).await,
        Some(Command::Health) => health(&load()?).await,
        Some(Command::Openapi) => {
            print!("{}", http::document());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Tables { into }) => {
            for (name, text) in tables::files() {
                std::fs::write(into.join(name), text)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Erase { order }) => erase(&load()?, &order),
        Some(Command::Webhooks { command }) => webhooks::run(&load()?, command),
        Some(Command::Compact) => {
            SqliteStore::compact(&app::store_url(&load()?)?)?;
            println!("the store was written anew");
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::VerifyNotification { account }) => verify_notification(&load()?, &account),
        Some(Command::Key { command: KeyCommand::New }) => {
            let key = api_key::generate()?;
            println!("key         {}", key.secret.expose_secret());
            println!("key_sha256  {}", key.sha256_hex);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What is wrong with a file, and what to do.
const EXPOSED: &str = "a file with secrets can be read by its group or by others; let only guichet's user read it \
                       (chmod 600, or mode 0400 where a container platform mounts it)";

fn warn_of_exposed_files(settings: &Settings) {
    for file in settings.exposed_files() {
        tracing::warn!(file = %file.display(), "{EXPOSED}");
    }
}

async fn serve(settings: Settings, file: Option<PathBuf>, environment: &Environment) -> Outcome {
    open_files::raise();
    if settings.has_sandbox {
        tracing::warn!("the section [sandbox] is ignored: it is for guichet-sandbox");
    }
    // Before anybody is told that it is ready: from then on signals may come.
    let (stop, hangup) = (signals::stop()?, signal(SignalKind::hangup())?);
    let app = App::start(settings).await?;
    tracing::info!(
        listen = %app.address().map(|address| address.to_string()).unwrap_or_default(),
        ops_listen = %app.ops_address().map(|address| address.to_string()).unwrap_or_default(),
        "ready"
    );
    let reload = tokio::spawn(reload_on_hangup(hangup, app.reload()?, file, environment.clone()));
    app.serve(signals::came(stop)).await;
    reload.abort();
    Ok(ExitCode::SUCCESS)
}

/// SIGHUP reads the configuration again. A bad one is refused and the old one stays.
async fn reload_on_hangup(
    mut hangup: Signal,
    reload: reload::Reload,
    file: Option<PathBuf>,
    environment: Environment,
) {
    while hangup.recv().await.is_some() {
        let loaded = config::load(file.as_deref(), &environment).inspect(warn_of_exposed_files);
        match loaded.and_then(|settings| reload.apply(settings)) {
            Ok(waiting) if waiting.is_empty() => tracing::info!("the configuration was reloaded"),
            Ok(waiting) => tracing::warn!(
                sections = waiting.join(", "),
                "the configuration was reloaded, but changes of these sections wait for a restart"
            ),
            Err(errors) => tracing::error!(%errors, "the new configuration is not usable, the old one stays"),
        }
    }
}

async fn check(settings: Settings) -> Outcome {
    settings.validate_for_serve()?;
    if let Some(tls) = &settings.server.tls {
        http::tls::Tls::new(tls)?;
    }
    let registry = adapters::registry(&settings)?;
    println!("the configuration is valid");
    for file in settings.exposed_files() {
        println!("warning: {}: {EXPOSED}", file.display());
    }
    let mut code = ExitCode::SUCCESS;
    for account in registry.accounts() {
        let (name, adapter) = (&account.name, &account.adapter);
        match adapter.test_connection(Instant::now() + CHECK_TIME).await {
            Ok(()) => println!(
                "{name}: {} answers and takes the credentials; whether the contract allows every operation is not told",
                adapter.provider()
            ),
            Err(error) => {
                println!("{name}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Asks `/readyz` of the ops listener.
async fn health(settings: &Settings) -> Outcome {
    let mut address = settings.server.ops_listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match tokio::time::timeout(HEALTH_TIME, ask).await {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => {
            println!("ready");
            Ok(ExitCode::SUCCESS)
        }
        Ok(Ok(answer)) => {
            println!("not ready: {}", answer.lines().last().unwrap_or_default());
            Ok(ExitCode::FAILURE)
        }
        Ok(Err(error)) => {
            println!("not ready: {address}: {error}");
            Ok(ExitCode::FAILURE)
        }
        Err(_) => {
            println!("not ready: {address} does not answer");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Asks for the erasure of one order's payer data.
fn erase(settings: &Settings, order: &str) -> Outcome {
    let order: OrderId = order.parse()?;
    SqliteStore::request_erasure(&app::store_url(settings)?, &order)?;
    println!("asked: a running guichet erases it within a minute, else the next one that starts");
    println!("what the provider, backups and your own systems hold of the payer is not touched");
    Ok(ExitCode::SUCCESS)
}

/// Verifies the body on standard input with the account's secrets; nothing is sent or kept.
fn verify_notification(settings: &Settings, account: &str) -> Outcome {
    use std::io::Read as _;
    let registry = adapters::registry(settings)?;
    let name: AccountName = account.parse()?;
    let Some(account) = registry.account(&name) else {
        let known = registry.accounts().map(|account| account.name.to_string()).collect::<Vec<_>>();
        return Err(format!("there is no account `{name}`; known: {}", known.join(", ")).into());
    };
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    // An editor's or echo's line end is no part of what was signed.
    while body.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        body.pop();
    }
    let is_json = body.first() == Some(&b'{');
    let content_type = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
    let raw = RawNotification { content_type: Some(content_type.to_owned()), body: body.into() };
    match account.adapter.verify_notification(&raw) {
        Ok(read) => {
            println!("genuine: of the account `{name}`, signed with {}", read.signed_with);
            let status = read.status.map_or("nothing of a status", |status| status.as_str());
            println!(
                "it says: {status} ({})",
                read.provider_status.as_deref().unwrap_or("no word of its own")
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("refused, {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}
