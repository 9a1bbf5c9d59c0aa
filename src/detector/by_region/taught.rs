//! The images of a part that teach something.

use super::objects::Objects;
use crate::detector::{Part, Targets};

/// An image of a part that teaches something.
pub struct Taught<'p> {
    /// Its number in the batch.
    pub image: usize,
    /// What there is to find.
    pub objects: Objects<'p>,
}

/// The images of `part` that teach something, in a batch of `batch` images.
///
/// Panics if targets and images differ in number, or if the batch has fewer images.
pub fn taught<'p>(part: &'p Part<'p>, batch: usize) -> Vec<Taught<'p>> {
    assert_eq!(
        part.targets.len(),
        part.images.len(),
        "one list of targets per image"
    );
    let end = part.images.end;
    assert!(end <= batch, "image {end} of {batch}");
    let nothing = part.targets.iter().all(Targets::is_empty);
    let images = part.images.clone().zip(part.targets);
    let images = images.filter(|(_, targets)| part.empty_image.teaches(targets, nothing));
    let taught = |(image, targets)| Taught {
        image,
        objects: Objects::new(targets),
    };
    images.map(taught).collect()
}
