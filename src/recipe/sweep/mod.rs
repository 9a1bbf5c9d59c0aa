//! A sweep file asks one question and makes one table. Its axes become variants: a label and the settings
//! that it changes.
//!
//! | key | meaning |
//! |---|---|
//! | `question` | the question that the table answers |
//! | `reference` | label of the row that the differences are computed against, or a condition for one of each group ([`groups`]) |
//! | `negligible` | the largest difference that does not matter, in points of the metric: with seeds until decided, a row may be the `same` as its reference |
//! | `effect-scale` | the variance of the prior of the effect, in deviations of the paired differences: with seeds until decided; 1 if left out |
//! | `paper` | `{ table, column }`: the place of the published numbers in the paper |
//! | `columns` | the key whose values are the columns of a matrix of the rows, as in the paper's Table 1 ([`columns`]) |
//! | `set` | settings of all variants, below the environment and `--set` |
//! | `[[each]]` | one variant: `label`, `set."key.path" = value`, `paper` (the number in the paper), `recipe` (a file whose settings it has); with `zip."key.path" = [values]` one for each value ([`each`]) |
//! | `[[walk]]` | like `each`, but every variant also sets what those before it set: from one recipe to another in steps |
//! | `[grid]` | `"key.path" = [values]`: the product, the last key changes fastest; `exclude`: points that are left out |
//! | `[zip]` | `"key.path" = [values]`: in step |
//! | `[leave-one-out]` | all modules on, each one off, all off; `off.NAME` holds the settings that switch a module off |
//! | `[add-one-in]` | all modules off, each one alone on, all on |
//! | `[cumulative]` | all modules off, then on one after the other |
//!
//! `grid` and `zip` also take `label` (a template in which `{key.path}` stands for the value, or a list with
//! one label per variant) and `paper` (a list with one number per variant). An axis
//! `{ values = [...], when = { "key.path" = value } }` exists only where the condition holds ([`condition`]).
//! The variants of all combinators follow one another in the order of the file.

mod axes;
mod axis;
mod columns;
mod condition;
mod each;
mod groups;
mod modules;
mod reader;

use super::error::Problem;
use super::file::ParsedFile;
use super::overlay::Layer;
use crate::metrics::PaperColumn;
pub use columns::ColumnsRule;
pub use groups::{GroupRule, Row};
use reader::SweepReader;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Table;

/// A parsed sweep.
#[derive(Debug)]
pub struct Sweep {
    pub question: String,
    pub reference: Option<Reference>,
    pub paper: Option<PaperColumn>,
    pub columns: Option<ColumnsRule>,
    /// The largest difference that does not matter, in units of the metric.
    pub negligible: Option<f64>,
    /// The variance of the prior of the effect, for seeds until decided.
    pub effect_scale: Option<f64>,
    pub variants: Vec<Variant>,
}

/// The rows that differences are computed against.
#[derive(Clone, Debug)]
pub enum Reference {
    /// One row for the whole table: its label.
    Row(String),
    /// One row in each group of rows.
    PerGroup(GroupRule),
}

/// One point of a sweep.
#[derive(Debug)]
pub struct Variant {
    pub label: String,
    /// The label that it has in the file, which several variants of one table `[[each]]` share.
    pub line: String,
    pub paper: Option<f64>,
    /// The layers of a recipe whose settings it has, the lowest first. They lie below the environment and `--set`.
    pub recipe: Vec<Layer>,
    /// Its own settings above them, the lowest layer first; usually there is one layer.
    pub layers: Vec<Layer>,
    /// Its place in the file, in bytes.
    pub span: Range<usize>,
}

/// The file of sweep `name`: in `sweeps/` beside the folder of `recipe`, or else in `sweeps/` inside it.
pub fn locate(recipe: &Path, name: &str) -> PathBuf {
    let folder = recipe.parent().unwrap_or(Path::new(""));
    let above = match folder.file_name() {
        Some(_) => folder.parent().unwrap_or(Path::new("")).to_path_buf(),
        None => folder.join(".."),
    };
    let file = format!("{name}.toml");
    let inside = folder.join("sweeps").join(&file);
    if inside.is_file() {
        inside
    } else {
        above.join("sweeps").join(&file)
    }
}

/// The settings that the sweep in `file` makes for all its variants.
pub fn base(file: &ParsedFile, problems: &mut Vec<Problem>) -> Layer {
    let mut reader = SweepReader::new(file);
    let layer = reader.base();
    problems.append(&mut reader.problems);
    layer
}

/// Parses the sweep in `file`. Its variants are laid over the settings `below`. All problems of the file are
/// reported together.
pub fn parse(file: &ParsedFile, below: &Table) -> Result<Sweep, Vec<Problem>> {
    let mut reader = SweepReader::new(file);
    let sweep = reader.sweep(below);
    if reader.problems.is_empty() {
        Ok(sweep)
    } else {
        Err(reader.problems)
    }
}
