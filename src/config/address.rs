//! Addresses: of providers, of this service, of the store, and networks.

use std::net::IpAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::error::KeyError;

/// Checks the address of a provider and gives it in its normal spelling (an empty path becomes `/`). It must be
/// `https://`; `http://` is permitted to loopback, elsewhere only with `allow_http`. User name, password, query and
/// fragment have no place in it.
///
/// # Errors
/// One that names `key` and says what would be right.
pub fn check_provider_url(key: &str, url: &str, allow_http: bool) -> Result<String, KeyError> {
    let parsed = plain_url(url).map_err(|problem| KeyError::new(key, problem))?;
    if parsed.scheme() == "http" && !allow_http && !is_loopback(&parsed) {
        let wrong =
            "must be https://; http:// is for loopback only, unless the account says `allow_http = true`";
        return Err(KeyError::new(key, wrong));
    }
    Ok(parsed.into())
}

/// An http or https address without user name, password, query and fragment.
pub(super) fn plain_url(text: &str) -> Result<Url, String> {
    const RIGHT: &str = "must be an address such as https://host.example/path";
    let url = Url::parse(text).map_err(|error| format!("{RIGHT}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{RIGHT}: only https and http are understood"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{RIGHT}, without user name and password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{RIGHT}, without `?` and `#`"));
    }
    Ok(url)
}

/// Whether an address is on this machine. Names are not resolved: only `localhost` counts.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Where orders and operations are kept.
#[derive(Debug, Clone)]
pub enum StoreUrl {
    /// One SQLite file; a relative path starts at the working directory.
    Sqlite(PathBuf),
    /// A Postgres connection URL, which may hold a password.
    Postgres(SecretString),
}

impl PartialEq for StoreUrl {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sqlite(one), Self::Sqlite(other)) => one == other,
            (Self::Postgres(one), Self::Postgres(other)) => one.expose_secret() == other.expose_secret(),
            (Self::Sqlite(_), Self::Postgres(_)) | (Self::Postgres(_), Self::Sqlite(_)) => false,
        }
    }
}

impl Eq for StoreUrl {}

impl StoreUrl {
    /// Understands `sqlite://FILE` and `postgres://...`.
    pub(super) fn parse(url: &SecretString) -> Option<Self> {
        let text = url.expose_secret();
        if let Some(path) = text.strip_prefix("sqlite://") {
            let is_plain = !path.is_empty() && !path.contains(['?', '#']) && !path.contains(char::is_control);
            return is_plain.then(|| Self::Sqlite(PathBuf::from(path)));
        }
        let parsed = Url::parse(text).ok()?;
        let is_postgres = matches!(parsed.scheme(), "postgres" | "postgresql") && parsed.has_host();
        is_postgres.then(|| Self::Postgres(url.clone()))
    }
}

/// A network, such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Whether an address is in it. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.prefix) == Some(self.address)
            && self.address.is_ipv4() == address.to_canonical().is_ipv4()
    }

    /// Whether every address is in it.
    pub(super) fn is_everybody(&self) -> bool {
        self.prefix == 0
    }

    /// Understands `address/prefix`, and an address alone as a network of one.
    ///
    /// # Errors
    /// Words that say what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("must be networks such as 10.0.0.0/8 or fd00::/8, not `{text}`");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| wrong())?,
            None => longest,
        };
        match masked(address, prefix) {
            Some(network) if network == address => Ok(Self { address, prefix }),
            Some(network) => {
                Err(format!("`{text}` is an address in a network; write {network}/{prefix} or {address}"))
            }
            None => Err(format!("{}; the prefix is at most {longest}", wrong())),
        }
    }
}

/// The address with all bits after the prefix cleared; nothing when the prefix is too long for it.
fn masked(address: IpAddr, prefix: u32) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix)?).unwrap_or(0);
            Some(IpAddr::from((u32::from(address) & mask).to_be_bytes()))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix)?).unwrap_or(0);
            Some(IpAddr::from((u128::from(address) & mask).to_be_bytes()))
        }
    }
}
