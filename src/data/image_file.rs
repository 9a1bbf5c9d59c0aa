//! Image files: their headers and their pixels.

use crate::structures::Picture;
use anyhow::{Context, Result, bail, ensure};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};
use libjpeg_turbo_rs::{Decoder, PixelFormat};
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

/// The largest number of pixels of a picture, a header may claim any: the number at which Pillow stops too.
const MOST_PIXELS: usize = 178_956_970;
/// First bytes of a JPEG file: its marker SOI.
const JPEG: [u8; 2] = [0xff, 0xd8];

/// The treatment of the orientation that a camera writes into the EXIF part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exif {
    /// The picture is turned and mirrored as the tag demands, as viewers, detectron2 and mmcv show it.
    Applied,
    /// The pixels stay as they are stored.
    Ignored,
}

impl Exif {
    /// The treatment for the value of the key `exif`.
    pub fn new(applied: bool) -> Self {
        match applied {
            true => Self::Applied,
            false => Self::Ignored,
        }
    }

    /// Keeps `orientation` only if it is applied.
    fn keep(self, orientation: Orientation) -> Orientation {
        match self {
            Self::Applied => orientation,
            Self::Ignored => Orientation::NoTransforms,
        }
    }
}

/// A picture as its header describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The number of rows, after the orientation was applied.
    pub height: usize,
    /// The number of columns, after the orientation was applied.
    pub width: usize,
    /// True if the orientation changes the picture.
    pub turned: bool,
}

impl Header {
    fn new([height, width]: [usize; 2], orientation: Orientation) -> Self {
        let (height, width) = match swaps(orientation) {
            true => (width, height),
            false => (height, width),
        };
        Self {
            height,
            width,
            turned: orientation != Orientation::NoTransforms,
        }
    }

    /// Compares the size of the picture `path` with the one that its annotations give, `height` x `width`.
    ///
    /// # Errors
    /// They differ. The error names both.
    pub fn check(&self, path: &Path, height: usize, width: usize) -> Result<()> {
        let turned = match self.turned {
            true => {
                ", turned by its EXIF tag (data.exif = false leaves pictures as they are stored)"
            }
            false => "",
        };
        ensure!(
            (self.height, self.width) == (height, width),
            "{}: {} x {} pixels (width x height){turned}; its annotations say {width} x {height}",
            path.display(),
            self.width,
            self.height
        );
        Ok(())
    }
}

/// The header of a JPEG or PNG file, with the orientation treated by `exif`. The first bytes decide the format.
/// Only the beginning of the file is read.
///
/// # Errors
/// The file is missing, or is not a JPEG or PNG. The error names it.
pub fn header(path: &Path, exif: Exif) -> Result<Header> {
    let read = || -> Result<Header> {
        let mut file = BufReader::new(File::open(path)?);
        if !file.fill_buf()?.starts_with(&JPEG) {
            let mut decoder = ImageReader::new(file)
                .with_guessed_format()?
                .into_decoder()?;
            let (width, height) = decoder.dimensions();
            let size = [height, width].map(|side| side as usize);
            check_size(size)?;
            return Ok(Header::new(size, exif.keep(decoder.orientation()?)));
        }
        let size = imagesize::reader_size(&mut file).or_else(|_| slow_size(path))?;
        let size = [size.height, size.width];
        check_size(size)?;
        file.rewind()?;
        let orientation = exif.keep(jpeg_orientation(&mut file));
        Ok(Header::new(size, orientation))
    };
    read().with_context(|| format!("{}: needed: a JPEG or PNG file", path.display()))
}

/// Refuses a picture whose pixels would not fit into memory.
fn check_size([height, width]: [usize; 2]) -> Result<()> {
    ensure!(
        height.saturating_mul(width) <= MOST_PIXELS,
        "{width} x {height} pixels; allowed: at most {MOST_PIXELS} pixels"
    );
    Ok(())
}

/// The size of a JPEG with markers that the quick reader does not expect, from the whole file.
fn slow_size(path: &Path) -> Result<imagesize::ImageSize> {
    let reader = ImageReader::open(path)?.with_guessed_format()?;
    let (width, height) = reader.into_dimensions()?;
    Ok(imagesize::ImageSize {
        width: width as usize,
        height: height as usize,
    })
}

