//! What one key means for another: callers, routes, addresses, the store.

use super::*;

const HASH: &str = "c0ffee0000000000000000000000000000000000000000000000000000c0ffee";
const OTHER: &str = "C0FFEE0000000000000000000000000000000000000000000000000000000001";

/// A configuration with the account `a-shop` and these blocks.
fn with_account(blocks: &str) -> String {
    format!("{blocks}\n[accounts.a-shop]\nprovider = \"p\"\n")
}

fn client(name: &str, hashes: &str, scopes: &str, accounts: &str) -> String {
    format!(
        "[[auth.clients]]\nname = \"{name}\"\nkey_sha256 = [{hashes}]\nscopes = [{scopes}]\naccounts = [{accounts}]\n"
    )
}

#[test]
fn clients() {
    let first = client("one", &format!("\"{HASH}\""), "\"orders:read\", \"orders:cancel\"", "\"a-shop\"");
    let second = client("two", &format!("\"{OTHER}\""), "\"endpoints:admin\"", "\"*\"");
    let settings = load_both(&with_account(&(first + &second)), &[]).unwrap();
    settings.validate_for_serve().unwrap();
    let [one, two] = settings.auth.clients.as_slice() else { panic!() };
    assert_eq!(one.key_sha256[0][..3], [0xc0, 0xff, 0xee]);
    assert_eq!(two.key_sha256[0][..3], [0xc0, 0xff, 0xee]);
    assert_eq!(one.scopes, BTreeSet::from([Scope::OrdersRead, Scope::OrdersCancel]));
    assert!(one.accounts.contains("a-shop") && !one.accounts.contains("b"));
    assert_eq!(two.accounts, AllowedAccounts::All);
}

#[test]
fn clients_that_are_wrong() {
    let hash = &format!("\"{HASH}\"");
    let five: String = (1..=5).map(|n| format!("\"{n:064x}\",")).collect();
    let good = client("one", hash, "\"orders:read\"", "\"*\"");
    for (blocks, start, hint) in [
        (
            client("one", hash, "\"order:read\"", "\"*\""),
            "auth.clients[0].scopes: `order:read`: unknown scope",
            "`orders:read`",
        ),
        (
            client("one", hash, "\"orders:read\"", "\"ashop\""),
            "auth.clients[0].accounts: `ashop`: unknown account",
            "`a-shop`",
        ),
        (
            client("one", hash, "\"orders:read\"", "\"*\", \"a-shop\""),
            "auth.clients[0].accounts: `*`",
            "alone",
        ),
        (client("one", hash, "", "\"*\""), "auth.clients[0].scopes: must have at least 1", ""),
        (client("one", hash, "\"orders:read\"", ""), "auth.clients[0].accounts: must have at least 1", ""),
        (client("one", "", "\"orders:read\"", "\"*\""), "auth.clients[0].key_sha256: must have 1 to 4", "0"),
        (
            client("one", &five, "\"orders:read\"", "\"*\""),
            "auth.clients[0].key_sha256: must have 1 to 4",
            "5",
        ),
        (
            client("one", "\"abc\"", "\"orders:read\"", "\"*\""),
            "auth.clients[0].key_sha256: must be the SHA-256 of a key",
            "64 hex digits",
        ),
        (
            client("a b", hash, "\"orders:read\"", "\"*\""),
            "auth.clients[0].name: must be 1 to 64 letters",
            "`a b`",
        ),
        (
            good.clone() + &client("one", &format!("\"{OTHER}\""), "\"orders:read\"", "\"*\""),
            "auth.clients[1].name: `one` is the name of an earlier client",
            "",
        ),
        (
            good.clone() + &client("two", hash, "\"orders:read\"", "\"*\""),
            "auth.clients[1].key_sha256: ",
            "listed twice",
        ),
        (good.clone() + "scope = []", "auth.clients[0].scope: unknown key", "`scopes`"),
        (good.replace("accounts", "#"), "auth.clients[0].accounts: is missing", "guichet.toml"),
    ] {
        check_one(&load_both(&with_account(&blocks), &[]).unwrap_err(), start, hint);
    }
}

/// A likely mistake: the key where its hash belongs.
#[test]
fn a_key_in_place_of_its_hash_is_not_repeated() {
    let blocks = client("one", "\"gk_canary\"", "\"orders:read\"", "\"*\"");
    let errors = load_both(&with_account(&blocks), &[]).unwrap_err();
    check_one(&errors, "auth.clients[0].key_sha256: must be the SHA-256 of a key", "guichet key new");
    assert!(!errors.to_string().contains("canary"), "{errors}");
}

