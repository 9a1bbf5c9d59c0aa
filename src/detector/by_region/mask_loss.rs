//! The loss of masks of some regions at one resolution.
//!
//! `$$ L = \frac1{|F| S^2} \sum_{r \in F} \sum_i w_{ri}\,\mathrm{BCE}(z_{ri}, m_{ri}) $$`
//!
//! F are regions that have to find an object, S x S the pixels of their masks. A noise-tolerant mask head has this loss
//! twice: of its masks, and of its coarse masks with targets of their own resolution (Noisy Boundaries).

use super::zero;
use crate::detector::{Cells, MaskLoss};
use crate::ops;
use crate::tensor::{Tape, Tensor2};

/// The targets of the masks of some regions, `[F * S * S]`.
#[derive(Default)]
pub struct MaskTargets {
    /// The masks of the objects in the regions.
    pub masks: Vec<f32>,
    /// The weights of their pixels.
    pub weights: Vec<f32>,
    /// True if any weight was given.
    pub weighted: bool,
}

/// Keeps the renormalised loss finite where every pixel has weight 0.
const SMALLEST_MEAN: f32 = 1e-6;

impl MaskTargets {
    /// Adds the masks of some regions, and the weights of their pixels if there are any.
    pub fn extend(&mut self, masks: Vec<f32>, weights: Option<Vec<f32>>) {
        self.masks.extend(masks);
        match weights {
            Some(weights) => {
                self.weights.extend(weights);
                self.weighted = true;
            }
            None => self.weights.resize(self.masks.len(), 1.0),
        }
    }

    /// Multiplies the weights by those of the boundaries in the predicted `logits`, `[F * S * S, 1]` with S = `side`,
    /// if `rule` has any.
    pub fn weigh(&mut self, logits: &Tensor2, side: usize, rule: &MaskLoss) {
        let Some(boundary) = rule.boundary else {
            return;
        };
        let (all, pixels) = (Cells::all((side, side)), side * side);
        let planes = logits.host_values();
        let planes = planes
            .chunks_exact(pixels)
            .zip(self.weights.chunks_exact_mut(pixels));
        for (plane, weights) in planes {
            let factors = boundary.weights(plane, (side, side), &all);
            weights
                .iter_mut()
                .zip(factors)
                .for_each(|(weight, factor)| *weight *= factor);
        }
        self.weighted = true;
    }

    /// The sum of the weights.
    pub fn total(&self) -> f64 {
        self.weights.iter().map(|weight| f64::from(*weight)).sum()
    }

    /// The loss of the predicted `logits`, `[F * S * S, 1]` with S = `side`, by the rules `rule`. `counted`: F and the
    /// sum of the weights, if there are other regions than these.
    pub fn loss(
        mut self,
        tape: &mut Tape,
        logits: &Tensor2,
        side: usize,
        rule: &MaskLoss,
        counted: Option<(f64, f64)>,
    ) -> Tensor2 {
        let pixels = side * side;
        let count = self.masks.len() / pixels;
        if count == 0 {
            return zero();
        }
        let logits = ops::reshape(tape, logits, count, pixels);
        self.weigh(&logits, side, rule);
        let (found, sum) = counted.unwrap_or((count as f64, self.total()));
        let mut divisor = found as f32;
        // Other regions may have weights where these have none.
        if (self.weighted || counted.is_some()) && rule.renormalise {
            divisor *= ((sum / (found * pixels as f64)) as f32).max(SMALLEST_MEAN);
        }
        let targets = Tensor2::constant(self.masks, count, pixels);
        let weights = self
            .weighted
            .then(|| Tensor2::constant(self.weights, count, pixels));
        ops::bce_points(tape, &logits, &targets, weights.as_ref(), divisor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::{Boundary, Padding, Reduction};
    use crate::ops::check::on_every_place;
    use crate::ops::golden;

    on_every_place! {
        fn boundary_weights_of_both_resolutions_parity_with_pytorch(place) {
            let tensors = golden::load("rcnn_heads");
            let get = |name: &str| &tensors[name].1;
            for (case, reduction, padding) in [
                ("pixel.zero", Reduction::Pixel, Padding::Zero),
                ("pixel.replicate", Reduction::Pixel, Padding::Replicate),
                ("released.zero", Reduction::Released, Padding::Zero),
            ] {
                for (masks, side) in [("final", 8), ("coarse", 4)] {
                    let logits = get(&format!("bpm.{masks}.logits")).clone();
                    let rows = logits.len();
                    let leaf = Tensor2::parameter(logits, rows, 1).to(place);
                    let mut targets = MaskTargets::default();
                    targets.extend(get(&format!("bpm.{masks}.targets")).clone(), None);
                    let boundary = Boundary { scale: 3.0, reduction, padding };
                    let rule = MaskLoss { boundary: Some(boundary), ..MaskLoss::default() };
                    let mut tape = Tape::recording();
                    let loss = targets.loss(&mut tape, &leaf, side, &rule, None);
                    let name = format!("bpm.{case}.{masks}");
                    golden::compare(&name, &[loss.scalar()], get(&format!("{name}.loss")), 1e-5);
                    let mut grads = tape.backward(&loss);
                    let found = leaf.gradient(&mut grads);
                    golden::compare(&name, &found, get(&format!("{name}.grad")), 1e-5);
                }
            }
        }
    }
}
