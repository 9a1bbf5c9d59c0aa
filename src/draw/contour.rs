//! The outlines of a mask as closed polygons, for drawings with lines.
//!
//! A polygon goes through the middles of the pixel edges between the mask and its surroundings, so a slanted edge is a
//! line and no staircase. Places are in half pixels from the upper left corner of the picture: all are whole numbers.
//! Filled by the even-odd rule, the polygons of [`contours`] hold the centres of exactly the pixels of the mask.

use crate::structures::Mask;
use std::fmt::Write as _;

/// A place in half pixels: x, y.
pub type Place = (i32, i32);

/// Right, down, left, up.
const STEPS: [Place; 4] = [(1, 0), (0, 1), (-1, 0), (0, -1)];
/// A place is left out if it is nearer to the line without it, in half pixels. A single pixel keeps its four places.
const TOLERANCE: f64 = 1.0;

/// The edges between a mask and its surroundings, by the corner at which each begins: bit d stands for the direction
/// `STEPS[d]`. The mask lies on the right of an edge.
struct Edges {
    /// The corners of a row.
    columns: usize,
    /// `[height + 1, width + 1]`.
    begin: Vec<u8>,
}

impl Edges {
    fn of(mask: &Mask) -> Self {
        let columns = mask.width + 1;
        let mut begin = vec![0; columns * (mask.height + 1)];
        let is_set = |row: usize, column: usize| mask.bits[row * mask.width + column] == 1;
        for row in 0..mask.height {
            for column in (0..mask.width).filter(|column| is_set(row, *column)) {
                let corner = row * columns + column;
                if row == 0 || !is_set(row - 1, column) {
                    begin[corner] |= 1;
                }
                if column + 1 == mask.width || !is_set(row, column + 1) {
                    begin[corner + 1] |= 1 << 1;
                }
                if row + 1 == mask.height || !is_set(row + 1, column) {
                    begin[corner + columns + 1] |= 1 << 2;
                }
                if column == 0 || !is_set(row, column - 1) {
                    begin[corner + columns] |= 1 << 3;
                }
            }
        }
        Self { columns, begin }
    }

    /// The corner at the end of the edge that begins at `corner` in this direction.
    fn end(&self, corner: usize, direction: usize) -> usize {
        match direction {
            0 => corner + 1,
            1 => corner + self.columns,
            2 => corner - 1,
            _ => corner - self.columns,
        }
    }

    /// The middle of an edge.
    fn middle(&self, corner: usize, direction: usize) -> Place {
        let (x, y) = (corner % self.columns, corner / self.columns);
        let (right, down) = STEPS[direction];
        (2 * x as i32 + right, 2 * y as i32 + down)
    }
}

/// The outlines of the mask, those of holes among them.
pub fn contours(mask: &Mask) -> Vec<Vec<Place>> {
    let edges = Edges::of(mask);
    let mut left = edges.begin.clone();
    let mut found = Vec::new();
    for start in 0..left.len() {
        while left[start] != 0 {
            let (mut corner, mut direction) = (start, left[start].trailing_zeros() as usize);
            let mut places = Vec::new();
            // Each edge has one successor and one predecessor, so the way leads back to its first edge.
            while left[corner] & (1 << direction) != 0 {
                left[corner] &= !(1 << direction);
                places.push(edges.middle(corner, direction));
                corner = edges.end(corner, direction);
                // A turn to the right stays at the same pixel where two touch at a corner.
                let turns = [1, 0, 3].map(|turn| (direction + turn) % 4);
                let next = turns
                    .into_iter()
                    .find(|next| edges.begin[corner] & (1 << next) != 0);
                direction = next.unwrap_or(direction);
            }
            found.push(places);
        }
    }
    found
}

/// The outline with fewer places, as Douglas and Peucker leave them out: none is half a pixel or more from the lines
/// that are left.
pub fn simplified(outline: &[Place]) -> Vec<Place> {
    let Some(first) = outline.first() else {
        return Vec::new();
    };
    let apart = |place: &Place| squared(*first, *place);
    let farthest =
        (0..outline.len()).max_by_key(|at| (apart(&outline[*at]), std::cmp::Reverse(*at)));
    let farthest = farthest.unwrap_or(0);
    let mut closed = outline.to_vec();
    closed.push(*first);
    let mut kept = vec![0];
    keep(&closed, 0, farthest, &mut kept);
    keep(&closed, farthest, outline.len(), &mut kept);
    kept.pop();
    kept.into_iter().map(|at| closed[at]).collect()
}

/// Adds the places behind `from` up to `to` that are kept.
fn keep(places: &[Place], from: usize, to: usize, kept: &mut Vec<usize>) {
    let mut open = vec![(from, to)];
    while let Some((from, to)) = open.pop() {
        let (mut worst, mut at) = (0.0, None);
        for between in from + 1..to {
            let distance = distance(places[between], places[from], places[to]);
            if distance > worst {
                (worst, at) = (distance, Some(between));
            }
        }
        match at.filter(|_| worst >= TOLERANCE) {
            Some(at) => open.extend([(at, to), (from, at)]),
            None if to > from => kept.push(to),
            None => {}
        }
    }
}

