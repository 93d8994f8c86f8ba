//! This adapter's tables, for the documentation.

use super::{
    adapter::CAPABILITIES,
    config::BRANDS,
    error::ERROR_CODES,
    status::{DetailedStatus, PaymentOrderStatus},
};
use guichet_port::adapter::{ErrorRow, StatusRow, Tables};

/// What is documented of Lyra.
pub(super) fn tables() -> Tables {
    let orders = PaymentOrderStatus::WORDS.iter().map(|word| {
        let status = PaymentOrderStatus::read(word);
        StatusRow {
            member: "paymentOrderStatus",
            word: (*word).to_owned(),
            status: status.canonical(false),
            note: match status {
                PaymentOrderStatus::Paid => {
                    "when exactly one payment fits, its `detailedStatus` decides; else `authorized` if `manualValidation` is `YES`"
                }
                PaymentOrderStatus::Refused => {
                    "final when the newest notification said `orderCycle` `CLOSED` or came from the back office (`kr-src` `MERCH_BO`), or when the page has ended"
                }
                PaymentOrderStatus::Running
                | PaymentOrderStatus::Expired
                | PaymentOrderStatus::Canceled
                | PaymentOrderStatus::Unknown => "",
            },
        }
    });
    let payments = DetailedStatus::TABLE.iter().map(|(_, word, status)| StatusRow {
        member: "detailedStatus",
        word: (*word).to_owned(),
        status: *status,
        note: match *word {
            "CAPTURED" => "less what was given back: `partially_refunded`, `refunded`",
            "REFUSED" | "ABANDONED" | "ERROR" | "EXPIRED" | "CANCELLED" | "CAPTURE_FAILED" => {
                "does not count while another payment remains; of several such the latest decides"
            }
            _ => "",
        },
    });
    Tables {
        title: "Lyra REST API V4",
        brands: BRANDS.iter().map(|(brand, _)| *brand).collect(),
        notes: &[
            "Brands of Latin America (`micuentaweb`, `payzen-latam`, `payzen-brasil`, `cobroinmediato`), and accounts that name their server instead: CLP CRC GTQ HNL NIO SVC UYU too.",
            "The server of `payzen-india` is gone (seen by a third party, read 2026-12-01): name another as `base_url`.",
        ],
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
