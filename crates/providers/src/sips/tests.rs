//! The adapter's pure parts: reading, amounts, actions, planning and the request that opens a page. And what the
//! other tests are made with.

mod money;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    PROVIDER,
    config::Settings,
    mapping::{self, Shop},
    options, page,
    signature::{SealAlgorithm, sealed_text},
    wire,
};
use guichet_port::{
    adapter::{AccountSettings, AdapterContext, PayerAddresses, Unobserved},
    domain::{
        AccountName, Action, Amounts, CaptureMode, Checkout, CheckoutMethod, Currency, Customer,
        DeliveryChannel, Mode, Money, Movement, NewDelivery, NewOrder, OperationId, OperationKind,
        OperationStatus, Order, OrderMemory, OrderStatus, PlannedOrder, Timestamp,
    },
};

pub(super) const MERCHANT: &str = "002001000000001";
pub(super) const KEY: &str = "002001000000001_KEY1";
pub(super) const GET: &str = include_str!("fixtures/get_to_capture.json");
pub(super) const OPENED: &str = include_str!("fixtures/init_success.json");

pub(super) fn settings(changes: &[(&str, &str)]) -> Settings {
    Settings::read(&account(changes)).unwrap()
}

/// An account of the platform's own test shop, with these settings over it.
pub(super) fn account(changes: &[(&str, &str)]) -> AccountSettings {
    let good = [
        ("brand", "sherlocks"),
        ("environment", "test"),
        ("merchant_id", MERCHANT),
        ("secret_key", KEY),
        ("office_url", "http://127.0.0.1:9/sips"),
        ("paypage_url", "http://127.0.0.1:9/sips"),
    ];
    let kept = good.into_iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    AccountSettings::from_pairs("shop", "sips", kept.chain(changes.iter().copied()))
}

pub(super) fn context() -> AdapterContext {
    AdapterContext::new("https://pay.example/g", Duration::from_secs(1), Duration::from_secs(1))
}

pub(super) fn shop_name() -> AccountName {
    "shop".parse().unwrap()
}

pub(super) fn members(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// What the platform would answer: these members with their seal.
pub(super) fn sealed(value: &Value, algorithm: SealAlgorithm, key: &str) -> Value {
    let mut members = members(value);
    let seal = algorithm.seal(&sealed_text(&members), &key.into());
    members.insert("seal".to_owned(), Value::from(seal));
    Value::Object(members)
}

pub(super) fn money(value: i64, code: &str) -> Money {
    Money::balance(value, Currency::new(code).unwrap()).unwrap()
}

fn mapped(data: &Value, memory: &OrderMemory) -> Result<Order, &'static str> {
    mapped_at(data, memory, Timestamp::from_millis(0))
}

fn mapped_at(data: &Value, memory: &OrderMemory, now: Timestamp) -> Result<Order, &'static str> {
    let settings = settings(&[]);
    let account = shop_name();
    let wire: wire::TransactionData =
        serde_json::from_value(data.clone()).map_err(|_| "not a transaction")?;
    let shop = Shop { account: &account, settings: &settings };
    mapping::order(shop, &"ORDER0001".parse().unwrap(), &wire, memory, now)
}

pub(super) fn read_order(data: &Value) -> Order {
    mapped(data, &OrderMemory::default()).unwrap()
}

/// The sample with other members; null leaves one out.
pub(super) fn sample(changes: &Value) -> Value {
    let mut data: Value = serde_json::from_str(GET).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        data[name] = value.clone();
    }
    data
}

pub(super) fn new_order() -> NewOrder {
    NewOrder {
        amount: Money::new(1990, Currency::new("EUR").unwrap()).unwrap(),
        merchant_reference: "cart-42".to_owned(),
        description: None,
        capture: CaptureMode::Automatic,
        payment_method: None,
        expires_at: None,
        locale: Some("fr-FR".to_owned()),
        delivery: NewDelivery::default(),
        customer: Customer::default(),
        return_url: Some("https://shop.example/back".to_owned()),
        metadata: [("cart".to_owned(), "42".to_owned())].into(),
        provider_options: Map::new(),
    }
}

