//! The number of floating-point operations of the network, as for [`crate::graph::ModelConfig`].

use super::config::MaskRcnnConfig;
use super::head_kinds::{IouHeadKind, MaskHeadKind};
use super::noise_tolerant_head::COARSE_CONVS;
use crate::graph::Operations;
use crate::graph::operations::{convolution, product};
use crate::graph::regional::DOUBLING;

impl MaskRcnnConfig {
    /// The operations for one picture of `classes` object classes whose input has `height` x `width` pixels, and of
    /// which all heads look at `regions` regions and `masks` masks.
    pub fn operations(
        &self,
        (height, width): (usize, usize),
        regions: usize,
        masks: usize,
        classes: usize,
    ) -> Operations {
        let stride = self.backbone.coarsest_stride();
        let (height, width) = (
            height.next_multiple_of(stride),
            width.next_multiple_of(stride),
        );
        let (backbone, pixels) = self.backbone.operations(height, width);
        let fpn = self.fpn_width;
        let mut rest = 0.0;
        for (pixels, channels) in pixels.iter().zip(self.backbone.channels()) {
            rest += convolution(*pixels, 1, channels, fpn) + convolution(*pixels, 3, fpn, fpn);
        }
        let halved = |side: usize| (side / stride).div_ceil(2);
        let coarsest = halved(height) * halved(width);
        let cells: usize = pixels.iter().sum::<usize>() + coarsest;
        let anchors = self.anchor_ratios.len();
        rest += convolution(cells, 3, fpn, fpn) + convolution(cells, 1, fpn, 5 * anchors);
        rest += self.class_operations(regions, classes)
            // A box of every class.
            + product(regions, self.heads.width, 4 * classes)
            + self.mask_operations(masks)
            + self.predictor_operations(masks, classes)
            + self.iou_operations(masks, classes);
        let auxiliary = self.class_operations(regions, classes)
            + self.mask_operations(masks)
            + self.plain_predictor_operations(masks, classes);
        Operations {
            backbone,
            rest,
            auxiliary: self.auxiliary_heads as f64 * auxiliary,
            trains_backbone: !self.backbone.frozen.is_all(),
        }
    }

    /// Those of a class predictor for `regions` regions.
    fn class_operations(&self, regions: usize, classes: usize) -> f64 {
        let (heads, fpn) = (&self.heads, self.fpn_width);
        product(regions, heads.box_side.pow(2) * fpn, heads.width)
            + product(regions, heads.width, heads.width)
            // The classes with background.
            + product(regions, heads.width, classes + 1)
    }

    /// Those of the convolutions and the doubling of a mask head for `masks` masks.
    fn mask_operations(&self, masks: usize) -> f64 {
        let heads = &self.heads;
        let bins = masks * heads.mask_side.pow(2);
        let inner = heads.mask_convs.saturating_sub(1) as f64;
        convolution(bins, 3, self.fpn_width, heads.mask_width)
            + inner * convolution(bins, 3, heads.mask_width, heads.mask_width)
            + convolution(bins, DOUBLING, heads.mask_width, heads.mask_width)
    }

    /// Those of the predictor of a plain mask head.
    fn plain_predictor_operations(&self, masks: usize, classes: usize) -> f64 {
        let pixels = DOUBLING.pow(2) * masks * self.heads.mask_side.pow(2);
        convolution(pixels, 1, self.heads.mask_width, classes)
    }

    /// Those of what follows the doubling in the mask head, and of its coarse masks.
    fn predictor_operations(&self, masks: usize, classes: usize) -> f64 {
        let bins = masks * self.heads.mask_side.pow(2);
        let (width, pixels) = (self.heads.mask_width, DOUBLING.pow(2) * bins);
        match self.mask_head {
            MaskHeadKind::Plain => self.plain_predictor_operations(masks, classes),
            MaskHeadKind::NoiseTolerant => {
                let inner = (COARSE_CONVS - 1) as f64;
                convolution(pixels, 3, width, classes)
                    + convolution(bins, 3, self.coarse_inputs(), width)
                    + inner * convolution(bins, 3, width, width)
                    + convolution(bins, 1, width, classes)
                    + convolution(bins, DOUBLING, classes, classes)
                    + convolution(pixels, 1, 2 * classes, classes)
            }
        }
    }

