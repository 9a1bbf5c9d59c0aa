//! A reading over the steps of a training, drawn as one line of a terminal.

use super::journal::Line;
use std::collections::BTreeMap;

/// The blocks of a drawn curve, from the lowest to the highest value.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A reading over the steps; means over the seeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The values in the order of the steps; none where no seed has one.
    values: Vec<Option<f64>>,
}

/// A reading of one line.
pub type Read = fn(&Line) -> Option<f64>;

/// The curves that are drawn, with their names.
pub const CURVES: [(&str, Read); 6] = [
    ("loss", |line| line.number("loss")),
    ("pseudo-label loss", Line::unsupervised),
    ("consistency loss", Line::consistency),
    ("kept per image", |line| line.number("kept-per-image")),
    ("precision", |line| line.share("right", "kept")),
    ("recall", |line| line.share("right", "objects")),
];

impl Curve {
    /// The curve of `read` over the lines of some seeds. Lines of the same stage and step are averaged.
    pub fn of(seeds: &[Vec<Line>], read: Read) -> Self {
        let mut points: BTreeMap<(usize, u64), Vec<f64>> = BTreeMap::new();
        for line in seeds.iter().flatten() {
            let values = points.entry((line.stage, line.step)).or_default();
            values.extend(read(line).filter(|value| value.is_finite()));
        }
        let mean = |values: Vec<f64>| {
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        Self {
            values: points.into_values().map(mean).collect(),
        }
    }

    /// The first and the last value, the smallest and the largest; none without values.
    pub fn summary(&self) -> Option<[f64; 4]> {
        let first = self.known().next()?;
        let last = self.known().last()?;
        let low = self.known().fold(first, f64::min);
        let high = self.known().fold(first, f64::max);
        Some([first, last, low, high])
    }

    /// The curve with its [summary](Self::summary); none without values.
    pub fn with_summary(self) -> Option<(Self, [f64; 4])> {
        let summary = self.summary()?;
        Some((self, summary))
    }

    /// The curve in at most `width` characters, between the values `low` and `high`. Neighbouring values that
    /// share a character are averaged; a gap is a space.
    pub fn drawn(&self, width: usize, [low, high]: [f64; 2]) -> String {
        let count = self.values.len();
        let width = width.min(count).max(1);
        let block = |place: usize| {
            let range = place * count / width..((place + 1) * count / width).min(count);
            let known: Vec<f64> = self.values[range].iter().copied().flatten().collect();
            if known.is_empty() {
                return ' ';
            }
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let share = match high > low {
                true => (mean - low) / (high - low),
                false => 0.0,
            };
            let level = (share * BLOCKS.len() as f64) as usize;
            BLOCKS[level.min(BLOCKS.len() - 1)]
        };
        (0..width).map(block).collect()
    }

    fn known(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::line;
    use super::*;

    fn curve(values: &[Option<f64>]) -> Curve {
        Curve {
            values: values.to_vec(),
        }
    }

    #[test]
    fn a_curve_rises_from_the_lowest_block_to_the_highest() {
        let rising: Vec<Option<f64>> = (0..16).map(|i| Some(f64::from(i))).collect();
        let rising = curve(&rising);
        assert_eq!(rising.drawn(8, [0.0, 15.0]), "▁▂▃▄▅▆▇█");
        assert_eq!(
            rising.drawn(100, [0.0, 15.0]).chars().count(),
            16,
            "never stretched"
        );
        assert_eq!(rising.summary(), Some([0.0, 15.0, 0.0, 15.0]));
        let flat = curve(&[Some(2.0), None, Some(2.0)]);
        assert_eq!(flat.drawn(3, [2.0, 2.0]), "▁ ▁");
        assert!(curve(&[None]).summary().is_none() && curve(&[]).with_summary().is_none());
        assert_eq!(curve(&[]).drawn(5, [0.0, 1.0]), " ");
    }

    #[test]
    fn seeds_are_averaged_step_by_step() {
        let one = vec![line(20, r#"{"loss":1.0}"#), line(40, r#"{"loss":2.0}"#)];
        let other = vec![line(20, r#"{"loss":3.0}"#)];
        let found = Curve::of(&[one, other], |line| line.number("loss"));
        assert_eq!(found, curve(&[Some(2.0), Some(2.0)]));
    }
}
