//! What a change leaves behind: an entry in the ledger, and a message to the payer in the mailbox.

use jiff::Timestamp;

use super::order::{Channel, Order};
use super::rules::Step;
use super::{Book, Lyra};
use crate::ledger::{Effect, Mail};

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
            transaction: None,
            amount: None,
            amount_before,
            amount_after: order.amount,
            currency: order.currency.clone(),
            status_before,
            status_after: order.status_at(now).to_owned(),
            request,
        });
    }

    /// Enters what was done to a transaction.
    pub(super) fn enter_step(
        &self,
        book: &Book,
        order: &Order,
        step: &Step,
        request: Option<u64>,
        now: Timestamp,
    ) {
        let step = step.clone();
        self.frame.ledger.effect(Effect {
            sequence: 0,
            at: now,
            provider: "lyra".to_owned(),
            brand: book.shop.brand.to_owned(),
            action: step.action.to_owned(),
            order: order.id.clone(),
            transaction: Some(step.uuid),
            amount: Some(step.amount),
            amount_before: Some(step.amount_before),
            amount_after: step.amount_after,
            currency: step.currency,
            status_before: Some(step.status_before),
            status_after: step.status_after,
            request,
        });
    }

    /// Puts the message in the mailbox, unless the merchant hands the link over himself.
    pub(super) fn deliver(&self, book: &Book, order: &Order, now: Timestamp) {
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
