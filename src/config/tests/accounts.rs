//! Accounts and their secrets.

use super::*;
use guichet_port::domain::Mode;
use secrecy::ExposeSecret;

const CANARY: &str = "canary-4711";

#[test]
fn values_stay_text() {
    let toml = "[accounts.a]\nprovider = \"p\"\nuser = \"016683\"";
    let settings = load_both(toml, &[("GUICHET__ACCOUNTS__A__SHOP", "007")]).unwrap();
    let account = &settings.accounts["a"];
    assert_eq!(account.text("user").unwrap().as_deref(), Some("016683"));
    assert_eq!(account.text("shop").unwrap().as_deref(), Some("007"));
    assert_eq!(account.text("absent").unwrap(), None);
    let settings = load_both(toml, &[("GUICHET__ACCOUNTS__A__USER", "016684")]).unwrap();
    assert_eq!(settings.accounts["a"].required_text("user").unwrap(), "016684");
}

#[test]
fn a_number_for_text_is_refused_with_its_key() {
    let settings = load_both("[accounts.a]\nprovider = \"p\"\nshop_id = 69876357", &[]).unwrap();
    let problem = settings.accounts["a"].text("shop_id").unwrap_err().to_string();
    assert!(problem.starts_with("accounts.a.shop_id: must be text in quotes"), "{problem}");
    assert!(problem.contains("guichet.toml"), "{problem}");
}

#[test]
fn typed_values() {
    let account =
        AccountSettings::from_pairs("a", "p", [("n", "5"), ("yes", "true"), ("bad", "x"), ("empty", "")]);
    assert_eq!(account.integer("n", 1..=9).unwrap(), Some(5));
    assert_eq!(account.boolean("yes").unwrap(), Some(true));
    assert_eq!(account.integer("absent", 1..=9).unwrap(), None);
    for (problem, expected) in [
        (account.integer("n", 6..=9).unwrap_err(), "accounts.a.n: must be 6 to 9, not 5"),
        (account.integer("bad", 6..=9).unwrap_err(), "accounts.a.bad: must be a whole number"),
        (account.boolean("bad").unwrap_err(), "accounts.a.bad: must be true or false"),
        (account.text("empty").unwrap_err(), "accounts.a.empty: is empty"),
        (account.required_text("absent").unwrap_err(), "accounts.a.absent: is missing"),
        (account.secret("empty").unwrap_err(), "accounts.a.empty: the secret is empty"),
    ] {
        assert!(problem.to_string().starts_with(expected), "{problem}");
    }
    let missing = account.required_secret("pass_word").unwrap_err().to_string();
    assert!(missing.contains("GUICHET__ACCOUNTS__A__PASS_WORD"), "{missing}");
}

#[test]
fn a_dash_in_the_name_is_an_underscore_in_the_variable() {
    let toml = "[accounts.my-shop]\nprovider = \"p\"";
    let settings = load_both(toml, &[("GUICHET__ACCOUNTS__MY_SHOP__PASSWORD", "s")]).unwrap();
    let secret = settings.accounts["my-shop"].required_secret("password").unwrap();
    assert_eq!(secret.expose_secret(), "s");
}

#[test]
fn an_account_may_come_from_variables_alone() {
    let settings = load_variables(&[
        ("GUICHET__ACCOUNTS__MY_SHOP__PROVIDER", "p"),
        ("GUICHET__ACCOUNTS__MY_SHOP__MODE", "live"),
        ("GUICHET__ACCOUNTS__MY_SHOP__ALLOW_HTTP", "true"),
    ])
    .unwrap();
    let account = &settings.accounts["my-shop"];
    assert_eq!((account.name.as_str(), account.provider.as_str()), ("my-shop", "p"));
    assert_eq!(account.mode().unwrap(), Some(Mode::Live));
    assert!(account.allow_http().unwrap());
}

#[test]
fn names_and_common_keys_are_checked() {
    let long = "a".repeat(33);
    for name in ["My", "1a", "a_b", "-a", "a-", "a--b", "\"\"", "é", &long] {
        let name = if name == "é" { "\"é\"" } else { name };
        let errors = load_both(&format!("[accounts.{name}]\nprovider = \"p\""), &[]).unwrap_err();
        check_one(&errors, "accounts.", "an account's name is lower-case letters");
    }
    for name in ["a", "a1", "a-1-b", &"a".repeat(32)] {
        assert!(load_both(&format!("[accounts.{name}]\nprovider = \"p\""), &[]).is_ok(), "{name}");
    }
    for (block, start) in [
        ("brand = \"b\"", "accounts.a.provider: is missing"),
        ("provider = \"p\"\nmode = \"prod\"", "accounts.a.mode: must be `test` or `live`, not `prod`"),
        ("provider = \"p\"\nallow_http = 1", "accounts.a.allow_http: must be true or false"),
        ("provider = \"p\"\nbrand = 1", "accounts.a.brand: must be text"),
    ] {
        check_one(&load_both(&format!("[accounts.a]\n{block}"), &[]).unwrap_err(), start, "");
    }
    check_one(&load_both("[accounts]\na = 1", &[]).unwrap_err(), "accounts.a: must be a section", "");
}

