//! The names of a CenterMask's parameters in files. Those of CenterMask2's and Polite Teacher's released files are
//! ours, which may follow a prefix: the latter have `modelStudent.` and `modelTeacher.`, our checkpoints `student.` and
//! `teacher.`.

use super::arrays::Arrays;
use super::fit::{ArraySource, Names};
use super::prefix::{MOMENTS, prefix_of};
use anyhow::Result;

/// A parameter that every CenterMask has, and no other network.
pub(super) const MARK: &str = "proposal_generator.fcos_head.cls_logits.weight";
/// The parameter whose length tells the number of classes: there is no background.
pub(super) const CLASS_HEAD: &str = "proposal_generator.fcos_head.cls_logits.bias";
/// The layer over all pixels of a region, which is a linear one in files.
const FLAT: &str = "roi_heads.maskiou_head.maskiou_fc1.weight";
/// Arrays of detectron2's files that are not parameters.
const CONSTANTS: [&str; 2] = ["pixel_mean", "pixel_std"];

/// The naming of the arrays in a file: ours, after this prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CenterMaskNames {
    prefix: String,
}

impl CenterMaskNames {
    /// Recognises the names; none if they are not those of a CenterMask. `part` chooses one of several networks by a
    /// part of its prefix.
    ///
    /// # Errors
    /// It is not clear which network is meant.
    pub(super) fn of(arrays: &Arrays, part: Option<&str>) -> Result<Option<Self>> {
        let prefix = prefix_of(arrays, MARK, part)?;
        Ok(prefix.map(|prefix| Self { prefix }))
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match self.prefix.as_str() {
            "" => "CenterMask2's names".into(),
            prefix => format!("CenterMask2's names with the prefix `{prefix}`"),
        }
    }
}

impl Names for CenterMaskNames {
    fn origin(&self, ours: &str) -> ArraySource {
        ArraySource {
            flat: ours == FLAT,
            ..ArraySource::plain(format!("{}{ours}", self.prefix))
        }
    }

    fn ignores(&self, name: &str) -> Option<&'static str> {
        if CONSTANTS.iter().any(|constant| name.ends_with(constant)) {
            return Some("not a parameter");
        }
        if name.starts_with(MOMENTS) {
            return Some("a moment of the optimizer");
        }
        let is_other = !name.starts_with(self.prefix.as_str());
        is_other.then_some("belongs to another network in the file")
    }
}
