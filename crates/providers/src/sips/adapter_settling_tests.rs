//! Lost answers, and what is never shown.

use super::*;

#[tokio::test]
async fn lost_answers_are_settled_by_positive_evidence_only() {
    let before = order("ORDER0001", &json!({}));
    let at = Timestamp::now().to_string();
    let after = |word: &str, current: i64, last: &str| {
        sample(&json!({"transactionStatus": word, "currentAmount": current, "lastOperationName": last,
                       "lastOperationDateTime": at}))
    };
    let cancel =
        |amount: i64| Intent::Cancel { before: Box::new(before.clone()), part: part(amount, amount == 1000) };
    let replay = order("ORDER0001", &json!({"transactionStatus": "TO_REPLAY"}));
    let capture = || Intent::Capture { before: Box::new(replay.clone()), part: part(1000, true) };
    let taken = order("ORDER0001", &json!({"transactionStatus": "CAPTURED"}));
    let refund = || Intent::Refund { before: Box::new(taken.clone()), part: part(300, false) };
    let unpaid = || Intent::Create { planned: Box::new(planned(new_order(), OperationId::generate())) };
    for (intent, answer, expected) in [
        (cancel(1000), after("CANCELLED", 0, "CANCEL"), Ok("done")),
        (cancel(300), after("TO_CAPTURE", 700, "CANCEL"), Ok("done")),
        (cancel(300), sample(&json!({})), Ok("no trace")),
        (cancel(300), after("TO_CAPTURE", 600, "CANCEL"), Ok("unclear")),
        (cancel(300), json!({"responseCode": "99"}), Err(ErrorKind::Incident)),
        (capture(), after("TO_CAPTURE", 1000, "VALIDATE"), Ok("done")),
        (capture(), after("PENDING", 1000, "VALIDATE"), Ok("accepted")),
        (capture(), after("REFUSED", 1000, "AUTHOR"), Ok("refused")),
        (refund(), after("TO_CREDIT", 700, "CREDIT"), Ok("done")),
        (refund(), after("TO_CONFIRM_CREDIT", 700, "CREDIT"), Ok("accepted")),
        (refund(), sample(&json!({"transactionStatus": "CAPTURED"})), Ok("no trace")),
        (unpaid(), json!({"responseCode": "25"}), Ok("no trace")),
    ] {
        let provider = Provider::telling(std::slice::from_ref(&answer)).await;
        let operation = adapter_operation(intent);
        let verdict = provider.adapter.settle(&operation, &Memory(OrderMemory::default()), soon()).await;
        let verdict = verdict.map_err(|error| error.kind).map(|verdict| match verdict {
            Verdict::Done(_) => "done",
            Verdict::Accepted(_) => "accepted",
            Verdict::Refused(_) => "refused",
            Verdict::Unclear(_) => "unclear",
            Verdict::NoTrace(_) => "no trace",
        });
        assert_eq!(verdict, expected, "{:?} {answer}", operation.kind);
    }
}

#[tokio::test]
async fn no_credential_is_ever_shown() {
    let secret = "a_very_secret_KEY9";
    let changes = [("secret_key", secret), ("previous_secret_key", "an_older_KEY8")];
    let answer = (200, "application/json", json!({"responseCode": "34", "seal": "00"}).to_string());
    let provider = Provider::answering(&changes, vec![answer.clone(), answer]).await;
    let before = order("ORDER0001", &json!({}));
    let read = provider.fetch("ORDER0001", OrderMemory::default()).await.unwrap_err();
    let change = provider.change(OperationKind::Cancel, &before, part(1000, true)).await.unwrap_err();
    let raw = RawNotification { content_type: None, body: Bytes::from_static(b"Data=a%3Db&Seal=00") };
    let refused = provider.adapter.verify_notification(&raw).unwrap_err();
    let shown = format!(
        "{:?} {read:?} {read} {change:?} {change} {refused:?} {refused} {:?} {}",
        provider.adapter,
        provider.requests.lock().unwrap(),
        provider.adapter.identity(),
    );
    for secret in [secret, "an_older_KEY8"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(MERCHANT));
}
