//! Signs in the journals that a training went wrong, each as a sentence.
//!
//! A sign says what was measured. It proves no cause, and a row without signs may still be wrong.

use super::evidence::Evidence;
use super::journal::Line;
use super::thresholds::by_class;

/// The share of the steps in a row without pseudo-labels from which on they are told.
const BARREN: f64 = 0.5;
/// The precision below which more pseudo-labels are wrong than right.
const HALF: f64 = 0.5;
/// The factor by which the last loss of a stage exceeds its smallest one if it diverges.
const DIVERGED: f64 = 2.0;
/// The share of the student's metric below which the shown network is behind it.
const BEHIND: f64 = 0.95;
/// A threshold this near to 0 or 1 accepts everything or nothing.
const EDGE: f64 = 0.01;

/// The signs of a row. `name` names a class by its index, and `metric` is that of the table.
pub fn signs(row: &Evidence, metric: &str, name: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut signs = Vec::new();
    if let Some(labels) = &row.labels {
        let precision = labels.precision();
        if labels.kept == 0.0 {
            signs.push(format!(
                "its teacher kept no pseudo-label in {} steps, so the unlabelled images trained nothing",
                labels.steps
            ));
        } else if labels.barren as f64
            >= BARREN * labels.steps as f64 / row.trials.len().max(1) as f64
        {
            signs.push(format!(
                "{} steps in a row had no pseudo-label",
                labels.barren
            ));
        }
        if let Some(precision) = precision.filter(|precision| *precision < HALF) {
            signs.push(format!(
                "more of its pseudo-labels were wrong than right (precision {precision:.2})"
            ));
        }
    }
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
        let named: Vec<String> = zero
            .iter()
            .take(3)
            .map(|class| format!("`{}`", name(*class)))
            .collect();
        let more = if zero.len() > named.len() {
            ", ..."
        } else {
            ""
        };
        signs.push(format!(
            "{} of {} classes are at 0 in {metric} ({}{more})",
            zero.len(),
            row.per_class.len(),
            named.join(", ")
        ));
    }
    signs
}

/// The thresholds of the first trial that ended at 0 or 1 and did not begin there.
fn run_away(row: &Evidence, name: &dyn Fn(usize) -> String) -> Vec<String> {
    let readings = row
        .lines
        .first()
        .map_or(Vec::new(), |lines| by_class(lines));
    let is_edge = |value: f64| !(EDGE..=1.0 - EDGE).contains(&value);
    let mut signs = Vec::new();
    for reading in readings {
        let pairs = reading.first.iter().zip(&reading.last).enumerate();
        let moved: Vec<(usize, f64)> = pairs
            .filter_map(|(class, (first, last))| {
                let last = (*last)?;
                (is_edge(last) && !first.is_some_and(is_edge)).then_some((class, last))
            })
            .collect();
        if let Some((class, value)) = moved.first() {
            let (count, key) = (moved.len(), &reading.name);
            signs.push(format!(
                "`{key}` ran away in {count} of {} classes (`{}` ended at {value:.3})",
                reading.last.len(),
                name(*class)
            ));
        }
    }
    signs
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
    use super::super::labels::LabelTotals;
    use super::*;

    fn evidence(lines: Vec<Line>) -> Evidence<'static> {
        Evidence {
            label: "a",
            trials: Vec::new(),
            labels: LabelTotals::of(&lines),
            per_class: vec![Some(3.0), Some(0.0)],
            lines: vec![lines],
        }
    }

    fn told(lines: Vec<Line>) -> String {
        signs(&evidence(lines), "mAP", &|class| format!("c{class}")).join("; ")
    }

    #[test]
    fn a_silent_teacher_and_a_wrong_one_are_told() {
        let silent =
            r#"{"loss":2.0,"kept":0,"objects":9,"right":0,"barren-steps":20,"kept-per-image":0.0}"#;
        assert!(told(vec![line(20, silent)]).contains("kept no pseudo-label in 20 steps"));
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
}
