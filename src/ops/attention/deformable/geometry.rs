//! The fixed sizes of one call of deformable attention, and the softmax of its weights.
//!
//! Symbols, shapes and source as in [`deform_attention`](super::deform_attention); S = levels * P samples of a query in one
//! head. A head is addressed by its index counted over the images, image b and head h: `b * heads + h`.

use crate::ops::cpu::Split;
use crate::ops::cpu::vector::exp;
use std::sync::Arc;

/// Queries whose samples are located together: few enough that all of their numbers stay in the first cache.
pub(super) const BLOCK: usize = 16;

/// Sizes, and what is the same for all heads. The arrays hold one number per sample of a block of [`BLOCK`] queries.
#[derive(Debug)]
pub(super) struct Geometry {
    /// Reference points of the queries, `[N, 2]`.
    pub(super) reference: Arc<Vec<f32>>,
    /// Height and width of the sample's level.
    pub(super) height: Vec<f32>,
    pub(super) width: Vec<f32>,
    /// Tokens before the sample's level, and of a row of it.
    pub(super) start: Vec<u32>,
    pub(super) row: Vec<u32>,
    tokens: usize,
    heads: usize,
    columns: usize,
}

impl Geometry {
    /// Geometry of `heads` heads in `columns` columns. Panics where a level or the list of samples is empty, or the columns
    /// are no multiple of the heads.
    pub(super) fn new(
        reference: Arc<Vec<f32>>,
        levels: &[(usize, usize)],
        heads: usize,
        points: usize,
        columns: usize,
    ) -> Self {
        assert!(
            levels.iter().all(|(h, w)| h * w > 0) && levels.len() * points > 0,
            "{points} points in {levels:?}"
        );
        assert_eq!(columns % heads, 0, "{columns} columns in {heads} heads");
        let mut geometry = Self {
            reference,
            height: Vec::new(),
            width: Vec::new(),
            start: Vec::new(),
            row: Vec::new(),
            tokens: levels.iter().map(|(h, w)| h * w).sum(),
            heads,
            columns,
        };
        for _ in 0..BLOCK {
            let mut start = 0;
            for &(h, w) in levels {
                for _ in 0..points {
                    geometry.height.push(h as f32);
                    geometry.width.push(w as f32);
                    geometry.start.push(start as u32);
                    geometry.row.push(w as u32);
                }
                start += h * w;
            }
        }
        geometry
    }

    /// Queries of an image.
    pub(super) fn queries(&self) -> usize {
        self.reference.len() / 2
    }

    /// Samples of a query in one head.
    pub(super) fn samples(&self) -> usize {
        self.height.len() / BLOCK
    }

    /// Values of an image.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Number of heads.
    pub(super) fn heads(&self) -> usize {
        self.heads
    }

    /// Columns of all heads.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Division of the heads of all images, at `cost` multiply-adds per sample and column.
    pub(super) fn split(&self, batch: usize, cost: usize) -> Split {
        Split::new(
            batch * self.heads,
            batch * self.queries() * self.samples() * self.columns * cost,
        )
    }

    /// Where head `index` begins for query `n` in a tensor with a row per query of every image and `width` columns per head.
    pub(super) fn at(&self, index: usize, n: usize, width: usize) -> usize {
        let (image, head) = (index / self.heads, index % self.heads);
        ((image * self.queries() + n) * self.heads + head) * width
    }

    /// The columns of head `index`, from its first value, in a tensor with `rows` rows per image.
    pub(super) fn head_of<'a>(&self, tensor: &'a [f32], rows: usize, index: usize) -> &'a [f32] {
        let (image, head) = (index / self.heads, index % self.heads);
        &tensor[image * rows * self.columns + head * (self.columns / self.heads)..]
    }

    /// Divides a head into runs of columns (first, width) of a width that is known at compile time.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (mut start, end) = (0, self.columns / self.heads);
        std::iter::from_fn(move || {
            let width = *[64, 32, 16, 8, 1]
                .iter()
                .find(|width| **width <= end - start)?;
            start += width;
            Some((start - width, width))
        })
    }

    /// The softmax of the logits of head `index` into `shares [N, S]`.
    pub(super) fn softmax(&self, logits: &[f32], index: usize, shares: &mut [f32]) {
        let samples = self.samples();
        for (n, row) in shares.chunks_exact_mut(samples).enumerate() {
            let logits = &logits[self.at(index, n, samples)..][..samples];
            let most = logits
                .iter()
                .fold(f32::NEG_INFINITY, |m, v| if *v > m { *v } else { m });
            for (share, logit) in row.iter_mut().zip(logits) {
                *share = logit - most;
            }
        }
        shares.iter_mut().for_each(|v| *v = exp(*v));
        for row in shares.chunks_exact_mut(samples) {
            let scale = 1.0 / row.iter().sum::<f32>();
            row.iter_mut().for_each(|v| *v *= scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_a_head_of_any_width() {
        for width in [1, 7, 16, 41, 64, 200] {
            let geometry = Geometry::new(Arc::new(vec![0.5; 2]), &[(1, 1)], 1, 1, width);
            let mut end = 0;
            for (start, piece) in geometry.pieces() {
                assert_eq!(start, end);
                end += piece;
            }
            assert_eq!(end, width);
        }
    }

    #[test]
    fn shares_of_a_query_add_up_to_one_per_head() {
        let geometry = Geometry::new(Arc::new(vec![0.5; 6]), &[(2, 2), (1, 1)], 2, 2, 4);
        let logits: Vec<f32> = (0..3 * 2 * 4).map(|i| (i * i % 7) as f32).collect();
        let mut shares = vec![0.0; 3 * 4];
        geometry.softmax(&logits, 1, &mut shares);
        for (n, row) in shares.chunks_exact(4).enumerate() {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            let first = logits[(n * 2 + 1) * 4..][..4].iter().map(|v| v.exp());
            let expected = logits[(n * 2 + 1) * 4].exp() / first.sum::<f32>();
            assert!((row[0] - expected).abs() < 1e-6);
        }
    }
}
