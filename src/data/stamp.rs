//! The state of a file, by which a later run sees that the file has not changed since.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// The state of a file or folder: its size in bytes, and the time of its last change in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp(u64, u128);

impl Stamp {
    /// The state of the file `path`; none if it does not exist or the system does not tell.
    pub fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        let changed = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self(found.len(), changed.as_nanos()))
    }
}
