//! What is drawn of the detections of an image, and how well they find its objects.
//!
//! `$$ F_1 = \frac{2\,TP}{\mathrm{detections} + \mathrm{objects}} $$`
//!
//! Detections have a score of at least [`MIN_SCORE`](super::MIN_SCORE). Each, the best score first, gets the free
//! object of its class with the largest IoU of at least 0.5; TP is the number of those that get one. An image with
//! neither detections nor objects has an F1 of 1.

use crate::structures::{Mask, mask_thumbnail, rle};
use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};

/// Scores are kept in parts of this.
const PARTS: f64 = 10_000.0;

/// The detections of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// The number of objects that are not groups.
    pub objects: usize,
    /// The detections, the best score first. Those that overlap a group more than any single object are left out.
    pub found: Vec<DrawnDetection>,
}

/// A detection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawnDetection {
    /// Its class.
    pub class: usize,
    /// Its score in parts of 10,000.
    score: u32,
    /// The place of the annotation that it gets in the list of its image; none if it is wrong.
    pub object: Option<usize>,
    /// The runs of the small copy of its mask, as COCO writes them.
    mask: String,
}

impl Drawn {
    /// The F1 of the image.
    pub fn f1(&self) -> f64 {
        let right = self.found.iter().filter(|one| one.object.is_some()).count();
        match self.found.len() + self.objects {
            0 => 1.0,
            all => 2.0 * right as f64 / all as f64,
        }
    }
}

impl DrawnDetection {
    /// A detection with the mask `mask`, which has the size of its image.
    pub fn new(class: usize, score: f64, object: Option<usize>, mask: &Mask) -> Self {
        Self {
            class,
            score: (score.clamp(0.0, 1.0) * PARTS).round() as u32,
            object,
            mask: packed(mask),
        }
    }

    /// Its score.
    pub fn score(&self) -> f64 {
        f64::from(self.score) / PARTS
    }

    /// The small copy of its mask, of a small picture with this size.
    ///
    /// # Errors
    /// The runs are damaged.
    pub fn mask(&self, size: (usize, usize)) -> Result<Mask> {
        unpacked(&self.mask, size)
    }
}

/// The runs of the small copy of a mask, as COCO writes them.
pub fn packed(mask: &Mask) -> String {
    hotcoco::mask::rle_to_string(&rle::encode(&mask_thumbnail(mask)))
}

/// The small copy of a mask with the runs `text`, of a small picture with this size.
///
/// # Errors
/// The runs are damaged, or of another size.
pub fn unpacked(text: &str, (height, width): (usize, usize)) -> Result<Mask> {
    let runs = hotcoco::mask::rle_from_string(text, height as u32, width as u32)
        .map_err(|error| anyhow!("a mask of {height} x {width} pixels: {error}"))?;
    let length: u64 = runs.counts.iter().map(|count| u64::from(*count)).sum();
    match length == (height * width) as u64 {
        true => Ok(rle::decode(&runs)),
        false => Err(anyhow!(
            "a mask of {height} x {width} pixels has runs of {length}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(object: Option<usize>) -> DrawnDetection {
        DrawnDetection::new(1, 0.75, object, &Mask::new(2, 2, vec![1, 0, 0, 1]))
    }

    #[test]
    fn f1_counts_right_detections_twice_and_errors_of_both_kinds_once() {
        let of = |objects, found: &[Option<usize>]| {
            let found = found.iter().map(|object| detection(*object)).collect();
            Drawn { objects, found }.f1()
        };
        assert_eq!(of(0, &[]), 1.0);
        assert_eq!(of(2, &[]), 0.0);
        assert_eq!(of(2, &[Some(0), Some(1)]), 1.0);
        // One right, two invented, two missed.
        assert_eq!(of(3, &[Some(0), None, None]), 2.0 / 6.0);
    }

    #[test]
    fn a_mask_is_kept_as_its_small_copy_and_a_damaged_one_is_refused() {
        let one = detection(None);
        assert_eq!(one.mask((2, 2)).unwrap().bits, [1, 0, 0, 1]);
        assert_eq!(one.score(), 0.75);
        assert!(one.mask((3, 2)).is_err(), "another size");
        assert!(unpacked("\u{1}", (2, 2)).is_err());
        let large = Mask::new(640, 640, vec![1; 640 * 640]);
        let small = DrawnDetection::new(0, 1.0, None, &large)
            .mask((320, 320))
            .unwrap();
        assert_eq!(small.area(), 320 * 320);
    }
}
