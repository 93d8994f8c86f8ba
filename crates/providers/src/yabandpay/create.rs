//! Making a payment: what the platform can take, what is sent, and what it answers.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};
use url::Url;

use super::{
    PROVIDER,
    flow::{CURRENCIES, Flow, MINIMUM_CNY, ReturnUrl},
    mapping::{self, TIMEOUT_MINUTES_MAX, filled},
    money, options,
    wire::Created,
};
use guichet_port::{
    adapter::{PayerAddresses, Violation},
    domain::{
        Checkout, DeliveryChannel, Money, NewOrder, OperationId, Order, OrderMemory, PlannedOrder, Timestamp,
        memory::Creation, request::CaptureMode,
    },
};

/// The platform counts the life of a payment in whole minutes from when the request arrives, so that a plan
/// of exactly one day would be a moment short of it. A plan is sent at once: so much is forgiven.
const SEND_GRACE: Duration = Duration::from_secs(10);
/// The member of `parameters` with the payer's page.
const PAY_URL: &str = "pay_url";
/// Longest `parameters` member that is handed on.
const PARAMETER_CHARS_MAX: usize = 4_096;

/// Checks a new order and fills what must be known before the call.
pub(super) fn plan(order: NewOrder, now: Timestamp) -> Result<PlannedOrder, Vec<Violation>> {
    let mut violations = Vec::new();
    match options::flow(order.payment_method.as_deref(), &order.provider_options) {
        Ok(flow) => {
            check_flow(flow, &order, &mut violations);
            let members = options::members(flow, &order.provider_options, order.amount);
            violations.extend(members.err().unwrap_or_default());
        }
        Err(violation) => violations.push(violation),
    }
    check_members(&order, &mut violations);
    let expires_at = expiry(order.expires_at, now, &mut violations);
    if violations.is_empty() {
        Ok(PlannedOrder { order, expires_at, reference: None, page_token: None })
    } else {
        Err(violations)
    }
}

/// What the flow of this order takes.
fn check_flow(flow: &Flow, order: &NewOrder, violations: &mut Vec<Violation>) {
    let code = order.amount.currency().code();
    if !CURRENCIES.contains(&code) {
        let known = CURRENCIES.join(", ");
        violations.push(Violation::unsupported("/amount/currency", &format!("must be one of {known}")));
    } else if flow.euro_only && code != "EUR" {
        violations.push(Violation::unsupported("/amount/currency", "must be EUR for this payment method"));
    }
    let minimum = match code {
        "EUR" => flow.minimum_eur,
        "CNY" => MINIMUM_CNY,
        // None is named for the others.
        _ => 1,
    };
    if order.amount.value() < minimum
        && let Ok(minimum) = Money::new(minimum, order.amount.currency())
    {
        let rule = format!("must be at least {minimum} for this payment method");
        violations.push(Violation::unsupported("/amount/value", &rule));
    }
    if order.capture == CaptureMode::Manual && !flow.captures_by_hand {
        violations.push(Violation::unsupported("/capture", "`manual` is for the payment method `card` only"));
    }
    match (flow.return_url, &order.return_url) {
        (ReturnUrl::None, Some(_)) => {
            violations.push(Violation::unsupported("/return_url", "has no place in this flow"));
        }
        (ReturnUrl::Required, None) => {
            violations.push(Violation::unsupported("/return_url", "is required for this payment method"));
        }
        (ReturnUrl::Required | ReturnUrl::Optional, _) | (ReturnUrl::None, None) => {}
    }
    if order.customer.email.is_some() && !flow.takes_email {
        violations.push(Violation::unsupported(
            "/customer/email",
            "has no place at this provider for this payment method",
        ));
    }
}

