//! Run-length masks in COCO's encoding: alternating runs of 0 and 1, down the columns.
//!
//! A [`Mask`] is row-major and COCO's runs are column-major, so both directions transpose.

use super::Mask;
use hotcoco::Rle;

/// The runs of a mask.
pub fn encode(mask: &Mask) -> Rle {
    let columns = transpose(&mask.bits, mask.height, mask.width);
    let (height, width) = (mask.height as u32, mask.width as u32);
    hotcoco::mask::encode(&columns, height, width).expect("a mask has height * width bits")
}

/// The mask of the runs. Pixels after the last run are 0.
pub fn decode(runs: &Rle) -> Mask {
    let (height, width) = (runs.h as usize, runs.w as usize);
    let mut bits = vec![0; height * width];
    let mut end = 0;
    for (index, count) in runs.counts.iter().enumerate() {
        let start = end;
        end = (start + *count as usize).min(bits.len());
        if index % 2 == 0 {
            continue;
        }
        // Only the pixels of the object are touched: most masks cover a small part of their image.
        let (mut row, mut column) = (start % height.max(1), start / height.max(1));
        for _ in start..end {
            bits[row * width + column] = 1;
            row += 1;
            if row == height {
                (row, column) = (0, column + 1);
            }
        }
    }
    Mask::new(height, width, bits)
}

/// `[rows, columns]` to `[columns, rows]`.
fn transpose(bits: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    let mut out = vec![0; bits.len()];
    for (row, line) in bits.chunks_exact(columns.max(1)).enumerate() {
        for (column, bit) in line.iter().enumerate() {
            out[column * rows + row] = *bit;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_go_down_the_columns() {
        // The upper row of a 2 x 3 mask: each column is one 1, then one 0.
        let mask = Mask::new(2, 3, vec![1, 1, 1, 0, 0, 0]);
        assert_eq!(encode(&mask).counts, [0, 1, 1, 1, 1, 1, 1]);
        // Its left column: one run of two.
        let mask = Mask::new(2, 3, vec![1, 0, 0, 1, 0, 0]);
        assert_eq!(encode(&mask).counts, [0, 2, 4]);
    }

    proptest! {
        #[test]
        fn a_mask_survives_the_round_trip(height in 1usize..12, width in 1usize..12, seed in any::<u64>()) {
            let mut rng = crate::rng::Stream::new(seed, "mask");
            let density = rng.uniform();
            let bits = (0..height * width).map(|_| u8::from(rng.chance(density))).collect();
            let mask = Mask::new(height, width, bits);
            let runs = encode(&mask);
            prop_assert_eq!(hotcoco::mask::area(&runs), mask.area() as u64);
            prop_assert_eq!(decode(&runs), mask.clone());
            let text = hotcoco::mask::rle_to_string(&runs);
            let read = hotcoco::mask::rle_from_string(&text, height as u32, width as u32).unwrap();
            prop_assert_eq!(decode(&read), mask);
        }

        #[test]
        fn the_transposed_mask_has_row_major_runs(height in 1usize..12, width in 1usize..12, seed in any::<u64>()) {
            let mut rng = crate::rng::Stream::new(seed, "mask");
            let bits: Vec<u8> = (0..height * width).map(|_| u8::from(rng.chance(0.5))).collect();
            let columns = Mask::new(width, height, transpose(&bits, height, width));
            let runs = encode(&columns);
            prop_assert_eq!(hotcoco::mask::decode(&runs), bits);
        }
    }
}
