//! The choice of the candidates that a loss counts: some that have to find an object, the rest background.

use super::matching::Match;
use crate::rng::Stream;

/// The numbers of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleSize {
    /// Candidates of an image.
    pub count: usize,
    /// The largest share of those that have to find an object.
    pub objects: f32,
}

/// The order in which candidates are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleOrder {
    /// At random.
    Random,
    /// The first ones, for comparisons with other programs.
    First,
}

/// Candidates of an image, each list in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Those that have to find an object, with its number.
    pub objects: Vec<(usize, usize)>,
    /// Those that have to find nothing.
    pub background: Vec<usize>,
}

impl SampleSize {
    /// A sample of `matches`.
    pub fn draw(&self, matches: &[Match], order: SampleOrder, stream: &mut Stream) -> Sample {
        let (mut objects, mut background) = (Vec::new(), Vec::new());
        for (index, found) in matches.iter().enumerate() {
            match found {
                Match::Object(object) => objects.push((index, *object)),
                Match::Background => background.push(index),
                Match::Between => {}
            }
        }
        let most = (self.count as f32 * self.objects) as usize;
        let objects = taken(objects, most, order, stream);
        let rest = self.count - objects.len();
        Sample {
            background: taken(background, rest, order, stream),
            objects,
        }
    }
}

impl Sample {
    /// The number of candidates.
    pub fn len(&self) -> usize {
        self.objects.len() + self.background.len()
    }
}

/// `count` of `items`, or all if there are fewer, in ascending order.
fn taken<T: Ord>(
    mut items: Vec<T>,
    count: usize,
    order: SampleOrder,
    stream: &mut Stream,
) -> Vec<T> {
    if order == SampleOrder::Random {
        for place in 0..count.min(items.len()) {
            let other = place + stream.below(items.len() - place);
            items.swap(place, other);
        }
    }
    items.truncate(count);
    items.sort_unstable();
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: SampleSize = SampleSize {
        count: 8,
        objects: 0.25,
    };

    fn matches(kinds: &[u8]) -> Vec<Match> {
        let kind = |kind: &u8| match kind {
            0 => Match::Background,
            1 => Match::Between,
            object => Match::Object(*object as usize),
        };
        kinds.iter().map(kind).collect()
    }

    #[test]
    fn the_first_ones_are_taken_in_order() {
        let matches = matches(&[0, 5, 0, 6, 1, 7, 0, 0, 0, 0, 0, 0]);
        let sample = SIZE.draw(&matches, SampleOrder::First, &mut Stream::new(1, "s"));
        assert_eq!(sample.objects, [(1, 5), (3, 6)]);
        assert_eq!(sample.background, [0, 2, 6, 7, 8, 9]);
    }

    proptest! {
        #[test]
        fn a_sample_has_its_size_and_only_candidates_of_its_kind(
            kinds in prop::collection::vec(0u8..4, 0..60), seed in 0u64..20,
        ) {
            let matches = matches(&kinds);
            let sample = SIZE.draw(&matches, SampleOrder::Random, &mut Stream::new(seed, "s"));
            let of = |kind: fn(&Match) -> bool| matches.iter().filter(|m| kind(m)).count();
            let (objects, background) = (of(|m| matches!(m, Match::Object(_))), of(|m| *m == Match::Background));
            prop_assert_eq!(sample.objects.len(), objects.min(2));
            prop_assert_eq!(sample.background.len(), background.min(8 - sample.objects.len()));
            prop_assert!(sample.objects.iter().all(|(i, o)| matches[*i] == Match::Object(*o)));
            prop_assert!(sample.background.iter().all(|i| matches[*i] == Match::Background));
            prop_assert!(sample.background.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn every_candidate_can_be_drawn() {
        let matches = matches(&[0; 20]);
        let mut seen = [false; 20];
        for seed in 0..40 {
            let sample = SIZE.draw(&matches, SampleOrder::Random, &mut Stream::new(seed, "s"));
            sample.background.iter().for_each(|i| seen[*i] = true);
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}
