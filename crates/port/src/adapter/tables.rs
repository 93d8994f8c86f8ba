//! What an adapter's tables say, as data: the documentation is generated from them.

use super::{Capabilities, ErrorKind};
use crate::domain::OrderStatus;

/// One word of a provider for a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRow {
    /// The member it stands in, in the provider's spelling.
    pub member: &'static str,
    /// The provider's word.
    pub word: String,
    /// What it means here.
    pub status: OrderStatus,
    /// When that depends on something else.
    pub note: &'static str,
}

/// One error code of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorRow {
    /// The member it stands in, where a provider has several lists of codes; else empty.
    pub member: &'static str,
    /// The provider's code.
    pub code: String,
    /// What it means here; `None`: it is no failure.
    pub kind: Option<ErrorKind>,
    /// The member of our API it objects to.
    pub pointer: Option<&'static str>,
    /// Its meaning in words.
    pub meaning: &'static str,
    /// Whether the same request may succeed later without being changed.
    pub retryable: bool,
}

/// Everything an adapter's tables say.
#[derive(Debug, Clone)]
pub struct Tables {
    /// The platform's name, for people.
    pub title: &'static str,
    /// Its white-labels known here.
    pub brands: Vec<&'static str>,
    /// What a reader of the list of brands and currencies must know besides.
    pub notes: &'static [&'static str],
    /// Words for states.
    pub statuses: Vec<StatusRow>,
    /// Error codes.
    pub errors: Vec<ErrorRow>,
    /// What an account can do.
    pub capabilities: &'static Capabilities,
}
