//! Deformable attention against slow sums, finite differences and the reference.

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
                    offsets.push(pixel + 0.5 - reference[row % queries * 2 + axis] * size as f32);
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
