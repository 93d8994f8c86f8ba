//! Which files with secrets others than their owner can read.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The names of the exposed files, when the configuration file and `secret` have these permissions.
fn exposed(toml: &str, variables: &[(&str, &str)], modes: [u32; 2]) -> Vec<String> {
    let written = Written::new(toml).with("secret", "sqlite://x.db");
    let secret = written.path().with_file_name("secret");
    set_mode(&written.path(), modes[0]);
    set_mode(&secret, modes[1]);
    let files = written.load(variables).unwrap().exposed_files();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(name).collect()
}

const ACCOUNT: &str = "[accounts.a]\nprovider = \"p\"\n";

#[test]
fn files_that_secrets_are_read_from() {
    let account = format!("{ACCOUNT}password_file = \"secret\"\nmore_file = \"secret\"");
    for mode in [0o644, 0o444, 0o640, 0o604] {
        assert_eq!(exposed(&account, &[], [0o644, mode]), ["secret"], "{mode:o}");
    }
    for mode in [0o600, 0o400, 0o700, 0o620] {
        assert!(exposed(&account, &[], [0o644, mode]).is_empty(), "{mode:o}");
    }
    assert_eq!(exposed("[store]\nurl_file = \"secret\"", &[], [0o600, 0o644]), ["secret"]);
    let tls = |name: &str| {
        let others = "cert_file = \"cert\"\nkey = \"k\"\n";
        let others = if name == "key_file" { "cert_file = \"cert\"\n" } else { others };
        let others = if name == "cert_file" { "key = \"k\"\n" } else { others };
        exposed(&format!("[server.tls]\n{others}{name} = \"secret\""), &[], [0o600, 0o644])
    };
    assert_eq!(tls("key_file"), ["secret"]);
    assert!(tls("cert_file").is_empty() && tls("client_ca_file").is_empty(), "certificates are no secrets");
    // One that is not there is told when it is read.
    let missing = format!("{ACCOUNT}password_file = \"missing\"");
    assert!(exposed(&missing, &[], [0o644, 0o600]).is_empty());
}

#[test]
fn the_configuration_file_when_a_secret_is_written_there() {
    for key in ["password", "previous_password", "secret_key", "previous_secret_key"] {
        let toml = format!("{ACCOUNT}{key} = \"canary\"");
        assert_eq!(exposed(&toml, &[], [0o644, 0o600]), ["guichet.toml"], "{key}");
        assert!(exposed(&toml, &[], [0o600, 0o600]).is_empty(), "{key}");
        let variable = format!("GUICHET__ACCOUNTS__A__{}", key.to_uppercase());
        assert!(
            exposed(ACCOUNT, &[(&variable, "canary")], [0o644, 0o600]).is_empty(),
            "{key} is not in the file"
        );
    }
    let harmless =
        format!("{ACCOUNT}key_version = \"1\"\nuser = \"016683\"\nbase_url = \"https://h.example/\"");
    assert!(exposed(&harmless, &[], [0o644, 0o600]).is_empty());
    let store = "[store]\nurl = \"postgres://guichet:canary@db.example/guichet\"";
    assert_eq!(exposed(store, &[], [0o644, 0o600]), ["guichet.toml"]);
    let client = "[[auth.clients]]\nname = \"c\"\naccounts = [\"*\"]\nscopes = [\"orders:read\"]\n\
                  key_sha256 = [\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"]";
    assert!(exposed(client, &[], [0o644, 0o600]).is_empty(), "a digest of a random key is no secret");
}
