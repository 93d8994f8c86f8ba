//! Addresses of providers, and of this service.

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
///
/// # Errors
/// Words that say what would be right.
pub fn plain_url(text: &str) -> Result<Url, String> {
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
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::AccountSettings;

    #[test]
    fn provider_addresses() {
        for (url, allow_http, right) in [
            ("https://api.example/path/", false, Some("https://api.example/path/")),
            ("https://api.example", false, Some("https://api.example/")),
            ("http://127.0.0.1:8090/x", false, Some("http://127.0.0.1:8090/x")),
            ("http://[::1]:8090/", false, Some("http://[::1]:8090/")),
            ("http://localhost:8090/", false, Some("http://localhost:8090/")),
            ("http://simulator:8090/", true, Some("http://simulator:8090/")),
            ("http://simulator:8090/", false, None),
            ("http://127.0.0.1.example/", false, None),
            ("http://localhost.example/", false, None),
            ("ftp://api.example/", true, None),
            ("api.example", true, None),
            ("https://user:canary@api.example/", true, None),
            ("https://user@api.example/", true, None),
            ("https://api.example/?key=canary", true, None),
            ("https://api.example/#x", true, None),
            ("https:///", true, None),
        ] {
            match check_provider_url("accounts.a.base_url", url, allow_http) {
                Ok(checked) => assert_eq!(Some(checked.as_str()), right, "{url}"),
                Err(problem) => {
                    assert_eq!(right, None, "{url}: {problem}");
                    assert!(problem.to_string().starts_with("accounts.a.base_url: must be "), "{problem}");
                    assert!(!problem.to_string().contains("canary"), "{problem}");
                }
            }
        }
        let keys = [("base_url", "http://h/"), ("allow_http", "true")];
        let account = AccountSettings::from_pairs("a", "p", keys);
        assert_eq!(account.provider_url("base_url").unwrap().as_deref(), Some("http://h/"));
        assert_eq!(account.provider_url("other").unwrap(), None);
        let account = AccountSettings::from_pairs("a", "p", [("base_url", "http://h/")]);
        assert_eq!(account.provider_url("base_url").unwrap_err().key(), "accounts.a.base_url");
    }
}
