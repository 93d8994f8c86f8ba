//! Who calls.

use std::collections::BTreeSet;

use crate::config::{AllowedAccounts, Scope};

/// Who calls: a client with its scopes and the accounts it may use.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The client's name.
    pub client: String,
    /// The accounts it may use.
    pub accounts: AllowedAccounts,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The request, for the audit trail.
    pub request_id: String,
}
