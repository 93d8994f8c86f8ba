//! TLS of the listener itself: versions, certificates of callers, other files while it runs, and bad ones.

use std::{fs, time::Duration};

use guichet::config::{Environment, Settings, load};
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    authority::{Authority, Identity, connect, get, status, write},
    program::{Home, PATIENCE},
};
use crate::rig::{Rig, path};

/// Settings of a file with these lines and nothing else.
pub(super) fn settings(folder: &std::path::Path, toml: &str) -> Settings {
    let file = folder.join("guichet.toml");
    fs::write(&file, toml).unwrap();
    load(Some(&file), &Environment::default()).unwrap()
}

fn server_of(rig: &Rig) -> std::net::SocketAddr {
    rig.url.trim_start_matches("http://").parse().unwrap()
}

/// A service with these further keys of `[server.tls]`.
async fn serving(authority: &Authority, folder: &std::path::Path, more: &str) -> Rig {
    let toml = write(folder, authority, &authority.issue(&["localhost"]));
    let tls = settings(folder, &format!("{toml}{more}\n")).server.tls;
    assert!(tls.is_some());
    Rig::with(|settings| settings.server.tls = tls).await
}

#[tokio::test]
async fn both_versions_and_http_1_and_nothing_plain() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let rig = serving(&authority, folder.path(), "").await;
    let address = server_of(&rig);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut stream = connect(address, &authority.client_of(None, &[version])).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        for _ in 0..3 {
            assert_eq!(get(&mut stream, &path(), "").await.unwrap().0, 200, "the connection is kept");
        }
    }
    let stranger = Authority::new();
    assert!(connect(address, &stranger.client(None)).await.is_err());
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /accounts HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "nothing is told without TLS");
    // The probes are plain.
    assert_eq!(rig.get(&format!("{}/readyz", rig.ops_url)).await.status, 200);
    rig.stop().await;
}

