//! The sections of a portrait: each is a heading and lines of numbers, or nothing where nothing is known.

use super::aligned::{aligned, cut, padded, wrapped};
use super::classes::ClassScore;
use super::curve::{CURVES, Curve};
use super::evidence::Evidence;
use super::label_classes::LabelClasses;
use super::labels::LabelTotals;
use super::thresholds::{ByClass, by_class};
use super::trial::KeptTrial;
use crate::experiment::outlook::standing::StageState;
use crate::experiment::run::forecast::readable;
use std::time::Duration;

/// The number of classes in a table, unless all are wanted.
const CLASSES: usize = 15;
/// The width of the name of a curve.
const NAME: usize = 19;
/// The width of each of the four numbers behind a curve.
const NUMBER: usize = 9;
/// The fewest characters of a drawn curve.
const LEAST: usize = 15;
/// The name of the column of the row itself, and that of the row that it is compared with.
const COLUMNS: [&str; 2] = ["this row", "reference"];

/// How much of a row is shown, and in which width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The characters of a line.
    pub width: usize,
    /// True if all classes are listed.
    pub all: bool,
}

/// The curves of the row, each above that of the reference in the same scale.
pub fn curves(own: &Evidence, other: Option<&Evidence>, frame: Frame) -> Vec<String> {
    // A narrow terminal shows the first and the last value alone.
    let beside = |numbers: usize| frame.width.saturating_sub(2 + NAME + numbers * NUMBER);
    let shown = if beside(4) >= LEAST { 4 } else { 2 };
    let room = beside(shown).max(LEAST);
    let mut lines = Vec::new();
    for (name, read) in CURVES {
        let pair =
            [Some(own), other].map(|evidence| Curve::of(&evidence?.lines, read).with_summary());
        let ranges = pair
            .iter()
            .flatten()
            .map(|(_, [_, _, low, high])| [*low, *high]);
        let Some(bounds) = ranges.reduce(|[a, b], [low, high]| [a.min(low), b.max(high)]) else {
            continue;
        };
        let [own, reference] = &pair;
        if own.is_none() {
            // The reference has such readings.
            lines.push(format!("  {}none", padded(name, NAME)));
        }
        let drawn = [(name, own), ("  of the reference", reference)];
        for (name, found) in drawn {
            let Some((curve, numbers)) = found else {
                continue;
            };
            let drawn = padded(&curve.drawn(room, bounds), room);
            let numbers = numbers.map(|value| format!("{:>NUMBER$}", short(value)));
            lines.push(format!(
                "  {}{drawn}{}",
                padded(name, NAME),
                numbers[..shown].concat()
            ));
        }
    }
    if lines.is_empty() {
        return lines;
    }
    let steps = || own.lines.iter().flatten().map(|line| line.step);
    let (first, last) = (steps().min().unwrap_or(0), steps().max().unwrap_or(0));
    let place = 2 + NAME + room;
    let title = padded(
        &cut(&format!("Curves, steps {first} to {last}"), place),
        place,
    );
    let head = ["first", "last", "min", "max"].map(|word| format!("{word:>NUMBER$}"));
    lines.insert(0, title + &head[..shown].concat());
    lines
}

/// A number in few characters.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        size if !(0.001..100_000.0).contains(&size) => format!("{value:.1e}"),
        size if size < 10.0 => format!("{value:.3}"),
        _ => format!("{value:.1}"),
    }
}

/// The pseudo-labels of all steps with a teacher.
pub fn labels(own: &Evidence, other: Option<&Evidence>, frame: Frame) -> Vec<String> {
    type Cell = fn(&LabelTotals) -> String;
    let rows: [(&str, Cell); 8] = [
        ("kept per unlabelled image", |all| {
            format!("{:.2}", all.kept_per_image())
        }),
        ("precision: right among the kept", |all| {
            share(all.precision())
        }),
        ("recall: right among the objects", |all| share(all.recall())),
        ("on an object of any class", |all| share(all.localised())),
        ("classes changed by the correction", |all| {
            format!("{:.0}", all.flips)
        }),
        ("  put right", |all| format!("{:.0}", all.flips_right)),
        ("  broken", |all| format!("{:.0}", all.flips_broken)),
        // Labels that were made before any step have no steps in a row.
        ("most steps in a row without any", |all| {
            match all.pool > 0.0 {
                true => share(None),
                false => all.barren.to_string(),
            }
        }),
    ];
    let found = [own.labels, other.and_then(|other| other.labels)];
    if found[0].is_none() {
        return Vec::new();
    }
    let row = |name: &str, cell: &dyn Fn(usize, &LabelTotals) -> String| {
        let cells = found.iter().enumerate();
        let cells = cells.filter_map(|(place, all)| Some(cell(place, all.as_ref()?)));
        [name.to_string()].into_iter().chain(cells).collect()
    };
    let mut cells = vec![row("", &|place, _| COLUMNS[place].to_string())];
    cells.extend(rows.map(|(name, cell)| row(name, &|_, all| cell(all))));
    titled(
        "Pseudo-labels against the hidden truth, all steps",
        &cells,
        frame,
    )
}

