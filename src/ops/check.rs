//! Gradient check: the backward of an op against central differences of its forward.

use crate::tensor::{Tape, Tensor2};

/// Checks the gradient of every input of `op` that requires one.
///
/// The output is folded to a scalar in `f64` with fixed irregular weights, so that the difference quotient is limited by
/// the `f32` of the op alone. Every input is probed at up to 40 places with step `h`; the largest error may be `tolerance`
/// times the largest gradient of that input.
pub(crate) fn gradients(
    inputs: &[Tensor2],
    h: f32,
    tolerance: f64,
    op: impl Fn(&mut Tape, &[Tensor2]) -> Tensor2,
) {
    let weight = |i: usize| ((i * 7919 % 13) as f64 - 6.0) / 6.0 + 0.01;
    let fold = |out: &Tensor2| {
        out.values()
            .iter()
            .enumerate()
            .map(|(i, v)| f64::from(*v) * weight(i))
            .sum::<f64>()
    };

    let mut tape = Tape::recording();
    let out = op(&mut tape, inputs);
    assert!(out.requires_grad(), "no input requires a gradient");
    let loss = tape.output(vec![fold(&out) as f32], 1, 1, &[&out]);
    let (source, seed) = (out.clone(), loss.clone());
    tape.record(&loss, move |grads| {
        let scale = seed.gradient_mut(grads)[0];
        for (i, g) in source.gradient_mut(grads).iter_mut().enumerate() {
            *g += scale * weight(i) as f32;
        }
    });
    let mut grads = tape.backward(&loss);

    for (k, input) in inputs
        .iter()
        .enumerate()
        .filter(|(_, input)| input.requires_grad())
    {
        let gradient = input.gradient(&mut grads);
        let scale = gradient
            .iter()
            .fold(1e-3f64, |m, g| m.max(f64::from(g.abs())));
        for i in (0..gradient.len()).step_by((gradient.len() / 40).max(1)) {
            let at = |delta: f32| {
                let mut moved = inputs.to_vec();
                let mut values = input.values().to_vec();
                values[i] += delta;
                moved[k] = Tensor2::constant(values, input.rows(), input.columns());
                fold(&op(&mut Tape::off(), &moved))
            };
            let difference = (at(h) - at(-h)) / (2.0 * f64::from(h));
            let error = (difference - f64::from(gradient[i])).abs() / scale;
            assert!(
                error <= tolerance,
                "input {k} at {i}: difference {difference}, gradient {}, scale {scale}",
                gradient[i]
            );
        }
    }
}

/// A parameter with values in about [-scale, scale], the same at every call.
pub(crate) fn parameter(seed: u64, rows: usize, columns: usize, scale: f32) -> Tensor2 {
    let mut stream = crate::rng::Stream::new(seed, "check");
    Tensor2::parameter(
        (0..rows * columns)
            .map(|_| scale * stream.normal() as f32)
            .collect(),
        rows,
        columns,
    )
}

/// Checks that `op` gives the same bits, output and gradients, in a pool of one thread and in a pool of two.
pub(crate) fn same_bits(inputs: &[Tensor2], op: impl Fn(&mut Tape, &[Tensor2]) -> Tensor2 + Sync) {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        pool.install(|| {
            let mut tape = Tape::recording();
            let out = op(&mut tape, inputs);
            let loss = tape.output(vec![0.0], 1, 1, &[&out]);
            let source = out.clone();
            tape.record(&loss, move |grads| {
                source.gradient_mut(grads).copy_from_slice(source.values())
            });
            let mut grads = tape.backward(&loss);
            let leaves = inputs.iter().filter(|input| input.requires_grad());
            let gradients: Vec<_> = leaves
                .map(|leaf| bits(&leaf.gradient(&mut grads)))
                .collect();
            (bits(out.values()), gradients)
        })
    };
    assert!(run(1) == run(2), "the bits depend on the number of threads");
}

/// Checks that the value of `op` and the gradients of its inputs are the same bits on one thread and on two.
pub(crate) fn same_at_any_thread_count(
    inputs: &[Tensor2],
    op: impl Fn(&mut Tape, &[Tensor2]) -> Tensor2 + Sync,
) {
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(|| {
            let mut tape = Tape::recording();
            let out = op(&mut tape, inputs);
            let loss = tape.output(vec![0.0], 1, 1, &[&out]);
            let (source, values) = (out.clone(), out.values().to_vec());
            // The gradient of half the sum of squares: the values themselves.
            tape.record(&loss, move |grads| {
                source.gradient_mut(grads).copy_from_slice(&values);
            });
            let mut grads = tape.backward(&loss);
            let mut all = vec![out.values().to_vec()];
            all.extend(inputs.iter().map(|input| input.gradient(&mut grads)));
            all.into_iter()
                .map(|values| values.into_iter().map(f32::to_bits).collect())
                .collect::<Vec<Vec<u32>>>()
        })
    };
    let one = bits(1);
    assert!(
        one == bits(2) && one == bits(3),
        "the bits depend on the number of threads"
    );
}
