//! Every code of the Sips pages, forced at the platform, as a caller sees it.

use guichet_simulator::FaultKind;
use serde_json::{Value, json};

use super::sips_rig::{
    CANCEL, CHANGES, Change, INIT, READ, Sips, add_account, all, misconfigured, seen, unknown,
};
use crate::rig::{Reply, amounts};

/// What a refused change becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Means {
    /// 402.
    Declined,
    /// 422, our member is wrong or nothing better is known.
    Refused,
    /// 422, more than what is left.
    TooMuch,
    /// 404.
    Absent,
    /// 409, the state does not allow it.
    Conflict,
    /// 409, another operation is running.
    Busy,
    /// 503, only an operator can help.
    Setting,
    /// Settled by reading, else 202.
    Unknown,
}

use Means::{Absent, Busy, Conflict, Declined, Refused, Setting, TooMuch, Unknown};

/// `responseCode`, the whole list of the provider page but for 00, 60 and 62, which are no refusals; and one that is
/// not on it.
const RESPONSE_CODES: [(&str, Means); 24] = [
    ("01", Unknown),
    ("02", Declined),
    ("03", Setting),
    ("05", Declined),
    ("11", Declined),
    ("12", Refused),
    ("14", Declined),
    ("17", Declined),
    ("24", Busy),
    ("25", Absent),
    ("30", Refused),
    ("34", Setting),
    ("40", Setting),
    ("51", TooMuch),
    ("54", Declined),
    ("55", Declined),
    ("57", Conflict),
    ("63", Declined),
    ("75", Declined),
    ("90", Unknown),
    ("94", Refused),
    ("97", Unknown),
    ("99", Unknown),
    ("77", Unknown),
];

/// `acquirerResponseCode`, the whole list of the provider page but for 00, each with the `responseCode` that the
/// platform makes of it (05 where the documentation names none).
const ACQUIRER_CODES: [(&str, &str, Means); 49] = [
    ("02", "02", Declined),
    ("03", "03", Setting),
    ("04", "05", Declined),
    ("05", "05", Declined),
    ("07", "05", Declined),
    ("08", "05", Declined),
    ("12", "12", Refused),
    ("13", "05", Declined),
    ("14", "14", Declined),
    ("15", "05", Declined),
    ("17", "17", Declined),
    ("20", "05", Unknown),
    ("24", "05", Declined),
    ("25", "05", Declined),
    ("30", "30", Refused),
    ("31", "05", Setting),
    ("33", "05", Declined),
    ("34", "34", Declined),
    ("40", "05", Setting),
    ("41", "05", Declined),
    ("43", "34", Declined),
    ("51", "05", Declined),
    ("54", "05", Declined),
    ("55", "05", Declined),
    ("56", "05", Declined),
    ("57", "05", Declined),
    ("58", "05", Setting),
    ("59", "05", Declined),
    ("60", "05", Setting),
    ("61", "05", Declined),
    ("62", "05", Unknown),
    ("63", "05", Declined),
    ("65", "05", Declined),
    ("68", "05", Unknown),
    ("75", "75", Declined),
    ("87", "05", Setting),
    ("90", "90", Unknown),
    ("91", "90", Unknown),
    ("92", "90", Unknown),
    ("93", "05", Declined),
    ("94", "90", Unknown),
    ("96", "90", Unknown),
    ("97", "90", Unknown),
    ("98", "90", Unknown),
    ("99", "99", Unknown),
    ("A1", "05", Declined),
    ("A4", "05", Declined),
    ("R1", "05", Declined),
    ("R3", "05", Declined),
];

/// Those of a bank that gave no answer in time, whatever the platform makes of them.
const NO_ANSWER: [&str; 7] = ["68", "90", "91", "96", "97", "98", "99"];

