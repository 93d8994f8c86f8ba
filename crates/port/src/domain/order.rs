//! A payment order as guichet shows it, whatever provider it lives at.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{
    AccountName, AvailableAction, Currency, OperationNews, OrderId, OrderStatus, PayerAddress,
    ProviderReference, Timestamp, WaitsFor,
};

/// Whether an account moves real money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The provider's test environment.
    Test,
    /// Real money.
    Live,
}

impl Mode {
    /// Its word in the configuration and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }

    /// The mode of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Test, Self::Live].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// The provider's own word for the state of an order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderStatus {
    /// As received, for example `RUNNING`.
    pub code: String,
    /// The provider's explanation, if it gives one.
    pub message: Option<String>,
}

/// Cumulative amounts in minor units of the order's currency. `None`: the provider does not tell. They fall only when
/// the provider undoes a movement or lowers an amount in its back office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// What the payer is or was asked for.
    pub requested: Option<i64>,
    /// What the provider says was authorized; never taken from the amount of the order.
    pub authorized: Option<i64>,
    /// What has been taken.
    pub captured: Option<i64>,
    /// What has been released before it was taken.
    pub canceled: Option<i64>,
    /// What has been given back, or will be with nothing left to do.
    pub refunded: Option<i64>,
    /// What is to be given back and still waits for a person or a confirmation; never in `refunded` too.
    #[serde(default)]
    pub refund_pending: Option<i64>,
}

impl Amounts {
    /// An order nobody has paid: everything but the requested amount is zero.
    pub fn unpaid(requested: i64) -> Self {
        Self {
            requested: Some(requested),
            authorized: Some(0),
            captured: Some(0),
            canceled: Some(0),
            refunded: Some(0),
            refund_pending: Some(0),
        }
    }

    /// An order whose money nobody can tell apart: only the requested amount is known.
    pub fn untold(requested: i64) -> Self {
        Self {
            requested: Some(requested),
            authorized: None,
            captured: None,
            canceled: None,
            refunded: None,
            refund_pending: None,
        }
    }
}

/// How to send the payer to the payment page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CheckoutMethod {
    /// Follow a link.
    Get,
    /// Submit a form.
    Post,
}

/// Where and how the payer pays.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Checkout {
    /// How `url` wants to be called.
    pub method: CheckoutMethod,
    /// The provider's page.
    pub url: PayerAddress,
    /// Form fields for `POST`; empty for `GET`.
    pub fields: BTreeMap<String, String>,
    /// One link that works for every provider.
    pub link: PayerAddress,
}

impl Checkout {
    /// A page that the payer gets to by its link.
    pub fn by_link(url: PayerAddress) -> Self {
        Self { method: CheckoutMethod::Get, link: url.clone(), url, fields: BTreeMap::new() }
    }
}

/// Reads a stored checkout. One that was stored before addresses were checked, and has a wrong one, is none.
fn usable_checkout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Checkout>, D::Error> {
    #[derive(Deserialize)]
    struct Stored {
        method: CheckoutMethod,
        url: String,
        fields: BTreeMap<String, String>,
        link: String,
    }
    let stored = Option::<Stored>::deserialize(deserializer)?;
    Ok(stored.and_then(|Stored { method, url, fields, link }| {
        Some(Checkout { method, url: url.try_into().ok()?, fields, link: link.try_into().ok()? })
    }))
}

/// Who tells the payer about the link, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryChannel {
    /// Nobody: the caller hands over the link.
    Link,
    /// The provider sends an e-mail.
    Email,
    /// The provider sends a text message.
    Sms,
    /// The provider sends a WhatsApp message.
    Whatsapp,
}

impl DeliveryChannel {
    /// Every channel.
    pub const ALL: [Self; 4] = [Self::Link, Self::Email, Self::Sms, Self::Whatsapp];

    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
        }
    }

    /// The channel with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == word)
    }
}

/// How the payer is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The channel; `None` when the provider named one guichet does not know.
    pub channel: Option<DeliveryChannel>,
    /// E-mail address or phone number; `None` for a link.
    pub recipient: Option<String>,
}

