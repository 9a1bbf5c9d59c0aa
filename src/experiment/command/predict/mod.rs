//! `harness predict`: applies a network to pictures and writes detections, without annotations or training.
//!
//! The network is a recipe's with weights from a file, or that of a Hugging Face folder, which also defines
//! the preprocessing. Pictures are processed one by one and may have any size.

mod drawings;
mod files;
pub(super) mod ids;
mod paths;
mod preprocessor;

use super::first::{NetworkRequest, first_network, trained_network};
use crate::atomic::write_atomically;
use crate::coco::Id;
use crate::data::image_file::{Exif, decode};
use crate::detector::{Detector, RawArray, of_folder};
use crate::experiment::settings::evaluation::EvalConfig;
use crate::experiment::settings::sections::Settings;
use crate::experiment::trial::inputs::{CommandError, RecipeRequest, with_weights};
use crate::experiment::trial::parts as trial;
use crate::graph::Images;
use crate::nn::params::move_to;
use crate::registry::ComponentErrors;
use crate::rng::Stream;
use crate::screen::counted;
use crate::structures::{Detection, Picture};
use crate::tensor::{DeviceChoice, Precision, Tape};
use anyhow::{Context, Result, anyhow, ensure};
use drawings::Drawings;
use ids::Ids;
use paths::Image;
use preprocessor::Preprocessor;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The number of query-class pairs per image without a recipe: Mask2Former's number for COCO.
const TOP: usize = 100;
/// The smallest side of a picture in pixels. A smaller one has no neighbours to interpolate between.
const SMALLEST_SIDE: usize = 2;

/// The arguments of `harness predict`.
#[derive(Clone, Debug)]
pub struct PredictRequest {
    /// A recipe with overrides, a Hugging Face folder in its place, or a trained trial.
    pub model: NetworkRequest,
    /// Weights that replace those of the recipe or the folder.
    pub weights: Option<PathBuf>,
    /// Images, and folders of images.
    pub images: Vec<PathBuf>,
    /// A COCO file with the ids of images and classes.
    pub annotations: Option<PathBuf>,
    /// The file for the results.
    pub out: PathBuf,
    /// The file for the raw numbers, if they are needed.
    pub raw: Option<PathBuf>,
    /// The folder for the pictures with what was found in them, if they are wanted.
    pub draw: Option<PathBuf>,
    /// The least score of a drawn detection.
    pub min_score: f32,
    /// The device of the network.
    pub device: DeviceChoice,
}

/// The detections in one picture.
struct Predicted {
    name: String,
    id: Id,
    detections: Vec<Detection>,
    /// Without the batch's dimension; empty where nobody wants them.
    raw: Vec<RawArray>,
}

/// A network and the preprocessing of its input.
struct Predictor {
    model: Box<dyn Detector>,
    labels: Vec<String>,
    precision: Precision,
    top: usize,
    view: View,
    exif: Exif,
}

/// The preprocessing of a picture.
enum View {
    /// As in a recipe's evaluation.
    Recipe(EvalConfig),
    /// As defined by a Hugging Face folder.
    Folder(Preprocessor),
}

/// Predicts, writes the files and returns a summary.
///
/// # Errors
/// The recipe, the folder, the weights or a picture is wrong, or a file cannot be written. Then no file is
/// left incomplete.
pub fn predict(request: &PredictRequest) -> Result<String, CommandError> {
    let listed = paths::list(&request.images, request.draw.as_deref());
    let listed = listed.map_err(CommandError::Input)?;
    paths::check(&listed, &request.out, request.raw.as_deref()).map_err(CommandError::Input)?;
    let (place, no_gpu) = request
        .device
        .place()
        .map_err(|why| CommandError::Input(anyhow!("--device {why}")))?;
    if let Some(no_gpu) = no_gpu {
        crate::screen::say(&format!("note: {no_gpu}; the CPU is"));
    }
    let mut predictor = Predictor::new(request)?;
    let place = place.computing_with(predictor.precision);
    let place = place.context("precision").map_err(CommandError::Input)?;
    move_to(&mut *predictor.model, &place);
    let paths: Vec<PathBuf> = listed.iter().map(|image| image.path.clone()).collect();
    let ids = Ids::new(&paths, &predictor.labels, request.annotations.as_deref())
        .map_err(CommandError::Input)?;
    let drawings = request.draw.as_ref().map(|folder| {
        let drawings = Drawings::new(folder, &listed, request.min_score);
        drawings.map_err(CommandError::Input)
    });
    let drawings = drawings.transpose()?;
    let mut images = Vec::with_capacity(listed.len());
    let mut drawn = 0;
    for (index, (listed, id)) in listed.iter().zip(&ids.images).enumerate() {
        let picture = predictor.picture(&listed.path);
        let picture = picture.map_err(CommandError::Input)?;
        let image = predictor.predict(listed, &picture, id, request.raw.is_some());
        let image = image.map_err(CommandError::Input)?;
        if let Some(drawings) = &drawings {
            let written = drawings.write(index, &picture, &image.detections, &predictor.labels);
            drawn += written.map_err(CommandError::Output)?;
        }
        images.push(image);
    }
    let results = files::results(&images, &ids.categories).map_err(CommandError::Output)?;
    if let Some(path) = &request.raw {
        let raw = files::raw(&images).map_err(CommandError::Output)?;
        write_atomically(path, &raw).map_err(CommandError::Output)?;
    }
    write_atomically(&request.out, &results).map_err(CommandError::Output)?;
    let count: usize = images.iter().map(|image| image.detections.len()).sum();
    let mut text = format!(
        "{} in {}: {}",
        counted(count, "detection"),
        counted(images.len(), "image"),
        request.out.display()
    );
    if let Some(drawings) = &drawings {
        text.push_str(&format!("\n{}", drawings.summary(drawn)));
    }
    Ok(text)
}

