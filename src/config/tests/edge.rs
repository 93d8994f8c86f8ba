//! TLS of the listener, and whose word on who calls is taken.

use super::*;

const TLS: &str = "[server.tls]\ncert_file = \"cert\"\nkey_file = \"key\"\nclient_ca_file = \"ca\"\n";

/// A configuration with an account, these blocks before it, and a client with these keys of its own.
fn with_client(blocks: &str, client: &str) -> String {
    format!(
        "{blocks}\n[accounts.a-shop]\nprovider = \"p\"\n[[auth.clients]]\nname = \"one\"\n{client}\n\
         scopes = [\"orders:read\"]\naccounts = [\"*\"]\n"
    )
}

#[test]
fn clients_without_keys() {
    let gateway = "[auth.gateway]\ntrusted_peers = [\"10.1.0.0/16\"]\nclient_header = \"X-Who\"\n";
    let settings = load_both(&with_client(gateway, "via_gateway = true"), &[]).unwrap();
    assert_eq!(settings.auth.gateway.client_header, "x-who");
    assert!(settings.auth.gateway.is_on() && settings.auth.clients[0].via_gateway);
    settings.validate_for_serve().unwrap();
    let toml = with_client(TLS, "certificates = [\"Shop.Internal\", \"spiffe://c/Shop\"]");
    let settings = load_both(&toml, &[]).unwrap();
    assert_eq!(settings.auth.clients[0].certificates, ["shop.internal", "spiffe://c/Shop"]);
    assert!(!sandbox_defaults().auth.gateway.is_on(), "off by default");
    assert!(sandbox_defaults().server.tls.is_none(), "off by default");
}

#[test]
fn trust_that_is_wrong() {
    let gateway = |key: &str| format!("[auth.gateway]\ntrusted_peers = [\"10.0.0.1\"]\n{key}\n");
    let key = "key_sha256 = [\"c0ffee0000000000000000000000000000000000000000000000000000c0ffee\"]";
    let both = format!("{key}\ncertificates = [\"a.b\"]");
    for (blocks, client, start, hint) in [
        ("", "", "auth.clients[0].key_sha256: must have 1 to 4", "via_gateway"),
        ("", "via_gateway = false", "auth.clients[0].key_sha256: must have 1 to 4", ""),
        ("", "via_gateway = true", "auth.clients[0].via_gateway: needs auth.gateway", "nobody"),
        ("", both.as_str(), "auth.clients[0].certificates: needs server.tls.client_ca_file", ""),
        (
            TLS,
            "certificates = [\"*.internal\"]",
            "auth.clients[0].certificates: must be a DNS name",
            "*.internal",
        ),
        (TLS, "certificates = [\"sha256:beef\"]", "auth.clients[0].certificates: must be", "64 hex"),
        (TLS, "certificates = [\"a.b\", \"A.b\"]", "auth.clients[0].certificates: `a.b` is listed twice", ""),
        (
            "[auth.gateway]\ntrusted_peers = [\"0.0.0.0/0\"]",
            key,
            "auth.gateway.trusted_peers: `0.0.0.0/0`",
            "everybody",
        ),
        (
            "[auth.gateway]\ntrusted_peers = [\"::/0\"]",
            key,
            "auth.gateway.trusted_peers: `::/0`",
            "everybody",
        ),
        (
            "[auth.gateway]\ntrusted_peers = [\"gateway\"]",
            key,
            "auth.gateway.trusted_peers: must be networks",
            "",
        ),
        (
            "[auth.gateway]\ntrusted_certificates = [\"gw\"]",
            key,
            "auth.gateway.trusted_certificates: needs server.tls.client_ca_file",
            "",
        ),
        (
            &gateway("client_header = \"Authorization\""),
            key,
            "auth.gateway.client_header: `authorization`",
            "",
        ),
        (&gateway("client_header = \"X Who\""), key, "auth.gateway.client_header: must be the name", ""),
        (&gateway("trusted_peer = []"), key, "auth.gateway.trusted_peer: unknown key", "`trusted_peers`"),
        ("[server.tls]\ncert_file = \"a\"", key, "server.tls.key_file: is missing", "private key"),
        ("[server.tls]\nkey_file = \"a\"", key, "server.tls.cert_file: is missing", "off"),
        ("[server.tls]\nclient_ca_file = \"a\"", key, "server.tls.cert_file: is missing", "off"),
        (
            "[server.tls]\nclient_certificates = \"yes\"",
            key,
            "server.tls.client_certificates: must be one of",
            "yes",
        ),
        ("[server]\ndrain_wait_ms = 60001", key, "server.drain_wait_ms: must be 0 to 60000", ""),
    ] {
        check_one(&load_both(&with_client(blocks, client), &[]).unwrap_err(), start, hint);
    }
}

/// They are read when they are used: what only asks for health does not need them.
#[test]
fn files_of_tls_are_read_late_and_named_when_they_cannot() {
    let file = Written::new(TLS).with("cert", "C").with("key", "K").with("ca", "A");
    let tls = file.load(&[]).unwrap().server.tls.unwrap();
    assert!(tls.asks_callers());
    assert_eq!(tls.material().unwrap().callers.unwrap().1, ClientCertificates::Required);
    let file = Written::new(TLS).with("key", "K");
    let tls = file.load(&[]).unwrap().server.tls.unwrap();
    let text = tls.material().unwrap_err().to_string();
    assert!(
        text.contains("server.tls.cert_file: ") && text.contains("server.tls.client_ca_file: "),
        "{text}"
    );
    assert!(!text.contains("key_file"), "{text}");
    let written = "[server.tls]\ncert_file = \"cert\"\nkey = \"PRIVATE-WORDS\"\n";
    let file = Written::new(written).with("cert", "C");
    let tls = file.load(&[]).unwrap().server.tls.unwrap();
    let material = tls.material().unwrap();
    assert!(!format!("{tls:?} {material:?}").contains("PRIVATE-WORDS"));
}
