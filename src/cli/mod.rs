//! The command line. What a command does is in `experiment`; here are its words, its exit code and its last lines.

mod words;

use crate::experiment::{
    Ask, Duty, EXIT_CODE, Outcome, PredictAsk, Stop, SweepOptions, Told, Verbosity, clip, compare,
    duty, evaluate, explain, export_data, export_weights, inspect_weights, plan, predict, publish,
    schema, status, sweep, table,
};
use crate::report::{COMPARISON_FORMATS, FORMATS};
use clap::Parser;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use words::{Cli, Command, Data, Weights};

/// Everything went well.
const FINE: u8 = 0;
/// Some trial failed, or results could not be written.
const FAILED: u8 = 1;
/// The recipe, the arguments or an input file is wrong (clap's own code for wrong arguments).
const WRONG: u8 = 2;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Sweep {
            recipe,
            out,
            publish: true,
            ..
        } => publish(&recipe.into(), out.as_deref()).map(|folder| {
            say(&format!("Published: {}", folder.display()));
            FINE
        }),
        Command::Sweep {
            recipe,
            out,
            publish: false,
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

/// Prints a line. A reader who has seen enough (`harness plan | head`) closes the pipe: that is no error. Output that cannot be
/// written, to a full disk say, ends the process.
fn say(text: &dyn Display) {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: the output cannot be written: {error}");
            std::process::exit(FAILED.into());
        }
        _ => {}
    }
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
