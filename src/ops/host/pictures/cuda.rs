//! Bytes of pictures as values, on the GPU.

use crate::ops::COLOURS;
use crate::ops::cuda::resident::Resident;
use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Argument, Buffer, Grid, Source};

static SOURCE: Source = source!("pictures");

const THREADS: u32 = 256;

/// As [`crate::ops::Pixels::values`], which has checked the sizes, of the pictures that begin at `starts` of
/// `bytes`.
pub(super) fn picture_values(
    bytes: &Buffer<u8>,
    sizes: &[(usize, usize)],
    starts: &[usize],
    table: &[f32],
    colours: [usize; COLOURS],
    (height, width): (usize, usize),
) -> Tensor2 {
    static TABLES: Resident<f32> = Resident::new();
    let gpu = bytes.gpu();
    let out = gpu.unwritten(sizes.len() * height * width, COLOURS);
    if out.is_empty() {
        return out;
    }
    let starts: Vec<u64> = starts.iter().map(|start| *start as u64).collect();
    let sides = sizes.iter().flat_map(|(rows, columns)| [rows, columns]);
    let sides: Vec<i32> = sides.map(|side| *side as i32).collect();
    let (starts, sides) = (gpu.upload(&starts), gpu.upload(&sides));
    let table = TABLES.on(gpu, table);
    let [first, second, third] = colours.map(Argument::from);
    let arguments = [
        bytes.into(),
        (&starts).into(),
        (&sides).into(),
        (&*table).into(),
        (&out).into(),
        height.into(),
        width.into(),
        first,
        second,
        third,
    ];
    let grid = Grid::items(height * width, THREADS).by(sizes.len(), 1);
    // SAFETY: the pictures lie within `bytes` and are no larger than [height, width], of which out has one
    // for each.
    unsafe { gpu.launch(&SOURCE, "picture_values", grid, &arguments) };
    out
}
