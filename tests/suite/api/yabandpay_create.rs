//! Making payments at YabandPay: every flow, and everything that is refused before anything is sent.

use std::collections::BTreeSet;

use guichet_simulator::PayerAction;
use serde_json::{Value, json};

use super::yabandpay::{CARDS, CREATE, Shop, body, count, operation};
use crate::rig::{amounts, refusal};

#[tokio::test]
async fn a_payment_is_made_shown_and_paid() {
    let shop = Shop::notified().await;
    let changes = json!({
        "amount": {"value": 2_499, "currency": "EUR"}, "description": "Café & 订单 = 7+1", "payment_method": "wechat_pay",
        "return_url": "https://shop.example/back?o=1&x=a+b", "metadata": {"cart": "42"}
    });
    let made = shop.create("cart-42", &changes).await;
    assert_eq!(made.status, 201, "{made:?}");
    let order = made.json["provider_reference"].as_str().unwrap();
    assert_eq!(made.json["id"], format!("yabandpay_{order}"));
    assert_eq!(made.header("location").unwrap(), format!("/orders/yabandpay_{order}"));
    assert_eq!((&made.json["status"], &made.json["final"]), (&json!("pending"), &json!(false)));
    assert_eq!(amounts(&made), [2_499, 0, 0, 0, 0].map(Some));
    assert_eq!(
        (&made.json["metadata"], &made.json["merchant_reference"]),
        (&json!({"cart": "42"}), &json!("cart-42"))
    );
    assert_eq!(made.json["delivery"], json!({"channel": "link", "recipient": null}));
    let checkout = &made.json["checkout"];
    assert_eq!(
        (&checkout["method"], &checkout["fields"], &checkout["url"]),
        (&json!("GET"), &json!({}), &checkout["link"])
    );
    assert_eq!(shop.0.get(checkout["link"].as_str().unwrap()).await.status, 200, "the payer's page");

    let sent = &shop.sent(CREATE)[0];
    for (member, value) in [
        ("pay_method", "online"),
        ("sub_pay_method", "WeChat Pay"),
        ("order_id", "cart-42"),
        ("amount", "24.99"),
        ("currency", "EUR"),
        ("description", "Café & 订单 = 7+1"),
        ("redirect_url", "https://shop.example/back?o=1&x=a+b"),
        ("timeout", "1440"),
        ("demo", operation(&made).as_str()),
        ("notify_url", format!("{}/notifications/yabandpay", shop.0.url).as_str()),
    ] {
        assert_eq!(sent[member], value, "{member}");
    }
    let read = shop.read(order).await;
    for member in [
        "status",
        "amount",
        "amounts",
        "metadata",
        "checkout",
        "description",
        "merchant_reference",
        "delivery",
    ] {
        assert_eq!(read.json[member], made.json[member], "{member}");
    }
    let again = shop.create("cart-42", &changes).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    let taken = shop.0.create("other", &body("cart-42", &json!({}))).await;
    assert_eq!(
        (taken.problem(), taken.pointer()),
        ((409, "merchant_reference_in_use"), Some("/merchant_reference"))
    );

    shop.pay(order);
    let types = shop.until(order, "notification.received", 1).await;
    assert_eq!(count(&types, "order.paid"), 1, "{types:?}");
    let paid = shop.read(order).await;
    assert_eq!(
        (&paid.json["status"], &paid.json["final"], &paid.json["checkout"]),
        (&json!("paid"), &json!(false), &Value::Null)
    );
    assert_eq!(amounts(&paid), [2_499, 2_499, 2_499, 0, 0].map(Some));
    assert_eq!((shop.0.control.requests(CREATE), shop.0.effects("create").len()), (1, 1));
    shop.0.stop().await;
}

/// How a flow leads the payer to the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Page,
    Wechat,
    App,
}

