//! Two-dimensional convolution with stride, padding and groups; scale, shift and ReLU in the same pass.
//!
//! $$ u[o_y, o_x, o] = \sum_{k_y, k_x, c} W[o, k_y, k_x, c] \; x[o_y s + k_y - p,\; o_x s + k_x - p,\; c], \qquad
//!    y = \max(u \odot \text{scale} + \text{shift},\, 0) $$
//!
//! Shapes: B images of H x W, Ci input and Co output channels, k kernel, s stride, p padding, G groups;
//! x [B H W, Ci], weight [Co, k k Ci / G], scale and shift [1, Co] -> [B H' W', Co], H' = (H + 2p - k) / s + 1.
//! The weight is torchvision's [Co, Ci / G, k, k] with the channels moved last. Source: `torch.nn.Conv2d`; a frozen batch
//! normalisation behind a convolution is the scale and the shift.
//!
//! A convolution is a matrix product of patches ([`im2col`]) and weights, band by band: a band of output rows is small
//! enough for its patches to stay in the cache. A pointwise convolution (1 x 1, stride 1) multiplies the image itself.

use super::kernels::cpu::im2col::{Geometry, col2im, im2col};
use super::kernels::cpu::{Matrix, MatrixMut, Split, Write, epilogue, gemm, parallel, unfilled};
use crate::tensor::{Grads, Map, Tape, Tensor2};
use std::ops::Range;

/// The sliding window of a convolution or pooling, square, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side of the window.
    pub kernel: usize,
    /// Step between output pixels.
    pub stride: usize,
    /// Rows and columns added on every side of the image.
    pub padding: usize,
}

/// What follows a convolution in the same pass: y = relu?(u * scale + shift). The default is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Factor per output channel [1, Co], a constant.
    pub scale: Option<&'a Tensor2>,
    /// Offset per output channel [1, Co]: a bias, or a folded normalisation.
    pub shift: Option<&'a Tensor2>,
    /// Whether negative values become zero.
    pub relu: bool,
}

/// Most values that the patches of a band hold: 256 KiB, a quarter of a core's second-level cache.
const BAND: usize = 64 * 1024;

/// x [B H W, Ci], weight [Co, k k Ci / groups] in (ky, kx, channel) order -> [B H' W', Co].
///
/// Panics unless the shapes agree, the groups divide the channels and the scale is a constant.
pub fn conv2d(
    tape: &mut Tape,
    x: &Map,
    weight: &Tensor2,
    window: Window,
    groups: usize,
    epilogue: Epilogue,
) -> Map {
    let plan = Plan::new(x, weight, window, groups);
    for row in [epilogue.scale, epilogue.shift].into_iter().flatten() {
        let (rows, columns) = (row.rows(), row.columns());
        assert_eq!(
            (rows, columns),
            (1, plan.out),
            "the epilogue of a convolution"
        );
    }
    assert!(
        epilogue.scale.is_none_or(|scale| !scale.requires_grad()),
        "a constant scale"
    );
    let y = plan.forward(x.data.values(), weight.values(), epilogue);
    let inputs: Vec<&Tensor2> = [&x.data, weight]
        .into_iter()
        .chain(epilogue.shift)
        .collect();
    let out = tape.output(y, plan.batch * plan.out_pixels(), plan.out, &inputs);
    let backward = Backward {
        plan,
        x: x.data.clone(),
        weight: weight.clone(),
        scale: epilogue.scale.cloned(),
        shift: epilogue
            .shift
            .filter(|shift| shift.requires_grad())
            .cloned(),
        y: out.clone(),
        relu: epilogue.relu,
    };
    tape.record(&out, move |grads| backward.run(grads));
    Map::new(
        out,
        plan.batch,
        plan.geometry.out_height,
        plan.geometry.out_width,
    )
}

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug)]
struct Plan {
    batch: usize,
    geometry: Geometry,
    groups: usize,
    /// Output channels.
    out: usize,
}