fn squared(one: Place, other: Place) -> i64 {
    let (x, y) = (i64::from(one.0 - other.0), i64::from(one.1 - other.1));
    x * x + y * y
}

/// The distance of a place from the line between two others.
fn distance(place: Place, from: Place, to: Place) -> f64 {
    let [px, py, fx, fy, tx, ty] = [place.0, place.1, from.0, from.1, to.0, to.1].map(f64::from);
    let (dx, dy) = (tx - fx, ty - fy);
    let length = dx * dx + dy * dy;
    let along = match length > 0.0 {
        true => (((px - fx) * dx + (py - fy) * dy) / length).clamp(0.0, 1.0),
        false => 0.0,
    };
    let (x, y) = (px - fx - along * dx, py - fy - along * dy);
    (x * x + y * y).sqrt()
}

/// The simplified outlines of the mask as the data of an SVG path, in half pixels.
pub fn path(mask: &Mask) -> String {
    let outlines = contours(mask).into_iter().map(|one| simplified(&one));
    outlines.map(|one| closed(&one)).collect()
}

fn closed(outline: &[Place]) -> String {
    let mut text = String::new();
    let mut last = (0, 0);
    for (at, (x, y)) in outline.iter().enumerate() {
        let command = ["M", "l", " "][at.min(2)];
        // Writing to a String cannot fail.
        let _ = write!(text, "{command}{} {}", x - last.0, y - last.1);
        last = (*x, *y);
    }
    text + "z"
}

#[cfg(test)]
mod tests {
    use super::super::tests::blots;
    use super::*;
    use proptest::prelude::*;

    fn mask(rows: &[&str]) -> Mask {
        let bits = rows
            .iter()
            .flat_map(|row| row.bytes().map(|one| u8::from(one == b'#')));
        Mask::new(rows.len(), rows[0].len(), bits.collect())
    }

    /// The pixels whose centres lie within the polygons by the even-odd rule.
    fn filled(outlines: &[Vec<Place>], height: usize, width: usize) -> Mask {
        let is_in = |at: usize| {
            let (x, y) = (
                f64::from(2 * (at % width) as i32 + 1),
                f64::from(2 * (at / width) as i32 + 1),
            );
            let crossings = outlines.iter().flat_map(|one| {
                (0..one.len()).filter(move |at| {
                    let [(ax, ay), (bx, by)] = [one[*at], one[(at + 1) % one.len()]]
                        .map(|(x, y)| (f64::from(x), f64::from(y)));
                    (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax
                })
            });
            u8::from(crossings.count() % 2 == 1)
        };
        Mask::new(height, width, (0..height * width).map(is_in).collect())
    }

    /// True if all pixels around `at` and it are the same; what is beyond the picture is not set.
    fn is_inner(mask: &Mask, at: usize) -> bool {
        let (row, column) = ((at / mask.width) as i64, (at % mask.width) as i64);
        let value = |row: i64, column: i64| {
            let inside =
                (0..mask.height as i64).contains(&row) && (0..mask.width as i64).contains(&column);
            inside && mask.bits[row as usize * mask.width + column as usize] == 1
        };
        (-1..=1).all(|down| {
            (-1..=1).all(|right| value(row + down, column + right) == value(row, column))
        })
    }

    proptest! {
        #[test]
        fn filling_the_contours_gives_the_mask_back(mask in blots()) {
            let found = contours(&mask);
            prop_assert_eq!(filled(&found, mask.height, mask.width), mask);
        }

        #[test]
        fn filling_the_simplified_contours_changes_only_pixels_at_the_edge(mask in blots()) {
            let found: Vec<Vec<Place>> = contours(&mask).iter().map(|one| simplified(one)).collect();
            let again = filled(&found, mask.height, mask.width);
            for at in 0..mask.bits.len() {
                prop_assert!(again.bits[at] == mask.bits[at] || !is_inner(&mask, at), "pixel {}", at);
            }
            // Every place that was left out is near the lines that are left.
            for (all, kept) in contours(&mask).iter().zip(&found) {
                for place in all {
                    let lines = (0..kept.len()).map(|at| distance(*place, kept[at], kept[(at + 1) % kept.len()]));
                    prop_assert!(lines.fold(f64::INFINITY, f64::min) < TOLERANCE);
                }
            }
        }
    }

    #[test]
    fn one_pixel_stays_visible_and_a_slanted_edge_is_one_line() {
        assert_eq!(path(&mask(&["...", ".#.", "..."])), "M3 2l1 1 -1 1 -1 -1z");
        let steps = mask(&["#.....", "##....", "###...", "####..", "#####.", "######"]);
        let found = simplified(&contours(&steps)[0]);
        assert!(found.len() <= 5, "{found:?}");
        let ring = mask(&["###", "#.#", "###"]);
        assert_eq!(contours(&ring).len(), 2, "the hole has its own outline");
        assert_eq!(path(&mask(&["..", ".."])), "");
    }
}
