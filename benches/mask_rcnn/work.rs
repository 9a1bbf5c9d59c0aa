//! The pictures and objects of the bench, by formulas that `benches/peer/mask_rcnn.py` repeats.

use crate::CLASSES;
use harness::detector::Targets;
use harness::structures::{Mask, Picture};

/// The objects of a picture.
const OBJECTS: usize = 8;
/// The side of a block of one colour in pixels.
const BLOCK: usize = 8;

/// A random-looking number that depends on `index` alone: the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mixed(index: u64) -> u64 {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    let z = index.wrapping_mul(STEP).wrapping_add(STEP);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Blocks of random colours.
pub fn picture(number: usize, (height, width): (usize, usize)) -> Picture {
    let byte = |i: usize| {
        let (y, x, colour) = (i / 3 / width / BLOCK, i / 3 % width / BLOCK, i % 3);
        (mixed((((number * 1000 + y) * 1000 + x) * 3 + colour) as u64) >> 56) as u8
    };
    Picture::new(height, width, (0..height * width * 3).map(byte).collect())
}

/// Squares with a quarter of the side.
pub fn targets(number: usize, (height, width): (usize, usize)) -> Targets<'static> {
    let side = height / 4;
    let mask = |object: usize| {
        let index = number * OBJECTS + object;
        let top = 37 * (index + 1) % (height - side);
        let left = 91 * (index + 1) % (width - side);
        let inside = |at: usize, first: usize| (first..first + side).contains(&at);
        let bits = (0..height * width)
            .map(|i| u8::from(inside(i / width, top) && inside(i % width, left)));
        Mask::new(height, width, bits.collect()).into()
    };
    Targets {
        classes: (0..OBJECTS).map(|object| 10 * object % CLASSES).collect(),
        masks: (0..OBJECTS).map(mask).collect(),
        ..Targets::default()
    }
}