/// What no flow of this platform takes. Labels stay here: the platform's one free field carries our operation.
fn check_members(order: &NewOrder, violations: &mut Vec<Violation>) {
    const NO_PLACE: &str = "has no place at this provider";
    let delivery = &order.delivery;
    if delivery.channel != DeliveryChannel::Link {
        violations.push(Violation::unsupported("/delivery/channel", "must be link"));
    }
    for (pointer, is_given) in [
        ("/delivery/recipient", delivery.recipient.is_some()),
        ("/delivery/subject", delivery.subject.is_some()),
        ("/delivery/message", delivery.message.is_some()),
        ("/delivery/template", delivery.template.is_some()),
        ("/customer/first_name", order.customer.first_name.is_some()),
        ("/customer/last_name", order.customer.last_name.is_some()),
        ("/locale", order.locale.is_some()),
    ] {
        if is_given {
            violations.push(Violation::unsupported(pointer, NO_PLACE));
        }
    }
    if order.merchant_reference.is_empty() {
        violations.push(Violation::invalid("/merchant_reference", "must not be empty"));
    }
    if order.return_url.as_ref().is_some_and(|url| !is_web_address(url)) {
        violations.push(Violation::invalid("/return_url", "must be an http or https address"));
    }
}

fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
}

/// A payment lives 1 to 1440 minutes. Source: "Create payments" of API v3, `timeout`; there 0 means 1440, so
/// less than a minute must never be sent.
fn expiry(wish: Option<Timestamp>, now: Timestamp, violations: &mut Vec<Violation>) -> Timestamp {
    let latest = now.plus(Duration::from_secs(TIMEOUT_MINUTES_MAX.saturating_mul(60)));
    let Some(wish) = wish else { return latest };
    if wish <= now {
        violations.push(Violation::invalid("/expires_at", "must be in the future"));
    } else if wish.since(now) < Duration::from_secs(60) {
        violations.push(Violation::unsupported("/expires_at", "must be at least one minute ahead"));
    } else if wish > latest {
        violations.push(Violation::unsupported("/expires_at", "must be at most 24 hours ahead"));
    }
    wish
}

/// Whole minutes from now until a plan's end, never more than fit.
fn minutes_until(expires_at: Timestamp, now: Timestamp) -> u64 {
    let left = expires_at.since(now).saturating_add(SEND_GRACE).as_secs();
    left.checked_div(60).unwrap_or_default().clamp(1, TIMEOUT_MINUTES_MAX)
}

/// The method and the members of `data`, or `None` for what [`plan`] would not have let through.
pub(super) fn request(
    planned: &PlannedOrder,
    operation: OperationId,
    notify_url: &str,
    now: Timestamp,
) -> Option<(&'static str, BTreeMap<&'static str, String>)> {
    let order = &planned.order;
    let flow = options::flow(order.payment_method.as_deref(), &order.provider_options).ok()?;
    let mut data = options::members(flow, &order.provider_options, order.amount).ok()?;
    data.extend(flow.fixed.iter().map(|(name, value)| (*name, (*value).to_owned())));
    data.insert("order_id", order.merchant_reference.clone());
    data.insert("amount", money::to_wire(order.amount)?);
    data.insert("currency", order.amount.currency().code().to_owned());
    data.insert("description", description(order));
    data.insert("notify_url", notify_url.to_owned());
    data.insert("timeout", minutes_until(planned.expires_at, now).to_string());
    // Returned unchanged in notifications, so that a create whose answer was lost finds its payment.
    data.insert("demo", operation.to_string());
    if let Some(url) = filled(order.return_url.as_ref()) {
        data.insert("redirect_url", url);
    }
    if let Some(email) = filled(order.customer.email.as_ref()) {
        data.insert("iDeal_email", email);
    }
    if flow.captures_by_hand {
        card_members(order.capture, operation, &mut data);
    }
    Some((flow.method, data))
}

/// A description is required: the reference says what it is about when nothing else does. Never empty, so
/// that no doubtful rule of the signature is needed.
fn description(order: &NewOrder) -> String {
    filled(order.description.as_ref()).unwrap_or_else(|| order.merchant_reference.clone())
}

