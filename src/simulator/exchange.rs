//! One request and its answer: log it, look up the fault plan, let the platform work, spoil the result as ordered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::body::Reply;
use super::clock::Clock;
use super::control_http;
use super::faults::{FaultId, FaultKind, FaultPlan, Moment};
use super::journal::{Journal, LoggedRequest};
use super::ledger::Ledger;
use super::platform::{Call, Platform, Received, Refusal, Target, answer};

/// More than the 2 MiB that a client should ever read.
const PADDING: usize = 2 * 1024 * 1024;

/// What all platforms share: time, records and faults.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) ledger: Ledger,
    pub(crate) faults: FaultPlan,
}

/// The frame and the platforms in it.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) frame: Arc<Frame>,
    pub(crate) platforms: Vec<Arc<dyn Platform>>,
    /// Raised to close every open connection.
    pub(crate) connections: tokio::sync::watch::Sender<u64>,
}

impl Core {
    pub(crate) fn platform(&self, name: &str) -> Option<&Arc<dyn Platform>> {
        self.platforms.iter().find(|platform| platform.name() == name)
    }

    /// Answers one request. Must not be dropped half way: the effect of a request does not depend on whether the
    /// client still listens.
    pub(crate) async fn exchange(&self, request: Received) -> Reply {
        let first = request.path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if first == "_control" {
            return control_http::serve(self, &request).into();
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
            Target::Page => platform.page(&request).into(),
            Target::Nothing => answer(StatusCode::NOT_FOUND, "text/plain", "no such page\n").into(),
        }
    }

    async fn service(&self, platform: &dyn Platform, mut call: Call, request: &Received) -> Reply {
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
            FaultKind::TooLarge { effect } => {
                let inner = serve_if(effect);
                let inner = inner.unwrap_or_else(|| platform.refuse(call, &Refusal::new("PSP_999")));
                inner.map(padded).into()
            }
            FaultKind::WrongEnvelope { effect } => {
                serve_if(effect);
                json_like("{\"result\":\"ok\",\"data\":[1,2,3]}").into()
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