fn check(reply: &Reply, code: &str, means: Means, name: &str) {
    let (expected, outcome) = match means {
        Declined => ((402, "payment_declined"), "refused"),
        Refused => ((422, "provider_refused"), "refused"),
        TooMuch => ((422, "amount_exceeds_remaining"), "refused"),
        Absent => ((404, "not_found"), "not_executed"),
        Conflict => ((409, "order_state_conflict"), "refused"),
        Busy => ((409, "operation_in_progress"), "not_executed"),
        Setting => return misconfigured(reply, code, true),
        Unknown => {
            unknown(reply, name);
            return;
        }
    };
    assert_eq!(reply.problem(), expected, "{name}: {reply:?}");
    assert_eq!(reply.json["outcome"], outcome, "{name}");
    assert_eq!(reply.json["retryable"], means == Busy, "{name}");
    assert_eq!(reply.json["provider"]["name"], "sips", "{name}");
    assert_eq!(reply.json["provider"]["code"], code, "{name}");
    let words = reply.json["provider"]["message"].as_str().unwrap();
    assert!(words.len() > 5 && reply.json["detail"].as_str().unwrap().contains(words), "{name}: {words}");
    let pointer = (means == TooMuch).then_some("/amount/value");
    assert_eq!(reply.pointer(), pointer, "{name}");
}

/// Forces these codes on one order after the other, looks at the answer, and that the order is as it was.
async fn forced<'a>(change: Change, rows: impl Iterator<Item = (&'a str, Option<&'a str>, Means)>) {
    let rig = Sips::new().await;
    for (code, acquirer, means) in rows {
        let name = format!("{} {code} {acquirer:?}", change.action);
        let order = rig.in_status(change.from);
        rig.deny(change.service, &order, code, acquirer, None);
        let reply = rig.act(change.action, &order, "k", Some(300)).await;
        check(&reply, code, means, &name);
        assert_eq!(
            (rig.sent(change.service, &order), rig.moved(change.effect, &order)),
            (1, vec![]),
            "{name}"
        );
        let read = rig.read(&order).await;
        assert_eq!(
            (read.status, &read.json["provider_status"]["code"]),
            (200, &json!(change.from)),
            "{name}"
        );
        assert_eq!((amounts(&read)[3], amounts(&read)[4]), (Some(0), Some(0)), "{name}");
        let next = rig.act(change.action, &order, "another", None).await;
        if means == Unknown {
            assert_eq!(next.problem(), (409, "operation_in_progress"), "{name}");
            assert_eq!(rig.sent(change.service, &order), 1, "{name}: not sent again");
        } else {
            // A definite no frees the order.
            assert_eq!(next.status, 200, "{name}: {next:?}");
            assert_eq!(rig.moved(change.effect, &order).len(), 1, "{name}");
        }
    }
}

fn response_rows() -> impl Iterator<Item = (&'static str, Option<&'static str>, Means)> {
    RESPONSE_CODES.iter().map(|(code, means)| (*code, None, *means))
}

fn acquirer_rows() -> impl Iterator<Item = (&'static str, Option<&'static str>, Means)> {
    let listed = ACQUIRER_CODES.iter().map(|(acquirer, code, means)| (*code, Some(*acquirer), *means));
    listed.chain(NO_ANSWER.iter().map(|acquirer| ("05", Some(*acquirer), Unknown)))
}

#[tokio::test]
async fn every_response_code_of_a_cancel() {
    forced(CHANGES[0], response_rows()).await;
}

#[tokio::test]
async fn every_response_code_of_a_capture() {
    forced(CHANGES[1], response_rows()).await;
}

#[tokio::test]
async fn every_response_code_of_a_refund() {
    forced(CHANGES[2], response_rows()).await;
}

#[tokio::test]
async fn every_code_of_the_bank_on_a_cancel() {
    forced(CHANGES[0], acquirer_rows()).await;
}

#[tokio::test]
async fn every_code_of_the_bank_on_a_capture() {
    forced(CHANGES[1], acquirer_rows()).await;
}

#[tokio::test]
async fn every_code_of_the_bank_on_a_refund() {
    forced(CHANGES[2], acquirer_rows()).await;
}

