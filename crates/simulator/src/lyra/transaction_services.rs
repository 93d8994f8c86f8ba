//! The services that change a transaction, read strictly and handed to its rules.
//!
//! Source: Lyra REST API V4, `Transaction/CancelOrRefund`, `/Cancel`, `/Refund`, `/Validate` and `/Update`.

use serde_json::Value;

use super::Lyra;
use super::members::Members;
use super::order::Order;
use super::rules::{self, CardUpdate, Part, Resolution, Step};
use super::services::{
    CANCEL_OR_REFUND, REFUND, Session, TRANSACTION_CANCEL, TRANSACTION_UPDATE, VALIDATE, transaction_id,
};
use super::text::knows_currency;
use super::wishes::is_currency;
use crate::platform::Refusal;

/// What a request asks for, once it has passed the input layer.
#[derive(Debug)]
enum Asked {
    CancelOrRefund(Resolution, Option<Part>),
    Cancel,
    Refund(Option<Part>),
    Validate,
    Update(CardUpdate),
}

impl Lyra {
    /// Changes a transaction, enters it in the ledger, and answers the transaction or the new credit. The platform
    /// does not notify what a service did: the Back Office rules speak of operations of the Back Office (inferred).
    pub(super) fn operate(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        let asked = Asked::read(&session.call.service, members)?;
        let uuid = transaction_id(members)?;
        let mut orders = session.book.orders();
        let id = orders.with_transaction(uuid).map(|order| order.id.clone());
        // Inferred for the other mode, as for payment orders; `INT_912` is described too.
        let order = id.and_then(|id| orders.by_id.get_mut(&id)).filter(|order| order.mode == session.mode);
        let order = order.ok_or_else(|| Refusal::new("PSP_010"))?;
        let step = asked.carry_out(order, uuid, session)?;
        self.enter_step(session.book, order, &step, session.call.sequence, session.now);
        order.shown(&step.uuid, &session.book.shop).ok_or_else(|| Refusal::new("PSP_010"))
    }
}

impl Asked {
    fn read(service: &str, members: &Members<'_>) -> Result<Self, Refusal> {
        members.text("comment", "INT_902")?;
        match service {
            CANCEL_OR_REFUND => {
                members.only(&[
                    "uuid",
                    "amount",
                    "currency",
                    "resolutionMode",
                    "comment",
                    "transactionOptions",
                ])?;
                members.object("transactionOptions", "INT_902")?;
                let mode = members.read("resolutionMode", "INT_902", resolution)?;
                Ok(Self::CancelOrRefund(mode.unwrap_or(Resolution::Auto), part(members)?))
            }
            REFUND => {
                members.only(&["uuid", "amount", "currency", "comment"])?;
                Ok(Self::Refund(part(members)?))
            }
            TRANSACTION_UPDATE => {
                // Source: facts of 1 December 2026: `orderId` is tolerated. Inferred: it has no effect.
                members.only(&["uuid", "cardUpdate", "orderId", "comment"])?;
                members.text("orderId", "INT_013")?;
                card_update(members).map(Self::Update)
            }
            TRANSACTION_CANCEL | VALIDATE => {
                members.only(&["uuid", "comment"])?;
                Ok(if service == VALIDATE { Self::Validate } else { Self::Cancel })
            }
            // Not reached: the dispatch knows every service.
            _ => Err(Refusal::new("INT_901")),
        }
    }

    fn carry_out(&self, order: &mut Order, uuid: &str, session: &Session<'_>) -> Result<Step, Refusal> {
        match self {
            Self::CancelOrRefund(mode, part) => {
                rules::cancel_or_refund(order, uuid, *mode, part.as_ref(), session.now)
            }
            Self::Cancel => rules::cancel(order, uuid),
            Self::Refund(part) => rules::refund(order, uuid, part.as_ref(), session.now),
            Self::Validate => rules::validate(order, uuid),
            Self::Update(wanted) => rules::update(order, uuid, wanted),
        }
    }
}

