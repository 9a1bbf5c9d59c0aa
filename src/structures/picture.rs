//! An 8-bit RGB image.

/// `pixels` is `[height, width, 3]`, row-major, 0 to 255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// RGB, interleaved.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Panics if `pixels` does not hold `height * width * 3` values.
    pub fn new(height: usize, width: usize, pixels: Vec<u8>) -> Self {
        assert_eq!(
            pixels.len(),
            height * width * 3,
            "a {height} x {width} RGB image"
        );
        Self {
            height,
            width,
            pixels,
        }
    }

    /// The mirror image: left and right swapped.
    pub fn flipped(&self) -> Self {
        let row = self.width * 3;
        let pixels = self
            .pixels
            .chunks_exact(row)
            .flat_map(|line| line.chunks_exact(3).rev().flatten().copied())
            .collect();
        Self { pixels, ..*self }
    }
}
