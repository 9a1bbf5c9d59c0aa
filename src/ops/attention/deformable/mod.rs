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
mod tests {
    use super::*;
    use crate::ops::check::{
        gradients, loss_of, on_every_place, parameter, same_as_host, same_bits, same_bits_again,
    };
    use crate::ops::golden;
    use crate::rng::Stream;

    struct Case {
        levels: &'static [(usize, usize)],
        batch: usize,
        queries: usize,
        heads: usize,
        head: usize,
        points: usize,
    }

    impl Case {
        /// Offsets that put every sample a good step away from the pixel grid, where the interpolation has
        /// its kinks; some samples lie outside.
        fn inputs(&self) -> ([Tensor2; 3], Arc<Vec<f32>>) {
            let Case {
                levels,
                batch,
                queries,
                heads,
                head,
                points,
            } = *self;
            let mut stream = Stream::new(5, "samples");
            let reference: Vec<f32> = (0..queries * 2).map(|_| stream.uniform() as f32).collect();
            let tokens: usize = levels.iter().map(|(h, w)| h * w).sum();
            let samples = heads * levels.len() * points;
            let mut offsets = Vec::new();
            for row in 0..batch * queries {
                for sample in 0..samples {
                    let (h, w) = levels[sample / points % levels.len()];
                    for (axis, size) in [w, h].into_iter().enumerate() {
                        let pixel = (stream.uniform() as f32 * (size + 3) as f32 - 2.0).floor()
                            + 0.25
                            + 0.5 * stream.uniform() as f32;
                        offsets
                            .push(pixel + 0.5 - reference[row % queries * 2 + axis] * size as f32);
                    }
                }
            }
            let inputs = [
                parameter(1, batch * tokens, heads * head, 1.0),
                Tensor2::parameter(offsets, batch * queries, samples * 2),
                parameter(2, batch * queries, samples, 1.0),
            ];
            (inputs, Arc::new(reference))
        }

        fn run(&self, tape: &mut Tape, i: &[Tensor2], reference: &Arc<Vec<f32>>) -> Tensor2 {
            let inputs = DeformInputs {
                value: &i[0],
                offsets: &i[1],
                weights: &i[2],
                reference,
                levels: self.levels,
                batch: self.batch,
                heads: self.heads,
                points: self.points,
            };
            deform_attention(tape, inputs)
        }
    }

    const SMALL: Case = Case {
        levels: &[(2, 3), (4, 5)],
        batch: 3,
        queries: 5,
        heads: 2,
        head: 3,
        points: 2,
    };
    const SINGLE: Case = Case {
        levels: &[(3, 3)],
        batch: 1,
        queries: 19,
        heads: 1,
        head: 16,
        points: 3,
    };
    const WIDE: Case = Case {
        levels: &[(2, 2), (1, 4), (5, 3)],
        batch: 1,
        queries: 2,
        heads: 2,
        head: 41,
        points: 1,
    };

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let case = Case {
            levels: &[(4, 4), (8, 8)],
            batch: 2,
            queries: 80,
            heads: 4,
            head: 16,
            points: 2,
        };
        let (inputs, reference) = case.inputs();
        same_bits(&inputs, |tape, i| case.run(tape, i, &reference));
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for case in [SMALL, SINGLE, WIDE] {
                let (inputs, reference) = case.inputs();
                gradients(
                    place,
                    &inputs,
                    1e-2,
                    2e-3,
                    |tape, i| case.run(tape, i, &reference),
                );
                for frozen in 0..3 {
                    let mut inputs = inputs.clone();
                    inputs[frozen] = inputs[frozen].detach();
                    gradients(
                        place,
                        &inputs,
                        1e-2,
                        2e-3,
                        |tape, i| case.run(tape, i, &reference),
                    );
                }
            }
        }

        fn many_samples_in_few_and_in_many_cells(place) {
            let crowded = Case {
                levels: &[(1, 2), (2, 1)],
                batch: 2,
                queries: 600,
                heads: 2,
                head: 8,
                points: 2,
            };
            let spread = Case {
                levels: &[(20, 17), (10, 9), (5, 5)],
                batch: 1,
                queries: 450,
                heads: 3,
                head: 4,
                points: 2,
            };
            for case in [crowded, spread] {
                let (inputs, reference) = case.inputs();
                same_as_host(place, &inputs, 1e-5, |tape, i| case.run(tape, i, &reference));
            }
        }

        fn every_run_gives_the_same_bits(place) {
            let case = Case {
                levels: &[(2, 2), (4, 3)],
                batch: 2,
                queries: 300,
                heads: 2,
                head: 8,
                points: 2,
            };
            let (inputs, reference) = case.inputs();
            same_bits_again(place, &inputs, |tape, i| case.run(tape, i, &reference));
        }

        fn an_image_without_queries_gives_nothing(place) {
            let case = Case { queries: 0, ..SMALL };
            let (inputs, reference) = case.inputs();
            same_as_host(place, &inputs, 0.0, |tape, i| case.run(tape, i, &reference));
        }

        fn without_offsets_a_pixel_centre_reads_its_pixel(place) {
            let reference: Vec<f32> = (0..6)
                .flat_map(|i| {
                    [
                        (i % 3) as f32 / 3.0 + 1.0 / 6.0,
                        (i / 3) as f32 / 2.0 + 0.25,
                    ]
                })
                .collect();
            let (value, zero) = (
                parameter(1, 6, 4, 1.0).to(place),
                Tensor2::constant(vec![0.0; 6 * 4], 6, 4),
            );
            let logits = Tensor2::constant(vec![3.0; 12], 6, 2);
            let inputs = DeformInputs {
                value: &value,
                offsets: &zero,
                weights: &logits,
                reference: &Arc::new(reference),
                levels: &[(2, 3)],
                batch: 1,
                heads: 2,
                points: 1,
            };
            let y = deform_attention(&mut Tape::off(), inputs);
            for (y, v) in y.host_values().iter().zip(&*value.host_values()) {
                assert!((y - v).abs() < 1e-5, "{y} {v}");
            }
        }

        fn samples_far_outside_give_zero_and_no_gradient(place) {
            let (inputs, reference) = SMALL.inputs();
            let far = Tensor2::parameter(
                vec![1e9; inputs[1].len()],
                inputs[1].rows(),
                inputs[1].columns(),
            );
            let inputs = [&inputs[0], &far, &inputs[2]].map(|input| input.to(place));
            let mut tape = Tape::recording();
            let y = SMALL.run(&mut tape, &inputs, &reference);
            assert!(y.host_values().iter().all(|v| *v == 0.0));
            let loss = loss_of(&mut tape, &y, vec![1.0; y.len()]);
            let mut grads = tape.backward(&loss);
            for input in &inputs {
                assert!(input.gradient(&mut grads).iter().all(|g| *g == 0.0));
            }
        }

        fn parity_with_pytorch(place) {
            let tensors = golden::load("ops2");
            let reference = Arc::new(tensors["deform_attention.reference"].1.clone());
            let inputs = ["value", "offsets", "weights"];
            golden::check(
                place,
                &tensors,
                "deform_attention",
                &inputs,
                1e-5,
                |tape, i| {
                    let inputs = DeformInputs {
                        value: &i[0],
                        offsets: &i[1],
                        weights: &i[2],
                        reference: &reference,
                        levels: &[(2, 3), (5, 4), (1, 6)],
                        batch: 2,
                        heads: 2,
                        points: 2,
                    };
                    deform_attention(tape, inputs)
                },
            );
        }
    }
}
