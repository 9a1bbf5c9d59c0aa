//! The key `check` of datasets that are files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The check of every picture before a training. It changes no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckPictures {
    /// A sweep decodes each picture once before its first training, and again after its file has changed.
    Once,
    /// A damaged picture is found when a training or an evaluation reads it.
    Never,
}
