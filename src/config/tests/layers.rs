//! Which layer wins, what text becomes, and what happens to keys nobody knows.

use std::path::Path;
use std::time::Duration;

use super::*;

#[test]
fn the_file_goes_over_the_defaults_and_variables_over_the_file() {
    let toml = "[server]\nlisten = \"127.0.0.1:1111\"\ngrace_ms = 7\n[limits]\nburst = 3";
    let settings = load_both(toml, &[("GUICHET__SERVER__LISTEN", "127.0.0.1:2222")]).unwrap();
    assert_eq!(settings.server.listen.port(), 2222);
    assert_eq!(settings.server.grace, Duration::from_millis(7));
    assert_eq!(settings.limits.burst, 3);
    assert_eq!(settings.limits.rate_per_second, 500);
}

#[test]
fn variables_become_numbers_booleans_and_lists() {
    let settings = load_variables(&[
        ("GUICHET__LIMITS__BURST", "42"),
        ("GUICHET__WEBHOOKS__ALLOW_NETWORKS", "10.0.0.0/8, fd00::/8"),
        ("GUICHET__AUTH__JWT__ALGORITHMS", "ES256"),
        ("GUICHET__LOG__LEVEL", "trace"),
        ("GUICHET__LOG__FORMAT", "text"),
    ])
    .unwrap();
    assert_eq!(settings.limits.burst, 42);
    assert_eq!(settings.webhooks.allow_networks.len(), 2);
    assert_eq!(settings.auth.jwt.algorithms, ["ES256"]);
    assert_eq!(settings.log.level, LogLevel::Trace);
    assert_eq!(settings.log.format, LogFormat::Text);
}

#[test]
fn the_flag_wins_over_guichet_config_which_may_be_empty() {
    let environment = environment(&[("GUICHET_CONFIG", "/b.toml")]);
    assert_eq!(environment.config_path(Some(Path::new("/a.toml"))), Some("/a.toml".into()));
    assert_eq!(environment.config_path(None), Some("/b.toml".into()));
    assert_eq!(super::environment(&[("GUICHET_CONFIG", "")]).config_path(None), None);
}

#[test]
fn guichet_config_names_the_file_and_is_no_key() {
    let file = Written::new("[limits]\nburst = 9");
    let path = file.path();
    let settings = load_variables(&[("GUICHET_CONFIG", path.to_str().unwrap())]).unwrap();
    assert_eq!(settings.limits.burst, 9);
}

#[test]
fn a_start_without_file_and_variables_is_bare() {
    for (flag, variables, is_bare) in [
        (None, &[][..], true),
        (None, &[("HOME", "/root"), ("GUICHET_PORT", "tcp://10.0.0.1:80"), ("GUICHET_CONFIG", "")], true),
        (Some(Path::new("a.toml")), &[], false),
        (None, &[("GUICHET_CONFIG", "a.toml")], false),
        (None, &[("GUICHET__LOG__LEVEL", "info")], false),
        (None, &[("GUICHET__TYPO", "")], false),
    ] {
        assert_eq!(environment(variables).is_bare(flag), is_bare, "{flag:?} {variables:?}");
    }
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    for (toml, start, hint) in [
        ("[server]\nlisen = \"x\"", "server.lisen: unknown key", "`listen`"),
        ("[servr]\nlisten = \"x\"", "servr: unknown key", "`server`"),
        ("mode = \"none\"", "mode: unknown key", "nearest"),
        ("[auth.jwt]\nisuer = \"x\"", "auth.jwt.isuer: unknown key", "`issuer`"),
        ("[auth]\nclients_json = \"[]\"", "auth.clients_json: unknown key", "`clients`"),
        ("[store]\nuri = \"x\"", "store.uri: unknown key", "`url`"),
        ("[resilience]\nprovider_timeout = 5", "resilience.provider_timeout: unknown key", "_timeout_ms`"),
        ("[server]\nListen = \"x\"", "server.Listen: unknown key", "`listen`"),
    ] {
        check_one(&load_both(toml, &[]).unwrap_err(), start, hint);
    }
    for (name, start, hint) in [
        ("GUICHET__SERVER__LISEN", "server.lisen: unknown key", "`listen` (set by GUICHET__SERVER__LISEN)"),
        ("GUICHET__SERVR__LISTEN", "servr: unknown key", "`server`"),
        ("GUICHET__", ": unknown key", "set by GUICHET__"),
        ("GUICHET__SERVER", "server: must be a section, not text", "set by GUICHET__SERVER"),
    ] {
        check_one(&load_variables(&[(name, "x")]).unwrap_err(), start, hint);
    }
}

