//! A sweep survives the death of its process: a small process supervises the one that trains, and starts it again.
//!
//! An allocation that fails, the kernel's out-of-memory killer and a crash in a driver end a process, not a thread; nothing inside it can
//! contain them. So `harness sweep` starts itself once more and watches, over a socket, which stages are at work in that child
//! ([`protocol`]). When the child dies, what it had at work tells who is to blame ([`verdict`]): a stage that was alone has failed once
//! more, of several each is run again alone. The next child is told so and goes on from the checkpoints ([`link`]).
//!
//! Both live and die together: a request to stop goes to the supervisor, which hands it on; a child whose supervisor is gone ends at
//! once. Where there are no Unix sockets a sweep runs by itself, and what ends its process ends it.

mod link;
mod protocol;
#[cfg(unix)]
mod supervisor;
#[cfg(unix)]
mod verdict;

pub use link::Link;

use super::interrupt::Interrupt;
use crate::experiment::trial::inputs::Stop;

/// The argument of a process that a supervisor has started.
#[cfg(unix)]
const SUPERVISED: &str = "--supervised";

/// What a process that was asked to sweep is to do.
#[derive(Debug)]
pub enum Duty {
    /// Run the sweep, tell the link what it is at, and stop at the interrupt.
    Run(Box<Link>, Interrupt),
    /// Nothing more: another process has run it and ended with this code.
    Over(u8),
}

/// Supervises a sweep with so many `retries` to its end, or, in the process that it starts for that (`supervised`), says how to run it.
/// Takes the process' signals over: to be called once.
///
/// # Errors
/// No process can be started, or it died and there is no one stage to blame; in the started process: it has no supervisor.
#[cfg(unix)]
pub fn duty(supervised: bool, retries: u32) -> Result<Duty, Stop> {
    if supervised {
        let (link, interrupt) = Link::from_stdin().map_err(Stop::Input)?;
        return Ok(Duty::Run(Box::new(link), interrupt));
    }
    supervisor::supervise(retries)
        .map(Duty::Over)
        .map_err(Stop::Output)
}

/// Says how to run the sweep: by itself.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn duty(_supervised: bool, _retries: u32) -> Result<Duty, Stop> {
    // Where the system lets nobody listen, Ctrl-C ends the process as it always does.
    let interrupt = Interrupt::from_signals().unwrap_or_default();
    Ok(Duty::Run(Box::default(), interrupt))
}
