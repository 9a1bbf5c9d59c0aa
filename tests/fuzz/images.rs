//! PNG and JPEG files.

use crate::changes::{edited, edits};
use crate::memory::bounded;
use crate::{cases, golden};
use harness::data::image_file::{decode, size};
use proptest::prelude::*;
use proptest::sample::select;
use std::fs;

const NAMES: [&str; 9] = [
    "420.jpg",
    "422.jpg",
    "444.jpg",
    "cmyk.jpg",
    "grey.jpg",
    "progressive.jpg",
    "420.png",
    "cmyk.png",
    "grey.png",
];

/// Reads `bytes` as an image file. Whatever happens, an error names the file.
fn read(bytes: &[u8]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd picture");
    fs::write(&path, bytes).unwrap();
    let errors = bounded(|| [size(&path).err(), decode(&path).err()]);
    for error in errors.into_iter().flatten() {
        let message = format!("{error:#}");
        prop_assert!(message.contains("odd picture"), "{}", message);
    }
    Ok(())
}

/// A PNG that claims a size and holds no pixels. Its checksums are right.
fn empty_png(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for chunk in [&header[..], b"IDAT", b"IEND"] {
        file.extend((chunk.len() as u32 - 4).to_be_bytes());
        file.extend(chunk);
        file.extend(crc32(chunk).to_be_bytes());
    }
    file
}

/// The checksum of a chunk of a PNG.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut sum, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
        sum
    })
}

/// `jpeg` with other sizes in its header.
fn resized_jpeg(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut file = jpeg.to_vec();
    let frame = file
        .windows(2)
        .position(|pair| pair[0] == 0xff && matches!(pair[1], 0xc0 | 0xc2));
    let sizes = frame.expect("a frame header") + 5;
    file[sizes..sizes + 2].copy_from_slice(&height.to_be_bytes());
    file[sizes + 2..sizes + 4].copy_from_slice(&width.to_be_bytes());
    file
}

#[test]
fn absurd_sizes_are_refused_before_memory_is_taken() {
    let sizes = [60_000, u32::MAX >> 1];
    for png in sizes.map(|side| empty_png(side, side)) {
        read(&png).unwrap();
    }
    let jpeg = fs::read(golden("jpeg/420.jpg")).unwrap();
    read(&resized_jpeg(&jpeg, 65_500, 65_500)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.jpg");
    fs::write(&path, resized_jpeg(&jpeg, 60_000, 60_000)).unwrap();
    let message = format!("{:#}", decode(&path).unwrap_err());
    let expected = "60000 x 60000 pixels; allowed: at most 178956970 pixels";
    assert!(message.contains(expected), "{message}");
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn an_edited_picture_is_decoded_or_named(name in select(NAMES.to_vec()), edits in edits()) {
        let whole = fs::read(golden("jpeg").join(name)).unwrap();
        read(&edited(&whole, &edits))?;
    }
}

proptest! {
    // A large picture takes a second.
    #![proptest_config(cases(300))]

    #[test]
    fn any_size_is_decoded_or_named(width in any::<u16>(), height in any::<u16>(), is_png in any::<bool>()) {
        let file = match is_png {
            true => empty_png(width.into(), height.into()),
            false => resized_jpeg(&fs::read(golden("jpeg/progressive.jpg")).unwrap(), width, height),
        };
        read(&file)?;
    }
}
