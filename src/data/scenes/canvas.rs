//! A floating-point RGB picture while it is drawn: value noise, strokes, blending, blur, sensor noise.

use crate::rng::Stream;
use crate::structures::Picture;

/// `pixels` is `[side, side]` of RGB, row-major. 0 is black and 1 is white; values outside are clipped at the
/// end.
pub struct Canvas {
    /// The number of rows and of columns.
    pub side: usize,
    /// The pixels.
    pub pixels: Vec<[f32; 3]>,
}

/// The grid size and amplitude of the background's octaves.
const OCTAVES: [(usize, f32); 3] = [(3, 0.2), (6, 0.12), (14, 0.096)];

/// The distance of the background from grey: that of its mean; that of its noise is three times as large.
const SATURATION: f32 = 0.08;

/// The background's sensor noise and blur: the ranges of the random draws.
const NOISE: (f64, f64) = (0.02, 0.06);
const BLUR: (f64, f64) = (0.0, 0.8);

/// Narrower blurs are left out: their kernel does not change 8-bit values.
const LEAST_BLUR: f64 = 0.15;

/// The reach of the blur's kernel in pixels, more than three standard deviations.
const BLUR_REACH: usize = 3;

impl Canvas {
    /// A background of low-saturation value noise in three octaves.
    pub fn background(side: usize, rng: &mut Stream) -> Self {
        let grey = rng.range(0.3, 0.7) as f32;
        let mean = [(); 3].map(|()| grey + SATURATION * rng.range(-1.0, 1.0) as f32);
        let mut canvas = Self {
            side,
            pixels: vec![mean; side * side],
        };
        for (cells, amplitude) in OCTAVES {
            let knots: Vec<[f32; 3]> = (0..cells * cells)
                .map(|_| {
                    let [grey, r, g, b] = [(); 4].map(|()| rng.uniform_f32() * 2.0 - 1.0);
                    [r, g, b].map(|tint| amplitude * (grey + 3.0 * SATURATION * tint))
                })
                .collect();
            canvas.add_value_noise(&knots, cells);
        }
        canvas
    }

    /// Adds a `cells` x `cells` grid stretched over the picture bilinearly.
    fn add_value_noise(&mut self, knots: &[[f32; 3]], cells: usize) {
        for y in 0..self.side {
            let (row, fy) = knot_of(y, self.side, cells);
            let line: Vec<[f32; 3]> = (0..cells)
                .map(|x| mix(knots[row * cells + x], knots[(row + 1) * cells + x], fy))
                .collect();
            for x in 0..self.side {
                let (column, fx) = knot_of(x, self.side, cells);
                let noise = mix(line[column], line[column + 1], fx);
                let pixel = &mut self.pixels[y * self.side + x];
                *pixel = add(*pixel, noise);
            }
        }
    }

