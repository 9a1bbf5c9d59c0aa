//! The largest reason for a row's result, as one sentence of numbers.
//!
//! The sentence has up to three parts: the difference, the classes that hold most of it, and the reading of the
//! training that differs most. The last part names what was measured; it proves no cause.

use super::classes::ClassScore;
use super::evidence::Evidence;
use super::labels::LabelTotals;
use crate::report::statistics::{JudgedDifference, Verdict};

/// The share of the difference that the named classes hold together.
const MOST: f64 = 0.5;
/// The classes that follow the difference may together change by so many times the difference. Beyond that, others
/// work against them, and no class holds "most of it".
const OPPOSED: f64 = 2.0;
/// The largest number of classes that are named.
const NAMED: usize = 3;
/// The smallest share by which a reading has to differ to be named.
const NOTABLE: f64 = 0.05;

/// What a sentence is about: a row and the row that it is compared with.
pub struct Case<'a> {
    /// The metric.
    pub metric: &'a str,
    /// The row.
    pub own: &'a Evidence<'a>,
    /// The row that it is compared with.
    pub other: &'a Evidence<'a>,
    /// The difference with its verdict, over the seeds that both finished.
    pub judged: Option<&'a JudgedDifference>,
    /// The classes, sorted by their difference.
    pub classes: &'a [ClassScore],
}

impl Case<'_> {
    /// The sentence; none if the rows have no common finished seed.
    pub fn sentence(&self) -> Option<String> {
        let judged = self.judged?;
        let difference = judged.difference.mean;
        let (own, other) = (
            self.own.metric(self.metric)?,
            self.other.metric(self.metric)?,
        );
        let (metric, label) = (self.metric, self.other.label);
        let mut parts = vec![match difference == 0.0 {
            true => format!("{metric} is {own:.2}, as that of `{label}`"),
            false => format!(
                "{metric} is {:.2} {} `{label}` ({own:.2} against {other:.2}{})",
                difference.abs(),
                if difference < 0.0 { "below" } else { "above" },
                doubt(judged)
            ),
        }];
        parts.extend(self.in_classes(difference));
        parts.extend(self.in_training());
        Some(parts.join("; ") + ".")
    }

    /// The classes that hold most of the difference.
    fn in_classes(&self, difference: f64) -> Option<String> {
        let sign = difference.signum();
        let mut moved: Vec<(&str, f64)> = self
            .classes
            .iter()
            .filter_map(|class| Some((class.name.as_str(), class.difference()?)))
            .collect();
        let count = moved.len() as f64;
        moved.retain(|(_, change)| change * sign > 0.0);
        moved.sort_by(|(_, one), (_, other)| (other * sign).total_cmp(&(one * sign)));
        let (first, change) = *moved.first()?;
        let needed = difference.abs() * count;
        let all: f64 = moved.iter().map(|(_, change)| change.abs()).sum();
        if all > OPPOSED * needed {
            let most = match sign < 0.0 {
                true => "loses",
                false => "gains",
            };
            return Some(format!(
                "its classes go both ways, and `{first}` {most} most ({change:+.1} AP)"
            ));
        }
        let mut held = 0.0;
        let enough = moved.iter().position(|(_, change)| {
            held += change.abs();
            held >= MOST * needed
        });
        match enough
            .map(|place| place + 1)
            .filter(|taken| *taken <= NAMED)
        {
            Some(taken) => {
                let named: Vec<String> = moved[..taken]
                    .iter()
                    .map(|(name, change)| format!("`{name}` ({change:+.1} AP)"))
                    .collect();
                let noun = if taken == 1 { "class" } else { "classes" };
                Some(format!("most of it in {noun} {}", named.join(", ")))
            }
            None => Some(format!(
                "spread over {} of {} classes, most in `{first}` ({change:+.1} AP)",
                moved.len(),
                count
            )),
        }
    }

    /// The reading of the training that differs most.
    fn in_training(&self) -> Option<String> {
        if let (Some(own), Some(other)) = (self.own.steps(), self.other.steps())
            && own != other
        {
            return Some(format!("it trained for {own} steps against {other}"));
        }
        let other = self.other.label;
        match (&self.own.labels, &self.other.labels) {
            (Some(own), Some(labels)) => self.in_labels(own, labels).or_else(|| self.in_loss()),
            (None, Some(labels)) => Some(format!(
                "it trains without pseudo-labels, of which `{other}` keeps {:.1} per image{}",
                labels.kept_per_image(),
                with_precision(labels.precision())
            )),
            (Some(labels), None) => Some(format!(
                "it keeps {:.1} pseudo-labels per image{}, and `{other}` trains without any",
                labels.kept_per_image(),
                with_precision(labels.precision())
            )),
            (None, None) => self.in_loss(),
        }
    }

    fn in_labels(&self, own: &LabelTotals, other: &LabelTotals) -> Option<String> {
        if own.kept == 0.0 && other.kept > 0.0 {
            return Some(format!(
                "its teacher kept no pseudo-label in {} steps, against {:.1} per image",
                own.steps,
                other.kept_per_image()
            ));
        }
        let kept = [own.kept_per_image(), other.kept_per_image()];
        let precision = own.precision().zip(other.precision());
        let kept_moved = moved(kept[0], kept[1]);
        let precision_moved = precision.map_or(0.0, |(own, other)| moved(own, other));
        // Labels that the correction put right less those that it broke, among all.
        let gained = |labels: &LabelTotals| match labels.kept > 0.0 {
            true => (labels.flips_right - labels.flips_broken) / labels.kept,
            false => 0.0,
        };
        let flips_moved = (gained(own) - gained(other)).abs();
        if flips_moved > kept_moved.max(precision_moved) && flips_moved >= NOTABLE {
            return Some(format!(
                "its correction put {:.0} pseudo-labels right and broke {:.0}, against {:.0} and {:.0}",
                own.flips_right, own.flips_broken, other.flips_right, other.flips_broken
            ));
        }
        if kept_moved.max(precision_moved) < NOTABLE {
            return None;
        }
        let precision = precision.map_or(String::new(), |(own, other)| {
            format!(", with precision {own:.2} against {other:.2}")
        });
        let recall = own.recall().zip(other.recall());
        let recall = recall.filter(|_| !precision.is_empty());
        let recall = recall.map_or(String::new(), |(own, other)| {
            format!(" and recall {own:.2} against {other:.2}")
        });
        Some(format!(
            "it keeps {:.1} pseudo-labels per image against {:.1}{precision}{recall}",
            kept[0], kept[1]
        ))
    }

    /// The student's own result or the loss, where the pseudo-labels tell nothing.
    fn in_loss(&self) -> Option<String> {
        let student = self
            .own
            .student(self.metric)
            .zip(self.other.student(self.metric));
        let shown = self
            .own
            .metric(self.metric)
            .zip(self.other.metric(self.metric));
        if let (Some((own, other)), Some((shown_own, shown_other))) = (student, shown) {
            let (student, shown) = (own - other, shown_own - shown_other);
            if student * shown < 0.0 || student.abs() < NOTABLE * shown.abs() {
                return Some(format!(
                    "its student does not share the difference ({own:.2} against {other:.2})"
                ));
            }
        }
        let (own, other) = (self.own.last_loss()?, self.other.last_loss()?);
        (moved(own, other) >= NOTABLE)
            .then(|| format!("its loss ends at {own:.2} against {other:.2}"))
    }
}

