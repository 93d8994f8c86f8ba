//! Web pages of strangers in a browser on the machine of the simulators. Nothing signs what the control API and the
//! buttons of the payment pages are sent, so only the pages of the simulators may send it.

use http::Method;
use http::header::{HOST, ORIGIN};
use url::Url;

use super::platform::Received;

/// Why a request is refused, for the person who sees the answer.
const FOREIGN_HOST: &str = "the simulators are called by localhost, an address, a name without a dot, or the host of their public address\n";
/// Likewise.
const FOREIGN_PAGE: &str = "a web page of another origin may change nothing here\n";

/// Why a call of the control API is refused, if it is.
pub(crate) fn refuse_order(request: &Received, public_url: &str) -> Option<&'static str> {
    if !is_own_host(request, public_url) {
        return Some(FOREIGN_HOST);
    }
    let is_change = !matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
    (is_change && is_from_elsewhere(request, public_url)).then_some(FOREIGN_PAGE)
}

/// Why a button on a payment page is refused, if this presses one. The page itself may be opened by a form of any shop.
pub(crate) fn refuse_button(request: &Received, public_url: &str) -> Option<&'static str> {
    if request.method == Method::GET || !presses_a_button(&request.body) {
        return None;
    }
    refuse_order(request, public_url)
}

/// Whether the host that a request names can only be meant for the simulators. A page that makes a name of its own lead
/// here (DNS rebinding) needs one of the public DNS, which has a dot. Without a `Host` no browser asks.
fn is_own_host(request: &Received, public_url: &str) -> bool {
    let hosts = request.headers.get_all(HOST).iter();
    let mut hosts = hosts.map(|host| host.to_str().ok().and_then(host_of));
    let own = host_of_url(public_url);
    hosts.all(|host| {
        host.is_some_and(|host| {
            !host.contains(['.', ':']) || is_address(&host) || own.as_deref() == Some(host.as_str())
        })
    })
}

/// Whether a browser says that a page of another origin sends this. Other programs say nothing of it.
fn is_from_elsewhere(request: &Received, public_url: &str) -> bool {
    let host = request.header(&HOST).unwrap_or_default();
    let is_own = |origin: &str| {
        [format!("http://{host}"), format!("https://{host}"), public_url.to_owned()]
            .iter()
            .filter_map(|own| Url::parse(own).ok())
            .any(|own| Url::parse(origin).is_ok_and(|origin| origin.origin() == own.origin()))
    };
    let mut sites = request.headers.get_all("sec-fetch-site").iter();
    let mut origins = request.headers.get_all(ORIGIN).iter();
    sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
        || origins.any(|origin| !origin.to_str().is_ok_and(is_own))
}

/// Whether a form presses one of the payer's buttons.
fn presses_a_button(body: &[u8]) -> bool {
    url::form_urlencoded::parse(body).any(|(name, _)| name == "action")
}

/// The host of a `Host` header, in the spelling of addresses.
fn host_of(header: &str) -> Option<String> {
    host_of_url(&format!("http://{header}/"))
}

fn host_of_url(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    // A user name would make another part of the text the host.
    let is_plain = url.username().is_empty() && url.password().is_none();
    url.host_str().filter(|_| is_plain).map(str::to_owned)
}

fn is_address(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use crate::rig::Rig;

    const SAMPLE: &str = "d63e7f507a6f4dfa86cb40a833ecfd85";

    /// The status of a request with these headers.
    async fn status(rig: &Rig, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        let mut request = rig.client.request(method, format!("http://{}{path}", rig.running.local_addr()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.to_owned()).send().await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn no_page_of_a_stranger_orders_anything() {
        let rig = Rig::seeded().await;
        let own = format!("http://{}", rig.running.local_addr());
        let one = format!("/_control/orders/lyra/systempay/{SAMPLE}/payer");
        let pay = json!({"action": "pay"}).to_string();
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "http://127.0.0.1:1")],
            &[("host", "evil.example")],
            &[("host", "127.0.0.1.evil.example:8090"), ("origin", "http://127.0.0.1.evil.example:8090")],
        ] {
            assert_eq!(status(&rig, Method::POST, &one, headers, &pay).await, 403, "{headers:?}");
            assert_eq!(
                status(&rig, Method::DELETE, "/_control/faults", headers, "").await,
                403,
                "{headers:?}"
            );
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "me@evil.example"] {
            let read =
                status(&rig, Method::GET, "/_control/orders/lyra/systempay", &[("host", host)], "").await;
            assert_eq!(read, 403, "{host}");
        }
        assert!(rig.control.effects().is_empty());
        for host in ["localhost:8090", "127.0.0.1:8090", "[::1]:8090", "sandbox:8090", "192.168.1.7"] {
            assert_eq!(
                status(&rig, Method::GET, "/_control/clock", &[("host", host)], "").await,
                200,
                "{host}"
            );
        }
        let same = [("origin", own.as_str()), ("sec-fetch-site", "same-origin")];
        assert_eq!(status(&rig, Method::POST, &one, &same, &pay).await, 200);
        assert_eq!(rig.control.effects().len(), 1);
    }

    #[tokio::test]
    async fn buttons_are_pressed_on_their_own_page_only() {
        let rig = Rig::seeded().await;
        let order = rig.control.order("lyra", "systempay", SAMPLE).unwrap();
        let page = order["paymentURL"].as_str().unwrap().to_owned();
        let own = format!("http://{}", rig.running.local_addr());
        let path = page.strip_prefix(&own).unwrap().to_owned();
        let evil = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
        assert_eq!(status(&rig, Method::POST, &path, &evil, "action=pay").await, 403);
        assert_eq!(status(&rig, Method::POST, &path, &[("host", "evil.example")], "action=pay").await, 403);
        assert!(rig.control.effects().is_empty());
        // A link of another page leads there.
        assert_eq!(status(&rig, Method::GET, &path, &[("sec-fetch-site", "cross-site")], "").await, 200);
        let same = [("origin", own.as_str()), ("sec-fetch-site", "same-origin")];
        assert!(status(&rig, Method::POST, &path, &same, "action=pay").await < 400);
        assert_eq!(rig.control.effects().len(), 1);
        // The page that a form of the shop opens is shown, and its buttons are its own.
        let opens = status(&rig, Method::POST, "/sips/sherlocks/paypage", &evil, "redirectionData=x").await;
        assert_eq!(opens, 404, "the page says that there is no such payment");
        let again = "redirectionData=x&%61ction=pay";
        assert_eq!(status(&rig, Method::POST, "/sips/sherlocks/paypage", &evil, again).await, 403);
    }
}
