//! `harness sweep --publish`: copies the results of a finished run into the folder that is committed.
//!
//! A run writes to `results/<recipe>/`, which git ignores. `results/published/<recipe>/` holds the committed
//! results: for every sweep of the recipe `<sweep>.csv` and `<sweep>.md`, then `run-<recipe>.json`,
//! `about-<recipe>.md`, `sources-<recipe>.json`, and the recipe's part of `records.jsonl`, `timing.jsonl` and
//! `tables.json`. Tables that other recipes published in the same folder stay. Nothing is copied from `.store/`.

use super::ahead::results_folder;
use crate::atomic::write_atomically;
use crate::experiment::run::claim::refuse_foreign;
use crate::experiment::run::results::{TIMING, frozen};
use crate::experiment::run::round::{Known, Round};
use crate::experiment::store::provenance::Provenance;
use crate::experiment::store::reused::ReusedResults;
use crate::experiment::store::root::Store;
use crate::experiment::store::sources;
use crate::experiment::trial::inputs::{CommandError, Inputs, RecipeRequest};
use crate::recipe::Plan;
use crate::report::{
    JsonLines, Keyed, RECORDS, Record, ResultsFolder, TableLayout, Timing, layout, table_files,
    write_table,
};
use crate::screen::counted_of;
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the published results. It has one subfolder per results folder.
const PUBLISHED: &str = "results/published";

/// Copies the finished results of the recipe `request` from `out`, or else from the recipe's folder under
/// `results/`, to `results/published/`. Returns the folder of the copies. Nothing is trained.
///
/// All files are read and checked before the first is written, and each file is replaced whole. A copy that
/// was interrupted is completed by the same command.
///
/// # Errors
/// - [`CommandError::Input`]: something is wrong with the recipe, the run has not finished or a trial has
///   failed, the files are those of another plan, or (without `replace`) the target has a table of another recipe.
///   Nothing is written.
/// - [`CommandError::Output`]: a file cannot be written.
pub fn publish(
    request: &RecipeRequest,
    out: Option<&Path>,
    replace: bool,
) -> Result<PathBuf, CommandError> {
    let whole = Inputs::where_files_may_be_absent().plan(request)?;
    let from = results_folder(&whole, out);
    let plan = needed(&whole, &from).map_err(CommandError::Input)?;
    let target = Path::new(PUBLISHED).join(&plan.results);
    let finished = Finished::read(&plan, &from)
        .with_context(|| format!("cannot publish `{}`", from.display()))
        .map_err(CommandError::Input)?;
    if !replace {
        refuse_foreign(&target, &plan, &request.recipe).map_err(CommandError::Input)?;
    }
    finished
        .write(&plan, &target)
        .map_err(CommandError::Output)?;
    Ok(target)
}

/// The plan of the trials that the results folder `from` needs: all of `whole`, or with seeds until decided, those of
/// the seeds that its rows got or still need.
fn needed(whole: &Plan, from: &Path) -> Result<Plan> {
    if whole.range.is_none() {
        return Ok(whole.clone());
    }
    let store = Store::look(from);
    let reused = ReusedResults::read(store.as_ref(), &[])?;
    let known = Known {
        folder: from,
        store: store.as_ref(),
        reused: &reused,
    };
    Ok(Round::new(whole, &known)?.plan)
}

/// The files of a finished run.
struct Finished {
    folder: ResultsFolder,
    /// The tables of the plan, taken from those of the folder.
    tables: Vec<TableLayout>,
    timing: JsonLines<Timing>,
    /// The name and content of the files about the run as a whole.
    about: Vec<(PathBuf, Vec<u8>)>,
}

