//! Mask logits: every query's embedding against every pixel's feature (Mask2Former, section 3.1; MaskFormer,
//! <https://arxiv.org/abs/2107.06278>, section 3.3).
//!
//! `$$ m_{bqp} = \langle e_{bq}, f_{bp} \rangle, \qquad \partial e = \partial m\, F, \quad
//!    \partial F = \partial m^\top E $$`
//!
//! Shapes: B images, Q queries, C channels, p one of h*w pixels; embeddings `[B*Q, C]`, pixels `[B*h*w, C]`
//! -> `[B*Q, h*w]`.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::parallel::run;
use crate::ops::cpu::{Matrix, MatrixMut, Split, Write, gemm, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Map, Tape, Tensor2};
use std::ops::Range;

/// `embeddings [B*Q, C]` times `pixels [B*h*w, C]` of the same image, transposed -> mask logits `[B*Q, h*w]`.
///
/// Panics where the channels or the number of images disagree.
pub fn mask_product(tape: &mut Tape, embeddings: &Tensor2, pixels: &Map) -> Tensor2 {
    let (batch, area, channels) = (pixels.batch, pixels.pixels(), pixels.channels());
    let queries = embeddings.rows() / batch;
    assert_eq!(
        embeddings.rows(),
        batch * queries,
        "queries of {batch} images"
    );
    assert_eq!(embeddings.columns(), channels, "channels");
    if let Some(gpu) = Gpu::of(&[embeddings, &pixels.data]) {
        return cuda::mask_product(tape, &gpu, embeddings, pixels);
    }
    let mut values = unfilled(batch * queries * area);
    let split = Split::new(batch, batch * queries * area * channels);
    let shares = split
        .ranges()
        .zip(split.cut(&mut values, queries * area))
        .collect();
    run(shares, |(images, share): (Range<usize>, &mut [f32])| {
        for (image, out) in images.zip(share.chunks_exact_mut((queries * area).max(1))) {
            let e = block(embeddings.values(), image, queries, channels);
            let f = block(pixels.data.values(), image, area, channels);
            gemm(
                MatrixMut::new(out, queries, area),
                Write::Replace,
                e,
                f.t(),
                1.0,
            );
        }
    });

    let out = tape.output(values, embeddings.rows(), area, &[embeddings, &pixels.data]);
    let (embeddings, pixels, source) = (embeddings.clone(), pixels.data.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        for to_pixels in [false, true] {
            let (input, rows, other, others) = if to_pixels {
                (&pixels, area, &embeddings, queries)
            } else {
                (&embeddings, queries, &pixels, area)
            };
            if !input.requires_grad() {
                continue;
            }
            let shares = split
                .ranges()
                .zip(split.cut(input.gradient_mut(grads), rows * channels))
                .collect();
            run(shares, |(images, share): (Range<usize>, &mut [f32])| {
                for (image, to) in images.zip(share.chunks_exact_mut((rows * channels).max(1))) {
                    let g = block(&gradient, image, queries, area);
                    let g = if to_pixels { g.t() } else { g };
                    gemm(
                        MatrixMut::new(to, rows, channels),
                        Write::Add,
                        g,
                        block(other.values(), image, others, channels),
                        1.0,
                    );
                }
            });
        }
    });
    out
}

/// The `[rows, columns]` matrix of one image.
fn block(values: &[f32], image: usize, rows: usize, columns: usize) -> Matrix<'_> {
    Matrix::new(&values[image * rows * columns..], rows, columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{
        self, gradients, on_every_place, on_tensor_cores, parameter, same_bits,
    };
    use crate::ops::golden;

    fn product(
        tape: &mut Tape,
        i: &[Tensor2],
        batch: usize,
        height: usize,
        width: usize,
    ) -> Tensor2 {
        mask_product(tape, &i[0], &Map::new(i[1].clone(), batch, height, width))
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            // The last case has as many queries as pixels: the sides must not be confused there.
            for (batch, queries, channels, height, width) in
                [(1, 3, 5, 2, 3), (3, 2, 4, 3, 1), (2, 6, 3, 2, 3)]
            {
                let inputs = [
                    parameter(1, batch * queries, channels, 1.0),
                    parameter(2, batch * height * width, channels, 1.0),
                ];
                gradients(
                    place,
                    &inputs,
                    1e-2,
                    1e-3,
                    |tape, i| product(tape, i, batch, height, width),
                );
                let frozen = [inputs[0].clone(), inputs[1].detach()];
                gradients(
                    place,
                    &frozen,
                    1e-2,
                    1e-3,
                    |tape, i| product(tape, i, batch, height, width),
                );
            }
        }
    }

    on_every_place! {
        fn images_do_not_mix(place) {
            let e = Tensor2::constant(vec![1.0, 10.0], 2, 1).to(place);
            let f = Tensor2::constant(vec![1.0, 2.0, 3.0, 4.0], 4, 1).to(place);
            let m = product(&mut Tape::off(), &[e, f], 2, 1, 2);
            assert_eq!(m.host_values()[..], [1.0, 2.0, 30.0, 40.0]);
        }

        fn no_query_gives_no_mask(place) {
            let inputs = [parameter(1, 0, 4, 1.0), parameter(2, 2 * 6, 4, 1.0)];
            check::nothing(place, &inputs, |tape, i| product(tape, i, 2, 2, 3));
        }
    }

    on_tensor_cores! {
        fn parity_with_pytorch_on_tensor_cores(place, tolerance) {
            let (tensors, inputs) = (golden::load("ops2"), ["embeddings", "pixels"]);
            golden::check(place, &tensors, "mask_product", &inputs, tolerance, |tape, i| {
                product(tape, i, 2, 2, 3)
            });
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let inputs = [
            parameter(1, 3 * 16, 32, 1.0),
            parameter(2, 3 * 400, 32, 1.0),
        ];
        same_bits(&inputs, |tape, i| product(tape, i, 3, 20, 20));
    }

    on_every_place! {
        fn parity_with_pytorch(place) {
            let inputs = ["embeddings", "pixels"];
            golden::check(
                place,
                &golden::load("ops2"),
                "mask_product",
                &inputs,
                1e-5,
                |tape, i| product(tape, i, 2, 2, 3),
            );
        }
    }
}
