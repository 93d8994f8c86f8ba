use serde_json::json;

use super::super::rig::{Bench, POOR_MERCHANT, S10_MERCHANT, lay};
use super::super::transaction::{CREDITED, EXPIRED};
use super::*;

/// The operation on an order of this status and 1000 gives this code and status; the effects are counted.
async fn check(service: &str, status: &str, amount: i64, code: &str, new_status: &str, new_amount: i64) {
    let bench = Bench::new().await;
    let id = bench.add(&json!({"status": status, "captureDay": 30}));
    let answer = bench.call(service, json!({"transactionReference": id, "operationAmount": amount})).await;
    let what = format!("{service} {status} {amount}");
    assert_eq!(answer["responseCode"], code, "{what}");
    assert_eq!(
        (&answer["newStatus"], &answer["newAmount"]),
        (&json!(new_status), &json!(new_amount)),
        "{what}"
    );
    let done = code == "00";
    assert_eq!(answer.contains_key("acquirerResponseCode"), done, "{what}");
    assert_eq!(answer.contains_key("authorisationId"), done && service != CANCEL, "{what}");
    assert_eq!(answer.contains_key("captureLimitDate"), done && service == VALIDATE, "{what}");
    let (word, _) = Operation::of(service).unwrap().words();
    let effect = (word.to_owned(), Some(1000), new_amount, new_status.to_owned());
    assert_eq!(bench.effects(), if done { vec![effect] } else { vec![] }, "{what}");
    let moved: Vec<_> = bench.rig.control.effects().iter().map(|effect| effect.amount).collect();
    assert_eq!(moved, if done { vec![Some(amount)] } else { vec![] }, "{what}");
    let read = bench.read(&id).await;
    assert_eq!(
        (&read["transactionStatus"], &read["currentAmount"]),
        (&json!(new_status), &json!(new_amount))
    );
    assert_eq!(read["originAmount"], 1000);
}

#[tokio::test]
async fn a_status_allows_what_the_guide_says() {
    let table = [
        ("TO_AUTHORIZE", true, false, false),
        ("WAITING_AUTHOR", false, false, false),
        ("TO_CONFIRM_AUTHOR", false, false, false),
        ("PENDING", false, false, false),
        ("TO_CHALLENGE", true, false, false),
        ("TO_VALIDATE", true, false, true),
        ("TO_REPLAY", false, false, true),
        ("TO_CAPTURE", true, false, false),
        ("TO_CONFIRM_CAPTURE", false, false, false),
        ("CAPTURED", false, true, false),
        ("CAPTURE_REFUSED", false, false, false),
        ("TO_CREDIT", false, true, false),
        ("TO_CONFIRM_CREDIT", false, false, false),
        ("CREDITED", false, false, false),
        ("CANCELLED", false, false, false),
        ("EXPIRED", false, false, false),
        ("REFUSED", false, false, false),
        ("ABORTED", false, false, false),
        ("ENDED", false, false, false),
        ("PREPROD", false, false, false),
        ("UNDEFINED", false, false, false),
    ];
    for (status, cancel, refund, validate) in table {
        for (service, allowed, after, left) in [
            (CANCEL, cancel, status, 700),
            (REFUND, refund, "TO_CREDIT", 700),
            (VALIDATE, validate, "TO_CAPTURE", 300),
        ] {
            if allowed {
                check(service, status, 300, "00", after, left).await;
            } else {
                check(service, status, 300, "24", status, 1000).await;
            }
        }
    }
}

#[tokio::test]
async fn all_of_it_ends_or_moves_the_transaction() {
    check(CANCEL, TO_CAPTURE, 1000, "00", CANCELLED, 0).await;
    check(CANCEL, TO_VALIDATE, 1000, "00", CANCELLED, 0).await;
    check(VALIDATE, TO_VALIDATE, 1000, "00", TO_CAPTURE, 1000).await;
    check(REFUND, CAPTURED, 1000, "00", TO_CREDIT, 0).await;
}

#[tokio::test]
async fn a_repeated_operation_is_done_again_until_nothing_is_left() {
    let bench = Bench::new().await;
    let id = bench.add(&json!({}));
    let part = || json!({"transactionReference": id, "operationAmount": "400"});
    assert_eq!(bench.call(CANCEL, part()).await["newAmount"], 600);
    assert_eq!(bench.call(CANCEL, part()).await["newAmount"], 200);
    assert_eq!(bench.code(CANCEL, part()).await.0, "51");
    bench.act(&id, "remit");
    assert_eq!(bench.code(CANCEL, part()).await.0, "24");
    assert_eq!(bench.code(REFUND, part()).await.0, "51");
    let rest = json!({"transactionReference": id, "operationAmount": 200});
    assert_eq!(bench.call(REFUND, rest.clone()).await["newStatus"], TO_CREDIT);
    assert_eq!(bench.code(REFUND, rest.clone()).await.0, "51", "nothing is left");
    bench.act(&id, "remit");
    let answer = bench.call(REFUND, rest).await;
    assert_eq!((&answer["responseCode"], &answer["newStatus"]), (&json!("24"), &json!(CREDITED)));
    let actions: Vec<_> = bench.effects().into_iter().map(|effect| effect.0).collect();
    assert_eq!(actions, ["cancel", "cancel", "remit", "refund", "remit"]);
}

