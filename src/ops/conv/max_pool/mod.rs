//! Maximum over a sliding window.
//!
//! `$$ y[o_y, o_x, c] = \max_{k_y, k_x} x[o_y s + k_y - p,\; o_x s + k_x - p,\; c] $$`
//!
//! Padding counts as minus infinity. The gradient goes to the first of equal maxima. Shapes: B images of H x
//! W, C channels, k kernel, s stride, p padding; x [B H W, C] -> [B H' W', C], H' = (H + 2p - k) / s + 1.
//! Source: `torch.nn.MaxPool2d`.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::conv::window::{Geometry, Window};
use crate::ops::cpu::{Split, parallel, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Grads, Map, Tape, Tensor2};
use std::ops::Range;

/// x [B H W, C] -> [B H' W', C].
///
/// Panics if a window may lie entirely in the padding (2 p > k), or the kernel is larger than the padded
/// image.
pub fn max_pool(tape: &mut Tape, x: &Map, window: Window) -> Map {
    assert!(
        2 * window.padding <= window.kernel,
        "{window:?} has windows outside the image"
    );
    assert!(
        window.kernel <= usize::from(u8::MAX),
        "{window:?}: an offset does not fit 16 bits"
    );
    let geometry = Geometry::new(x.height, x.width, x.channels(), window);
    if let Some(gpu) = Gpu::of(&[&x.data]) {
        return cuda::max_pool(tape, &gpu, x, geometry);
    }
    let Geometry {
        out_height,
        out_width,
        channels,
        ..
    } = geometry;
    let width = out_height * out_width * channels;
    let split = split(x.batch, &geometry);
    let mut y = unfilled(x.batch * width);
    let mut winners = vec![0u16; x.batch * width];
    let shares = split
        .ranges()
        .zip(split.cut(&mut y, width))
        .zip(split.cut(&mut winners, width));
    type Share<'a> = ((Range<usize>, &'a mut [f32]), &'a mut [u16]);
    parallel::run(shares.collect(), |((images, y), winners): Share| {
        let outputs = y
            .chunks_exact_mut(width)
            .zip(winners.chunks_exact_mut(width));
        for (index, (y, winners)) in images.zip(outputs) {
            let image = &x.data.values()[index * geometry.image()..][..geometry.image()];
            forward(&geometry, image, y, winners);
        }
    });
    let out = tape.output(y, x.batch * out_height * out_width, channels, &[&x.data]);
    let (source, output, batch) = (x.data.clone(), out.clone(), x.batch);
    tape.record(&out, move |grads| {
        backward(grads, &geometry, batch, &source, &output, &winners)
    });
    Map::new(out, x.batch, out_height, out_width)
}

/// The division into images, the same forward and backward.
fn split(batch: usize, geometry: &Geometry) -> Split {
    let outputs = geometry.out_height * geometry.out_width * geometry.channels;
    Split::new(batch, batch * outputs * geometry.window.kernel.pow(2))
}

/// Calls `visit` with every output pixel, every window offset (numbered row by row) inside the image, and its
/// pixel.
fn each_offset(geometry: &Geometry, mut visit: impl FnMut(usize, u16, usize)) {
    let kernel = geometry.window.kernel;
    for oy in 0..geometry.out_height {
        let (inside_y, first_y) = geometry.overlap(oy, geometry.height);
        for ox in 0..geometry.out_width {
            let (inside_x, first_x) = geometry.overlap(ox, geometry.width);
            for (y, ky) in (first_y..).zip(inside_y.clone()) {
                for (x, kx) in (first_x..).zip(inside_x.clone()) {
                    let offset = (ky * kernel + kx) as u16;
                    visit(oy * geometry.out_width + ox, offset, y * geometry.width + x);
                }
            }
        }
    }
}

/// One image: the maxima and the window offsets they were found at. NaN win, so that a diverged run is seen.
fn forward(geometry: &Geometry, image: &[f32], y: &mut [f32], winners: &mut [u16]) {
    let channels = geometry.channels;
    y.fill(f32::NEG_INFINITY);
    each_offset(geometry, |out, offset, pixel| {
        let best = y[out * channels..][..channels].iter_mut();
        let winners = winners[out * channels..][..channels].iter_mut();
        for ((best, winner), &value) in best.zip(winners).zip(&image[pixel * channels..]) {
            let wins = value > *best || value.is_nan();
            *best = if wins { value } else { *best };
            *winner = if wins { offset } else { *winner };
        }
    });
}

