//! A window of a resized image, without the rest of it.
//!
//! The pixels are those that [`fast_image_resize`] gives for the whole image with its bilinear filter, bit by bit: the
//! filter widens when it shrinks (as in Pillow), its weights are rounded to 16 bits, and rows are mixed before columns.
//! With large-scale jitter the whole resized image has up to four times the pixels of its window.

use super::resize::resize;
use std::ops::Range;

/// The largest number of fractional bits of a weight: a sum of 8-bit values fits into 32 bits.
const MOST_PRECISION: u32 = 21;
/// The number of values that are summed up at once.
const BLOCK: usize = 64;

/// The source pixels of some target pixels along one axis.
struct Axis {
    /// The number of source pixels.
    source: usize,
    /// The number of target pixels.
    target: usize,
    /// None if the length stays as it is.
    mixing: Option<Mixing>,
    /// The target pixels of the window.
    window: Range<usize>,
}

/// The weights of source pixels.
struct Mixing {
    /// The number of fractional bits of a weight.
    precision: u32,
    /// The number of source pixels that each target pixel reads; some of their weights may be 0.
    taps: usize,
    /// The first source pixel of each target pixel in the window.
    starts: Vec<usize>,
    /// `[target pixel in the window, taps]`: the weights of the source pixels.
    weights: Vec<i32>,
}

impl Mixing {
    /// The weights of the target pixels `window` out of `target`, made from `source` pixels.
    fn new(source: usize, target: usize, window: &Range<usize>) -> Self {
        let scale = source as f64 / target as f64;
        let all: Vec<(usize, Vec<f64>)> = (0..target)
            .map(|pixel| of_pixel(source, scale, pixel))
            .collect();
        // The largest weight of the whole image decides, as in the whole image.
        let largest = all.iter().flat_map(|(_, weights)| weights);
        let precision = precision(largest.copied().fold(0.0, f64::max));
        let kept = &all[window.clone()];
        let taps = kept.iter().map(|(_, weights)| weights.len()).max();
        let taps = taps.unwrap_or(0);
        let (mut starts, mut weights) = (Vec::new(), Vec::new());
        for (start, given) in kept {
            // A tap beyond the source moves all of them to the left.
            let first = (*start).min(source - taps);
            let from = weights.len() + start - first;
            weights.resize(weights.len() + taps, 0);
            let fixed = given
                .iter()
                .map(|weight| weight * f64::from(1u32 << precision));
            for (out, fixed) in weights[from..].iter_mut().zip(fixed) {
                *out = fixed.round() as i32;
            }
            starts.push(first);
        }
        Self {
            precision,
            taps,
            starts,
            weights,
        }
    }

    /// The first source pixel of the target pixel at `place` of the window, and the weights from there on.
    fn taps(&self, place: usize) -> (usize, &[i32]) {
        let weights = &self.weights[place * self.taps..(place + 1) * self.taps];
        (self.starts[place], weights)
    }
}

