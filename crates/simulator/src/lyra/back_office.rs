//! What a person in the Back Office, the night, a bank or a payer does, and the notifications about it.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ipn::Source;
use super::order::Order;
use super::payer::{Try, attempt, close};
use super::rules::{self, CardUpdate, Part, Step};
use super::{Book, Lyra};
use crate::platform::{ControlError, Refusal};

/// What an action does.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The same to every transaction of the order, or of the brand, that allows it.
    Each(fn(&mut Order, &str, Timestamp) -> Result<Step, Refusal>),
    /// By a person in the Back Office, to the transactions of one order.
    Person(fn(&mut Order, &str, Timestamp) -> Result<Step, Refusal>),
    /// By a person in the Back Office, to the transactions of one order, with an amount.
    PersonAmount(fn(&mut Order, &str, i64) -> Result<Step, Refusal>),
    /// To one payment order.
    One(fn(&mut Order, Timestamp) -> Result<Step, ControlError>),
    /// To the answers of the brand: whether they name the mode that is not the call's.
    Answers(bool),
    /// To one payment order, with an amount.
    OneAmount(fn(&mut Order, i64, Timestamp) -> Result<Step, ControlError>),
}

/// Name, meaning and effect of every action; the help lists the first two.
const ACTIONS: [(&str, &str, Act); 17] = [
    (
        "remit",
        "the evening remittance: AUTHORISED and due becomes CAPTURED, payments and credits",
        Act::Each(rules::remit),
    ),
    (
        "fail_capture",
        "the acquirer refuses the remittance: AUTHORISED becomes CAPTURE_FAILED",
        Act::Each(|order, uuid, _| rules::fail_capture(order, uuid)),
    ),
    (
        "expire",
        "not validated in time: AUTHORISED_TO_VALIDATE becomes EXPIRED",
        Act::Each(|order, uuid, _| rules::expire(order, uuid)),
    ),
    (
        "reject_capture",
        "the bank takes a remittance back: a payment that is CAPTURED becomes CAPTURE_FAILED",
        Act::Each(|order, uuid, _| rules::reject_capture(order, uuid)),
    ),
    (
        "reject_refund",
        "the bank rejects a credit, remitted or not: it becomes REFUSED",
        Act::Each(|order, uuid, _| rules::reject_credit(order, uuid, "reject_refund", "REFUSED")),
    ),
    (
        "fail_refund",
        "the same, and it becomes CAPTURE_FAILED",
        Act::Each(|order, uuid, _| rules::reject_credit(order, uuid, "fail_refund", "CAPTURE_FAILED")),
    ),
    (
        "error_refund",
        "the same, and it becomes ERROR",
        Act::Each(|order, uuid, _| rules::reject_credit(order, uuid, "error_refund", "ERROR")),
    ),
    (
        "back_office_validate",
        "one order: a person validates what waits for it",
        Act::Person(|order, uuid, _| rules::validate(order, uuid)),
    ),
    (
        "back_office_cancel",
        "one order: a person cancels what is not captured",
        Act::Person(|order, uuid, _| rules::cancel(order, uuid)),
    ),
    (
        "back_office_refund",
        "one order: a person refunds all that is left of what is captured",
        Act::Person(|order, uuid, now| rules::refund(order, uuid, None, now)),
    ),
    (
        "back_office_lower",
        "one order, with an amount: a person lowers what is not captured to it; uuid and detailedStatus stay",
        Act::PersonAmount(lower),
    ),
    (
        "attempt_error",
        "one open order: the payer tries, and it ends in a technical failure, ERROR; the order is REFUSED and can be paid",
        Act::One(|order, now| attempt(order, Try::Failed, now)),
    ),
    (
        "attempt_abandoned",
        "one open order: the payer begins and goes away, which leaves a transaction ABANDONED; the order stays as it is",
        Act::One(|order, now| attempt(order, Try::Abandoned, now)),
    ),
    (
        "pay_amount",
        "one open order, with an amount: the payer pays it, as on a page that was opened before the order was changed",
        Act::OneAmount(|order, amount, now| attempt(order, Try::Paid(Some(amount)), now)),
    ),
    (
        "close_cycle",
        "one REFUSED order: nobody can try again; the last try is told again with orderCycle CLOSED",
        Act::One(close),
    ),
    (
        "other_mode",
        "all: from now on the brand's answers name the mode that is not the call's",
        Act::Answers(true),
    ),
    ("own_mode", "all: they name the call's mode, as at the start", Act::Answers(false)),
];

/// Names and meanings, for the help.
pub(super) fn help() -> Value {
    ACTIONS.iter().map(|(action, meaning, _)| json!({"action": action, "meaning": meaning})).collect()
}

