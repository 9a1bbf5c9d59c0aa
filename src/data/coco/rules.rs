//! The rules of a recipe for one part of a dataset.

use super::OnBadAnnotation;
use crate::data::findings::Part;
use crate::data::image_file::Exif;

/// The rules for one part of a dataset: its pictures, and its annotations that cannot be used for training.
#[derive(Clone, Copy)]
pub struct Rules {
    /// The part of the dataset, for messages.
    pub part: Part,
    pub on_bad: OnBadAnnotation,
    /// True if an annotation without a usable mask stays, as an object that no detection finds.
    pub keeps_bad_masks: bool,
    /// The treatment of the orientation of its pictures.
    pub exif: Exif,
}
