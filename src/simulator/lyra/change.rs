//! The services that change something: creation, change and cancellation of a payment order.
//!
//! Each effect is entered in the ledger under the lock that makes it, so that the ledger has the true order.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::channel;
use super::members::Members;
use super::order::{CANCELED, Channel, EXPIRED, Order, PAID, RUNNING};
use super::services::{Session, order_id};
use super::transaction::new_id;
use super::wishes::Wishes;
use super::{Book, Lyra};
use crate::simulator::ledger::{Effect, Mail};
use crate::simulator::platform::Refusal;

/// Expiration when a request names none, the demo shops' setting.
const DEFAULT_EXPIRATION_DAYS: i64 = 30;

/// An order's amount and status before a change.
#[derive(Debug)]
pub(super) struct Before {
    amount: i64,
    status: String,
}

impl Before {
    pub(super) fn of(order: &Order, now: Timestamp) -> Self {
        Self { amount: order.amount, status: order.status_at(now).to_owned() }
    }
}

impl Lyra {
    pub(super) fn create(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        let wishes = Wishes::read(members, true)?;
        let shop = &session.book.shop;
        let locale = wishes.locale.clone().unwrap_or_else(|| shop.locale.to_owned());
        wishes.check(shop, &locale, session.now)?;
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
            returns: wishes.returns,
            transactions: Vec::new(),
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
        wishes.check(&session.book.shop, &locale, session.now)?;
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

    /// Enters an effect in the ledger.
    pub(super) fn enter(
        &self,
        book: &Book,
        action: &str,
        before: Option<Before>,
        order: &Order,
        request: Option<u64>,
        now: Timestamp,
    ) {
        let (amount_before, status_before) = before.map(|before| (before.amount, before.status)).unzip();
        self.frame.ledger.effect(Effect {
            sequence: 0,
            at: now,
            provider: "lyra".to_owned(),
            brand: book.shop.brand.to_owned(),
            action: action.to_owned(),
            order: order.id.clone(),
            amount_before,
            amount_after: order.amount,
            currency: order.currency.clone(),
            status_before,
            status_after: order.status_at(now).to_owned(),
            request,
        });
    }

    /// Puts the message in the mailbox, unless the merchant hands the link over himself.
    fn deliver(&self, book: &Book, order: &Order, now: Timestamp) {
        let (recipient, bcc) = match &order.channel {
            Channel::Url => return,
            Channel::Mail(mail) => (&mail.recipient, mail.bcc.clone()),
            Channel::Sms { phone, .. } | Channel::WhatsApp { phone } => (phone, None),
        };
        self.frame.ledger.mail(Mail {
            sequence: 0,
            at: now,
            provider: "lyra".to_owned(),
            brand: book.shop.brand.to_owned(),
            order: order.id.clone(),
            channel: order.channel.word().to_owned(),
            recipient: recipient.clone(),
            bcc,
            subject: order.subject.clone(),
            text: order.message.clone(),
        });
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
