//! Addresses that callers give: where payers go back to, and where events are posted.

use url::{Host, Url};

/// What is right, in words for the caller.
pub const RIGHT: &str = "an address such as https://host.example/path, in ASCII without spaces";

/// Reads an http or https address as strictly as everybody who will read it. The URL standard forgives spaces, line breaks,
/// backslashes and missing slashes; a header, a platform or an operator does not.
///
/// # Errors
/// Words that say what would be right.
pub fn web_address(text: &str) -> Result<Url, &'static str> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let authority = authority(text).filter(|authority| is_plain && !authority.is_empty()).ok_or(RIGHT)?;
    let url = Url::parse(text).map_err(|_| RIGHT)?;
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err("an address without user name and password");
    }
    if url.has_host() { Ok(url) } else { Err("an address with a host") }
}

/// As [`web_address`], with a host and a port as people write them: a name, or an address in its usual form.
///
/// # Errors
/// Words that say what would be right.
pub fn plain_web_address(text: &str) -> Result<Url, &'static str> {
    let url = web_address(text)?;
    let authority = authority(text).ok_or(RIGHT)?;
    let in_brackets = authority.find(']').map_or(0, |end| end.saturating_add(1));
    let (host, port) = match authority.get(in_brackets..).and_then(|rest| rest.find(':')) {
        Some(colon) => {
            let (host, port) = authority.split_at_checked(in_brackets.saturating_add(colon)).ok_or(RIGHT)?;
            (host, port.get(1..))
        }
        None => (authority, None),
    };
    let port_is_plain = port.is_none_or(|port| (1..=5).contains(&port.len()));
    let host_is_plain = match url.host() {
        Some(Host::Ipv4(address)) => address.to_string() == host,
        Some(Host::Ipv6(_)) => true,
        Some(Host::Domain(_)) => is_name(host),
        None => false,
    };
    if port_is_plain && host_is_plain { Ok(url) } else { Err(RIGHT) }
}

/// What is between the scheme and the path, as written.
fn authority(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    is_web.then(|| rest.split(['/', '?', '#']).next().unwrap_or_default())
}

/// Letters, digits, `-` and `_` between dots; the last part does not begin with a digit, as those of numbers do.
fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let last_is_word = host.rsplit('.').next().and_then(|last| last.bytes().next());
    host.split('.').all(|part| !part.is_empty() && part.bytes().all(plain))
        && last_is_word.is_some_and(|first| !first.is_ascii_digit())
}

/// The addresses of [`plain_web_address`] as a regular expression (ECMA 262, as JSON Schema wants it). It cannot count
/// what an IPv6 address must have.
pub const PATTERN: &str = concat!(
    r"^[Hh][Tt][Tt][Pp][Ss]?://(",
    r"\[[0-9A-Fa-f:.]+\]",
    r"|((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])",
    r"|([A-Za-z0-9_-]+\.)*[A-Za-z_-][A-Za-z0-9_-]*\.?",
    r")(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5][0-9]{4}|[0-9]{1,4}))?",
    r"([/?#][!-\[\]-~]*)?$",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for text in
            ["https://h.example", "HTTP://H:80/?a#b", "https://127.1/", "https://[::1]:1/@x", "https://h!/"]
        {
            assert!(web_address(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "h",
            "https:h",
            "https:/h",
            "https:///",
            "https://?",
            "https://a@h",
            "https://@h",
            "https://h\n",
        ] {
            assert!(web_address(text).is_err(), "{text:?}");
        }
        for text in
            ["https://h.example:00080/", "https://127.0.0.1:1", "https://[::1]:8080/x", "https://a_b.c./"]
        {
            assert!(plain_web_address(text).is_ok(), "{text}");
        }
        for text in [
            "https://h:/",
            "https://h:000080/",
            "https://127.1/",
            "https://[::1]x/",
            "https://h!/",
            "https://a..b/",
        ] {
            assert!(plain_web_address(text).is_err(), "{text}");
        }
    }
}
