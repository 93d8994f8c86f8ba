//! What a person in the Back Office, the night, a bank or a payer does, and the notifications about it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ipn::Source;
use super::order::Order;
use super::payer::{Try, attempt, close};
use super::rules::{self, CardUpdate, Part};
use super::{Book, Lyra};
use crate::ledger::Effect;
use crate::platform::{self, ControlError, Refusal};
use crate::site;

/// What an action does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// The same to every transaction of the order, or of the brand, that allows it. A person in the Back Office works on one
    /// order.
    Transactions(Source, fn(&mut Order, &str, i64, Timestamp) -> Result<Effect, Refusal>),
    /// To one payment order.
    One(fn(&mut Order, i64, Timestamp) -> Result<Effect, ControlError>),
    /// To the answers of the brand: whether they name the mode that is not the call's.
    Answers(bool),
}

use Source::{BackOffice, Platform};

/// The actions that want an amount.
const WITH_AMOUNT: [&str; 2] = ["back_office_lower", "pay_amount"];

/// Name, meaning and effect of every action; the help lists the first two.
pub(super) const ACTIONS: [(&str, &str, Act); 17] = [
    (
        "remit",
        "the evening remittance: AUTHORISED and due becomes CAPTURED, payments and credits",
        Act::Transactions(Platform, |order, uuid, _, now| rules::remit(order, uuid, now)),
    ),
    (
        "fail_capture",
        "the acquirer refuses the remittance: AUTHORISED becomes CAPTURE_FAILED",
        Act::Transactions(Platform, |order, uuid, _, _| rules::fail_capture(order, uuid)),
    ),
    (
        "expire",
        "not validated in time: AUTHORISED_TO_VALIDATE becomes EXPIRED",
        Act::Transactions(Platform, |order, uuid, _, _| rules::expire(order, uuid)),
    ),
    (
        "reject_capture",
        "the bank takes a remittance back: a payment that is CAPTURED becomes CAPTURE_FAILED",
        Act::Transactions(Platform, |order, uuid, _, _| rules::reject_capture(order, uuid)),
    ),
    (
        "reject_refund",
        "the bank rejects a credit, remitted or not: it becomes REFUSED",
        Act::Transactions(Platform, |order, uuid, _, _| {
            rules::reject_credit(order, uuid, "reject_refund", "REFUSED")
        }),
    ),
    (
        "fail_refund",
        "the same, and it becomes CAPTURE_FAILED",
        Act::Transactions(Platform, |order, uuid, _, _| {
            rules::reject_credit(order, uuid, "fail_refund", "CAPTURE_FAILED")
        }),
    ),
    (
        "error_refund",
        "the same, and it becomes ERROR",
        Act::Transactions(Platform, |order, uuid, _, _| {
            rules::reject_credit(order, uuid, "error_refund", "ERROR")
        }),
    ),
    (
        "back_office_validate",
        "one order: a person validates what waits for it",
        Act::Transactions(BackOffice, |order, uuid, _, _| rules::validate(order, uuid)),
    ),
    (
        "back_office_cancel",
        "one order: a person cancels what is not captured",
        Act::Transactions(BackOffice, |order, uuid, _, _| rules::cancel(order, uuid)),
    ),
    (
        "back_office_refund",
        "one order: a person refunds all that is left of what is captured",
        Act::Transactions(BackOffice, |order, uuid, _, now| rules::refund(order, uuid, None, now)),
    ),
    (
        "back_office_lower",
        "one order, with an amount: a person lowers what is not captured to it; uuid and detailedStatus stay",
        Act::Transactions(BackOffice, lower),
    ),
    (
        "attempt_error",
        "one open order: the payer tries, and it ends in a technical failure, ERROR; the order is REFUSED and can be paid",
        Act::One(|order, _, now| attempt(order, Try::Failed, now)),
    ),
    (
        "attempt_abandoned",
        "one open order: the payer begins and goes away, which leaves a transaction ABANDONED; the order stays as it is",
        Act::One(|order, _, now| attempt(order, Try::Abandoned, now)),
    ),
    (
        "pay_amount",
        "one open order, with an amount: the payer pays it, as on a page that was opened before the order was changed",
        Act::One(|order, amount, now| attempt(order, Try::Paid(Some(amount)), now)),
    ),
    (
        "close_cycle",
        "one REFUSED order: nobody can try again; the last try is told again with orderCycle CLOSED",
        Act::One(|order, _, now| close(order, now)),
    ),
    (
        "other_mode",
        "all: from now on the brand's answers name the mode that is not the call's",
        Act::Answers(true),
    ),
    ("own_mode", "all: they name the call's mode, as at the start", Act::Answers(false)),
];

