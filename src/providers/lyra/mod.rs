//! Lyra REST API V4.
