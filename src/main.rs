//! The `guichet` program.

use std::process::ExitCode;

/// Requests are made of many small, short-lived pieces.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    guichet::cli::run().await
}