pub(super) fn planned(order: NewOrder, operation: OperationId) -> PlannedOrder {
    page::plan(&settings(&[]), order, operation, Timestamp::now()).unwrap()
}

fn moved(moves: &[(OperationKind, i64)]) -> OrderMemory {
    let movement = |&(kind, amount): &(OperationKind, i64)| Movement {
        operation: OperationId::generate(),
        kind,
        amount: money(amount, "EUR"),
        status: OperationStatus::Succeeded,
        at: Timestamp::from_millis(0),
        provider_id: None,
        is_reversed: false,
    };
    OrderMemory { movements: moves.iter().map(movement).collect(), ..OrderMemory::default() }
}

#[test]
fn a_transaction_is_read_without_card_and_payer() {
    let order = read_order(&sample(&json!({})));
    assert_eq!(order.id.to_string(), "shop_ORDER0001");
    assert_eq!((order.mode, order.status, order.is_final), (Mode::Test, OrderStatus::Paid, false));
    assert_eq!((order.amount, order.currency.code()), (1000, "EUR"));
    assert_eq!(order.merchant_reference.as_deref(), Some("cart-42"));
    assert_eq!(order.provider_status.code, "TO_CAPTURE");
    assert_eq!(order.created_at.unwrap().to_string(), "2026-01-14T09:31:07.000Z");
    assert_eq!(
        Value::Object(order.provider_data),
        json!({"transactionReference": "ORDER0001", "s10TransactionId": "000123", "s10TransactionIdDate": "20260114",
               "currentAmount": 1000, "lastOperationName": "AUTHOR", "responseCode": "00", "acquirerResponseCode": "00",
               "lastOperationDateTime": "2026-01-14T10:31:07+01:00", "orderChannel": "INTERNET",
               "paymentMeanBrand": "VISA", "paymentMeanType": "CARD", "paymentPattern": "ONE_SHOT"})
    );
}

#[test]
fn reading_is_tolerant_where_nothing_is_lost() {
    let text = json!({"originAmount": "1000", "currentAmount": "000700", "currencyCode": 978,
                      "responseCode": null, "somethingNew": [1]});
    assert_eq!(read_order(&sample(&text)).amounts.canceled, Some(300));
    let bare = json!({"transactionStatus": "TO_CAPTURE", "currentAmount": 5, "currencyCode": "048"});
    let bare = read_order(&bare);
    assert_eq!((bare.amount, bare.currency.code(), bare.created_at), (5, "BHD", None));
    // What the transaction was made of is not told: nor is what was authorized.
    assert_eq!((bare.amounts.requested, bare.amounts.authorized), (Some(5), None));
    // An empty reference is an absent one.
    for silent in [
        json!({"transactionReference": ""}),
        json!({"s10TransactionReference": {"s10TransactionId": "", "s10TransactionIdDate": ""}}),
        json!({"s10TransactionReference": {"s10TransactionId": null}}),
        json!({"s10TransactionReference": {}}),
        json!({"transactionReference": "", "s10TransactionReference": null}),
    ] {
        assert_eq!(read_order(&sample(&silent)).id.to_string(), "shop_ORDER0001", "{silent}");
    }
    let refused = read_order(&sample(&json!({"transactionStatus": "REFUSED", "acquirerResponseCode": "51"})));
    assert_eq!(refused.provider_status.message.as_deref(), Some("insufficient funds or credit exceeded"));
    assert_eq!((refused.status, refused.is_final), (OrderStatus::Declined, true));
    for wrong in [
        json!({"currencyCode": "36"}),
        json!({"currencyCode": null}),
        json!({"originAmount": null, "currentAmount": null}),
        json!({"originAmount": 10.5}),
        json!({"currentAmount": -1}),
        json!({"transactionStatus": null}),
        json!({"transactionReference": "ORDER0002"}),
        json!({"transactionReference": "order0001"}),
        json!({"merchantId": "002001000000002"}),
    ] {
        assert!(mapped(&sample(&wrong), &OrderMemory::default()).is_err(), "{wrong}");
    }
}

