//! Notifications (IPN) come in a later stage.
