//! Bilinear resize with pixel centres aligned (`align_corners=False`), no smoothing on the way down.
//!
//! `$$ y_{ij} = \sum_{a,b} \omega^h_{ia}\, \omega^w_{jb}\, x_{ab} \;[+\; r_{ij}], \qquad
//!    \text{pixel} = \max\bigl(0, \tfrac{n}{m}(i + \tfrac12) - \tfrac12\bigr) $$`
//!
//! Shapes: n input and m output pixels of an axis; a map `[B*h*w, C]` -> `[B*h'*w', C]`, or planes `[N, h*w]`
//! -> `[N, h'*w']`. Source: PyTorch's `interpolate`. Rows first: two input rows are mixed into one, then its
//! pixels into the output's, so that a pixel of the output costs two reads and not four; the fused sum is the
//! lateral connection of an FPN, <https://arxiv.org/abs/1612.03144>.

#[allow(unsafe_code)]
mod cuda;

use super::addend::check_addend;
use crate::ops::cpu::bilinear::resize_pair;
use crate::ops::cpu::parallel::run;
use crate::ops::cpu::{Split, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Map, Tape};
use std::ops::Range;

/// The two input pixels of every output pixel of an axis, and the weight of the second.
type Axis = Vec<([usize; 2], f32)>;

fn axis(size: usize, target: usize) -> Axis {
    (0..target)
        .map(|index| resize_pair(index, size, target))
        .collect()
}

/// The plan for resizing an image: the axes, the input's size and the values per pixel.
struct Plan {
    rows: Axis,
    columns: Axis,
    size: (usize, usize),
    channels: usize,
}

impl Plan {
    fn new(from: (usize, usize), to: (usize, usize), channels: usize) -> Self {
        assert!(from.0 * from.1 > 0, "a resize of {from:?}");
        Self {
            rows: axis(from.0, to.0),
            columns: axis(from.1, to.1),
            size: from,
            channels,
        }
    }

    /// Values of an input row.
    fn line(&self) -> usize {
        self.size.1 * self.channels
    }

    /// Values of an input image.
    fn input(&self) -> usize {
        self.size.0 * self.line()
    }

    /// Values of an output image.
    fn output(&self) -> usize {
        self.rows.len() * self.columns.len() * self.channels
    }

    /// Resizes one image; the result is added to `out` where `add` is set.
    fn forward(&self, image: &[f32], out: &mut [f32], add: bool, mixed: &mut [f32]) {
        let (line, channels) = (self.line(), self.channels);
        for (([low, high], f), out) in self
            .rows
            .iter()
            .zip(out.chunks_exact_mut(self.columns.len() * channels))
        {
            let (low, high) = (&image[low * line..][..line], &image[high * line..][..line]);
            for ((m, a), b) in mixed.iter_mut().zip(low).zip(high) {
                *m = a + f * (b - a);
            }
            self.mix_columns(mixed, out, add);
        }
    }

    /// Resizes one mixed row.
    fn mix_columns(&self, mixed: &[f32], out: &mut [f32], add: bool) {
        let write = |to: &mut f32, a: f32, b: f32, f: f32| {
            let value = a + f * (b - a);
            *to = if add { *to + value } else { value };
        };
        if self.channels == 1 {
            // A plane: no loop over one channel for every pixel.
            for (([low, high], f), to) in self.columns.iter().zip(out) {
                write(to, mixed[*low], mixed[*high], *f);
            }
            return;
        }
        let pixel = |index: usize| &mixed[index * self.channels..][..self.channels];
        for (([low, high], f), out) in self.columns.iter().zip(out.chunks_exact_mut(self.channels))
        {
            for ((to, a), b) in out.iter_mut().zip(pixel(*low)).zip(pixel(*high)) {
                write(to, *a, *b, *f);
            }
        }
    }

