//! Settings as they are written, and accounts made of them. Which keys an account has is its adapter's knowledge.

mod account;
mod address;
mod error;
pub mod secret;
mod value;

pub use account::AccountSettings;
pub use address::{check_provider_url, is_loopback, plain_url};
pub use error::{KeyError, nearest, unknown, unknown_value};
pub use value::{Content, Origin, RawValue, Table, overlay};
