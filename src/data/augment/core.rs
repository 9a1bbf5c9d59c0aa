//! The part of a picture that is not padding, so that padding is not computed pixel by pixel.
//!
//! Pixels that repeat the last column and the last row have the colours of these, whatever happens to single pixels. A
//! blur mixes pixels that are near: so the core reaches a little into what repeats.

use crate::structures::Picture;

/// The upper left part of a picture.
pub struct Core<'a> {
    /// The whole picture.
    pub picture: &'a Picture,
    /// Rows of the core. Those below are its last one.
    pub height: usize,
    /// Columns of the core. Those to the right are its last one.
    pub width: usize,
}

impl<'a> Core<'a> {
    /// The core of a picture for changes that mix pixels within `reach` rows and columns.
    pub fn of(picture: &'a Picture, reach: usize) -> Self {
        let row = picture.width * 3;
        let mut lines = picture.pixels.chunks_exact(row.max(1)).rev();
        let last = lines.next().unwrap_or_default();
        let below = lines.take_while(|line| *line == last).count();
        let rows = picture.height - below;
        let mut columns = 1;
        for line in picture.pixels.chunks_exact(row.max(1)).take(rows) {
            let (pixels, _) = line.as_chunks::<3>();
            let Some(last) = pixels.last() else {
                continue;
            };
            // Only columns beyond those so far can widen the core.
            let beyond = &pixels[columns - 1..pixels.len() - 1];
            if let Some(place) = beyond.iter().rposition(|pixel| pixel != last) {
                columns += place + 1;
            }
        }
        Self {
            picture,
            height: (rows + reach).min(picture.height),
            width: (columns + reach).min(picture.width),
        }
    }

    /// The pixels of a row of the core, `[width, 3]`.
    pub fn line(&self, place: usize) -> &'a [u8] {
        &self.picture.pixels[place * self.picture.width * 3..][..self.width * 3]
    }

    /// Pixels for the whole picture.
    pub fn empty(&self) -> Vec<u8> {
        vec![0; self.picture.pixels.len()]
    }

    /// The pixels of a row of the core among those of the whole picture.
    pub fn line_of<'b>(&self, pixels: &'b mut [u8], place: usize) -> &'b mut [u8] {
        &mut pixels[place * self.picture.width * 3..][..self.width * 3]
    }

    /// The whole picture: the core's last column and last row are repeated.
    pub fn spread(&self, mut pixels: Vec<u8>) -> Picture {
        let (height, width) = (self.picture.height, self.picture.width);
        for line in pixels
            .chunks_exact_mut((width * 3).max(1))
            .take(self.height)
        {
            let (pixels, _) = line.as_chunks_mut::<3>();
            if let Some(last) = pixels.get(self.width - 1).copied() {
                pixels[self.width..].fill(last);
            }
        }
        let last = (self.height - 1) * width * 3..self.height * width * 3;
        for place in self.height..height {
            pixels.copy_within(last.clone(), place * width * 3);
        }
        Picture::new(height, width, pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_ends_where_the_last_row_and_column_begin_to_repeat() {
        let mut picture = Picture::new(6, 7, vec![9; 6 * 7 * 3]);
        let size = |picture: &Picture, reach| {
            let core = Core::of(picture, reach);
            (core.height, core.width)
        };
        assert_eq!(size(&picture, 0), (1, 1));
        picture.pixels[(2 * 7 + 3) * 3] = 1;
        assert_eq!(size(&picture, 0), (4, 5));
        assert_eq!(size(&picture, 1), (5, 6));
        assert_eq!(size(&picture, 100), (6, 7));
        picture.pixels[(7 + 6) * 3 + 2] = 1;
        assert_eq!(size(&picture, 0), (4, 7), "another last column in one row");
        picture.pixels[5 * 7 * 3] = 1;
        assert_eq!(size(&picture, 0), (6, 7));
    }

    #[test]
    fn spreading_repeats_the_last_row_and_column() {
        let mut picture = Picture::new(3, 3, vec![5; 27]);
        picture.pixels[0] = 1;
        let core = Core::of(&picture, 0);
        assert_eq!((core.height, core.width), (2, 2));
        let mut pixels = core.empty();
        core.line_of(&mut pixels, 0)
            .copy_from_slice(&[1, 2, 3, 4, 5, 6]);
        core.line_of(&mut pixels, 1).fill(7);
        let out = core.spread(pixels).pixels;
        assert_eq!(out[..9], [1, 2, 3, 4, 5, 6, 4, 5, 6]);
        assert_eq!(out[9..], [7; 18]);
    }
}
