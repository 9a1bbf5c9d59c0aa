//! Detections of pictures, in one call.

use super::Detector;
use crate::structures::{Detection, Picture};
use crate::tensor::Tape;

/// The detections of every picture, sorted by class probability, the highest first; at most `top` per picture. `sizes`:
/// rows and columns of the masks of each picture.
pub fn predict(
    model: &dyn Detector,
    pictures: &[&Picture],
    sizes: &[(usize, usize)],
    top: usize,
) -> Vec<Vec<Detection>> {
    let images = model.images(pictures);
    model.forward(&mut Tape::off(), &images).detect(sizes, top)
}
