//! Addresses that a provider gives and a payer is sent to.

use std::{fmt, ops::Deref};

use serde::Serialize;
use url::Url;

use super::web_address::web_address;

/// Longest address in bytes. Those of wallets carry a whole signed request.
const BYTES_MAX: usize = 4_096;
/// Schemes that open the app of a wallet.
const WALLETS: [&str; 3] = ["weixin", "alipay", "alipays"];

/// What an address may begin with besides `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schemes {
    /// `http`: payment data would cross the network in the clear.
    pub http: bool,
    /// `weixin`, `alipay` and `alipays`, which open an app or are shown as a QR code.
    pub wallets: bool,
}

/// An address that a payer may be sent to: of an allowed scheme, with a host, without user name and password, at most
/// 4,096 visible ASCII characters. It fits into a header, a link, an attribute of HTML and a QR code as it is.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct PayerAddress(String);

impl PayerAddress {
    /// Checks an address.
    ///
    /// # Errors
    /// What is wrong with it, without the address.
    pub fn read(text: &str, schemes: Schemes) -> Result<Self, &'static str> {
        if text.len() > BYTES_MAX {
            return Err("it is longer than 4096 bytes");
        }
        // What ends an attribute or an address in a text has no place in an address. Source: RFC 3986, section 2.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\`".contains(&byte)) {
            return Err("it has characters that no address has");
        }
        let (scheme, rest) = text.split_once("://").ok_or("it is no absolute address")?;
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "https" => web_address(text).map(|_| ()).map_err(|_| "it is no web address")?,
            "http" if schemes.http => web_address(text).map(|_| ()).map_err(|_| "it is no web address")?,
            wallet if schemes.wallets && WALLETS.contains(&wallet) => {
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                let is_plain = !authority.contains('@') && Url::parse(text).is_ok_and(|url| url.has_host());
                is_plain.then_some(()).ok_or("it is no address of a wallet")?;
            }
            _ => return Err("its scheme is not allowed"),
        }
        Ok(Self(text.to_owned()))
    }
}

impl Deref for PayerAddress {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PayerAddress {
    type Error = &'static str;

    /// Reads one that was stored: which schemes its account allows was asked when it came.
    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::read(&text, Schemes { http: true, wallets: true })
    }
}

impl fmt::Debug for PayerAddress {
    /// Whoever has the address can pay as the payer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayerAddress(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: Schemes = Schemes { http: false, wallets: false };
    const ALL: Schemes = Schemes { http: true, wallets: true };

    #[test]
    fn what_a_payer_may_be_sent_to() {
        for (text, narrowest) in [
            ("https://pay.example/t/328zq5so?x=1&y={2}#z", WEB),
            ("HTTPS://pay.example:8443", WEB),
            ("http://127.0.0.1:8090/t/1", Schemes { http: true, wallets: false }),
            ("weixin://wxpay/bizpayurl?pr=abc", Schemes { http: false, wallets: true }),
            ("alipays://platformapi/startapp?appId=1", Schemes { http: false, wallets: true }),
        ] {
            assert_eq!(&*PayerAddress::read(text, narrowest).unwrap(), text);
            assert_eq!(PayerAddress::read(text, WEB).is_ok(), narrowest == WEB, "{text}");
            assert_eq!(&*PayerAddress::try_from(text.to_owned()).unwrap(), text, "as stored");
        }
    }

    #[test]
    fn what_nobody_is_sent_to() {
        let long = format!("https://pay.example/{}", "x".repeat(BYTES_MAX));
        for text in [
            "",
            "/t/1",
            "//pay.example/t/1",
            "https:pay.example",
            "https://",
            "https:///t/1",
            "https://user:secret@pay.example/",
            "https://pay.example@evil.example/",
            "https://pay.example/\r\nSet-Cookie: a=b",
            "https://pay.example/a b",
            "https://pay.example/\u{e9}",
            "https://pay.example\\@evil.example/",
            "https://pay.example/\"><script>",
            "https://pay.example/\t",
            " https://pay.example/",
            "https://pay.example/\0",
            "javascript:alert(1)",
            "javascript://pay.example/%0aalert(1)",
            "JavaScript://pay.example/",
            "java\nscript:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "data://text/html,x",
            "vbscript://x/y",
            "file:///etc/passwd",
            "intent://pay.example/#Intent;scheme=x;end",
            "weixin:wxpay",
            "weixin://",
            "weixin://user@wxpay/",
            "weixin2://wxpay/",
            long.as_str(),
        ] {
            assert!(PayerAddress::read(text, ALL).is_err(), "{text:?}");
            assert!(PayerAddress::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn it_is_not_printed() {
        let address = PayerAddress::read("https://pay.example/t/328zq5so", WEB).unwrap();
        assert!(!format!("{address:?}").contains("328zq5so"));
    }
}