    /// Draws a distractor: a soft, half-transparent bar of any colour without an annotation. `unit` is a
    /// pixel of the 64-pixel design.
    pub fn stroke(&mut self, unit: f64, rng: &mut Stream) {
        let side = self.side as f64;
        let (cx, cy) = (rng.range(0.0, side) as f32, rng.range(0.0, side) as f32);
        let angle = rng.range(0.0, std::f64::consts::PI);
        let (cos, sin) = (libm::cos(angle) as f32, libm::sin(angle) as f32);
        let half_length = (rng.range(4.0, 20.0) * unit / 2.0) as f32;
        let half_width = (rng.range(0.7, 1.6) * unit) as f32;
        let opacity = rng.range(0.4, 0.9) as f32;
        let colour = [(); 3].map(|()| rng.range(0.1, 0.9) as f32);
        let reach = half_length + half_width + 1.0;
        let (rows, columns) = (self.span(cy, reach), self.span(cx, reach));
        for y in rows {
            for x in columns.clone() {
                let (dx, dy) = (x as f32 + 0.5 - cx, y as f32 + 0.5 - cy);
                let (along, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
                let outside = (along.abs() - half_length).max(across.abs() - half_width);
                self.blend(
                    y * self.side + x,
                    colour,
                    (0.5 - outside).clamp(0.0, 1.0) * opacity,
                );
            }
        }
    }

    /// The rows (or columns) whose pixels may be within `reach` of `centre`.
    pub fn span(&self, centre: f32, reach: f32) -> std::ops::Range<usize> {
        let low = libm::floorf(centre - reach).max(0.0) as usize;
        let high = libm::ceilf(centre + reach).max(0.0) as usize;
        low.min(self.side)..high.min(self.side)
    }

    /// Blends `colour` over pixel `index` with opacity `alpha`.
    pub fn blend(&mut self, index: usize, colour: [f32; 3], alpha: f32) {
        self.pixels[index] = mix(self.pixels[index], colour, alpha);
    }

    /// Applies a Gaussian blur of random width and sensor noise of random strength, then rounds to 8 bits.
    pub fn develop(mut self, rng: &mut Stream) -> Picture {
        let sigma = rng.range(BLUR.0, BLUR.1);
        if sigma >= LEAST_BLUR {
            self.blur(sigma);
        }
        let strength = rng.range(NOISE.0, NOISE.1) as f32;
        let pixels = self
            .pixels
            .iter()
            .flatten()
            .map(|value| ((value + strength * bell(rng)).clamp(0.0, 1.0) * 255.0) as u8)
            .collect();
        Picture::new(self.side, self.side, pixels)
    }

    /// Separable Gaussian blur. The border repeats its last pixel.
    fn blur(&mut self, sigma: f64) {
        let weights: [f64; BLUR_REACH + 1] =
            std::array::from_fn(|k| libm::exp(-((k * k) as f64) / (2.0 * sigma * sigma)));
        let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
        let weights = weights.map(|weight| (weight / total) as f32);
        let last = self.side - 1;
        for stride in [1, self.side] {
            let source = self.pixels.clone();
            for (index, pixel) in self.pixels.iter_mut().enumerate() {
                let position = index / stride % self.side;
                let start = index - position * stride;
                *pixel = source[index].map(|value| value * weights[0]);
                for (k, weight) in weights.iter().enumerate().skip(1) {
                    let before = source[start + position.saturating_sub(k) * stride];
                    let after = source[start + (position + k).min(last) * stride];
                    *pixel = add(*pixel, add(before, after).map(|value| value * weight));
                }
            }
        }
    }
}

/// The knot to the left of pixel `index` of `side`, and the fraction of the way to the next, for `cells`
/// knots over the picture.
pub fn knot_of(index: usize, side: usize, cells: usize) -> (usize, f32) {
    let position = (index as f32 + 0.5) / side as f32 * (cells - 1) as f32;
    let knot = (position as usize).min(cells - 2);
    (knot, position - knot as f32)
}

/// `a (1 - t) + b t`.
pub fn mix(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * t)
}

fn add(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|c| a[c] + b[c])
}

/// A nearly normal draw, mean 0 and standard deviation 1: the sum of four uniform 16-bit numbers
/// (Irwin-Hall). A picture needs thousands of draws, and this costs a tenth of Box-Muller. Sensor noise
/// beyond 3.5 deviations is not needed.
pub fn bell(rng: &mut Stream) -> f32 {
    let bits = rng.bits();
    let sum: u32 = (0..4)
        .map(|part| (bits >> (16 * part)) as u32 & 0xffff)
        .sum();
    /// The standard deviation of the sum of four uniform draws in [0, 1) is 1 / sqrt(3).
    const SQRT_3: f32 = 1.732_050_8;
    ((sum as f32 + 2.0) / 65_536.0 - 2.0) * SQRT_3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bell_has_mean_zero_and_deviation_one() {
        let mut rng = Stream::new(1, "bell");
        let draws: Vec<f64> = (0..40_000).map(|_| f64::from(bell(&mut rng))).collect();
        let mean = draws.iter().sum::<f64>() / 4e4;
        let deviation = (draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4e4).sqrt();
        assert!(
            mean.abs() < 0.02 && (deviation - 1.0).abs() < 0.02,
            "{mean} {deviation}"
        );
    }

    #[test]
    fn blur_keeps_a_flat_picture_and_spreads_a_point_evenly() {
        let mut flat = Canvas {
            side: 9,
            pixels: vec![[0.25; 3]; 81],
        };
        flat.blur(0.8);
        assert!(
            flat.pixels
                .iter()
                .flatten()
                .all(|value| (value - 0.25).abs() < 1e-6)
        );
        let mut point = Canvas {
            side: 9,
            pixels: vec![[0.0; 3]; 81],
        };
        point.pixels[4 * 9 + 4] = [1.0; 3];
        point.blur(0.8);
        let total: f32 = point.pixels.iter().map(|pixel| pixel[0]).sum();
        assert!((total - 1.0).abs() < 1e-5);
        assert_eq!(
            point.pixels[4 * 9 + 2],
            point.pixels[6 * 9 + 4],
            "the same along rows and columns"
        );
        assert!(point.pixels[4 * 9 + 4][0] > point.pixels[4 * 9 + 5][0]);
    }

    #[test]
    fn value_noise_meets_its_knots_between_pixels() {
        assert_eq!(knot_of(0, 64, 3), (0, 0.015_625));
        assert_eq!(knot_of(32, 64, 3), (1, 0.015_625));
        assert_eq!(knot_of(63, 64, 3), (1, 0.984_375));
    }
}
