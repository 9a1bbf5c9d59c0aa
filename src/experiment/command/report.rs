//! `harness report`: a results folder as one HTML file.

use super::analyse::analyse;
use super::live::{FILE, LivePage};
use super::tables::comparisons;
use crate::atomic::write_atomically;
use crate::experiment::insight::choice::Results;
use crate::experiment::insight::report_page;
use crate::experiment::trial::inputs::CommandError;
use crate::report::page;
use crate::report::{Comparison, ResultsFolder, counted};
use crate::screen::say;
use crate::tensor::DeviceChoice;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Its name if it compares two folders.
const COMPARISON: &str = "comparison.html";

/// A report that is asked for.
#[derive(Clone, Debug)]
pub struct ReportRequest {
    /// The results folder, or the first of two.
    pub folder: PathBuf,
    /// The folder that it is compared with; then the report is of this one.
    pub other: Option<PathBuf>,
    /// The file; none for one in the folder of the report.
    pub out: Option<PathBuf>,
    /// The device for the analyses that finished trials lack; none if they are not wanted.
    pub analyse: Option<DeviceChoice>,
    /// The seconds between two pages while work is left; none for one page.
    pub watch: Option<u64>,
}

/// Writes the report. Returns a line that names it.
///
/// # Errors
/// - [`CommandError::Input`]: a folder has no results, or a file in it is damaged as a whole; with `analyse`, the
///   folder has no store, or the device cannot be used.
/// - [`CommandError::Output`]: the file cannot be written.
pub fn report(request: &ReportRequest) -> Result<String, CommandError> {
    let folder = request.other.as_ref().unwrap_or(&request.folder);
    for folder in [&request.folder, folder] {
        ResultsFolder::require(folder).map_err(CommandError::Input)?;
    }
    let name = match request.other {
        Some(_) => COMPARISON,
        None => FILE,
    };
    let path = request.out.clone().unwrap_or_else(|| folder.join(name));
    check_file(&path).map_err(CommandError::Input)?;
    if let Some(seconds) = request.watch {
        watch(folder, &path, seconds)?;
    }
    let results = Results::open(folder).map_err(CommandError::Input)?;
    if let Some(device) = request.analyse {
        analyse(&results, device, &say)?;
    }
    let read = || {
        let mut report = report_page::report(&results)?;
        if request.other.is_some() {
            let folders = [&request.folder, folder];
            let names = report_page::names(folders.map(PathBuf::as_path));
            report.compared = compared(folders, &names)?;
            let [first, second] = names;
            (report.folder, report.other) = (second, Some(first));
        }
        let text = page::render(&report)?;
        Ok((report, text))
    };
    let (report, text) = read().map_err(CommandError::Input)?;
    write_atomically(&path, text.as_bytes()).map_err(CommandError::Output)?;
    let size = text.len().div_ceil(1000);
    Ok(format!(
        "{}: {} with {}, {size} kB",
        path.display(),
        counted(report.sweeps.len(), "sweep"),
        counted(report.trials[0], "finished trial")
    ))
}

/// Refuses a path at which no file can be written.
fn check_file(path: &Path) -> Result<()> {
    let shown = path.display();
    ensure!(!path.is_dir(), "{shown}: is a folder; needed: a file");
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let is_there = parent.is_none_or(Path::is_dir);
    ensure!(is_there, "{shown}: its folder does not exist");
    Ok(())
}

/// The comparisons of two folders, which are called `names`.
fn compared(folders: [&PathBuf; 2], names: &[String; 2]) -> Result<Vec<Comparison>> {
    let mut found = comparisons(folders.map(PathBuf::as_path), None, None, &[])?;
    for comparison in &mut found {
        comparison.folders = names.clone();
    }
    Ok(found)
}

/// Keeps the page at `path` up to date until no work is left.
fn watch(folder: &Path, path: &Path, seconds: u64) -> Result<(), CommandError> {
    Results::open(folder).map_err(CommandError::Input)?;
    let mut page = LivePage::new(folder, path);
    say(&format!(
        "{}: written every {} until no trial is left",
        path.display(),
        counted(seconds as usize, "second")
    ));
    while page.update()? {
        std::thread::sleep(Duration::from_secs(seconds));
    }
    Ok(())
}
