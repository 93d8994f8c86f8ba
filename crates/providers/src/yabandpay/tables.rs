//! This adapter's tables, for the documentation.

use super::{
    adapter::CAPABILITIES,
    error::ERROR_CODES,
    status::{PAYMENT_STATES, REFUND_STATES, RefundProgress},
};
use guichet_port::{
    adapter::{ErrorRow, StatusRow, Tables},
    domain::OrderStatus,
};

/// What is documented of YabandPay.
pub(super) fn tables() -> Tables {
    let payments = PAYMENT_STATES.iter().map(|state| StatusRow {
        member: "state",
        word: state.word.to_owned(),
        status: state.status,
        note: if state.status == OrderStatus::Paid {
            "less what was given back here: `partially_refunded`, `refunded`"
        } else {
            ""
        },
    });
    let refunds = REFUND_STATES.iter().map(|state| StatusRow {
        member: "refund state",
        word: state.word.to_owned(),
        status: match state.progress {
            RefundProgress::Done => OrderStatus::PartiallyRefunded,
            RefundProgress::Accepted | RefundProgress::Refused => OrderStatus::Paid,
        },
        note: match state.progress {
            RefundProgress::Accepted => {
                "the refund is `accepted`, its amount in `refund_pending`; the status does not change"
            }
            RefundProgress::Done => "the refund is `succeeded`; `refunded` when it is of all",
            RefundProgress::Refused => "the refund is `refused`",
        },
    });
    Tables {
        title: "YabandPay API v3",
        brands: Vec::new(),
        notes: &[],
        statuses: payments.chain(refunds).collect(),
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
