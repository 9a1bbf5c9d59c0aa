//! The commands that use or judge a network.

use super::shared::RecipeArgs;
use super::shared::RowArgs;
use crate::experiment::{CommandError, DeviceChoice, NetworkRequest};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// A network: of a recipe with weights from elsewhere, or one that a trial has trained.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    #[command(flatten)]
    pub row: RowArgs,
    /// Network of the trial: teacher, student or average [default: the one that the tables show]
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,
}

impl NetworkArgs {
    /// The network in the form that the commands use. `weights` are those from elsewhere.
    ///
    /// # Errors
    /// As for [`NetworkRequest::new`].
    pub fn request(self, weights: Option<&PathBuf>) -> Result<NetworkRequest, CommandError> {
        let row = self.row.request(self.recipe.recipe.clone());
        NetworkRequest::new(self.recipe.into(), row, self.network, weights.is_some())
    }
}

#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A recipe, a Hugging Face folder of a Mask2Former, or, with --row, a results folder
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Weights: a Hugging Face folder, or a file (`FILE#NETWORK` for one of several networks in it)
    /// [default: the recipe's model.weights, the folder, or what the trial of --row has trained]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["row", "seed", "sweep", "network"])]
    pub weights: Option<PathBuf>,
    /// Images, or folders of images; the folders below them are listed too
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    pub images: Vec<PathBuf>,
    /// A COCO file with the ids of images and classes, matched by name; for a recipe without its dataset,
    /// also the classes
    #[arg(long, value_name = "FILE")]
    pub annotations: Option<PathBuf>,
    /// Output file with the results (JSON)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Output file with the raw logits and qualities (safetensors)
    #[arg(long, value_name = "FILE")]
    pub raw: Option<PathBuf>,
    /// Folder for the pictures (PNG) with the detections drawn into them: masks, classes, scores
    #[arg(long, value_name = "DIR")]
    pub draw: Option<PathBuf>,
    /// Least score of a drawn detection, 0 to 1
    #[arg(long, value_name = "SCORE", default_value_t = 0.5, value_parser = score, requires = "draw")]
    pub min_score: f32,
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
}

/// A score: a number from 0 to 1.
fn score(text: &str) -> Result<f32, String> {
    let score = text.parse().ok();
    let score = score.filter(|score: &f32| (0.0..=1.0).contains(score));
    score.ok_or_else(|| "needed: a number from 0 to 1".to_string())
}

#[derive(Debug, Args)]
pub struct ClipArgs {
    /// Folder of the model: Hugging Face's CLIPModel, or OpenCLIP's ConvNeXt or ViT
    pub folder: PathBuf,
    /// A PNG or JPEG file; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    pub image: Vec<PathBuf>,
    /// A text, for example `--text "a photo of a dog"`; may be repeated
    #[arg(long, value_name = "TEXT", required = true)]
    pub text: Vec<String>,
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Annotations in COCO's format; with --cityscapes, those that the ids of COCO results are of
    #[arg(long, value_name = "JSON", required_unless_present = "cityscapes")]
    pub gt: Option<PathBuf>,
    /// Compute the official AP of Cityscapes: its folder, of which gtFine/val is evaluated, or a folder of
    /// *_gtFine_instanceIds.png
    #[arg(long, value_name = "GT_ROOT")]
    pub cityscapes: Option<PathBuf>,
    /// Detections in COCO's results format; with --cityscapes also a folder in the official script's format
    #[arg(long, value_name = "RESULTS")]
    pub dt: PathBuf,
    /// Also write the numbers to a CSV file: type,metric,value
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Weights {
    /// List the name, type and shape of every array, and the parameter that it belongs to
    Inspect(InspectWeightsArgs),
    /// Write a network for another program
    Export(ExportWeightsArgs),
}

#[derive(Debug, Args)]
pub struct InspectWeightsArgs {
    /// A safetensors file (`FILE#NETWORK` for one of several networks in it), or a folder: a Mask2Former
    /// of Hugging Face, or a CLIP of Hugging Face or OpenCLIP
    pub path: PathBuf,
    /// The recipe of the network; not needed for a folder
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<PathBuf>,
    /// Override a setting of the recipe; may be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "recipe")]
    pub set: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ExportWeightsArgs {
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Weights: a file, or `FILE#student` for one network of a checkpoint [default: the recipe's
    /// model.weights, or what the trial of --row has trained]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["row", "seed", "sweep", "network"])]
    pub weights: Option<PathBuf>,
    /// The program whose names the file has: transformers for a Mask2Former; torchvision or detectron2 for a
    /// Mask R-CNN [default: the first of these]
    #[arg(long, value_name = "PROGRAM")]
    pub names: Option<String>,
    /// A new or empty folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}