/// Lowers the amount of a payment. A raise is refused, as `Transaction/Update` does.
fn lower(order: &mut Order, uuid: &str, amount: i64) -> Result<Step, Refusal> {
    let currency = order.transaction(uuid).map(|one| one.currency.clone());
    let part = currency.filter(|_| amount > 0).map(|currency| Part { amount, currency });
    // Without a part the update would change nothing and count as done.
    let part = part.ok_or_else(|| Refusal::new("INT_009"))?;
    rules::update(order, uuid, &CardUpdate { part: Some(part), due: None, manual_validation: None })
}

impl Lyra {
    /// Does it; each step is entered in the ledger and notified. `named` is a payment order or one transaction of it.
    /// Returns the transactions changed and the credits made.
    pub(super) fn back_office(
        &self,
        brand: &str,
        named: Option<&str>,
        name: &str,
        amount: Option<i64>,
    ) -> Result<Value, ControlError> {
        let book = self.known_book(brand)?;
        let act = ACTIONS.iter().find(|(action, ..)| *action == name).map(|(_, _, act)| *act);
        let act = act.ok_or_else(|| ControlError::NotFound(format!("action {name}")))?;
        let invalid = |what: &str| ControlError::Invalid(format!("{name} {what}"));
        let wants_amount = match act {
            Act::PersonAmount(_) | Act::OneAmount(..) => true,
            Act::Each(_) | Act::Person(_) | Act::One(_) | Act::Answers(_) => false,
        };
        match (wants_amount, amount) {
            (true, None) => return Err(invalid("wants an amount")),
            (false, Some(_)) => return Err(invalid("wants no amount")),
            (true, Some(_)) | (false, None) => {}
        }
        let amount = amount.unwrap_or_default();
        let now = self.frame.clock.now();
        let changed = match act {
            Act::Each(act) => {
                self.to_transactions(book, named, name, Source::Platform, now, |order, uuid| {
                    act(order, uuid, now)
                })?
            }
            Act::Person(act) => {
                let named = named.ok_or_else(|| invalid("must name an order"))?;
                self.to_transactions(book, Some(named), name, Source::BackOffice, now, |order, uuid| {
                    act(order, uuid, now)
                })?
            }
            Act::PersonAmount(act) => {
                let named = named.ok_or_else(|| invalid("must name an order"))?;
                self.to_transactions(book, Some(named), name, Source::BackOffice, now, |order, uuid| {
                    act(order, uuid, amount)
                })?
            }
            Act::Answers(other) if named.is_none() => {
                book.names_other_mode.store(other, Ordering::SeqCst);
                Vec::new()
            }
            Act::Answers(_) => return Err(invalid("is for the whole brand")),
            Act::One(act) => {
                let named = named.ok_or_else(|| invalid("must name an order"))?;
                vec![self.to_order(book, named, now, |order| act(order, now))?.uuid]
            }
            Act::OneAmount(act) => {
                let named = named.ok_or_else(|| invalid("must name an order"))?;
                vec![self.to_order(book, named, now, |order| act(order, amount, now))?.uuid]
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
        now: Timestamp,
        act: impl Fn(&mut Order, &str) -> Result<Step, Refusal>,
    ) -> Result<Vec<String>, ControlError> {
        let mut orders = book.orders();
        // A transaction stands for itself, an order for all it has.
        let (id, only) = match named {
            None => (None, None),
            Some(id) if orders.by_id.contains_key(id) => (Some(id.to_owned()), None),
            Some(uuid) => {
                let order = orders.with_transaction(uuid).map(|order| order.id.clone());
                (Some(order.ok_or_else(|| ControlError::NotFound(format!("order {uuid}")))?), Some(uuid))
            }
        };
        let mut changed = Vec::new();
        let mut refused = None;
        let wanted = |order: &&mut Order| id.as_ref().is_none_or(|id| order.id == *id);
        for order in orders.by_id.values_mut().filter(wanted) {
            let uuids: Vec<String> = order
                .transactions
                .iter()
                .map(|one| one.uuid.clone())
                .filter(|uuid| only.is_none_or(|only| uuid == only))
                .collect();
            for uuid in uuids {
                match act(order, &uuid) {
                    Ok(step) => {
                        self.enter_step(book, order, &step, None, now);
                        self.notify(book, order, &step.uuid, source, now);
                        changed.push(step.uuid);
                    }
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

    /// Does something to one payment order, and returns the step, with the transaction that it left or told again.
    pub(super) fn to_order(
        &self,
        book: &Book,
        id: &str,
        now: Timestamp,
        act: impl Fn(&mut Order) -> Result<Step, ControlError>,
    ) -> Result<Step, ControlError> {
        let mut orders = book.orders();
        let order = orders.by_id.get_mut(id).ok_or_else(|| ControlError::NotFound(format!("order {id}")))?;
        let step = act(order)?;
        self.enter_step(book, order, &step, None, now);
        self.notify(book, order, &step.uuid, Source::Platform, now);
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::PayerAction;
    use crate::rig::Rig;

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

    /// What the last notification says: cycle, status, and state and amount of its transaction; and its `kr-src`.
    fn told(rig: &Rig) -> (String, Option<String>) {
        let notice = rig.control.notices().pop().unwrap();
        let fields: std::collections::HashMap<String, String> =
            url::form_urlencoded::parse(notice.body.as_bytes()).into_owned().collect();
        let answer: Value = serde_json::from_str(&fields["kr-answer"]).unwrap();
        let one = &answer["transactions"][0];
        let text = format!(
            "{} {} {} {} {}",
            answer["orderCycle"],
            answer["orderStatus"],
            one["operationType"],
            one["detailedStatus"],
            one["amount"]
        );
        (text.replace('"', ""), fields.get("kr-src").cloned())
    }

    #[tokio::test]
    async fn a_try_can_fail_before_a_good_one() {
        let rig = Rig::new().await;
        let id = rig.control.add_order("lyra", "systempay", &json!({"orderId": "one"})).unwrap();
        let status = || rig.control.order("lyra", "systempay", &id).unwrap()["paymentOrderStatus"].clone();
        let act = |action: &str| rig.control.act("lyra", "systempay", Some(&id), action);
        act("attempt_abandoned").unwrap();
        assert_eq!(
            (told(&rig).0.as_str(), status()),
            ("OPEN UNPAID DEBIT ABANDONED 10000", json!("RUNNING"))
        );
        act("attempt_error").unwrap();
        assert_eq!((told(&rig).0.as_str(), status()), ("OPEN UNPAID DEBIT ERROR 10000", json!("REFUSED")));
        rig.control.payer("lyra", "systempay", &id, PayerAction::Decline).unwrap();
        rig.control.payer("lyra", "systempay", &id, PayerAction::Pay).unwrap();
        assert_eq!((told(&rig).0.as_str(), status()), ("CLOSED PAID DEBIT AUTHORISED 10000", json!("PAID")));
        assert_eq!(
            states(&rig, "one").await,
            ["DEBIT ABANDONED", "DEBIT ERROR", "DEBIT REFUSED", "DEBIT AUTHORISED"]
        );
        assert!(act("attempt_error").is_err(), "paid");
    }

    #[tokio::test]
    async fn a_payer_can_pay_another_amount_than_the_orders() {
        let rig = Rig::new().await;
        let id =
            rig.control.add_order("lyra", "systempay", &json!({"amount": 5000, "orderId": "one"})).unwrap();
        let pay = |amount| rig.control.act_amount("lyra", "systempay", &id, "pay_amount", amount);
        assert!(pay(0).is_err());
        let uuid = pay(3000).unwrap()["transactions"][0].clone();
        let one = rig.done("systempay", "Transaction/Get", &json!({"uuid": uuid})).await;
        let authorised = &one["transactionDetails"]["cardDetails"]["authorizationResponse"]["amount"];
        assert_eq!((&one["amount"], authorised), (&json!(3000), &json!(3000)));
        let order = rig.control.order("lyra", "systempay", &id).unwrap();
        assert_eq!((&order["amount"], &order["paymentOrderStatus"]), (&json!(5000), &json!("PAID")));
        assert_eq!(rig.control.effects()[0].amount, Some(3000));
    }

    #[tokio::test]
    async fn a_bank_can_reject_what_was_done() {
        let rig = Rig::new().await;
        for (action, state) in
            [("reject_refund", "REFUSED"), ("fail_refund", "CAPTURE_FAILED"), ("error_refund", "ERROR")]
        {
            for remitted in [false, true] {
                let reference = format!("{action} {remitted}");
                let id = paid(&rig, &json!({"orderId": reference}));
                let act =
                    |named: &str, action: &str| rig.control.act("lyra", "systempay", Some(named), action);
                assert!(act(&id, action).is_err(), "there is no credit yet");
                let debit = act(&id, "remit").unwrap()["transactions"][0].as_str().unwrap().to_owned();
                let first = rig.done("systempay", "Transaction/Refund", &part(&debit, 400)).await;
                rig.done("systempay", "Transaction/Refund", &part(&debit, 600)).await;
                if remitted {
                    act(&id, "remit").unwrap();
                }
                // One credit is named by its own uuid.
                act(first["uuid"].as_str().unwrap(), action).unwrap();
                assert_eq!(told(&rig), (format!("CLOSED PAID CREDIT {state} 400"), None));
                let listed = states(&rig, &reference).await;
                assert_eq!(listed[..2], ["DEBIT CAPTURED".to_owned(), format!("CREDIT {state}")]);
                let read = rig.done("systempay", "Transaction/Get", &json!({"uuid": debit})).await;
                let refunded = &read["transactionDetails"]["cardDetails"]["captureResponse"]["refundAmount"];
                assert_eq!(refunded, &json!(600), "what was rejected does not count");
                act(&id, "reject_capture").unwrap();
                assert_eq!(told(&rig).0, "CLOSED UNPAID DEBIT CAPTURE_FAILED 10000");
                assert!(act(&id, "reject_capture").is_err());
            }
        }
        assert!(rig.control.act("lyra", "systempay", Some("nobody"), "reject_refund").is_err());
    }

    fn part(uuid: &str, amount: i64) -> Value {
        json!({"uuid": uuid, "amount": amount, "currency": "EUR"})
    }

    #[tokio::test]
    async fn a_person_lowers_an_amount_and_everything_else_stays() {
        let rig = Rig::new().await;
        let id = paid(&rig, &json!({"orderId": "one"}));
        assert_eq!(told(&rig), ("CLOSED PAID DEBIT AUTHORISED 10000".into(), None));
        let lower = |amount| rig.control.act_amount("lyra", "systempay", &id, "back_office_lower", amount);
        for wrong in [0, -1, 10_001] {
            assert!(lower(wrong).is_err(), "{wrong}");
        }
        let uuid = lower(7000).unwrap()["transactions"][0].clone();
        assert_eq!(told(&rig), ("CLOSED PAID DEBIT AUTHORISED 7000".into(), Some("MERCH_BO".into())));
        let one =
            rig.done("systempay", "Order/Get", &json!({"orderId": "one"})).await["transactions"][0].clone();
        assert_eq!((&one["uuid"], &one["amount"]), (&uuid, &json!(7000)));
        assert_eq!(one["transactionDetails"]["cardDetails"]["authorizationResponse"]["amount"], 10_000);
        for (action, amount) in [("back_office_lower", None), ("remit", Some(1))] {
            let body = json!({"action": action, "order": id, "amount": amount});
            assert_eq!(
                rig.order_control(Method::POST, "/act/lyra/systempay", &body).await.0,
                400,
                "{action}"
            );
        }
        rig.control.act("lyra", "systempay", Some(&id), "back_office_cancel").unwrap();
        assert_eq!(
            told(&rig),
            ("CLOSED UNPAID DEBIT CANCELLED 7000".into(), Some("MERCH_BO".into())),
            "a paid order is no longer open for another try"
        );
    }

    #[tokio::test]
    async fn a_refused_order_is_open_until_its_cycle_is_closed() {
        let rig = Rig::new().await;
        let id = rig.control.add_order("lyra", "systempay", &json!({"orderId": "one"})).unwrap();
        let act = |action: &str| rig.control.act("lyra", "systempay", Some(&id), action);
        assert!(act("close_cycle").is_err(), "nobody has tried yet");
        rig.control.payer("lyra", "systempay", &id, PayerAction::Decline).unwrap();
        assert_eq!(told(&rig).0, "OPEN UNPAID DEBIT REFUSED 10000");
        act("close_cycle").unwrap();
        assert_eq!(told(&rig).0, "CLOSED UNPAID DEBIT REFUSED 10000");
        let read = rig.done("systempay", "Order/Get", &json!({"orderId": "one"})).await;
        assert_eq!(read["orderCycle"], "CLOSED");
        let order = rig.control.order("lyra", "systempay", &id).unwrap();
        assert_eq!(order["paymentOrderStatus"], "REFUSED");
        assert!(rig.control.payer("lyra", "systempay", &id, PayerAction::Pay).is_err());
        assert!(act("close_cycle").is_err());
        // The end of its page closes the cycle as well.
        let late = rig.control.add_order("lyra", "systempay", &json!({"orderId": "two"})).unwrap();
        rig.control.payer("lyra", "systempay", &late, PayerAction::Decline).unwrap();
        rig.control.advance(std::time::Duration::from_secs(31 * 24 * 3600));
        let read = rig.done("systempay", "Order/Get", &json!({"orderId": "two"})).await;
        assert_eq!((&read["orderStatus"], &read["orderCycle"]), (&json!("UNPAID"), &json!("CLOSED")));
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
            assert!(action["meaning"].as_str().is_some_and(|meaning| !meaning.is_empty()), "{action}");
        }
    }
}
