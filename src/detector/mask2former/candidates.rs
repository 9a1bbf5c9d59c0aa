//! The proposals of the network for a batch: (query, class) pairs with their scores and masks, before any filter.
//!
//! Steps 1 to 3 of Mask2Former's inference at the padded input size, without resizing to the picture's own size
//! (released code of PL-DC). A mask is measured at full size and not kept; on a GPU it is never written. [`MaskPlanes`]
//! computes the masks that are needed later.

use super::planes::{MaskPlanes, last};
use super::scores::{ClassView, class_views, pairs};
use crate::detector::quality::of_foreground;
use crate::detector::{Candidate, CandidateChoice, MaskQuality, Proposals};
use crate::graph::Predictions;
use crate::ops::{self, Foreground};
use crate::tensor::Later;
use rayon::prelude::*;

/// The candidates of every image of `predictions`. Their masks are measured at `size`, the size of the padded input.
pub(super) fn proposals(
    predictions: &Predictions,
    size: (usize, usize),
    choice: CandidateChoice,
) -> Later<Proposals> {
    let layer = last(predictions);
    let (rows, columns) = (layer.classes.rows(), layer.classes.columns());
    let from = (predictions.height, predictions.width);
    let classes = layer.classes.later();
    let masks = ops::foreground(&layer.masks, 0..rows, from, size);
    let ious = match choice.quality {
        MaskQuality::MeanForeground => None,
        MaskQuality::IouHead => {
            let ious = layer.ious.as_ref();
            let ious = ious.expect("a recipe that asks for a head that is not there is refused");
            Some(ious.later())
        }
    };
    let planes = MaskPlanes::new(predictions, size);
    let queries = predictions.queries;
    Later::new(move || {
        let (classes, masks) = (classes.wait(), masks.wait());
        let ious = ious.map(Later::wait);
        let classes = classes.par_chunks_exact(queries * columns);
        let images = classes.zip(masks.par_chunks_exact(queries)).enumerate();
        let of_image = |(image, (classes, masks)): (usize, (&[f32], &[Foreground]))| {
            let views = class_views(classes, columns);
            let ious = ious
                .as_ref()
                .map(|ious| &ious[image * queries..][..queries]);
            candidates(&views, (masks, ious), image * queries, choice)
        };
        Proposals {
            size,
            images: images.map(of_image).collect(),
            masks: Box::new(planes),
        }
    })
}

