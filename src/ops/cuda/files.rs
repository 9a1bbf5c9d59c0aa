//! The files of kernels, found in the folders of the ops: for tests of all of them.

use crate::tensor::cuda::Source;
use std::fs;
use std::path::{Path, PathBuf};

/// Every file of kernels under `ops`, in the order of their paths.
pub(in crate::ops) fn files() -> Vec<PathBuf> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "cu") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    let ops = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops");
    visit(Path::new(ops), &mut found);
    found.sort();
    found
}

/// The name of a file of kernels, without its ending.
pub(in crate::ops) fn name(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_string()
}

/// The kernels of a file as the program gives them to the compiler.
#[cfg_attr(
    not(feature = "cuda"),
    expect(dead_code, reason = "there is no compiler")
)]
pub(in crate::ops) fn source(file: &Path) -> Source {
    Source {
        name: name(file).leak(),
        text: fs::read_to_string(file).unwrap().leak(),
        headers: super::HEADERS,
    }
}