#[test]
fn amounts_are_told_as_far_as_anyone_tells_them() {
    use OperationKind::{Cancel, Capture, Refund};
    use OrderStatus::{
        Authorized, Canceled, Declined, Expired, Failed, Paid, PartiallyRefunded, Processing, Refunded,
        Unknown,
    };
    let none: &[(OperationKind, i64)] = &[];
    for (word, current, last, moves, status, [authorized, captured, canceled, refunded]) in [
        ("TO_AUTHORIZE", 700, "CANCEL", none, Processing, [Some(0), Some(0), Some(300), Some(0)]),
        ("TO_VALIDATE", 1000, "AUTHOR", none, Authorized, [Some(1000), Some(0), Some(0), Some(0)]),
        ("TO_CAPTURE", 1000, "AUTHOR", none, Paid, [Some(1000), Some(0), Some(0), Some(0)]),
        ("TO_CAPTURE", 700, "CANCEL", none, Paid, [Some(1000), Some(0), Some(300), Some(0)]),
        ("CAPTURED", 1000, "DEBIT_CAPTURE", none, Paid, [Some(1000), Some(1000), Some(0), Some(0)]),
        ("CAPTURED", 700, "DEBIT_CAPTURE", none, Paid, [Some(1000), Some(700), Some(300), Some(0)]),
        (
            "CAPTURED",
            700,
            "DEBIT_CAPTURE",
            &[(Cancel, 300)],
            Paid,
            [Some(1000), Some(700), Some(300), Some(0)],
        ),
        (
            "CAPTURED",
            700,
            "DEBIT_CAPTURE",
            &[(Capture, 700)],
            Paid,
            [Some(1000), Some(700), Some(300), Some(0)],
        ),
        (
            "CAPTURED",
            700,
            "DEBIT_CAPTURE",
            &[(Refund, 300)],
            PartiallyRefunded,
            [Some(1000), Some(1000), Some(0), Some(300)],
        ),
        ("CAPTURED", 700, "CREDIT_CAPTURE", none, PartiallyRefunded, [Some(1000), None, None, None]),
        (
            "CAPTURED",
            0,
            "CREDIT_CAPTURE",
            &[(Refund, 1000)],
            Refunded,
            [Some(1000), Some(1000), Some(0), Some(1000)],
        ),
        (
            "CAPTURED",
            500,
            "CREDIT",
            &[(Cancel, 300), (Refund, 200)],
            PartiallyRefunded,
            [Some(1000), Some(700), Some(300), Some(200)],
        ),
        (
            "TO_CREDIT",
            500,
            "CREDIT",
            &[(Capture, 700), (Refund, 200)],
            PartiallyRefunded,
            [Some(1000), Some(700), Some(300), Some(200)],
        ),
        ("TO_CREDIT", 500, "CREDIT", &[(Refund, 200)], PartiallyRefunded, [Some(1000), None, None, None]),
        (
            "TO_CREDIT",
            0,
            "CREDIT",
            &[(Refund, 1000)],
            Refunded,
            [Some(1000), Some(1000), Some(0), Some(1000)],
        ),
        (
            "TO_CREDIT",
            1000,
            "CREDIT",
            &[(Refund, 200)],
            PartiallyRefunded,
            [Some(1000), Some(1000), Some(0), Some(200)],
        ),
        ("CREDITED", 0, "CREDIT_CAPTURE", none, Refunded, [Some(1000), None, None, None]),
        ("CANCELLED", 0, "CANCEL", none, Canceled, [Some(1000), Some(0), Some(1000), Some(0)]),
        ("EXPIRED", 1000, "EXPIRED", none, Expired, [Some(1000), Some(0), Some(0), Some(0)]),
        ("REFUSED", 1000, "AUTHOR", none, Declined, [Some(0), Some(0), Some(0), Some(0)]),
        ("CAPTURE_REFUSED", 1000, "CAPTURE", none, Failed, [Some(1000), Some(0), Some(0), Some(0)]),
        ("ENDED", 1000, "CAPTURE", none, Unknown, [None, None, None, None]),
    ] {
        let data =
            sample(&json!({"transactionStatus": word, "currentAmount": current, "lastOperationName": last}));
        let order = mapped(&data, &moved(moves)).unwrap();
        // Nobody tells what waits where nobody tells anything.
        let refund_pending = Some(0).filter(|_| status != Unknown);
        let amounts =
            Amounts { requested: Some(1000), authorized, captured, canceled, refunded, refund_pending };
        assert_eq!((order.status, order.amounts), (status, amounts), "{word} {current} {last} {moves:?}");
    }
}

