//! The services that change something: creation, change and cancellation of a payment order.
//!
//! Each effect is entered in the ledger under the lock that makes it, so that the ledger has the true order.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Lyra;
use super::channel;
use super::members::Members;
use super::order::{CANCELED, Channel, EXPIRED, Order, PAID, RUNNING};
use super::record::Before;
use super::services::{Session, order_id};
use super::transaction::new_id;
use super::wishes::{PAYMENT, Wishes};
use crate::platform::Refusal;

/// Expiration when a request names none, the demo shops' setting.
const DEFAULT_EXPIRATION_DAYS: i64 = 30;

impl Lyra {
    pub(super) fn create(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        let wishes = Wishes::read(members, true)?;
        let shop = &session.book.shop;
        let locale = wishes.locale.clone().unwrap_or_else(|| shop.locale.to_owned());
        wishes.check(shop, &locale, true, session.now)?;
        let mut orders = session.book.orders();
        let expires = wishes.expires.unwrap_or_else(|| days_after(session.now, DEFAULT_EXPIRATION_DAYS));
        let mut order = Order {
            id: new_id(),
            token: orders.new_token(),
            mode: session.mode,
            status: RUNNING.to_owned(),
            created: session.now,
            updated: None,
            expires,
            amount: wishes.amount,
            currency: wishes.currency,
            locale,
            strong_authentication: wishes.strong_authentication.unwrap_or_else(|| "AUTO".to_owned()),
            order_id: wishes.order_id,
            channel: wishes.channel.unwrap_or(Channel::Url),
            subject: None,
            message: String::new(),
            receipt_email: wishes.receipt_email,
            tax_rate: wishes.tax_rate,
            tax_amount: wishes.tax_amount,
            manual_validation: wishes.manual_validation.unwrap_or(false),
            capture_delay: wishes.capture_delay.unwrap_or(0),
            data_form: wishes.data_form.unwrap_or(false),
            merchant_comment: wishes.merchant_comment,
            metadata: wishes.metadata,
            customer: wishes.customer,
            form_action: wishes.form_action.unwrap_or_else(|| PAYMENT.to_owned()),
            returns: wishes.returns,
            ipn_url: wishes.ipn_url,
            transactions: Vec::new(),
            closed: false,
            patch: None,
        };
        let link = self.link(session.book, &order.token);
        order.render(shop, &link);
        self.enter(session.book, "create", None, &order, session.call.sequence, session.now);
        self.deliver(session.book, &order, session.now);
        let answer = order.answer(&link, session.now);
        orders.insert(order);
        Ok(answer)
    }

    /// Fields that are not sent are kept. Inferred: the provider page `Charge/PaymentOrder/Update` does not say.
    pub(super) fn update(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        let id = order_id(members)?;
        let wishes = Wishes::read(members, false)?;
        let mut orders = session.book.orders();
        let order = orders.by_id.get_mut(id).ok_or_else(|| Refusal::new("PSP_1000"))?;
        if order.mode != session.mode {
            return Err(Refusal::new("PSP_1011"));
        }
        must_run(order, session.now)?;
        let locale = wishes.locale.clone().unwrap_or_else(|| order.locale.clone());
        let channel = match wishes.channel.clone() {
            Some(wanted) => channel::changed(&order.channel, wanted)?,
            None => match channel::missing(&order.channel) {
                Some(refusal) => return Err(refusal),
                None => Channel::Url,
            },
        };
        wishes.check(&session.book.shop, &locale, false, session.now)?;
        let before = Before::of(order, session.now);
        apply(order, wishes, channel, locale);
        order.updated = Some(session.now);
        let link = self.link(session.book, &order.token);
        order.render(&session.book.shop, &link);
        self.enter(session.book, "update", Some(before), order, session.call.sequence, session.now);
        self.deliver(session.book, order, session.now);
        Ok(order.answer(&link, session.now))
    }

    pub(super) fn cancel(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        members.only(&["paymentOrderId"])?;
        let id = order_id(members)?;
        let mut orders = session.book.orders();
        // Inferred for the other mode: the page's table has no other code for an order that is not there.
        let order = orders.by_id.get_mut(id).filter(|order| order.mode == session.mode);
        let order = order.ok_or_else(|| Refusal::new("PSP_1000"))?;
        must_run(order, session.now)?;
        let before = Before::of(order, session.now);
        // `updateDate` stays as it is: provider page `Charge/PaymentOrder/Cancel`, sample.
        CANCELED.clone_into(&mut order.status);
        self.enter(session.book, "cancel", Some(before), order, session.call.sequence, session.now);
        Ok(order.answer(&self.link(session.book, &order.token), session.now))
    }
}

