//! The commands: each calls its function in `experiment`, prints the outcome and returns the exit code.

use super::help;
use super::output::{FAILED, FINE, WRONG, print_line, print_text, printed, warn, width};
use super::words::{
    CancelArgs, CheckDataArgs, ClipArgs, CompareArgs, CompletionsArgs, CurvesArgs, EvalArgs,
    ExportDataArgs, ExportWeightsArgs, InitArgs, InspectWeightsArgs, LogsArgs, LookDataArgs,
    ManArgs, PROGRAM, PlanArgs, PredictArgs, ReportArgs, SchemaArgs, ShowArgs, SplitDataArgs,
    StageArgs, StatusArgs, SubmitArgs, SweepArgs, TableArgs, TensorboardArgs, WorkArgs,
};
use crate::experiment::{
    self, CancelRequest, CommandError, DeviceRequest, EXIT_CODE, EvalTruth, Interrupt, LogFormat,
    Outcome, PowerRequest, PredictRequest, RecipeRequest, Rendered, ReportRequest, Request, Role,
    StageEnd, StageRequest, SubmitEnd, SubmitRequest, SweepOptions, Verbosity, WorkEnd,
    WorkRequest,
};
use crate::report::{COMPARISON_FORMATS, FORMATS, Look, closing, counted};
use crate::screen::{Screen, Tone, for_a_shell, say};
use anyhow::Context;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

pub fn sweep(args: SweepArgs) -> Result<u8, CommandError> {
    if args.publish {
        let folder = experiment::publish(&args.recipe.into(), args.out.as_deref(), args.replace)?;
        print_line(&format!("Published: {}", folder.display()));
        return Ok(FINE);
    }
    let (link, interrupt) = match experiment::role(args.supervised, args.retries, Request::Stop)? {
        Role::Run(link, interrupt) => (*link, interrupt),
        Role::Over(code) => return Ok(code),
    };
    let options = SweepOptions {
        out: args.out,
        devices: args.devices.request(),
        executor: args.executor.executor,
        workers: args.workers.map_or(0, usize::from),
        retries: args.retries,
        fail_fast: args.fail_fast,
        renew: args.renew,
        replace: args.replace,
        reuse: args.reuse.files,
        report: args.report,
        verbosity: match args.quiet {
            true => Verbosity::Quiet,
            false => Verbosity::Normal,
        },
        interrupt,
        link,
    };
    experiment::sweep(&args.recipe.into(), &options).map(|outcome| print_outcome(&outcome))
}

/// Prints the tables and the failures of a sweep, and returns its exit code.
fn print_outcome(outcome: &Outcome) -> u8 {
    let screen = Screen::of_stdout();
    let look = Look {
        screen,
        ..Look::default()
    };
    match closing(&outcome.tables, &look) {
        Ok(text) => print_text(&text),
        Err(error) => say(&format!("warning: {error:#}")),
    }
    print_text(&screen.wrap(&format!("Results: {}\n", outcome.folder.display())));
    let errors = Screen::of_stderr();
    for failure in &outcome.failed {
        let failed = errors.paint(Tone::Bad, "failed");
        say(&format!("{failed}: {failure}"));
    }
    if outcome.left > 0 {
        let (left, asked) = (outcome.left, outcome.interrupted);
        let why = if asked { "stopped" } else { "not finished" };
        let left = counted(left, "trial");
        say(&format!(
            "{why}: {left} left; run the same command again to continue"
        ));
    }
    if outcome.interrupted && outcome.left > 0 {
        EXIT_CODE
    } else if outcome.failed.is_empty() {
        FINE
    } else {
        FAILED
    }
}

pub fn plan(args: PlanArgs) -> Result<u8, CommandError> {
    let recipe = args.recipe.into();
    if let Some(key) = args.explain {
        return experiment::explain(&recipe, &key).map(|text| printed(&text));
    }
    if let Some(effect) = args.power {
        let asked = PowerRequest {
            effect,
            deviation: args.deviation,
        };
        let found = experiment::power(&recipe, args.out.as_deref(), &args.reuse.files, asked)?;
        print_text(&found.text(Screen::of_stdout()));
        return Ok(FINE);
    }
    let (outlook, absent) = experiment::plan(&recipe, args.out.as_deref(), &args.reuse.files)?;
    match args.json {
        true => print_line(&outlook.json()),
        false => print_text(&outlook.text(Screen::of_stdout())),
    }
    for absent in absent {
        say(&format!("note: a run also needs {absent}"));
    }
    Ok(FINE)
}

