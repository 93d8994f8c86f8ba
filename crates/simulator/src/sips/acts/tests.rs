use super::super::rig::Bench;
use super::super::services::INIT;
use crate::{ControlError, PayerAction};
use serde_json::json;

#[tokio::test]
async fn each_action_moves_the_statuses_that_it_fits() {
    let bench = Bench::new().await;
    for (status, amount, action, after, operation) in [
        ("TO_CAPTURE", 1000, "remit", "CAPTURED", "DEBIT_CAPTURE"),
        ("TO_CREDIT", 0, "remit", "CREDITED", "CREDIT_CAPTURE"),
        ("TO_CREDIT", 700, "remit", "CAPTURED", "CREDIT_CAPTURE"),
        ("TO_AUTHORIZE", 1000, "remit", "TO_CAPTURE", "AUTHOR_BATCH"),
        ("TO_CAPTURE", 1000, "refuse_remittance", "CAPTURE_REFUSED", "DEBIT_CAPTURE"),
        ("CAPTURED", 1000, "reject_capture", "CAPTURE_REFUSED", "DEBIT_CAPTURE"),
        ("TO_VALIDATE", 1000, "expire", "EXPIRED", "EXPIRED"),
        ("TO_REPLAY", 1000, "expire", "EXPIRED", "EXPIRED"),
        ("TO_CAPTURE", 1000, "challenge", "TO_CHALLENGE", "AUTHOR"),
        ("TO_CHALLENGE", 1000, "accept_challenge", "TO_CAPTURE", "ACCEPT_CHALLENGE"),
        ("TO_CHALLENGE", 1000, "refuse_challenge", "REFUSED", "REFUSE_CHALLENGE"),
    ] {
        let id = bench.add(&json!({"status": status, "amount": amount, "captureDay": 5}));
        assert_eq!(bench.act(&id, action), json!({"changed": [id]}));
        let read = bench.read(&id).await;
        assert_eq!(
            (&read["transactionStatus"], &read["lastOperationName"]),
            (&json!(after), &json!(operation))
        );
        let effect = bench.effects().pop().unwrap();
        assert_eq!(effect, (action.to_owned(), Some(amount), amount, after.to_owned()));
        let again = bench.rig.control.act("sips", "sherlocks", Some(&id), "abort");
        assert!(matches!(again, Err(ControlError::Invalid(_))), "{again:?}");
    }
}

#[tokio::test]
async fn a_bank_can_reject_a_refund_before_and_after_the_night() {
    let bench = Bench::new().await;
    let id = bench.add(&json!({"status": "CAPTURED", "amount": 1000}));
    let control = &bench.rig.control;
    assert!(control.act("sips", "sherlocks", Some(&id), "reject_credit").is_err(), "there is none");
    let refund = async |amount: i64| {
        let refund = json!({"transactionReference": id, "operationAmount": amount});
        assert_eq!(bench.code("cashManagement/refund", refund).await.0, "00");
    };
    let state = async || {
        let read = bench.read(&id).await;
        format!("{} {} {}", read["transactionStatus"], read["currentAmount"], read["lastOperationName"])
            .replace('"', "")
    };
    refund(300).await;
    refund(200).await;
    control.act_amount("sips", "sherlocks", &id, "reject_credit", 300).unwrap();
    assert_eq!(state().await, "TO_CREDIT 800 CREDIT_CAPTURE", "the other one waits");
    let effect = control.effects().pop().unwrap();
    assert_eq!((effect.action.as_str(), effect.amount), ("reject_credit", Some(300)));
    bench.act(&id, "remit");
    refund(800).await;
    bench.act(&id, "remit");
    assert_eq!(state().await, "CREDITED 0 CREDIT_CAPTURE");
    bench.act(&id, "reject_credit");
    assert_eq!(state().await, "CAPTURED 800 CREDIT_CAPTURE", "the last one, after the night");
    assert!(control.act_amount("sips", "sherlocks", &id, "reject_credit", 800).is_err(), "it is gone");
    assert!(control.act_amount("sips", "sherlocks", &id, "remit", 1).is_err(), "no amount");
    // What was rejected can be refunded again.
    refund(800).await;
    let made = bench.add(&json!({"status": "CREDITED", "amount": 0, "originAmount": 500}));
    bench.act(&made, "reject_credit");
    assert_eq!(bench.read(&made).await["currentAmount"], 500);
}

