//! The content of a report as plain data: whoever reads a results folder fills it in, the other files of this folder
//! draw it.

use super::gallery_content::Gallery;
use super::snapshots_content::Snapshots;
use crate::report::comparison::Comparison;
use crate::report::table::Table;
use std::collections::BTreeMap;

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The name of the results folder.
    pub folder: String,
    /// The name of the folder that it is compared with; none for a report of one folder.
    pub other: Option<String>,
    /// The numbers of trials that are finished, failed, and planned.
    pub trials: [usize; 3],
    /// The facts that a reader must know before the numbers, one sentence each.
    pub warnings: Vec<String>,
    /// The parts that the report lacks, each with the reason.
    pub missing: Vec<String>,
    /// The comparisons of another folder with this one.
    pub compared: Vec<Comparison>,
    /// The lines about running work; empty if none is left.
    pub running: Vec<String>,
    /// The seconds after which a browser reads the page again; none if nothing is left to do.
    pub refresh: Option<u64>,
    /// The sweeps, in the order of the folder.
    pub sweeps: Vec<Sweep>,
    /// The runs that made the results.
    pub runs: Vec<Run>,
    /// The text of `records.jsonl`.
    pub records: String,
    /// The BLAKE3 digest of that file; none if there is none.
    pub digest: Option<String>,
    /// The version of the program that wrote the report.
    pub version: String,
}

/// A sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The number of planned seeds of a row.
    pub seeds: usize,
    /// Its table once for each metric, the usual metric first. All have the same rows.
    pub views: Vec<View>,
    /// The trials, row by row.
    pub trials: Vec<TrialLine>,
    /// Sentences about single rows: label and sentence.
    pub reasons: Vec<(String, String)>,
    /// The rows that did badly, each with the signs of what went wrong: label and sentences.
    pub badly: Vec<(String, Vec<String>)>,
    /// The settings that differ; none if the store does not have them.
    pub settings: Option<SettingsTable>,
    /// The learning curves; empty without journals.
    pub curves: Vec<Panel>,
    /// The step up to which the first training goes; none if there is one training.
    pub burn_in: Option<u64>,
    /// The pseudo-labels of each row that has a teacher.
    pub labels: Vec<LabelFlow>,
    /// What the teachers say of some images over the training; none unless a row has a teacher.
    pub snapshots: Option<Snapshots>,
    /// The readings by class, such as thresholds.
    pub maps: Vec<HeatMap>,
    /// The filters of the rows without such readings, in words: label and filter.
    pub fixed: Vec<(String, String)>,
    /// The values of the usual metric by class; none if the store does not have them.
    pub classes: Option<ClassTable>,
    /// The analyses of the detections; none if no trial has one.
    pub analysed: Option<Analysed>,
    /// Images with what the rows find in them; none if no trial has an analysis, or no row is compared with another.
    pub gallery: Option<Gallery>,
}

/// The table of a sweep with the differences of one metric.
#[derive(Clone, Debug)]
pub struct View {
    /// The table.
    pub table: Table,
    /// The difference to the reference in each seed that both finished: seed and value, row by row.
    pub by_seed: Vec<Vec<(u64, f64)>>,
}

/// A trial in a line.
#[derive(Clone, Debug)]
pub struct TrialLine {
    /// The place of its row in the table.
    pub row: usize,
    /// The label of its row.
    pub label: String,
    /// The seed.
    pub seed: u64,
    /// The identity.
    pub hash: String,
    /// The value of the usual metric in percent; none unless it is finished.
    pub value: Option<f64>,
    /// Its own work in seconds, if known.
    pub seconds: Option<f64>,
    /// `ok`, `pending`, or `failed: <reason>`.
    pub state: String,
    /// The last lines of the journal of a failed trial.
    pub log: Vec<String>,
    /// The keys of its stages, as in [`StageLine::key`]; empty if no plan tells them.
    pub stages: Vec<String>,
}

/// The settings of a sweep that are not the same in all rows.
#[derive(Clone, Debug, Default)]
pub struct SettingsTable {
    /// The labels of the rows.
    pub labels: Vec<String>,
    /// For each row, the place of the row that it is compared with.
    pub references: Vec<Option<usize>>,
    /// The keys, each with its setting in every row; none where a row does not have the key.
    pub keys: Vec<(String, Vec<Option<Setting>>)>,
    /// All settings of every row as TOML, with the origins in comments if they are known.
    pub all: Vec<String>,
}