impl Plan {
    fn new(x: &Map, weight: &Tensor2, window: Window, groups: usize) -> Self {
        let (channels, out) = (x.channels(), weight.rows());
        assert!(
            groups > 0 && channels.is_multiple_of(groups) && out.is_multiple_of(groups),
            "{groups} groups of {channels} -> {out} channels"
        );
        let geometry = Geometry::new(x.height, x.width, channels, window);
        let plan = Self {
            batch: x.batch,
            geometry,
            groups,
            out,
        };
        assert_eq!(
            weight.columns(),
            plan.patch(),
            "columns of the weight of {window:?} on {channels} channels in {groups} groups"
        );
        plan
    }

    /// Pixels of one output image.
    fn out_pixels(&self) -> usize {
        self.geometry.out_height * self.geometry.out_width
    }

    /// Values of one patch of one group.
    fn patch(&self) -> usize {
        self.geometry.window.kernel.pow(2) * self.geometry.channels / self.groups
    }

    /// Multiply-adds.
    fn work(&self) -> usize {
        self.batch * self.out_pixels() * self.patch() * self.out
    }

    /// The input channels of a group.
    fn channels(&self, group: usize) -> Range<usize> {
        let taken = self.geometry.channels / self.groups;
        group * taken..(group + 1) * taken
    }

    /// The weight [Co / G, k k Ci / G] of a group.
    fn weight<'a>(&self, weight: &'a [f32], group: usize) -> Matrix<'a> {
        let rows = self.out / self.groups;
        Matrix::new(&weight[group * rows * self.patch()..], rows, self.patch())
    }

    /// Bands of output rows that cover `rows`, counted over the whole batch: image and rows within it.
    fn bands(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let height = self.geometry.out_height;
        let most = (BAND / (self.geometry.out_width * self.patch())).max(1);
        let mut row = rows.start;
        std::iter::from_fn(move || {
            let (image, first) = (row / height, row % height);
            let last = height
                .min(first + most)
                .min(first + rows.end.saturating_sub(row));
            row += last - first;
            (last > first).then_some((image, first..last))
        })
    }

    fn forward(&self, x: &[f32], weight: &[f32], epilogue: Epilogue) -> Vec<f32> {
        let (width, image) = (self.geometry.out_width, self.geometry.image());
        let scale = epilogue.scale.map(Tensor2::values);
        let shift = epilogue.shift.map(Tensor2::values);
        let split = Split::new(self.batch * self.geometry.out_height, self.work());
        let mut y = unfilled(self.batch * self.out_pixels() * self.out);
        let shares = split
            .ranges()
            .zip(split.cut(&mut y, width * self.out))
            .collect();
        parallel::run(shares, |(rows, mut y): (Range<usize>, &mut [f32])| {
            let mut patches = Vec::new();
            for (index, rows) in self.bands(rows) {
                let pixels = rows.len() * width;
                let (band, rest) = std::mem::take(&mut y).split_at_mut(pixels * self.out);
                y = rest;
                let x = &x[index * image..][..image];
                let mut out = MatrixMut::new(band, pixels, self.out);
                for (group, out) in out.groups(self.groups).into_iter().enumerate() {
                    let patches = self.patches(x, group, rows.clone(), &mut patches);
                    gemm(
                        out,
                        Write::Replace,
                        patches,
                        self.weight(weight, group).t(),
                        1.0,
                    );
                }
                epilogue::apply(band, self.out, scale, shift, epilogue.relu);
            }
        });
        y
    }

    /// The patches [pixels, k k Ci / G] of output rows of an image, in `buffer` where they are no view of the image.
    fn patches<'a>(
        &self,
        image: &'a [f32],
        group: usize,
        rows: Range<usize>,
        buffer: &'a mut Vec<f32>,
    ) -> Matrix<'a> {
        let pixels = rows.len() * self.geometry.out_width;
        let channels = self.channels(group);
        if self.geometry.pointwise() {
            let first = rows.start * self.geometry.width * self.geometry.channels + channels.start;
            return Matrix::strided(
                &image[first..],
                pixels,
                channels.len(),
                self.geometry.channels,
            );
        }
        let patches = grown(buffer, pixels * self.patch());
        im2col(&self.geometry, image, channels, rows, patches);
        Matrix::new(patches, pixels, self.patch())
    }
}

/// The first `len` values of a buffer that grows to the largest size asked for.
fn grown(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        *buffer = unfilled(len);
    }
    &mut buffer[..len]
}

