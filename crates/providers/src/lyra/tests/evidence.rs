//! What an answer to a change proves, and what a read proves of one whose answer was lost.

use std::time::Duration;

use serde_json::{Value, json};

use super::scripted::{
    DEBIT, OURS, Remembered, Scripted, but, credit, debit, moved, movement, operation, order_in, paid_with,
    part, refusal, soon, success, transactions, verdict,
};
use guichet_port::{
    adapter::{ErrorKind, Performed, Verdict},
    domain::{
        Fate, Intent, OperationId, OperationKind, OperationStatus, Order, OrderMemory, Part, Timestamp,
    },
};

const CREDIT: &str = "33333333333333333333333333333333";
const OLD: &str = "44444444444444444444444444444444";
const OTHER: &str = "55555555555555555555555555555555";
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

fn refund(before: &Order, amount: i64) -> Intent {
    Intent::Refund { before: Box::new(before.clone()), part: part(amount, false) }
}

/// Now by clocks that are right, and far behind and ahead of the platform's.
fn clocks() -> [Timestamp; 3] {
    let right = Timestamp::parse("2026-11-19T11:59:00Z").unwrap();
    [right, right.minus(YEAR), right.plus(YEAR)]
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done(_) => "done",
        Verdict::Accepted(_) => "accepted",
        Verdict::Refused(_) => "refused",
        Verdict::Unclear(_) => "unclear",
        Verdict::NoTrace(_) => "no trace",
    }
}

