//! The transactions that a payment leaves, and the answers that show them.
//!
//! Source: Lyra REST API V4, `Transaction/Get`, `Order/Get` and the transaction object.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::codes;
use super::envelope::date;
use super::order::Order;
use super::shops::DemoShop;
use crate::clock::days_after;
use crate::platform::merge;

/// Contract with the acquirer, `mid`. Invented.
const MERCHANT_CONTRACT: &str = "6969696";

/// One transaction.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) uuid: String,
    /// `legacyTransId`: how the platform's older interface names it. Six digits.
    pub(super) legacy_id: String,
    pub(super) created: Timestamp,
    /// Minor units; `Transaction/Update` lowers it.
    pub(super) amount: i64,
    /// Minor units that the issuer accepted; never changes.
    pub(super) authorised: i64,
    pub(super) currency: String,
    pub(super) detailed_status: String,
    /// `DEBIT`, `CREDIT` or `VERIFICATION`.
    pub(super) operation_type: String,
    /// The payment that a credit gives back.
    pub(super) parent: Option<String>,
    /// Place among the transactions of its payment order, from 1.
    pub(super) number: usize,
    /// When the remittance takes it at the earliest.
    pub(super) due: Timestamp,
    /// When the remittance took it.
    pub(super) captured: Option<Timestamp>,
    pub(super) metadata: Option<Value>,
    /// Why it did not succeed.
    pub(super) failure: Option<Failure>,
    /// Merge patch of the control API over the answer.
    pub(super) patch: Option<Value>,
}

/// Why a transaction did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    /// `errorCode`.
    pub(super) code: &'static str,
    /// `detailedErrorCode`, the acquirer's own code.
    pub(super) acquirer: Option<&'static str>,
}

/// 32 lower-case hexadecimal digits, as the platform names orders and transactions.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn new_legacy_id() -> String {
    format!("{:06}", rand::random_range(0..1_000_000))
}

/// `status` that goes with a `detailedStatus`. Source: Lyra REST API V4, transaction statuses.
fn status_of(detailed: &str) -> &'static str {
    match detailed {
        "AUTHORISED" | "CAPTURED" | "PARTIALLY_AUTHORISED" | "ACCEPTED" | "PRE_AUTHORISED" => "PAID",
        // A word of 2026. Inferred: the remittance is on its way, so it goes with the two words around it.
        "CAPTURE_PENDING" => "PAID",
        "REFUSED" | "CANCELLED" | "EXPIRED" | "CAPTURE_FAILED" | "ERROR" => "UNPAID",
        "ABANDONED" => "ABANDONED",
        _ => "RUNNING",
    }
}

impl Transaction {
    /// A payment of the order's whole amount.
    pub(super) fn debit(order: &Order, detailed_status: &str, now: Timestamp) -> Self {
        Self {
            uuid: new_id(),
            legacy_id: new_legacy_id(),
            created: now,
            amount: order.amount,
            authorised: order.amount,
            currency: order.currency.clone(),
            detailed_status: detailed_status.to_owned(),
            operation_type: "DEBIT".to_owned(),
            parent: None,
            number: order.transactions.len().saturating_add(1),
            due: days_after(now, order.capture_delay),
            captured: None,
            metadata: order.metadata.clone(),
            failure: None,
            patch: None,
        }
    }

    /// A refund of this payment: first `AUTHORISED`, captured by the next remittance.
    pub(super) fn credit(&self, order: &Order, amount: i64, now: Timestamp) -> Self {
        Self {
            amount,
            authorised: amount,
            currency: self.currency.clone(),
            operation_type: "CREDIT".to_owned(),
            parent: Some(self.uuid.clone()),
            due: now,
            ..Self::debit(order, "AUTHORISED", now)
        }
    }

