//! Ending a connection by force.

use tokio_util::sync::CancellationToken;

/// Ends the connection that a request came on, whatever is still to be written to it. Every request has one in its extensions.
#[derive(Debug, Clone, Default)]
pub(super) struct Hangup(CancellationToken);

impl Hangup {
    /// Ends the connection. Does nothing when it has ended.
    pub(super) fn cut(&self) {
        self.0.cancel();
    }

    /// Resolves when the connection is to end.
    pub(super) async fn asked(&self) {
        self.0.cancelled().await;
    }
}
