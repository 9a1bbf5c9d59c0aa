//! Cityscapes' files (<https://www.cityscapes-dataset.com>): the names of pictures, the labels, and the images of ids.
//!
//! `ROOT/leftImg8bit/SPLIT/CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png` is a picture, and
//! `ROOT/gtFine/SPLIT/CITY/CITY_SEQUENCE_FRAME_gtFine_instanceIds.png` holds its annotations. The facts are those of
//! `cityscapesScripts` (<https://github.com/mcordts/cityscapesScripts>, commit 0bcc4a7).

mod files;
mod frame;
mod ids;
mod labels;

pub use files::{files_below, frames_in};
pub use frame::{Frame, Gap, missing_of_val};
pub use ids::IdImage;
pub use labels::{
    CLASSES, FIRST_INSTANCE, Label, MOST_INSTANCES, ROAD, UNLABELLED, class_of, class_of_id,
    ids_of_classes, is_label, is_void,
};

/// The folder of the pictures, and the end of their names.
pub const PICTURES: (&str, &str) = ("leftImg8bit", "_leftImg8bit.png");
/// The folder of the fine annotations, and the end of the names of the images of ids.
pub const INSTANCES: (&str, &str) = ("gtFine", "_gtFine_instanceIds.png");
/// The end of the names of the images of labels, which lie beside those of ids.
pub const LABEL_IDS: &str = "_gtFine_labelIds.png";