#[tokio::test]
async fn the_night_comes_for_all_and_passes_what_it_does_not_fit() {
    let bench = Bench::new().await;
    let ids = ["TO_CAPTURE", "CANCELLED", "TO_CREDIT"].map(|status| bench.add(&json!({"status": status})));
    let done = bench.rig.control.act("sips", "sherlocks", None, "remit").unwrap();
    assert_eq!(done, json!({"changed": [ids[0], ids[2]]}));
    assert_eq!(bench.effects().len(), 2);
    assert_eq!(bench.rig.control.act("sips", "mercanet", None, "remit").unwrap(), json!({"changed": []}));
    for (brand, order, action) in
        [("sherlocks", None, "dance"), ("sherlocks", Some("NOBODY"), "remit"), ("nobody", None, "remit")]
    {
        let refused = bench.rig.control.act("sips", brand, order, action);
        assert!(matches!(refused, Err(ControlError::NotFound(_))), "{action}");
    }
}

#[tokio::test]
async fn open_pages_end_with_their_result() {
    let bench = Bench::new().await;
    for (reference, action, code) in [("A1", "abort", "17"), ("A2", "expire", "97")] {
        assert_eq!(bench.code(INIT, json!({"transactionReference": reference})).await.0, "00");
        bench.act(reference, action);
        let read = bench.read(reference).await;
        assert_eq!((&read["transactionStatus"], &read["responseCode"]), (&json!("ABORTED"), &json!(code)));
        assert_eq!(bench.effects().pop().unwrap().0, action);
    }
    assert_eq!(bench.rig.control.notices().len(), 2);
}

#[tokio::test]
async fn storage_can_be_late() {
    let bench = Bench::new().await;
    let control = &bench.rig.control;
    control.act("sips", "sherlocks", None, "delay_storage").unwrap();
    assert_eq!(bench.code(INIT, json!({"transactionReference": "A1"})).await.0, "00");
    control.payer("sips", "sherlocks", "A1", PayerAction::Pay).unwrap();
    assert_eq!(control.notices().len(), 1, "the notification does not wait");
    assert_eq!(bench.read("A1").await["responseCode"], "25");
    let cancel = || json!({"transactionReference": "A1", "operationAmount": 1500});
    assert_eq!(bench.code("cashManagement/cancel", cancel()).await.0, "25");
    control.act("sips", "sherlocks", None, "store").unwrap();
    assert_eq!(bench.code("cashManagement/cancel", cancel()).await.0, "00");
    bench.act("A1", "delay_storage");
    assert_eq!(bench.read("A1").await["responseCode"], "25");
}

#[tokio::test]
async fn the_control_api_prepares_bends_and_resets() {
    let bench = Bench::seeded().await;
    let control = &bench.rig.control;
    control.set_order_status("sips", "sherlocks", "ORDER0001", "ODD").unwrap();
    assert_eq!(bench.read("ORDER0001").await["transactionStatus"], "ODD");
    let open = bench.add(&json!({"status": "PAGE_OPEN", "amount": 7}));
    assert_eq!(control.payer("sips", "sherlocks", &open, PayerAction::Leave).unwrap(), "PAGE_OPEN");
    assert_eq!(control.payer("sips", "sherlocks", &open, PayerAction::Decline).unwrap(), "REFUSED");
    for draft in [
        json!({"colour": "red"}),
        json!({"transactionReference": "ORDER0001"}),
        json!({"s10TransactionId": "1"}),
        json!({"sealAlgorithm": "MD5"}),
        json!({"merchantId": "x"}),
    ] {
        assert!(control.add_order("sips", "sherlocks", &draft).is_err(), "{draft}");
    }
    assert!(control.add_transaction("sips", "sherlocks", "ORDER0001", &json!({})).is_err());
    let (_, help) = bench.rig.order_control(http::Method::GET, "", &json!(null)).await;
    assert_eq!(help["providers"]["sips"]["shops"][0]["merchant_id"], "002001000000001");
    assert_eq!(help["providers"]["sips"]["actions"][0]["action"], "remit");
    control.reset();
    assert_eq!(control.orders("sips", "sherlocks").unwrap().len(), 1);
    assert_eq!(bench.read("ORDER0001").await["transactionStatus"], "TO_CAPTURE");
}

#[tokio::test]
async fn the_account_of_the_sandbox_reaches_the_sample() {
    let bench = Bench::seeded().await;
    let account =
        bench.rig.running.sandbox_accounts().into_iter().find(|one| one.name == "sherlocks").unwrap();
    let setting = |name: &str| account.settings.iter().find(|(key, _)| *key == name).unwrap().1.clone();
    assert_eq!(setting("office_url"), bench.url("").trim_end_matches('/'));
    assert_eq!(setting("secret_key"), "002001000000001_KEY1");
    assert_eq!((account.provider, setting("reference_by").as_str()), ("sips", "merchant"));
}
