//! Cash management: cancel, validate and refund.
//!
//! Source: provider page `cashManagement/cancel`; for the other two the Office JSON guide and third-party clients.

use serde_json::{Map, Value};

use super::Sips;
use super::answer::ACQUIRER_CODE_SINCE;
use super::members::{self, ABOUT, CONTACT, ENVELOPE, Fields, Kind, unfit};
use super::services::{CANCEL, REFUND, Session, VALIDATE, named_transaction};
use super::transaction::{
    CANCELLED, CAPTURED, Credit, TO_AUTHORIZE, TO_CAPTURE, TO_CHALLENGE, TO_CREDIT, TO_REPLAY, TO_VALIDATE,
    Transaction, key,
};
use crate::platform::Refusal;

/// Members that the three have in common besides those of all requests about a transaction.
const COMMON: &[Fields] = &[
    Fields::needed(Kind::Currency, &["currencyCode"]),
    Fields::needed(Kind::Number(12), &["operationAmount"]),
    Fields::optional(Kind::Text(20), &["operationOrigin"]),
    Fields::optional(Kind::Text(20), &["intermediateServiceProviderId"]).since(12),
];

const CONTACT_TOO: &[Fields] = &[Fields::optional(Kind::Container(CONTACT), &["customerContact"]).since(20)];

const REFUND_TOO: &[Fields] = &[Fields::optional(Kind::Object, &["paymentMeanData", "shoppingCartDetail"])];

const VALIDATE_TOO: &[Fields] = &[
    Fields::optional(Kind::Text(5), &["lastRecoveryIndicator"]),
    Fields::optional(Kind::Text(10), &["subMerchantCategoryCode"]),
    Fields::optional(Kind::Text(20), &["subMerchantId"]),
    Fields::optional(Kind::Text(40), &["subMerchantShortName", "subMerchantLegalId"]),
    Fields::optional(Kind::Object, &["subMerchantAddress"]),
];

/// What can be done to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Cancel,
    Validate,
    Refund,
}

impl Operation {
    fn of(service: &str) -> Option<Self> {
        match service {
            CANCEL => Some(Self::Cancel),
            VALIDATE => Some(Self::Validate),
            REFUND => Some(Self::Refund),
            _ => None,
        }
    }

    fn fields(self) -> [&'static [Fields]; 5] {
        let own = match self {
            Self::Cancel => [CONTACT_TOO, &[]],
            Self::Validate => [VALIDATE_TOO, &[]],
            Self::Refund => [CONTACT_TOO, REFUND_TOO],
        };
        let [one, other] = own;
        [ENVELOPE, ABOUT, COMMON, one, other]
    }

    /// Statuses that allow it. Source: Office guide, "cancel", "validate". For a refund the guide says `TO_CAPTURE`
    /// where it means `CAPTURED`: it speaks of remitted transactions, and clients get 24 before.
    fn allows(self, status: &str) -> bool {
        match self {
            Self::Cancel => [TO_CAPTURE, TO_CHALLENGE, TO_VALIDATE, TO_AUTHORIZE].contains(&status),
            Self::Validate => [TO_VALIDATE, TO_REPLAY].contains(&status),
            Self::Refund => [CAPTURED, TO_CREDIT].contains(&status),
        }
    }

    /// The word of the ledger, and the `lastOperationName`.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Cancel => ("cancel", "CANCEL"),
            Self::Validate => ("capture", "VALIDATE"),
            Self::Refund => ("refund", "CREDIT"),
        }
    }
}

impl Sips {
    /// There is nothing that makes a repeated request harmless: sent twice it is done twice.
    pub(super) fn cash(&self, session: &Session<'_>) -> Result<Map<String, Value>, Refusal> {
        let operation = Operation::of(&session.call.service).ok_or_else(|| Refusal::new("40"))?;
        members::check(session.members, &operation.fields(), session.version)?;
        let name = named_transaction(session)?;
        let wanted = members::number(session.members, "operationAmount").filter(|amount| *amount > 0);
        // Inferred: that an operation over nothing is refused.
        let wanted = wanted.ok_or_else(|| unfit("operationAmount"))?;
        let needs_option = matches!(operation, Operation::Cancel | Operation::Refund);
        if needs_option && !session.shop.cash_options {
            return Err(Refusal::new("40"));
        }
        let mut orders = session.book.orders();
        let found = orders.get_mut(&key(session.shop.merchant_id, &name)).filter(|made| made.is_visible());
        let made = found.ok_or_else(|| Refusal::new("25"))?;
        let currency = members::text(session.members, "currencyCode");
        if currency.as_deref() != Some(made.currency.as_str()) {
            // Inferred: the pages do not say what another currency than the transaction's gets.
            return Err(unfit("currencyCode"));
        }
        if made.locked || !operation.allows(made.status_at(session.now)) {
            return Err(Refusal::new("24"));
        }
        if operation == Operation::Refund && made.charged_back {
            return Err(Refusal::new("57"));
        }
        // Inferred: without `newStatus` and `newAmount`.
        let left = made.amount.checked_sub(wanted).filter(|left| *left >= 0);
        let left = left.ok_or_else(|| Refusal::new("51"))?;
        let before = made.present(session.now);
        apply(made, operation, wanted, left, session);
        self.changed(session.book, operation.words().0, Some(before), made, session.call.sequence);
        let mut answer = Map::new();
        answer.insert("responseCode".to_owned(), "00".into());
        made.write_state(&mut answer, session.now);
        if session.version >= ACQUIRER_CODE_SINCE {
            answer.insert("acquirerResponseCode".to_owned(), "00".into());
        }
        if operation != Operation::Cancel
            && let Some(id) = &made.authorisation_id
        {
            answer.insert("authorisationId".to_owned(), id.clone().into());
        }
        if operation == Operation::Validate {
            answer.insert("captureLimitDate".to_owned(), made.capture_limit().into());
        }
        Ok(made.patched(answer))
    }
}

/// A part leaves the status of a cancelled transaction as it is. A validation takes the amount it names and lets the
/// rest go (inferred). A refund waits for the night (inferred: the guide says both `TO_CREDIT` and "credited at once").
fn apply(made: &mut Transaction, operation: Operation, wanted: i64, left: i64, session: &Session<'_>) {
    let status = match operation {
        Operation::Cancel if left == 0 => CANCELLED.to_owned(),
        Operation::Cancel => made.status.clone(),
        Operation::Validate => TO_CAPTURE.to_owned(),
        Operation::Refund => TO_CREDIT.to_owned(),
    };
    made.amount = if operation == Operation::Validate { wanted } else { left };
    if operation == Operation::Refund {
        made.credits.push(Credit { amount: wanted, is_remitted: false });
    }
    made.set(&status, operation.words().1, session.now);
}
