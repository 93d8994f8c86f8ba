//! What a person in the Back Office or the night does to transactions, and the notifications about it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Lyra;
use super::order::Order;
use super::rules::{self, Step};
use crate::simulator::platform::{ControlError, Refusal};

/// Name and meaning of every action, as the help lists them.
pub(super) const ACTIONS: [(&str, &str); 6] = [
    ("remit", "the evening remittance: AUTHORISED and due becomes CAPTURED, payments and credits"),
    ("fail_capture", "the acquirer refuses the remittance: AUTHORISED becomes CAPTURE_FAILED"),
    ("expire", "not validated in time: AUTHORISED_TO_VALIDATE becomes EXPIRED"),
    ("back_office_validate", "one order: a person validates what waits for it"),
    ("back_office_cancel", "one order: a person cancels what is not captured"),
    ("back_office_refund", "one order: a person refunds all that is left of what is captured"),
];

type Act = fn(&mut Order, &str, Timestamp) -> Result<Step, Refusal>;

/// The action of this name, and whether it must name an order.
fn action(name: &str) -> Option<(Act, bool)> {
    let (act, is_personal): (Act, bool) = match name {
        "remit" => (rules::remit, false),
        "fail_capture" => (|order, uuid, _| rules::fail_capture(order, uuid), false),
        "expire" => (|order, uuid, _| rules::expire(order, uuid), false),
        "back_office_validate" => (|order, uuid, _| rules::validate(order, uuid), true),
        "back_office_cancel" => (|order, uuid, _| rules::cancel(order, uuid), true),
        "back_office_refund" => (|order, uuid, now| rules::refund(order, uuid, None, now), true),
        _ => return None,
    };
    Some((act, is_personal))
}

impl Lyra {
    /// Does it to every transaction of the order, or of the brand, that allows it; each is entered in the ledger and
    /// notified. Returns the transactions changed and the credits made.
    pub(super) fn back_office(
        &self,
        brand: &str,
        id: Option<&str>,
        name: &str,
    ) -> Result<Value, ControlError> {
        let book = self.known_book(brand)?;
        let (act, is_personal) =
            action(name).ok_or_else(|| ControlError::NotFound(format!("action {name}")))?;
        if is_personal && id.is_none() {
            return Err(ControlError::Invalid(format!("{name} must name an order")));
        }
        let now = self.frame.clock.now();
        let mut orders = book.orders();
        if let Some(id) = id
            && !orders.by_id.contains_key(id)
        {
            return Err(ControlError::NotFound(format!("order {id}")));
        }
        let mut changed = Vec::new();
        let mut refused = None;
        let wanted = |order: &&mut Order| id.is_none_or(|id| order.id == id);
        for order in orders.by_id.values_mut().filter(wanted) {
            let uuids: Vec<String> = order.transactions.iter().map(|one| one.uuid.clone()).collect();
            for uuid in uuids {
                match act(order, &uuid, now) {
                    Ok(step) => {
                        self.enter_step(book, order, &step, None, now);
                        self.notify(book, order, &step.uuid, now);
                        changed.push(step.uuid);
                    }
                    Err(refusal) => refused = Some(refusal.code),
                }
            }
        }
        if id.is_some() && changed.is_empty() {
            let why = refused.unwrap_or_else(|| "it has no transaction".to_owned());
            return Err(ControlError::Invalid(format!("{name} changed nothing: {why}")));
        }
        Ok(json!({"transactions": changed}))
    }
}
