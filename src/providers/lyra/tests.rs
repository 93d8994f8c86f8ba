//! The adapter's pure parts against the published samples.
