//! The services that change a transaction, read strictly and handed to its rules.
//!
//! Source: Lyra REST API V4, `Transaction/CancelOrRefund`, `/Cancel`, `/Refund`, `/Validate` and `/Update`.

use jiff::Timestamp;
use serde_json::Value;

use super::Lyra;
use super::order::Order;
use super::rules::{self, CardUpdate, Part, Resolution};
use super::services::{
    CANCEL_OR_REFUND, REFUND, Session, TRANSACTION_CANCEL, TRANSACTION_UPDATE, UNKNOWN, VALIDATE,
    transaction_id,
};
use super::text::knows_currency;
use super::wishes::is_currency;
use crate::ledger::Effect;
use crate::members::Members;
use crate::platform::Refusal;

/// What a request asks for, once it has passed the input layer.
type Asked = Box<dyn Fn(&mut Order, &str) -> Result<Effect, Refusal>>;

impl Lyra {
    /// Changes a transaction, enters it in the ledger, and answers the transaction or the new credit. The platform
    /// does not notify what a service did: the Back Office rules speak of operations of the Back Office (inferred).
    pub(super) fn operate(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        let asked = asked(&session.call.service, members, session.now)?;
        let uuid = transaction_id(members)?;
        let mut orders = session.book.orders();
        // Inferred for the other mode, as for payment orders; `INT_912` is described too.
        let order = orders.with_transaction(uuid).filter(|order| order.mode == session.mode);
        let order = order.ok_or_else(|| Refusal::new("PSP_010"))?;
        let effect = asked(order, uuid)?;
        let changed = effect.transaction.clone().unwrap_or_default();
        let request = session.call.sequence;
        self.enter(session.book, Effect { order: order.id.clone(), request, ..effect });
        order.shown(&changed, &session.book.shop).ok_or_else(|| Refusal::new("PSP_010"))
    }
}

fn asked(service: &str, members: &Members<'_>, now: Timestamp) -> Result<Asked, Refusal> {
    members.text("comment", "INT_902")?;
    let known = |more: &[&str]| members.known(UNKNOWN, &[&["uuid", "comment"], more]);
    match service {
        CANCEL_OR_REFUND => {
            known(&["amount", "currency", "resolutionMode", "transactionOptions"])?;
            members.object("transactionOptions", "INT_902")?;
            let mode = members.read("resolutionMode", "INT_902", resolution)?.unwrap_or(Resolution::Auto);
            let part = part(members)?;
            Ok(Box::new(move |order, uuid| rules::cancel_or_refund(order, uuid, mode, part.as_ref(), now)))
        }
        REFUND => {
            known(&["amount", "currency"])?;
            let part = part(members)?;
            Ok(Box::new(move |order, uuid| rules::refund(order, uuid, part.as_ref(), now)))
        }
        TRANSACTION_UPDATE => {
            // Source: facts of 1 December 2026: `orderId` is tolerated. Inferred: it has no effect.
            known(&["cardUpdate", "orderId"])?;
            members.text("orderId", "INT_013")?;
            let wanted = card_update(members)?;
            Ok(Box::new(move |order, uuid| rules::update(order, uuid, &wanted)))
        }
        TRANSACTION_CANCEL | VALIDATE => {
            known(&[])?;
            Ok(Box::new(if service == VALIDATE { rules::validate } else { rules::cancel }))
        }
        // Not reached: the dispatch knows every service.
        _ => Err(Refusal::new("INT_901")),
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
    let card = members.needed_object("cardUpdate", "INT_902")?;
    card.known(UNKNOWN, &[&["amount", "currency", "expectedCaptureDate", "manualValidation"]])?;
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
