//! A request to stop: Ctrl-C, or a signal with which a system ends a job or announces its end.
//!
//! | signal | sent by | another one after it |
//! |---|---|---|
//! | SIGINT | Ctrl-C | ends the process at once |
//! | SIGTERM | `kill`, clusters | ends the process at once if it comes more than 5 seconds later |
//! | SIGHUP | a terminal that closes; not heard under `nohup` | changes nothing |
//! | SIGUSR1, SIGUSR2 | Slurm's `--signal`, submitit | changes nothing |
//!
//! Trainings end after the current step with a complete checkpoint. To end at once costs only the steps since
//! the last checkpoint. A shell or `srun` may forward a SIGTERM that the process has received already; this
//! is why a second one does not count at first.
//!
//! In a job of a cluster, SIGUSR2 asks for something else than SIGTERM: the time of the job is nearly over, and the
//! job is to be started again. The process says by its exit code which of the two it was asked for.

use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The exit code of a process that was asked to stop, the same as that of shells for Ctrl-C.
pub const EXIT_CODE: u8 = 130;
/// The exit code of a process that was asked to yield: `EX_TEMPFAIL` of sysexits.h.
pub const YIELD_CODE: u8 = 75;

/// What is asked of a process that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Request {
    /// To make room: the rest of the work is to be done by another process soon.
    Yield = 1,
    /// To stop: nobody but the user decides if and when the work goes on.
    Stop = 2,
}

impl Request {
    /// The exit code of a process that did what was asked and left work.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Yield => YIELD_CODE,
            Self::Stop => EXIT_CODE,
        }
    }
}

/// What was asked of this process so far, by a signal or by its supervisor. The stronger request counts: who is asked
/// to yield and then to stop has to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicU8>);

/// The error of a stage that ended because a stop was requested.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupt {
    /// Listens to the signals above (elsewhere than on Unix: to Ctrl-C). `usr2` is what SIGUSR2 asks for; the others
    /// ask to stop. To be called once in a process.
    ///
    /// # Errors
    /// The system refuses, or there is a listener already.
    pub fn from_signals(usr2: Request) -> Result<Self> {
        let interrupt = Self::default();
        listener::listen(interrupt.clone(), usr2)?;
        Ok(interrupt)
    }

    /// Makes a request. Returns true if the process was not asked for as much before.
    pub fn request(&self, request: Request) -> bool {
        self.0.fetch_max(request as u8, Ordering::SeqCst) < request as u8
    }

    /// What was asked for, if anything was.
    pub fn asked(&self) -> Option<Request> {
        let asked = self.0.load(Ordering::SeqCst);
        [Request::Yield, Request::Stop]
            .into_iter()
            .find(|request| *request as u8 == asked)
    }

    /// Returns true if the work has to end, for whichever reason.
    pub fn requested(&self) -> bool {
        self.asked().is_some()
    }

    /// Ends the work here if a stop was requested.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn check(&self) -> Result<(), Interrupted> {
        match self.requested() {
            true => Err(Interrupted),
            false => Ok(()),
        }
    }
}

#[cfg(unix)]
pub use listener::{asked_by, leave_to_supervisor};

#[cfg(unix)]
mod listener {
    use super::super::terminal::Terminal;
    use super::{EXIT_CODE, Interrupt, Request};
    use anyhow::{Context, Result};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    use signal_hook::iterator::Signals;
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    /// The signals with which a user or a cluster ends a process or announces its end.
    const SIGNALS: [i32; 5] = [SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2];
    /// The time in which a second SIGTERM may be the first one, forwarded.
    const FORWARDED: Duration = Duration::from_secs(5);

    /// What `signal` asks for, if SIGUSR2 asks for `usr2`; none if it is another signal than those above.
    pub fn asked_by(signal: i32, usr2: Request) -> Option<Request> {
        match signal {
            SIGUSR2 => Some(usr2),
            signal if SIGNALS.contains(&signal) => Some(Request::Stop),
            _ => None,
        }
    }

    /// Hands what signals ask for to `interrupt`, and ends the process at an impatient one.
    pub fn listen(interrupt: Interrupt, usr2: Request) -> Result<()> {
        let mut heard = SIGNALS.to_vec();
        heard.retain(|signal| *signal != SIGHUP || !is_hangup_ignored());
        let mut signals = Signals::new(heard).context("cannot listen to signals")?;
        let terminal = Terminal::of_this_process();
        std::thread::spawn(move || {
            let mut patience = Patience::default();
            for signal in signals.forever() {
                terminal.leave_if_closed();
                if patience.ends_with(signal, Instant::now()) {
                    std::process::exit(EXIT_CODE.into());
                }
                let request = asked_by(signal, usr2).unwrap_or(Request::Stop);
                if interrupt.request(request) {
                    tell(signal, request);
                }
            }
        });
        Ok(())
    }

