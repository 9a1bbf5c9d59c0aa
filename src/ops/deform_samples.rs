//! The samples of deformable attention for a block of queries of one head: where they lie, what they read, what they pass back.
//!
//! $$ t_k = \langle g, v_k \rangle, \quad \partial v_k \mathrel{+}= A\,\omega_k\, g, \quad \partial A = \sum_k \omega_k t_k, \quad
//!    \partial\Delta = A \sum_k \tfrac{\partial \omega_k}{\partial \Delta}\, t_k, \quad
//!    \partial a = A\,\bigl(\partial A - \textstyle\sum_{lp} A\, \partial A\bigr) $$
//!
//! Shapes: S = levels * P samples of a query in one head, four corners k of a sample; arrays hold one number per sample, query by
//! query, and the four corners apart, so that the arithmetic of the positions vectorises over the samples. Symbols and source as
//! in [`deform_attention`](super::deform_attention).

use super::kernels::cpu::bilinear::pair;
use super::kernels::cpu::vector::{dot, exp, max, sum};
use super::kernels::cpu::{MatrixMut, Split};
use std::ops::Range;
use std::sync::Arc;

/// A level of the values of an image.
#[derive(Clone, Copy, Debug)]
struct Level {
    height: f32,
    width: f32,
    columns: u32,
    /// Tokens before this level.
    start: u32,
}

/// The fixed sizes of one call.
#[derive(Debug)]
pub(super) struct Geometry {
    reference: Arc<Vec<f32>>,
    /// The level of every sample of a query in one head.
    levels: Vec<Level>,
    tokens: usize,
    heads: usize,
    width: usize,
}

impl Geometry {
    /// See [`deform_attention`](super::deform_attention) for the arguments.
    pub(super) fn new(
        reference: Arc<Vec<f32>>,
        levels: &[(usize, usize)],
        heads: usize,
        points: usize,
        width: usize,
    ) -> Self {
        let (mut samples, mut start) = (Vec::new(), 0);
        for &(h, w) in levels {
            let level = Level {
                height: h as f32,
                width: w as f32,
                columns: w as u32,
                start: start as u32,
            };
            samples.extend(std::iter::repeat_n(level, points));
            start += h * w;
        }
        Self {
            reference,
            levels: samples,
            tokens: start,
            heads,
            width,
        }
    }

    /// Queries of an image.
    pub(super) fn queries(&self) -> usize {
        self.reference.len() / 2
    }

    /// Samples of a query in one head.
    pub(super) fn samples(&self) -> usize {
        self.levels.len()
    }

    /// Values of an image.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Number of heads.
    pub(super) fn heads(&self) -> usize {
        self.heads
    }

    /// Width of a head.
    fn head(&self) -> usize {
        self.width / self.heads
    }

    /// Division of the heads of all images, at `cost` multiply-adds per sample and column.
    pub(super) fn split(&self, batch: usize, cost: usize) -> Split {
        Split::new(
            batch * self.heads,
            batch * self.queries() * self.samples() * self.width * cost,
        )
    }

    /// The softmax of the logits of head `index` (counted over the images) into `shares [N, S]`.
    pub(super) fn softmax(&self, logits: &[f32], index: usize, shares: &mut [f32]) {
        let (image, head, samples) = (index / self.heads, index % self.heads, self.samples());
        for (n, row) in shares.chunks_exact_mut(samples).enumerate() {
            let from = ((image * self.queries() + n) * self.heads + head) * samples;
            row.copy_from_slice(&logits[from..][..samples]);
            let most = max(row);
            row.iter_mut().for_each(|v| *v -= most);
        }
        shares.iter_mut().for_each(|v| *v = exp(*v));
        for row in shares.chunks_exact_mut(samples) {
            let scale = 1.0 / sum(row);
            row.iter_mut().for_each(|v| *v *= scale);
        }
    }

    /// The columns of head `index` from its first value in `tensor`, which has `rows` rows per image.
    fn from_head<'a>(&self, tensor: &'a [f32], rows: usize, index: usize) -> &'a [f32] {
        &tensor[index / self.heads * rows * self.width + index % self.heads * self.head()..]
    }

    /// Divides a head into runs of columns of a width that is known at compile time.
    fn pieces(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (mut start, end) = (0, self.head());
        std::iter::from_fn(move || {
            let width = *[64, 32, 16, 8, 1]
                .iter()
                .find(|width| **width <= end - start)?;
            start += width;
            Some((start - width, width))
        })
    }
}

