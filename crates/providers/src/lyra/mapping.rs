//! From the platform's payment order to the canonical one.

use serde_json::{Map, Value};

use super::{
    PROVIDER,
    status::PaymentOrderStatus,
    wire::{self, ChannelDetails},
};
use guichet_port::{
    adapter::PayerAddresses,
    domain::{
        AccountName, Action, Amounts, AvailableAction, Checkout, Currency, Delivery, DeliveryChannel, Mode,
        Money, Order, OrderId, ProviderStatus, Timestamp, WaitsFor,
    },
};

/// The order in canonical terms, or what makes the answer unusable.
pub(super) fn order(
    account: &AccountName,
    mode: Mode,
    as_of: Timestamp,
    addresses: PayerAddresses<'_>,
    wire: wire::PaymentOrder,
) -> Result<Order, &'static str> {
    let reference = wire.payment_order_id.parse().map_err(|_| "the answer's paymentOrderId is malformed")?;
    let currency = Currency::new(&wire.currency).map_err(|_| "the answer's currency is not known")?;
    Money::balance(wire.amount, currency).map_err(|_| "the answer's amount is out of range")?;
    let status = PaymentOrderStatus::read(&wire.payment_order_status);
    if status == PaymentOrderStatus::Unknown {
        tracing::warn!(
            provider = PROVIDER,
            provider_status = wire.payment_order_status,
            "the provider told a status not known here"
        );
    }
    let provider_data = provider_data(&wire);
    let to_validate = provider_data.get("manualValidation").and_then(Value::as_str) == Some("YES");
    let canonical = status.canonical(to_validate);
    let delivery = wire.channel_details.as_ref().map(delivery);
    // Nobody can pay any more once it is paid, canceled or expired.
    let page = wire.payment_url.filter(|_| status.is_payable());
    Ok(Order {
        id: OrderId { account: account.clone(), reference },
        provider: PROVIDER.to_owned(),
        mode,
        merchant_reference: wire.order_id,
        status: canonical,
        is_final: status.is_final(),
        provider_status: ProviderStatus { code: wire.payment_order_status, message: None },
        amount: wire.amount,
        currency,
        amounts: amounts(status, wire.amount),
        checkout: page.and_then(|page| addresses.take("paymentURL", &page)).map(Checkout::by_link),
        available_actions: actions(status, wire.amount, delivery.as_ref()),
        delivery,
        description: wire.merchant_comment,
        locale: wire.locale.map(|locale| locale.replace('_', "-")),
        metadata: std::collections::BTreeMap::new(),
        created_at: instant("creationDate", wire.creation_date),
        updated_at: instant("updateDate", wire.update_date),
        expires_at: instant("expirationDate", wire.expiration_date),
        as_of,
        // Of a paid one its transactions decide: see `settling`.
        waits_for: WaitsFor::by_status(canonical, status.is_final()),
        deadline_at: None,
        news: Vec::new(),
        provider_data,
    })
}

fn instant(member: &'static str, text: Option<String>) -> Option<Timestamp> {
    let parsed = Timestamp::parse(&text?);
    if parsed.is_err() {
        tracing::warn!(provider = PROVIDER, member, "the provider told a date that cannot be read");
    }
    parsed.ok()
}

/// What the order alone tells of its money. Once paid, only its transactions know.
fn amounts(status: PaymentOrderStatus, amount: i64) -> Amounts {
    match status {
        PaymentOrderStatus::Running | PaymentOrderStatus::Refused | PaymentOrderStatus::Expired => {
            Amounts::unpaid(amount)
        }
        PaymentOrderStatus::Canceled => Amounts { canceled: Some(amount), ..Amounts::unpaid(amount) },
        PaymentOrderStatus::Paid | PaymentOrderStatus::Unknown => Amounts::untold(amount),
    }
}

fn delivery(details: &ChannelDetails) -> Delivery {
    let phone = |details: &Option<wire::PhoneDetails>| details.as_ref().and_then(|d| d.phone_number.clone());
    let (channel, recipient) = match details.channel_type.as_deref() {
        Some("URL") => (Some(DeliveryChannel::Link), None),
        Some("MAIL") => (
            Some(DeliveryChannel::Email),
            details.mail_details.as_ref().and_then(|mail| mail.recipient.clone()),
        ),
        Some("SMS") => (Some(DeliveryChannel::Sms), phone(&details.sms_details)),
        Some("WHATSAPP") => (Some(DeliveryChannel::Whatsapp), phone(&details.whats_app_details)),
        // INVOICE, IVR and what may come.
        _ => (None, None),
    };
    Delivery { channel, recipient }
}

/// The members that callers see and that an update must send again. The rendered subject, body and message
/// are not among them: they name the amount of their day.
fn provider_data(wire: &wire::PaymentOrder) -> Map<String, Value> {
    let mail = wire.channel_details.as_ref().and_then(|details| details.mail_details.as_ref());
    let card = wire.transaction_details.as_ref().and_then(|details| details.card_details.as_ref());
    let text = |value: Option<&String>| value.cloned().map(Value::from);
    [
        ("strongAuthentication", text(wire.strong_authentication.as_ref())),
        ("dataCollectionForm", wire.data_collection_form.map(Value::from)),
        ("paymentReceiptEmail", text(wire.payment_receipt_email.as_ref())),
        ("taxRate", wire.tax_rate.clone()),
        ("taxAmount", wire.tax_amount.map(Value::from)),
        ("manualValidation", text(card.and_then(|card| card.manual_validation.as_ref()))),
        ("captureDelay", card.and_then(|card| card.capture_delay).map(Value::from)),
        ("template", text(mail.and_then(|mail| mail.template.as_ref()))),
        ("bcc", text(mail.and_then(|mail| mail.bcc.as_ref()))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

fn actions(status: PaymentOrderStatus, amount: i64, delivery: Option<&Delivery>) -> Vec<AvailableAction> {
    // Of a paid order its transactions decide: see `payments`.
    let denied = |why: &str, refund: &str| {
        vec![
            AvailableAction::denied(Action::Update, why),
            AvailableAction::denied(Action::Cancel, why),
            AvailableAction::denied(Action::Capture, "unsupported"),
            AvailableAction::denied(Action::Refund, refund),
        ]
    };
    let open = |update: AvailableAction| {
        vec![
            update,
            AvailableAction::allowed_up_to(Action::Cancel, amount, false),
            AvailableAction::denied(Action::Capture, "unsupported"),
            AvailableAction::denied(Action::Refund, "not_paid"),
        ]
    };
    match status {
        PaymentOrderStatus::Running => {
            // An update must name the whole channel, so one that is not known here cannot be sent again.
            let known = delivery.is_some_and(|delivery| delivery.channel.is_some());
            open(if known {
                AvailableAction::allowed(Action::Update)
            } else {
                AvailableAction::denied(Action::Update, "unsupported")
            })
        }
        PaymentOrderStatus::Refused => open(AvailableAction::denied(Action::Update, "not_open")),
        PaymentOrderStatus::Paid => denied("already_paid", "unsupported"),
        PaymentOrderStatus::Canceled => denied("already_canceled", "not_paid"),
        PaymentOrderStatus::Expired => denied("expired", "not_paid"),
        PaymentOrderStatus::Unknown => denied("unknown_status", "unsupported"),
    }
}
