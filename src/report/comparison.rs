//! Compares two results folders row by row. Rows are matched by sweep and label, or as the user pairs them; trials
//! are matched by their seed.

use super::folder::ResultsFolder;
use super::identical;
use super::layout::{RowLayout, TableLayout};
use super::metric::{names, reached};
use super::record::Record;
use super::statistics::{Bootstrap, Difference, JudgedDifference, judge, mean, paired_difference};
use std::collections::BTreeMap;

/// One sweep of two results folders.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The name of the sweep.
    pub sweep: String,
    /// The two folders, as the user named them.
    pub folders: [String; 2],
    /// The metric that is compared.
    pub metric: String,
    /// The rows of the first folder in its order, then the rows that only the second folder has.
    pub rows: Vec<ComparedRow>,
}

/// One row of both folders, or of one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedRow {
    /// The variant.
    pub label: String,
    /// The mean of the first folder over the seeds that both finished.
    pub first: Option<f64>,
    /// The mean of the second folder over the same seeds.
    pub second: Option<f64>,
    /// The second mean minus the first.
    pub judged: Option<JudgedDifference>,
    /// The hash of a trial of the first folder, and that of the trial with the same seed in the second.
    pub trials: Option<(String, String)>,
    /// True if every metric of every common trial is equal to the last digit.
    pub identical: bool,
    /// `ok`, the reason why there is no difference, or the seeds that are left out.
    pub status: String,
    /// The differences between the settings of `trials`, if known.
    pub settings: Vec<String>,
}

/// Compares the table `name` of `first` with that of `second`. Returns none if neither folder has it. The
/// differences are those of `metric`, or of the first metric of the records.
pub fn compare(
    name: &str,
    first: &ResultsFolder,
    second: &ResultsFolder,
    metric: Option<&str>,
) -> Option<Comparison> {
    let sides = [first, second].map(|folder| Side::new(folder, name));
    if sides.iter().all(|side| side.layout.is_none()) {
        return None;
    }
    let known = names(sides.iter().flat_map(Side::records));
    let metric = metric.unwrap_or(&known[0]);
    let more = sides[1].labels();
    let more = more.filter(|label| !sides[0].by_label.contains_key(label));
    let labels = sides[0].labels().chain(more);

    let mut bootstrap = Bootstrap::default();
    let found = labels.map(|label| {
        let [one, other] = sides.each_ref().map(|side| side.by_label.get(label));
        match (one, other) {
            (Some(one), Some(other)) => both(
                label,
                (&sides[0], one),
                (&sides[1], other),
                metric,
                &mut bootstrap,
            ),
            (one, _) => {
                let folder = if one.is_some() { "A" } else { "B" };
                (empty(label, format!("only in {folder}")), None)
            }
        }
    });
    Some(Comparison {
        sweep: name.to_string(),
        folders: [first, second].map(|folder| folder.path.display().to_string()),
        metric: metric.to_string(),
        rows: judged(found.collect()),
    })
}

/// A row of one folder and a row of another one that are compared with each other: the sweep and the label of
/// each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPair(pub [(String, String); 2]);

/// Compares each row of `first` with the row of `second` that stands beside it in `pairs`. Rows that do not
/// exist are left out.
pub fn compare_rows(
    pairs: &[RowPair],
    first: &ResultsFolder,
    second: &ResultsFolder,
    metric: Option<&str>,
) -> Comparison {
    let sides =
        |RowPair([one, other]): &RowPair| [Side::new(first, &one.0), Side::new(second, &other.0)];
    let all: Vec<[Side; 2]> = pairs.iter().map(sides).collect();
    let known = names(all.iter().flatten().flat_map(Side::records));
    let metric = metric.unwrap_or(&known[0]);
    let mut bootstrap = Bootstrap::default();
    let found = all.iter().zip(pairs).filter_map(|(sides, pair)| {
        let RowPair([(_, one), (_, other)]) = pair;
        let label = match one == other {
            true => one.clone(),
            false => format!("{one} | {other}"),
        };
        let one = sides[0].by_label.get(one.as_str())?;
        let other = sides[1].by_label.get(other.as_str())?;
        let (first, second) = ((&sides[0], *one), (&sides[1], *other));
        Some(both(&label, first, second, metric, &mut bootstrap))
    });
    let rows = judged(found.collect());
    let mut sweeps: Vec<&str> = Vec::new();
    for (sweep, _) in pairs.iter().flat_map(|RowPair(sides)| sides) {
        if !sweeps.contains(&sweep.as_str()) {
            sweeps.push(sweep);
        }
    }
    Comparison {
        sweep: sweeps.join(", "),
        folders: [first, second].map(|folder| folder.path.display().to_string()),
        metric: metric.to_string(),
        rows,
    }
}

