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

/// The beginning of the readings of an evaluation between two steps, such as `val-teacher`: a metric of one network.
const VALIDATION: &str = "val-";
/// The reading with all metrics of such an evaluation by their names.
const METRICS: &str = "val-metrics";

/// The readings of all rows, each in a panel, those of validations first. Sums are left out: they belong to the
/// pseudo-labels.
pub fn panels(rows: &[Evidence]) -> Vec<Panel> {
    let mut keys: Vec<&str> = Vec::new();
    let readings = rows.iter().flat_map(|row| row.lines.iter().flatten());
    for (key, value) in readings.flat_map(|line| &line.readings) {
        if value.is_number() && is_drawn(key) && !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    let (validated, others): (Vec<&str>, Vec<&str>) = keys
        .into_iter()
        .partition(|key| key.starts_with(VALIDATION));
    let reading = |key: &&str| panel(rows, key, &about(key), &|line| line.number(key));
    let mut all: Vec<Panel> = validated.iter().map(reading).collect();
    // The metric that the networks are judged by has a panel already.
    for one in metrics(rows) {
        let is_there = all.iter().any(|other| is_same(other, &one));
        all.extend((!is_there).then_some(one));
    }
    all.iter_mut().for_each(|one| one.is_validation = true);
    all.extend(others.iter().map(reading));
    let shares = SHARES.iter().map(|(name, about, part, whole)| {
        panel(rows, name, about, &|line| line.share(part, whole))
    });
    let all = all.into_iter().chain(shares);
    all.filter(|panel| !panel.series.is_empty()).collect()
}

/// The meaning of a reading; empty if nothing explains it.
fn about(key: &str) -> String {
    let known = JOURNAL_KEYS.iter().find(|known| known.name == key);
    known.map_or(String::new(), |known| known.about.replace('`', ""))
}

/// The panels of all metrics of validations.
fn metrics(rows: &[Evidence]) -> Vec<Panel> {
    let mut names: Vec<&String> = Vec::new();
    let lines = rows.iter().flat_map(|row| row.lines.iter().flatten());
    let found = lines.filter_map(|line| line.readings.get(METRICS)?.as_object());
    for (name, value) in found.flatten() {
        if value.is_number() && !names.contains(&name) {
            names.push(name);
        }
    }
    let read = |line: &Line, name: &str| line.readings.get(METRICS)?.get(name)?.as_f64();
    let panels = names.into_iter().map(|name| {
        panel(
            rows,
            &format!("{METRICS}, {name}"),
            &about(METRICS),
            &|line| read(line, name),
        )
    });
    panels.collect()
}

/// Returns true if both panels have the same curves.
fn is_same(one: &Panel, other: &Panel) -> bool {
    let curves = |panel: &Panel| -> Vec<(usize, Vec<Point>)> {
        let series = panel.series.iter();
        series
            .map(|series| (series.row, series.points.clone()))
            .collect()
    };
    curves(one) == curves(other)
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
        is_validation: false,
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
    fn validations_come_first_and_a_metric_has_one_panel() {
        let text = |value: f64| {
            format!(
                "{{\"loss\":1.0,\"val-teacher\":{value},\"val-metrics\":{{\"mAP\":{value},\"AP50\":9.0,\"APs\":null}}}}"
            )
        };
        let row = |label, value| Evidence {
            label,
            trials: Vec::new(),
            lines: vec![vec![line(20, r#"{"loss":2.0}"#), line(40, &text(value))]],
            labels: None,
            per_class: Vec::new(),
        };
        let found = panels(&[row("a", 3.0), row("b", 4.0)]);
        let names: Vec<(&str, bool)> = found
            .iter()
            .map(|panel| (panel.name.as_str(), panel.is_validation))
            .collect();
        let expected = [
            ("val-teacher", true),
            ("val-metrics, AP50", true),
            ("loss", false),
        ];
        assert_eq!(names, expected);
        let points: Vec<(u64, f64)> = found[0].series[1]
            .points
            .iter()
            .map(|point| (point.step, point.mean))
            .collect();
        assert_eq!(points, [(40, 4.0)]);
    }

    #[test]
    fn sums_have_no_panel_and_unknown_readings_have_one() {
        assert!(is_drawn("loss") && is_drawn("rate") && is_drawn("of-a-new-method"));
        assert!(!is_drawn("kept") && !is_drawn("barren-steps") && !is_drawn("step"));
    }
}
