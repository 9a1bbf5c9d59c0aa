//! Multi-head attention with a mask, <https://arxiv.org/abs/1706.03762>; masked as in Mask2Former, section
//! 3.2.1, <https://arxiv.org/abs/2112.01527>.
//!
//! `$$ Y = P V, \qquad P = \mathrm{softmax}\!\left(\tfrac{1}{\sqrt{d}}\, Q K^\top + M\right), \qquad
//!    M_{ql} = \begin{cases} -\infty & \text{blocked} \\ 0 & \text{else} \end{cases} $$`
//!
//! Shapes: B images, Q queries, L memory length, D width, h heads, d = D / h; q `[B*Q, D]`, k and v
//! `[B*L, D]`, the mask `[B*Q*L]` is shared by the heads. A query that is blocked everywhere attends
//! everywhere (the reference code's fallback), so no row is a softmax of nothing.

mod backward;
#[allow(unsafe_code)]
mod cuda;

use crate::ops::Blocked;
use crate::ops::cpu::parallel::run;
use crate::ops::cpu::vector::{exp, max, sum};
use crate::ops::cpu::{Matrix, MatrixMut, Split, Write, gemm, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};
use backward::backward;
use std::ops::Range;

/// Sizes of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) batch: usize,
    pub(super) queries: usize,
    pub(super) memory: usize,
    pub(super) width: usize,
    pub(super) heads: usize,
}

impl Shape {
    /// Width of one head.
    pub(super) fn head(&self) -> usize {
        self.width / self.heads
    }

    /// Scores of one head of one image.
    pub(super) fn scores(&self) -> usize {
        self.queries * self.memory
    }

    /// Factor on the scores.
    pub(super) fn temperature(&self) -> f32 {
        1.0 / (self.head() as f32).sqrt()
    }

    /// Division of the heads of all images, `products` matrix products each.
    pub(super) fn split(&self, products: usize) -> Split {
        let heads = self.batch * self.heads;
        Split::new(heads, heads * products * self.scores() * self.head())
    }

    /// The columns of head `index` (counted over the images) in a tensor with `rows` rows per image.
    pub(super) fn view<'a>(&self, values: &'a [f32], rows: usize, index: usize) -> Matrix<'a> {
        let start = index / self.heads * rows * self.width + index % self.heads * self.head();
        // With no rows the start may lie past the end.
        Matrix::strided(
            &values[start.min(values.len())..],
            rows,
            self.head(),
            self.width,
        )
    }

    /// Cuts a tensor with `rows` rows per image into the columns of the heads, in the order of
    /// [`Self::view`].
    pub(super) fn cut<'a>(&self, values: &'a mut [f32], rows: usize) -> Vec<MatrixMut<'a>> {
        MatrixMut::new(values, self.batch * rows, self.width)
            .tiles(&vec![rows; self.batch], &vec![self.head(); self.heads])
    }
}

