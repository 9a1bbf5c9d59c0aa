//! `harness eval`: the COCO metrics, or the official AP of Cityscapes, of files of detections.

use crate::atomic::write_atomically;
use crate::eval::{score_cityscapes, score_files};
use crate::experiment::trial::inputs::CommandError;
use anyhow::Result;
use std::path::Path;

/// The ground truth of an evaluation.
#[derive(Clone, Copy, Debug)]
pub enum EvalTruth<'a> {
    /// A file of COCO annotations; the metrics are COCO's.
    Coco(&'a Path),
    /// Cityscapes; the metric is its official AP.
    Cityscapes {
        /// The folder of the dataset, or one of images of ids.
        root: &'a Path,
        /// The COCO annotations that the ids of COCO results are of.
        ids: Option<&'a Path>,
    },
}

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The numbers, for people.
    pub text: String,
    /// Possible mistakes in the files.
    pub warnings: Vec<String>,
}

/// The numbers of an evaluation in both of its forms.
struct Numbers {
    scores: Scores,
    csv: String,
}

/// Compares the detections in `found` with `truth`, and writes the numbers to `csv` if it is given.
///
/// # Errors
/// A file is not in its format, or the CSV file cannot be written.
pub fn evaluate(
    truth: EvalTruth,
    found: &Path,
    csv: Option<&Path>,
) -> Result<Scores, CommandError> {
    let numbers = numbers(truth, found).map_err(CommandError::Input)?;
    if let Some(csv) = csv {
        write_atomically(csv, numbers.csv.as_bytes()).map_err(CommandError::Output)?;
    }
    Ok(numbers.scores)
}

fn numbers(truth: EvalTruth, found: &Path) -> Result<Numbers> {
    let (text, csv, warnings) = match truth {
        EvalTruth::Coco(annotations) => {
            let scores = score_files(annotations, found)?;
            (scores.text(), scores.csv(), scores.warnings)
        }
        EvalTruth::Cityscapes { root, ids } => {
            let scores = score_cityscapes(root, found, ids)?;
            (scores.text(), scores.csv(), scores.warnings)
        }
    };
    Ok(Numbers {
        scores: Scores { text, warnings },
        csv,
    })
}
