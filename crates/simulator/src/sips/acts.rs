//! What the night, the back office and the payer's bank do: the actions of the control API.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::payer::Ending;
use super::transaction::{
    CAPTURE_REFUSED, CAPTURED, CREDITED, Credit, EXPIRED, PAGE_OPEN, REFUSED, TO_AUTHORIZE, TO_CAPTURE,
    TO_CHALLENGE, TO_CREDIT, TO_REPLAY, TO_VALIDATE, Transaction,
};
use super::{Book, Sips};
use crate::platform::{Act, ControlError};
use crate::site::unknown;

/// Every action and its meaning, as `GET /_control` lists them.
pub(super) const ACTIONS: [(&str, &str); 14] = [
    (
        "remit",
        "the night: TO_CAPTURE is CAPTURED, TO_CREDIT is CREDITED (CAPTURED while something is left), TO_AUTHORIZE is TO_CAPTURE",
    ),
    ("refuse_remittance", "the bank refuses it: TO_CAPTURE is CAPTURE_REFUSED"),
    ("reject_capture", "the bank takes a remittance back: CAPTURED is CAPTURE_REFUSED"),
    (
        REJECT_CREDIT,
        "the bank rejects the last refund, or the last one of an amount that is named, remitted or not: the amount is \
         back, and the order is CAPTURED (TO_CREDIT while another refund waits)",
    ),
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

/// The one action that takes an amount.
const REJECT_CREDIT: &str = "reject_credit";

/// What an action does to one transaction.
#[derive(Debug)]
enum Change {
    /// Another status; the second word is the `lastOperationName` where it becomes another one.
    Status(&'static str, Option<&'static str>),
    /// The payment ends.
    End(Ending),
    /// The refund at this place is rejected; `None` where the control API made it, which knows only the sum.
    Credit(Option<usize>, i64),
    /// Something around it changes, not the transaction itself: no entry in the ledger.
    Around(fn(&mut Transaction)),
}

/// What the action does to this transaction; `None` where it does not apply.
///
/// Source: Office guide, "transaction statuses"; data dictionary, `lastOperationName`. Inferred: which operation's
/// name belongs to the remittances, and that a refused challenge ends as `REFUSED`.
fn change(made: &Transaction, action: &str, amount: Option<i64>, now: Timestamp) -> Option<Change> {
    match (action, made.status_at(now)) {
        (REJECT_CREDIT, CAPTURED | TO_CREDIT | CREDITED) => rejected(made, amount),
        ("reject_capture", CAPTURED) => Some(Change::Status(CAPTURE_REFUSED, Some("DEBIT_CAPTURE"))),
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

/// The refund that a bank rejects: the last one, or the last one of this amount.
fn rejected(made: &Transaction, amount: Option<i64>) -> Option<Change> {
    let fits = |credit: &Credit| amount.is_none_or(|amount| credit.amount == amount);
    if let Some(place) = made.credits.iter().rposition(fits) {
        return made.credits.get(place).map(|credit| Change::Credit(Some(place), credit.amount));
    }
    // An order of the control API that has been refunded from the start.
    let gone = made.origin_amount.saturating_sub(made.amount);
    let refunded = made.credits.is_empty() && made.status != CAPTURED && gone > 0;
    (refunded && amount.is_none_or(|amount| amount == gone)).then_some(Change::Credit(None, gone))
}

/// Gives the amount of a rejected refund back. Inferred: the pages know no status of a rejected refund, so the
/// transaction is again what it was without it; and whose name `lastOperationName` has then.
fn reject(made: &mut Transaction, place: Option<usize>, amount: i64, now: Timestamp) {
    if let Some(place) = place {
        made.credits.remove(place);
    }
    made.amount = made.amount.saturating_add(amount);
    let waits = made.credits.iter().any(|credit| !credit.is_remitted);
    made.set(if waits { TO_CREDIT } else { CAPTURED }, "CREDIT_CAPTURE", now);
}

impl Sips {
    /// To one order, which it must fit, or to all that it fits. Answers what it changed.
    pub(super) fn do_action(&self, book: &Book, act: &Act) -> Result<Value, ControlError> {
        let (action, order, amount) = (act.action.as_str(), act.order.as_deref(), act.amount);
        if !ACTIONS.iter().any(|(name, _)| *name == action) {
            return Err(ControlError::NotFound(format!("action {action}")));
        }
        if amount.is_some() && action != REJECT_CREDIT {
            return Err(ControlError::Invalid(format!("{action} wants no amount")));
        }
        let now = self.now();
        let mut orders = book.orders();
        let mut changed = Vec::new();
        let mut endings = Vec::new();
        if order.is_none() && matches!(action, "delay_storage" | "store") {
            orders.rest.slow_storage = action == "delay_storage";
        }
        // For all, a delay means the payments to come.
        let present = !(order.is_none() && action == "delay_storage");
        let chosen = |made: &&mut Transaction| present && order.is_none_or(|order| made.id == order);
        let mut status = None;
        for made in orders.all_mut().filter(chosen) {
            status = Some(made.status_at(now).to_owned());
            match change(made, action, amount, now) {
                None => continue,
                Some(Change::End(ending)) => endings.push((made.id.clone(), ending)),
                Some(Change::Around(apply)) => apply(made),
                Some(Change::Credit(place, amount)) => {
                    let before = made.present(now);
                    reject(made, place, amount, now);
                    self.changed(book, action, Some(before), made, None);
                }
                Some(Change::Status(status, operation)) => {
                    let before = made.present(now);
                    let operation = operation.map_or_else(|| made.last_operation.0.clone(), str::to_owned);
                    made.set(status, &operation, now);
                    if action == "remit" {
                        made.credits.iter_mut().for_each(|credit| credit.is_remitted = true);
                    }
                    self.changed(book, action, Some(before), made, None);
                }
            }
            changed.push(made.id.clone());
        }
        drop(orders);
        for (id, ending) in endings {
            self.finish(book, &id, ending)?;
        }
        match (order, status) {
            (Some(order), None) => Err(unknown(order)),
            (Some(_), Some(status)) if changed.is_empty() => {
                Err(ControlError::Invalid(format!("{action} does not fit an order that is {status}")))
            }
            _ => Ok(json!({"changed": changed})),
        }
    }
}