/// `q [B*Q, D]`, `k`, `v` `[B*L, D]`, `blocked [B*Q*L]` (not 0 = blocked) -> `[B*Q, D]`.
///
/// Panics where the shapes disagree or D is no multiple of `heads`.
pub fn attention(
    tape: &mut Tape,
    q: &Tensor2,
    k: &Tensor2,
    v: &Tensor2,
    blocked: Option<Blocked>,
    batch: usize,
    heads: usize,
) -> Tensor2 {
    let (queries, memory, width) = (q.rows() / batch, k.rows() / batch, q.columns());
    let shape = Shape {
        batch,
        queries,
        memory,
        width,
        heads,
    };
    assert!(
        q.rows() == batch * queries && k.rows() == batch * memory,
        "{} and {} rows of {batch} images",
        q.rows(),
        k.rows()
    );
    assert_eq!(
        (k.columns(), v.columns(), v.rows()),
        (width, width, k.rows()),
        "keys and values"
    );
    assert_eq!(width % heads, 0, "{width} columns in {heads} heads");
    if let Some(blocked) = &blocked {
        assert_eq!(blocked.len(), batch * queries * memory, "the mask");
    }
    if let Some(gpu) = Gpu::of(&[q, k, v]) {
        return cuda::attention(tape, &gpu, [q, k, v], blocked.as_ref(), [batch, heads]);
    }

    let mut values = unfilled(q.len());
    let mut probabilities = unfilled(batch * heads * shape.scores());
    let split = shape.split(2);
    let mut tiles = shape.cut(&mut values, queries);
    let shares = split
        .ranges()
        .zip(split.cut(&mut tiles, 1))
        .zip(split.cut(&mut probabilities, shape.scores()))
        .collect();
    type Share<'s, 'v> = ((Range<usize>, &'s mut [MatrixMut<'v>]), &'s mut [f32]);
    run(shares, |((range, tiles), probabilities): Share| {
        for ((index, tile), scores) in range
            .zip(tiles)
            .zip(probabilities.chunks_exact_mut(shape.scores().max(1)))
        {
            let (q, k) = (
                shape.view(q.values(), queries, index),
                shape.view(k.values(), memory, index),
            );
            gemm(
                MatrixMut::new(scores, queries, memory),
                Write::Replace,
                q,
                k.t(),
                shape.temperature(),
            );
            let mask = blocked
                .as_ref()
                .map(|b| &b.bytes()[index / heads * shape.scores()..][..shape.scores()]);
            softmax(scores, memory, mask);
            let v = shape.view(v.values(), memory, index);
            gemm(
                tile.reborrow(),
                Write::Replace,
                Matrix::new(scores, queries, memory),
                v,
                1.0,
            );
        }
    });

    let out = tape.output(values, q.rows(), width, &[q, k, v]);
    let (inputs, source) = ([q.clone(), k.clone(), v.clone()], out.clone());
    tape.record(&out, move |grads| {
        backward(grads, &inputs, &source, shape, &probabilities)
    });
    out
}