/// What `v3.CreateCardPayments` wants besides. Source: its page of API v3.
fn card_members(capture: CaptureMode, operation: OperationId, data: &mut BTreeMap<&'static str, String>) {
    let is_manual = capture == CaptureMode::Manual;
    data.insert("operation", if is_manual { "2" } else { "1" }.to_owned());
    data.insert("request_id", operation.simple());
    let three_ds = data.entry("3ds_initiate").or_insert_with(|| "01".to_owned());
    if three_ds == "03" {
        data.insert("sca_exemption", "LowValue".to_owned());
    }
}

/// The order that the answer of a create tells, or what makes it unusable.
pub(super) fn order(
    context: &mapping::Context<'_>,
    addresses: PayerAddresses<'_>,
    operation: OperationId,
    planned: &PlannedOrder,
    wire: Created,
) -> Result<Order, &'static str> {
    let asked = planned.order.amount;
    if wire.order_id.as_ref().is_some_and(|told| *told != planned.order.merchant_reference) {
        return Err("the answer is about another order_id");
    }
    let currency = wire.currency.as_deref().unwrap_or(asked.currency().code());
    if let Some(told) = &wire.amount
        && mapping::amount(Some(told), Some(currency))? != asked
    {
        return Err("the answer tells another amount than was sent");
    }
    if currency != asked.currency().code() {
        return Err("the answer tells another currency than was sent");
    }
    let created_at = context.as_of;
    let creation = Creation { operation, at: created_at, planned: planned.clone() };
    let memory = OrderMemory { creation: Some(creation), ..OrderMemory::default() };
    let payment = super::wire::Payment {
        trade_id: wire.trade_id,
        order_id: Some(planned.order.merchant_reference.clone()),
        state: filled(wire.state.as_ref()).or_else(|| Some("pending".to_owned())),
        amount: money::to_wire(asked),
        currency: Some(asked.currency().code().to_owned()),
        description: Some(description(&planned.order)),
        ..super::wire::Payment::default()
    };
    let mut order = mapping::order(context, payment, &memory)?;
    let parameters = parameters(addresses, wire.parameters);
    order.checkout = checkout(addresses, wire.url.as_deref(), &parameters);
    if order.checkout.is_none() && parameters.is_empty() {
        tracing::warn!(provider = PROVIDER, "the provider made a payment without telling where it is paid");
    }
    if !parameters.is_empty() {
        order.provider_data.insert("parameters".to_owned(), Value::Object(parameters));
    }
    Ok(order)
}

/// Where the payer pays: `url`, or `pay_url` of H5 and Wap. Source: integrations of third parties.
fn checkout(
    addresses: PayerAddresses<'_>,
    url: Option<&str>,
    parameters: &Map<String, Value>,
) -> Option<Checkout> {
    let pay_url = parameters.get(PAY_URL).and_then(Value::as_str);
    let page = url.filter(|url| !url.is_empty()).and_then(|url| addresses.take("url", url));
    page.or_else(|| addresses.take(PAY_URL, pay_url?)).map(Checkout::by_link)
}

/// What an app hands to the wallet: texts and numbers alone. They are made for the payer's device and hold no
/// secret. A text that is an address must be one that a payer may be sent to.
fn parameters(addresses: PayerAddresses<'_>, parameters: Map<String, Value>) -> Map<String, Value> {
    let may_be_shown = |name: &str, text: &str| {
        let is_address = name == PAY_URL || Url::parse(text).is_ok();
        !is_address || addresses.take("parameters", text).is_some()
    };
    parameters
        .into_iter()
        .filter(|(name, value)| match value {
            Value::String(text) => text.chars().count() <= PARAMETER_CHARS_MAX && may_be_shown(name, text),
            Value::Number(_) => true,
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
        })
        .collect()
}
