//! Where the store is, and networks.

use std::net::IpAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

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