pub fn schema(args: &SchemaArgs) -> Result<u8, CommandError> {
    let text = match args.reference {
        true => experiment::reference().trim_end().to_string(),
        false => experiment::schema(args.sweep),
    };
    Ok(printed(&text))
}

pub fn status(args: &StatusArgs) -> Result<u8, CommandError> {
    if let Some(seconds) = args.watch {
        return watched(&args.results, Duration::from_secs(seconds));
    }
    let status = experiment::status(&args.results)?;
    Ok(match args.json {
        true => printed(&status.json()),
        false => {
            print_text(&status.text(Screen::of_stdout()));
            FINE
        }
    })
}

/// Prints the state of the folder `results` again and again. Ends when all is done, or when nothing works on it at two
/// looks in a row: between two stages of a sweep none is at work for a moment.
fn watched(results: &Path, pause: Duration) -> Result<u8, CommandError> {
    let mut quiet = 0;
    loop {
        let status = experiment::status(results)?;
        let text = status.text(Screen::of_stdout());
        // The terminal is cleared; a file gets one state under the other.
        match std::io::stdout().is_terminal() {
            true => print_text(&format!("\x1b[H\x1b[2J{text}")),
            false => print_text(&text),
        }
        quiet = if status.is_worked_on() { 0 } else { quiet + 1 };
        if status.is_done() || quiet == 2 {
            return Ok(FINE);
        }
        std::thread::sleep(pause);
    }
}

pub fn show(args: ShowArgs) -> Result<u8, CommandError> {
    let Some(results) = args.results.filter(|_| !args.keys) else {
        return Ok(printed(&experiment::journal_keys(width())));
    };
    let shown = experiment::show(&args.row.request(results), width(), args.all)?;
    print_line(&shown.text);
    print_notes(&shown.notes);
    Ok(FINE)
}

pub fn logs(args: LogsArgs) -> Result<u8, CommandError> {
    let format = LogFormat {
        width: width(),
        json: args.json,
        follow: args.follow,
    };
    let request = args.row.request(args.results);
    let notes = experiment::logs(&request, format, &mut |line| print_line(&line))?;
    print_notes(&notes);
    Ok(FINE)
}

/// Prints how a request was understood.
fn print_notes(notes: &[String]) {
    for note in notes {
        eprintln!("note: {note}");
    }
}

pub fn stage(args: StageArgs) -> Result<u8, CommandError> {
    let outcome = experiment::stage(&StageRequest {
        row: args.row.request(args.results),
        key: args.key,
        again: args.again,
        device: DeviceRequest::One(args.device),
        executor: args.executor.executor,
        // If the system does not deliver signals, Ctrl-C ends the process as usual.
        interrupt: Interrupt::from_signals(Request::Stop).unwrap_or_default(),
        log: |line| print_line(&line),
    })?;
    let title = &outcome.title;
    Ok(match &outcome.end {
        StageEnd::Done(result) => {
            let result = result.display();
            printed(&format!("done: {title}; its result is {result}"))
        }
        StageEnd::Failed(reason) => {
            say(&format!("failed: {title}: {reason}"));
            if outcome.journal.exists() {
                say(&format!("log: {}", outcome.journal.display()));
            }
            FAILED
        }
        StageEnd::Stopped => {
            say(&format!(
                "stopped: {title}; the same command continues from its checkpoint"
            ));
            EXIT_CODE
        }
    })
}

