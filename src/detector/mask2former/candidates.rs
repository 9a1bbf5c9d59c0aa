//! What the teacher proposes for an image: scored (query, class) pairs with their masks, before any filter.
//!
//! Steps 1 to 3 of Mask2Former's inference at the padded input size, without going back to the picture's own size (released
//! code of PL-DC). Masks are measured query by query, on a GPU without being written, so that an image of a megapixel does not need a hundred
//! planes at once; only those that survive the filter are resized to be kept.

use crate::detector::quality::{arg_max, of_foreground, softmax};
use crate::detector::{Choice, Score, Selection};
use crate::graph::{Mask2Former, Predictions};
use crate::ops::{self, Foreground};
use crate::tensor::{Later, Map, Place, Tape, Tensor2};
use rayon::prelude::*;
use std::ops::Range;

/// One (query, class) pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The query.
    pub query: usize,
    /// The class.
    pub class: usize,
    /// Eq. 3, in [0, 1].
    pub class_quality: f32,
    /// Eq. 4, in [0, 1].
    pub mask_quality: f32,
    /// Pixels of the mask at the padded input size.
    pub area: usize,
    /// Whether the query's most likely class is an object, not no-object.
    pub foreground: bool,
    /// The query's softmax over the object classes alone.
    pub probabilities: Vec<f32>,
}

/// The candidates of one image.
#[derive(Clone, Debug)]
pub struct Proposals {
    /// Rows of the padded input, which masks refer to.
    pub height: usize,
    /// Columns of the padded input.
    pub width: usize,
    /// In order of the queries, or of falling probability for [`Selection::TopPairs`].
    pub candidates: Vec<Candidate>,
    planes: Planes,
}

impl Proposals {
    /// Whether the network is on the CPU.
    pub(crate) fn is_on_host(&self) -> bool {
        matches!(self.planes.masks.place(), Place::Host)
    }

    /// The mask logits of some queries of each image at the padded input size, where the network is, one image after the other:
    /// `[queries, height * width]`.
    ///
    /// All images come from one [`propose`], of which only the sizes are checked. Panics where these differ, or without an image.
    pub(crate) fn logits(images: &[(&Self, Vec<usize>)]) -> Tensor2 {
        let first = images.first().expect("an image").0;
        let rows = images.iter().flat_map(|(image, queries)| {
            let sizes = |image: &Self| {
                (
                    image.height,
                    image.width,
                    image.planes.size,
                    image.planes.rows.len(),
                )
            };
            assert_eq!(sizes(image), sizes(first), "images of one batch");
            image.planes.rows(queries)
        });
        let rows: Vec<usize> = rows.collect();
        let size = (first.height, first.width);
        ops::resize_rows(&first.planes.masks, &rows, first.planes.size, size)
    }
}

/// The mask logits of one image as the network gives them, where they are.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    /// Of all images.
    masks: Tensor2,
    /// The image's queries.
    rows: Range<usize>,
    size: (usize, usize),
}

impl Planes {
    /// The last layer's logits of image `image`.
    pub(super) fn of(predictions: &Predictions, image: usize) -> Self {
        let first = image * predictions.queries;
        Self {
            masks: last(predictions).masks.clone(),
            rows: first..first + predictions.queries,
            size: (predictions.height, predictions.width),
        }
    }

    fn rows(&self, queries: &[usize]) -> Vec<usize> {
        queries
            .iter()
            .map(|query| self.rows.start + query)
            .collect()
    }

    /// The planes of `queries`, in the memory of the host.
    pub(super) fn fetched(&self, queries: &[usize]) -> Fetched {
        Fetched {
            values: ops::rows_on_host(&self.masks, &self.rows(queries)),
            size: self.size,
        }
    }
}

/// Some planes of mask logits.
pub(super) struct Fetched {
    values: Vec<f32>,
    size: (usize, usize),
}

impl Fetched {
    /// Plane `index`, bilinearly resized.
    pub(super) fn resized(&self, index: usize, height: usize, width: usize) -> Vec<f32> {
        let len = self.size.0 * self.size.1;
        let plane = &self.values[index * len..][..len];
        ops::resize_planes(plane, 1, self.size, (height, width))
    }
}

/// The predictions of the last layer.
pub(super) fn last(predictions: &Predictions) -> &crate::graph::LayerPredictions {
    predictions
        .layers
        .last()
        .expect("at least the initial prediction")
}

/// What a query says about classes.
pub(super) struct ClassView {
    /// Softmax over all logits, no-object last.
    pub all: Vec<f32>,
    /// Softmax over the objects.
    pub objects: Vec<f32>,
}

/// The class distributions of queries with these `logits`, `[queries, columns]`.
pub(super) fn class_views(logits: &[f32], columns: usize) -> Vec<ClassView> {
    let view = |row: &[f32]| ClassView {
        all: softmax(row),
        objects: softmax(&row[..columns - 1]),
    };
    logits.chunks_exact(columns).map(view).collect()
}

/// The `top` pairs (query, class) with the largest value of `score`, largest first, ties in order of query and class.
pub(super) fn top_pairs<'a>(
    rows: impl Iterator<Item = &'a [f32]>,
    top: usize,
) -> Vec<(usize, usize, f32)> {
    let mut pairs: Vec<(usize, usize, f32)> = rows
        .enumerate()
        .flat_map(|(query, row)| {
            row.iter()
                .enumerate()
                .map(move |(class, p)| (query, class, *p))
        })
        .collect();
    pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
    pairs.truncate(top);
    pairs
}

