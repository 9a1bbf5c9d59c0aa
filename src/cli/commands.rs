//! The commands: each calls its function in `experiment`, prints the outcome and returns the exit code.

use super::output::{FAILED, FINE, WRONG, said, say, warn};
use super::words::{
    ClipArgs, CompareArgs, EvalArgs, ExportDataArgs, ExportWeightsArgs, InspectWeightsArgs,
    PlanArgs, PredictArgs, SchemaArgs, StageArgs, StatusArgs, SweepArgs, TableArgs,
};
use crate::experiment::{
    self, Ask, DeviceAsk, Duty, EXIT_CODE, Interrupt, Outcome, PredictAsk, StageEnd, StageRequest,
    Stop, SweepOptions, Told, Verbosity,
};
use crate::report::{COMPARISON_FORMATS, FORMATS, counted};
use std::io::Write as _;

pub fn sweep(args: SweepArgs) -> Result<u8, Stop> {
    if args.publish {
        let folder = experiment::publish(&args.recipe.into(), args.out.as_deref())?;
        say(&format!("Published: {}", folder.display()));
        return Ok(FINE);
    }
    let (link, interrupt) = match experiment::duty(args.supervised, args.retries)? {
        Duty::Run(link, interrupt) => (*link, interrupt),
        Duty::Over(code) => return Ok(code),
    };
    let options = SweepOptions {
        out: args.out,
        devices: args.devices.ask(),
        executor: args.executor.executor,
        workers: args.workers.map_or(0, usize::from),
        retries: args.retries,
        fail_fast: args.fail_fast,
        renew: args.renew,
        verbosity: match args.quiet {
            true => Verbosity::Quiet,
            false => Verbosity::Normal,
        },
        interrupt,
        link,
    };
    experiment::sweep(&args.recipe.into(), &options).map(|outcome| swept(&outcome))
}

/// Prints the tables and the failures of a sweep, and returns its exit code.
fn swept(outcome: &Outcome) -> u8 {
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

pub fn plan(args: PlanArgs) -> Result<u8, Stop> {
    let recipe = args.recipe.into();
    if let Some(key) = args.explain {
        return experiment::explain(&recipe, &key).map(|text| said(&text));
    }
    let (outlook, absent) = experiment::plan(&recipe, args.out.as_deref())?;
    match args.json {
        true => say(&outlook.json()),
        false => say(&outlook),
    }
    for absent in absent {
        eprintln!("note: a run also needs {absent}");
    }
    Ok(FINE)
}

pub fn schema(args: &SchemaArgs) -> Result<u8, Stop> {
    Ok(said(&experiment::schema(args.sweep)))
}

pub fn status(args: &StatusArgs) -> Result<u8, Stop> {
    let status = experiment::status(&args.results)?;
    Ok(match args.json {
        true => said(&status.json()),
        false => said(&status),
    })
}

pub fn stage(args: StageArgs) -> Result<u8, Stop> {
    let outcome = experiment::stage(&StageRequest {
        results: args.results,
        key: args.key,
        again: args.again,
        device: DeviceAsk::One(args.device),
        executor: args.executor.executor,
        // If the system does not deliver signals, Ctrl-C ends the process as usual.
        interrupt: Interrupt::from_signals().unwrap_or_default(),
        log: |line| say(&line),
    })?;
    let title = &outcome.title;
    Ok(match &outcome.end {
        StageEnd::Done(result) => {
            let result = result.display();
            said(&format!("done: {title}; its result is {result}"))
        }
        StageEnd::Failed(reason) => {
            eprintln!("failed: {title}: {reason}");
            if outcome.journal.exists() {
                eprintln!("log: {}", outcome.journal.display());
            }
            FAILED
        }
        StageEnd::Stopped => {
            eprintln!("stopped: {title}; the same command continues from its checkpoint");
            EXIT_CODE
        }
    })
}

pub fn table(args: &TableArgs) -> Result<u8, Stop> {
    let format = FORMATS.iter().find(|one| one.name == args.format);
    let format = format.expect("clap takes no other");
    let table = experiment::table(&args.results, args.choice.ask(), args.sort, format);
    table.map(|told| shown(&told))
}

pub fn compare(args: &CompareArgs) -> Result<u8, Stop> {
    let format = COMPARISON_FORMATS
        .iter()
        .find(|one| one.name == args.format);
    let format = format.expect("clap takes no other");
    let comparison = experiment::compare(&args.a, &args.b, args.choice.ask(), format);
    comparison.map(|told| shown(&told))
}

/// Prints a text and its warnings.
fn shown(told: &Told) -> u8 {
    warn(&told.warnings);
    let _ = std::io::stdout().lock().write_all(told.text.as_bytes());
    FINE
}

pub fn predict(args: PredictArgs) -> Result<u8, Stop> {
    let text = experiment::predict(&PredictAsk {
        model: args.recipe.into(),
        weights: args.weights,
        images: args.images,
        annotations: args.annotations,
        out: args.out,
        raw: args.raw,
        device: args.device,
    })?;
    Ok(said(&text))
}

pub fn inspect_weights(args: InspectWeightsArgs) -> Result<u8, Stop> {
    let InspectWeightsArgs { path, recipe, set } = args;
    let recipe = recipe.map(|recipe| Ask { recipe, set });
    let inspection = experiment::inspect_weights(&path, recipe.as_ref())?;
    say(&inspection.text);
    Ok(if inspection.fits { FINE } else { WRONG })
}

pub fn export_weights(args: ExportWeightsArgs) -> Result<u8, Stop> {
    let recipe = args.recipe.into();
    experiment::export_weights(&recipe, args.weights.as_deref(), &args.out).map(|text| said(&text))
}

pub fn clip(args: &ClipArgs) -> Result<u8, Stop> {
    experiment::clip(&args.folder, &args.image, &args.text).map(|table| said(&table))
}

pub fn export_data(args: ExportDataArgs) -> Result<u8, Stop> {
    experiment::export_data(&args.recipe.into(), &args.out).map(|text| said(&text))
}

pub fn eval(args: &EvalArgs) -> Result<u8, Stop> {
    let scores = experiment::evaluate(&args.gt, &args.dt, args.csv.as_deref())?;
    warn(&scores.warnings);
    Ok(said(&scores.text))
}
