//! The command line: words, exit codes and final messages. The commands themselves are in `experiment`.

mod words;

use crate::experiment::{
    Ask, Duty, EXIT_CODE, Outcome, PredictAsk, Stop, SweepOptions, Told, Verbosity, clip, compare,
    duty, evaluate, explain, export_data, export_weights, inspect_weights, plan, predict, schema,
    status, sweep, table,
};
use crate::report::{COMPARISON_FORMATS, FORMATS, counted};
use clap::Parser;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use words::{Cli, Command, Data, Weights};

/// Success.
const FINE: u8 = 0;
/// A trial failed, or results could not be written.
const FAILED: u8 = 1;
/// The recipe, the arguments or an input file is wrong (clap uses the same code for wrong arguments).
const WRONG: u8 = 2;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Sweep {
            recipe,
            out,
            workers,
            devices,
            retries,
            fail_fast,
            renew,
            quiet,
            supervised,
        } => duty(supervised, retries).and_then(|duty| {
            let verbosity = match quiet {
                true => Verbosity::Quiet,
                false => Verbosity::Normal,
            };
            let (link, interrupt) = match duty {
                Duty::Run(link, interrupt) => (*link, interrupt),
                Duty::Over(code) => return Ok(code),
            };
            let options = SweepOptions {
                out,
                devices: devices.ask(),
                workers: workers.map_or(0, usize::from),
                retries,
                fail_fast,
                renew,
                verbosity,
                interrupt,
                link,
            };
            sweep(&recipe.into(), &options).map(|outcome| told(&outcome))
        }),
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
            device,
        } => predict(&PredictAsk {
            model: recipe.into(),
            weights,
            images,
            annotations,
            out,
            raw,
            device,
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

/// Prints a line. If the reader closes the pipe early (`harness plan | head`), this is not an error. If the
/// output cannot be written, for example to a full disk, the process ends.
fn say(text: &dyn Display) {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write the output: {error}");
            std::process::exit(FAILED.into());
        }
        _ => {}
    }
}

/// Prints a text and its warnings.
fn shown(told: &Told) -> u8 {
    for warning in &told.warnings {
        eprintln!("warning: {warning}");
    }
    let _ = std::io::stdout().lock().write_all(told.text.as_bytes());
    FINE
}

/// Prints the tables and the failures of a sweep, and returns its exit code.
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
        let why = if asked { "stopped" } else { "not finished" };
        let left = counted(left, "trial");
        eprintln!("{why}: {left} left; run the same command again to continue");
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
