//! `harness eval`: the COCO metrics of a file of detections.

use crate::atomic::write_atomically;
use crate::eval::score_files;
use crate::experiment::trial::inputs::CommandError;
use std::path::Path;

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The numbers, for people.
    pub text: String,
    /// Possible mistakes in the files.
    pub warnings: Vec<String>,
}

/// Compares the detections in `found` with the annotations in `truth`, and writes the numbers to `csv` if it
/// is given.
///
/// # Errors
/// A file is not in COCO's format, or the CSV file cannot be written.
pub fn evaluate(truth: &Path, found: &Path, csv: Option<&Path>) -> Result<Scores, CommandError> {
    let scores = score_files(truth, found).map_err(CommandError::Input)?;
    if let Some(csv) = csv {
        write_atomically(csv, scores.csv().as_bytes()).map_err(CommandError::Output)?;
    }
    Ok(Scores {
        text: scores.text(),
        warnings: scores.warnings,
    })
}