/// The rows with the verdicts on their differences, judged together.
fn judged(found: Vec<(ComparedRow, Option<Difference>)>) -> Vec<ComparedRow> {
    let differences: Vec<Difference> = found.iter().filter_map(|(_, one)| *one).collect();
    let mut verdicts = judge(&differences).into_iter();
    let row = |(mut row, difference): (ComparedRow, Option<Difference>)| {
        row.judged = difference.and_then(|_| verdicts.next());
        identical::mark(&mut row.judged, row.identical);
        row
    };
    found.into_iter().map(row).collect()
}

/// One of the two folders, with its table if it has it.
struct Side<'a> {
    folder: &'a ResultsFolder,
    layout: Option<&'a TableLayout>,
    by_label: BTreeMap<&'a str, &'a RowLayout>,
}

impl<'a> Side<'a> {
    fn new(folder: &'a ResultsFolder, name: &str) -> Self {
        let layout = folder.tables.iter().find(|table| table.name == name);
        let rows = layout.map_or(&[][..], |layout| &layout.rows);
        Self {
            folder,
            layout,
            by_label: rows.iter().map(|row| (row.label.as_str(), row)).collect(),
        }
    }

    /// The labels in the order of the table.
    fn labels(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let rows = self.layout.map_or(&[][..], |layout| &layout.rows);
        rows.iter().map(|row| row.label.as_str())
    }

    /// The records of the table, row by row.
    fn records(&self) -> impl Iterator<Item = &'a Record> + use<'a> {
        let rows = self.layout.map_or(&[][..], |layout| &layout.rows);
        let folder = self.folder;
        let trials = rows.iter().flat_map(|row| &row.trials);
        trials.filter_map(|hash| folder.records.get(hash))
    }

    /// The seed, hash and result of the row's trials.
    fn trials(&self, row: &'a RowLayout, metric: &str) -> Vec<(u64, &'a str, Option<f64>)> {
        let seeds = self.layout.map_or(&[][..], |layout| &layout.seeds);
        let reached = |hash: &str| reached(self.folder.records.get(hash)?, metric);
        seeds
            .iter()
            .zip(&row.trials)
            .map(|(&seed, hash)| (seed, hash.as_str(), reached(hash)))
            .collect()
    }
}

fn empty(label: &str, status: String) -> ComparedRow {
    ComparedRow {
        label: label.to_string(),
        first: None,
        second: None,
        judged: None,
        trials: None,
        identical: false,
        status,
        settings: Vec::new(),
    }
}

/// A row that both folders have, and its difference.
fn both<'a>(
    label: &str,
    (first, one): (&Side<'a>, &'a RowLayout),
    (second, other): (&Side<'a>, &'a RowLayout),
    metric: &str,
    bootstrap: &mut Bootstrap,
) -> (ComparedRow, Option<Difference>) {
    let (one, other) = (first.trials(one, metric), second.trials(other, metric));
    let mut hashes = None;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    let mut pairs = Vec::new();
    let mut left_out: Vec<u64> = other.iter().map(|(seed, ..)| *seed).collect();
    left_out.retain(|seed| one.iter().all(|(other, ..)| other != seed));
    for &(seed, hash, reached) in &one {
        let partner = other.iter().find(|(other, ..)| *other == seed);
        if let Some(&(_, partner, _)) = partner {
            hashes.get_or_insert((hash.to_string(), partner.to_string()));
            let records = (&first.folder.records, &second.folder.records);
            pairs.push((records.0.get(hash), records.1.get(partner)));
        }
        match (reached, partner.and_then(|(.., reached)| *reached)) {
            (Some(reached), Some(partner)) => {
                x.push(reached);
                y.push(partner);
            }
            _ => left_out.push(seed),
        }
    }
    left_out.sort_unstable();
    let seeds: Vec<String> = left_out.iter().map(u64::to_string).collect();
    let plural = if seeds.len() == 1 { "" } else { "s" };
    let status = match (x.is_empty(), left_out.is_empty()) {
        (true, _) => "no seed finished in both".to_string(),
        (false, true) => "ok".to_string(),
        (false, false) => format!("without seed{plural} {}", seeds.join(", ")),
    };
    let differences: Vec<f64> = y.iter().zip(&x).map(|(y, x)| y - x).collect();
    let row = ComparedRow {
        first: mean(&x),
        second: mean(&y),
        trials: hashes,
        identical: identical::all_same(pairs.into_iter()),
        ..empty(label, status)
    };
    (row, paired_difference(&differences, bootstrap))
}
