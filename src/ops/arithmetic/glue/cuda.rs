//! Small arithmetic on the GPU: one launch an op, four values a thread, scalars read where they lie.

use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Argument, Gpu, Grid, Source};
use crate::tensor::{Grads, Tape, Tensor2};

static SOURCE: Source = source!("glue");

const THREADS: u32 = 256;
/// Values of a thread.
const WIDE: usize = 4;
/// Rows of a block where a warp has a row.
const ROWS: u32 = 4;
/// Blocks, at most, of the sum over a whole tensor.
const MOST_PARTS: usize = 256;
/// Copies of a block, at most, that one thread sums by itself.
const FEW_BLOCKS: usize = 64;
/// Scalars that one launch sums.
const TERMS: usize = 8;

/// As [`crate::ops::add`], which has checked the shapes.
pub(super) fn add(tape: &mut Tape, gpu: &Gpu, a: &Tensor2, b: &Tensor2) -> Tensor2 {
    let [a, b] = [a, b].map(|term| term.on(gpu));
    let out = tape.output_on(gpu, a.rows(), a.columns(), &[&a, &b]);
    let [rows, columns] = size(&out);
    let arguments = [(&a).into(), (&b).into(), (&out).into(), rows, columns];
    // SAFETY: three tensors [rows, columns].
    unsafe { gpu.launch(&SOURCE, "glue_add", fours(&out), &arguments) };
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        pass(&gpu, grads, &source, None, [Some(&a), Some(&b)]);
    });
    out
}

/// As [`crate::ops::multiply`], which has checked the shapes.
pub(super) fn multiply(tape: &mut Tape, gpu: &Gpu, x: &Tensor2, factors: &Tensor2) -> Tensor2 {
    let [x, factors] = [x, factors].map(|input| input.on(gpu));
    let out = tape.output_on(gpu, x.rows(), x.columns(), &[&x]);
    let [rows, columns] = size(&out);
    let arguments = [(&x).into(), (&factors).into(), (&out).into(), rows, columns];
    // SAFETY: three tensors [rows, columns].
    unsafe { gpu.launch(&SOURCE, "glue_multiply", fours(&out), &arguments) };
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            source.gradient_address(grads).into(),
            (&factors).into(),
            x.gradient_address(grads).into(),
            rows,
            columns,
        ];
        // SAFETY: three tensors [rows, columns]; the gradient of x is there, or nothing is recorded.
        unsafe {
            gpu.launch(
                &SOURCE,
                "glue_multiply_backward",
                fours(&source),
                &arguments,
            )
        };
    });
    out
}

/// As [`crate::ops::add_rows`], which has checked the shapes.
pub(super) fn add_rows(tape: &mut Tape, gpu: &Gpu, x: &Tensor2, rows: &Tensor2) -> Tensor2 {
    let [x, rows] = [x, rows].map(|term| term.on(gpu));
    let out = tape.output_on(gpu, x.rows(), x.columns(), &[&x, &rows]);
    repeated(gpu, Some(&x), &rows, &out);
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        pass(&gpu, grads, &source, None, [Some(&x), None]);
        add_blocks(&gpu, grads, &source, &rows);
    });
    out
}

/// As [`crate::ops::repeat`].
pub(super) fn repeat(tape: &mut Tape, gpu: &Gpu, x: &Tensor2, batch: usize) -> Tensor2 {
    let out = tape.output_on(gpu, batch * x.rows(), x.columns(), &[x]);
    repeated(gpu, None, x, &out);
    let (gpu, x, source) = (gpu.clone(), x.clone(), out.clone());
    tape.record(&out, move |grads| add_blocks(&gpu, grads, &source, &x));
    out
}