#[test]
fn wrong_types_and_ranges_say_what_would_be_right() {
    for (toml, start, hint) in [
        ("[limits]\nburst = \"5\"", "limits.burst: must be a whole number, not text", "guichet.toml"),
        ("[limits]\nburst = 1.5", "limits.burst: must be a whole number", "fraction"),
        ("[limits]\nburst = 0", "limits.burst: must be 1 to 1000000 requests, not 0", ""),
        ("[limits]\nburst = -1", "limits.burst: must be 1 to", "not -1"),
        ("[server]\nlisten = 8080", "server.listen: must be text in quotes, not a number", ""),
        ("[server]\nlisten = \"8080\"", "server.listen: must be an address and port", "`8080`"),
        (
            "[server]\nlisten = \"localhost:80\"",
            "server.listen: must be an address and port",
            "127.0.0.1:8080",
        ),
        ("[tracing]\nsample_per_mille = \"all\"", "tracing.sample_per_mille: must be a whole number", ""),
        ("[webhooks]\nallow_networks = \"::1\"", "webhooks.allow_networks: must be a list", "[\"a\", \"b\"]"),
        (
            "[auth]\nclients = \"shop\"",
            "auth.clients: must be a list of blocks",
            "GUICHET__AUTH__CLIENTS_JSON",
        ),
        ("[log]\nlevel = \"loud\"", "log.level: must be one of error, warn, info", "`loud`"),
        ("[log]\nlevel = \"a\\nb\"", "log.level: must be one line", "control characters"),
        ("server = 5", "server: must be a section, not a number", ""),
        ("routes = [5]", "routes[0]: must be a section", ""),
    ] {
        check_one(&load_both(toml, &[]).unwrap_err(), start, hint);
    }
    for (name, value, hint) in [
        ("GUICHET__LIMITS__BURST", "many", "limits.burst: must be a whole number"),
        ("GUICHET__AUTH__CLIENTS", "shop", "GUICHET__AUTH__CLIENTS_JSON"),
    ] {
        check_one(&load_variables(&[(name, value)]).unwrap_err(), "", hint);
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let toml = "[server]\nlisten = 1\npublic_url = \"ftp://x\"\n[limits]\nburst = 0\n[[routes]]\nfoo = 1";
    let errors = load_both(toml, &[("GUICHET__LOG__LEVEL", "x"), ("GUICHET__NONE", "x")]).unwrap_err();
    let keys: Vec<&str> = errors.iter().map(KeyError::key).collect();
    let all = [
        "server.listen",
        "server.public_url",
        "routes[0].name",
        "routes[0].account",
        "routes[0].foo",
        "limits.burst",
        "log.level",
        "none",
    ];
    assert_eq!(keys, all, "{errors}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let errors = load(Some(Path::new("/nowhere/guichet.toml")), &Environment::default()).unwrap_err();
    check_one(&errors, "/nowhere/guichet.toml: the configuration file cannot be read", "No such file");
}

#[test]
fn a_syntax_error_has_a_place_and_quotes_nothing() {
    for line in [
        "password = \"canary-secret",
        "password = canary-secret",
        "password canary-secret = 1",
        "password = 'a'\npassword = \"canary-secret\"",
        "password = \"canary-secret\" \"x\"",
        "password = 016683canary-secret",
        "number = 99999999999999999999",
    ] {
        let errors = load_both(&format!("[accounts.a]\n{line}"), &[]).unwrap_err();
        check_one(&errors, "/", "is not valid TOML");
        assert!(!errors.to_string().contains("canary"), "{errors}");
        assert!(!format!("{errors:?}").contains("canary"), "{errors:?}");
    }
    assert!(
        wrong("[server\nlisten = 1").contains("is not valid TOML at line 1, column 8"),
        "{}",
        wrong("[server")
    );
}

#[test]
fn variables_that_contradict_each_other_are_refused() {
    let errors =
        load_variables(&[("GUICHET__SERVER", "x"), ("GUICHET__SERVER__LISTEN", "127.0.0.1:1")]).unwrap_err();
    assert!(errors.to_string().contains("server.listen: cannot be set together"), "{errors}");
    let errors = load_variables(&[("GUICHET__AUTH__CLIENTS", "x"), ("GUICHET__AUTH__CLIENTS_JSON", "[]")]);
    assert!(errors.unwrap_err().to_string().contains("auth.clients: cannot be set together"));
}
