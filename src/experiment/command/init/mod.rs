//! `harness init`: a new folder with a recipe and a sweep, on the user's own pictures or on the embedded dataset.
//!
//! ```text
//! recipes/own.toml        the recipe: every line gives its reason
//! recipes/pl-dc.toml      the defaults that it extends, a copy of the program's own
//! sweeps/modules.toml     a sweep to begin with
//! annotations/*.json      only if the evaluated pictures are drawn from the training pictures
//! ```
//!
//! Nothing in the folder leads out of it but the paths of the user's pictures and annotations, so an installed program
//! needs no repository.

mod choice;
mod embedded;
mod held_out;
mod lines;
mod own;
mod reading;
mod schedule;
mod survey;
mod sweep;

use crate::experiment::trial::inputs::CommandError;
use crate::recipe::DEFAULTS;
use anyhow::{Context, Result, ensure};
use reading::Files;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the recipe.
const RECIPE: &str = "own";
/// The paths of the files in the folder, beside the annotations.
const OWN: &str = "recipes/own.toml";
const BASE: &str = "recipes/pl-dc.toml";
const SWEEP: &str = "sweeps/modules.toml";

/// The request for a new folder.
#[derive(Clone, Debug)]
pub struct InitRequest {
    /// The folder: a new one, or an empty one.
    pub folder: PathBuf,
    /// The user's own data; none for the embedded dataset.
    pub coco: Option<OwnData>,
}

/// Pictures with annotations in COCO's format.
#[derive(Clone, Debug)]
pub struct OwnData {
    /// The file of annotations.
    pub annotations: PathBuf,
    /// The folder that its file names begin in.
    pub images: PathBuf,
    /// The file and folder of the evaluated pictures. If there are none, a part of the others is kept for that.
    pub val: Option<(PathBuf, PathBuf)>,
}

/// A folder that was written.
#[derive(Clone, Debug)]
pub struct NewFolder {
    /// The files in it.
    pub files: Vec<PathBuf>,
    /// The recipe among them.
    pub recipe: PathBuf,
    /// The folder that a sweep of the recipe writes its results into, if it is started in the new folder.
    pub results: PathBuf,
    /// The oddities of the data, one line each.
    pub notes: Vec<String>,
}

/// Writes a recipe, its defaults and a sweep into the new folder. Existing files are never replaced.
///
/// # Errors
/// The folder holds something, the annotations or pictures cannot be used, or the folder cannot be written.
pub fn init(request: &InitRequest) -> Result<NewFolder, CommandError> {
    let folder = std::path::absolute(&request.folder).map_err(|e| CommandError::Input(e.into()))?;
    let empty = || {
        ensure!(
            !folder.exists() || fs::read_dir(&folder).is_ok_and(|mut all| all.next().is_none()),
            "{}: exists already; needed: a new or an empty folder",
            request.folder.display()
        );
        Ok(())
    };
    empty().map_err(CommandError::Input)?;
    let existed = folder.exists();
    // The files get their places when all of them are written.
    let partial = folder.join(format!(".init-{}", std::process::id()));
    let written = write(request, &folder, &partial);
    drop(fs::remove_dir_all(&partial));
    if written.is_err() && !existed {
        drop(fs::remove_dir(&folder));
    }
    written
}

/// Writes all files into `partial` and then moves them into `folder`.
fn write(request: &InitRequest, folder: &Path, partial: &Path) -> Result<NewFolder, CommandError> {
    let made = ["recipes", "sweeps"].map(|part| partial.join(part));
    let made = made.iter().try_for_each(fs::create_dir_all);
    let made = made.with_context(|| format!("{}: cannot be made", folder.display()));
    made.map_err(CommandError::Input)?;
    let (texts, notes) = match &request.coco {
        None => (embedded::texts(), Vec::new()),
        Some(data) => {
            let files = Files::new(data, partial).map_err(CommandError::Input)?;
            own::texts(&files).map_err(CommandError::Input)?
        }
    };
    let [recipe, sweep] = texts;
    let mut files = Vec::new();
    for (name, text) in [(OWN, &*recipe), (BASE, DEFAULTS), (SWEEP, &*sweep)] {
        fs::write(partial.join(name), text)
            .with_context(|| format!("{name}: cannot be written"))
            .map_err(CommandError::Output)?;
        files.push(folder.join(name));
    }
    let moved = move_all(partial, folder).map_err(CommandError::Output)?;
    if moved.iter().any(|part| part == reading::ANNOTATIONS) {
        files.extend([reading::TRAIN, reading::VAL].map(|name| folder.join(name)));
    }
    Ok(NewFolder {
        files,
        recipe: folder.join(OWN),
        results: folder.join("results").join(RECIPE),
        notes,
    })
}

/// Moves everything in `from` into `to`. Returns the names.
fn move_all(from: &Path, to: &Path) -> Result<Vec<String>> {
    let mut moved = Vec::new();
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        fs::rename(from.join(&name), to.join(&name))
            .with_context(|| format!("{}: cannot be written", to.join(&name).display()))?;
        moved.push(name.to_string_lossy().into_owned());
    }
    Ok(moved)
}