/// A decline is told in the words of the bank where it has any.
#[tokio::test]
async fn declines_are_told_in_words() {
    let rig = Sips::new().await;
    for (code, acquirer, words) in
        [("05", Some("51"), "insufficient funds"), ("05", None, "refused"), ("34", Some("43"), "stolen")]
    {
        let order = rig.in_status("CAPTURED");
        rig.deny("cashManagement/refund", &order, code, acquirer, None);
        let reply = rig.act("refund", &order, "k", None).await;
        assert_eq!(reply.problem(), (402, "payment_declined"), "{code} {acquirer:?}: {reply:?}");
        assert!(reply.json["detail"].as_str().unwrap().contains(words), "{}", reply.json["detail"]);
    }
}

/// 12 and 30 name the member of the platform; the caller is told its own.
#[tokio::test]
async fn the_member_in_error_is_the_callers() {
    let rig = Sips::new().await;
    for code in ["12", "30"] {
        for (field, expected, pointer) in [
            ("operationAmount", (422, "provider_refused"), Some("/amount/value")),
            ("currencyCode", (422, "currency_not_supported"), Some("/amount/currency")),
            ("somethingNew", (422, "provider_refused"), None),
            ("merchantId", (503, "account_misconfigured"), None),
            ("keyVersion", (503, "account_misconfigured"), None),
            ("sealAlgorithm", (503, "account_misconfigured"), None),
            ("interfaceVersion", (503, "account_misconfigured"), None),
        ] {
            let order = rig.in_status("TO_CAPTURE");
            rig.deny(CANCEL, &order, code, None, Some(field));
            let reply = rig.act("cancel", &order, "k", None).await;
            assert_eq!((reply.problem(), reply.pointer()), (expected, pointer), "{code} {field}: {reply:?}");
        }
        for (field, expected, pointer) in [
            ("amount", (422, "provider_refused"), Some("/amount/value")),
            ("currencyCode", (422, "currency_not_supported"), Some("/amount/currency")),
            ("orderId", (422, "provider_refused"), Some("/merchant_reference")),
            ("customerContact.email", (422, "provider_refused"), Some("/customer/email")),
            ("customerLanguage", (422, "provider_refused"), Some("/locale")),
            ("captureMode", (422, "provider_refused"), Some("/capture")),
            ("paymentMeanBrandList", (422, "provider_refused"), Some("/payment_method")),
            ("templateName", (422, "provider_refused"), Some("/provider_options/template_name")),
            ("normalReturnUrl", (503, "account_misconfigured"), None),
            ("automaticResponseUrl", (503, "account_misconfigured"), None),
            ("interfaceVersion", (503, "account_misconfigured"), None),
        ] {
            let reference = format!("{code}-{}", field.replace('.', "-"));
            rig.deny(INIT, &reference, code, None, Some(field));
            let reply = rig.ask(&reference, &json!({})).await;
            assert_eq!((reply.problem(), reply.pointer()), (expected, pointer), "{code} {field}: {reply:?}");
        }
    }
    assert_eq!(rig.control.effects(), []);
}

/// A read that the platform refuses says nothing of the order, but for 25, and for what only an operator can mend.
#[tokio::test]
async fn every_response_code_of_a_read() {
    let rig = Sips::new().await;
    let no_refusals = ["00", "60", "62"];
    for code in RESPONSE_CODES.iter().map(|(code, _)| *code).chain(no_refusals) {
        for is_change in [false, true] {
            let order = rig.in_status("TO_CAPTURE");
            rig.deny(READ, &order, code, None, None);
            let reply =
                if is_change { rig.act("cancel", &order, "k", None).await } else { rig.read(&order).await };
            match code {
                "25" => assert_eq!(reply.problem(), (404, "not_found"), "{code}"),
                "03" | "34" | "40" => misconfigured(&reply, code, is_change),
                _ if is_change => assert_eq!(reply.problem(), (503, "provider_unavailable"), "{code}"),
                _ => assert_eq!(reply.problem(), (502, "provider_bad_response"), "{code}"),
            }
            let outcome = if is_change { json!("not_executed") } else { Value::Null };
            assert_eq!(reply.json["outcome"], outcome, "{code}");
            assert_eq!((rig.sent(READ, &order), rig.sent(CANCEL, &order)), (1, 0), "{code}: asked once");
        }
    }
    assert_eq!(rig.control.effects(), []);
}

