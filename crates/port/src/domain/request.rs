//! What a caller asks for, after the HTTP layer has checked its form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DeliveryChannel, Money, OperationKind, Order, ProviderReference, Timestamp};

/// A member of a merge patch (RFC 7396): absent stays, `null` clears.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field<T> {
    /// Not named: stays as it is.
    #[default]
    Keep,
    /// `null`: is to be cleared.
    Clear,
    /// Is to become this.
    Set(T),
}

impl<T> Field<T> {
    /// Whether the caller named the member at all.
    pub fn is_named(&self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// Whether the caller wants it cleared.
    pub fn is_cleared(&self) -> bool {
        matches!(self, Self::Clear)
    }

    /// The new value, if one was given.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

/// Changes to how the payer is told.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryPatch {
    /// The channel, as far as the provider can change it.
    pub channel: Field<DeliveryChannel>,
    /// E-mail address or phone number.
    pub recipient: Field<String>,
    /// Subject of the e-mail; cleared means the provider's own.
    pub subject: Field<String>,
    /// Text of the message; cleared means the provider's own.
    pub message: Field<String>,
    /// Name of a template kept at the provider; cleared means none.
    pub template: Field<String>,
}

/// Changes to what is known of the payer.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomerPatch {
    /// E-mail address.
    pub email: Field<String>,
    /// First name.
    pub first_name: Field<String>,
    /// Last name.
    pub last_name: Field<String>,
}

/// What `PATCH /orders/{id}` asks for.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderPatch {
    /// New amount and currency.
    pub amount: Field<Money>,
    /// New merchant reference.
    pub merchant_reference: Field<String>,
    /// New description.
    pub description: Field<String>,
    /// Payment method to restrict the page to.
    pub payment_method: Field<String>,
    /// New end of the order's life.
    pub expires_at: Field<Timestamp>,
    /// BCP 47 language tag.
    pub locale: Field<String>,
    /// How the payer is told.
    pub delivery: Field<DeliveryPatch>,
    /// Who pays.
    pub customer: Field<CustomerPatch>,
    /// Where the payer's browser comes back to.
    pub return_url: Field<String>,
    /// The caller's own labels, merged member by member.
    pub metadata: Field<BTreeMap<String, Option<String>>>,
    /// Opaque here: the adapter validates it.
    pub provider_options: Field<Map<String, Value>>,
}

impl OrderPatch {
    /// Whether the order is already as this would make it, as far as its read tells. What no read tells, such as the text of
    /// a message or the payer's name, counts as a change.
    pub fn is_already_so(&self, order: &Order) -> bool {
        fn same<T: PartialEq>(field: &Field<T>, told: Option<&T>) -> bool {
            match field {
                Field::Keep => true,
                Field::Clear => false,
                Field::Set(wanted) => told == Some(wanted),
            }
        }
        let Self {
            amount,
            merchant_reference,
            description,
            payment_method,
            expires_at,
            locale,
            delivery,
            customer,
            return_url,
            metadata,
            provider_options,
        } = self;
        let hidden = payment_method.is_named()
            || delivery.is_named()
            || customer.is_named()
            || return_url.is_named()
            || provider_options.is_named();
        let same_amount = amount
            .value()
            .is_none_or(|amount| (amount.value(), amount.currency()) == (order.amount, order.currency));
        let mut labels = metadata.value().into_iter().flatten();
        !hidden
            && same_amount
            && !matches!(metadata, Field::Clear)
            && labels.all(|(name, label)| order.metadata.get(name) == label.as_ref())
            && same(merchant_reference, order.merchant_reference.as_ref())
            && same(description, order.description.as_ref())
            && same(expires_at, order.expires_at.as_ref())
            && same(locale, order.locale.as_ref())
    }
}

/// When the money is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMode {
    /// By the provider, with nothing left to do.
    #[default]
    Automatic,
    /// Only reserved when the payer pays; the merchant captures.
    Manual,
}

/// How the payer of a new order is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDelivery {
    /// The channel.
    pub channel: DeliveryChannel,
    /// E-mail address or phone number; for a link there is none.
    pub recipient: Option<String>,
    /// Subject of the e-mail; `None` means the provider's own.
    pub subject: Option<String>,
    /// Text of the message; `None` means the provider's own.
    pub message: Option<String>,
    /// Name of a template kept at the provider.
    pub template: Option<String>,
}

impl Default for NewDelivery {
    fn default() -> Self {
        Self { channel: DeliveryChannel::Link, recipient: None, subject: None, message: None, template: None }
    }
}

/// Who pays, as far as the caller tells.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// E-mail address.
    pub email: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
}