fn resolution(value: &Value) -> Option<Resolution> {
    match value.as_str()? {
        "AUTO" => Some(Resolution::Auto),
        "CANCELLATION_ONLY" => Some(Resolution::CancellationOnly),
        "REFUND_ONLY" => Some(Resolution::RefundOnly),
        _ => None,
    }
}

/// Amount and currency. Inferred: none means all, and one does not go without the other.
fn part(members: &Members<'_>) -> Result<Option<Part>, Refusal> {
    let amount = members.integer("amount", "INT_009")?;
    if amount.is_some_and(|amount| amount <= 0) {
        return Err(members.wrong("amount", "INT_009"));
    }
    let currency = members
        .read("currency", "INT_010", |value| value.as_str().filter(|text| is_currency(text)))?
        .map(str::to_owned);
    if currency.as_deref().is_some_and(|currency| !knows_currency(currency)) {
        return Err(Refusal::new("PSP_519"));
    }
    match (amount, currency) {
        (None, None) => Ok(None),
        (Some(amount), Some(currency)) => Ok(Some(Part { amount, currency })),
        (Some(_), None) => Err(members.missing("currency", "INT_010")),
        (None, Some(_)) => Err(members.missing("amount", "INT_009")),
    }
}

fn card_update(members: &Members<'_>) -> Result<CardUpdate, Refusal> {
    let card =
        members.object("cardUpdate", "INT_902")?.ok_or_else(|| members.missing("cardUpdate", "INT_902"))?;
    card.only(&["amount", "currency", "expectedCaptureDate", "manualValidation"])?;
    let wanted = CardUpdate {
        part: part(&card)?,
        due: card.date("expectedCaptureDate", "INT_902")?,
        manual_validation: card
            .word("manualValidation", "INT_005", &["YES", "NO"])?
            .map(|word| word == "YES"),
    };
    if wanted.part.is_none() && wanted.due.is_none() && wanted.manual_validation.is_none() {
        return Err(members.wrong("cardUpdate", "INT_902"));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::PayerAction;
    use crate::lyra::demo_shop;
    use crate::rig::{CREATE, GET, Rig, read};

    const TRANSACTION_GET: &str = "Transaction/Get";
    const ORDER_GET: &str = "Order/Get";
    const SERVICES: [&str; 5] = [CANCEL_OR_REFUND, TRANSACTION_CANCEL, REFUND, VALIDATE, TRANSACTION_UPDATE];

    /// A transaction of 1000 EUR cents in this state, and its order.
    fn transaction(rig: &Rig, detailed: &str) -> (String, String) {
        let draft = json!({"amount": 1000, "orderId": "cart-1", "status": "PAID"});
        let order = rig.control.add_order("lyra", "systempay", &draft).unwrap();
        let patch = json!({"detailedStatus": detailed});
        (rig.control.add_transaction("lyra", "systempay", &order, &patch).unwrap(), order)
    }

    fn euros(uuid: &str, amount: i64) -> Value {
        json!({"uuid": uuid, "amount": amount, "currency": "EUR"})
    }

    /// What the service says to a transaction in this state: the new detailed status, or the code.
    async fn verdict(rig: &Rig, service: &str, detailed: &str, mode: Option<&str>) -> String {
        let (uuid, _) = transaction(rig, detailed);
        let mut body = json!({"uuid": uuid});
        if let Some(mode) = mode {
            body["resolutionMode"] = json!(mode);
        }
        let before = rig.control.effects().len();
        let envelope = rig.call("systempay", service, &body).await;
        let answer = &envelope["answer"];
        let done = envelope["status"] == "SUCCESS";
        assert_eq!(rig.control.effects().len(), before + usize::from(done), "{service} {detailed} {mode:?}");
        if !done {
            return answer["errorCode"].as_str().unwrap().to_owned();
        }
        assert_eq!(answer["_type"], "V4/PaymentTransaction");
        let kind = answer["operationType"].as_str().unwrap();
        assert_eq!(kind == "CREDIT", answer["uuid"] != json!(uuid), "only a refund makes a transaction");
        format!("{kind} {}", answer["detailedStatus"].as_str().unwrap())
    }

    #[tokio::test]
    async fn the_state_decides_with_the_mode() {
        let rig = Rig::new().await;
        const CANCELLED: &str = "DEBIT CANCELLED";
        const CREDIT: &str = "CREDIT AUTHORISED";
        for (detailed, auto, cancellation, refund) in [
            ("AUTHORISED", CANCELLED, CANCELLED, "PSP_076"),
            ("AUTHORISED_TO_VALIDATE", CANCELLED, CANCELLED, "PSP_076"),
            ("WAITING_AUTHORISATION", CANCELLED, CANCELLED, "PSP_076"),
            ("WAITING_AUTHORISATION_TO_VALIDATE", CANCELLED, CANCELLED, "PSP_076"),
            ("CAPTURED", CREDIT, "PSP_075", CREDIT),
            ("CANCELLED", "PSP_105", "PSP_105", "PSP_083"),
            ("REFUSED", "PSP_083", "PSP_083", "PSP_083"),
            ("EXPIRED", "PSP_083", "PSP_083", "PSP_083"),
            ("CAPTURE_FAILED", "PSP_083", "PSP_083", "PSP_083"),
            ("UNDER_VERIFICATION", "PSP_011", "PSP_011", "PSP_011"),
            ("SOMETHING_NEW", "PSP_011", "PSP_011", "PSP_011"),
        ] {
            for (mode, expected) in [
                (None, auto),
                (Some("AUTO"), auto),
                (Some("CANCELLATION_ONLY"), cancellation),
                (Some("REFUND_ONLY"), refund),
            ] {
                let said = verdict(&rig, CANCEL_OR_REFUND, detailed, mode).await;
                assert_eq!(said, expected, "{detailed} {mode:?}");
            }
        }
    }

    #[tokio::test]
    async fn the_state_decides_for_the_other_services() {
        let rig = Rig::new().await;
        for (service, detailed, expected) in [
            (TRANSACTION_CANCEL, "AUTHORISED", "DEBIT CANCELLED"),
            (TRANSACTION_CANCEL, "CAPTURED", "PSP_075"),
            (TRANSACTION_CANCEL, "CANCELLED", "PSP_105"),
            (TRANSACTION_CANCEL, "REFUSED", "PSP_102"),
            (REFUND, "CAPTURED", "CREDIT AUTHORISED"),
            (REFUND, "AUTHORISED", "PSP_076"),
            (REFUND, "CANCELLED", "PSP_083"),
            (REFUND, "REFUSED", "PSP_083"),
            (REFUND, "SUSPENDED", "PSP_011"),
            (VALIDATE, "AUTHORISED_TO_VALIDATE", "DEBIT AUTHORISED"),
            (VALIDATE, "WAITING_AUTHORISATION_TO_VALIDATE", "DEBIT WAITING_AUTHORISATION"),
            (VALIDATE, "AUTHORISED", "PSP_011"),
            (VALIDATE, "CAPTURED", "PSP_011"),
            (VALIDATE, "EXPIRED", "PSP_011"),
            (VALIDATE, "CANCELLED", "PSP_105"),
        ] {
            assert_eq!(verdict(&rig, service, detailed, None).await, expected, "{service} {detailed}");
        }
    }

    #[tokio::test]
    async fn an_amount_does_not_make_a_cancellation_partial() {
        let rig = Rig::new().await;
        let (uuid, order) = transaction(&rig, "AUTHORISED");
        let answer = rig.done("systempay", CANCEL_OR_REFUND, &euros(&uuid, 300)).await;
        assert_eq!((&answer["detailedStatus"], &answer["amount"]), (&json!("CANCELLED"), &json!(1000)));
        let effect = &rig.control.effects()[0];
        assert_eq!((effect.action.as_str(), effect.amount, effect.request), ("cancel", Some(1000), Some(1)));
        assert_eq!((effect.order.as_str(), effect.transaction.as_deref()), (order.as_str(), Some(&*uuid)));
        assert_eq!(effect.status_after, "CANCELLED");
        let order = rig.done("systempay", GET, &json!({"paymentOrderId": order})).await;
        assert_eq!(order["paymentOrderStatus"], "PAID", "a cancelled transaction leaves the order as it is");
    }

    #[tokio::test]
    async fn refunds_follow_one_another_up_to_the_total() {
        let rig = Rig::new().await;
        let (uuid, _) = transaction(&rig, "CAPTURED");
        let refund = async |amount| rig.call("systempay", REFUND, &euros(&uuid, amount)).await;
        assert_eq!(refund(1001).await["answer"]["errorCode"], "PSP_510");
        let first = refund(400).await["answer"].clone();
        assert_eq!(first["transactionDetails"]["parentTransactionUuid"], json!(uuid));
        assert_eq!((&first["amount"], &first["operationType"]), (&json!(400), &json!("CREDIT")));
        assert_eq!(first["orderDetails"]["orderId"], "cart-1");
        assert_eq!(refund(601).await["answer"]["errorCode"], "PSP_511");
        assert_eq!(refund(1001).await["answer"]["errorCode"], "PSP_510");
        // No idempotency: the same request again is another refund.
        assert_eq!(refund(400).await["status"], "SUCCESS");
        let rest = rig.done("systempay", CANCEL_OR_REFUND, &json!({"uuid": uuid})).await;
        assert_eq!(rest["amount"], 200, "no amount means all that is left");
        assert_eq!(refund(1).await["answer"]["errorCode"], "PSP_104");
        let payment = rig.done("systempay", TRANSACTION_GET, &json!({"uuid": uuid})).await;
        let capture = &payment["transactionDetails"]["cardDetails"]["captureResponse"];
        assert_eq!((&capture["refundAmount"], &capture["refundCurrency"]), (&json!(1000), &json!("EUR")));
        let credits = json!({"orderId": "cart-1", "operationType": "CREDIT"});
        let listed = rig.done("systempay", ORDER_GET, &credits).await;
        assert_eq!(listed["transactions"].as_array().unwrap().len(), 3);
        assert_eq!((&listed["orderStatus"], &listed["orderCycle"]), (&json!("PAID"), &json!("CLOSED")));
        let effects = rig.control.effects();
        let amounts: Vec<_> = effects.iter().map(|effect| (effect.action.as_str(), effect.amount)).collect();
        assert_eq!(amounts, [("refund", Some(400)), ("refund", Some(400)), ("refund", Some(200))]);
        assert_eq!(effects[0].transaction.as_deref(), first["uuid"].as_str());
    }

    #[tokio::test]
    async fn a_cancelled_credit_can_be_refunded_again() {
        let rig = Rig::new().await;
        let (uuid, _) = transaction(&rig, "CAPTURED");
        let credit = rig.done("systempay", REFUND, &euros(&uuid, 1000)).await["uuid"].clone();
        assert_eq!(rig.refused("systempay", REFUND, &json!({"uuid": credit})).await, "PSP_011");
        rig.done("systempay", TRANSACTION_CANCEL, &json!({"uuid": credit})).await;
        rig.done("systempay", REFUND, &euros(&uuid, 1000)).await;
    }

    #[tokio::test]
    async fn an_update_lowers_the_amount_of_what_is_not_captured() {
        let rig = Rig::new().await;
        let (uuid, _) = transaction(&rig, "AUTHORISED");
        let lower = async |amount: i64| {
            let update = json!({"uuid": uuid, "cardUpdate": {"amount": amount, "currency": "EUR"}});
            rig.call("systempay", TRANSACTION_UPDATE, &update).await
        };
        let answer = lower(700).await["answer"].clone();
        assert_eq!((&answer["uuid"], &answer["amount"]), (&json!(uuid), &json!(700)));
        assert_eq!(answer["transactionDetails"]["effectiveAmount"], 700);
        assert_eq!(answer["transactionDetails"]["cardDetails"]["authorizationResponse"]["amount"], 1000);
        let details = &answer["orderDetails"];
        assert_eq!(
            (&details["orderTotalAmount"], &details["orderEffectiveAmount"]),
            (&json!(1000), &json!(700))
        );
        assert_eq!(lower(701).await["answer"]["errorCode"], "PSP_510");
        let named = |order_id: Value| json!({"uuid": uuid, "orderId": order_id, "cardUpdate": {"manualValidation": "NO"}});
        let answer = rig.done("systempay", TRANSACTION_UPDATE, &named(json!("cart-9"))).await;
        assert_eq!(answer["orderDetails"]["orderId"], "cart-1", "taken, and without effect");
        assert_eq!(rig.refused("systempay", TRANSACTION_UPDATE, &named(json!(9))).await, "INT_013");
        let effect = rig.control.effects().remove(0);
        assert_eq!((effect.action.as_str(), effect.amount), ("update", Some(300)));
        assert_eq!((effect.amount_before, effect.amount_after), (Some(1000), 700));
        rig.control.act("lyra", "systempay", None, "remit").unwrap();
        assert_eq!(lower(600).await["answer"]["errorCode"], "PSP_011");
        assert_eq!(rig.refused("systempay", REFUND, &euros(&uuid, 701)).await, "PSP_510");
        rig.done("systempay", REFUND, &euros(&uuid, 700)).await;
    }

    #[tokio::test]
    async fn an_update_sets_validation_and_the_day_of_the_capture() {
        let rig = Rig::new().await;
        let (uuid, order) = transaction(&rig, "AUTHORISED");
        let later = (rig.control.now() + jiff::SignedDuration::from_hours(72)).to_string();
        for (update, status) in [
            (json!({"manualValidation": "YES"}), "AUTHORISED_TO_VALIDATE"),
            (json!({"manualValidation": "NO", "expectedCaptureDate": later}), "AUTHORISED"),
        ] {
            let body = json!({"uuid": uuid, "cardUpdate": update});
            let answer = rig.done("systempay", TRANSACTION_UPDATE, &body).await;
            assert_eq!(answer["detailedStatus"], status);
        }
        assert!(rig.control.act("lyra", "systempay", Some(&order), "remit").is_err(), "not due yet");
        rig.control.advance(std::time::Duration::from_secs(73 * 3600));
        rig.control.act("lyra", "systempay", Some(&order), "remit").unwrap();
    }

    #[tokio::test]
    async fn malformed_members_have_their_codes() {
        let rig = Rig::new().await;
        let (uuid, _) = transaction(&rig, "CAPTURED");
        for service in SERVICES {
            let card = json!({"amount": 1, "currency": "EUR"});
            let named = |uuid: Value| match service {
                TRANSACTION_UPDATE => json!({"uuid": uuid, "cardUpdate": card}),
                _ => json!({"uuid": uuid}),
            };
            for wrong in [Value::Null, json!(""), json!("123"), json!(7), json!("z".repeat(32))] {
                assert_eq!(rig.refused("systempay", service, &named(wrong)).await, "INT_902", "{service}");
            }
            assert_eq!(rig.refused("systempay", service, &named(json!("0".repeat(32)))).await, "PSP_010");
            let mut extra = named(json!(uuid));
            extra["comment"] = json!(1);
            assert_eq!(rig.refused("systempay", service, &extra).await, "INT_902");
            extra["comment"] = json!("by hand");
            extra["colour"] = json!("red");
            assert_eq!(rig.refused("systempay", service, &extra).await, "INT_900");
        }
        for (patch, code) in [
            (json!({"amount": 0}), "INT_009"),
            (json!({"amount": "1.5"}), "INT_009"),
            (json!({"amount": null}), "INT_009"),
            (json!({"currency": null}), "INT_010"),
            (json!({"currency": "euro"}), "INT_010"),
            (json!({"currency": "XAU"}), "PSP_519"),
            (json!({"currency": "ZZZ"}), "INT_010"),
            (json!({"currency": "USD"}), "PSP_521"),
            (json!({"resolutionMode": "MAYBE"}), "INT_902"),
            (json!({"transactionOptions": 1}), "INT_902"),
        ] {
            let mut body = euros(&uuid, 100);
            crate::platform::merge(&mut body, &patch);
            assert_eq!(rig.refused("systempay", CANCEL_OR_REFUND, &body).await, code, "{patch}");
        }
        for (card, code) in [
            (Value::Null, "INT_902"),
            (json!({}), "INT_902"),
            (json!({"amount": 5}), "INT_010"),
            (json!({"amount": -5, "currency": "EUR"}), "INT_009"),
            (json!({"manualValidation": true}), "INT_005"),
            (json!({"expectedCaptureDate": "tomorrow"}), "INT_902"),
            (json!({"captureDelay": 1}), "INT_900"),
        ] {
            let body = json!({"uuid": uuid, "cardUpdate": card});
            assert_eq!(rig.refused("systempay", TRANSACTION_UPDATE, &body).await, code, "{card}");
        }
        assert!(rig.effects().is_empty());
    }

    #[tokio::test]
    async fn each_mode_and_shop_has_its_own_transactions() {
        let rig = Rig::new().await;
        let (uuid, _) = transaction(&rig, "CAPTURED");
        let shop = demo_shop("systempay").unwrap();
        for service in [TRANSACTION_GET, REFUND] {
            assert_eq!(rig.refused("epaync", service, &json!({"uuid": uuid})).await, "PSP_010");
            let url = format!("{}V4/{service}", rig.running.lyra_base_url("systempay"));
            let request = rig.client.post(url).basic_auth(shop.shop_id, Some(shop.production_password));
            let request = request.header("content-type", "application/json");
            let envelope = read(request.body(json!({"uuid": uuid}).to_string())).await;
            assert_eq!(envelope["answer"]["errorCode"], "PSP_010", "{service}");
        }
        assert_eq!(rig.refused("systempay", TRANSACTION_GET, &json!({})).await, "INT_902");
    }

    #[tokio::test]
    async fn a_transaction_alone_has_the_documented_members() {
        let rig = Rig::new().await;
        let body = json!({
            "amount": 1990, "currency": "EUR", "orderId": "cart-9", "metadata": {"cart": "9"},
            "customer": {"email": "zoe@example.com"},
            "transactionOptions": {"cardOptions": {"manualValidation": "YES"}}
        });
        let order = rig.done("systempay", CREATE, &body).await["paymentOrderId"].clone();
        rig.control.payer("lyra", "systempay", order.as_str().unwrap(), PayerAction::Pay).unwrap();
        let listed = rig.done("systempay", ORDER_GET, &json!({"orderId": "cart-9"})).await;
        let uuid = &listed["transactions"][0]["uuid"];
        let one = rig.done("systempay", TRANSACTION_GET, &json!({"uuid": uuid})).await;
        for (pointer, value) in [
            ("/shopId", json!("69876357")),
            ("/amount", json!(1990)),
            ("/currency", json!("EUR")),
            ("/status", json!("RUNNING")),
            ("/detailedStatus", json!("AUTHORISED_TO_VALIDATE")),
            ("/operationType", json!("DEBIT")),
            ("/paymentMethodType", json!("CARD")),
            ("/metadata/cart", json!("9")),
            ("/customer/email", json!("zoe@example.com")),
            ("/customer/reference", Value::Null),
            ("/customer/billingDetails/language", json!("FR")),
            ("/customer/_type", json!("V4/Customer/Customer")),
            ("/orderDetails/orderTotalAmount", json!(1990)),
            ("/orderDetails/orderEffectiveAmount", json!(1990)),
            ("/orderDetails/orderCurrency", json!("EUR")),
            ("/orderDetails/mode", json!("TEST")),
            ("/orderDetails/orderId", json!("cart-9")),
            ("/orderDetails/metadata/cart", json!("9")),
            ("/transactionDetails/effectiveAmount", json!(1990)),
            ("/transactionDetails/sequenceNumber", json!(1)),
            ("/transactionDetails/parentTransactionUuid", Value::Null),
            ("/transactionDetails/cardDetails/pan", json!("497010XXXXXX0055")),
            ("/transactionDetails/cardDetails/manualValidation", json!("YES")),
            ("/transactionDetails/cardDetails/authorizationResponse/authorizationResult", json!("0")),
            ("/transactionDetails/cardDetails/captureResponse/refundAmount", Value::Null),
            ("/_type", json!("V4/PaymentTransaction")),
        ] {
            assert_eq!(one.pointer(pointer), Some(&value), "{pointer}");
        }
        let details = &one["transactionDetails"];
        assert_eq!(details["paymentMethodDetails"], details["cardDetails"], "twins");
        assert_eq!(details["cardDetails"]["legacyTransId"].as_str().unwrap().len(), 6);
        let again = rig.done("systempay", TRANSACTION_GET, &json!({"uuid": uuid})).await;
        assert_eq!(again["transactionDetails"], *details, "the same every time");
        assert!(listed["transactions"][0].get("orderDetails").is_none(), "a list says it once");
        assert!(one["creationDate"].as_str().unwrap().ends_with("+00:00"));
    }

    #[tokio::test]
    async fn a_customer_is_an_object_when_nobody_named_one() {
        let rig = Rig::new().await;
        let (uuid, order) = transaction(&rig, "AUTHORISED");
        let one = rig.done("systempay", TRANSACTION_GET, &json!({"uuid": uuid})).await;
        let listed = rig.done("systempay", ORDER_GET, &json!({"orderId": "cart-1"})).await;
        let order = rig.done("systempay", GET, &json!({"paymentOrderId": order})).await;
        for answer in [one, listed, order] {
            assert_eq!(answer["customer"]["_type"], "V4/Customer/Customer", "{answer}");
            assert_eq!(answer["customer"]["email"], Value::Null);
        }
    }

    #[tokio::test]
    async fn faults_and_magic_amounts_find_the_order_of_a_transaction() {
        let rig = Rig::new().await;
        let (uuid, order) = transaction(&rig, "CAPTURED");
        let fault = crate::Fault::new("lyra", crate::FaultKind::CutBefore);
        rig.control.add_fault(fault.on_order(&order).on_service(REFUND));
        assert!(rig.send("systempay", REFUND, &euros(&uuid, 1)).await.is_err());
        assert!(rig.effects().is_empty());
        assert_eq!(rig.control.request_log()[0].order.as_deref(), Some(order.as_str()));
        let order = rig.control.add_order("lyra", "systempay", &json!({"amount": 990_043})).unwrap();
        rig.control.payer("lyra", "systempay", &order, PayerAction::Pay).unwrap();
        let acted = rig.control.act("lyra", "systempay", Some(&order), "remit").unwrap();
        let uuid = acted["transactions"][0].as_str().unwrap();
        assert!(rig.send("systempay", REFUND, &euros(uuid, 5)).await.is_err());
        assert_eq!(rig.control.effects().pop().unwrap().amount, Some(5), "lost, and done");
    }
}