/// As [`crate::ops::weighted_sum`], which has checked the shapes.
pub(super) fn weighted_sum(tape: &mut Tape, gpu: &Gpu, terms: &[(&Tensor2, f32)]) -> Tensor2 {
    let terms: Vec<(Tensor2, f32)> = terms
        .iter()
        .map(|(term, factor)| (term.on(gpu), *factor))
        .collect();
    let inputs: Vec<&Tensor2> = terms.iter().map(|(term, _)| term).collect();
    let out = tape.output_on(gpu, 1, 1, &inputs);
    for (i, some) in terms.chunks(TERMS).enumerate() {
        let mut arguments: Vec<Argument> = vec![(&out).into(), (i == 0).into()];
        arguments.extend(pairs(some, |term| Some(term.address())));
        // SAFETY: scalars.
        unsafe { gpu.launch(&SOURCE, "glue_weighted", Grid::blocks(1, 1), &arguments) };
    }
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.gradient_address(grads);
        for some in terms.chunks(TERMS) {
            let mut arguments: Vec<Argument> = vec![gradient.into()];
            arguments.extend(pairs(some, |term| term.gradient_address(grads)));
            let grid = Grid::blocks(1, 1);
            // SAFETY: scalars.
            unsafe { gpu.launch(&SOURCE, "glue_weighted_backward", grid, &arguments) };
        }
    });
    out
}

/// Eight addresses with their factors, null where there are fewer terms.
fn pairs(
    terms: &[(Tensor2, f32)],
    mut address: impl FnMut(&Tensor2) -> Option<u64>,
) -> [Argument; 2 * TERMS] {
    let mut arguments = [Argument::from(0f32); 2 * TERMS];
    for (i, pair) in arguments.chunks_exact_mut(2).enumerate() {
        let term = terms.get(i);
        pair[0] = term.and_then(|(term, _)| address(term)).into();
        pair[1] = term.map_or(0.0, |(_, factor)| *factor).into();
    }
    arguments
}

/// As [`crate::ops::normalize_rows`]; a row shorter than `smallest` is divided by that.
pub(super) fn normalize_rows(tape: &mut Tape, gpu: &Gpu, x: &Tensor2, smallest: f32) -> Tensor2 {
    let out = tape.output_on(gpu, x.rows(), x.columns(), &[x]);
    let [rows, columns] = size(&out);
    let grid = Grid {
        threads: [32, ROWS, 1],
        ..Grid::items(out.rows(), ROWS)
    };
    let arguments = [x.into(), (&out).into(), rows, columns, smallest.into()];
    // SAFETY: both [rows, columns]; a warp for every row.
    unsafe { gpu.launch(&SOURCE, "glue_normalize", grid, &arguments) };
    let (gpu, x, source) = (gpu.clone(), x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            (&x).into(),
            (&source).into(),
            source.gradient_address(grads).into(),
            x.gradient_address(grads).into(),
            rows,
            columns,
            smallest.into(),
        ];
        // SAFETY: as forward; gradients are as large as their tensors.
        unsafe { gpu.launch(&SOURCE, "glue_normalize_backward", grid, &arguments) };
    });
    out
}

/// As [`crate::ops::scale_by`]; `s` is `[1, 1]`.
pub(super) fn scale_by(tape: &mut Tape, gpu: &Gpu, x: &Tensor2, s: &Tensor2) -> Tensor2 {
    let [x, s] = [x, s].map(|input| input.on(gpu));
    let out = tape.output_on(gpu, x.rows(), x.columns(), &[&x, &s]);
    let [rows, columns] = size(&out);
    let arguments = [(&x).into(), (&s).into(), (&out).into(), rows, columns];
    // SAFETY: x and out [rows, columns], s a scalar.
    unsafe { gpu.launch(&SOURCE, "glue_scale", fours(&out), &arguments) };
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        pass(&gpu, grads, &source, Some(&s), [Some(&x), None]);
        let gradient = source.gradient_address(grads);
        if let Some(to) = s.gradient_address(grads) {
            let parts = x
                .len()
                .div_ceil(WIDE * THREADS as usize)
                .clamp(1, MOST_PARTS);
            let partials = gpu.scratch::<f32>(parts);
            let arguments = [
                gradient.into(),
                (&x).into(),
                (&partials).into(),
                rows,
                columns,
            ];
            let grid = Grid::blocks(parts, THREADS);
            // SAFETY: x and the gradient [rows, columns], a sum for every block.
            unsafe {
                gpu.launch(&SOURCE, "glue_dot", grid, &arguments);
                reduce::add_partials(&gpu, partials.address(), to, parts, 1);
            }
        }
    });
    out
}

