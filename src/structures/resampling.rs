//! Pixels of one view in the geometry of another: the target's pixel centres are mapped back to the source, whose
//! values are interpolated there (bilinear). Points outside the source's rectangle have the value of a fill.
//!
//! Values are point samples: where the map shrinks, no mean is taken. A mask keeps the pixels that are at least half
//! covered.

use super::{AffineMap, Mask, Picture};
use std::ops::Range;

/// A rectangle of whole pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Rows.
    pub rows: Range<usize>,
    /// Columns.
    pub columns: Range<usize>,
}

/// Moves the content of a rectangle of the source to a rectangle of the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Resampling {
    /// From the source to the target.
    map: AffineMap,
    back: AffineMap,
    source: Area,
    target: Area,
}

/// A point of the source: the pixels around it and their weights.
struct Taps {
    /// The place of each pixel in the source, row by row; none if it lies outside.
    places: [Option<usize>; 4],
    weights: [f64; 4],
}

impl Resampling {
    /// The resampling by `map`, from the source to the target.
    pub fn new(map: AffineMap, source: Area, target: Area) -> Self {
        Self {
            back: map.inverse(),
            map,
            source,
            target,
        }
    }

    /// `picture` with the target's rectangle resampled from it. The rest of it stays.
    pub fn picture(&self, picture: &Picture, fill: [u8; 3]) -> Picture {
        let mut pixels = picture.pixels.clone();
        self.each(picture.width, &self.target, |place, taps| {
            let value = |channel: usize| {
                let one = |place: Option<usize>| match place {
                    Some(place) => f64::from(picture.pixels[place * 3 + channel]),
                    None => f64::from(fill[channel]),
                };
                (taps.sum(one) + 0.5) as u8
            };
            pixels[place * 3..][..3].copy_from_slice(&[value(0), value(1), value(2)]);
        });
        Picture { pixels, ..*picture }
    }

    /// `mask` with the target's rectangle resampled from it. The rest of it stays.
    pub fn mask(&self, mask: &Mask) -> Mask {
        let mut bits = mask.bits.clone();
        for row in self.target.rows.clone() {
            bits[row * mask.width..][self.target.columns.clone()].fill(0);
        }
        self.draw(mask, &mut bits);
        Mask { bits, ..*mask }
    }

    /// `mask` in the target, of the same size, and nothing outside the target's rectangle.
    pub fn moved(&self, mask: &Mask) -> Mask {
        let mut bits = vec![0; mask.bits.len()];
        self.draw(mask, &mut bits);
        Mask { bits, ..*mask }
    }

    /// Sets the pixels of the target that the mask covers at least by half.
    fn draw(&self, mask: &Mask, bits: &mut [u8]) {
        let Some((rows, columns)) = mask.bounds() else {
            return;
        };
        let part = self.reached(&Area { rows, columns });
        self.each(mask.width, &part, |place, taps| {
            let one = |place: Option<usize>| place.map_or(0.0, |place| f64::from(mask.bits[place]));
            bits[place] = u8::from(taps.sum(one) >= 0.5);
        });
    }

    /// The `values` of a view with rows of `width` values, in the target; 0 outside the target's rectangle and where it
    /// shows nothing of the source's.
    pub fn values(&self, values: &[f32], width: usize) -> Vec<f32> {
        let mut moved = vec![0.0; values.len()];
        self.each(width, &self.target, |place, taps| {
            let one = |place: Option<usize>| place.map_or(0.0, |place| f64::from(values[place]));
            moved[place] = taps.sum(one) as f32;
        });
        moved
    }

    /// Calls `write` for every pixel of `part`, which lies in the target's rectangle, with its place and its taps. Both
    /// views have rows of `width` pixels.
    fn each(&self, width: usize, part: &Area, mut write: impl FnMut(usize, Taps)) {
        for row in part.rows.clone() {
            for column in part.columns.clone() {
                let centre = [column as f64 + 0.5, row as f64 + 0.5];
                let taps = self.taps(self.back.apply(centre), width);
                write(row * width + column, taps);
            }
        }
    }