/// The candidates of one image, from the classes and the masks of its queries, and from the logits of their IoU if
/// these are asked for. `first`: the row of its first mask.
fn candidates(
    views: &[ClassView],
    (masks, ious): (&[Foreground], Option<&[f32]>),
    first: usize,
    choice: CandidateChoice,
) -> Vec<Candidate> {
    let qualities: Vec<(f32, usize)> = masks.iter().copied().map(of_foreground).collect();
    let candidate = |(query, class, class_quality): (usize, usize, f32)| Candidate {
        mask: first + query,
        class,
        class_quality,
        mask_quality: match ious {
            Some(logits) => ops::sigmoid(logits[query]),
            None => qualities[query].0,
        },
        area: qualities[query].1,
        bounds: None,
        foreground: views[query].is_foreground(),
        probabilities: views[query].objects.clone(),
    };
    pairs(views, choice).into_iter().map(candidate).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::detector::{Score, Selection};
    use crate::graph::LayerPredictions;
    use crate::ops::check::on_every_place;
    use crate::tensor::{Place, Tensor2};

    /// One image, two classes, three queries: a sure one, one that is torn between the classes, one that sees nothing.
    pub(crate) fn predictions() -> Predictions {
        let classes = vec![4.0, 0.0, -2.0, 1.0, 1.0, -1.0, 0.0, 0.5, 5.0];
        let mut masks = vec![-5.0; 3 * 16];
        masks[..8].fill(5.0);
        masks[16 + 12..32].fill(0.5);
        let layer = LayerPredictions {
            classes: Tensor2::constant(classes, 3, 3),
            masks: Tensor2::constant(masks, 3, 16),
            coarse: None,
            ious: None,
        };
        Predictions {
            layers: vec![layer],
            batch: 1,
            queries: 3,
            height: 4,
            width: 4,
        }
    }

    /// The same at `place`.
    pub(crate) fn predictions_at(place: &Place) -> Predictions {
        let mut predictions = predictions();
        for layer in &mut predictions.layers {
            (layer.classes, layer.masks) = (layer.classes.to(place), layer.masks.to(place));
        }
        predictions
    }

    /// Two images: the same, and one with its masks turned over and less sure classes.
    pub(crate) fn two_examples_at(place: &Place) -> Proposals {
        let one = predictions();
        let layer = &one.layers[0];
        let with_other = |tensor: &Tensor2, by: f32, turned: bool| {
            let row = |row: &[f32]| -> Vec<f32> {
                let scaled = row.iter().map(|x| by * x);
                if turned {
                    scaled.rev().collect()
                } else {
                    scaled.collect()
                }
            };
            let other = tensor.values().chunks_exact(tensor.columns()).flat_map(row);
            let both = tensor.values().iter().copied().chain(other).collect();
            Tensor2::constant(both, 2 * tensor.rows(), tensor.columns()).to(place)
        };
        let layer = LayerPredictions {
            classes: with_other(&layer.classes, 0.8, false),
            masks: with_other(&layer.masks, 0.9, true),
            coarse: None,
            ious: None,
        };
        let two = Predictions {
            layers: vec![layer],
            batch: 2,
            ..one
        };
        proposed(&two, (8, 8))
    }

    /// The candidates of `predictions` in a view of `size`, one of each query.
    pub(crate) fn proposed(predictions: &Predictions, size: (usize, usize)) -> Proposals {
        let choice = CandidateChoice {
            score: Score::WithNoObject,
            selection: Selection::ArgMax,
            top: 0,
            quality: MaskQuality::MeanForeground,
        };
        proposals(predictions, size, choice).wait()
    }

    /// Their candidates at 8 x 8.
    pub(crate) fn example() -> Proposals {
        example_at(&Place::Host)
    }

    fn example_at(place: &Place) -> Proposals {
        listed(place, (8, 8), Score::WithNoObject, Selection::ArgMax, 0)
    }

    fn listed(
        place: &Place,
        size: (usize, usize),
        score: Score,
        selection: Selection,
        top: usize,
    ) -> Proposals {
        let choice = CandidateChoice {
            score,
            selection,
            top,
            quality: MaskQuality::MeanForeground,
        };
        proposals(&predictions_at(place), size, choice).wait()
    }

    on_every_place! {
        fn one_candidate_per_query_with_its_best_class(place) {
            let proposals = example_at(place);
            let list = &proposals.images[0];
            let classes: Vec<_> = list.iter().map(|c| (c.mask, c.class)).collect();
            assert_eq!(classes, [(0, 0), (1, 0), (2, 1)]);
            let foreground: Vec<bool> = list.iter().map(|c| c.foreground).collect();
            assert_eq!(foreground, [true, true, false]);
            assert_eq!(list[0].area, 32, "the upper half of 8 x 8");
            assert!(list[0].mask_quality > 0.95 && list[1].mask_quality < 0.63);
            assert!((list[1].probabilities[0] - 0.5).abs() < 1e-6);
            assert!(
                list[1].class_quality < 0.5,
                "no-object takes its share"
            );
            let logits = proposals.masks.logits(&[2, 0, 1]);
            assert_eq!((logits.rows(), logits.columns()), (3, 64));
        }
    }

    on_every_place! {
        fn the_score_of_the_objects_alone_has_no_room_for_empty_queries(place) {
            let proposals = listed(place, (4, 4), Score::Foreground, Selection::ArgMax, 0);
            let list = &proposals.images[0];
            assert_eq!(list.len(), 2);
            assert!((list[1].class_quality - 0.5).abs() < 1e-6);
        }
    }

    on_every_place! {
        fn pairs_may_repeat_a_query(place) {
            let proposals = listed(place, (4, 4), Score::WithNoObject, Selection::TopPairs, 3);
            let pairs: Vec<_> = proposals.images[0].iter().map(|c| (c.mask, c.class)).collect();
            assert_eq!(pairs, [(0, 0), (1, 0), (1, 1)]);
        }
    }
}
