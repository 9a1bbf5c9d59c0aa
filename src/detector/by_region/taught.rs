//! The images of a part that teach something.

use super::objects::Objects;
use crate::detector::{Part, Targets};
use std::ops::Range;

/// An image of a part that teaches something.
pub struct Taught<'p> {
    /// Its number in the batch.
    pub image: usize,
    /// Its number in the part.
    pub place: usize,
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
    taught_among(part, 0..part.targets.len(), part.images.start, batch)
}

/// The same among the images at these `places` of the part. The first of them is number `first` in the batch.
///
/// Panics if the part or the batch has fewer images.
pub fn taught_among<'p>(
    part: &'p Part<'p>,
    places: Range<usize>,
    first: usize,
    batch: usize,
) -> Vec<Taught<'p>> {
    let end = first + places.len();
    assert!(end <= batch, "image {end} of {batch}");
    let nothing = part.targets.iter().all(Targets::is_empty);
    let images = places.clone().zip(&part.targets[places.clone()]);
    let images = images.filter(|(_, targets)| part.empty_image.teaches(targets, nothing));
    let taught = |(place, targets)| Taught {
        image: first + place - places.start,
        place,
        objects: Objects::new(targets),
    };
    images.map(taught).collect()
}

/// The objects of each image of the whole part; none of an image that teaches nothing.
pub fn objects_of_part<'p>(part: &'p Part<'p>) -> impl Iterator<Item = Option<Objects<'p>>> {
    let nothing = part.targets.iter().all(Targets::is_empty);
    let images = part.targets.iter();
    images.map(move |targets| {
        let teaches = part.empty_image.teaches(targets, nothing);
        teaches.then(|| Objects::new(targets))
    })
}

/// The number of images of the whole part that teach something.
pub fn taught_in(part: &Part) -> usize {
    let nothing = part.targets.iter().all(Targets::is_empty);
    let images = part.targets.iter();
    images
        .filter(|targets| part.empty_image.teaches(targets, nothing))
        .count()
}
