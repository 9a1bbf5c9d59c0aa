//! The COCO metrics of two files: annotations in COCO's format and detections in COCO's results format
//! (<https://cocodataset.org/#format-results>), read as `pycocotools` 2.0.11 reads them.
//!
//! If pycocotools stops with an exception, this program stops with a message, except that
//! - an empty list of detections scores 0 (pycocotools: `IndexError`);
//! - an annotation without `iscrowd` is not a crowd, one without `area` has that of its mask, and one without
//!   `bbox` has that of its mask (pycocotools: `KeyError`);
//! - an annotation of which no mask can be made counts as missed by the masks, and by the boxes it counts as it does in
//!   pycocotools; if there is no mask at all, only the boxes have numbers;
//! - masks of detections may be polygons or uncompressed runs, with or without a box (pycocotools: only with
//!   a box).

mod results;
mod truth;

use super::metric::{Curves, Pair};
use super::summary::{METRICS, Summary, UNDEFINED, seventeen_digits};
use anyhow::Result;
use hotcoco::{IouType, Rle};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Upper bounds of COCO's area ranges `small` and `medium`, in pixels.
const AREA_BOUNDS: [f64; 2] = [1024.0, 9216.0];

/// The metric of a pair of files.
#[derive(Clone, Debug, PartialEq)]
pub struct FileScores {
    /// By the masks; -1 where no annotation has one.
    pub segm: Summary,
    /// By the boxes.
    pub bbox: Summary,
    /// Possible mistakes in the files.
    pub warnings: Vec<String>,
}

/// Compares the detections in the file `found` with the annotations in the file `truth`.
///
/// # Errors
/// A file that cannot be read, or is not what it should be: one line that names it.
pub fn score_files(truth: &Path, found: &Path) -> Result<FileScores> {
    let mut warnings = Vec::new();
    let truth = truth::read(truth, &mut warnings)?;
    let found = results::read(found, &truth, &mut warnings)?;
    let pair = Pair {
        truth: Arc::new(truth.annotations),
        found: Arc::new(found),
        zero: truth.zero,
    };
    let scores = |by| Ok::<_, anyhow::Error>(Curves::new(&pair, by, AREA_BOUNDS)?.summary());
    Ok(FileScores {
        segm: match truth.has_masks {
            true => scores(IouType::Segm)?,
            false => Summary(METRICS.each_ref().map(|_| UNDEFINED)),
        },
        bbox: scores(IouType::Bbox)?,
        warnings,
    })
}

/// The mask of an object that has none, in an image of `[height, width]` pixels.
fn empty_mask([height, width]: [u32; 2]) -> Rle {
    Rle {
        h: height,
        w: width,
        counts: vec![height.saturating_mul(width)],
    }
}

impl FileScores {
    fn parts(&self) -> [(&'static str, Summary); 2] {
        [("segm", self.segm), ("bbox", self.bbox)]
    }

    /// The numbers for people, in pycocotools' lines.
    pub fn text(&self) -> String {
        self.parts()
            .map(|(name, summary)| format!("{name}\n{summary}"))
            .join("\n")
    }

    /// `type,metric,value`, values with 17 significant digits.
    pub fn csv(&self) -> String {
        let mut text = "type,metric,value\n".to_string();
        for (part, summary) in self.parts() {
            for (name, value) in summary.named() {
                let _ = writeln!(text, "{part},{name},{}", seventeen_digits(value));
            }
        }
        text
    }
}
