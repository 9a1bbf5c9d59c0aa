//! The supervised model that a row with pseudo-labels is judged by: the one that its teacher began as, and the row of
//! the sweep that trains without pseudo-labels.

use super::evidence::Evidence;
use super::journal::Line;
use super::labels::LabelTotals;
use crate::experiment::settings::trial_settings::TrialSettings;

/// The share of the windows with a teacher that are its beginning, and its end.
const PART: usize = 10;
/// The standard errors of a difference of two shares that chance does not explain.
const ERRORS: f64 = 2.0;

/// The pseudo-labels of a row at the beginning and at the end of its steps with a teacher, sums over the seeds.
pub struct Teacher {
    /// True if the teacher began as the result of a supervised training, in every seed. At the first window with a
    /// teacher it is still that supervised model, so the window's precision is that of the supervised model.
    pub is_supervised: bool,
    /// The first window of every seed.
    first: LabelTotals,
    /// All other windows.
    later: Option<LabelTotals>,
    /// The first and the last tenth of the windows of every seed, one window at least; none of single windows.
    ends: Option<[LabelTotals; 2]>,
}

impl Teacher {
    /// The teacher of the seeds' journals; none if none has pseudo-labels.
    pub fn of(seeds: &[Vec<Line>]) -> Option<Self> {
        let has_teacher = |line: &&Line| line.number("kept").is_some();
        let windows: Vec<Vec<&Line>> = seeds
            .iter()
            .map(|lines| lines.iter().filter(has_teacher).collect())
            .filter(|windows: &Vec<&Line>| !windows.is_empty())
            .collect();
        let began = |lines: &Vec<Line>| lines.first().is_some_and(|line| !has_teacher(&line));
        let of = |part: &dyn Fn(&[&'_ Line]) -> std::ops::Range<usize>| {
            let lines = windows.iter().flat_map(|one| &one[part(one)]);
            LabelTotals::of(lines.copied())
        };
        let size = |one: &[&Line]| one.len().div_ceil(PART);
        let ends = [
            of(&|one| 0..size(one)),
            of(&|one| one.len() - size(one)..one.len()),
        ];
        let has_ends = windows.iter().all(|one| one.len() > 1);
        Some(Self {
            is_supervised: seeds.iter().all(began),
            first: of(&|_| 0..1)?,
            later: of(&|one| 1..one.len()),
            ends: match ends {
                [Some(first), Some(last)] if has_ends => Some([first, last]),
                _ => None,
            },
        })
    }

    /// The precision of the first window and that of all others, if it is lower than chance explains.
    pub fn worse(&self) -> Option<[f64; 2]> {
        let later = self.later?;
        let (before, after) = (self.first.precision()?, later.precision()?);
        let variance = |share: f64, count: f64| share * (1.0 - share) / count;
        let error = variance(before, self.first.kept) + variance(after, later.kept);
        (after < before - ERRORS * error.sqrt()).then_some([before, after])
    }

    /// The precision and the recall at the beginning and at the end, if neither rose.
    pub fn never_improved(&self) -> Option<[[Option<f64>; 2]; 2]> {
        let [first, last] = self.ends?;
        let (precision, recall) = (
            [first.precision(), last.precision()],
            [first.recall(), last.recall()],
        );
        let rose = |[first, last]: [Option<f64>; 2]| match (first, last) {
            (Some(first), Some(last)) => last > first,
            (None, last) => last.is_some(),
            (_, None) => false,
        };
        // Teachers that keep nothing at all are told elsewhere.
        let has_kept = first.kept + last.kept > 0.0;
        (has_kept && !rose(precision) && !rose(recall)).then_some([precision, recall])
    }
}

/// The row of `rows` that trains the network and the data of `own` on labelled images alone; none if there is no such
/// row, or if the store lacks the settings.
pub fn supervised<'a, 'b>(
    rows: impl IntoIterator<Item = &'a Evidence<'b>>,
    own: &Evidence,
) -> Option<&'a Evidence<'b>>
where
    'b: 'a,
{
    let settings = |row: &Evidence| row.trials.first()?.settings.clone();
    let known = settings(own).filter(|known| known.contains_key("model"))?;
    let fits = |row: &&Evidence| {
        let Some(other) = settings(row) else {
            return false;
        };
        let same = |key: &str| known.get(key) == other.get(key);
        let reads_more = |settings: TrialSettings| settings.method().reads_unlabelled();
        ["model", "data", "split"].into_iter().all(same)
            && TrialSettings::read(&other).is_ok_and(|settings| !reads_more(settings))
    };
    rows.into_iter().find(fits)
}

/// The mean difference of the metric of two rows over their common seeds; none without any.
pub fn gain(own: &Evidence, other: &Evidence, metric: &str) -> Option<f64> {
    let values = |row: &Evidence| -> Vec<(u64, f64)> {
        let trials = row.trials.iter();
        let values = trials.filter_map(|trial| {
            let record = trial.record.filter(|one| one.failure().is_none())?;
            Some((trial.seed, record.metrics.as_ref()?.get(metric)?))
        });
        values.collect()
    };
    let others = values(other);
    let pairs = values(own).into_iter().filter_map(|(seed, value)| {
        let (_, other) = others.iter().find(|(one, _)| *one == seed)?;
        Some(value - other)
    });
    let pairs: Vec<f64> = pairs.collect();
    crate::report::statistics::mean(&pairs)
}
