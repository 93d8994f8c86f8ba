//! The services that change something: creation, change and cancellation of a payment order.

use jiff::Timestamp;
use serde_json::Value;

use super::channel;
use super::order::{CANCELED, Channel, EXPIRED, Order, PAID, RUNNING};
use super::services::{Session, UNKNOWN, order_id};
use super::wishes::Wishes;
use super::{Book, Lyra};
use crate::ledger::{Effect, Mail};
use crate::members::Members;
use crate::platform::Refusal;

impl Lyra {
    pub(super) fn create(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        let wishes = Wishes::read(members, true)?;
        let shop = &session.book.shop;
        let locale = wishes.locale.clone().unwrap_or_else(|| shop.locale.to_owned());
        wishes.check(shop, &locale, true, session.now)?;
        let mut orders = session.book.orders();
        let mut order = Order::usual(shop, orders.new_token(), session.mode, session.now);
        let channel = wishes.channel.clone().unwrap_or(Channel::Url);
        apply(&mut order, wishes, channel, locale);
        order.render(shop, &self.link(session.book, &order));
        self.changed(session, "create", None, &order);
        self.deliver(session.book, &order);
        let answer = self.shown(session.book, &order);
        orders.insert(order);
        Ok(answer)
    }

    /// Fields that are not sent are kept. Inferred: the provider page `Charge/PaymentOrder/Update` does not say.
    pub(super) fn update(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        let id = order_id(members)?;
        let wishes = Wishes::read(members, false)?;
        let mut orders = session.book.orders();
        let order = orders.get_mut(id).ok_or_else(|| Refusal::new("PSP_1000"))?;
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
        let before = (order.amount, order.status_at(session.now).to_owned());
        apply(order, wishes, channel, locale);
        order.updated = Some(session.now);
        order.render(&session.book.shop, &self.link(session.book, order));
        self.changed(session, "update", Some(before), order);
        self.deliver(session.book, order);
        Ok(self.shown(session.book, order))
    }

    pub(super) fn cancel(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        members.known(UNKNOWN, &[&["paymentOrderId"]])?;
        let id = order_id(members)?;
        let mut orders = session.book.orders();
        // Inferred for the other mode: the page's table has no other code for an order that is not there.
        let order = orders.get_mut(id).filter(|order| order.mode == session.mode);
        let order = order.ok_or_else(|| Refusal::new("PSP_1000"))?;
        must_run(order, session.now)?;
        let before = (order.amount, order.status_at(session.now).to_owned());
        // `updateDate` stays as it is: provider page `Charge/PaymentOrder/Cancel`, sample.
        CANCELED.clone_into(&mut order.status);
        self.changed(session, "cancel", Some(before), order);
        Ok(self.shown(session.book, order))
    }

    /// Enters what a request did to an order, which had this amount and status before.
    fn changed(&self, session: &Session<'_>, action: &str, before: Option<(i64, String)>, order: &Order) {
        let (amount_before, status_before) = before.unzip();
        let effect = Effect {
            action: action.to_owned(),
            order: order.id.clone(),
            amount_before,
            amount_after: order.amount,
            currency: order.currency.clone(),
            status_before,
            status_after: order.status_at(session.now).to_owned(),
            request: session.call.sequence,
            ..Effect::default()
        };
        self.enter(session.book, effect);
    }

    /// Puts the message in the mailbox, unless the merchant hands the link over himself.
    fn deliver(&self, book: &Book, order: &Order) {
        let (recipient, bcc) = match &order.channel {
            Channel::Url => return,
            Channel::Mail(mail) => (&mail.recipient, mail.bcc.clone()),
            Channel::Sms { phone, .. } | Channel::WhatsApp { phone } => (phone, None),
        };
        self.frame.ledger.mail(Mail {
            sequence: 0,
            at: self.now(),
            provider: "lyra".to_owned(),
            brand: book.brand.to_owned(),
            order: order.id.clone(),
            channel: order.channel.word().to_owned(),
            recipient: recipient.clone(),
            bcc,
            subject: order.subject.clone(),
            text: order.message.clone(),
        });
    }
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
    keep_or_none(&mut order.order_id, wishes.order_id);
    keep_or_none(&mut order.receipt_email, wishes.receipt_email);
    keep_or_none(&mut order.tax_rate, wishes.tax_rate);
    keep_or_none(&mut order.tax_amount, wishes.tax_amount);
    keep_or_none(&mut order.merchant_comment, wishes.merchant_comment);
    keep_or_none(&mut order.metadata, wishes.metadata);
    keep_or_none(&mut order.customer, wishes.customer);
    keep_or_none(&mut order.return_url, wishes.return_url);
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