/// Calls a method generic over the width of a piece.
macro_rules! by_width {
    ($width:expr, $self:ident.$method:ident($($argument:expr),*)) => {
        match $width {
            64 => $self.$method::<64>($($argument),*),
            32 => $self.$method::<32>($($argument),*),
            16 => $self.$method::<16>($($argument),*),
            8 => $self.$method::<8>($($argument),*),
            _ => $self.$method::<1>($($argument),*),
        }
    };
}

/// Positions of the samples of a block, and what the backward gathers about them.
#[derive(Debug)]
pub(super) struct Samples {
    x: Vec<f32>,
    y: Vec<f32>,
    /// Row of the value tensor, within the image, under each corner: (low y, low x), (low, high), (high, low), (high, high).
    token: [Vec<u32>; 4],
    /// Weights of the corners and their derivatives by x and by y.
    weight: [Vec<f32>; 4],
    by_x: [Vec<f32>; 4],
    by_y: [Vec<f32>; 4],
    /// Dot products of the gradient and the corners' values.
    agreement: [Vec<f32>; 4],
}

impl Samples {
    /// Room for `capacity` samples.
    pub(super) fn new(capacity: usize) -> Self {
        let numbers = || std::array::from_fn(|_| vec![0.0; capacity]);
        Self {
            x: vec![0.0; capacity],
            y: vec![0.0; capacity],
            token: std::array::from_fn(|_| vec![0; capacity]),
            weight: numbers(),
            by_x: numbers(),
            by_y: numbers(),
            agreement: numbers(),
        }
    }

    /// Finds the corners and their weights for the queries `block` of head `index`.
    pub(super) fn locate(
        &mut self,
        geometry: &Geometry,
        offsets: &[f32],
        index: usize,
        block: Range<usize>,
    ) {
        let samples = geometry.samples();
        let (image, head) = (index / geometry.heads, index % geometry.heads);
        for (k, n) in block.clone().enumerate() {
            let [x, y] = [geometry.reference[2 * n], geometry.reference[2 * n + 1]];
            let from = ((image * geometry.queries() + n) * geometry.heads + head) * samples * 2;
            let offsets = offsets[from..][..samples * 2].chunks_exact(2);
            let to = k * samples..(k + 1) * samples;
            let targets = self.x[to.clone()].iter_mut().zip(&mut self.y[to]);
            for (((to_x, to_y), offset), level) in targets.zip(offsets).zip(&geometry.levels) {
                *to_x = x * level.width + offset[0] - 0.5;
                *to_y = y * level.height + offset[1] - 0.5;
            }
        }
        for k in 0..block.len() {
            let first = k * samples;
            for (s, level) in geometry.levels.iter().enumerate() {
                self.place(first + s, level);
            }
        }
    }

    /// The corners of sample `s`.
    #[inline(always)]
    fn place(&mut self, s: usize, level: &Level) {
        let (x, y) = (pair(self.x[s], level.width), pair(self.y[s], level.height));
        for corner in 0..4 {
            let (i, j) = (corner / 2, corner % 2);
            self.token[corner][s] = level.start + y.index[i] * level.columns + x.index[j];
            self.weight[corner][s] = y.weight[i] * x.weight[j];
            self.by_x[corner][s] = y.weight[i] * x.slope[j];
            self.by_y[corner][s] = y.slope[i] * x.weight[j];
        }
    }

    /// `out[n] = sum of A * value(sample)` for the queries `block`; `shares` starts with those of the block.
    pub(super) fn gather(
        &self,
        geometry: &Geometry,
        value: &[f32],
        index: usize,
        shares: &[f32],
        out: &mut MatrixMut,
        block: Range<usize>,
    ) {
        let value = geometry.from_head(value, geometry.tokens, index);
        for (start, width) in geometry.pieces() {
            by_width!(
                width,
                self.gather_piece(geometry, &value[start..], shares, out, start, block.clone())
            );
        }
    }

    fn gather_piece<const W: usize>(
        &self,
        geometry: &Geometry,
        value: &[f32],
        shares: &[f32],
        out: &mut MatrixMut,
        start: usize,
        block: Range<usize>,
    ) {
        let samples = geometry.samples();
        for (k, n) in block.enumerate() {
            let mut total = [0f32; W];
            for s in k * samples..(k + 1) * samples {
                for corner in 0..4 {
                    let factor = shares[s] * self.weight[corner][s];
                    let read = row::<W>(value, self.token[corner][s], geometry.width);
                    for (t, v) in total.iter_mut().zip(read) {
                        *t += factor * v;
                    }
                }
            }
            out.row_mut(n)[start..start + W].copy_from_slice(&total);
        }
    }

