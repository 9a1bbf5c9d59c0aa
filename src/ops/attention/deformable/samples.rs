//! The samples of deformable attention for a block of queries of one head: where they lie, what they read,
//! what they pass back.
//!
//! `$$ t_k = \langle g, v_k \rangle, \quad \partial v_k \mathrel{+}= A\,\omega_k\, g, \quad
//!    \partial A = \sum_k \omega_k t_k, \quad
//!    \partial\Delta = A \sum_k \tfrac{\partial \omega_k}{\partial \Delta}\, t_k, \quad
//!    \partial a = A\,\bigl(\partial A - \textstyle\sum_{lp} A\, \partial A\bigr) $$`
//!
//! Shapes: S samples of a query, four corners k of a sample in the order (low y, low x), (low, high), (high,
//! low), (high, high); samples query by query. Symbols and source as in
//! [`deform_attention`](super::deform_attention). The arithmetic of the positions vectorises over the
//! samples, the sums over the columns of the head.

use super::geometry::{BLOCK, Geometry};
use crate::ops::cpu::MatrixMut;
use crate::ops::cpu::bilinear::pair;
use std::ops::Range;

/// Calls a method generic over the width of a piece of a head.
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

/// A number for each corner of a sample.
type Corners<T = f32> = [T; 4];

/// Positions of the samples of a block, and what the backward gathers about them.
#[derive(Debug)]
pub(super) struct Samples {
    x: Vec<f32>,
    y: Vec<f32>,
    /// Row of the value tensor, within the image.
    token: Vec<Corners<u32>>,
    /// Weights of the corners and their derivatives by x and by y.
    weight: Vec<Corners>,
    by_x: Vec<Corners>,
    by_y: Vec<Corners>,
    /// Dot products of the gradient and the corners' values.
    agreement: Vec<Corners>,
}

