//! `harness predict`: a network and pictures to detections, without annotations or training.
//!
//! The network is a recipe's with the weights of a file, or a Hugging Face folder's, which also says how pictures become inputs.
//! Pictures are looked at one by one, whatever their sizes.

mod files;
mod ids;
mod paths;
mod preprocessor;

use super::first::first_network;
use crate::atomic::write_atomically;
use crate::data::image_file::decode;
use crate::detector::{Detector, RawArray, of_folder};
use crate::experiment::settings::sections::EvalConfig;
use crate::experiment::trial::inputs::{Ask, Stop, with_weights};
use crate::experiment::trial::parts as trial;
use crate::graph::Images;
use crate::nn::params::move_to;
use crate::registry::ComponentErrors;
use crate::rng::Stream;
use crate::structures::{Detection, Picture};
use crate::tensor::{Precision, Tape, Wish};
use anyhow::{Context, Result, anyhow, ensure};
use ids::Ids;
use preprocessor::Preprocessor;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Query-class pairs per image where no recipe says it: Mask2Former's number for COCO.
const TOP: usize = 100;
/// Smallest side of a picture in pixels: less has no neighbours to interpolate between.
const SMALLEST_SIDE: usize = 2;

/// What `harness predict` is asked.
#[derive(Clone, Debug)]
pub struct PredictAsk {
    /// A recipe with overrides, or a Hugging Face folder.
    pub model: Ask,
    /// Weights in place of the recipe's or of the folder's.
    pub weights: Option<PathBuf>,
    /// Images, and folders of images.
    pub images: Vec<PathBuf>,
    /// A COCO file that gives images and classes their ids.
    pub annotations: Option<PathBuf>,
    /// Where the results go.
    pub out: PathBuf,
    /// Where the raw numbers go, if they are wanted.
    pub raw: Option<PathBuf>,
    /// What the network computes on.
    pub device: Wish,
}

/// What was found in one picture.
struct Predicted {
    name: String,
    id: u64,
    detections: Vec<Detection>,
    /// Without the batch's dimension; empty where nobody wants them.
    raw: Vec<RawArray>,
}

/// A network with the way from a picture to its input.
struct Predictor {
    model: Box<dyn Detector>,
    labels: Vec<String>,
    precision: Precision,
    top: usize,
    view: View,
}

/// How pictures become inputs.
enum View {
    /// As in a recipe's evaluation.
    Recipe(EvalConfig),
    /// As a Hugging Face folder says.
    Folder(Preprocessor),
}

/// Predicts, writes the files and tells what they hold.
///
/// # Errors
/// The recipe, the folder, the weights or a picture is wrong, or a file cannot be written; then none of the files is there in
/// part.
pub fn predict(ask: &PredictAsk) -> Result<String, Stop> {
    let paths = paths::list(&ask.images).map_err(Stop::Input)?;
    paths::check(&paths, &ask.out, ask.raw.as_deref()).map_err(Stop::Input)?;
    let (place, no_gpu) = ask
        .device
        .place()
        .map_err(|why| Stop::Input(anyhow!("--device {why}")))?;
    if let Some(no_gpu) = no_gpu {
        eprintln!("note: {no_gpu}; the CPU is");
    }
    let mut predictor = Predictor::new(ask)?;
    let place = place.computing_with(predictor.precision);
    let place = place.context("precision").map_err(Stop::Input)?;
    move_to(&mut *predictor.model, &place);
    let ids =
        Ids::new(&paths, &predictor.labels, ask.annotations.as_deref()).map_err(Stop::Input)?;
    let mut images = Vec::with_capacity(paths.len());
    for (path, id) in paths.iter().zip(&ids.images) {
        let image = predictor.predict(path, *id, ask.raw.is_some());
        images.push(image.map_err(Stop::Input)?);
    }
    let results = files::results(&images, &ids.categories).map_err(Stop::Output)?;
    if let Some(path) = &ask.raw {
        let raw = files::raw(&images).map_err(Stop::Output)?;
        write_atomically(path, &raw).map_err(Stop::Output)?;
    }
    write_atomically(&ask.out, &results).map_err(Stop::Output)?;
    let count: usize = images.iter().map(|image| image.detections.len()).sum();
    Ok(format!(
        "{count} detections in {} images: {}",
        images.len(),
        ask.out.display()
    ))
}

