//! Multi-scale deformable attention, Deformable DETR section 4.1, <https://arxiv.org/abs/2010.04159>.
//!
//! `$$ y_n = \big\Vert_{h} \sum_{l,p} A_{nhlp}\; v_{h,l}\!\left(r_n \odot (w_l, h_l) + \Delta_{nhlp} -
//!    \tfrac12\right), \qquad
//!    A_{nh} = \mathrm{softmax}_{lp}(a_{nh}) $$`
//!
//! `$v_{h,l}(\cdot)$` interpolates head h of level l bilinearly, zeros outside. The reference code samples
//! `grid_sample` at `$r + \Delta / (w_l, h_l)$` with `align_corners=False`; that is the pixel position above.
//! The softmax and the arithmetic of the locations are inside this op.
//!
//! Shapes: B images, N queries of an image, L = sum of h_l w_l values of an image (level by level, row by
//! row), D width, h heads, d = D / h, P points. value `[B*L, D]`, offsets `[B*N, h*levels*P*2]` (x, y in
//! pixels), weights `[B*N, h*levels*P]` (logits), reference `[N, 2]` (x, y in 0..1).
//!
//! Every (image, head) owns its columns of all gradients, so heads run in parallel without atomics. A head
//! works on blocks of rows: positions of the block's samples first, over all samples at once, then the sums
//! over the d columns of each sample.

#[allow(unsafe_code)]
mod cuda;
mod geometry;
mod samples;

use crate::ops::cpu::parallel::run;
use crate::ops::cpu::{MatrixMut, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Grads, Tape, Tensor2};
use geometry::{BLOCK, Geometry};
use samples::Samples;
use std::ops::Range;
use std::sync::Arc;

/// The inputs of one call; the symbols are those of the head of this file.
#[derive(Clone, Copy, Debug)]
pub struct DeformInputs<'a> {
    /// The values of all levels, `[B*L, D]`.
    pub value: &'a Tensor2,
    /// The distance of a sample from its query's reference point, in pixels of its level (x, y):
    /// `[B*N, h*levels*P*2]`.
    pub offsets: &'a Tensor2,
    /// Logits of the samples' weights, `[B*N, h*levels*P]`.
    pub weights: &'a Tensor2,
    /// Reference points of the queries, `[N, 2]` (x, y in 0..1).
    pub reference: &'a Arc<Vec<f32>>,
    /// Height and width of every level.
    pub levels: &'a [(usize, usize)],
    /// B.
    pub batch: usize,
    /// h.
    pub heads: usize,
    /// P.
    pub points: usize,
}

/// The attended values `[B*N, D]`.
///
/// Panics where the shapes disagree.
pub fn deform_attention(tape: &mut Tape, inputs: DeformInputs) -> Tensor2 {
    let DeformInputs {
        value,
        offsets,
        weights,
        reference,
        levels,
        batch,
        heads,
        points,
    } = inputs;
    let (width, rows) = (value.columns(), offsets.rows());
    let geometry = Geometry::new(Arc::clone(reference), levels, heads, points, width);
    let geometry = Arc::new(geometry);
    let (queries, samples) = (geometry.queries(), geometry.samples());
    assert_eq!(
        value.rows(),
        batch * geometry.tokens(),
        "values of {batch} images of {levels:?}"
    );
    assert_eq!(
        (rows, weights.rows()),
        (batch * queries, batch * queries),
        "queries"
    );
    assert_eq!(
        (offsets.columns(), weights.columns()),
        (heads * samples * 2, heads * samples),
        "samples of a query"
    );
    if let Some(gpu) = Gpu::of(&[value, offsets, weights]) {
        return cuda::deform_attention(tape, &gpu, inputs);
    }

    let mut values = unfilled(rows * width);
    let mut shares = unfilled(rows * heads * samples);
    let split = geometry.split(batch, 4);
    let mut tiles = MatrixMut::new(&mut values, rows, width)
        .tiles(&vec![queries; batch], &vec![width / heads; heads]);
    let parts = split
        .ranges()
        .zip(split.cut(&mut tiles, 1))
        .zip(split.cut(&mut shares, queries * samples))
        .collect();
    type Part<'s, 'v> = ((Range<usize>, &'s mut [MatrixMut<'v>]), &'s mut [f32]);
    run(parts, |((range, tiles), shares): Part| {
        let mut scratch = Samples::new(&geometry);
        for ((index, tile), shares) in range
            .zip(tiles)
            .zip(shares.chunks_exact_mut((queries * samples).max(1)))
        {
            geometry.softmax(weights.values(), index, shares);
            for block in blocks(queries) {
                scratch.locate(&geometry, offsets.values(), index, block.clone());
                scratch.gather(
                    &geometry,
                    value.values(),
                    index,
                    &shares[block.start * samples..block.end * samples],
                    tile,
                    block,
                );
            }
        }
    });

    let out = tape.output(values, rows, width, &[value, offsets, weights]);
    let (inputs, source) = (
        [value.clone(), offsets.clone(), weights.clone()],
        out.clone(),
    );
    tape.record(&out, move |grads| {
        backward(grads, &inputs, &source, &geometry, batch, &shares)
    });
    out
}