/// As [`crate::ops::exp_clamped`]; `s` is `[1, 1]`.
pub(super) fn exp_clamped(tape: &mut Tape, gpu: &Gpu, s: &Tensor2, max: f32) -> Tensor2 {
    let out = tape.output_on(gpu, 1, 1, &[s]);
    let arguments = [s.into(), (&out).into(), max.into()];
    // SAFETY: scalars.
    unsafe { gpu.launch(&SOURCE, "glue_exp", Grid::blocks(1, 1), &arguments) };
    let (gpu, s, source) = (gpu.clone(), s.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            (&s).into(),
            source.gradient_address(grads).into(),
            s.gradient_address(grads).into(),
            max.into(),
        ];
        // SAFETY: scalars.
        unsafe { gpu.launch(&SOURCE, "glue_exp_backward", Grid::blocks(1, 1), &arguments) };
    });
    out
}

/// Rows and columns.
fn size(tensor: &Tensor2) -> [Argument; 2] {
    [tensor.rows().into(), tensor.columns().into()]
}

/// A thread for every four values.
fn fours(tensor: &Tensor2) -> Grid {
    Grid::items(tensor.len().div_ceil(WIDE), THREADS)
}

/// `out = x + block`, the block as often as it fits; without x, `out = block`.
fn repeated(gpu: &Gpu, x: Option<&Tensor2>, block: &Tensor2, out: &Tensor2) {
    let [rows, columns] = size(out);
    let period = block.len().into();
    let arguments = [x.into(), block.into(), out.into(), rows, columns, period];
    // SAFETY: x and out [rows, columns], the block `period` values, not none where out has any.
    unsafe { gpu.launch(&SOURCE, "glue_rows", fours(out), &arguments) };
}

/// Adds the gradient of `out`, times a scalar, to those of inputs of the same shape.
fn pass(
    gpu: &Gpu,
    grads: &mut Grads,
    out: &Tensor2,
    factor: Option<&Tensor2>,
    inputs: [Option<&Tensor2>; 2],
) {
    let targets = inputs.map(|input| input.and_then(|input| input.gradient_address(grads)));
    if targets == [None, None] {
        return;
    }
    let [rows, columns] = size(out);
    let arguments = [
        out.gradient_address(grads).into(),
        factor.into(),
        targets[0].into(),
        targets[1].into(),
        rows,
        columns,
    ];
    // SAFETY: gradients of [rows, columns], a scalar.
    unsafe { gpu.launch(&SOURCE, "glue_pass", fours(out), &arguments) };
}

/// Adds the sum of the blocks of the gradient of `out`, each as large as `input`, to the gradient of `input`.
fn add_blocks(gpu: &Gpu, grads: &mut Grads, out: &Tensor2, input: &Tensor2) {
    let (Some(to), Some(from)) = (input.gradient_address(grads), out.gradient_address(grads))
    else {
        return;
    };
    if out.is_empty() {
        return;
    }
    let (size, blocks) = (input.len(), out.len() / input.len());
    // SAFETY: as many blocks as there are in the gradient of `out`.
    unsafe {
        match blocks {
            ..=FEW_BLOCKS => reduce::add_partials(gpu, from, to, blocks, size),
            _ => reduce::add_sum_of_rows(gpu, from, to, blocks, size),
        }
    }
}
