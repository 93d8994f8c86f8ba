//! Asks providers whose circuit breaker has waited long enough whether they answer again, so that an account that only
//! gets changes, which are never a probe, is not locked out.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::core::{Core, stopped};
use crate::{adapter::BreakerState, domain::Cause, trace::Context};

/// How often breakers are looked at.
const TICK: Duration = Duration::from_millis(500);
/// Longest time one probe may take.
const PROBE_TIME: Duration = Duration::from_secs(5);

pub(super) async fn run(core: Arc<Core>) {
    let mut stopping = core.stopping();
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = stopped(&mut stopping) => return,
        }
        let registry = core.registry();
        let due =
            registry.accounts().filter(|account| account.adapter.link().breaker == BreakerState::HalfOpen);
        // What a probe learns is in the breaker.
        let probes = join_all(due.map(|account| {
            let (context, span) = Context::of_later_work(&core.tracer, Cause::default(), "probe");
            context.run(async move {
                let _ = account.adapter.test_connection(Instant::now() + PROBE_TIME).await;
                span.end();
            })
        }));
        tokio::select! {
            _ = probes => {}
            () = stopped(&mut stopping) => return,
        }
    }
}