/// An order as the provider sees it at `as_of`, in canonical terms.
///
/// It is also what the store keeps as the last known copy, so every member survives a round through JSON.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Account and provider reference.
    pub id: OrderId,
    /// The adapter's provider id, for example `lyra`.
    pub provider: String,
    /// Test or live.
    pub mode: Mode,
    /// The merchant's own reference, as the provider has it.
    pub merchant_reference: Option<String>,
    /// Canonical status.
    pub status: OrderStatus,
    /// Whether the status cannot change any more.
    pub is_final: bool,
    /// The provider's own word.
    pub provider_status: ProviderStatus,
    /// What was requested, in minor units of `currency`.
    pub amount: i64,
    /// The currency of every amount of this order.
    pub currency: Currency,
    /// Cumulative amounts.
    pub amounts: Amounts,
    /// How to send the payer; `None` when the provider does not tell, or told an address that no payer may be sent to.
    #[serde(default, deserialize_with = "usable_checkout")]
    pub checkout: Option<Checkout>,
    /// How the payer is told; `None` when the provider does not tell.
    pub delivery: Option<Delivery>,
    /// The merchant's description.
    pub description: Option<String>,
    /// BCP 47 language tag, for example `fr-FR`.
    pub locale: Option<String>,
    /// The caller's own labels.
    pub metadata: BTreeMap<String, String>,
    /// When the provider made it.
    pub created_at: Option<Timestamp>,
    /// When the provider changed it last.
    pub updated_at: Option<Timestamp>,
    /// When it can no longer be paid.
    pub expires_at: Option<Timestamp>,
    /// When the provider was asked.
    pub as_of: Timestamp,
    /// What may still happen to it by itself: decides how long it is followed.
    #[serde(default)]
    pub waits_for: WaitsFor,
    /// When what it waits for ends by the provider's word, such as the end of an authorization.
    #[serde(default)]
    pub deadline_at: Option<Timestamp>,
    /// What the read told of operations of ours that the provider names.
    #[serde(default)]
    pub news: Vec<OperationNews>,
    /// What may be done now, and why not the rest.
    pub available_actions: Vec<AvailableAction>,
    /// The provider's own extra members, allow-listed by its adapter; never secrets.
    pub provider_data: Map<String, Value>,
}

/// Nobody holds money, or a payment open, for so long: captures may be put off by a year.
const LONGEST_LIFE: Duration = Duration::from_secs(400 * 24 * 3_600);
/// How long after its expiry an order may still turn out to have been paid.
const AFTER_EXPIRY: Duration = Duration::from_secs(24 * 3_600);

impl Order {
    /// Whether nothing more can become of it by itself, when nothing was heard of it for as long as `silent`. What was
    /// paid may still be given back; that needs nothing that is kept here.
    pub fn is_over(&self, now: Timestamp, silent: Duration) -> bool {
        let may_be_undone = matches!(self.waits_for, WaitsFor::Remittance | WaitsFor::Settlement);
        if may_be_undone && silent < LONGEST_LIFE {
            return false;
        }
        let has_expired = self.expires_at.is_some_and(|expires_at| now > expires_at.plus(AFTER_EXPIRY));
        let waits = self.expires_at.is_some_and(|expires_at| now <= expires_at);
        let by_status = match self.status {
            OrderStatus::Paid
            | OrderStatus::PartiallyRefunded
            | OrderStatus::Refunded
            | OrderStatus::Canceled
            | OrderStatus::Expired
            | OrderStatus::Failed => true,
            OrderStatus::Pending | OrderStatus::Declined => has_expired,
            OrderStatus::Processing
            | OrderStatus::InReview
            | OrderStatus::Authorized
            | OrderStatus::Unknown => false,
        };
        self.is_final || by_status || (silent >= LONGEST_LIFE && !waits)
    }

    /// The account the order belongs to.
    pub fn account(&self) -> &AccountName {
        &self.id.account
    }

    /// The provider's reference.
    pub fn reference(&self) -> &ProviderReference {
        &self.id.reference
    }

    /// The action of this kind, as far as the adapter lists it.
    pub fn action(&self, action: super::Action) -> Option<&AvailableAction> {
        self.available_actions.iter().find(|candidate| candidate.action == action)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A store of before may hold addresses that were not checked.
    #[test]
    fn a_stored_page_that_no_payer_may_be_sent_to_is_none() {
        let read = |url: &str, link: &str| {
            let stored = json!({"method": "GET", "url": url, "fields": {}, "link": link});
            usable_checkout(stored).unwrap()
        };
        let right = "https://pay.example/t/1";
        let page = read(right, right).unwrap();
        assert_eq!(page, Checkout::by_link(right.to_owned().try_into().unwrap()));
        assert_eq!(usable_checkout(serde_json::to_value(&page).unwrap()).unwrap(), Some(page));
        assert_eq!(usable_checkout(serde_json::Value::Null).unwrap(), None);
        for (url, link) in [("javascript:alert(1)", right), (right, "https://pay.example/\n")] {
            assert_eq!(read(url, link), None, "{url} {link:?}");
        }
        assert!(usable_checkout(json!({"method": "GET"})).is_err(), "that is damaged");
    }
}
