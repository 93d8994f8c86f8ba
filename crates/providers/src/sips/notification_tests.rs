//! Notifications: every vector, both formats, every encoding, and what is refused with which words.

use bytes::Bytes;
use serde_json::json;

use super::{
    super::{
        tests::settings,
        vectors::{self, algorithm},
    },
    *,
};
use guichet_port::domain::OperationId;

const KEY: &str = super::super::tests::KEY;

fn form(data: &str, encode: &str, seal: &str) -> RawNotification {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("Data", data)
        .append_pair("Encode", encode)
        .append_pair("Seal", seal)
        .append_pair("InterfaceVersion", "HP_2.55")
        .finish();
    let content_type = Some("application/x-www-form-urlencoded".to_owned());
    RawNotification { content_type, body: Bytes::from(body) }
}

fn signed(data: &str) -> RawNotification {
    form(data, "", &SealAlgorithm::Sha256.seal(data, &KEY.into()))
}

fn read(data: &str) -> Result<Notification, NotificationError> {
    verify(&settings(&[]), &signed(data))
}

fn refusal(settings: &Settings, raw: &RawNotification) -> String {
    match verify(settings, raw) {
        Err(NotificationError::BadSignature(words)) => words,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_vector_is_accepted_as_asked_or_by_default_and_as_nothing_else() {
    for name in ["N1", "N2", "N3"] {
        let vector = vectors::text(name);
        let encode = if name == "N2" { "base64" } else { "" };
        for (word, seal) in &vector.seals {
            for asked in SealAlgorithm::ALL {
                let settings = settings(&[("seal_algorithm", asked.as_str())]);
                let raw = form(&vector.text, encode, seal);
                let sealed_with = algorithm(word);
                if sealed_with == asked || sealed_with == SealAlgorithm::Sha256 {
                    let read = verify(&settings, &raw).unwrap();
                    assert_eq!(read.reference.unwrap().as_str(), "ORDER0005", "{name} {word}");
                    assert_eq!(
                        (read.status, read.provider_status.as_deref()),
                        (Some(OrderStatus::Paid), Some("00"))
                    );
                    assert_eq!(read.amount.unwrap().to_string(), "15.00 EUR");
                    assert_eq!(read.occurred_at.unwrap().to_string(), "2026-01-14T09:31:07.000Z");
                    assert_eq!(read.acknowledgement, Acknowledgement::EMPTY);
                } else {
                    let words = refusal(&settings, &raw);
                    assert!(words.contains(&format!("sealed with {word} and the account's key")), "{words}");
                }
            }
        }
    }
}

#[test]
fn the_published_notifications_are_read() {
    for (name, status, amount) in
        [("P5.1", OrderStatus::Failed, "0.02 EUR"), ("P5.2", OrderStatus::Paid, "0.02 EUR")]
    {
        let vector = vectors::text(name);
        let read = verify(&settings(&[]), &form(&vector.text, "", &vector.seals["SHA-256"])).unwrap();
        assert_eq!(
            (read.status, read.amount.unwrap().to_string()),
            (Some(status), amount.to_owned()),
            "{name}"
        );
    }
    let vector = vectors::text("P6");
    let account = [("merchant_id", "225005049920001"), ("secret_key", "secret123")];
    for seal in vector.seals.values() {
        let read = verify(&settings(&account), &form(&vector.text, "", seal)).unwrap();
        assert_eq!(read.reference.unwrap().as_str(), "dd88adfZ1027b40813f40813y1678837075");
        assert_eq!(
            (read.status, read.amount.unwrap().to_string()),
            (Some(OrderStatus::Expired), "440.00 EUR".to_owned())
        );
        let s10 = [account[0], account[1], ("reference_by", "s10")];
        let read = verify(&settings(&s10), &form(&vector.text, "", seal)).unwrap();
        assert_eq!(read.reference.unwrap().as_str(), "s10.000006.20230315");
    }
}

#[test]
fn base64_is_undone_in_both_alphabets_with_and_without_padding() {
    let data = "captureMode=VALIDATION|responseCode=00|transactionReference=ORDER1|returnContext=é>>?";
    for (encode, text) in [
        ("base64", BASE64.encode(data)),
        ("BASE64", BASE64.encode(data).trim_end_matches('=').to_owned()),
        ("base64url", BASE64URL.encode(data)),
        ("base64Url", BASE64URL.encode(data).trim_end_matches('=').to_owned()),
    ] {
        let seal = SealAlgorithm::Sha256.seal(&text, &KEY.into());
        let read = verify(&settings(&[]), &form(&text, encode, &seal)).unwrap();
        assert_eq!(read.status, Some(OrderStatus::Authorized), "{encode}");
    }
    for (encode, text) in [("base64", "é"), ("rot13", "x"), ("base64", "/w==")] {
        let seal = SealAlgorithm::Sha256.seal(text, &KEY.into());
        let result = verify(&settings(&[]), &form(text, encode, &seal));
        assert!(matches!(result, Err(NotificationError::Unreadable(_))), "{encode} {text}");
    }
}

#[test]
fn every_result_of_a_payment_has_its_status() {
    use OrderStatus::{Declined, Expired, Failed, Paid, Processing};
    for row in error::RESPONSE_CODES {
        let expected = match row.code {
            "00" => Some(Paid),
            "60" | "62" => Some(Processing),
            "97" => Some(Expired),
            "03" | "12" | "17" | "24" | "30" | "40" | "94" => Some(Failed),
            "01" | "25" | "90" | "99" => None,
            _ => Some(Declined),
        };
        let read = read(&format!("responseCode={}|transactionReference=A1", row.code)).unwrap();
        assert_eq!((read.status, read.provider_status.as_deref()), (expected, Some(row.code)));
    }
    let silent = read("transactionReference=A1").unwrap();
    assert_eq!((silent.status, silent.provider_status, silent.amount), (None, None, None));
}

#[test]
fn what_is_ours_is_recognized_and_the_same_news_has_the_same_key() {
    let operation = OperationId::generate();
    let data = format!(
        "transactionReference=A1|responseCode=05|orderId=cart=42|returnContext={operation}|walletType=null|amount=null|\
         transactionDateTime=2026-01-14T10:31:07+01:00|paymentAttemptNumber=2"
    );
    let first = read(&data).unwrap();
    assert_eq!(first.operation, Some(operation));
    assert_eq!(first.merchant_reference.as_deref(), Some("cart=42"));
    assert_eq!(read(&format!("{data}|x=y")).unwrap().dedup_key, first.dedup_key);
    assert_ne!(read(&data.replace("=05", "=00")).unwrap().dedup_key, first.dedup_key);
    // Whatever the format: as one JSON object, its amounts and days numbers.
    let post = "amount=1500|captureDay=0|captureMode=VALIDATION|currencyCode=978|responseCode=00|\
         transactionDateTime=2026-01-14T10:31:07+01:00|transactionReference=A1|walletType=null";
    let object = json!({"amount": 1500, "captureDay": 0, "captureMode": "VALIDATION", "currencyCode": "978",
        "responseCode": "00", "transactionDateTime": "2026-01-14.10:31:07+0100", "transactionReference": "A1"});
    let key = read(post).unwrap().dedup_key;
    assert_eq!(read(&object.to_string()).unwrap().dedup_key, key);
    // A change of one member that matters is other news, of an amount alone too.
    for (member, value) in [
        ("amount", json!(1400)),
        ("currencyCode", json!("840")),
        ("captureMode", json!("AUTHOR_CAPTURE")),
        ("captureDay", json!(3)),
        ("responseCode", json!("05")),
        ("acquirerResponseCode", json!("00")),
        ("authorisationId", json!("654321")),
        ("guaranteeIndicator", json!("N")),
        ("paymentAttemptNumber", json!(2)),
        ("transactionDateTime", json!("2026-01-14.10:31:08+0100")),
        ("transactionReference", json!("A2")),
        ("orderId", json!("cart-42")),
        ("returnContext", json!("x")),
    ] {
        let mut changed = object.clone();
        changed[member] = value;
        assert_ne!(read(&changed.to_string()).unwrap().dedup_key, key, "{member}");
    }
}

#[test]
fn the_previous_key_is_taken_during_a_rotation() {
    let data = "keyVersion=1|responseCode=00|transactionReference=A1";
    let during = settings(&[
        ("secret_key", "new_KEY2"),
        ("key_version", "2"),
        ("previous_secret_key", KEY),
        ("previous_key_version", "1"),
    ]);
    let words = verify(&during, &signed(data)).unwrap().signed_with;
    assert_eq!(words, "SHA-256 and the account's previous key");
    let after = settings(&[("secret_key", "new_KEY2"), ("key_version", "2")]);
    let words = refusal(&after, &signed(data));
    assert!(words.contains("it names key version 1, the account has 2"), "{words}");
}

#[test]
fn a_refusal_says_what_it_was_really_sealed_with() {
    let plain = settings(&[]);
    let data = "responseCode=00|transactionReference=A1|x=a+b";
    let sealed = |text: &str, algorithm: SealAlgorithm| algorithm.seal(text, &KEY.into());
    let hmac = |text: &str| sealed(text, SealAlgorithm::HmacSha256);
    let encoded = BASE64.encode(data);
    let foreign = data.replace("responseCode", "merchantId=002001000000009|responseCode");
    for (raw, told) in [
        (form(data, "", ""), "it has no seal"),
        (form(data, "", &sealed(data, SealAlgorithm::HmacSha512)), "HMAC-SHA-512 and the account's key"),
        (form(&encoded, "base64", &hmac(data)), "the decoded text instead"),
        (form(&data.replace('+', " "), "", &hmac(data)), "`+` were lost"),
        (form(&format!("{data} "), "", &hmac(data)), "blanks around it"),
        (
            form(data, "", &hmac("other")),
            "none of the account's keys, or changed on the way; it has the form of HMAC-SHA-256",
        ),
        (form(data, "", &"0".repeat(128)), "it has the form of HMAC-SHA-512"),
        (form(data, "", "zzz"), "not the form of a seal"),
        (form(&foreign, "", &"0".repeat(64)), "another merchant"),
    ] {
        let words = refusal(&plain, &raw);
        assert!(words.contains(told), "{told}: {words}");
        assert!(!words.contains("KEY") && !words.contains("x=a"), "{words}");
    }
    let before = settings(&[("secret_key", "new_KEY2"), ("previous_secret_key", KEY)]);
    let words = refusal(&before, &form(data, "", &sealed(data, SealAlgorithm::HmacSha512)));
    assert!(words.contains("HMAC-SHA-512 and the account's previous key"), "{words}");
}

#[test]
fn what_is_not_the_form_is_unreadable() {
    let raw =
        |body: &str| RawNotification { content_type: None, body: Bytes::copy_from_slice(body.as_bytes()) };
    for body in ["", "{}", "Data=&Seal=00", "Seal=00", "\u{0}"] {
        let result = verify(&settings(&[]), &raw(body));
        assert!(matches!(result, Err(NotificationError::Unreadable(_))), "{body}");
    }
    for data in [
        "nonsense",
        "{\"responseCode\":",
        "responseCode=00",
        "responseCode=00|transactionReference=A-1",
        "responseCode=00|transactionReference=A1|merchantId=002001000000002",
        "responseCode=00|transactionReference=A1|currencyCode=978|amount=1.5",
    ] {
        assert!(matches!(read(data), Err(NotificationError::Unreadable(_))), "{data}");
    }
}
