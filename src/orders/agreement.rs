//! Work that does not end with its caller, and the moment at which the caller is answered without it.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout_at};

use super::{core::Core, request::Changed};
use crate::{
    domain::{Operation, OrderId},
    problem::{Problem, ProblemCode},
    trace,
};

/// What a change and the caller that waits for it agree on. The first of them decides: either the change may be sent, or the
/// caller was told that nothing was done, and then nothing is.
#[derive(Debug, Clone)]
pub(super) struct Agreement {
    state: Arc<Mutex<State>>,
    deadline: Instant,
}

#[derive(Debug)]
enum State {
    /// Nothing may be sent yet; the order is being read at the provider.
    Reading,
    /// Nothing may be sent yet; the store is waited for.
    Storing,
    /// The intent is on disk, and it may be sent.
    Begun(Box<Operation>),
    /// The caller was told that nothing was done.
    GivenUp,
}

impl Agreement {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { state: Arc::new(Mutex::new(State::Storing)), deadline }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The change waits for the provider.
    pub(super) fn reads(&self) {
        self.waits(State::Reading);
    }

    /// The change waits for the store.
    pub(super) fn stores(&self) {
        self.waits(State::Storing);
    }

    fn waits(&self, next: State) {
        let mut state = self.state();
        if matches!(*state, State::Reading | State::Storing) {
            *state = next;
        }
    }

    /// Whether the change, whose intent is on disk, may be sent. Not after the deadline: nothing is done behind the back of
    /// a caller who was told that nothing was, or who is about to be.
    pub(super) fn begin(&self, operation: &Operation) -> bool {
        let mut state = self.state();
        let may_begin = !matches!(*state, State::GivenUp) && Instant::now() < self.deadline;
        *state = if may_begin { State::Begun(Box::new(operation.clone())) } else { State::GivenUp };
        may_begin
    }

    fn begun(&self) -> Option<Operation> {
        match &*self.state() {
            State::Begun(operation) => Some(Operation::clone(operation)),
            State::Reading | State::Storing | State::GivenUp => None,
        }
    }

    /// What the caller is told at its deadline: the operation where it may have been sent; else that nothing was done, and
    /// nothing will be.
    fn give_up(&self) -> Result<Operation, Problem> {
        let mut state = self.state();
        let problem = match &*state {
            State::Begun(operation) => return Ok(Operation::clone(operation)),
            State::Reading => Problem::new(
                ProblemCode::ProviderUnavailable,
                "the order could not be read at the provider, so nothing was changed",
            ),
            State::Storing | State::GivenUp => too_late(),
        };
        *state = State::GivenUp;
        Err(problem)
    }
}

/// The store did not take the intent in time.
pub(super) fn too_late() -> Problem {
    Problem::new(
        ProblemCode::StoreUnavailable,
        "the intent could not be written down in time, so nothing was sent",
    )
}

/// Runs work that does not end with its caller, and answers at the deadline at the latest.
pub(super) async fn detached<W, F>(
    core: &Core,
    deadline: Instant,
    order: Option<&OrderId>,
    work: W,
) -> Result<Changed, Problem>
where
    W: FnOnce(Agreement) -> F,
    F: Future<Output = Result<Changed, Problem>> + Send + 'static,
{
    let agreement = Agreement::until(deadline);
    let mut task = core.tasks.spawn(trace::carry(work(agreement.clone())));
    match timeout_at(deadline, &mut task).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) => {
            tracing::error!(%error, "a change ended abnormally");
            // Something may have been sent: say what is known, not 500.
            agreement.begun().map(Changed::kept).ok_or_else(|| Problem::plain(ProblemCode::InternalError))
        }
        Err(_) => agreement.give_up().map(Changed::kept).map_err(|problem| match order {
            Some(order) => problem.about(order),
            None => problem,
        }),
    }
}
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    /// The creation of an order, under way.
    fn operation() -> Operation {
        let amount = json!({"value": 1_250, "currency": "EUR"});
        let planned = json!({
            "order": {
                "amount": amount, "merchant_reference": "cart-42", "description": null, "capture": "automatic",
                "payment_method": null, "expires_at": null, "locale": null,
                "delivery": {"channel": "link", "recipient": null, "subject": null, "message": null, "template": null},
                "customer": {"email": null, "first_name": null, "last_name": null}, "return_url": null,
                "metadata": {}, "provider_options": {},
            },
            "expires_at": "2026-11-30T10:00:00.000Z", "reference": null, "page_token": null,
        });
        serde_json::from_value(json!({
            "id": "op_01997b2c-0000-7000-8000-000000000001", "kind": "create", "account": "shop", "order_id": null,
            "provider": "p", "client": "till", "request_id": "req-1", "amount": amount, "status": "sending",
            "already_done": false, "intent": {"type": "create", "planned": planned}, "failure": null,
            "order_after": null, "created_at": "2026-11-23T10:00:00.000Z", "updated_at": "2026-11-23T10:00:00.000Z",
            "checks": 0, "next_check_at": null,
        }))
        .unwrap()
    }

    fn in_a_minute() -> Agreement {
        Agreement::until(Instant::now() + Duration::from_secs(60))
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_told_that_nothing_was_done_is_right() {
        for (reads, code) in
            [(false, ProblemCode::StoreUnavailable), (true, ProblemCode::ProviderUnavailable)]
        {
            let agreement = in_a_minute();
            if reads {
                agreement.reads();
            }
            assert_eq!(agreement.give_up().unwrap_err().code, code);
            agreement.stores();
            assert!(!agreement.begin(&operation()), "it may not be sent any more");
            assert_eq!(agreement.give_up().unwrap_err().code, ProblemCode::StoreUnavailable);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_sent_is_told_at_the_deadline() {
        let agreement = in_a_minute();
        assert!(agreement.begin(&operation()));
        assert_eq!(agreement.give_up().unwrap(), operation());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_after_the_deadline() {
        let agreement = in_a_minute();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!agreement.begin(&operation()), "although nobody has given up yet");
        assert!(agreement.begun().is_none());
    }
}
