//! GIoU loss: 1 less the overlap of two rectangles, and more the farther they are apart.
//!
//! `$$ \ell = \frac1d \sum_i w_i \Bigl( 1 - \frac{I + s}{U + s + \epsilon} + \frac{C - U}{C + \epsilon} \Bigr) $$`
//!
//! I is the area that both rectangles cover, U the area that either covers, C that of the smallest rectangle around
//! both; epsilon is 1e-7, s is 0 or the 1 of FCOS' released code. Where two sides lie upon each other, the slope of
//! their minimum or maximum is a half, as in PyTorch.
//!
//! Shapes: rectangles x1, y1, x2, y2 `[N, 4]`, their targets `[N, 4]` and weights w `[N, 1]` -> `[1, 1]`. Source: GIoU,
//! eq. 2 to 4 (<https://arxiv.org/abs/1902.09630>), and torchvision's `generalized_box_iou_loss`; the weights and s are
//! those of FCOS (<https://arxiv.org/abs/1904.01355>, its released `iou_loss`).

#[allow(unsafe_code)]
mod cuda;

use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// Keeps quotients finite.
const EPSILON: f32 = 1e-7;

/// The numbers of a rectangle.
const SIDES: usize = 4;

/// The sum of the losses of all rectangles over `denominator`, `[1, 1]`. `weights` `[N, 1]`: 1 if there are none.
/// `smoothing`: s.
///
/// Panics unless boxes and targets are `[N, 4]` and every rectangle has a weight.
pub fn generalized_iou(
    tape: &mut Tape,
    boxes: &Tensor2,
    targets: &Tensor2,
    weights: Option<&Tensor2>,
    smoothing: f32,
    denominator: f32,
) -> Tensor2 {
    let shape = |tensor: &Tensor2| (tensor.rows(), tensor.columns());
    assert_eq!(shape(boxes), (boxes.rows(), SIDES), "rectangles");
    assert_eq!(shape(targets), shape(boxes), "a target of every rectangle");
    if let Some(weights) = weights {
        assert_eq!(
            shape(weights),
            (boxes.rows(), 1),
            "a weight of every rectangle"
        );
    }
    if let Some(gpu) = Gpu::of(&[boxes]) {
        let numbers = (smoothing, denominator);
        return cuda::generalized_iou(tape, &gpu, boxes, targets, weights, numbers);
    }
    let mut total = 0f64;
    let mut slopes = Vec::with_capacity(boxes.len());
    let (found, _) = boxes.values().as_chunks::<SIDES>();
    let (wanted, _) = targets.values().as_chunks::<SIDES>();
    for (row, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let weight = weights.map_or(1.0, |weights| weights.values()[row]);
        let pair = Pair::new(*found, *wanted, smoothing);
        total += f64::from(weight * pair.loss());
        slopes.extend(pair.slopes().map(|slope| weight * slope / denominator));
    }
    let loss = (total / f64::from(denominator)) as f32;
    let out = tape.output(vec![loss], 1, 1, &[boxes]);
    let (boxes, source) = (boxes.clone(), out.clone());
    tape.record(&out, move |grads| {
        let factor = source.take_gradient(grads)[0];
        for (to, slope) in boxes.gradient_mut(grads).iter_mut().zip(&slopes) {
            *to += factor * slope;
        }
    });
    out
}

/// A rectangle and its target.
struct Pair {
    found: [f32; SIDES],
    wanted: [f32; SIDES],
    /// Width and height of the rectangle, of what both cover (0 if they cover nothing together), and around both.
    own: [f32; 2],
    shared: [f32; 2],
    around: [f32; 2],
    union: f32,
    smoothing: f32,
}

