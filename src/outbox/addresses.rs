//! Which addresses a delivery may go to. An endpoint's URL is chosen by a client: without this it could make guichet
//! call whatever the network lets guichet reach, its own ops listener or a cloud's metadata service included.
//!
//! The addresses are checked where they are resolved for the connection, and the connection goes to exactly these:
//! a name that resolves to something else a moment later gains nothing.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::{config::Network, domain::web_address::web_address};

/// IPv4 networks that are not the public internet, by the IANA special-purpose registry (read 2026-11-23), and the
/// metadata addresses that lie in public ones.
const REFUSED_V4: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this host"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier NAT"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "cloud metadata"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
];
/// Of the IPv6 addresses only these are the public internet ...
const PUBLIC_V6: &str = "2000::/3";
/// ... but for these.
const REFUSED_V6: &[(&str, &str)] = &[
    ("2001::/23", "protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("3fff::/20", "documentation"),
];

/// The rules, with the networks that are allowed all the same.
#[derive(Debug)]
pub struct AddressRules {
    allowed: Vec<Network>,
    refused: Vec<(Network, &'static str)>,
    public_v6: Option<Network>,
}

/// An address a delivery may not go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address is not allowed: {0}")]
pub struct AddressRefused(&'static str);

impl AddressRules {
    /// The rules with these networks allowed.
    pub fn new(allowed: Vec<Network>) -> Self {
        let refused = REFUSED_V4.iter().chain(REFUSED_V6);
        let refused =
            refused.filter_map(|(network, why)| Network::parse(network).ok().map(|network| (network, *why)));
        Self { allowed, refused: refused.collect(), public_v6: Network::parse(PUBLIC_V6).ok() }
    }

    /// Whether a delivery may go there; unencrypted ones only to networks that are named.
    ///
    /// # Errors
    /// It may not, and why.
    pub fn check(&self, address: IpAddr, encrypted: bool) -> Result<(), AddressRefused> {
        let address = address.to_canonical();
        if self.allowed.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        if !encrypted {
            return Err(AddressRefused("unencrypted"));
        }
        match address {
            IpAddr::V4(_) => self.refused(address),
            IpAddr::V6(inner) => {
                if let Some(carried) = carried(inner) {
                    self.refused(carried.into())?;
                }
                if !self.public_v6.is_some_and(|network| network.contains(address)) {
                    return Err(AddressRefused("not a public address"));
                }
                self.refused(address)
            }
        }
    }

    fn refused(&self, address: IpAddr) -> Result<(), AddressRefused> {
        match self.refused.iter().find(|(network, _)| network.contains(address)) {
            Some((_, why)) => Err(AddressRefused(why)),
            None => Ok(()),
        }
    }

    /// The destination as a URL, if its form is right. A host that is an address is checked here, since no resolver
    /// will see it; the URL standard has already turned decimal, octal and hexadecimal spellings into the address.
    ///
    /// # Errors
    /// Words that say what would be right.
    pub fn destination(&self, text: &str) -> Result<Url, String> {
        let url = web_address(text).map_err(str::to_owned)?;
        let encrypted = url.scheme() == "https";
        if url.fragment().is_some() {
            return Err("an address without fragment".to_owned());
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            // Whether a name may be called without TLS is known when it is resolved, unless nothing may.
            Some(Host::Domain(_)) if encrypted || !self.allowed.is_empty() => return Ok(url),
            Some(Host::Domain(_)) => return Err("an https address".to_owned()),
            None => return Err("an address with a host".to_owned()),
        };
        match self.check(address, encrypted) {
            Ok(()) => Ok(url),
            Err(_) if !encrypted => Err("an https address".to_owned()),
            Err(_) => Err("a public address, or one in webhooks.allow_networks".to_owned()),
        }
    }
}

/// The IPv4 address that an IPv6 address stands for: 6to4, NAT64 and the old compatible form. Mapped addresses are
/// IPv4 addresses already.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let join =
        |high: u16, low: u16| Ipv4Addr::from(u32::from(high).checked_shl(16).unwrap_or(0) | u32::from(low));
    match (a, b) {
        (0x2002, _) => Some(join(b, c)),
        (0x64, 0xff9b) => Some(join(g, h)),
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0) => Some(join(g, h)),
        _ => None,
    }
}

/// Turns names into addresses.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The addresses of a host.
    ///
    /// # Errors
    /// It has none, or nobody can say.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// A resolver between a client and its connections, which lets only checked addresses through.
#[derive(Debug)]
pub(super) struct CheckedResolver {
    pub(super) rules: Arc<AddressRules>,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) encrypted: bool,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, resolver, encrypted) =
            (Arc::clone(&self.rules), Arc::clone(&self.resolver), self.encrypted);
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str()).await?;
            // One bad address spoils the answer: a mixture is how a check is led around.
            for address in &addresses {
                rules.check(*address, encrypted)?;
            }
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            let addresses: Addrs = Box::new(addresses.collect::<Vec<_>>().into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allowed: &[&str]) -> AddressRules {
        AddressRules::new(allowed.iter().map(|network| Network::parse(network).unwrap()).collect())
    }

    #[test]
    fn every_network_of_the_lists_is_understood() {
        assert_eq!(rules(&[]).refused.len(), REFUSED_V4.len() + REFUSED_V6.len());
        assert!(rules(&[]).public_v6.is_some());
    }

    #[test]
    fn only_the_public_internet_is_allowed() {
        let rules = rules(&[]);
        for address in
            "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 \
             127.1.2.3 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 \
             192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 \
             203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 \
             ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 \
             64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe::1 \
             2002:c0a8:101::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fdff::1 fe80::1 fec0::1 ff02::1 4000::1"
                .split_whitespace()
        {
            assert!(rules.check(address.parse().unwrap(), true).is_err(), "{address}");
        }
        for address in "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 \
             168.63.129.15 169.253.255.255 172.15.255.255 172.32.0.0 192.167.255.255 223.255.255.255 \
             ::ffff:8.8.8.8 2001:4860:4860::8888 2606:4700::1111 2002:808:808::1 2a00::1"
            .split_whitespace()
        {
            assert!(rules.check(address.parse().unwrap(), true).is_ok(), "{address}");
            assert!(rules.check(address.parse().unwrap(), false).is_err(), "{address} without TLS");
        }
    }

    #[test]
    fn named_networks_are_allowed_without_tls_too() {
        let rules = rules(&["10.20.0.0/16", "::1/128"]);
        for (address, allowed) in [
            ("10.20.3.4", true),
            ("::ffff:10.20.3.4", true),
            ("10.21.0.1", false),
            ("::1", true),
            ("::2", false),
            ("127.0.0.1", false),
            ("64:ff9b::10.20.3.4", false),
            ("2002:0a14:0304::1", false),
        ] {
            for encrypted in [true, false] {
                assert_eq!(rules.check(address.parse().unwrap(), encrypted).is_ok(), allowed, "{address}");
            }
        }
    }

    #[test]
    fn hosts_that_are_addresses_are_seen_in_every_spelling() {
        let strict = rules(&[]);
        for url in
            "https://127.0.0.1/ https://127.1/ https://127.0.1/ https://2130706433/ https://0x7f000001/ \
             https://0x7f.1/ https://0177.0.0.1/ https://017700000001/ https://127.0.0.1./ \
             https://%31%32%37.0.0.1/ https://①②⑦.0.0.1/ https://127。0。0。1/ https://[::1]/ \
             https://[::ffff:127.0.0.1]/ https://[::ffff:7f00:1]/ https://[0:0:0:0:0:0:0:1]/ \
             https://[64:ff9b::7f00:1]/ https://2852039166/ https://0xa9fea9fe/ https://169.254.169.254/ \
             https://0/ https://[::]/ http://1.1.1.1/ http://host.example/ ftp://host.example/ \
             https://user@host.example/ https://:secret@host.example/ https://host.example/#part host \
             //host.example https:// file:///etc/passwd"
                .split_whitespace()
        {
            assert!(strict.destination(url).is_err(), "{url}");
        }
        for url in ["https://1.1.1.1/", "https://host.example/hook?a=b", "https://host.example:8443/"] {
            assert!(strict.destination(url).is_ok(), "{url}");
        }
        let open = rules(&["127.0.0.0/8"]);
        for url in
            ["http://127.0.0.1:9000/", "http://2130706433/", "http://host.example/", "HTTP://127.0.0.1/"]
        {
            assert!(open.destination(url).is_ok(), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "",
            " http://127.0.0.1/",
            "http:\\\\127.0.0.1/",
            "http://127.0.0.1/a b",
            "http:127.0.0.1/",
            "http:///127.0.0.1/",
            "http://127.0.0.1/\n",
        ] {
            assert!(open.destination(url).is_err(), "{url}");
        }
    }
}
