//! The words of the command line: commands, arguments and their help.

use crate::experiment::{Ask, DeviceAsk, GpuList, TableAsk, Wish, metric_names};
use crate::report::{COMPARISON_FORMATS, FORMATS, Order};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Ablation harness for semi-supervised instance segmentation: recipes in, the paper's tables out.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the trials of a recipe that are not finished and write its tables
    Sweep {
        #[command(flatten)]
        recipe: RecipeArgs,
        /// Folder of the results [default: results/<recipe>]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Trials at once: on GPUs so many on each [default: 1], else in all [default: one per core]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
        workers: Option<u16>,
        #[command(flatten)]
        devices: DeviceArgs,
        /// Try a stage that failed again, N times at most; it goes on from its last checkpoint
        #[arg(long, value_name = "N", default_value_t = 0)]
        retries: u32,
        /// Start nothing more after a trial has failed; without it all others run
        #[arg(long)]
        fail_fast: bool,
        /// Do the work anew if another version of the program's computations did it; its results are kept in a folder of their own
        #[arg(long)]
        renew: bool,
        /// Train nothing; copy the tables and records of the finished run to results/published/<recipe>, to be committed
        #[arg(long, conflicts_with_all = ["workers", "device", "gpus", "retries", "fail_fast", "renew"])]
        publish: bool,
        /// Show warnings and tables only, no progress
        #[arg(long, short)]
        quiet: bool,
        /// For the process that the command itself starts
        #[arg(long, hide = true)]
        supervised: bool,
    },
    /// Check a recipe and tell which trials would run, why, and how long they would take
    Plan {
        #[command(flatten)]
        recipe: RecipeArgs,
        /// Folder of the results [default: results/<recipe>]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
        /// Only tell where the value of this key comes from, as in `--explain train.steps`
        #[arg(long, value_name = "KEY", conflicts_with = "json")]
        explain: Option<String>,
    },
    /// Print the JSON Schema of a recipe, for editors
    Schema {
        /// That of a sweep file
        #[arg(long)]
        sweep: bool,
    },
    /// Tell how far the sweeps of a results folder are, while they run or after
    Status {
        /// A results folder, like results/ablation
        results: PathBuf,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Print the tables of a results folder
    Table {
        /// A results folder, like results/ablation
        results: PathBuf,
        #[command(flatten)]
        choice: TableArgs,
        /// How it is written
        #[arg(long, default_value = "md", value_parser = PossibleValuesParser::new(FORMATS.iter().map(|one| one.name)))]
        format: String,
        /// Order of the rows: that of the sweep, the best first, or by label
        #[arg(long, value_name = "KEY", default_value = "table", value_parser = order())]
        sort: Order,
    },
    /// Compare two results folders, row by row: the difference B - A over the seeds that both have
    Compare {
        /// A results folder
        a: PathBuf,
        /// Another one
        b: PathBuf,
        #[command(flatten)]
        choice: TableArgs,
        /// How it is written
        #[arg(long, default_value = "text", value_parser = PossibleValuesParser::new(COMPARISON_FORMATS.iter().map(|one| one.name)))]
        format: String,
    },
    /// Write what a network finds in pictures as COCO results
    Predict {
        /// A recipe, or a Hugging Face folder of a Mask2Former
        #[command(flatten)]
        recipe: RecipeArgs,
        /// Weights: a Hugging Face folder, or a file (`FILE#NETWORK` for one of several networks in it) [default: model.weights of
        /// the recipe, or the folder]
        #[arg(long, value_name = "PATH")]
        weights: Option<PathBuf>,
        /// Images, or folders of images
        #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
        images: Vec<PathBuf>,
        /// A COCO file that gives the images and the classes their ids, by their names, and the classes of a recipe whose dataset is
        /// absent
        #[arg(long, value_name = "FILE")]
        annotations: Option<PathBuf>,
        /// File of the results (JSON)
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// File of the raw logits and qualities (safetensors)
        #[arg(long, value_name = "FILE")]
        raw: Option<PathBuf>,
        /// What to compute on: auto, cpu, cuda or cuda:N
        #[arg(long, value_name = "DEVICE", default_value = "auto")]
        device: Wish,
    },
    /// Look into weights, and write them for other tools
    #[command(subcommand)]
    Weights(Weights),
    /// Compare images with texts by a released CLIP
    Clip {
        /// Folder of the model: Hugging Face's CLIPModel, or OpenCLIP's with a ConvNeXt or ViT
        folder: PathBuf,
        /// A PNG or JPEG file; may be repeated
        #[arg(long, value_name = "FILE", required = true)]
        image: Vec<PathBuf>,
        /// A description, as in `--text "a photo of a dog"`; may be repeated
        #[arg(long, value_name = "TEXT", required = true)]
        text: Vec<String>,
    },
    /// Work with the dataset of a recipe
    #[command(subcommand)]
    Data(Data),
    /// Compute the COCO metric of a file of detections, by masks and by boxes
    Eval {
        /// Annotations in COCO's format
        #[arg(long, value_name = "JSON")]
        gt: PathBuf,
        /// Detections in COCO's results format
        #[arg(long, value_name = "JSON")]
        dt: PathBuf,
        /// Also write the numbers to a file: type,metric,value
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Data {
    /// Write the dataset as COCO JSON and PNG
    Export {
        #[command(flatten)]
        recipe: RecipeArgs,
        /// A new or empty folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum Weights {
    /// List name, type and shape of every array, and where it would be loaded
    Inspect {
        /// A safetensors file (`FILE#NETWORK` for one of several networks in it) or a folder: Hugging Face's of a Mask2Former or a
        /// CLIP, OpenCLIP's of a CLIP
        path: PathBuf,
        /// The recipe whose network is meant; a folder has its own
        #[arg(long, value_name = "RECIPE")]
        recipe: Option<PathBuf>,
        /// Override a setting of the recipe; may be repeated
        #[arg(long, value_name = "KEY=VALUE", requires = "recipe")]
        set: Vec<String>,
    },
    /// Write a network as a Hugging Face folder
    Export {
        #[command(flatten)]
        recipe: RecipeArgs,
        /// Weights: a checkpoint, `FILE#student` for one network of it [default: model.weights of the recipe]
        #[arg(long, value_name = "PATH")]
        weights: Option<PathBuf>,
        /// A new or empty folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// What to compute on: auto, cpu, cuda or cuda:N; auto takes the first GPU, if there is one that this program can use
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Wish,
    /// Train on these GPUs, as in `0,1,3`: each takes --workers trials at once
    #[arg(long, value_name = "LIST", conflicts_with = "device")]
    gpus: Option<GpuList>,
}

impl DeviceArgs {
    /// The same for the commands.
    pub fn ask(self) -> DeviceAsk {
        match self.gpus {
            Some(GpuList(numbers)) => DeviceAsk::Gpus(numbers),
            None => DeviceAsk::One(self.device),
        }
    }
}

#[derive(Debug, Args)]
pub struct TableArgs {
    /// Only this sweep [default: all of the folder]
    #[arg(long, value_name = "NAME")]
    pub sweep: Option<String>,
    /// What deviations, differences and verdicts are of [default: the first metric of the records, mAP for COCO's]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(metric_names()))]
    pub metric: Option<String>,
}

impl TableArgs {
    /// The same for the commands.
    pub fn ask(&self) -> TableAsk<'_> {
        TableAsk {
            sweep: self.sweep.as_deref(),
            metric: self.metric.as_deref(),
        }
    }
}

/// An order of rows by its name.
fn order() -> impl TypedValueParser<Value = Order> {
    PossibleValuesParser::new(Order::ALL.map(|(name, _)| name)).map(|name| {
        let found = Order::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, order)| order).unwrap_or_default()
    })
}

#[derive(Debug, Args)]
pub struct RecipeArgs {
    /// The recipe's TOML file
    pub recipe: PathBuf,
    /// Override a setting, as in `--set train.steps=1200`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl From<RecipeArgs> for Ask {
    fn from(args: RecipeArgs) -> Self {
        Self {
            recipe: args.recipe,
            set: args.set,
        }
    }
}
