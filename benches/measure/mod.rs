//! What the benches of whole steps share: the frame of the program, a clock of parts, medians, the peak memory.

mod numbers;

use anyhow::Result;
pub use numbers::{peak_memory, rounded};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::time::Instant;

/// Milliseconds by part, in the order of their first mark.
pub struct Clock {
    last: Instant,
    parts: Vec<(&'static str, f64)>,
}

impl Clock {
    /// A running clock.
    pub fn start() -> Self {
        Self {
            last: Instant::now(),
            parts: Vec::new(),
        }
    }

    /// Adds the time since the last mark to `part`.
    pub fn mark(&mut self, part: &'static str) {
        let spent = 1e3 * self.last.elapsed().as_secs_f64();
        match self.parts.iter_mut().find(|(name, _)| *name == part) {
            Some((_, total)) => *total += spent,
            None => self.parts.push((part, spent)),
        }
        self.last = Instant::now();
    }

    /// The times of the parts.
    pub fn stop(self) -> Vec<(&'static str, f64)> {
        self.parts
    }
}

/// The parts as JSON, with `value` applied to each.
pub fn listed(parts: &[(&'static str, f64)], value: impl Fn(f64) -> f64) -> Map<String, Value> {
    let one = |(name, ms): &(&str, f64)| (name.to_string(), json!(rounded(value(*ms))));
    parts.iter().map(one).collect()
}

/// The median of `values`, which must not be empty.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints what `measure` returns as one line of JSON, or its error. It runs in a pool of `threads`, with the
/// allocator's setting of the program.
pub fn report(threads: usize, measure: impl FnOnce() -> Result<Value> + Send) -> ExitCode {
    harness::cli::keep_freed_memory();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let measured = pool
        .map_err(Into::into)
        .and_then(|pool| pool.install(measure));
    match measured {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}
