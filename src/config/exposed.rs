//! Files that hold secrets, and which of them others than their owner can read.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use secrecy::ExposeSecret;
use url::Url;

use guichet_port::settings::{Content, Origin, RawValue, Table};

/// Files that are named like those of secrets and hold none: certificates.
const PUBLIC: [&str; 2] = ["server.tls.cert_file", "server.tls.client_ca_file"];
/// Permissions of group and others to read.
const OTHERS_READ: u32 = 0o044;

/// The files that hold a secret: those that `x_file` names, and the configuration file itself when a secret is written there.
pub(super) fn secret_files(table: &Table) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    collect("", table, &mut files);
    files
}

fn collect(section: &str, table: &Table, files: &mut BTreeSet<PathBuf>) {
    for (key, value) in table {
        let path = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        match &value.content {
            Content::Table(below) => collect(&path, below, files),
            Content::List(members) => {
                for member in members {
                    if let Content::Table(below) = &member.content {
                        collect(&path, below, files);
                    }
                }
            }
            Content::Text(text) if key.ends_with("_file") => {
                if !PUBLIC.contains(&path.as_str()) {
                    files.insert(value.origin.resolve(text.expose_secret()));
                }
            }
            Content::Text(_) => files.extend(written_in_file(key, value)),
            Content::Integer(_) | Content::Boolean(_) | Content::Other(_) => {}
        }
    }
}

/// The configuration file, when this is a secret that is written there. Only the adapter of an account knows which of its
/// keys are secrets; all of them are called `password` or `key`, whatever stands before that word.
fn written_in_file(key: &str, value: &RawValue) -> Option<PathBuf> {
    let Origin::File(file) = &value.origin else { return None };
    let Content::Text(text) = &value.content else { return None };
    let is_named_so = matches!(key.rsplit('_').next(), Some("password" | "key"));
    let has_password = || Url::parse(text.expose_secret()).is_ok_and(|url| url.password().is_some());
    (is_named_so || has_password()).then(|| file.clone())
}

/// Those of the files that their group or others can read. One that cannot be looked at is told by its reader.
pub(super) fn readable_by_others(files: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let is_readable = |file: &&PathBuf| {
        fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & OTHERS_READ != 0)
    };
    files.iter().filter(is_readable).cloned().collect()
}
