//! The task that posts notifications, and what the fault plan does to them.
//!
//! Each notice is delivered by a task of its own: nothing waits for it, and two notices of one order that are made
//! at the same moment may overtake each other, as at the real platforms. Redirections are not followed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::task::JoinSet;

use super::exchange::Core;
use super::faults::FaultKind;
use super::notices::{Attempt, Job, Notice, Way};
use super::platform::Call;
use super::server::Lifeline;

/// Service name of a notification in the fault plan.
pub(crate) const NOTIFICATION: &str = "notification";

/// How long an answer may take. Source: Lyra REST API V4, notification: the platform waits at most 30 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest answer that is compared with an expected one.
const ANSWER_LIMIT: usize = 64 * 1024;

/// The client of all deliveries.
///
/// # Errors
/// When the process has no usable TLS set-up.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    // Building a client needs a crypto provider, even for plain HTTP; a second installation fails harmlessly.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let redirects = reqwest::redirect::Policy::none();
    reqwest::Client::builder().no_proxy().redirect(redirects).timeout(TIMEOUT).build()
}

/// Delivers notices until told to stop; those under way are given up then.
pub(crate) async fn run(core: Arc<Core>, client: reqwest::Client, lifeline: Lifeline) {
    let Some(mut jobs) = core.frame.notices.take_jobs() else { return };
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = lifeline.stopped() => break,
            Some(_) = under_way.join_next(), if !under_way.is_empty() => {}
            Some(job) = jobs.recv() => {
                let courier = Courier { core: Arc::clone(&core), client: client.clone(), job };
                under_way.spawn(async move { courier.deliver().await });
            }
        }
    }
    under_way.shutdown().await;
}

/// Delivers one notice.
#[derive(Debug)]
struct Courier {
    core: Arc<Core>,
    client: reqwest::Client,
    job: Job,
}

impl Courier {
    async fn deliver(&self) {
        let Some(notice) = self.notice() else { return };
        match self.job.way {
            Way::New => self.with_faults(&notice).await,
            Way::Late => self.insist(&notice).await,
            Way::Resend => {
                self.post(&notice, notice.body.clone()).await;
            }
        }
    }

    /// The notice as long as it is listed and somebody has named an address.
    fn notice(&self) -> Option<Notice> {
        self.core.frame.notices.get(self.job).filter(|notice| !notice.url.is_empty())
    }

