//! Detections of pictures, in one call.

use super::Detector;
use crate::structures::{Detection, Picture};
use crate::tensor::Tape;

/// The detections of every picture, in order of falling class probability. `sizes`: (height, width) of the masks of each
/// picture, its own or that of the picture it was resized from.
pub fn predict(
    model: &dyn Detector,
    pictures: &[&Picture],
    sizes: &[(usize, usize)],
    top: usize,
) -> Vec<Vec<Detection>> {
    let images = model.images(pictures);
    model.forward(&mut Tape::off(), &images).detect(sizes, top)
}