pub fn submit(args: SubmitArgs) -> Result<u8, CommandError> {
    let request = SubmitRequest {
        recipe: args.recipe.into(),
        out: args.out,
        profile: args.profile,
        retries: args.retries,
        renew: args.renew,
        replace: args.replace,
        reuse: args.reuse.files,
        cancel_unwanted: args.cancel_unwanted,
    };
    if args.dry_run {
        print_text(&experiment::would_submit(&request)?);
        return Ok(FINE);
    }
    Ok(match experiment::submit(&request)? {
        SubmitEnd::Handed(text) | SubmitEnd::AllQueued(text) => printed(&text),
        SubmitEnd::Partly(text) => {
            say(&format!("error: {text}"));
            FAILED
        }
        SubmitEnd::Finished(outcome) => print_outcome(&outcome),
    })
}

pub fn cancel(args: CancelArgs) -> Result<u8, CommandError> {
    let text = experiment::cancel(&CancelRequest {
        results: args.results,
        trial: args.trial,
        recipe: args.recipe,
        pending: args.pending,
    })?;
    Ok(printed(&text))
}

pub fn work(args: WorkArgs) -> Result<u8, CommandError> {
    let Some(element) = args.element else {
        let (outcome, next) = experiment::last_job(&args.submission)?;
        let code = print_outcome(&outcome);
        next.iter().for_each(|line| print_line(line));
        return Ok(code);
    };
    let retries = experiment::retries_of(&args.submission)?;
    let (link, interrupt) = match experiment::role(args.supervised, retries, Request::Yield)? {
        Role::Run(link, interrupt) => (*link, interrupt),
        Role::Over(code) => return Ok(code),
    };
    let (title, end) = experiment::work(&WorkRequest {
        submission: args.submission,
        element,
        devices: args.devices.request(),
        executor: args.executor.executor,
        workers: args.workers.map_or(0, usize::from),
        patience: Duration::from_secs(args.patience),
        interrupt,
        link,
    })?;
    match &end {
        WorkEnd::Done => print_line(&format!("done: {title}")),
        WorkEnd::Failed(reasons) => {
            for reason in reasons {
                say(&format!("failed: {reason}"));
            }
        }
        WorkEnd::Asked(Request::Yield) => {
            say(&format!("yielded: {title}; another job continues"));
        }
        WorkEnd::Asked(Request::Stop) => say(&format!(
            "stopped: {title}; `harness submit` continues from its checkpoint"
        )),
        WorkEnd::NotReady(reason) => say(&format!("not ready: {title}: {reason}")),
    }
    Ok(end.exit_code(FAILED))
}

pub fn table(args: &TableArgs) -> Result<u8, CommandError> {
    let request = args.choice.request();
    // Only people read a terminal.
    let usual = if std::io::stdout().is_terminal() {
        "text"
    } else {
        "md"
    };
    let name = args.format.as_deref().unwrap_or(usual);
    let format = FORMATS.iter().find(|one| one.name == name);
    let format = format.expect("clap takes no other");
    let look = args.look(request.screen);
    let table = experiment::table(&args.results, request, args.sort, format, &look);
    table.map(|rendered| print_rendered(&rendered))
}

pub fn export_curves(args: &CurvesArgs) -> Result<u8, CommandError> {
    let text = experiment::curves(&args.results, args.out.as_deref(), args.wide)?;
    print_text(&text);
    Ok(FINE)
}

pub fn export_tensorboard(args: &TensorboardArgs) -> Result<u8, CommandError> {
    experiment::tensorboard(&args.results, &args.out).map(|text| printed(&text))
}

pub fn report(args: ReportArgs) -> Result<u8, CommandError> {
    let line = experiment::report(&ReportRequest {
        folder: args.results,
        other: args.other,
        out: args.out,
        analyse: args.analyse.then_some(args.device),
        watch: args.watch,
    })?;
    Ok(printed(&line))
}

pub fn compare(args: &CompareArgs) -> Result<u8, CommandError> {
    let format = COMPARISON_FORMATS
        .iter()
        .find(|one| one.name == args.format);
    let format = format.expect("clap takes no other");
    let choice = args.choice.request();
    let comparison = experiment::compare(&args.a, &args.b, choice, &args.row, format);
    comparison.map(|rendered| print_rendered(&rendered))
}

/// Prints a text and its warnings.
fn print_rendered(rendered: &Rendered) -> u8 {
    warn(&rendered.warnings);
    print_bytes(rendered.text.as_bytes())
}

