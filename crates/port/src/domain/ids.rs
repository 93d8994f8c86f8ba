//! Ids. An order's id carries its route: `<account>_<provider reference>`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Account names are `[a-z][a-z0-9]*(-[a-z0-9]+)*`, at most 32 characters.
    #[error("an account name is lower-case letters, digits and single hyphens, at most 32 characters")]
    AccountName,
    /// Provider references are `[A-Za-z0-9.-]{1,64}`.
    #[error("a provider reference is 1 to 64 letters, digits, dots and hyphens")]
    Reference,
    /// An order id has the form `<account>_<provider reference>`.
    #[error("an order id is an account name, an underscore and a provider reference")]
    OrderId,
    /// Opaque ids are a prefix and a UUID in lower-case hyphenated form.
    #[error("an id of this kind is its prefix and a UUID")]
    Opaque,
}

/// The configured name of a merchant contract, for example `systempay`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

impl AccountName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let words_are_plain = text.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
        let starts_with_letter = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if words_are_plain && starts_with_letter && text.len() <= 32 {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::AccountName)
        }
    }
}

/// The provider's own name for an order, in the one spelling its adapter accepts.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderReference(String);

impl ProviderReference {
    /// The reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderReference {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        if plain && (1..=64).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::Reference)
        }
    }
}

/// The id of an order: its account and the provider's reference, joined by `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderId {
    /// The account the order belongs to.
    pub account: AccountName,
    /// The provider's reference.
    pub reference: ProviderReference,
}

impl FromStr for OrderId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (account, reference) = text.split_once('_').ok_or(IdError::OrderId)?;
        Ok(Self { account: account.parse()?, reference: reference.parse()? })
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.account, self.reference)
    }
}

/// Gives text newtypes and order ids their conversions.
macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
text_conversions!(AccountName, ProviderReference, OrderId, OperationId, EventId, EndpointId);

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ProviderReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Defines an opaque id: a fixed prefix and a UUIDv7, so that ids sort by their birth.
macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, never given before.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The 32 hexadecimal digits without prefix, for providers that take a reference of ours.
            pub fn simple(self) -> String {
                self.0.simple().to_string()
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let uuid = text.strip_prefix($prefix).ok_or(IdError::Opaque)?;
                let parsed = Uuid::parse_str(uuid).map_err(|_| IdError::Opaque)?;
                // One spelling only: UUIDs are also readable in capitals, in braces or without hyphens.
                if parsed.to_string() == uuid { Ok(Self(parsed)) } else { Err(IdError::Opaque) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

opaque_id!(
    /// The id of an operation, for example `op_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c`.
    OperationId,
    "op_"
);
opaque_id!(
    /// The id of an event, for example `evt_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c`.
    EventId,
    "evt_"
);
opaque_id!(
    /// The id of a webhook endpoint, for example `ep_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c`.
    EndpointId,
    "ep_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_underscore_ends_the_account() {
        let id: OrderId = "my-shop2_4a49ffb3-a30f-ba92-9422-1969afb6f121".parse().unwrap();
        assert_eq!(id.account.as_str(), "my-shop2");
        assert_eq!(id.reference.as_str(), "4a49ffb3-a30f-ba92-9422-1969afb6f121");
        assert_eq!(id.to_string(), "my-shop2_4a49ffb3-a30f-ba92-9422-1969afb6f121");
        assert_eq!(
            "sherlocks_s10.000123.20260114".parse::<OrderId>().unwrap().reference.as_str(),
            "s10.000123.20260114"
        );
    }

    #[test]
    fn refuses_malformed_order_ids() {
        let long_account = format!("{}_x", "a".repeat(33));
        let long_reference = format!("a_{}", "x".repeat(65));
        for text in [
            "",
            "_",
            "a",
            "a_",
            "_x",
            "A_x",
            "1a_x",
            "a--b_x",
            "-a_x",
            "a-_x",
            "a_b_c",
            "a_é",
            "a_x y",
            "a_x/y",
            "a b_x",
            long_account.as_str(),
            long_reference.as_str(),
        ] {
            assert!(text.parse::<OrderId>().is_err(), "{text}");
        }
    }

    #[test]
    fn opaque_ids_have_one_spelling() {
        let id = OperationId::generate();
        assert_eq!(id.to_string().parse::<OperationId>().unwrap(), id);
        let capitals = format!("op_{}", id.to_string()[3..].to_uppercase());
        let simple = format!("op_{}", id.simple());
        for text in
            [capitals.as_str(), simple.as_str(), "op_", "evt_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c", ""]
        {
            assert!(text.parse::<OperationId>().is_err(), "{text}");
        }
    }
}
