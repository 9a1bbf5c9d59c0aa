//! Hungarian matching of queries and objects on sampled points, Mask2Former (https://arxiv.org/abs/2112.01527, section 3.3).
//!
//! $$ C_{nq} = -\lambda_c\, p_q(c_n) + \lambda_m \frac1P \sum_i \mathrm{BCE}(x_{qi}, t_{ni})
//!    + \lambda_d \Bigl(1 - \frac{2 \sum_i \sigma(x_{qi}) t_{ni} + 1}{\sum_i \sigma(x_{qi}) + \sum_i t_{ni} + 1}\Bigr) $$
//!
//! p: softmax over K + 1; x: mask logits and t: masks at P uniform points. As in the reference, queries and objects of an image
//! share one set of points, and every prediction (layer) draws its own.

use super::config::LossConfig;
use super::points::Draw;
use super::targets::Targets;
use crate::ops::{self, MaskCosts};

/// The predictions of one layer for one image.
#[derive(Clone, Copy, Debug)]
pub struct Prediction<'a> {
    /// Class logits `[Q, K + 1]`.
    pub classes: &'a [f32],
    /// Mask logits `[Q, height * width]`.
    pub masks: &'a [f32],
    /// Number of queries Q.
    pub queries: usize,
    /// Height and width of a mask.
    pub size: (usize, usize),
}

/// Assigns objects to queries at the least total cost: pairs (query, object), min(Q, N) of them, in order of the objects.
/// `draw` is asked once, for the points of the costs.
pub fn assign(
    prediction: &Prediction,
    targets: &Targets,
    config: &LossConfig,
    draw: &mut Draw,
) -> Vec<(usize, usize)> {
    if targets.is_empty() {
        return Vec::new();
    }
    let points = draw(config.points);
    let masks = ops::mask_costs(
        prediction.masks,
        prediction.size,
        &points,
        &wanted(targets, &points),
    );
    assign_by(&masks, prediction.classes, targets, config)
}

/// As [`assign`], with the costs of the masks at hand. `classes`: the class logits `[Q, K + 1]`.
pub(super) fn assign_by(
    masks: &MaskCosts,
    classes: &[f32],
    targets: &Targets,
    config: &LossConfig,
) -> Vec<(usize, usize)> {
    if targets.is_empty() {
        return Vec::new();
    }
    let queries = masks.bce.len() / targets.len();
    let costs = costs(masks, classes, queries, targets, config);
    least_cost(targets.len(), queries, &costs)
}

/// The objects' masks at `points`, `[objects, points]`.
pub(super) fn wanted(targets: &Targets, points: &[f32]) -> Vec<f32> {
    let count = points.len() / 2;
    let mut wanted = vec![0.0; targets.len() * count];
    for (mask, row) in targets.masks.iter().zip(wanted.chunks_exact_mut(count)) {
        ops::sample_mask(&mask.bits, (mask.height, mask.width), points, row);
    }
    wanted
}

/// The assignment of least total cost for `costs` `[objects, queries]`, as pairs (query, object).
pub fn least_cost(objects: usize, queries: usize, costs: &Vec<f64>) -> Vec<(usize, usize)> {
    let (objects, queries) =
        lsap::solve(objects, queries, costs, false).expect("finite costs always have a solution");
    queries.into_iter().zip(objects).collect()
}

/// Stands for a cost that is no number, so that a diverged network reaches the loss, which reports it.
const NO_NUMBER: f64 = 1e9;

/// The costs `[objects, queries]`.
fn costs(
    masks: &MaskCosts,
    classes: &[f32],
    queries: usize,
    targets: &Targets,
    config: &LossConfig,
) -> Vec<f64> {
    let mut classes = classes.to_vec();
    let columns = classes.len() / queries;
    ops::softmax_rows(&mut classes, columns);

    let mut costs = Vec::with_capacity(masks.bce.len());
    let rows = masks.bce.chunks_exact(queries);
    let rows = rows.zip(masks.dice.chunks_exact(queries));
    for ((bce, dice), class) in rows.zip(&targets.classes) {
        for ((bce, dice), row) in bce.iter().zip(dice).zip(classes.chunks_exact(columns)) {
            let cost = config.match_mask * bce + config.match_dice * dice
                - config.match_class * row[*class];
            costs.push(if cost.is_finite() {
                f64::from(cost)
            } else {
                NO_NUMBER
            });
        }
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::points::uniform;
    use crate::registry;
    use crate::rng::Stream;
    use crate::structures::Mask;
    use proptest::prelude::*;

    fn config() -> LossConfig {
        registry::options(super::super::config::tests::table("loss")).unwrap()
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
    fn halves(classes: [f32; 6]) -> (Vec<f32>, Vec<f32>) {
        let plane = |left: bool| (0..16).map(move |i| if (i % 4 < 2) == left { 8.0 } else { -8.0 });
        (classes.to_vec(), plane(true).chain(plane(false)).collect())
    }

    fn targets(classes: Vec<usize>) -> Targets {
        let half = |left: bool| (0..64).map(|i| u8::from((i % 8 < 4) == left)).collect();
        let masks = [false, true].map(|left| Mask::new(8, 8, half(left)));
        Targets {
            masks: masks[..classes.len()].to_vec(),
            classes,
            discounts: None,
        }
    }

    #[test]
    fn masks_decide_where_classes_do_not() {
        let (classes, masks) = halves([0.0; 6]);
        let prediction = Prediction {
            classes: &classes,
            masks: &masks,
            queries: 2,
            size: (4, 4),
        };
        let mut stream = Stream::new(0, "match");
        let mut draw = |count| uniform(count, &mut stream);
        let pairs = assign(&prediction, &targets(vec![0, 0]), &config(), &mut draw);
        assert_eq!(pairs, [(1, 0), (0, 1)]);
        assert_eq!(
            assign(&prediction, &targets(vec![]), &config(), &mut draw),
            []
        );
    }

    #[test]
    fn costs_are_those_of_the_formula() {
        let (classes, masks) = halves([2.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        // Away from the middle and the border, where the bilinear samples are exact.
        let points = [0.2, 0.3, 0.3, 0.6, 0.8, 0.5, 0.7, 0.7];
        let targets = targets(vec![1, 0]);
        let masks = ops::mask_costs(&masks, (4, 4), &points, &wanted(&targets, &points));
        let found = costs(&masks, &classes, 2, &targets, &config());
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
        let (classes, mut masks) = halves([0.0; 6]);
        masks.fill(f32::NAN);
        let prediction = Prediction {
            classes: &classes,
            masks: &masks,
            queries: 2,
            size: (4, 4),
        };
        let pairs = assign(&prediction, &targets(vec![0, 1]), &config(), &mut |count| {
            vec![0.5; 2 * count]
        });
        assert_eq!(pairs.len(), 2);
    }
}
