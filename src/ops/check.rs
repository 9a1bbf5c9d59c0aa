//! Gradient check: the backward of an op against central differences of its forward.

use crate::tensor::{Place, Tape, Tensor2};

/// Checks the gradient of every input of `op` that requires one, at `place`.
///
/// The output is folded to a scalar in `f64` with fixed irregular weights, so that the difference quotient is
/// limited by the `f32` of the op alone. Every input is probed at up to 40 places with step `h`; the largest
/// error may be `tolerance` times the largest gradient of that input. The op runs twice on the tape: a
/// backward adds to what another has left.
pub(crate) fn gradients(
    place: &Place,
    inputs: &[Tensor2],
    h: f32,
    tolerance: f64,
    op: impl Fn(&mut Tape, &[Tensor2]) -> Tensor2,
) {
    let weight = |i: usize| ((i * 7919 % 13) as f64 - 6.0) / 6.0 + 0.01;
    let fold = |out: &Tensor2| {
        out.host_values()
            .iter()
            .enumerate()
            .map(|(i, v)| f64::from(*v) * weight(i))
            .sum::<f64>()
    };

    let inputs: Vec<Tensor2> = inputs.iter().map(|input| input.to(place)).collect();
    let mut tape = Tape::recording();
    let out = op(&mut tape, &inputs);
    assert!(out.requires_grad(), "no input requires a gradient");
    let weights: Vec<f32> = (0..out.len()).map(|i| weight(i) as f32).collect();
    loss_of(&mut tape, &out, weights.clone());
    let again = op(&mut tape, &inputs);
    let loss = loss_of(&mut tape, &again, weights);
    let mut grads = tape.backward(&loss);

    for (k, input) in inputs
        .iter()
        .enumerate()
        .filter(|(_, input)| input.requires_grad())
    {
        let both = input.gradient(&mut grads);
        let gradient: Vec<f32> = both.iter().map(|g| g / 2.0).collect();
        let scale = gradient
            .iter()
            .fold(1e-3f64, |m, g| m.max(f64::from(g.abs())));
        for i in (0..gradient.len()).step_by((gradient.len() / 40).max(1)) {
            let at = |delta: f32| {
                let mut moved = inputs.clone();
                let mut values = input.host_values().into_owned();
                values[i] += delta;
                moved[k] = Tensor2::constant(values, input.rows(), input.columns()).to(place);
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

/// Checks that `op` gives an output without values for inputs of which the first has none, and takes its
/// gradient back.
pub(crate) fn nothing(
    place: &Place,
    inputs: &[Tensor2],
    op: impl Fn(&mut Tape, &[Tensor2]) -> Tensor2,
) {
    let inputs: Vec<Tensor2> = inputs.iter().map(|input| input.to(place)).collect();
    let mut tape = Tape::recording();
    let out = op(&mut tape, &inputs);
    assert!(out.is_empty() && out.host_values().is_empty());
    let loss = loss_of(&mut tape, &out, Vec::new());
    let mut grads = tape.backward(&loss);
    for input in inputs.iter().filter(|input| input.requires_grad()) {
        assert!(input.gradient(&mut grads).iter().all(|g| *g == 0.0));
    }
}

/// A loss whose gradient by `out` is `gradient`.
pub(crate) fn loss_of(tape: &mut Tape, out: &Tensor2, gradient: Vec<f32>) -> Tensor2 {
    let loss = match out.place() {
        Place::Host => tape.output(vec![0.0], 1, 1, &[out]),
        Place::Gpu(gpu) => tape.output_on(&gpu, 1, 1, &[out]),
    };
    let out = out.clone();
    tape.record(&loss, move |grads| out.set_gradient(grads, gradient));
    loss
}

/// The output of `op` at `place` and the gradients of the inputs that require one, from fixed irregular
/// gradients of the output.
fn results(
    place: &Place,
    inputs: &[Tensor2],
    op: impl Fn(&mut Tape, &[Tensor2]) -> Tensor2,
) -> Vec<Vec<f32>> {
    let inputs: Vec<Tensor2> = inputs.iter().map(|input| input.to(place)).collect();
    let mut tape = Tape::recording();
    let out = op(&mut tape, &inputs);
    let mut results = vec![out.host_values().into_owned()];
    let seed = (0..out.len()).map(|i| (i * 7919 % 13) as f32 / 6.0 - 0.9);
    let loss = loss_of(&mut tape, &out, seed.collect());
    let mut grads = tape.backward(&loss);
    let leaves = inputs.iter().filter(|input| input.requires_grad());
    results.extend(leaves.map(|leaf| leaf.gradient(&mut grads)));
    results
}

/// Checks that `op` gives the same output and gradients at `place` as on the host, relative to the largest
/// value of each: for inputs too large for differences.
pub(crate) fn same_as_host(
    place: &Place,
    inputs: &[Tensor2],
    tolerance: f32,
    op: impl Fn(&mut Tape, &[Tensor2]) -> Tensor2,
) {
    let (got, expected) = (
        results(place, inputs, &op),
        results(&Place::Host, inputs, &op),
    );
    for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
        super::golden::compare(&format!("result {i}"), got, expected, tolerance);
    }
}

/// Does `work` in a pool of `threads` threads.
pub(crate) fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().expect("a pool").install(work)
}

/// Checks that `op` gives the same bits, output and gradients, whenever it runs at `place`.
pub(crate) fn same_bits_again(
    place: &Place,
    inputs: &[Tensor2],
    op: impl Fn(&mut Tape, &[Tensor2]) -> Tensor2,
) {
    let run = || {
        let values = results(place, inputs, &op);
        let bits = |values: &Vec<f32>| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        values.iter().map(bits).collect::<Vec<_>>()
    };
    let first = run();
    assert!((0..3).all(|_| run() == first), "the bits change");
}

/// Tests of an op, each on the CPU and, with `--features cuda`, once more on a GPU, where it is ignored
/// unless asked for (`cargo test --features cuda -- --ignored cuda`). The body is given the [`Place`].
macro_rules! on_every_place {
    ($($(#[$meta:meta])* fn $name:ident($place:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            $(#[$meta])*
            fn body($place: &crate::tensor::Place) $body

            #[test]
            fn cpu() {
                body(&crate::tensor::Place::Host);
            }

            crate::ops::check::on_a_gpu! {
                fn cuda() {
                    body(&crate::ops::check::gpu(crate::tensor::Precision::F32));
                }
            }
        }
    )*};
}
pub(crate) use on_every_place;

/// Tests that need a GPU. With `--features cuda` they are ignored unless asked for
/// (`cargo test --features cuda -- --ignored cuda`); without it they are compiled alone.
macro_rules! on_a_gpu {
    ($($(#[$meta:meta])* fn $name:ident() $body:block)*) => {$(
        $(#[$meta])*
        #[cfg_attr(feature = "cuda", test, ignore = "needs a GPU")]
        #[cfg_attr(not(feature = "cuda"), allow(dead_code))]
        fn $name() $body
    )*};
}
pub(crate) use on_a_gpu;

/// A test of an op whose products a GPU may compute on its tensor cores, run there at either precision. The
/// body is given the [`Place`] and the largest error that the precision allows, relative to the largest
/// value.
macro_rules! on_tensor_cores {
    (fn $name:ident($place:ident, $tolerance:ident) $body:block) => {
        mod $name {
            use super::*;
            use crate::tensor::Precision;

            fn body($place: &crate::tensor::Place, $tolerance: f32) $body

            crate::ops::check::on_a_gpu! {
                fn cuda_tf32() {
                    body(&crate::ops::check::gpu(Precision::Tf32), 3e-3);
                }

                fn cuda_bf16() {
                    body(&crate::ops::check::gpu(Precision::Bf16), 1e-2);
                }
            }
        }
    };
}
pub(crate) use on_tensor_cores;

/// Checks that a GPU gives what the CPU does, output and gradients, and the same bits again: no two threads
/// meet in a sum.
pub(crate) fn gpu_agrees(
    inputs: &[Tensor2],
    tolerance: f32,
    op: impl Fn(&mut Tape, &[Tensor2]) -> Tensor2,
) {
    let gpu = gpu(Default::default());
    same_bits_again(&gpu, inputs, &op);
    same_as_host(&gpu, inputs, tolerance, &op);
}

/// The GPU that tests run on, as a place that computes with `precision`.
pub(crate) fn gpu(precision: crate::tensor::Precision) -> Place {
    Place::Gpu(the_gpu().computing_with(precision))
}

/// The GPU that tests run on.
pub(crate) fn the_gpu() -> crate::tensor::cuda::Gpu {
    let gpu = crate::tensor::cuda::Gpu::open(0);
    gpu.unwrap_or_else(|why| panic!("no GPU: {why}"))
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
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        with_threads(threads, || {
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