#[test]
fn a_copy_of_the_time_before_tells_a_cancel_from_a_refund() {
    let copy = read_order(&sample(&json!({"transactionStatus": "CAPTURED", "currentAmount": 700})));
    let memory = OrderMemory { copy: Some(copy), ..OrderMemory::default() };
    let data = sample(
        &json!({"transactionStatus": "TO_CREDIT", "currentAmount": 500, "lastOperationName": "CREDIT"}),
    );
    let amounts = mapped(&data, &memory).unwrap().amounts;
    assert_eq!((amounts.captured, amounts.canceled, amounts.refunded), (Some(700), Some(300), Some(200)));
}

#[test]
fn memory_is_asked_only_for_what_the_platform_does_not_tell() {
    let ours = page_reference();
    for (reference, word, current, asked) in [
        ("ORDER0001", "TO_CAPTURE", 700, false),
        ("ORDER0001", "TO_VALIDATE", 1000, false),
        ("ORDER0001", "CANCELLED", 0, false),
        ("ORDER0001", "CAPTURED", 1000, true),
        ("ORDER0001", "CAPTURED", 700, true),
        ("ORDER0001", "CREDITED", 0, true),
        ("ORDER0001", "CAPTURE_REFUSED", 1000, true),
        ("ORDER0001", "EXPIRED", 1000, true),
        ("ORDER0001", "REFUSED", 1000, true),
        (ours.as_str(), "TO_CAPTURE", 1000, true),
    ] {
        let data = sample(&json!({"transactionStatus": word, "currentAmount": current}));
        let wire: wire::TransactionData = serde_json::from_value(data).unwrap();
        assert_eq!(mapping::asks_memory(&reference.parse().unwrap(), &wire), asked, "{reference} {word}");
    }
}

fn page_reference() -> String {
    planned(new_order(), OperationId::generate()).reference.unwrap().to_string()
}

#[test]
fn actions_say_what_and_how_much() {
    for (word, current, cancel, capture, refund) in [
        ("TO_AUTHORIZE", 1000, Ok(1000), Err("not_authorized"), Err("not_captured")),
        ("PENDING", 1000, Err("processing"), Err("not_authorized"), Err("not_captured")),
        ("TO_CHALLENGE", 1000, Ok(1000), Err("in_review"), Err("not_captured")),
        ("TO_VALIDATE", 700, Ok(700), Ok(700), Err("not_captured")),
        ("TO_REPLAY", 1000, Err("must_be_validated"), Ok(1000), Err("not_captured")),
        ("TO_CAPTURE", 700, Ok(700), Err("already_captured"), Err("not_captured")),
        ("TO_CONFIRM_CAPTURE", 700, Err("being_captured"), Err("already_captured"), Err("not_captured")),
        ("CAPTURED", 700, Err("already_captured"), Err("already_captured"), Ok(700)),
        ("TO_CREDIT", 300, Err("already_captured"), Err("already_captured"), Ok(300)),
        ("TO_CREDIT", 0, Err("already_captured"), Err("already_captured"), Err("already_refunded")),
        ("TO_CONFIRM_CREDIT", 300, Err("already_captured"), Err("already_captured"), Err("processing")),
        ("CREDITED", 0, Err("already_captured"), Err("already_captured"), Err("already_refunded")),
        ("CANCELLED", 0, Err("already_canceled"), Err("already_canceled"), Err("not_paid")),
        ("EXPIRED", 1000, Err("expired"), Err("expired"), Err("not_paid")),
        ("REFUSED", 1000, Err("declined"), Err("declined"), Err("not_paid")),
        ("ABORTED", 1000, Err("failed"), Err("failed"), Err("not_paid")),
        ("PREPROD", 1000, Err("unknown_status"), Err("unknown_status"), Err("unknown_status")),
    ] {
        let order = read_order(&sample(&json!({"transactionStatus": word, "currentAmount": current})));
        for (action, expected) in [
            (Action::Update, Err("unsupported")),
            (Action::Cancel, cancel),
            (Action::Capture, capture),
            (Action::Refund, refund),
        ] {
            let offered = order.action(action).unwrap();
            let is = match (&offered.reason, offered.max) {
                (None, Some(max)) if offered.allowed && offered.partial == Some(true) => Ok(max),
                (Some(reason), None) if !offered.allowed => Err(reason.as_str()),
                other => panic!("{word} {action:?} {other:?}"),
            };
            assert_eq!(is, expected, "{word} {action:?}");
        }
    }
}