#[tokio::test]
async fn certificates_of_callers_are_demanded_or_not() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let stranger = Authority::new();
    let (known, unknown) = (authority.issue(&["shop.internal"]), stranger.issue(&["shop.internal"]));
    for (words, without) in [("", false), ("client_certificates = \"optional\"", true)] {
        let ca = folder.path().join("ca.pem");
        let more = format!("client_ca_file = \"{}\"\n{words}", ca.display());
        let rig = serving(&authority, folder.path(), &more).await;
        let address = server_of(&rig);
        let ask = async |identity: Option<&Identity>| {
            status(address, &authority.client(identity), &path(), "").await.ok()
        };
        assert_eq!(ask(Some(&known)).await, Some(200), "{words}");
        assert_eq!(ask(Some(&unknown)).await, None, "{words}");
        assert_eq!(ask(None).await, without.then_some(200), "{words}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn new_files_are_taken_on_hangup_and_no_connection_is_cut() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let (first, second) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let toml = write(folder.path(), &authority, &first);
    let home = Home::new("", &toml).await;
    let mut program = home.start(None).await;
    let client = authority.client(None);
    let shown = async || {
        let stream = connect(program.address, &client).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let mut kept = connect(program.address, &client).await.unwrap();
    assert_eq!(get(&mut kept, &path(), "").await.unwrap().0, 200);
    assert_eq!(shown().await, first.der);

    write(folder.path(), &authority, &second);
    program.signal(Signal::HUP);
    program.says("the configuration was reloaded", 1).await;
    assert_eq!(shown().await, second.der);
    assert_eq!(get(&mut kept, &path(), "").await.unwrap().0, 200, "an open connection goes on");

    // Files that are no certificate, or of two different ones, change nothing.
    for (number, (name, text, key)) in [
        ("cert.pem", "nonsense".to_owned(), "server.tls.cert_file"),
        ("cert.pem", first.pem.clone(), "server.tls.key_file"),
    ]
    .into_iter()
    .enumerate()
    {
        write(folder.path(), &authority, &second);
        fs::write(folder.path().join(name), text).unwrap();
        program.signal(Signal::HUP);
        program.says("the old one stays", number + 1).await;
        assert!(program.has_said(key) > 0, "{key}");
        assert_eq!(shown().await, second.der);
        assert_eq!(get(&mut kept, &path(), "").await.unwrap().0, 200);
    }
    // Switching it off by a reload would change who can call in the middle of everything.
    home.configure("", "");
    program.signal(Signal::HUP);
    program.says("TLS cannot be switched off", 1).await;
    assert_eq!(shown().await, second.der);
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
}

#[tokio::test]
async fn bad_files_are_refused_by_words_that_name_the_key() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = authority.issue(&["localhost"]);
    let toml = write(folder.path(), &authority, &server);
    let ca = format!("client_ca_file = \"{}\"", folder.path().join("ca.pem").display());
    let home = Home::new("", &format!("{toml}{ca}")).await;
    let other_key = authority.issue(&["localhost"]).key_pem();
    let torn: String = server.pem.chars().take(server.pem.len() / 2).collect();
    let der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (name, text, words) in [
        ("cert.pem", "", "server.tls.cert_file: the secret is empty"),
        ("cert.pem", "hello", "server.tls.cert_file: holds no certificate"),
        ("cert.pem", torn.as_str(), "server.tls.cert_file: is not valid PEM"),
        ("cert.pem", der, "server.tls.cert_file: its first certificate cannot be read"),
        ("key.pem", "hello", "server.tls.key_file: holds no private key"),
        (
            "key.pem",
            other_key.as_str(),
            "server.tls.key_file: is not the private key of the first certificate",
        ),
        ("ca.pem", "hello", "server.tls.client_ca_file: holds no certificate"),
        ("ca.pem", der, "server.tls.client_ca_file: holds a certificate that cannot be used"),
    ] {
        write(folder.path(), &authority, &server);
        fs::write(folder.path().join(name), text).unwrap();
        for command in ["check", "serve"] {
            let (well, said) = home.run(command).await;
            assert!(!well && said.contains(words), "{command} with {name}: {said}");
            assert!(!said.contains("PRIVATE KEY"), "{said}");
        }
    }
    write(folder.path(), &authority, &server);
    fs::remove_file(folder.path().join("key.pem")).unwrap();
    let (well, said) = home.run("check").await;
    assert!(!well && said.contains("server.tls.key_file: ") && said.contains("cannot be read"), "{said}");
    write(folder.path(), &authority, &server);
    let (well, said) = home.run("check").await;
    assert!(well && said.contains("the configuration is valid"), "{said}");
}

/// The healthcheck of a container asks the plain ops listener, whatever became of the certificate meanwhile.
#[tokio::test]
async fn health_works_beside_tls() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let toml = write(folder.path(), &authority, &authority.issue(&["localhost"]));
    let home = Home::new("", &toml).await;
    let mut program = home.start(None).await;
    let text = fs::read_to_string(home.config()).unwrap();
    let asked = text.replace("ops_listen = \"127.0.0.1:0\"", &format!("ops_listen = \"{}\"", program.ops));
    fs::write(home.config(), asked).unwrap();
    assert_eq!(home.run("health").await, (true, "ready\n".to_owned()));
    fs::remove_file(folder.path().join("key.pem")).unwrap();
    assert_eq!(home.run("health").await, (true, "ready\n".to_owned()));
    program.signal(Signal::TERM);
    assert!(program.ended().await.success());
    assert!(!home.run("health").await.0);
}

/// Handshake and headers together have ten seconds, however they are spread.
#[tokio::test]
async fn a_handshake_that_stalls_ends_in_time() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let rig = serving(&authority, folder.path(), "").await;
    let (address, client) = (server_of(&rig), authority.client(None));
    let began = std::time::Instant::now();
    let silent = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    // The beginning of a ClientHello of 512 bytes.
    half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]).await.unwrap();
    let shaken = connect(address, &client).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    // Most of the time passes before the handshake begins: it does not start the clock again.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client.clone()));
    let mut late = connector.connect(name, &mut slow).await.unwrap();
    late.write_all(b"GET /accounts HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
    let over = async |mut stream: Box<dyn tokio::io::AsyncRead + Unpin + '_>| {
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "still open after a minute");
        began.elapsed()
    };
    let times = [
        over(Box::new(silent)).await,
        over(Box::new(half)).await,
        over(Box::new(shaken)).await,
        over(Box::new(late)).await,
    ];
    for took in times {
        assert!(took > Duration::from_secs(9) && took < Duration::from_secs(15), "{times:?}");
    }
    assert_eq!(status(address, &client, &path(), "").await.unwrap(), 200);
    rig.stop().await;
}