/// The doubt about a difference.
fn doubt(judged: &JudgedDifference) -> &'static str {
    match (judged.verdict, judged.difference.pairs) {
        (Verdict::Helps | Verdict::Hurts, _) => "",
        (Verdict::Same, _) => "; too small to matter",
        (_, 1) => "; one seed, so it may be chance",
        _ => "; inconclusive, so it may be chance",
    }
}

fn with_precision(precision: Option<f64>) -> String {
    precision.map_or(String::new(), |precision| {
        format!(" with precision {precision:.2}")
    })
}

/// The share by which `own` differs from `other`.
fn moved(own: f64, other: f64) -> f64 {
    let larger = own.abs().max(other.abs());
    match larger > 0.0 {
        true => (own - other).abs() / larger,
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::Line;
    use super::super::journal::tests::line;
    use super::super::trial::KeptTrial;
    use super::*;
    use crate::metrics::Metrics;
    use crate::report::statistics::Difference;
    use crate::report::{Record, TrialStatus};

    fn record(mean_ap: f64, student: f64) -> Record {
        let metrics = |value: f64| -> Metrics { [("mAP", Some(value))].into_iter().collect() };
        Record {
            recipe: "r".into(),
            hash: "h".into(),
            label: "l".into(),
            seed: 0,
            steps: 100,
            status: TrialStatus::Ok,
            error: None,
            metrics: Some(metrics(mean_ap)),
            student: Some(metrics(student)),
            average: None,
            commits: None,
            device: None,
            code_version: 1,
            findings: Vec::new(),
            split: None,
        }
    }

    fn evidence<'a>(label: &'a str, record: &'a Record, lines: Vec<Line>) -> Evidence<'a> {
        Evidence {
            label,
            trials: vec![KeptTrial {
                hash: "h",
                seed: 0,
                record: Some(record),
                stages: Vec::new(),
                settings: None,
                evaluation: None,
                copy_of_journal: "".into(),
            }],
            labels: LabelTotals::of(&lines),
            lines: vec![lines],
            per_class: Vec::new(),
        }
    }

    fn judged(mean: f64, pairs: usize, verdict: Verdict) -> JudgedDifference {
        JudgedDifference {
            difference: Difference {
                mean,
                pairs,
                interval: None,
                bootstrap: None,
                p: None,
            },
            adjusted: None,
            sequential: None,
            verdict,
        }
    }

    fn class(name: &str, own: f64, other: f64) -> ClassScore {
        ClassScore {
            name: name.into(),
            own: Some(own),
            other: Some(other),
        }
    }

    /// The readings of a window with these pseudo-labels.
    fn labels(kept: u64, right: u64, per_image: f64) -> Vec<Line> {
        let text = format!(
            "{{\"loss\":2.0,\"kept\":{kept},\"objects\":100,\"right\":{right},\"kept-per-image\":{per_image}}}"
        );
        vec![line(20, &text)]
    }

    fn sentence(
        [own, other]: [Vec<Line>; 2],
        judged: JudgedDifference,
        classes: &[ClassScore],
    ) -> String {
        let records = [record(18.0, 18.0), record(20.1, 20.0)];
        let (own, other) = (
            evidence("- a", &records[0], own),
            evidence("all", &records[1], other),
        );
        let case = Case {
            metric: "mAP",
            own: &own,
            other: &other,
            judged: Some(&judged),
            classes,
        };
        case.sentence().unwrap()
    }

    #[test]
    fn the_sentence_has_the_difference_its_class_and_the_pseudo_labels() {
        let classes = [
            class("ring", 3.0, 6.0),
            class("disc", 30.0, 31.2),
            class("box", 21.0, 21.0),
        ];
        let lines = [labels(6, 3, 0.3), labels(24, 18, 1.2)];
        assert_eq!(
            sentence(lines, judged(-2.1, 3, Verdict::Hurts), &classes),
            "mAP is 2.10 below `all` (18.00 against 20.10); most of it in classes `ring` (-3.0 AP), `disc` (-1.2 AP); it \
             keeps 0.3 pseudo-labels per image against 1.2, with precision 0.50 against 0.75 and recall 0.03 against \
             0.18."
        );
    }

    #[test]
    fn a_difference_without_a_verdict_says_so() {
        let lines = || [labels(20, 10, 1.0), labels(20, 10, 1.0)];
        let one = sentence(lines(), judged(-2.1, 1, Verdict::Inconclusive), &[]);
        assert_eq!(
            one,
            "mAP is 2.10 below `all` (18.00 against 20.10; one seed, so it may be chance)."
        );
        let many = sentence(lines(), judged(2.1, 3, Verdict::Inconclusive), &[]);
        assert!(
            many.contains("above `all`") && many.contains("inconclusive"),
            "{many}"
        );
    }

    #[test]
    fn a_teacher_that_is_missing_or_keeps_nothing_is_the_reason() {
        let hurts = judged(-2.1, 3, Verdict::Hurts);
        let silent = sentence([labels(0, 0, 0.0), labels(24, 18, 1.2)], hurts, &[]);
        assert!(
            silent.contains("its teacher kept no pseudo-label in 20 steps, against 1.2 per image"),
            "{silent}"
        );
        let alone = vec![line(20, r#"{"loss":2.0}"#)];
        let without = sentence([alone, labels(24, 18, 1.2)], hurts, &[]);
        let expected = "it trains without pseudo-labels, of which `all` keeps 1.2 per image with precision 0.75";
        assert!(without.contains(expected), "{without}");
    }

    #[test]
    fn classes_that_work_against_each_other_do_not_hold_most_of_it() {
        let classes = [class("ring", 3.0, 6.0), class("disc", 30.0, 27.2)];
        let lines = [labels(20, 10, 1.0), labels(20, 10, 1.0)];
        let text = sentence(lines, judged(-0.1, 3, Verdict::Inconclusive), &classes);
        assert!(
            text.contains("its classes go both ways, and `ring` loses most (-3.0 AP)"),
            "{text}"
        );
    }

    #[test]
    fn many_classes_are_counted_and_the_worst_is_named() {
        let classes: Vec<ClassScore> = (0..8)
            .map(|i| class(&format!("c{i}"), 10.0, 12.0 + f64::from(i) / 10.0))
            .collect();
        let lines = [labels(20, 10, 1.0), labels(20, 10, 1.0)];
        let text = sentence(lines, judged(-2.35, 3, Verdict::Hurts), &classes);
        assert!(
            text.contains("spread over 8 of 8 classes, most in `c7` (-2.7 AP)"),
            "{text}"
        );
    }
}
