//! The methods that create a payment.
//!
//! Source: YabandPay v3 API, pages of the create methods. Where an answer is not documented the comment says so.

use serde_json::{Value, json};

use super::members::{amount, currency, known, needed, text, url};
use super::methods::Session;
use super::order::{Order, new_number};
use super::{YabandPay, amount as decimal, codes, take_request_id};
use crate::ledger::Effect;
use crate::members::Members;
use crate::platform::Refusal;

/// Minutes that `"0"` stands for. That an absent `timeout` means the same is inferred.
pub(super) const LONGEST_TIMEOUT: i64 = 1440;

/// How the payer gets to the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `url`, the payment page.
    Page,
    /// `url` as well: the content of a QR code. The member's name is inferred; the pages' answers were not seen.
    Qr,
    /// As `Qr`, and `url_type` chooses between the payment page and WeChat's own address.
    WechatQr,
    /// `parameters` for the wallet's own library. Known for WeChat in an app; the mini program's are taken to be alike.
    Wallet,
    /// `parameters.pay_url`. Known for H5 and Wap; for Alipay in an app it is inferred.
    PayUrl,
}

/// One create method.
#[derive(Debug)]
struct Kind {
    method: &'static str,
    /// `pay_method` that it wants, if it has one.
    pay_method: Option<&'static str>,
    /// Its `sub_pay_method`s; the one that is recorded, where the request names none.
    sub_pay_methods: &'static [&'static str],
    /// Beside `order_id`, `amount`, `currency` and `description`.
    required: &'static [&'static str],
    optional: &'static [&'static str],
    way: Way,
}

const CORE: [&str; 4] = ["order_id", "amount", "currency", "description"];

/// `sub_pay_method`s of `v3.CreatePayments`, with the spellings of the official plugins.
const REDIRECTED: &[&str] = &[
    "WeChat Pay",
    "Alipay",
    "YabandPay",
    "iDEAL",
    "iDEAL Fast Checkout",
    "iDeal",
    "Bancontact",
    "Payconiq",
    "PayPal",
    "PayPal/recurring",
    "PAYPAL/RECURRING",
    "UnionPayWap",
    "UnionPay",
    "UnionPay Card",
    "UnionPay QuickPass",
    "Visa",
    "MasterCard",
    "SOFORT/DIGITAL",
    "Sofort/Digital",
    "Sofort/Physical",
];

/// Methods that pay in euros only.
const EURO_ONLY: [&str; 5] = ["iDEAL", "iDEAL Fast Checkout", "iDeal", "Bancontact", "Payconiq"];
/// Methods whose minimum is one euro.
const FROM_ONE_EURO: [&str; 2] = ["UnionPayWap", "Credit Card"];

const WECHAT: &[&str] = &["WeChat Pay"];
const ALIPAY: &[&str] = &["Alipay"];
const NOTIFIED: &[&str] = &["notify_url"];
const USUAL: &[&str] = &["redirect_url", "timeout", "demo"];

const fn online(
    method: &'static str,
    sub_pay_methods: &'static [&'static str],
    required: &'static [&'static str],
    optional: &'static [&'static str],
    way: Way,
) -> Kind {
    Kind { method, pay_method: Some("online"), sub_pay_methods, required, optional, way }
}

const KINDS: [Kind; 11] = [
    online("v3.CreatePayments", REDIRECTED, NOTIFIED, REDIRECTED_OPTIONS, Way::Page),
    Kind { pay_method: None, ..online("v3.CreateWechatNativePay", WECHAT, NOTIFIED, NATIVE, Way::WechatQr) },
    online("v3.CreatePaymentsWechatMiniPay", WECHAT, MINI, &["timeout", "demo"], Way::Wallet),
    online("v3.CreatePaymentsWechatAPPPay", WECHAT, &["notify_url", "sub_app_id"], USUAL, Way::Wallet),
    online("v3.CreatePaymentsWechatH5Pay", WECHAT, &["notify_url", "ip_address"], USUAL, Way::PayUrl),
    online("v3.CreatePaymentsAlipayWeb", ALIPAY, NOTIFIED, ALIPAY_OPTIONS, Way::Page),
    online("v3.CreatePaymentsAlipayWap", ALIPAY, NOTIFIED, ALIPAY_OPTIONS, Way::PayUrl),
    online("v3.CreatePaymentsAlipayAppPay", ALIPAY, &["notify_url", "os_type"], USUAL, Way::PayUrl),
    online("v3.CreatePaymentsiDEALQRcode", &["iDEAL"], NOTIFIED, USUAL, Way::Qr),
    online(CARDS, &["Cards HPP", "Credit Card"], CARD, CARD_OPTIONS, Way::Page),
    Kind { pay_method: Some("offline"), ..online("v3.QRcodePayment", &["QRcode"], &[], QR_CODE, Way::Qr) },
];

