//! A binary mask.

use std::ops::Range;

/// `bits` is `[height, width]`, row-major, each 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 0 or 1 per pixel.
    pub bits: Vec<u8>,
}

impl Mask {
    /// Panics if `bits` does not hold `height * width` values.
    pub fn new(height: usize, width: usize, bits: Vec<u8>) -> Self {
        assert_eq!(bits.len(), height * width, "a {height} x {width} mask");
        Self {
            height,
            width,
            bits,
        }
    }

    /// The pixels where `logits` (`[height, width]`) are above 0, that is, where the sigmoid is above 0.5.
    pub fn from_logits(logits: &[f32], height: usize, width: usize) -> Self {
        Self::new(
            height,
            width,
            logits.iter().map(|logit| u8::from(*logit > 0.0)).collect(),
        )
    }

    /// The number of pixels that are set.
    pub fn area(&self) -> usize {
        // Sums of bytes are several times as fast, and a part of this length cannot overflow.
        let parts = self.bits.chunks(usize::from(u8::MAX));
        parts.map(|part| usize::from(part.iter().sum::<u8>())).sum()
    }

    /// The rows and columns of the smallest rectangle that holds all pixels that are set; none if there are none.
    pub fn bounds(&self) -> Option<(Range<usize>, Range<usize>)> {
        let first = self.bits.iter().position(|bit| *bit != 0)?;
        let last = self.bits.iter().rposition(|bit| *bit != 0)?;
        let rows = first / self.width..last / self.width + 1;
        let (mut left, mut right) = (self.width, 0);
        for row in rows.clone() {
            let line = &self.bits[row * self.width..(row + 1) * self.width];
            // Only pixels beyond the columns so far can widen them.
            if let Some(place) = line[..left].iter().position(|bit| *bit != 0) {
                left = place;
            }
            if let Some(place) = line[right..].iter().rposition(|bit| *bit != 0) {
                right += place + 1;
            }
        }
        Some((rows, left..right))
    }

    /// Intersection over union; 0 if both are empty. Panics if the sizes differ.
    pub fn iou(&self, other: &Self) -> f64 {
        assert_eq!(
            (self.height, self.width),
            (other.height, other.width),
            "masks of one size"
        );
        let both = self
            .bits
            .iter()
            .zip(&other.bits)
            .filter(|(a, b)| **a & **b == 1)
            .count();
        let union = self.area() + other.area() - both;
        if union == 0 {
            0.0
        } else {
            both as f64 / union as f64
        }
    }

    /// The pixels of the top left corner, `[height, width]`: those of a picture without its padding.
    ///
    /// Panics if it is larger than the mask.
    pub fn top_left(&self, height: usize, width: usize) -> Self {
        let rows = self.bits.chunks_exact(self.width).take(height);
        let bits = rows.flat_map(|row| &row[..width]).copied().collect();
        Self::new(height, width, bits)
    }

    /// The mask with left and right swapped.
    pub fn flipped(&self) -> Self {
        let bits = self
            .bits
            .chunks_exact(self.width)
            .flat_map(|line| line.iter().rev().copied())
            .collect();
        Self { bits, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn area_and_bounds_are_those_of_the_pixels() {
        for index in 0..300 {
            let mut rng = Stream::at(1, "mask", index);
            let (height, width) = (1 + rng.below(40), 1 + rng.below(40));
            let density = [0.0, 0.002, 0.5, 1.0][rng.below(4)];
            let bits = (0..height * width).map(|_| u8::from(rng.chance(density)));
            let mask = Mask::new(height, width, bits.collect());
            let set = mask.bits.iter().enumerate().filter(|(_, bit)| **bit == 1);
            let places: Vec<(usize, usize)> = set.map(|(i, _)| (i / width, i % width)).collect();
            assert_eq!(mask.area(), places.len());
            let span = |axis: fn(&(usize, usize)) -> usize| {
                let values = places.iter().map(axis);
                Some(values.clone().min()?..values.max()? + 1)
            };
            let expected = span(|place| place.0).zip(span(|place| place.1));
            assert_eq!(mask.bounds(), expected, "{index}");
        }
    }
}