/// In newer releases `responseCode` of a read is the payment's own result: the status is the truth, the codes words.
#[tokio::test]
async fn every_result_of_a_payment_is_read() {
    let rig = Sips::new().await;
    for (code, _) in RESPONSE_CODES {
        let order = rig.order(&json!({"status": "REFUSED", "responseCode": code}));
        let read = rig.read(&order).await;
        assert_eq!((read.status, &read.json["status"]), (200, &json!("declined")), "{code}: {read:?}");
        assert_eq!(read.json["provider_status"]["message"].is_string(), code != "77", "{code}");
        assert_eq!(amounts(&read), all([1_000, 0, 0, 0, 0]), "{code}");
    }
    for (acquirer, code, _) in ACQUIRER_CODES {
        for (status, shown) in [("REFUSED", "declined"), ("TO_CAPTURE", "paid")] {
            let order = rig.order(&json!({"status": status, "responseCode": code}));
            let patch = json!({"acquirerResponseCode": acquirer});
            rig.control.patch_answer("sips", "sherlocks", &order, &patch).unwrap();
            let read = rig.read(&order).await;
            assert_eq!((read.status, &read.json["status"]), (200, &json!(shown)), "{acquirer}: {read:?}");
            assert_eq!(read.json["provider_data"]["acquirerResponseCode"], acquirer);
            assert_eq!(
                read.json["provider_status"]["message"].is_string(),
                status == "REFUSED",
                "{acquirer}"
            );
        }
    }
}

/// Older releases tell the result of the read in `responseCode`.
#[tokio::test]
async fn older_interfaces_are_read_too() {
    let rig = Sips::with(|settings| {
        let changes = [
            ("merchant_id", "002001000000009"),
            ("secret_key", "002001000000009_KEY1"),
            ("diagnostic_interface_version", "DR_WS_2.3"),
            ("cash_interface_version", "CR_WS_2.3"),
        ];
        add_account(settings, "old", &changes);
    })
    .await;
    let order = rig.order(&json!({"merchantId": "002001000000009"}));
    let path = format!("/orders/old_{order}");
    seen(&rig.get(&path).await, "paid", [1_000, 1_000, 0, 0, 0]);
    assert_eq!(rig.get("/orders/old_NOBODY").await.problem(), (404, "not_found"));
    // This shop has no option CANCEL.
    misconfigured(&rig.post(&format!("{path}/cancel"), &[], None).await, "40", true);
}

/// `redirectionStatusCode`: the list of the Paypage guide, and codes that are on no list of it.
#[tokio::test]
async fn every_code_of_a_creation() {
    let rig = Sips::new().await;
    for (code, means) in [
        ("03", Some(Setting)),
        ("12", Some(Refused)),
        ("30", Some(Refused)),
        ("34", Some(Setting)),
        ("40", Some(Setting)),
        ("94", Some(Refused)),
        ("99", None),
    ] {
        rig.deny(INIT, code, code, None, None);
        let reply = rig.ask(code, &json!({})).await;
        match means {
            Some(means) => check(&reply, code, means, code),
            None => {
                // Nothing was opened: the same key may try again, and does so under another reference.
                assert_eq!(reply.problem(), (503, "provider_unavailable"), "{reply:?}");
                assert_eq!(
                    (&reply.json["outcome"], &reply.json["retryable"]),
                    (&json!("not_executed"), &json!(true))
                );
                assert!(reply.header("retry-after").is_some());
            }
        }
        assert_eq!(rig.sent(INIT, code), 1, "{code}");
    }
    assert_eq!(rig.control.effects(), []);
    assert_eq!(rig.ask("99", &json!({})).await.status, 201);
    let log = rig.control.request_log();
    let names: Vec<_> = log
        .iter()
        .filter(|one| one.reference.as_deref() == Some("99"))
        .map(|one| one.body["transactionReference"].as_str().unwrap())
        .collect();
    assert!(names.len() == 2 && names[0] != names[1], "{names:?}");
    for code in ["01", "05", "17", "24", "25", "60", "62", "63", "75", "77", "90", "97"] {
        let reference = format!("other-{code}");
        rig.deny(INIT, &reference, code, None, None);
        let reply = rig.ask(&reference, &json!({})).await;
        unknown(&reply, code);
        assert_eq!(reply.json["operation"]["repeat"], "harmless", "{code}");
        assert_eq!(rig.sent(INIT, &reference), 1, "{code}");
    }
}

