//! The `harness` binary.

use std::process::ExitCode;

/// Training makes and drops the same buffers at every step, from several threads: what mimalloc is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    harness::cli::run()
}
