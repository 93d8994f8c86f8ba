//! The shops of the sandbox. They are the same at every brand; what they do at one is unknown at the others.

use crate::platform::ControlError;

/// Brands, the second segment of every path.
pub(super) const BRANDS: [&str; 5] = ["sherlocks", "mercanet", "sogenactif", "scellius", "sips"];

/// How a shop's transactions are named. A setting of each shop.
///
/// Source: provider page `cashManagement/cancel`, `transactionReference` and `s10TransactionReference`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// `transactionReference`, made by the merchant.
    Reference,
    /// `transactionReference`, made by the platform unless the merchant gives one.
    PlatformReference,
    /// The pair of version 1.0; the merchant makes `s10TransactionId`, the platform its date.
    S10,
    /// The pair of version 1.0, made by the platform.
    PlatformS10,
}

impl Naming {
    /// Whether the pair of version 1.0 names a transaction.
    pub(super) fn is_s10(self) -> bool {
        matches!(self, Self::S10 | Self::PlatformS10)
    }

    /// The word for a person.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Reference => "transactionReference, made by the merchant",
            Self::PlatformReference => {
                "transactionReference, made by the platform unless the merchant gives one"
            }
            Self::S10 => "s10TransactionReference, made by the merchant",
            Self::PlatformS10 => "s10TransactionReference, made by the platform",
        }
    }
}

/// A shop of the simulated platform. The credentials are open to everyone and worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shop {
    pub(super) merchant_id: &'static str,
    pub(super) naming: Naming,
    /// The options CANCEL and REFUND, which a contract has only when asked for (Office guide, "rights").
    pub(super) cash_options: bool,
}

/// The first five, their first keys and the way they name transactions are published test shops; the last one,
/// which lacks the options, is invented.
pub(super) const SHOPS: [Shop; 6] = [
    Shop { merchant_id: "002001000000001", naming: Naming::Reference, cash_options: true },
    Shop { merchant_id: "002001000000002", naming: Naming::PlatformReference, cash_options: true },
    Shop { merchant_id: "002001000000003", naming: Naming::S10, cash_options: true },
    Shop { merchant_id: "002001000000004", naming: Naming::PlatformS10, cash_options: true },
    Shop { merchant_id: "002016000000001", naming: Naming::PlatformReference, cash_options: true },
    Shop { merchant_id: "002001000000009", naming: Naming::Reference, cash_options: false },
];

/// The shop of the sandbox's account, and of orders that the control API adds without naming one.
pub(super) const DEMO_MERCHANT: &str = "002001000000001";

/// Versions of each shop's key. The second one is invented, to play a renewal.
const KEY_VERSIONS: [&str; 2] = ["1", "2"];

impl Shop {
    /// The key of this version, if there is one.
    pub(super) fn secret(&self, key_version: &str) -> Option<String> {
        KEY_VERSIONS.contains(&key_version).then(|| format!("{}_KEY{key_version}", self.merchant_id))
    }
}

pub(super) fn shop(merchant_id: &str) -> Option<Shop> {
    SHOPS.into_iter().find(|shop| shop.merchant_id == merchant_id)
}

/// The shop that a control call names.
pub(super) fn known_shop(merchant_id: &str) -> Result<Shop, ControlError> {
    shop(merchant_id).ok_or_else(|| ControlError::NotFound(format!("merchant {merchant_id}")))
}