#[tokio::test]
async fn wrong_requests_are_refused_without_effect() {
    let bench = Bench::seeded().await;
    for service in [CANCEL, VALIDATE, REFUND] {
        for (patch, code, field) in [
            (json!({"operationAmount": null}), "12", Some("operationAmount")),
            (json!({"operationAmount": "ten"}), "30", Some("operationAmount")),
            (json!({"operationAmount": "0"}), "12", Some("operationAmount")),
            (json!({"operationAmount": -5}), "30", Some("operationAmount")),
            (json!({"currencyCode": null}), "12", Some("currencyCode")),
            (json!({"currencyCode": "999"}), "12", Some("currencyCode")),
            (json!({"currencyCode": "840"}), "12", Some("currencyCode")),
            (json!({"transactionReference": "A_B"}), "30", Some("transactionReference")),
            (json!({"transactionReference": "NOBODY"}), "25", None),
            (json!({"transactionReference": null}), "12", Some("transactionReference")),
            (json!({"amount": 5}), "12", Some("amount")),
        ] {
            let mut body = json!({"transactionReference": "ORDER0001"});
            lay(&mut body, &patch);
            let (got, named) = bench.code(service, body).await;
            assert_eq!((got.as_str(), named.as_deref()), (code, field), "{service} {patch}");
        }
    }
    let contact = json!({"transactionReference": "ORDER0001", "customerContact": {"gender": "X"}});
    assert_eq!(bench.code(CANCEL, contact.clone()).await, ("12".into(), Some("gender".into())));
    assert_eq!(bench.code(VALIDATE, contact).await, ("12".into(), Some("customerContact".into())));
    assert!(bench.effects().is_empty());
}

#[tokio::test]
async fn everything_that_the_page_lists_is_taken() {
    let bench = Bench::seeded().await;
    let body = json!({"transactionReference": "ORDER0001", "operationAmount": 1, "operationOrigin": "BATCH",
        "sealAlgorithm": "HMAC-SHA-512", "customerContact": {"email": "zoe@example.fr", "firstname": "Zoë 中",
            "gender": "F", "initials": "Z", "lastname": "Lévêque", "mobile": "1", "phone": "2", "title": "Mme"}});
    assert_eq!(bench.call(CANCEL, body).await["newAmount"], 999);
}

#[tokio::test]
async fn options_of_the_shop_are_needed_for_two_of_the_three() {
    let bench = Bench::new().await;
    let id = bench.add(&json!({"merchantId": POOR_MERCHANT, "status": TO_VALIDATE, "captureDay": 5}));
    for (service, code) in [(CANCEL, "40"), (REFUND, "40"), (VALIDATE, "00")] {
        let body = json!({"merchantId": POOR_MERCHANT, "transactionReference": id});
        assert_eq!(bench.code(service, body).await.0, code, "{service}");
    }
}

#[tokio::test]
async fn the_pair_of_version_1_0_names_a_transaction_of_its_shop() {
    let bench = Bench::new().await;
    bench.add(
        &json!({"merchantId": S10_MERCHANT, "s10TransactionId": "123", "s10TransactionIdDate": "20260114"}),
    );
    let body = json!({"merchantId": S10_MERCHANT,
        "s10TransactionReference": {"s10TransactionId": "000123", "s10TransactionIdDate": "20260114"}});
    assert_eq!(bench.call(CANCEL, body).await["newStatus"], CANCELLED);
    assert_eq!(bench.rig.control.effects()[0].order, "s10.000123.20260114");
}

#[tokio::test]
async fn another_operation_at_the_same_time_and_a_charge_back_are_in_the_way() {
    let bench = Bench::new().await;
    let id = bench.add(&json!({"status": CAPTURED}));
    let refund = || json!({"transactionReference": id});
    bench.act(&id, "lock");
    let answer = bench.call(REFUND, refund()).await;
    assert_eq!((&answer["responseCode"], &answer["newStatus"]), (&json!("24"), &json!(CAPTURED)));
    bench.act(&id, "unlock");
    bench.act(&id, "charge_back");
    assert_eq!(bench.code(REFUND, refund()).await.0, "57");
    assert!(bench.effects().is_empty());
}

#[tokio::test]
async fn a_validation_that_is_late_is_refused_by_the_clock() {
    let bench = Bench::new().await;
    let id = bench.add(&json!({"status": TO_VALIDATE, "captureDay": 3}));
    bench.rig.control.advance(std::time::Duration::from_secs(3 * 86_400));
    let answer = bench.call(VALIDATE, json!({"transactionReference": id})).await;
    assert_eq!((&answer["responseCode"], &answer["newStatus"]), (&json!("24"), &json!(EXPIRED)));
}

#[tokio::test]
async fn answers_are_bent_and_still_sealed() {
    let bench = Bench::seeded().await;
    let patch = json!({"newStatus": null, "brandNew": {"x": [1, "é"]}, "currentAmount": "1000"});
    bench.rig.control.patch_answer("sips", "sherlocks", "ORDER0001", &patch).unwrap();
    let answer = bench.call(CANCEL, json!({"transactionReference": "ORDER0001", "operationAmount": 1})).await;
    assert!(!answer.contains_key("newStatus"));
    assert_eq!(answer["brandNew"]["x"], json!([1, "é"]));
    assert_eq!(bench.read("ORDER0001").await["currentAmount"], "1000");
}