pub fn predict(args: PredictArgs) -> Result<u8, CommandError> {
    let text = experiment::predict(&PredictRequest {
        model: args.network.request(args.weights.as_ref())?,
        weights: args.weights,
        images: args.images,
        annotations: args.annotations,
        out: args.out,
        raw: args.raw,
        draw: args.draw,
        min_score: args.min_score,
        device: args.device,
    })?;
    Ok(printed(&text))
}

pub fn inspect_weights(args: InspectWeightsArgs) -> Result<u8, CommandError> {
    let InspectWeightsArgs { path, recipe, set } = args;
    let recipe = recipe.map(|recipe| RecipeRequest { recipe, set });
    let inspection = experiment::inspect_weights(&path, recipe.as_ref())?;
    print_line(&inspection.text);
    Ok(if inspection.fits { FINE } else { WRONG })
}

pub fn export_weights(args: ExportWeightsArgs) -> Result<u8, CommandError> {
    let network = args.network.request(args.weights.as_ref())?;
    let (weights, names) = (args.weights.as_deref(), args.names.as_deref());
    experiment::export_weights(&network, weights, names, &args.out).map(|text| printed(&text))
}

pub fn clip(args: &ClipArgs) -> Result<u8, CommandError> {
    experiment::clip(&args.folder, &args.image, &args.text).map(|table| printed(&table))
}

pub fn export_data(args: ExportDataArgs) -> Result<u8, CommandError> {
    let text = experiment::export_data(&args.recipe.into(), &args.out, args.layout)?;
    Ok(printed(&text))
}

pub fn check_data(args: CheckDataArgs) -> Result<u8, CommandError> {
    let recipe = args.recipe.into();
    experiment::check_data(&recipe, args.out.as_deref()).map(|text| printed(&text))
}

pub fn split_data(args: SplitDataArgs) -> Result<u8, CommandError> {
    experiment::split_data(&args.recipe.into(), &args.out).map(|text| printed(&text))
}

pub fn look_at_data(args: LookDataArgs) -> Result<u8, CommandError> {
    let recipe = args.recipe.into();
    experiment::look_at_data(&recipe, &args.out, args.images.into()).map(|text| printed(&text))
}

pub fn eval(args: &EvalArgs) -> Result<u8, CommandError> {
    let ids = args.gt.as_deref();
    let truth = match &args.cityscapes {
        Some(root) => EvalTruth::Cityscapes { root, ids },
        None => EvalTruth::Coco(ids.expect("clap takes no other")),
    };
    let scores = experiment::evaluate(truth, &args.dt, args.csv.as_deref())?;
    warn(&scores.warnings);
    Ok(printed(&scores.text))
}

pub fn init(args: InitArgs) -> Result<u8, CommandError> {
    let folder = args.folder.clone();
    let new = experiment::init(&args.into())?;
    for file in &new.files {
        print_line(&format!("wrote {}", file.display()));
    }
    warn(&new.notes);
    let recipe = RecipeRequest {
        recipe: new.recipe,
        set: Vec::new(),
    };
    let (outlook, _) = experiment::plan(&recipe, Some(&new.results), &[])?;
    print_line(&"");
    print_text(&outlook.text(Screen::of_stdout()));
    let folder = for_a_shell(&folder.display().to_string());
    Ok(printed(&format!(
        "Next:\n  cd {folder}\n  {PROGRAM} sweep recipes/own.toml"
    )))
}

pub fn completions(args: &CompletionsArgs) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::definition(), PROGRAM, &mut script);
    print_bytes(&script)
}

pub fn man(args: &ManArgs) -> Result<u8, CommandError> {
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(help::definition(), folder))
            .with_context(|| format!("{}: the pages cannot be written", folder.display()))
            .map_err(CommandError::Output)?;
        return Ok(printed(&format!("Manual pages: {}", folder.display())));
    }
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(help::definition()).render(&mut page);
    written.map_err(|error| CommandError::Output(error.into()))?;
    Ok(print_bytes(&page))
}

/// Prints a text as it is. A closed pipe is no error.
fn print_bytes(text: &[u8]) -> u8 {
    let _ = std::io::stdout().lock().write_all(text);
    FINE
}
