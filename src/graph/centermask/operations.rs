//! The number of floating-point operations of the network, as for [`crate::graph::ModelConfig`].

use super::config::CenterMaskConfig;
use super::levels::OF_STAGES;
use crate::graph::Operations;
use crate::graph::backbone::STAGES;
use crate::graph::operations::convolution;
use crate::graph::regional::DOUBLING;

impl CenterMaskConfig {
    /// The operations for one picture of `classes` object classes whose input has `height` x `width` pixels, and of
    /// which the heads look at `masks` regions.
    pub fn operations(
        &self,
        (height, width): (usize, usize),
        masks: usize,
        classes: usize,
    ) -> Operations {
        let stride = self.backbone.coarsest_stride();
        let [height, width] = [height, width].map(|side| side.next_multiple_of(stride));
        let (backbone, pixels) = self.backbone.operations(height, width);
        let (heads, fpn) = (&self.heads, self.fpn_width);
        let first = STAGES - OF_STAGES;
        let channels = self.backbone.channels();
        let mut rest = 0.0;
        for (pixels, channels) in pixels[first..].iter().zip(&channels[first..]) {
            rest += convolution(*pixels, 1, *channels, fpn) + convolution(*pixels, 3, fpn, fpn);
        }
        // Each of the two coarsest levels is half as large as the one before it, rounded up.
        let halved = |times: usize| {
            let side = |side: usize| (side / stride).div_ceil(DOUBLING.pow(times as u32));
            side(height) * side(width)
        };
        let top = halved(1) + halved(2);
        rest += convolution(top, 3, fpn, fpn);
        let cells = pixels[first..].iter().sum::<usize>() + top;
        // Two towers; the classes, four distances and the centreness.
        rest += 2.0 * heads.tower_convs as f64 * convolution(cells, 3, fpn, fpn)
            + convolution(cells, 3, fpn, classes + 5);
        let bins = masks * heads.mask_side.pow(2);
        let inner = heads.mask_convs.saturating_sub(1) as f64;
        let (mask_width, doubled) = (heads.mask_width, DOUBLING.pow(2) * bins);
        rest += convolution(bins, 3, fpn, mask_width)
            + inner * convolution(bins, 3, mask_width, mask_width)
            // The attention reads two numbers of a bin.
            + convolution(bins, 3, 2, 1)
            + convolution(bins, DOUBLING, mask_width, mask_width)
            + convolution(doubled, 1, mask_width, classes)
            + heads.scoring(fpn).operations(masks, classes);
        Operations {
            backbone,
            rest,
            auxiliary: 0.0,
            trains_backbone: !self.backbone.frozen.is_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::published;
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
        tiny.fpn_width = 2;
        let heads = &mut tiny.heads;
        (heads.tower_convs, heads.norm_groups, heads.width) = (3, 1, 5);
        (heads.mask_side, heads.mask_width, heads.mask_convs) = (3, 4, 2);
        // 40 x 70 pixels are padded to 48 x 80. The maps have 24 x 40, 12 x 20, 6 x 10, 3 x 5, 2 x 3 and 1 x 2 pixels.
        let [res2, p3, p4, p5, p6, p7] = [960.0, 240.0, 60.0, 15.0, 6.0, 2.0];
        // Every product is pixels (or rows) x inputs of an output x outputs.
        let backbone = res2 * 27.0 * 1.0 // stem
            + res2 * 9.0 * 1.0 * 2.0 // res2 has no shortcut
            + p3 * (9.0 * 1.0 * 2.0 + 9.0 * 2.0 * 2.0 + 1.0 * 2.0)
            + p4 * (9.0 * 2.0 * 3.0 + 9.0 * 3.0 * 3.0 + 2.0 * 3.0)
            + p5 * (9.0 * 3.0 * 4.0 + 9.0 * 4.0 * 4.0 + 3.0 * 4.0);
        let fpn =
            (p3 * 2.0 + p4 * 3.0 + p5 * 4.0) * 2.0 + (p3 + p4 + p5 + p6 + p7) * 9.0 * 2.0 * 2.0;
        // Six convolutions of towers, then 2 classes, 4 sides and the centreness.
        let head = (p3 + p4 + p5 + p6 + p7) * (6.0 * 9.0 * 2.0 * 2.0 + 9.0 * 2.0 * 7.0);
        // 2 masks of 3 x 3 bins, doubled to 6 x 6: every doubled pixel reads one bin.
        let masks = 2.0 * 9.0 * (9.0 * 2.0 * 4.0 + 9.0 * 4.0 * 4.0 + 9.0 * 2.0)
            + 2.0 * 36.0 * (4.0 * 4.0 + 4.0 * 2.0);
        // A mask beside 2 channels, three convolutions at 3 x 3 and one at 2 x 2 bins, then 5, 5 and 2 features.
        let convs = 9.0 * (9.0 * 3.0 * 4.0 + 2.0 * 9.0 * 4.0 * 4.0) + 4.0 * 9.0 * 4.0 * 4.0;
        let iou = 2.0 * (convs + 4.0 * 4.0 * 5.0 + 5.0 * 5.0 + 5.0 * 2.0);
        let count = tiny.operations((40, 70), 2, 2);
        assert_eq!(count.backbone, 2.0 * backbone);
        assert_eq!(count.rest, 2.0 * (fpn + head + masks + iou));
        assert_eq!(count.auxiliary, 0.0);
        assert!(count.trains_backbone);
    }
}
