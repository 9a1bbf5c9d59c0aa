//! Signs in the journals that a training went wrong, each as a sentence.
//!
//! A sign says what was measured. It proves no cause, and a row without signs may still be wrong.

use super::evidence::Evidence;
use super::journal::Line;
use super::label_classes::LabelClasses;
use super::labels::LabelTotals;
use super::supervised::{Teacher, gain};
use super::thresholds::by_class;
use std::collections::BTreeSet;

/// The share of the steps in a row without pseudo-labels from which on they are told.
const BARREN: f64 = 0.5;
/// The precision below which more pseudo-labels are wrong than right, for a teacher that no supervised training made.
const HALF: f64 = 0.5;
/// The share of its first reading that a threshold has lost if it ran away downwards.
const FALLEN: f64 = 0.5;
/// The most classes that a sign names.
const NAMED: usize = 3;
/// The factor by which the last loss of a stage exceeds its smallest one if it diverges.
const DIVERGED: f64 = 2.0;
/// The share of the student's metric below which the shown network is behind it.
const BEHIND: f64 = 0.95;
/// A threshold this near to a bound is at it.
const EDGE: f64 = 0.01;

/// The signs of a row. `supervised` is the row that trains the same network without pseudo-labels, if there is one;
/// `name` names a class by its index, and `metric` is that of the table.
pub fn signs(
    row: &Evidence,
    supervised: Option<&Evidence>,
    metric: &str,
    name: &dyn Fn(usize) -> String,
) -> Vec<String> {
    let mut signs = Vec::new();
    if let Some(labels) = &row.labels {
        if labels.kept == 0.0 {
            let where_from = match labels.pool > 0.0 {
                true => format!("of {} unlabelled images", labels.pool),
                false => format!("in {} steps", labels.steps),
            };
            signs.push(format!(
                "its teacher kept no pseudo-label {where_from}, so the unlabelled images trained nothing"
            ));
        } else if labels.barren as f64
            >= BARREN * labels.steps as f64 / row.trials.len().max(1) as f64
        {
            signs.push(format!(
                "{} steps in a row had no pseudo-label",
                labels.barren
            ));
        }
        signs.extend(of_teacher(row, labels));
        if let Some((value, other)) =
            supervised.and_then(|other| Some((gain(row, other, metric)?, other.label)))
            && value <= 0.0
        {
            signs.push(format!(
                "it is not better than `{other}`, which trains without pseudo-labels ({metric} {value:+.2})"
            ));
        }
    }
    signs.extend(without_labels(row, name));
    signs.extend(run_away(row, name));
    if row.lines.iter().any(|lines| diverged(lines)) {
        signs.push(
            "its loss diverged: it is not finite, or ended at more than twice its smallest value"
                .into(),
        );
    }
    if let (Some(teacher), Some(student)) = (row.metric(metric), row.student(metric))
        && row.labels.is_some()
        && teacher < BEHIND * student
    {
        signs.push(format!(
            "the network that the table shows is behind its student ({metric} {teacher:.2} against {student:.2})"
        ));
    }
    let zero: Vec<usize> = (0..row.per_class.len())
        .filter(|class| row.per_class[*class] == Some(0.0))
        .collect();
    if !zero.is_empty() {
        signs.push(format!(
            "{} of {} classes are at 0 in {metric} ({})",
            zero.len(),
            row.per_class.len(),
            named(zero.iter().map(|class| name(*class)))
        ));
    }
    signs
}

/// The first classes in quotes, and dots for the others.
fn named(names: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let more = if all.len() > NAMED { ", ..." } else { "" };
    format!("{}{more}", all[..all.len().min(NAMED)].join(", "))
}