impl Finished {
    /// Reads the folder `from`.
    ///
    /// # Errors
    /// The folder does not contain the finished results of `plan`, or its files belong to another plan.
    fn read(plan: &Plan, from: &Path) -> Result<Self> {
        let again = "run the same command without --publish first";
        let folder = ResultsFolder::read_undamaged(from)?;
        let without_provenance = |table: &TableLayout| TableLayout {
            provenance: Vec::new(),
            ..table.clone()
        };
        let mut tables = Vec::new();
        for planned in frozen(plan, &[]) {
            let mut found = folder.tables.iter();
            match found.find(|table| without_provenance(table) == planned) {
                Some(table) => tables.push(table.clone()),
                None => bail!(
                    "its table `{}` is absent or has other rows or seeds than this recipe with these overrides; {again}",
                    planned.name
                ),
            }
        }
        complete(plan, &folder)?;
        for table in &tables {
            for (name, text) in table_files(&folder.table(table, None))? {
                let written = fs::read(from.join(&name)).unwrap_or_default();
                ensure!(
                    written == text.as_bytes(),
                    "`{name}` is absent or differs from its records; {again}"
                );
            }
        }
        let names = [
            Provenance::path(Path::new(""), &plan.recipe),
            PathBuf::from(format!("about-{}.md", plan.recipe)),
        ];
        let mut about = Vec::new();
        for name in names {
            let content = fs::read(from.join(&name))
                .with_context(|| format!("cannot read `{}`; {again}", name.display()))?;
            about.push((name, content));
        }
        // A run of an earlier program has none.
        let sources = sources::path(Path::new(""), &plan.recipe);
        if let Ok(content) = fs::read(from.join(&sources)) {
            about.push((sources, content));
        }
        Ok(Self {
            timing: JsonLines::read(&from.join(TIMING))?,
            folder,
            tables,
            about,
        })
    }

    /// Puts the results into the folder `target`, beside those of other recipes.
    ///
    /// # Errors
    /// A file cannot be read or written. The error names it.
    fn write(&self, plan: &Plan, target: &Path) -> Result<()> {
        layout::merge(target, &self.tables)?;
        let shown = layout::read(target)?.unwrap_or_default();
        write_lines(&self.folder.records, &target.join(RECORDS), plan, &shown)?;
        write_lines(&self.timing, &target.join(TIMING), plan, &shown)?;
        for table in &self.tables {
            write_table(target, &self.folder.table(table, None))?;
        }
        for (name, content) in &self.about {
            write_atomically(&target.join(name), content)?;
        }
        Ok(())
    }
}

/// Checks that every trial of `plan` has finished successfully.
///
/// # Errors
/// The number of trials that failed or have not finished, and the first of them.
fn complete(plan: &Plan, folder: &ResultsFolder) -> Result<()> {
    let record = |hash: &str| -> Option<&Record> { folder.records.get(hash) };
    let bad = plan
        .trials
        .iter()
        .filter(|trial| record(&trial.hash).is_none_or(|record| record.failure().is_some()));
    let bad: Vec<_> = bad.collect();
    if let Some(first) = bad.first() {
        let how = match record(&first.hash) {
            Some(_) => "has failed",
            None => "has not run",
        };
        bail!(
            "{} failed or have not finished; `{}`, seed {}, {how}",
            counted_of(bad.len(), plan.trials.len(), "trial"),
            first.label,
            first.seed
        );
    }
    Ok(())
}

/// Writes the lines of all trials in the tables `shown` to `path`, in the order of the rows: those of `plan`
/// from `own`, all others as the file has them.
///
/// # Errors
/// A file cannot be read or written. The error names it.
fn write_lines<T: Clone + Keyed + Serialize + DeserializeOwned>(
    own: &JsonLines<T>,
    path: &Path,
    plan: &Plan,
    shown: &[TableLayout],
) -> Result<()> {
    let earlier = JsonLines::<T>::read(path)?;
    let planned = plan.trials.iter().map(|trial| trial.hash.as_str());
    let planned: BTreeSet<&str> = planned.collect();
    let rows = shown.iter().flat_map(|table| &table.rows);
    let order: Vec<&str> = rows
        .flat_map(|row| row.trials.iter().map(String::as_str))
        .collect();
    let mut lines = JsonLines::default();
    for hash in &order {
        let source = match planned.contains(hash) {
            true => own,
            false => &earlier,
        };
        if let Some(line) = source.get(hash) {
            lines.insert(line.clone());
        }
    }
    lines.write(path, order)
}
