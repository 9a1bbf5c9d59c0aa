//! The command line: words, exit codes and final messages. The commands themselves are in `experiment`.

mod commands;
mod output;
mod words;

use crate::experiment::CommandError;
use clap::Parser;
use output::{FAILED, WRONG};
use std::process::ExitCode;
use words::{Cli, Command, Data, Weights};

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let code = dispatch(Cli::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        match error {
            CommandError::Input(_) => WRONG,
            CommandError::Output(_) => FAILED,
        }
    });
    ExitCode::from(code)
}

/// Runs a command and returns its exit code.
fn dispatch(command: Command) -> Result<u8, CommandError> {
    match command {
        Command::Sweep(args) => commands::sweep(args),
        Command::Plan(args) => commands::plan(args),
        Command::Schema(args) => commands::schema(&args),
        Command::Status(args) => commands::status(&args),
        Command::Stage(args) => commands::stage(args),
        Command::Table(args) => commands::table(&args),
        Command::Compare(args) => commands::compare(&args),
        Command::Predict(args) => commands::predict(args),
        Command::Weights(Weights::Inspect(args)) => commands::inspect_weights(args),
        Command::Weights(Weights::Export(args)) => commands::export_weights(args),
        Command::Clip(args) => commands::clip(&args),
        Command::Data(Data::Export(args)) => commands::export_data(args),
        Command::Data(Data::Check(args)) => commands::check_data(args),
        Command::Eval(args) => commands::eval(&args),
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