/// What the pseudo-labels say of the teacher: worse than those of the supervised model, or no better at the end.
fn of_teacher(row: &Evidence, labels: &LabelTotals) -> Vec<String> {
    let mut signs = Vec::new();
    let Some(teacher) = Teacher::of(&row.lines) else {
        return signs;
    };
    match teacher.is_supervised {
        true => {
            if let Some([first, later]) = teacher.worse() {
                signs.push(format!(
                    "the precision of its pseudo-labels is below that of the supervised model: {later:.2} against {first:.2} in \
                     the first window with a teacher, which is the supervised model there"
                ));
            }
        }
        false => {
            if let Some(precision) = labels.precision().filter(|precision| *precision < HALF) {
                signs.push(format!(
                    "more of its pseudo-labels were wrong than right (precision {precision:.2})"
                ));
            }
        }
    }
    if let Some([precision, recall]) = teacher.never_improved() {
        signs.push(format!(
            "its teacher never improved: from the first to the last tenth of the windows, precision {} and recall {}",
            change(precision),
            change(recall)
        ));
    }
    signs
}

fn change([first, last]: [Option<f64>; 2]) -> String {
    let text = |value: Option<f64>| value.map_or("none".to_string(), |value| format!("{value:.2}"));
    format!("{} -> {}", text(first), text(last))
}

/// The classes without labelled objects in the split of a seed, those without pseudo-labels in all seeds, and those
/// that never had a threshold, so that no candidate of them was found.
fn without_labels(row: &Evidence, name: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut signs = Vec::new();
    let records = row.trials.iter().filter_map(|trial| trial.record);
    let splits: Vec<_> = records.filter_map(|record| record.split.as_ref()).collect();
    let mut empty: Vec<&str> = Vec::new();
    for (class, _) in splits
        .iter()
        .flat_map(|split| &split.instances)
        .filter(|(_, count)| *count == 0)
    {
        if !empty.contains(&class.as_str()) {
            empty.push(class);
        }
    }
    if !empty.is_empty() {
        let seeds = if splits.len() > 1 { " of a seed" } else { "" };
        signs.push(format!(
            "{} of {} classes have no labelled object in the split{seeds} ({})",
            empty.len(),
            splits[0].instances.len(),
            named(empty.iter().map(|class| class.to_string()))
        ));
    }
    if let Some(labels) = LabelClasses::of(row.lines.iter().flatten()) {
        let (none, count) = (labels.without(), labels.kept.len());
        // A teacher that keeps nothing at all has a sign of its own.
        if !none.is_empty() && labels.kept.iter().any(|kept| *kept > 0.0) {
            signs.push(format!(
                "its teacher kept no pseudo-label of {} of {count} classes, though the unlabelled images show them ({})",
                none.len(),
                named(none.iter().map(|class| name(*class)))
            ));
        }
    }
    let readings = row.lines.iter().map(|lines| by_class(lines));
    let readings: Vec<_> = readings.flatten().collect();
    let keys: BTreeSet<&str> = readings.iter().map(|one| one.name.as_str()).collect();
    for key in keys {
        let own = || readings.iter().filter(|one| one.name == key);
        let count = own().map(|one| one.last.len()).max().unwrap_or(0);
        let never = |class: &usize| {
            let mut values = own().map(|one| one.last.get(*class).copied().flatten());
            values.all(|value| value.is_none())
        };
        let never: Vec<usize> = (0..count).filter(never).collect();
        if !never.is_empty() {
            signs.push(format!(
                "its teacher found no candidate of {} of {count} classes, for which `{key}` has no value ({})",
                never.len(),
                named(never.iter().map(|class| name(*class)))
            ));
        }
    }
    signs
}

