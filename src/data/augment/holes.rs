//! `[augment.holes]`: rectangles of one colour in the strong view (CutOut, <https://arxiv.org/abs/1708.04552>), after
//! all else. The objects under them stay.
//!
//! Each hole is a square whose side is a part of the view's shorter side, or it has one of a list of sizes. Its middle
//! (of a square) or its upper left corner (of a size) is uniform in the part of the view that is not padding; what
//! reaches over the border is cut off.
//!
//! Sources: STAC (google-research/ssl_detection 00d5227) and PAIS have 1 to 5 squares of up to 0.2 in grey; Noisy
//! Boundaries (zhenyuw16/noisyboundaries 0c83823) has 1 to 5 of six sizes, among them none, in the mean colour.

use super::content::Content;
use crate::registry::Check;
use crate::rng::Stream;
use crate::structures::{LARGEST_SIDE, Picture};
use schemars::JsonSchema;
use serde::Deserialize;

/// Rectangles of one colour.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Holes {
    /// The least and the largest number of holes, equally likely with all between; 0 and 0 make none.
    pub count: [usize; 2],
    /// The bounds of the side of a square, as a part of the shorter side of the view.
    pub side: [f64; 2],
    /// Widths and heights in pixels, of which each hole has one, in place of squares; empty: squares.
    pub sizes: Vec<[usize; 2]>,
    /// Red, green and blue.
    pub fill: [u8; 3],
}

/// The largest number of holes.
const MOST_HOLES: usize = 1000;

impl Holes {
    /// Makes the holes of a view with this content. Draws nothing if there are none.
    pub fn make(&self, picture: &mut Picture, content: Content, rng: &mut Stream) {
        let [least, most] = self.count;
        if most == 0 {
            return;
        }
        let Content { rows, columns } = content;
        for _ in 0..least + rng.below(most - least + 1) {
            let (place, [width, height]) = self.draw(content, rng);
            // The first pixel, and the one after the last, of a stretch that begins at `from`.
            let span = |from: f64, length: f64, all: usize| {
                let bound = |place: f64| (libm::round(place).max(0.0) as usize).min(all);
                bound(from)..bound(from + length)
            };
            let across = span(place[0], width, columns);
            for row in span(place[1], height, rows) {
                let line = &mut picture.pixels[row * picture.width * 3..][..picture.width * 3];
                let (pixels, _) = line.as_chunks_mut::<3>();
                pixels[across.clone()].fill(self.fill);
            }
        }
    }

    /// Draws the upper left corner and the width and height of a hole.
    fn draw(&self, Content { rows, columns }: Content, rng: &mut Stream) -> ([f64; 2], [f64; 2]) {
        if self.sizes.is_empty() {
            let side = rng.range(self.side[0], self.side[1]) * rows.min(columns) as f64;
            let middle = [columns, rows].map(|length| rng.range(0.0, length as f64));
            return (middle.map(|place| place - side / 2.0), [side; 2]);
        }
        let size = self.sizes[rng.below(self.sizes.len())];
        let corner = [columns, rows].map(|length| rng.below(length) as f64);
        (corner, size.map(|length| length as f64))
    }

    /// Checks the keys.
    pub fn check(&self, check: &mut Check) {
        check.interval("count", self.count, 0..=MOST_HOLES);
        check.interval("side", self.side, 0.0..=1.0);
        for side in self.sizes.iter().flatten() {
            check.range("sizes", *side, 0..=LARGEST_SIDE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: Content = Content {
        rows: 50,
        columns: 80,
    };

    fn grey() -> Picture {
        Picture::new(60, 90, vec![128; 60 * 90 * 3])
    }

    /// The rows and columns that have the fill, if they are a full rectangle.
    fn hole(picture: &Picture) -> Option<(usize, usize)> {
        let filled = |i: usize| picture.pixels[i * 3..][..3] == [1, 2, 3];
        let places: Vec<usize> = (0..60 * 90).filter(|i| filled(*i)).collect();
        let rows = places.last()? / 90 - places[0] / 90 + 1;
        let columns = places.iter().map(|i| i % 90);
        let columns = columns.clone().max()? - columns.min()? + 1;
        assert_eq!(rows * columns, places.len(), "one full rectangle");
        assert!(
            places.iter().all(|i| i / 90 < 50 && i % 90 < 80),
            "no padding"
        );
        Some((rows, columns))
    }

    fn holes(count: [usize; 2], side: [f64; 2], sizes: &[[usize; 2]]) -> Holes {
        Holes {
            count,
            side,
            sizes: sizes.to_vec(),
            fill: [1, 2, 3],
        }
    }

    #[test]
    fn a_square_has_a_part_of_the_shorter_side_and_may_reach_over_the_border() {
        let mut whole = 0;
        for index in 0..400 {
            let mut picture = grey();
            let mut rng = Stream::at(1, "square", index);
            holes([1, 1], [0.2, 0.2], &[]).make(&mut picture, CONTENT, &mut rng);
            let (rows, columns) = hole(&picture).unwrap();
            assert!(rows <= 11 && columns <= 11, "0.2 of 50: {rows} x {columns}");
            whole += usize::from(rows >= 10 && columns >= 10);
        }
        // 4 in 5 of the rows, 7 in 8 of the columns.
        assert!(whole.abs_diff(280) < 45, "{whole}");
    }

    #[test]
    fn a_size_is_width_and_height_and_each_is_equally_likely() {
        let sizes = [[0, 0], [30, 4], [6, 20]];
        let mut seen = [0usize; 3];
        for index in 0..600 {
            let mut picture = grey();
            let mut rng = Stream::at(1, "size", index);
            holes([1, 1], [0.0, 0.0], &sizes).make(&mut picture, CONTENT, &mut rng);
            match hole(&picture) {
                None => seen[0] += 1,
                Some((4, columns)) if columns <= 30 => seen[1] += 1,
                Some((rows, columns)) if rows <= 20 && columns <= 6 => seen[2] += 1,
                // A hole that the lower border cuts.
                Some((rows, columns)) => assert!(rows < 4 && columns <= 30),
            }
        }
        assert!(
            seen.iter().all(|count| count.abs_diff(200) < 50),
            "{seen:?}"
        );
    }

    #[test]
    fn the_number_is_uniform_between_its_bounds_and_none_draws_nothing() {
        // Holes of one pixel, on a picture so large that two rarely meet.
        let mut counts = [0; 6];
        for index in 0..1000 {
            let mut picture = grey();
            let mut rng = Stream::at(2, "count", index);
            holes([1, 5], [0.0, 0.0], &[[1, 1]]).make(&mut picture, CONTENT, &mut rng);
            let filled = picture.pixels.chunks_exact(3).filter(|p| *p == [1, 2, 3]);
            counts[filled.count()] += 1;
        }
        assert_eq!(counts[0], 0);
        assert!(
            counts[1..]
                .iter()
                .all(|count: &usize| count.abs_diff(200) < 50),
            "{counts:?}"
        );
        let (mut used, mut fresh) = (Stream::new(1, "off"), Stream::new(1, "off"));
        let mut picture = grey();
        holes([0, 0], [0.0, 0.2], &[]).make(&mut picture, CONTENT, &mut used);
        assert_eq!((picture, used.bits()), (grey(), fresh.bits()));
    }
}
