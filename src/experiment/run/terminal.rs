//! The terminal of a process that goes on after the terminal has closed: to save its work, and under `nohup`.
//!
//! Each output of such a process is an error (EIO), and one that is not expected would end it before its work is
//! saved.

use std::fs::File;
use std::io::{IsTerminal, stderr, stdout};

/// The outputs of this process that were terminals when this value was made.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    stdout: bool,
    stderr: bool,
}

impl Terminal {
    /// Looks at the outputs of this process.
    pub fn of_this_process() -> Self {
        Self {
            stdout: stdout().is_terminal(),
            stderr: stderr().is_terminal(),
        }
    }

    /// Lets outputs whose terminal has closed lead nowhere from now on. A closed terminal is no terminal to the
    /// system.
    pub fn leave_if_closed(self) {
        let Ok(nowhere) = File::options().write(true).open("/dev/null") else {
            return;
        };
        if self.stdout && !stdout().is_terminal() {
            rustix::stdio::dup2_stdout(&nowhere).ok();
        }
        if self.stderr && !stderr().is_terminal() {
            rustix::stdio::dup2_stderr(&nowhere).ok();
        }
    }
}
