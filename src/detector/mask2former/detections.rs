//! Detections by Mask2Former's instance inference (<https://arxiv.org/abs/2112.01527>; `instance_inference` of the
//! reference implementation).
//!
//! The detections are the `top` (query, class) pairs by class probability: a softmax over K + 1 classes, without
//! no-object. The mask is logit > 0. The score is class probability times mask quality (eq. 4 of PL-DC). Duplicates are
//! not suppressed, and there is no score threshold. Logits are resized to the padded input, cropped to the picture, and
//! resized to the wanted size.

use super::planes::{Fetched, MaskPlanes, last};
use super::scores::{ClassView, class_views, pairs};
use crate::detector::quality::{arg_max, mask_quality, of_foreground};
use crate::detector::{CandidateChoice, Judged, MaskQuality, RawArray, Score, Selection};
use crate::graph::Predictions;
use crate::ops;
use crate::structures::{Detection, Mask};
use rayon::prelude::*;

/// The predictions of a batch with the sizes of its images.
#[derive(Clone, Copy)]
pub(super) struct Predicted<'a> {
    pub predictions: &'a Predictions,
    /// Rows and columns of each image without the padding.
    pub sizes: &'a [(usize, usize)],
    /// Rows and columns of the padded input.
    pub padded: (usize, usize),
}

/// The detections of every image of `output`, sorted by class probability. `sizes`: rows and columns of the masks of
/// each image.
///
/// Pairs with an empty mask are left out. Their score is 0 and they overlap no object, so no metric changes.
pub(super) fn judged(output: Predicted, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Judged>> {
    // This thread copies the logits from the GPU; the others compute on the CPU.
    let chosen: Vec<Chosen> = (0..output.predictions.batch)
        .map(|image| Chosen::new(output, image, top))
        .collect();
    chosen
        .par_iter()
        .zip(output.sizes)
        .zip(sizes)
        .map(|((chosen, own), size)| chosen.detections(output.padded, *own, *size))
        .collect()
}

/// The class distributions of the queries of image `image`.
fn views_of(predictions: &Predictions, image: usize) -> Vec<ClassView> {
    let classes = &last(predictions).classes;
    let first = image * predictions.queries;
    let rows: Vec<usize> = (first..first + predictions.queries).collect();
    class_views(&ops::rows_on_host(classes, &rows), classes.columns())
}

/// The detected pairs of an image and the mask logits of their queries, in the memory of the CPU.
struct Chosen {
    /// Query, class and probability of each pair.
    pairs: Vec<(usize, usize, f32)>,
    /// For each query of the image its most likely class, which may be no-object.
    first: Vec<usize>,
    /// The queries of the pairs, sorted, each once.
    queries: Vec<usize>,
    planes: Fetched,
}

impl Chosen {
    fn new(output: Predicted, image: usize, top: usize) -> Self {
        let predictions = output.predictions;
        let choice = CandidateChoice {
            score: Score::WithNoObject,
            selection: Selection::TopPairs,
            top,
            quality: MaskQuality::MeanForeground,
        };
        let views = views_of(predictions, image);
        let pairs = pairs(&views, choice);
        let mut queries: Vec<usize> = pairs.iter().map(|(query, ..)| *query).collect();
        queries.sort_unstable();
        queries.dedup();
        let row = |query: &usize| image * predictions.queries + query;
        let rows: Vec<usize> = queries.iter().map(row).collect();
        Self {
            planes: MaskPlanes::new(predictions, output.padded).fetched(&rows),
            first: views.iter().map(|view| arg_max(&view.all)).collect(),
            pairs,
            queries,
        }
    }

    /// The detections with masks of `size`. The logits are those of the `padded` input; the picture covers `own` of it.
    fn detections(
        &self,
        padded: (usize, usize),
        own: (usize, usize),
        size: (usize, usize),
    ) -> Vec<Judged> {
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
                let detection = Detection {
                    class: *class,
                    score: probability * *quality,
                    bounds: None,
                    mask: mask.clone(),
                };
                found.push(Judged {
                    detection,
                    class_quality: *probability,
                    mask_quality: *quality,
                    is_first: self.first[*query] == *class,
                });
            }
        }
        found
    }
}

