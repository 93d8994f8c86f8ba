//! The adapters of the configured accounts.

use std::sync::Arc;

use guichet_port::adapter::{AdapterContext, GateSettings, Observer, Registry};

use crate::{
    config::{ConfigErrors, Settings},
    observer::Calls,
};

/// The accounts of a configuration.
///
/// # Errors
/// Everything that is wrong with them, in words.
pub fn registry(settings: &Settings) -> Result<Registry, ConfigErrors> {
    let observer: Arc<dyn Observer> = Arc::new(Calls);
    let context = AdapterContext {
        connect_timeout: settings.resilience.connect_timeout,
        provider_timeout: settings.resilience.provider_timeout,
        public_url: settings.server.public_url.trim_end_matches('/').to_owned(),
        observer: Arc::clone(&observer),
        outbound: None,
    };
    let gate = GateSettings {
        max_in_flight: settings.resilience.max_in_flight,
        breaker_failures: settings.resilience.breaker_failures,
        breaker_open: settings.resilience.breaker_open,
    };
    let registry = Registry::build(&settings.accounts, &guichet_providers::all(), &context)?;
    Ok(registry.guarded(gate, &observer))
}