#[tokio::test]
async fn a_lost_refund_is_found_whatever_the_clocks_say() {
    let captured = debit(DEBIT, "CAPTURED");
    let old = credit(OLD, 300, "CAPTURED");
    let failed = credit(OLD, 300, "CAPTURE_FAILED");
    let new = |status| credit(CREDIT, 300, status);
    for at in clocks() {
        for (case, before, now, expected) in [
            ("done", vec![], vec![new("AUTHORISED")], "done"),
            ("done beside an equal one", vec![old.clone()], vec![old.clone(), new("AUTHORISED")], "done"),
            ("only the equal one of before", vec![old.clone()], vec![old.clone()], "no trace"),
            ("nothing", vec![], vec![], "no trace"),
            ("it waits", vec![], vec![new("UNDER_VERIFICATION")], "accepted"),
            ("it is retried", vec![], vec![new("REFUND_TO_RETRY")], "accepted"),
            ("it came to nothing", vec![], vec![new("REFUSED")], "no trace"),
            ("of another amount", vec![], vec![credit(CREDIT, 301, "AUTHORISED")], "unclear"),
            (
                "beside another new one",
                vec![],
                vec![new("AUTHORISED"), credit(OTHER, 7, "AUTHORISED")],
                "unclear",
            ),
            ("two new ones", vec![], vec![new("AUTHORISED"), credit(OTHER, 300, "AUTHORISED")], "unclear"),
            // One that was known and given up is undone no more: nobody asked for it here.
            ("an old one came back", vec![failed.clone()], vec![old.clone()], "no trace"),
            (
                "an old one failed meanwhile",
                vec![old.clone()],
                vec![failed.clone(), new("AUTHORISED")],
                "done",
            ),
        ] {
            let list = |credits: Vec<Value>| [vec![captured.clone()], credits].concat();
            let before = paid_with(&list(before), OrderMemory::default()).await;
            let lost = operation(refund(&before, 300), at, None);
            let found = verdict(&lost, &list(now), OrderMemory::default()).await;
            assert_eq!(word(&found), expected, "{case} at {at}");
            if let Verdict::Done(Some(order)) = found {
                let news = &order.news[0];
                assert_eq!((news.operation.to_string().as_str(), news.fate), (OURS, Fate::Done), "{case}");
                assert_eq!(news.provider_id.as_deref(), Some(CREDIT), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_refund_of_another_operation_is_not_taken_for_ours() {
    let before = paid_with(&[debit(DEBIT, "CAPTURED")], OrderMemory::default()).await;
    let lost = operation(refund(&before, 300), clocks()[0], None);
    let mut other = movement(OperationKind::Refund, 300, Some(CREDIT));
    other.operation = OperationId::generate();
    let list = [debit(DEBIT, "CAPTURED"), credit(CREDIT, 300, "AUTHORISED")];
    assert_eq!(word(&verdict(&lost, &list, moved(vec![other])).await), "no trace");
}

#[tokio::test]
async fn what_cannot_be_seen_proves_nothing() {
    let captured = debit(DEBIT, "CAPTURED");
    let before = paid_with(std::slice::from_ref(&captured), OrderMemory::default()).await;
    let waiting = debit(DEBIT, "AUTHORISED_TO_VALIDATE");
    let reserved = paid_with(std::slice::from_ref(&waiting), OrderMemory::default()).await;
    // An intent of a release that did not keep what had been given back.
    let mut unknown = before.clone();
    unknown.provider_data.remove("creditUuids");
    let cancel = |part: Part| Intent::Cancel { before: Box::new(reserved.clone()), part };
    let given = [captured.clone(), credit(CREDIT, 300, "AUTHORISED")];
    for (case, intent, list) in [
        ("refund, no transactions", refund(&before, 300), vec![]),
        ("refund, another payment", refund(&before, 300), vec![debit(OTHER, "CAPTURED")]),
        ("refund, what was known is not", refund(&unknown, 300), given.to_vec()),
        ("part of a cancel", cancel(part(5_000, false)), vec![]),
        ("cancel", cancel(part(20_000, true)), vec![]),
        ("capture", Intent::Capture { before: Box::new(reserved.clone()), part: part(20_000, true) }, vec![]),
    ] {
        let found = verdict(&operation(intent, clocks()[0], None), &list, OrderMemory::default()).await;
        assert_eq!(word(&found), "unclear", "{case}");
    }
    // More transactions than the platform lists.
    let planned = guichet_port::domain::PlannedOrder {
        order: serde_json::from_value(json!({
            "amount": {"value": 1, "currency": "EUR"}, "merchant_reference": "a", "description": null,
            "capture": "automatic", "payment_method": null, "expires_at": null, "locale": null,
            "delivery": {"channel": "link", "recipient": null, "subject": null, "message": null, "template": null},
            "customer": {"email": null, "first_name": null, "last_name": null}, "return_url": null,
            "metadata": {}, "provider_options": {}
        }))
        .unwrap(),
        expires_at: clocks()[0],
        reference: None,
        page_token: None,
    };
    for (code, expected) in [("PSP_015", "unclear"), ("PSP_010", "no trace")] {
        let scripted = Scripted::new(vec![refusal(code)]);
        let create = operation(Intent::Create { planned: Box::new(planned.clone()) }, clocks()[0], None);
        let found = scripted.adapter.settle(&create, &Remembered(OrderMemory::default()), soon()).await;
        assert_eq!(word(&found.unwrap()), expected, "{code}");
    }
}

#[tokio::test]
async fn a_part_is_seen_by_what_is_left_of_the_payment() {
    // The platform does not tell what it authorized of this one.
    let told = "/transactionDetails/cardDetails/authorizationResponse";
    let of =
        |amount: i64| but(debit(DEBIT, "AUTHORISED"), &[("/amount", json!(amount)), (told, Value::Null)]);
    let before = paid_with(&[of(18_000)], OrderMemory::default()).await;
    let intent = Intent::Cancel { before: Box::new(before.clone()), part: part(3_000, false) };
    let whole = Intent::Cancel { before: Box::new(before), part: part(18_000, true) };
    for (amount, expected) in [(15_000, "done"), (18_000, "no trace"), (17_000, "unclear")] {
        let lost = operation(intent.clone(), clocks()[0], None);
        assert_eq!(word(&verdict(&lost, &[of(amount)], OrderMemory::default()).await), expected, "{amount}");
    }
    // The payment is what was to be released; a good one beside it is another one.
    let released = debit(DEBIT, "CANCELLED");
    let lost = operation(whole, clocks()[0], None);
    let found = verdict(&lost, &[released, debit(OTHER, "AUTHORISED")], OrderMemory::default()).await;
    assert_eq!(word(&found), "done");
}

#[tokio::test]
async fn a_lost_capture_is_seen_by_its_payment() {
    let before = paid_with(&[debit(DEBIT, "AUTHORISED_TO_VALIDATE")], OrderMemory::default()).await;
    let intent = Intent::Capture { before: Box::new(before), part: part(20_000, true) };
    for (status, expected) in [
        ("AUTHORISED", "done"),
        ("CAPTURED", "done"),
        ("CAPTURE_PENDING", "done"),
        ("WAITING_AUTHORISATION", "done"),
        ("AUTHORISED_TO_VALIDATE", "no trace"),
        ("CANCELLED", "no trace"),
        ("EXPIRED", "no trace"),
        ("CAPTURE_FAILED", "refused"),
        ("DREAMING", "unclear"),
    ] {
        let lost = operation(intent.clone(), clocks()[0], None);
        let found = verdict(&lost, &[debit(DEBIT, status)], OrderMemory::default()).await;
        assert_eq!(word(&found), expected, "{status}");
        if let Verdict::Done(Some(order)) = found {
            assert_eq!(order.news[0].provider_id.as_deref(), Some(DEBIT), "{status}");
        }
    }
}

#[tokio::test]
async fn an_accepted_refund_is_followed_by_its_number() {
    let before = paid_with(&[debit(DEBIT, "CAPTURED")], OrderMemory::default()).await;
    for (status, expected) in [
        ("AUTHORISED", "done"),
        ("CAPTURED", "done"),
        ("UNDER_VERIFICATION", "accepted"),
        ("REFUND_TO_RETRY", "accepted"),
        ("DREAMING", "accepted"),
        ("REFUSED", "refused"),
        ("CANCELLED", "refused"),
        ("CAPTURE_FAILED", "refused"),
    ] {
        let list = [debit(DEBIT, "CAPTURED"), credit(OTHER, 300, "CAPTURED"), credit(CREDIT, 300, status)];
        let accepted = operation(refund(&before, 300), clocks()[0], Some(CREDIT));
        let found = verdict(&accepted, &list, OrderMemory::default()).await;
        assert_eq!(word(&found), expected, "{status}");
        if let Verdict::Refused(error) = found {
            assert_eq!(error.code.as_deref(), Some(status));
        }
    }
    // Found waiting by evidence, so its number is not kept.
    let mut accepted = operation(refund(&before, 300), clocks()[0], None);
    accepted.status = OperationStatus::Accepted;
    for (status, expected) in
        [("CAPTURED", "done"), ("REFUND_TO_RETRY", "accepted"), ("CANCELLED", "refused")]
    {
        let list = [debit(DEBIT, "CAPTURED"), credit(CREDIT, 300, status)];
        let found = verdict(&accepted, &list, OrderMemory::default()).await;
        assert_eq!(word(&found), expected, "{status}");
    }
    let accepted = operation(refund(&before, 300), clocks()[0], Some(CREDIT));
    let found = verdict(&accepted, &[debit(DEBIT, "CAPTURED")], OrderMemory::default()).await;
    assert_eq!(word(&found), "unclear", "the platform does not lose a refund");
}

async fn answered(answer: Value, kind: OperationKind, before: &Order) -> Result<Performed, ErrorKind> {
    let scripted = Scripted::new(vec![answer]);
    let id = OURS.parse().unwrap();
    let done = match kind {
        OperationKind::Refund => scripted.adapter.refund(id, before, part(300, false)).await,
        OperationKind::Capture => scripted.adapter.capture(id, before, part(20_000, true)).await,
        OperationKind::Create | OperationKind::Update | OperationKind::Cancel => {
            scripted.adapter.cancel(id, before, part(20_000, true)).await
        }
    };
    done.map_err(|error| error.kind)
}

#[tokio::test]
async fn an_answer_gives_the_number_of_what_was_done() {
    let captured = paid_with(&[debit(DEBIT, "CAPTURED")], OrderMemory::default()).await;
    let number =
        |id: &str, accepted| Ok(Performed { order: None, accepted, provider_id: Some(id.to_owned()) });
    for (status, expected) in [
        ("AUTHORISED", number(CREDIT, false)),
        ("CAPTURED", number(CREDIT, false)),
        ("UNDER_VERIFICATION", number(CREDIT, true)),
        ("REFUND_TO_RETRY", number(CREDIT, true)),
        ("INITIAL", number(CREDIT, true)),
        ("REFUSED", Err(ErrorKind::Refused)),
        ("ERROR", Err(ErrorKind::Refused)),
    ] {
        let answer = success(credit(CREDIT, 300, status));
        assert_eq!(answered(answer, OperationKind::Refund, &captured).await, expected, "{status}");
    }
    let waiting = paid_with(&[debit(DEBIT, "AUTHORISED_TO_VALIDATE")], OrderMemory::default()).await;
    for status in ["AUTHORISED", "CAPTURE_PENDING"] {
        let answer = success(debit(DEBIT, status));
        assert_eq!(
            answered(answer, OperationKind::Capture, &waiting).await,
            number(DEBIT, false),
            "{status}"
        );
    }
}

#[tokio::test]
async fn an_answer_of_the_other_mode_is_not_ours() {
    let before = paid_with(&[debit(DEBIT, "CAPTURED")], OrderMemory::default()).await;
    let waiting = paid_with(&[debit(DEBIT, "AUTHORISED_TO_VALIDATE")], OrderMemory::default()).await;
    let in_mode = |mut answer: Value, mode: Value| {
        answer["mode"] = mode;
        answer
    };
    for (mode, is_ours) in [(json!("TEST"), true), (Value::Null, true), (json!("PRODUCTION"), false)] {
        let paid = in_mode(transactions(&[debit(DEBIT, "CAPTURED")]), mode.clone());
        for answers in [vec![in_mode(order_in("RUNNING"), mode.clone())], vec![order_in("PAID"), paid]] {
            let read = Scripted::new(answers).fetch(OrderMemory::default()).await;
            assert_eq!(
                read.err().map(|error| error.kind),
                (!is_ours).then_some(ErrorKind::Misconfigured),
                "{mode}"
            );
        }
        let ping = Scripted::new(vec![in_mode(success(json!({"value": "guichet"})), mode.clone())]);
        assert_eq!(ping.adapter.test_connection(soon()).await.is_ok(), is_ours, "{mode}");
        for (kind, before, answer) in [
            (OperationKind::Refund, &before, credit(CREDIT, 300, "AUTHORISED")),
            (OperationKind::Capture, &waiting, debit(DEBIT, "AUTHORISED")),
            (OperationKind::Cancel, &waiting, debit(DEBIT, "CANCELLED")),
        ] {
            let done = answered(in_mode(success(answer), mode.clone()), kind, before).await;
            assert_eq!(done.err(), (!is_ours).then_some(ErrorKind::OutcomeUnknown), "{kind:?} {mode}");
        }
        // A refusal of the other mode says nothing of this one; refused credentials are refused.
        for (code, kind) in [("PSP_083", ErrorKind::StateConflict), ("INT_905", ErrorKind::Misconfigured)] {
            let done = answered(in_mode(refusal(code), mode.clone()), OperationKind::Refund, &before).await;
            let expected = if is_ours || code == "INT_905" { kind } else { ErrorKind::OutcomeUnknown };
            assert_eq!(done.err(), Some(expected), "{code} {mode}");
        }
    }
}

#[tokio::test]
async fn done_before_is_said_only_where_the_code_means_it() {
    let captured = paid_with(&[debit(DEBIT, "CAPTURED")], OrderMemory::default()).await;
    let waiting = paid_with(&[debit(DEBIT, "AUTHORISED_TO_VALIDATE")], OrderMemory::default()).await;
    let open = Scripted::new(vec![order_in("RUNNING")]).fetch(OrderMemory::default()).await.unwrap();
    for (code, kind, before, expected) in [
        ("PSP_105", OperationKind::Cancel, &waiting, ErrorKind::AlreadyDone),
        ("PSP_678", OperationKind::Cancel, &waiting, ErrorKind::AlreadyDone),
        ("PSP_1101", OperationKind::Cancel, &open, ErrorKind::AlreadyDone),
        ("PSP_105", OperationKind::Refund, &captured, ErrorKind::StateConflict),
        ("PSP_678", OperationKind::Capture, &waiting, ErrorKind::StateConflict),
        ("PSP_010", OperationKind::Refund, &captured, ErrorKind::StateConflict),
    ] {
        assert_eq!(answered(refusal(code), kind, before).await.err(), Some(expected), "{code} {kind:?}");
    }
}
