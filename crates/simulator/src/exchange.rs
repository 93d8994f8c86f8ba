//! One request and its answer: log it, look up the fault plan, let the platform work, spoil the result as ordered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::body::Reply;
use super::clock::Clock;
use super::control::SimulatorControl;
use super::control_http;
use super::faults::{FaultId, FaultKind, FaultPlan, Moment};
use super::journal::{Journal, LoggedRequest};
use super::ledger::Ledger;
use super::notices::Notices;
use super::platform::{Call, Platform, Received, Refusal, Target, answer};
use super::visitors;

/// More than the 2 MiB that a client should ever read.
const PADDING: usize = 2 * 1024 * 1024;

/// What all platforms share: time, records and faults.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) ledger: Ledger,
    pub(crate) faults: FaultPlan,
    pub(crate) notices: Notices,
}

/// The frame and the platforms in it.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) frame: Arc<Frame>,
    pub(crate) platforms: Vec<Arc<dyn Platform>>,
    /// Base of the links to payment pages.
    pub(crate) public_url: String,
    /// Raised to close every open connection.
    pub(crate) connections: tokio::sync::watch::Sender<u64>,
}

impl Core {
    pub(crate) fn platform(&self, name: &str) -> Option<&Arc<dyn Platform>> {
        self.platforms.iter().find(|platform| platform.name() == name)
    }

    /// Answers one request. Must not be dropped half way: the effect of a request does not depend on whether the
    /// client still listens.
    pub(crate) async fn exchange(self: Arc<Self>, request: Received) -> Reply {
        let first = request.path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if first == "_control" {
            if let Some(why) = visitors::refuse_order(&request, &self.public_url) {
                return answer(StatusCode::FORBIDDEN, "text/plain", why).into();
            }
            return control_http::serve(&SimulatorControl::new(self), &request).into();
        }
        let Some(platform) = self.platform(first) else {
            return answer(
                StatusCode::NOT_FOUND,
                "text/plain",
                "no simulator has this path; see /_control\n",
            )
            .into();
        };
        match platform.target(&request) {
            Target::Service(call) => self.service(platform.as_ref(), call, &request).await,
            Target::Page => match visitors::refuse_button(&request, &self.public_url) {
                Some(why) => answer(StatusCode::FORBIDDEN, "text/plain", why).into(),
                None => platform.page(&request).into(),
            },
            Target::Nothing => answer(StatusCode::NOT_FOUND, "text/plain", "no such page\n").into(),
        }
    }

    async fn service(&self, platform: &dyn Platform, mut call: Call, request: &Received) -> Reply {
        let header =
            |name| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        call.sequence = Some(self.frame.journal.record(LoggedRequest {
            sequence: 0,
            at: self.frame.clock.now(),
            connection: request.connection,
            provider: platform.name().to_owned(),
            brand: call.brand.clone(),
            service: call.service.clone(),
            shop: call.shop.clone(),
            order: call.order.clone(),
            reference: call.reference.clone(),
            traceparent: header("traceparent"),
            tracestate: header("tracestate"),
            body: call.body.clone(),
        }));
        let ordered = self.frame.faults.take(platform.name(), &call);
        match ordered.or_else(|| platform.magic(&call).map(|kind| (None, kind))) {
            Some((id, kind)) => self.spoil(platform, &call, request, id, kind).await,
            None => platform.serve(&call, request).into(),
        }
    }

    async fn spoil(
        &self,
        platform: &dyn Platform,
        call: &Call,
        request: &Received,
        id: Option<FaultId>,
        kind: FaultKind,
    ) -> Reply {
        let serve = || platform.serve(call, request);
        let serve_if = |effect: bool| effect.then(serve);
        let serve_or_fail =
            |effect: bool| serve_if(effect).unwrap_or_else(|| platform.refuse(call, &platform.incident()));
        match kind {
            FaultKind::Refuse { code, message, detailed_code, detailed_message } => {
                let refusal = Refusal { code, message, detailed_code, detailed_message };
                platform.refuse(call, &refusal).into()
            }
            FaultKind::Delay { ms, when } => {
                let pause = tokio::time::sleep(Duration::from_millis(ms));
                around(when, pause, serve).await.into()
            }
            FaultKind::LoseAnswer => {
                serve();
                Reply::Nothing
            }
            FaultKind::CutBefore => Reply::Nothing,
            FaultKind::CutMidAnswer => Reply::Half(serve()),
            FaultKind::HttpStatus { code, body, content_type, effect } => {
                serve_if(effect);
                let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                answer(status, &content_type, body).into()
            }
            FaultKind::Garbage { effect } => {
                serve_if(effect);
                json_like("<<< this is not JSON {\"status\":").into()
            }
            FaultKind::Empty { effect } => {
                serve_if(effect);
                json_like("").into()
            }
            FaultKind::TooLarge { effect } => serve_or_fail(effect).map(padded).into(),
            FaultKind::WrongEnvelope { effect } => {
                serve_if(effect);
                json_like("{\"result\":\"ok\",\"data\":[1,2,3]}").into()
            }
            FaultKind::BadSignature { effect } => platform.with_bad_signature(serve_or_fail(effect)).into(),
            FaultKind::Unsigned { effect } => platform.without_signature(serve_or_fail(effect)).into(),
            FaultKind::PayerAddress { address } => {
                platform.with_payer_address(call, serve(), &address).into()
            }
            FaultKind::Hold { when } => {
                let parked = async {
                    if let Some(id) = id {
                        self.frame.faults.park(id).await;
                    }
                };
                around(when, parked, serve).await.into()
            }
            FaultKind::ErrorAfterEffect { code } => {
                serve();
                platform.refuse(call, &Refusal::new(code)).into()
            }
            // The plan gives these to deliveries only.
            FaultKind::NotifyNever
            | FaultKind::NotifyTwice
            | FaultKind::NotifyLate { .. }
            | FaultKind::NotifyForged
            | FaultKind::NotifyAltered
            | FaultKind::NotifyOutOfOrder => serve().into(),
        }
    }
}

