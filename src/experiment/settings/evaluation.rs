//! The table `[eval]`.

use crate::data::augment::{fitted, fitted_size};
use crate::eval;
use crate::registry::{Check, Checked};
use crate::structures::{LARGEST_SIDE, Picture};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest number of query-class pairs of an image.
const MOST_PAIRS: usize = 1_000_000;

/// `[eval]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvalConfig {
    /// The longer side of an evaluated picture, which is a maximum if `shorter` is given; 0 keeps the size.
    /// Masks are compared at the picture's own size.
    pub size: usize,
    /// The shorter side of an evaluated picture; 0 leaves it to `size`.
    pub shorter: usize,
    /// The number of query-class pairs per image.
    pub top: usize,
    /// The model whose metrics the tables show.
    pub model: EvalModel,
    /// The names of the evaluators, whose metrics all stand in the tables.
    pub metrics: Vec<String>,
}

impl EvalConfig {
    /// The picture in the size of the evaluation.
    pub fn view(&self, picture: &Picture) -> Picture {
        let [shorter, longer] = self.sides();
        fitted(picture, shorter, longer)
    }

    /// Rows and columns of [`Self::view`] of a picture with the rows and columns `size`.
    pub fn view_size(&self, size: (usize, usize)) -> (usize, usize) {
        let [shorter, longer] = self.sides();
        fitted_size(size, shorter, longer)
    }

    /// The shorter and the longer side, as far as they are given.
    fn sides(&self) -> [Option<usize>; 2] {
        [self.shorter, self.size].map(|side| (side > 0).then_some(side))
    }
}

/// A model at the end of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EvalModel {
    /// The network that made the pseudo-labels of the last phase: a moving average of the student, or a frozen network.
    Teacher,
    /// The network that was trained.
    Student,
    /// The student's average, which is only used for evaluation.
    Average,
}

impl EvalModel {
    /// The owner of its weights in a checkpoint.
    pub fn name(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
            Self::Student => "student",
            Self::Average => "average",
        }
    }
}

impl Checked for EvalConfig {
    fn check(&self, check: &mut Check) {
        check.range("size", self.size, 0..=LARGEST_SIDE);
        check.range("shorter", self.shorter, 0..=LARGEST_SIDE);
        check.range("top", self.top, 1..=MOST_PAIRS);
        eval::check_names(check, "metrics", &self.metrics);
    }
}