/// What the backward of a convolution needs.
struct Backward {
    plan: Plan,
    x: Tensor2,
    weight: Tensor2,
    scale: Option<Tensor2>,
    /// The shift, where it requires a gradient.
    shift: Option<Tensor2>,
    y: Tensor2,
    relu: bool,
}

/// What one part of the backward gets: images with their gradients of y and of x.
struct Share<'a> {
    images: Range<usize>,
    gradient: &'a mut [f32],
    x_gradient: Option<&'a mut [f32]>,
}

/// The partial sums that a part returns, empty where none is asked for.
struct Partial {
    weight: Vec<f32>,
    shift: Vec<f32>,
}

impl Backward {
    fn run(&self, grads: &mut Grads) {
        let plan = &self.plan;
        let mut gradient = self.y.take_gradient(grads);
        let mut x_gradient = self.x.requires_grad().then(|| self.x.take_gradient(grads));
        // Patches of neighbouring rows overlap in x, so that a part owns whole images.
        let split = Split::new(plan.batch, plan.work());
        let shares = split
            .ranges()
            .zip(split.cut(&mut gradient, plan.out_pixels() * plan.out))
            .zip(split.cut_some(x_gradient.as_deref_mut(), plan.geometry.image()))
            .map(|((images, gradient), x_gradient)| Share {
                images,
                gradient,
                x_gradient,
            })
            .collect();
        let partials = parallel::map(shares, |share| self.part(share));
        if let Some(x_gradient) = x_gradient {
            self.x.put_gradient(grads, x_gradient);
        }
        if self.weight.requires_grad() {
            let sums = partials.iter().map(|partial| &partial.weight[..]);
            parallel::add_partials(self.weight.gradient_mut(grads), sums);
        }
        if let Some(shift) = &self.shift {
            let sums = partials.iter().map(|partial| &partial.shift[..]);
            parallel::add_partials(shift.gradient_mut(grads), sums);
        }
    }

    /// $$ \partial W = g^\top \text{patches}, \qquad \partial\,\text{patches} = g W $$ with g the gradient of u.
    fn part(&self, share: Share) -> Partial {
        let plan = &self.plan;
        let Share {
            images,
            gradient,
            mut x_gradient,
        } = share;
        let (out, width, image) = (plan.out, plan.geometry.out_width, plan.geometry.image());
        let mut shift = vec![0.0; self.shift.as_ref().map_or(0, Tensor2::len)];
        let output = self
            .relu
            .then(|| &self.y.values()[images.start * plan.out_pixels() * out..]);
        let scale = self.scale.as_ref().map(Tensor2::values);
        let shift_gradient = (!shift.is_empty()).then_some(&mut shift[..]);
        epilogue::backward(gradient, out, output, scale, shift_gradient);

        let mut weight = unfilled(if self.weight.requires_grad() {
            self.weight.len()
        } else {
            0
        });
        let (mut patches, mut done) = (Vec::new(), 0);
        let rows = |images: &Range<usize>| {
            images.start * plan.geometry.out_height..images.end * plan.geometry.out_height
        };
        for (index, rows) in plan.bands(rows(&images)) {
            let pixels = rows.len() * width;
            let g = &gradient[done * out..];
            let x = &self.x.values()[index * image..][..image];
            for group in 0..plan.groups {
                let columns = out / plan.groups;
                let g = Matrix::strided(&g[group * columns..], pixels, columns, out);
                if !weight.is_empty() {
                    let write = if done == 0 {
                        Write::Replace
                    } else {
                        Write::Add
                    };
                    let sum = &mut weight[group * columns * plan.patch()..];
                    let sum = MatrixMut::new(sum, columns, plan.patch());
                    let patches = plan.patches(x, group, rows.clone(), &mut patches);
                    gemm(sum, write, g.t(), patches, 1.0);
                }
                if let Some(x_gradient) = &mut x_gradient {
                    let x_gradient = &mut x_gradient[(index - images.start) * image..][..image];
                    self.add_to_input(x_gradient, g, group, rows.clone(), &mut patches);
                }
            }
            done += pixels;
        }
        Partial { weight, shift }
    }

