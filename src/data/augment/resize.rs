//! Pictures and masks in another size.

use crate::structures::Picture;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// The whole picture, resized to [`fitted_size`].
pub fn fitted(picture: &Picture, shorter: Option<usize>, longer: Option<usize>) -> Picture {
    if shorter.or(longer).is_none() {
        return picture.clone();
    }
    let source = (picture.height, picture.width);
    let target = fitted_size(source, shorter, longer, libm::round);
    Picture::new(
        target.0,
        target.1,
        resize(&picture.pixels, source, target, 3),
    )
}

/// Rows and columns of a picture after it was resized so that its shorter side has `shorter` pixels and its
/// longer side at most `longer`, as far as they are given. If only `longer` is given, the longer side has that
/// many pixels. `round` makes whole pixels.
pub fn fitted_size(
    (height, width): (usize, usize),
    shorter: Option<usize>,
    longer: Option<usize>,
    round: fn(f64) -> f64,
) -> (usize, usize) {
    let factor = |bound: Option<usize>, length: usize| {
        bound.map_or(f64::INFINITY, |bound| bound as f64 / length as f64)
    };
    let factor = factor(shorter, height.min(width)).min(factor(longer, height.max(width)));
    if factor.is_infinite() {
        return (height, width);
    }
    let length = |length: usize| (round(length as f64 * factor) as usize).max(1);
    (length(height), length(width))
}

/// Bilinear, with a wider kernel for shrinking (as in Pillow), so that fine detail is averaged and not
/// skipped.
pub(super) fn resize(
    pixels: &[u8],
    source: (usize, usize),
    target: (usize, usize),
    channels: usize,
) -> Vec<u8> {
    if source == target {
        return pixels.to_vec();
    }
    let mut out = vec![0; target.0 * target.1 * channels];
    if channels == 3 {
        resize_typed::<U8x3>(pixels, source, &mut out, target);
    } else {
        resize_typed::<U8>(pixels, source, &mut out, target);
    }
    out
}

/// Resizes pixels of type `P`. The crate's function for any type would compile all types, which takes a
/// minute.
fn resize_typed<P: PixelTrait>(
    pixels: &[u8],
    source: (usize, usize),
    out: &mut [u8],
    target: (usize, usize),
) {
    let fits = "one byte per pixel and channel";
    let source = TypedImageRef::<P>::from_buffer(source.1 as u32, source.0 as u32, pixels);
    let mut target = TypedImage::<P>::from_buffer(target.1 as u32, target.0 as u32, out);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize_typed(&source.expect(fits), target.as_mut().expect(fits), &options)
        .expect("the whole source is a valid crop");
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A picture in which every pixel differs from its neighbours.
    pub fn picture(height: usize, width: usize) -> Picture {
        let pixels = (0..height * width).flat_map(|i| [i as u8, 7, 9]).collect();
        Picture::new(height, width, pixels)
    }

    #[test]
    fn a_fitted_picture_keeps_its_shape() {
        let picture = picture(20, 30);
        let size = |side| {
            let fitted = fitted(&picture, None, Some(side));
            (fitted.height, fitted.width)
        };
        assert_eq!((size(15), size(60), size(1)), ((10, 15), (40, 60), (1, 1)));
        assert_eq!(fitted(&picture, None, Some(30)), picture);
        assert_eq!(fitted(&picture, None, None), picture);
        let size = |shorter, longer| {
            let fitted = fitted(&picture, Some(shorter), longer);
            (fitted.height, fitted.width)
        };
        assert_eq!(size(40, None), (40, 60));
        assert_eq!(size(40, Some(70)), (40, 60));
        assert_eq!(size(40, Some(50)), (33, 50));
    }
}
