//! CLIP's vision transformer on patches of the picture and a class token.
//!
//! `$$ x = \mathrm{transformer}\bigl(\mathrm{LN}_{pre}([c;\, W_p\,\text{patches}] + p)\bigr), \qquad
//!    v = W_v\, \mathrm{LN}_{post}(x_0), \qquad f_{ij} = \mathrm{LN}_{post}(x_{1 + i w + j}) $$`
//!
//! v represents the picture. f are the dense features; the same `$W_v$` maps them after pooling under a mask.
//! Shapes: P pixels along a side of a patch, h x w patches, D width, E width of the shared space. Source:
//! <https://arxiv.org/abs/2103.00020> and `CLIPVisionModel` of `transformers`. For pictures of other sizes than
//! in training, the position embedding is resized bicubically, as by `interpolate_pos_encoding` there.

use super::text::projection;
use super::transformer::{Transformer, TransformerSizes};
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::nn::{Conv2d, LayerNorm};
use crate::ops;
use crate::tensor::{Map, Tape, Tensor2};
use std::sync::{Arc, Mutex, PoisonError};

/// The sizes of a vision transformer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VitSizes {
    /// The side of the training pictures in pixels.
    pub image: usize,
    /// P.
    pub patch: usize,
    /// The sizes of its transformer.
    pub transformer: TransformerSizes,
}

/// The tower.
#[derive(Clone, Debug)]
pub struct Vit {
    sizes: VitSizes,
    conv1: Conv2d,
    class_embedding: Param,
    positional_embedding: Param,
    ln_pre: LayerNorm,
    transformer: Transformer,
    ln_post: LayerNorm,
    proj: Param,
    /// The position embedding of the last used grid, and that grid.
    resized: Arc<Mutex<Option<Resized>>>,
}

/// The position embedding of a grid of rows and columns.
type Resized = ((usize, usize), Tensor2);

impl Vit {
    /// All weights are 0. `shared` is E.
    pub fn new(sizes: &VitSizes, shared: usize) -> Self {
        let TransformerSizes { width, epsilon, .. } = sizes.transformer;
        let positions = 1 + (sizes.image / sizes.patch).pow(2);
        let embedding = |rows: usize, shape: &[usize]| {
            Param::new(
                ParamKind::Embedding,
                vec![0.0; rows * width],
                rows,
                width,
                shape,
            )
        };
        Self {
            sizes: *sizes,
            conv1: Conv2d::patches(3, width, sizes.patch, false),
            class_embedding: embedding(1, &[width]),
            positional_embedding: embedding(positions, &[positions, width]),
            ln_pre: LayerNorm::with_epsilon(width, epsilon),
            transformer: Transformer::new(&sizes.transformer),
            ln_post: LayerNorm::with_epsilon(width, epsilon),
            proj: projection(width, shared),
            resized: Arc::default(),
        }
    }

    /// The sizes of the tower.
    pub fn sizes(&self) -> &VitSizes {
        &self.sizes
    }

    /// One picture of any size -> `[1, E]`, not normalised.
    pub fn embed_image(&self, tape: &mut Tape, pixels: &Map) -> Tensor2 {
        let (x, ..) = self.tokens(tape, pixels);
        let class = ops::slice_rows(tape, &x, 0, 1);
        let class = self.ln_post.forward(tape, &class, None);
        self.embed(tape, &class)
    }

    /// One picture of any size -> dense features, a map of h x w.
    pub fn dense(&self, tape: &mut Tape, pixels: &Map) -> Map {
        let (x, height, width) = self.tokens(tape, pixels);
        let squares = ops::slice_rows(tape, &x, 1, height * width);
        Map::new(self.ln_post.forward(tape, &squares, None), 1, height, width)
    }

    /// Features `[n, D]` -> `[n, E]`.
    pub fn embed(&self, tape: &mut Tape, features: &Tensor2) -> Tensor2 {
        ops::linear(tape, features, &self.proj.value, None, false)
    }