    /// Adds g W of the output rows `rows` of one image to its input.
    fn add_to_input(
        &self,
        x_gradient: &mut [f32],
        g: Matrix,
        group: usize,
        rows: Range<usize>,
        buffer: &mut Vec<f32>,
    ) {
        let (plan, geometry) = (&self.plan, &self.plan.geometry);
        let weight = plan.weight(self.weight.values(), group);
        if geometry.pointwise() {
            let row = geometry.width * geometry.channels;
            let target = &mut x_gradient[rows.start * row..rows.end * row];
            let mut target = MatrixMut::new(target, g.rows(), geometry.channels);
            gemm(
                target.groups(plan.groups).swap_remove(group),
                Write::Add,
                g,
                weight,
                1.0,
            );
        } else {
            let patches = grown(buffer, g.rows() * plan.patch());
            gemm(
                MatrixMut::new(patches, g.rows(), plan.patch()),
                Write::Replace,
                g,
                weight,
                1.0,
            );
            col2im(geometry, patches, plan.channels(group), rows, x_gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{self, gradients, parameter};
    use crate::ops::golden;

    /// batch, height, width, input and output channels, groups, kernel, stride, padding.
    type Case = (
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
    );

    const CASES: [Case; 10] = [
        (1, 5, 4, 3, 2, 1, 1, 1, 0),
        (3, 4, 5, 4, 6, 2, 1, 1, 0),
        (3, 5, 7, 3, 4, 1, 1, 2, 0),
        (1, 6, 5, 3, 4, 1, 3, 1, 1),
        (3, 5, 7, 4, 6, 2, 3, 2, 1),
        (1, 7, 7, 4, 4, 4, 3, 1, 1),
        (3, 6, 6, 2, 3, 1, 3, 1, 0),
        (1, 9, 11, 3, 4, 1, 7, 2, 3),
        (1, 2, 3, 2, 2, 1, 7, 2, 3),
        (3, 8, 8, 16, 16, 1, 3, 1, 1),
    ];

    fn run(tape: &mut Tape, t: &[Tensor2], case: Case, epilogue: Epilogue) -> Tensor2 {
        let (batch, height, width, _, _, groups, kernel, stride, padding) = case;
        let window = Window {
            kernel,
            stride,
            padding,
        };
        let x = Map::new(t[0].clone(), batch, height, width);
        conv2d(tape, &x, &t[1], window, groups, epilogue).data
    }

    fn inputs(case: Case) -> (Tensor2, Tensor2) {
        let (b, h, w, ci, co, groups, k, _, _) = case;
        (
            parameter(1, b * h * w, ci, 1.0),
            parameter(2, co, k * k * ci / groups, 0.5),
        )
    }

    #[test]
    fn gradients_match_differences() {
        for case in CASES {
            let (x, weight) = inputs(case);
            gradients(&[x, weight], 0.05, 2e-3, |tape, t| {
                run(tape, t, case, Epilogue::default())
            });
        }
    }

    #[test]
    fn gradients_with_an_epilogue_match_differences() {
        for case in CASES {
            let (x, weight) = inputs(case);
            let out = case.4;
            // Shifts of +-60 fix the sign of every output: the differences never cross the kink.
            let signs = (0..out).map(|c| if c % 2 == 0 { 60.0 } else { -60.0 });
            let shift = Tensor2::parameter(signs.collect(), 1, out);
            let scale = parameter(4, 1, out, 1.0).detach();
            for (scaled, relu) in [(false, false), (true, false), (false, true), (true, true)] {
                let inputs = [x.clone(), weight.clone(), shift.clone()];
                gradients(&inputs, 0.1, 5e-3, |tape, t| {
                    let scale = scaled.then_some(&scale);
                    run(
                        tape,
                        t,
                        case,
                        Epilogue {
                            scale,
                            shift: Some(&t[2]),
                            relu,
                        },
                    )
                });
            }
        }
    }

    #[test]
    fn bands_cut_at_images_and_cover_all_rows() {
        // 40 * 40 * 3 * 3 * 32 values of patches per image: several bands each.
        let x = Map::new(parameter(1, 3 * 40 * 40, 32, 1.0), 3, 40, 40);
        let window = Window {
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let plan = Plan::new(&x, &parameter(2, 4, 9 * 32, 1.0), window, 1);
        let bands: Vec<_> = plan.bands(7..115).collect();
        assert!(bands.len() > 3);
        let rows: Vec<usize> = bands
            .into_iter()
            .flat_map(|(image, rows)| rows.map(move |r| image * 40 + r))
            .collect();
        assert_eq!(rows, (7..115).collect::<Vec<_>>());
    }

    #[test]
    fn several_bands_give_the_same_sums_as_one_image_at_a_time() {
        let case = (3, 40, 40, 32, 4, 1, 3, 1, 1);
        let (x, weight) = inputs(case);
        let whole = run(
            &mut Tape::off(),
            &[x.clone(), weight.clone()],
            case,
            Epilogue::default(),
        );
        let image = 40 * 40;
        for index in 0..3 {
            let values = x.values()[index * image * 32..][..image * 32].to_vec();
            let one = [Tensor2::constant(values, image, 32), weight.clone()];
            let alone = run(
                &mut Tape::off(),
                &one,
                (1, 40, 40, 32, 4, 1, 3, 1, 1),
                Epilogue::default(),
            );
            golden::compare(
                "image",
                &whole.values()[index * image * 4..][..image * 4],
                alone.values(),
                1e-5,
            );
        }
        gradients(&[x.detach(), weight], 0.1, 5e-3, |tape, t| {
            run(tape, t, case, Epilogue::default())
        });
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        for case in [
            (3, 17, 13, 8, 16, 1, 3, 1, 1),
            (5, 16, 16, 32, 24, 1, 1, 1, 0),
            (1, 33, 30, 8, 16, 2, 3, 2, 1),
        ] {
            let (x, weight) = inputs(case);
            let shift = parameter(3, 1, case.4, 1.0);
            check::same_bits(&[x, weight, shift], |tape, t| {
                run(
                    tape,
                    t,
                    case,
                    Epilogue {
                        scale: None,
                        shift: Some(&t[2]),
                        relu: true,
                    },
                )
            });
        }
    }

    #[test]
    fn golden_numbers() {
        let tensors = golden::load("ops1");
        // Case, images, size, groups, window, then whether it has a scale, a shift, a ReLU.
        let cases = [
            ("conv_3x3", 5, 6, 1, (3, 1, 1), (false, true, false)),
            ("conv_3x3_wide", 6, 8, 1, (3, 1, 1), (true, true, true)),
            ("conv_3x3_stride", 7, 8, 1, (3, 2, 1), (false, false, true)),
            ("conv_1x1", 4, 5, 1, (1, 1, 0), (false, true, true)),
            ("conv_1x1_stride", 5, 5, 1, (1, 2, 0), (false, false, false)),
            ("conv_7x7_stem", 11, 9, 1, (7, 2, 3), (true, true, true)),
            ("conv_groups", 5, 4, 2, (3, 1, 1), (false, true, false)),
            ("conv_depthwise", 5, 5, 4, (3, 2, 1), (false, false, false)),
        ];
        for (name, height, width, groups, (kernel, stride, padding), (scale, shift, relu)) in cases
        {
            let mut inputs = vec!["x", "weight"];
            inputs.extend(scale.then_some("scale"));
            inputs.extend(shift.then_some("shift"));
            golden::check(&tensors, name, &inputs, 1e-5, |tape, t| {
                let batch = t[0].rows() / (height * width);
                let case = (batch, height, width, 0, 0, groups, kernel, stride, padding);
                let shift = shift.then(|| t.last().expect("an input"));
                run(
                    tape,
                    t,
                    case,
                    Epilogue {
                        scale: scale.then(|| &t[2]),
                        shift,
                        relu,
                    },
                )
            });
        }
    }

    #[test]
    #[should_panic(expected = "columns of the weight")]
    fn a_weight_of_the_wrong_shape_is_refused() {
        let (x, weight) = (parameter(1, 16, 4, 1.0), parameter(2, 4, 9, 1.0));
        run(
            &mut Tape::off(),
            &[x, weight],
            (1, 4, 4, 4, 4, 2, 3, 1, 1),
            Epilogue::default(),
        );
    }
}
