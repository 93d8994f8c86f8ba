//! The platform's JSON in its own spelling. No `Debug`: these hold payer data.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::status::{CreditState, DetailedStatus};
use guichet_port::domain::{Timestamp, money::MAX_MINOR};

/// What every service answers, whatever is inside.
#[derive(Deserialize)]
pub(super) struct Envelope {
    /// `SUCCESS` or `ERROR`.
    pub(super) status: String,
    /// `TEST` or `PRODUCTION`, in newer releases.
    pub(super) mode: Option<String>,
}

/// The envelope with its inside: the business object, or the error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Complete<T> {
    pub(super) status: String,
    pub(super) mode: Option<String>,
    /// When the platform answered.
    pub(super) server_date: Option<String>,
    /// Absent is as good as null.
    pub(super) answer: T,
}

/// `V4/WebService/WebServiceError`, as far as it is used: its texts may quote payer data.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceError {
    /// `<LAYER>_<number>`.
    pub(super) error_code: String,
}

/// `V4/PaymentOrder`. Absent means null; unknown members are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentOrder {
    pub(super) payment_order_id: String,
    pub(super) payment_order_status: String,
    #[serde(deserialize_with = "whole")]
    pub(super) amount: i64,
    pub(super) currency: String,
    #[serde(rename = "paymentURL")]
    pub(super) payment_url: Option<String>,
    pub(super) creation_date: Option<String>,
    pub(super) update_date: Option<String>,
    pub(super) expiration_date: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) strong_authentication: Option<String>,
    pub(super) order_id: Option<String>,
    pub(super) channel_details: Option<ChannelDetails>,
    pub(super) payment_receipt_email: Option<String>,
    pub(super) tax_rate: Option<Value>,
    #[serde(default, deserialize_with = "maybe_whole")]
    pub(super) tax_amount: Option<i64>,
    pub(super) transaction_details: Option<TransactionDetails>,
    #[serde(default, deserialize_with = "flag")]
    pub(super) data_collection_form: Option<bool>,
    pub(super) merchant_comment: Option<String>,
}

/// `V4/ChannelDetails`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChannelDetails {
    pub(super) channel_type: Option<String>,
    pub(super) mail_details: Option<MailDetails>,
    pub(super) sms_details: Option<PhoneDetails>,
    pub(super) whats_app_details: Option<PhoneDetails>,
}

/// `V4/MailDetails`. The rendered subject and body are not read: they must never be sent back.
#[derive(Deserialize)]
pub(super) struct MailDetails {
    pub(super) recipient: Option<String>,
    pub(super) bcc: Option<String>,
    pub(super) template: Option<String>,
}

/// `smsDetails` and `whatsAppDetails`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PhoneDetails {
    pub(super) phone_number: Option<String>,
}

/// `V4/PaymentOrderTransactionDetails`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionDetails {
    pub(super) card_details: Option<CardDetails>,
}

/// `V4/CardDetails`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CardDetails {
    pub(super) manual_validation: Option<String>,
    #[serde(default, deserialize_with = "maybe_whole")]
    pub(super) capture_delay: Option<i64>,
}

/// The request of `Charge/PaymentOrder/Get` and `/Cancel`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ByReference<'a> {
    pub(super) payment_order_id: &'a str,
}

/// The request of `Charge/CreatePaymentOrder` and `Charge/PaymentOrder/Update`. What is `None` is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderRequest {
    /// Which order to change; a new one has none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payment_order_id: Option<String>,
    pub(super) amount: i64,
    pub(super) currency: &'static str,
    pub(super) channel_options: ChannelOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expiration_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) locale: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) merchant_comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payment_receipt_email: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_collection_form: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strong_authentication: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tax_rate: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tax_amount: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transaction_options: Option<TransactionOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer: Option<Customer>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) return_url: Option<String>,
    /// Where notifications of this order go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ipn_target_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payment_methods: Option<Vec<&'static str>>,
}

/// The request of `Order/Get`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ByMerchantReference<'a> {
    pub(super) order_id: &'a str,
}

/// The request of `Transaction/CancelOrRefund`. The resolution mode is always named: `AUTO` would cancel a whole
/// payment where a part was to be refunded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancelOrRefund<'a> {
    pub(super) uuid: &'a str,
    pub(super) resolution_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<&'static str>,
    pub(super) comment: String,
}

/// The request of `Transaction/Validate`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Validate<'a> {
    pub(super) uuid: &'a str,
    pub(super) comment: String,
}

/// The request of `Transaction/Update` that leaves a smaller amount.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionUpdate<'a> {
    pub(super) uuid: &'a str,
    pub(super) card_update: CardUpdate,
    pub(super) comment: String,
}

/// `cardUpdate`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CardUpdate {
    pub(super) amount: i64,
    pub(super) currency: &'static str,
}

/// `V4/OrderTransactions`.
#[derive(Deserialize)]
pub(super) struct OrderTransactions {
    #[serde(default)]
    pub(super) transactions: Vec<Transaction>,
}

/// `V4/PaymentTransaction`, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transaction {
    pub(super) uuid: String,
    #[serde(deserialize_with = "whole")]
    pub(super) amount: i64,
    pub(super) currency: String,
    /// The coarser word for the same.
    pub(super) status: Option<String>,
    pub(super) detailed_status: String,
    /// `DEBIT`, `CREDIT` or `VERIFICATION`; a payment when absent.
    pub(super) operation_type: Option<String>,
    pub(super) creation_date: Option<String>,
    pub(super) metadata: Option<Value>,
    pub(super) transaction_details: Option<PaymentDetails>,
}

