//! Whose word on who calls is taken: a trusted gateway's, and a certificate's.

use std::net::SocketAddr;

use guichet::config::{
    AllowedAccounts, AuthMode, AuthSettings, ClientSettings, Network, Scope, api_key, sandbox_defaults,
};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::{
    authority::{Authority, Identity, connect, get, status, write},
    program::PATIENCE,
    tls::settings,
};
use crate::rig::{Rig, path};

const KEY: &str = "gk_0123456789012345678901234567890123456789012";
const HEADER: &str = "x-guichet-client";

/// A client that may read and sees one account.
fn client(name: &str, account: &str) -> ClientSettings {
    ClientSettings {
        name: name.to_owned(),
        key_sha256: Vec::new(),
        certificates: Vec::new(),
        via_gateway: true,
        scopes: [Scope::OrdersRead].into(),
        accounts: AllowedAccounts::Named([account.to_owned()].into()),
    }
}

fn auth(peers: &[&str]) -> AuthSettings {
    let mut auth = sandbox_defaults().auth;
    auth.mode = AuthMode::ApiKey;
    auth.gateway.trusted_peers = peers.iter().map(|peer| Network::parse(peer).unwrap()).collect();
    let keyed = ClientSettings {
        key_sha256: vec![api_key::sha256(KEY)],
        via_gateway: false,
        ..client("keyed", "epaync")
    };
    auth.clients = vec![client("shop", "systempay"), client("reports", "epaync"), keyed];
    auth
}

async fn rig(auth: AuthSettings) -> Rig {
    Rig::with(|settings| settings.auth = auth).await
}

#[tokio::test]
async fn a_trusted_peer_names_a_configured_client() {
    let rig = rig(auth(&["10.0.0.0/8", "127.0.0.0/8"])).await;
    let bearer = format!("Bearer {KEY}");
    for (what, headers, status) in [
        ("the client", vec![(HEADER, "shop")], 200),
        ("a client of another account", vec![(HEADER, "reports")], 404),
        ("a client that no gateway may name", vec![(HEADER, "keyed")], 401),
        ("a client that is not configured", vec![(HEADER, "admin")], 401),
        ("another spelling", vec![(HEADER, "Shop")], 401),
        ("no name", vec![(HEADER, "")], 401),
        ("two names in one", vec![(HEADER, "shop, reports")], 401),
        ("the gateway's word behind a caller's own", vec![(HEADER, "shop"), (HEADER, "reports")], 401),
        ("the same word twice", vec![(HEADER, "shop"), (HEADER, "shop")], 401),
        ("nobody", vec![], 401),
        ("a key goes first", vec![(HEADER, "shop"), ("x-api-key", KEY)], 404),
        ("a token goes first", vec![(HEADER, "shop"), ("authorization", &bearer)], 404),
        ("a wrong key", vec![(HEADER, "shop"), ("x-api-key", "gk_wrong")], 401),
        ("another scheme", vec![(HEADER, "shop"), ("authorization", "Basic c2hvcDo=")], 401),
    ] {
        let seen = rig.send(Method::GET, &path(), &headers, None).await;
        assert_eq!(seen.status, status, "{what}: {seen:?}");
    }
    // What it may do comes from the configuration, whatever else the gateway says.
    let headers = [(HEADER, "shop"), ("x-scopes", "orders:cancel"), ("idempotency-key", "k")];
    let seen = rig.send(Method::POST, &format!("{}/cancel", path()), &headers, None).await;
    assert_eq!(seen.problem(), (403, "forbidden"));
    rig.stop().await;
}

