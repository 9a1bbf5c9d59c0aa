//! The `harness` binary.

use std::process::ExitCode;

/// Training allocates and frees the same buffers at every step from several threads; mimalloc is fast at
/// that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    harness::cli::keep_freed_memory();
    harness::cli::run()
}
