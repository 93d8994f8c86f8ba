//! Servers that speak each provider's wire protocol: for the sandbox, the tests and `guichet-sandbox simulate`.
//!
//! One listener serves all platforms by the first segment of the path (`/lyra/...`), the payer's pages beside the
//! services, and the control API under `/_control`. The frame here knows no protocol; each platform is a folder,
//! written from the provider's documentation and from nothing else: code shared with the adapters would hide the
//! same mistake on both sides.
//!
//! What the frame does not imitate: TLS, HTTP/2, rate limits, and a memory beyond the process.

mod body;
mod clock;
mod control;
mod control_http;
mod delivery;
mod exchange;
mod faults;
mod journal;
mod ledger;
pub mod lyra;
mod magic;
mod members;
mod notices;
mod page;
mod platform;
mod records;
#[cfg(test)]
mod rig;
mod server;
mod signing;
mod sips;
mod site;
mod visitors;
mod yabandpay;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

pub use control::SimulatorControl;
pub use faults::{Fault, FaultId, FaultKind, ListedFault, Moment};
pub use journal::LoggedRequest;
pub use ledger::{Effect, Mail};
pub use notices::{Attempt, SentNotice};
pub use platform::{ControlError, PayerAction};

use exchange::{Core, Frame};
use platform::Platform;
use site::Start;

/// How to start the simulators.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Base of the links to payment pages, without the path; `http://<bound address>` when absent.
    pub public_url: Option<String>,
    /// Whether the provider pages' own sample orders exist from the start.
    pub seed_samples: bool,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), public_url: None, seed_samples: false }
    }
}

/// An account of the sandbox, as the configuration would spell it. The credentials are worth nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxAccount {
    /// Name of the account.
    pub name: &'static str,
    /// Platform.
    pub provider: &'static str,
    /// Keys of the account's block.
    pub settings: Vec<(&'static str, String)>,
}

/// Simulators that serve in the background. Dropping it stops them too, without waiting.
#[derive(Debug)]
pub struct RunningSimulators {
    local_addr: SocketAddr,
    core: Arc<Core>,
    stop: watch::Sender<bool>,
    gone: mpsc::Receiver<()>,
}

/// Binds the listener and serves in the background.
///
/// # Errors
/// When the address cannot be bound, or no HTTP client can be made.
pub async fn start(options: SimulatorOptions) -> io::Result<RunningSimulators> {
    let listener = TcpListener::bind(options.listen).await?;
    let local_addr = listener.local_addr()?;
    let public_url = options.public_url.unwrap_or_else(|| format!("http://{local_addr}"));
    let start = Start {
        frame: Arc::new(Frame::default()),
        public_url: public_url.trim_end_matches('/').to_owned(),
        seed_samples: options.seed_samples,
    };
    let platforms: Vec<Arc<dyn Platform>> = vec![
        Arc::new(lyra::Lyra::new(&start)),
        Arc::new(sips::Sips::new(&start)),
        Arc::new(yabandpay::YabandPay::new(&start)),
    ];
    platforms.iter().for_each(|platform| platform.reset());
    let core =
        Arc::new(Core { frame: start.frame, platforms, public_url, connections: watch::Sender::new(0) });
    let (stop, stopping) = watch::channel(false);
    let (alive, gone) = mpsc::channel(1);
    let lifeline = server::Lifeline { stop: stopping, _alive: alive };
    let client = delivery::client().map_err(io::Error::other)?;
    tokio::spawn(delivery::run(Arc::clone(&core), client, lifeline.clone()));
    tokio::spawn(server::run(listener, Arc::clone(&core), lifeline));
    Ok(RunningSimulators { local_addr, core, stop, gone })
}

impl RunningSimulators {
    /// The address that was bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Scheme, host and port that reach the simulators from this machine.
    pub fn base_url(&self) -> String {
        let mut reachable = self.local_addr;
        if reachable.ip().is_unspecified() {
            reachable.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{reachable}")
    }

    /// Base URL of the Lyra REST services of a brand; the services are under `V4/<Service>`.
    pub fn lyra_base_url(&self, brand: &str) -> String {
        format!("{}/lyra/{brand}/api-payment/", self.base_url())
    }

    /// The accounts of a sandbox: one per simulated shop, with the settings an adapter needs to reach it.
    pub fn sandbox_accounts(&self) -> Vec<SandboxAccount> {
        let base = self.base_url();
        self.core.platforms.iter().flat_map(|platform| platform.sandbox_accounts(&base)).collect()
    }

    /// A handle with all powers of the control API.
    pub fn control(&self) -> SimulatorControl {
        SimulatorControl::new(Arc::clone(&self.core))
    }

    /// Closes the listener and all connections, and returns when every task is gone.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // Every task holds a sender; none is left when this ends.
        while self.gone.recv().await.is_some() {}
    }
}

impl Core {
    /// Back to the state of the start: seeds only, no faults, empty records, the real time.
    pub(crate) fn reset(&self) {
        self.frame.faults.clear();
        self.frame.clock.reset();
        for platform in &self.platforms {
            platform.reset();
        }
        self.frame.ledger.reset();
        self.frame.notices.reset();
        self.frame.journal.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn links_to_payment_pages_use_the_public_address() {
        let options = SimulatorOptions {
            public_url: Some("https://pay.example/sandbox/".into()),
            ..Default::default()
        };
        let running = start(SimulatorOptions { seed_samples: true, ..options }).await.unwrap();
        let order = running.control().order("lyra", "systempay", "d63e7f507a6f4dfa86cb40a833ecfd85").unwrap();
        assert_eq!(order["paymentURL"], "https://pay.example/sandbox/lyra/systempay/t/328zq5so");
        assert!(running.lyra_base_url("epaync").ends_with("/lyra/epaync/api-payment/"));
        running.stop().await;
    }
}