impl Predictor {
    fn new(ask: &PredictAsk) -> Result<Self, Stop> {
        if ask.model.recipe.is_dir() {
            Self::of_folder(ask).map_err(Stop::Input)
        } else {
            Self::of_recipe(ask)
        }
    }

    fn of_folder(ask: &PredictAsk) -> Result<Self> {
        let path = &ask.model.recipe;
        ensure!(
            ask.model.set.is_empty(),
            "--set: {} is a folder of weights, no recipe: there is nothing to set",
            path.display()
        );
        let (config, labels) = of_folder(path, ask.weights.as_ref().unwrap_or(path))?;
        let view = View::Folder(Preprocessor::open(path)?);
        Ok(Self {
            model: config.build(labels.len(), &mut Stream::new(0, "model"))?,
            labels,
            precision: Precision::F32,
            top: TOP,
            view,
        })
    }

    fn of_recipe(ask: &PredictAsk) -> Result<Self, Stop> {
        let recipe = match &ask.weights {
            Some(weights) => &with_weights(&ask.model, weights),
            None => &ask.model,
        };
        let (settings, labels) = first_network(recipe)?;
        if settings.model.weights().as_os_str().is_empty() {
            let shown = ask.model.recipe.display();
            let message = format!("{shown}: model.weights is empty; give --weights PATH");
            return Err(Stop::Input(anyhow!(message)));
        }
        let labels = match (labels, &ask.annotations) {
            (Ok(labels), _) => labels,
            (Err(_), Some(file)) if !only_present(&settings.data) => {
                ids::labels(file).map_err(Stop::Input)?
            }
            (Err(absent), _) => return Err(Stop::Input(unknown_classes(absent, &settings.data))),
        };
        Ok(Self {
            model: trial::model(&settings, labels.len()).map_err(Stop::Input)?,
            labels,
            precision: settings.precision,
            top: settings.eval.top,
            view: View::Recipe(settings.eval.clone()),
        })
    }

    fn predict(&self, path: &Path, id: u64, raw: bool) -> Result<Predicted> {
        let shown = path.display();
        let picture = decode(path)?;
        let size = (picture.height, picture.width);
        ensure!(
            size.0 >= SMALLEST_SIDE && size.1 >= SMALLEST_SIDE,
            "{shown}: {} x {} pixels are too few; needed: {SMALLEST_SIDE} on each side",
            size.0,
            size.1
        );
        let images = self.input(&picture).with_context(|| shown.to_string())?;
        let output = self.model.forward(&mut Tape::off(), &images);
        let detections = output.detect(&[size], self.top).remove(0);
        let raw = match raw {
            true => output.raw(),
            false => Vec::new(),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Predicted {
            name: name.into_owned(),
            id,
            detections,
            raw,
        })
    }

    fn input(&self, picture: &Picture) -> Result<Images> {
        let fitted = match &self.view {
            View::Folder(preprocessor) => return preprocessor.input(picture),
            View::Recipe(eval) => eval.view(picture),
        };
        Ok(self.model.images(&[&fitted]))
    }
}

/// Whether the classes are those that the training images have: no other file tells them.
fn only_present(data: &Table) -> bool {
    data.get("classes").and_then(Value::as_str) == Some("present")
}

/// What to do where the dataset, which is `absent`, would name the classes.
fn unknown_classes(absent: ComponentErrors, data: &Table) -> anyhow::Error {
    let needed = match only_present(data) {
        true => "data.classes = \"present\" needs the dataset; give --set data.root=PATH",
        false => {
            "without the dataset the classes have no names; give --annotations FILE or --set data.root=PATH"
        }
    };
    anyhow!("{absent}\n{needed}")
}