/// The thresholds that ran away in any seed: that ended at a bound and did not begin there, or lost more than half of
/// their first reading. The bounds are those of the filter, or else 0 and 1.
fn run_away(row: &Evidence, name: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut found: Vec<(String, usize, BTreeSet<usize>, String)> = Vec::new();
    for (place, lines) in row.lines.iter().enumerate() {
        let trial = row.trials.get(place);
        let [low, high] = trial.and_then(|trial| trial.bounds()).unwrap_or([0.0, 1.0]);
        let is_edge = |value: f64| !(low + EDGE..=high - EDGE).contains(&value);
        for reading in by_class(lines) {
            for (class, last) in reading.last.iter().enumerate() {
                let first = reading.first.get(class).copied().flatten();
                let Some(last) = *last else { continue };
                let at_bound = is_edge(last) && !first.is_some_and(is_edge);
                let fallen = first.is_some_and(|first| last < FALLEN * first);
                if !at_bound && !fallen {
                    continue;
                }
                let known = found.iter().position(|(key, ..)| *key == reading.name);
                let known = known.unwrap_or_else(|| {
                    let seed = trial.filter(|_| row.lines.len() > 1);
                    let seed =
                        seed.map_or(String::new(), |trial| format!(" in seed {}", trial.seed));
                    let example = format!("`{}` ended at {last:.3}{seed}", name(class));
                    let count = reading.last.len();
                    found.push((reading.name.clone(), count, BTreeSet::new(), example));
                    found.len() - 1
                });
                found[known].2.insert(class);
            }
        }
    }
    let sign = |(key, count, classes, example): (String, usize, BTreeSet<usize>, String)| {
        let moved = classes.len();
        format!("`{key}` ran away in {moved} of {count} classes ({example})")
    };
    found.into_iter().map(sign).collect()
}

