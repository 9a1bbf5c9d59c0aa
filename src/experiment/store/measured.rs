//! The result of a finished evaluation: the file `metrics.json` of its stage.

use crate::eval::Scores;
use anyhow::{Context, Result, bail};
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
    /// The names of the classes, in the order of the metrics of single classes; none in a file of an earlier
    /// program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

impl Evaluation {
    /// Reads the file `path`.
    ///
    /// # Errors
    /// The file is missing or damaged, or what it says is no result: see [`Self::check`].
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let read: Self = serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged", path.display()))?;
        read.check().with_context(|| path.display().to_string())?;
        Ok(read)
    }

    /// Checks that the first metric of every model has a value.
    ///
    /// # Errors
    /// One has none. The error names the metric.
    pub fn check(&self) -> Result<()> {
        let mut undefined = self
            .models
            .values()
            .map(|scores| scores.metrics.undefined());
        match undefined.find_map(|reason| reason) {
            Some(reason) => bail!(reason),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::coco_metrics;

    #[test]
    fn an_evaluation_without_a_value_is_no_result() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.json");
        let read = |mean_ap: Option<f64>| {
            let scores = Scores {
                metrics: coco_metrics([mean_ap, None, None, None, None, None]),
                ..Scores::default()
            };
            let evaluation = Evaluation {
                steps: 2,
                models: BTreeMap::from([("student".to_string(), scores)]),
                warnings: Vec::new(),
                classes: Vec::new(),
            };
            std::fs::write(&path, serde_json::to_string(&evaluation).unwrap()).unwrap();
            Evaluation::read(&path)
        };
        assert!(read(Some(0.0)).is_ok(), "0 is a value");
        let message = format!("{:#}", read(None).unwrap_err());
        assert!(message.contains("mAP is undefined"), "{message}");
    }
}
