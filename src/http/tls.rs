//! TLS of the API's listener, which can be replaced while it runs.

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::{
    Error, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{peer::certificate_ids, stall::Moving};
use crate::config::{ClientCertificates, ConfigErrors, TlsSettings};

/// The certificate in force. Connections keep the one they began with.
#[derive(Debug)]
pub struct Tls(RwLock<InForce>);

#[derive(Debug, Clone)]
struct InForce {
    config: Arc<ServerConfig>,
    /// Cancelled when another one is put in force.
    replaced: CancellationToken,
}

/// The result of a handshake.
#[derive(Debug)]
pub(super) struct Shaken {
    /// What the caller's certificate is known by, nothing when it showed none.
    pub(super) certificate: Vec<String>,
    /// Cancelled when certificates of callers are checked by other files than this one was.
    pub(super) replaced: CancellationToken,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Files that cannot be read, or that hold something else, by the key that names them.
    pub fn new(settings: &TlsSettings) -> Result<Self, ConfigErrors> {
        let config = Arc::new(server_config(settings)?);
        Ok(Self(RwLock::new(InForce { config, replaced: CancellationToken::new() })))
    }

    /// Puts another certificate in force for new connections. Sessions of the old one are not resumed.
    pub fn replace(&self, with: Self) {
        let with = with.0.into_inner();
        let mut in_force = self.0.write();
        std::mem::replace(&mut *in_force, with).replaced.cancel();
    }

    /// Shakes hands; gives what that told of the caller.
    pub(super) async fn accept(&self, stream: Moving) -> std::io::Result<(TlsStream<Moving>, Shaken)> {
        let InForce { config, replaced } = self.0.read().clone();
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(certificate_ids).unwrap_or_default();
        Ok((stream, Shaken { certificate, replaced }))
    }
}

fn server_config(settings: &TlsSettings) -> Result<ServerConfig, ConfigErrors> {
    let material = settings.material()?;
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&material.chain).map_err(|wrong| settings.wrong_cert(wrong))?;
    // What the parser says might repeat a line of the key.
    let key = PrivateKeyDer::from_pem_slice(material.key.expose_secret().as_bytes()).map_err(|_| {
        settings.wrong_key("holds no private key (PEM with PKCS #8, PKCS #1 or SEC1, not encrypted)")
    })?;
    let callers: Arc<dyn ClientCertVerifier> = match &material.callers {
        None => WebPkiClientVerifier::no_client_auth(),
        Some((pem, wanted)) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(pem).map_err(|wrong| settings.wrong_client_ca(wrong))? {
                let added = roots.add(root);
                added.map_err(|error| {
                    settings.wrong_client_ca(format!("holds a certificate that cannot be used: {error}"))
                })?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            let verifier = match wanted {
                ClientCertificates::Required => verifier,
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
            };
            verifier.build().map_err(|error| settings.wrong_client_ca(error.to_string()))?
        }
    };
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| settings.wrong_cert(error.to_string()))?
        .with_client_cert_verifier(callers);
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        if matches!(error, Error::InconsistentKeys(_)) {
            settings.wrong_key("is not the private key of the first certificate in cert_file")
        } else if matches!(error, Error::InvalidCertificate(_)) {
            settings.wrong_cert("its first certificate cannot be read")
        } else {
            settings.wrong_key(format!("cannot be used: {error}"))
        }
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if material.callers.is_some() {
        // A resumed session takes the caller's certificate over and does not look at its time again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

fn certificates(pem: &SecretString) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.expose_secret().as_bytes()).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => Err("holds no certificate (PEM)".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err("is not valid PEM".to_owned()),
    }
}