    async fn with_faults(&self, notice: &Notice) {
        let notices = &self.core.frame.notices;
        let fault = self.fault(notice);
        if let Some(kind) = &fault {
            notices.hit(self.job, kind);
        }
        match fault {
            Some(FaultKind::NotifyNever) => {}
            Some(FaultKind::NotifyTwice) => {
                self.insist(notice).await;
                self.insist(notice).await;
            }
            Some(FaultKind::NotifyLate { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.insist(notice).await;
            }
            // Once: a forger has no reason to insist, and the true notice would heal what a test looks at.
            Some(FaultKind::NotifyForged) => {
                self.post(notice, notice.forged.clone()).await;
            }
            Some(FaultKind::NotifyAltered) => {
                self.post(notice, altered(&notice.body)).await;
            }
            Some(FaultKind::NotifyOutOfOrder) if notices.hold(self.job) => {}
            Some(_) | None => self.insist(notice).await,
        }
    }

    /// The fault of the plan, or else the one that the order's amount stands for.
    fn fault(&self, notice: &Notice) -> Option<FaultKind> {
        let call = Call {
            brand: notice.brand.clone(),
            service: NOTIFICATION.to_owned(),
            order: Some(notice.order.clone()),
            ..Call::default()
        };
        let ordered = self.core.frame.faults.take(notice.provider, &call).map(|(_, kind)| kind);
        let magic = || self.core.platform(notice.provider)?.magic(&call);
        ordered.or_else(magic).filter(FaultKind::is_for_notifications)
    }

    /// Posts until an attempt succeeds or the pauses are used up.
    async fn insist(&self, notice: &Notice) {
        let mut pauses = self.core.frame.notices.pauses().into_iter();
        while self.post(notice, notice.body.clone()).await == Some(false) {
            let Some(pause) = pauses.next() else { return };
            tokio::time::sleep(pause).await;
        }
    }

    /// One attempt: whether it succeeded, `None` when the notice is gone.
    async fn post(&self, notice: &Notice, body: Bytes) -> Option<bool> {
        self.notice()?;
        let request = self.client.post(&notice.url).header(CONTENT_TYPE, notice.content_type).body(body);
        let (status, error) = match request.send().await {
            Ok(response) => {
                let status = response.status();
                (Some(status), judge(response, notice.expected).await)
            }
            Err(error) => (None, Some(error.to_string())),
        };
        let right = |status: StatusCode| match notice.statuses {
            [] => status.is_success(),
            some => some.contains(&status.as_u16()),
        };
        let delivered = error.is_none() && status.is_some_and(right);
        let at = self.core.frame.clock.now();
        let status = status.map(|status| status.as_u16());
        self.core.frame.notices.attempted(self.job, Attempt { at, status, error, delivered });
        Some(delivered)
    }
}

/// What is wrong with the body of the answer.
async fn judge(mut response: reqwest::Response, expected: Option<&str>) -> Option<String> {
    let expected = expected?;
    let mut body = Vec::new();
    while body.len() <= ANSWER_LIMIT {
        match response.chunk().await {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => break,
            Err(error) => return Some(error.to_string()),
        }
    }
    (body != expected.as_bytes()).then(|| format!("the answer must be exactly {expected:?}"))
}

/// The same body with one digit near its middle changed, or one byte where there is no digit: still a form or JSON,
/// but not what was signed.
fn altered(body: &Bytes) -> Bytes {
    let mut bytes = body.to_vec();
    let middle = bytes.len().div_euclid(2);
    let after = bytes.iter().skip(middle).position(u8::is_ascii_digit).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(middle.saturating_add(after)) {
        *byte = match *byte {
            b'9' => b'0',
            digit @ b'0'..=b'8' => digit.saturating_add(1),
            other => other ^ 1,
        };
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::rig::{Inbox, Rig};
    use crate::{Fault, SentNotice};

    fn notice(url: &str, body: &'static str) -> Notice {
        Notice {
            provider: "lyra",
            brand: "systempay".to_owned(),
            order: "order-1".to_owned(),
            url: url.to_owned(),
            content_type: "text/plain",
            body: Bytes::from_static(body.as_bytes()),
            forged: Bytes::from_static(b"forged"),
            statuses: &[],
            expected: None,
        }
    }

    fn send(rig: &Rig, notice: Notice) {
        rig.running.core.frame.notices.send(notice, Timestamp::UNIX_EPOCH);
    }

    fn statuses(notice: &SentNotice) -> Vec<Option<u16>> {
        notice.attempts.iter().map(|attempt| attempt.status).collect()
    }

    #[tokio::test]
    async fn a_notice_goes_to_its_own_address_or_to_the_brands() {
        let rig = Rig::new().await;
        let [own, brands] = [Inbox::answering(&[]).await, Inbox::answering(&[]).await];
        send(&rig, notice("", "nowhere"));
        rig.control.set_notification_url("lyra", "systempay", &brands.url).unwrap();
        send(&rig, notice(&own.url, "own"));
        send(&rig, notice("", "brand's"));
        rig.control.wait_for_notices(2).await;
        assert_eq!(own.received(), [("text/plain".to_owned(), "own".to_owned())]);
        assert_eq!(brands.bodies(), ["brand's"]);
        rig.control.resend_notice(1).unwrap();
        rig.control.wait_for_notices(3).await;
        assert_eq!(brands.bodies(), ["brand's", "nowhere"]);
        let listed = rig.control.notices();
        assert!(listed.iter().all(|notice| statuses(notice) == [Some(200)] && notice.attempts[0].delivered));
        assert_eq!(listed[0].url, brands.url);
    }

    #[tokio::test]
    async fn a_reset_forgets_notices_and_keeps_addresses() {
        let rig = Rig::new().await;
        let inbox = Inbox::answering(&[]).await;
        rig.control.set_notification_url("lyra", "systempay", &inbox.url).unwrap();
        send(&rig, notice("", "old"));
        rig.control.wait_for_notices(1).await;
        rig.control.reset();
        assert!(rig.control.notices().is_empty());
        send(&rig, notice("", "new"));
        rig.control.wait_for_notices(1).await;
        assert_eq!(inbox.bodies(), ["old", "new"]);
        rig.control.set_notification_url("lyra", "systempay", "").unwrap();
        send(&rig, notice("", "nowhere"));
        assert_eq!(rig.control.notices()[1].url, "");
    }

    #[tokio::test]
    async fn a_notice_is_sent_until_it_succeeds_or_the_pauses_are_used_up() {
        for (answers, counting, expected, then) in [
            (&[][..], &[][..], None, &[200][..]),
            (&[(204, "")], &[], None, &[204]),
            (&[(500, ""), (302, ""), (404, "x")], &[], None, &[500, 302, 404, 200]),
            (&[(500, ""); 4], &[], None, &[500; 4]),
            (&[(207, ""), (302, "")], &[200, 302], None, &[207, 302]),
            (&[(200, "no"), (200, "ok\n")], &[], Some("ok"), &[200; 3]),
        ] {
            let rig = Rig::new().await;
            rig.control.set_notification_pauses(&[Duration::ZERO; 3]);
            let inbox = Inbox::answering(answers).await;
            send(&rig, Notice { expected, statuses: counting, ..notice(&inbox.url, "n") });
            rig.control.wait_for_notices(u64::try_from(then.len()).unwrap()).await;
            // A second notice shows that no attempt follows.
            send(&rig, notice(&inbox.url, "end"));
            rig.control.wait_for_notices(u64::try_from(then.len() + 1).unwrap()).await;
            let wanted: Vec<_> = then.iter().copied().map(Some).collect();
            let first = &rig.control.notices()[0];
            assert_eq!(statuses(first), wanted, "{answers:?}");
            assert_eq!(first.attempts.last().unwrap().delivered, then != [500; 4]);
            assert!(
                first.attempts.iter().all(|one| expected.is_none() || one.delivered || one.error.is_some())
            );
        }
    }

    /// What arrives of `one 1 one` and then `two`.
    async fn check_fault(kind: FaultKind, arrives: &[&str]) {
        let rig = Rig::new().await;
        let inbox = Inbox::answering(&[]).await;
        let fault = Fault::new("lyra", kind.clone()).at("systempay").on_service(NOTIFICATION);
        rig.control.add_fault(fault.on_order("order-1"));
        let first = notice(&inbox.url, "one 1 one");
        let attempts = |count: usize| u64::try_from(count).unwrap();
        send(&rig, first);
        if kind != FaultKind::NotifyNever && kind != FaultKind::NotifyOutOfOrder {
            rig.control.wait_for_notices(attempts(arrives.len() - 1)).await;
        }
        while rig.control.faults()[0].used == 0 {
            tokio::task::yield_now().await;
        }
        send(&rig, notice(&inbox.url, "two"));
        rig.control.wait_for_notices(attempts(arrives.len())).await;
        assert_eq!(inbox.bodies(), arrives, "{kind:?}");
        assert_eq!(rig.control.notices()[0].fault, Some(kind));
        assert_eq!(rig.control.notices()[1].fault, None);
    }

    #[tokio::test]
    async fn the_fault_plan_spoils_notices() {
        check_fault(FaultKind::NotifyNever, &["two"]).await;
        check_fault(FaultKind::NotifyTwice, &["one 1 one", "one 1 one", "two"]).await;
        check_fault(FaultKind::NotifyLate { ms: 1 }, &["one 1 one", "two"]).await;
        check_fault(FaultKind::NotifyForged, &["forged", "two"]).await;
        check_fault(FaultKind::NotifyAltered, &["one 2 one", "two"]).await;
        check_fault(FaultKind::NotifyOutOfOrder, &["two", "one 1 one"]).await;
    }

    #[tokio::test]
    async fn notices_that_all_come_out_of_order_change_places() {
        let rig = Rig::new().await;
        let inbox = Inbox::answering(&[]).await;
        rig.control.add_fault(Fault::new("lyra", FaultKind::NotifyOutOfOrder).times(0));
        send(&rig, notice(&inbox.url, "one"));
        while rig.control.notices()[0].fault.is_none() {
            tokio::task::yield_now().await;
        }
        send(&rig, notice(&inbox.url, "two"));
        rig.control.wait_for_notices(2).await;
        assert_eq!(inbox.bodies(), ["two", "one"]);
    }

    #[tokio::test]
    async fn addresses_and_resends_are_ordered_over_http() {
        let rig = Rig::new().await;
        let inbox = Inbox::answering(&[]).await;
        send(&rig, notice("", "n"));
        let post = http::Method::POST;
        for (path, body, status) in [
            ("/notices/1/resend", Value::Null, 400),
            ("/notices/2/resend", Value::Null, 404),
            ("/notices/x/resend", Value::Null, 404),
            ("/notification-url/nobody/systempay", json!({"url": inbox.url}), 404),
            ("/notification-url/lyra/nobody", json!({"url": inbox.url}), 404),
            ("/notification-url/lyra/systempay", json!({"url": "ftp://x"}), 400),
            ("/notification-url/lyra/systempay", json!({"address": "x"}), 400),
            ("/notification-url/lyra/systempay", json!({"url": inbox.url}), 200),
            ("/notices/1/resend", Value::Null, 200),
        ] {
            assert_eq!(rig.order_control(post.clone(), path, &body).await.0, status, "{path} {body}");
        }
        rig.control.wait_for_notices(1).await;
        let (_, listed) = rig.order_control(http::Method::GET, "/notices", &Value::Null).await;
        assert_eq!(listed["notices"][0]["attempts"][0]["status"], 200);
        assert_eq!(rig.control.total_requests(), 0, "a notice is no service call");
    }
}
