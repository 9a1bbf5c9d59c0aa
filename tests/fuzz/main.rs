//! Random files for every reader of files from outside: COCO annotations and results, safetensors, configurations of
//! released networks, PNG and JPEG. A reader ends with a value or with an error that names the file; it never panics, and
//! its memory stays bounded, whatever sizes the file claims.

mod changes;
mod coco;
mod images;
mod memory;
mod weights;

use proptest::prelude::*;
use std::path::Path;

/// The number of cases of each property. All properties together have more than 10,000 in an optimised build.
const CASES: u32 = if cfg!(debug_assertions) { 40 } else { 2000 };

/// The configuration of all properties: a failed case is printed, not kept in a file.
fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A small file or folder of the golden tests.
fn golden(path: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.join("tests/golden").join(path)
}
