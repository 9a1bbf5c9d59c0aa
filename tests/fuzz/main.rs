//! Random files for every reader of files from outside: COCO annotations and results, lists of splits, safetensors,
//! configurations of released networks, PNG and JPEG. A reader ends with a value or with an error that names
//! the file; it never panics, and its memory stays bounded, whatever sizes the file claims.

mod changes;
mod coco;
mod images;
mod memory;
mod split;
mod weights;

use proptest::prelude::*;
use std::path::Path;

/// `count` cases of a property in an optimised build; a hundredth of them in the dev profile. The properties of every
/// kind of file have at least 10,000 cases together. A failed case is printed, not kept in a file.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        cases: match cfg!(debug_assertions) {
            true => count / 100,
            false => count,
        },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A small file or folder of the golden tests.
fn golden(path: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.join("tests/golden").join(path)
}