fn share(value: Option<f64>) -> String {
    value.map_or("-".to_string(), |value| format!("{value:.3}"))
}

/// What the filter of the first trial reads by class, at the first and at the last line of its journal.
pub fn thresholds(own: &Evidence, name: &dyn Fn(usize) -> String, frame: Frame) -> Vec<String> {
    let found = own
        .lines
        .first()
        .map_or(Vec::new(), |lines| by_class(lines));
    let count = found.iter().map(|one| one.last.len()).max().unwrap_or(0);
    if count == 0 {
        return Vec::new();
    }
    let shown = if frame.all { count } else { count.min(CLASSES) };
    let at = |values: &[Option<f64>], class: usize| share(values.get(class).copied().flatten());
    let cell = |one: &ByClass, class: usize| {
        format!("{} -> {}", at(&one.first, class), at(&one.last, class))
    };
    let head = found.iter().map(|one| one.name.clone());
    let mut cells: Vec<Vec<String>> = vec![["class".to_string()].into_iter().chain(head).collect()];
    for class in 0..shown {
        let values = found.iter().map(|one| cell(one, class));
        cells.push([name(class)].into_iter().chain(values).collect());
    }
    let seed = match &own.trials[..] {
        [first, _, ..] => format!(" of seed {}", first.seed),
        _ => String::new(),
    };
    let title = format!("Thresholds by class, first -> last line of the journal{seed}");
    let mut lines = titled(&title, &cells, frame);
    lines.extend(more(count - shown));
    lines
}

/// The pseudo-labels of every class that the first trial's student found ready, if they were made before it trained.
pub fn pool(own: &Evidence, name: &dyn Fn(usize) -> String, frame: Frame) -> Vec<String> {
    let mut lines = own.lines.iter().take(1).flatten();
    let found = lines.find_map(|line| {
        line.number("pool-images")?;
        Some((line, LabelClasses::of([line])?))
    });
    let Some((line, classes)) = found else {
        return Vec::new();
    };
    let count = classes.kept.len();
    let shown = if frame.all { count } else { count.min(CLASSES) };
    let number = |key: &str| line.number(key).unwrap_or(0.0);
    let title = format!(
        "Pseudo-labels before the training: {:.0} of {:.0} unlabelled images have some",
        number("pool-labelled"),
        number("pool-images")
    );
    let head = ["class", "kept", "right", "hidden objects"];
    let mut cells = vec![head.map(String::from).to_vec()];
    let columns = [&classes.kept, &classes.right, &classes.objects];
    cells.extend((0..shown).map(|class| {
        let counts = columns.map(|counts| counts[class].to_string());
        [name(class)].into_iter().chain(counts).collect()
    }));
    let mut lines = titled(&title, &cells, frame);
    lines.extend(more(count - shown));
    lines
}

/// The classes of a row in the given order. `compared` is true if they have values of a reference.
pub fn classes(metric: &str, scores: &[ClassScore], compared: bool, frame: Frame) -> Vec<String> {
    if scores.is_empty() {
        return Vec::new();
    }
    let shown = if frame.all {
        scores.len()
    } else {
        scores.len().min(CLASSES)
    };
    let number = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.2}"));
    let mut head = vec!["class", COLUMNS[0]];
    if compared {
        head.extend([COLUMNS[1], "difference"]);
    }
    let mut cells = vec![head.into_iter().map(String::from).collect::<Vec<_>>()];
    for score in &scores[..shown] {
        let mut row = vec![score.name.clone(), number(score.own)];
        if compared {
            let difference = score.difference();
            row.push(number(score.other));
            row.push(difference.map_or("-".to_string(), |value| format!("{value:+.2}")));
        }
        cells.push(row);
    }
    let order = match compared {
        true => "what costs most first",
        false => "the lowest first",
    };
    let mut lines = titled(
        &format!("{metric} by class in percent, {order}"),
        &cells,
        frame,
    );
    lines.extend(more(scores.len() - shown));
    lines
}

/// The metric of the networks that were evaluated.
pub fn networks(
    metric: &str,
    own: &Evidence,
    other: Option<&Evidence>,
    frame: Frame,
) -> Vec<String> {
    let reported = own
        .trials
        .iter()
        .find_map(KeptTrial::reported)
        .unwrap_or("?");
    type Value = fn(&Evidence, &str) -> Option<f64>;
    let values: [(&str, Value); 3] = [
        (reported, |evidence, metric| evidence.metric(metric)),
        ("student", |evidence, metric| evidence.student(metric)),
        ("average", |evidence, metric| evidence.average(metric)),
    ];
    let mut cells = vec![vec![metric.to_string(), COLUMNS[0].to_string()]];
    cells[0].extend(other.map(|_| COLUMNS[1].to_string()));
    for (place, (name, value)) in values.into_iter().enumerate() {
        let Some(found) = value(own, metric).filter(|_| place == 0 || name != reported) else {
            continue;
        };
        let name = match place {
            0 => format!("{name}, which the table shows"),
            _ => name.to_string(),
        };
        let mut row = vec![name, format!("{found:.2}")];
        let found = other.and_then(|other| value(other, metric));
        row.extend(found.map(|value| format!("{value:.2}")));
        cells.push(row);
    }
    match cells.len() {
        1 => Vec::new(),
        _ => titled("Networks", &cells, frame),
    }
}

