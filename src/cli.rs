//! The command line. What a command does is in `experiment`; here are its words, its exit code and its last lines.

use crate::experiment::{
    Ask, EXIT_CODE, Interrupt, Outcome, PredictAsk, Stop, SweepOptions, TableAsk, Told, Verbosity,
    clip, compare, evaluate, explain, export_data, export_weights, inspect_weights, plan, predict,
    schema, status, sweep, table,
};
use crate::report::{COMPARISON_FORMATS, FORMATS, Metric, Order};
use clap::builder::{PossibleValuesParser, TypedValueParser};
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
        /// Try a stage that failed again, N times at most; it goes on from its last checkpoint
        #[arg(long, value_name = "N", default_value_t = 0)]
        retries: u32,
        /// Start nothing more after a trial has failed; without it all others run
        #[arg(long)]
        fail_fast: bool,
        /// Show warnings and tables only, no progress
        #[arg(long, short)]
        quiet: bool,
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
        #[arg(long, value_name = "KEY")]
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
        /// A COCO file that gives the images and the classes their ids, by their names
        #[arg(long, value_name = "FILE")]
        annotations: Option<PathBuf>,
        /// File of the results (JSON)
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// File of the raw logits and qualities (safetensors)
        #[arg(long, value_name = "FILE")]
        raw: Option<PathBuf>,
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

#[derive(Debug, Subcommand)]
enum Weights {
    /// List name, type and shape of every array, and where it would be loaded
    Inspect {
        /// A safetensors file (`FILE#NETWORK` for one of several networks in it) or a Hugging Face folder
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
struct TableArgs {
    /// Only this sweep [default: all of the folder]
    #[arg(long, value_name = "NAME")]
    sweep: Option<String>,
    /// What deviations, differences and verdicts are of
    #[arg(long, value_name = "NAME", default_value = "mAP", value_parser = metric())]
    metric: Metric,
}

impl TableArgs {
    fn ask(&self) -> TableAsk<'_> {
        TableAsk {
            sweep: self.sweep.as_deref(),
            metric: self.metric,
        }
    }
}

/// A metric by its name.
fn metric() -> impl TypedValueParser<Value = Metric> {
    PossibleValuesParser::new(Metric::ALL.map(Metric::name))
        .map(|name| Metric::named(&name).unwrap_or_default())
}

/// An order of rows by its name.
fn order() -> impl TypedValueParser<Value = Order> {
    PossibleValuesParser::new(Order::ALL.map(|(name, _)| name)).map(|name| {
        let found = Order::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, order)| order).unwrap_or_default()
    })
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
            retries,
            fail_fast,
            quiet,
        } => {
            let verbosity = match quiet {
                true => Verbosity::Quiet,
                false => Verbosity::Normal,
            };
            // Where the system lets nobody listen, Ctrl-C ends the process as it always does.
            let interrupt = Interrupt::from_signals().unwrap_or_default();
            let options = SweepOptions {
                out,
                workers: workers.map_or(0, usize::from),
                retries,
                fail_fast,
                verbosity,
                interrupt,
            };
            sweep(&recipe.into(), &options).map(|outcome| told(&outcome))
        }
        Command::Plan {
            recipe,
            explain: Some(key),
            ..
        } => explain(&recipe.into(), &key).map(|text| {
            say(&text);
            FINE
        }),
        Command::Schema { sweep } => {
            say(&schema(sweep));
            Ok(FINE)
        }
        Command::Plan {
            recipe,
            out,
            json,
            explain: None,
        } => plan(&recipe.into(), out.as_deref()).map(|(outlook, absent)| {
            match json {
                true => say(&outlook.json()),
                false => say(&outlook),
            }
            for absent in absent {
                eprintln!("note: a run also needs {absent}");
            }
            FINE
        }),
        Command::Status { results, json } => status(&results).map(|status| {
            match json {
                true => say(&status.json()),
                false => say(&status),
            }
            FINE
        }),
        Command::Table {
            results,
            choice,
            format,
            sort,
        } => {
            let format = FORMATS.iter().find(|one| one.name == format);
            let format = format.expect("clap takes no other");
            table(&results, choice.ask(), sort, format).map(|told| shown(&told))
        }
        Command::Compare {
            a,
            b,
            choice,
            format,
        } => {
            let format = COMPARISON_FORMATS.iter().find(|one| one.name == format);
            let format = format.expect("clap takes no other");
            compare(&a, &b, choice.ask(), format).map(|told| shown(&told))
        }
        Command::Predict {
            recipe,
            weights,
            images,
            annotations,
            out,
            raw,
        } => predict(&PredictAsk {
            model: recipe.into(),
            weights,
            images,
            annotations,
            out,
            raw,
        })
        .map(|text| {
            say(&text);
            FINE
        }),
        Command::Weights(Weights::Inspect { path, recipe, set }) => {
            let recipe = recipe.map(|recipe| Ask { recipe, set });
            inspect_weights(&path, recipe.as_ref()).map(|inspection| {
                say(&inspection.text);
                if inspection.fits { FINE } else { WRONG }
            })
        }
        Command::Weights(Weights::Export {
            recipe,
            weights,
            out,
        }) => export_weights(&recipe.into(), weights.as_deref(), &out).map(|text| {
            say(&text);
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
        Command::Eval { gt, dt, csv } => evaluate(&gt, &dt, csv.as_deref()).map(|scores| {
            for warning in &scores.warnings {
                eprintln!("warning: {warning}");
            }
            say(&scores.text);
            FINE
        }),
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

/// Prints a text and what it does without.
fn shown(told: &Told) -> u8 {
    for warning in &told.warnings {
        eprintln!("warning: {warning}");
    }
    let _ = std::io::stdout().lock().write_all(told.text.as_bytes());
    FINE
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
    if outcome.left > 0 {
        let (left, asked) = (outcome.left, outcome.interrupted);
        let why = if asked { "stopped" } else { "not all ran" };
        eprintln!("{why}: {left} trials are left; the same command goes on with them");
    }
    if outcome.interrupted && outcome.left > 0 {
        EXIT_CODE
    } else if outcome.failed.is_empty() {
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
