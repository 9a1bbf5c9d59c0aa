//! Colour jitter, grayscale and blur on floating-point pixels, as torchvision defines them on tensors in
//! 0..1.

use super::Jitter;
use crate::rng::Stream;
use crate::structures::Picture;

/// Luma weights of red, green and blue (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// The blur's kernel ends this many standard deviations from its centre.
const BLUR_REACH: f64 = 3.0;

/// `pixels` is `[height, width]` of RGB in 0..1.
pub struct ColourPlanes {
    height: usize,
    width: usize,
    pixels: Vec<[f32; 3]>,
}

impl ColourPlanes {
    pub fn new(picture: &Picture) -> Self {
        let scale = |value: u8| f32::from(value) / 255.0;
        let pixels = picture
            .pixels
            .chunks_exact(3)
            .map(|p| [scale(p[0]), scale(p[1]), scale(p[2])])
            .collect();
        Self {
            height: picture.height,
            width: picture.width,
            pixels,
        }
    }

    /// The picture, rounded to 8 bits.
    pub fn into_picture(self) -> Picture {
        let pixels = self
            .pixels
            .iter()
            .flatten()
            .map(|value| (value * 255.0 + 0.5) as u8)
            .collect();
        Picture::new(self.height, self.width, pixels)
    }

    /// Changes brightness, contrast, saturation and hue in a random order, each by a random amount.
    pub fn jitter(&mut self, config: &Jitter, rng: &mut Stream) {
        for change in rng.permutation(4) {
            let mut factor = |half: f64| rng.range(1.0 - half, 1.0 + half) as f32;
            match change {
                0 => self.brightness(factor(config.brightness)),
                1 => self.contrast(factor(config.contrast)),
                2 => self.saturation(factor(config.saturation)),
                _ => self.hue(rng.range(-config.hue, config.hue) as f32),
            }
        }
    }

    fn brightness(&mut self, factor: f32) {
        self.each(|pixel| pixel.map(|value| value * factor));
    }

    /// Scales the difference from the mean grey of the whole picture.
    fn contrast(&mut self, factor: f32) {
        let sum: f64 = self.pixels.iter().map(|pixel| f64::from(luma(pixel))).sum();
        let mean = (sum / self.pixels.len() as f64) as f32;
        self.each(|pixel| pixel.map(|value| mean + (value - mean) * factor));
    }

    /// Scales the difference from the grey of each pixel.
    fn saturation(&mut self, factor: f32) {
        self.each(|pixel| {
            let grey = luma(&pixel);
            pixel.map(|value| grey + (value - grey) * factor)
        });
    }

    /// Rotates the hue by `shift` turns at constant saturation and value (HSV).
    fn hue(&mut self, shift: f32) {
        self.each(|pixel| turn_hue(pixel, shift));
    }

    /// Sets all three channels of every pixel to its luma.
    pub fn grayscale(&mut self) {
        self.each(|pixel| [luma(&pixel); 3]);
    }

    /// Replaces every pixel by `change` of it, cut off at black and white.
    pub fn each(&mut self, change: impl Fn([f32; 3]) -> [f32; 3]) {
        for pixel in &mut self.pixels {
            *pixel = change(*pixel).map(|value| value.clamp(0.0, 1.0));
        }
    }

    /// Gaussian blur with standard deviation `sigma` in pixels. The border repeats its last pixel.
    pub fn blur(&mut self, sigma: f64) {
        let reach = libm::ceil(BLUR_REACH * sigma).max(1.0) as usize;
        let weights: Vec<f64> = (0..=2 * reach)
            .map(|k| libm::exp(-0.5 * libm::pow((k as f64 - reach as f64) / sigma, 2.0)))
            .collect();
        let total: f64 = weights.iter().sum();
        let weights: Vec<f32> = weights
            .iter()
            .map(|weight| (weight / total) as f32)
            .collect();
        let mut line = Vec::new();
        for row in 0..self.height {
            self.blur_line(row * self.width, 1, self.width, &weights, &mut line);
        }
        for column in 0..self.width {
            self.blur_line(column, self.width, self.height, &weights, &mut line);
        }
    }

