//! SSD's colour changes (<https://arxiv.org/abs/1512.02325>), which the *weak* view of Cityscapes' training has: each
//! of brightness, contrast, saturation and hue with probability 1/2, the contrast either before or after saturation
//! and hue. Source: detectron2's `ColorAugSSDTransform`, which Mask2Former uses; its 8-bit roundings between the
//! changes are left out.

use super::change::Change;
use crate::rng::Stream;

/// Largest change of the brightness, in 8-bit levels.
const BRIGHTNESS: f64 = 32.0;
/// The bounds of the factors of contrast and saturation.
const FACTORS: [f64; 2] = [0.5, 1.5];
/// Largest whole shift of the hue, of [`HUES`] on the circle.
const SHIFT: usize = 18;
/// The number of hues on the circle in OpenCV's 8-bit HSV.
const HUES: f32 = 180.0;

/// Draws the changes.
pub fn changes(rng: &mut Stream) -> Vec<Change> {
    let half = |rng: &mut Stream| rng.chance(0.5);
    let factor = |rng: &mut Stream| rng.range(FACTORS[0], FACTORS[1]) as f32;
    let mut changes = Vec::new();
    if half(rng) {
        let delta = rng.range(-BRIGHTNESS, BRIGHTNESS) / 255.0;
        changes.push(Change::Shift(delta as f32));
    }
    let contrast_first = half(rng);
    if contrast_first && half(rng) {
        changes.push(Change::Scale(factor(rng)));
    }
    if half(rng) {
        changes.push(Change::HsvSaturation(factor(rng)));
    }
    if half(rng) {
        let shift = rng.below(2 * SHIFT + 1) as f32 - SHIFT as f32;
        changes.push(Change::Hue(shift / HUES));
    }
    if !contrast_first && half(rng) {
        changes.push(Change::Scale(factor(rng)));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::super::colour::Colouring;
    use super::*;
    use crate::structures::Picture;

    #[test]
    fn one_draw_in_sixteen_changes_nothing_and_the_rest_stays_near() {
        let picture = Picture::new(4, 4, (0..48).map(|i| 60 + 3 * i as u8).collect());
        let mut same = 0;
        for index in 0..800 {
            let changes = changes(&mut Stream::at(1, "ssd", index));
            let colouring = Colouring {
                changes,
                blur: None,
            };
            same += usize::from(colouring.apply(&picture) == picture);
        }
        // No brightness, contrast, saturation: 1/8; no hue, or a shift of 0: 1/2 + 1/74.
        assert!(same.abs_diff(51) < 30, "{same} of 800");
    }
}
