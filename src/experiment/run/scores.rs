//! The metrics of a network on the evaluation images.

use super::interrupt::Interrupted;
use crate::data::{Dataset, Sample};
use crate::detector::{Detector, predict};
use crate::eval::{Evaluators, Found, Scores};
use crate::experiment::settings::sections::Settings;
use crate::structures::Picture;
use anyhow::Result;

/// The number of pictures evaluated at once: enough to fill the caches, and little memory at any size.
pub(super) const EVALUATED_AT_ONCE: usize = 4;

/// The metrics of `model` on the evaluation images. `seen` is called with the number of finished images and
/// may end the evaluation.
pub(super) fn scores(
    model: &dyn Detector,
    settings: &Settings,
    dataset: &Dataset,
    evaluators: &Evaluators,
    seen: impl Fn(usize) -> Result<(), Interrupted>,
) -> Result<Scores> {
    let Settings { eval, .. } = settings;
    let mut found = Found::default();
    let indices: Vec<usize> = (0..dataset.val.len()).collect();
    for part in indices.chunks(EVALUATED_AT_ONCE) {
        let samples = part.iter().map(|index| dataset.val.load(*index));
        let samples = samples.collect::<Result<Vec<_>>>()?;
        let pictures: Vec<&Picture> = samples.iter().map(|s| &s.picture).collect();
        let size = |sample: &Sample| (sample.picture.height, sample.picture.width);
        let sizes: Vec<(usize, usize)> = samples.iter().map(size).collect();
        let detections = predict(model, &eval.input(model, &pictures), &sizes, eval.top);
        for (sample, detections) in samples.iter().zip(&detections) {
            evaluators.add(&mut found, sample.image_id, detections)?;
        }
        seen(part.last().map_or(0, |last| last + 1))?;
    }
    evaluators.evaluate(found)
}
