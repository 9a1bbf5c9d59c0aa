//! The colour part of RandAugment (<https://arxiv.org/abs/1909.13719>) as STAC has it: one of nine operations, all
//! equally likely, with a magnitude `$m$` out of 1 to 9.
//!
//! | operation | amount |
//! |---|---|
//! | identity, autocontrast, equalize | none |
//! | solarize | values from `$256 - \lfloor 25.6\,m \rfloor$` on |
//! | posterize | `$4 - \lfloor 0.4\,m \rfloor$` bits stay |
//! | colour, contrast, brightness, sharpness | factor `$0.1 + 0.18\,m$` |
//!
//! Sources: google-research/ssl_detection 00d5227, `utils/augmentation.py`, and its `auto_augment/augmentations.py`.
//! PAIS (hujiecpp/PAIS, `pipelines/rand_aug.py`) has the same operations; it inverts values from `$\lfloor 25.6\,m
//! \rfloor$` on, which is the same distribution but for the rounding.

use super::pillow::Operation;
use crate::rng::Stream;

/// The largest magnitude that is drawn.
const MOST: usize = 9;
/// The number of operations.
const OPERATIONS: usize = 9;

/// Draws an operation with its magnitude; none for the identity.
pub fn draw(rng: &mut Stream) -> Option<Operation> {
    let (operation, magnitude) = (rng.below(OPERATIONS), 1 + rng.below(MOST));
    of(operation, magnitude)
}

/// The operation with the number `operation`.
fn of(operation: usize, magnitude: usize) -> Option<Operation> {
    let factor = (0.1 + 1.8 * magnitude as f64 / 10.0) as f32;
    Some(match operation {
        0 => return None,
        1 => Operation::AutoContrast,
        2 => Operation::Equalize,
        3 => Operation::Solarize(256 - (256 * magnitude / 10) as u16),
        4 => Operation::Posterize(4 - (4 * magnitude / 10) as u32),
        5 => Operation::Colour(factor),
        6 => Operation::Contrast(factor),
        7 => Operation::Brightness(factor),
        _ => Operation::Sharpness(factor),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amounts_are_stac_s() {
        assert_eq!(of(3, 1), Some(Operation::Solarize(231)));
        assert_eq!(of(3, 9), Some(Operation::Solarize(26)));
        let bits = |m| match of(4, m) {
            Some(Operation::Posterize(bits)) => bits,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            (1..=9).map(bits).collect::<Vec<_>>(),
            [4, 4, 3, 3, 2, 2, 2, 1, 1]
        );
        assert_eq!(of(7, 5), Some(Operation::Brightness(1.0)));
        assert_eq!(of(8, 1), Some(Operation::Sharpness(0.28)));
        assert_eq!(of(5, 9), Some(Operation::Colour(1.72)));
    }

    #[test]
    fn every_operation_and_every_magnitude_is_drawn_equally_often() {
        let mut rng = Stream::new(1, "operations");
        let drawn: Vec<Option<Operation>> = (0..9000).map(|_| draw(&mut rng)).collect();
        let share = |is: fn(&Option<Operation>) -> bool| {
            drawn.iter().filter(|operation| is(operation)).count()
        };
        assert!(share(|one| one.is_none()).abs_diff(1000) < 100);
        assert!(share(|one| *one == Some(Operation::Equalize)).abs_diff(1000) < 100);
        assert!(share(|one| matches!(one, Some(Operation::Sharpness(_)))).abs_diff(1000) < 100);
        for magnitude in 1..=9 {
            let brightness = of(7, magnitude);
            let count = drawn.iter().filter(|one| **one == brightness).count();
            assert!(count.abs_diff(111) < 45, "{magnitude}: {count}");
        }
    }
}