/// The first source pixel of the target pixel `pixel`, and the weights from there on, which sum up to 1.
fn of_pixel(source: usize, scale: f64, pixel: usize) -> (usize, Vec<f64>) {
    let stretch = scale.max(1.0);
    let centre = (pixel as f64 + 0.5) * scale;
    let from = (centre - stretch).floor().max(0.0) as usize;
    let end = (centre + stretch).ceil().min(source as f64) as usize;
    let mut start = from;
    let mut weights = Vec::with_capacity(end - from);
    for place in from..end {
        let distance = (place as f64 - (centre - 0.5)) * (1.0 / stretch);
        let weight = (1.0 - distance.abs()).max(0.0);
        if weights.is_empty() && weight == 0.0 {
            start += 1;
        } else {
            weights.push(weight);
        }
    }
    let sum: f64 = weights.iter().sum();
    if sum != 0.0 {
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    while weights.last() == Some(&0.0) {
        weights.pop();
    }
    (start, weights)
}

/// The most fractional bits with which the largest weight fits into 16 bits.
fn precision(largest: f64) -> u32 {
    let fits = |bits: u32| (largest * f64::from(1u32 << bits)).round() < f64::from(1u32 << 15);
    let mut precision = 0;
    while precision < MOST_PRECISION && fits(precision + 1) {
        precision += 1;
    }
    precision
}

impl Axis {
    fn new(source: usize, target: usize, window: Range<usize>) -> Self {
        assert!(window.end <= target, "a window of the target");
        Self {
            source,
            target,
            mixing: (source != target).then(|| Mixing::new(source, target, &window)),
            window,
        }
    }

    /// Returns true if the window holds all target pixels.
    fn is_whole(&self) -> bool {
        self.window == (0..self.target)
    }

    /// The source pixels of the target pixel at `place` of the window.
    fn reach(&self, place: usize) -> Range<usize> {
        match &self.mixing {
            Some(mixing) => {
                let (start, weights) = mixing.taps(place);
                start..start + weights.len()
            }
            None => self.window.start + place..self.window.start + place + 1,
        }
    }

    /// The source pixels of the target pixels at `places` of the window.
    fn reach_of(&self, places: &Range<usize>) -> Range<usize> {
        match places.is_empty() {
            true => 0..0,
            false => self.reach(places.start).start..self.reach(places.end - 1).end,
        }
    }

    /// The places of the window that read one of the source pixels `part`.
    fn touched(&self, part: &Range<usize>) -> Range<usize> {
        let reaches = (0..self.window.len()).map(|place| self.reach(place));
        let before = reaches.clone().take_while(|reach| reach.end <= part.start);
        let start = before.count();
        let until = reaches
            .skip(start)
            .take_while(|reach| reach.start < part.end);
        start..start + until.count()
    }
}

/// A window of a resized image: what all images of one size and geometry have in common.
pub struct Window {
    rows: Axis,
    columns: Axis,
}

impl Window {
    /// The `window` (rows and columns) of images of the size `source` that are resized to the size `target`.
    pub fn new(
        source: (usize, usize),
        target: (usize, usize),
        window: (Range<usize>, Range<usize>),
    ) -> Self {
        Self {
            rows: Axis::new(source.0, target.0, window.0),
            columns: Axis::new(source.1, target.1, window.1),
        }
    }

    /// The numbers of rows and columns of the window.
    #[cfg(test)]
    fn size(&self) -> (usize, usize) {
        (self.rows.window.len(), self.columns.window.len())
    }

    /// Gives every row of the window to `write`, which takes the number of the row and its pixels. `pixels` is
    /// `[height, width, CHANNELS]` of the source.
    pub fn each_row<const CHANNELS: usize>(
        &self,
        pixels: &[u8],
        mut write: impl FnMut(usize, &[u8]),
    ) {
        let (rows, columns) = (0..self.rows.window.len(), 0..self.columns.window.len());
        if self.rows.is_whole() && self.columns.is_whole() {
            // Its kernels for a whole image are faster than the loops below.
            let source = (self.rows.source, self.columns.source);
            let whole = resize(pixels, source, (rows.end, columns.end), CHANNELS);
            let lines = whole.chunks_exact(columns.end * CHANNELS);
            lines.enumerate().for_each(|(row, line)| write(row, line));
            return;
        }
        self.each_row_of::<CHANNELS>(pixels, rows, &columns, write);
    }

    /// The same for an image of one channel that is 0 outside the rows and columns `part`: `write` takes the row, the
    /// first column and the pixels from there on. All other pixels of the window are 0.
    pub fn each_row_of_part(
        &self,
        pixels: &[u8],
        part: (Range<usize>, Range<usize>),
        mut write: impl FnMut(usize, usize, &[u8]),
    ) {
        let columns = self.columns.touched(&part.1);
        self.each_row_of::<1>(pixels, self.rows.touched(&part.0), &columns, |row, line| {
            write(row, columns.start, line);
        });
    }

    fn each_row_of<const CHANNELS: usize>(
        &self,
        pixels: &[u8],
        rows: Range<usize>,
        columns: &Range<usize>,
        mut write: impl FnMut(usize, &[u8]),
    ) {
        let stride = self.columns.source * CHANNELS;
        let reach = self.columns.reach_of(columns);
        let part = reach.start * CHANNELS..reach.end * CHANNELS;
        let mut mixed = vec![0; part.len()];
        let mut line = vec![0; columns.len() * CHANNELS];
        for row in rows {
            match &self.rows.mixing {
                Some(mixing) => mix_rows(mixing, row, pixels, stride, part.start, &mut mixed),
                None => {
                    let start = (self.rows.window.start + row) * stride + part.start;
                    mixed.copy_from_slice(&pixels[start..start + part.len()]);
                }
            }
            let Some(mixing) = &self.columns.mixing else {
                write(row, &mixed);
                continue;
            };
            let (from, _) = mixed.as_chunks::<CHANNELS>();
            let (out, _) = line.as_chunks_mut::<CHANNELS>();
            match mixing.taps {
                // Every enlarged image has two: a loop of known length is several times as fast.
                2 => mix_pairs(mixing, columns, reach.start, from, out),
                _ => mix_columns(mixing, columns, reach.start, from, out),
            }
            write(row, &line);
        }
    }
}

/// The weighted sums of rows, rounded: `out` is a part of the row `place` of the window, from the value `offset` of the
/// rows on, which have `stride` values.
fn mix_rows(
    mixing: &Mixing,
    place: usize,
    pixels: &[u8],
    stride: usize,
    offset: usize,
    out: &mut [u8],
) {
    let (first, weights) = mixing.taps(place);
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    let mut start = first * stride + offset;
    for block in blocks {
        let mut sums = [1 << (mixing.precision - 1); BLOCK];
        for (row, weight) in weights.iter().enumerate() {
            let from: &[u8; BLOCK] = pixels[start + row * stride..]
                .first_chunk()
                .expect("a whole block");
            for (sum, value) in sums.iter_mut().zip(from) {
                *sum += weight * i32::from(*value);
            }
        }
        *block = sums.map(|sum| rounded(sum, mixing.precision));
        start += BLOCK;
    }
    for (i, out) in rest.iter_mut().enumerate() {
        let rows = weights.iter().enumerate();
        let sum: i32 = rows
            .map(|(row, weight)| weight * i32::from(pixels[start + i + row * stride]))
            .sum();
        *out = rounded(sum + (1 << (mixing.precision - 1)), mixing.precision);
    }
}

/// The weighted sums of pixels of a row, rounded: the target pixels `places` of the window. `from` begins at the source
/// pixel `offset`.
fn mix_columns<const CHANNELS: usize>(
    mixing: &Mixing,
    places: &Range<usize>,
    offset: usize,
    from: &[[u8; CHANNELS]],
    out: &mut [[u8; CHANNELS]],
) {
    for (pixel, place) in out.iter_mut().zip(places.clone()) {
        let (first, weights) = mixing.taps(place);
        let mut sums = [1 << (mixing.precision - 1); CHANNELS];
        for (values, weight) in from[first - offset..].iter().zip(weights) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += weight * i32::from(*value);
            }
        }
        *pixel = sums.map(|sum| rounded(sum, mixing.precision));
    }
}

