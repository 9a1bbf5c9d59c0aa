//! Detections of pictures, in one call.

use super::Detector;
use crate::graph::Images;
use crate::structures::Detection;
use crate::tensor::Tape;

/// The detections of every picture, sorted by class probability, the highest first; at most `top` per picture. `images`
/// is the model's input for them; `sizes`: rows and columns of the masks of each picture.
pub fn predict(
    model: &dyn Detector,
    images: &Images,
    sizes: &[(usize, usize)],
    top: usize,
) -> Vec<Vec<Detection>> {
    model.forward(&mut Tape::off(), images).detect(sizes, top)
}
