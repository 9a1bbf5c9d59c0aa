//! Bilinear samples of planes at points on the GPU. Forward a thread has a point. Backward a pixel gathers what its readers have for it:
//! the points are put into lists by the cell of the plane that they lie in, and every pixel adds up the lists of its four cells, each in
//! the order of the points. So no gradient is added to by two threads, and the bits are the same at every run.

use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("point_sample");

const THREADS: u32 = 256;

/// As [`crate::ops::point_sample()`], which has checked the shapes and the rows.
pub(super) fn point_sample(
    tape: &mut Tape,
    gpu: &Gpu,
    planes: &Tensor2,
    rows: &[usize],
    (height, width): (usize, usize),
    points: &Tensor2,
) -> Tensor2 {
    let (planes, points) = (planes.on(gpu), points.on(gpu));
    let (row_count, count) = (rows.len(), points.columns() / 2);
    let out = tape.output_on(gpu, row_count, count, &[&planes]);
    if out.is_empty() {
        return out;
    }
    // The lists of the backward number the points in `int`.
    assert!(
        i32::try_from(row_count * count).is_ok(),
        "fewer than 2^31 points"
    );
    let Groups {
        of_rows,
        planes: group_planes,
    } = Groups::new(rows);
    let planes_of_rows: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    let planes_of_rows = gpu.upload(&planes_of_rows);
    let per_point = Grid::items(row_count * count, THREADS);
    let arguments = [
        (&planes).into(),
        (&planes_of_rows).into(),
        (&points).into(),
        (&out).into(),
        row_count.into(),
        count.into(),
        height.into(),
        width.into(),
    ];
    // SAFETY: planes [n, height * width], a plane below n a row, points [row_count, count, 2], out [row_count, count].
    unsafe { gpu.launch(&SOURCE, "point_sample_forward", per_point, &arguments) };

    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.gradient_address(grads);
        let to = planes.gradient_address(grads);
        let groups = group_planes.len();
        let (of_rows, group_planes) = (gpu.upload(&of_rows), gpu.upload(&group_planes));
        let heads = gpu.zeros::<i32>(groups * (height + 1) * (width + 1));
        let next = gpu.scratch::<i32>(row_count * count);
        let lists = [
            (&points).into(),
            (&of_rows).into(),
            (&heads).into(),
            (&next).into(),
            row_count.into(),
            count.into(),
            height.into(),
            width.into(),
        ];
        let gather = [
            (&group_planes).into(),
            (&heads).into(),
            (&next).into(),
            (&points).into(),
            gradient.into(),
            to.into(),
            groups.into(),
            height.into(),
            width.into(),
        ];
        let per_pixel = Grid::items(groups * height * width, THREADS);
        // SAFETY: as forward; heads [groups, height + 1, width + 1] and a next of every point; the gradient of the planes, without
        // which nothing is recorded, is as large as they are, and no plane is in two groups.
        unsafe {
            gpu.launch(&SOURCE, "point_sample_lists", per_point, &lists);
            gpu.launch(&SOURCE, "point_sample_backward", per_pixel, &gather);
        }
    });
    out
}

/// The rows by the plane that they read.
#[derive(Debug, PartialEq)]
struct Groups {
    /// The group of every row.
    of_rows: Vec<i32>,
    /// The plane of every group.
    planes: Vec<i32>,
}

impl Groups {
    fn new(rows: &[usize]) -> Self {
        let mut planes: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
        planes.sort_unstable();
        planes.dedup();
        let group = |row: &usize| planes.partition_point(|plane| (*plane as usize) < *row) as i32;
        Self {
            of_rows: rows.iter().map(group).collect(),
            planes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_plane_are_one_group() {
        let groups = Groups::new(&[7, 2, 7, 0, 2]);
        assert_eq!(groups.planes, [0, 2, 7]);
        assert_eq!(groups.of_rows, [2, 1, 2, 0, 1]);
        assert_eq!(Groups::new(&[]).planes.len(), 0);
    }
}
