use serde_json::{Value, json};

use super::*;

fn read(claims: Value) -> Result<Bearer, Denied> {
    bearer(&serde_json::from_value(claims).unwrap())
}

#[test]
fn scopes_and_accounts_come_in_the_shapes_that_issuers_write() {
    let both = BTreeSet::from([Scope::OrdersRead, Scope::OrdersCancel]);
    for claims in [
        json!({"sub": "a", "scope": "openid orders:read  orders:cancel"}),
        json!({"sub": "a", "scp": ["orders:read", "orders:cancel", "Orders:Refund"]}),
        json!({"sub": "a", "scope": "orders:read", "scp": "orders:cancel"}),
    ] {
        assert_eq!(read(claims.clone()).unwrap().scopes, both, "{claims}");
    }
    for (accounts, expected) in [
        (json!("*"), AllowedAccounts::All),
        (json!(["*"]), AllowedAccounts::All),
        (json!(["a", "b"]), AllowedAccounts::Named(["a".to_owned(), "b".to_owned()].into())),
        (Value::Null, AllowedAccounts::Named(BTreeSet::new())),
        (json!([]), AllowedAccounts::Named(BTreeSet::new())),
    ] {
        assert_eq!(read(json!({"sub": "a", "accounts": accounts})).unwrap().accounts, expected);
    }
    assert!(read(json!({"sub": "a"})).unwrap().scopes.is_empty());
}

#[test]
fn the_client_is_named_so_that_it_cannot_be_taken_for_one_with_a_key() {
    assert_eq!(read(json!({"sub": "uuid", "client_id": "shop"})).unwrap().name, "jwt:shop");
    assert_eq!(read(json!({"sub": "uuid"})).unwrap().name, "jwt:uuid");
    for name in ["", "a b", "a\u{7}", "é", &"x".repeat(129)] {
        assert_eq!(read(json!({"sub": name})), Err(Denied::Nameless), "{name}");
    }
    assert_eq!(read(json!({})), Err(Denied::Nameless));
}

#[test]
fn what_a_token_began_ends_with_it() {
    let now = Timestamp::from_millis(1_800_000_000_000);
    for (exp, seconds) in [
        ("1800000300", 300),
        ("1800000300.75", 300),
        ("1.8000003e9", 300),
        // Taken within the leeway.
        ("1799999990", 20),
        ("1e300", 0),
        ("-1e300", 0),
    ] {
        let number: serde_json::Number = serde_json::from_str(exp).unwrap();
        assert_eq!(expires_at(Some(&number), now), now.plus(Duration::from_secs(seconds)), "{exp}");
    }
    assert_eq!(expires_at(None, now), now);
}

#[test]
fn every_algorithm_that_may_be_configured_is_known_and_no_other() {
    for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
        assert!(signature::algorithm(name).is_some(), "{name}");
    }
    for name in ["HS256", "HS384", "HS512", "none", "None", "rs256", ""] {
        assert!(signature::algorithm(name).is_none(), "{name}");
    }
}
