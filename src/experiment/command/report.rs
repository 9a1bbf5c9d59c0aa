//! `harness report`: a results folder as one HTML file.

use crate::atomic::write_atomically;
use crate::experiment::insight::choice::Results;
use crate::experiment::insight::report_page;
use crate::experiment::trial::inputs::CommandError;
use crate::report::{counted, page};
use crate::tensor::DeviceChoice;
use std::path::Path;

/// The name of the file, unless the user chooses another.
const FILE: &str = "report.html";

/// Writes the report of the results folder `folder` into the file `out`, or else into the folder. Returns a line that
/// names it. With `analyse`, the trials that lack an analysis get one before, computed on that device.
///
/// # Errors
/// - [`CommandError::Input`]: the folder has no results, or a file in it is damaged as a whole; with `analyse`, the folder
///   has no store, or the device cannot be used.
/// - [`CommandError::Output`]: the file cannot be written.
pub fn report(
    folder: &Path,
    out: Option<&Path>,
    analyse: Option<DeviceChoice>,
) -> Result<String, CommandError> {
    let results = Results::open(folder).map_err(CommandError::Input)?;
    if let Some(device) = analyse {
        super::analyse::analyse(&results, device)?;
    }
    let read = || {
        let report = report_page::report(&results)?;
        let text = page::render(&report)?;
        Ok((report.sweeps.len(), report.trials[0], text))
    };
    let (sweeps, trials, text) = read().map_err(CommandError::Input)?;
    let own = folder.join(FILE);
    let path = out.unwrap_or(&own);
    write_atomically(path, text.as_bytes()).map_err(CommandError::Output)?;
    let size = text.len().div_ceil(1000);
    Ok(format!(
        "{}: {} with {}, {size} kB",
        path.display(),
        counted(sweeps, "sweep"),
        counted(trials, "finished trial")
    ))
}
