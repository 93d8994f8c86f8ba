//! The adapter's pure parts against the published samples.

mod answers;
mod evidence;
mod following;
mod payments;
mod scripted;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{DESCRIPTION, PROVIDER, check, envelope, error, mapping, options, update, wire};
use guichet_port::{
    adapter::{
        AccountSettings, AdapterContext, Answer, ErrorKind, PayerAddresses, ProviderError, Unobserved,
    },
    domain::{
        Action, Amounts, Currency, DeliveryChannel, Field, Mode, Money, Order, OrderPatch, OrderStatus,
        Timestamp, request::DeliveryPatch,
    },
};

const GET: &str = include_str!("fixtures/get_success.json");
pub(super) const UPDATED: &str = include_str!("fixtures/update_success.json");
const CREATED: &str = include_str!("fixtures/create_success.json");
const UPDATE_REQUEST: &str = include_str!("fixtures/update_request.json");
const NOTIFICATIONS: &str = "https://guichet.example/notifications/shop";

fn answer(status: u16, content_type: Option<&str>, body: &str) -> Answer {
    Answer {
        status,
        content_type: content_type.map(str::to_owned),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn read_answer(service: &'static str, is_change: bool, answer: &Answer) -> Result<Value, ProviderError> {
    let told = envelope::read(service, is_change, Mode::Test, answer, "the answer is not JSON")?;
    Ok(told.answer)
}

fn mapped(answer: Value) -> Result<Order, &'static str> {
    let wire: wire::PaymentOrder = serde_json::from_value(answer).map_err(|_| "not a payment order")?;
    let addresses = PayerAddresses::new(PROVIDER, "https://api.example/", &Unobserved);
    mapping::order(&"shop".parse().unwrap(), Mode::Test, Timestamp::from_millis(0), addresses, wire)
}

fn sample(fixture: &str) -> Value {
    read_answer("test", false, &answer(200, Some("application/json"), fixture)).unwrap()
}

pub(super) fn order(fixture: &str) -> Order {
    mapped(sample(fixture)).unwrap()
}

pub(super) fn with(member: &str, value: Value) -> Order {
    let mut answer = sample(UPDATED);
    answer[member] = value;
    mapped(answer).unwrap()
}

pub(super) fn money(value: i64, code: &str) -> Money {
    Money::new(value, Currency::new(code).unwrap()).unwrap()
}

pub(super) fn set(text: &str) -> Field<String> {
    Field::Set(text.to_owned())
}

pub(super) fn options_of(value: Value) -> Field<Map<String, Value>> {
    Field::Set(value.as_object().unwrap().clone())
}

fn pointers(before: &Order, patch: &OrderPatch) -> Vec<String> {
    check::update(before, patch, check::CURRENCIES, Timestamp::now())
        .into_iter()
        .map(|violation| violation.pointer)
        .collect()
}

#[test]
fn the_published_samples_are_read() {
    for (fixture, amount, currency, locale, host) in [
        (GET, 10_000, "XPF", "fr-FR", "epaync.nc"),
        (CREATED, 200_050, "XPF", "en-GB", "epaync.nc"),
        (UPDATED, 20_000, "EUR", "en-GB", "secure.systempay.fr"),
    ] {
        let order = order(fixture);
        assert_eq!((order.amount, order.currency.code()), (amount, currency));
        assert_eq!(order.locale.as_deref(), Some(locale));
        assert_eq!(order.status, OrderStatus::Pending);
        assert_eq!(order.amounts, Amounts::unpaid(amount));
        assert!(order.checkout.unwrap().url.contains(host));
        let delivery = order.delivery.unwrap();
        assert_eq!(delivery.channel, Some(DeliveryChannel::Email));
        assert_eq!(delivery.recipient.as_deref(), Some("sample@example.com"));
    }
    let order = order(UPDATED);
    assert_eq!(order.expires_at.unwrap().to_string(), "2020-05-20T18:13:26.000Z");
    assert_eq!(order.updated_at.unwrap().to_string(), "2020-04-29T12:55:50.000Z");
    assert_eq!(
        Value::Object(order.provider_data),
        json!({"strongAuthentication": "AUTO", "dataCollectionForm": true, "captureDelay": 0,
               "paymentReceiptEmail": "sample@example.com", "manualValidation": "NO"})
    );
}

#[test]
fn every_status_has_its_meaning() {
    for (word, status, is_final, update, cancel) in [
        ("RUNNING", OrderStatus::Pending, false, None, None),
        ("PAID", OrderStatus::Paid, false, Some("already_paid"), Some("already_paid")),
        ("REFUSED", OrderStatus::Declined, false, Some("not_open"), None),
        ("EXPIRED", OrderStatus::Expired, true, Some("expired"), Some("expired")),
        ("CANCELED", OrderStatus::Canceled, true, Some("already_canceled"), Some("already_canceled")),
        ("CANCELLED", OrderStatus::Canceled, true, Some("already_canceled"), Some("already_canceled")),
        ("DREAMING", OrderStatus::Unknown, false, Some("unknown_status"), Some("unknown_status")),
    ] {
        let order = with("paymentOrderStatus", json!(word));
        assert_eq!((order.status, order.is_final), (status, is_final), "{word}");
        assert_eq!(order.provider_status.code, word);
        assert_eq!(order.action(Action::Update).unwrap().reason.as_deref(), update, "{word}");
        assert_eq!(order.action(Action::Cancel).unwrap().reason.as_deref(), cancel, "{word}");
        assert!(!order.action(Action::Refund).unwrap().allowed);
    }
    let canceled = with("paymentOrderStatus", json!("CANCELED"));
    assert_eq!(canceled.amounts, Amounts { canceled: Some(20_000), ..Amounts::unpaid(20_000) });
    let mut held = sample(UPDATED);
    held["paymentOrderStatus"] = json!("PAID");
    held["transactionDetails"]["cardDetails"]["manualValidation"] = json!("YES");
    let held = mapped(held).unwrap();
    assert_eq!((held.status, held.amounts), (OrderStatus::Authorized, Amounts::untold(20_000)));
}

#[test]
fn reading_is_tolerant_where_nothing_is_lost() {
    let bare = mapped(json!({
        "paymentOrderId": "d63e7f507a6f4dfa86cb40a833ecfd85", "paymentOrderStatus": "RUNNING",
        "amount": "20000", "currency": "EUR", "somethingNew": [1]
    }))
    .unwrap();
    assert_eq!((bare.amount, bare.delivery.is_none(), bare.checkout.is_none()), (20_000, true, true));
    assert_eq!(with("dataCollectionForm", json!("false")).provider_data["dataCollectionForm"], false);
    for (member, value) in [
        ("amount", json!(null)),
        ("amount", json!(1.5)),
        ("amount", json!("")),
        ("amount", json!(-1)),
        ("currency", json!("EURO")),
        ("paymentOrderId", json!("")),
        ("paymentOrderStatus", json!(null)),
    ] {
        let mut answer = sample(UPDATED);
        answer[member] = value.clone();
        assert!(mapped(answer).is_err(), "{member} {value}");
    }
}

#[test]
fn only_the_envelope_decides() {
    let refusal = r#"{"status":"ERROR","answer":{"errorCode":"PSP_1005","errorMessage":"zoe@example.com"}}"#;
    let kind = |answer: Answer, is_change| read_answer("test", is_change, &answer).unwrap_err().kind;
    for (status, media, body, read, change) in [
        (200, Some("application/json"), refusal, ErrorKind::Refused, ErrorKind::StateConflict),
        (401, None, refusal, ErrorKind::Refused, ErrorKind::StateConflict),
        (500, Some("application/json"), refusal, ErrorKind::Protocol, ErrorKind::OutcomeUnknown),
        (200, Some("text/html"), refusal, ErrorKind::Protocol, ErrorKind::OutcomeUnknown),
        (200, None, "<html>", ErrorKind::Protocol, ErrorKind::OutcomeUnknown),
        (200, None, "", ErrorKind::Protocol, ErrorKind::OutcomeUnknown),
        (200, None, r#"{"status":"ERROR"}"#, ErrorKind::Protocol, ErrorKind::OutcomeUnknown),
        (200, None, r#"{"status":"MAYBE"}"#, ErrorKind::Protocol, ErrorKind::OutcomeUnknown),
    ] {
        assert_eq!(kind(answer(status, media, body), false), read, "{status} {media:?} {body}");
        assert_eq!(kind(answer(status, media, body), true), change, "{status} {media:?} {body}");
    }
    let shown = read_answer("test", true, &answer(200, None, refusal)).unwrap_err();
    assert_eq!(shown.message.as_deref(), Some("the order is finalized"));
}

#[test]
fn every_code_of_the_table_means_what_it_says() {
    let service = "Charge/PaymentOrder/Cancel";
    for row in error::ERROR_CODES {
        let twins = error::ERROR_CODES.iter().filter(|other| other.code == row.code).count();
        assert_eq!(twins, 1, "{}", row.code);
        let ProviderError { kind, code, message, pointer, .. } = error::from_code(service, row.code, true);
        let expected = if row.kind == ErrorKind::Incident { ErrorKind::OutcomeUnknown } else { row.kind };
        assert_eq!((kind, code.as_deref()), (expected, Some(row.code)));
        assert_eq!((message.as_deref(), pointer), (Some(row.meaning), row.pointer));
        assert!(!row.kind.may_be_repeated() || row.retryable, "{}", row.code);
        let read = error::from_code(service, row.code, false).kind;
        assert!(
            matches!(
                read,
                ErrorKind::NotFound
                    | ErrorKind::Misconfigured
                    | ErrorKind::Temporary
                    | ErrorKind::Incident
                    | ErrorKind::Refused
            ),
            "{}",
            row.code
        );
    }
    for (code, kind) in [
        ("INT_777", ErrorKind::InvalidRequest),
        ("CLIENT_1", ErrorKind::InvalidRequest),
        ("ACQ_777", ErrorKind::Declined),
        ("AUTH_777", ErrorKind::Declined),
        ("PSP_7777", ErrorKind::Refused),
        ("?", ErrorKind::Refused),
    ] {
        assert_eq!(error::from_code(service, code, true).kind, kind, "{code}");
    }
}

/// A code means what its own text says, and no other text that it shares a kind with.
#[test]
fn codes_of_one_kind_mean_that_kind() {
    let of_kind = |kind| {
        let rows = error::ERROR_CODES.iter().filter(|row| row.kind == kind);
        rows.map(|row| row.code).collect::<Vec<_>>()
    };
    // No code of this platform says "busy", and none "the window has closed" or "that reference is taken".
    for kind in [ErrorKind::Busy, ErrorKind::WindowClosed, ErrorKind::ReferenceInUse] {
        assert_eq!(of_kind(kind), [""; 0], "{kind:?}");
    }
    assert_eq!(of_kind(ErrorKind::AlreadyDone), ["PSP_1101", "PSP_105", "PSP_678"]);
    assert_eq!(of_kind(ErrorKind::AlreadyRefunded), ["PSP_104"]);
    assert_eq!(of_kind(ErrorKind::AmountExceeded), ["PSP_510", "PSP_511"]);
    // What speaks of the currency, not of an amount or a mode as well.
    let currencies = ["PSP_519", "PSP_606", "PSP_1035", "PSP_021", "PSP_610"];
    assert_eq!(of_kind(ErrorKind::CurrencyNotSupported), currencies);
    // What speaks of the order. A missing transaction is a state that the order is not in.
    assert_eq!(of_kind(ErrorKind::NotFound), ["PSP_1000", "PSP_1011", "PSP_1010"]);
    let operators = ["INT_926", "PSP_1029", "PSP_1030", "INT_905", "INT_912", "PSP_100", "PSP_109"];
    assert_eq!(of_kind(ErrorKind::Misconfigured), operators);
    let declines = "PSP_003 PSP_042 PSP_112 PSP_136 PSP_202 PSP_203 PSP_204 PSP_205 PSP_508 PSP_536 PSP_539";
    let declines: Vec<_> = declines.split(' ').chain(["ACQ_001", "AUTH_149"]).collect();
    assert_eq!(of_kind(ErrorKind::Declined), declines);
    let temporary = ["PSP_099", "PSP_106", "PSP_728", "PSP_648", "PSP_650"];
    assert_eq!(of_kind(ErrorKind::Temporary), temporary);
}

#[test]
fn only_the_brands_of_latin_america_have_its_currencies() {
    let more: Vec<_> = check::CURRENCIES_OF_LATIN_AMERICA
        .iter()
        .filter(|code| !check::CURRENCIES.contains(code))
        .map(|code| (*code, Currency::new(code).unwrap().exponent()))
        .collect();
    let expected = [("CLP", 0), ("CRC", 2), ("GTQ", 2), ("HNL", 2), ("NIO", 2), ("SVC", 2), ("UYU", 2)];
    assert_eq!(more, expected);
    assert!(check::CURRENCIES.iter().all(|code| check::CURRENCIES_OF_LATIN_AMERICA.contains(code)));
    for (brand, has_them) in [
        ("systempay", false),
        ("monetico-retail", false),
        ("micuentaweb", true),
        ("payzen-latam", true),
        ("payzen-brasil", true),
        ("cobroinmediato", true),
    ] {
        let pairs = [("brand", brand), ("shop_id", "69876357"), ("password", "testpassword_x")];
        let account = AccountSettings::from_pairs("shop", "lyra", pairs);
        let context =
            AdapterContext::new("http://127.0.0.1:8080", Duration::from_secs(1), Duration::from_secs(1));
        let adapter = (DESCRIPTION.build)(&"shop".parse().unwrap(), &account, &context).unwrap();
        assert_eq!(adapter.capabilities().currencies.contains(&"CLP"), has_them, "{brand}");
    }
}

#[test]
fn an_update_sends_what_is_known_but_never_rendered_texts() {
    let patch = OrderPatch {
        amount: Field::Set(money(20_000, "EUR")),
        merchant_reference: set("myOrderId-999999"),
        ..OrderPatch::default()
    };
    let body =
        serde_json::to_value(update::request(&order(GET), &patch, None, NOTIFICATIONS).unwrap()).unwrap();
    let mut expected: Value = serde_json::from_str(UPDATE_REQUEST).unwrap();
    expected["paymentOrderId"] = json!("fd8f6060f824427ba687d0161e46af8f");
    expected["channelOptions"]["mailOptions"]["recipient"] = json!("sample@example.com");
    expected["expirationDate"] = json!("2020-04-20T18:13:26+00:00");
    expected["locale"] = json!("fr_FR");
    expected["paymentReceiptEmail"] = json!("sample@example.com");
    expected["strongAuthentication"] = json!("AUTO");
    expected["transactionOptions"] = json!({"cardOptions": {"manualValidation": "NO", "captureDelay": 0}});
    assert_eq!(body, expected);
    for text in ["\"subject\"", "\"body\"", "\"message\""] {
        assert!(!body.to_string().contains(text), "{text}");
    }
}

#[test]
fn each_channel_is_named_whole() {
    let patch = OrderPatch {
        delivery: Field::Set(DeliveryPatch { message: set("Hello"), ..DeliveryPatch::default() }),
        ..OrderPatch::default()
    };
    let phone = json!({"phoneNumber": "+33611111111"});
    for (details, expected) in [
        (json!({"channelType": "URL"}), json!({"channelType": "URL"})),
        (
            json!({"channelType": "SMS", "smsDetails": phone}),
            json!({"channelType": "SMS", "smsOptions": {"phoneNumber": "+33611111111", "message": "Hello"}}),
        ),
        (
            json!({"channelType": "WHATSAPP", "whatsAppDetails": phone}),
            json!({"channelType": "WHATSAPP", "whatsAppOptions": phone}),
        ),
        (
            json!({"channelType": "MAIL", "mailDetails": {"recipient": "a@example.com", "template": "t", "bcc": "b@example.com"}}),
            json!({"channelType": "MAIL", "mailOptions":
                {"recipient": "a@example.com", "template": "t", "bcc": "b@example.com", "body": "Hello"}}),
        ),
    ] {
        let body = update::request(&with("channelDetails", details), &patch, None, NOTIFICATIONS).unwrap();
        assert_eq!(serde_json::to_value(body).unwrap()["channelOptions"], expected);
    }
    for details in [json!({"channelType": "IVR"}), json!(null)] {
        assert!(update::request(&with("channelDetails", details), &patch, None, NOTIFICATIONS).is_none());
    }
}

#[test]
fn what_the_platform_cannot_take_is_refused_before_anything_is_sent() {
    let before = order(UPDATED);
    let patch: OrderPatch = serde_json::from_value(json!({
        "amount": {"set": {"value": 1, "currency": "IDR"}}, "merchant_reference": {"set": "é"},
        "description": "clear", "payment_method": {"set": "card"}, "locale": {"set": "fr"},
        "expires_at": {"set": "2020-01-01T00:00:00Z"}, "delivery": {"set": {"channel": {"set": "sms"}}},
        "customer": {"set": {"email": "clear"}}, "metadata": {"set": {"a/b": null}},
        "provider_options": {"set": {"tax_amount": 2, "capture_delay": 366, "bcc": null, "colour": "red"}}
    }))
    .unwrap();
    let mut found = pointers(&before, &patch);
    found.sort();
    assert_eq!(
        found,
        [
            "/amount/currency",
            "/customer/email",
            "/delivery/channel",
            "/description",
            "/expires_at",
            "/locale",
            "/merchant_reference",
            "/metadata/a~1b",
            "/payment_method",
            "/provider_options/bcc",
            "/provider_options/capture_delay",
            "/provider_options/colour",
            "/provider_options/tax_amount",
        ]
    );
    let fine = OrderPatch {
        amount: Field::Set(money(30_000, "EUR")),
        locale: set("fr-FR"),
        expires_at: Field::Set(Timestamp::now().plus(Duration::from_secs(3600))),
        delivery: Field::Set(DeliveryPatch {
            channel: Field::Set(DeliveryChannel::Email),
            subject: Field::Clear,
            message: Field::Clear,
            template: Field::Clear,
            recipient: set("a@example.com"),
        }),
        provider_options: options_of(
            json!({"tax_amount": 30_000, "tax_rate": 5.5, "manual_validation": true}),
        ),
        ..OrderPatch::default()
    };
    assert_eq!(pointers(&before, &fine), [""; 0]);
    let texts = OrderPatch {
        delivery: Field::Set(DeliveryPatch {
            recipient: set("x"),
            subject: set("x"),
            message: set("x"),
            template: set("x"),
            channel: Field::Keep,
        }),
        ..OrderPatch::default()
    };
    for (channel, refused) in [("URL", 4), ("MAIL", 0), ("SMS", 2), ("WHATSAPP", 3)] {
        let before = with("channelDetails", json!({"channelType": channel}));
        assert_eq!(pointers(&before, &texts).len(), refused, "{channel}");
    }
}

#[test]
fn the_schema_names_every_option() {
    let schema = options::schema();
    assert_eq!(schema["additionalProperties"], false);
    for option in &options::OPTIONS {
        let member = &schema["properties"][option.name];
        assert!(member["description"].is_string() && !member["examples"][0].is_null(), "{}", option.name);
        let patch = OrderPatch {
            provider_options: options_of(json!({option.name: member["examples"][0]})),
            ..OrderPatch::default()
        };
        assert_eq!(pointers(&order(UPDATED), &patch), [""; 0], "{}", option.name);
    }
}
