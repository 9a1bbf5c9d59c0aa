//! `harness eval`: the COCO metric of a file of detections.

use crate::atomic::write_atomically;
use crate::eval::score_files;
use crate::experiment::trial::inputs::Stop;
use std::path::Path;

/// What an evaluation has to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The numbers, for a human.
    pub text: String,
    /// What in the files may not be meant so.
    pub warnings: Vec<String>,
}

/// Compares the detections in `found` with the annotations in `truth`, and writes the numbers to `csv`, where it is given.
///
/// # Errors
/// A file that is not COCO's; a CSV file that cannot be written.
pub fn evaluate(truth: &Path, found: &Path, csv: Option<&Path>) -> Result<Scores, Stop> {
    let scores = score_files(truth, found).map_err(Stop::Input)?;
    if let Some(csv) = csv {
        write_atomically(csv, scores.csv().as_bytes()).map_err(Stop::Output)?;
    }
    Ok(Scores {
        text: scores.text(),
        warnings: scores.warnings,
    })
}
