//! The command line: commands, arguments and their help.

mod cluster;
mod data;
mod networks;
mod results;
mod shared;
mod shell;
mod sweeps;

pub use cluster::{CancelArgs, SubmitArgs, WorkArgs};
pub use data::{CheckDataArgs, Data, ExportDataArgs, LookDataArgs, SplitDataArgs};
pub use networks::{
    ClipArgs, EvalArgs, ExportWeightsArgs, InspectWeightsArgs, PredictArgs, Weights,
};
pub use results::{
    CompareArgs, CurvesArgs, Export, LogsArgs, ReportArgs, ShowArgs, TableArgs, TensorboardArgs,
};
pub use shell::{CompletionsArgs, ManArgs};
pub use sweeps::{InitArgs, PlanArgs, SchemaArgs, StageArgs, StatusArgs, SweepArgs};

use crate::experiment::VERSION;
use clap::{Parser, Subcommand};

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
    /// Hand the unfinished trials of a recipe over to Slurm, and return
    Submit(SubmitArgs),
    /// Take what was submitted out of Slurm's queue; its checkpoints stay
    Cancel(CancelArgs),
    /// Do what one job of Slurm does: an element of a submission, or its tables
    Work(WorkArgs),
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