impl Samples {
    /// Room for the samples of a block.
    pub(super) fn new(geometry: &Geometry) -> Self {
        let capacity = BLOCK * geometry.samples();
        Self {
            x: vec![0.0; capacity],
            y: vec![0.0; capacity],
            token: vec![[0; 4]; capacity],
            weight: vec![[0.0; 4]; capacity],
            by_x: vec![[0.0; 4]; capacity],
            by_y: vec![[0.0; 4]; capacity],
            agreement: vec![[0.0; 4]; capacity],
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
        let places = self
            .x
            .chunks_exact_mut(samples)
            .zip(self.y.chunks_exact_mut(samples));
        for (n, (xs, ys)) in block.clone().zip(places) {
            let [x, y] = [geometry.reference[2 * n], geometry.reference[2 * n + 1]];
            let offsets = &offsets[geometry.at(index, n, 2 * samples)..][..2 * samples];
            let sizes = geometry.width.iter().zip(&geometry.height);
            for (((to_x, to_y), offset), (w, h)) in xs
                .iter_mut()
                .zip(ys)
                .zip(offsets.chunks_exact(2))
                .zip(sizes)
            {
                *to_x = x * w + offset[0] - 0.5;
                *to_y = y * h + offset[1] - 0.5;
            }
        }
        let count = block.len() * samples;
        let (x, y, width, height) = (
            &self.x[..count],
            &self.y[..count],
            &geometry.width[..count],
            &geometry.height[..count],
        );
        let (start, row, token) = (
            &geometry.start[..count],
            &geometry.row[..count],
            &mut self.token[..count],
        );
        let (weight, by_x, by_y) = (
            &mut self.weight[..count],
            &mut self.by_x[..count],
            &mut self.by_y[..count],
        );
        for s in 0..count {
            let (x, y) = (pair(x[s], width[s]), pair(y[s], height[s]));
            let (low, high) = (
                start[s] + y.index[0] * row[s],
                start[s] + y.index[1] * row[s],
            );
            token[s] = [
                low + x.index[0],
                low + x.index[1],
                high + x.index[0],
                high + x.index[1],
            ];
            weight[s] = outer(y.weight, x.weight);
            by_x[s] = outer(y.weight, x.slope);
            by_y[s] = outer(y.slope, x.weight);
        }
    }

    /// `out[n] = sum of A * value(sample)` for the queries `block`; `shares` are the A of the block.
    pub(super) fn gather(
        &self,
        geometry: &Geometry,
        value: &[f32],
        index: usize,
        shares: &[f32],
        out: &mut MatrixMut,
        block: Range<usize>,
    ) {
        let value = geometry.head_of(value, geometry.tokens(), index);
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
        let (samples, stride) = (geometry.samples(), geometry.columns());
        let queries = shares
            .chunks_exact(samples)
            .zip(self.token.chunks_exact(samples))
            .zip(self.weight.chunks_exact(samples));
        for (n, ((shares, tokens), weights)) in block.zip(queries) {
            let mut total = [0f32; W];
            for ((share, token), weight) in shares.iter().zip(tokens).zip(weights) {
                for (token, weight) in token.iter().zip(weight) {
                    add::<W>(&mut total, share * weight, row(value, *token, stride));
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
        let gradient = geometry.head_of(gradient, geometry.queries(), index);
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
        let queries = shares
            .chunks_exact(samples)
            .zip(self.token.chunks_exact(samples))
            .zip(self.weight.chunks_exact(samples));
        for (n, ((shares, tokens), weights)) in block.zip(queries) {
            let g = *row::<W>(gradient, n as u32, geometry.columns());
            for ((share, token), weight) in shares.iter().zip(tokens).zip(weights) {
                for (token, weight) in token.iter().zip(weight) {
                    let to = to.row_mut(*token as usize)[start..].first_chunk_mut();
                    add::<W>(to.expect("a piece of the head"), share * weight, &g);
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
        let value = geometry.head_of(value, geometry.tokens(), index);
        let gradient = geometry.head_of(gradient, geometry.queries(), index);
        self.agreement.fill([0.0; 4]);
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
        let (samples, stride) = (geometry.samples(), geometry.columns());
        let queries = self
            .token
            .chunks_exact(samples)
            .zip(self.agreement.chunks_exact_mut(samples));
        for (n, (tokens, agreements)) in block.zip(queries) {
            let g = *row::<W>(gradient, n as u32, stride);
            for (token, agreement) in tokens.iter().zip(agreements) {
                let read = token.map(|token| row::<W>(value, token, stride));
                for (to, product) in agreement.iter_mut().zip(dots(&g, read)) {
                    *to += product;
                }
            }
        }
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
            let span = k * samples..(k + 1) * samples;
            let slopes = self.by_x[span.clone()].iter().zip(&self.by_y[span.clone()]);
            let targets = to.row_mut(first + k).chunks_exact_mut(2);
            for (((to, share), (by_x, by_y)), agreement) in
                targets.zip(shares).zip(slopes).zip(&self.agreement[span])
            {
                to[0] += share * weigh(by_x, agreement);
                to[1] += share * weigh(by_y, agreement);
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
            let span = k * samples..(k + 1) * samples;
            let of = || {
                self.weight[span.clone()]
                    .iter()
                    .zip(&self.agreement[span.clone()])
                    .map(|(w, a)| weigh(w, a))
            };
            let mean: f32 = shares
                .iter()
                .zip(of())
                .map(|(share, value)| share * value)
                .sum();
            for ((to, share), value) in to.row_mut(first + k).iter_mut().zip(shares).zip(of()) {
                *to += share * (value - mean);
            }
        }
    }
}

/// The products of the numbers of two axes, corner by corner.
#[inline(always)]
fn outer(y: [f32; 2], x: [f32; 2]) -> Corners {
    [y[0] * x[0], y[0] * x[1], y[1] * x[0], y[1] * x[1]]
}

/// Sum over the corners of `factors * agreement`.
#[inline(always)]
fn weigh(factors: &Corners, agreement: &Corners) -> f32 {
    (factors[0] * agreement[0] + factors[1] * agreement[1])
        + (factors[2] * agreement[2] + factors[3] * agreement[3])
}

/// `to += factor * values`.
#[inline(always)]
fn add<const W: usize>(to: &mut [f32; W], factor: f32, values: &[f32; W]) {
    for (t, v) in to.iter_mut().zip(values) {
        *t += factor * v;
    }
}

/// Dot products of `g` with the values of the four corners.
///
/// Four running sums each, added up across the corners at the end: one short transpose in place of four long
/// reductions.
#[inline(always)]
fn dots<const W: usize>(g: &[f32; W], values: [&[f32; W]; 4]) -> Corners {
    let mut lanes = [[0f32; 4]; 4];
    for (lanes, values) in lanes.iter_mut().zip(values) {
        for (g, values) in g.chunks(4).zip(values.chunks(4)) {
            for ((lane, g), v) in lanes.iter_mut().zip(g).zip(values) {
                *lane += g * v;
            }
        }
    }
    lanes.map(|[a, b, c, d]| (a + b) + (c + d))
}

/// `W` values of row `index`.
#[inline(always)]
fn row<const W: usize>(values: &[f32], index: u32, stride: usize) -> &[f32; W] {
    values[index as usize * stride..]
        .first_chunk()
        .expect("a row of the tensor")
}