impl Predictor {
    fn new(request: &PredictRequest) -> Result<Self, CommandError> {
        match &request.model {
            NetworkRequest::Recipe(recipe) if recipe.recipe.is_dir() => {
                Self::of_folder(request, recipe).map_err(CommandError::Input)
            }
            NetworkRequest::Recipe(recipe) => Self::of_recipe(request, recipe),
            NetworkRequest::Trial { row, network } => {
                let (settings, labels) = trained_network(row, network.as_deref())?;
                Self::of_settings(request, settings, labels)
            }
        }
    }

    fn of_folder(request: &PredictRequest, model: &RecipeRequest) -> Result<Self> {
        let path = &model.recipe;
        ensure!(
            model.set.is_empty(),
            "--set: {} is a folder of weights, not a recipe; it has no settings",
            path.display()
        );
        let (config, labels) = of_folder(path, request.weights.as_ref().unwrap_or(path))?;
        let view = View::Folder(Preprocessor::open(path)?);
        Ok(Self {
            model: config.build(labels.len(), &mut Stream::new(0, "model"))?,
            labels,
            precision: Precision::F32,
            top: TOP,
            view,
            exif: Exif::Applied,
        })
    }

    fn of_recipe(request: &PredictRequest, model: &RecipeRequest) -> Result<Self, CommandError> {
        let recipe = match &request.weights {
            Some(weights) => &with_weights(model, weights),
            None => model,
        };
        let (settings, labels) = first_network(recipe)?;
        if settings.model.weights().as_os_str().is_empty() {
            let shown = model.recipe.display();
            let message = format!("{shown}: model.weights is empty; give --weights PATH");
            return Err(CommandError::Input(anyhow!(message)));
        }
        Self::of_settings(request, settings, labels)
    }

    /// The network of a trial's settings, with its own weights. `labels`: the names of its classes, or the reason why
    /// they are unknown.
    fn of_settings(
        request: &PredictRequest,
        settings: Settings,
        labels: Result<Vec<String>, ComponentErrors>,
    ) -> Result<Self, CommandError> {
        let labels = match (labels, &request.annotations) {
            (Ok(labels), _) => labels,
            (Err(_), Some(file)) if !only_present(&settings.data) => {
                ids::labels(file).map_err(CommandError::Input)?
            }
            (Err(absent), _) => {
                return Err(CommandError::Input(unknown_classes(absent, &settings.data)));
            }
        };
        // Drawn datasets have no such key.
        let exif = settings.data.get("exif");
        Ok(Self {
            model: trial::model(&settings, labels.len()).map_err(CommandError::Input)?,
            labels,
            precision: settings.precision,
            top: settings.eval.top,
            view: View::Recipe(settings.eval.clone()),
            exif: Exif::new(exif.and_then(toml::Value::as_bool).unwrap_or(true)),
        })
    }

    /// The picture in the file `path`.
    fn picture(&self, path: &Path) -> Result<Picture> {
        let picture = decode(path, self.exif)?;
        ensure!(
            picture.height >= SMALLEST_SIDE && picture.width >= SMALLEST_SIDE,
            "{}: {} x {} pixels are too few; needed: {SMALLEST_SIDE} on each side",
            path.display(),
            picture.height,
            picture.width
        );
        Ok(picture)
    }

    fn predict(&self, listed: &Image, picture: &Picture, id: &Id, raw: bool) -> Result<Predicted> {
        let size = (picture.height, picture.width);
        let images = self.input(picture);
        let images = images.with_context(|| listed.path.display().to_string())?;
        let output = self.model.forward(&mut Tape::off(), &images);
        let detections = output.detect(&[size], self.top).remove(0);
        let raw = match raw {
            true => output.raw(),
            false => Vec::new(),
        };
        Ok(Predicted {
            name: listed.name.clone(),
            id: id.clone(),
            detections,
            raw,
        })
    }

    fn input(&self, picture: &Picture) -> Result<Images> {
        match &self.view {
            View::Folder(preprocessor) => preprocessor.input(picture),
            View::Recipe(eval) => Ok(eval.input(&*self.model, &[picture])),
        }
    }
}

/// Returns true if the classes are those that the training images have. Only the dataset itself contains this
/// information.
fn only_present(data: &Table) -> bool {
    data.get("classes").and_then(Value::as_str) == Some("present")
}

/// Advice if the dataset, which would name the classes, is missing (`absent`).
fn unknown_classes(absent: ComponentErrors, data: &Table) -> anyhow::Error {
    let needed = match only_present(data) {
        true => "data.classes = \"present\" needs the dataset; give --set data.root=PATH",
        false => {
            "without the dataset the classes have no names; give --annotations FILE or --set data.root=PATH"
        }
    };
    anyhow!("{absent}\n{needed}")
}
