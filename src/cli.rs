//! The command line. What a command does is in `experiment`; here are its words, its exit code and its last lines.

use crate::experiment::{Ask, Outcome, Stop, clip, export_data, plan, sweep};
use clap::{Args, Parser, Subcommand};
use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Everything went well.
const FINE: u8 = 0;
/// Some trial failed, or results could not be written.
const FAILED: u8 = 1;
/// The recipe, the arguments or an input file is wrong (clap's own code for wrong arguments).
const WRONG: u8 = 2;

/// Ablation harness for semi-supervised instance segmentation: recipes in, the paper's tables out.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the trials of a recipe that are not finished and write its tables
    Sweep {
        #[command(flatten)]
        recipe: RecipeArgs,
        /// Folder of the results [default: results/<recipe>]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Trials at once [default: one per core]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
        workers: Option<u16>,
    },
    /// Check a recipe and list its trials without running them
    Plan {
        #[command(flatten)]
        recipe: RecipeArgs,
    },
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
}

#[derive(Debug, Subcommand)]
enum Data {
    /// Write the dataset as COCO JSON and PNG
    Export {
        #[command(flatten)]
        recipe: RecipeArgs,
        /// A new or empty folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
struct RecipeArgs {
    /// The recipe's TOML file
    recipe: PathBuf,
    /// Override a setting, as in `--set train.steps=1200`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl From<RecipeArgs> for Ask {
    fn from(args: RecipeArgs) -> Self {
        Self {
            recipe: args.recipe,
            set: args.set,
        }
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Sweep {
            recipe,
            out,
            workers,
        } => {
            let workers = workers.map_or(0, usize::from);
            sweep(&recipe.into(), out.as_deref(), workers).map(|outcome| told(&outcome))
        }
        Command::Plan { recipe } => plan(&recipe.into()).map(|plan| {
            say(&plan);
            FINE
        }),
        Command::Clip {
            folder,
            image,
            text,
        } => clip(&folder, &image, &text).map(|table| {
            say(&table);
            FINE
        }),
        Command::Data(Data::Export { recipe, out }) => {
            export_data(&recipe.into(), &out).map(|text| {
                say(&text);
                FINE
            })
        }
    };
    ExitCode::from(outcome.unwrap_or_else(|stop| {
        eprintln!("error: {stop}");
        match stop {
            Stop::Input(_) => WRONG,
            Stop::Output(_) => FAILED,
        }
    }))
}

/// Prints a line. A reader who has seen enough (`harness plan | head`) closes the pipe: that is no error.
fn say(text: &dyn Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Shows the tables and the failures of a sweep; returns its exit code.
fn told(outcome: &Outcome) -> u8 {
    for table in &outcome.tables {
        if let Ok(text) = std::fs::read_to_string(table) {
            say(&text);
        }
    }
    say(&format!("Results: {}", outcome.folder.display()));
    for failure in &outcome.failed {
        eprintln!("failed: {failure}");
    }
    if outcome.failed.is_empty() {
        FINE
    } else {
        FAILED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
