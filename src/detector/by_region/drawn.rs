//! Pictures with objects, as `tests/golden/mask_rcnn.py` and `centermask.py` make them.

use crate::detector::{EmptyImage, MaskLoss, Part, Targets};
use crate::structures::{Mask, Picture};

/// Rows and columns of each picture.
pub const SIZES: [(usize, usize); 2] = [(96, 128), (96, 160)];
/// Class, centre x, y and radius x, y of the ellipses of each picture.
const OBJECTS: [&[(usize, [f64; 4])]; 2] = [
    &[
        (0, [40.0, 40.0, 25.0, 18.0]),
        (2, [90.0, 60.0, 12.0, 30.0]),
        (1, [20.0, 80.0, 9.0, 8.0]),
    ],
    &[
        (1, [60.0, 50.0, 40.0, 30.0]),
        (2, [130.0, 30.0, 15.0, 15.0]),
    ],
];

fn splitmix(index: u64) -> u64 {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    let z = index.wrapping_mul(STEP).wrapping_add(STEP);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Picture `number`: noise in blocks of 8 pixels.
pub fn picture(number: usize) -> Picture {
    let (height, width) = SIZES[number];
    let byte = |i: usize| {
        let (y, x, colour) = (i / 3 / width / 8, i / 3 % width / 8, i % 3);
        let index = ((number * 100 + y) * 100 + x) * 3 + colour;
        (splitmix(index as u64) >> 56) as u8
    };
    Picture::new(height, width, (0..height * width * 3).map(byte).collect())
}

/// The objects of picture `number`, padded to `width` columns.
pub fn targets(number: usize, width: usize) -> Targets<'static> {
    let (height, own) = SIZES[number];
    let mask = |[cx, cy, rx, ry]: [f64; 4]| {
        let inside = |i: usize| {
            let (x, y) = ((i % width) as f64 + 0.5, (i / width) as f64 + 0.5);
            let distance = ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2);
            u8::from(i % width < own && distance <= 1.0)
        };
        Mask::new(height, width, (0..height * width).map(inside).collect()).into()
    };
    Targets {
        classes: OBJECTS[number].iter().map(|(class, _)| *class).collect(),
        masks: OBJECTS[number]
            .iter()
            .map(|(_, shape)| mask(*shape))
            .collect(),
        ..Targets::default()
    }
}

/// A labelled part of all images.
pub fn part<'a>(targets: &'a [Targets<'a>], empty_image: EmptyImage) -> Part<'a> {
    Part {
        images: 0..targets.len(),
        targets,
        origin: Default::default(),
        mask_loss: MaskLoss::default(),
        empty_image,
        background: Default::default(),
    }
}