/// Softmax of every row of `columns` scores over the columns that are not blocked.
fn softmax(scores: &mut [f32], columns: usize, blocked: Option<&[u8]>) {
    for (n, row) in scores.chunks_exact_mut(columns.max(1)).enumerate() {
        let mask = blocked
            .map(|blocked| &blocked[n * columns..][..columns])
            .filter(|mask| mask.contains(&0));
        if let Some(mask) = mask {
            for (score, &blocked) in row.iter_mut().zip(mask) {
                *score = if blocked == 0 {
                    *score
                } else {
                    f32::NEG_INFINITY
                };
            }
        }
        let most = max(row);
        row.iter_mut().for_each(|score| *score = exp(*score - most));
        if let Some(mask) = mask {
            // The fast exponential ends at e^-87; a blocked place has a share of exactly zero.
            for (score, &blocked) in row.iter_mut().zip(mask) {
                *score = if blocked == 0 { *score } else { 0.0 };
            }
        }
        let scale = 1.0 / sum(row);
        row.iter_mut().for_each(|score| *score *= scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{
        gradients, on_every_place, parameter, same_as_host, same_bits, same_bits_again,
    };
    use crate::ops::golden;

    fn inputs(batch: usize, queries: usize, memory: usize, width: usize) -> [Tensor2; 3] {
        [
            parameter(1, batch * queries, width, 1.0),
            parameter(2, batch * memory, width, 1.0),
            parameter(3, batch * memory, width, 1.0),
        ]
    }

    /// Every third place blocked, and all of the first query.
    fn mask(batch: usize, queries: usize, memory: usize) -> Option<Blocked> {
        let places = 0..batch * queries * memory;
        let blocked = places.map(|i| u8::from(i < memory || i % 3 == 0));
        Some(blocked.collect::<Vec<u8>>().into())
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        same_bits(&inputs(3, 16, 64, 64), |tape, i| {
            attention(tape, &i[0], &i[1], &i[2], mask(3, 16, 64), 3, 4)
        });
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (batch, queries, memory, width, heads) in
                [(1, 3, 5, 6, 2), (3, 4, 17, 8, 1), (2, 5, 5, 12, 3)]
            {
                let x = inputs(batch, queries, memory, width);
                for blocked in [None, mask(batch, queries, memory)] {
                    gradients(place, &x, 1e-2, 2e-3, |tape, i| {
                        attention(tape, &i[0], &i[1], &i[2], blocked.clone(), batch, heads)
                    });
                }
                for frozen in 0..3 {
                    let mut x = x.clone();
                    x[frozen] = x[frozen].detach();
                    gradients(place, &x, 1e-2, 2e-3, |tape, i| {
                        attention(tape, &i[0], &i[1], &i[2], None, batch, heads)
                    });
                }
            }
        }

        fn lengths_and_widths_that_fill_no_tile(place) {
            for (batch, queries, memory, width, heads) in
                [(1, 70, 131, 36, 1), (2, 65, 40, 96, 2), (1, 33, 65, 128, 1), (2, 3, 1, 5, 5)]
            {
                let x = inputs(batch, queries, memory, width);
                for blocked in [None, mask(batch, queries, memory)] {
                    same_as_host(place, &x, 2e-5, |tape, i| {
                        attention(tape, &i[0], &i[1], &i[2], blocked.clone(), batch, heads)
                    });
                }
            }
        }

        fn few_queries_and_a_long_memory(place) {
            let (queries, memory) = (5, 2500);
            // The first query looks at the last places only: most tiles are blocked for it.
            let blocked = (0..queries * memory).map(|i| u8::from(i < memory - 3));
            let blocked = Some(blocked.collect::<Vec<u8>>().into());
            let x = inputs(1, queries, memory, 8);
            same_as_host(place, &x, 2e-5, |tape, i| {
                attention(tape, &i[0], &i[1], &i[2], blocked.clone(), 1, 2)
            });
        }

        fn every_run_gives_the_same_bits(place) {
            same_bits_again(place, &inputs(2, 70, 130, 16), |tape, i| {
                attention(tape, &i[0], &i[1], &i[2], mask(2, 70, 130), 2, 2)
            });
        }

        fn no_queries_give_nothing(place) {
            let x = inputs(2, 0, 3, 4);
            same_as_host(place, &x, 0.0, |tape, i| {
                attention(tape, &i[0], &i[1], &i[2], None, 2, 2)
            });
        }

        fn a_blocked_place_has_no_influence(place) {
            let [q, k, v] = inputs(1, 2, 4, 4).map(|input| input.to(place));
            let blocked = Some(vec![0, 0, 1, 0, 0, 0, 1, 0].into());
            let y = attention(&mut Tape::off(), &q, &k, &v, blocked.clone(), 1, 2);
            let moved = |tensor: &Tensor2, to: f32| {
                let mut values = tensor.host_values().into_owned();
                values[8..12].fill(to);
                Tensor2::constant(values, 4, 4).to(place)
            };
            let (k2, v2) = (moved(&k, 50.0), moved(&v, 1e30));
            assert_eq!(
                attention(&mut Tape::off(), &q, &k2, &v2, blocked, 1, 2).host_values(),
                y.host_values()
            );
        }

        fn a_query_that_is_blocked_everywhere_attends_everywhere(place) {
            let [q, k, v] = inputs(2, 3, 7, 8).map(|input| input.to(place));
            let free = attention(&mut Tape::off(), &q, &k, &v, None, 2, 2);
            let all = attention(
                &mut Tape::off(),
                &q,
                &k,
                &v,
                Some(vec![1; 2 * 3 * 7].into()),
                2,
                2,
            );
            assert_eq!(all.host_values(), free.host_values());
        }

        fn parity_with_pytorch(place) {
            let tensors = golden::load("ops2");
            let mask: Vec<u8> = tensors["attention_masked.blocked"]
                .1
                .iter()
                .map(|b| *b as u8)
                .collect();
            for (case, blocked) in [
                ("attention", None),
                ("attention_masked", Some(mask.into())),
            ] {
                golden::check(
                    place,
                    &tensors,
                    case,
                    &["q", "k", "v"],
                    1e-5,
                    |tape, i| attention(tape, &i[0], &i[1], &i[2], blocked.clone(), 2, 2),
                );
            }
        }
    }
}
