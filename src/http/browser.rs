//! Pages of strangers in a browser on this machine. With `auth.mode = "none"` whoever reaches the listener may do
//! everything, and a browser reaches it for any page it shows: by a form that posts here, or by a name of the page's own
//! that is made to lead here (DNS rebinding).

use http::{HeaderMap, Method, header, uri::Authority};
use url::Url;

use crate::{
    problem::{Problem, ProblemCode},
    telemetry::SecurityLog,
};

/// Where the browsers of payers come from the provider's page, by a form or a redirect.
const PUBLIC: [&str; 3] = ["/pay/", "/return/", "/notifications/"];
const FOREIGN_HOST: &str = "with auth.mode = \"none\" guichet is called by localhost, by a loopback address, or by the host of \
                            server.public_url: use one of them in the address, or set server.public_url";
const FOREIGN_PAGE: &str = "with auth.mode = \"none\" a web page of another origin may change nothing: call without a browser or \
                            from guichet's own pages, or use auth.mode = \"api_key\"";

/// The problem to answer when a page of somebody else may be behind this request. `host` is what the request names;
/// browsers always name one. `own` is `server.public_url`.
pub(super) fn refuse<B>(
    request: &http::Request<B>,
    host: Option<&Authority>,
    own: Option<&Url>,
    log: &SecurityLog,
) -> Option<Problem> {
    if host.is_some_and(|host| !is_ours(host.host(), own)) {
        return Some(refused(log, "foreign_host", FOREIGN_HOST));
    }
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let is_public = PUBLIC.iter().any(|start| request.uri().path().starts_with(start));
    let is_foreign = is_change && !is_public && comes_from_elsewhere(request.headers(), host, own);
    is_foreign.then(|| refused(log, "foreign_page", FOREIGN_PAGE))
}

fn refused(log: &SecurityLog, security: &'static str, detail: &str) -> Problem {
    if let Some(left_out) = log.saw(security, "browser") {
        tracing::warn!(security, left_out, "a page of another origin calls");
    }
    Problem::new(ProblemCode::Forbidden, detail)
}

/// Whether a host is this machine's own, or the one this service is known by.
fn is_ours(host: &str, own: Option<&Url>) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || is_loopback(host)
        || own.and_then(Url::host_str).is_some_and(|own| own.eq_ignore_ascii_case(host))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a browser says that the page behind a request is not of our origin. Other programs say nothing of it.
fn comes_from_elsewhere(headers: &HeaderMap, host: Option<&Authority>, own: Option<&Url>) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    let mut origins = headers.get_all(header::ORIGIN).iter();
    sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
        || origins.any(|origin| !origin.to_str().is_ok_and(|origin| is_own_origin(origin, host, own)))
}

fn is_own_origin(origin: &str, host: Option<&Authority>, own: Option<&Url>) -> bool {
    // `null`, as a page without an origin says, is no address.
    let Ok(origin) = Url::parse(origin) else { return false };
    let (Some(name), Some(port)) = (origin.host_str(), origin.port_or_known_default()) else { return false };
    let is_asked = host.is_some_and(|host| {
        // Whoever ends TLS before us knows the scheme; the browser's word decides the usual port.
        host.host().eq_ignore_ascii_case(name)
            && host.port_u16().is_none_or(|asked| asked == port)
            && (host.port_u16().is_some() || origin.port().is_none())
    });
    is_asked || own.is_some_and(|own| own.origin() == origin.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, target: &str, host: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let own = Url::parse("https://pay.example/guichet").unwrap();
        let host = Authority::try_from(host).unwrap();
        refuse(&request.body(()).unwrap(), Some(&host), Some(&own), &SecurityLog::default()).is_none()
    }

    #[test]
    fn only_hosts_of_ours_are_answered() {
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1",
            "127.8.9.10:8080",
            "[::1]",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
            "pay.example",
            "Pay.Example:8443",
        ] {
            assert!(check("GET", "/orders", host, &[]) && check("POST", "/orders", host, &[]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.localhost.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "pay.example.evil",
            "127.1",
        ] {
            for target in ["/orders", "/docs/", "/pay/token", "/notifications/a"] {
                assert!(
                    !check("GET", target, host, &[]) && !check("POST", target, host, &[]),
                    "{host} {target}"
                );
            }
        }
    }

    #[test]
    fn pages_of_others_change_nothing() {
        let at = "127.0.0.1:8080";
        for headers in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://pay.example")],
        ] {
            assert!(check("POST", "/orders", at, headers), "{headers:?}");
        }
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "anything")],
            &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://127.0.0.1:3000")],
            &[("origin", "http://127.0.0.1")],
            &[("origin", "http://localhost:8080")],
            &[("origin", "http://pay.example")],
            &[("origin", "http://127.0.0.1:8080"), ("origin", "https://evil.example")],
        ] {
            for method in ["POST", "PATCH", "DELETE", "PUT"] {
                assert!(!check(method, "/orders", at, headers), "{method} {headers:?}");
                assert!(check(method, "/return/token", at, headers), "payers come from anywhere");
                assert!(check(method, "/notifications/a", at, headers), "{headers:?}");
            }
            assert!(check("GET", "/orders", at, headers), "no other page can read the answer");
        }
        assert!(check("POST", "/orders", "localhost", &[("origin", "http://localhost")]));
        assert!(!check("POST", "/orders", "localhost", &[("origin", "http://localhost:3000")]));
    }
}
