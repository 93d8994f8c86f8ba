//! Making an order: what is checked and decided before the call, the request that opens a page, its answer.
//!
//! Source: Paypage JSON guide, "paymentInit", and data dictionary, release 25.2.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::Rng;
use serde_json::Value;

use super::{
    config::{ReferenceBy, Settings},
    currency, options, reference, wire,
};
use guichet_port::{
    adapter::{AdapterContext, PayerAddresses, Violation},
    domain::{
        AccountName, CaptureMode, Checkout, CheckoutMethod, DeliveryChannel, NewOrder, OperationId,
        PlannedOrder, Timestamp,
    },
};

/// How long a page can be paid on: its session ends after 15 minutes without action ("Session").
pub(super) const PAGE_LIFE: Duration = Duration::from_secs(15 * 60);
/// Longest `orderId` (data dictionary: ANS32).
const ORDER_ID_CHARS_MAX: usize = 32;
/// Longest e-mail address (data dictionary: ANS128).
const EMAIL_CHARS_MAX: usize = 128;
/// Longest name. The data dictionary of the release at hand gives none; the platform refuses what is too long.
const NAME_CHARS_MAX: usize = 50;
/// Random bytes of a page's token: 43 characters.
const TOKEN_BYTES: usize = 32;

/// Payment methods that can be named, and the brands of the page they stand for (`paymentMeanBrandList`). Others are
/// named by `provider_options`.
const METHODS: [(&str, &[&str]); 2] = [("card", &["CB", "VISA", "MASTERCARD"]), ("paypal", &["PAYPAL"])];
/// Their names, for the capabilities.
pub(super) const METHOD_NAMES: &[&str] = &["card", "paypal"];

/// Checks a new order and decides what must be known before the call.
pub(super) fn plan(
    settings: &Settings,
    order: NewOrder,
    operation: OperationId,
    now: Timestamp,
) -> Result<PlannedOrder, Vec<Violation>> {
    let mut violations = check(settings, &order);
    let reference = reference::of_operation(operation);
    if reference.is_none() {
        violations.push(Violation::unsupported("/account", "no reference could be made"));
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let token = URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; TOKEN_BYTES]>());
    Ok(PlannedOrder { order, expires_at: now.plus(PAGE_LIFE), reference, page_token: Some(token) })
}

/// Why an account cannot make orders; `None`: it can.
pub(super) fn cannot_create(settings: &Settings) -> Option<&'static str> {
    match settings.reference_by {
        ReferenceBy::Merchant if settings.page_url.is_some() => None,
        ReferenceBy::Merchant => Some("has no host of payment pages; its setting `paypage_url` gives one"),
        ReferenceBy::Platform => {
            Some("has its references made by the platform, so that an order could not be found again")
        }
        ReferenceBy::S10 => Some(
            "names its orders by the 1.0 pair, whose day is the platform's and whose number is used up in a day",
        ),
    }
}

/// Everything that is wrong with a new order.
fn check(settings: &Settings, order: &NewOrder) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut refuse = |pointer: &str, detail: &str| violations.push(Violation::unsupported(pointer, detail));
    if let Some(reason) = cannot_create(settings) {
        refuse("/account", reason);
    }
    if currency::number(order.amount.currency()).is_none() {
        refuse("/amount/currency", &format!("must be one of {}", currency::CODES.join(", ")));
    }
    if !options::is_plain(&order.merchant_reference, ORDER_ID_CHARS_MAX) {
        refuse(
            "/merchant_reference",
            "must be 1 to 32 printable ASCII characters without `|` at this provider",
        );
    }
    if order.description.is_some() {
        refuse("/description", "this provider's page shows none");
    }
    if order.expires_at.is_some() {
        refuse("/expires_at", "cannot be chosen: this provider's page lives 15 minutes");
    }
    if let Some(method) = &order.payment_method {
        if METHODS.iter().all(|(name, _)| name != method) {
            refuse("/payment_method", &format!("must be one of {}", METHOD_NAMES.join(", ")));
        }
        if order.provider_options.get(options::BRANDS).is_some_and(|brands| !brands.is_null()) {
            refuse("/payment_method", "cannot be named together with `payment_mean_brands`");
        }
    }
    if order.locale.as_deref().is_some_and(|locale| language(locale).is_none()) {
        refuse("/locale", "must start with a language of two letters, such as fr-FR");
    }
    let delivery = &order.delivery;
    if delivery.channel != DeliveryChannel::Link {
        refuse("/delivery/channel", "must be link: this provider tells the payer nothing");
    }
    for (pointer, text) in [
        ("/delivery/recipient", &delivery.recipient),
        ("/delivery/subject", &delivery.subject),
        ("/delivery/message", &delivery.message),
        ("/delivery/template", &delivery.template),
    ] {
        if text.is_some() {
            refuse(pointer, "this provider tells the payer nothing");
        }
    }
    let customer = &order.customer;
    if customer.email.as_deref().is_some_and(|email| !options::is_plain(email, EMAIL_CHARS_MAX)) {
        refuse("/customer/email", "must be 1 to 128 printable ASCII characters without `|` at this provider");
    }
    for (pointer, name) in
        [("/customer/first_name", &customer.first_name), ("/customer/last_name", &customer.last_name)]
    {
        let is_taken = |name: &str| {
            (1..=NAME_CHARS_MAX).contains(&name.chars().count())
                && !name.contains(|c: char| c == '|' || c.is_control())
        };
        if name.as_deref().is_some_and(|name| !is_taken(name)) {
            refuse(pointer, "must be 1 to 50 characters without `|` at this provider");
        }
    }
    options::check(&order.provider_options, &mut violations);
    violations
}