    /// Adds the gradient of one output image to that of its input.
    fn backward(&self, gradient: &[f32], to: &mut [f32], mixed: &mut [f32]) {
        let (line, channels) = (self.line(), self.channels);
        for (([low, high], f), gradient) in self
            .rows
            .iter()
            .zip(gradient.chunks_exact(self.columns.len() * channels))
        {
            mixed.fill(0.0);
            for ((pair, f), g) in self.columns.iter().zip(gradient.chunks_exact(channels)) {
                for (pixel, weight) in pair.iter().zip([1.0 - f, *f]) {
                    for (m, g) in mixed[pixel * channels..][..channels].iter_mut().zip(g) {
                        *m += weight * g;
                    }
                }
            }
            for (row, weight) in [(low, 1.0 - f), (high, *f)] {
                for (t, m) in to[row * line..][..line].iter_mut().zip(&*mixed) {
                    *t += weight * m;
                }
            }
        }
    }
}

/// `x [B*h*w, C]` resized to `height` x `width`, plus `add` of that size.
///
/// Panics where the sizes of `add` disagree.
pub fn resize_bilinear(
    tape: &mut Tape,
    x: &Map,
    height: usize,
    width: usize,
    add: Option<&Map>,
) -> Map {
    let channels = x.channels();
    check_addend(add, [x.batch, height, width, channels]);
    let plan = Plan::new((x.height, x.width), (height, width), channels);
    if let Some(gpu) = Gpu::of(&[&x.data]) {
        return cuda::resize_bilinear(tape, &gpu, x, height, width, add);
    }
    let mut values = match add {
        None => unfilled(x.batch * plan.output()),
        Some(add) => add.data.values().to_vec(),
    };
    let split = Split::new(x.batch, x.batch * (plan.output() + plan.input()));
    let shares = split
        .ranges()
        .zip(split.cut(&mut values, plan.output()))
        .collect();
    run(shares, |(images, share): (Range<usize>, &mut [f32])| {
        let mut mixed = unfilled(plan.line());
        for (image, out) in images.zip(share.chunks_exact_mut(plan.output().max(1))) {
            plan.forward(
                &x.data.values()[image * plan.input()..][..plan.input()],
                out,
                add.is_some(),
                &mut mixed,
            );
        }
    });

    let mut inputs = vec![&x.data];
    inputs.extend(add.map(|add| &add.data));
    let out = tape.output(values, x.batch * height * width, channels, &inputs);
    let (input, add, source) = (x.data.clone(), add.map(|add| add.data.clone()), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        if let Some(add) = &add {
            crate::ops::cpu::gradient::pass(add, grads, &gradient);
        }
        if !input.requires_grad() {
            return;
        }
        let shares = split
            .ranges()
            .zip(split.cut(input.gradient_mut(grads), plan.input()))
            .collect();
        run(shares, |(images, share): (Range<usize>, &mut [f32])| {
            let mut mixed = unfilled(plan.line());
            for (image, to) in images.zip(share.chunks_exact_mut(plan.input())) {
                plan.backward(
                    &gradient[image * plan.output()..][..plan.output()],
                    to,
                    &mut mixed,
                );
            }
        });
    });
    Map::new(out, x.batch, height, width)
}