#[test]
fn a_plan_has_what_must_be_known_before_the_call() {
    let (settings, operation, now) = (settings(&[]), OperationId::generate(), Timestamp::now());
    let plan = page::plan(&settings, new_order(), operation, now).unwrap();
    assert_eq!(plan.expires_at.since(now), Duration::from_secs(900));
    assert_eq!(plan.reference.unwrap().as_str(), format!("gui{}", operation.simple()));
    let token = plan.page_token.unwrap();
    assert!(token.len() >= 32 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    let other = page::plan(&settings, new_order(), operation, now).unwrap().page_token.unwrap();
    assert_ne!(token, other);
}

fn refused(changes: &[(&str, &str)], order: NewOrder) -> Vec<String> {
    let plan = page::plan(&settings(changes), order, OperationId::generate(), Timestamp::now());
    let violations = plan.map(|_| ()).unwrap_err();
    violations.into_iter().map(|violation| violation.pointer).collect()
}

#[test]
fn what_the_platform_cannot_take_is_refused_before_anything_is_sent() {
    let text = |text: &str| Some(text.to_owned());
    let everything = NewOrder {
        amount: money(1, "VND"),
        merchant_reference: "a|b".to_owned(),
        description: text("Cart"),
        capture: CaptureMode::Manual,
        payment_method: text("wechat_pay"),
        expires_at: Some(Timestamp::now()),
        locale: text("fra"),
        delivery: NewDelivery {
            channel: DeliveryChannel::Email,
            recipient: text("zoe@example.com"),
            subject: text("s"),
            message: text("m"),
            template: text("t"),
        },
        customer: Customer { email: text("zoë@example.com"), first_name: text("Z|"), last_name: text("") },
        provider_options: members(
            &json!({"colour": "red", "capture_day": 100, "payment_mean_brands": ["CB"]}),
        ),
        ..new_order()
    };
    let mut found = refused(&[], everything);
    found.sort();
    assert_eq!(
        found,
        [
            "/amount/currency",
            "/customer/email",
            "/customer/first_name",
            "/customer/last_name",
            "/delivery/channel",
            "/delivery/message",
            "/delivery/recipient",
            "/delivery/subject",
            "/delivery/template",
            "/description",
            "/expires_at",
            "/locale",
            "/merchant_reference",
            "/payment_method",
            "/payment_method",
            "/provider_options/capture_day",
            "/provider_options/colour",
        ]
    );
    for reference in ["", "é", "123456789012345678901234567890123", "a\nb"] {
        let order = NewOrder { merchant_reference: reference.to_owned(), ..new_order() };
        assert_eq!(refused(&[], order), ["/merchant_reference"], "{reference}");
    }
    assert_eq!(refused(&[("reference_by", "platform")], new_order()), ["/account"]);
    assert_eq!(refused(&[("reference_by", "s10")], new_order()), ["/account"]);
}

#[test]
fn the_request_of_a_page_is_the_one_of_the_guide() {
    let settings = settings(&[]);
    let operation = OperationId::generate();
    let order = NewOrder {
        capture: CaptureMode::Manual,
        payment_method: Some("card".to_owned()),
        customer: Customer {
            email: Some("zoe@example.fr".to_owned()),
            first_name: None,
            last_name: Some("Ôter".to_owned()),
        },
        provider_options: members(&json!({
            "capture_day": 3, "challenge_mode_3ds": "CHALLENGE", "customer_id": "40813", "template_name": "custom",
            "statement_reference": "SHOP 42", "bypass_receipt_page": true,
        })),
        ..new_order()
    };
    let plan = page::plan(&settings, order, operation, Timestamp::now()).unwrap();
    let (account, context) = (shop_name(), context());
    let back = page::Back { account: &account, context: &context };
    let request = serde_json::to_value(page::request(&settings, back, operation, &plan).unwrap()).unwrap();
    assert_eq!(
        request,
        json!({
            "amount": "1990", "automaticResponseUrl": "https://pay.example/g/notifications/shop", "captureDay": "3",
            "captureMode": "VALIDATION", "currencyCode": "978",
            "customerContact": {"email": "zoe@example.fr", "lastname": "Ôter"}, "customerId": "40813",
            "customerLanguage": "fr", "fraudData": {"challengeMode3DS": "CHALLENGE"}, "interfaceVersion": "IR_WS_2.55",
            "merchantId": MERCHANT,
            "normalReturnUrl": format!("https://pay.example/g/return/{}", plan.page_token.as_ref().unwrap()),
            "orderChannel": "INTERNET", "orderId": "cart-42", "paymentMeanBrandList": ["CB", "VISA", "MASTERCARD"],
            "paypageData": {"bypassReceiptPage": "true"}, "returnContext": operation.to_string(),
            "statementReference": "SHOP 42", "templateName": "custom",
            "transactionReference": format!("gui{}", operation.simple()),
        })
    );
    let bare = NewOrder { locale: None, ..new_order() };
    let plan = page::plan(&settings, bare, operation, Timestamp::now()).unwrap();
    let request = serde_json::to_value(page::request(&settings, back, operation, &plan).unwrap()).unwrap();
    let mut names: Vec<_> = request.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "amount",
            "automaticResponseUrl",
            "captureMode",
            "currencyCode",
            "interfaceVersion",
            "merchantId",
            "normalReturnUrl",
            "orderChannel",
            "orderId",
            "returnContext",
            "transactionReference"
        ]
    );
    assert_eq!(request["captureMode"], "AUTHOR_CAPTURE");
}

