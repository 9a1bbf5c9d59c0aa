//! The losses of the locations.
//!
//! `$$ L_{cls} = \frac1N \sum_x w_x \sum_k \mathrm{focal}(z_{xk}, [k = y_x]), \qquad
//!    L_{box} = \frac{1}{\sum_{x \in F} c_x} \sum_{x \in F} c_x\, \mathrm{GIoU}(d_x, t_x), \qquad
//!    L_{centre} = \frac1N \sum_{x \in F} \mathrm{BCE}(q_x, c_x) $$`
//!
//! x runs over the locations of all images, F are those that have to find an object, y is its class, t are the
//! distances to the sides of its box in strides, c is the centreness. N = max(1, |F|); the sum of c is at least 1e-6. w
//! are weights of pseudo-labels and of background; no loss is divided by them. The GIoU loss smooths the IoU by 1.

use super::StartedPart;
use crate::detector::Background;
use crate::detector::centermask::assigning::centreness;
use crate::ops;
use crate::tensor::{Tape, Tensor2};

/// The smallest sum of centreness.
const LEAST_SUM: f32 = 1e-6;
/// What the GIoU loss adds to both areas of the IoU.
const SMOOTHING: f32 = 1.0;
/// Distances to the sides of a box.
const SIDES: usize = 4;
/// A rectangle around the origin has its left and its top at negative coordinates.
const OUTWARDS: [f32; SIDES] = [-1.0, -1.0, 1.0, 1.0];

/// What the locations of a part have to find.
#[derive(Default)]
pub(super) struct Wanted {
    /// The rows of the locations of all images that teach something.
    rows: Vec<usize>,
    /// 1 for the class of each, `[rows, K]`.
    classes: Vec<f32>,
    /// The weight of each in the class loss.
    weights: Vec<f32>,
    /// The rows that have to find an object.
    pub found: Vec<usize>,
    /// The distances of each to the sides of its box, in strides.
    sides: Vec<f32>,
    /// The centreness of each.
    pub centreness: Vec<f32>,
}

impl StartedPart<'_> {
    /// The losses of classes, boxes and centreness. All depend on the network even if there is nothing to find.
    pub(super) fn location_losses(&self, tape: &mut Tape) -> [Tensor2; 3] {
        let (pass, config) = (self.pass, &self.criterion.config);
        let wanted = self.wanted();
        let predictions = &pass.predictions;
        let mut picked = |from: &Tensor2, rows: &[usize]| {
            let width = from.columns();
            ops::pick(tape, from, rows, &vec![0; rows.len()], width)
        };
        let logits = picked(&predictions.classes, &wanted.rows);
        let sides = picked(&predictions.sides, &wanted.found);
        let centre = picked(&predictions.centreness, &wanted.found);
        let (all, found) = (wanted.rows.len(), wanted.found.len());
        let (count, sum) = match self.counted() {
            None => (found, wanted.centreness.iter().sum::<f32>()),
            Some(all) => (all.locations as usize, all.centreness as f32),
        };
        let divisor = count.max(1) as f32;
        let classes = Tensor2::constant(wanted.classes, all, pass.model.classes());
        let weights = Tensor2::constant(wanted.weights, all, 1);
        let outwards = Tensor2::constant(OUTWARDS.repeat(found), found, SIDES);
        let boxes = ops::multiply(tape, &sides, &outwards);
        let targets = wanted.sides.chunks_exact(SIDES);
        let targets = targets.flat_map(|sides| sides.iter().zip(OUTWARDS).map(|(d, o)| d * o));
        let targets = Tensor2::constant(targets.collect(), found, SIDES);
        let shares = Tensor2::constant(wanted.centreness, found, 1);
        [
            ops::sigmoid_focal(
                tape,
                &logits,
                &classes,
                Some(&weights),
                config.focal(),
                divisor,
            ),
            ops::generalized_iou(
                tape,
                &boxes,
                &targets,
                Some(&shares),
                SMOOTHING,
                sum.max(LEAST_SUM),
            ),
            ops::bce_points(tape, &centre, &shares, None, divisor),
        ]
    }

    /// What the locations of the images that teach something have to find.
    pub(super) fn wanted(&self) -> Wanted {
        let (locations, count) = (&self.pass.locations, self.pass.locations.len());
        let assigner = self.criterion.config.assigner();
        let background = match self.begun.part.background {
            Background::Weight(weight) => weight,
            // A location is judged by each class alone: there is no probability of background.
            Background::Own | Background::Teacher(_) => 1.0,
        };
        let mut wanted = Wanted::default();
        let classes = self.pass.model.classes();
        for taught in &self.begun.images {
            let objects = &taught.objects;
            let first = taught.image * count;
            let assigned = assigner.of(locations, &objects.bounds);
            for (place, (location, object)) in locations.iter().zip(assigned).enumerate() {
                wanted.rows.push(first + place);
                let own = wanted.classes.len();
                wanted.classes.resize(own + classes, 0.0);
                let Some(object) = object else {
                    wanted.weights.push(background);
                    continue;
                };
                wanted.classes[own + objects.class(object)] = 1.0;
                let weights = objects.weights_of(object);
                wanted
                    .weights
                    .push(weights.map_or(1.0, |weights| weights.class));
                wanted.found.push(first + place);
                let distances = location.distances(objects.bounds[object]);
                wanted.centreness.push(centreness(distances));
                wanted
                    .sides
                    .extend(distances.map(|distance| distance / location.stride));
            }
        }
        wanted
    }
}
