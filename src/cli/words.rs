//! The command line: commands, arguments and their help.

use crate::experiment::{
    DeviceChoice, DeviceRequest, EXECUTORS, ExecutorEntry, GpuList, RecipeRequest, TableRequest,
    metric_names,
};
use crate::report::{COMPARISON_FORMATS, FORMATS, Look, Order};
use crate::screen::Screen;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Ablation harness for semi-supervised instance segmentation: reads recipes, writes the paper's tables.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the unfinished trials of a recipe and write its tables
    Sweep(SweepArgs),
    /// Check a recipe and show which trials would run, why, and how long they would take
    Plan(PlanArgs),
    /// Print the JSON Schema of a recipe, for editors
    Schema(SchemaArgs),
    /// Show the progress of the sweeps of a results folder, while they run or afterwards
    Status(StatusArgs),
    /// Run one stage of a sweep in the foreground, with its log on the terminal, to debug it
    Stage(StageArgs),
    /// Print the tables of a results folder
    Table(TableArgs),
    /// Compare two results folders row by row: the difference B - A over their common seeds
    Compare(CompareArgs),
    /// Write results for other programs
    #[command(subcommand)]
    Export(Export),
    /// Write the objects that a network detects in pictures as COCO results
    Predict(PredictArgs),
    /// Inspect weights, and write them for other tools
    #[command(subcommand)]
    Weights(Weights),
    /// Compare images with texts, using a released CLIP
    Clip(ClipArgs),
    /// Work with the dataset of a recipe
    #[command(subcommand)]
    Data(Data),
    /// Compute the COCO metrics of a file of detections, for masks and boxes
    Eval(EvalArgs),
}

#[derive(Debug, Args)]
pub struct SweepArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Folder of the results [default: results/<recipe>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Number of trials that run at the same time: on each GPU [default: 1], or in total on the CPU
    /// [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    #[command(flatten)]
    pub devices: DeviceArgs,
    #[command(flatten)]
    pub executor: ExecutorArgs,
    /// Try a failed stage again, at most N times; it continues from its last checkpoint
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retries: u32,
    /// Start nothing more after a trial has failed [default: run all others]
    #[arg(long)]
    pub fail_fast: bool,
    /// Do the work again if another version of the program's computations did it; the old results move to
    /// a subfolder
    #[arg(long)]
    pub renew: bool,
    /// Let this recipe replace the tables that another recipe has in the folder of the results
    #[arg(long)]
    pub replace: bool,
    /// Train nothing; copy the tables and records of the finished run to results/published/<recipe>, to be
    /// committed
    #[arg(long, conflicts_with_all = ["workers", "device", "gpus", "retries", "fail_fast", "renew"])]
    pub publish: bool,
    /// Print only warnings and tables, no progress
    #[arg(long, short)]
    pub quiet: bool,
    /// For the process that the command itself starts
    #[arg(long, hide = true)]
    pub supervised: bool,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Folder of the results [default: results/<recipe>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
    /// Only show where the value of this key comes from, for example `--explain train.steps`
    #[arg(long, value_name = "KEY", conflicts_with = "json")]
    pub explain: Option<String>,
}

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Print the schema of a sweep file instead
    #[arg(long)]
    pub sweep: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A results folder, for example results/ablation
    pub results: PathBuf,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct StageArgs {
    /// A results folder, for example results/ablation
    pub results: PathBuf,
    /// Key of the stage, as `harness status` shows it, or the beginning of exactly one key
    pub key: String,
    /// Run it again even if it is done; the old result stays if the new run does not finish
    #[arg(long)]
    pub again: bool,
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    #[command(flatten)]
    pub executor: ExecutorArgs,
}

#[derive(Debug, Args)]
pub struct TableArgs {
    /// A results folder, for example results/ablation
    pub results: PathBuf,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Output format: `text` fits the terminal, `csv` has one line per row, `tidy` one per trial and number
    /// [default: text on a terminal, else md]
    #[arg(long, value_parser = PossibleValuesParser::new(FORMATS.iter().map(|one| one.name)))]
    pub format: Option<String>,
    /// Columns, for example `label,mAP,AP50,AP:person,AR100,student.mAP,difference`; a wrong name lists all names
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Decimals of metrics, differences and intervals [default: 2; tidy: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=15))]
    pub digits: Option<u8>,
    /// Only labels, metrics and differences, with `*` for a conclusive verdict; LaTeX fits a column, not a page
    #[arg(long)]
    pub compact: bool,
    /// Leave out the numbers of the paper
    #[arg(long)]
    pub no_paper: bool,
    /// Order of the rows: as in the sweep, best first, or by label
    #[arg(long, value_name = "KEY", default_value = "table", value_parser = order())]
    pub sort: Order,
}

