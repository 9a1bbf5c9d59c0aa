//! Nearest-neighbour resize of a map, with a map to add in the same pass.
//!
//! `$$ y_{ij} = x_{\lfloor i h / h' \rfloor,\, \lfloor j w / w' \rfloor} \;[+\; r_{ij}] $$`
//!
//! Shapes: a map `[B*h*w, C]` -> `[B*h'*w', C]`. Source: PyTorch's `interpolate` with `mode="nearest"`; the sum is the
//! lateral connection of an FPN, <https://arxiv.org/abs/1612.03144>. The index is computed in whole numbers. PyTorch
//! computes it in float32, which gives the same index where h' is a multiple of h, as in an FPN.

#[allow(unsafe_code)]
mod cuda;

use super::addend::check_addend;
use crate::ops::cpu::gradient::pass;
use crate::tensor::cuda::Gpu;
use crate::tensor::{Map, Tape};

/// The source of each of `target` pixels on an axis of `size` pixels.
fn sources(size: usize, target: usize) -> Vec<usize> {
    (0..target).map(|index| index * size / target).collect()
}

/// `x` with `height x width` pixels, plus `add` of that size.
///
/// Panics if `x` has no pixel or `add` has another shape than the result.
pub fn resize_nearest(
    tape: &mut Tape,
    x: &Map,
    height: usize,
    width: usize,
    add: Option<&Map>,
) -> Map {
    let (channels, batch) = (x.channels(), x.batch);
    assert!(x.pixels() > 0, "a resize of an empty map");
    check_addend(add, [batch, height, width, channels]);
    if let Some(gpu) = Gpu::of(&[&x.data]) {
        return cuda::resize_nearest(tape, &gpu, x, height, width, add);
    }
    let (rows, columns) = (sources(x.height, height), sources(x.width, width));
    let (own_width, own_pixels) = (x.width, x.pixels());
    // The pixel of `x` that each pixel of the result copies.
    let pixels: Vec<usize> = (0..batch)
        .flat_map(|image| {
            let columns = &columns;
            rows.iter().flat_map(move |row| {
                let line = image * own_pixels + row * own_width;
                columns.iter().map(move |column| line + column)
            })
        })
        .collect();
    let mut values = Vec::with_capacity(pixels.len() * channels);
    for pixel in &pixels {
        values.extend_from_slice(&x.data.values()[pixel * channels..][..channels]);
    }
    if let Some(add) = add {
        for (value, more) in values.iter_mut().zip(add.data.values()) {
            *value += more;
        }
    }
    let mut inputs = vec![&x.data];
    inputs.extend(add.map(|add| &add.data));
    let out = tape.output(values, pixels.len(), channels, &inputs);
    let (input, add, source) = (x.data.clone(), add.map(|add| add.data.clone()), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        if input.requires_grad() {
            let to = input.gradient_mut(grads);
            for (pixel, g) in pixels.iter().zip(gradient.chunks_exact(channels)) {
                let to = &mut to[pixel * channels..][..channels];
                to.iter_mut().zip(g).for_each(|(to, g)| *to += g);
            }
        }
        if let Some(add) = &add {
            pass(add, grads, &gradient);
        }
    });
    Map::new(out, batch, height, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter};
    use crate::ops::golden;
    use crate::tensor::Tensor2;

    #[test]
    fn the_source_is_the_pixel_above_and_left() {
        assert_eq!(sources(2, 4), [0, 0, 1, 1]);
        assert_eq!(sources(3, 5), [0, 0, 1, 1, 2]);
        assert_eq!(sources(4, 2), [0, 2]);
    }

    on_every_place! {
        fn a_pixel_becomes_a_square(place) {
            let x = Tensor2::constant(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 6, 1).to(place);
            let y = resize_nearest(&mut Tape::off(), &Map::new(x, 1, 2, 3), 4, 6, None);
            let lines: Vec<f32> = y.data.host_values().to_vec();
            assert_eq!(lines[..6], [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
            assert_eq!(lines[6..12], lines[..6]);
            assert_eq!(lines[12..18], [4.0, 4.0, 5.0, 5.0, 6.0, 6.0]);
        }

        fn gradients_match_differences(place) {
            for (batch, from, to, channels) in [(2, (3, 4), (6, 8), 3), (1, (5, 3), (8, 2), 4), (2, (1, 1), (2, 3), 1)] {
                let x = parameter(1, batch * from.0 * from.1, channels, 1.0);
                let add = parameter(2, batch * to.0 * to.1, channels, 1.0);
                gradients(place, &[x, add], 1e-2, 1e-3, |tape, i| {
                    let x = Map::new(i[0].clone(), batch, from.0, from.1);
                    let add = Map::new(i[1].clone(), batch, to.0, to.1);
                    resize_nearest(tape, &x, to.0, to.1, Some(&add)).data
                });
            }
        }

        fn parity_with_pytorch(place) {
            let tensors = golden::load("rcnn_ops");
            golden::check(place, &tensors, "nearest", &["x", "add"], 1e-6, |tape, i| {
                let x = Map::new(i[0].clone(), 2, 3, 4);
                let add = Map::new(i[1].clone(), 2, 6, 8);
                resize_nearest(tape, &x, 6, 8, Some(&add)).data
            });
        }
    }
}
