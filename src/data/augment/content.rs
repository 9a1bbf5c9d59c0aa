//! The part of a view that is not padding: its first rows and columns.

use crate::structures::Picture;

/// The rows and columns of a view that show the image. The rest is padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub columns: usize,
}

impl Content {
    /// The content of `picture`. Panics if the picture is smaller.
    pub fn of(self, picture: &Picture) -> Picture {
        let lines = picture.pixels.chunks_exact(picture.width * 3);
        let pixels = lines
            .take(self.rows)
            .flat_map(|line| &line[..self.columns * 3]);
        Picture::new(self.rows, self.columns, pixels.copied().collect())
    }

    /// `picture` with `content` in the place of its own. Panics if the sizes do not fit.
    pub fn put(self, mut picture: Picture, content: &Picture) -> Picture {
        assert_eq!((content.height, content.width), (self.rows, self.columns));
        let lines = picture.pixels.chunks_exact_mut(picture.width * 3);
        let own = content.pixels.chunks_exact((self.columns * 3).max(1));
        for (line, own) in lines.zip(own) {
            line[..own.len()].copy_from_slice(own);
        }
        picture
    }
}