/// The orientation of a JPEG. As in Pillow and OpenCV, a tag that cannot be read counts as none.
fn jpeg_orientation(file: &mut impl BufRead) -> Orientation {
    let chunk = exif::get_exif_attr_from_jpeg(file).ok();
    let orientation = chunk.and_then(|chunk| Orientation::from_exif_chunk(&chunk));
    orientation.unwrap_or(Orientation::NoTransforms)
}

/// Returns true if rows become columns.
fn swaps(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(
        orientation,
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH
    )
}

/// Decodes a JPEG or PNG file to RGB, with the orientation treated by `exif`. The first bytes decide the
/// format. Grey is repeated, CMYK is converted and transparency is dropped. A JPEG gives exactly the pixels of
/// libjpeg-turbo, as in Pillow and OpenCV. Other decoders round differently, and this changes a network's
/// logits.
///
/// # Errors
/// The file is missing, corrupt or too large. The error names it.
pub fn decode(path: &Path, exif: Exif) -> Result<Picture> {
    let context = || format!("{}: cannot be decoded", path.display());
    let bytes = std::fs::read(path).with_context(context)?;
    if bytes.starts_with(&JPEG) {
        let image = decoded_jpeg(&bytes).with_context(context)?;
        let orientation = exif.keep(jpeg_orientation(&mut &bytes[..]));
        let picture = Picture::new(image.height, image.width, image.data);
        return Ok(turned(picture, orientation));
    }
    let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format();
    let decoder = reader.with_context(context)?.into_decoder();
    let mut decoder = decoder.with_context(context)?;
    let (width, height) = decoder.dimensions();
    check_size([height, width].map(|side| side as usize)).with_context(context)?;
    // A pixel may have up to eight bytes.
    let bytes = decoder.total_bytes();
    Limits::default().reserve(bytes).with_context(context)?;
    let orientation = exif.keep(decoder.orientation().with_context(context)?);
    let image = DynamicImage::from_decoder(decoder).with_context(context)?;
    Ok(turned(picture(image), orientation))
}

/// The pixels of a JPEG, `[height, width]` of RGB. The decoder panics at some damaged files, which is an error here.
fn decoded_jpeg(bytes: &[u8]) -> Result<libjpeg_turbo_rs::Image> {
    let image = std::panic::catch_unwind(|| decompressed(bytes));
    image.unwrap_or_else(|_| bail!("the file is damaged: the decoder stopped"))
}

/// The pixels of a JPEG whose size is allowed.
fn decompressed(bytes: &[u8]) -> Result<libjpeg_turbo_rs::Image> {
    let mut decoder = Decoder::new(bytes)?;
    let header = decoder.header();
    check_size([header.height, header.width].map(usize::from))?;
    decoder.set_output_format(PixelFormat::Rgb);
    Ok(decoder.decode_image()?)
}

fn picture(image: DynamicImage) -> Picture {
    let pixels = image.into_rgb8();
    let (width, height) = pixels.dimensions();
    Picture::new(height as usize, width as usize, pixels.into_raw())
}

