//! Masks of one size where an op samples them: bytes of the host, or on a GPU 32 pixels a word.
//!
//! `$$ y_{ip} = \sum_k \omega_k(u_{j(i),p})\; m_{r(i),\,k} $$`
//!
//! As `point_sample` for planes of 0 and 1: output row i reads mask r(i) at the points of row j(i). Shapes:
//! points u `[J, 2P]` -> `[n, P]`; no gradient.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::unfilled;
use crate::ops::points::point_sample::sample_mask;
use crate::tensor::{Place, Tensor2};
use rayon::prelude::*;
use std::borrow::Cow;

/// Some masks of one size (rows, columns).
#[derive(Debug)]
pub struct MaskStack<'m> {
    at: At<'m>,
    size: (usize, usize),
    count: usize,
}

#[derive(Debug)]
enum At<'m> {
    Host(Vec<Cow<'m, [u8]>>),
    Gpu(cuda::PackedMasks, std::marker::PhantomData<&'m ()>),
}

impl<'m> MaskStack<'m> {
    /// `masks`, each `size.0 * size.1` bytes of 0 or 1, at `place`.
    ///
    /// Panics if any has another number of pixels.
    pub fn new(place: &Place, masks: Vec<Cow<'m, [u8]>>, size: (usize, usize)) -> Self {
        for mask in &masks {
            assert_eq!(mask.len(), size.0 * size.1, "a mask of {size:?}");
        }
        let count = masks.len();
        let at = match place {
            Place::Host => At::Host(masks),
            Place::Gpu(gpu) => At::Gpu(
                cuda::PackedMasks::new(gpu, &masks, size),
                std::marker::PhantomData,
            ),
        };
        Self { at, size, count }
    }

    /// Mask `which[i]` at the points of row `rows[i]` of `points` `[J, 2P]`: `[n, P]`.
    ///
    /// Panics where the lengths disagree, or there is no such mask or row.
    pub fn sample(&self, which: &[usize], points: &Tensor2, rows: &[usize]) -> Tensor2 {
        assert_eq!(which.len(), rows.len(), "a row of points for every mask");
        assert!(
            which.iter().all(|mask| *mask < self.count)
                && rows.iter().all(|row| *row < points.rows()),
            "masks {which:?} of {} at rows {rows:?} of {}",
            self.count,
            points.rows()
        );
        let count = points.columns() / 2;
        match &self.at {
            At::Host(masks) => {
                let mut values = unfilled(which.len() * count);
                values
                    .par_chunks_exact_mut(count.max(1))
                    .zip(which)
                    .zip(rows)
                    .for_each(|((out, mask), row)| {
                        let points = &points.values()[row * 2 * count..][..2 * count];
                        sample_mask(&masks[*mask], self.size, points, out);
                    });
                Tensor2::constant(values, which.len(), count)
            }
            At::Gpu(masks, _) => masks.sample(which, points, rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::on_every_place;
    use crate::rng::Stream;

    on_every_place! {
        /// Sizes of whole and broken words; masks and points that serve twice; points outside.
        fn masks_are_sampled_as_planes_are(place) {
            for size in [(1, 1), (5, 7), (8, 32), (33, 61)] {
                let mut stream = Stream::new(1, "masks");
                let masks: Vec<Vec<u8>> = (0..3).map(|_| (0..size.0 * size.1).map(|_| stream.below(2) as u8).collect()).collect();
                let points = (0..2 * 2 * 301).map(|_| 1.4 * stream.uniform_f32() - 0.2).collect();
                let points = Tensor2::constant(points, 2, 2 * 301);
                let stack = MaskStack::new(place, masks.iter().map(Cow::from).collect(), size);
                let (which, rows) = ([2, 0, 2, 1], [0, 1, 1, 0]);
                let found = stack.sample(&which, &points.to(place), &rows);
                assert_eq!((found.rows(), found.columns()), (4, 301));
                for ((found, mask), row) in found.host_values().chunks_exact(301).zip(which).zip(rows) {
                    let mut expected = vec![0.0; 301];
                    sample_mask(&masks[mask], size, &points.values()[row * 602..][..602], &mut expected);
                    for (found, expected) in found.iter().zip(&expected) {
                        assert!((found - expected).abs() <= 1e-5, "{found}, not {expected}");
                    }
                }
                assert!(stack.sample(&[], &points.to(place), &[]).is_empty());
            }
            let none = MaskStack::new(place, Vec::new(), (4, 4));
            assert!(none.sample(&[], &Tensor2::constant(Vec::new(), 0, 6).to(place), &[]).is_empty());
        }
    }
}