/// This many days later; the last date there is when that is too far.
pub(super) fn days_after(now: Timestamp, days: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(days.saturating_mul(24))).unwrap_or(Timestamp::MAX)
}

/// Only a running order can be changed or cancelled.
///
/// Source: provider page `Charge/PaymentOrder/Update` for `PSP_1005` and `PSP_1006`. Inferred: that a cancellation
/// gives the same ones, `PSP_1101` for a cancelled order, and `PSP_1005` (finalized) for every other state.
fn must_run(order: &Order, now: Timestamp) -> Result<(), Refusal> {
    match order.status_at(now) {
        RUNNING => Ok(()),
        EXPIRED => Err(Refusal::new("PSP_1006")),
        CANCELED => Err(Refusal::new("PSP_1101")),
        PAID => Err(Refusal::new("PSP_1005")),
        _ => Err(Refusal::new("PSP_1005").detail("The payment order is not running")),
    }
}

fn apply(order: &mut Order, wishes: Wishes, channel: Channel, locale: String) {
    order.amount = wishes.amount;
    order.currency = wishes.currency;
    order.channel = channel;
    order.locale = locale;
    keep(&mut order.expires, wishes.expires);
    keep(&mut order.strong_authentication, wishes.strong_authentication);
    keep(&mut order.manual_validation, wishes.manual_validation);
    keep(&mut order.capture_delay, wishes.capture_delay);
    keep(&mut order.data_form, wishes.data_form);
    keep(&mut order.form_action, wishes.form_action);
    keep_or_none(&mut order.order_id, wishes.order_id);
    keep_or_none(&mut order.receipt_email, wishes.receipt_email);
    keep_or_none(&mut order.tax_rate, wishes.tax_rate);
    keep_or_none(&mut order.tax_amount, wishes.tax_amount);
    keep_or_none(&mut order.merchant_comment, wishes.merchant_comment);
    keep_or_none(&mut order.metadata, wishes.metadata);
    keep_or_none(&mut order.customer, wishes.customer);
    keep_or_none(&mut order.returns.any, wishes.returns.any);
    keep_or_none(&mut order.returns.success, wishes.returns.success);
    keep_or_none(&mut order.returns.refused, wishes.returns.refused);
    keep_or_none(&mut order.returns.cancel, wishes.returns.cancel);
    keep_or_none(&mut order.returns.mode, wishes.returns.mode);
    keep_or_none(&mut order.ipn_url, wishes.ipn_url);
}

fn keep<T>(slot: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *slot = wanted;
    }
}

