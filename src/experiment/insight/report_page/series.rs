//! Learning curves of a sweep.

use super::super::evidence::Evidence;
use super::super::journal::Line;
use crate::report::page::{Panel, Point, Series};
use crate::report::statistics::{mean, sample_deviation};
use crate::train::{Folded, JOURNAL_KEYS};
use std::collections::BTreeMap;

/// A share of two sums of the journal: name, meaning, part and whole.
type Share = (&'static str, &'static str, &'static str, &'static str);
/// The shares that are drawn beside the readings.
const SHARES: [Share; 2] = [
    (
        "precision",
        "The share of the kept pseudo-labels that are right, by the hidden annotations.",
        "right",
        "kept",
    ),
    (
        "recall",
        "The share of the hidden objects that have a right pseudo-label.",
        "right",
        "objects",
    ),
];

/// The readings of all rows, each in a panel. Sums are left out: they belong to the pseudo-labels.
pub fn panels(rows: &[Evidence]) -> Vec<Panel> {
    let mut keys: Vec<&str> = Vec::new();
    let readings = rows.iter().flat_map(|row| row.lines.iter().flatten());
    for (key, value) in readings.flat_map(|line| &line.readings) {
        if value.is_number() && is_drawn(key) && !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    let about = |key: &str| {
        let known = JOURNAL_KEYS.iter().find(|known| known.name == key);
        known.map_or(String::new(), |known| known.about.replace('`', ""))
    };
    let readings = keys
        .iter()
        .map(|key| panel(rows, key, &about(key), &|line| line.number(key)));
    let shares = SHARES.iter().map(|(name, about, part, whole)| {
        panel(rows, name, about, &|line| line.share(part, whole))
    });
    let all = readings.chain(shares);
    all.filter(|panel| !panel.series.is_empty()).collect()
}

/// Returns true for means and last values, and for keys that nothing explains.
fn is_drawn(key: &str) -> bool {
    let known = JOURNAL_KEYS.iter().find(|known| known.name == key);
    key != "step" && known.is_none_or(|known| matches!(known.value, Folded::Mean | Folded::Last))
}

fn panel(rows: &[Evidence], name: &str, about: &str, read: &dyn Fn(&Line) -> Option<f64>) -> Panel {
    let series = rows.iter().enumerate().map(|(row, evidence)| Series {
        row,
        label: evidence.label.to_string(),
        points: points(&evidence.lines, read),
        seeds: singles(&evidence.lines, read),
        lost: lost(evidence, name),
    });
    Panel {
        name: name.to_string(),
        about: about.to_string(),
        series: series.filter(|one| !one.points.is_empty()).collect(),
    }
}

/// The most seeds whose band goes from the smallest to the largest one.
const EXTREMES: usize = 7;

/// The points of single seeds; none if there are fewer than two.
fn singles(seeds: &[Vec<Line>], read: &dyn Fn(&Line) -> Option<f64>) -> Vec<Vec<(u64, f64)>> {
    let own = seeds.iter().map(|lines| {
        let points = lines
            .iter()
            .filter_map(|line| Some((line.step, read(line)?)));
        points.filter(|(_, value)| value.is_finite()).collect()
    });
    let own: Vec<Vec<(u64, f64)>> = own.filter(|one: &Vec<_>| !one.is_empty()).collect();
    match own.len() {
        0 | 1 => Vec::new(),
        _ => own,
    }
}

/// The seeds that have a reading that is not finite, which the journal has as null, each with its first such step.
fn lost(row: &Evidence, key: &str) -> Vec<(u64, u64)> {
    let first = |(place, lines): (usize, &Vec<Line>)| {
        let is_lost = |line: &&Line| line.readings.get(key).is_some_and(|value| value.is_null());
        let seed = row
            .trials
            .get(place)
            .map_or(place as u64, |trial| trial.seed);
        Some((seed, lines.iter().find(is_lost)?.step))
    };
    row.lines.iter().enumerate().filter_map(first).collect()
}

/// The mean and the extremes over the seeds, step by step; of many seeds one standard deviation on both sides.
fn points(seeds: &[Vec<Line>], read: &dyn Fn(&Line) -> Option<f64>) -> Vec<Point> {
    let mut found: BTreeMap<(u64, usize), Vec<f64>> = BTreeMap::new();
    for line in seeds.iter().flatten() {
        if let Some(value) = read(line).filter(|value| value.is_finite()) {
            found
                .entry((line.step, line.stage))
                .or_default()
                .push(value);
        }
    }
    let point = |((step, _), values): ((u64, usize), Vec<f64>)| {
        let mean = mean(&values).unwrap_or_default();
        let [low, high] = match sample_deviation(&values).filter(|_| values.len() > EXTREMES) {
            Some(deviation) => [mean - deviation, mean + deviation],
            None => [
                values.iter().copied().fold(f64::INFINITY, f64::min),
                values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ],
        };
        Point {
            step,
            mean,
            low,
            high,
        }
    };
    found.into_iter().map(point).collect()
}

/// The last step of the first training, if all rows with several trainings agree about it.
pub fn burn_in(rows: &[Evidence]) -> Option<u64> {
    let mut ends: Vec<u64> = Vec::new();
    for lines in rows.iter().flat_map(|row| &row.lines) {
        if lines.last().is_some_and(|line| line.stage > 0) {
            let first = lines.iter().filter(|line| line.stage == 0);
            ends.extend(first.map(|line| line.step).max());
        }
    }
    ends.dedup();
    match ends[..] {
        [end] => Some(end),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::journal::tests::line;
    use super::*;

    #[test]
    fn seeds_give_a_mean_and_a_band() {
        let seeds = [
            vec![line(20, r#"{"loss":1.0}"#)],
            vec![line(20, r#"{"loss":3.0}"#)],
        ];
        let found = points(&seeds, &|line| line.number("loss"));
        let expected = Point {
            step: 20,
            mean: 2.0,
            low: 1.0,
            high: 3.0,
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn many_seeds_have_a_band_of_one_deviation() {
        let seed = |loss: f64| vec![line(20, &format!("{{\"loss\":{loss}}}"))];
        let seeds: Vec<Vec<Line>> = [1.0, 3.0].into_iter().cycle().take(8).map(seed).collect();
        let found = points(&seeds, &|line| line.number("loss"));
        let deviation = (8.0f64 / 7.0).sqrt();
        assert!((found[0].high - 2.0 - deviation).abs() < 1e-12, "{found:?}");
        assert!((found[0].low - 2.0 + deviation).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn a_seed_that_is_not_finite_is_known() {
        let row = Evidence {
            label: "a",
            trials: Vec::new(),
            lines: vec![
                vec![line(20, r#"{"loss":1.0}"#), line(40, r#"{"loss":2.0}"#)],
                vec![line(20, r#"{"loss":1.0}"#), line(40, r#"{"loss":null}"#)],
            ],
            labels: None,
            per_class: Vec::new(),
        };
        let panels = panels(&[row]);
        assert_eq!(panels[0].series[0].lost, [(1, 40)]);
        assert_eq!(
            panels[0].series[0].seeds,
            [vec![(20, 1.0), (40, 2.0)], vec![(20, 1.0)]]
        );
    }

    #[test]
    fn sums_have_no_panel_and_unknown_readings_have_one() {
        assert!(is_drawn("loss") && is_drawn("rate") && is_drawn("of-a-new-method"));
        assert!(!is_drawn("kept") && !is_drawn("barren-steps") && !is_drawn("step"));
    }
}
