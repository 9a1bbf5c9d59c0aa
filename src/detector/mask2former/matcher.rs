//! Hungarian matching of queries and objects on sampled points, Mask2Former (https://arxiv.org/abs/2112.01527, section
//! 3.3).
//!
//! `$$ C_{nq} = -\lambda_c\, p_q(c_n) + \lambda_m \frac1P \sum_i \mathrm{BCE}(x_{qi}, t_{ni}) + {}
//! \lambda_d \Bigl(1 - \frac{2 \sum_i \sigma(x_{qi}) t_{ni} + 1}{\sum_i \sigma(x_{qi}) + \sum_i t_{ni} + 1}\Bigr) $$`
//!
//! p: softmax over K + 1; x: mask logits and t: masks at P uniform points. As in the reference, queries and objects of
//! an image share one set of points, and every prediction (layer) draws its own.

use super::loss::LossConfig;
use super::objects::Objects;
use crate::detector::Targets;
use crate::ops::{self, Compared, MatchCosts};
use crate::tensor::Tensor2;

/// The predictions of one layer for one image.
#[derive(Clone, Copy, Debug)]
pub struct Prediction<'a> {
    /// Class logits `[Q, K + 1]`.
    pub classes: &'a Tensor2,
    /// Mask logits `[Q, height * width]`.
    pub masks: &'a Tensor2,
    /// Height and width of a mask.
    pub size: (usize, usize),
}

/// Assigns objects to queries at the least total cost: min(Q, N) pairs (query, object), in order of the objects. Masks
/// are compared at `points` `[1, 2P]`.
///
/// Panics if the shapes disagree, if the masks of the objects have several sizes, or if a class has no logit.
pub fn assign(
    prediction: &Prediction,
    targets: &Targets,
    config: &LossConfig,
    points: &Tensor2,
) -> Vec<(usize, usize)> {
    let Prediction {
        classes,
        masks,
        size,
    } = prediction;
    let objects = Objects::new(&masks.place(), std::slice::from_ref(targets));
    let wanted = objects.sample((0..targets.len()).map(|object| (0, object, 0)), points);
    let image = Compared {
        first: 0,
        classes: targets.classes.clone(),
    };
    let queries = (masks.rows(), *size);
    let costs = ops::match_costs(classes, masks, queries, &[image], points, &wanted);
    assign_by(&costs.wait()[0], config)
}

/// The pairs of [`assign`] for the given parts of the costs.
pub(super) fn assign_by(parts: &MatchCosts, config: &LossConfig) -> Vec<(usize, usize)> {
    let (costs, objects) = (costs(parts, config), parts.objects);
    if costs.is_empty() {
        return Vec::new();
    }
    least_cost(objects, costs.len() / objects, &costs)
}

/// The assignment of least total cost for `costs` `[objects, queries]`, as pairs (query, object).
pub fn least_cost(objects: usize, queries: usize, costs: &Vec<f64>) -> Vec<(usize, usize)> {
    let (objects, queries) =
        lsap::solve(objects, queries, costs, false).expect("finite costs always have a solution");
    queries.into_iter().zip(objects).collect()
}

/// Replaces a cost that is not a number. The loss of a diverged network is then computed, and its check reports it.
const NO_NUMBER: f64 = 1e9;