/// Resizes `count` planes `[count, h*w]` of size `from` to size `to`, without a gradient: masks.
///
/// Panics unless there are `count` planes.
pub fn resize_planes(
    planes: &[f32],
    count: usize,
    from: (usize, usize),
    to: (usize, usize),
) -> Vec<f32> {
    let plan = Plan::new(from, to, 1);
    assert_eq!(
        planes.len(),
        count * plan.input(),
        "{count} planes of {from:?}"
    );
    let mut values = unfilled(count * plan.output());
    let split = Split::new(count, count * (plan.output() + plan.input()));
    let shares = split
        .ranges()
        .zip(split.cut(&mut values, plan.output()))
        .collect();
    run(shares, |(range, share): (Range<usize>, &mut [f32])| {
        let mut mixed = unfilled(plan.line());
        for (plane, out) in range.zip(share.chunks_exact_mut(plan.output().max(1))) {
            plan.forward(
                &planes[plane * plan.input()..][..plan.input()],
                out,
                false,
                &mut mixed,
            );
        }
    });
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{self, gradients, on_a_gpu, on_every_place, parameter, same_bits};
    use crate::ops::golden;
    use crate::tensor::Tensor2;

    fn resize(
        tape: &mut Tape,
        i: &[Tensor2],
        batch: usize,
        from: (usize, usize),
        to: (usize, usize),
    ) -> Tensor2 {
        let x = Map::new(i[0].clone(), batch, from.0, from.1);
        let add = i.get(1).map(|add| Map::new(add.clone(), batch, to.0, to.1));
        resize_bilinear(tape, &x, to.0, to.1, add.as_ref()).data
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (batch, from, to) in [
                (1, (3, 4), (6, 8)),
                (3, (5, 3), (2, 7)),
                (1, (1, 1), (3, 2)),
                (2, (4, 4), (1, 1)),
            ] {
                let inputs = [
                    parameter(1, batch * from.0 * from.1, 5, 1.0),
                    parameter(2, batch * to.0 * to.1, 5, 1.0),
                ];
                gradients(place, &inputs, 1e-2, 1e-3, |tape, i| resize(tape, i, batch, from, to));
                gradients(
                    place,
                    &inputs[..1],
                    1e-2,
                    1e-3,
                    |tape, i| resize(tape, i, batch, from, to),
                );
                let frozen = [inputs[0].detach(), inputs[1].clone()];
                gradients(place, &frozen, 1e-2, 1e-3, |tape, i| resize(tape, i, batch, from, to));
            }
        }
    }

    on_every_place! {
        fn no_image_gives_no_image(place) {
            check::nothing(place, &[parameter(1, 0, 4, 1.0)], |tape, i| {
                resize(tape, i, 0, (3, 4), (6, 8))
            });
        }
    }

    on_a_gpu! {
        fn every_size_agrees_with_the_cpu_cuda() {
            // Channels by four and by one; up, down, by whole numbers and not, from and to one pixel.
            for (channels, from, to) in [
                (8, (16, 24), (32, 48)),
                (3, (17, 13), (40, 9)),
                (4, (40, 37), (7, 100)),
                (1, (1, 1), (30, 50)),
                (4, (33, 35), (1, 1)),
                (4, (5, 7), (5, 7)),
            ] {
                let inputs = [
                    parameter(1, 2 * from.0 * from.1, channels, 1.0),
                    parameter(2, 2 * to.0 * to.1, channels, 1.0),
                ];
                check::gpu_agrees(&inputs, 1e-5, |tape, i| resize(tape, i, 2, from, to));
            }
        }
    }

    #[test]
    fn twice_the_size_mixes_neighbours_three_to_one() {
        let out = resize_planes(&[0.0, 4.0, 10.0, 20.0], 2, (1, 2), (1, 4));
        assert_eq!(out, [0.0, 1.0, 3.0, 4.0, 10.0, 12.5, 17.5, 20.0]);
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let planes: Vec<f32> = (0..24).map(|i| i as f32).collect();
        assert_eq!(resize_planes(&planes, 2, (3, 4), (3, 4)), planes);
    }

    #[test]
    fn planes_and_maps_agree() {
        let x = parameter(1, 2 * 15, 1, 1.0);
        let map = resize(
            &mut Tape::off(),
            std::slice::from_ref(&x),
            2,
            (5, 3),
            (4, 8),
        );
        assert_eq!(map.values(), resize_planes(x.values(), 2, (5, 3), (4, 8)));
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let inputs = [
            parameter(1, 3 * 64, 64, 1.0),
            parameter(2, 3 * 256, 64, 1.0),
        ];
        same_bits(&inputs, |tape, i| resize(tape, i, 3, (8, 8), (16, 16)));
    }

    on_every_place! {
        fn parity_with_pytorch(place) {
            let tensors = golden::load("ops2");
            for (case, from, to) in [
                ("resize_up", (3, 4), (6, 8)),
                ("resize_odd", (5, 7), (8, 3)),
                ("resize_down", (8, 8), (2, 4)),
            ] {
                golden::check(
                    place,
                    &tensors,
                    case,
                    &["x", "add"],
                    1e-5,
                    |tape, i| resize(tape, i, 2, from, to),
                );
            }
        }
    }
}
