//! Multi-scale deformable attention, <https://arxiv.org/abs/2010.04159> (Deformable DETR), `MSDeformAttn`.
//!
//! Every token samples P points per head and level around its own position. The offsets and the weights of
//! the points are linear in the token:
//!
//! `$$ y_n = W_o \,\big\Vert_h \sum_{l, p} A_{nhlp}\, (W_v x)_{h,l}\big(r_n + \Delta_{nhlp} / (w_l, h_l)\big) $$`
//!
//! Shapes: B batch, N tokens of all levels together, D width, h heads, P points.

use std::f64::consts::PI;
use std::sync::Arc;

use crate::nn::Linear;
use crate::nn::params::{Param, Parameters, join};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Tape, Tensor2};

/// The sizes of the levels of a token sequence, and the position of each token.
#[derive(Clone, Debug)]
pub struct Levels {
    /// (height, width) of every level, in the order of the tokens.
    pub sizes: Vec<(usize, usize)>,
    /// `[N, 2]`: the centre of every token, (x, y) in 0..1.
    pub reference: Arc<Vec<f32>>,
}

impl Levels {
    /// Token (i, j) of a level of size (h, w) is at ((j + 0.5) / w, (i + 0.5) / h) of the image.
    pub fn new(sizes: Vec<(usize, usize)>) -> Self {
        let mut reference = Vec::with_capacity(2 * sizes.iter().map(|(h, w)| h * w).sum::<usize>());
        for &(height, width) in &sizes {
            for y in 0..height {
                for x in 0..width {
                    reference.extend([
                        (x as f32 + 0.5) / width as f32,
                        (y as f32 + 0.5) / height as f32,
                    ]);
                }
            }
        }
        Self {
            sizes,
            reference: Arc::new(reference),
        }
    }
}

/// Four linear layers around the sampling.
#[derive(Clone, Debug)]
pub struct DeformAttention {
    sampling_offsets: Linear,
    attention_weights: Linear,
    value_proj: Linear,
    output_proj: Linear,
    heads: usize,
    points: usize,
}

impl DeformAttention {
    /// The offsets start at fixed places: head h has the direction `$$ 2 \pi h / heads $$`, point p the
    /// distance p + 1. The weights start equal.
    pub fn new(width: usize, heads: usize, levels: usize, points: usize, rng: &mut Stream) -> Self {
        let samples = heads * levels * points;
        let offsets = first_offsets(heads, levels, points);
        Self {
            sampling_offsets: Linear::from_values(
                width,
                2 * samples,
                vec![0.0; 2 * samples * width],
                offsets,
            ),
            attention_weights: Linear::from_values(
                width,
                samples,
                vec![0.0; samples * width],
                vec![0.0; samples],
            ),
            value_proj: Linear::projection(width, width, rng),
            output_proj: Linear::projection(width, width, rng),
            heads,
            points,
        }
    }

    /// query `[B * N, D]` (content and position), content `[B * N, D]` -> `[B * N, D]`.
    pub fn forward(
        &self,
        tape: &mut Tape,
        query: &Tensor2,
        content: &Tensor2,
        levels: &Levels,
        batch: usize,
    ) -> Tensor2 {
        let value = self.value_proj.forward(tape, content);
        let offsets = self.sampling_offsets.forward(tape, query);
        let weights = self.attention_weights.forward(tape, query);
        let inputs = ops::DeformInputs {
            value: &value,
            offsets: &offsets,
            weights: &weights,
            reference: &levels.reference,
            levels: &levels.sizes,
            batch,
            heads: self.heads,
            points: self.points,
        };
        let sampled = ops::deform_attention(tape, inputs);
        self.output_proj.forward(tape, &sampled)
    }
}

impl Parameters for DeformAttention {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.sampling_offsets
            .parameters(&join(prefix, "sampling_offsets"), visit);
        self.attention_weights
            .parameters(&join(prefix, "attention_weights"), visit);
        self.value_proj
            .parameters(&join(prefix, "value_proj"), visit);
        self.output_proj
            .parameters(&join(prefix, "output_proj"), visit);
    }
}

/// `[heads, levels, points, 2]`: the direction of the head, scaled so that its longer side is 1, times p + 1.
fn first_offsets(heads: usize, levels: usize, points: usize) -> Vec<f32> {
    let mut offsets = Vec::with_capacity(heads * levels * points * 2);
    for head in 0..heads {
        let angle = 2.0 * PI * head as f64 / heads as f64;
        let (x, y) = (libm::cos(angle), libm::sin(angle));
        let longer = x.abs().max(y.abs());
        for _ in 0..levels {
            for point in 1..=points {
                offsets.extend(
                    [(x / longer) as f32, (y / longer) as f32].map(|side| side * point as f32),
                );
            }
        }
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_start_in_all_directions_and_points_at_growing_distances() {
        let offsets = first_offsets(8, 1, 2);
        let expected = [
            [1.0, 0.0],
            [2.0, 0.0], // head 0: right
            [1.0, 1.0],
            [2.0, 2.0], // head 1: diagonal, on the square
            [0.0, 1.0],
            [0.0, 2.0], // head 2: down
        ];
        for (i, value) in expected.as_flattened().iter().enumerate() {
            assert!(
                (offsets[i] - value).abs() < 1e-6,
                "{i}: {} != {value}",
                offsets[i]
            );
        }
        assert_eq!(offsets.len(), 32);
    }

    #[test]
    fn tokens_lie_at_the_centres_of_their_pixels() {
        let levels = Levels::new(vec![(1, 2), (2, 1)]);
        assert_eq!(
            *levels.reference,
            [0.25, 0.5, 0.75, 0.5, 0.5, 0.25, 0.5, 0.75]
        );
    }
}