/// `picture` in the orientation that a tag demands.
fn turned(picture: Picture, orientation: Orientation) -> Picture {
    if orientation == Orientation::NoTransforms {
        return picture;
    }
    let (height, width) = (picture.height as u32, picture.width as u32);
    let pixels = RgbImage::from_raw(width, height, picture.pixels);
    let mut image = DynamicImage::from(pixels.expect("three bytes for each pixel"));
    image.apply_orientation(orientation);
    self::picture(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageEncoder;

    #[test]
    fn parity_with_libjpeg_turbo() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/jpeg");
        for kind in ["420", "422", "444", "progressive", "grey", "cmyk"] {
            let read =
                |ending| decode(&golden.join(format!("{kind}.{ending}")), Exif::Applied).unwrap();
            assert!(read("jpg") == read("png"), "{kind}");
        }
    }

    #[test]
    fn half_a_jpeg_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/jpeg/420.jpg");
        let whole = std::fs::read(golden).unwrap();
        let half = folder.path().join("half.jpg");
        std::fs::write(&half, &whole[..whole.len() / 2]).unwrap();
        let message = format!("{:#}", decode(&half, Exif::Applied).unwrap_err());
        assert!(
            message.contains("half.jpg: cannot be decoded: "),
            "{message}"
        );
    }

    /// An EXIF part (TIFF, big-endian) with nothing but the orientation `value`.
    fn exif_part(value: u8) -> Vec<u8> {
        let header = [b"MM\0*".as_slice(), &[0, 0, 0, 8]].concat();
        let entry = [0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0];
        [&header[..], &entry, &[0, 0, 0, 0]].concat()
    }

    /// Writes a picture of 2 rows and 3 columns with the orientation `value`: a PNG, or else a JPEG.
    fn write(path: &Path, pixels: &RgbImage, value: u8, png: bool) {
        let mut bytes = Vec::new();
        let (width, height) = pixels.dimensions();
        let colour = image::ExtendedColorType::Rgb8;
        if png {
            let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
            encoder.set_exif_metadata(exif_part(value)).unwrap();
            encoder.write_image(pixels, width, height, colour).unwrap();
        } else {
            let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100);
            encoder.set_exif_metadata(exif_part(value)).unwrap();
            encoder.encode(pixels, width, height, colour).unwrap();
        }
        std::fs::write(path, bytes).unwrap();
    }

    /// The place in the stored picture (2 rows, 3 columns) of the pixel that is shown at the top left, and the
    /// shown rows and columns, for each value of the tag; from the table of the EXIF standard (2.3, 4.6.4.A).
    const SHOWN: [(u8, (u32, u32), [usize; 2]); 8] = [
        (1, (0, 0), [2, 3]),
        (2, (0, 2), [2, 3]),
        (3, (1, 2), [2, 3]),
        (4, (1, 0), [2, 3]),
        (5, (0, 0), [3, 2]),
        (6, (1, 0), [3, 2]),
        (7, (1, 2), [3, 2]),
        (8, (0, 2), [3, 2]),
    ];

    #[test]
    fn a_picture_is_turned_as_its_tag_demands() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture");
        for (value, (row, column), [height, width]) in SHOWN {
            for png in [true, false] {
                // A bright block of 8 x 8 pixels survives the compression.
                let mut stored = RgbImage::new(24, 16);
                for (x, y) in (0..8).flat_map(|x| (0..8).map(move |y| (x, y))) {
                    stored.put_pixel(8 * column + x, 8 * row + y, image::Rgb([250; 3]));
                }
                write(&path, &stored, value, png);
                let shown = decode(&path, Exif::Applied).unwrap();
                assert_eq!((shown.height, shown.width), (8 * height, 8 * width));
                assert!(shown.pixels[0] > 200, "tag {value}, PNG: {png}");
                let found = header(&path, Exif::Applied).unwrap();
                assert_eq!((found.height, found.width), (8 * height, 8 * width));
                assert_eq!(found.turned, value != 1);
                let stored = decode(&path, Exif::Ignored).unwrap();
                assert_eq!((stored.height, stored.width), (16, 24));
                let found = header(&path, Exif::Ignored).unwrap();
                assert_eq!((found.height, found.width, found.turned), (16, 24, false));
            }
        }
    }

    #[test]
    fn a_tag_that_means_nothing_turns_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture");
        for value in [0, 9, 255] {
            write(&path, &RgbImage::new(3, 2), value, false);
            assert!(!header(&path, Exif::Applied).unwrap().turned);
            assert_eq!(decode(&path, Exif::Applied).unwrap().height, 2);
        }
    }

    #[test]
    fn a_size_that_differs_is_told_with_the_tag() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.jpg");
        write(&path, &RgbImage::new(3, 2), 6, false);
        let found = header(&path, Exif::Applied).unwrap();
        assert!(found.check(&path, 3, 2).is_ok());
        let message = found.check(&path, 2, 3).unwrap_err().to_string();
        assert!(message.contains("data.exif = false"), "{message}");
        assert!(message.contains("its annotations say 3 x 2"), "{message}");
    }

    #[test]
    fn fill_bytes_before_a_marker_are_part_of_the_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.jpg");
        write(&path, &RgbImage::new(3, 2), 1, false);
        let bytes = std::fs::read(&path).unwrap();
        let filled = [&bytes[..2], &[0xff, 0xff], &bytes[2..]].concat();
        std::fs::write(&path, filled).unwrap();
        let found = header(&path, Exif::Applied).unwrap();
        assert_eq!((found.height, found.width), (2, 3));
    }
}