impl Pair {
    fn new(found: [f32; SIDES], wanted: [f32; SIDES], smoothing: f32) -> Self {
        let lengths = |side: fn(&[f32; SIDES], &[f32; SIDES], usize) -> f32| {
            [0, 1].map(|axis| side(&found, &wanted, axis))
        };
        let own = lengths(|a, _, axis| a[axis + 2] - a[axis]);
        let other = lengths(|_, b, axis| b[axis + 2] - b[axis]);
        let around = lengths(|a, b, axis| a[axis + 2].max(b[axis + 2]) - a[axis].min(b[axis]));
        let shared = lengths(|a, b, axis| a[axis + 2].min(b[axis + 2]) - a[axis].max(b[axis]));
        let meets = shared.iter().all(|length| *length > 0.0);
        let shared = if meets { shared } else { [0.0; 2] };
        let area = |[width, height]: [f32; 2]| width * height;
        Self {
            found,
            wanted,
            own,
            shared,
            around,
            union: area(own) + area(other) - area(shared),
            smoothing,
        }
    }

    /// Numerator and denominator of the IoU.
    fn quotient(&self) -> [f32; 2] {
        let [width, height] = self.shared;
        let both = width * height + self.smoothing;
        [both, self.union + self.smoothing + EPSILON]
    }

    fn loss(&self) -> f32 {
        let around = self.around[0] * self.around[1];
        let [both, union] = self.quotient();
        1.0 - both / union + (around - self.union) / (around + EPSILON)
    }

    /// The slopes by x1, y1, x2, y2 of the rectangle.
    fn slopes(&self) -> [f32; SIDES] {
        let around = self.around[0] * self.around[1] + EPSILON;
        let [both, union] = self.quotient();
        // The slopes of the loss by the three areas.
        let by_both = -1.0 / union;
        let by_union = both / (union * union) - 1.0 / around;
        let by_around = (self.union + EPSILON) / (around * around);
        std::array::from_fn(|side| {
            let across = 1 - side % 2;
            let outwards = if side < 2 { -1.0 } else { 1.0 };
            let outside = part(outwards * (self.found[side] - self.wanted[side]));
            let own = outwards * self.own[across];
            let shared = outwards * (1.0 - outside) * self.shared[across];
            let around = outwards * outside * self.around[across];
            by_both * shared + by_union * (own - shared) + by_around * around
        })
    }
}