/// The two letters of the language in a BCP 47 tag: all that the page takes (`customerLanguage`).
fn language(locale: &str) -> Option<String> {
    let language = locale.split('-').next()?;
    let is_language = language.len() == 2 && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_language.then(|| language.to_ascii_lowercase())
}

/// What the request names besides the order: the addresses that lead back here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Back<'a> {
    /// The account.
    pub(super) account: &'a AccountName,
    /// Where this service is.
    pub(super) context: &'a AdapterContext,
}

/// The request of `paymentInit`. `None`: the plan is not one of this adapter.
pub(super) fn request<'a>(
    settings: &'a Settings,
    back: Back<'_>,
    operation: OperationId,
    planned: &'a PlannedOrder,
) -> Option<wire::PageRequest<'a>> {
    let order = &planned.order;
    let text = |name: &str| order.provider_options.get(name).and_then(Value::as_str);
    let brands = match order.provider_options.get(options::BRANDS).and_then(Value::as_array) {
        Some(brands) => Some(brands.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        None => order.payment_method.as_deref().and_then(|method| {
            let (_, brands) = METHODS.iter().find(|(name, _)| *name == method)?;
            Some(brands.iter().map(|brand| (*brand).to_owned()).collect())
        }),
    };
    let customer = &order.customer;
    let has_contact =
        customer.email.is_some() || customer.first_name.is_some() || customer.last_name.is_some();
    Some(wire::PageRequest {
        amount: order.amount.value().to_string(),
        automatic_response_url: back.context.notification_url(back.account),
        capture_day: order
            .provider_options
            .get(options::CAPTURE_DAY)
            .and_then(Value::as_i64)
            .map(|days| days.to_string()),
        capture_mode: match order.capture {
            CaptureMode::Automatic => "AUTHOR_CAPTURE",
            CaptureMode::Manual => "VALIDATION",
        },
        currency_code: currency::number(order.amount.currency())?,
        customer_contact: has_contact.then_some(wire::CustomerContact {
            email: customer.email.as_deref(),
            firstname: customer.first_name.as_deref(),
            lastname: customer.last_name.as_deref(),
        }),
        customer_id: text(options::CUSTOMER_ID),
        customer_language: order.locale.as_deref().and_then(language),
        fraud_data: text(options::CHALLENGE).map(|challenge_mode_3ds| wire::FraudData { challenge_mode_3ds }),
        interface_version: &settings.page_version,
        merchant_id: &settings.merchant_id,
        normal_return_url: back.context.return_url(planned.page_token.as_deref()?),
        order_channel: "INTERNET",
        order_id: &order.merchant_reference,
        payment_mean_brand_list: brands,
        paypage_data: order
            .provider_options
            .get(options::BYPASS_RECEIPT)
            .and_then(Value::as_bool)
            .map(|bypass| wire::PaypageData { bypass_receipt_page: if bypass { "true" } else { "false" } }),
        return_context: operation.to_string(),
        statement_reference: text(options::STATEMENT),
        template_name: text(options::TEMPLATE),
        transaction_reference: planned.reference.as_ref()?.as_str(),
    })
}

/// How the payer gets to the page an answer opened: a form of two fields, sent by POST ("Redirection"). Nothing when no
/// payer may be sent to the address of the page; the page is open all the same.
pub(super) fn checkout(
    addresses: PayerAddresses<'_>,
    answer: wire::PageAnswer,
    link: String,
) -> Result<Option<Checkout>, &'static str> {
    let url = answer.redirection_url.ok_or("the answer names no page")?;
    let version = answer.redirection_version.ok_or("the answer has no version of the page")?;
    let data = answer.redirection_data.ok_or("the answer has no data for the page")?;
    let fields =
        BTreeMap::from([("redirectionVersion".to_owned(), version), ("redirectionData".to_owned(), data)]);
    let url = addresses.take("redirectionUrl", &url);
    Ok(url.and_then(|url| {
        Some(Checkout { method: CheckoutMethod::Post, url, fields, link: link.try_into().ok()? })
    }))
}