/// What `POST /orders` asks for, less the account.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct NewOrder {
    /// What the payer is asked for.
    pub amount: Money,
    /// The merchant's own reference; reaches the provider unchanged.
    pub merchant_reference: String,
    /// For the merchant's staff or the payer, as the provider uses it.
    pub description: Option<String>,
    /// When the money is taken.
    pub capture: CaptureMode,
    /// Payment method to restrict the page to, such as `card`.
    pub payment_method: Option<String>,
    /// When it can no longer be paid; `None` leaves it to the adapter.
    pub expires_at: Option<Timestamp>,
    /// BCP 47 language tag.
    pub locale: Option<String>,
    /// How the payer is told.
    pub delivery: NewDelivery,
    /// Who pays.
    pub customer: Customer,
    /// Where the payer's browser comes back to.
    pub return_url: Option<String>,
    /// The caller's own labels.
    pub metadata: BTreeMap<String, String>,
    /// Opaque here: the adapter validates it.
    pub provider_options: Map<String, Value>,
}

impl NewOrder {
    /// The order as its creation would have to ask for it after this change.
    pub fn apply(&mut self, patch: &OrderPatch) {
        fn put<T: Clone>(target: &mut Option<T>, field: &Field<T>) {
            match field {
                Field::Keep => {}
                Field::Clear => *target = None,
                Field::Set(value) => *target = Some(value.clone()),
            }
        }
        if let Some(amount) = patch.amount.value() {
            self.amount = *amount;
        }
        if let Some(reference) = patch.merchant_reference.value() {
            self.merchant_reference.clone_from(reference);
        }
        put(&mut self.description, &patch.description);
        put(&mut self.payment_method, &patch.payment_method);
        put(&mut self.expires_at, &patch.expires_at);
        put(&mut self.locale, &patch.locale);
        put(&mut self.return_url, &patch.return_url);
        if let Some(delivery) = patch.delivery.value() {
            if let Some(channel) = delivery.channel.value() {
                self.delivery.channel = *channel;
            }
            put(&mut self.delivery.recipient, &delivery.recipient);
            put(&mut self.delivery.subject, &delivery.subject);
            put(&mut self.delivery.message, &delivery.message);
            put(&mut self.delivery.template, &delivery.template);
        }
        if let Some(customer) = patch.customer.value() {
            put(&mut self.customer.email, &customer.email);
            put(&mut self.customer.first_name, &customer.first_name);
            put(&mut self.customer.last_name, &customer.last_name);
        }
        for (name, label) in patch.metadata.value().into_iter().flatten() {
            match label {
                Some(label) => self.metadata.insert(name.clone(), label.clone()),
                None => self.metadata.remove(name),
            };
        }
        for (name, value) in patch.provider_options.value().into_iter().flatten() {
            self.provider_options.insert(name.clone(), value.clone());
        }
    }
}

/// A new order as it will be sent: what the adapter decided beforehand is part of the intent.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedOrder {
    /// What the caller asked for.
    pub order: NewOrder,
    /// When it can no longer be paid: the caller's wish, or the adapter's default.
    pub expires_at: Timestamp,
    /// The provider's reference, where it is made here before the call.
    pub reference: Option<ProviderReference>,
    /// The secret part of the addresses under `/pay/` and `/return/`, where the payer's browser needs them.
    pub page_token: Option<String>,
}

/// The part of an order that a cancel, a capture or a refund moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// How much.
    pub amount: Money,
    /// Whether it is all that is left.
    pub full: bool,
}

/// What an operation is meant to do, with the order as it was read before: enough to send it, and enough to
/// recognise its effect later when the answer was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Intent {
    /// Make a new order.
    Create {
        /// What is to be made.
        planned: Box<PlannedOrder>,
    },
    /// Change what the payer is asked for.
    Update {
        /// The order as read before the change.
        before: Box<Order>,
        /// What is to change.
        patch: Box<OrderPatch>,
    },
    /// Release all or part before it is taken.
    Cancel {
        /// The order as read before the change.
        before: Box<Order>,
        /// What is to be released.
        part: Part,
    },
    /// Take all or part of what is reserved.
    Capture {
        /// The order as read before the change.
        before: Box<Order>,
        /// What is to be taken.
        part: Part,
    },
    /// Give back all or part of what was taken.
    Refund {
        /// The order as read before the change.
        before: Box<Order>,
        /// What is to be given back.
        part: Part,
    },
}

impl Intent {
    /// The order as it was read before the change; a creation has none.
    pub fn before(&self) -> Option<&Order> {
        match self {
            Self::Create { .. } => None,
            Self::Update { before, .. }
            | Self::Cancel { before, .. }
            | Self::Capture { before, .. }
            | Self::Refund { before, .. } => Some(before),
        }
    }

    /// The amount the operation moves, or asks the payer for; `None` for updates, which move none.
    pub fn amount(&self) -> Option<Money> {
        match self {
            Self::Create { planned } => Some(planned.order.amount),
            Self::Update { .. } => None,
            Self::Cancel { part, .. } | Self::Capture { part, .. } | Self::Refund { part, .. } => {
                Some(part.amount)
            }
        }
    }

    /// What it does.
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::Create { .. } => OperationKind::Create,
            Self::Update { .. } => OperationKind::Update,
            Self::Cancel { .. } => OperationKind::Cancel,
            Self::Capture { .. } => OperationKind::Capture,
            Self::Refund { .. } => OperationKind::Refund,
        }
    }
}
