//! A sweep file: one question, one table. Its axes become variants: a label and the settings that it changes.
//!
//! | key | meaning |
//! |---|---|
//! | `question` | what the table answers |
//! | `reference` | label of the row that differences are taken to |
//! | `paper` | `{ table, column }`: where the paper's numbers stand |
//! | `set` | settings of all variants, below the environment and `--set` |
//! | `[[each]]` | one variant: `label`, `set."key.path" = value`, `paper` (the paper's number) |
//! | `[[walk]]` | as `each`, but every variant also sets what those before it set: from one recipe to another, a step at a time |
//! | `[grid]` | `"key.path" = [values]`: the product, the last key the fastest; `exclude`: points that are left out |
//! | `[zip]` | `"key.path" = [values]`: in step |
//! | `[leave-one-out]` | all modules on, each one off, all off; `off.NAME` holds the settings that switch a module off |
//! | `[add-one-in]` | all modules off, each one alone on, all on |
//! | `[cumulative]` | all modules off, then on one after the other |
//!
//! `grid` and `zip` also take `label`, a template in which `{key.path}` stands for the value or a list in step with the variants,
//! and `paper`, a list in step with the variants. An axis `{ values = [...], when = { "key.path" = value } }` exists only where the
//! settings are so ([`condition`]). The variants of all combinators follow one another in the order of the file.

mod axes;
mod axis;
mod condition;
mod each;
mod modules;
mod reader;

use super::error::Problem;
use super::file::ParsedFile;
use super::overlay::Layer;
use crate::metrics::PaperColumn;
use reader::Reader;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Table;

/// A sweep that was read.
#[derive(Debug)]
pub struct Sweep {
    pub question: String,
    pub reference: Option<String>,
    pub paper: Option<PaperColumn>,
    pub variants: Vec<Variant>,
}

/// One point of a sweep.
#[derive(Debug)]
pub struct Variant {
    pub label: String,
    pub paper: Option<f64>,
    /// What it sets, the lowest first: usually one layer.
    pub layers: Vec<Layer>,
    /// Where it is written, bytes of the file.
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
    let mut reader = Reader::new(file);
    let layer = reader.base();
    problems.append(&mut reader.problems);
    layer
}

/// The sweep in `file`; `below` are the settings that its variants are laid over. All problems of the file are told together.
pub fn parse(file: &ParsedFile, below: &Table) -> Result<Sweep, Vec<Problem>> {
    let mut reader = Reader::new(file);
    let sweep = reader.sweep(below);
    if reader.problems.is_empty() {
        Ok(sweep)
    } else {
        Err(reader.problems)
    }
}
