//! How a payment ends: the one way to a transaction, from the page and from the control API, and the notification
//! that follows.

use bytes::Bytes;
use url::form_urlencoded::Serializer;

use super::shops::shop;
use super::transaction::{ABORTED, PAGE_OPEN, REFUSED, Transaction};
use super::{Book, Sips, result};
use crate::notices::Notice;
use crate::platform::ControlError;

/// The key of somebody who is not the platform.
const FORGERS_KEY: &str = "not-the-key-of-the-shop";

/// How a payment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Accepted,
    /// Refused by the payer's bank.
    Refused,
    /// The payer gave up on the page.
    Abandoned,
    /// The page waited in vain.
    TimedOut,
}

impl Ending {
    /// The word of the ledger.
    fn action(self) -> &'static str {
        match self {
            Self::Accepted => "pay",
            Self::Refused => "decline",
            Self::Abandoned => "abort",
            Self::TimedOut => "expire",
        }
    }

    /// `responseCode` and `acquirerResponseCode`. A refusal is always for want of money (51, which becomes 05).
    /// Source: provider page `cashManagement/cancel`, both lists; data dictionary, `acquirerResponseCode`.
    fn codes(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Accepted => ("00", Some("00")),
            Self::Refused => ("05", Some("51")),
            Self::Abandoned => ("17", None),
            Self::TimedOut => ("97", None),
        }
    }
}

impl Sips {
    /// Ends the payment and notifies the merchant. Gives the transaction as it is then.
    pub(super) fn finish(&self, book: &Book, id: &str, ending: Ending) -> Result<Transaction, ControlError> {
        let now = self.now();
        let mut orders = book.orders();
        let stored = !orders.rest.slow_storage;
        let made = orders.named(id)?;
        if made.status != PAGE_OPEN {
            return Err(ControlError::Invalid(format!("it is {}, nobody can pay it", made.status_at(now))));
        }
        if ending != Ending::TimedOut && made.page.until <= now {
            return Err(ControlError::Invalid("the page is over, nobody can pay there".to_owned()));
        }
        let before = made.present(now);
        let (code, acquirer_code) = ending.codes();
        code.clone_into(&mut made.response_code);
        made.acquirer_code = acquirer_code.map(str::to_owned);
        made.made = now;
        made.stored = stored;
        // Inferred: the status and the operation's name of a payment that ends without an authorisation.
        match ending {
            Ending::Accepted => {
                made.authorisation_id = Some(rand::random_range(100_000..1_000_000).to_string());
                made.set(made.accepted_status(), "AUTHOR", now);
            }
            Ending::Refused => made.set(REFUSED, "AUTHOR", now),
            Ending::Abandoned | Ending::TimedOut => made.set(ABORTED, "TRANSACTION", now),
        }
        self.changed(book, ending.action(), Some(before), made, None);
        let made = made.clone();
        drop(orders);
        self.notify(book, &made);
        Ok(made)
    }

    fn notify(&self, book: &Book, made: &Transaction) {
        let Some(url) = made.page.automatic_url.clone() else { return };
        let form = |secret: &str| {
            let fields = result::fields(made, made.page.automatic_format, secret);
            Bytes::from(Serializer::new(String::new()).extend_pairs(fields).finish())
        };
        let notice = Notice {
            url,
            content_type: "application/x-www-form-urlencoded",
            body: form(&secret(made)),
            forged: form(FORGERS_KEY),
            ..Notice::default()
        };
        self.send(book, made, notice);
    }
}

/// The key that seals the result of this payment.
pub(super) fn secret(made: &Transaction) -> String {
    // Never empty: a transaction names a shop and a key version that were checked.
    shop(&made.merchant_id).and_then(|shop| shop.secret(&made.page.key_version)).unwrap_or_default()
}