    /// Adds `A * weight * gradient` to the values under the corners.
    pub(super) fn scatter(
        &self,
        geometry: &Geometry,
        gradient: &[f32],
        index: usize,
        shares: &[f32],
        to: &mut MatrixMut,
        block: Range<usize>,
    ) {
        let gradient = geometry.from_head(gradient, geometry.queries(), index);
        for (start, width) in geometry.pieces() {
            by_width!(
                width,
                self.scatter_piece(
                    geometry,
                    &gradient[start..],
                    shares,
                    to,
                    start,
                    block.clone()
                )
            );
        }
    }

    fn scatter_piece<const W: usize>(
        &self,
        geometry: &Geometry,
        gradient: &[f32],
        shares: &[f32],
        to: &mut MatrixMut,
        start: usize,
        block: Range<usize>,
    ) {
        let samples = geometry.samples();
        for (k, n) in block.enumerate() {
            let g = row::<W>(gradient, n as u32, geometry.width);
            for s in k * samples..(k + 1) * samples {
                for corner in 0..4 {
                    let factor = shares[s] * self.weight[corner][s];
                    let to = &mut to.row_mut(self.token[corner][s] as usize)[start..start + W];
                    for (t, g) in to.iter_mut().zip(g) {
                        *t += factor * g;
                    }
                }
            }
        }
    }

    /// Computes the dot products of the gradient and the values under the corners.
    pub(super) fn agree(
        &mut self,
        geometry: &Geometry,
        value: &[f32],
        gradient: &[f32],
        index: usize,
        block: Range<usize>,
    ) {
        let value = geometry.from_head(value, geometry.tokens, index);
        let gradient = geometry.from_head(gradient, geometry.queries(), index);
        for agreement in &mut self.agreement {
            agreement.fill(0.0);
        }
        for (start, width) in geometry.pieces() {
            by_width!(
                width,
                self.agree_piece(geometry, &value[start..], &gradient[start..], block.clone())
            );
        }
    }

    fn agree_piece<const W: usize>(
        &mut self,
        geometry: &Geometry,
        value: &[f32],
        gradient: &[f32],
        block: Range<usize>,
    ) {
        let samples = geometry.samples();
        for (k, n) in block.enumerate() {
            let g = row::<W>(gradient, n as u32, geometry.width);
            for s in k * samples..(k + 1) * samples {
                for corner in 0..4 {
                    let read = row::<W>(value, self.token[corner][s], geometry.width);
                    self.agreement[corner][s] += dot(g, read);
                }
            }
        }
    }

    /// Sum over the corners of `factors * agreement` for sample `s`.
    #[inline(always)]
    fn weigh(&self, factors: &[Vec<f32>; 4], s: usize) -> f32 {
        (0..4)
            .map(|corner| factors[corner][s] * self.agreement[corner][s])
            .sum()
    }

    /// Adds the gradients of the offsets of the block, which starts at row `first` of `to`.
    pub(super) fn add_to_offsets(
        &self,
        samples: usize,
        shares: &[f32],
        to: &mut MatrixMut,
        first: usize,
    ) {
        for (k, shares) in shares.chunks_exact(samples).enumerate() {
            for (s, (to, share)) in to
                .row_mut(first + k)
                .chunks_exact_mut(2)
                .zip(shares)
                .enumerate()
            {
                to[0] += share * self.weigh(&self.by_x, k * samples + s);
                to[1] += share * self.weigh(&self.by_y, k * samples + s);
            }
        }
    }

    /// Adds the gradients of the logits of the block, which starts at row `first` of `to`.
    pub(super) fn add_to_weights(
        &self,
        samples: usize,
        shares: &[f32],
        to: &mut MatrixMut,
        first: usize,
    ) {
        for (k, shares) in shares.chunks_exact(samples).enumerate() {
            let of = |s: usize| self.weigh(&self.weight, k * samples + s);
            let mean: f32 = shares
                .iter()
                .enumerate()
                .map(|(s, share)| share * of(s))
                .sum();
            for (s, (to, share)) in to.row_mut(first + k).iter_mut().zip(shares).enumerate() {
                *to += share * (of(s) - mean);
            }
        }
    }
}

/// `W` values of row `index`.
#[inline(always)]
fn row<const W: usize>(values: &[f32], index: u32, stride: usize) -> &[f32; W] {
    values[index as usize * stride..]
        .first_chunk()
        .expect("a row of the tensor")
}
