//! `harness weights`: inspects a file of weights and writes a trained network for another program.

use super::first::{NetworkRequest, first_network, first_trial, trained_network};
use crate::atomic::write_atomically;
use crate::detector::of_folder;
use crate::experiment::trial::inputs::{CommandError, RecipeRequest, with_weights};
use crate::experiment::trial::parts as trial;
use crate::graph::clip::folder::{Unloaded, holds_clip, unloaded};
use crate::graph::weights::{ArrayUse, Arrays, Fit, Layout, Names, split};
use crate::nn::params::Parameters;
use crate::rng::Stream;
use crate::screen::counted;
use anyhow::{Result, anyhow, ensure};
use std::fmt::Write as _;
use std::path::Path;

/// The result of inspecting a file of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// One line per array and per missing parameter, and a summary.
    pub text: String,
    /// True if the file can be loaded, as far as known.
    pub fits: bool,
}

/// Lists the arrays of `path` and the parameters that they belong to: in the network of `recipe`, or in that
/// of the folder's own configuration, a Mask2Former or a CLIP. Without either, only the arrays are listed.
///
/// # Errors
/// The file or the recipe cannot be read.
pub fn inspect_weights(
    path: &Path,
    recipe: Option<&RecipeRequest>,
) -> Result<Inspection, CommandError> {
    let (file, part) = split(path);
    if recipe.is_none() && holds_clip(&file) {
        if let Some(part) = part {
            let message = format!("{}: contains no network `{part}`", file.display());
            return Err(CommandError::Input(anyhow!(message)));
        }
        let Unloaded {
            mut model,
            arrays,
            source,
            ..
        } = unloaded(&file).map_err(CommandError::Input)?;
        return Ok(placed(
            &mut model,
            &arrays,
            source.names(),
            source.describe(),
        ));
    }
    // The weights that the recipe itself names are not inspected.
    let asked = recipe.map(|request| first_network(&with_weights(request, Path::new(""))));
    let asked = asked.transpose()?;
    let folder = match asked.is_none() && file.is_dir() {
        true => Some(of_folder(&file, Path::new("")).map_err(CommandError::Input)?),
        false => None,
    };
    let arrays = Arrays::open(&file).map_err(CommandError::Input)?;
    let layout = Layout::of(&arrays, part.as_deref());
    let backbone = Layout::of_backbone(&arrays).filter(|_| part.is_none());
    let mut note = String::new();
    let network = match (asked, folder) {
        (Some((settings, Ok(labels))), _) => Some(trial::model(&settings, labels.len())),
        (Some((settings, Err(absent))), _) => {
            let own = layout
                .as_ref()
                .ok()
                .and_then(|layout| layout.classes(&arrays));
            let known = match own {
                Some(own) => format!("{}, as in the file", counted(own, "class")),
                None => "the class head cannot be compared".to_string(),
            };
            note = format!("\n{known}, because the dataset is missing: {absent}");
            Some(trial::model(&settings, own.unwrap_or(1)))
        }
        (None, Some((config, labels))) => {
            let mut rng = Stream::new(0, "model");
            Some(config.build(labels.len(), &mut rng))
        }
        (None, None) => None,
    };
    let network = network.transpose().map_err(CommandError::Input)?;
    let mut inspection = match (network, layout, backbone) {
        (Some(mut network), Ok(layout), _) => {
            placed(&mut *network, &arrays, &layout, &layout.describe())
        }
        (Some(mut network), Err(_), Some(backbone)) => {
            let described = backbone.describe();
            placed(
                &mut network.trunk_mut().backbone,
                &arrays,
                &backbone,
                &described,
            )
        }
        (Some(_), Err(error), None) => return Err(CommandError::Input(error)),
        (None, layout, backbone) => listed(&arrays, layout.ok().or(backbone)),
    };
    inspection.text += &note;
    Ok(inspection)
}

