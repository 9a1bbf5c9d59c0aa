//! Layer normalisation on the GPU: a warp has a row; the sums for gamma and beta go over tiles of rows, then over the tiles.

use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Grads, Tape, Tensor2};

static SOURCE: Source = source!("layer_norm");

/// Rows of a block.
const ROWS: usize = 4;
/// Threads of a block of the parameters' kernel.
const THREADS: u32 = 128;
/// Rows that a thread of it sums before it goes on to its next tile.
const TILE: usize = 32;

/// As [`crate::ops::layer_norm`], which has checked the shapes.
pub(super) fn layer_norm(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Tensor2,
    residual: Option<&Tensor2>,
    gamma: &Tensor2,
    beta: &Tensor2,
    eps: f32,
) -> Tensor2 {
    let [x, gamma, beta] = [x, gamma, beta].map(|input| input.on(gpu));
    let residual = residual.map(|residual| residual.on(gpu));
    let (rows, width) = (x.rows(), x.columns());
    let mut inputs = vec![&x, &gamma, &beta];
    inputs.extend(&residual);
    let out = tape.output_on(gpu, rows, width, &inputs);
    let moments = gpu.scratch::<f32>(2 * rows);
    let arguments = [
        (&x).into(),
        residual.as_ref().into(),
        (&gamma).into(),
        (&beta).into(),
        (&out).into(),
        (&moments).into(),
        rows.into(),
        width.into(),
        eps.into(),
    ];
    // SAFETY: all matrices are [rows, width], gamma and beta [1, width], two moments a row.
    unsafe { gpu.launch(&SOURCE, "layer_norm_forward", per_row(rows), &arguments) };

    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let inputs = Inputs {
            x,
            residual,
            gamma,
            beta,
            moments: moments.address(),
        };
        inputs.backward(&gpu, grads, &source);
        // The moments live until here.
        drop(moments);
    });
    out
}

/// What the backward reads.
struct Inputs {
    x: Tensor2,
    residual: Option<Tensor2>,
    gamma: Tensor2,
    beta: Tensor2,
    moments: u64,
}

impl Inputs {
    fn backward(&self, gpu: &Gpu, grads: &mut Grads, out: &Tensor2) {
        let (rows, width) = (out.rows(), out.columns());
        let gradient = out.gradient_address(grads);
        let to_x = self.x.gradient_address(grads);
        let to_residual = self
            .residual
            .as_ref()
            .and_then(|residual| residual.gradient_address(grads));
        if to_x.is_some() || to_residual.is_some() {
            let arguments = [
                (&self.x).into(),
                self.residual.as_ref().into(),
                (&self.gamma).into(),
                self.moments.into(),
                gradient.into(),
                to_x.into(),
                to_residual.into(),
                rows.into(),
                width.into(),
            ];
            // SAFETY: gradients are as large as their tensors; the rest as forward.
            unsafe { gpu.launch(&SOURCE, "layer_norm_backward", per_row(rows), &arguments) };
        }
        let by_gamma = self.gamma.gradient_address(grads);
        let by_beta = self.beta.gradient_address(grads);
        if by_gamma.is_some() || by_beta.is_some() {
            let parts = reduce::parts(rows);
            let partials = gpu.scratch::<f32>(parts * 2 * width);
            let arguments = [
                (&self.x).into(),
                self.residual.as_ref().into(),
                self.moments.into(),
                gradient.into(),
                (&partials).into(),
                rows.into(),
                width.into(),
                TILE.into(),
            ];
            let grid = Grid::items(width, THREADS).by(parts, 1);
            // SAFETY: two sums a column and part.
            unsafe { gpu.launch(&SOURCE, "layer_norm_parameters", grid, &arguments) };
            let sums = gpu.zeros::<f32>(2 * width);
            // SAFETY: as many as the kernel before wrote; then a half for each of the two.
            unsafe {
                reduce::add_partials(gpu, partials.address(), sums.address(), parts, 2 * width);
                let [first, second] = [sums.address(), sums.address() + 4 * width as u64];
                for (from, to) in [(first, by_gamma), (second, by_beta)] {
                    if let Some(to) = to {
                        reduce::add_partials(gpu, from, to, 1, width);
                    }
                }
            }
        }
    }
}

/// A warp for every row.
fn per_row(rows: usize) -> Grid {
    Grid {
        threads: [32, ROWS as u32, 1],
        ..Grid::items(rows, ROWS as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_warp() {
        for rows in [0, 1, 4, 5, 4097] {
            let Grid {
                blocks, threads, ..
            } = per_row(rows);
            assert_eq!(threads, [32, 4, 1]);
            assert!(blocks[0] as usize * ROWS >= rows && blocks[0] >= 1);
            assert!((blocks[0] as usize - 1) * ROWS <= rows, "no block too many");
        }
    }
}
