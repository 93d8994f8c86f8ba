//! Which host a request is for (RFC 9112, 3.2): that of its address when the address is written in full, else that of the
//! `Host` header.

use axum::{extract::Request, middleware::Next, response::Response};
use http::{Version, header, uri::Authority};

use super::{error::render, every_request::request_id};
use crate::problem::{Problem, ProblemCode};

fn wrong(detail: &str) -> Problem {
    Problem::new(ProblemCode::InvalidHeader, detail)
}

/// The host and the port that a request names; `None` where it names none, as HTTP/1.0 allows.
///
/// # Errors
/// `invalid_header`: no `Host` header in HTTP/1.1, several of them, or one that is no host.
pub(super) fn named<B>(request: &http::Request<B>) -> Result<Option<Authority>, Problem> {
    let mut values = request.headers().get_all(header::HOST).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(wrong("a request has one Host header, not several"));
    }
    let host =
        match first {
            None if request.version() < Version::HTTP_11 => None,
            None => return Err(wrong("a request of HTTP/1.1 needs a Host header")),
            // An address without a host has an empty one.
            Some(value) if value.is_empty() => None,
            Some(value) => {
                let read = Authority::try_from(value.as_bytes()).ok().filter(is_plain);
                Some(read.ok_or_else(|| {
                    wrong("the Host header is a host name or address, and a port if need be")
                })?)
            }
        };
    let Some(scheme) = request.uri().scheme_str() else { return Ok(host) };
    // RFC 9112, 3.2.2: the Host header is ignored then.
    let is_web = matches!(scheme, "http" | "https");
    let full = request.uri().authority().filter(|authority| is_web && is_plain(authority));
    full.cloned()
        .map(Some)
        .ok_or_else(|| wrong("the address of a request is a path, or http or https with a host"))
}

/// Whether this is a host, with or without a port, and no user name.
fn is_plain(authority: &Authority) -> bool {
    let host = authority.host();
    let port = authority.as_str().strip_prefix(host).and_then(|rest| match rest.strip_prefix(':') {
        Some(port) => Some(port),
        None => rest.is_empty().then_some(""),
    });
    let is_port = |text: &str| text.is_empty() || (!text.starts_with('+') && text.parse::<u16>().is_ok());
    !host.is_empty() && port.is_some_and(is_port)
}

/// The same check for the ops listener.
pub(super) async fn check_of_probes(request: Request, next: Next) -> Response {
    match named(&request) {
        Ok(_) => next.run(request).await,
        Err(problem) => render(&problem, &request_id(request.headers()), false, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(version: Version, target: &str, hosts: &[&str]) -> Option<String> {
        let mut request = http::Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let named = named(&request.body(()).unwrap()).ok()?;
        Some(named.map_or_else(String::new, |authority| authority.to_string()))
    }

    #[test]
    fn a_request_names_one_host() {
        let (old, new) = (Version::HTTP_10, Version::HTTP_11);
        for (version, target, hosts, named) in [
            (new, "/", &["pay.example"][..], Some("pay.example")),
            (new, "/", &["pay.example:8080"], Some("pay.example:8080")),
            (new, "/", &["pay.example:"], Some("pay.example:")),
            (new, "/", &["[::1]:80"], Some("[::1]:80")),
            (new, "/", &["my_service"], Some("my_service")),
            (new, "/", &[""], Some("")),
            (new, "*", &["a"], Some("a")),
            (new, "/", &[], None),
            (old, "/", &[], Some("")),
            (old, "/", &["a"], Some("a")),
            (old, "/", &["a", "a"], None),
            (new, "/", &["a", "b"], None),
            (new, "/", &["a, b"], None),
            (new, "/", &["a b"], None),
            (new, "/", &["a/b"], None),
            (new, "/", &["me@a"], None),
            (new, "/", &["a:b"], None),
            (new, "/", &["a:+1"], None),
            (new, "/", &["a:65536"], None),
            (new, "/", &[":80"], None),
            (new, "/", &["http://a"], None),
            (new, "http://full.example/x", &["other"], Some("full.example")),
            (new, "https://full.example:1/x", &["other"], Some("full.example:1")),
            (new, "http://full.example/x", &[], None),
            (old, "http://full.example/x", &[], Some("full.example")),
            (new, "http://full.example/x", &["a", "b"], None),
            (new, "http://me@full.example/x", &["other"], None),
            (new, "ftp://full.example/x", &["other"], None),
            (new, "full.example:443", &["other"], Some("other")),
        ] {
            assert_eq!(seen(version, target, hosts).as_deref(), named, "{version:?} {target} {hosts:?}");
        }
    }
}
