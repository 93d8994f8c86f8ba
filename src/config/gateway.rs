//! Who may say for whom a request is: `[auth.gateway]`, and the certificates of clients.

use std::collections::BTreeSet;

use ::http::HeaderName;

use super::address::Network;
use super::section::{Read, Section};
use guichet_port::settings::KeyError;

/// Headers with a meaning of their own; none of them can name a client.
const TAKEN: [&str; 12] = [
    "authorization",
    "x-api-key",
    "cookie",
    "host",
    "connection",
    "content-type",
    "content-length",
    "accept",
    "idempotency-key",
    "if-match",
    "x-request-id",
    "traceparent",
];

/// `[auth.gateway]`: peers whose word on who calls is taken. Nobody's is when both lists are empty.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// Networks the gateway connects from.
    pub trusted_peers: Vec<Network>,
    /// Certificates the gateway shows: names, URIs, or `sha256:` and a hash.
    pub trusted_certificates: BTreeSet<String>,
    /// The header that names a configured client.
    pub client_header: HeaderName,
}

impl GatewaySettings {
    pub(super) fn read(mut section: Section<'_>) -> Read<Self> {
        let trusted_peers = section.list("trusted_peers", |text| {
            let network = Network::parse(text)?;
            if network.is_everybody() {
                return Err(format!("`{text}` is everybody, so anybody could be any client"));
            }
            Ok(network)
        });
        let trusted_certificates = section.list("trusted_certificates", certificate_id);
        let client_header = section.parsed("client_header", |text| match text.parse::<HeaderName>() {
            Ok(name) if TAKEN.contains(&name.as_str()) => Err(format!("`{name}` has another meaning")),
            Ok(name) => Ok(name),
            Err(_) => Err(format!("must be the name of a header, not `{text}`")),
        });
        section.finish();
        Ok(Self {
            trusted_peers: trusted_peers?,
            trusted_certificates: trusted_certificates?.into_iter().collect(),
            client_header: client_header?,
        })
    }

    /// Whether anybody is trusted.
    pub fn is_on(&self) -> bool {
        !self.trusted_peers.is_empty() || !self.trusted_certificates.is_empty()
    }

    /// What is wrong when no certificate can be shown.
    pub(super) fn without_certificates(&self) -> Option<KeyError> {
        (!self.trusted_certificates.is_empty())
            .then(|| KeyError::new("auth.gateway.trusted_certificates", NO_CERTIFICATES))
    }
}

/// Certificates are configured and nobody can show one.
pub(super) const NO_CERTIFICATES: &str =
    "needs server.tls.client_ca_file: without it nobody can show a certificate";

/// What a certificate is known by: `sha256:` and the hash of the whole certificate in hex, a DNS name among its subject's
/// alternative names, or a URI among them.
pub(super) fn certificate_id(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "must be a DNS name or a URI of the certificate, such as shop.internal or spiffe://cluster/shop, or \
             `sha256:` and 64 hex digits, not `{text}`"
        )
    };
    if let Some(hash) = text.strip_prefix("sha256:") {
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        return is_hash.then(|| text.to_ascii_lowercase()).ok_or_else(wrong);
    }
    if text.contains("://") {
        let is_uri = text.len() <= 512 && text.bytes().all(|byte| byte.is_ascii_graphic());
        return is_uri.then(|| text.to_owned()).ok_or_else(wrong);
    }
    // No wildcards: which names one stands for is nothing to decide who pays by.
    let is_name = (1..=253).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    is_name.then(|| text.to_ascii_lowercase()).ok_or_else(wrong)
}
