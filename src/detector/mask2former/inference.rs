//! What a model says about pictures, Mask2Former's instance inference (https://arxiv.org/abs/2112.01527, section 1.7 of its
//! reference implementation's `instance_inference`).
//!
//! The `top` (query, class) pairs by class probability (softmax over K + 1, no-object left out); mask = logit > 0; score = class
//! probability times mask quality (eq. 4 of PL-DC). No suppression of duplicates, no score threshold. Logits are resized
//! to the padded input, cropped to the picture and resized to the size that is asked for.

use super::candidates::{ClassView, Fetched, Planes, class_views, last, top_pairs};
use crate::detector::quality::{mask_quality, of_foreground};
use crate::graph::{Mask2Former, Predictions};
use crate::ops;
use crate::structures::{Detection, Mask, Picture};
use crate::tensor::Tape;
use rayon::prelude::*;

/// The detections of every picture, in order of falling class probability. `sizes`: (height, width) of the masks of each
/// picture, its own or that of the picture it was resized from.
///
/// Pairs whose mask is empty are left out: their score is 0 and no object overlaps them, so no metric can tell.
pub fn predict(
    model: &Mask2Former,
    pictures: &[&Picture],
    sizes: &[(usize, usize)],
    top: usize,
) -> Vec<Vec<Detection>> {
    let images = model.normalise(pictures);
    let predictions = model.forward(&mut Tape::off(), &images);
    let padded = (images.height, images.width);
    // What lies on a GPU is fetched by this thread, whose work it is.
    let chosen: Vec<Chosen> = (0..pictures.len())
        .map(|image| Chosen::new(&predictions, image, top))
        .collect();
    chosen
        .par_iter()
        .zip(pictures)
        .zip(sizes)
        .map(|((chosen, picture), size)| {
            let own = (picture.height, picture.width);
            chosen.detections(padded, own, *size)
        })
        .collect()
}

/// The detections of image `image` of `predictions`. Sizes, each (height, width): `padded` of the network's input, `own` of the
/// picture in it, `size` of the masks.
pub fn detections(
    predictions: &Predictions,
    image: usize,
    padded: (usize, usize),
    own: (usize, usize),
    size: (usize, usize),
    top: usize,
) -> Vec<Detection> {
    Chosen::new(predictions, image, top).detections(padded, own, size)
}

/// The class distributions of the queries of image `image`.
fn views_of(predictions: &Predictions, image: usize) -> Vec<ClassView> {
    let classes = &last(predictions).classes;
    let first = image * predictions.queries;
    let rows: Vec<usize> = (first..first + predictions.queries).collect();
    class_views(&ops::rows_on_host(classes, &rows), classes.columns())
}

/// The pairs of an image that are detected, with their masks as the network gives them, in the memory of the host.
struct Chosen {
    /// Query, class, probability.
    pairs: Vec<(usize, usize, f32)>,
    /// In order.
    queries: Vec<usize>,
    planes: Fetched,
}

impl Chosen {
    fn new(predictions: &Predictions, image: usize, top: usize) -> Self {
        let views = views_of(predictions, image);
        let rows = views.iter().map(|view| &view.all[..view.objects.len()]);
        let pairs = top_pairs(rows, top);
        let mut queries: Vec<usize> = pairs.iter().map(|(query, ..)| *query).collect();
        queries.sort_unstable();
        queries.dedup();
        Self {
            planes: Planes::of(predictions, image).fetched(&queries),
            pairs,
            queries,
        }
    }

    /// As [`detections`].
    fn detections(
        &self,
        padded: (usize, usize),
        own: (usize, usize),
        size: (usize, usize),
    ) -> Vec<Detection> {
        let mut masks: Vec<Option<(Mask, f32)>> = vec![None; self.queries.len()];
        let mut found = Vec::new();
        for (query, class, probability) in &self.pairs {
            let place = self.queries.partition_point(|other| other < query);
            let (mask, quality) = masks[place].get_or_insert_with(|| {
                let logits = self.planes.resized(place, padded.0, padded.1);
                let lines = logits.chunks_exact(padded.1).take(own.0);
                let mut logits: Vec<f32> = lines.flat_map(|line| &line[..own.1]).copied().collect();
                if size != own {
                    logits = ops::resize_planes(&logits, 1, own, size);
                }
                let quality = mask_quality(logits.iter().copied()).0;
                (Mask::from_logits(&logits, size.0, size.1), quality)
            });
            if *quality > 0.0 {
                found.push(Detection {
                    class: *class,
                    score: probability * *quality,
                    mask: mask.clone(),
                });
            }
        }
        found
    }
}

/// What a prediction is worth, before any choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Qualities {
    /// `[Q, K]`: softmax over K + 1, no-object left out (eq. 3 of PL-DC).
    pub classes: Vec<f32>,
    /// `[Q]`: mean foreground probability of the mask (eq. 4).
    pub masks: Vec<f32>,
}

/// The qualities of image `image`; masks are looked at in the size of the input, `padded`.
pub fn qualities(predictions: &Predictions, image: usize, padded: (usize, usize)) -> Qualities {
    let views = views_of(predictions, image);
    let classes = views
        .iter()
        .flat_map(|view| &view.all[..view.objects.len()]);
    let rows = image * predictions.queries..(image + 1) * predictions.queries;
    let from = (predictions.height, predictions.width);
    let masks = ops::foreground(&last(predictions).masks, rows, from, padded).wait();
    Qualities {
        classes: classes.copied().collect(),
        masks: masks
            .into_iter()
            .map(|mask| of_foreground(mask).0)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::mask2former::candidates::tests::predictions_at;
    use crate::ops::check::on_every_place;

    on_every_place! {
        fn detections_are_cropped_and_scored(place) {
            // By probability: (0, 0), (1, 0), (1, 1), (0, 1); then the third query, whose mask is empty.
            let found = detections(&predictions_at(place), 0, (8, 8), (8, 5), (8, 5), 4);
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
            assert_eq!(
                detections(&predictions_at(place), 0, (8, 8), (8, 5), (8, 5), 100).len(),
                4
            );
            let large = detections(&predictions_at(place), 0, (8, 8), (8, 5), (16, 10), 4);
            assert_eq!((large[0].mask.height, large[0].mask.width), (16, 10));
            assert!(
                (70..=90).contains(&large[0].mask.area()),
                "four times {}",
                first.mask.area()
            );
            // The second query's mask lies in the last row alone.
            assert_eq!(
                detections(&predictions_at(place), 0, (8, 8), (7, 5), (7, 5), 100).len(),
                2
            );
        }
    }

    on_every_place! {
        fn qualities_are_those_of_the_formulas(place) {
            let found = qualities(&predictions_at(place), 0, (8, 8));
            assert_eq!((found.classes.len(), found.masks.len()), (6, 3));
            assert!(found.masks[0] > 0.95 && found.masks[1] < 0.63 && found.masks[2] == 0.0);
        }
    }
}
