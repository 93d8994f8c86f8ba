//! `[sandbox]`: the keys that the service itself does not know.

use std::{net::SocketAddr, path::Path};

use guichet::config::{self, ConfigErrors, Environment};

/// The manual and the defaults in one.
const DEFAULT_TOML: &str = include_str!("../default.toml");

/// `[sandbox]`: the simulated providers.
#[derive(Debug, Clone)]
pub(crate) struct SandboxSettings {
    /// Address of the simulators.
    pub(crate) simulators_listen: SocketAddr,
    /// Whether the sandbox may listen on addresses that are not loopback.
    pub(crate) allow_remote: bool,
}

impl SandboxSettings {
    /// Reads the section from the file and the environment, over its defaults.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub(crate) fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigErrors> {
        config::load_section("sandbox", DEFAULT_TOML, file, environment, |mut section| {
            let simulators_listen = section.parsed("simulators_listen", |text| {
                text.parse()
                    .map_err(|_| format!("must be an address and port such as 127.0.0.1:8090, not `{text}`"))
            });
            let allow_remote = section.boolean("allow_remote");
            section.finish();
            Ok(Self { simulators_listen: simulators_listen?, allow_remote: allow_remote? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<SandboxSettings, String> {
        SandboxSettings::load(None, &Environment::from_pairs(pairs.iter().copied()))
            .map_err(|errors| errors.to_string())
    }

    #[test]
    fn the_defaults_stay_on_loopback() {
        let settings = load(&[]).unwrap();
        assert_eq!(settings.simulators_listen, "127.0.0.1:8090".parse().unwrap());
        assert!(!settings.allow_remote);
    }

    #[test]
    fn variables_go_over_the_defaults_and_what_is_wrong_is_named() {
        let settings = load(&[("GUICHET__SANDBOX__ALLOW_REMOTE", "true")]).unwrap();
        assert!(settings.allow_remote);
        for (name, value, wrong) in [
            ("GUICHET__SANDBOX__ALLOW_REMOTE", "1", "sandbox.allow_remote: must be true or false"),
            ("GUICHET__SANDBOX__SIMULATORS_LISTEN", "8090", "sandbox.simulators_listen: must be an address"),
            ("GUICHET__SANDBOX__ALLOW_REMOT", "true", "sandbox.allow_remot: unknown key"),
        ] {
            let said = load(&[(name, value)]).unwrap_err();
            assert!(said.contains(wrong), "{said}");
        }
    }
}
