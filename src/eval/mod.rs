//! Metrics of detections against annotations: of what a trained network finds on its dataset's `val` images
//! ([`Evaluators`]), and of two files ([`score_files`]).
//!
//! A recipe names its evaluators (`eval.metrics`). **To add one**, write a file with its [`EvaluatorEntry`]
//! and name the entry in [`EVALUATORS`]; records, tables and `--metric` then know its metrics by their names.

pub mod analysis;
mod cityscapes;
mod coco;
mod evaluators;
mod files;
mod found;
mod metric;
mod scores;
mod summary;
mod zero_id;

pub use cityscapes::{CityscapesScores, score_cityscapes};
pub use coco::coco_metrics;
pub use evaluators::{Evaluators, check_names, metric_names};
pub use files::{FileScores, score_files};
pub use found::{Found, FoundObject};
pub use scores::Scores;
pub use summary::{METRICS, Metric, Summary};

use crate::data::{Dataset, Truth};
use anyhow::Result;

/// An evaluator that a recipe can name.
pub struct EvaluatorEntry {
    /// The name in the recipe.
    pub name: &'static str,
    /// One line for humans.
    pub about: &'static str,
    /// The names of its metrics, the most important one first. No other evaluator has one of these names.
    pub metrics: &'static [&'static str],
    /// Makes it for the classes of a dataset, before it has seen an annotation.
    pub new: fn(&Dataset) -> Box<dyn Evaluator>,
}

/// A metric, or a family of metrics, of detections against the annotations of a dataset. A metric is in percent, and
/// larger is better: the verdicts of a table rely on it.
pub trait Evaluator: Send + Sync {
    /// Takes the annotations of one image. It is called for every image before anything is evaluated.
    fn annotate(&mut self, truth: &Truth);

    /// The metrics of what one model found, under the names of its entry. Images without a detection count.
    ///
    /// # Errors
    /// The metric fails.
    fn evaluate(&self, found: Found) -> Result<Scores>;
}

/// The evaluators that a recipe can name in `eval.metrics`.
pub const EVALUATORS: &[EvaluatorEntry] = &[coco::ENTRY, cityscapes::ENTRY];