/// What nobody could sign proves nothing, except that a setting is wrong: then an operator is called, and nobody
/// tries again.
#[tokio::test]
async fn codes_without_a_seal() {
    let rig = Sips::new().await;
    let answer = |body: Value| FaultKind::HttpStatus {
        code: 200,
        body: body.to_string(),
        content_type: "application/json;charset=UTF-8".to_owned(),
        effect: false,
    };
    for code in ["03", "34", "40", "00", "05", "12", "24", "25", "51", "60", "99"] {
        let is_setting = matches!(code, "03" | "34" | "40");
        for change in CHANGES {
            let order = rig.in_status(change.from);
            rig.spoil(change.service, &order, answer(json!({"responseCode": code})));
            let reply = rig.act(change.action, &order, "k", None).await;
            let name = format!("{} {code}", change.action);
            if is_setting {
                misconfigured(&reply, code, true)
            } else {
                drop(unknown(&reply, &name))
            }
            assert_eq!(rig.sent(change.service, &order), 1, "{name}");
        }
        let order = rig.in_status("TO_CAPTURE");
        rig.spoil(READ, &order, answer(json!({"getTransDataResponseCode": code, "responseCode": code})));
        let reply = rig.read(&order).await;
        if is_setting {
            misconfigured(&reply, code, false);
        } else {
            assert_eq!(reply.problem(), (502, "provider_bad_response"), "{code}");
        }
        let reference = format!("unsigned-{code}");
        rig.spoil(INIT, &reference, answer(json!({"redirectionStatusCode": code})));
        let reply = rig.ask(&reference, &json!({})).await;
        if is_setting { misconfigured(&reply, code, true) } else { drop(unknown(&reply, code)) }
    }
    // Who tells a status knows the merchant: then the code is the payment's own, and proves nothing without a seal.
    let order = rig.in_status("REFUSED");
    rig.spoil(READ, &order, answer(json!({"transactionStatus": "REFUSED", "responseCode": "34"})));
    assert_eq!(rig.read(&order).await.problem(), (502, "provider_bad_response"));
    let order = rig.in_status("TO_CAPTURE");
    rig.spoil(
        CANCEL,
        &order,
        answer(json!({"newStatus": "CANCELLED", "newAmount": 0, "responseCode": "34"})),
    );
    unknown(&rig.act("cancel", &order, "k", None).await, "34 with a status");
    assert_eq!(rig.control.effects(), []);
}

/// The settings themselves are wrong: the platform cannot sign, or signs with another key than ours.
#[tokio::test]
async fn wrong_settings_are_told_as_such() {
    let rig = Sips::with(|settings| {
        for (name, merchant, version, key) in [
            ("nobody", "999999999999999", "1", "002001000000001_KEY1"),
            ("oldkey", "002001000000003", "3", "002001000000003_KEY1"),
            ("wrongkey", "002001000000002", "1", "002001000000002_KEY9"),
        ] {
            let changes = [("merchant_id", merchant), ("key_version", version), ("secret_key", key)];
            add_account(settings, name, &changes);
        }
    })
    .await;
    for (account, code) in [("nobody", "03"), ("oldkey", "34"), ("wrongkey", "34")] {
        let path = format!("/orders/{account}_ORDER0001");
        misconfigured(&rig.get(&path).await, code, false);
        for action in ["cancel", "capture", "refund"] {
            let reply = rig.post(&format!("{path}/{action}"), &[("idempotency-key", account)], None).await;
            misconfigured(&reply, code, true);
        }
        let mut body = crate::rig::new_order(account);
        body["account"] = json!(account);
        misconfigured(&rig.create(&format!("create-{account}"), &body).await, code, true);
    }
    assert_eq!(rig.control.effects(), []);
}
