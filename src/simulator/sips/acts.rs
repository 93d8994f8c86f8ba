//! What the night, the back office and the payer's bank do: the actions of the control API.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::payer::Ending;
use super::record::Before;
use super::transaction::{
    CAPTURE_REFUSED, CAPTURED, CREDITED, EXPIRED, PAGE_OPEN, REFUSED, TO_AUTHORIZE, TO_CAPTURE, TO_CHALLENGE,
    TO_CREDIT, TO_REPLAY, TO_VALIDATE, Transaction,
};
use super::{Book, Sips};
use crate::simulator::platform::ControlError;

/// Every action and its meaning, as `GET /_control` lists them.
pub(super) const ACTIONS: [(&str, &str); 12] = [
    (
        "remit",
        "the night: TO_CAPTURE is CAPTURED, TO_CREDIT is CREDITED (CAPTURED while something is left), TO_AUTHORIZE is TO_CAPTURE",
    ),
    ("refuse_remittance", "the bank refuses it: TO_CAPTURE is CAPTURE_REFUSED"),
    ("expire", "TO_VALIDATE and TO_REPLAY are EXPIRED; an open page is over (97) and notifies"),
    ("abort", "the payer gives up on an open page (17), which notifies"),
    ("challenge", "suspicion of fraud: TO_CAPTURE and TO_VALIDATE are TO_CHALLENGE"),
    ("accept_challenge", "TO_CHALLENGE is what the payment was to be"),
    ("refuse_challenge", "TO_CHALLENGE is REFUSED"),
    ("charge_back", "the payer's bank takes a CAPTURED payment back: a refund answers 57"),
    ("delay_storage", "one order: it is unknown (25) until `store`; all: so is every later payment"),
    ("store", "delayed payments are known from now on"),
    ("lock", "another operation is running: changes answer 24 until `unlock`"),
    ("unlock", "it has ended"),
];

/// What an action does to one transaction.
#[derive(Debug)]
enum Change {
    /// Another status; the second word is the `lastOperationName` where it becomes another one.
    Status(&'static str, Option<&'static str>),
    /// The payment ends.
    End(Ending),
    /// Something around it changes, not the transaction itself: no entry in the ledger.
    Around(fn(&mut Transaction)),
}

/// What the action does to this transaction; `None` where it does not apply.
///
/// Source: Office guide, "transaction statuses"; data dictionary, `lastOperationName`. Inferred: which operation's
/// name belongs to the remittances, and that a refused challenge ends as `REFUSED`.
fn change(made: &Transaction, action: &str, now: Timestamp) -> Option<Change> {
    match (action, made.status_at(now)) {
        ("remit", TO_CAPTURE) => Some(Change::Status(CAPTURED, Some("DEBIT_CAPTURE"))),
        ("remit", TO_CREDIT) if made.amount == 0 => Some(Change::Status(CREDITED, Some("CREDIT_CAPTURE"))),
        ("remit", TO_CREDIT) => Some(Change::Status(CAPTURED, Some("CREDIT_CAPTURE"))),
        ("remit", TO_AUTHORIZE) => Some(Change::Status(TO_CAPTURE, Some("AUTHOR_BATCH"))),
        ("refuse_remittance", TO_CAPTURE) => Some(Change::Status(CAPTURE_REFUSED, Some("DEBIT_CAPTURE"))),
        ("expire", TO_VALIDATE | TO_REPLAY) => Some(Change::Status(EXPIRED, Some("EXPIRED"))),
        ("expire", PAGE_OPEN) => Some(Change::End(Ending::TimedOut)),
        ("abort", PAGE_OPEN) => Some(Change::End(Ending::Abandoned)),
        ("challenge", TO_CAPTURE | TO_VALIDATE) => Some(Change::Status(TO_CHALLENGE, None)),
        ("accept_challenge", TO_CHALLENGE) => {
            Some(Change::Status(made.accepted_status(), Some("ACCEPT_CHALLENGE")))
        }
        ("refuse_challenge", TO_CHALLENGE) => Some(Change::Status(REFUSED, Some("REFUSE_CHALLENGE"))),
        ("charge_back", CAPTURED | TO_CREDIT) => Some(Change::Around(|made| made.charged_back = true)),
        ("delay_storage", status) if status != PAGE_OPEN => Some(Change::Around(|made| made.stored = false)),
        ("store", status) if status != PAGE_OPEN => Some(Change::Around(|made| made.stored = true)),
        ("lock", _) => Some(Change::Around(|made| made.locked = true)),
        ("unlock", _) => Some(Change::Around(|made| made.locked = false)),
        _ => None,
    }
}

impl Sips {
    /// To one order, which it must fit, or to all that it fits. Answers what it changed.
    pub(super) fn do_action(
        &self,
        book: &Book,
        order: Option<&str>,
        action: &str,
    ) -> Result<Value, ControlError> {
        if !ACTIONS.iter().any(|(name, _)| *name == action) {
            return Err(ControlError::NotFound(format!("action {action}")));
        }
        let now = self.frame.clock.now();
        let mut transactions = book.transactions();
        let mut changed = Vec::new();
        let mut endings = Vec::new();
        if order.is_none() && matches!(action, "delay_storage" | "store") {
            transactions.slow_storage = action == "delay_storage";
        }
        // For all, a delay means the payments to come.
        let present = !(order.is_none() && action == "delay_storage");
        let chosen = |made: &&mut Transaction| present && order.is_none_or(|order| made.id == order);
        let mut status = None;
        for made in transactions.by_key.values_mut().filter(chosen) {
            status = Some(made.status_at(now).to_owned());
            match change(made, action, now) {
                None => continue,
                Some(Change::End(ending)) => endings.push((made.id.clone(), ending)),
                Some(Change::Around(apply)) => apply(made),
                Some(Change::Status(status, operation)) => {
                    let before = Before::of(made, now);
                    let operation = operation.map_or_else(|| made.last_operation.0.clone(), str::to_owned);
                    made.set(status, &operation, now);
                    self.enter(book, action, Some(before), made, None, now);
                }
            }
            changed.push(made.id.clone());
        }
        drop(transactions);
        for (id, ending) in endings {
            self.finish(book, &id, ending)?;
        }
        match (order, status) {
            (Some(order), None) => Err(ControlError::NotFound(format!("order {order}"))),
            (Some(_), Some(status)) if changed.is_empty() => {
                Err(ControlError::Invalid(format!("{action} does not fit an order that is {status}")))
            }
            _ => Ok(json!({"changed": changed})),
        }
    }
}

#[cfg(test)]
mod tests;