#[test]
fn lists_as_json_variables() {
    let clients = format!(
        r#"[{{"name":"j","key_sha256":["{HASH}"],"scopes":["events:read"],"accounts":["*"],"x":null}}]"#
    );
    let routes = r#"[{"name":"r","account":"a-shop","currencies":["EUR"],"min_value":5}]"#;
    let file = with_account(&client("file", &format!("\"{OTHER}\""), "\"orders:read\"", "\"*\""));
    let variables = [("GUICHET__AUTH__CLIENTS_JSON", clients.as_str()), ("GUICHET__ROUTES_JSON", routes)];
    let settings = load_both(&file, &variables).unwrap();
    assert_eq!(settings.auth.clients.len(), 1);
    assert_eq!(settings.auth.clients[0].name, "j");
    assert_eq!((settings.routes[0].min_value, settings.routes[0].max_value), (Some(5), None));
    for (name, json, start, hint) in [
        (
            "GUICHET__ROUTES_JSON",
            "[{]",
            "routes_json: is not valid JSON at line 1, column 3",
            "GUICHET__ROUTES",
        ),
        ("GUICHET__ROUTES_JSON", "{}", "routes_json: must be a JSON list", ""),
        ("GUICHET__AUTH__CLIENTS_JSON", "[1]", "auth.clients[0]: must be a section", "CLIENTS_JSON"),
        (
            "GUICHET__ROUTES_JSON",
            r#"[{"name":"r","account":"a-shop","currency":"EUR"}]"#,
            "routes[0].currency: unknown key; the nearest known one is `currencies`",
            "set by GUICHET__ROUTES_JSON",
        ),
        (
            "GUICHET__ROUTES_JSON",
            r#"[{"name":"r","account":"a-shop","min_value":1.5}]"#,
            "routes[0].min_value: must be a whole number",
            "fraction",
        ),
    ] {
        check_one(&load_both(&with_account(""), &[(name, json)]).unwrap_err(), start, hint);
    }
}

#[test]
fn routes() {
    let rule = |rest: &str| with_account(&format!("[[routes]]\nname = \"r\"\naccount = \"a-shop\"\n{rest}"));
    let all = "currencies = [\"EUR\"]\nmin_value = 1\nmax_value = 9\nbrands = [\"b\"]\n\
               payment_methods = [\"wechat_pay\"]";
    let settings = load_both(&rule(all), &[]).unwrap();
    let route = &settings.routes[0];
    assert_eq!((route.name.as_str(), route.account.as_str()), ("r", "a-shop"));
    assert_eq!((route.min_value, route.max_value), (Some(1), Some(9)));
    assert_eq!((route.currencies.len(), route.brands.len(), route.payment_methods.len()), (1, 1, 1));
    for (rest, start, hint) in [
        ("currencies = [\"eur\"]", "routes[0].currencies: must be ISO 4217 codes", "`eur`"),
        ("min_value = 9\nmax_value = 1", "routes[0].max_value: must not be below min_value", "9"),
        ("min_value = -1", "routes[0].min_value: must be 0 to 999999999999 minor units", "-1"),
        (
            "payment_methods = [\"WeChat\"]",
            "routes[0].payment_methods: must be words of lower-case",
            "`WeChat`",
        ),
        ("brand = [\"b\"]", "routes[0].brand: unknown key", "`brands`"),
        (
            "[[routes]]\nname = \"r\"\naccount = \"a-shop\"",
            "routes[1].name: `r` is the name of an earlier",
            "",
        ),
    ] {
        check_one(&load_both(&rule(rest), &[]).unwrap_err(), start, hint);
    }
    let unknown = rule("").replace("account = \"a-shop\"", "account = \"a-shp\"");
    check_one(
        &load_both(&unknown, &[]).unwrap_err(),
        "routes[0].account: `a-shp`: unknown account",
        "`a-shop`",
    );
}

#[test]
fn no_authentication_is_for_loopback_only() {
    for (listen, right) in
        [("127.0.0.1:80", true), ("[::1]:80", true), ("0.0.0.0:80", false), ("10.0.0.1:80", false)]
    {
        let toml = format!("[server]\nlisten = \"{listen}\"\n[auth]\nmode = \"none\"");
        match load_both(&toml, &[]) {
            Ok(settings) => assert!(right && settings.auth.mode == AuthMode::None, "{listen}"),
            Err(errors) => {
                assert!(!right, "{errors}");
                check_one(&errors, "auth.mode: `none` is for loopback only", listen);
            }
        }
    }
}

#[test]
fn tokens_need_an_issuer() {
    let text = wrong("[auth]\nmode = \"jwt\"");
    for key in ["issuer", "audience", "jwks_url"] {
        assert!(text.contains(&format!("auth.jwt.{key}: is needed when auth.mode is `jwt`")), "{text}");
    }
    let jwt = |url: &str, algorithm: &str| {
        format!(
            "[auth]\nmode = \"jwt\"\n[auth.jwt]\nissuer = \"i\"\naudience = \"a\"\n\
             jwks_url = \"{url}\"\nalgorithms = [\"{algorithm}\"]"
        )
    };
    assert!(load_both(&jwt("https://i.example/keys", "EdDSA"), &[]).is_ok());
    assert!(load_both(&jwt("http://127.0.0.1:1/keys", "ES256"), &[]).is_ok());
    let errors = load_both(&jwt("http://i.example/keys", "ES256"), &[]).unwrap_err();
    check_one(&errors, "auth.jwt.jwks_url: must be https://", "loopback");
    let errors = load_both(&jwt("https://i.example/keys", "HS256"), &[]).unwrap_err();
    check_one(&errors, "auth.jwt.algorithms: `HS256`: unknown algorithm", "S256`");
}