const REDIRECTED_OPTIONS: &[&str] = &[
    "redirect_url",
    "timeout",
    "demo",
    "bic",
    "iDeal_email",
    "ideal_email",
    "post_email",
    "cancel_url",
    "sub_pay_method_type",
];
const NATIVE: &[&str] = &["redirect_url", "timeout", "demo", "url_type"];
const MINI: &[&str] = &["notify_url", "sub_app_id", "sub_open_id"];
const ALIPAY_OPTIONS: &[&str] = &["redirect_url", "timeout", "demo", "sub_pay_method_type"];
const CARD: &[&str] = &["notify_url", "operation", "3ds_initiate", "request_id", "timeout", "redirect_url"];
const CARD_OPTIONS: &[&str] = &["demo", "sca_exemption", "form_type", "iDeal_email"];
const QR_CODE: &[&str] = &["notify_url", "redirect_url", "timeout", "demo", "tip_amount"];

pub(super) const CARDS: &str = "v3.CreateCardPayments";

impl YabandPay {
    /// Creates a payment if the method is one that does; `None` if not. An `order_id` may come again: the official
    /// plugins make a new payment with the same number whenever the payer comes back.
    pub(super) fn create(
        &self,
        session: &Session<'_>,
        members: &Members<'_>,
    ) -> Option<Result<Value, Refusal>> {
        let kind = KINDS.iter().find(|kind| kind.method == session.call.service)?;
        Some(self.create_one(kind, session, members))
    }

    fn create_one(
        &self,
        kind: &Kind,
        session: &Session<'_>,
        members: &Members<'_>,
    ) -> Result<Value, Refusal> {
        let order = read(kind, session, members)?;
        let url_type = word(members, "url_type", &["01", "02"])?;
        let mut data = json!({
            "order_id": order.order_id,
            "trade_id": order.id,
            "amount": decimal::text(order.amount),
            "currency": order.currency,
        });
        if let Value::Object(answer) = &mut data {
            let (name, value) = self.way(kind.way, url_type.as_deref(), &order, members, session)?;
            answer.insert(name.to_owned(), value);
        }
        let mut orders = session.book.orders();
        take_request_id(&mut orders.rest, members)?;
        self.enter(session.book, Effect { request: session.call.sequence, ..order.effect("create", None) });
        orders.insert(order);
        Ok(data)
    }

    /// The member that leads the payer to the payment.
    fn way(
        &self,
        way: Way,
        url_type: Option<&str>,
        order: &Order,
        members: &Members<'_>,
        session: &Session<'_>,
    ) -> Result<(&'static str, Value), Refusal> {
        let link = self.link(&order.id);
        Ok(match way {
            Way::WechatQr if url_type == Some("02") => {
                ("url", json!(format!("weixin://wxpay/bizpayurl?pr={}", order.inner_id())))
            }
            Way::Page | Way::Qr | Way::WechatQr => ("url", json!(link)),
            Way::PayUrl => ("parameters", json!({"pay_url": link})),
            Way::Wallet => {
                let parameters = json!({
                    "appid": needed(members, "sub_app_id")?,
                    "partnerid": "1900000109",
                    "prepayid": format!("wx{}", order.inner_id()),
                    "package": "Sign=WXPay",
                    "noncestr": new_number(),
                    "timestamp": super::order::seconds(session.now),
                    "sign": "SIMULATED",
                });
                ("parameters", parameters)
            }
        })
    }
}

