//! Who is at the other end of a connection.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

/// The other end of a connection; every request has it in its extensions.
#[derive(Debug)]
pub(super) struct Peer {
    /// The address it connected from.
    pub(super) address: IpAddr,
    /// What its certificate is known by, spelled as in the configuration. Empty when it showed none.
    pub(super) certificate: Vec<String>,
}

/// What a verified certificate is known by: its hash, and its alternative names. Wildcards are no names of anybody.
pub(super) fn certificate_ids(certificate: &CertificateDer<'_>) -> Vec<String> {
    let mut ids = vec![format!("sha256:{}", hex::encode(Sha256::digest(certificate)))];
    if let Ok(read) = webpki::EndEntityCert::try_from(certificate) {
        ids.extend(read.valid_dns_names().filter(|name| !name.contains('*')).map(str::to_ascii_lowercase));
        // Without `://` it could look like a DNS name or a hash.
        ids.extend(read.valid_uri_names().filter(|uri| uri.contains("://")).map(str::to_owned));
    }
    ids
}
