//! Small copies of pictures and masks, for pages.

use super::{Mask, Picture, Resample, resampled};

/// The longer side of a small copy at most, in pixels.
const MOST_SIDE: usize = 320;

/// Rows and columns of the small copy of a picture with the rows and columns `size`. A picture that is small already
/// keeps its size.
pub fn thumbnail_size((height, width): (usize, usize)) -> (usize, usize) {
    let longer = height.max(width).max(MOST_SIDE);
    let side = |side: usize| (side * MOST_SIDE / longer).max(1);
    (side(height), side(width))
}

/// The small copy of a picture.
pub fn thumbnail(picture: &Picture) -> Picture {
    let (height, width) = thumbnail_size((picture.height, picture.width));
    resampled(picture, height, width, Resample::Bilinear)
}

/// The small copy of a mask.
pub fn mask_thumbnail(mask: &Mask) -> Mask {
    mask_resized(mask, thumbnail_size((mask.height, mask.width)))
}

/// The mask with other rows and columns: each pixel is the one in the middle of what it stands for. A mask with a pixel
/// keeps one.
pub fn mask_resized(mask: &Mask, (height, width): (usize, usize)) -> Mask {
    let middle = |at: usize, of: usize, from: usize| (2 * at + 1) * from / (2 * of);
    let bit = |at: usize| {
        let row = middle(at / width, height, mask.height);
        mask.bits[row * mask.width + middle(at % width, width, mask.width)]
    };
    let mut small = Mask::new(height, width, (0..height * width).map(bit).collect());
    if let (0, Some((rows, columns))) = (small.area(), mask.bounds()) {
        let row = (rows.start + rows.end) / 2 * height / mask.height;
        let column = (columns.start + columns.end) / 2 * width / mask.width;
        small.bits[row.min(height - 1) * width + column.min(width - 1)] = 1;
    }
    small
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_shrink_and_small_ones_keep_their_size() {
        assert_eq!(thumbnail_size((1024, 2048)), (160, 320));
        assert_eq!(thumbnail_size((64, 48)), (64, 48));
        assert_eq!(thumbnail_size((5000, 3)), (320, 1));
        let picture = Picture::new(640, 320, vec![9; 640 * 320 * 3]);
        let small = thumbnail(&picture);
        assert_eq!((small.height, small.width), (320, 160));
    }

    #[test]
    fn masks_shrink_like_their_pictures_and_none_vanishes() {
        let half = |at: usize| u8::from(at % 640 < 320);
        let small = mask_thumbnail(&Mask::new(640, 640, (0..640 * 640).map(half).collect()));
        assert_eq!(
            (small.height, small.width, small.area()),
            (320, 320, 320 * 160)
        );
        assert!((0..320).all(|column| (small.bits[column] == 1) == (column < 160)));
        for place in [0, 640 * 640 - 1, 640 * 3 + 4] {
            let mut bits = vec![0; 640 * 640];
            bits[place] = 1;
            let small = mask_thumbnail(&Mask::new(640, 640, bits));
            let at = small.bits.iter().position(|bit| *bit == 1).unwrap();
            let near = |from: usize, small: usize| from.abs_diff(small * 2) <= 2;
            assert!(
                small.area() == 1 && near(place / 640, at / 320) && near(place % 640, at % 320)
            );
        }
        let same = Mask::new(2, 3, vec![1, 0, 1, 0, 0, 1]);
        assert_eq!(mask_thumbnail(&same), same);
    }
}
