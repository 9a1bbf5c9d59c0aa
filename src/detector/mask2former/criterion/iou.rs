//! The loss of the predicted IoU of the matched pairs of a layer.
//!
//! `$$ L_{iou} = \frac1N \sum_n \mathrm{BCE}\!\left(z_n, \frac{|P_n \cap G_n|}{|P_n \cup G_n|}\right) $$`
//!
//! z: the logit of the query's IoU head; P: its predicted mask, where the logit is above 0; G: the mask of its object
//! at the centres of the predicted mask's cells, so that both are compared on the whole grid. N as in the other mask
//! losses. The target gives the mask no gradient, and the weights of pseudo-labels are none of this loss. Our
//! definition after PAIS on K-Net (hujiecpp/PAIS 3f3e24d, `kernel_update_head.py`).

use super::StartedPart;
use super::matching::MatchedPair;
use crate::graph::LayerPredictions;
use crate::ops;
use crate::tensor::{Tape, Tensor2};

/// The value of a sampled mask from which a cell belongs to it.
const INSIDE: f32 = 0.5;

impl StartedPart<'_> {
    /// The loss of `pairs` with the predicted IoU `ious` `[B * Q, 1]` of their layer, over `masks`.
    pub(super) fn iou_loss(
        &self,
        tape: &mut Tape,
        layer: &LayerPredictions,
        ious: &Tensor2,
        pairs: &[MatchedPair],
        masks: f32,
    ) -> Tensor2 {
        let row = |pair: &MatchedPair| {
            (self.extent.in_batch + pair.image) * self.predictions.queries + pair.query
        };
        let rows: Vec<usize> = pairs.iter().map(row).collect();
        let planes = ops::rows_on_host(&layer.masks, &rows);
        let planes = planes.chunks_exact(layer.masks.columns());
        let targets: Vec<f32> = planes
            .zip(pairs)
            .map(|(plane, pair)| iou(plane, self.cells(pair)))
            .collect();
        let targets = Tensor2::constant(targets, pairs.len(), 1);
        let logits = ops::pick(tape, ious, &rows, &vec![0; pairs.len()], 1);
        ops::bce_points(tape, &logits, &targets, None, masks)
    }

    /// The cells of the predicted masks' grid that belong to the object of `pair`. All objects are sampled once.
    fn cells(&self, pair: &MatchedPair) -> &[bool] {
        let (height, width) = (self.predictions.height, self.predictions.width);
        let cells = self.cells.get_or_init(|| {
            let centre = |at: usize, side: usize| (at as f32 + 0.5) / side as f32;
            let centres = (0..height * width)
                .flat_map(|cell| [centre(cell % width, width), centre(cell / width, height)]);
            let centres = Tensor2::constant(centres.collect(), 1, 2 * height * width);
            let centres = centres.to(&self.predictions.layers[0].masks.place());
            let targets = self.extent.targets.iter().enumerate();
            let objects =
                targets.flat_map(|(image, targets)| (0..targets.len()).map(move |i| (image, i, 0)));
            let sampled = self.matching.objects.sample(objects, &centres);
            sampled.host_values().iter().map(|v| *v >= INSIDE).collect()
        });
        let before = self.extent.targets[..pair.image].iter();
        let first: usize = before.map(|targets| targets.len()).sum();
        &cells[(first + pair.object) * height * width..][..height * width]
    }
}

/// The IoU of the cells of `plane` above 0 with the cells `object`; 0 if there are none.
fn iou(plane: &[f32], object: &[bool]) -> f32 {
    let (mut both, mut either) = (0usize, 0usize);
    for (logit, object) in plane.iter().zip(object) {
        both += usize::from(*logit > 0.0 && *object);
        either += usize::from(*logit > 0.0 || *object);
    }
    both as f32 / either.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_iou_counts_cells_above_zero() {
        let object = [true, true, false, false];
        assert_eq!(iou(&[1.0, -1.0, 0.5, 0.0], &object), 1.0 / 3.0);
        assert_eq!(iou(&[0.0; 4], &object), 0.0);
        assert_eq!(iou(&[-1.0; 4], &[false; 4]), 0.0);
        assert_eq!(iou(&[0.1, 0.1, -0.1, -0.1], &object), 1.0);
    }
}
