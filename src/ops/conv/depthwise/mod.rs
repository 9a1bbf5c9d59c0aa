//! Depthwise convolution with "same" padding: every channel has a kernel of its own.
//!
//! `$$ y[i, j, c] = b_c + \sum_{u, v} W[c, u, v]\; x[i + u - r,\; j + v - r,\; c], \qquad r = \lfloor k / 2 \rfloor $$`
//!
//! Shapes: B images of H x W, C channels, odd k; x `[B H W, C]`, weight `[C, k k]`, bias `[1, C]` ->
//! `[B H W, C]`; zeros outside the image. Source: `torch.nn.Conv2d` with `groups = C`, as in ConvNeXt
//! (https://arxiv.org/abs/2201.03545).
//!
//! Channels lie next to each other, so one tap of the kernel is a product of two rows of C values. The
//! general convolution would make C matrices of patches of one channel each.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::Split;
use crate::ops::cpu::parallel::run;
use crate::tensor::cuda::Gpu;
use crate::tensor::{Map, Tape, Tensor2};
use std::ops::Range;

/// The position where a tap of the kernel meets the image.
struct Tap {
    /// Index of the tap in the kernel, row by row.
    index: usize,
    /// Rows of the image that it adds to, and the first row that it reads for them.
    rows: (Range<usize>, usize),
    /// The same for the columns.
    columns: (Range<usize>, usize),
}

/// x `[B H W, C]`, weight `[C, k k]`, bias `[1, C]` -> `[B H W, C]`.
///
/// Panics unless the kernel is an odd square and the channels agree.
pub fn depthwise_conv2d(tape: &mut Tape, x: &Map, weight: &Tensor2, bias: &Tensor2) -> Map {
    let channels = x.channels();
    let side = weight.columns().isqrt();
    assert!(
        side * side == weight.columns() && side % 2 == 1,
        "a kernel of {} taps",
        weight.columns()
    );
    assert_eq!(
        (weight.rows(), bias.len()),
        (channels, channels),
        "kernels and biases of {channels} channels"
    );
    if let Some(gpu) = Gpu::of(&[&x.data, weight]) {
        return cuda::depthwise_conv2d(tape, &gpu, x, weight, bias);
    }
    let taps = transposed(weight);
    let (height, width) = (x.height, x.width);
    let rows = x.batch * height;
    let split = Split::new(rows, x.data.len() * weight.columns());
    let mut values = bias.values().repeat(x.data.rows());
    let shares = split
        .ranges()
        .zip(split.cut(&mut values, width * channels))
        .collect();
    let line = width * channels;
    run(shares, |(rows, share): (Range<usize>, &mut [f32])| {
        for (row, out) in rows.zip(share.chunks_exact_mut(line.max(1))) {
            let (image, row) = (row / height, row % height);
            for tap in taps_of(side, height, width) {
                if !tap.rows.0.contains(&row) {
                    continue;
                }
                let from = row - tap.rows.0.start + tap.rows.1;
                let from = &x.data.values()[(image * height + from) * line..][..line];
                let (to, start) = (&tap.columns.0, tap.columns.1);
                let from = &from[start * channels..(start + to.len()) * channels];
                let out = &mut out[to.start * channels..to.end * channels];
                let kernel = &taps[tap.index * channels..][..channels];
                for (y, x) in out
                    .chunks_exact_mut(channels)
                    .zip(from.chunks_exact(channels))
                {
                    for ((y, x), w) in y.iter_mut().zip(x).zip(kernel) {
                        *y += x * w;
                    }
                }
            }
        }
    });
    let out = tape.output(values, x.data.rows(), channels, &[&x.data, weight, bias]);
    let (input, weight, bias, source) = (x.clone(), weight.clone(), bias.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let mut x_gradient = vec![0.0; input.data.len()];
        let mut w_gradient = vec![0.0; weight.len()];
        let x = input.data.values();
        for image in 0..input.batch {
            for tap in taps_of(side, height, width) {
                for row in tap.rows.0.clone() {
                    let from = image * height + row - tap.rows.0.start + tap.rows.1;
                    let to = image * height + row;
                    for column in tap.columns.0.clone() {
                        let from = from * width + column - tap.columns.0.start + tap.columns.1;
                        let to = to * width + column;
                        for c in 0..channels {
                            let g = gradient[to * channels + c];
                            x_gradient[from * channels + c] += g * taps[tap.index * channels + c];
                            w_gradient[c * side * side + tap.index] += g * x[from * channels + c];
                        }
                    }
                }
            }
        }
        crate::ops::cpu::gradient::pass(&input.data, grads, &x_gradient);
        crate::ops::cpu::gradient::pass(&weight, grads, &w_gradient);
        let mut b_gradient = vec![0.0; channels];
        for row in gradient.chunks_exact(channels) {
            b_gradient.iter_mut().zip(row).for_each(|(b, g)| *b += g);
        }
        crate::ops::cpu::gradient::pass(&bias, grads, &b_gradient);
    });
    Map::new(out, x.batch, height, width)
}

