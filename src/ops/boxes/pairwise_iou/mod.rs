//! The overlaps of all rectangles of two lists, where the lists are.
//!
//! `$$ y_{ij} = \mathrm{IoU}(a_i, b_j) = \frac{|a_i \cap b_j|}{|a_i| + |b_j| - |a_i \cap b_j|} $$`
//!
//! Shapes: x1, y1, x2, y2 of a `[n, 4]` and b `[m, 4]` -> `[n, m]`; no gradient. 0 for two rectangles without area. The
//! same numbers as [`super::iou_matrix`] gives for rectangles of the host. Source: torchvision's `box_iou`.

#[allow(unsafe_code)]
mod cuda;

use super::bounds::{Bounds, iou_matrix};
use crate::tensor::Tensor2;
use crate::tensor::cuda::Gpu;

/// The numbers of a rectangle.
const SIDES: usize = 4;

/// The IoU of every row of `a` `[n, 4]` with every row of `b` `[m, 4]`: `[n, m]`.
///
/// Panics unless both have four columns.
pub fn pairwise_iou(a: &Tensor2, b: &Tensor2) -> Tensor2 {
    let columns = [a.columns(), b.columns()];
    assert_eq!(columns, [SIDES; 2], "rectangles of {columns:?} numbers");
    if let Some(gpu) = Gpu::of(&[a, b]) {
        return cuda::pairwise_iou(&gpu, a, b);
    }
    let bounds = |list: &Tensor2| -> Vec<Bounds> {
        let (rows, _) = list.values().as_chunks::<SIDES>();
        rows.iter().map(|row| Bounds::new(*row)).collect()
    };
    Tensor2::constant(iou_matrix(&bounds(a), &bounds(b)), a.rows(), b.rows())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::on_every_place;
    use crate::ops::golden;

    on_every_place! {
        fn parity_with_torchvision(place) {
            let tensors = golden::load("rcnn_ops");
            let [a, b] = ["boxes.a", "boxes.b"].map(|name| {
                let (shape, values) = &tensors[name];
                Tensor2::constant(values.clone(), shape[0], shape[1]).to(place)
            });
            let found = pairwise_iou(&a, &b);
            assert_eq!((found.rows(), found.columns()), (12, 9));
            golden::compare("iou", &found.host_values(), &tensors["boxes.iou"].1, 1e-6);
        }

        fn rectangles_without_area_and_empty_lists_are_taken(place) {
            let list = |values: Vec<f32>| {
                let rows = values.len() / SIDES;
                Tensor2::constant(values, rows, SIDES).to(place)
            };
            let whole = [0.0, 0.0, 10.0, 10.0];
            let lines = list([[1.0, 0.0, 1.0, 5.0], whole].concat());
            let others = list([[1.0, 0.0, 1.0, 5.0], whole, [20.0, 0.0, 30.0, 9.0]].concat());
            let found = pairwise_iou(&lines, &others);
            assert_eq!(*found.host_values(), [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
            for (a, b, shape) in [(list(vec![]), &others, (0, 3)), (others.clone(), &list(vec![]), (3, 0))] {
                let found = pairwise_iou(&a, b);
                assert_eq!((found.rows(), found.columns()), shape);
            }
        }
    }
}
