//! Runs of columns on the GPU: a thread has a value of the result, forward and backward. No row is read twice, so no
//! two threads add to one place.

use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("pick");

const THREADS: u32 = 256;

/// As [`crate::ops::pick`], which has checked the rows and columns.
pub(super) fn pick(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Tensor2,
    rows: &[usize],
    columns: &[usize],
    width: usize,
) -> Tensor2 {
    let x = x.on(gpu);
    let out = tape.output_on(gpu, rows.len(), width, &[&x]);
    if out.is_empty() {
        return out;
    }
    let places: Vec<i32> = rows
        .iter()
        .zip(columns)
        .flat_map(|(row, column)| [*row as i32, *column as i32])
        .collect();
    let places = gpu.upload(&places);
    let grid = Grid::items(out.len(), THREADS);
    let (count, stride) = (out.len(), x.columns());
    let arguments = [
        (&x).into(),
        (&places).into(),
        (&out).into(),
        count.into(),
        width.into(),
        stride.into(),
    ];
    // SAFETY: two numbers for each row of the result, which name a run inside x.
    unsafe { gpu.launch(&SOURCE, "pick_forward", grid, &arguments) };
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.gradient_address(grads);
        if let (Some(from), Some(to)) = (gradient, x.gradient_address(grads)) {
            let arguments = [
                from.into(),
                (&places).into(),
                to.into(),
                count.into(),
                width.into(),
                stride.into(),
            ];
            // SAFETY: as forward; gradients are as large as their tensors.
            unsafe { gpu.launch(&SOURCE, "pick_backward", grid, &arguments) };
        }
    });
    out
}