/// Sends the gradient of every output to the pixel that won.
fn backward(
    grads: &mut Grads,
    geometry: &Geometry,
    batch: usize,
    x: &Tensor2,
    y: &Tensor2,
    winners: &[u16],
) {
    let channels = geometry.channels;
    let width = geometry.out_height * geometry.out_width * channels;
    let split = split(batch, geometry);
    let gradient = y.take_gradient(grads);
    let mut x_gradient = x.take_gradient(grads);
    let shares = split
        .ranges()
        .zip(split.cut(&mut x_gradient, geometry.image()))
        .collect();
    parallel::run(
        shares,
        |(images, x_gradient): (Range<usize>, &mut [f32])| {
            for (index, target) in images.zip(x_gradient.chunks_exact_mut(geometry.image())) {
                let gradient = &gradient[index * width..][..width];
                let winners = &winners[index * width..][..width];
                each_offset(geometry, |out, offset, pixel| {
                    let from = gradient[out * channels..]
                        .iter()
                        .zip(&winners[out * channels..]);
                    let target = &mut target[pixel * channels..][..channels];
                    for (target, (g, winner)) in target.iter_mut().zip(from) {
                        *target += if *winner == offset { *g } else { 0.0 };
                    }
                });
            }
        },
    );
    x.put_gradient(grads, x_gradient);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{self, gradients, on_a_gpu, on_every_place, parameter};
    use crate::ops::golden;

    fn pool(
        tape: &mut Tape,
        x: &Tensor2,
        batch: usize,
        size: (usize, usize),
        window: (usize, usize, usize),
    ) -> Tensor2 {
        let (kernel, stride, padding) = window;
        let map = Map::new(x.clone(), batch, size.0, size.1);
        max_pool(
            tape,
            &map,
            Window {
                kernel,
                stride,
                padding,
            },
        )
        .data
    }

    /// Distinct values half a unit apart in irregular order: no probe of the gradient check changes a winner.
    fn distinct(rows: usize, columns: usize) -> Tensor2 {
        let n = rows * columns;
        Tensor2::parameter(
            (0..n)
                .map(|i| (i * 7919 % n) as f32 * 0.5 - n as f32 * 0.2)
                .collect(),
            rows,
            columns,
        )
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (batch, size, window) in [
                (1, (5, 7), (3, 2, 1)),
                (3, (4, 6), (2, 2, 0)),
                (3, (7, 5), (3, 1, 1)),
            ] {
                let x = distinct(batch * size.0 * size.1, 3);
                gradients(place, &[x], 0.1, 1e-3, |tape, t| {
                    pool(tape, &t[0], batch, size, window)
                });
            }
        }
    }

    on_every_place! {
        fn padding_never_wins_and_ties_go_to_the_first(place) {
            let x = Tensor2::parameter(vec![-5.0; 4], 4, 1).to(place);
            let mut tape = Tape::recording();
            let y = pool(&mut tape, &x, 1, (2, 2), (3, 2, 1));
            assert_eq!(y.host_values()[..], [-5.0]);
            let mut grads = tape.backward(&y);
            assert_eq!(x.gradient(&mut grads), [1.0, 0.0, 0.0, 0.0]);
        }

        fn nan_wins(place) {
            let x = Tensor2::constant(vec![1.0, f32::NAN, 3.0, 2.0], 4, 1).to(place);
            let y = pool(&mut Tape::off(), &x, 1, (2, 2), (2, 2, 0));
            assert!(y.host_values()[0].is_nan());
        }

        fn no_image_gives_no_image(place) {
            check::nothing(place, &[parameter(1, 0, 3, 1.0)], |tape, t| {
                pool(tape, &t[0], 0, (5, 7), (3, 2, 1))
            });
        }
    }

    on_a_gpu! {
        fn every_window_agrees_with_the_cpu_cuda() {
            // Channels by four and by one; windows that overlap, touch, leave gaps.
            for (channels, window) in [
                (8, (3, 2, 1)),
                (3, (3, 2, 1)),
                (4, (2, 3, 1)),
                (4, (5, 1, 2)),
            ] {
                let x = parameter(1, 2 * 31 * 30, channels, 1.0);
                check::gpu_agrees(&[x], 0.0, |tape, t| pool(tape, &t[0], 2, (31, 30), window));
            }
        }
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let x = parameter(1, 5 * 31 * 30, 8, 1.0);
        check::same_bits(&[x], |tape, t| pool(tape, &t[0], 5, (31, 30), (3, 2, 1)));
    }

    on_every_place! {
        fn parity_with_pytorch(place) {
            let tensors = golden::load("ops1");
            golden::check(
                place,
                &tensors,
                "max_pool_3x3",
                &["x"],
                1e-6,
                |tape, t| pool(tape, &t[0], 2, (7, 8), (3, 2, 1)),
            );
            golden::check(
                place,
                &tensors,
                "max_pool_2x2",
                &["x"],
                1e-6,
                |tape, t| pool(tape, &t[0], 2, (6, 5), (2, 2, 0)),
            );
        }
    }
}