    /// The pixels around a point of a source of `width` columns.
    fn taps(&self, [x, y]: [f64; 2], width: usize) -> Taps {
        let [left, top] = [x - 0.5, y - 0.5].map(f64::floor);
        let [right, below] = [x - 0.5 - left, y - 0.5 - top];
        let inside = |place: f64, range: &Range<usize>| {
            // As numbers, because a point may be far outside.
            (range.start as f64 <= place && place < range.end as f64).then_some(place as usize)
        };
        let rows = [top, top + 1.0].map(|row| inside(row, &self.source.rows));
        let columns = [left, left + 1.0].map(|column| inside(column, &self.source.columns));
        let place = |i: usize| Some(rows[i / 2]? * width + columns[i % 2]?);
        let weight = |i: usize| [1.0 - below, below][i / 2] * [1.0 - right, right][i % 2];
        Taps {
            places: std::array::from_fn(place),
            weights: std::array::from_fn(weight),
        }
    }

    /// The same resampling between grids of another size over the same views: `view` is a mask of a view, `grid` one of
    /// the grid.
    pub fn on_grid(&self, view: &Mask, grid: &Mask) -> Self {
        let down = grid.height as f64 / view.height as f64;
        let across = grid.width as f64 / view.width as f64;
        let cells = |range: &Range<usize>, scale: f64, most: usize| {
            let low = (range.start as f64 * scale).floor() as usize;
            low..((range.end as f64 * scale).ceil() as usize).min(most)
        };
        let area = |area: &Area| Area {
            rows: cells(&area.rows, down, grid.height),
            columns: cells(&area.columns, across, grid.width),
        };
        let map = AffineMap::scale([1.0 / across, 1.0 / down])
            .then(self.map)
            .then(AffineMap::scale([across, down]));
        Self::new(map, area(&self.source), area(&self.target))
    }

    /// The smallest rectangle (x1, y1, x2, y2) around a rectangle of the source in the target, cut to the target's. One
    /// that lies outside has no width or no height.
    pub fn around(&self, sides: [f32; 4]) -> [f32; 4] {
        around(self.map, sides, &self.target)
    }

    /// The smallest rectangle around a rectangle of the target in the source, cut to the source's.
    pub fn around_source(&self, sides: [f32; 4]) -> [f32; 4] {
        around(self.back, sides, &self.source)
    }

    /// The part of the target's rectangle that pixels of `area` of the source can reach.
    fn reached(&self, area: &Area) -> Area {
        let corners = [area.rows.start as f64 - 0.5, area.rows.end as f64 + 0.5]
            .into_iter()
            .flat_map(|y| {
                let xs = [
                    area.columns.start as f64 - 0.5,
                    area.columns.end as f64 + 0.5,
                ];
                xs.map(|x| self.map.apply([x, y]))
            });
        let corners: Vec<[f64; 2]> = corners.collect();
        let span = |axis: usize, whole: &Range<usize>| {
            let values = corners.iter().map(|corner| corner[axis]);
            let low = values.clone().fold(f64::INFINITY, f64::min).floor();
            let high = values.fold(f64::NEG_INFINITY, f64::max).ceil();
            let within = |place: f64| (place.max(0.0) as usize).clamp(whole.start, whole.end);
            within(low)..within(high)
        };
        Area {
            rows: span(1, &self.target.rows),
            columns: span(0, &self.target.columns),
        }
    }
}

/// The smallest rectangle around the rectangle `sides` (x1, y1, x2, y2) after `map`, cut to `area`.
fn around(map: AffineMap, [x1, y1, x2, y2]: [f32; 4], area: &Area) -> [f32; 4] {
    let corners = [[x1, y1], [x2, y1], [x1, y2], [x2, y2]];
    let corners = corners.map(|corner| map.apply(corner.map(f64::from)));
    let span = |axis: usize, whole: &Range<usize>| {
        let values = corners.iter().map(|corner| corner[axis]);
        let cut = |value: f64| value.clamp(whole.start as f64, whole.end as f64) as f32;
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        [cut(low), cut(high)]
    };
    let ([x1, x2], [y1, y2]) = (span(0, &area.columns), span(1, &area.rows));
    [x1, y1, x2, y2]
}

