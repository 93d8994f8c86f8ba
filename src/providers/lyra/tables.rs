//! This adapter's tables, for the documentation.

use super::{
    adapter::CAPABILITIES,
    config::BRANDS,
    error::ERROR_CODES,
    status::{DetailedStatus, PaymentOrderStatus},
};
use crate::adapter::{ErrorRow, StatusRow, Tables};

/// What is documented of Lyra.
pub(super) fn tables() -> Tables {
    let orders = PaymentOrderStatus::WORDS.iter().map(|word| {
        let status = PaymentOrderStatus::read(word);
        StatusRow {
            member: "paymentOrderStatus",
            word: (*word).to_owned(),
            status: status.canonical(false),
            note: if status == PaymentOrderStatus::Paid {
                "when exactly one payment fits, its `detailedStatus` decides; else `authorized` if `manualValidation` is `YES`"
            } else {
                ""
            },
        }
    });
    let payments = DetailedStatus::TABLE.iter().map(|(_, word, status)| StatusRow {
        member: "detailedStatus",
        word: (*word).to_owned(),
        status: *status,
        note: match *word {
            "CAPTURED" => "less what was given back: `partially_refunded`, `refunded`",
            "REFUSED" | "ABANDONED" => "a try that does not count",
            _ => "",
        },
    });
    Tables {
        title: "Lyra REST API V4",
        brands: BRANDS.iter().map(|(brand, _)| *brand).collect(),
        statuses: orders.chain(payments).collect(),
        errors: ERROR_CODES
            .iter()
            .map(|row| ErrorRow {
                member: "",
                code: row.code.to_owned(),
                kind: Some(row.kind),
                pointer: row.pointer,
                meaning: row.meaning,
                retryable: row.retryable,
            })
            .collect(),
        capabilities: &CAPABILITIES,
    }
}