    /// Blurs `count` pixels from `start` on, `stride` apart. `line` is a scratch buffer.
    fn blur_line(
        &mut self,
        start: usize,
        stride: usize,
        count: usize,
        weights: &[f32],
        line: &mut Vec<[f32; 3]>,
    ) {
        let reach = weights.len() / 2;
        line.clear();
        line.extend((0..count + 2 * reach).map(|position| {
            let inside = position.saturating_sub(reach).min(count - 1);
            self.pixels[start + inside * stride]
        }));
        for (position, window) in line.windows(weights.len()).enumerate() {
            let mut sum = [0.0; 3];
            for (pixel, weight) in window.iter().zip(weights) {
                sum = [
                    sum[0] + pixel[0] * weight,
                    sum[1] + pixel[1] * weight,
                    sum[2] + pixel[2] * weight,
                ];
            }
            self.pixels[start + position * stride] = sum.map(|value| value.min(1.0));
        }
    }
}

fn luma(pixel: &[f32; 3]) -> f32 {
    LUMA[0] * pixel[0] + LUMA[1] * pixel[1] + LUMA[2] * pixel[2]
}

/// The pixel with its hue rotated by `shift` turns, at constant saturation and value (HSV).
pub fn turn_hue(pixel: [f32; 3], shift: f32) -> [f32; 3] {
    let [r, g, b] = pixel;
    let value = r.max(g).max(b);
    let chroma = value - r.min(g).min(b);
    if chroma <= 0.0 {
        return pixel;
    }
    let sixth = if value == r {
        (g - b) / chroma
    } else if value == g {
        (b - r) / chroma + 2.0
    } else {
        (r - g) / chroma + 4.0
    };
    let hue = sixth + 6.0 * shift + 12.0;
    [5.0, 3.0, 1.0].map(|offset| {
        let k = (offset + hue) % 6.0;
        value - chroma * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(pixels: &[[f32; 3]]) -> ColourPlanes {
        ColourPlanes {
            height: 1,
            width: pixels.len(),
            pixels: pixels.to_vec(),
        }
    }

    fn close(a: [f32; 3], b: [f32; 3]) -> bool {
        a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    #[test]
    fn a_third_of_a_turn_permutes_the_channels() {
        let pixel = [0.8, 0.3, 0.1];
        assert!(
            close(turn_hue(pixel, 1.0 / 3.0), [0.1, 0.8, 0.3]),
            "{:?}",
            turn_hue(pixel, 1.0 / 3.0)
        );
        assert!(close(turn_hue(pixel, 0.0), pixel));
        assert!(close(turn_hue(turn_hue(pixel, 0.07), -0.07), pixel));
        assert!(close(turn_hue([0.4; 3], 0.2), [0.4; 3]));
    }

    #[test]
    fn contrast_zero_is_the_mean_and_saturation_zero_is_grey() {
        let mut flat = planes(&[[0.0; 3], [1.0; 3]]);
        flat.contrast(0.0);
        assert!(flat.pixels.iter().all(|pixel| close(*pixel, [0.5; 3])));
        let mut grey = planes(&[[1.0, 0.0, 0.0]]);
        grey.saturation(0.0);
        assert!(close(grey.pixels[0], [0.299; 3]));
        let mut bright = planes(&[[0.2, 0.5, 0.9]]);
        bright.brightness(1.4);
        assert!(
            close(bright.pixels[0], [0.28, 0.7, 1.0]),
            "clipped at white"
        );
    }

    #[test]
    fn blur_keeps_the_sum_and_treats_both_axes_alike() {
        let mut point = ColourPlanes {
            height: 9,
            width: 11,
            pixels: vec![[0.0; 3]; 99],
        };
        point.pixels[4 * 11 + 5] = [1.0; 3];
        point.blur(1.0);
        let total: f32 = point.pixels.iter().map(|pixel| pixel[1]).sum();
        assert!((total - 1.0).abs() < 1e-5);
        assert!(close(point.pixels[4 * 11 + 7], point.pixels[6 * 11 + 5]));
        let ratio = point.pixels[4 * 11 + 6][0] / point.pixels[4 * 11 + 5][0];
        assert!((ratio - libm::expf(-0.5)).abs() < 1e-4);
    }

    #[test]
    fn eight_bits_survive_the_round_trip() {
        let picture = Picture::new(
            16,
            16,
            (0..=255)
                .flat_map(|value| [value, 255 - value, 128])
                .collect(),
        );
        assert_eq!(ColourPlanes::new(&picture).into_picture(), picture);
    }
}
