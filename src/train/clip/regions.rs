//! The objects that `clip-tiny` learns from in one step, mirrored and with moved borders.
//!
//! Masks grow, shrink or lose their corners by a pixel at random because the teacher's masks, which the model
//! meets later, do not end where the drawn objects end.

use crate::data::Sample;
use crate::graph::clip::TrainingRegion;
use crate::rng::Stream;
use crate::structures::{Mask, Picture};

/// Probability of mirroring the pictures of a step, and of moving the border of a mask.
const CHANCE: f64 = 0.5;
/// Pixels of a 3 x 3 neighbourhood that must be set: dilation, majority, erosion.
const NEIGHBOURS: [u8; 3] = [1, 5, 9];

/// `count` pictures with their objects, drawn with replacement; all mirrored or none. Every drawn picture has
/// an object.
pub fn draw_batch(
    samples: &[Sample],
    count: usize,
    rng: &mut Stream,
) -> (Vec<Picture>, Vec<TrainingRegion>) {
    let mirrored = rng.chance(CHANCE);
    let (mut pictures, mut regions) = (Vec::with_capacity(count), Vec::new());
    for image in 0..count {
        let sample = &samples[rng.below(samples.len())];
        for object in &sample.instances {
            let mask = if mirrored {
                object.mask.flipped()
            } else {
                object.mask.clone()
            };
            let mask = if rng.chance(CHANCE) {
                moved_border(mask, NEIGHBOURS[rng.below(NEIGHBOURS.len())])
            } else {
                mask
            };
            regions.push(TrainingRegion {
                image,
                class: object.class,
                mask,
            });
        }
        pictures.push(if mirrored {
            sample.picture.flipped()
        } else {
            sample.picture.clone()
        });
    }
    (pictures, regions)
}

/// The pixels with at least `least` set pixels in their 3 x 3 neighbourhood (outside counts as unset); the
/// mask itself where nothing would be left.
fn moved_border(mask: Mask, least: u8) -> Mask {
    let (height, width) = (mask.height, mask.width);
    let mut bits = vec![0; height * width];
    for y in 0..height {
        for x in 0..width {
            let rows = y.saturating_sub(1)..(y + 2).min(height);
            let set: u8 = rows
                .flat_map(|row| {
                    &mask.bits[row * width + x.saturating_sub(1)..row * width + (x + 2).min(width)]
                })
                .sum();
            bits[y * width + x] = u8::from(set >= least);
        }
    }
    if bits.contains(&1) {
        Mask::new(height, width, bits)
    } else {
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_move_by_a_pixel_and_nothing_vanishes() {
        let mut bits = vec![0; 49];
        for y in 2..5 {
            bits[y * 7 + 2..y * 7 + 5].fill(1);
        }
        let square = Mask::new(7, 7, bits);
        let areas = NEIGHBOURS.map(|least| moved_border(square.clone(), least).area());
        assert_eq!(areas, [25, 5, 1]);
        let mut dot = vec![0; 9];
        dot[4] = 1;
        let dot = Mask::new(3, 3, dot);
        assert_eq!(moved_border(dot.clone(), 9), dot);
    }
}
