//! Text for people: how wide it may be, whether it has colours, tables that fit, and numbers with their nouns.
//!
//! [`Screen`] is the one place that knows the width: that of the terminal, else the variable `COLUMNS`, else none,
//! as for files and pipes.

mod fit;
mod grid;
mod page;
mod shell;
mod words;

pub use fit::{Constraint, fit};
pub use grid::{Column, Grid};
pub use page::Page;
pub use shell::for_a_shell;
pub use words::{counted, counted_of, one_line, shortened};

use console::{Style, Term};
use std::io::IsTerminal;

/// The narrowest text that is made: no table says anything on less.
const NARROWEST: usize = 20;

/// The meaning of a piece of text, which decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Text without a meaning of its own.
    #[default]
    Plain,
    /// A heading: bold.
    Heading,
    /// Success: green.
    Good,
    /// Failure: red.
    Bad,
    /// Something that is neither: dim.
    Quiet,
}

/// The place where a text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    width: Option<usize>,
    colour: bool,
}

impl Screen {
    /// A file: lines of any length, no colours.
    pub const FILE: Self = Self {
        width: None,
        colour: false,
    };

    /// A screen of `width` columns (none for lines of any length), with or without colours.
    pub fn new(width: Option<usize>, colour: bool) -> Self {
        Self {
            width: width.map(|width| width.max(NARROWEST)),
            colour,
        }
    }

    /// The standard output of this process.
    pub fn of_stdout() -> Self {
        Self::of(&Term::stdout(), std::io::stdout().is_terminal())
    }

    /// The standard error of this process.
    pub fn of_stderr() -> Self {
        Self::of(&Term::stderr(), std::io::stderr().is_terminal())
    }

    fn of(output: &Term, is_terminal: bool) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let size = output.size_checked().map(|(_, columns)| columns.into());
        Self::new(
            width_of(size, variable("COLUMNS").as_deref()),
            has_colours(is_terminal, variable),
        )
    }

    /// The columns of a line; none if a line may have any length.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// `text` in the colour of `tone`, if the screen has colours.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let style = match tone {
            Tone::Plain => return text.to_string(),
            Tone::Heading => Style::new().bold(),
            Tone::Good => Style::new().green(),
            Tone::Bad => Style::new().red(),
            Tone::Quiet => Style::new().dim(),
        };
        match self.colour && !text.is_empty() {
            true => style.force_styling(true).apply_to(text).to_string(),
            false => text.to_string(),
        }
    }

    /// The lines of `text`, broken between words where they are too long. A broken line goes on two columns
    /// further to the right than it began. A word that is too long is broken, too.
    pub fn wrap(&self, text: &str) -> String {
        let Some(width) = self.width else {
            return text.to_string();
        };
        let lines: Vec<String> = text.split('\n').map(|line| wrapped(line, width)).collect();
        lines.join("\n")
    }
}

/// Prints lines to standard error, broken where its terminal ends.
pub fn say(text: &str) {
    eprintln!("{}", Screen::of_stderr().wrap(text));
}

/// One line in lines of at most `width` columns.
fn wrapped(line: &str, width: usize) -> String {
    if console::measure_text_width(line) <= width {
        return line.to_string();
    }
    let text = line.trim_start_matches(' ');
    let own = " ".repeat((line.len() - text.len()).min(width / 2));
    let next = format!("{own}  ");
    let options = textwrap::Options::new(width)
        .initial_indent(&own)
        .subsequent_indent(&next)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
}

/// The columns of an output: those of its terminal, else those of the variable `COLUMNS`, else none.
fn width_of(terminal: Option<usize>, variable: Option<&str>) -> Option<usize> {
    let columns = || variable?.trim().parse().ok().filter(|columns| *columns > 0);
    terminal.or_else(columns)
}

/// True if an output has colours: on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`; and wherever
/// `CLICOLOR_FORCE` asks for them.
fn has_colours(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let forced = || variable("CLICOLOR_FORCE").is_some_and(|value| !["", "0"].contains(&&*value));
    let dumb = || variable("TERM").is_some_and(|name| name == "dumb");
    !set("NO_COLOR") && (forced() || (is_terminal && !dumb()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_comes_before_the_variable_and_a_file_has_no_width() {
        assert_eq!(width_of(Some(80), Some("60")), Some(80));
        assert_eq!(width_of(None, Some(" 60 ")), Some(60));
        for wrong in ["", "0", "-3", "wide"] {
            assert_eq!(width_of(None, Some(wrong)), None, "{wrong}");
        }
        assert_eq!(width_of(None, None), None);
    }

    #[test]
    fn colours_are_for_terminals_without_no_color() {
        let with = |terminal: bool, set: &[(&str, &str)]| {
            has_colours(terminal, |name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.to_string())
            })
        };
        assert!(with(true, &[]) && !with(false, &[]));
        assert!(!with(true, &[("NO_COLOR", "1")]));
        assert!(
            with(true, &[("NO_COLOR", "")]),
            "an empty one does not count"
        );
        assert!(!with(true, &[("TERM", "dumb")]));
        assert!(with(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!with(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!with(true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    }

    #[test]
    fn lines_are_broken_between_words_and_go_on_further_in() {
        let screen = Screen::new(Some(20), false);
        let text = screen.wrap("short\n  one two three four five\nabcdefghijklmnopqrstuvwxyz");
        let expected = "short\n  one two three four\n    five\nabcdefghijklmnopqr\n  stuvwxyz";
        assert_eq!(text, expected);
        let long = "one two three four five six seven";
        assert_eq!(Screen::FILE.wrap(long), long);
    }

    #[test]
    fn colours_take_no_room() {
        let screen = Screen::new(Some(20), true);
        let red = screen.paint(Tone::Bad, "failed");
        assert_eq!(red, "\u{1b}[31mfailed\u{1b}[0m");
        let line = format!("{red}: no luck here");
        assert_eq!(screen.wrap(&line), line, "20 columns");
        assert_eq!(Screen::FILE.paint(Tone::Bad, "failed"), "failed");
    }
}
