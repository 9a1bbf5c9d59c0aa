//! A set of pixels as spans of positions, so that masks of full size are compared in the time of their outlines.

use hotcoco::Rle;

/// A set of pixels. The positions of an image are counted along its rows or along its columns; only sets that are
/// counted the same way may be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pixels {
    /// Begin and end of each span, ascending; no two of them touch.
    spans: Vec<(u32, u32)>,
    count: u64,
}

impl Pixels {
    /// The set of a mask of COCO, counted along its columns.
    pub fn of_runs(runs: &Rle) -> Self {
        let mut pixels = Self::default();
        let mut at = 0;
        for (index, run) in runs.counts.iter().enumerate() {
            if index % 2 == 1 {
                pixels.add(at, at + run);
            }
            at += run;
        }
        pixels
    }

    /// The positions of `values` that are `set`.
    pub fn of_values<T: Copy>(values: &[T], set: impl Fn(T) -> bool) -> Self {
        let mut pixels = Self::default();
        for (at, value) in (0..).zip(values) {
            if set(*value) {
                pixels.add(at, at + 1);
            }
        }
        pixels
    }

    /// Adds the span from `begin` to `end`, which lies behind all others.
    pub fn add(&mut self, begin: u32, end: u32) {
        if begin == end {
            return;
        }
        self.count += u64::from(end - begin);
        match self.spans.last_mut() {
            Some((_, last)) if *last == begin => *last = end,
            _ => self.spans.push((begin, end)),
        }
    }

    /// The number of pixels.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The number of pixels that both sets have.
    pub fn shared(&self, other: &Self) -> u64 {
        let (mut a, mut b) = (self.from(other), other.from(self));
        let mut shared = 0;
        while let (Some((a_begin, a_end)), Some((b_begin, b_end))) = (a.first(), b.first()) {
            let (begin, end) = (a_begin.max(b_begin), a_end.min(b_end));
            shared += u64::from(end.saturating_sub(*begin));
            match a_end < b_end {
                true => a = &a[1..],
                false => b = &b[1..],
            }
        }
        shared
    }

    /// The spans that end behind the begin of `other`.
    fn from(&self, other: &Self) -> &[(u32, u32)] {
        let Some((begin, _)) = other.spans.first() else {
            return &[];
        };
        let first = self.spans.partition_point(|(_, end)| end <= begin);
        &self.spans[first..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_and_values_give_the_same_set() {
        let runs = Rle {
            h: 4,
            w: 2,
            counts: vec![1, 2, 0, 1, 4],
        };
        let pixels = Pixels::of_runs(&runs);
        assert_eq!(
            pixels,
            Pixels::of_values(&[0, 1, 1, 1, 0, 0, 0, 0], |bit| bit == 1)
        );
        assert_eq!((pixels.spans.len(), pixels.count()), (1, 3));
        assert_eq!(Pixels::default().shared(&pixels), 0);
    }

    proptest! {
        #[test]
        fn shared_pixels_are_those_of_both(a in prop::collection::vec(any::<bool>(), 60), b in prop::collection::vec(any::<bool>(), 60)) {
            let both = a.iter().zip(&b).filter(|(a, b)| **a && **b).count() as u64;
            let (a, b) = (Pixels::of_values(&a, |bit| bit), Pixels::of_values(&b, |bit| bit));
            prop_assert_eq!(a.shared(&b), both);
            prop_assert_eq!(b.shared(&a), both);
        }
    }
}