    /// Those of the IoU head for `masks` masks.
    fn iou_operations(&self, masks: usize, classes: usize) -> f64 {
        let (heads, width) = (&self.heads, self.heads.mask_width);
        match self.iou_head {
            IouHeadKind::None => 0.0,
            IouHeadKind::Flat => {
                product(masks, heads.mask_side.pow(2) * width, heads.width)
                    + product(masks, heads.width, 1)
            }
            IouHeadKind::Scoring => heads.scoring(self.fpn_width).operations(masks, classes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{IouHeadKind, MaskHeadKind, published};
    use crate::graph::backbone::{BlockKind, StemConfig};

    #[test]
    fn the_operations_of_a_tiny_network_are_those_counted_by_hand() {
        let mut tiny = published();
        let backbone = &mut tiny.backbone;
        backbone.block = BlockKind::Basic;
        backbone.stem = StemConfig {
            width: 1,
            kernel: 3,
            stride: 2,
            pool: false,
        };
        (backbone.widths, backbone.depths) = ([1, 2, 3, 4], [1; 4]);
        (tiny.fpn_width, tiny.anchor_ratios) = (2, vec![1.0]);
        let heads = &mut tiny.heads;
        (heads.box_side, heads.width) = (2, 5);
        (heads.mask_side, heads.mask_width, heads.mask_convs) = (3, 4, 2);
        // 40 x 70 pixels are padded to 48 x 80. The maps have 24 x 40, 12 x 20, 6 x 10, 3 x 5 and 2 x 3 pixels.
        let [p2, p3, p4, p5, p6] = [960.0, 240.0, 60.0, 15.0, 6.0];
        // Every product is pixels (or rows) x inputs of an output x outputs.
        let backbone = p2 * 27.0 * 1.0 // stem
            + p2 * 9.0 * 1.0 * 2.0 // res2 has no shortcut
            + p3 * (9.0 * 1.0 * 2.0 + 9.0 * 2.0 * 2.0 + 1.0 * 2.0)
            + p4 * (9.0 * 2.0 * 3.0 + 9.0 * 3.0 * 3.0 + 2.0 * 3.0)
            + p5 * (9.0 * 3.0 * 4.0 + 9.0 * 4.0 * 4.0 + 3.0 * 4.0);
        let fpn = (p2 * 1.0 + p3 * 2.0 + p4 * 3.0 + p5 * 4.0) * 2.0
            + (p2 + p3 + p4 + p5) * 9.0 * 2.0 * 2.0;
        let rpn = (p2 + p3 + p4 + p5 + p6) * (9.0 * 2.0 * 2.0 + 2.0 * 5.0);
        // 3 regions of 2 x 2 bins; 2 classes and background, 8 deltas.
        let boxes = 3.0 * (4.0 * 2.0 * 5.0 + 5.0 * 5.0 + 5.0 * 3.0 + 5.0 * 8.0);
        // 2 masks of 3 x 3 bins, doubled to 6 x 6: every doubled pixel reads one bin.
        let masks =
            2.0 * 9.0 * (9.0 * 2.0 * 4.0 + 9.0 * 4.0 * 4.0) + 2.0 * 36.0 * (4.0 * 4.0 + 4.0 * 2.0);
        let count = tiny.operations((40, 70), 3, 2, 2);
        assert_eq!(count.backbone, 2.0 * backbone);
        assert_eq!(count.rest, 2.0 * (fpn + rpn + boxes + masks));
        // A predictor of 3 x 3 in place of 1 x 1; two convolutions, 2 masks of 3 x 3 bins that are doubled, and joined.
        tiny.mask_head = MaskHeadKind::NoiseTolerant;
        let coarse = 2.0 * 9.0 * (2.0 * 9.0 * 4.0 * 4.0 + 4.0 * 2.0 + 4.0 * 2.0 * 2.0);
        let more = 2.0 * 36.0 * (8.0 * 4.0 * 2.0 + 4.0 * 2.0);
        let with_head = tiny.operations((40, 70), 3, 2, 2).rest;
        assert_eq!(with_head, count.rest + 2.0 * (coarse + more));
        tiny.mask_head = MaskHeadKind::Plain;
        // A hidden layer of 5 features over 3 x 3 bins of 4 channels, and a logit.
        tiny.iou_head = IouHeadKind::Flat;
        let flat = 2.0 * (9.0 * 4.0 * 5.0 + 5.0);
        let with_head = tiny.operations((40, 70), 3, 2, 2).rest;
        assert_eq!(with_head, count.rest + 2.0 * flat);
        // A mask beside 2 channels, three convolutions at 3 x 3 and one at 2 x 2 bins, then 5, 5 and 2 features.
        tiny.iou_head = IouHeadKind::Scoring;
        let convs = 9.0 * (9.0 * 3.0 * 4.0 + 2.0 * 9.0 * 4.0 * 4.0) + 4.0 * 9.0 * 4.0 * 4.0;
        let scoring = 2.0 * (convs + 4.0 * 4.0 * 5.0 + 5.0 * 5.0 + 5.0 * 2.0);
        let with_head = tiny.operations((40, 70), 3, 2, 2).rest;
        assert_eq!(with_head, count.rest + 2.0 * scoring);
        tiny.iou_head = IouHeadKind::None;
        // An auxiliary head has no deltas.
        tiny.auxiliary_heads = 3;
        let auxiliary = 3.0 * (boxes - 3.0 * 5.0 * 8.0 + masks);
        let with = tiny.operations((40, 70), 3, 2, 2);
        assert_eq!((with.rest, with.auxiliary), (count.rest, 2.0 * auxiliary));
        assert_eq!(with.auxiliary_training(), 3.0 * with.auxiliary);
        assert!(count.trains_backbone);
    }
}
