//! Cutting and joining token sequences `[B*L, C]` (image-major: all tokens of image 0, then of image 1, ...).
//!
//! `$$ \mathrm{concat}(x^1, x^2)_{b} = \left[x^1_{b};\, x^2_{b}\right] \qquad \mathrm{slice}(x)_{b,i} = x_{b,\,s+i} $$`
//!
//! Shapes: B images, L tokens of an image, C columns. Source: the levels of the pixel decoder are joined
//! before and cut after its encoder (Deformable DETR, section 4.1).

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::gradient::accumulate;
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// Joins sequences `[B*L_i, C]` image by image: `[B*sum(L_i), C]`.
///
/// Panics unless every part has a multiple of `batch` rows and the columns agree.
pub fn concat_tokens(tape: &mut Tape, parts: &[&Tensor2], batch: usize) -> Tensor2 {
    let columns = parts.first().expect("a part to join").columns();
    for part in parts {
        assert_eq!(
            (part.rows() % batch, part.columns()),
            (0, columns),
            "a part of {} rows",
            part.rows()
        );
    }
    if let Some(gpu) = Gpu::of(parts) {
        return cuda::concat_tokens(tape, &gpu, parts, batch);
    }
    let lengths: Vec<usize> = parts.iter().map(|part| part.len() / batch).collect();
    let rows: usize = parts.iter().map(|part| part.rows()).sum();
    let mut values = Vec::with_capacity(rows * columns);
    for image in 0..batch {
        for (part, len) in parts.iter().zip(&lengths) {
            values.extend_from_slice(&part.values()[image * len..][..*len]);
        }
    }
    let out = tape.output(values, rows, columns, parts);
    let parts: Vec<Tensor2> = parts.iter().map(|part| (*part).clone()).collect();
    let source = out.clone();
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let mut start = 0;
        for (part, &len) in parts.iter().zip(&lengths) {
            if part.requires_grad() {
                add_strided(
                    part.gradient_mut(grads),
                    &gradient[start..],
                    len,
                    rows * columns / batch,
                );
            }
            start += len;
        }
    });
    out
}

/// `to[i*len ..][..len] += from[i*stride ..][..len]` for every block `i` of `to`.
fn add_strided(to: &mut [f32], from: &[f32], len: usize, stride: usize) {
    for (image, block) in to.chunks_exact_mut(len.max(1)).enumerate() {
        accumulate(block, &from[image * stride..][..len]);
    }
}

/// Tokens `start .. start + len` of every image of `x [B*L, C]`: `[B*len, C]`.
///
/// Panics where the range leaves the sequence.
pub fn slice_tokens(
    tape: &mut Tape,
    x: &Tensor2,
    batch: usize,
    start: usize,
    len: usize,
) -> Tensor2 {
    let (tokens, columns) = (x.rows() / batch, x.columns());
    assert!(
        x.rows() == tokens * batch && start + len <= tokens,
        "tokens {start} + {len} of {tokens}"
    );
    if let Some(gpu) = Gpu::of(&[x]) {
        return cuda::slice_tokens(tape, &gpu, x, batch, start, len);
    }
    let (stride, from, size) = (tokens * columns, start * columns, len * columns);
    let mut values = Vec::with_capacity(batch * size);
    for image in 0..batch {
        values.extend_from_slice(&x.values()[image * stride + from..][..size]);
    }
    let out = tape.output(values, batch * len, columns, &[x]);
    let (x, source) = (x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let to = x.gradient_mut(grads);
        for image in 0..batch {
            accumulate(
                &mut to[image * stride + from..][..size],
                &gradient[image * size..][..size],
            );
        }
    });
    out
}

/// Rows `start .. start + len` of `x [N, C]`.
///
/// Panics where the range leaves the tensor.
pub fn slice_rows(tape: &mut Tape, x: &Tensor2, start: usize, len: usize) -> Tensor2 {
    slice_tokens(tape, x, 1, start, len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter, same_as_host};

    on_every_place! {
        fn parts_join_image_by_image(place) {
            let a = Tensor2::constant(vec![1.0, 2.0], 2, 1).to(place);
            let b = Tensor2::constant(vec![3.0, 4.0, 5.0, 6.0], 4, 1).to(place);
            assert_eq!(
                *concat_tokens(&mut Tape::off(), &[&a, &b], 2).host_values(),
                [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]
            );
        }

        fn a_slice_undoes_a_join(place) {
            let [a, b] = [parameter(1, 6, 5, 1.0), parameter(2, 9, 5, 1.0)].map(|part| part.to(place));
            let joined = concat_tokens(&mut Tape::off(), &[&a, &b], 3);
            assert_eq!(
                slice_tokens(&mut Tape::off(), &joined, 3, 0, 2).host_values(),
                a.host_values()
            );
            assert_eq!(
                slice_tokens(&mut Tape::off(), &joined, 3, 2, 3).host_values(),
                b.host_values()
            );
            assert_eq!(
                *slice_rows(&mut Tape::off(), &a, 2, 3).host_values(),
                a.host_values()[10..25]
            );
        }

        fn parts_and_slices_of_fours(place) {
            for batch in [1, 2] {
                let inputs = [parameter(1, 3 * batch, 8, 1.0), parameter(2, 0, 8, 1.0), parameter(3, batch, 8, 1.0)];
                same_as_host(place, &inputs, 0.0, |tape, i| {
                    concat_tokens(tape, &[&i[0], &i[1], &i[2]], batch)
                });
                same_as_host(place, &inputs[..1], 0.0, |tape, i| slice_tokens(tape, &i[0], batch, 1, 2));
                same_as_host(place, &inputs[..1], 0.0, |tape, i| slice_rows(tape, &i[0], 1, 0));
            }
        }

        fn gradients_find_their_way_back(place) {
            for batch in [1, 3] {
                let inputs = [
                    parameter(1, 2 * batch, 3, 1.0),
                    parameter(2, batch, 3, 1.0),
                    parameter(3, 4 * batch, 3, 1.0),
                ];
                gradients(
                    place,
                    &inputs,
                    1e-2,
                    1e-3,
                    |tape, i| concat_tokens(tape, &[&i[0], &i[1], &i[2]], batch),
                );
                gradients(
                    place,
                    &inputs[2..],
                    1e-2,
                    1e-3,
                    |tape, i| slice_tokens(tape, &i[0], batch, 1, 2),
                );
            }
            gradients(
                place,
                &[parameter(4, 7, 3, 1.0)],
                1e-2,
                1e-3,
                |tape, i| slice_rows(tape, &i[0], 2, 3),
            );
        }
    }
}