fn keep_or_none<T>(slot: &mut Option<T>, wanted: Option<T>) {
    if wanted.is_some() {
        *slot = wanted;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::rig::{CANCEL, CREATE, GET, Rig, UPDATE};

    const SAMPLE: &str = "d63e7f507a6f4dfa86cb40a833ecfd85";

    /// The request of the provider page `Charge/PaymentOrder/Update`.
    fn page_update() -> Value {
        json!({
            "paymentOrderId": SAMPLE, "amount": 20000, "currency": "EUR", "orderId": "myOrderId-999999",
            "channelOptions": {"channelType": "MAIL", "mailOptions": {"recipient": "customer@example.com"}}
        })
    }

    #[tokio::test]
    async fn a_creation_makes_a_running_order_and_mails_it() {
        let rig = Rig::new().await;
        let body = json!({
            "amount": 1990, "currency": "EUR", "orderId": "cart-42", "locale": "en_GB",
            "expirationDate": (rig.control.now() + SignedDuration::from_hours(48)).to_string(),
            "channelOptions": {"channelType": "MAIL", "mailOptions": {"recipient": "a@b.c", "bcc": "d@e.f"}},
            "transactionOptions": {"cardOptions": {"manualValidation": "YES", "captureDelay": 3}},
            "dataCollectionForm": "true", "taxRate": 20.0, "taxAmount": 10, "merchantComment": "c"
        });
        let answer = rig.done("systempay", CREATE, &body).await;
        assert_eq!(answer["paymentOrderStatus"], "RUNNING");
        assert_eq!(answer["updateDate"], Value::Null);
        assert_eq!(answer["dataCollectionForm"], true);
        assert_eq!(answer["transactionDetails"]["cardDetails"]["manualValidation"], "YES");
        assert_eq!(answer["transactionDetails"]["cardDetails"]["captureDelay"], 3);
        assert_eq!(answer["message"], answer["channelDetails"]["mailDetails"]["body"]);
        let link = answer["paymentURL"].as_str().unwrap();
        assert!(link.starts_with(&format!("http://{}/lyra/systempay/t/", rig.running.local_addr())));
        let mail = &rig.control.mailbox()[0];
        assert!(mail.text.contains("EUR 19.90") && mail.text.contains(link), "{}", mail.text);
        assert_eq!((mail.recipient.as_str(), mail.bcc.as_deref()), ("a@b.c", Some("d@e.f")));
        let id = answer["paymentOrderId"].as_str().unwrap();
        assert_eq!(rig.done("systempay", GET, &json!({"paymentOrderId": id})).await, answer);
        let effect = &rig.control.effects()[0];
        assert_eq!((effect.action.as_str(), effect.order.as_str(), effect.request), ("create", id, Some(1)));
    }

    #[tokio::test]
    async fn the_same_creation_twice_makes_two_orders() {
        let rig = Rig::new().await;
        let body = json!({"amount": "100", "currency": "XPF", "orderId": "same"});
        let first = rig.done("epaync", CREATE, &body).await;
        let second = rig.done("epaync", CREATE, &body).await;
        assert_ne!(first["paymentOrderId"], second["paymentOrderId"]);
        assert_ne!(first["paymentURL"], second["paymentURL"]);
        assert_eq!(first["channelDetails"]["channelType"], "URL");
        assert!(first["message"].as_str().unwrap().contains("100 XPF"));
        assert_eq!(rig.effects(), [("create".into(), None, 100), ("create".into(), None, 100)]);
        assert!(rig.control.mailbox().is_empty(), "the merchant hands a link over himself");
    }

    #[tokio::test]
    async fn a_refused_creation_leaves_nothing() {
        let rig = Rig::new().await;
        assert_eq!(rig.refused("systempay", CREATE, &json!({"amount": 1})).await, "INT_010");
        let body = json!({"amount": 1, "currency": "XPF"});
        let refused = rig.call("systempay", CREATE, &body).await["answer"].clone();
        let codes = (&refused["errorCode"], &refused["detailedErrorCode"]);
        assert_eq!(codes, (&json!("PSP_610"), &json!("NO_ACCEPTANCE_AGREEMENT_AVAILABLE")));
        assert!(rig.effects().is_empty() && rig.control.orders("lyra", "systempay").unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_change_of_the_provider_page_works() {
        let rig = Rig::seeded().await;
        let before = rig.done("systempay", GET, &json!({"paymentOrderId": SAMPLE})).await;
        let answer = rig.done("systempay", UPDATE, &page_update()).await;
        assert_eq!((&answer["amount"], &answer["orderId"]), (&json!(20000), &json!("myOrderId-999999")));
        assert_eq!(answer["paymentURL"], before["paymentURL"]);
        assert_ne!(answer["updateDate"], Value::Null);
        for kept in ["locale", "paymentReceiptEmail", "expirationDate", "creationDate"] {
            assert_eq!(answer[kept], before[kept], "{kept}");
        }
        let details = &answer["channelDetails"]["mailDetails"];
        assert_eq!(details["recipient"], "customer@example.com");
        let mail = &rig.control.mailbox()[0];
        assert!(mail.text.contains("EUR 200.00") && !mail.text.contains("100.00"), "{}", mail.text);
        assert_eq!(rig.effects(), [("update".into(), Some(10_000), 20_000)]);
    }

    #[tokio::test]
    async fn own_words_are_used_and_not_kept_for_the_next_amount() {
        let rig = Rig::seeded().await;
        let mut body = page_update();
        body["channelOptions"]["mailOptions"]["subject"] = json!("Order 1");
        body["channelOptions"]["mailOptions"]["body"] = json!("Please pay EUR 100.00");
        let answer = rig.done("systempay", UPDATE, &body).await;
        assert_eq!(answer["message"], "Please pay EUR 100.00");
        assert_eq!(rig.control.mailbox()[0].subject.as_deref(), Some("Order 1"));
        let answer = rig.done("systempay", UPDATE, &page_update()).await;
        assert_eq!(answer["channelDetails"]["mailDetails"]["subject"], "Your payment order");
        assert!(rig.control.mailbox()[1].text.contains("EUR 200.00"));
    }

    #[tokio::test]
    async fn the_channel_must_be_sent_again_and_cannot_change() {
        let rig = Rig::new().await;
        let change = |id: &str, options: Value| json!({"paymentOrderId": id, "amount": 5, "currency": "EUR", "channelOptions": options});
        let sms = json!({"channelType": "SMS", "smsOptions": {"phoneNumber": "+33611111111"}});
        for (channel, code) in [("MAIL", "INT_841"), ("SMS", "INT_836"), ("WHATSAPP", "INT_839")] {
            let id = rig.control.add_order("lyra", "systempay", &json!({"channel": channel})).unwrap();
            assert_eq!(rig.refused("systempay", UPDATE, &change(&id, Value::Null)).await, code);
            let link = change(&id, json!({"channelType": "URL"}));
            assert_eq!(rig.refused("systempay", UPDATE, &link).await, "PSP_1017");
            if channel == "SMS" {
                let answer = rig.done("systempay", UPDATE, &change(&id, sms.clone())).await;
                assert_eq!(answer["channelDetails"]["smsDetails"]["phoneNumber"], "+33611111111");
            } else {
                assert_eq!(rig.refused("systempay", UPDATE, &change(&id, sms.clone())).await, "PSP_1017");
            }
        }
        let id = rig.control.add_order("lyra", "systempay", &json!({})).unwrap();
        assert_eq!(rig.refused("systempay", UPDATE, &change(&id, sms)).await, "PSP_1017");
        rig.done("systempay", UPDATE, &change(&id, Value::Null)).await;
        assert_eq!(rig.control.effects().len(), 2);
    }

    #[tokio::test]
    async fn only_a_running_order_can_be_changed_or_cancelled() {
        let rig = Rig::new().await;
        for (status, code) in [
            ("PAID", "PSP_1005"),
            ("REFUSED", "PSP_1005"),
            ("EXPIRED", "PSP_1006"),
            ("CANCELED", "PSP_1101"),
            ("SOMETHING_NEW", "PSP_1005"),
        ] {
            let id = rig.control.add_order("lyra", "systempay", &json!({"status": status})).unwrap();
            let change = json!({"paymentOrderId": id, "amount": 5, "currency": "EUR"});
            assert_eq!(rig.refused("systempay", UPDATE, &change).await, code, "{status}");
            assert_eq!(
                rig.refused("systempay", CANCEL, &json!({"paymentOrderId": id})).await,
                code,
                "{status}"
            );
            let answer = rig.done("systempay", GET, &json!({"paymentOrderId": id})).await;
            assert_eq!(answer["paymentOrderStatus"], status);
        }
        assert!(rig.effects().is_empty());
    }

    #[tokio::test]
    async fn a_cancellation_happens_once() {
        let rig = Rig::seeded().await;
        let order = json!({"paymentOrderId": SAMPLE});
        let answer = rig.done("systempay", CANCEL, &order).await;
        assert_eq!(answer["paymentOrderStatus"], "CANCELED");
        assert_eq!(answer["updateDate"], Value::Null);
        assert_eq!(rig.refused("systempay", CANCEL, &order).await, "PSP_1101");
        assert_eq!(rig.refused("systempay", CANCEL, &json!({"paymentOrderId": "x"})).await, "INT_902");
        assert_eq!(
            rig.refused("systempay", CANCEL, &json!({"paymentOrderId": "0".repeat(32)})).await,
            "PSP_1000"
        );
        let effects = rig.control.effects();
        assert_eq!(effects.len(), 1);
        assert_eq!(effects[0].status_before.as_deref(), Some("RUNNING"));
        assert_eq!(effects[0].status_after, "CANCELED");
    }

    #[tokio::test]
    async fn orders_expire_by_the_clock() {
        let rig = Rig::seeded().await;
        rig.control.advance(Duration::from_secs(29 * 24 * 3600));
        let answer = rig.done("systempay", GET, &json!({"paymentOrderId": SAMPLE})).await;
        assert_eq!(answer["paymentOrderStatus"], "EXPIRED");
        assert_eq!(rig.refused("systempay", CANCEL, &json!({"paymentOrderId": SAMPLE})).await, "PSP_1006");
        assert_eq!(rig.refused("systempay", UPDATE, &page_update()).await, "PSP_1006");
    }

    #[tokio::test]
    async fn a_change_of_an_unknown_order_is_refused_by_its_number() {
        let rig = Rig::new().await;
        assert_eq!(rig.refused("systempay", UPDATE, &page_update()).await, "PSP_1000");
        let unnamed = json!({"amount": 5, "currency": "EUR"});
        assert_eq!(rig.refused("systempay", UPDATE, &unnamed).await, "INT_902");
    }
}
