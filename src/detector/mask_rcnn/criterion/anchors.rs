//! The losses of the region proposal network.
//!
//! `$$ L_{obj} = \frac1d \sum_{a} \mathrm{BCE}(z_a, [a \text{ has an object}]), \qquad
//!    L_{rpn\,box} = \frac1d \sum_{a \text{ has an object}} \sum_{k=1}^4 \mathrm{smooth}_{L1}(d_{ak} - t_{ak}) $$`
//!
//! a runs over the sampled anchors of all images. d is their number, or the number that may be sampled.

use super::StartedPart;
use crate::detector::by_region::taught_in;
use crate::detector::mask_rcnn::proposing::ANCHOR_WEIGHTS;
use crate::ops::{self, iou_matrix};
use crate::tensor::{Tape, Tensor2};

impl StartedPart<'_> {
    /// The losses of objectness and of boxes. Both depend on the network even if no anchor is sampled.
    pub(super) fn anchor_losses(&mut self, tape: &mut Tape) -> [Tensor2; 2] {
        let (pass, criterion) = (self.pass, self.criterion);
        let rules = pass.model.rules();
        let config = &criterion.config;
        let (matcher, size) = (config.anchor_matcher(rules), config.anchor_sample());
        let coder = rules.coder(ANCHOR_WEIGHTS);
        let count = pass.anchors.len();
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        let (mut box_rows, mut deltas) = (Vec::new(), Vec::new());
        for taught in &self.begun.images {
            let bounds = &taught.objects.bounds;
            let matches = matcher.of(&iou_matrix(bounds, &pass.anchors), count);
            let sample = size.draw(&matches, criterion.order, &mut self.begun.draws);
            let first = taught.image * count;
            for (index, object) in &sample.objects {
                rows.push(first + index);
                labels.push(1.0);
                box_rows.push(first + index);
                deltas.extend(coder.encode(bounds[*object], pass.anchors[*index]));
            }
            for index in &sample.background {
                rows.push(first + index);
                labels.push(0.0);
            }
        }
        let divisor = match (rules.divides_by_sampled, self.counted()) {
            (true, None) => rows.len(),
            (true, Some(counted)) => counted.anchors as usize,
            (false, _) => size.count * taught_in(self.begun.part),
        };
        let divisor = divisor.max(1) as f32;
        let predictions = &pass.predictions;
        let firsts = |rows: &Vec<usize>| vec![0; rows.len()];
        let logits = ops::pick(tape, &predictions.objectness, &rows, &firsts(&rows), 1);
        let labels = Tensor2::constant(labels, rows.len(), 1);
        let moves = ops::pick(tape, &predictions.deltas, &box_rows, &firsts(&box_rows), 4);
        let deltas = Tensor2::constant(deltas, box_rows.len(), 4);
        [
            ops::bce_points(tape, &logits, &labels, None, divisor),
            ops::smooth_l1(tape, &moves, &deltas, rules.anchor_beta, divisor),
        ]
    }
}
