//! What a caller asks for, after the HTTP layer has checked its form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DeliveryChannel, Money, Order, Timestamp};

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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

/// What an operation is meant to do, with the order as it was read before: enough to send it, and enough to
/// recognise its effect later when the answer was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Intent {
    /// Change what the payer is asked for.
    Update {
        /// The order as read before the change.
        before: Box<Order>,
        /// What is to change.
        patch: Box<OrderPatch>,
    },
    /// Release all or part.
    Cancel {
        /// The order as read before the change.
        before: Box<Order>,
        /// What is to be released.
        amount: Money,
        /// Whether `amount` is all that is left.
        full: bool,
    },
}

impl Intent {
    /// The order as it was read before the change.
    pub fn before(&self) -> &Order {
        match self {
            Self::Update { before, .. } | Self::Cancel { before, .. } => before,
        }
    }

    /// The amount the operation moves; `None` for updates, which move none.
    pub fn amount(&self) -> Option<Money> {
        match self {
            Self::Update { .. } => None,
            Self::Cancel { amount, .. } => Some(*amount),
        }
    }
}
