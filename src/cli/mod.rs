//! The command line: words, exit codes and final messages. The commands themselves are in `experiment`.

mod allocator;
mod commands;
mod examples;
mod help;
mod output;
mod words;

pub use allocator::keep_freed_memory;

use crate::experiment::CommandError;
use crate::recipe::at_home;
use crate::screen::say;
use clap::FromArgMatches;
use output::{FAILED, WRONG};
use std::ffi::OsString;
use std::process::ExitCode;
use words::{Cli, Command, Data, Export, Weights};

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let arguments = std::env::args_os().map(with_home);
    let matches = help::definition().get_matches_from(arguments);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let code = dispatch(cli.command).unwrap_or_else(|error| {
        say(&format!("error: {error}"));
        match error {
            CommandError::Input(_) => WRONG,
            CommandError::Output(_) => FAILED,
        }
    });
    ExitCode::from(code)
}

/// `argument` with the user's home for a `~` at its beginning. Shells do this, but not behind the `=` of
/// `--out=~/results`.
fn with_home(argument: OsString) -> OsString {
    let Some(text) = argument.to_str() else {
        return argument;
    };
    match text.split_once('=').filter(|_| text.starts_with("--")) {
        Some((name, value)) => {
            let mut whole = OsString::from(format!("{name}="));
            whole.push(at_home(value));
            whole
        }
        None => at_home(text).into(),
    }
}

/// Runs a command and returns its exit code.
fn dispatch(command: Command) -> Result<u8, CommandError> {
    match command {
        Command::Sweep(args) => commands::sweep(args),
        Command::Plan(args) => commands::plan(args),
        Command::Schema(args) => commands::schema(&args),
        Command::Status(args) => commands::status(&args),
        Command::Show(args) => commands::show(args),
        Command::Logs(args) => commands::logs(args),
        Command::Stage(args) => commands::stage(args),
        Command::Submit(args) => commands::submit(args),
        Command::Cancel(args) => commands::cancel(args),
        Command::Work(args) => commands::work(args),
        Command::Table(args) => commands::table(&args),
        Command::Export(Export::Curves(args)) => commands::export_curves(&args),
        Command::Export(Export::Tensorboard(args)) => commands::export_tensorboard(&args),
        Command::Report(args) => commands::report(args),
        Command::Compare(args) => commands::compare(&args),
        Command::Predict(args) => commands::predict(args),
        Command::Weights(Weights::Inspect(args)) => commands::inspect_weights(args),
        Command::Weights(Weights::Export(args)) => commands::export_weights(args),
        Command::Clip(args) => commands::clip(&args),
        Command::Data(Data::Export(args)) => commands::export_data(args),
        Command::Data(Data::Check(args)) => commands::check_data(args),
        Command::Data(Data::Split(args)) => commands::split_data(args),
        Command::Data(Data::Look(args)) => commands::look_at_data(args),
        Command::Eval(args) => commands::eval(&args),
        Command::Init(args) => commands::init(args),
        Command::Completions(args) => Ok(commands::completions(&args)),
        Command::Man(args) => commands::man(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_wherever_an_argument_begins_with_a_path() {
        let home = std::env::home_dir().unwrap();
        let at = |name: &str, below: &str| format!("{name}{}", home.join(below).display());
        for (argument, expected) in [
            ("~/recipe.toml", at("", "recipe.toml")),
            ("--out=~/results", at("--out=", "results")),
            ("--set=data.root=~/coco", "--set=data.root=~/coco".into()),
            ("data.root=~/coco", "data.root=~/coco".into()),
            ("a~b", "a~b".into()),
        ] {
            assert_eq!(with_home(argument.into()), *expected, "{argument}");
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        help::definition().debug_assert();
    }
}
