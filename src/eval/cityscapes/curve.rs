//! From the overlaps of all images to the average precision of each class at each threshold.

use super::matching::Matches;
use std::array::from_fn;

/// The thresholds of intersection over union: numpy's `arange(0.5, 1, 0.05)` to the last bit.
pub const THRESHOLDS: [f64; 10] = [
    0.5,
    0.55,
    0.600_000_000_000_000_1,
    0.650_000_000_000_000_1,
    0.700_000_000_000_000_2,
    0.750_000_000_000_000_2,
    0.800_000_000_000_000_3,
    0.850_000_000_000_000_3,
    0.900_000_000_000_000_4,
    0.950_000_000_000_000_4,
];

/// The average precision of one class at each of [`THRESHOLDS`], in [0, 1]; none for a class without a judged object.
pub type ClassPrecision = Option<[f64; THRESHOLDS.len()]>;

/// The average precision of each class of `classes`, over all images.
pub fn precisions(images: &[Matches], classes: usize) -> Vec<ClassPrecision> {
    (0..classes)
        .map(|class| {
            let mut objects = images.iter().flat_map(|image| &image.objects);
            objects.any(|object| object.class == class).then(|| {
                from_fn(|index| {
                    let (mut points, missed) = points(images, class, THRESHOLDS[index]);
                    average_precision(&mut points, missed)
                })
            })
        })
        .collect()
}

/// The detections that count, each with its score and true if it is right, and the number of objects that none finds.
fn points(images: &[Matches], class: usize, threshold: f64) -> (Vec<(f64, bool)>, usize) {
    let (mut points, mut missed) = (Vec::new(), 0);
    for image in images {
        for object in image.objects.iter().filter(|one| one.class == class) {
            let fitting = object.touching.iter().filter(|(iou, _)| *iou > threshold);
            let mut best: Option<f64> = None;
            for (_, score) in fitting {
                // Of two detections of one object the one with the lower score is wrong.
                if let Some(other) = best {
                    points.push((other.min(*score), false));
                }
                best = Some(best.map_or(*score, |other| other.max(*score)));
            }
            match best {
                Some(score) => points.push((score, true)),
                None => missed += 1,
            }
        }
        let guesses = image.guesses.iter().filter(|one| one.class == class);
        let wrong = guesses.filter(|one| one.best <= threshold && one.ignored <= threshold);
        points.extend(wrong.map(|one| (one.score, false)));
    }
    (points, missed)
}

/// The area below the curve of precision over recall, without an envelope:
///
/// `$$ \sum_i p_i \, \frac{r_{i-1} - r_{i+1}}{2} $$`
///
/// over the distinct scores, ascending, and one more point with precision 1 and recall 0; before the first recall
/// stands the first again, and behind the last one 0. It is 0 without any point, where the official script stops
/// with an `IndexError` (its issue 89).
fn average_precision(points: &mut [(f64, bool)], missed: usize) -> f64 {
    points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let right = points.iter().filter(|(_, is_right)| *is_right).count();
    let (mut precision, mut recall) = (Vec::new(), Vec::new());
    let mut below = 0;
    for (index, (score, is_right)) in points.iter().enumerate() {
        if index == 0 || *score != points[index - 1].0 {
            let found = (right - below) as f64;
            precision.push(found / (points.len() - index) as f64);
            recall.push(found / (right + missed) as f64);
        }
        below += usize::from(*is_right);
    }
    precision.push(1.0);
    recall.push(0.0);
    let at = |index: usize| recall.get(index).copied().unwrap_or(0.0);
    let step = |index: usize| (at(index.saturating_sub(1)) - at(index + 1)) / 2.0;
    let areas = precision.iter().enumerate();
    areas.map(|(index, value)| value * step(index)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::cityscapes::matching::{Judged, Placed};

    #[test]
    fn the_area_is_that_of_numbers_worked_out_by_hand() {
        // One of two objects found, above one mistake: precision 1/2, 1, 1 at recall 1/2, 1/2, 0.
        let mut points = [(0.9, true), (0.4, false)];
        let expected = 0.5 * 0.0 + 1.0 * 0.25 + 1.0 * 0.25;
        assert_eq!(average_precision(&mut points, 1), expected);
        // All found, nothing wrong; one score for both.
        assert_eq!(average_precision(&mut [(0.9, true), (0.9, true)], 0), 1.0);
        assert_eq!(average_precision(&mut [], 3), 0.0);
        assert_eq!(average_precision(&mut [(0.3, false)], 3), 0.0);
    }

    #[test]
    fn an_overlap_equal_to_the_threshold_finds_nothing() {
        let guess = |best, ignored| Placed {
            class: 0,
            score: 0.7,
            best,
            ignored,
        };
        let image = |iou, ignored| Matches {
            objects: vec![Judged {
                class: 0,
                touching: vec![(iou, 0.7)],
            }],
            guesses: vec![guess(iou, ignored)],
        };
        let found = |image: Matches| precisions(&[image], 2)[0].unwrap();
        assert_eq!(found(image(0.5, 0.0))[0], 0.0);
        assert_eq!(found(image(0.51, 0.0))[..2], [1.0, 0.0]);
        assert_eq!(precisions(&[image(0.6, 0.0)], 2)[1], None, "no object");
        // It is ignored at the thresholds below its ignored share alone, and then nothing is left.
        let (points, missed) = points(&[image(0.2, 0.5)], 0, 0.5);
        assert_eq!((points.len(), missed), (1, 1));
        let (points, missed) = super::points(&[image(0.2, 0.501)], 0, 0.5);
        assert_eq!((points.len(), missed), (0, 1));
    }

    #[test]
    fn of_two_detections_of_an_object_the_better_one_is_right() {
        let image = Matches {
            objects: vec![Judged {
                class: 0,
                touching: vec![(0.9, 0.3), (0.8, 0.8), (0.7, 0.5)],
            }],
            guesses: Vec::new(),
        };
        let (mut found, missed) = points(&[image], 0, 0.5);
        found.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(
            (found, missed),
            (vec![(0.3, false), (0.5, false), (0.8, true)], 0)
        );
    }
}