/// The slope of the larger of two numbers by the first, from their difference.
fn part(difference: f32) -> f32 {
    if difference == 0.0 {
        0.5
    } else {
        f32::from(difference > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, same_bits_again};
    use crate::ops::golden;
    use crate::rng::Stream;

    /// Rectangles with corners in 0..30 and sides in 1..20.
    fn rectangles(seed: u64, count: usize) -> Vec<f32> {
        let mut stream = Stream::new(seed, "rectangles");
        let one = |_| {
            let [x, y] = [(); 2].map(|()| 30.0 * stream.uniform_f32());
            let [w, h] = [(); 2].map(|()| 1.0 + 19.0 * stream.uniform_f32());
            [x, y, x + w, y + h]
        };
        (0..count).flat_map(one).collect()
    }

    fn loss(place: &crate::tensor::Place, found: [f32; 4], wanted: [f32; 4]) -> f32 {
        let [found, wanted] =
            [found, wanted].map(|sides| Tensor2::constant(sides.into(), 1, 4).to(place));
        generalized_iou(&mut Tape::off(), &found, &wanted, None, 0.0, 1.0).scalar()
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            let targets = Tensor2::constant(rectangles(1, 12), 12, 4);
            let boxes = Tensor2::parameter(rectangles(2, 12), 12, 4);
            gradients(place, &[boxes], 0.02, 1e-2, |tape, i| {
                generalized_iou(tape, &i[0], &targets, None, 0.0, 3.0)
            });
            let weights = Tensor2::constant((0..12).map(|i| i as f32 / 6.0).collect(), 12, 1);
            let boxes = Tensor2::parameter(rectangles(5, 12), 12, 4);
            gradients(place, &[boxes], 0.02, 1e-2, |tape, i| {
                generalized_iou(tape, &i[0], &targets, Some(&weights), 1.0, 3.0)
            });
        }

        /// With s far above all areas the IoU is 1, and only the distance counts.
        fn weights_are_factors_and_smoothing_blurs_the_overlap(place) {
            let [boxes, targets] = [6, 7].map(|seed| Tensor2::constant(rectangles(seed, 5), 5, 4).to(place));
            let loss = |weights: Option<[f32; 5]>, smoothing| {
                let weights = weights.map(|weights| Tensor2::constant(weights.into(), 5, 1).to(place));
                generalized_iou(&mut Tape::off(), &boxes, &targets, weights.as_ref(), smoothing, 2.0).scalar()
            };
            let each: Vec<f32> = (0..5).map(|one| {
                let mut weights = [0.0; 5];
                weights[one] = 1.0;
                loss(Some(weights), 1.0)
            }).collect();
            let weighted = 0.5 * each[0] + 3.0 * each[3];
            assert!((loss(Some([0.5, 0.0, 0.0, 3.0, 0.0]), 1.0) - weighted).abs() < 1e-5);
            assert!((loss(None, 1.0) - each.iter().sum::<f32>()).abs() < 1e-5);
            let one = |smoothing| {
                let at = |sides: [f32; 4]| Tensor2::constant(sides.into(), 1, 4).to(place);
                let (left, right) = (at([0.0, 0.0, 2.0, 1.0]), at([1.0, 0.0, 3.0, 1.0]));
                generalized_iou(&mut Tape::off(), &left, &right, None, smoothing, 1.0).scalar()
            };
            // One of three is covered by both, and nothing else lies around.
            assert!((one(0.0) - 2.0 / 3.0).abs() < 1e-6);
            assert!((one(1.0) - 0.5).abs() < 1e-6, "(1 + 1) / (3 + 1)");
        }

        fn the_loss_is_0_upon_each_other_and_nears_2_far_apart(place) {
            let one = [2.0, 3.0, 8.0, 9.0];
            assert!(loss(place, one, one).abs() < 1e-6);
            // Half of the union is covered by both, and nothing lies around.
            assert!((loss(place, one, [2.0, 3.0, 5.0, 9.0]) - 0.5).abs() < 1e-6);
            // Side by side: the union is all that lies around.
            assert!((loss(place, one, [8.0, 3.0, 14.0, 9.0]) - 1.0).abs() < 1e-6);
            let far = loss(place, one, [2e4, 3e4, 2.001e4, 3.001e4]);
            assert!((1.99..=2.0).contains(&far), "{far}");
            let nothing = loss(place, [5.0; 4], [5.0; 4]);
            assert!(nothing.is_finite(), "{nothing}");
        }

        fn sides_upon_each_other_share_the_slope(place) {
            let sides = [2.0, 3.0, 8.0, 9.0];
            let [found, wanted] = [Tensor2::parameter(sides.into(), 1, 4), Tensor2::constant(sides.into(), 1, 4)].map(|t| t.to(place));
            let mut tape = Tape::recording();
            let loss = generalized_iou(&mut tape, &found, &wanted, None, 0.0, 1.0);
            let slopes = found.gradient(&mut tape.backward(&loss));
            // By x2, I and C change by half of the height 6, and U by half of it as well. All three areas are 36.
            assert!(slopes.iter().all(|slope| slope.abs() < 1e-6), "{slopes:?}");
        }

        fn nothing_costs_nothing_and_much_costs_the_same_again(place) {
            let none = Tensor2::constant(vec![], 0, 4).to(place);
            assert_eq!(generalized_iou(&mut Tape::off(), &none, &none, None, 0.0, 1.0).scalar(), 0.0);
            let targets = Tensor2::constant(rectangles(3, 900), 900, 4);
            let boxes = Tensor2::parameter(rectangles(4, 900), 900, 4);
            same_bits_again(place, &[boxes], |tape, i| generalized_iou(tape, &i[0], &targets, None, 0.0, 900.0));
        }

        fn parity_with_torchvision(place) {
            let tensors = golden::load("rcnn_losses");
            let (shape, values) = &tensors["giou.targets"];
            let targets = Tensor2::constant(values.clone(), shape[0], shape[1]);
            golden::check(place, &tensors, "giou", &["boxes"], 1e-5, |tape, i| {
                generalized_iou(tape, &i[0], &targets, None, 0.0, 3.0)
            });
        }
    }
}
