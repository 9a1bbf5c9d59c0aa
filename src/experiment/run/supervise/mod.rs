//! Lets a sweep survive the death of its process: a small process supervises the one that trains, and starts
//! it again.
//!
//! A failed allocation, the kernel's out-of-memory killer and a crash in a driver end a whole process, not a
//! thread, so nothing inside the process can contain them. Therefore `harness sweep` starts itself once more
//! as a child, and receives over a socket which stages the child is running ([`protocol`]). When the child
//! dies, these stages show which one is responsible ([`decision`]): a stage that ran alone has failed once
//! more; if there were several, each is run again alone. The next child receives this information and
//! continues from the checkpoints ([`link`]).
//!
//! Both processes live and die together. A request to stop goes to the supervisor, which passes it on. A
//! child without its supervisor ends at once. Without Unix sockets, a sweep runs without a supervisor.

#[cfg(unix)]
mod decision;
mod link;
mod protocol;
#[cfg(unix)]
mod supervisor;

pub use link::Link;

use super::interrupt::{Interrupt, Request};
use crate::experiment::trial::inputs::CommandError;

/// The argument of a process that a supervisor has started.
#[cfg(unix)]
const SUPERVISED: &str = "--supervised";

/// The role of a process that runs `harness sweep` or `harness work`.
#[derive(Debug)]
pub enum Role {
    /// Runs the sweep, reports its stages over the link, and stops at the interrupt.
    Run(Box<Link>, Interrupt),
    /// Has nothing more to do: another process has run the sweep and ended with this code.
    Over(u8),
}

/// Supervises a sweep with `retries` to its end; SIGUSR2 asks it for `usr2`. In the process that it starts for that
/// (`supervised`), it returns how to run the sweep. It takes over the process's signals, so it must be called once.
///
/// # Errors
/// No process can be started, or one died and no single stage is responsible. In the started process: it has
/// no supervisor.
#[cfg(unix)]
pub fn role(supervised: bool, retries: u32, usr2: Request) -> Result<Role, CommandError> {
    if supervised {
        let (link, interrupt) = Link::from_stdin().map_err(CommandError::Input)?;
        return Ok(Role::Run(Box::new(link), interrupt));
    }
    supervisor::supervise(retries, usr2)
        .map(Role::Over)
        .map_err(CommandError::Output)
}

/// Runs the sweep without a supervisor.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn role(_supervised: bool, _retries: u32, usr2: Request) -> Result<Role, CommandError> {
    // If the system allows no listener, Ctrl-C ends the process as usual.
    let interrupt = Interrupt::from_signals(usr2).unwrap_or_default();
    Ok(Role::Run(Box::default(), interrupt))
}
