//! Gaussian blur of a stream of rows: only as many rows are held as the blur reaches.

use super::change::Row;

/// The kernel ends this many standard deviations from its centre.
const REACH: f64 = 3.0;
/// The number of values that are summed up at once.
const BLOCK: usize = 64;

/// The weights of a Gaussian, which sum up to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel(Vec<f32>);

impl Kernel {
    /// The kernel with the standard deviation `sigma` in pixels.
    pub fn new(sigma: f64) -> Self {
        Self::within(sigma, libm::ceil(REACH * sigma).max(1.0) as usize)
    }

    /// The same, cut off `reach` pixels from its centre.
    pub fn within(sigma: f64, reach: usize) -> Self {
        let weights: Vec<f64> = (0..=2 * reach)
            .map(|k| libm::exp(-0.5 * libm::pow((k as f64 - reach as f64) / sigma, 2.0)))
            .collect();
        let total: f64 = weights.iter().sum();
        let weights = weights.iter().map(|weight| (weight / total) as f32);
        Self(weights.collect())
    }

    /// The number of pixels on either side of the centre.
    pub fn reach(&self) -> usize {
        self.0.len() / 2
    }

    /// Blurs `height` rows of `width` pixels along both axes. `read` fills the row with the number that it is given, in
    /// ascending order; `write` takes each blurred row. The border repeats its last pixel.
    pub fn blur(
        &self,
        height: usize,
        width: usize,
        mut read: impl FnMut(usize, &mut Row),
        mut write: impl FnMut(usize, &Row),
    ) {
        let row = || -> Row { [0, 1, 2].map(|_| vec![0.0; width]) };
        let (reach, mut line, mut blurred) = (self.reach(), row(), row());
        // Rows that are blurred along their own axis; row `i` is at `i` modulo their number.
        let kept = (2 * reach + 1).min(height);
        let mut ready: Vec<Row> = (0..kept).map(|_| row()).collect();
        let mut taken = 0;
        for place in 0..height {
            while taken < (place + reach + 1).min(height) {
                read(taken, &mut line);
                self.along(&line, &mut ready[taken % kept]);
                taken += 1;
            }
            for (channel, out) in blurred.iter_mut().enumerate() {
                let part = |k: usize| {
                    let inside = (place + k).saturating_sub(reach).min(height - 1);
                    &ready[inside % kept][channel][..]
                };
                mix(&self.0, part, out);
            }
            write(place, &blurred);
        }
    }

    /// Blurs `row` along its own axis.
    fn along(&self, row: &Row, out: &mut Row) {
        let mut wide = Vec::new();
        for (line, out) in row.iter().zip(out) {
            let (Some(first), Some(last)) = (line.first(), line.last()) else {
                continue;
            };
            wide.clear();
            wide.resize(self.reach(), *first);
            wide.extend_from_slice(line);
            wide.resize(wide.len() + self.reach(), *last);
            mix(&self.0, |k| &wide[k..k + line.len()], out);
        }
    }
}

/// The sum of the equally long `parts`, each times its weight, at most 1. The terms of a sum are added in the order of
/// the weights, whatever the number of sums at once.
fn mix<'a>(weights: &[f32], parts: impl Fn(usize) -> &'a [f32], out: &mut [f32]) {
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    let begun = blocks.len() * BLOCK;
    for (index, block) in blocks.iter_mut().enumerate() {
        let mut sums = [0.0; BLOCK];
        for (k, weight) in weights.iter().enumerate() {
            let from: &[f32; BLOCK] = parts(k)[index * BLOCK..].first_chunk().expect("a block");
            for (sum, value) in sums.iter_mut().zip(from) {
                *sum += value * weight;
            }
        }
        *block = sums.map(|sum: f32| sum.min(1.0));
    }
    for (i, out) in rest.iter_mut().enumerate() {
        let terms = weights.iter().enumerate();
        let sum = terms.fold(0.0, |sum, (k, weight)| sum + parts(k)[begun + i] * weight);
        *out = sum.min(1.0);
    }
}
