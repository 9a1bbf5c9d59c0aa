//! A fixed division of work into parts, run on rayon's current pool.
//!
//! The number of parts and the content of each depend only on the shape of the work. So a pool of any size
//! computes the same sums in the same order and gives the same bits. The size of the pool only determines how
//! many parts run at the same time.

use rayon::prelude::*;
use std::ops::Range;

/// More parts than this cost more (a partial sum of the weight gradient each) than the few threads of a trial
/// can gain.
const MAX_PARTS: usize = 4;

/// Multiply-adds that a part should at least hold: a few microseconds, the time it takes to wake a thread.
const PART_WORK: usize = 60_000;

/// A division of `items` (rows, images, heads) into consecutive ranges of nearly equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    items: usize,
    parts: usize,
}

impl Split {
    /// Divides `items` that cost `work` multiply-adds in all: into at most four parts, and into one where the
    /// work is small.
    pub(crate) fn new(items: usize, work: usize) -> Self {
        let parts = (work / PART_WORK).clamp(1, MAX_PARTS).min(items.max(1));
        Self { items, parts }
    }

    /// The same items in at most `parts` parts: where every part reads a large operand anew.
    pub(crate) fn at_most(self, parts: usize) -> Self {
        Self {
            parts: self.parts.min(parts.max(1)),
            ..self
        }
    }

    /// Number of parts, at least one.
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }

    /// The items of part `part`.
    pub(crate) fn range(&self, part: usize) -> Range<usize> {
        let start = |part: usize| part * self.items / self.parts;
        start(part)..start(part + 1)
    }

    /// The ranges of all parts, in order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let split = *self;
        (0..split.parts).map(move |part| split.range(part))
    }

    /// Cuts a buffer of `items * width` values (at least) into the shares of the parts.
    pub(crate) fn cut<'a, T>(&self, mut values: &'a mut [T], width: usize) -> Vec<&'a mut [T]> {
        self.ranges()
            .map(|range| {
                let (share, rest) = std::mem::take(&mut values).split_at_mut(range.len() * width);
                values = rest;
                share
            })
            .collect()
    }

    /// As [`Self::cut`] for a buffer that may be absent: every part then gets `None`.
    pub(crate) fn cut_some<'a, T>(
        &self,
        values: Option<&'a mut [T]>,
        width: usize,
    ) -> Vec<Option<&'a mut [T]>> {
        match values {
            Some(values) => self.cut(values, width).into_iter().map(Some).collect(),
            None => (0..self.parts).map(|_| None).collect(),
        }
    }
}

/// Runs `work` on every share, several at a time where the current pool has several threads.
pub(crate) fn run<S: Send>(shares: Vec<S>, work: impl Fn(S) + Send + Sync) {
    if shares.len() <= 1 || rayon::current_num_threads() == 1 {
        shares.into_iter().for_each(work);
    } else {
        shares.into_par_iter().with_max_len(1).for_each(work);
    }
}

/// As [`run`], and collects what the parts return, in the order of the shares: partial sums that
/// [`add_partials`] adds up.
pub(crate) fn map<S: Send, R: Send>(shares: Vec<S>, work: impl Fn(S) -> R + Send + Sync) -> Vec<R> {
    if shares.len() <= 1 || rayon::current_num_threads() == 1 {
        shares.into_iter().map(work).collect()
    } else {
        shares.into_par_iter().with_max_len(1).map(work).collect()
    }
}

/// Adds the partial sums of the parts to `total`, in the order of the parts.
pub(crate) fn add_partials<'a>(total: &mut [f32], partials: impl IntoIterator<Item = &'a [f32]>) {
    for partial in partials {
        assert_eq!(partial.len(), total.len(), "a partial sum");
        for (sum, value) in total.iter_mut().zip(partial) {
            *sum += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::with_threads;

    #[test]
    fn ranges_cover_all_items_in_order_and_evenly() {
        for items in [0, 1, 2, 3, 5, 6, 9, 1000] {
            for work in [0, 60_000, 130_000, 10_000_000] {
                let split = Split::new(items, work);
                let ranges: Vec<_> = split.ranges().collect();
                assert_eq!(ranges[0].start, 0);
                assert_eq!(ranges.last().unwrap().end, items);
                assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
                let lengths = ranges.iter().map(ExactSizeIterator::len);
                assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn small_work_stays_whole() {
        assert_eq!(Split::new(100, 59_999).parts(), 1);
        assert_eq!(Split::new(100, 120_000).parts(), 2);
        assert_eq!(Split::new(2, usize::MAX).parts(), 2);
        assert_eq!(Split::new(9, usize::MAX).at_most(3).range(2), 6..9);
        assert_eq!(Split::new(9, 0).at_most(0).range(0), 0..9);
    }

    #[test]
    fn every_share_is_processed_once() {
        let mut values = vec![0u32; 7 * 3];
        let split = Split::new(7, usize::MAX);
        let shares = split.ranges().zip(split.cut(&mut values, 3)).collect();
        with_threads(2, || {
            run(shares, |(range, share): (Range<usize>, &mut [u32])| {
                for (i, v) in share.iter_mut().enumerate() {
                    *v += 1 + (range.start * 3 + i) as u32;
                }
            });
        });
        assert_eq!(values, (1..=21).collect::<Vec<_>>());
    }

    #[test]
    fn results_come_in_the_order_of_the_shares() {
        let squares = with_threads(2, || map((0..50u64).collect(), |share| share * share));
        assert_eq!(
            squares,
            (0..50u64).map(|share| share * share).collect::<Vec<_>>()
        );
    }

    #[test]
    fn partials_are_added_in_order() {
        let mut total = vec![1e8, 1.0];
        add_partials(&mut total, [&[1.0, 2.0][..], &[-1e8, 3.0][..]]);
        // (1e8 + 1) - 1e8 is 0 in f32: another order would give 1.
        assert_eq!(total, vec![0.0, 6.0]);
    }
}
