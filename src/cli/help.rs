//! The help: commands in groups, examples for each command, and the exit codes.

use super::examples::EXAMPLES;
use super::output::{FAILED, FINE, WRONG};
use super::words::{Cli, PROGRAM};
use crate::experiment::{EXIT_CODE, NOT_READY, YIELD_CODE};
use clap::{Command, CommandFactory};
use std::fmt::Write as _;

/// The groups of commands, in the order of the help.
const GROUPS: &[(&str, &[&str])] = &[
    ("Run", &["init", "plan", "sweep", "stage"]),
    ("Cluster", &["submit", "cancel", "work"]),
    (
        "Look",
        &[
            "status", "show", "logs", "table", "report", "compare", "export",
        ],
    ),
    ("Data", &["data", "eval"]),
    ("Weights", &["predict", "weights", "clip"]),
    ("Files", &["schema", "completions", "man"]),
];

/// The exit codes with their meanings.
const EXIT_CODES: [(u8, &str); 6] = [
    (FINE, "Success"),
    (FAILED, "A trial failed, or results could not be written"),
    (
        WRONG,
        "The arguments, the recipe or an input file is wrong; nothing was trained",
    ),
    (
        YIELD_CODE,
        "`work`: its time is over (SIGUSR2), with checkpoints; another job continues",
    ),
    (
        NOT_READY,
        "`work`: a result that it needs is missing, or another process works on it",
    ),
    (
        EXIT_CODE,
        "Stopped by a signal, with checkpoints; the same command continues",
    ),
];

/// The layout of the help of the whole program. The groups come after it.
const TEMPLATE: &str = "{about-with-newline}\n{usage-heading} {usage}\n";
/// The rest of that layout.
const REST: &str = "\nOptions:\n{options}{after-help}";

/// The definition of the command line, with groups, examples and exit codes.
pub fn definition() -> Command {
    let mut whole = Cli::command();
    for (words, lines) in EXAMPLES {
        whole = with_examples(whole, &words.split(' ').collect::<Vec<_>>(), lines);
    }
    let template = format!("{TEMPLATE}{}{REST}", groups(&whole));
    whole
        .after_help(format!(
            "{}\n\nExamples of a command: {PROGRAM} COMMAND --help",
            exit_codes()
        ))
        .help_template(template)
}

/// Adds examples to the command that `words` lead to.
fn with_examples(command: Command, words: &[&str], lines: &[&str]) -> Command {
    match words {
        [] => {
            let mut text = "Examples:".to_string();
            for line in lines {
                let _ = write!(text, "\n  {PROGRAM} {line}");
            }
            command.after_help(text)
        }
        [first, rest @ ..] => {
            command.mut_subcommand(*first, |inner| with_examples(inner, rest, lines))
        }
    }
}

/// All commands by group, each with its first line of help.
fn groups(whole: &Command) -> String {
    let names = GROUPS.iter().flat_map(|(_, names)| *names);
    let width = names.map(|name| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (group, names) in GROUPS {
        let _ = writeln!(text, "\n{group}:");
        for name in *names {
            let found = whole.find_subcommand(name);
            let about = found.and_then(Command::get_about).map(ToString::to_string);
            let _ = writeln!(text, "  {name:width$}  {}", about.unwrap_or_default());
        }
    }
    text
}

fn exit_codes() -> String {
    let mut text = "Exit codes:".to_string();
    for (code, meaning) in EXIT_CODES {
        let _ = write!(text, "\n  {code:3}  {meaning}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::collections::BTreeSet;

    /// The words that lead to every command without further commands below it.
    fn leaves(command: &Command, above: &str, found: &mut BTreeSet<String>) {
        for inner in command.get_subcommands() {
            let words = format!("{above} {}", inner.get_name());
            match inner.has_subcommands() {
                true => leaves(inner, &words, found),
                false => drop(found.insert(words.trim().to_string())),
            }
        }
    }

    #[test]
    fn every_command_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        let command = Cli::command();
        let mut known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        known.sort_unstable();
        assert_eq!(grouped, known);
    }

    #[test]
    fn every_command_has_examples_that_are_understood() {
        let mut commands = BTreeSet::new();
        leaves(&Cli::command(), "", &mut commands);
        let shown: BTreeSet<String> = EXAMPLES
            .iter()
            .map(|(words, _)| words.to_string())
            .collect();
        assert_eq!(shown, commands);
        for (words, lines) in EXAMPLES {
            assert!(!lines.is_empty(), "{words}");
            for line in *lines {
                assert!(line.starts_with(words), "{words}: {line}");
                let line = line.split_once(" > ").map_or(*line, |(line, _)| line);
                let arguments = [PROGRAM].into_iter().chain(words_of(line));
                if let Err(error) = Cli::try_parse_from(arguments) {
                    panic!("{line}: {error}");
                }
            }
        }
    }

    /// The words of a command of a shell, of which single and double quotes hold some together.
    fn words_of(line: &str) -> Vec<&str> {
        let mut words = Vec::new();
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let (end, skip) = match first {
                '"' | '\'' => (rest[1..].find(first).expect("a quote ends") + 1, 1),
                _ => (rest.find(' ').unwrap_or(rest.len()), 0),
            };
            words.push(&rest[skip..end]);
            rest = rest[(end + skip).min(rest.len())..].trim_start();
        }
        words
    }

    #[test]
    fn the_help_shows_groups_and_exit_codes() {
        let help = definition().render_help().to_string();
        for part in [
            "\nRun:\n  init ",
            "\nLook:\n",
            "  sweep ",
            "Exit codes:\n    0  Success",
            "  130  ",
        ] {
            assert!(help.contains(part), "{part}: {help}");
        }
        let plan = definition()
            .find_subcommand_mut("plan")
            .unwrap()
            .render_help()
            .to_string();
        assert!(plan.contains("Examples:\n  harness plan "), "{plan}");
    }
}
