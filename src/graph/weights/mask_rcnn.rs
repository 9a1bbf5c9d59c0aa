//! The names of a Mask R-CNN's parameters in files.
//!
//! | here (detectron2) | torchvision | torchvision's released files |
//! |---|---|---|
//! | `backbone.bottom_up.res2.0.conv1.weight` | `backbone.body.layer1.0.conv1.weight` | the same |
//! | `backbone.fpn_lateral2.weight` | `backbone.fpn.inner_blocks.0.0.weight` | `backbone.fpn.inner_blocks.0.weight` |
//! | `backbone.fpn_output5.bias` | `backbone.fpn.layer_blocks.3.0.bias` | `backbone.fpn.layer_blocks.3.bias` |
//! | `proposal_generator.rpn_head.conv.weight` | `rpn.head.conv.0.0.weight` | `rpn.head.conv.weight` |
//! | `proposal_generator.rpn_head.objectness_logits.bias` | `rpn.head.cls_logits.bias` | the same |
//! | `proposal_generator.rpn_head.anchor_deltas.bias` | `rpn.head.bbox_pred.bias` | the same |
//! | `roi_heads.box_head.fc1.weight` | `roi_heads.box_head.fc6.weight` | the same |
//! | `roi_heads.mask_head.mask_fcn1.weight` | `roi_heads.mask_head.0.0.weight` | `roi_heads.mask_head.mask_fcn1.weight` |
//! | `roi_heads.mask_head.deconv.weight` | `roi_heads.mask_predictor.conv5_mask.weight` | the same |
//! | `roi_heads.mask_head.predictor.weight` | `roi_heads.mask_predictor.mask_fcn_logits.weight` | the same |
//!
//! torchvision counts background as class 0. Its logit comes first there and last here, and its deltas and mask, which
//! nothing reads, are left out. The files released for COCO have 91 classes, of which a network for COCO's 80
//! categories reads its own ([`super::class_rows`]).

use super::arrays::Arrays;
use super::class_rows::{ClassRows, may_be_by_id};
use super::extra_heads::AUXILIARY;
use super::fit::{ArraySource, Names, RowOrder};
use super::prefix::{MOMENTS, prefix_of};
use super::torchvision;
use anyhow::Result;

/// A parameter that every Mask R-CNN has, here and in both forms of torchvision.
const OWN_MARK: &str = "proposal_generator.rpn_head.conv.weight";
pub(super) const TORCHVISION_MARK: &str = "rpn.head.conv.0.0.weight";
const RELEASED_MARK: &str = "rpn.head.conv.weight";
/// The parameter whose length tells the number of classes, here and in both forms of torchvision.
pub(super) const CLASS_HEAD: &str = "roi_heads.box_predictor.cls_score.bias";
/// The layer over all pixels of a region, which is a linear one in files.
const FLAT: &str = "roi_heads.box_head.fc1.weight";
/// Arrays of detectron2's and torchvision's files that are not parameters.
const CONSTANTS: [&str; 4] = [
    "pixel_mean",
    "pixel_std",
    "anchor_generator.cell_anchors",
    "num_batches_tracked",
];

/// The naming of the arrays in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskRcnnNames {
    /// As here, after a prefix.
    Own(String),
    /// torchvision's.
    Torchvision {
        /// True for the released files.
        released: bool,
        /// True if the classes may be those of COCO at their ids.
        by_id: bool,
    },
}

impl MaskRcnnNames {
    /// Those that torchvision's `state_dict` gives, with one class of the file for each here.
    pub const TORCHVISION: Self = Self::Torchvision {
        released: false,
        by_id: false,
    };

    /// detectron2's.
    pub const DETECTRON2: Self = Self::Own(String::new());

    /// Recognises the names; none if they are not those of a Mask R-CNN. `part` chooses one of several networks by a
    /// part of its prefix.
    ///
    /// # Errors
    /// It is not clear which network is meant.
    pub(super) fn of(arrays: &Arrays, part: Option<&str>) -> Result<Option<Self>> {
        if part.is_none() {
            for (mark, released) in [(TORCHVISION_MARK, false), (RELEASED_MARK, true)] {
                if arrays.get(mark).is_some() {
                    let outputs = arrays.get(CLASS_HEAD).and_then(|head| head.shape.first());
                    let by_id = outputs.is_some_and(|outputs| may_be_by_id(*outputs));
                    return Ok(Some(Self::Torchvision { released, by_id }));
                }
            }
        }
        Ok(prefix_of(arrays, OWN_MARK, part)?.map(Self::Own))
    }
}

impl MaskRcnnNames {
    /// For people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Own(prefix) if prefix.is_empty() => "detectron2's names of a Mask R-CNN".into(),
            Self::Own(prefix) => {
                format!("detectron2's names of a Mask R-CNN with the prefix `{prefix}`")
            }
            Self::Torchvision {
                released: false, ..
            } => "torchvision's names of a Mask R-CNN".into(),
            Self::Torchvision { released: true, .. } => {
                "the names of torchvision's released Mask R-CNN".into()
            }
        }
    }
}

impl Names for MaskRcnnNames {
    fn origin(&self, ours: &str) -> ArraySource {
        let source = match self {
            Self::Own(prefix) => ArraySource::plain(format!("{prefix}{ours}")),
            // A parameter of another network has no name there, so that it is found missing.
            Self::Torchvision { released, by_id } => {
                let array = torchvisions(ours, *released, *by_id);
                array.unwrap_or_else(|| ArraySource::plain(ours))
            }
        };
        ArraySource {
            flat: ours == FLAT,
            ..source
        }
    }

