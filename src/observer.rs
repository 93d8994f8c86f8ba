//! What becomes of the calls to providers, as metrics, spans and log lines.

use guichet_port::adapter::{
    Observer,
    observer::{BreakerMovement, EndedCall, Leaving, OnTheWay, Refusal},
};
use http::HeaderMap;

use crate::{
    faults,
    metrics::{self, Shed},
    trace::{self, Context, Key, Span, SpanKind},
};

/// Hears of the calls of all accounts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calls;

impl Observer for Calls {
    fn change_leaves(&self) {
        faults::reached("before_send");
    }

    fn change_returned(&self) {
        faults::reached("answer_received");
    }

    fn request_leaves(&self, request: &Leaving<'_>, headers: &mut HeaderMap) -> Box<dyn OnTheWay> {
        let context = trace::current();
        let mut span =
            context.span(SpanKind::Client, || format!("{} {}", request.provider, request.operation));
        context.put(&span, headers);
        if span.is_recorded() {
            tell(&mut span, &context, request);
        }
        Box::new(OpenSpan(span))
    }

    fn call_ended(&self, call: &EndedCall<'_>) {
        metrics::provider_called(call.provider, call.operation, call.error_type, call.took);
        let duration_ms = u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX);
        match call.result {
            Ok(status) => tracing::debug!(
                provider = call.provider,
                operation = call.operation,
                duration_ms,
                http_status = status,
                "provider answered"
            ),
            Err(error) => tracing::debug!(
                provider = call.provider,
                operation = call.operation,
                duration_ms,
                error = %error,
                "provider did not answer"
            ),
        }
    }

    fn call_shed(&self, _: &'static str, refusal: Refusal) {
        metrics::shed(match refusal {
            Refusal::Busy => Shed::AccountBusy,
            Refusal::Open => Shed::BreakerOpen,
        });
    }

    fn breaker_moved(&self, provider: &'static str, movement: BreakerMovement) {
        match movement {
            BreakerMovement::Opened { failures } => tracing::error!(
                provider,
                failures,
                alert = "breaker_open",
                "no usable answers from the provider: breaker opened"
            ),
            BreakerMovement::Closed => {
                tracing::info!(provider, "the provider answers again: breaker closed");
            }
        }
    }

    fn payer_address_refused(&self, provider: &'static str, member: &'static str, reason: &'static str) {
        metrics::payer_address_refused(provider);
        tracing::warn!(
            provider,
            member,
            reason,
            "the provider told an address that no payer may be sent to; it is not shown"
        );
    }
}

/// What a trace shows of a request that leaves.
fn tell(span: &mut Span, context: &Context, request: &Leaving<'_>) {
    span.tell(Key::Method, "POST");
    span.tell(Key::Provider, request.provider);
    span.tell(Key::ProviderOperation, request.operation);
    span.tell_some(Key::ServerAddress, request.host);
    span.tell_some(Key::ResendCount, (request.attempt > 0).then_some(request.attempt));
    span.tell_some(Key::RequestId, context.cause().request_id.as_deref());
    let about = context.subject();
    span.tell_some(Key::OrderId, about.order_id.as_ref().map(ToString::to_string));
    span.tell_some(Key::OperationId, about.operation_id.map(|id| id.to_string()));
}

/// The span of a request under way.
struct OpenSpan(Span);

impl OnTheWay for OpenSpan {
    fn arrived(mut self: Box<Self>, result: Result<u16, &'static str>) {
        match result {
            Ok(status) => {
                self.0.tell(Key::Status, status);
                self.0.fail(match status {
                    400..=499 => "http_4xx",
                    500..=599 => "http_5xx",
                    _ => "",
                });
            }
            Err(failure) => self.0.fail(failure),
        }
        self.0.end();
    }
}
