//! The supervising process: it starts the process that runs the sweep, listens to it and to the user, and
//! judges its death.

use super::super::interrupt::{Interrupt, Request, asked_by};
use super::SUPERVISED;
use super::decision::{Decision, Investigation};
use super::protocol::{Event, asking, line};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// The time between two checks for a request to stop.
const LOOK: Duration = Duration::from_millis(20);
/// The running program on Linux. It stays valid even if a build has replaced the program's file.
const RUNNING: &str = "/proc/self/exe";

/// The messages that a supervisor has received in the sweep so far.
struct Received {
    investigation: Investigation,
    /// The line that holds the plan.
    plan: Option<Vec<u8>>,
}

/// Runs this process's own command in a child, and in another one when that dies. Returns the exit code of
/// the last one. `usr2` is what SIGUSR2 asks for.
///
/// # Errors
/// No child can be started, or one died and no single stage is responsible.
pub fn supervise(retries: u32, usr2: Request) -> Result<u8> {
    // If the system allows no listener, Ctrl-C ends both processes as usual.
    let interrupt = Interrupt::from_signals(usr2).unwrap_or_default();
    let mut received = Received {
        investigation: Investigation::new(retries),
        plan: None,
    };
    let mut program = std::env::current_exe().context("cannot find this program's own file")?;
    loop {
        let status = run(&program, &mut received, &interrupt)?;
        if let Some(code) = status.code() {
            return Ok(u8::try_from(code).unwrap_or(u8::MAX));
        }
        if std::io::stderr().is_terminal() {
            // The progress bars of the dead process end without a newline.
            eprintln!();
        }
        let reason = reason(status);
        // They end a child only until it leaves them to its supervisor.
        let asked = status.signal().and_then(|signal| asked_by(signal, usr2));
        if let Some(request) = interrupt.asked().max(asked) {
            crate::screen::say(&format!(
                "warning: {reason}; run the same command again to continue"
            ));
            return Ok(request.exit_code());
        }
        match received.investigation.judge(&reason) {
            Decision::GoOn(message) => crate::screen::say(&format!("warning: {message}")),
            Decision::Over(message) => bail!(message),
        }
        if Path::new(RUNNING).exists() {
            program = PathBuf::from(RUNNING);
        }
    }
}

/// Runs one child to its end.
fn run(program: &Path, received: &mut Received, interrupt: &Interrupt) -> Result<ExitStatus> {
    let (socket, childs) = UnixStream::pair().context("cannot make a socket")?;
    socket.set_read_timeout(Some(LOOK))?;
    let mut child = start(program, childs)?;
    let mut words = line(&received.investigation.brief(received.plan.is_some()));
    words.extend(received.plan.iter().flatten());
    // A dead child does not receive it.
    (&socket).write_all(&words).ok();

    let mut lines = BufReader::new(&socket);
    let (mut line, mut is_plan, mut told) = (Vec::new(), false, None);
    loop {
        match lines.read_until(b'\n', &mut line) {
            Ok(_) if line.ends_with(b"\n") => {
                let line = std::mem::take(&mut line);
                if std::mem::take(&mut is_plan) {
                    received.plan = Some(line);
                } else if let Ok(event) = serde_json::from_slice(&line) {
                    is_plan = event == Event::Plan;
                    received.investigation.receive(event);
                }
            }
            // A partly received line stays in the buffer.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            _ => break,
        }
        let asked = interrupt.asked();
        if let Some(request) = asked.filter(|_| asked > told) {
            told = asked;
            (&socket).write_all(asking(request)).ok();
        }
    }
    drop(socket);
    child.wait().context("cannot wait for the sweep's process")
}

/// Starts this process's own command with `socket` as its standard input.
fn start(program: &Path, socket: UnixStream) -> Result<Child> {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_else(|| OsString::from(program));
    let command = words.next();
    let mut child = Command::new(program);
    child.arg0(name).args(command).arg(SUPERVISED).args(words);
    let child = child.stdin(OwnedFd::from(socket)).spawn();
    child.with_context(|| format!("cannot start {}", program.display()))
}

/// The reason of a failure, from the child's exit status.
fn reason(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return "the process ended without an exit code".into();
    };
    // Only signals with the same number on all systems.
    let name = match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT; out of memory?)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL; out of memory?)",
        11 => " (SIGSEGV)",
        _ => "",
    };
    format!("the process was killed by signal {signal}{name}")
}
