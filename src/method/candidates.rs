//! What the teacher proposes for an image: scored (query, class) pairs with their masks, before any filter.
//!
//! Steps 1 to 3 of Mask2Former's inference at the padded input size, without going back to the picture's own size (released
//! code of PL-DC). Masks are resized query by query, so that an image of a megapixel does not need a hundred planes at once; on a GPU
//! they are measured without being written, and only those that survive the filter come back.

use super::config::{Score, Selection};
use super::quality::{arg_max, of_foreground, softmax};
use crate::graph::{Mask2Former, Predictions};
use crate::ops;
use crate::structures::Picture;
use crate::tensor::{Tape, Tensor2};
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
    /// The mask logits of some queries at the padded input size.
    pub fn logits(&self, queries: &[usize]) -> Vec<Vec<f32>> {
        let planes = self.planes.fetched(queries);
        (0..queries.len())
            .into_par_iter()
            .map(|i| planes.resized(i, self.height, self.width))
            .collect()
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

    /// The planes of `queries`, in the memory of the host.
    pub(super) fn fetched(&self, queries: &[usize]) -> Fetched {
        let rows: Vec<usize> = queries
            .iter()
            .map(|query| self.rows.start + query)
            .collect();
        Fetched {
            values: ops::rows_on_host(&self.masks, &rows),
            size: self.size,
        }
    }

    /// Eq. 4 and the area of every query's mask, looked at in `size`.
    pub(super) fn qualities(&self, size: (usize, usize)) -> Vec<(f32, usize)> {
        let found = ops::foreground(&self.masks, self.rows.clone(), self.size, size);
        found.into_iter().map(of_foreground).collect()
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

/// The class distributions of the queries of image `image`.
pub(super) fn class_views(predictions: &Predictions, image: usize) -> Vec<ClassView> {
    let classes = &last(predictions).classes;
    let columns = classes.columns();
    let first = image * predictions.queries;
    let rows: Vec<usize> = (first..first + predictions.queries).collect();
    ops::rows_on_host(classes, &rows)
        .chunks_exact(columns)
        .map(|row| ClassView {
            all: softmax(row),
            objects: softmax(&row[..columns - 1]),
        })
        .collect()
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

/// Runs `model` on `pictures` and lists the candidates of each.
pub fn propose(
    model: &Mask2Former,
    pictures: &[&Picture],
    score: Score,
    selection: Selection,
    top: usize,
) -> Vec<Proposals> {
    let images = model.normalise(pictures);
    let predictions = model.forward(&mut Tape::off(), &images);
    (0..pictures.len())
        .into_par_iter()
        .map(|image| {
            proposals(
                &predictions,
                image,
                (images.height, images.width),
                score,
                selection,
                top,
            )
        })
        .collect()
}

fn proposals(
    predictions: &Predictions,
    image: usize,
    (height, width): (usize, usize),
    score: Score,
    selection: Selection,
    top: usize,
) -> Proposals {
    let planes = Planes::of(predictions, image);
    let views = class_views(predictions, image);
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
    let qualities = planes.qualities((height, width));
    let candidates = pairs
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
        .collect();
    Proposals {
        height,
        width,
        candidates,
        planes,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::graph::LayerPredictions;
    use crate::ops::check::on_every_place;
    use crate::tensor::{Place, Tensor2};

    /// One image, two classes, three queries: a sure one, one that is torn between the classes, one that sees nothing.
    pub(in crate::method) fn predictions() -> Predictions {
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
    pub(in crate::method) fn predictions_at(place: &Place) -> Predictions {
        let mut predictions = predictions();
        for layer in &mut predictions.layers {
            (layer.classes, layer.masks) = (layer.classes.to(place), layer.masks.to(place));
        }
        predictions
    }

    /// Their candidates at 8 x 8.
    pub(in crate::method) fn example() -> Proposals {
        example_at(&Place::Host)
    }

    fn example_at(place: &Place) -> Proposals {
        proposals(
            &predictions_at(place),
            0,
            (8, 8),
            Score::WithNoObject,
            Selection::ArgMax,
            0,
        )
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
            assert_eq!(list.logits(&[2])[0].len(), 64);
        }
    }

    on_every_place! {
        fn the_score_of_the_objects_alone_has_no_room_for_empty_queries(place) {
            let list = proposals(
                &predictions_at(place),
                0,
                (4, 4),
                Score::Foreground,
                Selection::ArgMax,
                0,
            );
            assert_eq!(list.candidates.len(), 2);
            assert!((list.candidates[1].class_quality - 0.5).abs() < 1e-6);
        }
    }

    on_every_place! {
        fn pairs_may_repeat_a_query(place) {
            let list = proposals(
                &predictions_at(place),
                0,
                (4, 4),
                Score::WithNoObject,
                Selection::TopPairs,
                3,
            );
            let pairs: Vec<_> = list.candidates.iter().map(|c| (c.query, c.class)).collect();
            assert_eq!(pairs, [(0, 0), (1, 0), (1, 1)]);
        }
    }
}
