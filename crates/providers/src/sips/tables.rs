//! This adapter's tables, for the documentation.

use super::{
    adapter::CAPABILITIES,
    config::BRANDS,
    error::{ACQUIRER_CODES, CodeRow, REDIRECTION_CODES, RESPONSE_CODES},
    status::{Phase, STATUSES, TO_CONFIRM_CREDIT},
};
use guichet_port::adapter::{ErrorRow, StatusRow, Tables};

/// What is documented of Worldline Sips.
pub(super) fn tables() -> Tables {
    let statuses = STATUSES.iter().map(|row| StatusRow {
        member: "newStatus, transactionStatus",
        word: row.word.to_owned(),
        status: row.status,
        note: match row.phase {
            Phase::Credited if row.word == TO_CONFIRM_CREDIT => {
                "its amount is in `refund_pending`; `partially_refunded` by what was refunded before"
            }
            Phase::Credited => "`refunded` when nothing is left",
            Phase::Captured => "less what was given back, on evidence only: `partially_refunded`",
            Phase::Awaiting
            | Phase::Reserved
            | Phase::Canceled
            | Phase::Lapsed
            | Phase::Unpaid
            | Phase::Untold => "",
        },
    });
    let codes = [
        ("responseCode", RESPONSE_CODES),
        ("redirectionStatusCode", REDIRECTION_CODES),
        ("acquirerResponseCode", ACQUIRER_CODES),
    ];
    Tables {
        title: "Worldline Sips 2.0, Office and Paypage",
        brands: BRANDS.iter().map(|brand| brand.id).collect(),
        notes: &[],
        statuses: statuses.collect(),
        errors: codes
            .into_iter()
            .flat_map(|(member, rows)| rows.iter().map(move |row| error(member, row)))
            .collect(),
        capabilities: &CAPABILITIES,
    }
}

fn error(member: &'static str, row: &CodeRow) -> ErrorRow {
    ErrorRow {
        member,
        code: row.code.to_owned(),
        kind: row.kind,
        pointer: row.pointer,
        meaning: row.meaning,
        retryable: row.retryable,
    }
}
