//! The image of ids of a frame: one value for each pixel, of which [`super::labels`] tells the meaning.
//!
//! A file is a grey PNG of 16 bits. One object can be several pieces and have holes, and an object that others hide
//! wholly is absent, so that numbers have gaps.

use super::labels::{FIRST_INSTANCE, is_label};
use anyhow::{Context, Result, bail, ensure};
use image::{DynamicImage, ImageReader};
use std::path::Path;

/// The values of the pixels, `[height, width]`, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdImage {
    /// The number of rows.
    pub height: usize,
    /// The number of columns.
    pub width: usize,
    /// The values.
    pub ids: Vec<u16>,
}

impl IdImage {
    /// Reads the file `path`.
    ///
    /// # Errors
    /// The file is missing or damaged, is not a grey PNG of 16 bits, or holds a value without a label. The error names
    /// it.
    pub fn read(path: &Path) -> Result<Self> {
        Self::decoded(path).with_context(|| path.display().to_string())
    }

    fn decoded(path: &Path) -> Result<Self> {
        let reader = ImageReader::open(path).context("cannot be opened")?;
        let reader = reader.with_guessed_format().context("cannot be read")?;
        let image = reader.decode().context("cannot be decoded")?;
        let pixels = match image {
            DynamicImage::ImageLuma16(pixels) => pixels,
            DynamicImage::ImageLuma8(_) => bail!(
                "8 bits a pixel, as in an image of labels (labelIds); needed: 16 bits, as in instanceIds"
            ),
            other => bail!("{:?} pixels; needed: grey of 16 bits", other.color()),
        };
        let (width, height) = pixels.dimensions();
        let image = Self {
            height: height as usize,
            width: width as usize,
            ids: pixels.into_raw(),
        };
        for (id, _) in image.counts() {
            let label = if id < FIRST_INSTANCE {
                id
            } else {
                id / FIRST_INSTANCE
            };
            ensure!(
                is_label(label),
                "a pixel of the value {id}; allowed: a label from 0 to 33, or 1000 x the label + a number below 1000"
            );
        }
        Ok(image)
    }

    /// The values that occur, ascending, each with its number of pixels.
    pub fn counts(&self) -> Vec<(u16, usize)> {
        let mut counts = vec![0usize; usize::from(u16::MAX) + 1];
        for id in &self.ids {
            counts[usize::from(*id)] += 1;
        }
        let counts = (0..=u16::MAX).zip(counts);
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// The values column by column, as COCO's runs go.
    pub fn columns(&self) -> Vec<u16> {
        let mut columns = vec![0; self.ids.len()];
        for (row, line) in self.ids.chunks_exact(self.width.max(1)).enumerate() {
            for (column, id) in line.iter().enumerate() {
                columns[column * self.height + row] = *id;
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageBuffer, Luma, RgbImage};

    #[test]
    fn values_of_16_bits_are_read_and_others_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a_0_0_gtFine_instanceIds.png");
        let write = |values: &[u16]| {
            let image: ImageBuffer<Luma<u16>, _> =
                ImageBuffer::from_raw(3, 2, values.to_vec()).unwrap();
            image.save(&path).unwrap();
        };
        write(&[0, 24, 24_000, 33_999, 24, 7]);
        let read = IdImage::read(&path).unwrap();
        assert_eq!((read.height, read.width), (2, 3));
        assert_eq!(
            read.counts(),
            [(0, 1), (7, 1), (24, 2), (24_000, 1), (33_999, 1)]
        );
        assert_eq!(read.columns(), [0, 33_999, 24, 24, 24_000, 7]);
        let refused = || format!("{:#}", IdImage::read(&path).unwrap_err());
        for value in [34, 999, 34_000, u16::MAX] {
            write(&[0, 0, 0, 0, 0, value]);
            let message = refused();
            assert!(message.contains(&format!("the value {value}")), "{message}");
            assert!(message.contains("instanceIds.png"), "{message}");
        }
        GrayImage::new(3, 2).save(&path).unwrap();
        assert!(refused().contains("labelIds"), "{}", refused());
        RgbImage::new(3, 2).save(&path).unwrap();
        assert!(refused().contains("grey of 16 bits"), "{}", refused());
        std::fs::write(&path, "no picture").unwrap();
        assert!(refused().contains("cannot be decoded"), "{}", refused());
    }
}