#[test]
fn listeners_and_times_agree() {
    let same = "[server]\nlisten = \"127.0.0.1:1\"\nops_listen = \"127.0.0.1:1\"";
    check_one(
        &load_both(same, &[]).unwrap_err(),
        "server.ops_listen: must not be server.listen",
        "127.0.0.1:1",
    );
    assert!(load_both(&same.replace(":1\"", ":0\""), &[]).is_ok());
    let toml = "[resilience]\nconnect_timeout_ms = 3000\nprovider_timeout_ms = 2000";
    let start = "resilience.connect_timeout_ms: must not be above provider_timeout_ms";
    check_one(&load_both(toml, &[]).unwrap_err(), start, "2000");
}

#[test]
fn public_addresses() {
    for (url, right) in [
        ("https://pay.example/", Some("https://pay.example")),
        ("https://pay.example/guichet//", Some("https://pay.example/guichet")),
        ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
        ("pay.example", None),
        ("ws://pay.example", None),
        ("https://pay.example/?a=b", None),
        ("https://a:b@pay.example/", None),
    ] {
        match load_variables(&[("GUICHET__SERVER__PUBLIC_URL", url)]) {
            Ok(settings) => assert_eq!(Some(settings.server.public_url.as_str()), right, "{url}"),
            Err(errors) => {
                assert_eq!(right, None, "{errors}");
                check_one(&errors, "server.public_url: must be an address such as https://", "PUBLIC_URL");
                assert!(!errors.to_string().contains("a:b"), "{errors}");
            }
        }
    }
}

#[test]
fn stores() {
    for (url, sqlite) in [
        ("sqlite://guichet.db", Some("guichet.db")),
        ("sqlite:///var/lib/guichet.db", Some("/var/lib/guichet.db")),
        ("postgres://u:p@h:5432/d", None),
        ("postgresql://h/d", None),
    ] {
        match load_variables(&[("GUICHET__STORE__URL", url)]).unwrap().store.url {
            StoreUrl::Sqlite(path) => assert_eq!(path.to_str(), sqlite),
            StoreUrl::Postgres(_) => assert_eq!(sqlite, None),
        }
    }
    for url in [
        "",
        "guichet.db",
        "sqlite://",
        "sqlite:guichet.db",
        "sqlite://a?mode=ro",
        "mysql://h/d",
        "postgres:x",
    ] {
        let errors = load_variables(&[("GUICHET__STORE__URL", url)]).unwrap_err();
        check_one(&errors, "store.url: ", "");
    }
    let file = Written::new("[store]\nurl_file = \"url\"").with("url", "postgres://u:p@h/d\n");
    assert!(matches!(file.load(&[]).unwrap().store.url, StoreUrl::Postgres(_)));
    let errors = file.load(&[("GUICHET__STORE__URL", "sqlite://x")]).unwrap_err();
    check_one(&errors, "store.url: is given twice", "GUICHET__STORE__URL");
}

#[test]
fn networks() {
    let network = |text: &str| {
        load_variables(&[("GUICHET__WEBHOOKS__ALLOW_NETWORKS", text)])
            .map(|settings| settings.webhooks.allow_networks[0])
    };
    for (text, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
        ("0.0.0.0/0", "8.8.8.8", "::1"),
        ("192.168.1.7", "192.168.1.7", "192.168.1.8"),
        ("fd00::/8", "fd12::1", "fe80::1"),
        ("::/0", "::1", "127.0.0.1"),
    ] {
        let network = network(text).unwrap();
        assert!(network.contains(inside.parse().unwrap()), "{text} {inside}");
        assert!(!network.contains(outside.parse().unwrap()), "{text} {outside}");
    }
    for (text, hint) in [
        ("10.0.0.1/8", "write 10.0.0.0/8"),
        ("10.0.0.0/33", "the prefix is at most 32"),
        ("::/129", "at most 128"),
        ("intranet", "not `intranet`"),
        ("10.0.0.0/x", "not `10.0.0.0/x`"),
    ] {
        check_one(&network(text).unwrap_err(), "webhooks.allow_networks: ", hint);
    }
}

#[test]
fn serving_needs_accounts_and_callers() {
    let errors = sandbox_defaults().validate_for_serve().unwrap_err();
    let keys: Vec<&str> = errors.iter().map(KeyError::key).collect();
    assert_eq!(keys, ["accounts", "auth.clients"]);
    let settings = load_both(&with_account("[auth]\nmode = \"none\""), &[]).unwrap();
    settings.validate_for_serve().unwrap();
}
