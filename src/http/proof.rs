//! The proof of who a caller is, for work that goes on after its request: enough to ask again later, and no secret.

use std::sync::Arc;

use super::peer::Peer;
use crate::{config::JwtSettings, domain::Timestamp};

/// The proof of who a caller is.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// Nothing had to be proved.
    NotNeeded,
    /// An API key, by its SHA-256.
    Key([u8; 32]),
    /// The certificate of this connection.
    Certificate(Arc<Peer>),
    /// The word of a gateway: the name it gave, and the connection of the gateway.
    Gateway(String, Arc<Peer>),
    /// A token.
    Token {
        /// When what it began must end.
        expires_at: Timestamp,
        /// Whose tokens are taken, and how, when it was taken.
        issuer: Arc<JwtSettings>,
    },
}

impl Proof {
    /// When it ends by itself; `None` when it holds until the configuration changes.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::Token { expires_at, .. } => Some(*expires_at),
            Self::NotNeeded | Self::Key(_) | Self::Certificate(_) | Self::Gateway(..) => None,
        }
    }
}
