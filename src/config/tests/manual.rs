//! `default.toml` is the manual: it knows every key, and every key is in it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

/// The manual with its examples switched on, and with secrets that can be read.
fn examples() -> Written {
    let mut toml = String::new();
    for line in DEFAULT_TOML.lines() {
        let example = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| !c.is_whitespace()));
        let line = example.unwrap_or(line);
        match line.split_once(" = ") {
            // The default beside it is the other way to give it.
            Some(("url", _)) => {}
            Some((key, _)) if key.ends_with("_file") => toml.push_str(&format!("{key} = \"secret\"\n")),
            _ => toml.push_str(&format!("{line}\n")),
        }
    }
    Written::new(&toml).with("secret", "sqlite://secret.db\n")
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let settings = sandbox_defaults();
    assert_eq!(settings.server.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(settings.server.ops_listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(settings.server.public_url, "http://127.0.0.1:8080");
    assert_eq!(settings.server.request_timeout, Duration::from_secs(15));
    assert!(settings.server.grace > settings.server.request_timeout);
    assert!(matches!(&settings.store.url, StoreUrl::Sqlite(path) if path.to_str() == Some("guichet.db")));
    assert_eq!(settings.store.retention_days, 400);
    assert_eq!(settings.auth.mode, AuthMode::ApiKey);
    assert!(settings.auth.clients.is_empty());
    assert!(settings.auth.jwt.issuer.is_none());
    assert!(settings.accounts.is_empty());
    assert!(settings.routes.is_empty());
    assert_eq!(settings.resilience.connect_timeout, Duration::from_secs(2));
    assert_eq!(settings.resilience.provider_timeout, Duration::from_secs(45));
    assert_eq!(settings.limits.rate_per_second, 500);
    assert_eq!(settings.limits.burst, 1000);
    assert_eq!(settings.limits.body_bytes, 64 * 1024);
    assert_eq!(settings.limits.requests_under_way, 4096);
    assert!(settings.webhooks.allow_networks.is_empty());
    assert_eq!(settings.webhooks.timeout, Duration::from_secs(15));
    assert_eq!(settings.webhooks.lapse_days, 30);
    assert!(!settings.has_sandbox);
    assert_eq!(settings.log.level, LogLevel::Info);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.tracing.otlp_endpoint, None);
    assert_eq!(settings.tracing.sample_per_mille, 1000);
    assert_eq!(settings.tracing.service_name, "guichet");
}

/// Nothing in the code has a default, so that the manual loads is proof that every needed key is in it; an unknown key in
/// it would be refused.
#[test]
fn the_examples_of_the_manual_are_valid() {
    let file = examples();
    let settings = file.load(&[]).unwrap();
    settings.validate_for_serve().unwrap();
    let accounts: Vec<&String> = settings.accounts.keys().collect();
    assert_eq!(accounts, ["sherlocks", "systempay", "yabandpay"]);
    assert_eq!(settings.auth.clients.len(), 1);
    assert_eq!(settings.routes.len(), 1);
    for (account, secret) in
        [("systempay", "password"), ("sherlocks", "secret_key"), ("yabandpay", "secret_key")]
    {
        assert!(settings.accounts[account].required_secret(secret).is_ok());
    }
}

/// Keys that may be left out are asked for by the code too: the manual shows each of them.
#[test]
fn every_optional_key_is_in_the_manual() {
    let shown: BTreeSet<&str> = DEFAULT_TOML
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once(" = "))
        .map(|(key, _)| key)
        .collect();
    let optional = "url_file name key_sha256 scopes accounts account currencies min_value max_value brands \
                    payment_methods provider brand mode";
    for key in optional.split_whitespace() {
        assert!(shown.contains(key), "{key}");
    }
    assert!(DEFAULT_TOML.contains("`allow_http`"));
    for scope in Scope::ALL {
        assert!(DEFAULT_TOML.contains(scope.as_str()), "{scope:?}");
    }
}

#[test]
fn every_key_of_the_manual_has_a_remark() {
    let mut remarked = false;
    for line in DEFAULT_TOML.lines() {
        let is_example = line.starts_with('#') && !line.starts_with("# ") && line != "#";
        if line.starts_with("# ") {
            remarked = true;
        } else if line.trim().is_empty() {
            remarked = false;
        } else if !is_example && line.contains(" = ") {
            assert!(remarked, "no remark before: {line}");
            remarked = false;
        }
    }
}

/// A secret may be shown only by the name of its file.
#[test]
fn the_manual_holds_no_secret() {
    for line in DEFAULT_TOML.lines() {
        let Some((key, _)) = line.trim_start_matches('#').split_once(" = ") else { continue };
        let is_secret = key.contains("password") || key.contains("secret");
        assert!(!is_secret || key.ends_with("_file"), "{line}");
    }
}