/// The same as [`mix_columns`] for two taps.
fn mix_pairs<const CHANNELS: usize>(
    mixing: &Mixing,
    places: &Range<usize>,
    offset: usize,
    from: &[[u8; CHANNELS]],
    out: &mut [[u8; CHANNELS]],
) {
    let half = 1 << (mixing.precision - 1);
    let starts = &mixing.starts[places.clone()];
    let weights = &mixing.weights.as_chunks::<2>().0[places.clone()];
    for ((pixel, start), [one, other]) in out.iter_mut().zip(starts).zip(weights) {
        let [left, right] = from[start - offset..].first_chunk().expect("two pixels");
        for ((value, left), right) in pixel.iter_mut().zip(left).zip(right) {
            let sum = one * i32::from(*left) + other * i32::from(*right);
            *value = rounded(sum + half, mixing.precision);
        }
    }
}

/// A sum that has half a unit too much, cut to 8 bits.
fn rounded(sum: i32, precision: u32) -> u8 {
    (sum >> precision).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// The size of the source, that of the target, and the rows and columns of the window.
    type Drawn = ((usize, usize), (usize, usize), [Range<usize>; 2]);

    fn draw(rng: &mut Stream) -> Drawn {
        let mut sides = || (1 + rng.below(90), 1 + rng.below(90));
        let ((height, width), (rows, columns)) = (sides(), sides());
        // One side in four keeps its length.
        let rows = if rng.chance(0.25) { height } else { rows };
        let columns = if rng.chance(0.25) { width } else { columns };
        let mut part = |length: usize| {
            let start = rng.below(length);
            start..start + 1 + rng.below(length - start)
        };
        let window = [part(rows), part(columns)];
        ((height, width), (rows, columns), window)
    }

    #[test]
    fn a_window_has_the_pixels_of_the_whole_resized_image() {
        for index in 0..600 {
            let mut rng = Stream::at(1, "window", index);
            let (source, target, [rows, columns]) = draw(&mut rng);
            let values = (0..source.0 * source.1 * 3).map(|_| rng.bits() as u8);
            let pixels: Vec<u8> = values.collect();
            let whole = resize(&pixels, source, target, 3);
            let window = Window::new(source, target, (rows.clone(), columns.clone()));
            assert_eq!(window.size(), (rows.len(), columns.len()));
            let mut seen = 0;
            window.each_row::<3>(&pixels, |row, line| {
                let start = ((rows.start + row) * target.1 + columns.start) * 3;
                let expected = &whole[start..start + columns.len() * 3];
                assert_eq!(
                    line, expected,
                    "{index}: {source:?} to {target:?}, row {row}"
                );
                seen += 1;
            });
            assert_eq!(seen, rows.len());
        }
    }

    /// Large sizes have other precisions than small ones, and blocks in the middle of a row.
    #[test]
    fn large_windows_have_the_pixels_of_the_whole_resized_image() {
        for (source, target) in [
            ((480, 640), (1437, 1916)),
            ((480, 640), (77, 102)),
            ((427, 640), (683, 1024)),
            ((900, 33), (2, 64)),
        ] {
            let mut rng = Stream::new(source.0 as u64, "large");
            let values = (0..source.0 * source.1).map(|_| rng.bits() as u8);
            let pixels: Vec<u8> = values.collect();
            let whole = resize(&pixels, source, target, 1);
            // All but the first row, so that the window is not the whole image.
            let window = Window::new(source, target, (1..target.0, 0..target.1));
            window.each_row::<1>(&pixels, |row, line| {
                let expected = &whole[(row + 1) * target.1..(row + 2) * target.1];
                assert_eq!(line, expected, "row {row}");
            });
        }
    }

    #[test]
    fn a_part_of_an_empty_image_reaches_all_that_is_not_zero() {
        for index in 0..400 {
            let mut rng = Stream::at(2, "part", index);
            let (source, target, [rows, columns]) = draw(&mut rng);
            let (top, left) = (rng.below(source.0), rng.below(source.1));
            let part = (
                top..top + 1 + rng.below(source.0 - top),
                left..left + 1 + rng.below(source.1 - left),
            );
            let mut pixels = vec![0; source.0 * source.1];
            for row in part.0.clone() {
                let line = &mut pixels[row * source.1..][part.1.clone()];
                line.iter_mut()
                    .for_each(|value| *value = 1 + rng.bits() as u8 / 2);
            }
            let whole = resize(&pixels, source, target, 1);
            let mut found = vec![0; whole.len()];
            let window = Window::new(source, target, (rows.clone(), columns.clone()));
            window.each_row_of_part(&pixels, part, |row, column, line| {
                let start = (rows.start + row) * target.1 + columns.start + column;
                found[start..start + line.len()].copy_from_slice(line);
            });
            for row in rows {
                let line = row * target.1 + columns.start..row * target.1 + columns.end;
                assert_eq!(found[line.clone()], whole[line], "{index}, row {row}");
            }
        }
    }
}
