//! Exit codes, and text for the standard output.

use crate::screen::{Screen, say};
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

/// Success.
pub const FINE: u8 = 0;
/// A trial failed, or results could not be written.
pub const FAILED: u8 = 1;
/// The recipe, the arguments or an input file is wrong (clap uses the same code for wrong arguments).
pub const WRONG: u8 = 2;

/// The characters of a line where neither says a width.
const WIDTH: usize = 100;

/// The number of characters of a line of the terminal, or else of the variable `COLUMNS`.
pub fn width() -> usize {
    Screen::of_stdout().width().unwrap_or(WIDTH)
}

/// Prints a line. If the reader closes the pipe early (`harness plan | head`), this is not an error. If the
/// output cannot be written, for example to a full disk, the process ends.
pub fn print_line(text: &dyn Display) {
    print_text(&format!("{text}\n"));
}

/// Prints lines that end with a newline, in the same way.
pub fn print_text(text: &str) {
    let mut output = std::io::stdout().lock();
    let written = output.write_all(text.as_bytes());
    match written.and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write the output: {error}");
            std::process::exit(FAILED.into());
        }
        _ => {}
    }
}

/// Prints a line. Returns the exit code of success.
pub fn printed(text: &dyn Display) -> u8 {
    print_line(text);
    FINE
}

/// Prints warnings to standard error.
pub fn warn(warnings: &[String]) {
    for warning in warnings {
        say(&format!("warning: {warning}"));
    }
}