#[tokio::test]
async fn from_anybody_else_the_header_is_nothing() {
    for (what, auth) in [("other peers", auth(&["10.0.0.0/8", "::1/128"])), ("off", auth(&[]))] {
        let rig = rig(auth).await;
        for forwarded in ["x-forwarded-for", "x-real-ip", "forwarded", "x-client-cert", "accept-language"] {
            let value = if forwarded == "forwarded" { "for=10.0.0.1" } else { "10.0.0.1" };
            let headers = [(HEADER, "shop"), (forwarded, value)];
            let seen = rig.send(Method::GET, &path(), &headers, None).await;
            assert_eq!(seen.problem(), (401, "unauthenticated"), "{what}, {forwarded}");
        }
        // It does not harm whoever proves who it is.
        let seen = rig.send(Method::GET, "/accounts", &[(HEADER, "shop"), ("x-api-key", KEY)], None).await;
        assert_eq!((seen.status, &seen.json["items"][0]["name"]), (200, &json!("epaync")), "{what}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_certificate_is_a_client_or_a_gateway() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let toml = write(folder.path(), &authority, &authority.issue(&["localhost"]));
    let ca = folder.path().join("ca.pem");
    let toml = format!("{toml}client_ca_file = \"{}\"\nclient_certificates = \"optional\"\n", ca.display());
    let tls = settings(folder.path(), &toml).server.tls;
    let hashed = authority.issue(&["whatever.internal"]);
    let mut auth = auth(&[]);
    auth.gateway.trusted_certificates = ["gateway.internal".to_owned()].into();
    let certificates = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    auth.clients[0].certificates = certificates(&["shop.internal", "spiffe://cluster/shop", &hashed.hash()]);
    auth.clients[1].certificates = certificates(&["reports.internal"]);
    let rig = Rig::with(|settings| (settings.auth, settings.server.tls) = (auth, tls)).await;
    let address: SocketAddr = rig.url.trim_start_matches("http://").parse().unwrap();
    let named = |name: &str| format!("X-Guichet-Client: {name}\r\n");
    let (shop, key) = (named("shop"), format!("X-API-Key: {KEY}\r\n"));
    let issue = |names: &[&str]| Some(authority.issue(names));
    let gateway = || issue(&["gateway.internal"]);
    let both = [shop.as_str(), key.as_str()].concat();
    for (what, identity, headers, wanted) in [
        ("by a DNS name", issue(&["other.internal", "SHOP.internal"]), "", 200),
        ("by a URI", issue(&["spiffe://cluster/shop"]), "", 200),
        ("by its hash", Some(hashed), "", 200),
        ("another client", issue(&["reports.internal"]), "", 404),
        ("nobody's name", issue(&["evil.internal"]), "", 401),
        ("a name within a name", issue(&["shop.internal.evil.example", "x.shop.internal"]), "", 401),
        ("a wildcard", issue(&["*.internal"]), "", 401),
        ("another URI", issue(&["spiffe://cluster/shop/x"]), "", 401),
        ("two clients at once", issue(&["shop.internal", "reports.internal"]), "", 401),
        ("no certificate", None, "", 401),
        ("a key goes first", issue(&["shop.internal"]), key.as_str(), 404),
        ("a wrong key", issue(&["shop.internal"]), "X-API-Key: gk_wrong\r\n", 401),
        ("the gateway for a client", gateway(), shop.as_str(), 200),
        ("the gateway for another", gateway(), &named("reports"), 404),
        ("the gateway for nobody", gateway(), "", 401),
        ("the gateway for one it may not name", gateway(), &named("keyed"), 401),
        ("the gateway with a key beside", gateway(), both.as_str(), 404),
        ("a client as if it were the gateway", issue(&["reports.internal"]), shop.as_str(), 404),
        ("a stranger as if it were the gateway", issue(&["evil.internal"]), shop.as_str(), 401),
        ("nobody as if it were the gateway", None, shop.as_str(), 401),
    ] {
        let config = authority.client(identity.as_ref());
        let seen = status(address, &config, &path(), headers).await.unwrap();
        assert_eq!(seen, wanted, "{what}");
    }
    let foreign: Identity = Authority::new().issue(&["shop.internal"]);
    let config = authority.client(Some(&foreign));
    assert!(status(address, &config, &path(), "").await.is_err(), "of another issuer: no connection");
    rig.stop().await;
}

/// A connection lives on after its handshake, which alone looks at the certificate.
#[tokio::test]
async fn other_files_end_the_connections_of_certificates_and_no_other() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = authority.issue(&["localhost"]);
    let toml = write(folder.path(), &authority, &server);
    let ca = folder.path().join("ca.pem");
    let toml = format!("{toml}client_ca_file = \"{}\"\nclient_certificates = \"optional\"\n", ca.display());
    let tls = settings(folder.path(), &toml).server.tls;
    let mut auth = auth(&[]);
    auth.clients[0].certificates = ["shop.internal".to_owned()].into();
    auth.clients[0].via_gateway = false;
    auth.clients[1].via_gateway = false;
    auth.clients[1].key_sha256 = vec![api_key::sha256("key-of-reports")];
    let mut same = None;
    let rig = Rig::with(|settings| {
        (settings.auth, settings.server.tls) = (auth, tls);
        same = Some(settings.clone());
    })
    .await;
    let address: SocketAddr = rig.url.trim_start_matches("http://").parse().unwrap();
    let shop = authority.client(Some(&authority.issue(&["shop.internal"])));
    let mut certified = connect(address, &shop).await.unwrap();
    let mut keyed = connect(address, &authority.client(None)).await.unwrap();
    let key = format!("X-API-Key: {KEY}\r\n");
    assert_eq!(get(&mut certified, &path(), "").await.unwrap().0, 200);
    assert_eq!(get(&mut keyed, "/accounts", &key).await.unwrap().0, 200);

    // Callers of the first authority are not known any more.
    write(folder.path(), &Authority::new(), &server);
    rig.reload.apply(same.unwrap()).unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, certified.read_to_end(&mut rest)).await;
    ended.expect("the connection of a certificate goes on").unwrap();
    assert!(rest.is_empty());
    assert!(status(address, &shop, &path(), "").await.is_err());
    assert_eq!(get(&mut keyed, "/accounts", &key).await.unwrap().0, 200, "a key proves itself each time");
    rig.stop().await;
}
