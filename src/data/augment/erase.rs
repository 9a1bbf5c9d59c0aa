//! Random erasing (CutOut), <https://arxiv.org/abs/1708.04896>: a rectangle of random area and aspect becomes
//! noise, or grey as in the first CutOut (<https://arxiv.org/abs/1708.04552>).
//!
//! The reference fills with N(0, 1) in the range 0..1 and converts to 8 bits with wrap-around. A normal
//! distribution with standard deviation 255, wrapped at 256, is uniform up to one part in 10^8, so uniform
//! bytes are drawn here.

use super::Erasing;
use crate::rng::Stream;
use crate::structures::Picture;

/// The number of shapes that are tried before the erasing is given up (torchvision).
const TRIES: usize = 10;

/// Erases one rectangle with `grey`, or with noise if there is no `grey`. Does nothing if no drawn shape fits
/// into the picture.
pub fn erase(picture: &mut Picture, erasing: &Erasing, grey: Option<u8>, rng: &mut Stream) {
    let (height, width) = (picture.height, picture.width);
    for _ in 0..TRIES {
        let area = (height * width) as f64 * rng.range(erasing.area[0], erasing.area[1]);
        let aspect =
            libm::exp(rng.range(libm::log(erasing.aspect[0]), libm::log(erasing.aspect[1])));
        let rows = libm::round(libm::sqrt(area * aspect)) as usize;
        let columns = libm::round(libm::sqrt(area / aspect)) as usize;
        if rows >= height || columns >= width {
            continue;
        }
        let (top, left) = (rng.below(height - rows + 1), rng.below(width - columns + 1));
        for row in top..top + rows {
            let start = (row * width + left) * 3;
            let line = &mut picture.pixels[start..start + columns * 3];
            match grey {
                Some(grey) => line.fill(grey),
                None => fill(line, rng),
            }
        }
        return;
    }
}

fn fill(bytes: &mut [u8], rng: &mut Stream) {
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&rng.bits().to_le_bytes()[..chunk.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rectangle_of_the_asked_area_becomes_noise() {
        let erasing = Erasing {
            probability: 1.0,
            area: [0.2, 0.2],
            aspect: [0.5, 2.0],
        };
        for index in 0..20 {
            let mut picture = Picture::new(50, 60, vec![0; 50 * 60 * 3]);
            erase(
                &mut picture,
                &erasing,
                None,
                &mut Stream::at(3, "erase", index),
            );
            let touched: Vec<usize> = picture
                .pixels
                .chunks_exact(3)
                .enumerate()
                .filter(|(_, p)| *p != [0; 3])
                .map(|(i, _)| i)
                .collect();
            let rows = touched.iter().map(|i| i / 60).max().unwrap()
                - touched.iter().map(|i| i / 60).min().unwrap()
                + 1;
            let columns = touched.iter().map(|i| i % 60).max().unwrap()
                - touched.iter().map(|i| i % 60).min().unwrap()
                + 1;
            assert!(touched.len() + 2 >= rows * columns, "the rectangle is full");
            assert!((rows * columns).abs_diff(600) < 45, "{rows} x {columns}");
            let aspect = rows as f64 / columns as f64;
            assert!((0.45..2.2).contains(&aspect), "{aspect}");
        }
    }

    #[test]
    fn grey_erasings_have_one_value() {
        let erasing = Erasing {
            probability: 1.0,
            area: [0.2, 0.2],
            aspect: [1.0, 1.0],
        };
        let mut picture = Picture::new(50, 60, vec![0; 50 * 60 * 3]);
        erase(
            &mut picture,
            &erasing,
            Some(128),
            &mut Stream::new(3, "erase"),
        );
        let erased = picture.pixels.iter().filter(|value| **value == 128).count();
        assert_eq!(
            erased,
            picture.pixels.iter().filter(|value| **value != 0).count()
        );
        assert!(erased.abs_diff(3 * 600) < 150, "{erased}");
    }

    #[test]
    fn a_shape_that_never_fits_erases_nothing() {
        let erasing = Erasing {
            probability: 1.0,
            area: [1.0, 1.0],
            aspect: [1.0, 1.0],
        };
        let mut picture = Picture::new(8, 8, vec![5; 192]);
        erase(&mut picture, &erasing, None, &mut Stream::new(1, "erase"));
        assert!(picture.pixels.iter().all(|value| *value == 5));
    }
}