/// Checks everything that a create method wants, and makes the payment.
fn read(kind: &Kind, session: &Session<'_>, members: &Members<'_>) -> Result<Order, Refusal> {
    let methods: &[&str] = if kind.pay_method.is_some() { &["pay_method", "sub_pay_method"] } else { &[] };
    known(members, &[&CORE, methods, kind.required, kind.optional])?;
    for name in CORE.iter().chain(kind.required) {
        needed(members, name)?;
    }
    let first = kind.sub_pay_methods.first().copied().unwrap_or_default();
    let (pay_method, sub_pay_method) = match kind.pay_method {
        Some(word) => {
            needed_word(members, "pay_method", &[word])?;
            (word, needed_word(members, "sub_pay_method", kind.sub_pay_methods)?)
        }
        None => ("online", first.to_owned()),
    };
    let wanted = amount(members, "amount")?;
    let currency = currency(members, "currency")?;
    if EURO_ONLY.contains(&sub_pay_method.as_str()) && currency != "EUR" {
        return Err(Refusal::new(codes::BAD_CURRENCY));
    }
    if wanted < minimum(&sub_pay_method, &currency) {
        return Err(Refusal::new(codes::BELOW_MINIMUM));
    }
    let tip_amount = text(members, "tip_amount")?.map(|_| amount(members, "tip_amount")).transpose()?;
    if tip_amount.is_some_and(|tip| tip > wanted) {
        return Err(codes::parameter("tip_amount"));
    }
    let (authorizes, three_ds) = card_options(kind, members)?;
    word(members, "os_type", &["android", "ios"])?;
    Ok(Order {
        pay_method: pay_method.to_owned(),
        sub_pay_method,
        order_id: needed(members, "order_id")?,
        description: needed(members, "description")?,
        amount: wanted,
        tip_amount,
        currency,
        notify_url: url(members, "notify_url")?,
        redirect_url: url(members, "redirect_url")?,
        cancel_url: url(members, "cancel_url")?,
        demo: text(members, "demo")?,
        timeout_minutes: timeout(members)?,
        authorizes,
        three_ds,
        ..Order::usual(session.now)
    })
}

fn word(members: &Members<'_>, name: &str, words: &[&str]) -> Result<Option<String>, Refusal> {
    members.word(name, codes::BAD_PARAMETER, words)
}

fn needed_word(members: &Members<'_>, name: &str, words: &[&str]) -> Result<String, Refusal> {
    members.needed_word(name, codes::BAD_PARAMETER, words)
}

/// Smallest amount, minor units. Only those of EUR and CNY are documented.
fn minimum(sub_pay_method: &str, currency: &str) -> i64 {
    match currency {
        "EUR" if FROM_ONE_EURO.contains(&sub_pay_method) => 100,
        "EUR" => 10,
        "CNY" => 100,
        _ => 1,
    }
}

/// Minutes until the payment expires.
fn timeout(members: &Members<'_>) -> Result<i64, Refusal> {
    let Some(text) = text(members, "timeout")? else { return Ok(LONGEST_TIMEOUT) };
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    let minutes = text.parse::<i64>().ok().filter(|minutes| is_number && *minutes <= LONGEST_TIMEOUT);
    match minutes.ok_or_else(|| codes::parameter("timeout"))? {
        0 => Ok(LONGEST_TIMEOUT),
        minutes => Ok(minutes),
    }
}

/// Whether a card payment only authorises, and whether 3-D Secure takes place.
fn card_options(kind: &Kind, members: &Members<'_>) -> Result<(bool, bool), Refusal> {
    if kind.method != CARDS {
        return Ok((false, false));
    }
    let operation = needed_word(members, "operation", &["1", "2"])?;
    let three_ds = needed_word(members, "3ds_initiate", &["01", "02", "03"])?;
    word(members, "form_type", &["01", "02"])?;
    let exemption = word(members, "sca_exemption", &["LowValue"])?;
    if (three_ds == "03") != exemption.is_some() {
        return Err(codes::parameter("sca_exemption"));
    }
    Ok((operation == "2", three_ds == "01"))
}
