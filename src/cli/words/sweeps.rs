//! The commands that run recipes or show how far they are.

use super::shared::DeviceArgs;
use super::shared::RecipeArgs;
use super::shared::RowArgs;
use crate::experiment::{DeviceChoice, EXECUTORS, ExecutorEntry, InitRequest, OwnData};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::path::PathBuf;

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
    /// Write report.html into the results folder, every 10 seconds while the sweep runs and at its end
    #[arg(long, conflicts_with = "publish")]
    pub report: bool,
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
    /// Only show how many seeds it takes to see an effect of this many points of the metric, row by row
    #[arg(long, value_name = "EFFECT", conflicts_with_all = ["json", "explain"], value_parser = above_zero)]
    pub power: Option<f64>,
    /// Standard deviation of the paired differences, for rows that have no two results yet
    #[arg(long, value_name = "POINTS", requires = "power", value_parser = above_zero)]
    pub deviation: Option<f64>,
}

/// A number above 0.
fn above_zero(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    let number = number.filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_string())
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
    /// Print it again every SECONDS, and ask Slurm each time, until all is done or nothing works on it
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "30", conflicts_with = "json",
          value_parser = clap::value_parser!(u64).range(30..=86_400))]
    pub watch: Option<u64>,
}

#[derive(Debug, Args)]
pub struct StageArgs {
    /// A results folder, for example results/ablation
    pub results: PathBuf,
    /// Key of the stage, or the beginning of exactly one key; with --row, of one key of that trial [default, with
    /// --row: the first stage of the trial that is not done; without: all keys are listed and nothing runs]
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
