//! The objects of an image.

use super::Mask;

/// One annotated or predicted object at the resolution of its image.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Index into the dataset's class names.
    pub class: usize,
    /// The visible pixels.
    pub mask: Mask,
    /// The origin of the label.
    pub source: InstanceSource,
}

/// The origin of an instance. The evaluator needs the original annotation; the trainer needs only its mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceSource {
    /// A single annotated object.
    Annotation,
    /// An annotated group of objects (COCO `iscrowd`): ignored in training, an ignore region in evaluation.
    Crowd,
    /// A pseudo-label: its number among those of its image.
    Pseudo(usize),
}