/// Waits before the effect, or between the effect and the answer.
async fn around(
    when: Moment,
    wait: impl Future<Output = ()>,
    serve: impl FnOnce() -> Response<Bytes>,
) -> Response<Bytes> {
    match when {
        Moment::Before => {
            wait.await;
            serve()
        }
        Moment::After => {
            let response = serve();
            wait.await;
            response
        }
    }
}

fn json_like(body: &'static str) -> Response<Bytes> {
    answer(StatusCode::OK, "application/json; charset=utf-8", body)
}

/// The same JSON behind 2 MiB of blanks: right for whoever reads without a limit.
fn padded(body: Bytes) -> Bytes {
    let mut long = vec![b' '; PADDING];
    long.extend_from_slice(&body);
    long.into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::rig::{CANCEL, CREATE, GET, Rig, UPDATE};
    use crate::{Fault, FaultKind, Moment};

    /// An order, and the body that changes it from 10000 to 500.
    async fn changing(kind: FaultKind) -> (Rig, Value, String) {
        let rig = Rig::new().await;
        let id = rig.control.add_order("lyra", "systempay", &json!({})).unwrap();
        rig.control.add_fault(Fault::new("lyra", kind).on_service(UPDATE).on_order(&id));
        (rig, json!({"paymentOrderId": id, "amount": 500, "currency": "EUR"}), id)
    }

    async fn amount_now(rig: &Rig, id: &str) -> Value {
        rig.done("systempay", GET, &json!({"paymentOrderId": id})).await["amount"].clone()
    }

    /// The change gives no usable answer, and `effects` changes were made; the next one works.
    async fn check_no_answer(kind: FaultKind, effects: usize) {
        let (rig, change, id) = changing(kind.clone()).await;
        let ended = match rig.send("systempay", UPDATE, &change).await {
            Ok(response) => response.bytes().await.err(),
            Err(error) => Some(error),
        };
        let error = ended.unwrap_or_else(|| panic!("{kind:?} answered"));
        assert!(!error.is_connect(), "{kind:?}: the request must have been sent");
        assert_eq!(rig.control.effects().len(), effects, "{kind:?}");
        assert_eq!(amount_now(&rig, &id).await, if effects == 0 { 10_000 } else { 500 }, "{kind:?}");
        rig.done("systempay", UPDATE, &change).await;
        assert_eq!(rig.control.requests(UPDATE), 2);
    }

    #[tokio::test]
    async fn answers_are_lost_with_and_without_effect() {
        check_no_answer(FaultKind::LoseAnswer, 1).await;
        check_no_answer(FaultKind::CutBefore, 0).await;
        check_no_answer(FaultKind::CutMidAnswer, 1).await;
        let (rig, change, _) = changing(FaultKind::CutMidAnswer).await;
        let mut response = rig.send("systempay", UPDATE, &change).await.unwrap();
        let announced = response.content_length().unwrap();
        let half = response.chunk().await.unwrap().unwrap();
        assert_eq!(u64::try_from(half.len()).unwrap(), announced / 2);
        assert!(response.chunk().await.is_err());
    }

    /// The change is answered with this status and body, and `effects` changes were made.
    async fn check_answer(kind: FaultKind, status: u16, is_body: fn(&str) -> bool, effects: usize) {
        let (rig, change, _) = changing(kind.clone()).await;
        let response = rig.send("systempay", UPDATE, &change).await.unwrap();
        assert_eq!(response.status(), status, "{kind:?}");
        let body = response.text().await.unwrap();
        assert!(is_body(&body), "{kind:?}: {}", body.chars().take(200).collect::<String>());
        assert_eq!(rig.control.effects().len(), effects, "{kind:?}");
    }

    #[tokio::test]
    async fn unusable_answers_come_with_and_without_effect() {
        for (effect, effects) in [(true, 1), (false, 0)] {
            let not_json = |body: &str| serde_json::from_str::<Value>(body).is_err() && !body.is_empty();
            check_answer(FaultKind::Garbage { effect }, 200, not_json, effects).await;
            check_answer(FaultKind::Empty { effect }, 200, str::is_empty, effects).await;
            let json_only = |body: &str| {
                serde_json::from_str::<Value>(body).is_ok_and(|value| value.get("status").is_none())
            };
            check_answer(FaultKind::WrongEnvelope { effect }, 200, json_only, effects).await;
            let huge = |body: &str| {
                body.len() > 2 * 1024 * 1024
                    && serde_json::from_str::<Value>(body).is_ok_and(|value| value.get("status").is_some())
            };
            check_answer(FaultKind::TooLarge { effect }, 200, huge, effects).await;
            let html = FaultKind::HttpStatus {
                code: 503,
                body: "<h1>later</h1>".into(),
                content_type: "text/html".into(),
                effect,
            };
            check_answer(html, 503, |body| body == "<h1>later</h1>", effects).await;
        }
    }

    #[tokio::test]
    async fn an_error_can_come_after_the_effect_and_a_right_answer_late() {
        let (rig, change, id) = changing(FaultKind::ErrorAfterEffect { code: "PSP_999".into() }).await;
        assert_eq!(rig.refused("systempay", UPDATE, &change).await, "PSP_999");
        assert_eq!(amount_now(&rig, &id).await, 500);
        for when in [Moment::Before, Moment::After] {
            let (rig, change, id) = changing(FaultKind::Delay { ms: 1, when }).await;
            rig.done("systempay", UPDATE, &change).await;
            assert_eq!(amount_now(&rig, &id).await, 500);
        }
    }

    #[tokio::test]
    async fn a_held_request_waits_before_or_after_its_effect() {
        for (when, effects) in [(Moment::Before, 0), (Moment::After, 1)] {
            let (rig, change, _) = changing(FaultKind::Hold { when }).await;
            let fault = rig.control.faults()[0].id;
            let request = rig.request("systempay", UPDATE, &change.to_string());
            let sent = tokio::spawn(request.send());
            assert!(rig.control.held(fault).await);
            rig.control.wait_for_requests(1).await;
            assert_eq!(rig.control.effects().len(), effects, "{when:?}");
            assert_eq!(rig.control.faults()[0].held, 1);
            assert!(rig.control.release(fault));
            assert_eq!(sent.await.unwrap().unwrap().status(), 200);
            assert_eq!(rig.control.effects().len(), 1, "{when:?}");
        }
    }

    #[tokio::test]
    async fn a_platform_carries_out_what_it_has_read_though_the_client_left() {
        let (rig, change, id) = changing(FaultKind::Hold { when: Moment::Before }).await;
        let fault = rig.control.faults()[0].id;
        let sent = tokio::spawn(rig.request("systempay", UPDATE, &change.to_string()).send());
        rig.control.held(fault).await;
        sent.abort();
        assert!(sent.await.unwrap_err().is_cancelled());
        rig.control.release(fault);
        rig.control.wait_for_effects(1).await;
        assert_eq!(rig.control.effects()[0].order, id);
    }

    #[tokio::test]
    async fn magic_amounts_are_faults_without_a_plan() {
        let rig = Rig::new().await;
        let make = |amount: i64| json!({"amount": amount, "currency": "EUR"});
        assert!(rig.send("systempay", CREATE, &make(990_003)).await.is_err());
        let read = json!({"paymentOrderId": rig.control.effects()[0].order});
        assert_eq!(rig.done("systempay", GET, &read).await["amount"], 990_003, "a lost creation can be read");
        let order = rig.done("systempay", CREATE, &make(990_023)).await;
        let cancel = json!({"paymentOrderId": order["paymentOrderId"]});
        assert!(rig.send("systempay", CANCEL, &cancel).await.is_err());
        assert_eq!(rig.done("systempay", GET, &cancel).await["paymentOrderStatus"], "CANCELED");
    }

    #[tokio::test]
    async fn requests_are_logged_before_their_effect_with_what_they_name() {
        let rig = Rig::new().await;
        let body = json!({"amount": 100, "currency": "EUR", "orderId": "cart-1"});
        let id = rig.done("systempay", CREATE, &body).await["paymentOrderId"].clone();
        rig.done("systempay", GET, &json!({"paymentOrderId": id})).await;
        let log = rig.control.request_log();
        assert_eq!((log[0].service.as_str(), log[0].reference.as_deref()), (CREATE, Some("cart-1")));
        assert_eq!((log[1].sequence, log[1].order.as_deref()), (2, id.as_str()));
        assert_eq!(log[0].body, body);
        assert_eq!(log[0].connection, log[1].connection, "the client keeps its connection");
        assert_eq!(rig.control.effects()[0].request, Some(1));
        assert_eq!(rig.control.request_counts().len(), 2);
    }
}
