//! Image files: the images of a folder, their sizes and their pixels.

use crate::structures::Picture;
use anyhow::{Context, Result, ensure};
use image::ImageReader;
use libjpeg_turbo_rs::{PixelFormat, decompress_to};
use std::path::{Path, PathBuf};

/// Endings of the files that are images.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];
/// First bytes of a JPEG file: its marker SOI.
const JPEG: [u8; 2] = [0xff, 0xd8];

/// The images directly inside `folder`, in the order of their names. Hidden files are passed over: macOS keeps
/// `._a.jpg` beside `a.jpg` on disks of other systems, which is no image.
///
/// # Errors
/// The folder cannot be read or has no image.
pub fn images_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || folder.display().to_string();
    let entries = std::fs::read_dir(folder).with_context(context)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()
        .with_context(context)?;
    let all = paths.len();
    paths.retain(|path| !is_hidden(path));
    let hidden = all - paths.len();
    paths.retain(|path| {
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    });
    paths.sort();
    let passed_over = match hidden {
        0 => String::new(),
        hidden => format!("; passed over: {hidden} hidden, with a name that begins with a dot"),
    };
    ensure!(
        !paths.is_empty(),
        "{}: no image; needed: files that end in {}{passed_over}",
        folder.display(),
        ENDINGS.join(", ")
    );
    Ok(paths)
}

/// Returns true if the name of `path` begins with a dot.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

/// Height and width of a JPEG or PNG file. The first bytes decide the format.
///
/// # Errors
/// The file is missing, or is not a JPEG or PNG. The error names it.
pub fn size(path: &Path) -> Result<(usize, usize)> {
    let context = || format!("{}: needed: a JPEG or PNG file", path.display());
    let reader = ImageReader::open(path)
        .with_context(context)?
        .with_guessed_format()
        .with_context(context)?;
    let (width, height) = reader.into_dimensions().with_context(context)?;
    Ok((height as usize, width as usize))
}

/// Decodes a JPEG or PNG file to RGB. The first bytes decide the format. Grey is repeated, CMYK is converted
/// and transparency is dropped. The orientation tag is not applied, because COCO's annotations are drawn on
/// the stored pixels. A JPEG gives exactly the pixels of libjpeg-turbo, as in Pillow and OpenCV. Other
/// decoders round differently, and this changes a network's logits.
///
/// # Errors
/// The file is missing or corrupt. The error names it.
pub fn decode(path: &Path) -> Result<Picture> {
    let context = || format!("{}: cannot be decoded", path.display());
    let bytes = std::fs::read(path).with_context(context)?;
    if bytes.starts_with(&JPEG) {
        let image = decompress_to(&bytes, PixelFormat::Rgb).with_context(context)?;
        return Ok(Picture::new(image.height, image.width, image.data));
    }
    let image = image::load_from_memory(&bytes).with_context(context)?;
    let pixels = image.into_rgb8();
    let (width, height) = pixels.dimensions();
    Ok(Picture::new(
        height as usize,
        width as usize,
        pixels.into_raw(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parity_with_libjpeg_turbo() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/jpeg");
        for kind in ["420", "422", "444", "progressive", "grey", "cmyk"] {
            let read = |ending| decode(&golden.join(format!("{kind}.{ending}"))).unwrap();
            assert!(read("jpg") == read("png"), "{kind}");
        }
    }

    #[test]
    fn hidden_files_are_no_images_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["._a.jpg", ".b.png", ".DS_Store"] {
            std::fs::write(path(name), "no picture").unwrap();
        }
        let refused = images_in(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("no image; needed"), "{refused}");
        assert!(refused.contains("passed over: 3 hidden"), "{refused}");
        std::fs::write(path("a.jpg"), "").unwrap();
        std::fs::write(path("b.PNG"), "").unwrap();
        let found = images_in(folder.path()).unwrap();
        assert_eq!(found, [path("a.jpg"), path("b.PNG")]);
    }

    #[test]
    fn half_a_jpeg_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/jpeg/420.jpg");
        let whole = std::fs::read(golden).unwrap();
        let half = folder.path().join("half.jpg");
        std::fs::write(&half, &whole[..whole.len() / 2]).unwrap();
        let message = format!("{:#}", decode(&half).unwrap_err());
        assert!(
            message.contains("half.jpg: cannot be decoded: "),
            "{message}"
        );
    }
}