#[test]
fn a_page_is_reached_by_a_form() {
    let answer = |changes: &[(&str, Value)]| {
        let mut answer: Value = serde_json::from_str(OPENED).unwrap();
        for (name, value) in changes {
            answer[*name] = value.clone();
        }
        serde_json::from_value::<wire::PageAnswer>(answer).unwrap()
    };
    let addresses = |host| PayerAddresses::new(PROVIDER, host, &Unobserved);
    let (test, live) = (addresses("http://127.0.0.1:8090/sips/sherlocks"), addresses("https://page.example"));
    let link = || "https://pay.example/g/pay/t".to_owned();
    let Checkout { method, url, fields, link: shown } =
        page::checkout(live, answer(&[]), link()).unwrap().unwrap();
    assert_eq!((method, &*url), (CheckoutMethod::Post, "https://payment-gateway.net/"));
    assert_eq!(*shown, link());
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["redirectionData", "redirectionVersion"]);
    assert_eq!(fields["redirectionVersion"], "IR_WS_2.0");
    let plain = ("redirectionUrl", json!("http://127.0.0.1:8090/pay"));
    assert!(page::checkout(test, answer(std::slice::from_ref(&plain)), link()).unwrap().is_some());
    for nowhere in [
        plain,
        ("redirectionUrl", json!("/pay")),
        ("redirectionUrl", json!("javascript:alert(1)")),
        ("redirectionUrl", json!("https://pay.example/\r\n")),
        ("redirectionUrl", json!("weixin://wxpay/")),
    ] {
        let opened = page::checkout(live, answer(std::slice::from_ref(&nowhere)), link());
        assert_eq!(opened, Ok(None), "{nowhere:?}: the page is open, and nobody is sent there");
    }
    for wrong in [
        ("redirectionUrl", json!(null)),
        ("redirectionData", json!(null)),
        ("redirectionVersion", json!(null)),
    ] {
        assert!(page::checkout(live, answer(std::slice::from_ref(&wrong)), link()).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_schema_is_a_schema() {
    assert_eq!(options::schema()["additionalProperties"], false);
}