/// `transactionDetails` of a transaction.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentDetails {
    pub(super) parent_transaction_uuid: Option<String>,
    pub(super) card_details: Option<MeansDetails>,
    /// The same of what is no card. Source: a recorded transfer of 2024.
    pub(super) payment_method_details: Option<MeansDetails>,
}

/// `cardDetails` and `paymentMethodDetails` of a transaction.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MeansDetails {
    pub(super) authorization_response: Option<AuthorizationResponse>,
    pub(super) capture_response: Option<CaptureResponse>,
}

/// `authorizationResponse`.
#[derive(Deserialize)]
pub(super) struct AuthorizationResponse {
    #[serde(default, deserialize_with = "whole_if_told")]
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<String>,
}

/// `captureResponse`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaptureResponse {
    #[serde(default, deserialize_with = "maybe_whole")]
    pub(super) refund_amount: Option<i64>,
    pub(super) capture_date: Option<String>,
}

/// `orderDetails`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderDetails {
    pub(super) order_id: Option<String>,
    pub(super) mode: Option<String>,
    #[serde(default, deserialize_with = "whole_if_told")]
    pub(super) order_total_amount: Option<i64>,
    #[serde(default, deserialize_with = "whole_if_told")]
    pub(super) order_effective_amount: Option<i64>,
    pub(super) order_currency: Option<String>,
}

/// `V4/Payment`, the text of a notification.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payment {
    pub(super) shop_id: Option<String>,
    /// `OPEN` or `CLOSED`: whether another try may follow.
    pub(super) order_cycle: Option<String>,
    pub(super) order_status: Option<String>,
    pub(super) order_details: Option<OrderDetails>,
    #[serde(default)]
    pub(super) transactions: Vec<Transaction>,
}

impl Transaction {
    /// The creation that this transaction's metadata names.
    pub(super) fn creation(&self) -> Option<&str> {
        self.metadata.as_ref()?.get(OUR_LABEL)?.as_str()
    }

    pub(super) fn is_debit(&self) -> bool {
        self.operation_type.as_deref().unwrap_or("DEBIT") == "DEBIT"
    }

    pub(super) fn is_credit(&self) -> bool {
        self.operation_type.as_deref() == Some("CREDIT")
    }

    pub(super) fn state(&self) -> DetailedStatus {
        DetailedStatus::read(&self.detailed_status)
    }

    pub(super) fn credit_state(&self) -> CreditState {
        self.state().of_a_credit()
    }

    /// When the platform made it.
    pub(super) fn created(&self) -> Option<Timestamp> {
        Timestamp::parse(self.creation_date.as_deref()?).ok()
    }

    /// When it was remitted.
    pub(super) fn captured(&self) -> Option<Timestamp> {
        Timestamp::parse(self.capture_response()?.capture_date.as_deref()?).ok()
    }

    /// The payment that a credit gives back.
    pub(super) fn parent(&self) -> Option<&str> {
        self.transaction_details.as_ref()?.parent_transaction_uuid.as_deref()
    }

    /// What the platform says was given back of this payment, in minor units.
    pub(super) fn refund_amount(&self) -> i64 {
        self.capture_response().and_then(|response| response.refund_amount).unwrap_or(0)
    }

    /// What the bank authorized, in minor units of the transaction's currency, where the platform tells it.
    pub(super) fn authorized(&self) -> Option<i64> {
        let response = self.means().find_map(|means| means.authorization_response.as_ref())?;
        let is_comparable = response.currency.as_ref().is_none_or(|currency| *currency == self.currency);
        response.amount.filter(|amount| is_comparable && (0..=MAX_MINOR).contains(amount))
    }

    fn capture_response(&self) -> Option<&CaptureResponse> {
        self.means().find_map(|means| means.capture_response.as_ref())
    }

    fn means(&self) -> impl Iterator<Item = &MeansDetails> {
        let details = self.transaction_details.as_ref();
        let card = details.and_then(|details| details.card_details.as_ref());
        card.into_iter().chain(details.and_then(|details| details.payment_method_details.as_ref()))
    }
}

/// The label under which our operation's id travels with an order and its transactions.
pub(super) const OUR_LABEL: &str = "guichet";

/// `channelOptions`.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChannelOptions {
    pub(super) channel_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mail_options: Option<MailOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sms_options: Option<PhoneOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) whats_app_options: Option<PhoneOptions>,
}

/// `mailOptions`.
#[derive(Serialize)]
pub(super) struct MailOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bcc: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) template: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
}

/// `smsOptions` and `whatsAppOptions`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PhoneOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// `transactionOptions`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionOptions {
    pub(super) card_options: CardOptions,
}

/// `cardOptions`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CardOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manual_validation: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capture_delay: Option<Value>,
}

/// `customer`, as far as guichet knows the payer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Customer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) billing_details: Option<BillingDetails>,
}

/// `billingDetails`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BillingDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_name: Option<String>,
}

/// A number, or the string of digits that some published samples show.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    maybe_whole(deserializer)?.ok_or_else(|| serde::de::Error::custom("an amount is missing"))
}

fn maybe_whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let wrong = || serde::de::Error::custom("not a whole number");
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Number(number) => number.as_i64().map(Some).ok_or_else(wrong),
        Value::String(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map(Some).map_err(|_| wrong())
        }
        Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => Err(wrong()),
    }
}

/// A whole number, or nothing when it is none: an amount that is only shown or compared fails no read.
fn whole_if_told<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(maybe_whole(Value::deserialize(deserializer)?).unwrap_or(None))
}

/// A boolean, or the strings that the published samples show.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(flag)),
        Value::String(word) if word == "true" => Ok(Some(true)),
        Value::String(word) if word == "false" => Ok(Some(false)),
        Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Err(serde::de::Error::custom("not a boolean"))
        }
    }
}