    pub(super) fn status(&self) -> &'static str {
        status_of(&self.detailed_status)
    }

    pub(super) fn is_credit(&self) -> bool {
        self.operation_type == "CREDIT"
    }

    /// Lays a merge patch of the control API over it. Members that the platform computes from are taken over, so
    /// that later changes show; the rest stays as a patch over every answer.
    pub(super) fn bend(&mut self, patch: &Value) {
        let mut rest = patch.clone();
        let mut take = |name: &str| {
            let members = rest.as_object_mut()?;
            members.get(name)?.is_string().then(|| members.remove(name))?
        };
        for (name, slot) in [
            ("uuid", &mut self.uuid),
            ("detailedStatus", &mut self.detailed_status),
            ("currency", &mut self.currency),
            ("operationType", &mut self.operation_type),
        ] {
            if let Some(Value::String(text)) = take(name) {
                *slot = text;
            }
        }
        if let Some(amount) = patch.get("amount").and_then(Value::as_i64) {
            (self.amount, self.authorised) = (amount, amount);
            rest.as_object_mut().map(|members| members.remove("amount"));
        }
        self.patch = Some(rest);
    }

    /// The `V4/PaymentTransaction` of the answers, with the control API's patch over it. `refunded` is what the
    /// credits of this payment give back.
    fn answer(&self, refunded: Option<i64>, manual_validation: bool, shop: &DemoShop) -> Value {
        let acquirer = self.failure.and_then(|failure| failure.acquirer);
        let mut answer = json!({
            "shopId": shop.shop_id,
            "uuid": self.uuid,
            "amount": self.amount,
            "currency": self.currency,
            "paymentMethodType": "CARD",
            "paymentMethodToken": null,
            "status": self.status(),
            "detailedStatus": self.detailed_status,
            "operationType": self.operation_type,
            "effectiveStrongAuthentication": "DISABLED",
            "creationDate": date(self.created),
            "errorCode": self.failure.map(|failure| failure.code),
            "errorMessage": self.failure.map(|failure| codes::text(failure.code)),
            "detailedErrorCode": acquirer,
            "detailedErrorMessage": null,
            "metadata": self.metadata,
            "transactionDetails": {
                // Recorded messages have null too. Inferred: where no payment came about.
                "liabilityShift": self.failure.is_none().then_some("NO"),
                "effectiveAmount": self.amount,
                "effectiveCurrency": self.currency,
                "creationContext": if self.is_credit() { "REFUND" } else { "CHARGE" },
                "cardDetails": {
                    "effectiveBrand": "VISA",
                    "pan": "497010XXXXXX0055",
                    "expiryMonth": 12,
                    "expiryYear": 2030,
                    "country": "FR",
                    // Its place beside the card's members is inferred from published samples of the platform's SDK.
                    "legacyTransId": self.legacy_id,
                    "manualValidation": if manual_validation { "YES" } else { "NO" },
                    "expectedCaptureDate": date(self.due),
                    "authorizationResponse": {
                        "amount": self.authorised,
                        "currency": self.currency,
                        "authorizationDate": date(self.created),
                        "authorizationNumber": self.failure.is_none().then_some("3fe8f6"),
                        "authorizationResult": acquirer.unwrap_or("0"),
                        "_type": "V4/PaymentMethod/Details/Cards/CardAuthorizationResponse"
                    },
                    "captureResponse": {
                        "refundAmount": refunded,
                        "refundCurrency": refunded.map(|_| self.currency.as_str()),
                        "captureDate": self.captured.map(date),
                        "_type": "V4/PaymentMethod/Details/Cards/CardCaptureResponse"
                    },
                    "_type": "V4/PaymentMethod/Details/CardDetails",
                },
                "parentTransactionUuid": self.parent,
                "mid": MERCHANT_CONTRACT,
                "sequenceNumber": self.number,
                "_type": "V4/TransactionDetails",
            },
            "_type": "V4/PaymentTransaction",
        });
        if let Some(patch) = &self.patch {
            merge(&mut answer, patch);
        }
        twin(&mut answer);
        answer
    }
}

/// Adds `paymentMethodDetails`, the twin of `cardDetails` under a name that fits every means of payment. Source: a
/// recorded transfer of 2024. Inferred: cards have it too.
fn twin(answer: &mut Value) {
    if let Some(Value::Object(details)) = answer.get_mut("transactionDetails")
        && let Some(card) = details.get("cardDetails").cloned()
        && !details.contains_key("paymentMethodDetails")
    {
        details.insert("paymentMethodDetails".to_owned(), card);
    }
}