#[test]
fn unknown_keys_are_refused_for_the_adapter() {
    let keys = [("brand", "b"), ("shopid", "1"), ("password_file", "f"), ("paswd", CANARY)];
    let account = AccountSettings::from_pairs("a", "p", keys);
    let problems = account.reject_unknown(&["shop_id", "password"]).unwrap_err();
    let text = ConfigErrors::from(problems).to_string();
    assert_eq!(
        text,
        "accounts.a.paswd: unknown key; the nearest known one is `password`\n\
         accounts.a.shopid: unknown key; the nearest known one is `shop_id`"
    );
    account.reject_unknown(&["shopid", "password", "paswd"]).unwrap();
    let plain = AccountSettings::from_pairs("a", "p", [("shop_id_file", "f")]);
    let problem = plain.text("shop_id").unwrap_err().to_string();
    assert!(problem.contains("only secrets are read from files"), "{problem}");
}

#[test]
fn a_secret_may_be_in_a_file_beside_the_configuration() {
    for (content, expected) in
        [("s1", "s1"), ("s2\n", "s2"), ("s3\r\n", "s3"), ("s4\n\n", "s4\n"), (" s5 ", " s5 ")]
    {
        let file = Written::new("[accounts.a]\nprovider = \"p\"\npassword_file = \"pass\"");
        let settings = file.with("pass", content);
        let secret = settings.load(&[]).unwrap().accounts["a"].required_secret("password").unwrap();
        assert_eq!(secret.expose_secret(), expected);
    }
}

#[test]
fn the_path_of_a_secret_may_come_from_a_variable() {
    let file = Written::new("").with("pass", "from a file\n");
    let path = file.folder.path().join("pass");
    let settings = load_variables(&[
        ("GUICHET__ACCOUNTS__A__PROVIDER", "p"),
        ("GUICHET__ACCOUNTS__A__PASSWORD_FILE", path.to_str().unwrap()),
    ])
    .unwrap();
    let secret = settings.accounts["a"].required_secret("password").unwrap();
    assert_eq!(secret.expose_secret(), "from a file");
}

#[test]
fn a_secret_file_that_is_no_good_is_named() {
    let large = "x".repeat(65 * 1024);
    for (content, hint) in [
        (None, "pass cannot be read: No such file"),
        (Some(&b"\n"[..]), "the secret is empty"),
        (Some(&b"\xff\xfe"[..]), "UTF-8"),
        (Some(large.as_bytes()), "larger than 64 KiB"),
    ] {
        let mut file = Written::new("[accounts.a]\nprovider = \"p\"\npassword_file = \"pass\"");
        if let Some(content) = content {
            file = file.with("pass", content);
        }
        let problem = file.load(&[]).unwrap().accounts["a"].secret("password").unwrap_err().to_string();
        assert!(problem.starts_with("accounts.a.password_file: "), "{problem}");
        assert!(problem.contains(hint), "{problem}");
    }
}

#[test]
fn two_sources_of_one_secret_are_an_error() {
    let password = ("GUICHET__ACCOUNTS__A__PASSWORD", CANARY);
    let path = ("GUICHET__ACCOUNTS__A__PASSWORD_FILE", "pass");
    for (block, variables) in [
        ("password = \"canary-1\"\npassword_file = \"pass\"", &[][..]),
        ("password = \"canary-1\"", &[password]),
        ("password = \"canary-1\"", &[path]),
        ("password_file = \"pass\"", &[password]),
        ("password_file = \"pass\"", &[path]),
        ("", &[password, path]),
    ] {
        let file = Written::new(&format!("[accounts.a]\nprovider = \"p\"\n{block}")).with("pass", "x");
        let settings = file.load(variables).unwrap();
        let problem = settings.accounts["a"].secret("password").unwrap_err().to_string();
        assert!(problem.starts_with("accounts.a.password: is given twice"), "{problem}");
        assert!(!problem.contains("canary"), "{problem}");
        for (name, _) in variables {
            assert!(problem.contains(name), "{problem}");
        }
    }
}

#[test]
fn debug_and_errors_leak_nothing() {
    let toml = format!(
        "[store]\nurl = \"postgres://u:{CANARY}@h/d\"\n[accounts.a]\nprovider = \"p\"\npassword = \"{CANARY}\""
    );
    let variables = [("GUICHET__ACCOUNTS__A__KEY", CANARY)];
    let settings = load_both(&toml, &variables).unwrap();
    let account = &settings.accounts["a"];
    let shown = format!(
        "{settings:#?} {account:?} {:?} {:?} {:?} {:?}",
        environment(&variables),
        account.secret("password"),
        account.integer("password", 0..=1),
        account.boolean("key").map_err(|problem| problem.to_string()),
    );
    assert!(!shown.contains(CANARY), "{shown}");
    let toml = format!("[store]\nurl = \"mysql://u:{CANARY}@h/d\"\n[accounts.a]\npasword = \"{CANARY}\"");
    let errors = load_both(&toml, &variables).unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains(CANARY), "{errors}");
}