impl TableArgs {
    /// The look of the tables on `screen`.
    pub fn look(&self, screen: Screen) -> Look {
        Look {
            columns: self.columns.clone(),
            digits: self.digits.map(usize::from),
            compact: self.compact,
            paper: !self.no_paper,
            screen,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Export {
    /// Write the journals of all trials as CSV: sweep, label, seed, stage, step, key, value
    Curves(CurvesArgs),
}

#[derive(Debug, Args)]
pub struct CurvesArgs {
    /// A results folder, for example results/ablation
    pub results: PathBuf,
    /// Output file [default: the standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// One column for each key, in place of one line for each number
    #[arg(long)]
    pub wide: bool,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A results folder
    pub a: PathBuf,
    /// Another results folder
    pub b: PathBuf,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Output format
    #[arg(long, default_value = "text", value_parser = PossibleValuesParser::new(COMPARISON_FORMATS.iter().map(|one| one.name)))]
    pub format: String,
}

#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A recipe, or a Hugging Face folder of a Mask2Former
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Weights: a Hugging Face folder, or a file (`FILE#NETWORK` for one of several networks in it)
    /// [default: the recipe's model.weights, or the folder]
    #[arg(long, value_name = "PATH")]
    pub weights: Option<PathBuf>,
    /// Images, or folders of images
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
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
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
    /// Annotations in COCO's format
    #[arg(long, value_name = "JSON")]
    pub gt: PathBuf,
    /// Detections in COCO's results format
    #[arg(long, value_name = "JSON")]
    pub dt: PathBuf,
    /// Also write the numbers to a CSV file: type,metric,value
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Data {
    /// Write the dataset as COCO JSON and PNG
    Export(ExportDataArgs),
    /// Decode every picture of the dataset once, draw the splits, and report all problems
    Check(CheckDataArgs),
}

#[derive(Debug, Args)]
pub struct CheckDataArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Folder of the results, where the checked pictures are noted for `sweep` [default: results/<recipe>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ExportDataArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// A new or empty folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Weights {
    /// List the name, type and shape of every array, and the parameter that it belongs to
    Inspect(InspectWeightsArgs),
    /// Write a network as a Hugging Face folder
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
    pub recipe: RecipeArgs,
    /// Weights: a file, or `FILE#student` for one network of a checkpoint [default: the recipe's
    /// model.weights]
    #[arg(long, value_name = "PATH")]
    pub weights: Option<PathBuf>,
    /// A new or empty folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct ExecutorArgs {
    /// Executor of the stages
    #[arg(long, value_name = "NAME", default_value = EXECUTORS[0].name, hide = EXECUTORS.len() == 1, value_parser = executor())]
    pub executor: &'static ExecutorEntry,
}

/// An executor by its name.
fn executor() -> impl TypedValueParser<Value = &'static ExecutorEntry> {
    let values = EXECUTORS.iter();
    let values = values.map(|one| PossibleValue::new(one.name).help(one.about));
    PossibleValuesParser::new(values).map(|name| {
        let found = EXECUTORS.iter().find(|one| one.name == name);
        found.unwrap_or(&EXECUTORS[0])
    })
}

#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// Device: auto, cpu, cuda or cuda:N; auto uses the first usable GPU, or else the CPU
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
    /// Train on these GPUs, for example `0,1,3`; each runs --workers trials at the same time
    #[arg(long, value_name = "LIST", conflicts_with = "device")]
    gpus: Option<GpuList>,
}

impl DeviceArgs {
    /// The choice in the form that the commands use.
    pub fn request(self) -> DeviceRequest {
        match self.gpus {
            Some(GpuList(numbers)) => DeviceRequest::Gpus(numbers),
            None => DeviceRequest::One(self.device),
        }
    }
}

#[derive(Debug, Args)]
pub struct ChoiceArgs {
    /// Only this sweep [default: all sweeps of the folder]
    #[arg(long, value_name = "NAME")]
    pub sweep: Option<String>,
    /// Metric of the deviations, differences and verdicts [default: the first metric of the records, like
    /// mAP]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(metric_names()))]
    pub metric: Option<String>,
}

impl ChoiceArgs {
    /// The arguments in the form that the commands use.
    pub fn request(&self) -> TableRequest<'_> {
        TableRequest {
            sweep: self.sweep.as_deref(),
            metric: self.metric.as_deref(),
            screen: Screen::of_stdout(),
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
    /// Override a setting, for example `--set train.steps=1200`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl From<RecipeArgs> for RecipeRequest {
    fn from(args: RecipeArgs) -> Self {
        Self {
            recipe: args.recipe,
            set: args.set,
        }
    }
}
