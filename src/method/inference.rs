//! What a model says about pictures, Mask2Former's instance inference (https://arxiv.org/abs/2112.01527, section 1.7 of its
//! reference implementation's `instance_inference`).
//!
//! The `top` (query, class) pairs by class probability (softmax over K + 1, no-object left out); mask = logit > 0; score = class
//! probability times mask quality (eq. 4 of PL-DC). No suppression of duplicates, no score threshold. Logits are resized
//! to the padded input and cropped to the picture.

use super::candidates::{Planes, class_views, top_pairs};
use super::quality::mask_quality;
use crate::graph::{Mask2Former, Predictions};
use crate::structures::{Detection, Mask, Picture};
use crate::tensor::Tape;
use rayon::prelude::*;

/// The detections of every picture at the picture's own size, in order of falling class probability.
///
/// Pairs whose mask is empty are left out: their score is 0 and no object overlaps them, so no metric can tell.
pub fn predict(model: &Mask2Former, pictures: &[&Picture], top: usize) -> Vec<Vec<Detection>> {
    let images = model.normalise(pictures);
    let predictions = model.forward(&mut Tape::off(), &images);
    let padded = (images.height, images.width);
    pictures
        .par_iter()
        .enumerate()
        .map(|(image, picture)| {
            detections(
                &predictions,
                image,
                padded,
                (picture.height, picture.width),
                top,
            )
        })
        .collect()
}

fn detections(
    predictions: &Predictions,
    image: usize,
    padded: (usize, usize),
    (height, width): (usize, usize),
    top: usize,
) -> Vec<Detection> {
    let planes = Planes::of(predictions, image);
    let views = class_views(predictions, image);
    let rows = views.iter().map(|view| &view.all[..view.objects.len()]);
    let mut masks: Vec<Option<(Mask, f32)>> = vec![None; predictions.queries];
    let mut found = Vec::new();
    for (query, class, probability) in top_pairs(rows, top) {
        let (mask, quality) = masks[query].get_or_insert_with(|| {
            let logits = planes.resized(query, padded.0, padded.1);
            let lines = logits.chunks_exact(padded.1).take(height);
            let cropped: Vec<f32> = lines.flat_map(|line| &line[..width]).copied().collect();
            let quality = mask_quality(cropped.iter().copied()).0;
            (Mask::from_logits(&cropped, height, width), quality)
        });
        if *quality > 0.0 {
            found.push(Detection {
                class,
                score: probability * *quality,
                mask: mask.clone(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::candidates::tests::predictions;

    #[test]
    fn detections_are_cropped_and_scored() {
        // By probability: (0, 0), (1, 0), (1, 1), (0, 1); then the third query, whose mask is empty.
        let found = detections(&predictions(), 0, (8, 8), (8, 5), 4);
        assert_eq!(
            found.iter().map(|d| d.class).collect::<Vec<_>>(),
            [0, 0, 1, 1]
        );
        let first = &found[0];
        assert_eq!(
            (first.mask.height, first.mask.width, first.mask.area()),
            (8, 5, 20)
        );
        assert!(first.score > 0.9 && first.score < 0.99, "{}", first.score);
        assert_eq!(found[1].mask, found[2].mask);
        assert_eq!(detections(&predictions(), 0, (8, 8), (8, 5), 100).len(), 4);
        // The second query's mask lies in the last row alone.
        assert_eq!(detections(&predictions(), 0, (8, 8), (7, 5), 100).len(), 2);
    }
}