    fn ignores(&self, name: &str) -> Option<&'static str> {
        if CONSTANTS.iter().any(|constant| name.contains(constant)) {
            return Some("not a parameter");
        }
        if name.contains(AUXILIARY) {
            return Some("an auxiliary head, which only trains");
        }
        match self {
            Self::Own(prefix) if name.starts_with(MOMENTS) && !prefix.starts_with(MOMENTS) => {
                Some("a moment of the optimizer")
            }
            Self::Own(prefix) if !name.starts_with(prefix.as_str()) => {
                Some("belongs to another network in the file")
            }
            _ => None,
        }
    }
}

/// torchvision's array of our parameter `ours`; none if it is not one of a Mask R-CNN.
fn torchvisions(ours: &str, released: bool, by_id: bool) -> Option<ArraySource> {
    let classes = |each, background| {
        RowOrder::Classes(ClassRows {
            each,
            background,
            by_id,
        })
    };
    // A layer with a norm after it is the first of two in newer versions, even without the norm.
    let first = if released { "" } else { ".0" };
    let parts: Vec<&str> = ours.split('.').collect();
    let number =
        |text: &str, prefix: &str| -> Option<usize> { text.strip_prefix(prefix)?.parse().ok() };
    let (name, rows) = match parts[..] {
        ["backbone", "bottom_up", ..] => {
            let inner = parts[2..].join(".");
            (
                format!("backbone.body.{}", torchvision::name(&inner)),
                RowOrder::Same,
            )
        }
        ["backbone", layer, field] => {
            let (kind, stage) = match layer.starts_with("fpn_lateral") {
                true => ("inner_blocks", number(layer, "fpn_lateral")?),
                false => ("layer_blocks", number(layer, "fpn_output")?),
            };
            let index = stage - 2;
            (
                format!("backbone.fpn.{kind}.{index}{first}.{field}"),
                RowOrder::Same,
            )
        }
        ["proposal_generator", "rpn_head", layer, field] => {
            let layer = match layer {
                "objectness_logits" => "cls_logits",
                "anchor_deltas" => "bbox_pred",
                _ if released => "conv",
                _ => "conv.0.0",
            };
            (format!("rpn.head.{layer}.{field}"), RowOrder::Same)
        }
        ["roi_heads", "box_head", layer, field] => {
            let layer = number(layer, "fc")? + 5;
            (
                format!("roi_heads.box_head.fc{layer}.{field}"),
                RowOrder::Same,
            )
        }
        ["roi_heads", "box_predictor", "cls_score", _] => (ours.to_string(), classes(1, true)),
        ["roi_heads", "box_predictor", ..] => (ours.to_string(), classes(4, false)),
        ["roi_heads", "mask_head", "deconv", field] => (
            format!("roi_heads.mask_predictor.conv5_mask.{field}"),
            RowOrder::Same,
        ),
        ["roi_heads", "mask_head", "predictor", field] => (
            format!("roi_heads.mask_predictor.mask_fcn_logits.{field}"),
            classes(1, false),
        ),
        ["roi_heads", "mask_head", layer, field] => {
            let name = match released {
                true => format!("roi_heads.mask_head.{layer}.{field}"),
                false => {
                    let index = number(layer, "mask_fcn")? - 1;
                    format!("roi_heads.mask_head.{index}.0.{field}")
                }
            };
            (name, RowOrder::Same)
        }
        _ => return None,
    };
    Some(ArraySource {
        rows,
        ..ArraySource::plain(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_torchvisions() {
        for (ours, theirs, released) in [
            (
                "backbone.bottom_up.res2.0.shortcut.norm.bias",
                "backbone.body.layer1.0.downsample.1.bias",
                "backbone.body.layer1.0.downsample.1.bias",
            ),
            (
                "backbone.fpn_lateral2.weight",
                "backbone.fpn.inner_blocks.0.0.weight",
                "backbone.fpn.inner_blocks.0.weight",
            ),
            (
                "backbone.fpn_output5.bias",
                "backbone.fpn.layer_blocks.3.0.bias",
                "backbone.fpn.layer_blocks.3.bias",
            ),
            (
                "proposal_generator.rpn_head.conv.weight",
                "rpn.head.conv.0.0.weight",
                "rpn.head.conv.weight",
            ),
            (
                "proposal_generator.rpn_head.anchor_deltas.bias",
                "rpn.head.bbox_pred.bias",
                "rpn.head.bbox_pred.bias",
            ),
            (
                "roi_heads.box_head.fc2.weight",
                "roi_heads.box_head.fc7.weight",
                "roi_heads.box_head.fc7.weight",
            ),
            (
                "roi_heads.mask_head.mask_fcn4.bias",
                "roi_heads.mask_head.3.0.bias",
                "roi_heads.mask_head.mask_fcn4.bias",
            ),
            (
                "roi_heads.mask_head.deconv.weight",
                "roi_heads.mask_predictor.conv5_mask.weight",
                "roi_heads.mask_predictor.conv5_mask.weight",
            ),
        ] {
            let names = |released| torchvisions(ours, released, false).unwrap().names;
            assert_eq!(
                (names(false), names(true)),
                (vec![theirs.into()], vec![released.into()])
            );
        }
        assert_eq!(
            torchvisions("sem_seg_head.predictor.query_feat.weight", false, false),
            None
        );
        let rows = |ours: &str| match torchvisions(ours, false, true).unwrap().rows {
            RowOrder::Classes(ClassRows {
                each,
                background,
                by_id: true,
            }) => (each, background),
            other => panic!("{ours}: {other:?}"),
        };
        assert_eq!(rows("roi_heads.box_predictor.cls_score.bias"), (1, true));
        assert_eq!(rows("roi_heads.box_predictor.bbox_pred.weight"), (4, false));
        assert_eq!(rows("roi_heads.mask_head.predictor.bias"), (1, false));
    }
}
