//! A binary mask.

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
        self.bits.iter().map(|bit| usize::from(*bit)).sum()
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
