//! Lyra REST API V4.

use crate::adapter::ProviderDescription;

/// Lyra, for the registry.
pub const DESCRIPTION: ProviderDescription = ProviderDescription {
    id: "lyra",
    build: |_, _, _| Err(Vec::new()),
    options_schema: || serde_json::Value::Null,
};
