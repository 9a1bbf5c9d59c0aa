//! SSD's colour changes (<https://arxiv.org/abs/1512.02325>), which the *weak* view of Cityscapes' training has: each
//! of brightness, contrast, saturation and hue with probability 1/2, the contrast either before or after saturation
//! and hue. Source: detectron2's `ColorAugSSDTransform`, which Mask2Former uses; its 8-bit roundings between the
//! changes are left out.

use super::colour::{ColourPlanes, turn_hue};
use crate::rng::Stream;

/// Largest change of the brightness, in 8-bit levels.
const BRIGHTNESS: f64 = 32.0;
/// The bounds of the factors of contrast and saturation.
const FACTORS: [f64; 2] = [0.5, 1.5];
/// Largest whole shift of the hue, of [`HUES`] on the circle.
const SHIFT: usize = 18;
/// The number of hues on the circle in OpenCV's 8-bit HSV.
const HUES: f32 = 180.0;

/// Changes the colours of `planes`.
pub fn change(planes: &mut ColourPlanes, rng: &mut Stream) {
    let half = |rng: &mut Stream| rng.chance(0.5);
    if half(rng) {
        let delta = (rng.range(-BRIGHTNESS, BRIGHTNESS) / 255.0) as f32;
        planes.each(|pixel| pixel.map(|value| value + delta));
    }
    let contrast_first = half(rng);
    let contrast = |planes: &mut ColourPlanes, rng: &mut Stream| {
        if half(rng) {
            let factor = rng.range(FACTORS[0], FACTORS[1]) as f32;
            planes.each(|pixel| pixel.map(|value| value * factor));
        }
    };
    if contrast_first {
        contrast(planes, rng);
    }
    if half(rng) {
        let factor = rng.range(FACTORS[0], FACTORS[1]) as f32;
        planes.each(|pixel| saturated(pixel, factor));
    }
    if half(rng) {
        let shift = rng.below(2 * SHIFT + 1) as f32 - SHIFT as f32;
        planes.each(|pixel| turn_hue(pixel, shift / HUES));
    }
    if !contrast_first {
        contrast(planes, rng);
    }
}

/// The pixel with its saturation (HSV) times `factor`, at most 1, at constant hue and value.
fn saturated(pixel: [f32; 3], factor: f32) -> [f32; 3] {
    let value = pixel.into_iter().fold(0.0, f32::max);
    let least = pixel.into_iter().fold(1.0, f32::min);
    if value <= least {
        return pixel;
    }
    let saturation = (value - least) / value;
    let factor = factor.min(1.0 / saturation);
    pixel.map(|colour| value - (value - colour) * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::Picture;

    #[test]
    fn the_saturation_scales_at_constant_value() {
        let close = |a: [f32; 3], b: [f32; 3]| a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(saturated([0.8, 0.4, 0.6], 0.5), [0.8, 0.6, 0.7]));
        assert!(close(saturated([0.8, 0.4, 0.6], 1.5), [0.8, 0.2, 0.5]));
        assert!(
            close(saturated([0.8, 0.1, 0.8], 1.5), [0.8, 0.0, 0.8]),
            "at most 1"
        );
        assert!(close(saturated([0.3; 3], 1.5), [0.3; 3]));
        assert!(close(saturated([0.0; 3], 1.5), [0.0; 3]));
    }

    #[test]
    fn one_draw_in_sixteen_changes_nothing_and_the_rest_stays_near() {
        let picture = Picture::new(4, 4, (0..48).map(|i| 60 + 3 * i as u8).collect());
        let mut same = 0;
        for index in 0..800 {
            let mut planes = ColourPlanes::new(&picture);
            change(&mut planes, &mut Stream::at(1, "ssd", index));
            let changed = planes.into_picture();
            same += usize::from(changed == picture);
        }
        // No brightness, contrast, saturation: 1/8; no hue, or a shift of 0: 1/2 + 1/74.
        assert!(same.abs_diff(51) < 30, "{same} of 800");
    }
}