#[tokio::test]
async fn every_flow() {
    use Way::{App, Page, Wechat};
    let shop = Shop::new().await;
    let back = "https://shop.example/back";
    let options = |options: Value| json!({"provider_options": options});
    for (number, (method, changes, service, wanted, way)) in [
        (None, json!({}), CREATE, json!({"sub_pay_method": "YabandPay"}), Page),
        (
            None,
            options(json!({"flow": "qr", "tip_amount": 50})),
            "v3.QRcodePayment",
            json!({"pay_method": "offline", "sub_pay_method": "QRcode", "tip_amount": "0.50"}),
            Page,
        ),
        (Some("wechat_pay"), options(json!({"flow": "qr"})), "v3.CreateWechatNativePay", json!({}), Page),
        (
            Some("wechat_pay"),
            options(json!({"flow": "qr", "url_type": "wechat"})),
            "v3.CreateWechatNativePay",
            json!({"url_type": "02"}),
            Wechat,
        ),
        (
            Some("wechat_pay"),
            options(json!({"flow": "h5", "ip_address": "203.0.113.7"})),
            "v3.CreatePaymentsWechatH5Pay",
            json!({"ip_address": "203.0.113.7"}),
            Page,
        ),
        (
            Some("wechat_pay"),
            options(json!({"flow": "app", "sub_app_id": "wx8888"})),
            "v3.CreatePaymentsWechatAPPPay",
            json!({"sub_app_id": "wx8888"}),
            App,
        ),
        (
            Some("wechat_pay"),
            options(json!({"flow": "mini_program", "sub_app_id": "wx8888", "sub_open_id": "o-1"})),
            "v3.CreatePaymentsWechatMiniPay",
            json!({"sub_open_id": "o-1"}),
            App,
        ),
        (
            Some("alipay"),
            options(json!({"sub_pay_method_type": "ALIPAY_CN"})),
            CREATE,
            json!({"sub_pay_method": "Alipay", "sub_pay_method_type": "ALIPAY_CN"}),
            Page,
        ),
        (Some("alipay"), options(json!({"flow": "web"})), "v3.CreatePaymentsAlipayWeb", json!({}), Page),
        (Some("alipay"), options(json!({"flow": "wap"})), "v3.CreatePaymentsAlipayWap", json!({}), Page),
        (
            Some("alipay"),
            options(json!({"flow": "app", "os_type": "ios"})),
            "v3.CreatePaymentsAlipayAppPay",
            json!({"os_type": "ios"}),
            Page,
        ),
        (Some("unionpay"), json!({}), CREATE, json!({"sub_pay_method": "UnionPayWap"}), Page),
        (Some("ideal"), options(json!({"bic": "INGBNL2A"})), CREATE, json!({"sub_pay_method": "iDEAL", "bic": "INGBNL2A"}), Page),
        (Some("ideal"), options(json!({"flow": "qr"})), "v3.CreatePaymentsiDEALQRcode", json!({}), Page),
        (
            Some("ideal"),
            options(json!({"flow": "fast_checkout"})),
            CREATE,
            json!({"sub_pay_method": "iDEAL Fast Checkout"}),
            Page,
        ),
        (
            Some("bancontact"),
            json!({"customer": {"email": "a@example.com"}}),
            CREATE,
            json!({"sub_pay_method": "Bancontact", "iDeal_email": "a@example.com"}),
            Page,
        ),
        (Some("payconiq"), json!({}), CREATE, json!({"sub_pay_method": "Payconiq"}), Page),
        (Some("paypal"), json!({}), CREATE, json!({"sub_pay_method": "PayPal"}), Page),
        (
            Some("card"),
            json!({"return_url": back}),
            CARDS,
            json!({"sub_pay_method": "Cards HPP", "operation": "1", "3ds_initiate": "01", "redirect_url": back}),
            Page,
        ),
        (
            Some("card"),
            json!({"return_url": back, "capture": "manual", "provider_options": {"three_ds": "exemption", "form_type": "iframe"}}),
            CARDS,
            json!({"operation": "2", "3ds_initiate": "03", "sca_exemption": "LowValue", "form_type": "02"}),
            Page,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let reference = format!("cart-{number}");
        let mut changes = changes;
        changes["payment_method"] = json!(method);
        let made = shop.create(&reference, &changes).await;
        assert_eq!(made.status, 201, "{changes}: {made:?}");
        let sent = shop.sent(service).pop().unwrap();
        for (member, value) in wanted.as_object().unwrap() {
            assert_eq!(&sent[member], value, "{changes}: {member}");
        }
        assert!(sent.as_object().unwrap().values().all(|value| value.as_str().is_some_and(|text| !text.is_empty())), "{sent}");
        let order = made.json["provider_reference"].as_str().unwrap();
        let link = made.json["checkout"]["link"].as_str();
        match way {
            Page => assert!(link.unwrap().contains(order), "{changes}: {link:?}"),
            Wechat => assert!(link.unwrap().starts_with("weixin://"), "{changes}: {link:?}"),
            App => {
                assert_eq!((link, &made.json["provider_data"]["parameters"]["appid"]), (None, &json!("wx8888")), "{made:?}");
            }
        }
        shop.pay(order);
        let status = if changes["capture"] == "manual" { "authorized" } else { "paid" };
        assert_eq!(shop.read(order).await.json["status"], status, "{changes}");
        assert_eq!(shop.read(order).await.json["amount"]["value"], 1_000);
    }
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_before_anything_is_sent() {
    let shop = Shop::new().await;
    let cents = |value: i64, currency: &str| json!({"amount": {"value": value, "currency": currency}});
    let later =
        |seconds: i64| (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)).to_string();
    let with = |mut one: Value, other: Value| {
        one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        one
    };
    let option =
        |method: &str, options: Value| json!({"payment_method": method, "provider_options": options});
    for (changes, status, code, pointers) in [
        (cents(0, "EUR"), 400, "validation_failed", &["/amount/value"][..]),
        (cents(9, "EUR"), 422, "unsupported_by_provider", &["/amount/value"]),
        (cents(99, "CNY"), 422, "unsupported_by_provider", &["/amount/value"]),
        (
            with(cents(99, "EUR"), json!({"payment_method": "unionpay"})),
            422,
            "unsupported_by_provider",
            &["/amount/value"],
        ),
        (cents(1_000, "JPY"), 422, "currency_not_supported", &["/amount/currency"]),
        (
            with(cents(1_000, "CNY"), json!({"payment_method": "ideal"})),
            422,
            "unsupported_by_provider",
            &["/amount/currency"],
        ),
        (json!({"payment_method": "klarna"}), 422, "unsupported_by_provider", &["/payment_method"]),
        (json!({"capture": "manual"}), 422, "unsupported_by_provider", &["/capture"]),
        (json!({"payment_method": "card"}), 422, "unsupported_by_provider", &["/return_url"]),
        (json!({"return_url": "ftp://shop.example"}), 400, "validation_failed", &["/return_url"]),
        (json!({"locale": "fr-FR"}), 422, "unsupported_by_provider", &["/locale"]),
        (
            json!({"customer": {"email": "a@example.com"}}),
            422,
            "unsupported_by_provider",
            &["/customer/email"],
        ),
        (
            json!({"customer": {"first_name": "Zoë", "last_name": "Lévêque"}}),
            422,
            "unsupported_by_provider",
            &["/customer/first_name", "/customer/last_name"],
        ),
        (
            json!({"delivery": {"channel": "email", "recipient": "a@example.com"}}),
            422,
            "unsupported_by_provider",
            &["/delivery/channel"],
        ),
        (json!({"delivery": {"subject": "x"}}), 422, "unsupported_by_provider", &["/delivery/subject"]),
        (json!({"expires_at": later(30)}), 422, "unsupported_by_provider", &["/expires_at"]),
        (json!({"expires_at": later(86_460)}), 422, "unsupported_by_provider", &["/expires_at"]),
        (json!({"expires_at": later(-5)}), 400, "validation_failed", &["/expires_at"]),
        (
            json!({"provider_options": {"colour": "red"}}),
            400,
            "validation_failed",
            &["/provider_options/colour"],
        ),
        (
            json!({"provider_options": {"flow": "app"}}),
            422,
            "unsupported_by_provider",
            &["/provider_options/flow"],
        ),
        (
            option("wechat_pay", json!({"flow": "app"})),
            400,
            "validation_failed",
            &["/provider_options/sub_app_id"],
        ),
        (
            option("wechat_pay", json!({"flow": "h5", "ip_address": "here"})),
            400,
            "validation_failed",
            &["/provider_options/ip_address"],
        ),
        (
            option("wechat_pay", json!({"flow": "qr", "url_type": "01", "bic": "X"})),
            422,
            "unsupported_by_provider",
            &["/provider_options/bic", "/provider_options/url_type"],
        ),
        (
            with(
                option("wechat_pay", json!({"flow": "mini_program"})),
                json!({"return_url": "https://shop.example/"}),
            ),
            422,
            "unsupported_by_provider",
            &["/provider_options/sub_app_id", "/provider_options/sub_open_id", "/return_url"],
        ),
        (
            option("alipay", json!({"flow": "app", "os_type": "symbian"})),
            400,
            "validation_failed",
            &["/provider_options/os_type"],
        ),
        (
            json!({"provider_options": {"flow": "qr", "tip_amount": 1_001}}),
            400,
            "validation_failed",
            &["/provider_options/tip_amount"],
        ),
    ] {
        let reply = shop.0.create("k", &body("a", &changes)).await;
        assert_eq!(reply.problem(), (status, code), "{changes}: {}", reply.text);
        let errors = reply.json["errors"].as_array().cloned().unwrap_or_default();
        let found: BTreeSet<_> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
        assert_eq!(found, pointers.iter().copied().collect(), "{changes}");
        assert_eq!(reply.json["outcome"], "not_executed", "{changes}");
    }
    let order = shop.made("b", &json!({})).await;
    let place = format!("/orders/yabandpay_{order}");
    let sent = shop.0.control.total_requests();
    assert_eq!(sent, 1, "only the one that was right");
    let patched = shop.0.patch(&place, &[], &json!({"description": "x"})).await;
    assert_eq!(patched.problem(), (422, "unsupported_by_provider"));
    assert_eq!(shop.0.control.total_requests(), sent);
}

#[tokio::test]
async fn the_life_of_a_payment_is_told_and_sent() {
    let shop = Shop::new().await;
    let wish = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(30 * 60);
    let made = shop.create("a", &json!({"expires_at": wish.to_string()})).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(shop.sent(CREATE)[0]["timeout"], "30");
    let told: jiff::Timestamp = made.json["expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(told.as_second(), wish.as_second());
    let order = made.json["provider_reference"].as_str().unwrap();
    shop.0.control.payer("yabandpay", "yabandpay", order, PayerAction::Leave).unwrap();
    assert_eq!(shop.read(order).await.json["status"], "pending");
    shop.0.control.advance(std::time::Duration::from_secs(31 * 60));
    let over = shop.read(order).await;
    assert_eq!((&over.json["status"], &over.json["final"]), (&json!("expired"), &json!(true)));
    let declined = shop.made("b", &json!({})).await;
    shop.0.control.payer("yabandpay", "yabandpay", &declined, PayerAction::Decline).unwrap();
    let seen = shop.read(&declined).await;
    assert_eq!((&seen.json["status"], &seen.json["final"]), (&json!("declined"), &json!(true)));
    assert_eq!(amounts(&seen), [1_000, 0, 0, 0, 0].map(Some));
    let refused = shop.ask("cancel", &declined, None, None).await;
    assert_eq!(
        (refused.problem(), &refused.json["reason"]),
        ((409, "order_state_conflict"), &json!("declined"))
    );
}

#[tokio::test]
async fn what_the_platform_refuses_of_a_creation() {
    let shop = Shop::new().await;
    for (number, code) in ["-9001", "-4115", "-1"].into_iter().enumerate() {
        shop.fault(CREATE, refusal(code));
        let reply = shop.create(&format!("cart-{number}"), &json!({})).await;
        let problem = if code == "-4115" { (409, "order_state_conflict") } else { (422, "provider_refused") };
        assert_eq!(reply.problem(), problem, "{code}: {reply:?}");
        assert_eq!(
            (&reply.json["outcome"], &reply.json["provider"]["code"]),
            (&json!("refused"), &json!(code))
        );
        // The reference is free again.
        let again =
            shop.0.create(&format!("again-{number}"), &body(&format!("cart-{number}"), &json!({}))).await;
        assert_eq!(again.status, 201, "{again:?}");
    }
}