impl Taps {
    /// The weighted sum of the values that `value` gives the four pixels.
    fn sum(&self, value: impl Fn(Option<usize>) -> f64) -> f64 {
        let taps = self.places.iter().zip(self.weights);
        // A pixel without weight may be one that does not exist.
        taps.filter(|(_, weight)| *weight > 0.0)
            .map(|(place, weight)| weight * value(*place))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn area(rows: Range<usize>, columns: Range<usize>) -> Area {
        Area { rows, columns }
    }

    fn mask(height: usize, width: usize, rng: &mut Stream) -> Mask {
        let bits = (0..height * width).map(|_| u8::from(rng.chance(0.4)));
        Mask::new(height, width, bits.collect())
    }

    fn painted(mask: &Mask) -> Picture {
        let pixels = mask.bits.iter().flat_map(|bit| [bit * 255; 3]).collect();
        Picture::new(mask.height, mask.width, pixels)
    }

    /// A map that mirrors, scales and moves whole cells of 4 x 4 pixels.
    fn flipped() -> Resampling {
        let map = AffineMap::scale([-1.0, 1.0]).then(AffineMap::translation([16.0, 4.0]));
        Resampling::new(map, area(0..12, 0..16), area(0..12, 0..16))
    }

    #[test]
    fn rectangles_are_moved_there_and_back_and_cut() {
        let moved = flipped();
        assert_eq!(moved.around([2.0, 1.0, 6.0, 5.0]), [10.0, 5.0, 14.0, 9.0]);
        assert_eq!(
            moved.around_source([10.0, 5.0, 14.0, 9.0]),
            [2.0, 1.0, 6.0, 5.0]
        );
        assert_eq!(
            moved.around([0.0, 6.0, 4.0, 12.0]),
            [12.0, 10.0, 16.0, 12.0],
            "cut below"
        );
        let [_, y1, _, y2] = moved.around_source([0.0, 0.0, 4.0, 4.0]);
        assert_eq!((y1, y2), (0.0, 0.0), "the source has nothing there");
        let turned = Resampling::new(
            AffineMap::rotation(45.0),
            area(0..90, 0..90),
            area(0..90, 0..90),
        );
        let [x1, y1, x2, y2] = turned.around([30.0, 10.0, 40.0, 20.0]);
        let root = std::f32::consts::FRAC_1_SQRT_2;
        for (found, expected) in [
            (x1, 10.0 * root),
            (x2, 30.0 * root),
            (y1, 40.0 * root),
            (y2, 60.0 * root),
        ] {
            assert!((found - expected).abs() < 1e-3, "{found}, not {expected}");
        }
    }

    #[test]
    fn whole_cells_move_on_a_grid_as_their_pixels_in_the_view() {
        let cells: Vec<u8> = (0..12).map(|cell| u8::from(cell % 5 < 2)).collect();
        let grid = Mask::new(3, 4, cells);
        let view = |grid: &Mask| {
            let pixel = |i: usize| grid.bits[i / 16 / 4 * 4 + i % 16 / 4];
            Mask::new(12, 16, (0..12 * 16).map(pixel).collect())
        };
        let moved = flipped();
        let on_grid = moved.on_grid(&view(&grid), &grid).moved(&grid);
        assert_eq!(view(&on_grid), moved.moved(&view(&grid)));
        assert_ne!(on_grid, grid);
    }

    #[test]
    fn the_identity_leaves_every_bit() {
        let mut rng = Stream::new(1, "identity");
        for _ in 0..20 {
            let (height, width) = (1 + rng.below(20), 1 + rng.below(20));
            let mask = mask(height, width, &mut rng);
            let all = area(0..height, 0..width);
            let same = Resampling::new(AffineMap::IDENTITY, all.clone(), all);
            assert_eq!(same.mask(&mask), mask);
            assert_eq!(same.moved(&mask), mask);
            assert_eq!(same.picture(&painted(&mask), [9; 3]), painted(&mask));
            let values: Vec<f32> = (0..height * width).map(|_| rng.uniform_f32()).collect();
            assert_eq!(same.values(&values, width), values);
        }
    }

    #[test]
    fn whole_pixels_move_as_they_are_and_the_fill_follows() {
        let mut rng = Stream::new(2, "whole");
        let mask = mask(7, 9, &mut rng);
        let all = area(0..7, 0..9);
        let right = Resampling::new(AffineMap::translation([2.0, -1.0]), all.clone(), all);
        let moved = right.moved(&mask);
        let picture = right.picture(&painted(&mask), [7, 8, 9]);
        for row in 0..7 {
            for column in 0..9 {
                let from = (row + 1 < 7 && column >= 2).then(|| (row + 1) * 9 + column - 2);
                let place = row * 9 + column;
                assert_eq!(moved.bits[place], from.map_or(0, |from| mask.bits[from]));
                let expected = from.map_or([7, 8, 9], |from| [mask.bits[from] * 255; 3]);
                assert_eq!(picture.pixels[place * 3..][..3], expected);
            }
        }
    }

    /// A quarter turn about the middle of a square moves whole pixels.
    #[test]
    fn a_quarter_turn_turns_rows_into_columns() {
        let mask = mask(6, 6, &mut Stream::new(3, "turn"));
        let all = area(0..6, 0..6);
        let turn = AffineMap::rotation(90.0).about([3.0, 3.0]);
        let turned = Resampling::new(turn, all.clone(), all).moved(&mask);
        for row in 0..6 {
            for column in 0..6 {
                let to = column * 6 + (5 - row);
                assert_eq!(turned.bits[to], mask.bits[row * 6 + column], "clockwise");
            }
        }
    }

    #[test]
    fn half_a_pixel_is_enough_and_less_is_not() {
        let mask = Mask::new(1, 4, vec![0, 1, 0, 0]);
        let all = area(0..1, 0..4);
        let moved = |by: f64| {
            let map = AffineMap::translation([by, 0.0]);
            Resampling::new(map, all.clone(), all.clone())
                .moved(&mask)
                .bits
        };
        assert_eq!(moved(0.5), [0, 1, 1, 0]);
        assert_eq!(moved(0.49), [0, 1, 0, 0]);
        assert_eq!(moved(0.51), [0, 0, 1, 0]);
    }

    #[test]
    fn a_rectangle_takes_and_gives_only_its_own_pixels() {
        let mut rng = Stream::new(4, "rectangle");
        let mask = mask(8, 10, &mut rng);
        let inner = area(2..6, 3..8);
        let map = AffineMap::translation([1.0, 0.0]);
        let within = Resampling::new(map, inner.clone(), inner.clone());
        let (kept, alone) = (within.mask(&mask), within.moved(&mask));
        for row in 0..8 {
            for column in 0..10 {
                let place = row * 10 + column;
                let is_inner = inner.rows.contains(&row) && inner.columns.contains(&column);
                let expected = match (is_inner, column) {
                    (false, _) => mask.bits[place],
                    // What lies left of the rectangle does not come in.
                    (true, 3) => 0,
                    (true, _) => mask.bits[place - 1],
                };
                assert_eq!(kept.bits[place], expected, "row {row}, column {column}");
                let expected = if is_inner { expected } else { 0 };
                assert_eq!(alone.bits[place], expected);
            }
        }
    }

    /// The shortcut over the bounds of a mask misses no pixel.
    #[test]
    fn a_mask_moves_as_its_values_do() {
        for index in 0..200 {
            let mut rng = Stream::at(5, "values", index);
            let (height, width) = (5 + rng.below(20), 5 + rng.below(20));
            let mut mask = mask(height, width, &mut rng);
            let (top, left) = (rng.below(height), rng.below(width));
            for place in 0..mask.bits.len() {
                if place / width < top || place % width < left {
                    mask.bits[place] = 0;
                }
            }
            let part = |length: usize, rng: &mut Stream| {
                let start = rng.below(length);
                start..start + 1 + rng.below(length - start)
            };
            let mut any = || area(part(height, &mut rng), part(width, &mut rng));
            let (source, target) = (any(), any());
            let map = AffineMap::scale([rng.range(0.3, 2.5), rng.range(0.3, 2.5)])
                .then(AffineMap::rotation(rng.range(-180.0, 180.0)).about([9.0, 9.0]))
                .then(AffineMap::shear([rng.range(-40.0, 40.0), 0.0]))
                .then(AffineMap::translation([
                    rng.range(-9.0, 9.0),
                    rng.range(-9.0, 9.0),
                ]));
            let resampling = Resampling::new(map, source, target);
            let values: Vec<f32> = mask.bits.iter().map(|bit| f32::from(*bit)).collect();
            let values = resampling.values(&values, width);
            let covered: Vec<u8> = values.iter().map(|value| u8::from(*value >= 0.5)).collect();
            assert_eq!(resampling.moved(&mask).bits, covered, "{index}");
        }
    }
}