impl Order {
    /// What the credits of this payment give back, the ones not remitted yet included: nothing else keeps a second
    /// refund from going beyond the payment. Minor units.
    pub(super) fn refunded(&self, uuid: &str) -> i64 {
        let gives_back = |one: &&Transaction| {
            one.is_credit() && one.parent.as_deref() == Some(uuid) && one.status() != "UNPAID"
        };
        self.transactions
            .iter()
            .filter(gives_back)
            .fold(0, |sum: i64, credit| sum.saturating_add(credit.amount))
    }

    /// One of the order's transactions, as lists have it.
    pub(super) fn listed(&self, transaction: &Transaction, shop: &DemoShop) -> Value {
        let refunded = Some(self.refunded(&transaction.uuid)).filter(|sum| *sum > 0);
        transaction.answer(refunded, self.manual_validation, shop)
    }

    /// The transaction of this name, as it is answered alone.
    pub(super) fn shown(&self, uuid: &str, shop: &DemoShop) -> Option<Value> {
        self.transaction(uuid).map(|one| self.alone(one, shop))
    }

    /// One of the order's transactions, as it is answered alone.
    fn alone(&self, transaction: &Transaction, shop: &DemoShop) -> Value {
        let mut answer = self.listed(transaction, shop);
        if let Value::Object(members) = &mut answer {
            members.insert("orderDetails".to_owned(), self.details());
            members.insert("customer".to_owned(), self.customer_object());
        }
        answer
    }

    /// The `V4/OrderDetails`. Inferred: the effective amount follows `Transaction/Update` and knows no credits; while
    /// no payment is accepted it is the whole amount.
    fn details(&self) -> Value {
        let accepted: Vec<i64> = self
            .transactions
            .iter()
            .filter(|one| !one.is_credit() && matches!(one.status(), "PAID" | "RUNNING"))
            .map(|one| one.amount)
            .collect();
        let sum = accepted.iter().fold(0, |sum: i64, amount| sum.saturating_add(*amount));
        json!({
            "orderTotalAmount": self.amount,
            "orderEffectiveAmount": if accepted.is_empty() { self.amount } else { sum },
            "orderCurrency": self.currency,
            "mode": self.mode.word(),
            "orderId": self.order_id,
            "metadata": self.metadata,
            "_type": "V4/OrderDetails",
        })
    }
}

/// The `V4/OrderTransactions` or `V4/Payment` of orders that share one merchant reference, listing these
/// transactions. The status comes from all payments of the orders, listed or not; the details are the first order's,
/// as nothing says how two orders are mixed.
pub(super) fn summary(
    kind: &str,
    orders: &[&Order],
    listed: Vec<Value>,
    shop: &DemoShop,
    now: Timestamp,
) -> Value {
    let payments: Vec<Value> = orders
        .iter()
        .flat_map(|order| order.transactions.iter().map(|one| order.listed(one, shop)))
        .filter(|answer| answer.get("operationType").is_none_or(|word| word != "CREDIT"))
        .collect();
    let has = |status: &str| payments.iter().any(|one| one.get("status").is_some_and(|word| word == status));
    let order_status = ["PAID", "RUNNING"].into_iter().find(|status| has(status)).unwrap_or("UNPAID");
    let first = orders.first();
    // Source: Lyra REST API V4, facts of 1 December 2026: what is not paid is final only when the cycle is closed.
    // Inferred: it is closed as soon as nobody can try again.
    let is_open = order_status != "PAID" && order_status != "RUNNING";
    let is_open = is_open && orders.iter().any(|order| order.is_payable(now));
    json!({
        "shopId": shop.shop_id,
        "orderCycle": if is_open { "OPEN" } else { "CLOSED" },
        "orderStatus": order_status,
        "serverDate": date(now),
        "orderDetails": first.map(|order| order.details()),
        "customer": first.map(|order| order.customer_object()),
        "transactions": listed,
        "_type": kind,
    })
}
