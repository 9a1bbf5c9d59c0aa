//! Pictures as files. The same picture gives the same bytes.

use super::colour::Colour;
use super::objects::enlarged;
use crate::structures::{Picture, Resample, resampled};
use anyhow::{Context, Result};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// The longer side that a picture within a page has at most, in pixels.
const MOST_SIDE: usize = 480;
/// The quality of a JPEG, of 100.
const QUALITY: u8 = 85;

/// A picture for a page: its media type and its bytes.
pub type Embedded = (&'static str, Vec<u8>);

/// The picture as a PNG file.
///
/// # Errors
/// The picture has no pixel.
pub fn png(picture: &Picture) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(picture, PngEncoder::new(&mut bytes))?;
    Ok(bytes)
}

/// The picture as a JPEG file of this quality, of 100.
///
/// # Errors
/// The picture has no pixel.
pub fn jpeg(picture: &Picture, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(picture, JpegEncoder::new_with_quality(&mut bytes, quality))?;
    Ok(bytes)
}

/// A map of values from 0 to 255 `[height, width]` as a PNG file in one colour, which is the more opaque the larger the
/// value.
///
/// # Errors
/// The map has no place.
pub fn tinted(values: &[u8], (height, width): (usize, usize), colour: Colour) -> Result<Vec<u8>> {
    let [red, green, blue] = colour;
    let pixels = values.iter().flat_map(|value| [red, green, blue, *value]);
    let pixels: Vec<u8> = pixels.collect();
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(
            &pixels,
            width as u32,
            height as u32,
            ExtendedColorType::Rgba8,
        )
        .with_context(|| format!("a map of {width} x {height} places"))?;
    Ok(bytes)
}

/// The picture as a page holds it: at most 480 pixels wide and high, as PNG or JPEG, whichever is smaller.
///
/// # Errors
/// The picture has no pixel.
pub fn embedded(picture: &Picture) -> Result<Embedded> {
    let small = fitted(picture);
    let png = png(&small)?;
    let jpeg = jpeg(&small, QUALITY)?;
    Ok(match jpeg.len() < png.len() {
        true => ("image/jpeg", jpeg),
        false => ("image/png", png),
    })
}

/// The picture, made larger or smaller for a page.
fn fitted(picture: &Picture) -> Picture {
    let longer = picture.height.max(picture.width);
    if longer <= MOST_SIDE {
        return enlarged(picture);
    }
    let side = |side: usize| (side * MOST_SIDE / longer).max(1);
    let (height, width) = (side(picture.height), side(picture.width));
    resampled(picture, height, width, Resample::Bilinear)
}

fn write(picture: &Picture, encoder: impl ImageEncoder) -> Result<()> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    encoder
        .write_image(&picture.pixels, width, height, ExtendedColorType::Rgb8)
        .with_context(|| format!("a picture of {width} x {height} pixels"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn a_page_has_small_files_of_small_pictures() {
        let flat = Picture::new(64, 64, vec![7; 64 * 64 * 3]);
        let (media, bytes) = embedded(&flat).unwrap();
        assert_eq!(media, "image/png");
        assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 320);
        let mut rng = Stream::new(1, "noise");
        let noise = (0..600 * 1200 * 3).map(|_| rng.bits() as u8).collect();
        let noise = Picture::new(600, 1200, noise);
        let (media, bytes) = embedded(&noise).unwrap();
        assert_eq!(media, "image/jpeg");
        let read = image::load_from_memory(&bytes).unwrap();
        assert_eq!((read.height(), read.width()), (240, 480));
    }

    #[test]
    fn a_map_has_one_colour_and_is_opaque_where_its_value_is_large() {
        let bytes = tinted(&[0, 128, 255, 7], (2, 2), [1, 2, 3]).unwrap();
        let read = image::load_from_memory(&bytes).unwrap().into_rgba8();
        let expected = [0, 128, 255, 7].map(|value| [1, 2, 3, value]);
        assert_eq!(read.into_raw(), expected.concat());
        assert!(tinted(&[], (0, 0), [0; 3]).is_err());
    }

    #[test]
    fn a_png_has_every_pixel() {
        let picture = Picture::new(3, 5, (0..45).collect());
        let read = image::load_from_memory(&png(&picture).unwrap()).unwrap();
        assert_eq!(read.into_rgb8().into_raw(), picture.pixels);
    }
}