/// A setting of a row.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Its value as TOML.
    pub value: String,
    /// Where that comes from: a line of a file, an argument, a variable or a default; none if unknown.
    pub origin: Option<String>,
}

/// One reading over the steps, of all rows.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The name of the reading.
    pub name: String,
    /// The meaning of it, in one sentence.
    pub about: String,
    /// True if it is a metric of the evaluated images, measured between two steps.
    pub is_validation: bool,
    /// The curves.
    pub series: Vec<Series>,
}

/// The curve of a row.
#[derive(Clone, Debug)]
pub struct Series {
    /// The place of the row in its table.
    pub row: usize,
    /// The label of the row.
    pub label: String,
    /// The points, by rising step.
    pub points: Vec<Point>,
    /// The points of every single seed; empty if there is one seed alone.
    pub seeds: Vec<Vec<(u64, f64)>>,
    /// The seeds with readings that are not finite, each with the first such step.
    pub lost: Vec<(u64, u64)>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The training step.
    pub step: u64,
    /// The mean over the seeds.
    pub mean: f64,
    /// The lower end of the band: the smallest value of a seed, or with many seeds the mean less a standard deviation.
    pub low: f64,
    /// The upper end of the band.
    pub high: f64,
}

/// The pseudo-labels of a row over the steps, sums over the seeds.
#[derive(Clone, Debug)]
pub struct LabelFlow {
    /// The label of the row.
    pub label: String,
    /// The number of seeds that are summed.
    pub seeds: usize,
    /// The windows, by rising step.
    pub windows: Vec<LabelWindow>,
    /// The classes, in the order of [`ClassTable::classes`]; empty if the journals do not count by class.
    pub classes: Vec<LabelClass>,
    /// The pseudo-labels of each class for every step, and their precision; empty like `classes`.
    pub maps: Vec<HeatMap>,
}

/// The pseudo-labels of a row that have a class. Counts are sums over the steps and the seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelClass {
    /// Its name.
    pub name: String,
    /// The number of its labelled objects, as in [`ClassValues::labelled`].
    pub labelled: Option<f64>,
    /// The pseudo-labels that train the student.
    pub kept: f64,
    /// Those that are right.
    pub right: f64,
    /// The hidden objects.
    pub objects: f64,
}

/// The pseudo-labels of a window of steps. Counts are sums over its steps and the seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LabelWindow {
    /// The last step of the window.
    pub step: u64,
    /// The unlabelled images that a teacher looked at; 0 if unknown.
    pub images: f64,
    /// The candidates of the high tier.
    pub high: f64,
    /// Those of the medium tier.
    pub medium: f64,
    /// Those of the low tier.
    pub low: f64,
    /// Those of the medium tier that the correction vouched for.
    pub accepted: f64,
    /// High or accepted candidates that a better one replaced.
    pub duplicates: f64,
    /// The pseudo-labels that train the student.
    pub kept: f64,
    /// The hidden objects.
    pub objects: f64,
    /// The kept ones on an object.
    pub matched: f64,
    /// Those of the right class.
    pub right: f64,
    /// Those whose class the correction changed.
    pub flips: f64,
    /// Changes to the right class.
    pub flips_right: f64,
    /// Changes away from it.
    pub flips_broken: f64,
}

/// A reading by class over the steps of one trial, or of several together.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// The label of the row.
    pub label: String,
    /// The name of the reading, such as `thresholds.class`.
    pub name: String,
    /// The trials in words, such as `seed 0`.
    pub seeds: String,
    /// The names of the classes, in the order of [`ClassTable::classes`].
    pub classes: Vec<String>,
    /// The steps.
    pub steps: Vec<u64>,
    /// The values, step by step and there class by class; none where a class has none.
    pub values: Vec<Vec<Option<f64>>>,
    /// Values that the settings name, such as bounds: name and value.
    pub marks: Vec<(&'static str, f64)>,
}

/// The values of a metric by class: means over the finished seeds, in percent.
#[derive(Clone, Debug)]
pub struct ClassTable {
    /// The metric.
    pub metric: String,
    /// The labels of the rows.
    pub labels: Vec<String>,
    /// For each row, the place of the row that it is compared with.
    pub references: Vec<Option<usize>>,
    /// The classes: those with the most labelled objects first where these are known, else in the order of the dataset.
    pub classes: Vec<ClassValues>,
}