/// Runs `model` on `images` and lists the candidates of each.
pub(crate) fn propose(model: &Mask2Former, images: &Map, choice: Choice) -> Later<Vec<Proposals>> {
    let predictions = model.forward(&mut Tape::off(), images);
    proposals(&predictions, (images.height, images.width), choice)
}

/// The candidates of every image of `predictions`, whose masks are looked at in `size`.
fn proposals(
    predictions: &Predictions,
    size: (usize, usize),
    choice: Choice,
) -> Later<Vec<Proposals>> {
    let layer = last(predictions);
    let (rows, columns) = (layer.classes.rows(), layer.classes.columns());
    let from = (predictions.height, predictions.width);
    let classes = layer.classes.later();
    let masks = ops::foreground(&layer.masks, 0..rows, from, size);
    let planes = (0..predictions.batch).map(|image| Planes::of(predictions, image));
    let (planes, queries): (Vec<Planes>, usize) = (planes.collect(), predictions.queries);
    Later::new(move || {
        let (classes, masks) = (classes.wait(), masks.wait());
        let classes = classes.par_chunks_exact(queries * columns);
        let images = classes.zip(masks.par_chunks_exact(queries)).zip(planes);
        let of_image = |((classes, masks), planes): ((&[f32], &[Foreground]), Planes)| Proposals {
            height: size.0,
            width: size.1,
            candidates: candidates(&class_views(classes, columns), masks, choice),
            planes,
        };
        images.map(of_image).collect()
    })
}

/// The candidates of one image, from what its queries say about classes and masks.
fn candidates(views: &[ClassView], masks: &[Foreground], choice: Choice) -> Vec<Candidate> {
    let Choice {
        score,
        selection,
        top,
    } = choice;
    let scored = |view: &'_ ClassView| match score {
        Score::WithNoObject => view.all[..view.objects.len()].to_vec(),
        Score::Foreground => view.objects.clone(),
    };
    let scores: Vec<Vec<f32>> = views.iter().map(scored).collect();
    let foreground = |query: usize| arg_max(&views[query].all) < views[query].objects.len();
    let pairs = match selection {
        Selection::ArgMax => scores
            .iter()
            .enumerate()
            .map(|(query, row)| (query, arg_max(row), row[arg_max(row)]))
            .collect(),
        Selection::TopPairs => top_pairs(scores.iter().map(Vec::as_slice), top),
    };
    let qualities: Vec<(f32, usize)> = masks.iter().copied().map(of_foreground).collect();
    pairs
        .into_iter()
        .filter(|(query, ..)| score == Score::WithNoObject || foreground(*query))
        .map(|(query, class, class_quality)| Candidate {
            query,
            class,
            class_quality,
            mask_quality: qualities[query].0,
            area: qualities[query].1,
            foreground: foreground(query),
            probabilities: views[query].objects.clone(),
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::graph::LayerPredictions;
    use crate::ops::check::on_every_place;
    use crate::tensor::Tensor2;

    /// One image, two classes, three queries: a sure one, one that is torn between the classes, one that sees nothing.
    pub(crate) fn predictions() -> Predictions {
        let classes = vec![4.0, 0.0, -2.0, 1.0, 1.0, -1.0, 0.0, 0.5, 5.0];
        let mut masks = vec![-5.0; 3 * 16];
        masks[..8].fill(5.0);
        masks[16 + 12..32].fill(0.5);
        let layer = LayerPredictions {
            classes: Tensor2::constant(classes, 3, 3),
            masks: Tensor2::constant(masks, 3, 16),
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
    pub(crate) fn two_examples_at(place: &Place) -> Vec<Proposals> {
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
        };
        let two = Predictions {
            layers: vec![layer],
            batch: 2,
            ..one
        };
        let choice = Choice {
            score: Score::WithNoObject,
            selection: Selection::ArgMax,
            top: 0,
        };
        proposals(&two, (8, 8), choice).wait()
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
        let choice = Choice {
            score,
            selection,
            top,
        };
        proposals(&predictions_at(place), size, choice)
            .wait()
            .remove(0)
    }

    on_every_place! {
        fn one_candidate_per_query_with_its_best_class(place) {
            let list = example_at(place);
            let classes: Vec<_> = list.candidates.iter().map(|c| (c.query, c.class)).collect();
            assert_eq!(classes, [(0, 0), (1, 0), (2, 1)]);
            let foreground: Vec<bool> = list.candidates.iter().map(|c| c.foreground).collect();
            assert_eq!(foreground, [true, true, false]);
            assert_eq!(list.candidates[0].area, 32, "the upper half of 8 x 8");
            assert!(list.candidates[0].mask_quality > 0.95 && list.candidates[1].mask_quality < 0.63);
            assert!((list.candidates[1].probabilities[0] - 0.5).abs() < 1e-6);
            assert!(
                list.candidates[1].class_quality < 0.5,
                "no-object takes its share"
            );
            let logits = Proposals::logits(&[(&list, vec![2]), (&list, vec![0, 1])]);
            assert_eq!((logits.rows(), logits.columns()), (3, 64));
        }
    }

    on_every_place! {
        fn the_score_of_the_objects_alone_has_no_room_for_empty_queries(place) {
            let list = listed(place, (4, 4), Score::Foreground, Selection::ArgMax, 0);
            assert_eq!(list.candidates.len(), 2);
            assert!((list.candidates[1].class_quality - 0.5).abs() < 1e-6);
        }
    }

    on_every_place! {
        fn pairs_may_repeat_a_query(place) {
            let list = listed(place, (4, 4), Score::WithNoObject, Selection::TopPairs, 3);
            let pairs: Vec<_> = list.candidates.iter().map(|c| (c.query, c.class)).collect();
            assert_eq!(pairs, [(0, 0), (1, 0), (1, 1)]);
        }
    }
}
