//! The matcher's mask costs on the GPU, for all images of a batch at once: a block samples the plane of a query, a tile of points at a
//! time, and sums over each object. Only the costs come back.

use super::source;
use crate::ops::{Compared, MaskCosts};
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Grid, Source};

pub(super) static SOURCE: Source = source!("mask_costs");

const THREADS: u32 = 256;
/// Bytes of the sums of an object.
const SUMS: usize = 3 * size_of::<f32>();

/// As [`crate::ops::mask_costs_of_images`], which has checked the planes; every image has `count` points, and all together some objects.
pub(crate) fn mask_costs(
    gpu: &Gpu,
    planes: &Tensor2,
    queries: usize,
    (height, width): (usize, usize),
    images: &[Compared],
    count: usize,
) -> Vec<MaskCosts> {
    let starts = starts(images, count);
    let total = starts[images.len()];
    let most = images.iter().map(|image| image.objects.len() / count).max();
    let firsts: Vec<i32> = images.iter().map(|image| image.first as i32).collect();
    let points: Vec<f32> = images.iter().flat_map(|i| &i.points).copied().collect();
    let objects: Vec<f32> = images.iter().flat_map(|i| &i.objects).copied().collect();
    let starts_there: Vec<i32> = starts.iter().map(|start| *start as i32).collect();
    let (firsts, starts_there) = (gpu.upload(&firsts), gpu.upload(&starts_there));
    let (points, objects) = (gpu.upload(&points), gpu.upload(&objects));
    let costs = gpu.scratch::<f32>(2 * total * queries);
    let arguments = [
        planes.into(),
        (&firsts).into(),
        (&starts_there).into(),
        (&points).into(),
        (&objects).into(),
        (&costs).into(),
        total.into(),
        queries.into(),
        count.into(),
        height.into(),
        width.into(),
    ];
    let grid = Grid::blocks(queries, THREADS).by(images.len(), 1);
    let grid = grid.shared(most.unwrap_or(0) * SUMS);
    // SAFETY: every image has `queries` planes [height, width] from its first on, `count` points, and at each point a value of each of
    // its objects, of which there are `total`; costs [2, total, queries].
    unsafe { gpu.launch(&SOURCE, "mask_costs", grid, &arguments) };
    let costs = costs.values();
    let (bce, dice) = costs.split_at(total * queries);
    let of_image = |span: &[usize]| {
        let span = span[0] * queries..span[1] * queries;
        MaskCosts {
            bce: bce[span.clone()].to_vec(),
            dice: dice[span].to_vec(),
        }
    };
    starts.windows(2).map(of_image).collect()
}

/// Where the objects of each image begin, and where the last ones end.
fn starts(images: &[Compared], count: usize) -> Vec<usize> {
    let mut starts = vec![0];
    for image in images {
        starts.push(starts[starts.len() - 1] + image.objects.len() / count);
    }
    starts
}
