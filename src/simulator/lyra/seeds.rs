//! The sample orders of the provider pages, open and with their dates moved to the present.
//!
//! Source: provider pages `Charge/PaymentOrder/Update` and `/Cancel` (Systempay) and `/Get` (EpayNC). Their messages
//! name other amounts than their `amount` member; here the message is written for the amount.

use serde_json::{Value, json};

use super::Lyra;
use super::change::days_after;
use super::draft;
use super::envelope::date;

/// Puts the samples into fresh books.
pub(super) fn add(lyra: &Lyra) {
    for (brand, draft) in samples(lyra) {
        if let Some(book) = lyra.book(brand) {
            let added = draft::add(lyra, book, &draft);
            debug_assert!(added.is_ok(), "{added:?}");
        }
    }
}

fn samples(lyra: &Lyra) -> [(&'static str, Value); 3] {
    let now = lyra.frame.clock.now();
    let creation = date(days_after(now, -2));
    let expiration = date(days_after(now, 28));
    let sample = |id: &str, token: &str, currency: &str, locale: &str| {
        json!({
            "id": id,
            "token": token,
            "amount": 10_000,
            "currency": currency,
            "locale": locale,
            "orderId": "myOrderId-1234",
            "channel": "MAIL",
            "recipient": "sample@example.com",
            "paymentReceiptEmail": "sample@example.com",
            "creationDate": creation,
            "expirationDate": expiration,
        })
    };
    [
        ("systempay", sample("d63e7f507a6f4dfa86cb40a833ecfd85", "328zq5so", "EUR", "en_GB")),
        ("systempay", sample("fd8f6060f824427ba687d0161e46af8f", "w5izg024", "EUR", "fr_FR")),
        ("epaync", sample("fd8f6060f824427ba687d0161e46af8f", "328zq5so", "XPF", "fr_FR")),
    ]
}