/// Lists every array and its parameter. `described` describes `names` for people.
fn placed(
    network: &mut dyn Parameters,
    arrays: &Arrays,
    names: &dyn Names,
    described: &str,
) -> Inspection {
    let fit = Fit::new(network, arrays, names);
    let mut text = String::new();
    for row in &fit.rows {
        let _ = writeln!(
            text,
            "{}  {}  {:?}  {}",
            row.name, row.dtype, row.shape, row.usage
        );
    }
    for (name, shape) in &fit.missing {
        let _ = writeln!(text, "{name}  missing  {shape:?}");
    }
    for (name, shape) in &fit.kept {
        let _ = writeln!(
            text,
            "{name}  not in the file: keeps its first values  {shape:?}"
        );
    }
    let count =
        |which: fn(&ArrayUse) -> bool| fit.rows.iter().filter(|row| which(&row.usage)).count();
    let _ = write!(
        text,
        "{}: {} with {described}: {} loaded, {} ignored, {} of the wrong shape or type, {} unexpected; {} missing",
        arrays.path().display(),
        counted(fit.rows.len(), "array"),
        count(|usage| matches!(usage, ArrayUse::Loaded(_))),
        count(|usage| matches!(usage, ArrayUse::Ignored(_))),
        count(|usage| matches!(usage, ArrayUse::Unfit(..))),
        count(|usage| matches!(usage, ArrayUse::Surplus)),
        fit.missing.len(),
    );
    Inspection {
        text,
        fits: fit.problems().is_empty(),
    }
}

/// Lists only the arrays.
fn listed(arrays: &Arrays, layout: Option<Layout>) -> Inspection {
    let mut text = String::new();
    for (name, entry) in arrays.entries() {
        let _ = writeln!(text, "{name}  {:?}  {:?}", entry.dtype, entry.shape);
    }
    let names = layout.map_or("names that this program does not know".into(), |l| {
        l.describe()
    });
    let _ = write!(
        text,
        "{}: {} with {names}; --recipe RECIPE shows where they would be loaded",
        arrays.path().display(),
        counted(arrays.entries().count(), "array"),
    );
    Inspection { text, fits: true }
}

/// Writes a network to `folder` under the `names` of another program, or those of the first that knows it:
/// `transformers` with `config.json`, torchvision or detectron2. It is the network of a recipe with the values of
/// `weights`, or of its own `model.weights`, or one that a trial has trained.
///
/// # Errors
/// The recipe, the trial or the weights are wrong, the program does not know the network or cannot express a value of
/// `[model]`, or the folder is not empty or not writable.
pub fn export_weights(
    request: &NetworkRequest,
    weights: Option<&Path>,
    names: Option<&str>,
    folder: &Path,
) -> Result<String, CommandError> {
    let (settings, labels, shown) = match request {
        NetworkRequest::Recipe(request) => {
            let shown = request.recipe.display().to_string();
            let request = weights.map_or(request.clone(), |weights| with_weights(request, weights));
            let (settings, labels) = first_trial(&request)?;
            (settings, labels, shown)
        }
        NetworkRequest::Trial { row, network } => {
            let (settings, labels) = trained_network(row, network.as_deref())?;
            let labels = labels.map_err(|error| CommandError::Input(error.into()))?;
            (settings, labels, row.results.display().to_string())
        }
    };
    let written = (|| {
        ensure!(
            !settings.model.weights().as_os_str().is_empty(),
            "{shown}: model.weights is empty; give --weights PATH"
        );
        let mut network = trial::model(&settings, labels.len())?;
        settings.model.export(names, &mut *network, labels)
    })();
    let files = written.map_err(CommandError::Input)?;
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
        || folder.is_file()
    {
        let message = format!(
            "{}: exists already; needed: a new or an empty folder",
            folder.display()
        );
        return Err(CommandError::Input(anyhow!(message)));
    }
    for file in &files {
        write_atomically(&folder.join(file.name), &file.content).map_err(CommandError::Output)?;
    }
    let written: Vec<&str> = files.iter().rev().map(|file| file.name).collect();
    Ok(format!("{} in {}", written.join(" and "), folder.display()))
}
