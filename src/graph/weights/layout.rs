//! Recognises the naming of a file's arrays, and chooses one of several networks in a file.

use super::arrays::Arrays;
use super::centermask::{self, CenterMaskNames};
use super::fit::{ArraySource, Names};
use super::mask_rcnn::MaskRcnnNames;
use super::{hugging_face, mask_rcnn, torchvision};
use anyhow::{Result, bail};

/// A parameter that every Mask2Former has, and no other network.
const MARK: &str = "sem_seg_head.predictor.query_feat.weight";
/// The parameter whose length tells the number of classes.
const CLASS_HEAD: &str = "sem_seg_head.predictor.class_embed.bias";
/// Our checkpoints keep the optimizer's moments under the parameters' names as well.
const MOMENTS: &str = "optimizer.";
/// A counter of batch norm that only its training uses.
const COUNTER: &str = "num_batches_tracked";
/// Arrays of Mask2Former's own checkpoints that are not parameters.
const CONSTANTS: [&str; 3] = ["criterion.empty_weight", "pixel_mean", "pixel_std"];
/// A parameter that a ResNet has under Detectron2's names, which are also ours.
const BACKBONE_MARK: &str = "res2.0.conv1.weight";
/// The classifier of such a ResNet.
const CLASSIFIER: &str = "stem.fc.";
/// The default network of a file with several networks.
const TEACHER: &str = "teacher";

/// The naming of the arrays in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Mask2Former's own names after a prefix: none, or a prefix like `student.` for one network of several.
    Original {
        /// The prefix, including its dot.
        prefix: String,
        /// The prefixes of the other networks in the file.
        others: Vec<String>,
    },
    /// `transformers`' names.
    HuggingFace,
    /// torchvision's names of a backbone.
    Torchvision,
    /// The names of a Mask R-CNN.
    MaskRcnn(MaskRcnnNames),
    /// The names of a CenterMask.
    CenterMask(CenterMaskNames),
}

impl Layout {
    /// Recognises the layout of a whole network. `part` chooses one of several networks by a part of its
    /// prefix.
    ///
    /// # Errors
    /// The layout is unknown, there is no network `part`, or there are several.
    pub fn of(arrays: &Arrays, part: Option<&str>) -> Result<Self> {
        let shown = arrays.path().display();
        if arrays.get(hugging_face::MARK).is_some() && part.is_none() {
            return Ok(Self::HuggingFace);
        }
        if let Some(names) = MaskRcnnNames::of(arrays, part)? {
            return Ok(Self::MaskRcnn(names));
        }
        if let Some(names) = CenterMaskNames::of(arrays, part)? {
            return Ok(Self::CenterMask(names));
        }
        let prefixes: Vec<String> = arrays
            .entries()
            .filter_map(|(name, _)| name.strip_suffix(MARK))
            .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            .filter(|prefix| !prefix.starts_with(MOMENTS))
            .map(str::to_string)
            .collect();
        let listed = || {
            let names = prefixes.iter().map(|prefix| match prefix.as_str() {
                "" => "one without a name".to_string(),
                prefix => format!("`{}`", prefix.trim_end_matches('.')),
            });
            names.collect::<Vec<_>>().join(", ")
        };
        let named = |part: &str| {
            let part = part.to_lowercase();
            let fits = |prefix: &&String| prefix.to_lowercase().contains(&part);
            prefixes.iter().filter(fits).collect::<Vec<_>>()
        };
        let chosen = match (&prefixes[..], part) {
            ([], None) => bail!(
                "{shown}: these are not the names of a Mask2Former, a Mask R-CNN or a CenterMask: there is neither `{MARK}` nor `{}` nor `{}` nor `{}`",
                hugging_face::MARK,
                mask_rcnn::TORCHVISION_MARK,
                centermask::MARK
            ),
            ([], Some(part)) => bail!("{shown}: contains no network `{part}`"),
            ([only], None) => only,
            (_, part) => match &named(part.unwrap_or(TEACHER))[..] {
                [one] => *one,
                _ => {
                    let asked = part.map_or(String::new(), |part| format!(" `{part}`"));
                    bail!(
                        "{shown}: which network{asked}? The file holds {}; name one after `#`, as in FILE#{TEACHER}",
                        listed()
                    )
                }
            },
        };
        let others = prefixes.iter().filter(|prefix| *prefix != chosen);
        Ok(Self::Original {
            others: others.cloned().collect(),
            prefix: chosen.clone(),
        })
    }

    /// The layout of a single ResNet; none if the names do not belong to one.
    pub fn of_backbone(arrays: &Arrays) -> Option<Self> {
        if arrays.get(torchvision::MARK).is_some() {
            Some(Self::Torchvision)
        } else if arrays.get(BACKBONE_MARK).is_some() {
            Some(Self::Original {
                prefix: String::new(),
                others: Vec::new(),
            })
        } else {
            None
        }
    }

    /// The number of classes of the network in the file, whose class head may have one output more; `None` where
    /// there is no such head.
    pub fn classes(&self, arrays: &Arrays) -> Option<usize> {
        let (head, others) = match self {
            Self::MaskRcnn(_) => (mask_rcnn::CLASS_HEAD, 1),
            Self::CenterMask(_) => (centermask::CLASS_HEAD, 0),
            _ => (CLASS_HEAD, 1),
        };
        let ArraySource { names, .. } = self.origin(head);
        let outputs = *arrays.get(names.first()?)?.shape.first()?;
        outputs.checked_sub(others).filter(|classes| *classes > 0)
    }

    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Self::Original { prefix, .. } if prefix.is_empty() => "Mask2Former's own names".into(),
            Self::Original { prefix, .. } => {
                format!("Mask2Former's own names with the prefix `{prefix}`")
            }
            Self::HuggingFace => "transformers' names".into(),
            Self::Torchvision => "torchvision's names".into(),
            Self::MaskRcnn(names) => names.describe(),
            Self::CenterMask(names) => names.describe(),
        }
    }
}

impl Names for Layout {
    fn origin(&self, ours: &str) -> ArraySource {
        match self {
            Self::Original { prefix, .. } => ArraySource::plain(format!("{prefix}{ours}")),
            Self::HuggingFace => ArraySource::stacked(hugging_face::names(ours)),
            Self::Torchvision => ArraySource::plain(torchvision::name(ours)),
            Self::MaskRcnn(names) => names.origin(ours),
            Self::CenterMask(names) => names.origin(ours),
        }
    }

    fn ignores(&self, name: &str) -> Option<&'static str> {
        if name.ends_with(COUNTER) {
            return Some("a counter of batch norm's training");
        }
        match self {
            Self::Original { prefix, others } => {
                if name.starts_with(MOMENTS) {
                    Some("a moment of the optimizer")
                } else if name.starts_with(CLASSIFIER) {
                    Some("the classifier")
                } else if others
                    .iter()
                    .any(|other| !other.is_empty() && name.starts_with(other))
                {
                    Some("belongs to another network in the file")
                } else {
                    match name.strip_prefix(prefix.as_str()) {
                        Some(rest) if CONSTANTS.contains(&rest) => Some("not a parameter"),
                        _ => None,
                    }
                }
            }
            Self::HuggingFace => (name == hugging_face::CLASS_WEIGHTS).then_some("not a parameter"),
            Self::Torchvision => name
                .starts_with(torchvision::CLASSIFIER)
                .then_some("the classifier"),
            Self::MaskRcnn(names) => names.ignores(name),
            Self::CenterMask(names) => names.ignores(name),
        }
    }
}
