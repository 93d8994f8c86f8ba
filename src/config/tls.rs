//! `[server.tls]`: TLS of the API's listener. Its files are read when they are used, so that `guichet health` does not
//! depend on them.

use secrecy::SecretString;

use super::error::ConfigErrors;
use super::section::{Read, Section};
use guichet_port::settings::{KeyError, RawValue, secret};

const CERT: &str = "server.tls.cert";
const KEY: &str = "server.tls.key";
const CLIENT_CA: &str = "server.tls.client_ca";

/// What is asked of callers when `client_ca_file` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Who shows none is not let in.
    Required,
    /// Who shows none is let in and needs another credential.
    Optional,
}

/// `[server.tls]`, when `cert_file` is set.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    cert_file: RawValue,
    key: Option<RawValue>,
    key_file: Option<RawValue>,
    client_ca_file: Option<RawValue>,
    client_certificates: ClientCertificates,
}

/// What the files hold, as PEM that nobody has looked into.
#[derive(Debug)]
pub struct TlsMaterial {
    /// The listener's certificate and those between it and a root.
    pub chain: SecretString,
    /// Its private key.
    pub key: SecretString,
    /// Who may issue the certificates of callers, and whether they must have one.
    pub callers: Option<(SecretString, ClientCertificates)>,
}

impl TlsSettings {
    pub(super) fn read(mut section: Section<'_>) -> Read<Option<Self>> {
        let [cert_file, key, key_file, client_ca_file] =
            ["cert_file", "key", "key_file", "client_ca_file"].map(|name| section.take(name));
        let choices =
            [("required", ClientCertificates::Required), ("optional", ClientCertificates::Optional)];
        let client_certificates = section.choice("client_certificates", &choices);
        let tls = match cert_file {
            Some(cert_file) if key.is_some() || key_file.is_some() => Ok(Some(cert_file)),
            Some(_) => Err(section.report(KeyError::new(
                section.path("key_file"),
                "is missing, although cert_file is set; a certificate is no use without its private key",
            ))),
            None if key.is_some() || key_file.is_some() || client_ca_file.is_some() => {
                Err(section.report(KeyError::new(
                    section.path("cert_file"),
                    "is missing, although other keys of this section are set; TLS is off without it",
                )))
            }
            None => Ok(None),
        };
        section.finish();
        let client_certificates = client_certificates?;
        Ok(tls?.map(|cert_file| Self { cert_file, key, key_file, client_ca_file, client_certificates }))
    }

    /// Whether callers may show a certificate.
    pub fn asks_callers(&self) -> bool {
        self.client_ca_file.is_some()
    }

    /// Reads the files.
    ///
    /// # Errors
    /// Every file that cannot be read, by the key that names it.
    pub fn material(&self) -> Result<TlsMaterial, ConfigErrors> {
        let chain = secret::resolve(CERT, None, Some(&self.cert_file));
        let key = secret::resolve(KEY, self.key.as_ref(), self.key_file.as_ref());
        let client_ca = secret::resolve(CLIENT_CA, None, self.client_ca_file.as_ref());
        match (chain, key, client_ca) {
            (Ok(Some(chain)), Ok(Some(key)), Ok(client_ca)) => {
                let callers = client_ca.map(|pem| (pem, self.client_certificates));
                Ok(TlsMaterial { chain, key, callers })
            }
            (chain, key, client_ca) => {
                let problems = [chain, key, client_ca].into_iter().filter_map(Result::err);
                Err(ConfigErrors::from(problems.collect::<Vec<_>>()))
            }
        }
    }

    /// A problem with the certificate.
    pub fn wrong_cert(&self, problem: impl Into<String>) -> ConfigErrors {
        vec![self.cert_file.error("server.tls.cert_file", problem)].into()
    }

    /// A problem with the private key. It must not repeat a part of it.
    pub fn wrong_key(&self, problem: impl Into<String>) -> ConfigErrors {
        vec![match (&self.key, &self.key_file) {
            (Some(key), _) => key.error(KEY, problem),
            (None, Some(file)) => file.error("server.tls.key_file", problem),
            (None, None) => KeyError::new(KEY, problem),
        }]
        .into()
    }

    /// A problem with the issuers of callers' certificates.
    pub fn wrong_client_ca(&self, problem: impl Into<String>) -> ConfigErrors {
        const NAME: &str = "server.tls.client_ca_file";
        vec![match &self.client_ca_file {
            Some(file) => file.error(NAME, problem),
            None => KeyError::new(NAME, problem),
        }]
        .into()
    }
}
