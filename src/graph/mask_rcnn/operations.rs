//! The number of floating-point operations of the network, as for [`crate::graph::ModelConfig`].

use super::config::MaskRcnnConfig;
use super::fpn::LEVELS;
use super::mask_head::DOUBLING;
use crate::graph::Operations;
use crate::graph::operations::{convolution, product};

impl MaskRcnnConfig {
    /// The operations for one picture whose input has `height` x `width` pixels, and of which the heads look at
    /// `regions` regions and `masks` masks.
    pub fn operations(
        &self,
        height: usize,
        width: usize,
        regions: usize,
        masks: usize,
    ) -> Operations {
        let stride = self.backbone.coarsest_stride();
        let padded = |side: usize| side.next_multiple_of(stride);
        let (backbone, pixels) = self.backbone.operations(padded(height), padded(width));
        let fpn = self.fpn_width;
        let mut rest = 0.0;
        for (pixels, channels) in pixels.iter().zip(self.backbone.channels()) {
            rest += convolution(*pixels, 1, channels, fpn) + convolution(*pixels, 3, fpn, fpn);
        }
        let coarsest = pixels[LEVELS - 2].div_ceil(4);
        let cells: usize = pixels.iter().sum::<usize>() + coarsest;
        let anchors = self.anchor_ratios.len();
        rest += convolution(cells, 3, fpn, fpn) + convolution(cells, 1, fpn, 5 * anchors);
        let heads = &self.heads;
        rest += product(regions, heads.box_side.pow(2) * fpn, heads.width)
            + product(regions, heads.width, heads.width);
        let bins = masks * heads.mask_side.pow(2);
        let inner = heads.mask_convs.saturating_sub(1) as f64;
        rest += convolution(bins, 3, fpn, heads.mask_width)
            + inner * convolution(bins, 3, heads.mask_width, heads.mask_width)
            + convolution(bins, DOUBLING, heads.mask_width, heads.mask_width);
        Operations {
            backbone,
            rest,
            trains_backbone: !self.backbone.frozen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::published;

    #[test]
    fn the_published_network_has_about_the_published_number_of_operations() {
        // torchvision's documentation of maskrcnn_resnet50_fpn: 134.38 G multiplications. It counts at a shorter side
        // of 800; the heads look at 1000 proposals and at the masks of the detections, which are few on its picture.
        let count = published().operations(800, 800, 1000, 20).forward();
        let expected = 2.0 * 134.38e9;
        assert!((count / expected - 1.0).abs() < 0.25, "{count}");
    }
}
