//! The backward of [`attention`](super::attention()), head by head.
//!
//! `$$ \partial V = P^\top G, \quad \partial S = P \odot \bigl(\partial P - \mathrm{rowsum}(P \odot \partial
//!    P)\bigr), \quad
//!    \partial P = G V^\top, \quad \partial Q = \tfrac{1}{\sqrt d}\,\partial S\, K, \quad
//!    \partial K = \tfrac{1}{\sqrt d}\,\partial S^\top Q $$`
//!
//! G is the gradient of Y. Symbols, shapes and source as in the forward; every head of every image owns its
//! columns of the gradients, so that the heads run in parallel.

use super::Shape;
use crate::ops::cpu::parallel::run;
use crate::ops::cpu::vector::dot;
use crate::ops::cpu::{Matrix, MatrixMut, Write, gemm, unfilled};
use crate::tensor::{Grads, Tensor2};
use std::ops::Range;

/// The gradients that one head of one image writes in the backward pass; none for an input that requires no
/// gradient.
#[derive(Default)]
struct HeadGradients<'a> {
    q: Option<MatrixMut<'a>>,
    k: Option<MatrixMut<'a>>,
    v: Option<MatrixMut<'a>>,
}

/// Adds the gradients of q, k and v (`inputs`, those that require one), given the probabilities of the
/// forward.
pub(super) fn backward(
    grads: &mut Grads,
    inputs: &[Tensor2; 3],
    source: &Tensor2,
    shape: Shape,
    probabilities: &[f32],
) {
    let Shape {
        queries,
        memory,
        heads,
        batch,
        ..
    } = shape;
    let gradient = source.take_gradient(grads);
    let mut buffers = inputs
        .each_ref()
        .map(|input| input.requires_grad().then(|| input.take_gradient(grads)));
    let mut tiles: Vec<HeadGradients> = (0..batch * heads)
        .map(|_| HeadGradients::default())
        .collect();
    for (which, buffer) in buffers.iter_mut().enumerate() {
        let Some(buffer) = buffer else { continue };
        let rows = if which == 0 { queries } else { memory };
        for (tile, cut) in tiles.iter_mut().zip(shape.cut(buffer, rows)) {
            *[&mut tile.q, &mut tile.k, &mut tile.v][which] = Some(cut);
        }
    }
    let split = shape.split(4);
    let shares = split.ranges().zip(split.cut(&mut tiles, 1)).collect();
    run(
        shares,
        |(range, tiles): (Range<usize>, &mut [HeadGradients])| {
            let mut scratch = unfilled(shape.scores());
            for (index, tile) in range.zip(tiles) {
                let shares = &probabilities[index * shape.scores()..][..shape.scores()];
                head_backward(tile, inputs, &gradient, shape, index, shares, &mut scratch);
            }
        },
    );
    for (input, buffer) in inputs.iter().zip(buffers) {
        if let Some(buffer) = buffer {
            input.put_gradient(grads, buffer);
        }
    }
}

/// The backward of head `index`; `scores` receives the gradient of the scores.
fn head_backward(
    tile: &mut HeadGradients,
    [q, k, v]: &[Tensor2; 3],
    gradient: &[f32],
    shape: Shape,
    index: usize,
    probabilities: &[f32],
    scores: &mut [f32],
) {
    let Shape {
        queries, memory, ..
    } = shape;
    let g = shape.view(gradient, queries, index);
    if let Some(v) = &mut tile.v {
        gemm(
            v.reborrow(),
            Write::Add,
            Matrix::new(probabilities, queries, memory).t(),
            g,
            1.0,
        );
    }
    if tile.q.is_none() && tile.k.is_none() {
        return;
    }
    let v = shape.view(v.values(), memory, index);
    gemm(
        MatrixMut::new(scores, queries, memory),
        Write::Replace,
        g,
        v.t(),
        1.0,
    );
    for (row, shares) in scores
        .chunks_exact_mut(memory.max(1))
        .zip(probabilities.chunks_exact(memory.max(1)))
    {
        let mean = dot(row, shares);
        for (score, share) in row.iter_mut().zip(shares) {
            *score = share * (*score - mean);
        }
    }
    let scores = Matrix::new(scores, queries, memory);
    if let Some(to) = &mut tile.q {
        gemm(
            to.reborrow(),
            Write::Add,
            scores,
            shape.view(k.values(), memory, index),
            shape.temperature(),
        );
    }
    if let Some(to) = &mut tile.k {
        gemm(
            to.reborrow(),
            Write::Add,
            scores.t(),
            shape.view(q.values(), queries, index),
            shape.temperature(),
        );
    }
}