    /// Makes this process do nothing at a signal: its supervisor receives the same one and passes it on. A
    /// terminal sends Ctrl-C to both, and Slurm signals every process of a job.
    pub fn leave_to_supervisor() -> Result<()> {
        for signal in SIGNALS {
            signal_hook::flag::register(signal, Arc::<AtomicBool>::default())
                .context("cannot leave signals to the supervisor")?;
        }
        Ok(())
    }

    /// Says what happens. Nobody may be there to read it, which is no error.
    fn tell(signal: i32, request: Request) {
        let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
        let seconds = FORWARDED.as_secs();
        let word = match request {
            Request::Yield => "yielding",
            Request::Stop => "stopping",
        };
        writeln!(
            std::io::stderr(),
            "{word} on {name}: each training ends after its current step with a checkpoint; \
             Ctrl-C, or another SIGTERM after {seconds} seconds, stops at once"
        )
        .ok();
    }

    /// Returns true if this process was started with SIGHUP ignored, as `nohup` does. Known on Linux only.
    fn is_hangup_ignored() -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let bits = ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        bits.is_some_and(|bits| bits & (1 << (SIGHUP - 1)) != 0)
    }

    /// The time of the first SIGINT or SIGTERM.
    #[derive(Debug, Default)]
    struct Patience(Option<Instant>);

    impl Patience {
        /// Returns true if the process should end at once with `signal`, which came at the time `now`.
        fn ends_with(&mut self, signal: i32, now: Instant) -> bool {
            let before = self.0.map(|first| now.duration_since(first));
            match signal {
                SIGINT | SIGTERM => {
                    self.0.get_or_insert(now);
                    before.is_some_and(|before| signal == SIGINT || before > FORWARDED)
                }
                _ => false,
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The answers to signals, each with the seconds at which it comes.
        fn ends(signals: &[(i32, u64)]) -> Vec<bool> {
            let (start, mut patience) = (Instant::now(), Patience::default());
            let ends = |(signal, second): &(i32, u64)| {
                patience.ends_with(*signal, start + Duration::from_secs(*second))
            };
            signals.iter().map(ends).collect()
        }

        #[test]
        fn a_forwarded_sigterm_is_no_second_request_and_a_later_one_is() {
            assert_eq!(ends(&[(SIGTERM, 0), (SIGTERM, 0)]), [false, false]);
            let late = [(SIGTERM, 0), (SIGTERM, 4), (SIGTERM, 6)];
            assert_eq!(ends(&late), [false, false, true]);
            assert_eq!(ends(&[(SIGINT, 0), (SIGINT, 0)]), [false, true]);
            assert_eq!(ends(&[(SIGTERM, 0), (SIGINT, 1)]), [false, true]);
        }

        #[test]
        fn a_warning_is_never_impatient_and_makes_nothing_else_so() {
            let warnings = [(SIGUSR1, 0), (SIGUSR2, 60), (SIGHUP, 70), (SIGTERM, 90)];
            assert_eq!(ends(&warnings), [false; 4]);
            assert_eq!(ends(&[(SIGTERM, 0), (SIGUSR1, 60)]), [false, false]);
        }

        #[test]
        fn usr2_alone_may_ask_for_something_else() {
            let asked = |usr2| SIGNALS.map(|signal| asked_by(signal, usr2));
            assert_eq!(asked(Request::Stop), [Some(Request::Stop); 5]);
            let mut expected = [Some(Request::Stop); 5];
            expected[4] = Some(Request::Yield);
            assert_eq!(asked(Request::Yield), expected, "{SIGNALS:?}");
            assert_eq!(asked_by(signal_hook::consts::SIGKILL, Request::Yield), None);
        }
    }
}

#[cfg(not(unix))]
mod listener {
    use super::{EXIT_CODE, Interrupt, Request};
    use anyhow::{Context, Result};

    /// Requests a stop of `interrupt` at the first Ctrl-C, and ends the process at the second.
    pub fn listen(interrupt: Interrupt, _usr2: Request) -> Result<()> {
        ctrlc::set_handler(move || {
            if !interrupt.request(Request::Stop) {
                std::process::exit(EXIT_CODE.into());
            }
            eprintln!(
                "stopping: each training ends after its current step with a checkpoint; another Ctrl-C stops at once"
            );
        })
        .context("cannot listen to Ctrl-C")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_request_counts_in_either_order() {
        let asked = |requests: [Request; 2]| {
            let interrupt = Interrupt::default();
            assert_eq!(interrupt.asked(), None);
            let news = requests.map(|request| interrupt.request(request));
            (interrupt.asked(), news)
        };
        use Request::{Stop, Yield};
        assert_eq!(asked([Yield, Stop]), (Some(Stop), [true, true]));
        assert_eq!(asked([Stop, Yield]), (Some(Stop), [true, false]));
        assert_eq!(asked([Yield, Yield]), (Some(Yield), [true, false]));
        assert_eq!([Yield, Stop].map(Request::exit_code), [75, 130]);
    }
}
