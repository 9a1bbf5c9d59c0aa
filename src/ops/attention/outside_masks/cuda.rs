//! The attention mask of masked attention on the GPU: a block resizes, compares and, where nothing is open, opens one plane.

use crate::ops::Blocked;
use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Grid, Source};
use std::sync::Arc;

static SOURCE: Source = source!("outside_masks");

const THREADS: u32 = 256;

/// As [`crate::ops::outside_masks`], which has checked the size.
pub(super) fn outside_masks(
    gpu: &Gpu,
    logits: &Tensor2,
    from: (usize, usize),
    to: (usize, usize),
) -> Blocked {
    let planes = logits.rows();
    let blocked = gpu.scratch::<u8>(planes * to.0 * to.1);
    if planes > 0 {
        let arguments = [
            logits.into(),
            (&blocked).into(),
            from.0.into(),
            from.1.into(),
            to.0.into(),
            to.1.into(),
        ];
        let grid = Grid::blocks(planes, THREADS);
        // SAFETY: logits [planes, from], blocked [planes, to].
        unsafe { gpu.launch(&SOURCE, "outside_masks", grid, &arguments) };
    }
    Blocked::Gpu(Arc::new(blocked))
}
