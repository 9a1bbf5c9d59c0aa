//! Masks for tests.

use crate::structures::Mask;
use proptest::prelude::*;

/// Blots: circles that are set or cleared one after another, and perhaps single pixels.
pub fn blots() -> impl Strategy<Value = Mask> {
    let blot = (0..30i32, 0..30i32, 0..9i32, any::<bool>());
    let blots = proptest::collection::vec(blot, 0..9);
    (1..30usize, 1..30usize, blots, any::<u64>()).prop_map(|(height, width, blots, noise)| {
        let mut rng = crate::rng::Stream::new(noise, "mask");
        let of = |at: usize, set: u8| {
            let (y, x) = ((at / width) as i32, (at % width) as i32);
            blots.iter().fold(set, |set, (cy, cx, radius, sets)| {
                match (y - cy).pow(2) + (x - cx).pow(2) <= radius.pow(2) {
                    true => u8::from(*sets),
                    false => set,
                }
            })
        };
        let bits = (0..height * width).map(|at| of(at, u8::from(rng.chance(0.03))));
        Mask::new(height, width, bits.collect())
    })
}
