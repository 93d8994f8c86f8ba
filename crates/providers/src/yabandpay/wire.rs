//! The platform's JSON in its own spelling. No `Debug`: these hold payer data.
//!
//! Source: the method pages of API v3. Fields differ between editions of the documentation, so everything
//! that is not needed may be missing, and texts may be numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// What every method is called with.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) user: &'a str,
    pub(super) sign: String,
    pub(super) method: &'static str,
    /// Unix seconds.
    pub(super) time: i64,
    pub(super) data: BTreeMap<&'static str, String>,
}

/// What every method answers. The `message` is not read: it may quote payer data.
#[derive(Deserialize)]
pub(super) struct Envelope {
    /// Whether the call succeeded.
    pub(super) status: bool,
    /// `"200"`, or a negative number; whether as text or as a number is not documented.
    #[serde(default, deserialize_with = "text")]
    pub(super) code: Option<String>,
    /// An object when it succeeded; on failure absent, empty, null or a list.
    #[serde(default)]
    pub(super) data: Value,
}

/// The answer of `v3.QueryOrder`.
#[derive(Deserialize)]
pub(super) struct Queried {
    pub(super) transaction_info: Payment,
}

/// A payment, as `v3.QueryOrder` and `v3.CancelPayment` tell it.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Payment {
    #[serde(deserialize_with = "text")]
    pub(super) trade_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) order_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) state: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) amount: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) currency: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) description: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) pay_method: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) sub_pay_method: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) tip_amount: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) settlement_amount: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) settlement_currency: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) exchange_rate: Option<String>,
    /// Minutes.
    #[serde(deserialize_with = "text")]
    pub(super) time_out: Option<String>,
    /// Unix seconds, as `v3.QueryOrder` names them.
    #[serde(deserialize_with = "text")]
    pub(super) created_at: Option<String>,
    /// Unix seconds, as `v3.CancelPayment` names them.
    #[serde(rename = "createDate", deserialize_with = "text")]
    pub(super) create_date: Option<String>,
    /// The wallet's id of the payment; empty until it is paid.
    #[serde(deserialize_with = "text")]
    pub(super) transaction_id: Option<String>,
    /// The acquirer's id; empty until it is paid.
    #[serde(deserialize_with = "text")]
    pub(super) acquirer_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) yb_transaction_id: Option<String>,
}

/// The answer of the create methods.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Created {
    #[serde(deserialize_with = "text")]
    pub(super) trade_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) order_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) amount: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) currency: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) state: Option<String>,
    /// The page to send the payer to.
    #[serde(deserialize_with = "text")]
    pub(super) url: Option<String>,
    /// What an app hands to the wallet, instead of or beside `url`.
    #[serde(deserialize_with = "members")]
    pub(super) parameters: Map<String, Value>,
}

/// The answer of `v3.Capture`, of which no member is documented.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Captured {
    #[serde(deserialize_with = "text")]
    pub(super) trade_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) amount: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) currency: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) state: Option<String>,
}

/// A refund, as `v3.CreateRefund` and `v3.QueryRefundOrder` tell it.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Refund {
    #[serde(deserialize_with = "text")]
    pub(super) refund_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) m_refund_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) trade_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) state: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) refund_amount: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) refund_currency: Option<String>,
}

/// A text, or a number as its digits. Null, and what is neither, is none.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

/// An object; PHP writes an empty one as a list.
fn members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    })
}