/// `[C, k k]` to `[k k, C]`.
fn transposed(weight: &Tensor2) -> Vec<f32> {
    let (channels, taps) = (weight.rows(), weight.columns());
    (0..taps * channels)
        .map(|i| weight.values()[i % channels * taps + i / channels])
        .collect()
}

/// The taps of a kernel of `side` x `side` on an image, in a fixed order; those that never meet it are left
/// out.
fn taps_of(side: usize, height: usize, width: usize) -> impl Iterator<Item = Tap> {
    (0..side * side).filter_map(move |index| {
        Some(Tap {
            index,
            rows: overlap(index / side, side, height)?,
            columns: overlap(index % side, side, width)?,
        })
    })
}

/// The places of a line of `length` that tap `tap` of `side` adds to, and the first place that it reads.
fn overlap(tap: usize, side: usize, length: usize) -> Option<(Range<usize>, usize)> {
    let reach = side / 2;
    let start = reach.saturating_sub(tap);
    let end = length.min((length + reach).saturating_sub(tap));
    (start < end).then(|| (start..end, (start + tap) - reach))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{self, gradients, on_a_gpu, on_every_place, parameter, same_bits};
    use crate::ops::{Epilogue, Window, conv2d, golden};

    on_every_place! {
        fn gradients_match_differences(place) {
            for (batch, height, width, channels, side) in [(1, 4, 5, 3, 3), (2, 2, 3, 2, 7)] {
                let inputs = [
                    parameter(1, batch * height * width, channels, 1.0),
                    parameter(2, channels, side * side, 0.5),
                    parameter(3, 1, channels, 0.5),
                ];
                gradients(
                    place,
                    &inputs,
                    1e-2,
                    2e-3,
                    |tape, i| {
                        let x = Map::new(i[0].clone(), batch, height, width);
                        depthwise_conv2d(tape, &x, &i[1], &i[2]).data
                    },
                );
            }
        }
    }

    on_every_place! {
        fn it_is_the_grouped_convolution(place) {
            let x = Map::new(parameter(1, 2 * 6 * 5, 4, 1.0).to(place), 2, 6, 5);
            let (weight, bias) = (parameter(2, 4, 49, 0.3), parameter(3, 1, 4, 1.0));
            let [weight, bias] = [weight, bias].map(|input| input.to(place));
            let window = Window {
                kernel: 7,
                stride: 1,
                padding: 3,
            };
            let epilogue = Epilogue {
                shift: Some(&bias),
                ..Epilogue::default()
            };
            let expected = conv2d(&mut Tape::off(), &x, &weight, window, 4, epilogue);
            let found = depthwise_conv2d(&mut Tape::off(), &x, &weight, &bias);
            let [found, expected] = [&found, &expected].map(|map| map.data.host_values());
            golden::compare("depthwise", &found, &expected, 1e-5);
        }

        fn no_image_gives_no_image(place) {
            let inputs = [
                parameter(1, 0, 4, 1.0),
                parameter(2, 4, 9, 1.0),
                parameter(3, 1, 4, 1.0),
            ];
            check::nothing(place, &inputs, |tape, i| {
                depthwise_conv2d(tape, &Map::new(i[0].clone(), 0, 5, 9), &i[1], &i[2]).data
            });
        }
    }

    on_a_gpu! {
        fn every_kernel_agrees_with_the_cpu_cuda() {
            // Channels by four and by one; kernels of one span and of two, larger than the image too; widths
            // with a run cut short.
            for (channels, size, side) in [
                (8, (30, 37), 7),
                (5, (11, 18), 3),
                (4, (12, 14), 9),
                (36, (3, 2), 11),
                (4, (9, 5), 1),
            ] {
                let inputs = [
                    parameter(1, 2 * size.0 * size.1, channels, 1.0),
                    parameter(2, channels, side * side, 0.5),
                    parameter(3, 1, channels, 0.5),
                ];
                check::gpu_agrees(&inputs, 1e-4, |tape, i| {
                    let x = Map::new(i[0].clone(), 2, size.0, size.1);
                    depthwise_conv2d(tape, &x, &i[1], &i[2]).data
                });
            }
        }
    }

    on_every_place! {
        fn parity_with_pytorch(place) {
            golden::check(
                place,
                &golden::load("clip_ops"),
                "depthwise",
                &["x", "weight", "bias"],
                1e-5,
                |tape, i| {
                    let x = Map::new(i[0].clone(), 2, 5, 9);
                    depthwise_conv2d(tape, &x, &i[1], &i[2]).data
                },
            );
        }
    }

    #[test]
    fn threads_do_not_change_the_bits() {
        let inputs = [
            parameter(1, 30 * 40, 16, 1.0),
            parameter(2, 16, 49, 1.0),
            parameter(3, 1, 16, 1.0),
        ];
        same_bits(&inputs, |tape, i| {
            depthwise_conv2d(tape, &Map::new(i[0].clone(), 1, 30, 40), &i[1], &i[2]).data
        });
    }
}
