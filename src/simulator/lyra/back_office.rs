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

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::simulator::PayerAction;
    use crate::simulator::rig::Rig;

    /// A paid order and its transaction's present state.
    fn paid(rig: &Rig, draft: &Value) -> String {
        let id = rig.control.add_order("lyra", "systempay", draft).unwrap();
        rig.control.payer("lyra", "systempay", &id, PayerAction::Pay).unwrap();
        id
    }

    async fn states(rig: &Rig, reference: &str) -> Vec<String> {
        let answer = rig.done("systempay", "Order/Get", &json!({"orderId": reference})).await;
        let listed = answer["transactions"].as_array().unwrap().iter();
        listed
            .map(|one| format!("{} {}", one["operationType"], one["detailedStatus"]).replace('"', ""))
            .collect()
    }

    #[tokio::test]
    async fn the_night_takes_one_order_or_all() {
        let rig = Rig::new().await;
        let one = paid(&rig, &json!({"orderId": "one"}));
        paid(&rig, &json!({"orderId": "two"}));
        paid(&rig, &json!({"orderId": "waits", "manualValidation": true}));
        paid(&rig, &json!({"orderId": "later", "captureDelay": 2}));
        let remit = |order: Option<&str>| rig.control.act("lyra", "systempay", order, "remit").unwrap();
        assert_eq!(remit(Some(&one))["transactions"].as_array().unwrap().len(), 1);
        assert_eq!(remit(None)["transactions"].as_array().unwrap().len(), 1);
        assert_eq!(remit(None), json!({"transactions": []}));
        for (reference, state) in [
            ("one", "DEBIT CAPTURED"),
            ("two", "DEBIT CAPTURED"),
            ("waits", "DEBIT AUTHORISED_TO_VALIDATE"),
            ("later", "DEBIT AUTHORISED"),
        ] {
            assert_eq!(states(&rig, reference).await, [state], "{reference}");
        }
        rig.control.advance(std::time::Duration::from_secs(49 * 3600));
        remit(None);
        assert_eq!(states(&rig, "later").await, ["DEBIT CAPTURED"]);
        let remitted = rig.control.effects().into_iter().filter(|effect| effect.action == "remit");
        let remitted: Vec<_> = remitted.map(|effect| (effect.amount, effect.status_after)).collect();
        assert_eq!(remitted, vec![(Some(10_000), "CAPTURED".to_owned()); 3]);
    }

    #[tokio::test]
    async fn a_person_refunds_and_the_night_remits_the_credit() {
        let rig = Rig::new().await;
        let id = paid(&rig, &json!({"orderId": "one"}));
        let act = |action: &str| rig.control.act("lyra", "systempay", Some(&id), action);
        assert_eq!(
            act("back_office_refund"),
            Err(ControlError::Invalid("back_office_refund changed nothing: PSP_076".to_owned()))
        );
        act("remit").unwrap();
        act("back_office_refund").unwrap();
        assert_eq!(states(&rig, "one").await, ["DEBIT CAPTURED", "CREDIT AUTHORISED"]);
        act("remit").unwrap();
        assert_eq!(states(&rig, "one").await, ["DEBIT CAPTURED", "CREDIT CAPTURED"]);
        assert!(act("back_office_cancel").is_err());
        let actions: Vec<_> = rig.control.effects().into_iter().map(|effect| effect.action).collect();
        assert_eq!(actions, ["pay", "remit", "refund", "remit"]);
    }

    #[tokio::test]
    async fn every_action_has_its_state() {
        let rig = Rig::new().await;
        for (action, waits, state) in [
            ("expire", true, "DEBIT EXPIRED"),
            ("back_office_validate", true, "DEBIT AUTHORISED"),
            ("back_office_cancel", true, "DEBIT CANCELLED"),
            ("back_office_cancel", false, "DEBIT CANCELLED"),
            ("fail_capture", false, "DEBIT CAPTURE_FAILED"),
        ] {
            let reference = format!("{action} {waits}");
            let id = paid(&rig, &json!({"orderId": reference, "manualValidation": waits}));
            rig.control.act("lyra", "systempay", Some(&id), action).unwrap();
            assert_eq!(states(&rig, &reference).await, [state], "{action}");
            assert!(rig.control.act("lyra", "systempay", Some(&id), "expire").is_err());
        }
    }

    #[tokio::test]
    async fn wrong_actions_are_told_apart_over_http() {
        let rig = Rig::new().await;
        let open = rig.control.add_order("lyra", "systempay", &json!({})).unwrap();
        for (path, body, status) in [
            ("lyra/systempay", json!({"action": "remit"}), 200),
            ("lyra/systempay", json!({"action": "remit", "order": open}), 400),
            ("lyra/systempay", json!({"action": "remit", "order": "x"}), 404),
            ("lyra/systempay", json!({"action": "dance"}), 404),
            ("lyra/systempay", json!({"action": "back_office_refund"}), 400),
            ("lyra/nobody", json!({"action": "remit"}), 404),
            ("nobody/systempay", json!({"action": "remit"}), 404),
        ] {
            let (answered, _) = rig.order_control(Method::POST, &format!("/act/{path}"), &body).await;
            assert_eq!(answered, status, "{path} {body}");
        }
        let (_, help) = rig.order_control(Method::GET, "", &Value::Null).await;
        for action in help["providers"]["lyra"]["actions"].as_array().unwrap() {
            assert!(super::action(action["action"].as_str().unwrap()).is_some());
        }
    }
}
