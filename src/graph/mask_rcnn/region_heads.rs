//! The heads that look at regions: one for their classes and boxes, one for their masks, and one for the IoU of these
//! masks where the recipe asks for it.

use super::box_head::BoxHead;
use super::config::MaskRcnnConfig;
use super::iou_head::IouHead;
use super::mask_head::MaskHead;
use super::semantics::Rules;
use crate::nn::params::{Param, Parameters, join};
use crate::rng::Stream;

/// A set of heads.
#[derive(Clone, Debug)]
pub(super) struct RegionHeads {
    pub box_head: BoxHead,
    pub mask_head: MaskHead,
    pub iou_head: Option<IouHead>,
}

impl RegionHeads {
    pub(super) fn new(
        config: &MaskRcnnConfig,
        rules: &Rules,
        classes: usize,
        rng: &mut Stream,
    ) -> Self {
        let (heads, width) = (&config.heads, config.fpn_width);
        Self {
            box_head: BoxHead::new(heads, rules, width, classes, rng),
            mask_head: MaskHead::new(config, rules, classes, rng),
            iou_head: IouHead::new(config.iou_head, heads, width, classes, rng),
        }
    }
}

impl Parameters for RegionHeads {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.box_head.parameters(prefix, visit);
        self.mask_head.parameters(&join(prefix, "mask_head"), visit);
        if let Some(head) = &mut self.iou_head {
            head.parameters(prefix, visit);
        }
    }
}

/// Heads and regions of `tests/golden/rcnn_heads.py`.
#[cfg(test)]
pub(super) mod tests {
    use super::super::config::HeadConfig;
    use super::super::mask_predictions::MaskPredictions;
    use super::super::published;
    use super::*;
    use crate::nn::params::{move_to, reference_gradient};
    use crate::ops::check::loss_of;
    use crate::ops::{self, golden};
    use crate::tensor::{Map, Place, Tape, Tensor2};

    /// The own classes of the regions.
    pub const CLASSES_OF_REGIONS: [usize; 5] = [2, 0, 1, 1, 2];
    const CLASSES: usize = 3;
    const CHANNELS: usize = 5;
    const SIDE: usize = 4;

    /// The heads of `case` with the weights of the file.
    pub fn heads(case: &str, change: impl Fn(&mut MaskRcnnConfig), place: &Place) -> RegionHeads {
        let mut config = MaskRcnnConfig {
            fpn_width: CHANNELS,
            heads: HeadConfig {
                box_side: 1,
                width: 8,
                mask_side: SIDE,
                mask_width: 6,
                mask_convs: 2,
            },
            ..published()
        };
        change(&mut config);
        let tensors = golden::load("rcnn_heads");
        let rules = config.rules();
        let mut heads = RegionHeads::new(&config, &rules, CLASSES, &mut Stream::new(0, "h"));
        let mut set = 0;
        heads.parameters("", &mut |name, param| {
            if let Some((_, values)) = tensors.get(&format!("{case}.{name}")) {
                param.set_from_reference(values);
                set += 1;
            }
        });
        let of_case = |name: &&String| {
            let inner = name.strip_prefix(case).unwrap_or_default();
            inner.ends_with(".weight") || inner.ends_with(".bias")
        };
        assert_eq!(set, tensors.keys().filter(of_case).count(), "{case}");
        move_to(&mut heads, place);
        heads
    }

    /// The regions of `case`.
    pub fn regions(case: &str, place: &Place) -> Map {
        let (_, values) = &golden::load("rcnn_heads")[&format!("{case}.regions")];
        let count = CLASSES_OF_REGIONS.len();
        let data = Tensor2::parameter(values.clone(), count * SIDE * SIDE, CHANNELS);
        Map::new(data.to(place), count, SIDE, SIDE)
    }

    /// The channel of each region's own class.
    pub fn own(tape: &mut Tape, masks: &Map) -> Tensor2 {
        let pixels = masks.pixels();
        let columns = CLASSES_OF_REGIONS.iter();
        let columns: Vec<usize> = columns
            .flat_map(|class| std::iter::repeat_n(*class, pixels))
            .collect();
        let rows: Vec<usize> = (0..columns.len()).collect();
        ops::pick(tape, &masks.data, &rows, &columns, 1)
    }

    /// Compares the masks of the regions' own classes, what `more` makes of them, and all gradients.
    pub fn compared(
        case: &str,
        mut heads: RegionHeads,
        regions: &Map,
        more: impl Fn(&RegionHeads, &mut Tape, &Tensor2, &MaskPredictions) -> (&'static str, Tensor2),
    ) {
        let tensors = golden::load("rcnn_heads");
        let mut tape = Tape::recording();
        let masks = heads.mask_head.forward(&mut tape, regions.clone());
        let own = own(&mut tape, &masks.logits);
        let (name, other) = more(&heads, &mut tape, &own, &masks);
        let mut losses = Vec::new();
        for (name, found) in [("own", &own), (name, &other)] {
            let golden = |part: &str| &tensors[&format!("{case}.{name}.{part}")].1;
            golden::compare(name, &found.host_values(), golden("out"), 1e-5);
            losses.push(loss_of(&mut tape, found, golden("seed").clone()));
        }
        let terms: Vec<_> = losses.iter().map(|loss| (loss, 1.0)).collect();
        let total = ops::weighted_sum(&mut tape, &terms);
        let mut grads = tape.backward(&total);
        let golden = |name: &str| &tensors[&format!("{case}.{name}.grad")].1;
        let found = regions.data.gradient(&mut grads);
        golden::compare("regions", &found, golden("regions"), 1e-5);
        heads.parameters("", &mut |name, param| {
            if tensors.contains_key(&format!("{case}.{name}")) {
                let found = reference_gradient(param, &mut grads);
                golden::compare(name, &found, golden(name), 1e-5);
            }
        });
    }
}
