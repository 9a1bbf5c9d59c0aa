//! The pixels that each bin of a region reads on one axis, and their weights.
//!
//! The grid of samples of a region is a product of two axes, and so are its bilinear weights and the rule for samples
//! outside the map. So the mean of a bin's samples is `$w_y^\top F\, w_x$` with one weight for each pixel row and
//! column.

/// The samples of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoiPool {
    /// Bins along each side of the result, P.
    pub side: usize,
    /// Samples of a bin along each side; 0: as many as a bin has pixels, rounded up.
    pub sampling: usize,
    /// True if a region is shifted by half a pixel, so that it covers the centres of its pixels. Otherwise it is also
    /// at least one pixel wide and high, as in the first implementations.
    pub aligned: bool,
}

/// The pixels that a bin reads on an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first pixel.
    pub first: usize,
    /// The number of pixels.
    pub len: usize,
    /// The place of their weights among all weights.
    pub offset: usize,
}

/// The spans of the bins of many regions, with their weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taps {
    /// For each region its P bins along y, then its P bins along x.
    pub spans: Vec<Span>,
    /// The weights of all spans.
    pub weights: Vec<f32>,
}

impl Taps {
    /// The weights of a span.
    pub fn of(&self, span: Span) -> &[f32] {
        &self.weights[span.offset..][..span.len]
    }

    /// Adds the bins of the side from `low` to `high` (pixels of the input) on an axis of `size` pixels of the map,
    /// each `1 / scale` pixels of the input wide.
    pub fn push(&mut self, (low, high): (f32, f32), scale: f32, size: usize, pool: RoiPool) {
        let shift = if pool.aligned { 0.5 } else { 0.0 };
        let start = low * scale - shift;
        let mut length = (high * scale - shift) - start;
        if !pool.aligned {
            length = length.max(1.0);
        }
        let bin = length / pool.side as f32;
        let samples = match pool.sampling {
            // A length that is no number has no sample either.
            0 => bin.ceil().max(0.0) as usize,
            fixed => fixed,
        };
        for index in 0..pool.side {
            let positions = (0..samples).map(|sample| {
                start + index as f32 * bin + (sample as f32 + 0.5) * bin / samples as f32
            });
            self.push_bin(positions, samples, size);
        }
    }

    /// Adds the bin that is the mean of `samples` bilinear samples at `positions`.
    fn push_bin(
        &mut self,
        positions: impl Iterator<Item = f32> + Clone,
        samples: usize,
        size: usize,
    ) {
        let read = positions.filter_map(|position| pair(position, size));
        let offset = self.weights.len();
        let mut span = Span {
            offset,
            ..Span::default()
        };
        let ends = read.clone().map(|(low, high, _)| (low, high));
        if let Some((first, last)) = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) {
            (span.first, span.len) = (first, last + 1 - first);
            self.weights.resize(offset + span.len, 0.0);
            for (low, high, upper) in read {
                self.weights[offset + low - first] += (1.0 - upper) / samples as f32;
                self.weights[offset + high - first] += upper / samples as f32;
            }
        }
        self.spans.push(span);
    }
}

/// The two pixels around `position` and the weight of the second; none if the position is more than one pixel outside
/// the axis, where a sample is 0.
fn pair(position: f32, size: usize) -> Option<(usize, usize, f32)> {
    if !(-1.0..=size as f32).contains(&position) || size == 0 {
        return None;
    }
    let position = position.max(0.0);
    let low = position as usize;
    if low >= size - 1 {
        return Some((size - 1, size - 1, 0.0));
    }
    Some((low, low + 1, position - low as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_just_outside_reads_the_edge_and_a_far_one_nothing() {
        assert_eq!(pair(-1.0, 4), Some((0, 1, 0.0)));
        assert_eq!(pair(-1.001, 4), None);
        assert_eq!(pair(1.25, 4), Some((1, 2, 0.25)));
        assert_eq!(pair(3.5, 4), Some((3, 3, 0.0)));
        assert_eq!(pair(4.0, 4), Some((3, 3, 0.0)));
        assert_eq!(pair(4.001, 4), None);
        assert_eq!(pair(f32::NAN, 4), None);
    }

    #[test]
    fn the_weights_of_a_bin_inside_sum_to_one() {
        for (sampling, aligned) in [(0, true), (2, true), (0, false), (3, false)] {
            let pool = RoiPool {
                side: 3,
                sampling,
                aligned,
            };
            let mut taps = Taps::default();
            taps.push((9.0, 47.5), 0.25, 20, pool);
            assert_eq!(taps.spans.len(), 3);
            for span in &taps.spans {
                let sum: f32 = taps.of(*span).iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{span:?} {sum}");
            }
        }
    }

    #[test]
    fn a_side_without_length_has_no_adaptive_sample() {
        let pool = RoiPool {
            side: 2,
            sampling: 0,
            aligned: true,
        };
        let mut taps = Taps::default();
        taps.push((5.0, 5.0), 1.0, 10, pool);
        taps.push((5.0, 3.0), 1.0, 10, pool);
        assert!(taps.weights.is_empty() && taps.spans.len() == 4);
        let widened = RoiPool {
            aligned: false,
            ..pool
        };
        taps.push((5.0, 5.0), 1.0, 10, widened);
        assert!(!taps.weights.is_empty(), "not aligned: one pixel");
    }
}
