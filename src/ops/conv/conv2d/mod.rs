//! Two-dimensional convolution with stride, padding and groups; scale, shift and ReLU in the same pass.
//!
//! `$$ u[o_y, o_x, o] = \sum_{k_y, k_x, c} W[o, k_y, k_x, c] \; x[o_y s + k_y - p,\; o_x s + k_x - p,\; c], \qquad
//!    y = \max(u \odot \text{scale} + \text{shift},\, 0) $$`
//!
//! Shapes: B images of H x W, Ci input and Co output channels, k kernel, s stride, p padding, G groups; x [B
//! H W, Ci], weight [Co, k k Ci / G], scale and shift [1, Co] -> [B H' W', Co], H' = (H + 2p - k) / s + 1.
//! The weight is torchvision's [Co, Ci / G, k, k] with the channels moved last. Source: `torch.nn.Conv2d`; a
//! frozen batch normalisation behind a convolution is the scale and the shift.
//!
//! Two ways lead there: `tiles`, register tiles over the padded image, where the processor and the sizes
//! suit; and `patches`, a matrix product of patches and weights, for everything.

mod backward;
#[allow(unsafe_code)]
mod cuda;
#[allow(unsafe_code)]
mod direct;
mod im2col;
mod patches;
mod plan;
mod tiles;

use crate::ops::Window;
use crate::tensor::cuda::Gpu;
use crate::tensor::{Map, Tape, Tensor2};
use backward::Backward;
use plan::Plan;

/// The operations after a convolution in the same pass: y = relu?(u * scale + shift). By default there are
/// none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Factor per output channel [1, Co], a constant.
    pub scale: Option<&'a Tensor2>,
    /// Offset per output channel [1, Co]: a bias, or a folded normalisation.
    pub shift: Option<&'a Tensor2>,
    /// True if negative values become zero.
    pub relu: bool,
}

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
    if let Some(gpu) = Gpu::of(&[&x.data, weight]) {
        return cuda::conv2d(tape, &gpu, x, weight, plan.geometry, groups, epilogue);
    }
    let (values, weights) = (x.data.values(), weight.values());
    let y = match tiles::suit_forward(&plan) {
        true => tiles::forward(&plan, values, weights, epilogue),
        false => patches::forward(&plan, values, weights, epilogue),
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{
        self, gradients, on_a_gpu, on_every_place, on_tensor_cores, parameter,
    };
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

    const CASES: [Case; 11] = [
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
        (2, 5, 6, 8, 8, 2, 3, 2, 1),
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

    on_every_place! {
        fn gradients_match_differences(place) {
            for case in CASES {
                let (x, weight) = inputs(case);
                gradients(
                    place,
                    &[x, weight],
                    0.05,
                    2e-3,
                    |tape, t| run(tape, t, case, Epilogue::default()),
                );
            }
        }

        fn gradients_with_an_epilogue_match_differences(place) {
            for case in CASES {
                let (x, weight) = inputs(case);
                let out = case.4;
                // Shifts of +-60 fix the sign of every output: the differences never cross the kink.
                let signs = (0..out).map(|c| if c % 2 == 0 { 60.0 } else { -60.0 });
                let shift = Tensor2::parameter(signs.collect(), 1, out);
                let scale = parameter(4, 1, out, 1.0).detach();
                for (scaled, relu) in [(false, false), (true, false), (false, true), (true, true)] {
                    let inputs = [x.clone(), weight.clone(), shift.clone()];
                    gradients(
                        place,
                        &inputs,
                        0.1,
                        5e-3,
                        |tape, t| {
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
                        },
                    );
                }
            }
        }
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
        gradients(
            &crate::tensor::Place::Host,
            &[x.detach(), weight],
            0.1,
            5e-3,
            |tape, t| run(tape, t, case, Epilogue::default()),
        );
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

    on_every_place! {
        fn parity_with_pytorch(place) {
            parity(place, 1e-5, true);
        }
    }

    on_tensor_cores! {
        fn parity_with_pytorch_on_tensor_cores(place, tolerance) {
            // A rounded sum may be on the other side of the kink, and its gradient is another: no ReLU.
            parity(place, tolerance, false);
        }
    }

    /// Compares all cases of the golden file, or those without a ReLU.
    fn parity(place: &crate::tensor::Place, tolerance: f32, with_relu: bool) {
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
            .into_iter()
            .filter(|(.., (_, _, relu))| with_relu || !relu)
        {
            let mut inputs = vec!["x", "weight"];
            inputs.extend(scale.then_some("scale"));
            inputs.extend(shift.then_some("shift"));
            golden::check(place, &tensors, name, &inputs, tolerance, |tape, t| {
                let batch = t[0].rows() / (height * width);
                let case = (batch, height, width, 0, 0, groups, kernel, stride, padding);
                let shift = shift.then(|| t.last().expect("an input"));
                let scale = scale.then(|| &t[2]);
                run(tape, t, case, Epilogue { scale, shift, relu })
            });
        }
    }

    on_a_gpu! {
        fn many_rounds_agree_with_the_cpu_cuda() {
            for case in [
                (2, 33, 30, 8, 12, 1, 3, 1, 1),
                (3, 17, 21, 12, 8, 4, 3, 2, 1),
                (1, 40, 35, 3, 16, 1, 7, 2, 3),
                (2, 19, 23, 20, 6, 1, 1, 2, 0),
                (2, 50, 60, 8, 5, 1, 1, 1, 0),
                (2, 9, 8, 4, 4, 1, 5, 3, 4),
            ] {
                let (x, weight) = inputs(case);
                let (shift, scale) = (parameter(3, 1, case.4, 1.0), parameter(4, 1, case.4, 1.0));
                let scale = scale.detach();
                check::gpu_agrees(&[x, weight, shift], 1e-4, |tape, t| {
                    let epilogue = Epilogue {
                        scale: Some(&scale),
                        shift: Some(&t[2]),
                        relu: false,
                    };
                    run(tape, t, case, epilogue)
                });
            }
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