/// The costs `[objects, queries]`.
fn costs(parts: &MatchCosts, config: &LossConfig) -> Vec<f64> {
    let masks = parts.masks.bce.iter().zip(&parts.masks.dice);
    masks
        .zip(&parts.probability)
        .map(|((bce, dice), probability)| {
            let cost = config.match_mask * bce + config.match_dice * dice
                - config.match_class * probability;
            if cost.is_finite() {
                f64::from(cost)
            } else {
                NO_NUMBER
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::Mask;
    use crate::tensor::Place;
    use proptest::prelude::*;

    fn config() -> LossConfig {
        crate::detector::mask2former::loss::tests::loss()
    }

    /// The least total cost over all assignments of the rows of `costs` from `row` on.
    fn brute_force(costs: &[f64], columns: usize, row: usize, free: u32, skips: usize) -> f64 {
        if row * columns == costs.len() {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        if skips > 0 {
            best = brute_force(costs, columns, row + 1, free, skips - 1);
        }
        for column in (0..columns).filter(|column| free & 1 << column != 0) {
            let rest = brute_force(costs, columns, row + 1, free & !(1 << column), skips);
            best = best.min(costs[row * columns + column] + rest);
        }
        best
    }

    proptest! {
        #[test]
        fn the_assignment_is_optimal(rows in 1usize..=6, columns in 1usize..=6, values in prop::collection::vec(-10.0f64..10.0, 36)) {
            let costs = values[..rows * columns].to_vec();
            let pairs = least_cost(rows, columns, &costs);
            prop_assert_eq!(pairs.len(), rows.min(columns));
            for (i, (query, object)) in pairs.iter().enumerate() {
                prop_assert!(*query < columns && *object < rows);
                prop_assert!(pairs[..i].iter().all(|(q, o)| q != query && o != object), "used twice");
            }
            let total: f64 = pairs.iter().map(|(query, object)| costs[object * columns + query]).sum();
            let best = brute_force(&costs, columns, 0, u32::MAX, rows.saturating_sub(columns));
            prop_assert!((total - best).abs() < 1e-9, "{} instead of {}", total, best);
        }
    }

    /// Two queries, the first with the left half as mask, the second with the right half; classes 0 and 1.
    fn halves(classes: [f32; 6]) -> (Tensor2, Tensor2) {
        let plane = |left: bool| (0..16).map(move |i| if (i % 4 < 2) == left { 8.0 } else { -8.0 });
        let masks = plane(true).chain(plane(false)).collect();
        (
            Tensor2::constant(classes.to_vec(), 2, 3),
            Tensor2::constant(masks, 2, 16),
        )
    }

    /// The right half, then the left half, as many as there are classes.
    fn targets(classes: Vec<usize>) -> Targets<'static> {
        let half = |left: bool| (0..64).map(|i| u8::from((i % 8 < 4) == left)).collect();
        let masks = [false, true].map(|left| Mask::new(8, 8, half(left)).into());
        Targets {
            masks: masks[..classes.len()].to_vec(),
            classes,
            ..Targets::default()
        }
    }

    /// Away from the middle and the border, where the bilinear samples are exact.
    fn points() -> Tensor2 {
        Tensor2::constant(vec![0.2, 0.3, 0.3, 0.6, 0.8, 0.5, 0.7, 0.7], 1, 8)
    }

    fn pairs(classes: &Tensor2, masks: &Tensor2, targets: &Targets) -> Vec<(usize, usize)> {
        let prediction = Prediction {
            classes,
            masks,
            size: (4, 4),
        };
        assign(&prediction, targets, &config(), &points())
    }

    #[test]
    fn masks_decide_where_classes_do_not() {
        let (classes, masks) = halves([0.0; 6]);
        let found = pairs(&classes, &masks, &targets(vec![0, 0]));
        assert_eq!(found, [(1, 0), (0, 1)]);
        assert_eq!(pairs(&classes, &masks, &targets(vec![])), []);
    }

    #[test]
    fn costs_are_those_of_the_formula() {
        let (classes, masks) = halves([2.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let targets = targets(vec![1, 0]);
        let image = Compared {
            first: 0,
            classes: targets.classes.clone(),
        };
        let points = points();
        let objects = Objects::new(&Place::Host, std::slice::from_ref(&targets));
        let wanted = objects.sample([(0, 0, 0), (0, 1, 0)].into_iter(), &points);
        let parts = ops::match_costs(&classes, &masks, (2, (4, 4)), &[image], &points, &wanted);
        let found = costs(&parts.wait()[0], &config());
        let softplus = |x: f64| x.exp().ln_1p();
        let good = softplus(-8.0);
        let bad = softplus(8.0);
        let p = 1.0 / (1.0 + (-8.0f64).exp());
        let covered = 2.0 * p + 2.0 * (1.0 - p);
        let dice = |overlap: f64| 1.0 - (2.0 * overlap + 1.0) / (covered + 2.0 + 1.0);
        let e = std::f64::consts::E;
        // (object, query): class probability of the object's class, whether the masks agree.
        let expected = [
            (1.0 / (e * e + 2.0), false),
            (e / (e + 2.0), true),
            (e * e / (e * e + 2.0), true),
            (1.0 / (e + 2.0), false),
        ]
        .map(|(class, agree)| {
            let (bce, overlap) = if agree {
                (good, 2.0 * p)
            } else {
                (bad, 2.0 * (1.0 - p))
            };
            5.0 * bce + 5.0 * dice(overlap) - 2.0 * class
        });
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-4,
                "{found} instead of {expected}"
            );
        }
    }

    #[test]
    fn a_diverged_network_is_matched_somehow() {
        let (classes, _) = halves([0.0; 6]);
        let masks = Tensor2::constant(vec![f32::NAN; 32], 2, 16);
        assert_eq!(pairs(&classes, &masks, &targets(vec![0, 1])).len(), 2);
    }
}
