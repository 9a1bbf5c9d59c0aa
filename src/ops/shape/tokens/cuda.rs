//! Token sequences joined and cut on the GPU: a launch for every part.

use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("tokens");

const THREADS: u32 = 256;

/// A run of values in every image of a tensor.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Values of the image before it.
    first: usize,
    /// Values of an image.
    stride: usize,
}

impl Run {
    /// Whole images of `len` values.
    fn whole(len: usize) -> Self {
        Self {
            first: 0,
            stride: len,
        }
    }
}

/// What is moved: `len` values, all numbers multiples of `columns`, in each of `batch` images.
#[derive(Clone, Copy, Debug)]
struct Move {
    from: Run,
    to: Run,
    len: usize,
    columns: usize,
    batch: usize,
}

impl Move {
    fn back(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            ..self
        }
    }

    /// Values of a thread: four where every piece of them lies at a multiple of 16 bytes.
    fn wide(&self) -> usize {
        if self.columns.is_multiple_of(4) { 4 } else { 1 }
    }

    fn grid(&self) -> Grid {
        Grid::items(self.len / self.wide(), THREADS).by(self.batch, 1)
    }

    /// Copies the runs, or adds them.
    ///
    /// # Safety
    /// The addresses lead to tensors in live buffers of `gpu` that have these runs.
    unsafe fn start(&self, gpu: &Gpu, from: u64, to: u64, add: bool) {
        if self.len == 0 {
            return;
        }
        let arguments = [
            from.into(),
            to.into(),
            self.from.first.into(),
            self.from.stride.into(),
            self.to.first.into(),
            self.to.stride.into(),
            self.len.into(),
            add.into(),
        ];
        let name = match self.wide() {
            4 => "tokens_move_4",
            _ => "tokens_move_1",
        };
        // SAFETY: the caller's promise.
        unsafe { gpu.launch(&SOURCE, name, self.grid(), &arguments) };
    }
}

/// As [`crate::ops::concat_tokens`], which has checked the shapes.
pub(super) fn concat_tokens(
    tape: &mut Tape,
    gpu: &Gpu,
    parts: &[&Tensor2],
    batch: usize,
) -> Tensor2 {
    let parts: Vec<Tensor2> = parts.iter().map(|part| part.on(gpu)).collect();
    let inputs: Vec<&Tensor2> = parts.iter().collect();
    let rows: usize = parts.iter().map(Tensor2::rows).sum();
    let columns = parts.first().map_or(0, Tensor2::columns);
    let out = tape.output_on(gpu, rows, columns, &inputs);
    let mut first = 0;
    let mut moves = Vec::new();
    for part in &parts {
        let len = part.len() / batch;
        moves.push(Move {
            from: Run::whole(len),
            to: Run {
                first,
                stride: out.len() / batch,
            },
            len,
            columns,
            batch,
        });
        first += len;
    }
    for (part, one) in parts.iter().zip(&moves) {
        // SAFETY: the parts of an image one after the other, which together are an image of the output.
        unsafe { one.start(gpu, part.address(), out.address(), false) };
    }
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        for (part, one) in parts.iter().zip(&moves) {
            let gradient = source.gradient_address(grads);
            if let (Some(from), Some(to)) = (gradient, part.gradient_address(grads)) {
                // SAFETY: gradients are as large as their tensors.
                unsafe { one.back().start(&gpu, from, to, true) };
            }
        }
    });
    out
}

/// As [`crate::ops::slice_tokens`], which has checked the shapes.
pub(super) fn slice_tokens(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Tensor2,
    batch: usize,
    start: usize,
    len: usize,
) -> Tensor2 {
    let columns = x.columns();
    let out = tape.output_on(gpu, batch * len, columns, &[x]);
    let one = Move {
        from: Run {
            first: start * columns,
            stride: x.len() / batch,
        },
        to: Run::whole(len * columns),
        len: len * columns,
        columns,
        batch,
    };
    // SAFETY: the tokens lie within every image of x.
    unsafe { one.start(gpu, x.address(), out.address(), false) };
    let (gpu, x, source) = (gpu.clone(), x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.gradient_address(grads);
        if let (Some(from), Some(to)) = (gradient, x.gradient_address(grads)) {
            // SAFETY: gradients are as large as their tensors.
            unsafe { one.back().start(&gpu, from, to, true) };
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fours_only_where_every_row_is_a_multiple_of_them() {
        for (columns, wide) in [(256, 4), (4, 4), (6, 1), (1, 1)] {
            let one = Move {
                from: Run::whole(300 * columns),
                to: Run::whole(300 * columns),
                len: 300 * columns,
                columns,
                batch: 3,
            };
            assert_eq!(one.wide(), wide);
            let grid = one.grid();
            assert_eq!(grid.blocks[1], 3);
            assert!(grid.blocks[0] as usize * 256 * wide >= one.len);
        }
    }
}