/// A class of a [`ClassTable`].
#[derive(Clone, Debug)]
pub struct ClassValues {
    /// Its name.
    pub name: String,
    /// The number of its labelled objects, the mean over the splits of the table; none if a record does not tell it.
    pub labelled: Option<f64>,
    /// The value of every row.
    pub values: Vec<Option<f64>>,
    /// For each row, the mean of the paired differences to the row that it is compared with, over the seeds that both
    /// have finished.
    pub differences: Vec<Option<f64>>,
}

/// The analyses of a sweep.
#[derive(Clone, Debug)]
pub struct Analysed {
    /// The number of evaluated images.
    pub images: usize,
    /// The groups of similar classes, in words; empty if no two are similar.
    pub similar: Vec<String>,
    /// The sides of the confusion matrices: classes, perhaps all others together, and the background at the end.
    pub sides: Vec<String>,
    /// The least score of a detection in the matrices.
    pub min_score: f64,
    /// The IoU up to which a detection is on no object, for its kind.
    pub background: f64,
    /// The kinds of detections, in the order of the counts.
    pub kinds: Vec<&'static str>,
    /// The rows that have an analysis and have room.
    pub rows: Vec<AnalysedRow>,
    /// The number of further rows that have one.
    pub more: usize,
}

/// The analyses of a row, its seeds together.
#[derive(Clone, Debug)]
pub struct AnalysedRow {
    /// The label of the row.
    pub label: String,
    /// The place of the row that it is compared with, among those of [`Analysed::rows`].
    pub reference: Option<usize>,
    /// Qualities against overlaps.
    pub scatters: Vec<Scatter>,
    /// Detections that fit an object, by class quality: their number, mean quality, and share of the right class.
    pub bins: Vec<(usize, f64, f64)>,
    /// The expected calibration error.
    pub calibration: Option<f64>,
    /// Counts by class of the object (row) and class of the detection (column).
    pub confusion: Vec<Vec<usize>>,
    /// The images of the confusions, by seed; a seed whose analysis does not tell them has none.
    pub confused: Vec<SeedConfusions>,
    /// The kinds by seed.
    pub kinds: Vec<SeedKinds>,
    /// TIDE's AP and the points that it would gain without errors of a kind, means over the seeds.
    pub tide: (f64, Vec<(String, f64)>),
}

/// The images in which a trial confuses classes.
#[derive(Clone, Debug, Default)]
pub struct SeedConfusions {
    /// The seed.
    pub seed: u64,
    /// The ids of the images by side of the object and side of the detection, in the order of the dataset.
    pub cells: BTreeMap<(usize, usize), Vec<u64>>,
}

/// The kinds of the best-scored detections of one trial.
#[derive(Clone, Debug)]
pub struct SeedKinds {
    /// The seed.
    pub seed: u64,
    /// The number of objects: as many detections count at most.
    pub objects: usize,
    /// The counts, where an overlap of up to [`Analysed::background`] is background.
    pub counts: Vec<usize>,
    /// The correct ones on an object that a better-scored detection has found.
    pub duplicates: usize,
    /// The counts, where an overlap of up to 0.1 is background.
    pub counts_of_tide: Vec<usize>,
}

/// A quality of detections against their largest IoU with an object.
#[derive(Clone, Debug)]
pub struct Scatter {
    /// The quality in words.
    pub quality: &'static str,
    /// The number of detections in each cell, row by row from an IoU of 0 on; as many rows as columns.
    pub cells: Vec<usize>,
    /// Some of the detections: quality and IoU.
    pub points: Vec<(f64, f64)>,
    /// Pearson's r and Spearman's rho with their intervals; none if undefined.
    pub correlations: Option<[(f64, (f64, f64)); 2]>,
}

/// A stage in a line.
#[derive(Clone, Debug, Default)]
pub struct StageLine {
    /// Its identity: a word for the kind of work, a hyphen and a hash.
    pub key: String,
    /// Its name for people.
    pub title: String,
    /// The time that it took, or its state.
    pub state: String,
    /// The processor, and the GPUs if it had any; empty if it has not told any.
    pub machine: String,
    /// The number of trials that need it.
    pub trials: usize,
}

/// A run that made results: the facts of its file, in its order.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The name of its recipe.
    pub recipe: String,
    /// Its origin in a sentence: program, commit, local changes, machine, end; none if its file tells none.
    pub origin: Option<String>,
    /// Names and values.
    pub facts: Vec<(String, String)>,
    /// The command that makes the results again.
    pub command: String,
    /// The work by stage.
    pub stages: Vec<StageLine>,
    /// The crates and their versions.
    pub crates: Vec<(String, String)>,
    /// Files that belong to it: name and text.
    pub files: Vec<(String, String)>,
}