/// The stages of the trials, each once, with their seconds and the files of their weights.
pub fn stages(trials: &[KeptTrial], frame: Frame) -> Vec<String> {
    let mut known = Vec::new();
    let mut lines = vec!["Stages: time of work, weights".to_string()];
    for stage in trials.iter().flat_map(|trial| &trial.stages) {
        if known.contains(&&stage.entry.key) {
            continue;
        }
        known.push(&stage.entry.key);
        let shared = match stage.entry.trials {
            0 | 1 => String::new(),
            trials => format!(", shared by {trials} trials"),
        };
        let text = format!("{}: {}{shared}", stage.entry.title, state(&stage.state));
        let text = wrapped(&text, frame.width.saturating_sub(4));
        let indent = |(place, line): (usize, String)| match place {
            0 => format!("  {line}"),
            _ => format!("    {line}"),
        };
        lines.extend(text.into_iter().enumerate().map(indent));
        let result = stage.folder.result();
        if !stage.entry.key.evaluates() && result.exists() {
            lines.push(format!("    {}", result.display()));
        }
    }
    if known.is_empty() {
        return vec![
            "Stages: unknown, because the store no longer has the settings of the trial"
                .to_string(),
        ];
    }
    lines
}

/// The state of a stage in a few words.
pub fn state(state: &StageState) -> String {
    match state {
        StageState::Done { seconds } if *seconds < 10.0 => format!("{seconds:.1} s"),
        StageState::Done { seconds } => readable(Duration::from_secs_f64(*seconds)),
        StageState::Running(position) => format!("running, step {}", position.step),
        StageState::Interrupted(position) => format!("interrupted at step {}", position.step),
        StageState::Failed { reason, .. } => {
            format!("failed: {}", reason.lines().next().unwrap_or_default())
        }
        StageState::Outdated { old, .. } => format!("made by version {old} of the computations"),
        StageState::Missing => "not done".to_string(),
    }
}

/// A heading above aligned lines.
fn titled(title: &str, cells: &[Vec<String>], frame: Frame) -> Vec<String> {
    let mut lines = wrapped(title, frame.width);
    lines.extend(aligned(cells, 2, frame.width));
    lines
}

/// The line about rows that are left out.
fn more(left_out: usize) -> Option<String> {
    (left_out > 0).then(|| format!("  … and {left_out} more: --all shows them"))
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::line;
    use super::*;

    #[test]
    fn labels_of_a_pool_are_told_by_class() {
        let readings = r#"{"pool-images":32,"pool-labelled":9,"kept-by-class":[7,5],"right-by-class":[6,2],"objects-by-class":[8,9]}"#;
        let of = |lines| Evidence {
            label: "DD",
            trials: Vec::new(),
            lines: vec![lines],
            labels: None,
            per_class: Vec::new(),
        };
        let own = of(vec![line(20, "{}"), line(0, readings)]);
        let frame = Frame {
            width: 80,
            all: false,
        };
        let name = |class: usize| ["disc", "ring"][class].to_string();
        let text = pool(&own, &name, frame).join("\n");
        assert!(text.contains("9 of 32 unlabelled images"), "{text}");
        let rows = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let rows: Vec<Vec<&str>> = rows.collect();
        assert!(
            rows.contains(&vec!["disc", "7", "6", "8"])
                && rows.contains(&vec!["ring", "5", "2", "9"]),
            "{text}"
        );
        assert!(pool(&of(vec![line(20, "{}")]), &name, frame).is_empty());
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.0001, 0.5, 20.076, -3.25, 1234.5, 1e9].map(short);
        assert_eq!(
            texts,
            ["0", "1.0e-4", "0.500", "20.1", "-3.250", "1234.5", "1.0e9"]
        );
    }

    #[test]
    fn many_classes_are_cut_unless_all_are_wanted() {
        let scores: Vec<ClassScore> = (0..20)
            .map(|i| ClassScore {
                name: format!("class {i}"),
                own: Some(f64::from(i)),
                other: None,
            })
            .collect();
        let lines = |all| classes("mAP", &scores, false, Frame { width: 60, all });
        assert_eq!(lines(true).len(), 2 + 20);
        assert_eq!(lines(false).len(), 2 + CLASSES + 1);
        assert!(lines(false).last().unwrap().contains("5 more: --all"));
    }
}