/// The logits and the qualities of all queries of the first image:
///
/// - `class_logits` `[Q, K + 1]` and `mask_logits` `[Q, h, w]`;
/// - `class_quality` `[Q, K]`: the softmax over K + 1 classes, without no-object (eq. 3 of PL-DC);
/// - `mask_quality` `[Q]`: the mean foreground probability of the mask at the size of the padded input (eq. 4).
pub(super) fn raw(output: Predicted) -> Vec<RawArray> {
    let predictions = output.predictions;
    let &Predictions {
        queries,
        height,
        width,
        ..
    } = predictions;
    let layer = last(predictions);
    let columns = layer.classes.columns();
    let views = views_of(predictions, 0);
    let classes = views.iter().flat_map(ClassView::with_no_object);
    let masks = ops::foreground(&layer.masks, 0..queries, (height, width), output.padded);
    let masks = masks.wait().into_iter().map(|mask| of_foreground(mask).0);
    let rows: Vec<usize> = (0..queries).collect();
    let of_first = |all| ops::rows_on_host(all, &rows);
    vec![
        (
            "class_logits",
            (vec![queries, columns], of_first(&layer.classes)),
        ),
        (
            "mask_logits",
            (vec![queries, height, width], of_first(&layer.masks)),
        ),
        (
            "class_quality",
            (vec![queries, columns - 1], classes.copied().collect()),
        ),
        ("mask_quality", (vec![queries], masks.collect())),
    ]
}

#[cfg(test)]
mod tests {
    use crate::detector::Output;
    use crate::detector::mask2former::candidates::tests::predictions_at;
    use crate::detector::mask2former::criterion::Criterion;
    use crate::detector::mask2former::loss::tests::loss;
    use crate::detector::mask2former::output::Mask2FormerOutput;
    use crate::ops::check::on_every_place;
    use crate::tensor::Place;

    /// The example's output for a picture of `own` pixels, padded to 8 x 8.
    fn output(place: &Place, own: (usize, usize)) -> Mask2FormerOutput {
        Mask2FormerOutput {
            predictions: predictions_at(place),
            sizes: vec![own],
            padded: (8, 8),
            criterion: Criterion::new(loss()),
        }
    }

    on_every_place! {
        fn detections_are_cropped_and_scored(place) {
            let detect = |own, size, top| output(place, own).detect(&[size], top).remove(0);
            // By probability: (0, 0), (1, 0), (1, 1), (0, 1); then the third query, whose mask is empty.
            let found = detect((8, 5), (8, 5), 4);
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
            assert_eq!(detect((8, 5), (8, 5), 100).len(), 4);
            let large = detect((8, 5), (16, 10), 4);
            assert_eq!((large[0].mask.height, large[0].mask.width), (16, 10));
            assert!(
                (70..=90).contains(&large[0].mask.area()),
                "four times {}",
                first.mask.area()
            );
            // The second query's mask lies in the last row alone.
            assert_eq!(detect((7, 5), (7, 5), 100).len(), 2);
        }
    }

    on_every_place! {
        fn qualities_are_those_of_the_formulas(place) {
            let arrays = output(place, (8, 8)).raw();
            let named = |name| &arrays.iter().find(|(known, _)| *known == name).unwrap().1;
            let (classes, masks) = (named("class_quality"), named("mask_quality"));
            assert_eq!((&classes.0[..], &masks.0[..]), (&[3, 2][..], &[3][..]));
            assert_eq!((classes.1.len(), masks.1.len()), (6, 3));
            assert!(masks.1[0] > 0.95 && masks.1[1] < 0.63 && masks.1[2] == 0.0);
            assert_eq!(named("class_logits").0, [3, 3]);
            assert_eq!(named("mask_logits").1.len(), 3 * 16);
        }
    }
}