    /// The last states `[1 + h w, D]`, and h and w.
    fn tokens(&self, tape: &mut Tape, pixels: &Map) -> (Tensor2, usize, usize) {
        assert_eq!(pixels.batch, 1, "one picture at a time");
        let squares = self.conv1.forward(tape, pixels);
        let x = ops::concat_tokens(tape, &[&self.class_embedding.value, &squares.data], 1);
        let positions = self.positions(squares.height, squares.width);
        let x = ops::add(tape, &x, &positions);
        let x = self.ln_pre.forward(tape, &x, None);
        let x = self.transformer.forward(tape, &x, false);
        (x, squares.height, squares.width)
    }

    /// The position embedding `[1 + h w, D]` of a grid of h x w.
    fn positions(&self, height: usize, width: usize) -> Tensor2 {
        let values = &self.positional_embedding.value;
        let side = self.sizes.image / self.sizes.patch;
        if (height, width) == (side, side) {
            return values.detach();
        }
        let mut last = self.resized.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((size, positions)) if *size == (height, width) => positions.clone(),
            _ => {
                let positions = self.resized_positions(side, (height, width));
                let positions = positions.to(&values.place());
                last.insert(((height, width), positions)).1.clone()
            }
        }
    }

    fn resized_positions(&self, side: usize, (height, width): (usize, usize)) -> Tensor2 {
        let (values, columns) = (&self.positional_embedding.value, self.proj.value.columns());
        let values = values.host_values();
        let (class, grid) = values.split_at(columns);
        let (rows, across) = (cubic(side, height), cubic(side, width));
        let mut resized = class.to_vec();
        resized.resize((1 + height * width) * columns, 0.0);
        let cells = resized[columns..].chunks_exact_mut(columns);
        for (i, cell) in cells.enumerate() {
            for (y, a) in rows[i / width] {
                for (x, b) in across[i % width] {
                    let from = &grid[(y * side + x) * columns..][..columns];
                    cell.iter_mut()
                        .zip(from)
                        .for_each(|(to, from)| *to += a * b * from);
                }
            }
        }
        Tensor2::constant(resized, 1 + height * width, columns)
    }
}

/// Bicubic interpolation of a line of `from` points to `to` points: for every new point, four old ones and
/// their weights. Source: Keys 1981 with a = -0.75, where points outside repeat the border; PyTorch's
/// `interpolate(mode="bicubic", align_corners=False)`.
fn cubic(from: usize, to: usize) -> Vec<[(usize, f32); 4]> {
    const A: f64 = -0.75;
    let near = |d: f64| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    let scale = from as f64 / to as f64;
    (0..to)
        .map(|place| {
            let centre = (place as f64 + 0.5) * scale - 0.5;
            let (first, t) = (centre.floor(), centre - centre.floor());
            let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
            std::array::from_fn(|i| {
                let index = (first + i as f64 - 1.0).clamp(0.0, (from - 1) as f64);
                (index as usize, weights[i] as f32)
            })
        })
        .collect()
}

impl Parameters for Vit {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        // The visitor may change the values. A clone keeps the embedding of its own values.
        self.resized = Arc::default();
        let name = |name| join(prefix, name);
        self.conv1.parameters(&name("conv1"), visit);
        visit(&name("class_embedding"), &mut self.class_embedding);
        visit(
            &name("positional_embedding"),
            &mut self.positional_embedding,
        );
        self.ln_pre.parameters(&name("ln_pre"), visit);
        self.transformer.parameters(&name("transformer"), visit);
        self.ln_post.parameters(&name("ln_post"), visit);
        visit(&name("proj"), &mut self.proj);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cubic_weights_sum_to_one_and_keep_a_line() {
        for (from, to) in [(7, 7), (7, 9), (7, 3), (1, 5)] {
            for (i, taps) in cubic(from, to).iter().enumerate() {
                let sum: f32 = taps.iter().map(|(_, weight)| weight).sum();
                assert!((sum - 1.0).abs() < 1e-6, "{from} -> {to} at {i}: {taps:?}");
            }
        }
        // With the same size, every point is itself.
        assert!(
            cubic(5, 5)
                .iter()
                .enumerate()
                .all(|(i, taps)| taps[1] == (i, 1.0))
        );
    }
}
