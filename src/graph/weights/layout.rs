//! Whose names the arrays of a file have, and which of several networks in it is meant.

use super::arrays::Arrays;
use super::fit::{Names, Origin};
use super::{hugging_face, torchvision};
use anyhow::{Result, bail};

/// A parameter that every Mask2Former has and nothing else.
const MARK: &str = "sem_seg_head.predictor.query_feat.weight";
/// The parameter whose length tells the number of classes.
const CLASS_HEAD: &str = "sem_seg_head.predictor.class_embed.bias";
/// Our checkpoints keep the optimizer's moments under the parameters' names as well.
const MOMENTS: &str = "optimizer.";
/// A counter of batch norm that only its training uses.
const COUNTER: &str = "num_batches_tracked";
/// Arrays of Mask2Former's own checkpoints that are no parameters.
const CONSTANTS: [&str; 3] = ["criterion.empty_weight", "pixel_mean", "pixel_std"];
/// A parameter that a ResNet under Detectron2's names has, which are ours.
const BACKBONE_MARK: &str = "res2.0.conv1.weight";
/// The classifier of such a ResNet.
const CLASSIFIER: &str = "stem.fc.";
/// The network that is meant where a file has several and none is named.
const TEACHER: &str = "teacher";

/// How a file names its arrays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Mask2Former's own names behind a prefix: none, or `student.` and the like for one network of several.
    Original {
        /// With its dot at the end.
        prefix: String,
        /// The prefixes of the other networks in the file.
        others: Vec<String>,
    },
    /// `transformers`' names.
    HuggingFace,
    /// torchvision's names of a backbone.
    Torchvision,
}

impl Layout {
    /// Tells the layout of a whole network. `part` chooses one of several networks by a part of its prefix.
    ///
    /// # Errors
    /// No layout that is known here; no network `part`, or several.
    pub fn of(arrays: &Arrays, part: Option<&str>) -> Result<Self> {
        let shown = arrays.path().display();
        if arrays.get(hugging_face::MARK).is_some() && part.is_none() {
            return Ok(Self::HuggingFace);
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
                "{shown}: the names are no Mask2Former's: there is neither `{MARK}` nor `{}`",
                hugging_face::MARK
            ),
            ([], Some(part)) => bail!("{shown}: holds no network `{part}`"),
            ([only], None) => only,
            (_, part) => match &named(part.unwrap_or(TEACHER))[..] {
                [one] => *one,
                _ => {
                    let asked = part.map_or(String::new(), |part| format!(" `{part}`"));
                    bail!(
                        "{shown}: which network{asked}? It holds {}; name one behind `#`, as in FILE#{TEACHER}",
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

    /// The layout of a ResNet alone; `None` where the names are no such network's.
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

    /// The number of classes of the network in the file, whose class head has one output more; `None` where there is no such
    /// head.
    pub fn classes(&self, arrays: &Arrays) -> Option<usize> {
        let Origin { names, .. } = self.origin(CLASS_HEAD);
        let outputs = *arrays.get(names.first()?)?.shape.first()?;
        outputs.checked_sub(1).filter(|classes| *classes > 0)
    }

    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Self::Original { prefix, .. } if prefix.is_empty() => "Mask2Former's own names".into(),
            Self::Original { prefix, .. } => {
                format!("Mask2Former's own names behind `{prefix}`")
            }
            Self::HuggingFace => "transformers' names".into(),
            Self::Torchvision => "torchvision's names".into(),
        }
    }
}

impl Names for Layout {
    fn origin(&self, ours: &str) -> Origin {
        match self {
            Self::Original { prefix, .. } => Origin::plain(format!("{prefix}{ours}")),
            Self::HuggingFace => Origin::stacked(hugging_face::names(ours)),
            Self::Torchvision => Origin::plain(torchvision::name(ours)),
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
                    Some("of another network in the file")
                } else {
                    match name.strip_prefix(prefix.as_str()) {
                        Some(rest) if CONSTANTS.contains(&rest) => Some("no parameter"),
                        _ => None,
                    }
                }
            }
            Self::HuggingFace => (name == hugging_face::CLASS_WEIGHTS).then_some("no parameter"),
            Self::Torchvision => name
                .starts_with(torchvision::CLASSIFIER)
                .then_some("the classifier"),
        }
    }
}
