//! The matcher's costs on the GPU, for all images of a batch at once: a block samples the plane of a query, a tile of points at a time, and
//! sums over each object; a warp takes the softmax of a query. Only the costs come back.

use crate::ops::cuda::source;
use crate::ops::{Compared, MaskCosts, MatchCosts};
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Later, Tensor2};

static SOURCE: Source = source!("match_costs");

const THREADS: u32 = 256;
/// Queries of a block of the softmax.
const ROWS: u32 = 4;
/// Bytes of the sums of an object.
const SUMS: usize = 3 * size_of::<f32>();

/// As [`crate::ops::match_costs`], which has checked the shapes; there are queries, points and objects.
pub(super) fn match_costs(
    gpu: &Gpu,
    classes: &Tensor2,
    planes: &Tensor2,
    (queries, (height, width)): (usize, (usize, usize)),
    images: &[Compared],
    points: &Tensor2,
    wanted: &Tensor2,
) -> Later<Vec<MatchCosts>> {
    let (classes, points, wanted) = (classes.on(gpu), points.on(gpu), wanted.on(gpu));
    let (total, count) = (wanted.rows(), wanted.columns());
    let starts = starts(images);
    let most = images.iter().map(|image| image.classes.len()).max();
    let send = |numbers: &mut dyn Iterator<Item = usize>| {
        let numbers: Vec<i32> = numbers.map(|number| number as i32).collect();
        gpu.upload(&numbers)
    };
    let firsts = send(&mut images.iter().map(|image| image.first));
    let starts_there = send(&mut starts.iter().copied());
    let kinds = send(&mut images.iter().flat_map(|image| &image.classes).copied());
    let each = total * queries;
    let costs = gpu.scratch::<f32>(3 * each);
    let masks = [
        planes.into(),
        (&firsts).into(),
        (&starts_there).into(),
        (&points).into(),
        (&wanted).into(),
        (&costs).into(),
        total.into(),
        queries.into(),
        count.into(),
        height.into(),
        width.into(),
    ];
    let probabilities = costs.address() + (2 * each * size_of::<f32>()) as u64;
    let softmax = [
        (&classes).into(),
        (&firsts).into(),
        (&starts_there).into(),
        (&kinds).into(),
        probabilities.into(),
        queries.into(),
        classes.columns().into(),
    ];
    let grid = Grid::blocks(queries, THREADS).by(images.len(), 1);
    let grid = grid.shared(most.unwrap_or(0) * SUMS);
    let rows = Grid {
        threads: [32, ROWS, 1],
        ..Grid::items(queries, ROWS).by(images.len(), 1)
    };
    // SAFETY: every image has `queries` rows of planes [height, width] and of class logits from its first on, a row of `count` points, and
    // for each of its objects, of which there are `total`, a row of `wanted` and a class; costs [3, total, queries].
    unsafe {
        gpu.launch(&SOURCE, "mask_costs", grid, &masks);
        gpu.launch(&SOURCE, "class_probabilities", rows, &softmax);
    }
    costs.later().map(move |costs| {
        let part = |which: usize, span: &[usize]| {
            costs[which * each..][span[0] * queries..span[1] * queries].to_vec()
        };
        let of_image = |span: &[usize]| MatchCosts {
            objects: span[1] - span[0],
            masks: MaskCosts {
                bce: part(0, span),
                dice: part(1, span),
            },
            probability: part(2, span),
        };
        starts.windows(2).map(of_image).collect()
    })
}

/// Where the objects of each image begin, and where the last ones end.
fn starts(images: &[Compared]) -> Vec<usize> {
    let mut starts = vec![0];
    for image in images {
        starts.push(starts[starts.len() - 1] + image.classes.len());
    }
    starts
}
