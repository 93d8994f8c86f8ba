//! Where the store is, and networks.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
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
pub struct Network(IpNet);

impl Network {
    /// Whether an address is in it. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether every address is in it.
    pub(super) fn is_everybody(&self) -> bool {
        self.0.prefix_len() == 0
    }

    /// Understands `address/prefix`, and an address alone as a network of one.
    ///
    /// # Errors
    /// Words that say what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("must be networks such as 10.0.0.0/8 or fd00::/8, not `{text}`");
        let Some((address, prefix)) = text.split_once('/') else {
            return text.parse::<IpAddr>().map(|address| Self(address.into())).map_err(|_| wrong());
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let longest = IpNet::from(address).max_prefix_len();
        let network = IpNet::new(address, prefix)
            .map_err(|_| format!("{}; the prefix is at most {longest}", wrong()))?;
        let first = network.network();
        if first != address {
            return Err(format!("`{text}` is an address in a network; write {first}/{prefix} or {address}"));
        }
        Ok(Self(network))
    }
}
