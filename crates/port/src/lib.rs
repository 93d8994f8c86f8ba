//! What guichet asks of a payment platform, in canonical terms, and what all adapters share.
//!
//! [`domain`] is the vocabulary, [`adapter`] the port and the one way out to providers, [`settings`] how the account of a
//! platform is configured. Nothing here knows the service.

pub mod adapter;
pub mod domain;
pub mod settings;
