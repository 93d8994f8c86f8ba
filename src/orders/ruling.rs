//! What the evidence of a read makes of an operation whose answer was lost, or that the provider does later.

use super::failure::change_problem;
use crate::{
    adapter::Verdict,
    domain::{Operation, OperationStatus, operation::Failure},
    problem::{Problem, ProblemCode},
};

/// How an operation stands by evidence.
#[derive(Debug, PartialEq)]
pub(super) struct Ruling {
    pub(super) status: OperationStatus,
    pub(super) already_done: bool,
    pub(super) failure: Option<Failure>,
}

/// What a verdict makes of an operation; nothing where it proves nothing, or nothing new. `absence_proves` says whether
/// finding no trace means that nothing happened.
pub(super) fn rule(operation: &Operation, verdict: &Verdict, absence_proves: bool) -> Option<Ruling> {
    let ruling = |status| Ruling { status, already_done: false, failure: None };
    match verdict {
        Verdict::Done(_) => {
            Some(Ruling { already_done: operation.claimed_done, ..ruling(OperationStatus::Succeeded) })
        }
        Verdict::Refused(error) => Some(Ruling {
            failure: Some(change_problem(error).to_failure()),
            ..ruling(OperationStatus::Refused)
        }),
        Verdict::Accepted(_) if operation.status != OperationStatus::Accepted => {
            Some(ruling(OperationStatus::Accepted))
        }
        Verdict::NoTrace(_) if absence_proves => {
            let problem = Problem::new(
                ProblemCode::ProviderUnavailable,
                "the answer was lost; the provider shows no trace of the change after the settling time",
            );
            Some(Ruling { failure: Some(problem.to_failure()), ..ruling(OperationStatus::NotExecuted) })
        }
        Verdict::Accepted(_) | Verdict::Unclear(_) | Verdict::NoTrace(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapter::{ErrorKind, ProviderError};

    fn operation(status: OperationStatus, claimed_done: bool) -> Operation {
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
            "provider": "p", "client": "till", "request_id": "req-1", "amount": amount, "status": status,
            "already_done": false, "intent": {"type": "create", "planned": planned}, "failure": null,
            "order_after": null, "created_at": "2026-11-23T10:00:00.000Z", "updated_at": "2026-11-23T10:00:00.000Z",
            "checks": 0, "next_check_at": null, "claimed_done": claimed_done,
        }))
        .unwrap()
    }

    /// The status that a verdict gives an operation in this one.
    fn ruled(status: OperationStatus, verdict: &Verdict, absence_proves: bool) -> Option<OperationStatus> {
        rule(&operation(status, false), verdict, absence_proves).map(|ruling| ruling.status)
    }

    #[test]
    fn what_each_verdict_makes_of_an_operation() {
        use OperationStatus::{Accepted, NotExecuted, Refused, Sending, Succeeded, Unknown};
        let refused = || ProviderError::new("p", "Read", ErrorKind::Refused, "no");
        for (verdict, sending, unknown, accepted, after_the_settling_time) in [
            (Verdict::Done(None), Some(Succeeded), Some(Succeeded), Some(Succeeded), Some(Succeeded)),
            (Verdict::Accepted(None), Some(Accepted), Some(Accepted), None, Some(Accepted)),
            (
                Verdict::Refused(Box::new(refused())),
                Some(Refused),
                Some(Refused),
                Some(Refused),
                Some(Refused),
            ),
            (Verdict::Unclear(None), None, None, None, None),
            (Verdict::NoTrace(None), None, None, None, Some(NotExecuted)),
        ] {
            assert_eq!(ruled(Sending, &verdict, false), sending, "first answer lost: {verdict:?}");
            assert_eq!(ruled(Unknown, &verdict, false), unknown, "unknown: {verdict:?}");
            assert_eq!(ruled(Accepted, &verdict, false), accepted, "accepted: {verdict:?}");
            assert_eq!(ruled(Unknown, &verdict, true), after_the_settling_time, "later: {verdict:?}");
        }
    }

    #[test]
    fn what_was_claimed_to_be_done_before_had_been() {
        for claimed in [false, true] {
            let ruling = rule(&operation(OperationStatus::Unknown, claimed), &Verdict::Done(None), false);
            assert_eq!(ruling.map(|ruling| ruling.already_done), Some(claimed));
        }
    }

    #[test]
    fn a_failure_says_why() {
        let unknown = operation(OperationStatus::Unknown, false);
        let error = ProviderError::new("p", "Read", ErrorKind::Declined, "no");
        let refused = rule(&unknown, &Verdict::Refused(Box::new(error)), false).unwrap();
        assert_eq!(refused.failure.unwrap().code, "payment_declined");
        let absent = rule(&unknown, &Verdict::NoTrace(None), true).unwrap();
        assert_eq!(absent.failure.unwrap().code, "provider_unavailable");
    }
}
