//! Resampling of 8-bit pictures, bit for bit as Pillow does it: CLIP's preprocessing is defined by it.
//!
//! $$ y_i = \mathrm{clip}_8\Bigl(\bigl\lfloor \tfrac{1}{2} + \textstyle\sum_j w_{ij} x_j \bigr\rfloor\Bigr), \qquad
//!    w_{ij} = \frac{\phi\bigl((j + \frac12 - c_i) / s\bigr)}{\sum_k \phi\bigl((k + \frac12 - c_i) / s\bigr)}, \qquad
//!    c_i = (i + \tfrac12)\, r,\ s = \max(r, 1) $$
//!
//! with r old places per new one, first along the rows, then, from rounded values, along the columns. When shrinking the kernel
//! phi widens with the step, so no detail is skipped. The weights are rounded to 22 bits behind the point. Source: Pillow's
//! documentation of `Image.resize` and its results. Shapes: pixels `[H, W, 3]`.

use crate::structures::Picture;

/// The kernel phi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// A triangle of radius 1.
    Bilinear,
    /// Keys 1981 with a = -0.5, radius 2.
    Bicubic,
}

/// Bits behind the point of a weight.
const BITS: u32 = 22;
/// Red, green and blue.
const CHANNELS: usize = 3;

impl Filter {
    fn radius(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Bicubic => 0.0,
        }
    }
}

/// `picture` with `height` x `width` pixels. Panics if one of them is 0.
pub fn resample(picture: &Picture, height: usize, width: usize, filter: Filter) -> Picture {
    assert!(height > 0 && width > 0, "a picture of {height} x {width}");
    let across = taps(picture.width, width, filter);
    let line = picture.width * CHANNELS;
    let mut wide = Vec::with_capacity(picture.height * width * CHANNELS);
    for row in picture.pixels.chunks_exact(line.max(1)) {
        for (start, weights) in &across {
            for channel in 0..CHANNELS {
                let from = row[start * CHANNELS + channel..].iter().step_by(CHANNELS);
                wide.push(mixed(from, weights));
            }
        }
    }
    let line = width * CHANNELS;
    let mut pixels = Vec::with_capacity(height * line);
    for (start, weights) in taps(picture.height, height, filter) {
        for place in 0..line {
            let from = wide[start * line + place..].iter().step_by(line);
            pixels.push(mixed(from, &weights));
        }
    }
    Picture::new(height, width, pixels)
}

/// For every new place of a line: the first old place it takes from, and the weights from there on.
fn taps(from: usize, to: usize, filter: Filter) -> Vec<(usize, Vec<i32>)> {
    if from == to {
        return (0..to).map(|place| (place, vec![1 << BITS])).collect();
    }
    let step = from as f64 / to as f64;
    let stretch = step.max(1.0);
    let reach = filter.radius() * stretch;
    (0..to)
        .map(|place| {
            let centre = (place as f64 + 0.5) * step;
            let start = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from);
            let weights = (start..end).map(|j| filter.at((j as f64 - centre + 0.5) / stretch));
            let weights: Vec<f64> = weights.collect();
            let sum: f64 = weights.iter().sum();
            let fixed = |w: &f64| libm::round(w / sum * f64::from(1u32 << BITS)) as i32;
            (start, weights.iter().map(fixed).collect())
        })
        .collect()
}

/// The weighted sum of the first values of `from`, rounded and kept in 8 bits.
fn mixed<'a>(from: impl Iterator<Item = &'a u8>, weights: &[i32]) -> u8 {
    let sum: i64 = from
        .zip(weights)
        .map(|(x, w)| i64::from(*x) * i64::from(*w))
        .sum();
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_picture_stays_flat_and_the_same_size_changes_nothing() {
        let flat = Picture::new(5, 7, vec![77; 105]);
        for (height, width) in [(3, 3), (11, 4), (1, 1), (5, 20)] {
            let pixels = resample(&flat, height, width, Filter::Bicubic).pixels;
            assert!(pixels.iter().all(|p| *p == 77), "{height} x {width}");
        }
        let picture = Picture::new(4, 5, (0..60).map(|i| (i * 37 % 251) as u8).collect());
        assert_eq!(resample(&picture, 4, 5, Filter::Bicubic), picture);
    }

    #[test]
    fn halving_averages_as_pillow_does() {
        // Image.fromarray([0, 100, 200, 50] as grey).resize((2, 1), BILINEAR): weights 3/7, 3/7, 1/7 at the border.
        let grey = [0u8, 100, 200, 50];
        let picture = Picture::new(1, 4, grey.iter().flat_map(|g| [*g; 3]).collect());
        let half = resample(&picture, 1, 2, Filter::Bilinear);
        assert_eq!([half.pixels[0], half.pixels[3]], [71, 121]);
    }
}