/// Returns true if the loss of the last stage is not finite or far above its smallest value.
fn diverged(lines: &[Line]) -> bool {
    let Some(stage) = lines.last().map(|line| line.stage) else {
        return false;
    };
    let own = || lines.iter().filter(|line| line.stage == stage);
    if own().any(|line| line.readings.get("loss").is_some_and(|loss| loss.is_null())) {
        return true;
    }
    let losses: Vec<f64> = own().filter_map(|line| line.number("loss")).collect();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    losses
        .last()
        .is_some_and(|last| *last > DIVERGED * least && least > 0.0)
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::line;
    use super::*;

    fn evidence(lines: Vec<Vec<Line>>) -> Evidence<'static> {
        Evidence {
            label: "a",
            trials: Vec::new(),
            labels: LabelTotals::of(lines.iter().flatten()),
            per_class: vec![Some(3.0), Some(0.0)],
            lines,
        }
    }

    fn told(lines: Vec<Line>) -> String {
        signs(&evidence(vec![lines]), None, "mAP", &|class| {
            format!("c{class}")
        })
        .join("; ")
    }

    #[test]
    fn a_silent_teacher_and_a_wrong_one_are_told() {
        let silent =
            r#"{"loss":2.0,"kept":0,"objects":9,"right":0,"barren-steps":20,"kept-per-image":0.0}"#;
        assert!(told(vec![line(20, silent)]).contains("kept no pseudo-label in 20 steps"));
        let pool = r#"{"kept":0,"objects":9,"right":0,"barren-steps":1,"pool-images":12,"kept-per-image":0.0}"#;
        assert!(
            told(vec![line(20, pool)]).contains("kept no pseudo-label of 12 unlabelled images")
        );
        let wrong =
            r#"{"loss":2.0,"kept":9,"objects":9,"right":2,"barren-steps":1,"kept-per-image":1.0}"#;
        let text = told(vec![line(20, wrong)]);
        assert!(
            text.contains("precision 0.22")
                && text.contains("1 of 2 classes are at 0 in mAP (`c1`)"),
            "{text}"
        );
    }

    #[test]
    fn thresholds_and_losses_that_run_away_are_told() {
        let at = |step, value: f64, loss: f64| {
            line(
                step,
                &format!(r#"{{"loss":{loss},"thresholds":{{"class":[{value},0.5]}}}}"#),
            )
        };
        let text = told(vec![at(20, 0.7, 2.0), at(40, 0.9999, 5.0)]);
        assert!(
            text.contains("`thresholds.class` ran away in 1 of 2 classes (`c0` ended at 1.000)"),
            "{text}"
        );
        assert!(text.contains("its loss diverged"), "{text}");
        let calm = told(vec![at(20, 0.7, 2.0), at(40, 0.8, 1.5)]);
        assert!(
            !calm.contains("ran away") && !calm.contains("diverged"),
            "{calm}"
        );
    }

    /// A training of a supervised window and windows of 100 pseudo-labels each, of which these are right.
    fn teacher(right: &[u64]) -> Vec<Line> {
        let supervised = [line(20, r#"{"loss":2.0}"#)];
        let windows = (2..).zip(right).map(|(place, right)| {
            let text = format!(
                r#"{{"loss":2.0,"kept":100,"objects":200,"right":{right},"kept-per-image":1.0}}"#
            );
            line(20 * place, &text)
        });
        supervised.into_iter().chain(windows).collect()
    }

    #[test]
    fn pseudo_labels_are_compared_with_those_of_the_supervised_model() {
        let worse = told(teacher(&[90, 60, 60, 91]));
        assert!(
            worse.contains("below that of the supervised model: 0.70 against 0.90"),
            "{worse}"
        );
        assert!(!worse.contains("never improved"), "{worse}");
        // Most are wrong, but no more than those of the supervised model.
        let calm = told(teacher(&[30, 35, 40]));
        assert!(
            !calm.contains("supervised") && !calm.contains("wrong than right"),
            "{calm}"
        );
        // A difference that chance explains.
        let noise = told(teacher(&[50, 45, 51]));
        assert!(!noise.contains("supervised"), "{noise}");
    }

    #[test]
    fn a_teacher_that_never_improved_is_told() {
        let text = told(teacher(&[50, 60, 50]));
        assert!(
            text.contains("never improved: from the first to the last tenth of the windows, precision 0.50 -> 0.50 and recall 0.25 -> 0.25"),
            "{text}"
        );
        assert!(
            !told(teacher(&[50])).contains("never improved"),
            "one window has no end"
        );
    }

    #[test]
    fn thresholds_of_every_seed_and_a_fall_count() {
        let at = |step, values: [f64; 2]| {
            line(step, &format!(r#"{{"thresholds":{{"class":{values:?}}}}}"#))
        };
        let seeds = vec![
            vec![at(20, [0.7, 0.7]), at(40, [0.7, 0.7])],
            vec![at(20, [0.7, 0.7]), at(40, [0.7, 0.2])],
        ];
        let found = signs(&evidence(seeds), None, "mAP", &|class| format!("c{class}"));
        let text = found.join("; ");
        assert!(
            text.contains("`thresholds.class` ran away in 1 of 2 classes (`c1` ended at 0.200"),
            "{text}"
        );
    }

    #[test]
    fn classes_without_pseudo_labels_are_told_if_an_image_shows_them() {
        let kept = |counts: &str| {
            let text = format!(
                r#"{{"kept":9,"right":9,"objects":9,"kept-by-class":{counts},"objects-by-class":[5,4,0]}}"#
            );
            vec![line(20, &text)]
        };
        let sign =
            "no pseudo-label of 1 of 3 classes, though the unlabelled images show them (`c1`)";
        assert!(told(kept("[9,0,0]")).contains(sign));
        assert!(!told(kept("[8,1,0]")).contains("no pseudo-label of"));
        // Another seed has some of it.
        let seeds = vec![kept("[9,0,0]"), kept("[8,1,0]")];
        let found = signs(&evidence(seeds), None, "mAP", &|class| format!("c{class}"));
        assert!(
            !found.join("; ").contains("no pseudo-label of"),
            "{found:?}"
        );
    }

    #[test]
    fn classes_that_no_candidate_has_are_told() {
        let text = told(vec![line(20, r#"{"share-thresholds":[0.5,null]}"#)]);
        assert!(
            text.contains(
                "no candidate of 1 of 2 classes, for which `share-thresholds` has no value (`c1`)"
            ),
            "{text}"
        );
    }
}