/// The blocks of the queries of an image.
fn blocks(queries: usize) -> impl Iterator<Item = Range<usize>> {
    (0..queries)
        .step_by(BLOCK)
        .map(move |start| start..(start + BLOCK).min(queries))
}

/// The gradients that one head of one image writes in the backward pass; none for an input that requires no
/// gradient.
#[derive(Default)]
struct HeadGradients<'a> {
    value: Option<MatrixMut<'a>>,
    offsets: Option<MatrixMut<'a>>,
    weights: Option<MatrixMut<'a>>,
}

fn backward(
    grads: &mut Grads,
    inputs: &[Tensor2; 3],
    source: &Tensor2,
    geometry: &Geometry,
    batch: usize,
    shares: &[f32],
) {
    let (queries, samples) = (geometry.queries(), geometry.samples());
    let heads = geometry.heads();
    let gradient = source.take_gradient(grads);
    let mut buffers = inputs
        .each_ref()
        .map(|input| input.requires_grad().then(|| input.take_gradient(grads)));
    let mut tiles: Vec<HeadGradients> = (0..batch * heads)
        .map(|_| HeadGradients::default())
        .collect();
    for (which, (buffer, input)) in buffers.iter_mut().zip(inputs).enumerate() {
        let Some(buffer) = buffer else { continue };
        let columns = vec![input.columns() / heads; heads];
        let cuts = MatrixMut::new(buffer, input.rows(), input.columns())
            .tiles(&vec![input.rows() / batch; batch], &columns);
        for (tile, cut) in tiles.iter_mut().zip(cuts) {
            *[&mut tile.value, &mut tile.offsets, &mut tile.weights][which] = Some(cut);
        }
    }
    let [value, offsets, _] = inputs;
    let split = geometry.split(batch, 12);
    let parts = split.ranges().zip(split.cut(&mut tiles, 1)).collect();
    run(
        parts,
        |(range, tiles): (Range<usize>, &mut [HeadGradients])| {
            let mut scratch = Samples::new(geometry);
            for (index, tile) in range.zip(tiles) {
                let shares = &shares[index * queries * samples..][..queries * samples];
                for block in blocks(queries) {
                    let shares = &shares[block.start * samples..block.end * samples];
                    scratch.locate(geometry, offsets.values(), index, block.clone());
                    if let Some(to) = &mut tile.value {
                        scratch.scatter(geometry, &gradient, index, shares, to, block.clone());
                    }
                    if tile.offsets.is_none() && tile.weights.is_none() {
                        continue;
                    }
                    scratch.agree(geometry, value.values(), &gradient, index, block.clone());
                    if let Some(to) = &mut tile.offsets {
                        scratch.add_to_offsets(samples, shares, to, block.start);
                    }
                    if let Some(to) = &mut tile.weights {
                        scratch.add_to_weights(samples, shares, to, block.start);
                    }
                }
            }
        },
    );
    for (input, buffer) in inputs.iter().zip(buffers) {
        if let Some(buffer) = buffer {
            input.put_gradient(grads, buffer);
        }
    }
}

#[cfg(test)]
mod tests;
