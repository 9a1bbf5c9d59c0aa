//! The result of a finished evaluation: the file `metrics.json` of its stage.

use crate::eval::Scores;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The number of training steps.
    pub steps: usize,
    /// The metrics by the name of the model.
    pub models: BTreeMap<String, Scores>,
    /// Warnings for the reader of the tables.
    pub warnings: Vec<String>,
}

impl Evaluation {
    /// Reads the file `path`.
    ///
    /// # Errors
    /// The file is missing or damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }
}
