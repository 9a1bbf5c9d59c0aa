//! The commands that read a results folder.

use super::shared::RowArgs;
use crate::experiment::{DeviceChoice, TableRequest, metric_names};
use crate::report::{COMPARISON_FORMATS, FORMATS, Look, Order};
use crate::screen::Screen;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use std::path::PathBuf;

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
    /// Only labels, metrics and differences, with `*` for `helps` and `hurts`; LaTeX fits a column, not a page
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
    /// Another results folder: the report is of this one, and begins with its differences to the first
    pub other: Option<PathBuf>,
    /// Output file [default: report.html in the folder, or comparison.html in the second one]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the page again every SECONDS while work is left
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10", conflicts_with = "other",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub watch: Option<u64>,
    /// Evaluate every trained network once more, and show its errors: scores against masks, confused classes, kinds
    #[arg(long)]
    pub analyse: bool,
    /// Device of --analyse: auto, cpu, cuda or cuda:N
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "auto",
        requires = "analyse"
    )]
    pub device: DeviceChoice,
}

#[derive(Debug, Subcommand)]
pub enum Export {
    /// Write the journals of all trials as CSV: sweep, label, seed, stage, step, key, value
    Curves(CurvesArgs),
    /// Write event files of TensorBoard: curves, metrics, hyperparameters
    Tensorboard(TensorboardArgs),
}

#[derive(Debug, Args)]
pub struct TensorboardArgs {
    /// A results folder, for example results/ablation
    pub results: PathBuf,
    /// Folder of the event files; those of the same rows are replaced
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
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
