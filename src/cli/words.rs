//! The command line: commands, arguments and their help.

use crate::experiment::{
    CommandError, DeviceChoice, DeviceRequest, EXECUTORS, ExecutorEntry, GpuList, InitRequest,
    Layout, NetworkRequest, OwnData, RecipeRequest, RowRequest, TableRequest, VERSION,
    metric_names,
};
use crate::report::{COMPARISON_FORMATS, FORMATS, Look, Order};
use crate::screen::Screen;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// The name of the program on the command line.
pub const PROGRAM: &str = "harness";

/// Ablation harness for semi-supervised instance segmentation: reads recipes, writes the paper's tables.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version = VERSION, about)]
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
    /// Print the JSON Schema of a recipe, for editors, or a reference of all keys
    Schema(SchemaArgs),
    /// Show the progress of the sweeps of a results folder, while they run or afterwards
    Status(StatusArgs),
    /// Tell why a row of a results folder is as it is: settings, curves, pseudo-labels, classes, weights
    Show(ShowArgs),
    /// Print the journals of a trial, or the reason why it failed
    Logs(LogsArgs),
    /// Run one stage of a sweep in the foreground, with its log on the terminal, to debug it
    Stage(StageArgs),
    /// Print the tables of a results folder
    Table(TableArgs),
    /// Write a results folder as one HTML file: tables, figures, settings, provenance
    Report(ReportArgs),
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
    /// Compute the COCO metrics of a file of detections, or the official AP of Cityscapes
    Eval(EvalArgs),
    /// Write a recipe and a sweep into a new folder, for your own pictures or the embedded dataset
    Init(InitArgs),
    /// Print a script that completes commands and options in a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write one page for each command
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// A new or empty folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Annotations of your pictures in COCO's format [default: the embedded dataset]
    #[arg(long, value_name = "JSON", requires = "images")]
    pub coco: Option<PathBuf>,
    /// Folder that the annotations' file names begin in
    #[arg(long, value_name = "DIR", requires = "coco")]
    pub images: Option<PathBuf>,
    /// Annotations of the evaluated pictures [default: a fifth of the pictures of --coco]
    #[arg(long, value_name = "JSON", requires = "coco")]
    pub val_coco: Option<PathBuf>,
    /// Folder of the evaluated pictures [default: that of --images]
    #[arg(long, value_name = "DIR", requires = "val_coco")]
    pub val_images: Option<PathBuf>,
}

impl From<InitArgs> for InitRequest {
    fn from(args: InitArgs) -> Self {
        let data = |(annotations, images): (PathBuf, PathBuf)| OwnData {
            val: args.val_coco.map(|val| {
                let folder = args.val_images.unwrap_or_else(|| images.clone());
                (val, folder)
            }),
            annotations,
            images,
        };
        Self {
            folder: args.folder,
            coco: args.coco.zip(args.images).map(data),
        }
    }
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
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
    #[command(flatten)]
    pub reuse: ReuseArgs,
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

/// Results that were computed elsewhere.
#[derive(Debug, Args)]
pub struct ReuseArgs {
    /// Count the results in this file of records as finished where hash and code version agree; a results folder
    /// stands for its records.jsonl. May be repeated
    #[arg(long = "reuse-records", value_name = "FILE", num_args = 1..)]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Folder of the results [default: results/<recipe>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub reuse: ReuseArgs,
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
    /// Print a recipe with every key of every component instead: what it does, its range, its default
    #[arg(long, conflicts_with = "sweep")]
    pub reference: bool,
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
    /// Key of the stage, as `harness status` shows it, or the beginning of exactly one key [default, with
    /// --row: the first stage of the trial that is not done]
    #[arg(required_unless_present_any = ["row", "seed", "sweep"])]
    pub key: Option<String>,
    #[command(flatten)]
    pub row: RowArgs,
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
pub struct ShowArgs {
    /// A results folder, for example results/ablation
    #[arg(required_unless_present = "keys")]
    pub results: Option<PathBuf>,
    #[command(flatten)]
    pub row: RowArgs,
    /// List all classes, not only the first 15
    #[arg(long)]
    pub all: bool,
    /// Explain every key of the journal
    #[arg(long, conflicts_with_all = ["results", "row", "seed", "sweep", "all"])]
    pub keys: bool,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// A results folder, for example results/ablation
    pub results: PathBuf,
    #[command(flatten)]
    pub row: RowArgs,
    /// Print the lines as they are in the files: JSON
    #[arg(long, requires = "row")]
    pub json: bool,
    /// Wait for more lines as long as a process works on the trial
    #[arg(long, short, requires = "row")]
    pub follow: bool,
}

/// A trial by the label of its row.
#[derive(Debug, Args)]
pub struct RowArgs {
    /// Label of a row of the results folder, for example `--row "PL-DC"`
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    pub row: Option<String>,
    /// Seed of the row's trial
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Sweep of the row, where rows of several sweeps have its label
    #[arg(long, value_name = "NAME")]
    pub sweep: Option<String>,
}

impl RowArgs {
    /// The row in the results folder `results`, in the form that the commands use.
    pub fn request(self, results: PathBuf) -> RowRequest {
        RowRequest {
            results,
            sweep: self.sweep,
            row: self.row,
            seed: self.seed,
        }
    }
}

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

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A results folder, for example results/ablation
    pub results: PathBuf,
    /// Output file [default: report.html in the folder]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
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
    /// Another results folder, or the same with --row
    pub b: PathBuf,
    /// Compare only the row A of the first folder with the row B of the second, for example `--row "PL-DC=ours"`;
    /// a label alone is a row of both; may be repeated
    #[arg(long, value_name = "A=B", allow_hyphen_values = true)]
    pub row: Vec<String>,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Output format
    #[arg(long, default_value = "text", value_parser = PossibleValuesParser::new(COMPARISON_FORMATS.iter().map(|one| one.name)))]
    pub format: String,
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
pub enum Data {
    /// Write the dataset as COCO JSON and PNG, or in the layout of Cityscapes
    Export(ExportDataArgs),
    /// Decode every picture of the dataset once, draw the splits, and report all problems
    Check(CheckDataArgs),
    /// Write the splits as COCO JSON, for other frameworks: the labelled images, and the unlabelled ones without
    /// annotations
    Split(SplitDataArgs),
}

#[derive(Debug, Args)]
pub struct SplitDataArgs {
    #[command(flatten)]
    pub recipe: RecipeArgs,
    /// Folder of the files `<annotations>.<seed>@<percent>.json` and `...-unlabeled.json`
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
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
    /// Layout of the files
    #[arg(long, value_name = "NAME", default_value = Layout::ALL[0].0, value_parser = layout())]
    pub layout: Layout,
}

/// A layout by its name.
fn layout() -> impl TypedValueParser<Value = Layout> {
    let values = Layout::ALL.map(|(name, about, _)| PossibleValue::new(name).help(about));
    PossibleValuesParser::new(values).map(|name| {
        let found = Layout::ALL.into_iter().find(|(known, ..)| *known == name);
        found.map(|(.., layout)| layout).unwrap_or_default()
    })
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
    pub network: NetworkArgs,
    /// Weights: a file, or `FILE#student` for one network of a checkpoint [default: the recipe's
    /// model.weights, or what the trial of --row has trained]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["row", "seed", "sweep", "network"])]
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
