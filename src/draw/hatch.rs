//! Lines across a mask, for drawings with lines.

use crate::structures::Mask;
use std::fmt::Write as _;

/// Slanted lines across the mask, as the data of an SVG path in half pixels. Each goes from corner to corner of pixels
/// of the mask, and the next one is `step` pixels apart.
///
/// Panics if `step` is 0.
pub fn hatch(mask: &Mask, step: usize) -> String {
    let mut text = String::new();
    let is_set = |row: usize, column: usize| mask.bits[row * mask.width + column] == 1;
    for sum in (0..mask.height + mask.width).step_by(step) {
        let mut begin = None;
        // The pixels with this sum of row and column, upwards.
        let first = sum.saturating_sub(mask.height.saturating_sub(1));
        let mut columns = (first..mask.width.min(sum + 1)).peekable();
        while let Some(column) = columns.next() {
            let row = sum - column;
            if !is_set(row, column) {
                continue;
            }
            begin.get_or_insert(column);
            let goes_on = columns.peek().is_some_and(|next| is_set(sum - next, *next));
            if let Some(start) = begin.take_if(|_| !goes_on) {
                let (from, length) = ((2 * start, 2 * (sum - start + 1)), 2 * (column - start + 1));
                let _ = write!(text, "M{} {}l{length} -{length}", from.0, from.1);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::blots;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_hatch_stays_in_the_mask_and_crosses_it(mask in blots(), step in 1..4usize) {
            let mut crossed = 0;
            for line in hatch(&mask, step).split('M').skip(1) {
                let numbers: Vec<usize> = line.split(['l', ' ']).map(|one| one.trim_start_matches('-').parse().unwrap()).collect();
                let (x, y) = (numbers[0] / 2, numbers[1] / 2 - 1);
                for at in 0..numbers[2] / 2 {
                    prop_assert_eq!(mask.bits[(y - at) * mask.width + x + at], 1);
                    crossed += 1;
                }
            }
            let on_lines = |at: &usize| mask.bits[*at] == 1 && (at / mask.width + at % mask.width).is_multiple_of(step);
            prop_assert_eq!(crossed, (0..mask.bits.len()).filter(on_lines).count());
        }
    }
}