/// Lowers the amount of a payment. A raise is refused, as `Transaction/Update` does.
fn lower(order: &mut Order, uuid: &str, amount: i64, _: Timestamp) -> Result<Effect, Refusal> {
    let currency = order.transaction(uuid).map(|one| one.currency.clone());
    let part = currency.filter(|_| amount > 0).map(|currency| Part { amount, currency });
    // Without a part the update would change nothing and count as done.
    let part = part.ok_or_else(|| Refusal::new("INT_009"))?;
    rules::update(order, uuid, &CardUpdate { part: Some(part), due: None, manual_validation: None })
}

impl Lyra {
    /// Does it; each step is entered in the ledger and notified. `named` is a payment order or one transaction of it.
    /// Returns the transactions changed and the credits made.
    pub(super) fn back_office(&self, brand: &str, asked: &platform::Act) -> Result<Value, ControlError> {
        let (name, named, amount) = (asked.action.as_str(), asked.order.as_deref(), asked.amount);
        let book = self.known(brand)?;
        let act = ACTIONS.iter().find(|(action, ..)| *action == name).map(|(_, _, act)| *act);
        let act = act.ok_or_else(|| ControlError::NotFound(format!("action {name}")))?;
        let invalid = |what: &str| ControlError::Invalid(format!("{name} {what}"));
        let amount = match (WITH_AMOUNT.contains(&name), amount) {
            (true, None) => return Err(invalid("wants an amount")),
            (false, Some(_)) => return Err(invalid("wants no amount")),
            (true, Some(_)) | (false, None) => amount.unwrap_or_default(),
        };
        let now = self.now();
        let changed: Vec<String> = match (act, named) {
            (Act::Transactions(BackOffice, _) | Act::One(_), None) => {
                return Err(invalid("must name an order"));
            }
            (Act::Transactions(source, act), named) => {
                let act = |order: &mut Order, uuid: &str| act(order, uuid, amount, now);
                self.to_transactions(book, named, name, source, act)?
            }
            (Act::One(act), Some(id)) => {
                let effect = self.to_order(book, id, |order| act(order, amount, now))?;
                effect.transaction.into_iter().collect()
            }
            (Act::Answers(_), Some(_)) => return Err(invalid("is for the whole brand")),
            (Act::Answers(other), None) => {
                book.orders().rest.names_other_mode = other;
                Vec::new()
            }
        };
        Ok(json!({"transactions": changed}))
    }

    fn to_transactions(
        &self,
        book: &Book,
        named: Option<&str>,
        name: &str,
        source: Source,
        act: impl Fn(&mut Order, &str) -> Result<Effect, Refusal>,
    ) -> Result<Vec<String>, ControlError> {
        let mut orders = book.orders();
        // A transaction stands for itself, an order for all it has.
        let (id, only) = match named {
            None => (None, None),
            Some(id) if orders.get(id).is_some() => (Some(id.to_owned()), None),
            Some(uuid) => {
                let order = orders.with_transaction(uuid).map(|order| order.id.clone());
                (Some(order.ok_or_else(|| site::unknown(uuid))?), Some(uuid))
            }
        };
        let mut changed = Vec::new();
        let mut refused = None;
        for order in orders.all_mut().filter(|order| id.as_ref().is_none_or(|id| order.id == *id)) {
            let uuids: Vec<String> = order.transactions.iter().map(|one| one.uuid.clone()).collect();
            for uuid in uuids.into_iter().filter(|uuid| only.is_none_or(|only| uuid == only)) {
                match act(order, &uuid) {
                    Ok(effect) => changed.extend(self.told(book, order, effect, source).transaction),
                    Err(refusal) => refused = Some(refusal.code),
                }
            }
        }
        if named.is_some() && changed.is_empty() {
            let why = refused.unwrap_or_else(|| "it has no transaction".to_owned());
            return Err(ControlError::Invalid(format!("{name} changed nothing: {why}")));
        }
        Ok(changed)
    }

    /// Does something to one payment order, and returns the effect, with the transaction that it left or told again.
    pub(super) fn to_order(
        &self,
        book: &Book,
        id: &str,
        act: impl Fn(&mut Order) -> Result<Effect, ControlError>,
    ) -> Result<Effect, ControlError> {
        let mut orders = book.orders();
        let order = orders.named(id)?;
        let effect = act(order)?;
        Ok(self.told(book, order, effect, Source::Platform))
    }

    /// Enters what was done to a transaction, and tells it to the merchant.
    fn told(&self, book: &Book, order: &Order, effect: Effect, source: Source) -> Effect {
        let effect = Effect { order: order.id.clone(), ..effect };
        self.enter(book, effect.clone());
        self.notify(book, order, effect.transaction.as_deref(), source);
        effect
    }
}
